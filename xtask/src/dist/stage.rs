//! Lays a package's files out in a directory, as they will lie on the system: the same tree for the same input.

use super::layout::{From, Package, Places, is_compressed};
use super::{Shop, fresh};
use crate::run;
use anyhow::{Context, Result};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A package laid out.
pub struct Staged {
    /// The directory that stands for `/`.
    pub root: PathBuf,
    /// Files in it, as the system will name them, sorted.
    pub files: Vec<String>,
    /// Those that admins change.
    pub configuration: Vec<String>,
    /// Programs and libraries.
    pub binaries: Vec<String>,
}

/// Lays it out at `root`.
pub fn lay_out(shop: &Shop, package: &Package, places: &Places, root: &Path) -> Result<Staged> {
    fresh(root)?;
    let mut staged = Staged {
        root: root.to_owned(),
        files: Vec::new(),
        configuration: Vec::new(),
        binaries: Vec::new(),
    };
    for item in package.items {
        for source in sources(shop, item.from)? {
            let name = source.file_name().context("a file without a name")?.to_string_lossy();
            let to = places.resolve(item.to, &name);
            let bytes = std::fs::read(&source).with_context(|| format!("{} cannot be read", source.display()))?;
            staged.put(&to, &bytes, if item.program { 0o755 } else { 0o644 })?;
            if item.configuration {
                staged.configuration.push(to.clone());
            }
            if matches!(item.from, From::Built(_)) {
                // The compiler's name and version, which nobody needs at run time.
                let strip = ["--strip-unneeded", "--remove-section=.comment"];
                run::output(
                    "strip",
                    strip.iter().copied().chain([&*staged.path(&to).to_string_lossy()]),
                )?;
                staged.binaries.push(to);
            }
        }
    }
    Ok(staged)
}

fn sources(shop: &Shop, from: From) -> Result<Vec<PathBuf>> {
    Ok(match from {
        From::Built(name) => vec![shop.built.join(name)],
        From::Tree(path) => vec![run::root().join(path)],
        From::Manual(name) => vec![shop.manual().join(name)],
        From::Notices(name) => vec![shop.notices().join(name)],
        From::ManualPages => {
            let directory = shop.manual();
            let entries = std::fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
            let mut pages = entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<PathBuf>>>()?;
            pages.retain(|page| page.extension().is_some_and(|section| section == "1"));
            pages.sort_unstable();
            pages
        }
    })
}

impl Staged {
    /// Adds a file, compressed if its place wants that. Modes are given, never the builder's umask.
    pub fn put(&mut self, to: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let path = self.root.join(to.trim_start_matches('/'));
        let failed = || format!("{} cannot be written", path.display());
        let parent = path.parent().with_context(failed)?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .with_context(failed)?;
        for directory in parent
            .ancestors()
            .take_while(|directory| directory.starts_with(&self.root))
        {
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).with_context(failed)?;
        }
        if is_compressed(to) {
            let plain = path.with_extension("");
            std::fs::write(&plain, bytes).with_context(failed)?;
            // -n: neither name nor time of the file.
            run::output("gzip", ["-9", "-n", &plain.to_string_lossy()])?;
        } else {
            std::fs::write(&path, bytes).with_context(failed)?;
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).with_context(failed)?;
        self.files.push(to.to_owned());
        self.files.sort_unstable();
        Ok(())
    }

    /// Where a file of the package lies now.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file.trim_start_matches('/'))
    }
}

/// A script of a package, with the parts that several scripts share put in: `#INCLUDE path`.
pub fn script(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut whole = String::new();
    for line in text.lines().filter(|line| !line.starts_with("# shellcheck ")) {
        match line.strip_prefix("#INCLUDE ") {
            Some(part) => whole += &script(&run::root().join(part))?,
            None => whole.extend([line, "\n"]),
        }
    }
    Ok(whole)
}
