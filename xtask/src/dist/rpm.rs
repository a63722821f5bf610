//! RPM packages, by rpmbuild over a spec of ours (`packaging/rpm/`): the same programs as in the Debian packages.

use super::layout::{Family, PACKAGES, Places};
use super::stage::{self, Staged};
use super::{Shop, fresh};
use crate::run;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories that are ours alone; the others belong to the system's packages.
const OUR_DIRECTORIES: [&str; 4] = [
    "/etc/assent",
    "/usr/share/assent",
    "/usr/share/doc/",
    "/usr/share/licenses/",
];

/// What rpmbuild shall not do on its own: no name or time of the builder's machine, no second strip, no links to
/// build ids, no debug packages.
const SETTINGS: [&str; 8] = [
    "_buildhost reproducible",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "source_date_epoch_from_changelog 0",
    "_build_id_links none",
    "debug_package %{nil}",
    "__os_install_post %{nil}",
    "_binary_payload w19.zstdio",
];

/// Makes them in `out`.
pub fn make(shop: &Shop, out: &Path) -> Result<Vec<PathBuf>> {
    let work = shop.work.join("rpm");
    fresh(&work)?;
    let places = Places::of(Family::Rpm, "");
    let mut spec = stage::script(&run::root().join("packaging/rpm/assent.spec"))?;
    for package in PACKAGES {
        let mut staged = stage::lay_out(shop, &package, &places, &work.join("stage").join(package.name))?;
        let licence = std::fs::read(run::root().join("LICENSE"))?;
        staged.put(
            &format!("/usr/share/licenses/{}/LICENSE", package.name),
            &licence,
            0o644,
        )?;
        spec = spec.replace(&format!("@FILES {}@", package.name), &files(&staged));
    }
    let newest = shop.release.newest()?;
    spec = spec
        .replace("@VERSION@", &newest.upstream)
        .replace("@RELEASE@", &newest.revision.to_string())
        .replace("@STAGE@", &work.join("stage").to_string_lossy())
        .replace("@CHANGELOG@", &shop.release.for_rpm()?);
    for (marker, script) in scripts(&spec)? {
        spec = spec.replace(&marker, &script);
    }
    let spec_file = work.join("assent.spec");
    std::fs::write(&spec_file, spec)?;
    build(shop, &work, &spec_file)?;
    collect(&work.join("RPMS"), out)
}

/// `@SCRIPT path@` → the script, without its first line, and with `%` written as a spec wants it.
fn scripts(spec: &str) -> Result<Vec<(String, String)>> {
    let markers = spec.lines().filter(|line| line.starts_with("@SCRIPT "));
    let mut scripts = Vec::new();
    for marker in markers {
        let path = marker.trim_start_matches("@SCRIPT ").trim_end_matches('@');
        let text = stage::script(&run::root().join("packaging/rpm").join(path))?;
        let body: Vec<&str> = text.lines().filter(|line| !line.starts_with("#!")).collect();
        scripts.push((marker.to_owned(), body.join("\n").replace('%', "%%")));
    }
    Ok(scripts)
}

/// The `%files` of a package: each file and each directory that is ours.
fn files(staged: &Staged) -> String {
    let mut directories = BTreeSet::new();
    let mut lines = Vec::new();
    for file in &staged.files {
        let ancestors = Path::new(file)
            .ancestors()
            .skip(1)
            .map(|path| path.to_string_lossy().into_owned());
        directories.extend(ancestors.filter(|path| OUR_DIRECTORIES.iter().any(|ours| path.starts_with(ours))));
        let mode = if staged.binaries.contains(file) { "0755" } else { "0644" };
        let kind = if staged.configuration.contains(file) {
            "%config(noreplace) "
        } else if file.starts_with("/usr/share/licenses/") {
            "%license "
        } else if file.starts_with("/usr/share/doc/") || file.starts_with("/usr/share/man/") {
            "%doc "
        } else {
            ""
        };
        lines.push(format!("%attr({mode},root,root) {kind}{file}"));
    }
    let directories = directories
        .iter()
        .map(|path| format!("%dir %attr(0755,root,root) {path}"));
    directories.chain(lines).collect::<Vec<_>>().join("\n")
}

fn build(shop: &Shop, work: &Path, spec: &Path) -> Result<()> {
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--quiet", "--define"]);
    command.arg(format!("_topdir {}", work.display()));
    for setting in SETTINGS {
        command.args(["--define", setting]);
    }
    let made = command
        .arg(spec)
        .env("SOURCE_DATE_EPOCH", shop.release.epoch.to_string())
        .output()
        .context("rpmbuild could not be started")?;
    if !made.status.success() {
        bail!("rpmbuild: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

fn collect(made: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let mut packages = Vec::new();
    for architecture in std::fs::read_dir(made).with_context(|| format!("{} cannot be read", made.display()))? {
        for package in std::fs::read_dir(architecture?.path())? {
            let from = package?.path();
            let to = out.join(from.file_name().context("a package without a name")?);
            std::fs::copy(&from, &to).with_context(|| format!("{} cannot be written", to.display()))?;
            packages.push(to);
        }
    }
    packages.sort_unstable();
    Ok(packages)
}
