//! Freezes of this host's own making: at once when a device says "not me" here, until the registrar's list holds them (it is
//! then the list that speaks, also where the freeze was lifted) or their time is over. Kept in the state directory with the
//! reports that the registrar has not taken yet, so that a restart loses neither.

use crate::disk::{Disk, WholeFile, Written};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::revocation::{FREEZE_ALL, FREEZE_SOURCE, Origin};
use assent_proto::time::{BootTime, SKEW, UnixTime};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most that are kept; beyond, the oldest give way.
const MOST: usize = 1000;
const FILE: &str = "freezes.json";
/// Pauses before a report is handed over again, from the first to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What a device reported, as proof for the registrar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The request as this host signed it.
    pub request: String,
    /// The answer as the device signed it.
    pub answer: String,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// Whose pushes are frozen.
    pub identity: Identity,
    /// The user's name here.
    pub user: ShortText,
    /// Where the login came from.
    pub origin: Origin,
    /// When it was reported.
    pub at: UnixTime,
    /// Root has lifted it here.
    pub lifted: bool,
    /// What the registrar has not taken yet.
    pub proof: Option<Proof>,
    /// The number of the list in which it stands.
    pub listed: Option<u64>,
    /// How handing it over went so far; a restart begins anew.
    #[serde(skip)]
    pub tries: Tries,
}

/// Tries to hand a report over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    failed: u32,
    next: BootTime,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            failed: 0,
            next: BootTime(Duration::ZERO),
        }
    }
}

impl Local {
    fn holds(&self, identity: &Identity, origin: Origin, now: UnixTime) -> bool {
        let from_here = self.origin.same_source(origin) && now < self.at.plus(FREEZE_SOURCE);
        !self.lifted && self.identity == *identity && (from_here || now < self.at.plus(FREEZE_ALL))
    }

    /// Until when it holds at the longest.
    pub fn until(&self) -> UnixTime {
        self.at.plus(FREEZE_SOURCE)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u8,
    freezes: Vec<Local>,
}

/// All of them.
pub struct Freezes {
    file: WholeFile,
    all: Vec<Local>,
}

impl Freezes {
    /// Reads what a former run has kept. A damaged file is put aside: the registrar holds what it took. Does I/O.
    pub fn open(state_dir: &Path, disk: Arc<Disk>) -> Self {
        let file = state_dir.join(FILE);
        let read = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str::<Kept>(&text)
                .ok()
                .filter(|kept| kept.v == 1)
                .map(|kept| kept.freezes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Some(Vec::new()),
            Err(_) => None,
        };
        let all = read.unwrap_or_else(|| {
            tracing::error!(
                "{} is damaged: freezes that the registrar had not taken are lost; the file is put aside",
                file.display()
            );
            let _ = std::fs::rename(&file, file.with_extension("damaged"));
            Vec::new()
        });
        let otherwise = "a restart of the agent will forget a freeze";
        Self {
            file: WholeFile::new(file, otherwise, disk),
            all,
        }
    }

    /// Freezes at once, and has it written down.
    pub fn add(&mut self, local: Local) -> Written {
        if self.all.len() >= MOST {
            let oldest = self.all.remove(0);
            if oldest.proof.is_some() {
                tracing::error!(
                    "there are more than {MOST} reports: the oldest gives way, and the registrar never hears of it"
                );
            }
        }
        self.all.push(local);
        self.keep()
    }

    /// Whether pushes to `identity` for logins from `origin` are frozen here.
    pub fn frozen(&self, identity: &Identity, origin: Origin, now: UnixTime) -> bool {
        self.all.iter().any(|local| local.holds(identity, origin, now))
    }

    /// The next report to hand over: of those whose time has come the one that failed the least, so that one which always
    /// fails holds up no other.
    pub fn due(&self, now: BootTime) -> Option<Proof> {
        let due = self.untaken().filter(|(tries, _)| tries.next <= now);
        due.min_by_key(|(tries, _)| (tries.failed, tries.next))
            .map(|(_, proof)| proof.clone())
    }

    /// When the next report is to be handed over; `None`: there is none.
    pub fn next_due(&self) -> Option<BootTime> {
        self.untaken().map(|(tries, _)| tries.next).min()
    }

