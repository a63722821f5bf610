//! One login at an honest host: the engine's machine, the verifier of its push, and as little as can be around them. It is
//! laxer than the agent: it asks whatever device has a certificate that verifies, revoked or of somebody else, and goes on
//! to show answers to a push that is over.

use crate::company::{ADDRESS, COMMAND, Company, PEOPLE, identity, text};
use crate::ledger::Ledger;
use crate::mischief::Mischief;
use assent_engine::config::{self, Config};
use assent_engine::directory::{Account, Attributes, Lookup, PasswordCheck, Person};
use assent_engine::grants::Held;
use assent_engine::login::facts::{Facts, Phase, SshConnection};
use assent_engine::login::{
    DeviceSearch, Effect, Event, Login, NameSearch, Outcome, PasswordReply, Purpose, PushNumber, PushOrder, Show,
    Standing,
};
use assent_engine::names::UserName;
use assent_proto::cert::{Identity, Level};
use assent_proto::relay::{Push, PushItem};
use assent_proto::request::{Command, Statement};
use assent_proto::text::Outside;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::verdict::{PendingPush, Received, seal_to_devices};
use assent_proto::{Bytes, Digest, Id, Nonce, login_id, number, sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const CONFIG: &str = r#"
[gateway]
url = "https://push.example.org"

[[auth_profile]]
name = "corp"
kind = "ldap"
realm = "canary.example"
uris = ["ldaps://ldap.example.org"]
base = "dc=example,dc=org"

[[auth_profile]]
name = "other"
kind = "ldap"
realm = "canary.example"
uris = ["ldaps://ldap2.example.org"]
base = "dc=example,dc=org"

[[push_profile]]
name = "tap"
fallback_auth_profiles = ["other"]
assurance = "tap"

[[push_profile]]
name = "number"
fallback_auth_profiles = ["other"]
assurance = "number"

[[push_profile]]
name = "nist"
fallback_auth_profiles = ["other"]
assurance = "number"
nist = true

[[application]]
name = "sudo-canary"
services = ["sudo"]
factors = [["tap"]]

[[application]]
name = "ssh-canary"
services = ["sshd"]
factors = [["corp"], ["tap"]]

[[application]]
name = "ssh-number-canary"
services = ["sshd-number"]
factors = [["stack"], ["number"]]

[[application]]
name = "ssh-nist-canary"
services = ["sshd-nist"]
factors = [["corp"], ["nist"]]
"#;

/// The services of [`CONFIG`], and which of them show a number.
pub const SERVICES: [&str; 4] = ["sudo", "sshd", "sshd-number", "sshd-nist"];
pub const WITH_NUMBER: std::ops::Range<usize> = 2..4;

pub fn config() -> Arc<Config> {
    Arc::new(config::load_str("agentd.toml", CONFIG).unwrap())
}

/// What a host asked, as everybody may know it.
pub struct Asked {
    pub person: usize,
    pub statement: Statement,
    pub document: String,
    pub digest: Digest,
    pub number: Option<Zeroizing<String>>,
    /// To which devices it was sealed.
    pub devices: Vec<usize>,
    pub ends: BootTime,
    /// How many authenticated answers it had.
    pub spent: usize,
}

pub struct Seat {
    pub host: usize,
    pub person: usize,
    pub asked: Option<Asked>,
    pub outcome: Option<Outcome>,
    pub now: BootTime,
    login: Login,
    pending: Option<PendingPush>,
    number: Option<Zeroizing<String>>,
    prompt: bool,
    /// Which of the login's pushes waits.
    push: PushNumber,
    approved: bool,
}

/// Who logs in where, and what the directory makes of it.
pub struct Plan {
    pub host: usize,
    pub person: usize,
    pub service: &'static str,
    pub lie: Option<Mischief>,
}

fn facts(plan: &Plan) -> Facts {
    let sudo = plan.service == "sudo";
    let ssh = format!("{ADDRESS} 50022 192.0.2.1 22");
    Facts {
        login: login_id::random().unwrap(),
        ctx: Digest::random().unwrap(),
        at: UnixTime::now(),
        phase: Phase::Auth,
        service: Outside::new(plan.service),
        user: Outside::new(PEOPLE[plan.person]),
        ruser: sudo.then(|| Outside::new(PEOPLE[plan.person])),
        login_uid: None,
        audit_session: None,
        rhost: (!sudo).then(|| Outside::new(ADDRESS)),
        tty: Some(Outside::new("/dev/pts/7")),
        country: None,
        ssh: if sudo {
            None
        } else {
            SshConnection::parse(&Outside::new(ssh))
        },
        over_ssh: !sudo,
        ssh_auth_info: None,
        args: vec![Outside::new("sudo"), Outside::new(COMMAND)],
        args_cut: false,
        args_sha256: sha256(&[COMMAND.as_bytes()]),
        cwd: Some(Outside::new("/home/canary")),
        sudo_command: sudo.then(|| Outside::new(COMMAND)),
        ticket: false,
    }
}

fn person(who: usize, account: Account) -> Person {
    Person {
        identity: identity(who),
        account,
        attributes: Attributes::default(),
    }
}

fn found(who: usize, account: Account) -> Lookup {
    Lookup::Found(Box::new(person(who, account)))
}

/// What the second directory of a login says.
fn looked_up(plan: &Plan) -> Lookup {
    match plan.lie {
        Some(Mischief::DirectorySaysAnotherPerson) => found((plan.person + 1) % 3, Account::Active),
        Some(Mischief::DirectorySaysNobody) => Lookup::Unknown,
        Some(Mischief::DirectorySaysTwo) => Lookup::Ambiguous,
        Some(Mischief::DirectorySaysNothing) => Lookup::Unreachable("it says nothing".into()),
        Some(Mischief::DirectorySaysBlocked) => found(plan.person, Account::Disabled),
        _ => found(plan.person, Account::Active),
    }
}

impl Seat {
    /// Begins a login and goes on until its push is to leave, or it has ended.
    pub fn begin(
        company: &Company,
        ledger: &mut Ledger,
        config: &Arc<Config>,
        plan: &Plan,
        mut devices: impl FnMut(&Identity) -> DeviceSearch,
    ) -> (Self, Option<Push>) {
        let now = BootTime(Duration::from_secs(1_000));
        let mut seat = Self {
            host: plan.host,
            person: plan.person,
            asked: None,
            outcome: None,
            now,
            login: Login::new(Arc::clone(config), facts(plan), now),
            pending: None,
            number: None,
            prompt: false,
            push: PushNumber::default(),
            approved: false,
        };
        let mut events = VecDeque::from([Event::Begin]);
        // Every question has one answer here: whoever asks more often than this goes round in circles.
        for _ in 0..32 {
            let event = events.pop_front().unwrap_or_else(|| {
                seat.now = seat.now.plus(Duration::from_millis(300));
                Event::Tick
            });
            for effect in seat.login.step(event, seat.now) {
                match effect {
                    Effect::Resolve(_) => {
                        let name = UserName::new(&Outside::new(PEOPLE[plan.person])).unwrap();
                        events.push_back(Event::Resolved(NameSearch::Known(name, 1000)));
                    }
                    Effect::AskPassword { .. } => events.push_back(Event::Password(PasswordReply::Typed)),
                    Effect::Ask { purpose, .. } => match purpose {
                        Purpose::Go => events.push_back(Event::Go(true)),
                        Purpose::Show => seat.prompt = true,
                        Purpose::Code | Purpose::ShowOrCode => panic!("no application here takes codes"),
                        Purpose::Enrol => panic!("no application here registers phones"),
                    },
                    Effect::ShowNumber { how, digits, .. } => {
                        seat.number = Some(number::random(digits).unwrap());
                        seat.prompt |= how == Show::Prompt;
                    }
                    // No administrator plays.
                    Effect::FindGrants { .. } => events.push_back(Event::Held(Held::Nothing)),
                    Effect::Weigh(_) => events.push_back(Event::Weighed(Standing::default())),
                    Effect::Tell { .. } | Effect::WithdrawPush | Effect::EndCode | Effect::NoteDenial => {}
                    Effect::Recall(_) | Effect::Admit(_) => panic!("no policy here asks what is remembered"),
                    Effect::CheckPassword { .. } => {
                        let passed = PasswordCheck::Passed(Box::new(person(plan.person, Account::Active)));
                        events.push_back(Event::Checked(passed));
                    }
                    Effect::LookUp { .. } => events.push_back(Event::LookedUp(looked_up(plan))),
                    Effect::FindDevices(who) => events.push_back(Event::Devices(devices(&who))),
                    Effect::Push(order) => return seat.asks(company, ledger, *order),
                    Effect::StartCode(_) | Effect::SendCode { .. } | Effect::CheckCode { .. } => {
                        panic!("no application here takes codes")
                    }
                    Effect::OpenEnrolment { .. }
                    | Effect::ShowEnrolment(_)
                    | Effect::ConfirmEnrolment
                    | Effect::EndEnrolment => panic!("no application here registers phones"),
                    Effect::Finish(outcome) => {
                        seat.ends(outcome);
                        return (seat, None);
                    }
                }
            }
        }
        panic!("a login neither asks nor ends: {:?}", seat.login.trace());
    }

    fn asks(mut self, company: &Company, ledger: &mut Ledger, order: PushOrder) -> (Self, Option<Push>) {
        let server = &company.servers[self.host];
        self.push = order.number;
        let mut details = order.details;
        // A login by ssh has no command; what is searched for shall be in every request.
        details.cmd.get_or_insert_with(|| Command {
            resolved: Some(text(COMMAND)),
            args: vec![text("canary")],
            truncated: false,
            sha256: sha256(&[b"canary"]),
        });
        let (id, n) = (Id::random().unwrap(), Nonce::random().unwrap());
        let statement = Statement::new(id, n, &server.host, UnixTime::now(), details);
        let document = statement.sign(&server.keys.sign).unwrap();
        ledger.asked(self.host, &document);
        let sealed = seal_to_devices(&statement, &document, &server.host, &company.issuer, &order.devices).unwrap();
        let number = self.number.take();
        let asked_of = sealed.iter().filter_map(|(device, _)| company.phone_of(*device));
        let pending = PendingPush::new(&statement, &document, order.devices.clone(), number.clone(), self.now);
        let push = Push {
            id,
            expiry: statement.expiry(),
            ttl: statement.ttl,
            to: sealed
                .iter()
                .map(|(device, blob)| PushItem {
                    device: *device,
                    blob: blob.clone(),
                })
                .collect(),
        };
        self.asked = Some(Asked {
            person: self.person,
            digest: sha256(&[document.as_bytes()]),
            devices: asked_of.collect(),
            ends: self.now.plus(Duration::from_secs(u64::from(statement.ttl))),
            statement,
            document,
            number,
            spent: 0,
        });
        self.pending = Some(pending);
        (self, Some(push))
    }

    /// The relay has the push.
    pub fn sent(&mut self) {
        self.step(Event::PushSent(self.push));
    }

    /// The relay delivers an answer to this login's push. Whether a guard stopped it.
    pub fn receives(&mut self, company: &Company, ledger: &Ledger, device: Id, blob: &Bytes) -> Result<bool, String> {
        let (Some(pending), Some(asked)) = (&mut self.pending, &mut self.asked) else {
            return Ok(true);
        };
        pending.revoke(|device| company.revocations.revokes_device(device));
        let kem = &company.servers[self.host].keys.kem;
        let (event, stopped) = match pending.receive(kem, device, blob, self.now, UnixTime::now()) {
            Received::Ignored { why, last } => (Event::PushIgnored { why, last }, true),
            Received::Refused { why, .. } => {
                asked.spent += 1;
                (Event::PushRefused(why), true)
            }
            Received::Approved(approved) => {
                ledger.judge(company, asked, device, self.now, &approved)?;
                asked.spent += 1;
                self.approved = true;
                (Event::PushApproved(approved), false)
            }
        };
        self.step(event);
        if self.outcome.is_none() && self.approved && self.prompt {
            self.step(Event::Shown(true));
        }
        Ok(stopped)
    }

    fn step(&mut self, event: Event) {
        if self.outcome.is_some() {
            return;
        }
        for effect in self.login.step(event, self.now) {
            if let Effect::Finish(outcome) = effect {
                self.ends(outcome);
            }
        }
    }

    fn ends(&mut self, outcome: Outcome) {
        assert!(
            outcome != Outcome::Approved || self.approved,
            "a login passed without an approval: {:?}",
            self.login.trace()
        );
        self.outcome = Some(outcome);
    }

    pub fn passed(&self) -> bool {
        self.outcome == Some(Outcome::Approved)
    }

    /// The number on its terminal, if a request of this level wants one.
    pub fn number_for(&self, level: Level) -> Option<&str> {
        let number = self.asked.as_ref()?.number.as_ref()?;
        (level == Level::Number).then_some(number.as_str())
    }
}
