//! Exceptions that an administrator makes for one identity: a bypass of the second factor for a while, and a block. Pure:
//! the edge keeps them in a file and says what time it is.
//!
//! A grant ends by itself. While the machine runs its boot clock measures, so that no step of the wall clock makes one
//! longer; after a boot the wall clock does, and one that stands before the grant began ends a bypass and no block.

use assent_proto::cert::Identity;
use assent_proto::text::visible;
use assent_proto::time::{BootTime, UnixTime};
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Seconds that a bypass may be granted for.
pub const BYPASS_FOR: RangeInclusive<u64> = 60..=86_400;
/// Characters of a reason.
pub const LONGEST_REASON: usize = 200;
/// Grants that run at once on one host.
pub const MOST: usize = 1000;

/// What a grant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The second factor is not asked for.
    Bypass,
    /// Nobody comes in.
    Block,
}

impl Kind {
    /// In records and on terminals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Block => "block",
        }
    }

    /// The kind of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Bypass, Self::Block].into_iter().find(|kind| kind.name() == name)
    }
}

/// Both clocks, and which boot the second one counts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: UnixTime,
    /// Time since boot.
    pub since_boot: BootTime,
    /// The kernel's name for this boot.
    pub boot: ShortText,
}

/// One grant, as an administrator made it and as the file keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Names it.
    pub id: Id,
    /// What it does.
    pub kind: Kind,
    /// Whom for: never a bare name, which somebody else may have tomorrow (R22).
    pub identity: Identity,
    /// The user's name when it was made, for people.
    pub user: ShortText,
    /// Applications by name. A block without any is for all of them.
    pub applications: Vec<String>,
    /// When it was made.
    pub from: UnixTime,
    /// Its length in seconds; `None`: until it is lifted.
    pub seconds: Option<u64>,
    /// Why, for everybody who sees it.
    pub reason: String,
    /// Who made it.
    pub by: ShortText,
    /// The boot in which it was made.
    pub boot: ShortText,
    /// Seconds after that boot.
    pub since_boot: u64,
}

/// Why a grant is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short, too long or endless.
    #[error("a bypass lasts from 1 minute to 24 hours; name a time between them")]
    Length,
    /// A block that would be over at once.
    #[error("a block of no length blocks nobody; name a time, or none for a block until it is lifted")]
    NoLength,
    /// A bypass for everything.
    #[error("a bypass names the applications that it is for")]
    NoApplication,
    /// No reason.
    #[error("a reason is needed: it is shown to the user and written down")]
    NoReason,
    /// A long reason.
    #[error("the reason is longer than {LONGEST_REASON} characters; say it shorter")]
    LongReason,
    /// A reason that would not be shown as it is.
    #[error("the reason holds characters that cannot be shown; write it in one line of plain text")]
    OddReason,
    /// No room.
    #[error("{MOST} grants run on this host already; end some of them first")]
    TooMany,
}

impl Grant {
    /// What keeps it from being one; also asked of what a file holds.
    pub fn check(&self) -> Result<(), Unfit> {
        match (self.kind, self.seconds) {
            (Kind::Bypass, Some(seconds)) if BYPASS_FOR.contains(&seconds) => {}
            (Kind::Bypass, _) => return Err(Unfit::Length),
            (Kind::Block, Some(0)) => return Err(Unfit::NoLength),
            (Kind::Block, _) => {}
        }
        if self.kind == Kind::Bypass && self.applications.is_empty() {
            return Err(Unfit::NoApplication);
        }
        if self.reason.trim().is_empty() {
            return Err(Unfit::NoReason);
        }
        if self.reason.chars().count() > LONGEST_REASON {
            return Err(Unfit::LongReason);
        }
        if visible(&self.reason) != self.reason {
            return Err(Unfit::OddReason);
        }
        Ok(())
    }

    /// When it ends by the wall clock.
    pub fn until(&self) -> Option<UnixTime> {
        self.seconds.map(|seconds| self.from.plus(seconds))
    }

    /// Whether it has not ended by itself.
    pub fn runs(&self, now: &Now) -> bool {
        let Some(seconds) = self.seconds else {
            return self.kind == Kind::Block;
        };
        if self.boot == now.boot {
            // A time since boot that lies before the grant is no time of this boot: only a block goes on.
            let gone = now.since_boot.0.as_secs().checked_sub(self.since_boot);
            return gone.map_or(self.kind == Kind::Block, |gone| gone < seconds);
        }
        let begun = self.kind == Kind::Block || self.from <= now.wall;
        begun && now.wall < self.from.plus(seconds)
    }

    /// Seconds that it goes on for, of one that runs.
    pub fn left(&self, now: &Now) -> Option<u64> {
        let seconds = self.seconds?;
        let gone = match self.boot == now.boot {
            true => now.since_boot.0.as_secs().saturating_sub(self.since_boot),
            false => now.wall.0.saturating_sub(self.from.0),
        };
        Some(seconds.saturating_sub(gone))
    }

    fn is_for(&self, identity: &Identity, application: &str) -> bool {
        let everywhere = self.kind == Kind::Block && self.applications.is_empty();
        self.identity == *identity && (everywhere || self.applications.iter().any(|name| name == application))
    }
}

