//! What google-authenticator's PAM module keeps of a user, in `~/.google_authenticator`: the secret on the first line, then options.

use crate::failure::{Done, Failure};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Most bytes of such a file.
const MAX_FILE: u64 = 64 * 1024;

/// The secret in a user's file, in base32.
pub fn secret_in(file: &Path) -> Done<Zeroizing<String>> {
    let text = read(file)?;
    match secret_of(&text) {
        Ok(secret) => Ok(Zeroizing::new(secret.to_owned())),
        Err(why) => Err(Failure::Input(format!("{}: {why}", file.display()))),
    }
}

/// Root reads what a user may have put there: no link is followed, and nothing waits for a pipe.
fn read(file: &Path) -> Done<Zeroizing<String>> {
    let shown = file.display();
    let unreadable = |e: std::io::Error| match e.raw_os_error() {
        Some(nix::libc::ELOOP) => Failure::Input(format!("{shown} is a symbolic link; name the file itself")),
        _ => Failure::Input(format!("{shown} cannot be read: {e}")),
    };
    let opened = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(file)
        .map_err(unreadable)?;
    let meta = opened.metadata().map_err(unreadable)?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(Failure::Input(format!("{shown} is no file of google-authenticator")));
    }
    let mut text = Zeroizing::new(String::new());
    opened.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// The secret on the first line, if the app makes codes by the clock in steps of 30 seconds.
fn secret_of(text: &str) -> Result<&str, &'static str> {
    let mut lines = text.lines();
    let secret = lines.next().unwrap_or_default().trim();
    let base32 = |c: char| c.is_ascii_uppercase() || matches!(c, '2'..='7');
    if secret.len() < 16 || !secret.chars().all(base32) {
        return Err("its first line is no secret in base32");
    }
    let options: Vec<&str> = lines.filter_map(|line| line.strip_prefix("\" ")).collect();
    if options.iter().any(|option| option.starts_with("HOTP_COUNTER")) {
        return Err("its codes are made by a counter, not by the clock; set up a new app");
    }
    let step = options.iter().find_map(|option| option.strip_prefix("STEP_SIZE "));
    match step.map_or("30", str::trim) {
        "30" => Ok(secret),
        _ => Err("its codes do not change every 30 seconds; set up a new app"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_link_is_followed_and_no_pipe_waited_for() {
        let dir = std::env::temp_dir().join(format!("assentctl-google-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (file, link, pipe) = (dir.join("file"), dir.join("link"), dir.join("pipe"));
        std::fs::write(&file, "GEZDGNBVGY3TQOJQ\n\" TOTP_AUTH\n").unwrap();
        assert_eq!(secret_in(&file).unwrap().as_str(), "GEZDGNBVGY3TQOJQ");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(secret_in(&link).unwrap_err().to_string().contains("symbolic link"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(secret_in(&pipe).unwrap_err().to_string().contains("no file"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_secret_is_taken_out_of_a_file_by_the_clock_in_common_steps_alone() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY";
        let file = |options: &str| format!("{secret}\n{options}12345678\n87654321\n");
        for options in [
            "\" TOTP_AUTH\n",
            "\" RATE_LIMIT 3 30\n\" TOTP_AUTH\n",
            "\" STEP_SIZE 30\n\" TOTP_AUTH\n",
        ] {
            assert_eq!(secret_of(&file(options)), Ok(secret), "{options}");
        }
        for options in ["\" HOTP_COUNTER 1\n", "\" STEP_SIZE 60\n\" TOTP_AUTH\n"] {
            assert!(secret_of(&file(options)).is_err(), "{options}");
        }
        for bad in ["", "short\n", "gezdgnbvgy3tqojq\n", "GEZDGNBVGY3TQOJ1\n"] {
            assert!(secret_of(bad).is_err(), "{bad}");
        }
    }
}
