//! An agent that does what a test tells it, one script for each connection it accepts.

use assent_wire::{Begin, MAX_FRAME, Reply, ToAgent, ToModule, Verdict, VerdictCode, body_len};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// No step of a test takes longer; a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection of the module.
pub struct Peer(UnixStream);

impl Peer {
    /// The next frame's body, or `None` at the end.
    pub fn body(&mut self) -> Option<Vec<u8>> {
        let mut prefix = [0; 4];
        match self.0.read(&mut prefix[..1]) {
            // A connection that ends with our bytes unread ends in a reset.
            Ok(0) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            other => assert_eq!(other.unwrap(), 1),
        }
        self.0.read_exact(&mut prefix[1..]).unwrap();
        let mut body = vec![0; body_len(prefix).unwrap()];
        self.0.read_exact(&mut body).unwrap();
        Some(body)
    }

    pub fn take(&mut self) -> ToAgent {
        ToAgent::decode(&self.body().expect("the module closed the connection")).unwrap()
    }

    pub fn begin(&mut self) -> Box<Begin> {
        match self.take() {
            ToAgent::Begin(begin) => begin,
            other => panic!("{other:?} instead of Begin"),
        }
    }

    /// Takes Begin and says Hello.
    pub fn greet(&mut self) -> Box<Begin> {
        let begin = self.begin();
        self.give(&ToModule::Hello);
        begin
    }

    pub fn give(&mut self, message: &ToModule) {
        self.raw(&message.encode().unwrap());
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Sends what may meet a module that has left.
    pub fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    pub fn answer(&mut self) -> Option<Vec<u8>> {
        match self.take() {
            ToAgent::Answer(answer) => match answer.reply {
                Reply::Text(text) => Some(text.to_vec()),
                Reply::Failed => None,
            },
            other => panic!("{other:?} instead of an answer"),
        }
    }

    pub fn ask(&mut self, echo: bool, text: &str) -> Option<Vec<u8>> {
        self.give(&ToModule::Ask {
            echo,
            text: text.into(),
        });
        self.answer()
    }

    pub fn ask_password(&mut self, text: &str) -> Option<Vec<u8>> {
        self.give(&ToModule::AskPassword { text: text.into() });
        self.answer()
    }

    pub fn end(&mut self, code: VerdictCode) {
        self.give(&verdict(code, "", None));
    }

    /// The module says that the person left, then closes.
    pub fn sees_gone(&mut self) {
        assert_eq!(self.take(), ToAgent::Gone);
        self.sees_the_end();
    }

    pub fn sees_the_end(&mut self) {
        assert_eq!(self.body(), None);
    }
}

pub fn verdict(code: VerdictCode, text: &str, ticket: Option<[u8; 16]>) -> ToModule {
    ToModule::Verdict(Verdict {
        code,
        text: text.into(),
        id: "k7f3q2".into(),
        ticket,
    })
}

/// A frame with this body, whatever the body is.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    assert!(body.len() <= MAX_FRAME + 1_000);
    bytes
}

/// What the agent does on one connection.
pub type Script<T> = Box<dyn FnOnce(&mut Peer) -> T + Send>;

/// Listens at once, so that the module may be started; then plays one script for each connection.
pub fn play<T: Send + 'static>(path: &Path, scripts: Vec<Script<T>>) -> Played<T> {
    let listener = UnixListener::bind(path).unwrap();
    let copy = listener.try_clone().unwrap();
    let thread = thread::spawn(move || {
        scripts
            .into_iter()
            .map(|script| {
                arrives(&listener);
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                script(&mut Peer(stream))
            })
            .collect()
    });
    Played {
        thread: Some(thread),
        listener: copy,
    }
}

/// Returns when somebody knocks, and fails when nobody does.
fn arrives(listener: &UnixListener) {
    let mut waits = libc::pollfd {
        fd: listener.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one initialised entry.
    let came = unsafe { libc::poll(&raw mut waits, 1, i32::try_from(PATIENCE.as_millis()).unwrap()) };
    assert_eq!(came, 1, "the module did not connect");
}

/// The agent's thread.
pub struct Played<T> {
    thread: Option<JoinHandle<Vec<T>>>,
    listener: UnixListener,
}

impl<T> Played<T> {
    /// What each script returned. Fails if one failed.
    pub fn finish(mut self) -> Vec<T> {
        self.thread
            .take()
            .unwrap()
            .join()
            .unwrap_or_else(|error| std::panic::resume_unwind(error))
    }

    /// For tests in which the module must not have come at all.
    pub fn saw_nobody(self) {
        self.listener.set_nonblocking(true).unwrap();
        let error = self.listener.accept().err().map(|error| error.kind());
        assert_eq!(error, Some(std::io::ErrorKind::WouldBlock), "the module connected");
    }
}
