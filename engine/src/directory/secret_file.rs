//! Reads the few files that hold secrets or decide who may log in: small, regular, owned by root or ourselves, closed
//! to everybody else.

use nix::fcntl::OFlag;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Why such a file is not used. The texts name the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It cannot be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is something that must not be trusted.
    #[error("{path}: {what}")]
    Unfit {
        /// Which file.
        path: String,
        /// What is wrong, and the mend.
        what: String,
    },
}

impl FileProblem {
    /// Whether there is no such file at all.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn new(meta: &Metadata) -> Self {
        Self {
            place: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file has been left alone for a while at `now`, so that the next change shows in its times.
    pub fn is_settled(&self, now: i64) -> bool {
        now.saturating_sub(self.changed.0) > 2
    }

    /// The state of the file at `path` now; `None` where there is none to see.
    pub fn now(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|meta| Self::new(&meta))
    }
}

/// Reads the whole file, if it is one that may be trusted with secrets and has at most `max` bytes.
pub fn read(path: &Path, max: u64) -> Result<(Zeroizing<Vec<u8>>, Stamp), FileProblem> {
    read_for(path, max, nix::unistd::geteuid().as_raw())
}

/// The same on behalf of `reader`, to whom it may belong: what root checks is what the agent will read.
pub fn read_for(path: &Path, max: u64, reader: u32) -> Result<(Zeroizing<Vec<u8>>, Stamp), FileProblem> {
    let shown = || assent_proto::text::visible(&path.to_string_lossy());
    let io = |source| FileProblem::Io { path: shown(), source };
    let unfit = |what: &str| FileProblem::Unfit {
        path: shown(),
        what: what.to_owned(),
    };
    // Without O_NONBLOCK a FIFO in its place would hold us up for ever (R39).
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits())
        .open(path)
        .map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    check(&meta, reader, max).map_err(|what| unfit(&what))?;
    let content = read_all(&file, max).map_err(io)?;
    // Read while somebody wrote: the next try sees it whole.
    let after = file.metadata().map_err(io)?;
    if Stamp::new(&after) != Stamp::new(&meta) || content.len() as u64 != meta.size() {
        return Err(unfit("it changed while it was read"));
    }
    Ok((content, Stamp::new(&meta)))
}

fn read_all(file: &File, max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let size = usize::try_from(file.metadata()?.size().min(max)).unwrap_or(0);
    // Room for all of it at once: a vector that grows leaves unwiped copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(size as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn check(meta: &Metadata, own_uid: u32, max: u64) -> Result<(), String> {
    if !meta.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if meta.uid() != 0 && meta.uid() != own_uid {
        return Err(format!("it belongs to uid {}: chown it to root", meta.uid()));
    }
    if meta.mode() & 0o037 != 0 {
        return Err(format!(
            "its mode is {:04o}, but others must not read it, nor its group write it: chmod it to 0640 or 0600",
            meta.mode() & 0o7777
        ));
    }
    if meta.size() > max {
        return Err(format!("it has {} bytes, more than {max}", meta.size()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("assent-secret-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn r44_a_secret_file_that_others_can_read_or_write_is_refused_by_name_without_its_content() {
        let dir = scratch("modes");
        let path = dir.join("bind-password");
        std::fs::write(&path, "s3cret\n").unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o640, true),
            (0o400, true),
            (0o644, false),
            (0o660, false),
            (0o602, false),
            (0o604, false),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = read(&path, 100);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(problem) = read {
                let text = problem.to_string();
                assert!(text.contains("bind-password") && !text.contains("s3cret"), "{text}");
            }
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn r44_a_directory_a_fifo_and_a_file_too_large_are_refused_without_waiting() {
        let dir = scratch("kinds");
        assert!(read(&dir, 100).is_err());
        let fifo = dir.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(read(&fifo, 100).unwrap_err().to_string().contains("no regular file"));
        let large = dir.join("large");
        std::fs::write(&large, vec![b'x'; 101]).unwrap();
        std::fs::set_permissions(&large, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&large, 100).unwrap_err().to_string().contains("more than 100"));
        assert_eq!(read(&large, 101).unwrap().0.len(), 101);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_is_settled_when_its_last_change_is_more_than_two_seconds_old() {
        let dir = scratch("settled");
        let path = dir.join("file");
        std::fs::write(&path, "x").unwrap();
        let stamp = Stamp::now(&path).unwrap();
        let at = stamp.changed.0;
        // A clock that was set back makes no file settled either.
        for (now, settled) in [(at - 3600, false), (at, false), (at + 2, false), (at + 3, true)] {
            assert_eq!(stamp.is_settled(now), settled, "{}", now - at);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
