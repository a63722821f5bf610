//! Freezes of this host's own making: at once when a device says "not me" here, until the registrar's list holds them (it is
//! then the list that speaks, also where the freeze was lifted) or their time is over. Kept in the state directory with the
//! reports that the registrar has not taken yet, so that a restart loses neither.

use crate::files;
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::revocation::{FREEZE_ALL, FREEZE_SOURCE, Origin};
use assent_proto::time::{SKEW, UnixTime};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most that are kept; beyond, the oldest give way.
const MOST: usize = 1000;
const FILE: &str = "freezes.json";

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
#[derive(Debug)]
pub struct Freezes {
    file: PathBuf,
    all: Vec<Local>,
}

impl Freezes {
    /// Reads what a former run has kept. A damaged file is put aside: the registrar holds what it took. Does I/O.
    pub fn open(state_dir: &Path) -> Self {
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
        Self { file, all }
    }

    /// Freezes at once. Does I/O.
    pub fn add(&mut self, local: Local) {
        if self.all.len() >= MOST {
            self.all.remove(0);
        }
        self.all.push(local);
        self.keep();
    }

    /// Whether pushes to `identity` for logins from `origin` are frozen here.
    pub fn frozen(&self, identity: &Identity, origin: Origin, now: UnixTime) -> bool {
        self.all.iter().any(|local| local.holds(identity, origin, now))
    }

    /// The next proof that the registrar has not taken.
    pub fn untaken(&self) -> Option<Proof> {
        self.all.iter().find_map(|local| local.proof.clone())
    }

    /// The registrar took a proof (`listed`: the number of the list in which it stands), or will never take it. Does I/O.
    pub fn taken(&mut self, proof: &Proof, listed: Option<u64>) {
        for local in self.all.iter_mut().filter(|local| local.proof.as_ref() == Some(proof)) {
            local.proof = None;
            local.listed = listed;
        }
        self.keep();
    }

    /// Forgets what is over, and what the list of this number and time holds. A list that is older than the report never
    /// does, whatever its number: the registrar may have been restored from a backup. Does I/O.
    pub fn tidy(&mut self, list: Option<(u64, UnixTime)>, now: UnixTime) {
        let before = self.all.len();
        self.all.retain(|local| {
            let by_the_list = local
                .listed
                .is_some_and(|listed| list.is_some_and(|(seq, made)| seq >= listed && made.plus(SKEW) >= local.at));
            !by_the_list && (now < local.until() || local.proof.is_some() && now < local.until().plus(FREEZE_SOURCE))
        });
        if self.all.len() != before {
            self.keep();
        }
    }

    /// Root lifts a user's here; how many. The registrar still gets the proof. Does I/O.
    pub fn lift(&mut self, user: &str) -> u32 {
        let mut lifted = 0;
        for local in self
            .all
            .iter_mut()
            .filter(|local| local.user.as_str() == user && !local.lifted)
        {
            local.lifted = true;
            lifted += 1;
        }
        if lifted > 0 {
            self.keep();
        }
        lifted
    }

    /// Those that hold.
    pub fn all(&self, now: UnixTime) -> impl Iterator<Item = &Local> {
        self.all
            .iter()
            .filter(move |local| !local.lifted && now < local.until())
    }

    fn keep(&self) {
        let kept = Kept {
            v: 1,
            freezes: self.all.clone(),
        };
        let written = serde_json::to_string(&kept)
            .map_err(std::io::Error::other)
            .and_then(|text| files::replace(&self.file, &text, 0o600));
        if let Err(e) = written {
            tracing::error!(
                "{} cannot be written: {e}; a restart of the agent will forget a freeze",
                self.file.display()
            );
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// After a restore the registrar counts anew: a list that is older than a report does not hold it, whatever its number.
    #[test]
    fn r92_a_freeze_is_forgotten_for_a_list_that_was_made_after_it_alone() {
        let dir = std::env::temp_dir().join(format!("assent-freezes-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let mut freezes = Freezes::open(&dir);
        let text = |text: &str| ShortText::cut(text.to_owned());
        let (anna, here) = (
            Identity {
                realm: text("example.org"),
                id: text("anna"),
            },
            Origin::Network([192, 0, 2, 7].into()),
        );
        let at = UnixTime(1_800_000_000);
        freezes.add(Local {
            identity: anna.clone(),
            user: text("anna"),
            origin: here,
            at,
            lifted: false,
            proof: None,
            listed: Some(51),
        });
        freezes.tidy(Some((100, UnixTime(at.0 - 3600))), at);
        assert!(freezes.frozen(&anna, here, at), "list 100 was made before");
        freezes.tidy(Some((50, at.plus(1))), at);
        assert!(freezes.frozen(&anna, here, at), "it stands in list 51");
        freezes.tidy(Some((51, at.plus(1))), at);
        assert!(!freezes.frozen(&anna, here, at));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
