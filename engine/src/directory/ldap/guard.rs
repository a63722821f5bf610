//! Stands between a directory server and the parser (R88): what the server sends is passed on one checked message at
//! a time, and never more than an answer can need.

use super::asked::Asked;
use super::ber::{Header, check_message, header};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use zeroize::{Zeroize as _, Zeroizing};

/// Largest message that a server may send.
const MAX_MESSAGE: usize = 1024 * 1024;
/// Most bytes that a server may send after the last request: an entry for two users, with references.
const MAX_ANSWERS: usize = 4 * 1024 * 1024;
/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// Why a connection ended, as far as the guard knows.
#[derive(Debug, Clone, Default)]
pub struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    fn set(&self, text: String) {
        if let Ok(mut reason) = self.0.lock() {
            reason.get_or_insert(text);
        }
    }

    /// The reason, if there is one.
    pub fn get(&self) -> Option<String> {
        self.0.lock().ok().and_then(|reason| reason.clone())
    }
}

/// Carries bytes between the server and the parser until one of them ends.
pub async fn run<S>(server: S, parser: UnixStream, reason: Reason)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from_server, to_server) = tokio::io::split(server);
    let (from_parser, to_parser) = parser.into_split();
    let answers = AtomicUsize::new(0);
    let asked = Mutex::new(Asked::default());
    // Two loops, so that a full buffer in one direction never stops the other.
    let ended = tokio::select! {
        ended = requests(from_parser, to_server, &answers, &asked) => ended,
        ended = replies(from_server, to_parser, &answers, &asked) => ended,
    };
    if let Err(text) = ended {
        reason.set(text);
    }
}

