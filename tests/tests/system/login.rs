//! A login at the agent's own socket, as the module in a `sudo` would begin it: fast enough for hundreds.

use assent_tests::patience;
use assent_tests::product::PATIENCE;
use assent_tests::sockets::AGENT;
use assent_wire::{Begin, Phase, ToAgent, ToModule, Verdict};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};

/// A login in progress, or ended.
pub struct Login {
    stream: UnixStream,
    said: Receiver<ToModule>,
    id: Option<String>,
    verdict: Option<Verdict>,
}

/// What `sudo COMMAND` of this user tells the agent.
pub fn begin(user: &str) -> Begin {
    Begin {
        phase: Phase::Auth,
        service: b"sudo".to_vec(),
        user: user.into(),
        ruser: Some(user.into()),
        rhost: None,
        tty: Some(b"/dev/pts/7".to_vec()),
        flags: 0,
        ssh_connection: None,
        ssh_auth_info: None,
        command_line: b"sudo\0/usr/bin/id\0".to_vec(),
        command_line_len: 17,
        cwd: Some(b"/home".to_vec()),
        audit_session: None,
        login_uid: None,
        sudo_command: Some(b"/usr/bin/id".to_vec()),
        ticket: None,
    }
}

/// The agent's next message; `None` when it closed.
pub fn next(stream: &mut UnixStream) -> Option<ToModule> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).ok()?;
    let mut body = vec![0; assent_wire::body_len(prefix).expect("a length")];
    stream.read_exact(&mut body).ok()?;
    Some(ToModule::decode(&body).expect("a message"))
}

impl Login {
    /// `sudo id` of this user.
    pub fn of(user: &str) -> Self {
        Self::start(begin(user))
    }

    /// Any login.
    pub fn start(begin: Begin) -> Self {
        let mut stream = UnixStream::connect(AGENT).expect("the agent's socket");
        let frame = ToAgent::Begin(Box::new(begin)).encode().expect("a frame");
        stream.write_all(&frame).expect("the agent reads");
        let mut reader = stream.try_clone().expect("a second descriptor");
        let (sender, said) = channel();
        std::thread::spawn(move || {
            while let Some(message) = next(&mut reader) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            stream,
            said,
            id: None,
            verdict: None,
        }
    }

    /// Its short id, once a push waits.
    pub fn id(&mut self) -> String {
        let found = patience::until(PATIENCE, || {
            self.hear();
            self.id.clone()
        });
        found.expect("the agent says that it waits")
    }

    /// The verdict, if it has come.
    pub fn verdict(&mut self) -> Option<&Verdict> {
        self.hear();
        self.verdict.as_ref()
    }

    /// Waits for the verdict.
    pub fn ends(&mut self) -> Verdict {
        let found = patience::until(PATIENCE, || self.verdict().cloned());
        found.expect("a verdict came")
    }

    /// The person leaves.
    pub fn gives_up(&mut self) {
        let _ = self.stream.write_all(&ToAgent::Gone.encode().expect("a frame"));
    }

    fn hear(&mut self) {
        while let Ok(message) = self.said.try_recv() {
            match message {
                ToModule::Tell { text, .. } => {
                    let inside = text.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']'));
                    self.id = inside.map(|(id, _)| id.to_owned());
                }
                ToModule::Verdict(verdict) => {
                    self.id.get_or_insert_with(|| verdict.id.clone());
                    self.verdict = Some(verdict);
                }
                ToModule::Hello | ToModule::Ask { .. } | ToModule::AskPassword { .. } => {}
            }
        }
    }
}
