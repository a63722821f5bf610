//! Files of the agent's own state: written whole or not at all, and there for good once that is said (R24).

use assent_proto::Id;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Ends the names of files that are not in their place yet.
const UNFINISHED: &str = ".new";

/// Puts `text` in the place of what was there: beside it first, then by rename. A crash, or a disk that is full, leaves the
/// old file. The name beside it is nobody else's: what stands there already is never followed and never written to.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let id = Id::random().map_err(|e| io::Error::other(e.to_string()))?;
    let beside = path.with_file_name(format!(".{name}.{id}{UNFINISHED}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
        return written;
    }
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Removes what [`replace`] of a former run, which was killed, has left in `dir`. Nothing may be writing there.
pub fn sweep(dir: &Path) {
    // A directory that is not there has nothing to sweep; one that cannot be read is everybody's trouble, and told there.
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let unfinished = name
            .to_str()
            .is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED));
        if !unfinished || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Ok(()) => tracing::info!("{} was never finished and is removed", entry.path().display()),
            Err(e) => tracing::warn!(
                "{} was never finished and cannot be removed: {e}",
                entry.path().display()
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::path::PathBuf;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("assent-files-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// Whoever could plant a link at a name that is known before would have the agent write where it points.
    #[test]
    fn nothing_that_stands_at_a_guessed_name_is_followed_or_in_the_way() {
        let dir = dir("planted");
        let (file, victim) = (dir.join("state.json"), dir.join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, dir.join(".state.json.new")).unwrap();
        replace(&file, "one", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        std::fs::remove_file(dir.join(".state.json.new")).unwrap();
        std::fs::create_dir(dir.join(".state.json.new")).unwrap();
        replace(&file, "two", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn many_at_once_leave_one_of_them_whole_and_nothing_beside_it() {
        let dir = dir("many");
        let file = dir.join("state.json");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace(file, &n.to_string().repeat(100_000), 0o600).unwrap();
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.len(), 100_000);
        assert!(text.bytes().all(|byte| byte == text.as_bytes()[0]));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let dir = dir("sweep");
        for name in [
            ".state.json.new",
            ".state.json.AAAA.new",
            "kept.new",
            ".hidden",
            "state.json",
        ] {
            std::fs::write(dir.join(name), "x").unwrap();
        }
        sweep(&dir);
        let mut left: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".hidden", "kept.new", "state.json"]);
        // A failure leaves nothing either: a directory is in the way of the rename.
        std::fs::create_dir(dir.join("in-the-way")).unwrap();
        assert!(replace(&dir.join("in-the-way"), "x", 0o600).is_err());
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 4);
        sweep(&dir.join("missing"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
