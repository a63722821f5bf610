//! The module's arguments in the PAM stack, read strictly: a word that is not known here is an error, as a mistyped
//! option that was skipped could be the one that closes a door. Pure.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// What happens when no verdict can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnavailable {
    /// `AUTHINFO_UNAVAIL`.
    Deny,
    /// `IGNORE`, the one way to fail open; logged whenever it is taken.
    Ignore,
}

/// What one line of a PAM stack asks of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Ask the agent.
    Ask(Options),
    /// `only=key`: say whether sshd says that a public key passed. Asks nobody.
    OnlyKey,
}

/// How to ask the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the agent listens.
    pub socket: PathBuf,
    /// From the call to its end.
    pub timeout: Duration,
    /// What stands for no verdict.
    pub unavailable: OnUnavailable,
    /// Whether the first question for a password takes the one that an earlier module left.
    pub try_first_pass: bool,
    /// Whether a password that we asked for is left for later modules, once the login is approved.
    pub set_authtok: bool,
}

/// Why the arguments were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No such option.
    Unknown(String),
    /// A known option, a value that it does not take.
    Malformed(String),
    /// The same option twice, or `only=` beside others.
    Conflict(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(arg) => write!(f, "unknown option {arg}"),
            Self::Malformed(arg) => write!(f, "malformed option {arg}"),
            Self::Conflict(arg) => write!(f, "option {arg} contradicts another"),
        }
    }
}

const SHORTEST_SECONDS: u64 = 5;
const LONGEST_SECONDS: u64 = 600;

impl Default for Options {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(assent_wire::SOCKET_PATH),
            timeout: Duration::from_secs(100),
            unavailable: OnUnavailable::Deny,
            try_first_pass: true,
            set_authtok: false,
        }
    }
}

impl Job {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The first argument that is not exactly one of ours.
    pub fn parse(args: &[String]) -> Result<Self, Error> {
        let mut options = Options::default();
        let mut seen: Vec<&str> = Vec::with_capacity(args.len());
        for arg in args {
            let (key, value) = match arg.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (arg.as_str(), None),
            };
            let key_once = key.strip_prefix("no_").unwrap_or(key);
            if seen.contains(&key_once) {
                return Err(Error::Conflict(arg.clone()));
            }
            seen.push(key_once);
            let malformed = || Error::Malformed(arg.clone());
            match (key, value) {
                ("socket", Some(path)) => options.socket = socket_path(path).ok_or_else(malformed)?,
                ("timeout", Some(seconds)) => options.timeout = timeout(seconds).ok_or_else(malformed)?,
                ("unavailable", Some("deny")) => options.unavailable = OnUnavailable::Deny,
                ("unavailable", Some("ignore")) => options.unavailable = OnUnavailable::Ignore,
                ("try_first_pass", None) => options.try_first_pass = true,
                ("no_try_first_pass", None) => options.try_first_pass = false,
                ("set_authtok", None) => options.set_authtok = true,
                ("only", Some("key")) if args.len() == 1 => return Ok(Self::OnlyKey),
                ("only", Some("key")) => return Err(Error::Conflict(arg.clone())),
                (
                    "socket" | "timeout" | "unavailable" | "try_first_pass" | "no_try_first_pass" | "set_authtok"
                    | "only",
                    _,
                ) => return Err(malformed()),
                _ => return Err(Error::Unknown(arg.clone())),
            }
        }
        Ok(Self::Ask(options))
    }
}

/// An absolute path without `.` or `..`, with a directory and a name.
fn socket_path(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let mut parts = path.components();
    let plain = parts.next() == Some(Component::RootDir) && parts.all(|part| matches!(part, Component::Normal(_)));
    // `components` hides `/./` and a slash at the end; comparing with its own text shows them.
    let same = path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    (plain && same && path.file_name().is_some()).then(|| path.to_path_buf())
}

fn timeout(text: &str) -> Option<Duration> {
    // `parse` alone would take "+30".
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| text.parse::<u64>().ok()).flatten()?;
    (SHORTEST_SECONDS..=LONGEST_SECONDS)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Job, Error> {
        Job::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn options(line: &str) -> Options {
        match parse(line).unwrap() {
            Job::Ask(options) => options,
            Job::OnlyKey => panic!("only=key"),
        }
    }

    #[test]
    fn no_arguments_mean_the_safe_defaults() {
        assert_eq!(options(""), Options::default());
        assert_eq!(options("").unavailable, OnUnavailable::Deny);
        assert!(options("").try_first_pass && !options("").set_authtok);
        assert_eq!(options("").timeout, Duration::from_secs(100));
        assert_eq!(options("").socket, Path::new("/run/assent/agent.sock"));
    }

    #[test]
    fn every_option_is_read() {
        let all = options("socket=/run/x/y timeout=5 unavailable=ignore no_try_first_pass set_authtok");
        assert_eq!(all.socket, Path::new("/run/x/y"));
        assert_eq!(all.timeout, Duration::from_secs(5));
        assert_eq!(all.unavailable, OnUnavailable::Ignore);
        assert!(!all.try_first_pass && all.set_authtok);
        assert_eq!(options("timeout=600").timeout, Duration::from_mins(10));
        assert_eq!(parse("only=key"), Ok(Job::OnlyKey));
    }

    #[test]
    fn whatever_is_not_exactly_an_option_is_refused() {
        for line in [
            "debug",
            "Timeout=5",
            "timeout",
            "timeout=",
            "timeout=4",
            "timeout=601",
            "timeout=+30",
            "timeout=30s",
            "timeout=-1",
            "timeout=99999999999999999999",
            "unavailable",
            "unavailable=allow",
            "unavailable=ignore=",
            "try_first_pass=no",
            "set_authtok=1",
            "no_set_authtok",
            "socket",
            "socket=",
            "socket=/",
            "socket=run/agent.sock",
            "socket=/run/../tmp/s",
            "socket=/run/./s",
            "socket=/run/s/",
            "socket=//run/s",
            "only",
            "only=",
            "only=password",
            "no_only=key",
            "only=key timeout=5",
            "timeout=5 only=key",
            "timeout=5 timeout=6",
            "try_first_pass no_try_first_pass",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
