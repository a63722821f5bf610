//! Applications, raw → checked: their factors, their floor, and where each failure leads.

use super::checker::{Checker, Named, Place};
use super::enroll::{self, enroll};
use super::raw::RawApplication;
use super::{
    Application, Bypasses, Factor, Failure, Method, MethodIndex, MethodProfile, Routes, SshPrompt, Strength, Subject,
};
use crate::conditions::KnownNetwork;
use assent_proto::code::CodeMethod;

/// What stands around an application: method profiles that are wrong themselves are `None`.
pub(super) struct Around<'a> {
    pub before: &'a [Application],
    pub methods: &'a [Option<MethodProfile>],
    pub networks: &'a [KnownNetwork],
}

impl Around<'_> {
    fn method(&self, index: MethodIndex) -> Option<&MethodProfile> {
        self.methods.get(index.0).and_then(Option::as_ref)
    }
}

pub(super) fn application(
    checker: &mut Checker,
    place: &Place,
    around: &Around,
    raw: RawApplication,
) -> Option<Application> {
    if raw.services.is_empty() {
        checker.problem(
            place,
            format!("application {:?} lists no services", raw.name),
            "add services = [\"sshd\"] or another one",
        );
    }
    for service in &raw.services {
        if let Some(other) = around.before.iter().find(|app| app.services.contains(service)) {
            checker.problem(
                place,
                format!(
                    "the service {service:?} belongs to application {:?} already",
                    other.name
                ),
                "list a service once",
            );
        }
    }
    if raw.factors.is_empty() {
        checker.problem(
            place,
            format!("application {:?} has no factors", raw.name),
            "add factors = [[\"stack\"], [\"…\"]]",
        );
        return None;
    }
    let factors: Option<Vec<Factor>> = raw.factors.iter().map(|names| factor(checker, place, names)).collect();
    let factors = factors?;
    let subject = checker.choice(
        place,
        "subject",
        raw.subject.as_deref(),
        Subject::User,
        &[("user", Subject::User), ("caller", Subject::Caller)],
    );
    let ssh_prompt = checker.choice(
        place,
        "ssh_prompt",
        raw.ssh_prompt.as_deref(),
        SshPrompt::None,
        &[("none", SshPrompt::None), ("enter", SshPrompt::Enter)],
    );
    let bypasses = checker.choice(
        place,
        "bypass",
        raw.bypass.as_deref(),
        Bypasses::Granted,
        &[("granted", Bypasses::Granted), ("never", Bypasses::Never)],
    );
    if factors.iter().all(|factor| *factor == Factor::Stack) {
        checker.problem(
            place,
            format!("application {:?} would admit everyone whom the stack admits", raw.name),
            "add a factor of its own, or leave the application out",
        );
        return None;
    }
    let listed: Vec<MethodIndex> = factors
        .iter()
        .flat_map(|factor| match factor {
            Factor::Method(methods) => methods.as_slice(),
            Factor::Stack | Factor::Password(_) => &[],
        })
        .copied()
        .collect();
    let floor = floor(checker, place, around, &raw, &listed);
    let routes = routes(checker, place, around, &raw, floor);
    weak_spots(checker, place, around, &raw.name, &factors);
    let enroll = raw.enroll_at_login.as_ref().and_then(|written| {
        let of = enroll::Of {
            name: &raw.name,
            factors: &factors,
            subject,
            methods: around.methods,
            networks: around.networks,
        };
        enroll(checker, place, &of, written)
    });
    Some(Application {
        name: raw.name,
        services: raw.services,
        factors,
        subject,
        floor,
        ssh_prompt,
        routes,
        offer_codes: raw.offer_codes.unwrap_or(true),
        bypasses,
        enroll,
    })
}

/// What a method counts at most; a push rises to whatever floor there is.
fn most(profile: &MethodProfile) -> Strength {
    match profile.method {
        Method::Push { .. } => Strength::Passkey,
        Method::Code { method, .. } => method.into(),
    }
}

/// What a method counts at least.
fn least(profile: &MethodProfile) -> Strength {
    match profile.method {
        Method::Push { .. } => Strength::Tap,
        Method::Code { method, .. } => method.into(),
    }
}

/// The weakest method that counts: what is written, or the weakest that the factors list.
fn floor(
    checker: &mut Checker,
    place: &Place,
    around: &Around,
    raw: &RawApplication,
    listed: &[MethodIndex],
) -> Strength {
    let profiles = || listed.iter().filter_map(|method| around.method(*method));
    let weakest = profiles().map(least).min().unwrap_or(Strength::Tap);
    let Some(written) = raw.floor.as_deref() else {
        return weakest;
    };
    let floor = checker.choice(place, "floor", Some(written), weakest, &Strength::WORDS);
    for profile in profiles().filter(|profile| most(profile) < floor) {
        checker.problem(
            place,
            format!(
                "application {:?} lists {:?}, which is weaker than its floor = {written:?}",
                raw.name, profile.name
            ),
            "take it out of the factors, or lower the floor",
        );
    }
    floor
}

