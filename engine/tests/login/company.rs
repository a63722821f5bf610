//! A small trust domain and a configuration, so that the machine meets real certificates and real approvals.

use assent_engine::config::{self, Config};
use assent_engine::directory::{Account, Attributes, Lookup, PasswordCheck, Person, Syntax, Values};
use assent_engine::login::CodeOrder;
use assent_engine::login::facts::{Facts, Phase, SshConnection};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{
    self, Device, DeviceOwner, Host, Identity, Issuance, Issuer, IssuerGrant, IssuerRequest, Trust,
};
use assent_proto::code::{self, CodeAsk, CodeMethod, CodePassed, CodeStart, CodeWant, CodeWord, Judged, PendingCode};
use assent_proto::code_service::{CodeService, CodeServiceRequest, sign_code_service};
use assent_proto::enrol::{Enrolment, Token};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::passkey::Passkey;
use assent_proto::registrar::HostJoin;
use assent_proto::request::{self, Details, Statement};
use assent_proto::roots::RootSet;
use assent_proto::seal::{self, Purpose};
use assent_proto::text::Outside;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::verdict::{Approved, PendingPush, Received, seal_to_devices};
use assent_proto::{Bytes, Digest, Id, Nonce, ShortText, sha256};
use std::sync::Arc;
use std::time::Duration;

pub const CONFIG: &str = r#"
[gateway]
url = "https://push.example.org"

[[auth_profile]]
name = "corp"
kind = "ldap"
realm = "example.org"
uris = ["ldaps://ldap.example.org"]
base = "dc=example,dc=org"

[[auth_profile]]
name = "backup"
kind = "ldap"
realm = "example.org"
uris = ["ldaps://ldap2.example.org"]
base = "dc=example,dc=org"
on_unreachable = "next"

[[push_profile]]
name = "staff-push"
fallback_auth_profiles = ["corp"]
assurance = "tap"

[[push_profile]]
name = "open-push"
fallback_auth_profiles = ["backup", "corp"]
assurance = "tap"

[[policy]]
push_profile = "staff-push"
auth_profile = "corp"
attribute = "department"
values = ["IT", "IT-*"]

[[application]]
name = "ssh"
services = ["sshd"]
factors = [["corp"], ["staff-push"]]

[[application]]
name = "keys"
services = ["sshd-keys"]
factors = [["stack"], ["staff-push"]]

[[application]]
name = "alone"
services = ["sshd-alone"]
factors = [["staff-push"]]

[[application]]
name = "sudo"
services = ["sudo"]
factors = [["staff-push"]]

[[application]]
name = "su"
services = ["su"]
factors = [["staff-push"]]
subject = "caller"

[[sms_profile]]
name = "sms"
fallback_auth_profiles = ["corp"]

[[sms_profile]]
name = "tr-sms"
fallback_auth_profiles = ["corp"]
language_attribute = "preferredLanguage"
language = "tr"

[[application]]
name = "tr-codes"
services = ["tr-codes"]
factors = [["stack"], ["tr-sms"]]

[[application]]
name = "languages"
services = ["languages"]
factors = [["corp"], ["tr-sms"]]

[[application]]
name = "codes"
services = ["codes"]
factors = [["stack"], ["sms"]]

[[sms_profile]]
name = "other-sms"
fallback_auth_profiles = ["corp"]
address_attribute = "telephoneNumber"

[[mail_profile]]
name = "mail"
fallback_auth_profiles = ["corp"]

[[totp_profile]]
name = "totp"
fallback_auth_profiles = ["corp"]

[[recovery_profile]]
name = "recovery"
fallback_auth_profiles = ["corp"]

[[totp_profile]]
name = "it-totp"
fallback_auth_profiles = ["corp"]

[[application]]
name = "by-totp"
services = ["totp", "sudo-totp"]
factors = [["stack"], ["totp"]]

[[application]]
name = "by-mail"
services = ["mail"]
factors = [["stack"], ["mail"]]

