//! `enroll_at_login`, raw → checked: a stolen password registers a phone wherever this is open, so it must end somewhere.

use super::checker::{Checker, Place};
use super::raw::RawEnroll;
use super::{Factor, Method, MethodProfile, Subject};
use crate::conditions::KnownNetwork;
use crate::directory::date;
use crate::enroll::EnrollAtLogin;

/// Days after which a date without networks is hardly meant.
const LONG: i64 = 92;

/// What of the application bears on it.
pub(super) struct Of<'a> {
    pub name: &'a str,
    pub factors: &'a [Factor],
    pub subject: Subject,
    pub methods: &'a [Option<MethodProfile>],
    pub networks: &'a [KnownNetwork],
}

pub(super) fn enroll(checker: &mut Checker, place: &Place, of: &Of, raw: &RawEnroll) -> Option<EnrollAtLogin> {
    let before = checker.problems.len();
    let until = raw.until.as_deref().map(|day| until(checker, place, day));
    let from: Vec<KnownNetwork> = raw
        .from
        .iter()
        .filter_map(|name| network(checker, place, of, name))
        .collect();
    let everywhere = raw.from.is_empty() || from.iter().any(is_everywhere);
    if everywhere && until.is_none() {
        checker.problem(
            place,
            format!(
                "application {:?} would let whoever has a password register a phone for ever, from every address",
                of.name
            ),
            "write enroll_at_login = { until = \"2027-01-31\" }, or from = [\"…\"] with names of [known_networks], or both",
        );
    }
    if let (true, Some(Some(until))) = (everywhere, until)
        && until > date::now() / date::DAY + LONG
    {
        checker.warning(
            place,
            format!(
                "enroll_at_login of application {:?} is open to every address until {}",
                of.name,
                date::show_day(until)
            ),
            "until then a stolen password of somebody without a device registers the thief's phone: choose a nearer day, or add from",
        );
    }
    let pushes = |index: &super::MethodIndex| {
        let profile = of.methods.get(index.0).and_then(Option::as_ref);
        // One that is wrong itself has its own problem.
        profile.is_none_or(|profile| matches!(profile.method, Method::Push { .. }))
    };
    let asks = |factor: &Factor| matches!(factor, Factor::Method(methods) if methods.iter().any(pushes));
    match of.factors.iter().position(asks) {
        Some(0) => checker.problem(
            place,
            format!("application {:?} asks for no factor before the phone", of.name),
            "enroll_at_login needs one: [\"stack\"] or a password before the push profile",
        ),
        Some(at) if of.factors[..at].iter().all(|factor| *factor == Factor::Stack) => checker.warning(
            place,
            format!(
                "enroll_at_login of application {:?} is for those who come with a key alone: nothing but the stack stands before the phone",
                of.name
            ),
            "Assent cannot see what an earlier PAM module made of a password. Name an authentication profile in place of \"stack\", or have sshd ask for a key first (AuthenticationMethods publickey,keyboard-interactive)",
        ),
        Some(_) => {}
        None => checker.problem(
            place,
            format!("application {:?} lists no push profile", of.name),
            "enroll_at_login registers phones for one: list one, or remove enroll_at_login",
        ),
    }
    if of.subject == Subject::Caller {
        checker.problem(
            place,
            format!("application {:?} has subject = \"caller\"", of.name),
            "enroll_at_login is for logins by SSH: remove it here",
        );
    }
    (checker.problems.len() == before).then(|| EnrollAtLogin {
        until: until.flatten(),
        from,
    })
}

fn until(checker: &mut Checker, place: &Place, text: &str) -> Option<i64> {
    let day = date::iso_day(text);
    if day.is_none() {
        checker.problem(
            place,
            format!("enroll_at_login has until = {text:?}, which is no day"),
            "write it as \"2027-01-31\": the last day, in UTC",
        );
    }
    day
}

fn network(checker: &mut Checker, place: &Place, of: &Of, name: &str) -> Option<KnownNetwork> {
    let found = of.networks.iter().find(|network| network.name == name);
    if found.is_none() {
        let known: Vec<&str> = of.networks.iter().map(|network| network.name.as_str()).collect();
        let mend = match known.is_empty() {
            true => "there is no [known_networks] yet".to_owned(),
            false => format!("known are: {}", known.join(", ")),
        };
        checker.problem(
            place,
            format!("enroll_at_login is from {name:?}, which is none of [known_networks]"),
            mend,
        );
    }
    found.cloned()
}

fn is_everywhere(network: &KnownNetwork) -> bool {
    network.networks.iter().any(|net| net.prefix_len() == 0)
}
