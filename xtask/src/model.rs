//! `cargo xtask model`: two models of the protocol (docs/model), each with a search for attacks. The bounded search is a
//! workspace of its own, so what it needs is built here and nowhere else; `test` runs it. Verifpal is a program of its
//! own that takes minutes to build, so only this task runs it.

use crate::run;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// As it is installed where it is absent.
const VERIFPAL: &str = "1.6.7";

/// Options of `model`.
#[derive(Args)]
pub struct Options {
    /// Writes the tables of docs/model/README.md anew.
    #[arg(long)]
    write: bool,
    /// The bounded search alone, without Verifpal.
    #[arg(long)]
    search_only: bool,
}

/// Searches both.
pub fn run(options: &Options) -> Result<()> {
    search(options.write)?;
    if options.search_only {
        return Ok(());
    }
    verifpal()
}

/// The bounded search: every world, and every check left out. Fails if the page tells something else.
pub fn search(write: bool) -> Result<()> {
    let built = run::built("model").display().to_string();
    let mut arguments = vec![
        "run",
        "--release",
        "--quiet",
        "--locked",
        "--manifest-path",
        "docs/model/search/Cargo.toml",
        "--target-dir",
        &built,
        "--",
    ];
    arguments.extend(write.then_some("--write"));
    run::cargo(arguments)
}

/// Every model `*.vp`, and what it becomes without some of its lines, against what its first lines expect.
fn verifpal() -> Result<()> {
    let program = ensure()?;
    let directory = run::root().join("docs/model");
    let mut models: Vec<PathBuf> = fs::read_dir(&directory)
        .with_context(|| format!("{} cannot be read", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    models.retain(|path| path.extension().is_some_and(|extension| extension == "vp"));
    models.sort();
    for model in models {
        let text = fs::read_to_string(&model).with_context(|| format!("{} cannot be read", model.display()))?;
        let name = model.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let trials: Vec<Trial> = text.lines().filter_map(Trial::read).collect();
        if trials.is_empty() {
            bail!("{name} says nowhere what is expected of it");
        }
        for trial in trials {
            trial.run(&program, &name, &text)?;
        }
    }
    Ok(())
}

/// Where Verifpal is. It has no library, and is needed for nothing else: it goes into the build directory.
fn ensure() -> Result<PathBuf> {
    let tools = run::built("tools");
    let program = tools.join("bin/verifpal");
    if !program.exists() {
        eprintln!(
            "Verifpal {VERIFPAL} is built and put into {}: three to five minutes, once",
            tools.display()
        );
        let root = tools.display().to_string();
        // It asks for a newer Rust than it needs.
        run::cargo([
            "install",
            "verifpal",
            "--locked",
            "--ignore-rust-version",
            "--quiet",
            "--version",
            VERIFPAL,
            "--root",
            &root,
        ])?;
    }
    Ok(program)
}

/// A line such as `// Without 1, 2 sessions: c0c0a1`, or `// Expected, 2 sessions: c0c0a0` with nothing left out.
#[derive(Debug, PartialEq, Eq)]
struct Trial<'a> {
    left_out: Option<&'a str>,
    sessions: &'a str,
    code: &'a str,
}

impl<'a> Trial<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (what, code) = line.strip_prefix("// ")?.split_once(": ")?;
        let (what, sessions) = what.split_once(", ")?;
        let (sessions, _) = sessions.split_once(" session")?;
        let left_out = match what {
            "Expected" => None,
            _ => Some(what.strip_prefix("Without ")?),
        };
        Some(Self {
            left_out,
            sessions,
            code,
        })
    }

    fn run(&self, program: &Path, name: &str, text: &str) -> Result<()> {
        let directory = run::built("model");
        fs::create_dir_all(&directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        let path = directory.join(name);
        fs::write(&path, self.of(text)).with_context(|| format!("{} cannot be written", path.display()))?;
        let file = path.display().to_string();
        let arguments = ["verify", "--quiet", "--result-code", "--sessions", self.sessions, &file];
        let said = run::output(&program.display().to_string(), arguments)?;
        let said = said.lines().last().unwrap_or_default();
        let without = self.left_out.map_or(String::new(), |mark| format!(", without {mark}"));
        println!("{name}{without}, {} session(s): {said}", self.sessions);
        if said != self.code {
            bail!("{name}{without}: Verifpal says {said}, and {} was expected", self.code);
        }
        Ok(())
    }

    /// The model without the lines that bear the mark.
    fn of(&self, text: &str) -> String {
        let marked = self.left_out.map(|mark| format!(" // {mark}"));
        let stays = |line: &&str| !marked.as_deref().is_some_and(|mark| line.ends_with(mark));
        text.lines().filter(stays).flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Trial;

    #[test]
    fn a_model_says_what_is_expected_and_which_lines_may_go() {
        let trial = Trial::read("// Without 1, 2 sessions: c0a1");
        let expected = Trial {
            left_out: Some("1"),
            sessions: "2",
            code: "c0a1",
        };
        assert_eq!(trial.as_ref(), Some(&expected));
        assert_eq!(
            Trial::read("// Expected, 1 session: c0").map(|trial| trial.left_out),
            Some(None)
        );
        for other in ["// One host asks: so", "Expected, 1 session: c0", "// Expected: c0"] {
            assert_eq!(Trial::read(other), None, "{other}");
        }
        assert_eq!(expected.of("a\n\tb // 1\nc // 2\nd\n"), "a\nc // 2\nd\n");
    }
}
