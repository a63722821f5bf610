//! The trust grade (PROTOCOL, first point 1): what a thief of one part of the gateway could do.
//!
//! * **C**: one process or one user has it all. The site is as strong as that machine.
//! * **B**: relay, app, panel and registrar are processes of users of their own, and the issuing key is the registrar's
//!   alone. Whoever takes the relay can delay and drop, and approve nothing.
//! * **A**: besides, no registrar certifies in secret (log proofs) and no page signs by itself (passkeys). Not to be had
//!   yet; said so rather than left out.

use super::finding::Finding;
use super::processes::{Process, ROLES, Says, seen_by};
use assent_proto::text::visible;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const CHECK: &str = "trust_grade";
const MANUAL: &str = "docs/setup/roles-apart.md";

/// Who may read a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Readable {
    pub file: PathBuf,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// Whether a gateway is set up here, though none runs.
pub(super) fn is_installed() -> bool {
    Path::new("/usr/sbin/assent-gateway").exists()
}

/// Looks at this machine.
pub(super) fn look(processes: &[Process]) -> Finding {
    if processes.is_empty() {
        return Finding::unknown(
            CHECK,
            "no assent-gateway runs here that this user can see",
            "run it as root, and start the gateway: systemctl start assent-gateway",
        );
    }
    let mut keys = Vec::new();
    for process in processes {
        let Ok(says) = &process.says else { continue };
        if says
            .roles
            .iter()
            .any(|role| matches!(role.as_str(), "registrar" | "relay" | "codes"))
        {
            let names = ["issuer.key", "registrar-host.key", "link.key", "codes.key"];
            let files = names.into_iter().map(|name| says.state_dir.join(name));
            keys.extend(files.filter_map(|file| readable(process.pid, file)));
        }
    }
    judge(processes, &keys)
}

fn readable(pid: u32, file: PathBuf) -> Option<Readable> {
    let meta = fs::metadata(seen_by(pid, &file)).ok()?;
    Some(Readable {
        uid: meta.uid(),
        gid: meta.gid(),
        mode: meta.mode() & 0o777,
        file,
    })
}

/// The grade of these processes.
pub(super) fn judge(processes: &[Process], keys: &[Readable]) -> Finding {
    let unread: Vec<String> = processes
        .iter()
        .filter_map(|process| process.says.as_ref().err())
        .map(|why| visible(why))
        .collect();
    if !unread.is_empty() {
        return Finding::unknown(CHECK, "a gateway's configuration cannot be read", "run it as root").because(unread);
    }
    let parts: Vec<(&Process, &Says)> = processes
        .iter()
        .filter_map(|process| Some((process, process.says.as_ref().ok()?)))
        .collect();
    let mut why_c = together(&parts);
    why_c.extend(keys_of_others(&parts, keys));
    why_c.extend(origins(&parts));
    let here: BTreeSet<&str> = parts
        .iter()
        .flat_map(|(_, says)| says.roles.iter().map(String::as_str))
        .collect();
    let elsewhere: Vec<&str> = ROLES.into_iter().filter(|role| !here.contains(role)).collect();
    let seen: Vec<Value> = parts
        .iter()
        .map(|(process, says)| {
            json!({"pid": process.pid, "uid": process.uid, "roles": says.roles, "config": process.config})
        })
        .collect();
    let facts = |grade: &str| json!({"grade": grade, "here": here, "elsewhere": elsewhere, "processes": seen});
    if !why_c.is_empty() {
        return Finding::warn(
            CHECK,
            "grade C: whoever takes over this machine's gateway can certify a device of their own and approve with it",
            format!("run the roles apart, as users or machines of their own: {MANUAL}"),
        )
        .because(why_c)
        .with(facts("C"));
    }
    let mut reasons: Vec<String> = parts
        .iter()
        .map(|(process, says)| format!("{}: a process of its own (uid {})", says.roles.join(", "), process.uid))
        .collect();
    if !elsewhere.is_empty() {
        let roles = elsewhere.join(", ");
        reasons.push(format!(
            "not on this machine: {roles}; the grade holds if doctor says B there as well"
        ));
    }
    reasons.push("grade A is not to be had yet: it needs log proofs of every certificate".into());
    Finding::ok(
        CHECK,
        "grade B: the roles are apart; whoever takes the relay can approve nothing",
    )
    .because(reasons)
    .with(facts("B"))
}

