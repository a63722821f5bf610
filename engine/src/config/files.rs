//! Reading the configuration: `agentd.toml`, then `agentd.toml.d/*.toml` in byte order.

use super::check::{Source, check};
use super::parse::parse;
use super::raw::RawFile;
use super::{Config, Problem, Problems};
use nix::fcntl::OFlag;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
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
            let (text, raw) = (String::new(), RawFile::unclear());
            let file = problem.file.clone();
            problems.push(problem);
            sources.push(Source { file, text, raw });
            vec![path.to_owned()]
        }
    };
    for file in files {
        match read(&file) {
            Ok(text) => sources.push(source(file, text, &mut problems)),
            Err(problem) => {
                problems.push(problem);
                let raw = RawFile::unclear();
                let text = String::new();
                sources.push(Source { file, text, raw });
            }
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
    let meta = std::fs::metadata(&dir).map_err(|e| unreadable(&dir, &e))?;
    closed_to_others(&dir, &meta)?;
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
    // Without O_NONBLOCK a FIFO in its place would hold up `check` and the agent for ever (R39).
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits())
        .open(path)
        .map_err(|e| unreadable(path, &e))?;
    let meta = file.metadata().map_err(|e| unreadable(path, &e))?;
    if !meta.is_file() {
        return Err(unfit(
            path,
            "it is no regular file",
            "put a file in its place, or remove it",
        ));
    }
    closed_to_others(path, &meta)?;
    let mut text = String::new();
    let most = file
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(path, &e))?;
    // Never in part: what was left out could be the rule that refuses.
    if most as u64 > MAX_FILE {
        return Err(unfit(
            path,
            format!("it has more than {MAX_FILE} bytes"),
            "divide it into several files in the directory beside it, whose name ends with .d",
        ));
    }
    Ok(text)
}

/// Whoever may write a file, or a directory of files, decides who gets root (R56).
fn closed_to_others(path: &Path, meta: &Metadata) -> Result<(), Problem> {
    if meta.mode() & 0o022 == 0 && (meta.uid() == 0 || meta.uid() == nix::unistd::geteuid().as_raw()) {
        return Ok(());
    }
    Err(unfit(
        path,
        format!(
            "others may change it (owner {}, mode {:o})",
            meta.uid(),
            meta.mode() & 0o7777
        ),
        format!("chown root {0} && chmod go-w {0}", path.display()),
    ))
}

fn unfit(path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Problem {
    Problem {
        file: path.to_owned(),
        line: None,
        what: what.into(),
        mend: mend.into(),
    }
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
