//! The chain of records in its file. A reload of the configuration keeps it: logins that began before one go on in the same
//! chain, and a file that was rotated is followed by one whose first line names its last.

use super::file::AuditFile;
use super::gap::GapFile;
use assent_engine::chain::{Chain, Head};
use assent_proto::time::UnixTime;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far apart checkpoints are, in seconds.
const EVERY: u64 = 86_400;

/// The file and its chain.
pub struct Trail {
    path: PathBuf,
    gap: GapFile,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<AuditFile>,
    chain: Chain,
    /// When the last checkpoint was made, and the number that it stands at.
    checkpoint: Option<(UnixTime, u64)>,
}

impl Trail {
    /// The trail in the file at `path`, which is opened by [`Self::reopen`] or by the first record.
    pub fn new(path: &Path) -> Self {
        let gap = GapFile::beside(path);
        let mut state = State::default();
        state.chain.recall(gap.read());
        Self {
            path: path.to_owned(),
            gap,
            state: Mutex::new(state),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file anew: it may have been rotated. What cannot be opened is tried again at each record.
    pub fn reopen(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.file = None;
        self.open(&mut state).map(drop)
    }

    /// Adds a record. An error leaves nothing of it behind; say then who else took it ([`Self::missed`]).
    pub fn append(&self, record: Map<String, Value>) -> io::Result<Head> {
        let mut state = self.lock();
        let ready = {
            self.open(&mut state)?;
            state.chain.next(record)
        };
        self.open(&mut state)?.append(ready.text.as_bytes())?;
        let said = !state.chain.gap().is_closed();
        state.chain.written(&ready);
        if said {
            self.keep(&state);
        }
        Ok(ready.head)
    }

    /// The file did not take a record.
    pub fn missed(&self, syslog: bool) {
        let mut state = self.lock();
        state.chain.missed(syslog);
        self.keep(&state);
    }

    /// Keeps the gap that is open, or that none is, over a restart.
    fn keep(&self, state: &State) {
        if let Err(e) = self.gap.write(state.chain.gap()) {
            tracing::error!(
                "how many records the audit file {} did not take cannot be kept: {e}; a restart forgets it",
                self.path.display()
            );
        }
    }

    /// Where the chain stands, if it is time for a checkpoint: at the agent's start and once a day, unless nothing was
    /// recorded since the last.
    pub fn due(&self, now: UnixTime) -> Option<Head> {
        let state = self.lock();
        let head = state.chain.head()?;
        let due = state
            .checkpoint
            .is_none_or(|(at, seq)| now.0.abs_diff(at.0) >= EVERY && seq != head.seq);
        due.then_some(head)
    }

    /// A checkpoint is made; it stands at this number itself.
    pub fn checkpointed(&self, at: UnixTime, seq: u64) {
        self.lock().checkpoint = Some((at, seq));
    }

    fn open<'a>(&self, state: &'a mut State) -> io::Result<&'a mut AuditFile> {
        if state.file.is_none() {
            let (file, tail) = AuditFile::open(&self.path)?;
            let begins = tail.line.is_none() && tail.torn.is_empty();
            state.chain.resume(&tail);
            if begins && state.chain.head().is_none() {
                // Rotated while the agent was down.
                let mut former = OsString::from(&self.path);
                former.push(".1");
                if let Ok(tail) = AuditFile::tail_of(Path::new(&former)) {
                    state.chain.resume(&assent_engine::chain::Tail {
                        torn: Vec::new(),
                        ..tail
                    });
                }
            }
            if file.is_kept()
                && let Err(e) = self.gap.take_room()
            {
                tracing::warn!(
                    "no room for the count of records that {} does not take: {e}",
                    self.path.display()
                );
            }
            state.file = Some(file);
        }
        state.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves at worst a line too few, and the next one says so by its number.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_engine::chain::Verifier;
    use std::io::Write as _;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("assent-trail-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn file(&self) -> PathBuf {
            self.0.join("audit.jsonl")
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn add(trail: &Trail, login: &str) {
        let Value::Object(record) = serde_json::json!({"login": login}) else {
            panic!("no object")
        };
        trail.append(record).unwrap();
    }

    fn verify(texts: &[&Path]) -> Verifier {
        let mut verifier = Verifier::default();
        for text in texts {
            for line in std::fs::read_to_string(text).unwrap().lines() {
                verifier.line(line.as_bytes()).unwrap();
            }
        }
        verifier.end().unwrap();
        verifier
    }

    #[test]
    fn a_rotated_file_is_gone_on_from_whichever_way_and_whoever_restarts() {
        let dir = Dir::new("rotate");
        let (file, former) = (dir.file(), dir.0.join("audit.jsonl.1"));
        let trail = Trail::new(&file);
        add(&trail, "a");
        // Renamed, then a reload.
        std::fs::rename(&file, &former).unwrap();
        add(&trail, "still in the old one");
        trail.reopen().unwrap();
        add(&trail, "b");
        assert_eq!(verify(&[&former, &file]).records, 3);
        // Copied and cut, without a word to the agent.
        std::fs::copy(&file, &former).unwrap();
        std::fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&file)
            .unwrap();
        add(&trail, "c");
        assert_eq!(verify(&[&former, &file]).records, 2);
        // Renamed while the agent was down.
        std::fs::rename(&file, &former).unwrap();
        let next = Trail::new(&file);
        add(&next, "d");
        assert_eq!(verify(&[&former, &file]).records, 2);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_and_zeros_behind_the_last_one_spoil_nothing() {
        for torn in [b"{\"login\":\"cut".to_vec(), vec![0; 4096], vec![b'x'; 200_000]] {
            let dir = Dir::new("torn");
            add(&Trail::new(&dir.file()), "a");
            let mut file = std::fs::OpenOptions::new().append(true).open(dir.file()).unwrap();
            file.write_all(&torn).unwrap();
            let next = Trail::new(&dir.file());
            add(&next, "b");
            add(&next, "c");
            let verifier = verify(&[&dir.file()]);
            assert_eq!((verifier.records, verifier.unfinished), (4, 1));
        }
    }

    /// A directory in the file's place takes no record.
    #[test]
    fn r73_records_that_were_not_taken_before_a_restart_are_said_after_it() {
        for opened_before in [true, false] {
            let dir = Dir::new("gap");
            if opened_before {
                add(&Trail::new(&dir.file()), "a");
            }
            let aside = dir.0.join("aside");
            let _ = std::fs::rename(dir.file(), &aside);
            std::fs::create_dir(dir.file()).unwrap();
            let trail = Trail::new(&dir.file());
            assert!(trail.append(Map::new()).is_err());
            trail.missed(true);
            trail.missed(false);
            // Killed; the next one does not get through either.
            let trail = Trail::new(&dir.file());
            assert!(trail.append(Map::new()).is_err());
            trail.missed(true);
            drop(trail);
            std::fs::remove_dir(dir.file()).unwrap();
            let _ = std::fs::rename(&aside, dir.file());
            let trail = Trail::new(&dir.file());
            add(&trail, "b");
            drop(trail);
            add(&Trail::new(&dir.file()), "c");
            let verifier = verify(&[&dir.file()]);
            assert_eq!((verifier.syslog_alone, verifier.nowhere), (2, 1), "{opened_before}");
        }
    }

    #[test]
    fn a_checkpoint_is_due_at_the_start_and_daily_if_there_is_something_new() {
        let dir = Dir::new("due");
        let trail = Trail::new(&dir.file());
        let day = UnixTime(1_800_000_000);
        assert_eq!(trail.due(day), None);
        add(&trail, "a");
        let head = trail.due(day).unwrap();
        trail.checkpointed(day, head.seq);
        assert_eq!(trail.due(day.plus(EVERY)), None, "nothing new");
        add(&trail, "b");
        assert_eq!(trail.due(day.plus(EVERY - 1)), None);
        assert_eq!(trail.due(day.plus(EVERY)).map(|head| head.seq), Some(2));
    }
}
