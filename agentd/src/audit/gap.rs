//! The gap that is open: how many records the audit file did not take, kept in a small file beside it until a line of the
//! chain speaks of them. Its place on the disk is taken when there is room, and it is written over in place, so that a full
//! disk, which is what makes gaps, does not keep it from being written.

use assent_engine::chain::Gap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Its size, whatever it says: one block, written at once.
const SIZE: usize = 512;

/// The small file.
pub struct GapFile {
    path: PathBuf,
}

impl GapFile {
    /// The one that belongs to the audit file at `audit`.
    pub fn beside(audit: &Path) -> Self {
        let mut path = OsString::from(audit);
        path.push(".gap");
        Self { path: path.into() }
    }

    /// What an earlier run has left; nothing, where there is no such file.
    pub fn read(&self) -> Gap {
        match self.try_read() {
            Ok(gap) => gap,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Gap::default(),
            Err(e) => {
                tracing::error!(
                    "{} cannot be read: {e}; records that the audit file did not take before may be said nowhere",
                    self.path.display()
                );
                Gap::default()
            }
        }
    }

    /// Takes its place on the disk, with nothing to say if it is new.
    pub fn take_room(&self) -> io::Result<()> {
        let file = self.open(true)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(SIZE);
        if length < SIZE {
            file.write_all_at(&vec![b' '; SIZE - length], u64::try_from(length).unwrap_or(0))?;
        }
        Ok(())
    }

    /// Writes what is open now.
    pub fn write(&self, gap: Gap) -> io::Result<()> {
        let mut text = match gap.is_closed() {
            true => Vec::new(),
            false => serde_json::to_vec(&gap)?,
        };
        text.resize(SIZE, b' ');
        self.open(true)?.write_all_at(&text, 0)
    }

    fn try_read(&self) -> io::Result<Gap> {
        let mut text = String::new();
        let most = u64::try_from(SIZE).unwrap_or(0);
        self.open(false)?.take(most).read_to_string(&mut text)?;
        match text.trim() {
            "" => Ok(Gap::default()),
            text => Ok(serde_json::from_str(text)?),
        }
    }

    fn open(&self, make: bool) -> io::Result<File> {
        // Neither a link nor a FIFO in its place leads elsewhere or holds the agent.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(make).create(make).truncate(false);
        options.mode(0o600).custom_flags(flags).open(&self.path)
    }
}
