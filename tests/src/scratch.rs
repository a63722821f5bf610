//! Where the rigs keep their files: directories under `/run/rigs`, in memory, gone with the world.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(1);

/// A new, empty directory whose name begins with `name`.
pub fn directory(name: &str) -> PathBuf {
    let path = unused(name);
    fs::create_dir_all(&path).unwrap_or_else(|cause| panic!("cannot make {}: {cause}", path.display()));
    path
}

/// A path that no rig uses yet, in a directory that exists.
pub fn unused(name: &str) -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(format!("/run/rigs/{name}-{number}"))
}

/// Writes a file that the rigs need, or says which could not be written.
pub fn write(path: impl Into<PathBuf>, text: &str) {
    let path = path.into();
    fs::write(&path, text).unwrap_or_else(|cause| panic!("cannot write {}: {cause}", path.display()));
}
