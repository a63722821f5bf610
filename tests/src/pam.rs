//! PAM stacks of the world: files in its `/etc/pam.d`.

use crate::scratch;

/// Passwords of `/etc/shadow`, nothing else: what a test compares Assent's stacks with.
pub const UNIX: &str = "\
auth     required pam_unix.so
account  required pam_unix.so
session  required pam_permit.so
";

/// Writes the stack of a service, `sshd` or `sudo` for instance.
pub fn stack(service: &str, text: &str) {
    scratch::write(format!("/etc/pam.d/{service}"), text);
}
