//! Reading the configuration: `agentd.toml`, then `agentd.toml.d/*.toml` in byte order.

use super::check::{Source, check};
use super::parse::parse;
use super::{Config, Problem, Problems};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Largest configuration file in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads and checks the configuration at `path` with its drop-ins.
///
/// # Errors
/// Every problem at once.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    let files = match drop_ins(path) {
        Ok(drop_ins) => std::iter::once(path.to_owned()).chain(drop_ins).collect(),
        Err(problem) => {
            problems.push(problem);
            vec![path.to_owned()]
        }
    };
    for file in files {
        match read(&file) {
            Ok(text) => sources.push(source(file, text, &mut problems)),
            Err(problem) => problems.push(problem),
        }
    }
    check(sources, problems)
}

/// Checks `text` as if it stood in `name`; for tests and for `check -`.
///
/// # Errors
/// Every problem at once.
pub fn load_str(name: &str, text: &str) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let source = source(name.into(), text.to_owned(), &mut problems);
    check(vec![source], problems)
}

fn drop_ins(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut dir = path.as_os_str().to_owned();
    dir.push(".d");
    let dir = PathBuf::from(dir);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(&dir, &e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unreadable(&dir, &e))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(found)
}

fn read(path: &Path) -> Result<String, Problem> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    let meta = file.metadata().map_err(|e| unreadable(path, &e))?;
    // Whoever may write it decides who gets root (R56).
    if meta.mode() & 0o022 != 0 || (meta.uid() != 0 && meta.uid() != nix::unistd::geteuid().as_raw()) {
        return Err(Problem {
            file: path.to_owned(),
            line: None,
            what: format!(
                "others may change it (owner {}, mode {:o})",
                meta.uid(),
                meta.mode() & 0o7777
            ),
            mend: format!("chown root {0} && chmod go-w {0}", path.display()),
        });
    }
    let mut text = String::new();
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(path, &e))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem {
        file: path.to_owned(),
        line: None,
        what: format!("it cannot be read: {error}"),
        mend: "see that it exists and that the agent's user may read it".into(),
    }
}

fn source(file: PathBuf, text: String, problems: &mut Vec<Problem>) -> Source {
    let raw = parse(&file, &text, problems);
    Source { file, text, raw }
}

/// The line, counted from 1, that byte `at` lies in.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1
}
