//! `cargo xtask dist`: the three packages, as `.deb` and `.rpm`, the same bytes from the same commit; read by lintian
//! and rpmlint; with `--test` tried in a booted Debian ([`booted`]). Why it is done this way: docs/decisions/0010.
//!
//! ```text
//! build (cargo, paths taken out) ─▶ layout (which file goes where) ─▶ stage ─▶ deb  (dpkg-deb)
//!   └─ glibc (what it needs)          └─ notices (licences)               └──▶ rpm  (rpmbuild)
//! ```

mod booted;
mod build;
mod changelog;
mod deb;
mod glibc;
mod layout;
mod lint;
mod notices;
mod rpm;
mod stage;

use crate::run;
use anyhow::{Context, Result};
use assent_tests::packages::{self, Consent};
use changelog::Release;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// Debian packages that making ours needs.
const PACKAGES: [&str; 8] = [
    "dpkg-dev",
    "binutils",
    "gzip",
    "rpm",
    "lintian",
    "rpmlint",
    "mandoc",
    "shellcheck",
];

/// Options of `dist`.
#[derive(Args)]
pub struct Options {
    /// Where the packages go.
    #[arg(long, value_name = "DIR", default_value = "target/packages")]
    out: PathBuf,
    /// How the programs are built: `dist` takes minutes longer and makes them smaller.
    #[arg(long, value_enum, default_value_t = Profile::Dist)]
    profile: Profile,
    /// Installs what is lacking without asking.
    #[arg(long)]
    yes: bool,
    /// Then installs, uses, upgrades and removes the packages in a booted Debian 12. Needs root.
    #[arg(long)]
    test: bool,
}

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// As the tests build them, symbols taken out: to try the packages, never to be shipped.
    Dev,
    /// Optimised.
    Release,
    /// Optimised over all crates at once: what is shipped.
    Dist,
}

/// What every step of making packages needs to know.
struct Shop {
    /// Where all that is made on the way lies.
    work: PathBuf,
    /// The built programs.
    built: PathBuf,
    /// The version and its history.
    release: Release,
}

/// Makes packages of what the tests have built, and tries them in a booted Debian, where one can be booted. In a process
/// of its own: it enters a private world and does not come back.
pub fn try_them(consent: Consent) -> Result<()> {
    // By cargo: the tests' build has put another program in the place of this one.
    let mut task = vec![
        "xtask",
        "dist",
        "--profile",
        "dev",
        "--out",
        "target/packages/dev",
        "--test",
    ];
    task.extend((consent == Consent::Given).then_some("--yes"));
    run::cargo(task)
}

/// Makes the packages and has them read; with `--test` tries them.
pub fn run(options: &Options) -> Result<()> {
    let consent = if options.yes { Consent::Given } else { Consent::Ask };
    packages::ensure(&PACKAGES, consent)?;
    if options.test {
        packages::ensure(&booted::PACKAGES, consent)?;
    }
    let out = run::root().join(&options.out);
    std::fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
    let built = build::programs(options.profile)?;
    glibc::check(&built)?;
    let mut shop = Shop {
        work: run::built("packages").join("work"),
        built,
        release: Release::of_this_tree()?,
    };
    build::manual(&shop.manual(), shop.release.epoch, options.profile)?;
    notices::write(&shop.notices())?;
    lint::sources()?;
    let made = Made::by(&shop, &out)?;
    lint::packages(&made.debs, &made.rpms)?;
    for package in made.debs.iter().chain(&made.rpms) {
        println!("{}", run::output("sha256sum", [package])?.trim());
    }
    if options.test {
        shop.release.rebuild()?;
        let next = shop.work.join("next");
        std::fs::create_dir_all(&next)?;
        booted::play(made, Made::by(&shop, &next)?)?;
    }
    Ok(())
}

/// The packages of one release.
pub struct Made {
    /// Debian's.
    pub debs: Vec<PathBuf>,
    /// The same for RPM systems.
    pub rpms: Vec<PathBuf>,
}

impl Made {
    fn by(shop: &Shop, out: &Path) -> Result<Self> {
        Ok(Self {
            debs: deb::make(shop, out)?,
            rpms: rpm::make(shop, out)?,
        })
    }
}

impl Shop {
    /// Pages and completions made from the programs' own definitions.
    fn manual(&self) -> PathBuf {
        self.work.join("manual")
    }

    /// The notices of third parties, one file a program.
    fn notices(&self) -> PathBuf {
        self.work.join("notices")
    }
}

/// An empty directory, whatever was there.
fn fresh(directory: &Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| format!("{} cannot be emptied", directory.display()))?;
    }
    std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))
}
