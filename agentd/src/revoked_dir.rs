//! `/etc/assent/revoked.d`: what the admin revokes by hand, without any gateway. One id a line (a device's, a host's or a
//! certificate's serial), `#` begins a comment. It must count at once, so it is looked at each time, by a thread that waits for
//! its disk; it is read anew when anything in it has changed.

use crate::disk::Disk;
use assent_proto::Id;
use assent_proto::cert::Device;
use assent_proto::text::visible;
use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Most bytes of one file: some ten thousand lines.
const MOST: u64 = 512 * 1024;

/// Why it is not known what is revoked: then nothing may be asked.
#[derive(Debug, thiserror::Error)]
pub enum RevokedError {
    /// Not readable.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A link, a pipe, a directory: reading it might never end, or read something else than root put there.
    #[error("{} is no regular file; put the file itself there, and nothing else", .0.display())]
    NoFile(PathBuf),
    /// Others may change it.
    #[error("{0} has owner {1} and mode {2:o}: chown root {0} && chmod go-w {0}", path.display(), owner, mode)]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// Too long.
    #[error("{} is longer than {MOST} bytes; split it", .0.display())]
    Long(PathBuf),
    /// A line that is none.
    #[error("{}, line {line}: {text:?} is no id; write one id of 22 characters a line, as `assentctl device revoke` prints it", path.display())]
    Line {
        /// Which.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

/// What is revoked by hand.
#[derive(Debug, Default)]
pub struct Revoked(BTreeSet<Id>);

impl Revoked {
    /// Whether a device or this certificate of it is named.
    pub fn device(&self, device: &Device) -> bool {
        let claims = device.claims();
        self.names(claims.device_id) || self.names(claims.serial)
    }

    /// Whether an id is named.
    pub fn names(&self, id: Id) -> bool {
        self.0.contains(&id)
    }
}

/// The directory, as it is looked at again and again.
pub struct ByHand {
    dir: PathBuf,
    disk: Arc<Disk>,
    /// That thread alone locks it.
    read: Arc<Mutex<Option<Read>>>,
}

impl ByHand {
    /// `disk` has nothing else to wait for.
    pub fn new(dir: PathBuf, disk: Arc<Disk>) -> Self {
        Self {
            dir,
            disk,
            read: Arc::default(),
        }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is revoked now; the error is for people.
    pub async fn now(&self) -> Result<Arc<Revoked>, String> {
        let (dir, read) = (self.dir.clone(), Arc::clone(&self.read));
        let looked = self.disk.run(move || {
            // Replaced whole.
            let mut kept = read.lock().unwrap_or_else(PoisonError::into_inner);
            look(&dir, &mut kept)
        });
        match looked.wait().await {
            Ok(revoked) => revoked.map_err(|e| e.to_string()),
            Err(e) => Err(format!("{} cannot be read: {e}", self.dir.display())),
        }
    }
}

/// What was read, and of what.
struct Read {
    of: Vec<Print>,
    revoked: Arc<Revoked>,
}

/// Changes with a file.
#[derive(PartialEq, Eq)]
struct Print {
    path: PathBuf,
    numbers: [u64; 4],
    times: [i64; 4],
}

impl Print {
    fn of(path: &Path) -> Result<Self, RevokedError> {
        let meta = std::fs::symlink_metadata(path).map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            numbers: [meta.dev(), meta.ino(), meta.size(), meta.mode().into()],
            times: [meta.ctime(), meta.ctime_nsec(), meta.mtime(), meta.mtime_nsec()],
        })
    }

    /// Whether the file can change once more without another time in its inode: clocks of file systems tick slowly.
    fn is_young(&self, now: i64) -> bool {
        self.times[0] >= now - 2
    }
}

/// What is revoked; read only if something changed since `kept` was. Does I/O.
fn look(dir: &Path, kept: &mut Option<Read>) -> Result<Arc<Revoked>, RevokedError> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let Some(paths) = entries(dir)? else {
        *kept = None;
        return Ok(Arc::default());
    };
    let of = std::iter::once(dir)
        .chain(paths.iter().map(PathBuf::as_path))
        .map(Print::of)
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(kept) = kept.as_ref().filter(|kept| kept.of == of) {
        return Ok(Arc::clone(&kept.revoked));
    }
    *kept = None;
    let revoked = Arc::new(read(&paths)?);
    if !of.iter().any(|print| print.is_young(now)) {
        *kept = Some(Read {
            of,
            revoked: Arc::clone(&revoked),
        });
    }
    Ok(revoked)
}

