//! How a command fails: what it was, in words for a person, and the exit code that a script sees.

use assent_proto::text::visible;
use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what was asked. The text says what happened, where, and what to do next.
#[derive(Debug)]
pub enum Failure {
    /// Somebody or something refuses; trying the same again changes nothing.
    Refused(String),
    /// Wrong usage, a file that is not what it should be.
    Input(String),
    /// A part (agent, gateway) cannot be reached.
    Unreachable(String),
}

/// What a command comes to.
pub type Done<T = ()> = Result<T, Failure>;

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 1,
            Self::Input(_) => 2,
            Self::Unreachable(_) => 3,
        })
    }

    /// The same failure, with what was going on in front.
    #[must_use]
    pub fn while_(self, doing: &str) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(format!("{doing}: {text}")),
            Self::Input(text) => Self::Input(format!("{doing}: {text}")),
            Self::Unreachable(text) => Self::Unreachable(format!("{doing}: {text}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Texts may quote what came from outside; this is the last place before the terminal. Line ends are ours
            // only where a caller has already made the rest visible.
            Self::Refused(text) | Self::Input(text) | Self::Unreachable(text) => {
                for (at, line) in text.split('\n').enumerate() {
                    if at > 0 {
                        f.write_str("\n  ")?;
                    }
                    f.write_str(&on_one_line(line))?;
                }
                Ok(())
            }
        }
    }
}

/// Makes odd characters visible, line ends too, but leaves marks that [`visible`] made before as they are.
pub fn on_one_line(text: &str) -> String {
    text.split('⟨').map(visible).collect::<Vec<_>>().join("⟨")
}

/// The random generator failed.
pub fn no_randomness(_: impl fmt::Display) -> Failure {
    Failure::Refused("the system's random generator failed; nothing was done".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r68_a_failures_text_cannot_move_the_cursor() {
        let failure = Failure::Refused("it said \u{1b}[2J and ⟨U+001B⟩ before".into());
        assert_eq!(failure.to_string(), "it said ⟨U+001B⟩[2J and ⟨U+001B⟩ before");
    }
}