[[application]]
name = "totp-alone"
services = ["totp-alone"]
factors = [["totp"]]

[[push_profile]]
name = "passkey-push"
fallback_auth_profiles = ["corp"]
assurance = "passkey"

[[push_profile]]
name = "synced-push"
fallback_auth_profiles = ["corp"]
assurance = "number"
synced_passkeys = true

[[push_profile]]
name = "locked-push"
fallback_auth_profiles = ["corp"]
assurance = "tap"
app_lock = true

[[application]]
name = "locked"
services = ["sshd-locked"]
factors = [["stack"], ["locked-push", "totp"]]

[[application]]
name = "passkey"
services = ["sshd-passkey"]
factors = [["stack"], ["passkey-push", "totp"]]
on_failure = { not_enrolled = ["totp"] }

[[application]]
name = "synced"
services = ["sshd-synced"]
factors = [["stack"], ["synced-push"]]
floor = "passkey"

[[application]]
name = "password"
services = ["sshd-password"]
factors = [["corp"]]

[[application]]
name = "strict"
services = ["sshd-strict"]
factors = [["stack"], ["staff-push"]]
bypass = "never"

[[push_profile]]
name = "corp-push"
fallback_auth_profiles = ["corp"]
assurance = "tap"

[[push_profile]]
name = "raised-push"
fallback_auth_profiles = ["corp"]
assurance = "tap"

[[application]]
name = "raised"
services = ["sshd-raised"]
factors = [["stack"], ["raised-push", "totp"]]

[[application]]
name = "beside"
services = ["sshd-beside", "sudo-beside"]
factors = [["stack"], ["corp-push", "sms", "totp", "recovery"]]

[[application]]
name = "number-beside"
services = ["sshd-number-beside", "sudo-number-beside"]
factors = [["stack"], ["nist-push", "it-totp"]]

[[application]]
name = "not-beside"
services = ["sshd-not-beside"]
factors = [["stack"], ["corp-push", "totp"]]
offer_codes = false

[[application]]
name = "routes"
services = ["sshd-routes", "sudo-routes"]
factors = [["stack"], ["corp-push"]]
floor = "sms"
on_failure = { gateway = ["totp"], not_enrolled = ["it-totp", "sms"], no_answer = ["totp"], exhausted = ["recovery"], codes = ["recovery"], directory = ["totp"] }

[[application]]
name = "open"
services = ["open"]
factors = [["stack"], ["open-push"]]

[[application]]
name = "twice"
services = ["twice"]
factors = [["stack"], ["staff-push"], ["open-push"]]

[[application]]
name = "two"
services = ["two"]
factors = [["backup", "corp"], ["staff-push", "open-push"]]

[known_networks]
office = ["198.51.100.0/24", "2001:db8::/32"]

[[push_profile]]
name = "adaptive-push"
fallback_auth_profiles = ["corp"]

[[push_profile]]
name = "nist-push"
fallback_auth_profiles = ["corp"]
assurance = "number"
nist = true

[[policy]]
push_profile = "nist-push"
auth_profile = "corp"
attribute = "department"
values = ["IT"]

[[policy]]
push_profile = "nist-push"
auth_profile = "corp"
attribute = "department"
values = ["Sales"]
assurance = "tap"

[[application]]
name = "adaptive"
services = ["sshd-adaptive"]
factors = [["stack"], ["adaptive-push"]]

[[application]]
name = "adaptive-alone"
services = ["sshd-adaptive-alone", "sudo-i"]
factors = [["adaptive-push"]]

[[application]]
name = "nist"
services = ["sshd-nist"]
factors = [["stack"], ["nist-push"]]

[[application]]
name = "nist-floor"
services = ["sshd-nist-floor"]
factors = [["stack"], ["nist-push"]]
floor = "number"

[[application]]
name = "enter"
services = ["sshd-enter"]
factors = [["stack"], ["open-push"]]
ssh_prompt = "enter"

[[push_profile]]
name = "risk-push"
fallback_auth_profiles = ["corp"]
assurance = "tap"

