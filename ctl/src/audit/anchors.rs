//! The roots that old approvals lead to: all that the admin pins, and every set on the way from there to today's.

use crate::failure::{Done, Failure};
use crate::files::read_public;
use assent_proto::Id;
use assent_proto::cert::Trust;
use assent_proto::keys::VerifyingKey;
use assent_proto::roots::{Lineage, RootSet};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Kept {
    lines: Vec<Walked>,
}

#[derive(Deserialize)]
struct Walked {
    anchor: Id,
    steps: Vec<String>,
}

/// Reads them.
pub(super) fn read(trust_dir: &Path, state_dir: &Path) -> Done<Trust> {
    let unreadable = |e: std::io::Error| Failure::Input(format!("{} cannot be read: {e}", trust_dir.display()));
    let steps_file = state_dir.join("roots.json");
    let kept = match steps_file.exists() {
        false => Vec::new(),
        true => {
            serde_json::from_str::<Kept>(&read_public(&steps_file)?)
                .map_err(|e| Failure::Input(format!("{} is damaged: {e}", steps_file.display())))?
                .lines
        }
    };
    let mut sets: Vec<RootSet> = Vec::new();
    for entry in std::fs::read_dir(trust_dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let damaged = |why: String| Failure::Input(format!("{}: {why}", path.display()));
        let anchor = match path.extension().and_then(|kind| kind.to_str()) {
            Some("pub") => {
                let key = VerifyingKey::from_pem(&read_public(&path)?).map_err(|e| damaged(e.to_string()))?;
                RootSet::of_key(key)
            }
            Some("root") => RootSet::of_document(read_public(&path)?.trim()).map_err(|e| damaged(e.to_string()))?,
            _ => continue,
        };
        let walked = kept.iter().find(|line| line.anchor == anchor.fingerprint());
        let lineage =
            Lineage::replay(anchor, walked.map_or(&[], |line| &line.steps)).map_err(|e| damaged(e.to_string()))?;
        sets.extend(lineage.sets().iter().cloned());
    }
    if sets.is_empty() {
        return Err(Failure::Input(format!(
            "there is no pinned root in {}: approvals lead nowhere; put the roots of that time there",
            trust_dir.display()
        )));
    }
    Ok(Trust::of(sets))
}
