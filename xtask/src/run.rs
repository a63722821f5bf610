//! Running other programs, with words for what failed.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where cargo puts what it builds in `profile`.
pub fn built(profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(profile)
}

/// Runs a program in the workspace's root; its output goes to ours, and then how long it took.
pub fn run<I: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = I>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    eprintln!("\x1b[1m$ {}\x1b[0m", show(&command));
    let began = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{program} could not be started"))?;
    if !status.success() {
        bail!("{} ended with {status}", show(&command));
    }
    eprintln!("\x1b[2m  {:.0} s\x1b[0m", began.elapsed().as_secs_f64());
    Ok(())
}

/// Runs cargo, the one that runs us.
pub fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Result<()> {
    run(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

/// A program that runs beside others, its output kept apart: two that print at once cannot be read.
pub struct Aside {
    process: Child,
    shown: String,
    output: PathBuf,
    began: Instant,
}

impl Aside {
    /// Starts it in the workspace's root.
    pub fn start<I: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = I>) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root());
        let shown = show(&command);
        eprintln!("\x1b[1m$ {shown} &\x1b[0m");
        let output = built("").join("aside.log");
        let file = File::create(&output).with_context(|| output.display().to_string())?;
        let process = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{program} could not be started"))?;
        Ok(Self {
            process,
            shown,
            output,
            began: Instant::now(),
        })
    }

    /// Waits for its end, and prints what it printed.
    pub fn finish(mut self) -> Result<()> {
        let status = self.process.wait()?;
        let said = std::fs::read(&self.output).with_context(|| self.output.display().to_string())?;
        eprintln!("\x1b[1m$ {}\x1b[0m", self.shown);
        eprint!("{}", String::from_utf8_lossy(&said));
        if !status.success() {
            bail!("{} ended with {status}", self.shown);
        }
        eprintln!(
            "\x1b[2m  at most {:.0} s, beside the others\x1b[0m",
            self.began.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

/// What a program prints.
pub fn output<I: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = I>) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .with_context(|| format!("{program} could not be started"))?;
    if !output.status.success() {
        bail!(
            "{program} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn show(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    words.join(" ")
}
