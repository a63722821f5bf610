//! Directory servers that take long to set up are set up once a machine, under the build's own directory; a test then
//! has a copy to itself in well under a second.

use crate::rig::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether this machine can have the server `what`, which Debian's `packages` bring as `program`. Without root it
/// cannot: its ports are below 1024, or its files belong to somebody else.
pub fn can_have(what: &str, program: &str, packages: &str) -> bool {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: {what} needs root");
        return false;
    }
    assert!(
        Path::new(program).exists(),
        "this test needs {what}: apt-get install --no-install-recommends {packages}"
    );
    true
}

/// A template of this name and version, made by `make` in the given directory if there is none yet.
pub fn template(name: &str, version: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("directories");
    std::fs::create_dir_all(&root).unwrap();
    let lock = std::fs::File::create(root.join(format!("{name}.lock"))).unwrap();
    let _lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let dir = root.join(name);
    let made = root.join(format!("{name}.made"));
    // Certificates of the rigs live three days.
    let young = std::fs::metadata(&made).is_ok_and(|made| {
        let age = made.modified().unwrap().elapsed().unwrap_or_default();
        age.as_secs() < 86_400
    });
    if !young || std::fs::read_to_string(&made).is_ok_and(|text| text != version) {
        let _ = std::fs::remove_file(&made);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        make(&dir);
        std::fs::write(&made, version).unwrap();
    }
    dir
}

/// Copies a template's content, holes and all.
pub fn copy(template: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(template.join(".")).arg(to));
}