[[policy]]
push_profile = "risk-push"
auth_profile = "corp"
recent_denials = { at_least = 3, within_minutes = 30 }
action = "deny"

[[policy]]
push_profile = "risk-push"
auth_profile = "corp"
new_address = false
action = "waive"

[[policy]]
push_profile = "risk-push"
auth_profile = "corp"
new_address = true
assurance = "number"

[[application]]
name = "risk"
services = ["sshd-risk"]
factors = [["stack"], ["risk-push"]]
floor = "bypass"
on_failure = { directory = ["totp"], no_answer = ["risk-push"] }

[[push_profile]]
name = "later-push"
fallback_auth_profiles = ["corp"]
assurance = "tap"

[[policy]]
push_profile = "later-push"
auth_profile = "corp"
first_factor = ["key", "password"]
assurance = "tap"

[[policy]]
push_profile = "later-push"
auth_profile = "corp"
first_factor = ["stack"]
assurance = "number"

[[application]]
name = "risk-then"
services = ["sshd-risk-then"]
factors = [["stack"], ["risk-push"], ["later-push"]]
floor = "bypass"

[[application]]
name = "risk-alone"
services = ["sshd-risk-alone"]
factors = [["risk-push"]]
floor = "bypass"

[[application]]
name = "risk-floor"
services = ["sshd-risk-floor"]
factors = [["stack"], ["risk-push"]]

[[application]]
name = "enroll"
services = ["sshd-enroll"]
factors = [["corp"], ["staff-push"]]
enroll_at_login = { until = "2026-11-30" }

[[application]]
name = "enroll-office"
services = ["sshd-enroll-office"]
factors = [["corp"], ["staff-push"]]
enroll_at_login = { from = ["office"] }

[[application]]
name = "enroll-stack"
services = ["sshd-enroll-stack"]
factors = [["stack"], ["staff-push"]]
enroll_at_login = { until = "2026-11-30" }

[[application]]
name = "enroll-over"
services = ["sshd-enroll-over"]
factors = [["corp"], ["staff-push"]]
enroll_at_login = { until = "2026-11-17" }

[[application]]
name = "enroll-routes"
services = ["sshd-enroll-routes"]
factors = [["corp"], ["totp", "corp-push"]]
on_failure = { codes = ["corp-push"], not_enrolled = ["it-totp", "corp-push"] }
enroll_at_login = { until = "2026-11-30" }

[[application]]
name = "enroll-waived"
services = ["sshd-enroll-waived"]
factors = [["stack"], ["risk-push"], ["later-push"]]
floor = "bypass"
enroll_at_login = { until = "2026-11-30" }

[[policy]]
profile = "it-totp"
auth_profile = "corp"
attribute = "department"
values = ["IT"]

[[policy]]
push_profile = "raised-push"
auth_profile = "corp"
attribute = "department"
values = ["IT"]
assurance = "number"

[[policy]]
push_profile = "raised-push"
auth_profile = "corp"
attribute = "department"
values = ["Sales"]
"#;

pub fn config() -> Arc<Config> {
    Arc::new(config::load_str("agentd.toml", CONFIG).unwrap())
}

pub fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(1000 + seconds))
}

pub fn text(text: &str) -> ShortText {
    ShortText::new(text).unwrap()
}

pub fn identity(id: &str) -> Identity {
    Identity {
        realm: text("example.org"),
        id: text(id),
    }
}

pub fn facts(service: &str, phase: Phase) -> Facts {
    Facts {
        login: text("k7f3q2"),
        ctx: sha256(&[service.as_bytes()]),
        at: UnixTime(1_795_000_000),
        phase,
        service: Outside::new(service),
        user: Outside::new("alice"),
        ruser: None,
        login_uid: None,
        audit_session: None,
        rhost: Some(Outside::new("192.0.2.7")),
        tty: Some(Outside::new("ssh")),
        country: None,
        ssh: SshConnection::parse(&Outside::new("192.0.2.7 50022 198.51.100.1 22")),
        over_ssh: true,
        ssh_auth_info: None,
        args: vec![Outside::new("sshd: alice [priv]")],
        args_cut: false,
        args_sha256: sha256(&[b"x"]),
        cwd: Some(Outside::new("/")),
        sudo_command: None,
        ticket: false,
    }
}

