//! What an administrator has decided for single people on this host, as the admin interface takes it: a bypass, a block,
//! the end of either. Each is a record of its own in the audit before it is in force, a warning in syslog and a signal.

use crate::agent::{Agent, Notice, Setup};
use crate::audit::{self, Message, Record};
use crate::grants::Grants;
use crate::memory::Memory;
use assent_engine::directory::{Lookup, Wait};
use assent_engine::grants::{Grant, Kind};
use assent_engine::ledger::{Lock, Whose};
use assent_engine::names::UserName;
use assent_proto::cert::Identity;
use assent_proto::exception::{self, Exception, Exceptions};
use assent_proto::text::{Outside, visible};
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use serde_json::{Value, json};

/// Who made a lock.
const BY_ITSELF: &str = "Assent";

/// Why nothing was decided. The text is for the admin.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What an administrator asks for.
pub struct Wanted {
    /// Bypass or block.
    pub kind: Kind,
    /// The user's name here, or `realm#id`.
    pub user: String,
    /// Applications by name.
    pub applications: Vec<String>,
    /// How long; `None`: until it is lifted.
    pub seconds: Option<u64>,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

/// Makes a grant for every identity that the name has on this host; what was made.
pub async fn grant(agent: &Agent, setup: &Setup, wanted: Wanted) -> Result<Value, Refused> {
    for name in &wanted.applications {
        if !setup.config.applications.iter().any(|app| app.name == *name) {
            let known: Vec<&str> = setup.config.applications.iter().map(|app| app.name.as_str()).collect();
            return Err(Refused(format!(
                "there is no application {:?}; there are: {}",
                visible(name),
                known.join(", ")
            )));
        }
    }
    let now = setup.grants.now();
    let by = ShortText::cut(visible(&wanted.by));
    let mut grants = Vec::new();
    for identity in identities(setup, &wanted.user).await? {
        let grant = Grant {
            id: Id::random().map_err(|e| Refused(e.to_string()))?,
            kind: wanted.kind,
            identity,
            user: ShortText::cut(visible(&wanted.user)),
            applications: wanted.applications.clone(),
            from: now.wall,
            seconds: wanted.seconds,
            reason: wanted.reason.trim().to_owned(),
            by: by.clone(),
            boot: now.boot.clone(),
            since_boot: now.since_boot.0.as_secs(),
        };
        grant.check().map_err(|why| Refused(why.to_string()))?;
        grants.push(grant);
    }
    for grant in &grants {
        record(setup, "granted", grant, grant.by.as_str())?;
    }
    let written = setup.grants.add(&grants).map_err(|why| Refused(why.to_string()))?;
    tell(agent, "granted", &grants);
    written
        .wait()
        .await
        .map_err(|e| Refused(format!("it is in force, but a restart of the agent may forget it: {e}")))?;
    Ok(grants.iter().map(|grant| shown(grant, grant.seconds)).collect())
}

/// Ends all that a user has of a kind; how many.
pub async fn end(agent: &Agent, setup: &Setup, kind: Kind, user: &str, by: &str) -> Result<u32, Refused> {
    // Also of somebody whom no directory knows any more.
    let named =
        |grant: &Grant| grant.kind == kind && (grant.user.as_str() == user || grant.identity.to_string() == user);
    let held = setup.grants.list().into_iter().map(|(grant, _)| grant);
    let held: Vec<Grant> = held.filter(named).collect();
    for grant in &held {
        record(setup, "ended", grant, &visible(by))?;
    }
    let people: Vec<Identity> = held.into_iter().map(|grant| grant.identity).collect();
    // All of them before anything is waited for: a disk that is slow leaves none of them in force.
    let (ended, written) = setup.grants.end(kind, &people);
    tell(agent, "ended", &ended);
    written
        .wait()
        .await
        .map_err(|e| Refused(format!("it is ended, but a restart of the agent may forget that: {e}")))?;
    Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
}

/// All that run: what administrators decided, then locks after too many failures.
pub fn list(setup: &Setup) -> Value {
    let grants = setup.grants.list();
    let grants = grants.iter().map(|(grant, left)| shown(grant, *left));
    let locks = setup.memory.locks();
    grants.chain(locks.iter().map(locked)).collect()
}

fn locked(lock: &Lock) -> Value {
    let identity = match &lock.whose {
        Whose::Person(identity) => Some(identity.to_string()),
        Whose::Account(_) | Whose::Typist(_) => None,
    };
    json!({
        "kind": "lock",
        "user": lock.whose.to_string(),
        "identity": identity,
        "applications": [],
        "until": lock.until,
        "reason": lock.to_string(),
        "by": BY_ITSELF,
    })
}

/// All that run, as the registrar is told of them.
pub fn told(grants: &Grants, memory: &Memory) -> Exceptions {
    let cut = |text: &str| ShortText::cut(text.to_owned());
    let granted = grants.list().into_iter().map(|(grant, _)| Exception {
        kind: match grant.kind {
            Kind::Bypass => exception::Kind::Bypass,
            Kind::Block => exception::Kind::Block,
        },
        until: grant.until(),
        user: grant.user,
        identity: Some(grant.identity),
        applications: grant.applications.iter().map(|name| cut(name)).collect(),
        reason: cut(&grant.reason),
        by: grant.by,
    });
    let locks = memory.locks().into_iter().map(|lock| Exception {
        kind: exception::Kind::Lock,
        user: cut(&lock.whose.to_string()),
        reason: cut(&lock.to_string()),
        identity: match lock.whose {
            Whose::Person(identity) => Some(identity),
            Whose::Account(_) | Whose::Typist(_) => None,
        },
        applications: Vec::new(),
        until: Some(lock.until),
        by: cut(BY_ITSELF),
    });
    Exceptions::of(granted.chain(locks))
}

fn shown(grant: &Grant, left: Option<u64>) -> Value {
    json!({
        "id": grant.id,
        "kind": grant.kind,
        "user": grant.user,
        "identity": grant.identity.to_string(),
        "applications": grant.applications,
        "from": grant.from,
        "until": grant.until(),
        "seconds_left": left,
        "reason": grant.reason,
        "by": grant.by,
    })
}

/// Every identity that this name has on this host; or the one that is written out.
async fn identities(setup: &Setup, user: &str) -> Result<Vec<Identity>, Refused> {
    if let Some((realm, id)) = user.rsplit_once('#') {
        let parts = ShortText::new(realm).zip(ShortText::new(id));
        let whole = parts.filter(|_| !realm.is_empty() && !id.is_empty());
        return match whole {
            Some((realm, id)) => Ok(vec![Identity { realm, id }]),
            None => Err(Refused("an identity is written as realm#id".into())),
        };
    }
    let name = UserName::new(&Outside::new(user.as_bytes())).map_err(|e| Refused(e.to_string()))?;
    let mut found = Vec::new();
    for index in setup.config.auth_indices() {
        let profile = setup.config.auth_profile(index).name();
        match setup.directory(index).look_up(&name, Wait::Whole).await {
            Lookup::Found(person) if found.contains(&person.identity) => {}
            Lookup::Found(person) => found.push(person.identity),
            Lookup::Unknown => {}
            Lookup::Ambiguous => return Err(Refused(format!("{profile} has two users of this name"))),
            Lookup::Unreachable(why) => {
                return Err(Refused(format!(
                    "{profile} cannot be reached: {why}. Where you know the identity (the audit shows it), name the user by it: realm#id"
                )));
            }
        }
    }
    if found.is_empty() {
        return Err(Refused("no authentication profile knows this user".into()));
    }
    Ok(found)
}

/// What is not on the record is not decided.
fn record(setup: &Setup, what: &str, grant: &Grant, by: &str) -> Result<(), Refused> {
    let Value::Object(mut fields) = shown(grant, grant.seconds) else {
        return Err(Refused("a grant without a form".into()));
    };
    let host = setup.gateway.as_ref().ok();
    let host = host.map(|gateway| gateway.host.now().host.claims().host_id);
    fields.insert("exception".into(), json!(grant.kind));
    fields.insert("kind".into(), json!("exception"));
    fields.insert("verdict".into(), json!(what));
    fields.insert("at".into(), json!(UnixTime::now()));
    fields.insert("host".into(), json!(host));
    fields.insert("by".into(), json!(by));
    let message = Message::new(audit::Kind::Warning)
        .word("exception", Some(grant.kind.name()))
        .word("verdict", Some(what))
        .word("id", Some(&grant.id.to_string()))
        .text("user", Some(grant.user.as_str()))
        .text("identity", Some(&grant.identity.to_string()))
        .text("applications", Some(&grant.applications.join(",")))
        .word("seconds", grant.seconds.map(|seconds| seconds.to_string()).as_deref())
        .text("by", Some(by))
        .text("reason", Some(&grant.reason));
    let record = Record { json: fields, message };
    match setup.audit.write(record) {
        true => Ok(()),
        false => Err(Refused(
            "nothing was changed: neither the audit file nor syslog takes a record; make room or mend them first"
                .into(),
        )),
    }
}

fn tell(agent: &Agent, what: &'static str, grants: &[Grant]) {
    for grant in grants {
        let _ = agent.notices.send(Notice::Exception {
            what,
            kind: grant.kind.name(),
            user: grant.user.as_str().to_owned(),
            reason: grant.reason.clone(),
        });
    }
}
