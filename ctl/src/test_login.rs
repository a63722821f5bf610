//! `assentctl test USER`: plays the PAM module towards the agent, so that a policy and a push can be tried without
//! opening a session. Nothing is logged in: the verdict is printed and that is all.

use crate::agent_bus::no_agent;
use crate::failure::{Done, Failure};
use crate::report::report;
use crate::secret;
use crate::terminal::{self, Charset};
use assent_proto::text::visible;
use assent_wire::{
    Answer, Begin, MAX_COMMAND_LINE, Phase, Reply, SOCKET_PATH, Tell, ToAgent, ToModule, Verdict, VerdictCode, body_len,
};
use clap::Args;
use serde_json::json;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// A login lives 100 s; what is silent for longer is no agent.
const SILENCE: Duration = Duration::from_secs(110);

/// `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Who logs in
    user: String,
    /// As which PAM service
    #[arg(long, default_value = "sshd")]
    service: String,
    /// The agent's socket
    #[arg(long, value_name = "PATH", default_value = SOCKET_PATH)]
    socket: PathBuf,
    /// Report the verdict as JSON; what the agent tells goes to standard error
    #[arg(long)]
    json: bool,
}

impl Test {
    /// Runs it.
    pub fn run(&self) -> Done {
        let stream = UnixStream::connect(&self.socket).map_err(|e| no_agent(&self.socket, &e))?;
        stream.set_read_timeout(Some(SILENCE)).map_err(|e| lost(&e))?;
        stream.set_write_timeout(Some(SILENCE)).map_err(|e| lost(&e))?;
        let verdict = self.converse(stream)?;
        let (word, end) = outcome(verdict.code);
        let value = json!({"verdict": word, "text": verdict.text, "login": verdict.id, "user": self.user, "service": self.service});
        report(self.json, &value, || {
            let text = if verdict.text.is_empty() {
                String::new()
            } else {
                format!(": {}", visible(&verdict.text))
            };
            Charset::of_locale().fit(&format!("{word}{text} (login {})", visible(&verdict.id)))
        });
        match end {
            End::Approved => Ok(()),
            End::Denied => Err(Failure::Refused(format!(
                "{} would not get in as {}",
                visible(&self.user),
                visible(&self.service)
            ))),
            End::Unavailable => Err(Failure::Unreachable(
                "the agent could not decide; its log says why".into(),
            )),
        }
    }

    fn converse(&self, mut stream: UnixStream) -> Done<Verdict> {
        send(&mut stream, &ToAgent::Begin(Box::new(self.begin())))?;
        loop {
            match receive(&mut stream)? {
                ToModule::Hello => {}
                ToModule::Tell { kind, text } => self.tell(kind, &text),
                ToModule::Ask { echo, text } => {
                    let reply = ask(&text, echo);
                    send(&mut stream, &ToAgent::Answer(Answer { reply }))?;
                }
                ToModule::AskPassword { text } => {
                    let reply = ask(&text, false);
                    send(&mut stream, &ToAgent::Answer(Answer { reply }))?;
                }
                ToModule::Verdict(verdict) => return Ok(verdict),
            }
        }
    }

    fn begin(&self) -> Begin {
        let command_line = std::fs::read("/proc/self/cmdline").unwrap_or_default();
        let number = |path: &str| {
            let value = std::fs::read_to_string(path).ok()?.trim().parse::<u32>().ok()?;
            (value != u32::MAX).then_some(value)
        };
        let tty = nix::unistd::ttyname(io::stdin()).ok();
        Begin {
            phase: Phase::Auth,
            service: self.service.clone().into_bytes(),
            user: self.user.clone().into_bytes(),
            ruser: None,
            rhost: None,
            tty: tty.map(|path| path.into_os_string().into_encoded_bytes()),
            flags: 0,
            ssh_connection: None,
            ssh_auth_info: None,
            command_line_len: command_line.len() as u64,
            command_line: command_line.into_iter().take(MAX_COMMAND_LINE).collect(),
            cwd: std::env::current_dir()
                .ok()
                .map(|path| path.into_os_string().into_encoded_bytes()),
            audit_session: number("/proc/self/sessionid"),
            login_uid: number("/proc/self/loginuid"),
            sudo_command: None,
            ticket: None,
        }
    }

    fn tell(&self, kind: Tell, text: &str) {
        let text = Charset::of_locale().fit(&shown(text));
        match kind {
            Tell::Info if !self.json => crate::report::say(&text),
            Tell::Info | Tell::Error => eprintln!("{text}"),
        }
    }
}

/// The agent's lines may have line ends; nothing else in them moves the cursor.
fn shown(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn ask(prompt: &str, echo: bool) -> Reply {
    let question = Charset::of_locale().fit(&shown(prompt));
    let typed = if echo || !io::stdin().is_terminal() {
        eprint!("{question}");
        let _ = io::stderr().flush();
        terminal::read_line().map(|line| Zeroizing::new(line.as_bytes().to_vec()))
    } else {
        secret::ask(&question).ok().flatten()
    };
    // The end of the input is a failed conversation, as for the module: never an empty answer.
    typed.map_or(Reply::Failed, Reply::Text)
}

fn send(stream: &mut UnixStream, message: &ToAgent) -> Done {
    let frame = message
        .encode()
        .map_err(|e| Failure::Input(format!("this login does not fit a message: {e}")))?;
    stream.write_all(&frame).map_err(|e| lost(&e))
}

fn receive(stream: &mut UnixStream) -> Done<ToModule> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).map_err(|e| lost(&e))?;
    let odd = |e: assent_wire::Error| {
        Failure::Unreachable(format!(
            "the agent's message is not understood: {e}; are both of one version?"
        ))
    };
    let mut body = Zeroizing::new(vec![0; body_len(prefix).map_err(odd)?]);
    stream.read_exact(&mut body).map_err(|e| lost(&e))?;
    ToModule::decode(&body).map_err(odd)
}

fn lost(error: &io::Error) -> Failure {
    Failure::Unreachable(format!(
        "the agent hung up before a verdict ({error}); a login would be refused. Its log says why"
    ))
}

enum End {
    Approved,
    Denied,
    Unavailable,
}

fn outcome(code: VerdictCode) -> (&'static str, End) {
    match code {
        VerdictCode::Approved => ("approved", End::Approved),
        VerdictCode::Denied => ("denied", End::Denied),
        VerdictCode::Blocked => ("blocked", End::Denied),
        VerdictCode::Ignore => ("ignored: no application lists this service", End::Denied),
        VerdictCode::Unavailable => ("unavailable", End::Unavailable),
    }
}
