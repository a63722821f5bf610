//! What sudo was asked to do, read from its own arguments (sudo(8), "OPTIONS").

use super::facts::Facts;
use assent_proto::ShortText;
use assent_proto::request::{Command, MAX_ARGS};
use assent_proto::text::Outside;

/// Most bytes of a command that a request shows; beyond that it counts as cut.
const MAX_COMMAND: usize = 8 * 1024;
/// sudo's options that take a value in the next argument.
const WITH_VALUE: &str = "CDghpRrTtUu";
/// The long ones.
const LONG_WITH_VALUE: [&str; 12] = [
    "close-from",
    "chdir",
    "group",
    "host",
    "prompt",
    "chroot",
    "role",
    "command-timeout",
    "type",
    "other-user",
    "user",
    "auth-type",
];

/// What sudo's options say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `-n`: nobody may be asked.
    pub non_interactive: bool,
    /// `-l` or `-v`: nothing will be run.
    pub runs_nothing: bool,
    /// `-u`: who the command runs as.
    pub target: Option<&'a Outside>,
}

/// Reads sudo's options up to the command.
pub fn asked(args: &[Outside]) -> Asked<'_> {
    let mut asked = Asked::default();
    let mut rest = args.iter().skip(1);
    while let Some(arg) = rest.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" || !bytes.starts_with(b"-") || bytes == b"-" {
            break;
        }
        if let Some(long) = bytes.strip_prefix(b"--") {
            let name = String::from_utf8_lossy(long);
            let (name, inline) = name.split_once('=').map_or((&*name, false), |(name, _)| (name, true));
            match name {
                "non-interactive" => asked.non_interactive = true,
                "list" | "validate" => asked.runs_nothing = true,
                _ => {}
            }
            if !inline && LONG_WITH_VALUE.contains(&name) {
                let value = rest.next();
                if name == "user" {
                    asked.target = value;
                }
            }
            continue;
        }
        for (at, option) in bytes.iter().enumerate().skip(1) {
            match option {
                b'n' => asked.non_interactive = true,
                b'l' | b'v' => asked.runs_nothing = true,
                _ => {}
            }
            if WITH_VALUE.as_bytes().contains(option) {
                // The value follows in the same word, or is the next argument.
                if at + 1 == bytes.len() {
                    let value = rest.next();
                    if *option == b'u' {
                        asked.target = value;
                    }
                }
                break;
            }
        }
    }
    asked
}

/// The command as a request shows it.
pub fn command(facts: &Facts) -> Command {
    let mut truncated = facts.args_cut;
    let mut left = MAX_COMMAND;
    let mut text = |outside: &Outside| {
        let whole = outside.to_statement();
        let short = ShortText::cut(whole.clone());
        truncated |= short.as_str() != whole || whole.len() > left;
        left = left.saturating_sub(whole.len());
        short
    };
    let resolved = facts.sudo_command.as_ref().map(&mut text);
    let args: Vec<ShortText> = facts.args.iter().skip(1).take(MAX_ARGS).map(text).collect();
    truncated |= facts.args.len() > MAX_ARGS + 1;
    Command {
        resolved,
        args,
        truncated,
        sha256: facts.args_sha256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> Vec<Outside> {
        line.iter().map(|a| Outside::new(a.as_bytes())).collect()
    }

    #[test]
    fn sudo_options_end_where_the_command_begins() {
        let line = args(&["sudo", "-u", "postgres", "psql", "-n", "-l"]);
        let read = asked(&line);
        assert_eq!(read.target, Some(&Outside::new(b"postgres".as_slice())));
        assert!(!read.non_interactive && !read.runs_nothing);

        let line = args(&["sudo", "-kn", "true"]);
        assert!(asked(&line).non_interactive);
        let line = args(&["sudo", "-l"]);
        assert!(asked(&line).runs_nothing);
        let line = args(&["sudo", "--non-interactive", "--", "-l"]);
        let read = asked(&line);
        assert!(read.non_interactive && !read.runs_nothing);
        let line = args(&["sudo", "--user", "bob", "-v"]);
        let read = asked(&line);
        assert!(read.runs_nothing);
        assert_eq!(read.target, Some(&Outside::new(b"bob".as_slice())));
        // A value that looks like an option is a value.
        let line = args(&["sudo", "-p", "-n", "id"]);
        assert!(!asked(&line).non_interactive);
    }
}
