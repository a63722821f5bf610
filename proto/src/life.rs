//! The life of a certificate: when its holder asks for the next one, when somebody must be told that it could not, and how
//! long after its end it may still ask.

use crate::cert::DAY;
use crate::time::UnixTime;

/// Seconds after its end in which a certificate may still be renewed, unless its holder is revoked. It approves and asks
/// nothing in that time. Whoever holds the key could have renewed it for ever before its end, so this adds nothing to
/// what a thief can do; and a phone in a drawer, or a fleet whose issuing key was renewed too late, comes back by itself.
pub const RENEWAL_GRACE: u64 = 30 * DAY;

/// From when to when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its first second.
    pub nbf: UnixTime,
    /// Its last.
    pub exp: UnixTime,
}

/// How far a certificate's life has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Less than half of it: nothing is to be done.
    Young,
    /// Half of it: its holder asks for the next one.
    Due,
    /// Two thirds of it without a next one: somebody must look.
    Late,
    /// Over; may still be renewed.
    Ended,
    /// Over for so long that it cannot be renewed.
    Lost,
}

impl Life {
    /// From when on its holder asks for the next one.
    pub fn half(self) -> UnixTime {
        UnixTime(u64::midpoint(self.nbf.0, self.exp.0))
    }

    /// How old it is at `now`. What lies before its beginning counts as young.
    pub fn age(self, now: UnixTime) -> Age {
        let third = self.exp.0.saturating_sub(self.nbf.0) / 3;
        if now.0 > self.exp.plus(RENEWAL_GRACE).0 {
            Age::Lost
        } else if now > self.exp {
            Age::Ended
        } else if now.0 >= self.exp.0.saturating_sub(third) {
            Age::Late
        } else if now >= self.half() {
            Age::Due
        } else {
            Age::Young
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_young_due_late_ended_and_lost_at_exact_seconds() {
        let life = Life {
            nbf: UnixTime(1_000),
            exp: UnixTime(1_600),
        };
        for (now, age) in [
            (0, Age::Young),
            (1_299, Age::Young),
            (1_300, Age::Due),
            (1_399, Age::Due),
            (1_400, Age::Late),
            (1_600, Age::Late),
            (1_601, Age::Ended),
            (1_600 + RENEWAL_GRACE, Age::Ended),
            (1_601 + RENEWAL_GRACE, Age::Lost),
        ] {
            assert_eq!(life.age(UnixTime(now)), age, "{now}");
        }
    }
}
