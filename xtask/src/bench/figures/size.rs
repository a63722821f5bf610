//! `pam_assent.so` on disk.

use super::Options;
use super::row::{Judged, Row, number};
use crate::run;

const TARGET_KIB: f64 = 700.0;

pub fn rows(options: &Options) -> Vec<Row> {
    let mut profiles = vec![("release", "without link-time optimisation")];
    if options.dist {
        profiles.push(("dist", "as packages ship it"));
    }
    profiles.into_iter().map(|(profile, how)| row(profile, how)).collect()
}

fn row(profile: &str, how: &str) -> Row {
    let path = run::built(profile).join("libpam_assent.so");
    let size = std::fs::metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Row::new(
        format!("pam_assent.so, profile {profile}"),
        "KiB",
        number(size.len()) / 1024.0,
    )
    .judged(Judged::AtMost, TARGET_KIB)
    .note(how)
}
