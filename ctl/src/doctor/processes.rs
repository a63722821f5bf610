//! The gateway's processes on this machine, by `/proc`, and what their configuration says of roles and places.

use assent_proto::text::visible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The gateway's configuration if its command line names none.
const DEFAULT_CONFIG: &str = "/etc/assent/gateway.toml";
/// Every role, as the gateway's configuration names them.
pub(super) const ROLES: [&str; 4] = ["relay", "app", "panel", "registrar"];

/// One process of the gateway, perhaps in a container: files are looked at as it sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub pid: u32,
    pub uid: u32,
    pub config: PathBuf,
    /// What its file says; why it says nothing.
    pub says: Result<Says, String>,
}

/// What a gateway's file says that matters to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    pub roles: Vec<String>,
    pub state_dir: PathBuf,
    /// What hosts and devices call the relay.
    pub public_url: String,
    pub app_url: Option<String>,
    pub panel_url: Option<String>,
}

/// All of them. Whoever is not root sees none of other users.
pub(super) fn all() -> Vec<Process> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<Process> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn process(pid: u32) -> Option<Process> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let program = fs::read_link(dir.join("exe")).ok()?;
    // A program that was replaced since reads as "… (deleted)".
    let name = program.file_name()?.to_str()?.trim_end_matches(" (deleted)");
    if name != "assent-gateway" {
        return None;
    }
    let line = fs::read(dir.join("cmdline")).ok()?;
    let config = config_of(&line);
    Some(Process {
        pid,
        uid: fs::metadata(&dir).ok()?.uid(),
        says: said(&seen_by(pid, &config)),
        config,
    })
}

/// A file as a process sees it.
pub(super) fn seen_by(pid: u32, file: &Path) -> PathBuf {
    let below = file.strip_prefix("/").unwrap_or(file);
    PathBuf::from(format!("/proc/{pid}/root")).join(below)
}

/// The file that a command line names.
fn config_of(line: &[u8]) -> PathBuf {
    let arguments: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    let after = arguments
        .iter()
        .position(|argument| argument == "--config")
        .and_then(|at| arguments.get(at + 1));
    let joined = arguments.iter().find_map(|argument| argument.strip_prefix("--config="));
    after.map(String::as_str).or(joined).unwrap_or(DEFAULT_CONFIG).into()
}

fn said(config: &Path) -> Result<Says, String> {
    let text = fs::read_to_string(config).map_err(|e| format!("{}: {e}", config.display()))?;
    says(&text).map_err(|e| format!("{}: {e}", config.display()))
}

/// Reads a gateway's file as the gateway does, as far as trust goes.
pub(super) fn says(text: &str) -> Result<Says, String> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| visible(e.message()))?;
    let text_at = |table: &toml::Table, key: &str| table.get(key).and_then(|value| value.as_str().map(str::to_owned));
    let url_of = |section: &str| text_at(table.get(section)?.as_table()?, "url");
    let listed: Vec<String> = match table.get("roles") {
        None => Vec::new(),
        Some(roles) => {
            let roles = roles.as_array().ok_or("roles is no list")?;
            let names: Option<Vec<String>> = roles.iter().map(|role| role.as_str().map(str::to_owned)).collect();
            names.ok_or("roles is no list of texts")?
        }
    };
    let all = listed.is_empty() || listed == ["all"];
    let roles = if all { ROLES.map(str::to_owned).to_vec() } else { listed };
    let place = match roles.as_slice() {
        [alone] => format!("/var/lib/assent-{alone}"),
        _ => "/var/lib/assent-gateway".to_owned(),
    };
    Ok(Says {
        state_dir: text_at(&table, "state_dir").unwrap_or(place).into(),
        public_url: text_at(&table, "public_url").unwrap_or_default(),
        app_url: url_of("app"),
        panel_url: url_of("panel"),
        roles,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_names_its_file_in_either_form() {
        for (line, file) in [
            (&b"/usr/sbin/assent-gateway\0--config\0/etc/x.toml\0"[..], "/etc/x.toml"),
            (b"assent-gateway\0--config=/etc/y.toml\0", "/etc/y.toml"),
            (b"assent-gateway\0", DEFAULT_CONFIG),
            (b"assent-gateway\0--config\0", ""),
            (b"", DEFAULT_CONFIG),
        ] {
            assert_eq!(config_of(line), Path::new(file), "{line:?}");
        }
    }

    #[test]
    fn a_file_without_roles_has_all_and_places_follow_the_roles() {
        let all = says("public_url = \"https://p\"").unwrap();
        assert_eq!(all.roles, ROLES);
        assert_eq!(all.state_dir, Path::new("/var/lib/assent-gateway"));
        let relay = says("public_url = \"https://p\"\nroles = [\"relay\"]\n[app]\nurl = \"https://a\"").unwrap();
        assert_eq!(relay.state_dir, Path::new("/var/lib/assent-relay"));
        assert_eq!(relay.app_url.as_deref(), Some("https://a"));
        assert!(says("roles = 1").is_err() && says("roles = [1]").is_err() && says("roles").is_err());
    }
}
