//! Every PAM line of ours that would let somebody in where the agent or the module fails (R91): the option
//! `unavailable=ignore`, and controls that ignore an error of the line.

use super::finding::Finding;
use assent_proto::text::visible;
use std::fs;
use std::path::{Path, PathBuf};

const CHECK: &str = "pam_fails_closed";
/// Where stacks are; the first directory's file hides the second's of the same name.
const DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
/// Seconds that the module waits where its line says nothing.
const USUAL_WAIT: u64 = 100;
/// What the module, or PAM in its place, returns where it could not ask.
const ERRORS: [&str; 4] = ["authinfo_unavail", "system_err", "module_unknown", "user_unknown"];

/// Looks at the stacks.
pub(super) fn look() -> Finding {
    let mut seen: Vec<String> = Vec::new();
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if seen.contains(&name) {
                continue;
            }
            if let Ok(text) = fs::read_to_string(entry.path()) {
                seen.push(name);
                files.push((entry.path(), text));
            }
        }
    }
    files.sort();
    judge(&files)
}

/// The lines of ours in the auth phase of a service's own stack: where each stands, and the seconds that its module waits.
pub(super) fn auth_waits(service: &str) -> Vec<(String, u64)> {
    let mut files = DIRECTORIES.iter().map(|directory| Path::new(directory).join(service));
    let found = files.find_map(|file| Some((fs::read_to_string(&file).ok()?, file)));
    found.map_or_else(Vec::new, |(text, file)| waits(&file, &text))
}

fn waits(file: &Path, text: &str) -> Vec<(String, u64)> {
    let lines = logical_lines(text).into_iter();
    let ours = lines.filter_map(|(number, line)| Some((number, Line::of(&line)?)));
    ours.filter(|(_, line)| line.auth && !line.is_helper())
        .map(|(number, line)| {
            let written = line
                .arguments
                .iter()
                .find_map(|argument| argument.strip_prefix("timeout="));
            let seconds = written.and_then(|seconds| seconds.parse().ok());
            (at(file, number, "pam_assent.so"), seconds.unwrap_or(USUAL_WAIT))
        })
        .collect()
}

fn judge(files: &[(PathBuf, String)]) -> Finding {
    let (mut lines, mut open) = (0, Vec::new());
    for (file, text) in files {
        for (number, line) in logical_lines(text) {
            let Some(line) = Line::of(&line) else { continue };
            lines += 1;
            open.extend(line.ways_open().map(|why| at(file, number, &why)));
        }
    }
    match (lines, open.len()) {
        (0, _) => Finding::unknown(
            CHECK,
            "no PAM stack names pam_assent.so in its auth or account phase: this host asks nobody",
            "docs/pam-stacks.md says which line goes where",
        ),
        (_, 0) => Finding::ok(
            CHECK,
            format!("{lines} lines of pam_assent.so deny where it cannot ask"),
        ),
        (_, ways) => Finding::warn(
            CHECK,
            format!("{ways} places let a login pass where Assent cannot be asked"),
            "write `required` or `requisite` and leave unavailable=ignore away, unless this is what you mean",
        )
        .because(open),
    }
}

fn at(file: &Path, number: usize, why: &str) -> String {
    format!("{}:{number}: {}", visible(&file.to_string_lossy()), visible(why))
}

/// Lines with those that a backslash continues joined, each with the number of its first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (at, line) in text.lines().enumerate() {
        let (part, more) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, whole)) if goes_on => {
                whole.push(' ');
                whole.push_str(part);
            }
            _ => lines.push((at + 1, part.to_owned())),
        }
        goes_on = more;
    }
    lines
}

/// A line of ours that decides.
struct Line {
    /// It stands in the auth phase, not in the account phase.
    auth: bool,
    /// A dash before its type: PAM says nothing where the module is missing.
    quiet: bool,
    control: String,
    arguments: Vec<String>,
}

impl Line {
    fn of(line: &str) -> Option<Self> {
        let line = line.split('#').next()?.trim();
        let (kind, rest) = line.split_once(char::is_whitespace)?;
        let (quiet, kind) = match kind.strip_prefix('-') {
            Some(kind) => (true, kind),
            None => (false, kind),
        };
        let auth = match kind.to_ascii_lowercase().as_str() {
            "auth" => true,
            "account" => false,
            _ => return None,
        };
        let rest = rest.trim_start();
        let (control, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => rest.split_once(char::is_whitespace)?,
        };
        let mut words = rest.split_whitespace();
        let module = words.next()?;
        if Path::new(module).file_name()?.to_str()? != "pam_assent.so" {
            return None;
        }
        Some(Self {
            auth,
            quiet,
            control: control.to_ascii_lowercase(),
            arguments: words.map(str::to_owned).collect(),
        })
    }

