//! Waiting for a disk, beside the agent's one thread: a disk that is slow holds up the login that needs it, and no other.
//!
//! A [`Disk`] is a thread that does what it is handed in the order in which it came, behind a bounded queue. Whoever needs
//! to know that it was done waits for [`Done`], for [`PATIENCE`] at most.

use crate::files;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long anybody waits for a disk. A module waits longer, so it still hears why.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Work that may wait for a disk.
const QUEUE: usize = 1024;
/// The work is file I/O and JSON of a known shape.
const STACK: usize = 512 * 1024;

/// Why it is not known that something was done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiskError {
    /// It may be done yet.
    #[error("the disk did not answer within {} seconds; is it full, failing or overloaded?", PATIENCE.as_secs())]
    Slow,
    /// It never will be.
    #[error("too much waits for the disk already; is it failing or overloaded?")]
    Lost,
}

/// A thread that waits for a disk.
pub struct Disk {
    work: SyncSender<Box<dyn FnOnce() + Send>>,
}

impl Disk {
    /// Starts the thread; it ends with this.
    pub fn start(name: &str) -> io::Result<Arc<Self>> {
        let (work, queue) = sync_channel::<Box<dyn FnOnce() + Send>>(QUEUE);
        std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK)
            .spawn(move || {
                while let Ok(work) = queue.recv() {
                    // Whoever waits for it hears that it is lost; the next work does not depend on it.
                    let _ = catch_unwind(AssertUnwindSafe(work));
                }
            })?;
        Ok(Arc::new(Self { work }))
    }

    /// Has something done, behind everything that was handed in before.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Done<T> {
        let (tell, done) = oneshot::channel();
        let work = Box::new(move || {
            // Whoever has given up needs no word.
            let _ = tell.send(work());
        });
        if self.work.try_send(work).is_err() {
            tracing::error!("{}", DiskError::Lost);
        }
        Done(done)
    }
}

/// Work that was handed in.
#[must_use = "whoever needs it done waits for it; whoever does not drops it by name"]
pub struct Done<T>(oneshot::Receiver<T>);

impl<T> Done<T> {
    /// Waits until it is done.
    pub async fn wait(self) -> Result<T, DiskError> {
        match tokio::time::timeout(PATIENCE, self.0).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(DiskError::Lost),
            Err(_) => Err(DiskError::Slow),
        }
    }
}

/// Something was written, or it was logged why not.
pub type Written = Done<()>;

/// A file of the agent's own that is always written whole. Of several contents that wait for the disk only the newest is
/// written.
pub struct WholeFile {
    path: PathBuf,
    /// What a failure means, for the log.
    otherwise: &'static str,
    newest: Arc<Mutex<Option<String>>>,
    disk: Arc<Disk>,
}

impl WholeFile {
    /// The file at `path`, for the agent's own eyes.
    pub fn new(path: PathBuf, otherwise: &'static str, disk: Arc<Disk>) -> Self {
        Self {
            path,
            otherwise,
            newest: Arc::default(),
            disk,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Has `text` written.
    pub fn put(&self, text: String) -> Written {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        self.write()
    }

    /// Tries again what could not be written.
    pub fn try_again(&self) {
        if self.newest.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            drop(self.write());
        }
    }

    fn write(&self) -> Written {
        let (path, otherwise, newest) = (self.path.clone(), self.otherwise, Arc::clone(&self.newest));
        self.disk.run(move || {
            let take = || newest.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Nothing: it was written together with what came before.
            let Some(text) = take() else { return };
            if let Err(e) = files::replace(&path, &text, 0o600) {
                tracing::error!("{} cannot be written: {e}; {otherwise}", path.display());
                newest
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(text);
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_disk_that_hangs_gives_up_and_what_follows_is_done_in_order() {
        let disk = Disk::start("test").unwrap();
        let gate = Arc::new(Barrier::new(2));
        let order = Arc::new(Mutex::new(Vec::new()));
        let (hangs, done) = (Arc::clone(&gate), Arc::clone(&order));
        let first = disk.run(move || {
            hangs.wait();
            done.lock().unwrap().push(1);
        });
        assert_eq!(first.wait().await, Err(DiskError::Slow));
        tokio::time::resume();
        let panics = disk.run(|| panic!("a mistake in some work"));
        let done = Arc::clone(&order);
        let second = disk.run(move || done.lock().unwrap().push(2));
        gate.wait();
        assert_eq!(panics.wait().await, Err(DiskError::Lost));
        assert_eq!(second.wait().await, Ok(()));
        assert_eq!(*order.lock().unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn what_a_full_queue_does_not_take_is_lost_at_once() {
        let disk = Disk::start("test").unwrap();
        let gate = Arc::new(Barrier::new(2));
        let hangs = Arc::clone(&gate);
        drop(disk.run(move || hangs.wait()));
        let mut last = disk.run(|| ());
        for _ in 0..QUEUE {
            last = disk.run(|| ());
        }
        let began = Instant::now();
        assert_eq!(last.wait().await, Err(DiskError::Lost));
        assert!(began.elapsed() < PATIENCE, "nobody waits for what will never be done");
        gate.wait();
    }

    #[tokio::test]
    async fn a_file_has_its_newest_content_in_the_end_and_what_failed_is_tried_again() {
        let dir = std::env::temp_dir().join(format!("assent-disk-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let disk = Disk::start("test").unwrap();
        let file = WholeFile::new(dir.join("state.json"), "it is a test", disk);
        file.put("old".into()).wait().await.unwrap();
        assert!(!file.path().exists(), "its directory is missing");
        std::fs::create_dir_all(&dir).unwrap();
        file.try_again();
        file.disk.run(|| ()).wait().await.unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "old");
        let both = (file.put("newer".into()), file.put("newest".into()));
        both.0.wait().await.unwrap();
        both.1.wait().await.unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "newest");
        std::fs::remove_file(file.path()).unwrap();
        file.try_again();
        file.disk.run(|| ()).wait().await.unwrap();
        assert!(!file.path().exists(), "what was written is not written again");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