    fn untaken(&self) -> impl Iterator<Item = (Tries, &Proof)> {
        self.all
            .iter()
            .filter_map(|local| local.proof.as_ref().map(|proof| (local.tries, proof)))
    }

    /// Handing a report over failed: it waits, longer each time, until its freeze is long over ([`Self::tidy`]).
    pub fn failed(&mut self, proof: &Proof, now: BootTime) {
        for local in self.all.iter_mut().filter(|local| local.proof.as_ref() == Some(proof)) {
            let Tries { failed, .. } = local.tries;
            let pause = PAUSE.0.saturating_mul(1 << failed.min(16)).min(PAUSE.1);
            local.tries = Tries {
                failed: failed.saturating_add(1),
                next: now.plus(pause),
            };
        }
    }

    /// The registrar may be there again: every report's time has come.
    pub fn hurry(&mut self) {
        for local in &mut self.all {
            local.tries.next = Tries::default().next;
        }
    }

    /// Another registrar is believed now: what stands in the former one's lists stands in none.
    pub fn unlist(&mut self) {
        for local in &mut self.all {
            local.listed = None;
        }
        drop(self.keep());
    }

    /// The registrar took a proof (`listed`: the number of the list in which it stands), or will never take it.
    pub fn taken(&mut self, proof: &Proof, listed: Option<u64>) {
        for local in self.all.iter_mut().filter(|local| local.proof.as_ref() == Some(proof)) {
            local.proof = None;
            local.listed = listed;
        }
        drop(self.keep());
    }

    /// Forgets what is over, and what the list of this number and time holds. A list that is older than the report never
    /// does, whatever its number: the registrar may have been restored from a backup.
    pub fn tidy(&mut self, list: Option<(u64, UnixTime)>, now: UnixTime) {
        let before = self.all.len();
        self.all.retain(|local| {
            let by_the_list = local
                .listed
                .is_some_and(|listed| list.is_some_and(|(seq, made)| seq >= listed && made.plus(SKEW) >= local.at));
            let stays = !by_the_list
                && (now < local.until() || local.proof.is_some() && now < local.until().plus(FREEZE_SOURCE));
            if !stays && local.proof.is_some() {
                tracing::error!(
                    "a report was tried {} times and never reached the registrar; it is given up",
                    local.tries.failed
                );
            }
            stays
        });
        if self.all.len() == before {
            self.file.try_again();
        } else {
            drop(self.keep());
        }
    }

    /// Root lifts a user's here; how many. The registrar still gets the proof.
    pub fn lift(&mut self, user: &str) -> (u32, Option<Written>) {
        let mut lifted = 0;
        for local in self
            .all
            .iter_mut()
            .filter(|local| local.user.as_str() == user && !local.lifted)
        {
            local.lifted = true;
            lifted += 1;
        }
        (lifted, (lifted > 0).then(|| self.keep()))
    }

    /// Those that hold.
    pub fn all(&self, now: UnixTime) -> impl Iterator<Item = &Local> {
        self.all
            .iter()
            .filter(move |local| !local.lifted && now < local.until())
    }

