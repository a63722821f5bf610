//! Steps in words, for people who read an attack.

use crate::search::{Search, Step};
use crate::terms::{Device, Host, Key, Origin, Request, Service};

/// A step of an attack.
pub fn step(search: &Search, step: &Step) -> String {
    match step {
        Step::Begin { session, list } => {
            let plan = search.plan(*session);
            let asked = format!("{} asks {:?} ({})", host(plan.host), plan.identity, session + 1);
            if *list == plan.identity {
                asked
            } else {
                format!("{asked}, with {list:?}'s devices")
            }
        }
        Step::Expire(session) => format!("the time of ({}) ends", session + 1),
        Step::Revoke => "the stolen device is revoked".into(),
        Step::Hear => "hosts hear of it".into(),
        Step::Forget(device) => format!("{} forgets", name(*device)),
        Step::Deliver {
            device,
            sealed,
            approve,
            num,
            ..
        } => format!(
            "{} draws {} and its person {}{}",
            name(*device),
            request(&sealed.request),
            if *approve { "approves" } else { "refuses" },
            match num {
                None => String::new(),
                Some(Origin::Session(session)) => format!(" with the number of ({})", session + 1),
                Some(Origin::Attacker) => " with a wrong number".into(),
            }
        ),
        Step::Return {
            session,
            device,
            sealed,
        } => {
            let signed = sealed.signed;
            let by = match signed.by {
                Key::Device(by) if by == *device => String::new(),
                by => format!(", signed by {}", key(by)),
            };
            let about = match signed.answer.req {
                Some(about) => request(&about),
                None => "nothing".into(),
            };
            let said = if signed.answer.approve { "approval" } else { "refusal" };
            format!(
                "({}) gets the {said} of {about} as the answer of {}{by}",
                session + 1,
                name(*device)
            )
        }
    }
}

fn request(request: &Request) -> String {
    let statement = request.statement;
    if let (Origin::Session(session), false) = (statement.told, request.by.known()) {
        return format!("({})", session + 1);
    }
    let mut said = vec![format!("a request of {}", key(request.by))];
    if request.by != Key::Host(statement.host) {
        said.push(format!("in the name of {}", host(statement.host)));
    }
    if statement.svc == Service::Enrol {
        said.push("about devices".into());
    }
    said.push(format!("for {:?}", statement.identity));
    for (what, from) in [("id", statement.id), ("nonce", statement.n)] {
        if let Origin::Session(session) = from {
            said.push(format!("with the {what} of ({})", session + 1));
        }
    }
    said.join(" ")
}

fn host(host: Host) -> &'static str {
    match host {
        Host::Web => "web",
        Host::Registrar => "the registrar",
        Host::Corrupt => "the corrupt host",
    }
}

fn name(device: Device) -> &'static str {
    match device {
        Device::Phone => "the phone",
        Device::Tablet => "the tablet",
        Device::Stolen => "the stolen device",
        Device::Rogue => "Mallory's device",
    }
}

fn key(key: Key) -> &'static str {
    match key {
        Key::Host(of) => host(of),
        Key::Device(of) => name(of),
        Key::Made => "a made-up key",
    }
}
