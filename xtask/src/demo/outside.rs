//! A directory of the machine that the private world writes into: opened before the world begins, since the world's own
//! /home, /root and /tmp are copies that vanish with it.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The open directory.
pub struct Outside {
    directory: File,
    shown: PathBuf,
}

impl Outside {
    /// Makes it, empty of what an earlier run left.
    pub fn fresh(path: &Path) -> Result<Self> {
        if path.exists() {
            fs::remove_dir_all(path).with_context(|| format!("{} cannot be emptied", path.display()))?;
        }
        fs::create_dir_all(path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self {
            directory: File::open(path).with_context(|| path.display().to_string())?,
            shown: path.to_owned(),
        })
    }

    /// What the machine calls it.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Copies a file of the world into it.
    pub fn keep(&self, file: &Path) -> Result<()> {
        let name = file.file_name().context("a file without a name")?;
        let here = PathBuf::from(format!("/proc/self/fd/{}", self.directory.as_raw_fd())).join(name);
        fs::copy(file, &here).with_context(|| format!("{} cannot be kept", file.display()))?;
        Ok(())
    }

    /// Copies every file of a directory of the world into it.
    pub fn keep_all(&self, directory: &Path) -> Result<()> {
        for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
            self.keep(&entry?.path())?;
        }
        Ok(())
    }
}
