//! The module's side of the agent's socket, for figures that leave PAM out.

use assent_tests::sockets;
use assent_wire::{Answer, Begin, Phase, Reply, ToAgent, ToModule, Verdict, VerdictCode};
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::row::ms_since;

/// A login that has begun.
pub struct Dialogue(UnixStream);

impl Dialogue {
    /// Begins one of this service for this user; the agent has said that it is there.
    pub fn begin(service: &str, user: &str) -> Self {
        Self::begin_from(service, user, None)
    }

    /// The same for a client at this address.
    pub fn begin_from(service: &str, user: &str, client: Option<Ipv4Addr>) -> Self {
        let stream = UnixStream::connect(sockets::AGENT).expect("the agent's socket");
        let mut dialogue = Self(stream);
        dialogue.say(&ToAgent::Begin(Box::new(Begin {
            phase: Phase::Auth,
            service: service.into(),
            user: user.into(),
            ruser: None,
            rhost: None,
            tty: None,
            flags: 0,
            ssh_connection: client.map(|client| format!("{client} 0 127.0.0.1 22").into_bytes()),
            ssh_auth_info: None,
            command_line: b"bench\0".to_vec(),
            command_line_len: 6,
            cwd: None,
            audit_session: None,
            login_uid: None,
            sudo_command: None,
            ticket: None,
        })));
        assert!(matches!(dialogue.hear(), ToModule::Hello), "the agent greets");
        dialogue
    }

    /// The agent's next message.
    pub fn hear(&mut self) -> ToModule {
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).expect("a frame");
        let mut body = vec![0; assent_wire::body_len(prefix).expect("a length")];
        self.0.read_exact(&mut body).expect("a frame");
        ToModule::decode(&body).expect("a message")
    }

    /// Answers the password prompt; milliseconds until the approval.
    pub fn password(mut self, password: &str) -> f64 {
        self.wait_for_the_prompt();
        let (took, verdict) = self.answer(password);
        assert_eq!(verdict.code, VerdictCode::Approved, "the password was not accepted");
        took
    }

    /// Waits until a password is asked.
    pub fn wait_for_the_prompt(&mut self) {
        let heard = self.hear();
        assert!(
            matches!(heard, ToModule::AskPassword { .. }),
            "a password is asked, not {heard:?}"
        );
    }

    /// Waits until something is asked that is no password; what is told before is passed over.
    pub fn wait_for_a_question(&mut self) {
        loop {
            match self.hear() {
                ToModule::Ask { .. } => return,
                ToModule::Tell { .. } => {}
                other => panic!("a code is asked for, not {other:?}"),
            }
        }
    }

    /// Answers what was asked.
    pub fn reply(&mut self, text: &str) {
        self.say(&ToAgent::Answer(Answer {
            reply: Reply::Text(text.as_bytes().to_vec().into()),
        }));
    }

    /// Answers the prompt that was waited for; milliseconds until the verdict, and it. What is told before is passed over.
    pub fn answer(mut self, text: &str) -> (f64, Verdict) {
        let began = Instant::now();
        self.reply(text);
        loop {
            match self.hear() {
                ToModule::Verdict(verdict) => return (ms_since(began), verdict),
                ToModule::Tell { .. } => {}
                other => panic!("a verdict ends the login, not {other:?}"),
            }
        }
    }

    fn say(&mut self, message: &ToAgent) {
        let frame = message.encode().expect("a frame");
        self.0.write_all(&frame).expect("the agent reads");
    }
}
