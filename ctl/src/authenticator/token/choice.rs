//! Which token is meant, and what it says about its PIN. Pure.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a token is told from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// What it was called when it was set up.
    pub label: String,
    /// The maker's number.
    pub serial: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" (serial {})", self.label, self.serial)
    }
}

/// The place of the token that is wanted, by label or serial number; without a wish the only one. The error is for people.
pub fn choose(tokens: &[Name], wanted: Option<&str>) -> Result<usize, String> {
    if tokens.is_empty() {
        return Err("it knows no token that is set up; plug the token in, or set it up first".into());
    }
    let fits = |name: &Name| wanted.is_none_or(|wanted| name.label == wanted || name.serial == wanted);
    let found: Vec<usize> = (0..tokens.len()).filter(|at| fits(&tokens[*at])).collect();
    match (found[..].split_first(), wanted) {
        (Some((one, [])), _) => Ok(*one),
        (Some(_), None) => Err(format!(
            "it knows {} tokens; name one with --token LABEL: {}",
            tokens.len(),
            list(tokens)
        )),
        (Some(_), Some(wanted)) => Err(format!(
            "several tokens are called \"{wanted}\"; name one by its serial number, or call them otherwise: {}",
            list(tokens)
        )),
        (None, wanted) => Err(format!(
            "it knows no token \"{}\", but {}",
            wanted.unwrap_or_default(),
            list(tokens)
        )),
    }
}

fn list(tokens: &[Name]) -> String {
    tokens.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
}

/// What a token says about its user's PIN.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // PKCS#11's own flags
pub struct Standing {
    /// It signs only for who has logged in.
    pub asks: bool,
    /// The PIN is typed at the reader's own keys.
    pub at_reader: bool,
    /// There is no PIN yet.
    pub unset: bool,
    /// Somebody typed a wrong one since the last right one.
    pub low: bool,
    /// One try is left.
    pub last: bool,
    /// None is left.
    pub locked: bool,
}

impl Standing {
    /// Why there is no use in asking for the PIN, if so.
    pub fn refusal(self) -> Option<&'static str> {
        if self.locked {
            Some("its PIN is locked after too many wrong ones; its maker's tool unlocks it")
        } else if self.asks && self.unset {
            Some("it has no user PIN yet; set one with its maker's tool")
        } else {
            None
        }
    }

    /// What stands in front of the question.
    pub fn warning(self) -> Option<&'static str> {
        if self.last {
            Some("One try is left: a wrong PIN locks the token.")
        } else if self.low {
            Some("A wrong PIN was typed before.")
        } else {
            None
        }
    }

    /// What a wrong PIN came to.
    pub fn after_wrong(self) -> &'static str {
        if self.locked {
            "its PIN is locked now; its maker's tool unlocks it"
        } else if self.last {
            "one try is left, and then it locks"
        } else if self.low {
            "it counts wrong ones, and locks after too many"
        } else {
            "it does not say how many tries are left"
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(label: &str, serial: &str) -> Name {
        Name {
            label: label.into(),
            serial: serial.into(),
        }
    }

    #[test]
    fn a_token_is_chosen_by_name_or_because_it_is_the_only_one() {
        let (alice, bob) = (name("alice", "01"), name("bob", "02"));
        let both = [alice.clone(), bob.clone()];
        assert_eq!(choose(&both[..1], None), Ok(0));
        assert_eq!(choose(&both, Some("bob")), Ok(1));
        assert_eq!(choose(&both, Some("01")), Ok(0));
        for (tokens, wanted, says) in [
            (&[][..], None, vec!["no token"]),
            (
                &both[..],
                None,
                vec!["2 tokens", "--token", "\"alice\" (serial 01)", "\"bob\" (serial 02)"],
            ),
            (
                &both[..],
                Some("carol"),
                vec!["no token \"carol\"", "\"alice\"", "\"bob\""],
            ),
            (&both[..1], Some(""), vec!["no token \"\""]),
            (
                &[alice.clone(), name("alice", "03")],
                Some("alice"),
                vec!["several", "serial 01", "serial 03"],
            ),
        ] {
            let why = choose(tokens, wanted).unwrap_err();
            assert!(says.iter().all(|say| why.contains(say)), "{why}");
        }
    }

    #[test]
    fn a_locked_or_unset_pin_is_not_asked_for_and_a_wrong_one_tells_what_is_left() {
        let asks = Standing {
            asks: true,
            ..Standing::default()
        };
        assert_eq!(asks.refusal(), None);
        assert_eq!(asks.warning(), None);
        let locked = Standing {
            locked: true,
            last: true,
            low: true,
            ..asks
        };
        assert!(locked.refusal().unwrap().contains("locked"));
        assert!(locked.after_wrong().contains("locked now"));
        assert!(
            Standing { unset: true, ..asks }
                .refusal()
                .unwrap()
                .contains("no user PIN")
        );
        // A token without a PIN is not refused for having none.
        assert_eq!(
            Standing {
                unset: true,
                ..Standing::default()
            }
            .refusal(),
            None
        );
        let last = Standing {
            last: true,
            low: true,
            ..asks
        };
        assert_eq!(last.refusal(), None);
        assert!(last.warning().unwrap().contains("One try"));
        assert!(last.after_wrong().contains("one try"));
        assert!(Standing { low: true, ..asks }.after_wrong().contains("locks after"));
        assert!(asks.after_wrong().contains("does not say"));
    }
}
