//! Files with keys and anchors: read with their modes checked, written whole or not at all.

use crate::failure::{Done, Failure};
use assent_proto::Id;
use nix::unistd::{Gid, Uid, User};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// More than any of our files holds.
const MAX_FILE: u64 = 256 * 1024;
/// Only the owner reads it.
pub const SECRET: u32 = 0o600;
/// Everyone may read it.
pub const PUBLIC: u32 = 0o644;

/// Who a file shall belong to.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    /// The user with this name.
    pub fn named(name: &str) -> Done<Self> {
        let user =
            User::from_name(name).map_err(|e| Failure::Input(format!("user \"{name}\" cannot be looked up: {e}")))?;
        let user = user.ok_or_else(|| {
            Failure::Input(format!(
                "there is no user \"{name}\" on this machine; name another with --owner, or create it with systemd-sysusers"
            ))
        })?;
        Ok(Self {
            uid: user.uid,
            gid: user.gid,
        })
    }
}

/// Reads a text file that anyone may see.
pub fn read_public(path: &Path) -> Done<String> {
    let text = read(path, |_| Ok(()))?;
    Ok(text.to_string())
}

/// Reads a file with a secret; refuses one that others can read or change (R56).
pub fn read_secret(path: &Path) -> Done<Zeroizing<String>> {
    read(path, |file| {
        let meta = file.metadata().map_err(|e| unreadable(path, &e))?;
        let mode = meta.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Failure::Refused(format!(
                "{} has mode {mode:04o}, so others can read or change the key in it; if it is still to be trusted: chmod 600 {}",
                path.display(),
                path.display()
            )));
        }
        let me = nix::unistd::geteuid();
        if meta.uid() != me.as_raw() && !me.is_root() {
            return Err(Failure::Refused(format!(
                "{} belongs to another user (uid {})",
                path.display(),
                meta.uid()
            )));
        }
        Ok(())
    })
}

fn read(path: &Path, check: impl FnOnce(&File) -> Done) -> Done<Zeroizing<String>> {
    // O_NONBLOCK: a FIFO in the file's place must not hold us.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK)
        .open(path)
        .map_err(|e| unreadable(path, &e))?;
    let meta = file.metadata().map_err(|e| unreadable(path, &e))?;
    if !meta.is_file() {
        return Err(Failure::Input(format!("{} is no regular file", path.display())));
    }
    if meta.len() > MAX_FILE {
        return Err(Failure::Input(format!(
            "{} is too large to be what it should be",
            path.display()
        )));
    }
    check(&file)?;
    // Room at once: growing would leave copies of a secret behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(path, &e))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Input(format!("{} cannot be read: {error}", path.display()))
}

/// Whether something stands there, of whatever kind.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Writes a file that must not exist yet.
pub fn create(path: &Path, text: &str, mode: u32, owner: Option<Owner>) -> Done {
    let temporary = write_temporary(path, text, mode, owner)?;
    // Unlike rename, link never replaces.
    let linked = std::fs::hard_link(&temporary, path);
    let _ = std::fs::remove_file(&temporary);
    linked.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Failure::Refused(format!(
            "{} exists already and is not overwritten; move it away first if you mean it",
            path.display()
        )),
        _ => unwritable(path, &e),
    })?;
    sync_directory(path).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Writes files that must not exist yet: all of them, or none.
pub fn create_all(dir: &Path, files: &[(&str, Zeroizing<String>)], mode: u32) -> Done {
    for (at, (name, text)) in files.iter().enumerate() {
        create(&dir.join(name), text, mode, None).inspect_err(|_| {
            for (written, _) in files.iter().take(at) {
                let _ = std::fs::remove_file(dir.join(written));
            }
        })?;
    }
    Ok(())
}

/// Writes a file whole, in the place of what was there.
pub fn replace(path: &Path, text: &str, mode: u32, owner: Option<Owner>) -> Done {
    let temporary = write_temporary(path, text, mode, owner)?;
    std::fs::rename(&temporary, path).map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        unwritable(path, &e)
    })?;
    sync_directory(path)
}

fn write_temporary(path: &Path, text: &str, mode: u32, owner: Option<Owner>) -> Done<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::Input(format!("{} is no file name", path.display())))?
        .to_string_lossy()
        .into_owned();
    let id = Id::random().map_err(crate::failure::no_randomness)?;
    let temporary = path.with_file_name(format!(".{name}.{id}"));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(SECRET)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        // The umask may have taken bits away; and first the owner, so that the wider mode is never another's.
        if let Some(owner) = owner {
            fchown(&file, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()
    })();
    written.map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        unwritable(path, &e)
    })?;
    Ok(temporary)
}

fn sync_directory(path: &Path) -> Done {
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|d| d.sync_all())
        .map_err(|e| unwritable(path, &e))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run this as root, or as the owner of that directory",
        io::ErrorKind::NotFound => "; its directory does not exist",
        _ => "",
    };
    Failure::Input(format!("{} cannot be written: {error}{hint}", path.display()))
}

/// Makes sure that a directory is there; one that was there keeps its mode and owner.
pub fn directory(path: &Path, mode: u32, owner: Option<Owner>) -> Done {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .and_then(|()| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
            let opened = File::open(path)?;
            match owner {
                Some(owner) => fchown(&opened, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())),
                None => Ok(()),
            }
        });
    made.map_err(|e| unwritable(path, &e))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_several_files_all_are_written_or_none_and_what_was_there_stays() {
        let dir = std::env::temp_dir().join(format!("assent-files-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let files = [("one", text("1")), ("two", text("2")), ("three", text("3"))];
        let names = || {
            let entries = std::fs::read_dir(&dir).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        std::fs::write(dir.join("three"), "older").unwrap();
        let failure = create_all(&dir, &files, SECRET).unwrap_err();
        assert!(failure.to_string().contains("three exists already"), "{failure}");
        assert_eq!(names(), ["three"]);
        assert_eq!(std::fs::read_to_string(dir.join("three")).unwrap(), "older");
        std::fs::remove_file(dir.join("three")).unwrap();
        create_all(&dir, &files, SECRET).unwrap();
        assert_eq!(names(), ["one", "three", "two"]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