/// Roles that share a process or a user, and processes that may do anything.
fn together(parts: &[(&Process, &Says)]) -> Vec<String> {
    let mut why = Vec::new();
    for (at, (process, says)) in parts.iter().enumerate() {
        let roles = says.roles.join(", ");
        if says.roles.len() > 1 {
            why.push(format!("{roles} are one process (pid {})", process.pid));
        }
        if process.uid == 0 {
            why.push(format!(
                "{roles} (pid {}) runs as root, who can read every key",
                process.pid
            ));
        }
        for (other, others) in parts.iter().skip(at + 1).filter(|(other, _)| other.uid == process.uid) {
            if process.uid != 0 {
                why.push(format!(
                    "{roles} (pid {}) and {} (pid {}) run as one user (uid {})",
                    process.pid,
                    others.roles.join(", "),
                    other.pid,
                    other.uid
                ));
            }
        }
    }
    why
}

/// Keys of registrar and code service that others may read.
fn keys_of_others(parts: &[(&Process, &Says)], keys: &[Readable]) -> Vec<String> {
    let runs = |uid: u32, wanted: &[&str]| {
        parts
            .iter()
            .any(|(process, says)| process.uid == uid && says.roles.iter().any(|role| wanted.contains(&role.as_str())))
    };
    let mut why = Vec::new();
    for key in keys {
        let file = visible(&key.file.to_string_lossy());
        let owners: &[&str] = match key.file.ends_with("codes.key") {
            true => &["codes", "registrar"],
            false => &["registrar"],
        };
        if key.mode & 0o077 != 0 {
            why.push(format!("others may read {file} (mode {:03o})", key.mode));
        } else if key.uid != 0 && !runs(key.uid, owners) {
            why.push(format!(
                "{file} belongs to uid {}, as whom no {} runs",
                key.uid,
                owners.join(" or ")
            ));
        }
    }
    why
}

/// Pages of the authenticator that another role's server could replace.
fn origins(parts: &[(&Process, &Says)]) -> Vec<String> {
    let mut why = BTreeSet::new();
    for (process, says) in parts
        .iter()
        .filter(|(_, says)| says.roles.iter().any(|role| role == "app"))
    {
        let relay = origin(&says.public_url);
        let app = says.app_url.as_deref().map_or(relay.clone(), origin);
        let panel = says.panel_url.as_deref().map_or(relay.clone(), origin);
        for (other, what) in [(&relay, "relay"), (&panel, "panel")] {
            if *other == app {
                why.insert(format!(
                    "the authenticator's pages share the origin {} with the {what}, whose server could replace them (pid {})",
                    visible(&app),
                    process.pid
                ));
            }
        }
    }
    why.into_iter().collect()
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> String {
    let url = url.to_ascii_lowercase();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or(rest);
            let default = if scheme == "https" { ":443" } else { ":80" };
            format!("{scheme}://{}", host.strip_suffix(default).unwrap_or(host))
        }
        None => url,
    }
}

