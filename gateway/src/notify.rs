//! Tells a configured program what happened: a device was added or removed, or said "not me"; somebody's codes changed;
//! somebody signed in by a one-time link.
//!
//! The program is run without a shell, one at a time, with an empty environment, the event as one line of JSON on its
//! standard input, and a bounded time. What it prints goes nowhere; that it failed goes to the log. Nothing waits for it:
//! it hears of what is done, and can undo nothing. While it is slow, events queue up to a bound; beyond, they are lost
//! and the log says so.

use crate::clock;
use crate::config::Hook;
use crate::registrar::code_changes::CodesChange;
use crate::registrar::notice::{Change, Notice, ReportedLogin};
use anyhow::{Context as _, bail};
use assent_proto::cert::Identity;
use assent_proto::{Id, ShortText};
use nix::unistd::geteuid;
use serde::Serialize;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::mpsc;

/// How long a run may take.
const TIME: Duration = Duration::from_secs(10);
/// Events that wait for the program.
const QUEUE: usize = 256;

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A device was added.
    DeviceAdded(Device),
    /// A device was removed.
    DeviceRemoved(Device),
    /// A device was reported lost, and is removed.
    DeviceLost(Device),
    /// Somebody asked at the panel for a device to be added or removed (`label`), and a device of the user (`device`) said
    /// that it was not them.
    NotMe(Device),
    /// Somebody logged in on a host (`login`) in the user's name, and a device of the user (`device`) said that it was not
    /// them. The user's pushes are frozen.
    NotMeLogin {
        /// The device.
        #[serde(flatten)]
        device: Device,
        /// The login.
        login: ReportedLogin,
    },
    /// An authenticator app was set up, recovery codes were made, one of both was removed.
    CodesChanged {
        /// The user's name.
        name: ShortText,
        /// Who it is.
        identities: Vec<Identity>,
        /// What was done.
        change: CodesChange,
    },
    /// Somebody signed in at the panel by a one-time link.
    SignInByLink {
        /// The user's name.
        name: ShortText,
        /// Who it is.
        identities: Vec<Identity>,
        /// From where.
        address: IpAddr,
    },
}

/// A device, and whose it is.
#[derive(Debug, Clone, Serialize)]
pub struct Device {
    /// The user's name.
    pub name: ShortText,
    /// Everyone it approves for.
    pub identities: Vec<Identity>,
    /// Which.
    pub device: Option<Id>,
    /// What the user calls it.
    pub label: ShortText,
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        let device = Device {
            name: notice.name,
            identities: notice.identities,
            device: notice.device,
            label: notice.label,
        };
        match notice.change {
            Change::Added => Self::DeviceAdded(device),
            Change::Removed => Self::DeviceRemoved(device),
            Change::Lost => Self::DeviceLost(device),
            Change::Reported => match notice.login {
                None => Self::NotMe(device),
                Some(login) => Self::NotMeLogin { device, login },
            },
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    at: u64,
    #[serde(flatten)]
    event: &'a Event,
}

/// Takes events. Without a configured program they end here.
#[derive(Clone)]
pub struct Notifier(Option<mpsc::Sender<Event>>);

impl Notifier {
    /// Looks at the program, and starts the task that runs it.
    pub fn start(hook: Option<&Hook>) -> anyhow::Result<Self> {
        let Some(hook) = hook else { return Ok(Self(None)) };
        check(&hook.program)?;
        let (sender, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run_for_each(hook.program.clone(), queue));
        Ok(Self(Some(sender)))
    }

    /// Something happened.
    pub fn tell(&self, event: Event) {
        if let Some(queue) = &self.0
            && queue.try_send(event).is_err()
        {
            tracing::error!("the notify hook is too slow: an event was lost");
        }
    }

    /// Passes the registrar's notices on, for ever.
    pub async fn listen(self, mut notices: Receiver<Notice>) {
        loop {
            match notices.recv().await {
                Ok(notice) => self.tell(notice.into()),
                Err(RecvError::Lagged(lost)) => tracing::error!(lost, "notices of devices were lost"),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Whoever can change the program acts as the gateway (R56).
pub fn check(program: &Path) -> anyhow::Result<()> {
    let meta = std::fs::metadata(program).with_context(|| format!("the notify hook {}", program.display()))?;
    if !meta.is_file() || meta.mode() & 0o111 == 0 {
        bail!("the notify hook {} is no program; chmod 755 it", program.display());
    }
    if meta.mode() & 0o022 != 0 || (meta.uid() != 0 && meta.uid() != geteuid().as_raw()) {
        bail!(
            "others may change the notify hook {0}: chown root {0} && chmod go-w {0}",
            program.display()
        );
    }
    Ok(())
}

async fn run_for_each(program: PathBuf, mut queue: mpsc::Receiver<Event>) {
    while let Some(event) = queue.recv().await {
        let line = Line {
            v: 1,
            at: clock::now().0,
            event: &event,
        };
        let Ok(mut line) = serde_json::to_vec(&line) else {
            tracing::error!("an event is no JSON");
            continue;
        };
        line.push(b'\n');
        match tokio::time::timeout(TIME, run(&program, &line)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(program = %program.display(), "the notify hook failed: {error:#}"),
            Err(_) => tracing::error!(program = %program.display(), "the notify hook took too long and was killed"),
        }
    }
}

async fn run(program: &Path, line: &[u8]) -> anyhow::Result<()> {
    let mut child = Command::new(program)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("it could not be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing has closed it: its exit code says whether that was meant.
        let _ = stdin.write_all(line).await;
    }
    let status = child.wait().await.context("it could not be waited for")?;
    anyhow::ensure!(status.success(), "it ended with {status}");
    Ok(())
}
