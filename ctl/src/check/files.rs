//! The files that a configuration names: passwords, certificate authorities, `users.toml`. They are read as the agent
//! would read them, so that what is missing, too open or broken shows before a login needs it.

use assent_engine::config::{AuthSource, Config, Problem};
use assent_engine::directory::ldap::tls_config;
use assent_engine::directory::local::Users;
use assent_engine::directory::secret_file::{self, FileProblem};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whom the agent runs as.
const AGENT: &str = "assent";
/// Largest `users.toml` in bytes.
const MAX_USERS: u64 = 16 * 1024 * 1024;
/// Largest password file in bytes.
const MAX_PASSWORD: u64 = 4096;

/// Everything that is wrong with them.
pub fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    for profile in &config.auth_profiles {
        match &profile.source {
            AuthSource::Ldap(ldap) => {
                let service = ldap.service.as_ref();
                found.extend(service.and_then(|service| service.password_file()).and_then(password));
                found.extend(ldap.ca_file.as_deref().and_then(authorities));
            }
            AuthSource::Local(local) => found.extend(users(&local.users_file, local.may_be_absent)),
        }
    }
    let gateway = config.gateway.as_ref();
    found.extend(
        gateway
            .and_then(|gateway| gateway.ca_file.as_deref())
            .and_then(authorities),
    );
    found
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
        FileProblem::Io { source, .. } => (format!("it cannot be read: {source}"), mend(file)),
        FileProblem::Unfit { what, .. } => (what.clone(), mend(file)),
    };
    problem(file, None, what, mend)
}

fn mend(file: &Path) -> String {
    format!("chown root:{AGENT} {0} && chmod 0640 {0}", file.display())
}

/// A file that the agent itself must be able to read.
fn closed_to_the_agent(file: &Path) -> Option<Problem> {
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
        Ok(_) => closed_to_the_agent(file),
        Err(why) => Some(unfit(file, &why)),
    }
}

fn authorities(file: &Path) -> Option<Problem> {
    let why = tls_config(Some(file)).err()?;
    let mend = "it holds the certificates of the authorities, in PEM, and everybody may read it";
    Some(problem(file, None, why.to_string(), mend.into()))
}

fn users(file: &Path, may_be_absent: bool) -> Vec<Problem> {
    match secret_file::read_for(file, MAX_USERS, reader()) {
        Err(why) if may_be_absent && why.is_absent() => Vec::new(),
        Err(why) => vec![unfit(file, &why)],
        Ok((content, _)) => match Users::parse(&content) {
            Ok(_) => closed_to_the_agent(file).into_iter().collect(),
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