    /// A helper line that asks nobody: another one decides.
    fn is_helper(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "only=key")
    }

    fn ways_open(&self) -> impl Iterator<Item = String> {
        let helper = self.is_helper();
        let ignore = self.arguments.iter().any(|argument| argument == "unavailable=ignore");
        let mut ways = Vec::new();
        if ignore {
            ways.push("unavailable=ignore lets everybody pass while the agent is away".to_owned());
        }
        if self.quiet && !helper {
            ways.push("the dash before its type lets everybody pass where pam_assent.so is missing".to_owned());
        }
        let ignored: Vec<&str> = ERRORS.into_iter().filter(|error| self.ignores(error)).collect();
        if !ignored.is_empty() && !helper {
            ways.push(format!(
                "its control \"{}\" ignores {}",
                self.control,
                ignored.join(", ")
            ));
        }
        ways.into_iter()
    }

    /// Whether a result would not deny (pam.conf(5)): `ignore`, `ok`, `done`, or a jump.
    fn ignores(&self, result: &str) -> bool {
        match self.control.as_str() {
            "required" | "requisite" => return false,
            "sufficient" | "optional" => return true,
            _ => {}
        }
        let of = |name: &str| {
            let mut pairs = self.control.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.find(|(value, _)| *value == name).map(|(_, action)| action)
        };
        // A result that nobody names, and without a default, is bad.
        !matches!(of(result).or_else(|| of("default")), None | Some("bad" | "die"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn found(text: &str) -> Finding {
        judge(&[("/etc/pam.d/sshd".into(), text.to_owned())])
    }

    #[test]
    fn r91_every_control_that_ignores_an_error_of_ours_is_listed() {
        for (control, closed) in [
            ("required", true),
            ("requisite", true),
            ("sufficient", false),
            ("optional", false),
            ("[success=ok default=die]", true),
            ("[success=ok ignore=ignore default=bad]", true),
            ("[success=1]", true),
            ("[success=done default=ignore]", false),
            ("[success=ok authinfo_unavail=ignore default=die]", false),
            ("[success=ok system_err=1 default=bad]", false),
            ("[success=ok module_unknown=done default=bad]", false),
            ("[success=ok user_unknown=ok default=bad]", false),
        ] {
            for kind in ["auth", "account", "AUTH"] {
                let finding = found(&format!("{kind}\t{control} /usr/lib/security/pam_assent.so\n"));
                let state = if closed { State::Ok } else { State::Warn };
                assert_eq!(finding.state, state, "{kind} {control}: {finding:?}");
            }
        }
    }

    #[test]
    fn r91_unavailable_ignore_and_a_silent_dash_are_listed_with_their_places() {
        let finding = found(
            "# ours\nauth required pam_unix.so\naccount required \\\n  pam_assent.so unavailable=ignore\n-auth required pam_assent.so\n",
        );
        assert_eq!(finding.state, State::Warn);
        assert_eq!(
            finding.reasons,
            [
                "/etc/pam.d/sshd:3: unavailable=ignore lets everybody pass while the agent is away",
                "/etc/pam.d/sshd:5: the dash before its type lets everybody pass where pam_assent.so is missing",
            ]
        );
    }

    #[test]
    fn helper_lines_session_lines_and_comments_decide_nothing() {
        let finding = found(
            "auth [success=1 default=ignore] pam_assent.so only=key\nauth required pam_assent.so # unavailable=ignore\nsession optional pam_assent.so\n#auth optional pam_assent.so\n",
        );
        assert_eq!(finding.state, State::Ok, "{finding:?}");
        assert_eq!(found("session optional pam_assent.so\n").state, State::Unknown);
    }

    #[test]
    fn how_long_the_modules_of_a_stack_wait_is_read_off_its_auth_lines() {
        let stack = "auth [success=1 default=ignore] pam_assent.so only=key\nauth required pam_assent.so timeout=350\n-auth required pam_assent.so\naccount required pam_assent.so timeout=5\n";
        let waits: Vec<u64> = waits(Path::new("/etc/pam.d/sshd"), stack)
            .into_iter()
            .map(|(_, seconds)| seconds)
            .collect();
        assert_eq!(waits, [350, 100]);
    }

    #[test]
    fn the_shipped_stacks_are_closed() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/pam");
        for name in ["sshd-assent-password", "sshd-key", "sshd-password", "su", "sudo"] {
            let text = fs::read_to_string(dir.join(name)).unwrap_or_default();
            assert_eq!(found(&text).state, State::Ok, "{name}");
        }
    }
}
