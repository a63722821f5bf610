//! What the process denies itself at its start: no core dumps, nobody reads its memory (R44).

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// Applies it. What fails is logged, since the process is no less right without it.
pub fn apply() {
    if let Err(e) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        eprintln!("core dumps could not be switched off: {e}");
    }
    if let Err(e) = prctl::set_dumpable(false) {
        eprintln!("the process could not be made undumpable: {e}");
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
}
