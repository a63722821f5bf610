//! Whose code is in our programs, under which licence, with the notices that those licences ask to pass on.

use super::layout::{PACKAGES, crates};
use super::{build, fresh};
use crate::run;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of files with licences begin like this.
const NOTICES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// Writes one file a package.
pub fn write(directory: &Path) -> Result<()> {
    fresh(directory)?;
    let registry = build::registry_sources()?;
    for package in PACKAGES {
        let mut linked = BTreeSet::new();
        for name in crates(package.name) {
            linked.extend(dependencies(name)?);
        }
        let text = notices(&linked, &registry)?;
        std::fs::write(directory.join(package.name), text)?;
    }
    Ok(())
}

/// A crate that is linked: name, version, licence.
type Crate = (String, String, String);

fn dependencies(name: &str) -> Result<Vec<Crate>> {
    let arguments = [
        "tree",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
        "--package",
    ];
    let tree = run::output("cargo", arguments.into_iter().chain([name]))?;
    Ok(tree.lines().filter_map(parse).collect())
}

/// A line of `cargo tree`: `name v1.2.3|licence`. Our own crates (with a path) and macros (which run at build time
/// alone) are no third parties in the program.
fn parse(line: &str) -> Option<Crate> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let licence = licence.trim_end_matches("(*)").trim();
    words
        .next()
        .is_none()
        .then(|| (name.to_owned(), version.to_owned(), licence.to_owned()))
}

fn notices(linked: &BTreeSet<Crate>, registry: &[PathBuf]) -> Result<String> {
    let mut list =
        String::from("This program is linked with the Rust standard library (MIT OR Apache-2.0) and these crates:\n\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version, licence) in linked {
        let id = format!("{name} {version}");
        list.extend(["  ", &id, "  ", licence, "\n"]);
        let directory = registry
            .iter()
            .map(|sources| sources.join(format!("{name}-{version}")))
            .find(|directory| directory.is_dir())
            .with_context(|| format!("the source of {id} is not in cargo's registry"))?;
        for text in texts_of(&directory)? {
            texts.entry(text).or_default().push(id.clone());
        }
    }
    ensure!(!texts.is_empty(), "not one licence was found, which cannot be");
    let mut parts: Vec<(Vec<String>, String)> = texts.into_iter().map(|(text, users)| (users, text)).collect();
    parts.sort_unstable();
    for (users, text) in parts {
        list.extend(["\n\n======== ", &users.join(", "), "\n\n", &text, "\n"]);
    }
    Ok(list)
}

fn texts_of(directory: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if !is_code(&path) && path.is_file() && NOTICES.iter().any(|start| name.starts_with(start)) {
            files.push(path);
        }
    }
    files.sort_unstable();
    let read = |path: &PathBuf| {
        Ok(String::from_utf8_lossy(&std::fs::read(path)?)
            .replace('\r', "")
            .trim()
            .to_owned())
    };
    files.iter().map(read).collect()
}

/// `license.rs` is a module.
fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_parties_are_told_from_our_own_and_from_macros() {
        let found = |line| parse(line).map(|(name, version, licence)| format!("{name}/{version}/{licence}"));
        assert_eq!(
            found("ring v0.17.14|Apache-2.0 AND ISC").as_deref(),
            Some("ring/0.17.14/Apache-2.0 AND ISC")
        );
        assert_eq!(found("syn v2.0.1|MIT (*)").as_deref(), Some("syn/2.0.1/MIT"));
        assert_eq!(found("assent-wire v0.1.0 (/somewhere/wire)|GPL-3.0-or-later"), None);
        assert_eq!(found("serde_derive v1.0.0 (proc-macro)|MIT"), None);
        assert_eq!(found(""), None);
    }
}
