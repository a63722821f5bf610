//! What this host remembers of people's pushes over restarts: the engine's [`Ledger`] and its file of JSON lines. A line is
//! appended when something happens, by the thread that waits for the disk ([`crate::disk`]); a push leaves only when its
//! line was, so a kill of the agent loses nothing that was counted.

use crate::disk::{Disk, Written};
use crate::files;
use crate::turns::Turns;
use assent_engine::ledger::{Entry, Ledger, Lock, MOST_OPEN, SourceKey, Spraying, Weight, What};
use assent_engine::places::Place;
use assent_engine::policy::Recall;
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;

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
    open: Turns,
    /// For which accounts passwords are being checked, by source.
    guessing: Turns,
}

struct State {
    ledger: Ledger,
    spraying: Spraying,
    /// Why what was remembered could not be read: nothing is known then, which is not the same as nothing having happened.
    unread: Option<String>,
    /// The file's own thread alone locks it for long.
    file: Arc<Mutex<Lines>>,
    disk: Arc<Disk>,
    /// That the file has, once everything is written that was handed in.
    lines: usize,
}

/// The file.
struct Lines {
    path: PathBuf,
    /// `None` after a failure: it is opened again at the next line.
    file: Option<File>,
}

/// A password that may be shown to a directory. Kept until what came of it is counted.
pub struct Guess {
    _turn: Option<OwnedSemaphorePermit>,
}

/// A push that leaves, once it is written down.
pub struct Leaving {
    memory: Arc<Memory>,
    sent: Entry,
}

/// A push that is counted, and has not left yet. Dropped, it is counted no more.
pub struct Reserved {
    memory: Arc<Memory>,
    entry: Option<Entry>,
    _turn: OwnedSemaphorePermit,
}

