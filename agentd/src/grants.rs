//! What administrators decided for single people on this host: the engine's [`engine::Grants`], their file in the state
//! directory, and what time it is for them.

use crate::clock::boot_now;
use crate::disk::{Disk, WholeFile, Written};
use assent_engine::grants::{self as engine, Grant, Held, Kind, Now, Unfit};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const FILE: &str = "grants.json";
/// The kernel's name for this boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u8,
    grants: Vec<Grant>,
}

/// All of this host's. One lock: everything under it takes microseconds.
pub struct Grants {
    all: Mutex<engine::Grants>,
    file: WholeFile,
    boot: ShortText,
}

impl Grants {
    /// Reads what a former run has kept. A damaged file is put aside, with an alarm: blocks are lost with it. Does I/O.
    pub fn open(state_dir: &Path, disk: Arc<Disk>) -> Arc<Self> {
        let path = state_dir.join(FILE);
        let (all, refused) = engine::Grants::read(read(&path).unwrap_or_else(|why| {
            tracing::error!(
                "{}: {why}: bypasses and BLOCKS of users on this host are lost; make them again. The file is put aside",
                path.display()
            );
            let _ = std::fs::rename(&path, path.with_extension("damaged"));
            Vec::new()
        }));
        for (grant, why) in refused {
            tracing::error!(
                "{}: the {:?} {} counts for nothing: {why}",
                path.display(),
                grant.kind,
                grant.id
            );
        }
        // Without a name for this boot the wall clock measures.
        let boot = std::fs::read_to_string(BOOT).unwrap_or_default();
        Arc::new(Self {
            all: Mutex::new(all),
            file: WholeFile::new(
                path,
                "a restart of the agent will forget a bypass, a block or its end",
                disk,
            ),
            boot: ShortText::cut(boot.trim().to_owned()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, engine::Grants> {
        // A panic elsewhere leaves them as they are: changes are single steps.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        Now {
            wall: UnixTime::now(),
            since_boot: boot_now(),
            boot: self.boot.clone(),
        }
    }

    /// What holds for somebody in an application now.
    pub fn held(&self, identity: &Identity, application: &str) -> Held {
        let now = self.now();
        let mut all = self.lock();
        self.tidy(&mut all, &now);
        all.held(identity, application, &now)
    }

    /// Takes these, or none of them; in force at once, and being written.
    pub fn add(&self, grants: &[Grant]) -> Result<Written, Unfit> {
        let now = self.now();
        let mut all = self.lock();
        self.tidy(&mut all, &now);
        let mut next = all.clone();
        for grant in grants {
            next.add(grant.clone())?;
        }
        *all = next;
        Ok(self.keep(&all))
    }

    /// Ends those of a kind that these people have before their time, all at once; which.
    pub fn end(&self, kind: Kind, people: &[Identity]) -> (Vec<Grant>, Written) {
        let now = self.now();
        let mut all = self.lock();
        self.tidy(&mut all, &now);
        let ended = people.iter().flat_map(|who| all.end(kind, who)).collect();
        let written = self.keep(&all);
        (ended, written)
    }

    /// All that run, each with the seconds that it goes on for.
    pub fn list(&self) -> Vec<(Grant, Option<u64>)> {
        let now = self.now();
        let mut all = self.lock();
        self.tidy(&mut all, &now);
        all.all()
            .iter()
            .map(|grant| (grant.clone(), grant.left(&now)))
            .collect()
    }

    /// How many users have a bypass.
    pub fn bypassed(&self) -> usize {
        let grants = self.list().into_iter().map(|(grant, _)| grant);
        let bypasses = grants.filter(|grant| grant.kind == Kind::Bypass);
        bypasses.map(|grant| grant.user).collect::<BTreeSet<_>>().len()
    }

    fn tidy(&self, all: &mut engine::Grants, now: &Now) {
        let over = all.tidy(now);
        if over.is_empty() {
            return;
        }
        for grant in over {
            tracing::info!("the {} {} of {} is over", grant.kind.name(), grant.id, grant.identity);
        }
        drop(self.keep(all));
    }

    fn keep(&self, all: &engine::Grants) -> Written {
        let kept = Kept {
            v: 1,
            grants: all.all().to_vec(),
        };
        // A tree of plain values always has a text; an empty file in its place would be put aside with an alarm.
        self.file.put(serde_json::to_string(&kept).unwrap_or_default())
    }
}

fn read(path: &Path) -> Result<Vec<Grant>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.to_string()),
    };
    match serde_json::from_str::<Kept>(&text) {
        Ok(kept) if kept.v == 1 => Ok(kept.grants),
        Ok(_) => Err("another version of Assent wrote it".into()),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::Id;

    fn who(id: &str) -> Identity {
        Identity {
            realm: ShortText::cut("example.org".into()),
            id: ShortText::cut(id.into()),
        }
    }

    fn grant(grants: &Grants, kind: Kind, id: &str) -> Grant {
        let now = grants.now();
        Grant {
            id: Id::random().unwrap(),
            kind,
            identity: who(id),
            user: ShortText::cut(id.into()),
            applications: vec!["sudo".into()],
            from: now.wall,
            seconds: Some(600),
            reason: "lost phone".into(),
            by: ShortText::cut("root".into()),
            boot: now.boot,
            since_boot: now.since_boot.0.as_secs(),
        }
    }

    #[tokio::test]
    async fn mission_row_18_what_was_granted_and_what_was_ended_outlasts_the_agent() {
        let dir = std::env::temp_dir().join(format!("assent-grants-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let disk = Disk::start("test").unwrap();
        let open = || Grants::open(&dir, Arc::clone(&disk));
        let first = open();
        let given = [grant(&first, Kind::Bypass, "anna"), grant(&first, Kind::Block, "bert")];
        first.add(&given).unwrap().wait().await.unwrap();
        let second = open();
        assert!(matches!(second.held(&who("anna"), "sudo"), Held::Bypass(_)));
        assert!(matches!(second.held(&who("anna"), "ssh"), Held::Nothing));
        assert!(matches!(second.held(&who("bert"), "sudo"), Held::Block(_)));
        let (ended, written) = second.end(Kind::Bypass, &[who("nobody"), who("anna")]);
        written.wait().await.unwrap();
        assert_eq!(ended.len(), 1);
        let third = open();
        assert!(matches!(third.held(&who("anna"), "sudo"), Held::Nothing));
        let held: Vec<_> = third.list().into_iter().map(|(grant, _)| grant).collect();
        assert_eq!(held, given[1..]);
        // All or none.
        let mut unfit = grant(&third, Kind::Bypass, "anna");
        unfit.seconds = Some(30);
        let fit = grant(&third, Kind::Bypass, "anna");
        assert_eq!(third.add(&[fit, unfit]).err(), Some(Unfit::Length));
        assert!(matches!(third.held(&who("anna"), "sudo"), Held::Nothing));
        std::fs::write(dir.join(FILE), "{").unwrap();
        assert!(open().list().is_empty());
        assert_eq!(std::fs::read_to_string(dir.join("grants.damaged")).unwrap(), "{");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