fn failed(path: &Path, source: std::io::Error) -> RevokedError {
    RevokedError::File {
        path: path.to_owned(),
        source,
    }
}

/// Every file of the directory; `None`: it is not there, and revokes nothing. Does I/O.
fn entries(dir: &Path) -> Result<Option<Vec<PathBuf>>, RevokedError> {
    match std::fs::metadata(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(dir, e)),
        Ok(meta) => owned_well(dir, &meta)?,
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let path = entry.map_err(|e| failed(dir, e))?.path();
        // What editors and package managers leave behind.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with('.') || name.ends_with('~') || name.contains(".dpkg-")) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(Some(paths))
}

/// Reads them. Does I/O.
fn read(paths: &[PathBuf]) -> Result<Revoked, RevokedError> {
    let mut revoked = Revoked::default();
    for path in paths {
        let (mut file, meta) = open(path)?;
        owned_well(path, &meta)?;
        let mut text = String::new();
        file.by_ref()
            .take(MOST + 1)
            .read_to_string(&mut text)
            .map_err(|e| failed(path, e))?;
        if text.len() as u64 > MOST {
            return Err(RevokedError::Long(path.clone()));
        }
        take_lines(path, &text, &mut revoked)?;
    }
    Ok(revoked)
}

/// A regular file, whatever else may stand there: opening a pipe would wait for its other end.
fn open(path: &Path) -> Result<(File, Metadata), RevokedError> {
    use nix::libc;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        // A link; a socket.
        Err(e) if matches!(e.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => {
            return Err(RevokedError::NoFile(path.to_owned()));
        }
        Err(e) => return Err(failed(path, e)),
    };
    let meta = file.metadata().map_err(|e| failed(path, e))?;
    if !meta.is_file() {
        return Err(RevokedError::NoFile(path.to_owned()));
    }
    Ok((file, meta))
}

fn take_lines(path: &Path, text: &str, revoked: &mut Revoked) -> Result<(), RevokedError> {
    for (at, line) in text.lines().enumerate() {
        let word = line.split('#').next().unwrap_or_default().trim();
        if word.is_empty() {
            continue;
        }
        let id = Id::decode(word).ok_or_else(|| RevokedError::Line {
            path: path.to_owned(),
            line: at + 1,
            text: visible(word).chars().take(80).collect(),
        })?;
        revoked.0.insert(id);
    }
    Ok(())
}

