//! The judge: what each key really signed, and whether an approval rests on it. It asks no verifier.

use crate::company::{Company, EXPIRED_HOST, OWNERS, REVOKED_HOST, counts, identity};
use crate::mischief::Mischief;
use crate::seat::Asked;
use assent_proto::answer::{Answer, Decision};
use assent_proto::cert::Level;
use assent_proto::request::{ENROL_SERVICE, VerifiedRequest};
use assent_proto::time::BootTime;
use assent_proto::verdict::Approved;
use assent_proto::{Digest, Id, sha256};
use std::collections::{BTreeMap, HashMap};

/// What was signed with whose keys.
#[derive(Default)]
pub struct Ledger {
    answers: HashMap<String, (usize, Answer)>,
    requests: HashMap<Digest, usize>,
}

impl Ledger {
    /// A device's keys signed this answer.
    pub fn answered(&mut self, device: usize, answer: &Answer, document: &str) {
        self.answers.insert(document.to_owned(), (device, answer.clone()));
    }

    /// A host's keys signed this request.
    pub fn asked(&mut self, host: usize, document: &str) {
        self.requests.insert(sha256(&[document.as_bytes()]), host);
    }

    /// Sees that an approval rests on the right device's word for that very login.
    pub fn judge(
        &self,
        company: &Company,
        asked: &Asked,
        delivered_as: Id,
        now: BootTime,
        approved: &Approved,
    ) -> Result<(), String> {
        let (device, answer) = self.answers.get(approved.record()).ok_or("nobody signed it")?;
        let id = company.phones[*device].id;
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        must(OWNERS[*device] == asked.person, "somebody else's device signed it")?;
        must(counts(*device), "a device signed it whose certificate does not count")?;
        must(asked.devices.contains(device), "a device signed it that was not asked")?;
        must(
            approved.device() == id && answer.device_id == id,
            "it names another device",
        )?;
        must(delivered_as == id, "it was delivered as another device's")?;
        must(answer.decision == Decision::Approve, "the device did not approve")?;
        must(answer.req == asked.digest, "it is for another request")?;
        must(answer.n == asked.statement.n, "it has another nonce")?;
        must(answer.id == asked.statement.id, "it is for another push")?;
        must(approved.is_for(&asked.statement.ctx), "it is for another transaction")?;
        must(approved.level() == asked.statement.level, "it has another level")?;
        let typed = answer.num.as_ref().map(|number| number.as_str().to_owned());
        let shown = asked.number.as_ref().map(|number| number.to_string());
        must(typed == shown, "the number is not the terminal's")?;
        must(
            shown.is_some() == (asked.statement.level == Level::Number),
            "no number was shown",
        )?;
        must(now < asked.ends, "it came too late")?;
        must(asked.spent == 0, "the push had its answer")
    }

    /// Sees that a request which a device draws is that of the host that it names, and for the device's owner.
    pub fn judge_drawn(&self, company: &Company, device: usize, request: &VerifiedRequest) -> Result<(), String> {
        let host = *self.requests.get(&request.digest).ok_or("no host signed it")?;
        let (server, statement) = (&company.servers[host], &request.statement);
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        must(statement.host.id == server.id, "it is in another host's name")?;
        must(
            statement.host.display.as_str() == server.name,
            "it shows another host's name",
        )?;
        must(
            !matches!(host, REVOKED_HOST | EXPIRED_HOST),
            "its host's certificate does not count",
        )?;
        must(
            statement.identity == identity(OWNERS[device]),
            "it is for somebody else",
        )?;
        must(statement.svc.as_str() != ENROL_SERVICE, "it plays the registrar")
    }
}

/// How often each trick met a guard: what it brought was not drawn, not believed or not taken.
#[derive(Default)]
pub struct Tally(BTreeMap<Mischief, usize>);

/// Tricks that nothing has to stop: who plays them only delays, or asks as anybody may.
const HARMLESS: [Mischief; 9] = [
    Mischief::RelayRepeatsRequest,
    Mischief::RelayDropsRequest,
    Mischief::RelayDropsAnswer,
    Mischief::RelayBringsOldRequest,
    Mischief::HostRepeatsAnothersRequest,
    Mischief::HostAsksForTheSameAnswer,
    Mischief::HostAsksEverybody,
    Mischief::HostFloods,
    Mischief::RelaySwapsRequests,
];

impl Tally {
    /// Each of these was in play when something met a guard.
    pub fn met(&mut self, tricks: &[Mischief]) {
        for trick in tricks {
            *self.0.entry(*trick).or_default() += 1;
        }
    }

    /// Those that never did and should have.
    pub fn idle(&self) -> Vec<Mischief> {
        let all = crate::mischief::ALL.iter().copied();
        all.filter(|trick| !HARMLESS.contains(trick) && !self.0.contains_key(trick))
            .collect()
    }
}
