//! Debian packages, by dpkg's own tools over control files of ours (`packaging/deb/`).

use super::layout::{Family, PACKAGES, Package, Places};
use super::stage::{self, Staged};
use super::{Shop, fresh};
use crate::run;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes them in `out`.
pub fn make(shop: &Shop, out: &Path) -> Result<Vec<PathBuf>> {
    let triplet = run::output("dpkg-architecture", ["-qDEB_HOST_MULTIARCH"])?;
    let places = Places::of(Family::Debian, triplet.trim());
    let architecture = run::output("dpkg", ["--print-architecture"])?;
    PACKAGES
        .iter()
        .map(|package| one(shop, package, &places, architecture.trim(), out))
        .collect()
}

fn one(shop: &Shop, package: &Package, places: &Places, architecture: &str, out: &Path) -> Result<PathBuf> {
    let sources = run::root().join("packaging/deb");
    let ours = sources.join(package.name);
    let version = shop.release.version()?;
    let mut staged = stage::lay_out(shop, package, places, &shop.work.join("deb").join(package.name))?;
    let doc = format!("/usr/share/doc/{}", package.name);
    staged.put(
        &format!("{doc}/changelog.Debian.gz"),
        shop.release.for_deb().as_bytes(),
        0o644,
    )?;
    staged.put(&format!("{doc}/copyright"), &read(&sources.join("copyright"))?, 0o644)?;
    if let Ok(overrides) = read(&ours.join("lintian-overrides")) {
        staged.put(
            &format!("/usr/share/lintian/overrides/{}", package.name),
            &overrides,
            0o644,
        )?;
    }

    let control = String::from_utf8(read(&ours.join("control"))?).context("a control file that is no text")?;
    let control = control
        .replace("@VERSION@", &version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@SIZE@", &installed_size(&staged)?.to_string())
        .replace("@SHLIBS@", &libraries(shop, &staged)?);
    let meta = staged.root.join("DEBIAN");
    fresh(&meta)?;
    write(&meta.join("control"), &control, 0o644)?;
    write(&meta.join("md5sums"), &sums(&staged)?, 0o644)?;
    if !staged.configuration.is_empty() {
        write(
            &meta.join("conffiles"),
            &(staged.configuration.join("\n") + "\n"),
            0o644,
        )?;
    }
    for name in ["postinst", "prerm", "postrm"] {
        let source = ours.join(name).with_extension("sh");
        if source.exists() {
            write(&meta.join(name), &stage::script(&source)?, 0o755)?;
        }
    }
    std::fs::set_permissions(&meta, std::fs::Permissions::from_mode(0o755))?;

    let file = out.join(format!("{}_{version}_{architecture}.deb", package.name));
    let made = Command::new("dpkg-deb")
        // Whoever builds it, everything is root's; times are the commit's; xz in one thread, as more of them differ.
        .args(["--root-owner-group", "--threads-max=1", "-Zxz", "--build"])
        .arg(&staged.root)
        .arg(&file)
        .env("SOURCE_DATE_EPOCH", shop.release.epoch.to_string())
        .output()
        .context("dpkg-deb could not be started")?;
    if !made.status.success() {
        bail!("dpkg-deb: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(file)
}

/// What the programs need of the system's libraries, in the words of dpkg-shlibdeps.
fn libraries(shop: &Shop, staged: &Staged) -> Result<String> {
    // It wants to stand in a source tree.
    let source = shop.work.join("shlibdeps");
    fresh(&source.join("debian"))?;
    write(
        &source.join("debian/control"),
        "Source: assent\n\nPackage: assent\nArchitecture: any\n",
        0o644,
    )?;
    let answer = Command::new("dpkg-shlibdeps")
        .arg("-O")
        .args(
            staged
                .binaries
                .iter()
                .map(|file| format!("-e{}", staged.path(file).display())),
        )
        .current_dir(&source)
        .output()
        .context("dpkg-shlibdeps could not be started")?;
    let text = String::from_utf8_lossy(&answer.stdout);
    match text.trim().strip_prefix("shlibs:Depends=") {
        Some(needs) if answer.status.success() => Ok(needs.to_owned()),
        _ => bail!("dpkg-shlibdeps: {}", String::from_utf8_lossy(&answer.stderr)),
    }
}

/// In KiB, each file rounded up, as policy counts it.
fn installed_size(staged: &Staged) -> Result<u64> {
    let mut size = 0;
    for file in &staged.files {
        size += std::fs::metadata(staged.path(file))?.len().div_ceil(1024);
    }
    Ok(size)
}

fn sums(staged: &Staged) -> Result<String> {
    let mut text = String::new();
    for file in staged.files.iter().filter(|file| !staged.configuration.contains(file)) {
        let sum = run::output("md5sum", [staged.path(file)])?;
        let sum = sum.split_whitespace().next().context("md5sum said nothing")?;
        text.extend([sum, "  ", file.trim_start_matches('/'), "\n"]);
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("{} cannot be written", path.display()))
}
