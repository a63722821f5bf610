//! The files that a configuration names: passwords, certificate authorities, `users.toml`. They are read as the agent
//! would read them, so that what is missing, too open or broken shows before a login needs it.

use crate::rules::only_root;
use assent_engine::config::profile::{LdapProfile, ServiceAccount};
use assent_engine::config::{AuthSource, Config, Problem};
use assent_engine::directory::ldap::{TlsProblem, profile_tls, tls_config};
use assent_engine::directory::local::{MAX_FILE, Users};
use assent_engine::directory::secret_file::{self, FileProblem};
use assent_engine::places::Places;
use assent_proto::text::visible;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whom the agent runs as.
const AGENT: &str = "assent";
/// Largest password file in bytes.
const MAX_PASSWORD: u64 = 4096;
/// Largest private key in bytes.
const MAX_KEY: u64 = 64 * 1024;

/// Where systemd lays out credentials, for the running unit alone.
const CREDENTIALS: &str = "/run/credentials";

/// Everything that is wrong with the files that the configuration in `main` names.
pub fn problems(main: &Path, config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    for profile in &config.auth_profiles {
        match &profile.source {
            AuthSource::Ldap(ldap) => {
                found.extend(
                    password_file(ldap)
                        .filter(|file| !is_credential(file))
                        .and_then(password),
                );
                found.extend(tls(main, ldap));
            }
            AuthSource::Local(local) => found.extend(users(&local.users_file, local.may_be_absent)),
        }
    }
    found.extend(config.location.as_deref().and_then(|file| match Places::open(file) {
        Ok(_) => closed_to_the_agent(file, open),
        Err(why) => Some(problem(
            file,
            None,
            why.to_string(),
            "logins go on without places until it is mended".into(),
        )),
    }));
    let gateway = config.gateway.as_ref();
    let authorities = gateway.and_then(|gateway| gateway.ca_file.as_deref());
    found.extend(authorities.and_then(|file| match tls_config(Some(file)) {
        Ok(_) => closed_to_the_agent(file, open),
        Err(why) => Some(tls_problem(file, &why)),
    }));
    found
}

/// What cannot be checked here, for a person to know.
pub fn notes(config: &Config) -> Vec<String> {
    let credentials = config.auth_profiles.iter().filter_map(|profile| match &profile.source {
        AuthSource::Ldap(ldap) => password_file(ldap).filter(|file| is_credential(file)),
        AuthSource::Local(_) => None,
    });
    credentials
        .map(|file| {
            let file = visible(&file.to_string_lossy());
            format!("{file} is a systemd credential, which the running agent alone has; it was not read")
        })
        .collect()
}

fn password_file(ldap: &LdapProfile) -> Option<&Path> {
    ldap.service.as_ref().and_then(|service| service.password_file())
}

fn is_credential(file: &Path) -> bool {
    file.starts_with(CREDENTIALS)
}

fn problem(file: &Path, line: Option<usize>, what: String, mend: String) -> Problem {
    Problem {
        file: file.to_owned(),
        line,
        what,
        mend,
    }
}

fn unfit(file: &Path, why: &FileProblem) -> Problem {
    let (what, mend) = match why {
        FileProblem::Io { source, .. } if only_root(source) => {
            (format!("it cannot be read: {source}"), "run this as root".into())
        }
        FileProblem::Io { source, .. } => (format!("it cannot be read: {source}"), mend(file)),
        FileProblem::Unfit { what, .. } => (what.clone(), mend(file)),
    };
    problem(file, None, what, mend)
}

fn mend(file: &Path) -> String {
    format!("chown root:{AGENT} {0} && chmod 0640 {0}", file.display())
}

/// The mend of a file that is no secret.
fn open(file: &Path) -> String {
    format!("chmod a+r {}", file.display())
}

/// A file that the agent itself must be able to read.
fn closed_to_the_agent(file: &Path, mend: fn(&Path) -> String) -> Option<Problem> {
    let agent = nix::unistd::User::from_name(AGENT).ok()??;
    let meta = std::fs::metadata(file).ok()?;
    let own = meta.uid() == agent.uid.as_raw() && meta.mode() & 0o400 != 0;
    let group = meta.gid() == agent.gid.as_raw() && meta.mode() & 0o040 != 0;
    let anybody = meta.mode() & 0o004 != 0;
    let what = format!("the agent's user {AGENT} cannot read it");
    (!own && !group && !anybody).then(|| problem(file, None, what, mend(file)))
}

fn password(file: &Path) -> Option<Problem> {
    match secret_file::read_for(file, MAX_PASSWORD, reader()) {
        Ok((content, _)) if content.trim_ascii().is_empty() => {
            let mend = "write the service account's password into it, on one line";
            Some(problem(file, None, "it is empty".into(), mend.into()))
        }
        Ok(_) => closed_to_the_agent(file, mend),
        Err(why) => Some(unfit(file, &why)),
    }
}

/// The certificates and the key of a profile, loaded as the agent loads them.
fn tls(main: &Path, ldap: &LdapProfile) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    let mut loaded = profile_tls(ldap);
    if let Some(ServiceAccount::External(client)) = &ldap.service {
        match secret_file::read_for(&client.key_file, MAX_KEY, reader()) {
            Err(why) => found.push(unfit(&client.key_file, &why)),
            Ok(_) => {
                found.extend(closed_to_the_agent(&client.key_file, mend));
                found.extend(closed_to_the_agent(&client.certificate_file, open));
            }
        }
        // The key has been judged above, for the agent and not for whoever runs this.
        if matches!(loaded, Err(TlsProblem::Key(_))) {
            loaded = tls_config(ldap.ca_file.as_deref());
        }
    }
    match loaded {
        Ok(_) => {
            let authorities = ldap.ca_file.as_deref();
            found.extend(authorities.and_then(|file| closed_to_the_agent(file, open)));
        }
        Err(why @ TlsProblem::File { .. }) => found.push(tls_problem(main, &why)),
        Err(why) => {
            let what = format!("authentication profile {:?}: {why}", ldap.name);
            let mend = "see that its certificates and its key are what they should be, and belong together";
            found.push(problem(main, None, what, mend.into()));
        }
    }
    found
}

/// What is wrong with a file of certificates or keys; `file` if the error names none.
fn tls_problem(file: &Path, why: &TlsProblem) -> Problem {
    let mend = "it holds certificates or a key in PEM; everybody may read certificates, and the agent its key";
    match why {
        TlsProblem::File { path, what } => problem(Path::new(path), None, what.clone(), mend.into()),
        other => problem(file, None, other.to_string(), mend.into()),
    }
}

fn users(file: &Path, may_be_absent: bool) -> Vec<Problem> {
    match secret_file::read_for(file, MAX_FILE, reader()) {
        Err(why) if may_be_absent && why.is_absent() => Vec::new(),
        Err(why) => vec![unfit(file, &why)],
        Ok((content, _)) => match Users::parse(&content) {
            Ok(_) => closed_to_the_agent(file, mend).into_iter().collect(),
            Err(flaws) => {
                let flaws = flaws.0.into_iter();
                flaws
                    .map(|flaw| problem(file, Some(flaw.line), flaw.what, flaw.mend))
                    .collect()
            }
        },
    }
}

/// Whom such a file may belong to besides root: the agent's user, or whoever tries a configuration elsewhere.
fn reader() -> u32 {
    let agent = nix::unistd::User::from_name(AGENT).ok().flatten();
    agent.map_or_else(nix::unistd::geteuid, |agent| agent.uid).as_raw()
}
