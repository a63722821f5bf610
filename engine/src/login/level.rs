//! How sure an approval must be (DESIGN, "Assurance"). Pure: what is known of the login goes in, the level and the one
//! reason for it come out. Decided before any push, and never lowered because of what a channel cannot do.

use crate::config::{Assurance, Config, Method, MethodIndex};
use assent_proto::cert::Level;

/// What speaks for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a ground of its own, and any may hold beside any other
pub struct Grounds {
    /// An earlier factor has passed in this login.
    pub earlier_factor: bool,
    /// This user approved a login from this address lately.
    pub known_source: bool,
    /// The address lies in one of `known_networks`.
    pub known_network: bool,
    /// sudo runs in a login session that was itself approved here.
    pub approved_session: bool,
    /// The command is too long to be shown whole.
    pub command_cut: bool,
}

/// Why the level is what it is, in words that do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The configuration says this very level.
    Configured,
    /// The application's floor.
    Floor,
    /// The phone cannot show the whole command.
    CommandCut,
    /// An approval in this audit session.
    ApprovedSession,
    /// An earlier factor, from a network that has a name.
    KnownNetwork,
    /// An earlier factor, from an address that the user approved before.
    KnownSource,
    /// No earlier factor in this login.
    NoEarlierFactor,
    /// Nothing is known of where it comes from.
    NewSource,
    /// A number cannot be shown on this channel, and a passkey needs none.
    NoNumber,
}

impl Why {
    /// For traces and `explain`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Floor => "the application's floor",
            Self::CommandCut => "the command is too long to be shown whole",
            Self::ApprovedSession => "sudo in a login that was approved here",
            Self::KnownNetwork => "an earlier factor, from a known network",
            Self::KnownSource => "an earlier factor, from an address that this user approved before",
            Self::NoEarlierFactor => "no earlier factor",
            Self::NoNumber => "a number cannot be shown here, and a passkey needs none",
            Self::NewSource => "from an address that this user has not approved before",
        }
    }
}

/// The word that holds for a method, by the policy that chose it or its own; `None` for a method without a push.
pub fn assurance(config: &Config, method: MethodIndex, policy: Option<usize>) -> Option<Assurance> {
    let Method::Push { assurance, .. } = config.method(method).method else {
        return None;
    };
    let policys = policy
        .and_then(|at| config.policies.get(at))
        .and_then(|policy| policy.assurance);
    Some(policys.unwrap_or(assurance))
}

/// The level, and why.
pub fn decide(assurance: Assurance, floor: Level, grounds: Grounds) -> (Level, Why) {
    let (level, why) = match assurance {
        Assurance::Always(level) => (level, Why::Configured),
        Assurance::Adaptive => adaptive(grounds),
    };
    if level < Level::Number && grounds.command_cut {
        return (Level::Number.max(floor), Why::CommandCut);
    }
    if level < floor {
        (floor, Why::Floor)
    } else {
        (level, why)
    }
}

fn adaptive(grounds: Grounds) -> (Level, Why) {
    if grounds.approved_session {
        return (Level::Tap, Why::ApprovedSession);
    }
    match (grounds.earlier_factor, grounds.known_network, grounds.known_source) {
        (false, _, _) => (Level::Number, Why::NoEarlierFactor),
        (true, true, _) => (Level::Tap, Why::KnownNetwork),
        (true, false, true) => (Level::Tap, Why::KnownSource),
        (true, false, false) => (Level::Number, Why::NewSource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Grounds> {
        (0..32_u8).map(|bits| Grounds {
            earlier_factor: bits & 1 > 0,
            known_source: bits & 2 > 0,
            known_network: bits & 4 > 0,
            approved_session: bits & 8 > 0,
            command_cut: bits & 16 > 0,
        })
    }

    #[test]
    fn adaptive_taps_after_an_earlier_factor_from_a_known_place_or_in_an_approved_session_alone() {
        for grounds in all() {
            let known = grounds.known_source || grounds.known_network;
            let tap = ((grounds.earlier_factor && known) || grounds.approved_session) && !grounds.command_cut;
            let (level, _) = decide(Assurance::Adaptive, Level::Tap, grounds);
            assert_eq!(level == Level::Tap, tap, "{grounds:?}");
        }
    }

    #[test]
    fn nothing_goes_below_the_floor_or_below_what_is_configured() {
        let words = [Level::Tap, Level::Number, Level::Passkey];
        for grounds in all() {
            for floor in words {
                assert!(decide(Assurance::Adaptive, floor, grounds).0 >= floor);
                for level in words {
                    let (decided, _) = decide(Assurance::Always(level), floor, grounds);
                    assert!(decided >= floor.max(level));
                    assert!(!grounds.command_cut || decided >= Level::Number);
                }
            }
        }
    }
}
