//! The packages' version and history, from `packaging/deb/changelog` alone, and the moment that stands for every time
//! in them.

use crate::run;
use anyhow::{Context, Result, bail, ensure};

/// What is released.
#[derive(Clone, Debug)]
pub struct Release {
    /// Newest first.
    entries: Vec<Entry>,
    /// Seconds since 1970: the commit's time, so that a rebuild gives the same bytes.
    pub epoch: u64,
}

/// An entry of the changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `1.2.3`.
    pub upstream: String,
    /// What stands behind the dash: counts packagings of one version.
    pub revision: u32,
    /// What changed, one line each.
    pub changes: Vec<String>,
    /// Name and address.
    pub maintainer: String,
    /// As in mail headers: `Tue, 24 Nov 2026 12:00:00 +0000`.
    pub date: String,
}

impl Release {
    /// Reads it; the newest entry must be of the version that is built.
    pub fn of_this_tree() -> Result<Self> {
        let path = run::root().join("packaging/deb/changelog");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let release = Self {
            entries: entries(&text)?,
            epoch: epoch()?,
        };
        let newest = release.newest()?;
        ensure!(
            newest.upstream == env!("CARGO_PKG_VERSION"),
            "packaging/deb/changelog begins with version {}, Cargo.toml has {}: give the release an entry",
            newest.upstream,
            env!("CARGO_PKG_VERSION")
        );
        Ok(release)
    }

    /// The entry of what is released.
    pub fn newest(&self) -> Result<&Entry> {
        self.entries.first().context("the changelog has no entry")
    }

    /// Debian's version: `1.2.3-1`.
    pub fn version(&self) -> Result<String> {
        let newest = self.newest()?;
        Ok(format!("{}-{}", newest.upstream, newest.revision))
    }

    /// The same, packaged once more: what an upgrade is tried with.
    pub fn rebuild(&mut self) -> Result<()> {
        let mut next = self.newest()?.clone();
        next.revision += 1;
        next.changes = vec!["Packaged anew, to try an upgrade.".into()];
        self.entries.insert(0, next);
        Ok(())
    }

    /// As Debian keeps it.
    pub fn for_deb(&self) -> String {
        self.entries.iter().map(Entry::for_deb).collect::<Vec<_>>().join("\n")
    }

    /// As a spec file keeps it.
    pub fn for_rpm(&self) -> Result<String> {
        let entries = self
            .entries
            .iter()
            .map(Entry::for_rpm)
            .collect::<Result<Vec<String>>>()?;
        Ok(entries.join("\n"))
    }
}

impl Entry {
    fn for_rpm(&self) -> Result<String> {
        let words: Vec<&str> = self.date.split([',', ' ']).filter(|word| !word.is_empty()).collect();
        let [weekday, day, month, year, ..] = &words[..] else {
            bail!(
                "the changelog has no date like \"Tue, 24 Nov 2026 12:00:00 +0000\" but {:?}",
                self.date
            );
        };
        Ok(format!(
            "* {weekday} {month} {day} {year} {} - {}-{}\n{}",
            self.maintainer,
            self.upstream,
            self.revision,
            listed("- ", &self.changes)
        ))
    }

    fn for_deb(&self) -> String {
        format!(
            "assent ({}-{}) unstable; urgency=medium\n\n{}\n -- {}  {}\n",
            self.upstream,
            self.revision,
            listed("  * ", &self.changes),
            self.maintainer,
            self.date
        )
    }
}

/// One line each, behind a bullet.
fn listed(bullet: &str, changes: &[String]) -> String {
    changes.iter().flat_map(|change| [bullet, change, "\n"]).collect()
}

/// `SOURCE_DATE_EPOCH` if the builder gives it, otherwise the commit's time.
fn epoch() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(given) => given,
        Err(_) => run::output("git", ["log", "-1", "--format=%ct"])
            .context("without git, say by SOURCE_DATE_EPOCH which time the packages shall carry")?,
    };
    let text = text.trim();
    text.parse().with_context(|| format!("{text:?} is no time in seconds"))
}

fn entries(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
    while let Some(head) = lines.next() {
        let version = head
            .strip_prefix("assent (")
            .and_then(|rest| rest.split_once(") unstable; urgency="))
            .and_then(|(version, _)| version.rsplit_once('-'));
        let (upstream, revision) = version.with_context(|| format!("{head:?} begins no entry of the changelog"))?;
        let mut changes: Vec<String> = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
            match (line.strip_prefix("  * "), changes.last_mut()) {
                (Some(change), _) => changes.push(change.to_owned()),
                (None, Some(change)) => change.extend([" ", line.trim()]),
                (None, None) => bail!("{line:?} continues no change"),
            }
        }
        let end = lines
            .next()
            .and_then(|line| line.strip_prefix(" -- ")?.split_once("  "));
        let (maintainer, date) = end.with_context(|| format!("the entry {head:?} is signed by nobody"))?;
        entries.push(Entry {
            upstream: upstream.to_owned(),
            revision: revision.parse().with_context(|| format!("{head:?} has no revision"))?,
            changes,
            maintainer: maintainer.to_owned(),
            date: date.to_owned(),
        });
    }
    Ok(entries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const TEXT: &str = "\
assent (0.2.0-3) unstable; urgency=medium

  * A change that is
    two lines long.
  * Another.

 -- Someone <a@example.org>  Tue, 24 Nov 2026 12:00:00 +0000

assent (0.1.0-1) unstable; urgency=low

  * First.

 -- Someone <a@example.org>  Mon, 02 Nov 2026 12:00:00 +0000
";

    fn release() -> Release {
        Release {
            entries: entries(TEXT).unwrap(),
            epoch: 0,
        }
    }

    #[test]
    fn the_newest_entry_names_the_version() {
        assert_eq!(release().version().unwrap(), "0.2.0-3");
        assert_eq!(
            release().newest().unwrap().changes,
            ["A change that is two lines long.", "Another."]
        );
    }

    #[test]
    fn a_rebuild_has_a_higher_revision_and_keeps_the_history() {
        let mut release = release();
        release.rebuild().unwrap();
        assert_eq!(release.version().unwrap(), "0.2.0-4");
        assert_eq!(entries(&release.for_deb()).unwrap().len(), 3);
    }

    #[test]
    fn both_families_of_packages_get_the_same_history() {
        let spec = release().for_rpm().unwrap();
        assert!(spec.starts_with("* Tue Nov 24 2026 Someone <a@example.org> - 0.2.0-3\n- A change that is two lines long.\n- Another.\n\n* Mon Nov 02 2026"), "{spec}");
    }

    #[test]
    fn what_is_no_changelog_is_refused() {
        for text in [
            "assent 1.0",
            "assent (1.0-1) unstable; urgency=low\n\n  * x\n",
            "assent (1.0-x) unstable; urgency=low\n -- a  b",
        ] {
            assert!(entries(text).is_err(), "{text}");
        }
    }
}