/// Root's or the agent's own, and nobody else may change it.
fn owned_well(path: &Path, meta: &Metadata) -> Result<(), RevokedError> {
    let own = nix::unistd::geteuid().as_raw();
    if meta.mode() & 0o022 != 0 || (meta.uid() != 0 && meta.uid() != own) {
        return Err(RevokedError::Mode {
            path: path.to_owned(),
            owner: meta.uid(),
            mode: meta.mode() & 0o7777,
        });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn read(dir: &Path) -> Result<Arc<Revoked>, RevokedError> {
        look(dir, &mut None)
    }

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn directory(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("revoke-revoked-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    #[test]
    fn r24_ids_are_read_with_comments_and_nothing_else_is_passed_over() {
        let dir = directory("lines");
        let file = dir.join("lost");
        let read_with = |text: &str| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            read(&dir)
        };
        let id = Id::decode(ONE).unwrap();
        assert!(
            read_with(&format!("# lost phones\n\n  {ONE}  # alice\n"))
                .unwrap()
                .names(id)
        );
        assert!(!read_with(&format!("# {ONE}\n")).unwrap().names(id));
        for bad in [
            format!("{ONE}A"),
            "alice".into(),
            format!("{ONE} {ONE}"),
            format!("{ONE}=="),
        ] {
            let refused = read_with(&format!("\n{bad}\n")).unwrap_err();
            assert!(
                matches!(refused, RevokedError::Line { line: 2, .. }),
                "{bad}: {refused}"
            );
        }
        assert!(matches!(read_with(&"#".repeat(600 * 1024)), Err(RevokedError::Long(_))));
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(read(&dir).unwrap().0.is_empty(), "no directory revokes nothing");
    }

    #[test]
    fn r24_what_others_may_change_is_refused() {
        let dir = directory("mode");
        let file = dir.join("lost");
        std::fs::write(&file, ONE).unwrap();
        for mode in [0o664, 0o646] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&dir), Err(RevokedError::Mode { .. })), "{mode:o}");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&dir).is_ok());
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o775)).unwrap();
        assert!(matches!(read(&dir), Err(RevokedError::Mode { .. })));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// Whoever opens a pipe to read waits until somebody writes: every login would.
    #[tokio::test]
    async fn r24_what_is_no_regular_file_is_refused_at_once_and_never_waited_for() {
        let dir = directory("pipe");
        let place = dir.join("lost");
        let elsewhere = directory("pipe-elsewhere").join("ids");
        std::fs::write(&elsewhere, ONE).unwrap();
        let by_hand = ByHand::new(dir.clone(), Disk::start("test").unwrap());
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        let plants: [&dyn Fn(); 4] = [
            &|| nix::unistd::mkfifo(&place, mode).unwrap(),
            &|| std::os::unix::fs::symlink(&elsewhere, &place).unwrap(),
            &|| drop(std::os::unix::net::UnixListener::bind(&place).unwrap()),
            &|| std::fs::create_dir(&place).unwrap(),
        ];
        for plant in plants {
            plant();
            let refused = by_hand.now().await.unwrap_err();
            assert!(refused.contains("lost is no regular file"), "{refused}");
            std::fs::remove_file(&place)
                .or_else(|_| std::fs::remove_dir(&place))
                .unwrap();
        }
        assert!(by_hand.now().await.unwrap().0.is_empty());
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::remove_dir_all(elsewhere.parent().unwrap()).unwrap();
    }

    #[test]
    fn r24_it_is_read_anew_when_anything_changed_and_only_then() {
        let dir = directory("cache");
        let (file, id) = (dir.join("lost"), Id::decode(ONE).unwrap());
        let put = |text: &str, age: u64| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            let then = SystemTime::now() - std::time::Duration::from_secs(age);
            File::options()
                .write(true)
                .open(&file)
                .unwrap()
                .set_modified(then)
                .unwrap();
        };
        let other = "#".repeat(ONE.len());
        let mut kept = None;
        put(ONE, 0);
        assert!(look(&dir, &mut kept).unwrap().names(id));
        assert!(kept.is_none(), "it may change once more within this tick");
        // Of the same length and time: the inode has changed all the same.
        for (text, named) in [(other.as_str(), false), (ONE, true), (&other, false)] {
            put(text, 1000);
            assert_eq!(look(&dir, &mut kept).unwrap().names(id), named);
        }
        std::thread::sleep(std::time::Duration::from_millis(3100));
        let first = look(&dir, &mut kept).unwrap();
        assert!(kept.is_some());
        assert!(Arc::ptr_eq(&first, &look(&dir, &mut kept).unwrap()), "nothing changed");
        put(ONE, 1000);
        assert!(look(&dir, &mut kept).unwrap().names(id));
        std::fs::write(dir.join("more"), "rubbish").unwrap();
        assert!(look(&dir, &mut kept).is_err(), "one more file");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(look(&dir, &mut kept).unwrap().0.is_empty());
    }
}