/// `on_failure`: which failure leads to which methods.
fn routes(checker: &mut Checker, place: &Place, around: &Around, raw: &RawApplication, floor: Strength) -> Routes {
    let mut routes = Routes::default();
    for (word, names) in &raw.on_failure {
        let Some(failure) = Failure::of(word) else {
            let known: Vec<&str> = Failure::ALL.iter().map(|failure| failure.name()).collect();
            checker.problem(
                place,
                format!("on_failure names {word:?}, which is no failure"),
                format!("known are: {}", known.join(", ")),
            );
            continue;
        };
        let mut methods = Vec::new();
        for name in names {
            let Some((Named::Method(index), _)) = checker.names.get(name) else {
                let known = checker.known(|n| matches!(n, Named::Method(_)));
                checker.problem(
                    place,
                    format!("on_failure leads to {name:?}, which is no method profile"),
                    known,
                );
                continue;
            };
            let index = *index;
            if let Some(profile) = around.method(index) {
                if most(profile) < floor {
                    checker.problem(
                        place,
                        format!(
                            "on_failure leads to {name:?}, which is weaker than the application's floor ({})",
                            floor.name()
                        ),
                        "name a stronger method, or write a lower floor",
                    );
                }
                let blockable = matches!(failure, Failure::Gateway | Failure::Codes | Failure::NoAnswer);
                if blockable && least(profile) < Strength::Code {
                    checker.warning(
                        place,
                        format!(
                            "whoever blocks the network ({word}) chooses {name:?}, which is weaker than an authenticator app"
                        ),
                        "lead that failure to a TOTP or recovery profile, or to none",
                    );
                }
            }
            if !methods.contains(&index) {
                methods.push(index);
            }
        }
        routes.0.insert(failure, methods);
    }
    routes
}

/// What NIST SP 800-63B-4 restricts or does not count at all (R12).
fn weak_spots(checker: &mut Checker, place: &Place, around: &Around, application: &str, factors: &[Factor]) {
    for factor in factors {
        let Factor::Method(methods) = factor else { continue };
        let profiles: Vec<&MethodProfile> = methods.iter().filter_map(|method| around.method(*method)).collect();
        let code = |profile: &&&MethodProfile, wanted: CodeMethod| matches!(profile.method, Method::Code { method, .. } if method == wanted);
        let nist = profiles
            .iter()
            .any(|profile| matches!(profile.method, Method::Push { digits: 6, .. }));
        if let (true, Some(mail)) = (nist, profiles.iter().find(|profile| code(profile, CodeMethod::Mail))) {
            checker.problem(
                place,
                format!(
                    "application {application:?} lists {:?} beside a push profile with nist = true, and mail is no factor there",
                    mail.name
                ),
                "NIST SP 800-63B-4 takes no code by mail: take it out, or nist",
            );
        }
        if let Some(sms) = profiles.iter().find(|profile| code(profile, CodeMethod::Sms)) {
            checker.warning(
                place,
                format!(
                    "application {application:?} lists {:?}: a code by SMS is a restricted authenticator (NIST SP 800-63B-4)",
                    sms.name
                ),
                "numbers can be taken over: let it be nobody's only method, and move people to push",
            );
        }
    }
}

fn factor(checker: &mut Checker, place: &Place, names: &[String]) -> Option<Factor> {
    if let [only] = names
        && only == "stack"
    {
        return Some(Factor::Stack);
    }
    let (mut auth, mut methods) = (vec![], vec![]);
    for name in names {
        match checker.names.get(name) {
            Some((Named::Auth(index), _)) => auth.push(*index),
            Some((Named::Method(index), _)) => methods.push(*index),
            _ => {
                let known = checker.known(|n| *n != Named::Application);
                checker.problem(place, format!("a factor lists {name:?}, which is no profile"), known);
                return None;
            }
        }
    }
    match (auth.is_empty(), methods.is_empty()) {
        (false, true) => Some(Factor::Password(auth)),
        (true, false) => Some(Factor::Method(methods)),
        (true, true) => {
            checker.problem(place, "a factor is empty", "list profiles, or \"stack\" alone");
            None
        }
        (false, false) => {
            checker.problem(
                place,
                "a factor mixes authentication and method profiles",
                "make two factors of it",
            );
            None
        }
    }
}