/// Never held while anything is waited for.
fn open(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn requests(
    mut from_parser: impl AsyncRead + Unpin,
    mut to_server: impl AsyncWrite + Unpin,
    answers: &AtomicUsize,
    asked: &Mutex<Asked>,
) -> Result<(), String> {
    let mut request = Zeroizing::new(vec![0; CHUNK]);
    loop {
        let count = from_parser.read(&mut request).await.unwrap_or(0);
        if count == 0 {
            let _ = to_server.shutdown().await;
            return Ok(());
        }
        answers.store(0, Ordering::Relaxed);
        let followed = open(asked).sent(&request[..count]);
        followed.map_err(|what| format!("the parser sent {what}"))?;
        let sent = to_server.write_all(&request[..count]).await;
        // It may have been a password.
        request[..count].zeroize();
        if sent.is_err() || to_server.flush().await.is_err() {
            return Err("the server closed the connection".to_owned());
        }
    }
}

async fn replies(
    mut from_server: impl AsyncRead + Unpin,
    mut to_parser: impl AsyncWrite + Unpin,
    answers: &AtomicUsize,
    asked: &Mutex<Asked>,
) -> Result<(), String> {
    let mut pending = Vec::new();
    loop {
        match from_server.read_buf(&mut pending).await {
            Ok(0) => return Err("the server closed the connection".to_owned()),
            Ok(count) if answers.fetch_add(count, Ordering::Relaxed) + count > MAX_ANSWERS => {
                return Err(format!("the server sent more than {MAX_ANSWERS} bytes for one request"));
            }
            Ok(_) => pass_on(&mut pending, &mut to_parser, asked)
                .await
                .map_err(|why| format!("the server sent {why}"))?,
            Err(e) => return Err(format!("the connection broke: {e}")),
        }
    }
}

/// Passes on whole messages and keeps the rest.
async fn pass_on(
    pending: &mut Vec<u8>,
    to_parser: &mut (impl AsyncWrite + Unpin),
    asked: &Mutex<Asked>,
) -> Result<(), String> {
    let mut done = 0;
    loop {
        match header(&pending[done..]) {
            Header::Bad => return Err("no LDAP message".to_owned()),
            Header::Length(length) if length > MAX_MESSAGE => return Err(format!("a message of {length} bytes")),
            Header::Length(length) if pending.len() - done >= length => {
                let message = &pending[done..done + length];
                check_message(message)?;
                open(asked).answered(message)?;
                to_parser
                    .write_all(message)
                    .await
                    .map_err(|_| "more than was asked for".to_owned())?;
                done += length;
            }
            Header::Length(_) | Header::Incomplete => break,
        }
    }
    pending.drain(..done);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BOUND: &[u8] = &[0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0];
    const REFERENCE: &[u8] = &[0x30, 10, 2, 1, 2, 0x73, 5, 4, 3, b'u', b'r', b'i'];
    /// A bind as message 1 and a search as message 2, as far as the guard looks.
    const ASKED: &[u8] = &[0x30, 5, 2, 1, 1, 0x60, 0, 0x30, 5, 2, 1, 2, 0x63, 0];

    async fn fed(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let (parser, mut got) = UnixStream::pair().unwrap();
        let reason = Reason::default();
        let guard = tokio::spawn(run(ours, parser, reason.clone()));
        let bytes = bytes.to_vec();
        got.write_all(ASKED).await.unwrap();
        let feeding = tokio::spawn(async move {
            let mut asked = [0; ASKED.len()];
            theirs.read_exact(&mut asked).await.unwrap();
            let _ = theirs.write_all(&bytes).await;
        });
        let mut passed = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), got.read_to_end(&mut passed))
            .await
            .unwrap()
            .unwrap();
        guard.await.unwrap();
        feeding.await.unwrap();
        (passed, reason.get())
    }

    #[tokio::test]
    async fn r88_whole_messages_pass_and_the_end_is_seen() {
        let two = [BOUND, REFERENCE].concat();
        let (passed, reason) = fed(&two).await;
        assert_eq!(passed, two);
        assert_eq!(reason.as_deref(), Some("the server closed the connection"));
        let (passed, _) = fed(&two[..20]).await;
        assert_eq!(passed, BOUND, "a part of a message is kept back");
    }

    #[tokio::test]
    async fn r88_an_answer_that_nobody_asked_for_does_not_reach_the_parser() {
        let mut wrong = REFERENCE.to_vec();
        wrong[4] = 1;
        for (bytes, why) in [
            (wrong, "an answer of another kind than its question"),
            ([BOUND, BOUND].concat(), "an answer to no question"),
        ] {
            let (passed, reason) = fed(&bytes).await;
            assert!(passed.len() <= BOUND.len(), "{passed:x?}");
            assert_eq!(reason, Some(format!("the server sent {why}")));
        }
    }

    #[tokio::test]
    async fn r88_a_hostile_directory_reaches_neither_the_parser_nor_the_memory() {
        // 100 MB announced: refused by its header.
        let (passed, reason) = fed(&[0x30, 0x84, 0x06, 0x00, 0x00, 0x00, 0x02]).await;
        assert!(passed.is_empty());
        assert_eq!(reason.as_deref(), Some("the server sent a message of 100663302 bytes"));
        // Ten thousand levels.
        let nested = (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| {
            let mut out = vec![0x30, 0x83];
            out.extend(&u32::try_from(inner.len()).unwrap().to_be_bytes()[1..]);
            out.extend(inner);
            out
        });
        let (passed, reason) = fed(&nested).await;
        assert!(passed.is_empty());
        assert_eq!(reason.as_deref(), Some("the server sent a message nested too deeply"));
        // Good messages without an end.
        let (passed, reason) = fed(&REFERENCE.repeat(MAX_ANSWERS / REFERENCE.len() + 10_000)).await;
        assert!(passed.len() <= MAX_ANSWERS);
        assert!(reason.unwrap().contains("for one request"));
    }

    #[tokio::test]
    async fn what_the_parser_sends_arrives_and_its_end_too() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (parser, mut client) = UnixStream::pair().unwrap();
        let guard = tokio::spawn(run(ours, parser, Reason::default()));
        client.write_all(ASKED).await.unwrap();
        drop(client);
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, ASKED);
        guard.await.unwrap();
    }
}
