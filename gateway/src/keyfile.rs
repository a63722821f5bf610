//! Key files: read only if nobody but the gateway's own user and root can change them, nor read the secret ones (R56).

use anyhow::{Context as _, bail};
use assent_proto::keys::{KeyPair, SigningKey};
use nix::unistd::geteuid;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Most bytes of a key file.
const MOST: u64 = 64 * 1024;

/// The text of a file that holds a secret.
pub fn read_secret(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    read(
        file,
        0o077,
        "others could read or change it; chmod 600 it and consider its key stolen",
    )
}

/// The text of a systemd credential. It may be readable for its group: that is how systemd hands it out.
pub fn read_credential(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    read(
        file,
        0o027,
        "others could read or change it; see LoadCredential= in systemd.exec(5)",
    )
}

/// A key pair of the gateway's own; at the first start, it is made.
pub fn own_keys(state_dir: &Path, name: &str) -> anyhow::Result<KeyPair> {
    let file = state_dir.join(name);
    if !file.try_exists().unwrap_or(true) {
        let keys = KeyPair::generate().context("the system's random generator failed")?;
        let text: Zeroizing<String> = keys.to_file().context("the new key cannot be written down")?;
        write_secret(state_dir, name, &text)?;
        return Ok(keys);
    }
    KeyPair::from_file(&read_secret(&file)?).with_context(|| file.display().to_string())
}

/// A signing key of the gateway's own (PKCS#8 PEM); at the first start, it is made.
pub fn own_signing_key(state_dir: &Path, name: &str) -> anyhow::Result<SigningKey> {
    let file = state_dir.join(name);
    if !file.try_exists().unwrap_or(true) {
        let key = SigningKey::generate().context("the system's random generator failed")?;
        let text = key.to_pem().context("the new key cannot be written down")?;
        write_secret(state_dir, name, &text)?;
        return Ok(key);
    }
    SigningKey::from_pem(&read_secret(&file)?).with_context(|| file.display().to_string())
}

/// Whole or not at all: written beside, then renamed.
fn write_secret(state_dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let (file, beside) = (state_dir.join(name), state_dir.join(format!("{name}.new")));
    let written = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()))
        .and_then(|()| std::fs::rename(&beside, &file));
    written.with_context(|| format!("{} cannot be written", file.display()))
}

/// The text of a file that everyone may read and nobody else may change.
pub fn read_public(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    read(
        file,
        0o022,
        "others could change it; chmod 644 it and compare its fingerprint",
    )
}

fn read(file: &Path, forbidden: u32, why: &str) -> anyhow::Result<Zeroizing<String>> {
    // Looks at the very file that is read: opened first, then asked.
    let mut open = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(file)
        .with_context(|| format!("{} cannot be opened", file.display()))?;
    let meta = open
        .metadata()
        .with_context(|| format!("{} cannot be looked at", file.display()))?;
    if !meta.is_file() {
        bail!("{} is no regular file", file.display());
    }
    if meta.uid() != 0 && meta.uid() != geteuid().as_raw() {
        bail!(
            "{} belongs to uid {}; chown it to the gateway's user or to root",
            file.display(),
            meta.uid()
        );
    }
    if meta.mode() & forbidden != 0 {
        bail!("{} has mode {:03o}: {why}", file.display(), meta.mode() & 0o777);
    }
    if meta.len() > MOST {
        bail!("{} is too long for a key file", file.display());
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    open.read_to_string(&mut text)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn r56_a_key_that_others_can_read_or_change_is_refused() {
        let dir = std::env::temp_dir().join(format!("assent-keyfile-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("key");
        std::fs::write(&file, "secret").unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
            (0o602, false),
        ] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_secret(&file).is_ok(), good, "{mode:o}");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let link = dir.join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read_secret(&link).is_err(), "a symbolic link");
        assert!(read_secret(&dir).is_err(), "a directory");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
