//! The module's side of the agent's socket, for figures that leave PAM out.

use assent_tests::sockets;
use assent_wire::{Answer, Begin, Phase, Reply, ToAgent, ToModule, Verdict, VerdictCode};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::row::ms_since;

/// A login that has begun.
pub struct Dialogue(UnixStream);

impl Dialogue {
    /// Begins one of this service for this user; the agent has said that it is there.
    pub fn begin(service: &str, user: &str) -> Self {
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
            ssh_connection: None,
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

    /// Answers the prompt that was waited for; milliseconds until the verdict, and it.
    pub fn answer(mut self, password: &str) -> (f64, Verdict) {
        let began = Instant::now();
        self.say(&ToAgent::Answer(Answer {
            reply: Reply::Text(password.as_bytes().to_vec().into()),
        }));
        match self.hear() {
            ToModule::Verdict(verdict) => (ms_since(began), verdict),
            other => panic!("a verdict ends a password's check, not {other:?}"),
        }
    }

    fn say(&mut self, message: &ToAgent) {
        let frame = message.encode().expect("a frame");
        self.0.write_all(&frame).expect("the agent reads");
    }
}
