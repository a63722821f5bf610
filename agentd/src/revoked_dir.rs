//! `/etc/assent/revoked.d`: what the admin revokes by hand, without any gateway. One id a line (a device's, a host's or a
//! certificate's serial), `#` begins a comment. Read anew each time: it is small, and must count at once.

use assent_proto::Id;
use assent_proto::cert::Device;
use assent_proto::text::visible;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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

/// Reads every file of the directory; one that is not there revokes nothing. Does I/O.
pub fn read(dir: &Path) -> Result<Revoked, RevokedError> {
    let mut revoked = Revoked::default();
    let failed = |path: &Path, source| RevokedError::File {
        path: path.to_owned(),
        source,
    };
    match std::fs::metadata(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(revoked),
        Err(e) => return Err(failed(dir, e)),
        Ok(meta) => owned_well(dir, &meta)?,
    }
    for entry in std::fs::read_dir(dir).map_err(|e| failed(dir, e))? {
        let path = entry.map_err(|e| failed(dir, e))?.path();
        // What editors and package managers leave behind.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name.ends_with('~') || name.contains(".dpkg-") {
            continue;
        }
        let mut file = std::fs::File::open(&path).map_err(|e| failed(&path, e))?;
        owned_well(&path, &file.metadata().map_err(|e| failed(&path, e))?)?;
        let mut text = String::new();
        file.by_ref()
            .take(MOST + 1)
            .read_to_string(&mut text)
            .map_err(|e| failed(&path, e))?;
        if text.len() as u64 > MOST {
            return Err(RevokedError::Long(path));
        }
        take_lines(&path, &text, &mut revoked)?;
    }
    Ok(revoked)
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
fn owned_well(path: &Path, meta: &std::fs::Metadata) -> Result<(), RevokedError> {
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
}
