//! The oldest C library that the programs run on (R94): read from their symbols, so that no package claims more.

use super::build::PROGRAMS;
use crate::run;
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::path::Path;

/// Debian 12 has 2.36, Ubuntu 22.04 2.35, Enterprise Linux 9 and Debian's libc6 dependency 2.34: what we claim.
pub const FLOOR: Version = Version(2, 34);

/// A version of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32);

/// Fails if a program needs a newer glibc than [`FLOOR`], and says which symbols do.
pub fn check(built: &Path) -> Result<()> {
    for (_, program) in PROGRAMS {
        let table = run::output("objdump", ["-T", &built.join(program).to_string_lossy()])?;
        let newest = needed(&table).into_iter().next_back();
        let Some((version, _)) = newest else {
            bail!("{program} needs no glibc at all, which cannot be: objdump -T said\n{table}");
        };
        let setting: Vec<String> = needed(&table)
            .into_iter()
            .filter(|(needs, _)| *needs == version)
            .map(|(_, symbol)| symbol)
            .collect();
        println!("{program}: glibc {}.{} ({})", version.0, version.1, setting.join(", "));
        if version > FLOOR {
            bail!(
                "{program} needs glibc {}.{}, the packages claim {}.{}",
                version.0,
                version.1,
                FLOOR.0,
                FLOOR.1
            );
        }
    }
    Ok(())
}

/// What an `objdump -T` lists as needed from glibc; weak symbols may be absent and do not count.
fn needed(table: &str) -> BTreeSet<(Version, String)> {
    table
        .lines()
        .filter(|line| line.contains("*UND*") && !line.contains(" w "))
        .filter_map(|line| {
            let (_, rest) = line.split_once("(GLIBC_")?;
            let (version, symbol) = rest.split_once(')')?;
            let mut parts = version.split('.').map(str::parse::<u32>);
            let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
                return None;
            };
            Some((Version(major, minor), symbol.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.34) __libc_start_main
0000000000000000      DF *UND*\t0000000000000000 (GLIBC_2.2.5) free
0000000000000000  w   DF *UND*\t0000000000000000 (GLIBC_2.38) strlcpy
0000000000000000      DF *UND*\t0000000000000000 (GCC_3.0) _Unwind_Resume
0000000000001000 g    DF .text\t0000000000000010  Base        pam_sm_setcred
";

    #[test]
    fn r94_the_newest_strong_symbol_sets_the_glibc_that_is_needed() {
        let needed = needed(TABLE);
        assert_eq!(
            needed.into_iter().collect::<Vec<_>>(),
            [
                (Version(2, 2), "free".to_owned()),
                (Version(2, 34), "__libc_start_main".to_owned())
            ]
        );
        assert!(Version(2, 4) < FLOOR && Version(2, 36) > FLOOR);
    }
}