pub fn sudo(args: &[&str]) -> Facts {
    Facts {
        rhost: None,
        ssh: None,
        over_ssh: false,
        tty: Some(Outside::new("/dev/pts/3")),
        args: args.iter().map(|a| Outside::new(*a)).collect(),
        sudo_command: Some(Outside::new("/usr/bin/id")),
        ..facts("sudo", Phase::Auth)
    }
}

pub fn person(id: &str, department: &str) -> Person {
    let mut attributes = Attributes::default();
    attributes.insert(
        "department",
        Values {
            syntax: Syntax::Text,
            values: vec![Outside::new(department)],
        },
    );
    Person {
        identity: identity(id),
        account: Account::Active,
        attributes,
    }
}

pub fn found(id: &str, department: &str) -> Lookup {
    Lookup::Found(Box::new(person(id, department)))
}

pub fn passed(id: &str, department: &str) -> PasswordCheck {
    PasswordCheck::Passed(Box::new(person(id, department)))
}

/// A host, an issuer, a code service, and a device of the identity `alice-id`.
pub struct Company {
    code_keys: KeyPair,
    code_service: CodeService,
    issuer: Issuer,
    host: Host,
    host_keys: KeyPair,
    pub device: Device,
    /// One with a passkey that is bound to it, and one with a passkey that is not.
    pub with_passkeys: [Device; 2],
    device_keys: KeyPair,
}

impl Company {
    pub fn new() -> Self {
        let now = UnixTime::now();
        let root = SigningKey::generate().unwrap();
        let issuer_keys = KeyPair::generate().unwrap();
        let wish = IssuerRequest::verify(&IssuerRequest::sign(&issuer_keys, now).unwrap()).unwrap();
        let grant = IssuerGrant {
            realms: vec![text("*")],
            hosts: vec![text("*")],
            nbf: now,
            days: 90,
            serial: Id::random().unwrap(),
        };
        let signed = cert::sign_issuer(&root, &wish, grant).unwrap();
        let issuer = Trust::new(vec![root.public()]).verify_issuer(&signed, now).unwrap();
        let issuance = Issuance {
            nbf: now,
            days: 90,
            serial: Id::random().unwrap(),
            log_index: 1,
        };
        let token = Token::random(&RootSet::of_key(root.public())).unwrap();
        let host_keys = KeyPair::generate().unwrap();
        let join = HostJoin::new(&token, &host_keys, text("web01"), now).unwrap();
        let join = join.verify(token.id, &token.secret).unwrap();
        let host = cert::sign_host(&issuer, &issuer_keys.sign, Id::random().unwrap(), &join, issuance).unwrap();
        let host = issuer.verify_host(&host, now).unwrap();
        let device_keys = KeyPair::generate().unwrap();
        let enrolment = Enrolment::new(&token, &device_keys, text("phone"), text("test"), now).unwrap();
        let request = enrolment.verify(token.id, &token.secret).unwrap();
        let owner = DeviceOwner {
            identities: vec![identity("alice-id")],
            name: text("alice"),
        };
        let certified = |passkey| {
            let (key, id) = (&issuer_keys.sign, Id::random().unwrap());
            let document = cert::sign_device(&issuer, key, id, owner.clone(), (&request, passkey), issuance).unwrap();
            issuer.verify_device(&document, now).unwrap()
        };
        let passkey = |synced| Passkey {
            cred: Bytes(vec![1]),
            key: device_keys.sign.public(),
            origin: text("https://phone.example.org"),
            synced,
        };
        let device = certified(None);
        let with_passkeys = [certified(Some(passkey(false))), certified(Some(passkey(true)))];
        let code_keys = KeyPair::generate().unwrap();
        let wish = CodeServiceRequest::verify(&CodeServiceRequest::sign(&code_keys, now).unwrap()).unwrap();
        let code_service = sign_code_service(&issuer, &issuer_keys.sign, &wish, issuance).unwrap();
        let code_service = issuer.verify_code_service(&code_service, now).unwrap();
        Self {
            code_keys,
            code_service,
            issuer,
            host,
            host_keys,
            device,
            with_passkeys,
            device_keys,
        }
    }

