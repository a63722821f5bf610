//! What this host remembers of people's pushes over restarts: the engine's [`Ledger`] and its file of JSON lines. A line is
//! appended when something happens; a kill of the agent loses nothing that was counted.

use assent_engine::ledger::{Entry, Ledger, MOST_OPEN, SourceKey, Weight, What};
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The file in the state directory.
const FILE: &str = "pushes.jsonl";
/// Most bytes of it that are read; it is written anew long before.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Lines from which on it is written anew, once most of them count no more.
const MANY_LINES: usize = 4096;

/// The memory of this host. One lock: everything under it takes microseconds.
pub struct Memory {
    state: Mutex<State>,
    /// Who has pushes open at which source.
    open: Mutex<HashMap<(Identity, SourceKey), Arc<Semaphore>>>,
}

struct State {
    ledger: Ledger,
    path: PathBuf,
    /// `None` after a failure: it is opened again at the next line.
    file: Option<File>,
    lines: usize,
}

/// A push that is counted, and has not left yet. Dropped, it is counted no more.
pub struct Reserved {
    memory: Arc<Memory>,
    entry: Option<Entry>,
    _turn: OwnedSemaphorePermit,
}

impl Memory {
    /// Reads what was remembered. What cannot be read is logged and passed over: a broken line bars nobody.
    pub fn open(state_dir: &Path) -> Arc<Self> {
        let path = state_dir.join(FILE);
        let mut ledger = Ledger::default();
        let lines = match read(&path, &mut ledger) {
            Ok(lines) => lines,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => {
                tracing::error!("{}: {e}; budgets and known addresses begin anew", path.display());
                0
            }
        };
        let mut state = State {
            ledger,
            path,
            file: None,
            lines,
        };
        if lines > 0 {
            // What a crash cut must not spoil the next line. Nothing is written anew here: the clock may not be right yet.
            state.end_line();
        }
        Arc::new(Self {
            state: Mutex::new(state),
            open: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counting goes on after a panic: the ledger's own changes are single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than [`MOST_OPEN`] pushes of this user and source are open, then says what holds, and counts
    /// the push that may leave now.
    pub async fn weigh(
        self: &Arc<Self>,
        who: &Identity,
        from: SourceKey,
        country: Option<&str>,
    ) -> (Weight, Option<Reserved>) {
        let turn = self.turn(who, from).await;
        let now = UnixTime::now();
        let mut state = self.state();
        let weight = state.ledger.weigh(who, from, country, now);
        let entry = Entry {
            at: now,
            who: who.clone(),
            from,
            what: What::Sent,
        };
        let reserved = match (weight.barred, turn) {
            (None, Some(turn)) => {
                state.ledger.apply(&entry);
                Some(Reserved {
                    memory: Arc::clone(self),
                    entry: Some(entry),
                    _turn: turn,
                })
            }
            _ => None,
        };
        (weight, reserved)
    }

    async fn turn(&self, who: &Identity, from: SourceKey) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            // One that nobody else holds has all of its places free.
            open.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            let places = || Arc::new(Semaphore::new(MOST_OPEN));
            Arc::clone(open.entry((who.clone(), from)).or_insert_with(places))
        };
        // Never closed.
        semaphore.acquire_owned().await.ok()
    }

    /// An administrator opens somebody's budgets again.
    pub fn forgive(&self, who: &Identity) {
        self.note(&Entry {
            at: UnixTime::now(),
            who: who.clone(),
            from: SourceKey::Local,
            what: What::Forgiven,
        });
    }

    /// Takes what happened, and writes it down.
    pub fn note(&self, entry: &Entry) {
        let mut state = self.state();
        state.ledger.apply(entry);
        state.append(entry);
    }
}

impl Reserved {
    /// The push leaves: it counts, also after a restart.
    pub fn leaves(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.memory.state().append(&entry);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.memory.state().ledger.take_back(&entry);
        }
    }
}

impl State {
    fn append(&mut self, entry: &Entry) {
        if let Err(e) = self.try_append(entry) {
            self.file = None;
            tracing::error!(
                "{}: {e}; budgets hold until the agent ends, and are not kept over its restart",
                self.path.display()
            );
        }
        if self.lines >= MANY_LINES {
            self.write_anew(entry.at);
        }
    }

    fn try_append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(options().append(true).create(true).open(&self.path)?),
        };
        self.lines += 1;
        file.write_all(&line)
    }

    fn end_line(&mut self) {
        let ended = options()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(b"\n"));
        if let Err(e) = ended {
            tracing::error!("{}: {e}", self.path.display());
        }
    }

    /// Writes what still counts into a new file, which then takes the old one's place.
    fn write_anew(&mut self, now: UnixTime) {
        let entries = self.ledger.entries(now);
        let beside = self.path.with_extension("new");
        let written = (|| {
            let mut text = Vec::new();
            for entry in &entries {
                serde_json::to_writer(&mut text, entry)?;
                text.push(b'\n');
            }
            let mut file = options().write(true).create(true).truncate(true).open(&beside)?;
            file.write_all(&text)?;
            file.sync_data()?;
            fs::rename(&beside, &self.path)
        })();
        self.file = None;
        match written {
            Ok(()) => self.lines = entries.len(),
            Err(e) => tracing::error!("{}: {e}; the old file stays", beside.display()),
        }
        // Tried again after as many lines more, however many count.
        self.lines = self.lines.min(MANY_LINES / 2);
    }
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
    options
}