/// What a host knows of its gateway's grade: nothing that it could prove.
pub(super) fn from_a_host(status: Option<&Value>) -> Finding {
    let gateway = status.map_or(&Value::Null, |status| &status["gateway"]);
    let at = match gateway["url"].as_str() {
        Some(url) => format!("the gateway at {}", visible(url)),
        None => "the gateway".to_owned(),
    };
    Finding::unknown(
        CHECK,
        format!(
            "{at} does not show from here whether its roles are apart; this host believes what its pinned root certifies, not what the relay says"
        ),
        "run `assentctl doctor` on the gateway's machines: its admin states the grade",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    const URL: &str = "https://push.example.org";

    fn process(pid: u32, uid: u32, roles: &[&str]) -> Process {
        Process {
            pid,
            uid,
            config: "/etc/assent/x.toml".into(),
            says: Ok(Says {
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                state_dir: format!("/var/lib/assent-{}", roles[0]).into(),
                public_url: URL.into(),
                app_url: Some("https://app.example.org".into()),
                panel_url: Some("https://id.example.org".into()),
            }),
        }
    }

    fn four() -> Vec<Process> {
        let roles = ROLES.iter().zip(1..);
        roles.map(|(role, n)| process(n, 900 + n, &[role])).collect()
    }

    fn key(uid: u32, mode: u32) -> Readable {
        Readable {
            file: "/var/lib/assent-registrar/issuer.key".into(),
            uid,
            gid: uid,
            mode,
        }
    }

    fn grade(processes: &[Process], keys: &[Readable]) -> (String, Finding) {
        let finding = judge(processes, keys);
        (finding.facts["grade"].as_str().unwrap_or("none").to_owned(), finding)
    }

    #[test]
    fn four_users_and_a_key_of_the_registrars_own_are_grade_b_and_never_a() {
        let (grade, finding) = grade(&four(), &[key(904, 0o600)]);
        assert_eq!((grade.as_str(), finding.state), ("B", State::Ok));
        assert!(
            finding
                .reasons
                .iter()
                .any(|reason| reason.contains("grade A is not to be had yet"))
        );
    }

    #[test]
    fn one_process_with_every_role_is_grade_c_and_says_why() {
        let (grade, finding) = grade(&[process(1, 900, &ROLES)], &[key(900, 0o600)]);
        assert_eq!((grade.as_str(), finding.state), ("C", State::Warn));
        assert_eq!(
            finding.reasons,
            ["relay, app, panel, registrar are one process (pid 1)"]
        );
    }

    #[test]
    fn two_roles_of_one_user_or_a_process_of_root_are_grade_c() {
        for a in 0..4 {
            for b in 0..a {
                let mut processes = four();
                processes[a].uid = processes[b].uid;
                let (grade, finding) = grade(&processes, &[]);
                assert_eq!(grade, "C", "{a} {b}");
                assert!(finding.reasons[0].contains("run as one user"), "{finding:?}");
            }
            let mut processes = four();
            processes[a].uid = 0;
            let (grade, finding) = grade(&processes, &[]);
            assert_eq!(grade, "C", "{a}");
            assert!(finding.reasons[0].contains("runs as root"), "{finding:?}");
        }
    }

    #[test]
    fn an_issuing_key_that_others_may_read_or_own_is_grade_c() {
        for (key, why) in [
            (key(904, 0o640), "others may read"),
            (key(904, 0o604), "others may read"),
            (key(901, 0o600), "belongs to uid 901"),
        ] {
            let (grade, finding) = grade(&four(), &[key]);
            assert_eq!(grade, "C");
            assert!(finding.reasons[0].contains(why), "{finding:?}");
        }
        assert_eq!(grade(&four(), &[key(0, 0o400)]).0, "B", "root reads it anyway");
    }

    #[test]
    fn pages_at_the_relays_or_the_panels_origin_are_grade_c() {
        for (app, why) in [
            (None, "with the relay"),
            (Some("https://PUSH.example.org:443"), "with the relay"),
            (Some("https://id.example.org"), "with the panel"),
        ] {
            let mut processes = four();
            if let Ok(says) = &mut processes[1].says {
                says.app_url = app.map(str::to_owned);
            }
            let (grade, finding) = grade(&processes, &[]);
            assert_eq!(grade, "C", "{app:?}");
            assert!(finding.reasons[0].contains(why), "{finding:?}");
        }
    }

    #[test]
    fn a_machine_with_some_of_the_roles_says_which_are_elsewhere() {
        let (grade, finding) = grade(&four()[..2], &[]);
        assert_eq!(grade, "B");
        assert!(
            finding
                .reasons
                .iter()
                .any(|reason| reason.contains("not on this machine: panel, registrar"))
        );
        assert_eq!(finding.facts["elsewhere"], json!(["panel", "registrar"]));
    }

    #[test]
    fn what_cannot_be_read_has_no_grade() {
        let mut processes = four();
        processes[0].says = Err("/etc/assent/relay.toml: Permission denied".into());
        let (grade, finding) = grade(&processes, &[]);
        assert_eq!((grade.as_str(), finding.state), ("none", State::Unknown));
    }
}
