//! What the built `pam_assent.so` needs and exports: just what a module inside sshd may.

use crate::run;
use anyhow::{Result, bail};
use std::path::Path;

const NEEDED: [&str; 4] = ["libpam.so.0", "libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];
const EXPORTED: [&str; 6] = [
    "pam_sm_acct_mgmt",
    "pam_sm_authenticate",
    "pam_sm_chauthtok",
    "pam_sm_close_session",
    "pam_sm_open_session",
    "pam_sm_setcred",
];
/// Bytes (DESIGN, "Targets").
const MAX_SIZE: u64 = 700 * 1024;

/// Builds the module as it ships (but for link-time optimisation) and looks at it.
pub fn check() -> Result<()> {
    run::cargo(["build", "--quiet", "--release", "--package", "pam_assent"])?;
    let module = run::built("release").join("libpam_assent.so");
    look_at(&module)
}

fn look_at(module: &Path) -> Result<()> {
    let path = module.to_string_lossy();
    let dynamic = run::output("readelf", ["--dynamic", "--wide", &path])?;
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let library = line.split(['[', ']']).nth(1).unwrap_or_default();
        if !NEEDED.contains(&library) {
            bail!("pam_assent.so needs {library}, which sshd and sudo should not load for us");
        }
    }
    let symbols = run::output("nm", ["--dynamic", "--defined-only", "--format=posix", &path])?;
    let mut exported: Vec<&str> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
    exported.sort_unstable();
    if exported != EXPORTED {
        bail!("pam_assent.so exports {exported:?}, but should export {EXPORTED:?}");
    }
    let size = std::fs::metadata(module)?.len();
    if size > MAX_SIZE {
        bail!("pam_assent.so has {size} bytes, more than {MAX_SIZE}");
    }
    println!(
        "pam_assent.so: {} KiB, needs libc, libpam and libgcc alone, exports the six entry points",
        size / 1024
    );
    Ok(())
}
