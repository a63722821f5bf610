//! The file `users.toml` on disk: read with its owner and mode checked, changed by one editor at a time, replaced whole
//! or not at all. Used by the subcommands of `user`; never prints.
//!
//! Editors queue at a lock file beside it, which only root can open: whoever else could hold the lock could keep root
//! from blocking a user. The new file is written beside the old one under a fixed name, so that an editor that was
//! killed leaves at most that, and the next one takes it away.

use super::edit::{EditError, Editor};
use crate::failure::{Done, Failure};
use assent_engine::directory::local::{Flaws, MAX_FILE, Users};
use assent_engine::directory::secret_file::{self, Stamp};
use assent_proto::text::visible;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Group;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The group of the agent's user, which reads the file.
const AGENT_GROUP: &str = "assent";
/// How long an editor waits for another.
const WAIT: Duration = Duration::from_secs(30);

/// Where the users are.
pub struct Store {
    path: PathBuf,
    directory: PathBuf,
    /// How long to wait for another editor.
    wait: Duration,
}

/// Who the file belongs to and may read it.
struct Ownership {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Store {
    /// The file at this path.
    pub fn at(path: &Path) -> Self {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self {
            path: path.to_owned(),
            directory: directory.unwrap_or(Path::new(".")).to_owned(),
            wait: WAIT,
        }
    }

    /// The file's name for people.
    pub fn shown(&self) -> String {
        visible(&self.path.to_string_lossy())
    }

    /// The users, who may be nobody: there need be no file.
    pub fn users(&self) -> Done<Users> {
        let (text, _) = self.text()?;
        Users::parse(text.as_bytes()).map_err(|flaws| self.bad(&flaws))
    }

    /// Changes the file, alone. `work` gets the text as it is under the lock.
    pub fn edit<T>(&self, work: impl FnOnce(&mut Editor) -> Result<T, EditError>) -> Done<T> {
        self.check_directory()?;
        let _lock = self.lock()?;
        let ownership = self.ownership()?;
        let (text, stamp) = self.text()?;
        let mut editor = Editor::open(&text).map_err(|e| self.failure(e))?;
        let done = work(&mut editor).map_err(|e| self.failure(e))?;
        let new = editor.finish().map_err(|e| self.failure(e))?;
        if new.len() as u64 > MAX_FILE {
            return Err(Failure::Refused(format!(
                "{} would have {} bytes, more than {MAX_FILE}; nothing was changed",
                self.shown(),
                new.len()
            )));
        }
        // An editor that does not know the lock has been here.
        if Stamp::now(&self.path) != stamp {
            return Err(Failure::Refused(format!(
                "{} has changed meanwhile; this change was not made, try again",
                self.shown()
            )));
        }
        if new != text {
            self.replace(&new, &ownership).map_err(|e| self.unwritable(&e))?;
        }
        Ok(done)
    }

    /// An edit's error in words.
    pub fn failure(&self, error: EditError) -> Failure {
        let file = self.shown();
        match error {
            EditError::Bad(flaws) => self.bad(&flaws),
            EditError::Exists => Failure::Refused(format!(
                "there is such a user in {file} already; `assentctl user set` changes it"
            )),
            EditError::Missing(near) => {
                let near = near.map_or_else(
                    || "`assentctl user list` shows who there is".to_owned(),
                    |near| format!("did you mean {}?", visible(&near)),
                );
                Failure::Refused(format!("there is no such user in {file}; {near}"))
            }
            EditError::Inline => Failure::Input(format!(
                "{file}: the users stand in a list `user = [ … ]`; write each as a table that begins with [[user]]"
            )),
            EditError::Result(flaws) => {
                let all: Vec<String> = flaws
                    .0
                    .into_iter()
                    .map(|flaw| match flaw.mend.as_str() {
                        "" => flaw.what,
                        mend => format!("{} ({mend})", flaw.what),
                    })
                    .collect();
                Failure::Input(format!("nothing was changed: {}", all.join("; ")))
            }
            EditError::Altered => Failure::Refused(format!(
                "{file}: this change cannot be made without changing other users; nothing was changed, edit the file by hand"
            )),
        }
    }

    fn bad(&self, flaws: &Flaws) -> Failure {
        let lines: Vec<String> = flaws.0.iter().map(ToString::to_string).collect();
        Failure::Input(format!(
            "{} is bad, and until it is mended nobody can log in by it. Nothing was changed:\n{}",
            self.shown(),
            lines.join("\n")
        ))
    }

    /// What the file says, and its state then; nothing where there is none.
    fn text(&self) -> Done<(String, Option<Stamp>)> {
        match secret_file::read(&self.path, MAX_FILE) {
            Ok((content, stamp)) => match String::from_utf8(content.to_vec()) {
                Ok(text) => Ok((text, Some(stamp))),
                // Says which line.
                Err(e) => Err(Users::parse(e.as_bytes()).map_or_else(
                    |flaws| self.bad(&flaws),
                    |_| Failure::Input(format!("{} is not UTF-8", self.shown())),
                )),
            },
            Err(problem) if problem.is_absent() => Ok((String::new(), None)),
            Err(problem) => Err(Failure::Input(format!("{problem}{}", as_root()))),
        }
    }

