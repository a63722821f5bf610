//! The roots that this host believes: those that the admin has put into `trust.d`, and the steps from them that a threshold
//! of their own keys has signed. The network can offer steps; it cannot plant a root or bring an old one back (R23, R24).
//!
//! `trust.d/*.pub` pins a key. `trust.d/*.root` holds a set of roots: the next step of something pinned, or, where it is
//! none, pinned as it is; that is the way out when a root is lost. `roots.json` in the state directory keeps the steps that
//! were followed, whole, so that they are verified from the pin on at each start: it can be damaged, never believed.

use crate::files;
use crate::host::{HostError, content, read};
use assent_proto::Id;
use assent_proto::cert::Trust;
use assent_proto::keys::VerifyingKey;
use assent_proto::roots::{Lineage, RootSet};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u8,
    lines: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    anchor: Id,
    steps: Vec<String>,
}

/// Every pinned set with its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots(Vec<Lineage>);

impl Roots {
    /// Reads what is pinned, and walks the kept steps again.
    pub fn load(trust_dir: &Path, state_dir: &Path) -> Result<Self, HostError> {
        let (mut anchors, mut documents) = (Vec::new(), Vec::new());
        for path in entries(trust_dir)? {
            let kind = path.extension().and_then(|kind| kind.to_str());
            if kind == Some("pub") {
                let key = VerifyingKey::from_pem(&read(&path, false)?).map_err(|e| content(&path, &e))?;
                anchors.push(RootSet::of_key(key));
            } else if kind == Some("root") {
                let text = read(&path, false)?.trim().to_owned();
                let set = RootSet::of_document(&text).map_err(|e| content(&path, &e))?;
                documents.push((set, text));
            }
        }
        let kept_file = kept_file(state_dir);
        let kept = kept(&kept_file)?;
        let mut lines = Vec::new();
        for anchor in anchors {
            lines.push(walk(anchor, &kept, &kept_file)?);
        }
        documents.sort_by_key(|(set, _)| set.version());
        for (set, text) in documents {
            let known = |line: &Lineage| line.sets().contains(&set);
            if lines.iter().any(known) || lines.iter_mut().any(|line| line.take(&text).is_ok()) {
                continue;
            }
            lines.push(walk(set, &kept, &kept_file)?);
        }
        if lines.is_empty() {
            return Err(HostError::NoRoot(trust_dir.to_owned()));
        }
        Ok(Self(lines))
    }

    /// Takes the steps among `offered` that follow on what is believed. Whether there were any.
    pub fn follow(&mut self, offered: &[String]) -> bool {
        let mut moved = false;
        let mut refused = None;
        for line in &mut self.0 {
            let followed = line.follow(offered);
            if followed.steps > 0 {
                moved = true;
                tracing::warn!(
                    "this host now believes version {} of the roots ({}): a threshold of the roots before and of the new ones has signed it",
                    line.current().version(),
                    line.current().fingerprint()
                );
            }
            refused = followed.refused.or(refused);
        }
        if let (false, Some(why)) = (moved, refused) {
            tracing::warn!("the relay offers roots that do not follow on the pinned ones; they are refused: {why}");
        }
        moved
    }

    /// Keeps the steps.
    pub fn store(&self, state_dir: &Path) -> io::Result<()> {
        let lines = self.0.iter().map(|line| Line {
            anchor: line.anchor(),
            steps: line.steps().to_vec(),
        });
        let kept = Kept {
            v: 1,
            lines: lines.collect(),
        };
        files::replace(&kept_file(state_dir), &serde_json::to_string(&kept)?, 0o600)
    }

    /// What the admin pins, by fingerprint, in order. Steps do not change it.
    pub fn pinned(&self) -> Vec<Id> {
        let mut pinned: Vec<Id> = self.0.iter().map(Lineage::anchor).collect();
        pinned.sort_unstable();
        pinned
    }

    /// What counts now.
    pub fn trust(&self) -> Trust {
        Trust::of(self.0.iter().map(|line| line.current().clone()).collect())
    }

    /// What counted at any time: for this host's own certificate, which others judge, and for the revocation list that is
    /// kept.
    pub fn ever(&self) -> Trust {
        Trust::of(
            self.0
                .iter()
                .flat_map(|line| line.sets().iter().rev().cloned())
                .collect(),
        )
    }
}

fn kept_file(state_dir: &Path) -> PathBuf {
    state_dir.join("roots.json")
}

fn kept(file: &Path) -> Result<Vec<Line>, HostError> {
    if matches!(file.try_exists(), Ok(false)) {
        return Ok(Vec::new());
    }
    let kept: Kept = serde_json::from_str(&read(file, true)?).map_err(|e| damaged(file, &e))?;
    if kept.v != 1 {
        return Err(damaged(file, &"its version is not known here"));
    }
    Ok(kept.lines)
}

fn walk(anchor: RootSet, kept: &[Line], file: &Path) -> Result<Lineage, HostError> {
    let line = kept.iter().find(|line| line.anchor == anchor.fingerprint());
    Lineage::replay(anchor, line.map_or(&[], |line| &line.steps)).map_err(|e| damaged(file, &e))
}

/// Going on without it would be going back to older roots.
fn damaged(file: &Path, why: &dyn std::fmt::Display) -> HostError {
    content(
        file,
        &format!(
            "{why}. It holds which roots this host has followed to; restore it from a backup, or pin the newest roots in trust.d and remove it"
        ),
    )
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, HostError> {
    let unreadable = |source| HostError::File {
        path: dir.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}
