//! The audit file: whole lines or nothing, with room taken ahead, so that whoever fills the disk does not silence it.

use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Room taken ahead: some hundred records.
const AHEAD: u64 = 1024 * 1024;
/// From here on, more is taken.
const LOW: u64 = 256 * 1024;

/// An open audit file.
pub struct AuditFile {
    file: File,
    /// Up to where the file system has promised room.
    room: u64,
}

impl AuditFile {
    /// Opens it, or makes it readable for the agent alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let mut file = Self { file, room: 0 };
        let length = file.length()?;
        file.make_room(length);
        Ok(file)
    }

    /// Adds a line; when it does not fit, nothing of it stays behind to spoil the next one.
    pub fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = self.length()?;
        self.make_room(length);
        let written = self.file.write_all(line);
        if written.is_err() {
            // Gives the room ahead back too: there was none left.
            self.room = 0;
            self.file.set_len(length)?;
        }
        written
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn make_room(&mut self, length: u64) {
        // A file that was cut (by a log rotation, for instance) has lost its room.
        let enough = (length + LOW..=length + AHEAD).contains(&self.room);
        if enough {
            return;
        }
        let (Ok(from), Ok(bytes)) = (i64::try_from(length), i64::try_from(AHEAD)) else {
            return;
        };
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, bytes) {
            Ok(()) => self.room = length + AHEAD,
            // A file system that cannot, or has not so much: a record that does not fit will say so.
            Err(e) => tracing::debug!("no room could be taken ahead for the audit file: {e}"),
        }
    }
}