    /// The code service's word that a code was right, through signing and verifying, for the transaction `ctx`.
    pub fn take_code(&self, order: &CodeOrder, ctx: Digest, method: CodeMethod, now: BootTime) -> CodePassed {
        let wall = UnixTime::now();
        let start = CodeStart {
            id: Id::random().unwrap(),
            n: Nonce::random().unwrap(),
            login: text("k7f3q2"),
            identity: order.identity.clone(),
            user: order.user.clone(),
            svc: text("sshd"),
            app: order.app.clone(),
            src: None,
            methods: order.methods.clone(),
            mobile: order.mobile.clone(),
            mail: order.mail.clone(),
            ttl: order.ttl,
            ctx,
            lang: text("en"),
        };
        let want = CodeWant::Start(Box::new(start.clone()));
        let ask = CodeAsk::sign(&self.host_keys.sign, &self.host, Id::random().unwrap(), wall, want).unwrap();
        let mut pending = PendingCode::new(&start, &ask, &self.host, self.code_service.clone(), now);
        let asked = (code::digest(&ask), self.host.claims().host_id, &start);
        let word = CodeWord::sign(&self.code_keys.sign, asked, method, true, wall).unwrap();
        match pending.judge(&word, now, wall) {
            Judged::Passed(passed) => passed,
            Judged::Wrong => panic!("wrong"),
            Judged::Unbelieved(why) => panic!("{why}"),
        }
    }

    /// What the device's owner approves for these details by a tap, through signing, sealing, opening and verifying.
    pub fn approve(&self, details: Details, now: BootTime) -> Approved {
        self.approve_with(details, None, now)
    }

    /// The same with a number on the terminal, which the owner types.
    pub fn approve_with(&self, details: Details, number: Option<&str>, now: BootTime) -> Approved {
        let wall = UnixTime::now();
        let statement = Statement::new(
            Id::random().unwrap(),
            Nonce::random().unwrap(),
            &self.host,
            wall,
            details,
        );
        let request = statement.sign(&self.host_keys.sign).unwrap();
        let devices = vec![self.device.clone()];
        let sealed = seal_to_devices(&statement, &request, &self.host, &self.issuer, &devices).unwrap();
        let device_id = self.device.claims().device_id;
        let context = request::seal_context(&statement.id, &device_id, statement.expiry());
        let envelope: request::Envelope =
            seal::open(&self.device_keys.kem, Purpose::Request, &context, &sealed[0].1).unwrap();
        let root = self.issuer.document();
        assert_eq!(envelope.issuer, root);
        let digest = sha256(&[envelope.req.as_bytes()]);
        let verified = request::VerifiedRequest {
            statement: statement.clone(),
            host: self.host.clone(),
            digest,
        };
        let answer = Answer::new(&verified, device_id, Decision::Approve, number.map(text), wall);
        let res = answer.sign(&self.device_keys.sign).unwrap();
        let context = answer::seal_context(&statement.id, &device_id);
        let blob = seal::seal(
            &self.host.claims().kem,
            Purpose::Answer,
            &context,
            &answer::Envelope { res },
        )
        .unwrap();
        let mut pending = PendingPush::new(&statement, &request, devices, number.map(|n| n.to_owned().into()), now);
        match pending.receive(&self.host_keys.kem, device_id, &blob, now, wall) {
            Received::Approved(approved) => approved,
            Received::Refused { why, .. } => panic!("refused: {why}"),
            Received::Ignored { why, .. } => panic!("ignored: {why}"),
        }
    }
}