/// What people are told of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The grant's name.
    pub id: Id,
    /// Seconds that it goes on for; `None`: until it is lifted.
    pub left: Option<u64>,
    /// Who made it.
    pub by: ShortText,
    /// Why, as that person wrote it.
    pub reason: String,
}

/// A bypass that runs; only [`Grants::held`] makes one.
#[derive(Debug)]
pub struct Bypass {
    identity: Identity,
    application: String,
    notice: Notice,
}

impl Bypass {
    /// Whether it is this person's, in this application.
    pub fn is_for(&self, identity: &Identity, application: &str) -> bool {
        self.identity == *identity && self.application == application
    }

    /// What people are told of it.
    pub fn notice(&self) -> &Notice {
        &self.notice
    }
}

/// What an administrator decided for a person in an application.
#[derive(Debug)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// Nobody comes in.
    Block(Notice),
    /// The second factor is not asked for.
    Bypass(Bypass),
}

/// All grants of a host.
#[derive(Debug, Default, Clone)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// From what a file held. What is unfit is not taken, and given back with the reason; so is what is too much.
    pub fn read(kept: Vec<Grant>) -> (Self, Vec<(Grant, Unfit)>) {
        let (mut grants, mut refused) = (Self::default(), Vec::new());
        for grant in kept {
            let unfit = match grants.0.len() < MOST {
                true => grant.check().err(),
                false => Some(Unfit::TooMany),
            };
            match unfit {
                None => grants.0.push(grant),
                Some(unfit) => refused.push((grant, unfit)),
            }
        }
        (grants, refused)
    }

    /// One more; it takes effect with the next login.
    pub fn add(&mut self, grant: Grant) -> Result<(), Unfit> {
        grant.check()?;
        if self.0.len() >= MOST {
            return Err(Unfit::TooMany);
        }
        self.0.push(grant);
        Ok(())
    }

    /// Ends those of a kind that an identity has before their time; which.
    pub fn end(&mut self, kind: Kind, identity: &Identity) -> Vec<Grant> {
        let ended = |grant: &mut Grant| grant.kind == kind && grant.identity == *identity;
        self.0.extract_if(.., ended).collect()
    }

    /// Takes out what has ended by itself; which.
    pub fn tidy(&mut self, now: &Now) -> Vec<Grant> {
        self.0.extract_if(.., |grant| !grant.runs(now)).collect()
    }

    /// What holds for an identity in an application now.
    pub fn held(&self, identity: &Identity, application: &str, now: &Now) -> Held {
        let Some(grant) = self.of(identity, application, now) else {
            return Held::Nothing;
        };
        let notice = Notice {
            id: grant.id,
            left: grant.left(now),
            by: grant.by.clone(),
            reason: grant.reason.clone(),
        };
        match grant.kind {
            Kind::Block => Held::Block(notice),
            Kind::Bypass => Held::Bypass(Bypass {
                identity: identity.clone(),
                application: application.to_owned(),
                notice,
            }),
        }
    }

    /// The grant behind [`Self::held`]: a block before any bypass, and of bypasses the one made last.
    fn of(&self, identity: &Identity, application: &str, now: &Now) -> Option<&Grant> {
        let held = || {
            self.0
                .iter()
                .filter(|grant| grant.is_for(identity, application) && grant.runs(now))
        };
        held()
            .find(|grant| grant.kind == Kind::Block)
            .or_else(|| held().next_back())
    }

    /// All of them, for the file and for lists.
    pub fn all(&self) -> &[Grant] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(text: &str) -> ShortText {
        ShortText::cut(text.to_owned())
    }

    fn who(id: &str) -> Identity {
        Identity {
            realm: text("example.org"),
            id: text(id),
        }
    }

    fn now(boot: &str, since_boot: u64, wall: u64) -> Now {
        Now {
            wall: UnixTime(wall),
            since_boot: BootTime(Duration::from_secs(since_boot)),
            boot: text(boot),
        }
    }

    /// Made at 1000 s after boot "one", which is 50 000 by the wall.
    fn grant(kind: Kind, seconds: Option<u64>, applications: &[&str]) -> Grant {
        Grant {
            id: Id::random().unwrap(),
            kind,
            identity: who("alice-id"),
            user: text("alice"),
            applications: applications.iter().map(|&name| name.to_owned()).collect(),
            from: UnixTime(50_000),
            seconds,
            reason: "lost phone".into(),
            by: text("root"),
            boot: text("one"),
            since_boot: 1000,
        }
    }

    #[test]
    fn mission_row_18_a_bypass_lasts_a_minute_to_a_day_names_applications_and_has_a_reason() {
        let bypass = |seconds| grant(Kind::Bypass, seconds, &["sudo"]).check();
        for fits in [60, 86_400] {
            assert_eq!(bypass(Some(fits)), Ok(()));
        }
        for unfit in [None, Some(0), Some(59), Some(86_401)] {
            assert_eq!(bypass(unfit), Err(Unfit::Length));
        }
        assert_eq!(grant(Kind::Bypass, Some(60), &[]).check(), Err(Unfit::NoApplication));
        assert_eq!(grant(Kind::Block, None, &[]).check(), Ok(()));
        assert_eq!(grant(Kind::Block, Some(0), &[]).check(), Err(Unfit::NoLength));
        let because = |reason: &str| {
            let reason = reason.to_owned();
            Grant {
                reason,
                ..grant(Kind::Bypass, Some(60), &["sudo"])
            }
            .check()
        };
        assert_eq!(because(" \t"), Err(Unfit::NoReason));
        assert_eq!(because(&"ü".repeat(200)), Ok(()));
        assert_eq!(because(&"ü".repeat(201)), Err(Unfit::LongReason));
        for odd in ["a\nverdict=approved", "\x1b[2J", "a\u{202e}b"] {
            assert_eq!(because(odd), Err(Unfit::OddReason), "{odd:?}");
        }
    }

    #[test]
    fn mission_row_18_a_bypass_is_for_its_identity_its_application_and_its_time_alone() {
        let mut grants = Grants::default();
        grants.add(grant(Kind::Bypass, Some(600), &["sudo"])).unwrap();
        let early = now("one", 1599, 50_599);
        let held = |who: &Identity, application, now: &Now| grants.of(who, application, now).map(|grant| grant.kind);
        assert_eq!(held(&who("alice-id"), "sudo", &early), Some(Kind::Bypass));
        assert_eq!(held(&who("bob-id"), "sudo", &early), None);
        assert_eq!(held(&who("alice-id"), "ssh", &early), None);
        assert_eq!(held(&who("alice-id"), "sudo", &now("one", 1600, 50_600)), None);
    }

    #[test]
    fn a_bypass_that_was_handed_out_is_for_nobody_and_nothing_else() {
        let mut grants = Grants::default();
        grants.add(grant(Kind::Bypass, Some(600), &["sudo"])).unwrap();
        let Held::Bypass(bypass) = grants.held(&who("alice-id"), "sudo", &now("one", 1100, 50_100)) else {
            unreachable!("it runs");
        };
        assert!(bypass.is_for(&who("alice-id"), "sudo"));
        assert!(!bypass.is_for(&who("bob-id"), "sudo") && !bypass.is_for(&who("alice-id"), "ssh"));
        assert_eq!(bypass.notice().left, Some(500));
    }

    #[test]
    fn a_step_of_the_clock_makes_no_bypass_longer() {
        let bypass = grant(Kind::Bypass, Some(600), &["sudo"]);
        assert!(!bypass.runs(&now("one", 1600, 50_001)), "the wall clock went back");
        assert!(bypass.runs(&now("one", 1599, 90_000)), "it went ahead");
        assert!(!bypass.runs(&now("one", 999, 50_001)), "before it was made");
        // After a boot.
        assert!(bypass.runs(&now("two", 5, 50_599)));
        assert!(!bypass.runs(&now("two", 5, 50_600)));
        assert!(!bypass.runs(&now("two", 5, 49_999)), "the clock stands before it");
        let block = grant(Kind::Block, Some(600), &[]);
        assert!(block.runs(&now("two", 5, 49_999)));
        assert!(!block.runs(&now("two", 5, 50_600)));
        assert!(grant(Kind::Block, None, &[]).runs(&now("two", 5, 0)));
    }

    #[test]
    fn a_block_goes_before_every_bypass_and_one_without_applications_is_for_all() {
        let mut grants = Grants::default();
        grants.add(grant(Kind::Block, None, &[])).unwrap();
        grants.add(grant(Kind::Bypass, Some(600), &["sudo"])).unwrap();
        let soon = now("one", 1001, 50_001);
        let kind = |grants: &Grants, application| grants.of(&who("alice-id"), application, &soon).map(|g| g.kind);
        assert_eq!(kind(&grants, "sudo"), Some(Kind::Block));
        assert_eq!(kind(&grants, "ssh"), Some(Kind::Block));
        assert!(grants.end(Kind::Block, &who("bob-id")).is_empty());
        assert_eq!(grants.end(Kind::Block, &who("alice-id")).len(), 1);
        assert_eq!(kind(&grants, "sudo"), Some(Kind::Bypass));
        assert_eq!(grants.tidy(&now("one", 1600, 50_600)).len(), 1);
        assert!(grants.all().is_empty());
    }

    #[test]
    fn a_file_grants_nothing_that_an_administrator_could_not() {
        let long = grant(Kind::Bypass, Some(u64::MAX), &["sudo"]);
        let (grants, refused) = Grants::read(vec![long.clone(), grant(Kind::Bypass, Some(60), &["ssh"])]);
        assert_eq!(grants.all().len(), 1);
        assert_eq!(refused, [(long, Unfit::Length)]);
        let many = vec![grant(Kind::Block, None, &[]); MOST + 1];
        let (mut grants, refused) = Grants::read(many);
        assert_eq!(refused.len(), 1);
        assert_eq!(grants.add(grant(Kind::Block, None, &[])), Err(Unfit::TooMany));
    }
}