impl Memory {
    /// Reads what was remembered. What cannot be read is logged and passed over: a broken line bars nobody. Does I/O.
    pub fn open(state_dir: &Path, disk: Arc<Disk>) -> Arc<Self> {
        let path = state_dir.join(FILE);
        let mut ledger = Ledger::default();
        let mut unread = None;
        let lines = match read(&path, &mut ledger) {
            Ok(lines) => lines,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => {
                tracing::error!("{}: {e}; budgets and known addresses begin anew", path.display());
                unread = Some(format!("{}: {e}", path.display()));
                0
            }
        };
        let file = Lines { path, file: None };
        if lines > 0 {
            // What a crash cut must not spoil the next line. Nothing is written anew here: the clock may not be right yet.
            file.end_line();
        }
        Arc::new(Self {
            state: Mutex::new(State {
                ledger,
                spraying: Spraying::default(),
                unread,
                file: Arc::new(Mutex::new(file)),
                disk,
                lines,
            }),
            open: Turns::default(),
            guessing: Turns::default(),
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
        let turn = self.open.turn(who, from, MOST_OPEN).await;
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

    /// What bears on a login of `who` at `from`, for policies; an error where what was remembered could not be read.
    pub fn recall(&self, who: &Identity, from: SourceKey, place: &Place) -> Recall {
        let state = self.state();
        match &state.unread {
            Some(why) => Err(why.clone()),
            None => Ok(state
                .ledger
                .signals(who, from, (place.country.as_deref(), place.spot), UnixTime::now())),
        }
    }

    /// Whether a password that is typed for an account from here is shown to a directory; if not, until when. One at a time:
    /// what comes of one is counted before the next is shown. `None` for the account: it is unknown.
    pub async fn guess(&self, account: Option<&Identity>, from: SourceKey) -> Result<Guess, UnixTime> {
        let turn = match account {
            Some(account) => self.guessing.turn(account, from, 1).await,
            None => None,
        };
        match self.guesses_barred(account, from) {
            Some(until) => Err(until),
            None => Ok(Guess { _turn: turn }),
        }
    }

    fn guesses_barred(&self, account: Option<&Identity>, from: SourceKey) -> Option<UnixTime> {
        let now = UnixTime::now();
        let state = self.state();
        let own = account.and_then(|account| state.ledger.guesses_barred(account, from, now));
        let known = account.is_some_and(|account| state.ledger.knows(account, from, now));
        own.or_else(|| state.spraying.barred(from, now).filter(|_| !known))
    }

    /// A password was wrong.
    pub fn guessed(&self, account: Option<&Identity>, from: SourceKey) -> Option<Written> {
        self.state().spraying.guessed(from, UnixTime::now());
        account.map(|account| {
            self.note(&Entry {
                at: UnixTime::now(),
                who: account.clone(),
                from,
                what: What::WrongPassword,
            })
        })
    }

    /// Every lock that holds now.
    pub fn locks(&self) -> Vec<Lock> {
        self.state().ledger.locks(UnixTime::now())
    }

    /// Somebody logged in to an account.
    pub fn logged_in(&self, account: &Identity, from: SourceKey) -> Written {
        self.note(&Entry {
            at: UnixTime::now(),
            who: account.clone(),
            from,
            what: What::Approved {
                place: None,
                spot: None,
            },
        })
    }

    /// An administrator opens somebody's budgets again.
    pub fn forgive(&self, who: &Identity) -> Written {
        self.note(&Entry {
            at: UnixTime::now(),
            who: who.clone(),
            from: SourceKey::Local,
            what: What::Forgiven,
        })
    }

    /// Takes what happened, and has it written down.
    pub fn note(&self, entry: &Entry) -> Written {
        let mut state = self.state();
        state.ledger.apply(entry);
        state.append(entry)
    }
}

impl Reserved {
    /// The push leaves as soon as it is written down: it counts, also after a restart.
    pub fn leaves(&mut self) -> Option<(Leaving, Written)> {
        let sent = self.entry.take()?;
        let written = self.memory.state().append(&sent);
        let memory = Arc::clone(&self.memory);
        Some((Leaving { memory, sent }, written))
    }
}

impl Leaving {
    /// It provably never left: it counts no more.
    pub fn never_left(self) -> Written {
        self.memory.note(&Entry {
            what: What::Unsent,
            ..self.sent
        })
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
    fn append(&mut self, entry: &Entry) -> Written {
        let entry = entry.clone();
        self.lines += 1;
        // What still counts now, which is what the file says by then: everything is written in the order of its happening.
        let anew = (self.lines >= MANY_LINES).then(|| self.ledger.entries(entry.at));
        if let Some(entries) = &anew {
            // Tried again after as many lines more, however many count.
            self.lines = entries.len().min(MANY_LINES / 2);
        }
        let file = Arc::clone(&self.file);
        self.disk.run(move || {
            // A panic leaves at worst a line cut short, which is passed over.
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.append(&entry);
            if let Some(entries) = anew {
                file.write_anew(&entries);
            }
        })
    }
}

/// All of it does I/O.
impl Lines {
    fn append(&mut self, entry: &Entry) {
        if let Err(e) = self.try_append(entry) {
            self.file = None;
            tracing::error!(
                "{}: {e}; budgets hold until the agent ends, and are not kept over its restart",
                self.path.display()
            );
        }
    }

    fn try_append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(options().append(true).create(true).open(&self.path)?),
        };
        file.write_all(&line)
    }

    fn end_line(&self) {
        let ended = options()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(b"\n"));
        if let Err(e) = ended {
            tracing::error!("{}: {e}", self.path.display());
        }
    }

    /// Writes what still counts into a new file, which then takes the old one's place.
    fn write_anew(&mut self, entries: &[Entry]) {
        let text = entries
            .iter()
            .map(|entry| serde_json::to_string(entry).map(|line| line + "\n"))
            .collect::<Result<String, _>>();
        let written = text
            .map_err(io::Error::from)
            .and_then(|text| files::replace(&self.path, &text, 0o600));
        self.file = None;
        if let Err(e) = written {
            tracing::error!("{}: {e}; the old file stays", self.path.display());
        }
    }
}

fn options() -> std::fs::OpenOptions {
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
    use std::fs;
    use std::sync::Barrier;
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

    fn open(dir: &Path) -> Arc<Memory> {
        Memory::open(dir, Disk::start("test").unwrap())
    }

    async fn push(memory: &Arc<Memory>) -> Option<Reserved> {
        let (_, mut reserved) = memory.weigh(&who(), from(), None).await;
        if let Some((_, written)) = reserved.as_mut().and_then(Reserved::leaves) {
            written.wait().await.unwrap();
        }
        reserved
    }

    #[tokio::test]
    async fn r7_the_budget_holds_over_a_restart_and_a_broken_line_bars_nobody() {
        let dir = dir("restart");
        let memory = open(&dir);
        for n in 0..MOST_IN_WINDOW {
            assert!(push(&memory).await.is_some(), "push {n}");
        }
        assert!(push(&memory).await.is_none());
        drop(memory);
        let mut file = File::options().append(true).open(dir.join(FILE)).unwrap();
        file.write_all(b"{\"at\":17").unwrap();
        for _ in 0..3 {
            let memory = open(&dir);
            let (weight, reserved) = memory.weigh(&who(), from(), None).await;
            assert!(matches!(weight.barred, Some(Barred::Source { .. })) && reserved.is_none());
        }
        let memory = open(&dir);
        let approved = memory.note(&Entry {
            at: UnixTime::now(),
            who: who(),
            from: from(),
            what: What::Approved {
                place: None,
                spot: None,
            },
        });
        approved.wait().await.unwrap();
        let (weight, _) = open(&dir).weigh(&who(), from(), None).await;
        assert_eq!((weight.barred, weight.known_source), (None, true));
        fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn r7_four_may_be_open_and_the_next_waits_its_turn() {
        let dir = dir("turn");
        let memory = open(&dir);
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
        let memory = open(&dir);
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
        let memory = open(&dir);
        for _ in 0..MANY_LINES * 2 {
            let written = memory.note(&Entry {
                at: UnixTime::now(),
                who: who(),
                from: from(),
                what: What::Approved {
                    place: None,
                    spot: None,
                },
            });
            written.wait().await.unwrap();
        }
        let lines = fs::read_to_string(dir.join(FILE)).unwrap().lines().count();
        assert!(lines <= MANY_LINES, "{lines}");
        assert!(memory.weigh(&who(), from(), None).await.0.known_source);
        fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn r7_a_push_that_never_left_is_counted_no_more_also_after_a_restart() {
        let dir = dir("unsent");
        let memory = open(&dir);
        for _ in 0..MOST_IN_WINDOW - 1 {
            push(&memory).await.unwrap();
        }
        let (_, mut last) = memory.weigh(&who(), from(), None).await;
        let (leaving, written) = last.as_mut().and_then(Reserved::leaves).unwrap();
        written.wait().await.unwrap();
        assert!(
            open(&dir).weigh(&who(), from(), None).await.1.is_none(),
            "it may have left"
        );
        // The login is over before its sending has failed.
        drop(last);
        assert!(memory.weigh(&who(), from(), None).await.1.is_none());
        leaving.never_left().wait().await.unwrap();
        for memory in [memory, open(&dir)] {
            assert!(memory.weigh(&who(), from(), None).await.1.is_some());
        }
        fs::remove_dir_all(dir).unwrap();
    }

    /// Not remembering a denial is not the same as none.
    #[tokio::test]
    async fn mission_row_19_what_cannot_be_read_cannot_be_told() {
        let dir = dir("unread");
        let known = open(&dir).recall(&who(), from(), &Place::default());
        assert!(known.is_ok_and(|signals| signals.new_address), "nothing happened yet");
        fs::create_dir(dir.join(FILE)).unwrap();
        let unread = open(&dir).recall(&who(), from(), &Place::default());
        assert!(unread.is_err_and(|why| why.contains(FILE)));
        fs::remove_dir_all(dir).unwrap();
    }

    /// What happens while the disk hangs is counted at once, and written in its order when the disk is back.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody_but_the_push_that_must_be_written_down() {
        let dir = dir("hangs");
        let disk = Disk::start("test").unwrap();
        let memory = Memory::open(&dir, Arc::clone(&disk));
        let gate = Arc::new(Barrier::new(2));
        let hangs = Arc::clone(&gate);
        drop(disk.run(move || hangs.wait()));
        let mut waits = Vec::new();
        let mut open_pushes = Vec::new();
        for _ in 0..MOST_OPEN {
            let (_, mut reserved) = memory.weigh(&who(), from(), None).await;
            waits.push(reserved.as_mut().and_then(Reserved::leaves).unwrap());
            open_pushes.push(reserved);
        }
        let ben = Identity {
            id: ShortText::cut("ben".into()),
            ..who()
        };
        assert!(memory.weigh(&ben, from(), None).await.1.is_some(), "others go on");
        assert!(!dir.join(FILE).exists());
        gate.wait();
        for (_, written) in waits {
            written.wait().await.unwrap();
        }
        assert_eq!(fs::read_to_string(dir.join(FILE)).unwrap().lines().count(), MOST_OPEN);
        fs::remove_dir_all(dir).unwrap();
    }
}
