//! One round: one or two people log in, each adversary plays its tricks, and the judge looks at whatever is drawn or
//! approved.

use crate::company::{Company, EVIL, HONEST, OWNERS, PEOPLE, STOLEN, counts, identity};
use crate::company::{EVES, EXPIRED, FOREIGN};
use crate::dice::Dice;
use crate::evil_host::{self, altered};
use crate::evil_phone::{self, Hand};
use crate::evil_relay::{self, Delivery, flipped};
use crate::ledger::{Ledger, Tally};
use crate::mischief::Mischief;
use crate::post::Post;
use crate::seat::{self, Plan, SERVICES, Seat, WITH_NUMBER};
use crate::secrecy;
use assent_engine::config::Config;
use assent_engine::login::DeviceSearch;
use assent_proto::answer::{self, Decision};
use assent_proto::cert::{Device, DeviceClaims, Identity};
use assent_proto::registrar::{self, Ask, HostAsk, HostWant, Reply, Sealed};
use assent_proto::relay::{DeviceAnswer, DeviceEvent, HostEvent};
use assent_proto::request::{self, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use axum::http::Method;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How much of what passed adversaries keep.
const KEPT: usize = 32;

/// What passed before, for whoever wants to bring it again.
#[derive(Default)]
pub struct Attic {
    pub events: VecDeque<(usize, DeviceEvent)>,
    pub answers: VecDeque<(Id, Bytes)>,
    replies: VecDeque<Sealed>,
}

fn keep<T>(kept: &mut VecDeque<T>, thing: T) {
    kept.push_back(thing);
    if kept.len() > KEPT {
        kept.pop_front();
    }
}

/// How a login ended.
pub struct End {
    /// Nobody disturbed it, and it ended as its person wished.
    pub honest: bool,
    pub passed: bool,
}

pub struct Arena {
    company: Company,
    config: Arc<Config>,
    post: Post,
    ledger: Ledger,
    attic: Attic,
    /// Whose devices which host remembers.
    known: HashMap<(usize, usize), Vec<Device>>,
    pub tally: Tally,
    /// What a request says to the device that draws it.
    said: String,
    /// Seed, round and tricks, for whoever reads a failure.
    pub what: String,
}

impl Arena {
    pub async fn open() -> Self {
        let company = Company::found();
        Self {
            post: Post::open(&company).await,
            config: seat::config(),
            ledger: Ledger::default(),
            attic: Attic::default(),
            known: HashMap::new(),
            tally: Tally::default(),
            said: String::new(),
            what: String::new(),
            company,
        }
    }

    fn sees(&self, holds: Result<(), String>) {
        if let Err(why) = holds {
            panic!("{}: {why}", self.what);
        }
    }

    pub async fn play(&mut self, tricks: &[Mischief], dice: &mut Dice) -> Vec<End> {
        let mut stopped = false;
        let mut seats = self.begin(tricks, dice, &mut stopped).await;
        stopped |= seats.iter().any(|seat| seat.asked.is_none());
        let drawn = self.show(tricks, &seats, dice, &mut stopped).await;
        let decisions: Vec<Decision> = seats.iter().map(|_| decision(dice)).collect();
        let deliveries = self.answer(tricks, &seats, &decisions, drawn, dice, &mut stopped).await;
        self.deliver(tricks, &mut seats, deliveries, dice, &mut stopped);
        for seat in &seats {
            self.withdraw(seat).await;
        }
        if let [alone] = tricks
            && stopped
        {
            self.tally.met(&[*alone]);
        }
        let end = |(seat, decision): (&Seat, &Decision)| {
            let passed = seat.passed();
            if tricks.is_empty() {
                assert_eq!(
                    passed,
                    *decision == Decision::Approve,
                    "{}: {:?}",
                    self.what,
                    seat.outcome
                );
                assert!(seat.outcome.is_some(), "{}: an honest login waits", self.what);
            }
            End {
                honest: tricks.is_empty(),
                passed,
            }
        };
        seats.iter().zip(&decisions).map(end).collect()
    }

    /// Logins begin, and their pushes go to the relay.
    async fn begin(&mut self, tricks: &[Mischief], dice: &mut Dice, stopped: &mut bool) -> Vec<Seat> {
        let has = |trick| tricks.contains(&trick);
        let two = has(Mischief::RelaySwapsRequests) || has(Mischief::RelayCrossesAnswers) || dice.once_in(4);
        let numbers = [
            Mischief::PhoneTypesWrongNumber,
            Mischief::PhoneTypesNoNumber,
            Mischief::PhoneGuessesNumbers,
        ];
        let directory = Mischief::DirectorySaysAnotherPerson..=Mischief::DirectorySaysBlocked;
        let (mut seats, mut pushes) = (Vec::new(), Vec::new());
        for _ in 0..=usize::from(two) {
            let service = match numbers.into_iter().any(has) {
                true => WITH_NUMBER.start + dice.below(WITH_NUMBER.len()),
                false => dice.below(SERVICES.len()),
            };
            let plan = Plan {
                host: HONEST[dice.below(2)],
                person: dice.below(PEOPLE.len()),
                service: SERVICES[service],
                lie: tricks.iter().copied().find(|trick| directory.contains(trick)),
            };
            let asked = self.devices(tricks, &plan, dice);
            *stopped |= matches!(asked, DeviceSearch::Unreachable(_));
            let (seat, push) = Seat::begin(&self.company, &mut self.ledger, &self.config, &plan, |_| match &asked {
                DeviceSearch::Found(devices) => DeviceSearch::Found(devices.clone()),
                _ => DeviceSearch::Unreachable("no reply counted".into()),
            });
            pushes.extend(push);
            seats.push(seat);
        }
        evil_relay::on_requests(tricks, &mut pushes, &self.company, dice);
        let mut waiting = pushes.into_iter();
        for seat in seats.iter_mut().filter(|seat| seat.asked.is_some()) {
            let push = waiting.next().unwrap();
            if !has(Mischief::RelayDropsRequest) {
                let server = &self.company.servers[seat.host];
                let bearer = self.post.claim(server.id, &server.keys);
                let status = self.post.call(Method::POST, "/v1/push", &bearer, &push).await;
                assert_eq!(status, 200, "{}: the relay refuses a push", self.what);
                for item in &push.to {
                    self.post.passes(&item.blob.0);
                }
            }
            seat.sent();
        }
        seats
    }

    /// The devices of somebody, as a host knows them: asked of the registrar, or remembered for a while.
    fn devices(&mut self, tricks: &[Mischief], plan: &Plan, dice: &mut Dice) -> DeviceSearch {
        let about = [
            Mischief::RelayAltersReply,
            Mischief::RelayRepeatsReply,
            Mischief::ReplyNamesStrangers,
        ];
        let disturbed = tricks.iter().any(|trick| about.contains(trick));
        if !disturbed
            && !dice.once_in(8)
            && let Some(known) = self.known.get(&(plan.host, plan.person))
        {
            return DeviceSearch::Found(known.clone());
        }
        let found = self.roster(tricks, plan.host, &identity(plan.person), dice);
        if let DeviceSearch::Found(devices) = &found
            && !disturbed
        {
            self.known.insert((plan.host, plan.person), devices.clone());
        }
        found
    }

    /// The devices of somebody, as the registrar says and a host believes.
    fn roster(&mut self, tricks: &[Mischief], host: usize, who: &Identity, dice: &mut Dice) -> DeviceSearch {
        let (company, server) = (&self.company, &self.company.servers[host]);
        let now = UnixTime::now();
        let want = HostWant::Devices { identity: who.clone() };
        let signed = HostAsk::sign(&server.keys.sign, server.id, crate::company::id(), now, want).unwrap();
        let (call, open) = registrar::call(&company.issuer, &server.keys.kem.public(), Ask::Host { signed }).unwrap();
        let received = registrar::receive(&company.issuing, &call).unwrap();
        let own = (0..company.phones.len()).filter(|at| identity(OWNERS[*at]) == *who && counts(*at));
        let mut devices: Vec<String> = own.map(|at| company.phones[at].document.clone()).collect();
        if tricks.contains(&Mischief::ReplyNamesStrangers) {
            devices.extend(self.strangers(who));
        }
        let mut reply = received
            .reply(&company.issuing, Reply::Devices { devices }, now)
            .unwrap();
        for sealed in [&call, &reply] {
            self.post.passes(&serde_json::to_vec(sealed).unwrap());
            self.post.passes(&sealed.blob.0);
        }
        if tricks.contains(&Mischief::RelayAltersReply) {
            reply.blob = flipped(&reply.blob, dice);
        }
        let kept = reply.clone();
        if tricks.contains(&Mischief::RelayRepeatsReply)
            && let Some(old) = self.attic.replies.iter().next_back()
        {
            reply = old.clone();
        }
        keep(&mut self.attic.replies, kept);
        match open.reply(&server.keys.kem, &reply) {
            Ok(Reply::Devices { devices }) => {
                let mut found: Vec<Device> = Vec::new();
                for device in devices
                    .iter()
                    .filter_map(|text| company.issuers.verify_device(text, now).ok())
                {
                    // The relay takes no push that names a device twice.
                    if found
                        .iter()
                        .all(|other| other.claims().device_id != device.claims().device_id)
                    {
                        found.push(device);
                    }
                }
                DeviceSearch::Found(found)
            }
            _ => DeviceSearch::Unreachable("the reply does not count".into()),
        }
    }

    /// Certificates that must not count, each for a device whose keys an adversary has.
    fn strangers(&self, who: &Identity) -> Vec<String> {
        let phones = &self.company.phones;
        let mut all: Vec<String> = [FOREIGN, EXPIRED, STOLEN, EVES]
            .map(|at| phones[at].document.clone())
            .into();
        let (realm, id) = (who.realm.as_str().to_owned(), who.id.as_str().to_owned());
        all.push(altered(&phones[EVES].document, |claims| {
            claims["identities"][0]["realm"] = Value::String(realm);
            claims["identities"][0]["id"] = Value::String(id);
        }));
        all.push(altered(&phones[EXPIRED].document, |claims| {
            claims["exp"] = Value::from(UnixTime::now().0 + 1_000_000);
        }));
        all
    }

    /// What is drawn on which device.
    async fn show(
        &mut self,
        tricks: &[Mischief],
        seats: &[Seat],
        dice: &mut Dice,
        stopped: &mut bool,
    ) -> Vec<(usize, VerifiedRequest)> {
        let mut events: Vec<(usize, DeviceEvent)> = Vec::new();
        for seat in seats {
            let Some(asked) = &seat.asked else { continue };
            for trick in tricks {
                events.extend(evil_host::asks(*trick, &self.company, &mut self.ledger, asked, dice));
                // Of a push that the relay has dropped, its data base knows nothing.
                if tricks.contains(&Mischief::RelayDropsRequest) {
                    continue;
                }
                match evil_host::at_the_relay(*trick, &self.company, &mut self.post, asked).await {
                    Ok(refused) => *stopped |= refused,
                    Err(why) => self.sees(Err(why)),
                }
            }
        }
        for at in (0..self.company.phones.len()).filter(|at| counts(*at)) {
            let heard: Vec<DeviceEvent> = self.post.hears(self.company.phones[at].id);
            let pushes = heard
                .into_iter()
                .filter(|event| matches!(event, DeviceEvent::Push { .. }));
            events.extend(pushes.map(|event| (at, event)));
        }
        evil_relay::on_events(tricks, &mut events, &self.company, &self.attic, dice);
        let mut drawn = Vec::new();
        for (device, event) in events {
            let DeviceEvent::Push { id, expiry, blob, .. } = &event else {
                continue;
            };
            let phone = &self.company.phones[device];
            let (claims, kem): (&DeviceClaims, _) = (phone.device.claims(), &phone.keys.kem);
            let trust = &self.company.trust;
            let opened = request::open(claims, kem, *id, *expiry, blob, trust, UnixTime::now()).ok();
            match opened.filter(|request| !self.company.revocations.revokes_host(&request.host)) {
                Some(request) => {
                    self.sees(self.ledger.judge_drawn(&self.company, device, &request));
                    self.said = serde_json::to_string(&request.statement).unwrap();
                    drawn.push((device, request));
                }
                None => *stopped = true,
            }
            keep(&mut self.attic.events, (device, event));
        }
        drawn
    }

    /// What the devices post, and what the relay makes of it on the way to hosts.
    async fn answer(
        &mut self,
        tricks: &[Mischief],
        seats: &[Seat],
        decisions: &[Decision],
        drawn: Vec<(usize, VerifiedRequest)>,
        dice: &mut Dice,
        stopped: &mut bool,
    ) -> Vec<Delivery> {
        let phone_trick = tricks.iter().copied().find(|trick| evil_phone::answers(*trick));
        let mut deliveries: Vec<Delivery> = Vec::new();
        for (device, request) in drawn {
            // People confirm whatever is drawn, and type the number on their own terminal: nothing here rests on attention.
            let same = |seat: &Seat| seat.asked.as_ref().is_some_and(|asked| asked.digest == request.digest);
            let own = seats.iter().position(same);
            let theirs = seats
                .iter()
                .position(|seat| seat.person == OWNERS[device] && seat.asked.is_some());
            let Some(seat) = own.or(theirs) else { continue };
            let mut hand = Hand {
                company: &self.company,
                ledger: &mut self.ledger,
                seat: &seats[seat],
                request: &request,
                device,
            };
            let posts = match (own, phone_trick) {
                (Some(_), Some(trick)) => hand.plays(trick, dice),
                (Some(seat), None) => vec![hand.honest(decisions[seat])],
                (None, _) => vec![hand.honest(Decision::Approve)],
            };
            for (named, blob) in posts {
                self.post.passes(&blob.0);
                if own.is_none() {
                    deliveries.extend(self.handed_on(seats, &request, named, &blob));
                    continue;
                }
                if !self.post_answer(named, request.statement.id, &blob).await {
                    // The relay knows no such device, or has had enough of it. An evil one would take the answer.
                    deliveries.push((seat, named, blob.clone()));
                }
                keep(&mut self.attic.answers, (named, blob));
            }
        }
        for server in HONEST {
            for event in self.post.hears::<HostEvent>(self.company.servers[server].id) {
                let HostEvent::Answer { id, device, blob } = event else {
                    continue;
                };
                let is = |seat: &Seat| seat.asked.as_ref().is_some_and(|asked| asked.statement.id == id);
                let to = seats.iter().position(is);
                deliveries.extend(to.map(|to| (to, device, blob)));
            }
        }
        *stopped |= deliveries.is_empty();
        evil_relay::on_answers(tricks, &mut deliveries, seats.len(), &self.company, &self.attic, dice);
        deliveries
    }

    async fn post_answer(&mut self, named: Id, push: Id, blob: &Bytes) -> bool {
        let Some(at) = self.company.phone_of(named) else {
            return false;
        };
        let keys = &self.company.phones[at].keys;
        let bearer = self.post.claim(named, keys);
        let answer = DeviceAnswer { blob: blob.clone() };
        let status = self
            .post
            .call(Method::POST, &format!("/v1/push/{push}/answer"), &bearer, &answer)
            .await;
        status == 204
    }

    /// The evil host opens the answer to its own request, and has the relay bring it to every login that waits: as it is,
    /// and sealed anew as if it were that login's.
    fn handed_on(&self, seats: &[Seat], request: &VerifiedRequest, named: Id, blob: &Bytes) -> Vec<Delivery> {
        let kem = &self.company.servers[EVIL].keys.kem;
        let context = answer::seal_context(&request.statement.id, &named);
        let opened: Result<answer::Envelope, _> = seal::open(kem, Purpose::Answer, &context, blob);
        let mut all = Vec::new();
        for (at, seat) in seats.iter().enumerate() {
            let Some(asked) = &seat.asked else { continue };
            all.push((at, named, blob.clone()));
            if let Ok(envelope) = &opened {
                let context = answer::seal_context(&asked.statement.id, &named);
                let kem = &self.company.servers[seat.host].host.claims().kem;
                all.push((at, named, seal::seal(kem, Purpose::Answer, &context, envelope).unwrap()));
            }
        }
        all
    }

    fn deliver(
        &mut self,
        tricks: &[Mischief],
        seats: &mut [Seat],
        deliveries: Vec<Delivery>,
        dice: &mut Dice,
        stopped: &mut bool,
    ) {
        if tricks.contains(&Mischief::RelayDelaysAnswer) {
            for seat in seats.iter_mut() {
                seat.now = seat.now.plus(Duration::from_secs(60 + dice.below(600) as u64));
            }
        }
        for (seat, device, blob) in deliveries {
            match seats[seat].receives(&self.company, &self.ledger, device, &blob) {
                Ok(guarded) => *stopped |= guarded,
                Err(why) => self.sees(Err(why)),
            }
        }
    }

    async fn withdraw(&mut self, seat: &Seat) {
        let Some(asked) = &seat.asked else { return };
        let server = &self.company.servers[seat.host];
        let bearer = self.post.claim(server.id, &server.keys);
        let path = format!("/v1/push/{}", asked.statement.id);
        let status = self.post.call(Method::DELETE, &path, &bearer, &()).await;
        assert_eq!(status, 204, "{}", self.what);
    }

    /// Looks for words that nobody may read in all that passed since the last look, and in the data base.
    pub fn search_for_plain_text(&mut self) {
        let words = secrecy::words();
        let traffic = std::mem::take(&mut self.post.traffic);
        assert!(traffic.len() > 10_000, "{}: little passed", self.what);
        self.post.searched += traffic.len();
        let said = secrecy::found(&traffic, &words);
        assert_eq!(said, None, "{}: passed the relay", self.what);
        let files = secrecy::files(&self.post);
        let claim = self.company.servers[EVIL].id;
        let known = memchr::memmem::find(&files, &claim.0);
        assert!(known.is_some(), "{}: the search works", self.what);
        assert_eq!(
            secrecy::found(&files, &words),
            None,
            "{}: in the relay's data base",
            self.what
        );
        assert!(
            secrecy::found(self.said.as_bytes(), &words).is_some(),
            "the requests say what is searched for"
        );
    }
}

/// Most people approve.
fn decision(dice: &mut Dice) -> Decision {
    match dice.below(8) {
        0 => Decision::Deny,
        1 => Decision::Report,
        _ => Decision::Approve,
    }
}
