//! The audit file: whole lines or nothing, with room taken ahead, so that whoever fills the disk does not silence it.

use assent_engine::chain::Tail;
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::Path;

/// Room taken ahead: some hundred records.
const AHEAD: u64 = 1024 * 1024;
/// From here on, more is taken.
const LOW: u64 = 256 * 1024;
/// How far back from its end a file is looked through: some records, or a crash's rubbish and one before it.
const BACK: u64 = 4 * 1024 * 1024;

/// An open audit file.
pub struct AuditFile {
    file: File,
    /// Up to where the file system has promised room.
    room: u64,
}

impl AuditFile {
    /// Opens it, or makes it readable for the agent alone; with what it ends with.
    pub fn open(path: &Path) -> io::Result<(Self, Tail)> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).read(true).mode(0o600).open(path)?;
        let tail = tail(&file)?;
        let mut file = Self { file, room: 0 };
        let length = file.length()?;
        file.make_room(length);
        Ok((file, tail))
    }

    /// What another file ends with.
    pub fn tail_of(path: &Path) -> io::Result<Tail> {
        // O_NONBLOCK: a FIFO in the file's place must not hold the agent.
        let nonblock = nix::libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
        tail(&file)
    }

    /// Whether it keeps what it takes: `/dev/null` does not.
    pub fn is_kept(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.is_file())
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

fn tail(file: &File) -> io::Result<Tail> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        // /dev/null, for instance: it keeps nothing to go on from.
        return Ok(Tail::default());
    }
    let from = meta.len().saturating_sub(BACK);
    let mut bytes = vec![0; usize::try_from(meta.len() - from).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let (whole, torn) = match end {
        Some(end) => (&bytes[..end], bytes[end + 1..].to_vec()),
        None => (&bytes[..0], bytes.clone()),
    };
    let line = end.map(|_| whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().to_vec());
    Ok(Tail { line, torn })
}