fn read(path: &Path, ledger: &mut Ledger) -> io::Result<usize> {
    let file = options().read(true).open(path)?;
    let (mut lines, mut broken) = (0, 0);
    for line in BufReader::new(file.take(MOST_BYTES)).split(b'\n') {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        lines += 1;
        match serde_json::from_slice::<Entry>(&line) {
            Ok(entry) => ledger.apply(&entry),
            Err(_) => broken += 1,
        }
    }
    if broken > 0 {
        tracing::warn!(
            "{}: {broken} lines of {lines} cannot be read and count for nothing",
            path.display()
        );
    }
    Ok(lines)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_engine::ledger::{Barred, MOST_IN_WINDOW};
    use assent_proto::ShortText;
    use std::time::Duration;

    fn who() -> Identity {
        Identity {
            realm: ShortText::cut("example.org".into()),
            id: ShortText::cut("anna".into()),
        }
    }

    fn from() -> SourceKey {
        SourceKey::of(Some([192, 0, 2, 7].into()))
    }

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("assent-memory-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    async fn push(memory: &Arc<Memory>) -> Option<Reserved> {
        let (_, mut reserved) = memory.weigh(&who(), from(), None).await;
        if let Some(reserved) = &mut reserved {
            reserved.leaves();
        }
        reserved
    }

    #[tokio::test]
    async fn r7_the_budget_holds_over_a_restart_and_a_broken_line_bars_nobody() {
        let dir = dir("restart");
        let memory = Memory::open(&dir);
        for n in 0..MOST_IN_WINDOW {
            assert!(push(&memory).await.is_some(), "push {n}");
        }
        assert!(push(&memory).await.is_none());
        drop(memory);
        let mut file = File::options().append(true).open(dir.join(FILE)).unwrap();
        file.write_all(b"{\"at\":17").unwrap();
        for _ in 0..3 {
            let memory = Memory::open(&dir);
            let (weight, reserved) = memory.weigh(&who(), from(), None).await;
            assert!(matches!(weight.barred, Some(Barred::Source { .. })) && reserved.is_none());
        }
        let memory = Memory::open(&dir);
        memory.note(&Entry {
            at: UnixTime::now(),
            who: who(),
            from: from(),
            what: What::Approved { place: None },
        });
        let (weight, _) = Memory::open(&dir).weigh(&who(), from(), None).await;
        assert_eq!((weight.barred, weight.known_source), (None, true));
        fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn r7_four_may_be_open_and_the_next_waits_its_turn() {
        let dir = dir("turn");
        let memory = Memory::open(&dir);
        let mut open = Vec::new();
        for _ in 0..MOST_OPEN {
            open.push(push(&memory).await.unwrap());
        }
        let anna = who();
        let fifth = memory.weigh(&anna, from(), None);
        tokio::pin!(fifth);
        assert!(
            tokio::time::timeout(Duration::from_millis(50), &mut fifth)
                .await
                .is_err()
        );
        open.pop();
        let (weight, reserved) = fifth.await;
        assert!(weight.barred.is_none() && reserved.is_some());
        fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn what_did_not_leave_is_not_counted_and_what_may_leave_is_counted_at_once() {
        let dir = dir("back");
        let memory = Memory::open(&dir);
        for _ in 0..MOST_IN_WINDOW - 1 {
            push(&memory).await.unwrap();
        }
        let (_, last) = memory.weigh(&who(), from(), None).await;
        assert!(last.is_some());
        let (weight, none) = memory.weigh(&who(), from(), None).await;
        assert!(
            weight.barred.is_some() && none.is_none(),
            "two at once do not both get the last one"
        );
        drop(last);
        assert!(memory.weigh(&who(), from(), None).await.1.is_some());
        fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn the_file_is_written_anew_before_it_grows_without_end() {
        let dir = dir("anew");
        let memory = Memory::open(&dir);
        for _ in 0..MANY_LINES * 2 {
            memory.note(&Entry {
                at: UnixTime::now(),
                who: who(),
                from: from(),
                what: What::Approved { place: None },
            });
        }
        let lines = fs::read_to_string(dir.join(FILE)).unwrap().lines().count();
        assert!(lines <= MANY_LINES, "{lines}");
        assert!(memory.weigh(&who(), from(), None).await.0.known_source);
        fs::remove_dir_all(dir).unwrap();
    }
}