    fn keep(&self) -> Written {
        let kept = Kept {
            v: 1,
            freezes: self.all.clone(),
        };
        // Names, addresses and ASCII: it always can be.
        self.file.put(serde_json::to_string(&kept).unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// After a restore the registrar counts anew: a list that is older than a report does not hold it, whatever its number.
    #[tokio::test]
    async fn r92_a_freeze_is_forgotten_for_a_list_that_was_made_after_it_alone() {
        let dir = std::env::temp_dir().join(format!("assent-freezes-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let disk = Disk::start("test").unwrap();
        let mut freezes = Freezes::open(&dir, Arc::clone(&disk));
        let text = |text: &str| ShortText::cut(text.to_owned());
        let (anna, here) = (
            Identity {
                realm: text("example.org"),
                id: text("anna"),
            },
            Origin::Network([192, 0, 2, 7].into()),
        );
        let at = UnixTime(1_800_000_000);
        let added = freezes.add(Local {
            identity: anna.clone(),
            user: text("anna"),
            origin: here,
            at,
            lifted: false,
            proof: None,
            listed: Some(51),
            tries: Tries::default(),
        });
        added.wait().await.unwrap();
        freezes.tidy(Some((100, UnixTime(at.0 - 3600))), at);
        assert!(freezes.frozen(&anna, here, at), "list 100 was made before");
        freezes.tidy(Some((50, at.plus(1))), at);
        assert!(freezes.frozen(&anna, here, at), "it stands in list 51");
        freezes.tidy(Some((51, at.plus(1))), at);
        assert!(!freezes.frozen(&anna, here, at));
        disk.run(|| ()).wait().await.unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn r24_a_report_that_always_fails_holds_up_no_other_and_waits_longer_each_time() {
        let dir = std::env::temp_dir().join(format!("assent-reports-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let disk = Disk::start("test").unwrap();
        let mut freezes = Freezes::open(&dir, Arc::clone(&disk));
        let report = |n: usize| Local {
            identity: Identity {
                realm: ShortText::cut("example.org".into()),
                id: ShortText::cut(n.to_string()),
            },
            user: ShortText::cut("anna".into()),
            origin: Origin::Network([192, 0, 2, 7].into()),
            at: UnixTime(1_800_000_000),
            lifted: false,
            proof: Some(Proof {
                request: n.to_string(),
                answer: String::new(),
            }),
            listed: None,
            tries: Tries::default(),
        };
        let (bad, good) = (report(0).proof.unwrap(), report(1).proof.unwrap());
        drop(freezes.add(report(0)));
        drop(freezes.add(report(1)));
        let at = |seconds| BootTime(Duration::from_secs(seconds));
        assert_eq!(freezes.due(at(100)).as_ref(), Some(&bad));
        freezes.failed(&bad, at(100));
        assert_eq!(freezes.due(at(100)).as_ref(), Some(&good));
        assert_eq!(
            freezes.due(at(200)).as_ref(),
            Some(&good),
            "whoever failed less comes first"
        );
        freezes.taken(&good, Some(7));
        assert_eq!(freezes.due(at(100)), None);
        assert_eq!(freezes.next_due(), Some(at(101)));
        for (now, next) in [(101, 103), (103, 107), (107, 115)] {
            assert_eq!(freezes.due(at(now)).as_ref(), Some(&bad));
            freezes.failed(&bad, at(now));
            assert_eq!(freezes.next_due(), Some(at(next)));
        }
        for _ in 0..40 {
            freezes.failed(&bad, at(1000));
        }
        assert_eq!(freezes.next_due(), Some(at(1300)), "five minutes at the longest");
        freezes.hurry();
        assert_eq!(
            freezes.due(at(1000)).as_ref(),
            Some(&bad),
            "the registrar is there again"
        );
        freezes.tidy(None, report(0).at.plus(3 * FREEZE_SOURCE));
        assert_eq!(freezes.next_due(), None, "given up in the end");
        disk.run(|| ()).wait().await.unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn r92_a_freeze_is_on_the_disk_once_that_is_said() {
        let dir = std::env::temp_dir().join(format!("assent-freeze-kept-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let disk = Disk::start("test").unwrap();
        let here = Origin::Network([192, 0, 2, 7].into());
        let anna = Identity {
            realm: ShortText::cut("example.org".into()),
            id: ShortText::cut("anna".into()),
        };
        let at = UnixTime(1_800_000_000);
        let mut freezes = Freezes::open(&dir, Arc::clone(&disk));
        let added = freezes.add(Local {
            identity: anna.clone(),
            user: ShortText::cut("anna".into()),
            origin: here,
            at,
            lifted: false,
            proof: None,
            listed: None,
            tries: Tries::default(),
        });
        added.wait().await.unwrap();
        assert!(Freezes::open(&dir, Arc::clone(&disk)).frozen(&anna, here, at));
        let (lifted, written) = freezes.lift("anna");
        assert_eq!(lifted, 1);
        written.unwrap().wait().await.unwrap();
        assert!(!Freezes::open(&dir, disk).frozen(&anna, here, at));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