    /// Who else could write in the directory could put a file of theirs in ours' place.
    fn check_directory(&self) -> Done {
        let shown = visible(&self.directory.to_string_lossy());
        let meta = std::fs::metadata(&self.directory).map_err(|e| Failure::Input(format!("{shown}: {e}")))?;
        let me = nix::unistd::geteuid();
        if !me.is_root() && meta.uid() != me.as_raw() {
            return Err(Failure::Refused(format!(
                "{shown} belongs to another user (uid {}): only root edits the users there; run this as root",
                meta.uid()
            )));
        }
        if meta.uid() != 0 && meta.uid() != me.as_raw() {
            return Err(Failure::Refused(format!(
                "{shown} belongs to uid {}, who could replace the file: chown it to root",
                meta.uid()
            )));
        }
        if meta.mode() & 0o022 != 0 {
            return Err(Failure::Refused(format!(
                "{shown} has mode {:04o}, so others could replace the file: chmod go-w it",
                meta.mode() & 0o7777
            )));
        }
        Ok(())
    }

    fn lock(&self) -> Done<Flock<File>> {
        let path = self.beside("lock");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
            .open(&path)
            .map_err(|e| self.unwritable(&e))?;
        let end = Instant::now() + self.wait;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((file, Errno::EAGAIN | Errno::EINTR)) if Instant::now() < end => file,
                Err((_, e)) => {
                    return Err(Failure::Unreachable(format!(
                        "{}: another editor holds its lock ({e}); nothing was changed, try again",
                        self.shown()
                    )));
                }
            };
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a new file must be like: as the old one, or as the agent needs it.
    fn ownership(&self) -> Done<Ownership> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(meta) => self.ownership_of(&meta),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let group = Group::from_name(AGENT_GROUP).ok().flatten();
                let (uid, me) = (nix::unistd::geteuid(), nix::unistd::getegid());
                let (gid, mode) = match group {
                    Some(group) if uid.is_root() => (group.gid, 0o640),
                    _ => (me, 0o600),
                };
                Ok(Ownership {
                    uid: uid.as_raw(),
                    gid: gid.as_raw(),
                    mode,
                })
            }
            Err(e) => Err(self.unwritable(&e)),
        }
    }

    fn ownership_of(&self, meta: &Metadata) -> Done<Ownership> {
        if meta.is_symlink() {
            return Err(Failure::Refused(format!(
                "{} is a symbolic link, which an edit would replace; name the file that it leads to with --file",
                self.shown()
            )));
        }
        Ok(Ownership {
            uid: meta.uid(),
            gid: meta.gid(),
            mode: meta.mode() & 0o7777,
        })
    }

    fn replace(&self, text: &str, like: &Ownership) -> io::Result<()> {
        let new = self.beside("new");
        match std::fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let written = write(&new, text, like).and_then(|()| std::fs::rename(&new, &self.path));
        if let Err(e) = written {
            // The old file stands as it was.
            let _ = std::fs::remove_file(&new);
            return Err(e);
        }
        File::open(&self.directory)?.sync_all()
    }

    fn beside(&self, what: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.directory.join(format!(".{name}.{what}"))
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => as_root(),
            io::ErrorKind::StorageFull => "; the file is as it was: make room and try again",
            _ => "",
        };
        Failure::Input(format!("{} cannot be written: {error}{hint}", self.shown()))
    }
}

fn as_root() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        ""
    } else {
        "; run this as root"
    }
}

fn write(path: &Path, text: &str, like: &Ownership) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_CLOEXEC)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    // First the owner, so that the wider mode is never another's.
    fchown(&file, Some(like.uid), Some(like.gid))?;
    file.set_permissions(Permissions::from_mode(like.mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::edit::Change;
    use std::os::unix::fs::DirBuilderExt as _;

    const ID: &str = "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb";

    /// A file with alice in it, in a directory of its own.
    fn store(name: &str) -> (Store, PathBuf) {
        let directory = std::env::temp_dir().join(format!("assent-store-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let path = directory.join("users.toml");
        let store = Store::at(&path);
        store.edit(|editor| editor.add("alice", ID, vec![])).unwrap();
        (store, path)
    }

    #[test]
    fn row_18_what_another_program_wrote_meanwhile_is_not_overwritten() {
        let (store, path) = store("meanwhile");
        let by_hand = std::fs::read_to_string(&path).unwrap() + "# by hand\n";
        let edited = store.edit(|editor| {
            std::fs::write(&path, &by_hand).unwrap();
            editor.change("alice", vec![Change::Set("blocked", true.into())])
        });
        let Err(Failure::Refused(why)) = edited else {
            panic!("not refused");
        };
        assert!(why.contains("has changed meanwhile"), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), by_hand);
        // A file that is made meanwhile counts as well.
        std::fs::remove_file(&path).unwrap();
        let edited = store.edit(|editor| {
            std::fs::write(&path, &by_hand).unwrap();
            editor.add("bob", ID, vec![])
        });
        assert!(matches!(edited, Err(Failure::Refused(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), by_hand);
        std::fs::remove_dir_all(store.directory).unwrap();
    }

    #[test]
    fn row_18_an_editor_waits_for_another_and_gives_up_in_the_end() {
        let (mut store, path) = store("waits");
        let before = std::fs::read_to_string(&path).unwrap();
        store.wait = Duration::from_millis(30);
        let held = store.lock().unwrap();
        let edited = store.edit(|editor| editor.remove("alice"));
        let Err(Failure::Unreachable(why)) = edited else {
            panic!("not refused");
        };
        assert!(why.contains("another editor holds its lock"), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        drop(held);
        store.edit(|editor| editor.remove("alice")).unwrap();
        std::fs::remove_dir_all(store.directory).unwrap();
    }
}
