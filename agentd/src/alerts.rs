//! Alarms at once when a device says "not me": a line in syslog and the log, a D-Bus signal, and the admin's own program
//! (`[alerts] hook`). Nothing here holds a login up, or can change how it ends.
//!
//! The program is run without a shell and arguments, with an empty environment, with one line of JSON on its standard input,
//! for a bounded time. What it prints goes to the agent's log, made visible and cut.

use crate::agent::{Agent, Notice, Report, Setup};
use crate::audit::{Kind, Message};
use anyhow::{Context as _, bail};
use assent_proto::text::{cut_in_the_middle, visible};
use assent_proto::time::UnixTime;
use serde_json::json;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// How long a run may take.
const TIME: Duration = Duration::from_secs(10);
/// Runs at one time; more are left out, and the log says so.
const MOST: usize = 4;
/// Bytes of its output that are kept.
const OUTPUT: u64 = 4096;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Tells everybody.
pub fn reported(agent: &Agent, setup: &Setup, report: Report) {
    let device = report.device.to_string();
    let message = Message::new(Kind::Alarm)
        .word("login", Some(&report.login))
        .word("alert", Some("reported_not_me"))
        .text("user", Some(&report.user))
        .text("identity", Some(&report.identity))
        .word("source", Some(&report.source))
        .text("service", Some(&report.service))
        .word("device", Some(&device))
        .sentence("a sign-in in this user's name was not theirs; their requests are frozen");
    setup.audit.alarm(&message);
    if let Some(hook) = &setup.config.alert_hook {
        tokio::spawn(run(hook.clone(), line(&report)));
    }
    // Nobody need listen.
    let _ = agent.notices.send(Notice::Reported(Arc::new(report)));
}

fn line(report: &Report) -> Vec<u8> {
    let mut line = json!({"v": 1, "event": "reported_not_me", "at": UnixTime::now()});
    if let (Some(line), Ok(serde_json::Value::Object(report))) = (line.as_object_mut(), serde_json::to_value(report)) {
        line.extend(report);
    }
    let mut line = line.to_string().into_bytes();
    line.push(b'\n');
    line
}

async fn run(program: PathBuf, line: Vec<u8>) {
    let shown = program.display();
    if RUNNING.fetch_add(1, Ordering::AcqRel) >= MOST {
        tracing::error!("the alert hook {shown} was not run: {MOST} runs of it are under way");
    } else {
        match tokio::time::timeout(TIME, run_once(&program, &line)).await {
            Ok(Ok(printed)) if printed.is_empty() => {}
            Ok(Ok(printed)) => tracing::info!("the alert hook {shown} says: {printed}"),
            Ok(Err(e)) => tracing::error!("the alert hook {shown} failed: {e:#}"),
            Err(_) => tracing::error!(
                "the alert hook {shown} took longer than {} s and was killed",
                TIME.as_secs()
            ),
        }
    }
    RUNNING.fetch_sub(1, Ordering::AcqRel);
}

async fn run_once(program: &Path, line: &[u8]) -> anyhow::Result<String> {
    check(program)?;
    let mut child = Command::new(program)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("it could not be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing has closed it: its exit code says whether that was meant.
        let _ = stdin.write_all(line).await;
    }
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT).read_to_end(&mut printed).await?;
    }
    let status = child.wait().await.context("it could not be waited for")?;
    let printed = String::from_utf8_lossy(&printed);
    let printed = cut_in_the_middle(&visible(printed.trim()), 500);
    anyhow::ensure!(status.success(), "it ended with {status}; it says: {printed}");
    Ok(printed)
}

/// Whoever can change the program acts as the agent (R56). Asked before each run.
pub fn check(program: &Path) -> anyhow::Result<()> {
    let meta = std::fs::metadata(program).context("it cannot be looked at")?;
    if !meta.is_file() || meta.mode() & 0o111 == 0 {
        bail!("it is no program; chmod 755 it");
    }
    if meta.mode() & 0o022 != 0 || meta.uid() != 0 {
        bail!(
            "others than root may change it: chown root {0} && chmod go-w {0}",
            program.display()
        );
    }
    Ok(())
}
