//! A server that says what a test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How somebody between us and the server treats `StartTLS`.
#[derive(Debug, Clone, Copy)]
pub enum StripMode {
    /// Result 2.
    Refuse,
    /// Result 52.
    Unavailable,
    /// Result 0, with a bind's success behind it, from before TLS.
    SayYesAndMore,
    /// No LDAP.
    Rubbish,
    /// The end.
    Close,
}

/// The requests heard on each connection.
type Heard = Arc<Mutex<Vec<Vec<Request>>>>;

#[derive(Debug, Clone)]
struct Request {
    tag: u8,
    bytes: Vec<u8>,
}

/// A running stand-in. It notes what it hears on each connection.
pub struct Fake {
    pub port: u16,
    heard: Heard,
}

/// What a stand-in does with a request: its answer's bytes, or the end.
type Answer = dyn Fn(&[u8], u8) -> Option<Vec<u8>> + Send + Sync;

impl Fake {
    fn start(answer: Box<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Heard::default();
        let (answer, noted) = (Arc::<Answer>::from(answer), heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, noted) = (answer.clone(), noted.clone());
                let at = {
                    let mut all = noted.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                std::thread::spawn(move || serve(stream.unwrap(), &*answer, &noted, at));
            }
        });
        Self { port, heard }
    }

    /// Answers searches and binds so; each answer without its envelope.
    pub fn answering(search: Vec<Vec<u8>>, bind: Vec<u8>) -> Self {
        Self::start(Box::new(move |id, tag| match tag {
            0x60 => Some(envelope(id, &bind)),
            0x63 => Some(search.iter().flat_map(|answer| envelope(id, answer)).collect()),
            _ => None,
        }))
    }

    /// Answers each search by the next of these, the last one again and again, and binds so.
    pub fn in_turn(searches: Vec<Vec<Vec<u8>>>, bind: Vec<u8>) -> Self {
        let left = Mutex::new(std::collections::VecDeque::from(searches));
        Self::start(Box::new(move |id, tag| match tag {
            0x60 => Some(envelope(id, &bind)),
            0x63 => {
                let mut left = left.lock().unwrap();
                let answers = if left.len() > 1 {
                    left.pop_front()
                } else {
                    left.front().cloned()
                };
                Some(answers?.iter().flat_map(|answer| envelope(id, answer)).collect())
            }
            _ => None,
        }))
    }

    /// Answers the first search on each connection, and then says nothing there: a firewall in between has lost its state.
    pub fn dying_connections(search: Vec<Vec<u8>>) -> Self {
        Self::start(Box::new(move |id, tag| match (tag, id) {
            (0x63, [1]) => Some(search.iter().flat_map(|answer| envelope(id, answer)).collect()),
            _ => Some(Vec::new()),
        }))
    }

    /// Takes its time with the first search of all.
    pub fn slow_at_first(search: Vec<Vec<u8>>, time: Duration) -> Self {
        let first = AtomicBool::new(true);
        Self::start(Box::new(move |id, tag| {
            if tag == 0x63 && first.swap(false, Ordering::SeqCst) {
                std::thread::sleep(time);
            }
            Some(search.iter().flat_map(|answer| envelope(id, answer)).collect())
        }))
    }

    /// Takes everything and says nothing.
    pub fn silent() -> Self {
        Self::start(Box::new(|_, _| Some(Vec::new())))
    }

    /// Says these bytes to whatever it hears.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self::start(Box::new(move |_, _| Some(bytes.clone())))
    }

    /// Answers a search with an entry after entry.
    pub fn endless(entry: Vec<u8>) -> Self {
        Self::start(Box::new(move |id, _| Some(envelope(id, &entry).repeat(100_000))))
    }

    /// Sits between us and a real server. Would carry on in plain if it were let.
    pub fn stripping(port: u16, mode: StripMode) -> Self {
        Self::start(Box::new(move |id, tag| {
            if tag != 0x77 {
                // Whoever says more than StartTLS has lost already; the server would have heard it.
                let _ = TcpStream::connect(("127.0.0.1", port));
                return Some(envelope(id, &bound(0)));
            }
            match mode {
                StripMode::Refuse => Some(envelope(id, &result(0x78, 2))),
                StripMode::Unavailable => Some(envelope(id, &result(0x78, 52))),
                StripMode::SayYesAndMore => Some([envelope(id, &result(0x78, 0)), envelope(&[2], &bound(0))].concat()),
                StripMode::Rubbish => Some(b"\x16\x03\x01 hello".to_vec()),
                StripMode::Close => None,
            }
        }))
    }

    /// The tags of all operations heard.
    pub fn heard(&self) -> Vec<u8> {
        self.connections().concat()
    }

    /// The tags of the operations heard on each connection.
    pub fn connections(&self) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        let tags = |requests: &Vec<Request>| requests.iter().map(|request| request.tag).collect();
        heard.iter().map(tags).collect()
    }

    /// Whether these bytes stood in any request.
    pub fn was_told(&self, bytes: &[u8]) -> bool {
        let heard = self.heard.lock().unwrap();
        let told = |request: &Request| request.bytes.windows(bytes.len()).any(|window| window == bytes);
        heard.iter().flatten().any(told)
    }

    /// How many have connected.
    pub fn callers(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, heard: &Heard, at: usize) {
    let mut pending = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        // Our own requests are short.
        while let Some((id, tag, length)) = request(&pending) {
            let bytes = pending.drain(..length).collect();
            heard.lock().unwrap()[at].push(Request { tag, bytes });
            match answer(&id, tag) {
                Some(bytes) if stream.write_all(&bytes).is_ok() => (),
                _ => return,
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => pending.extend(&chunk[..count]),
            _ => return,
        }
    }
}

/// A request's id, operation tag and length, once it is there.
fn request(bytes: &[u8]) -> Option<(Vec<u8>, u8, usize)> {
    if *bytes.first()? != 0x30 {
        // TLS, most likely: heard as a whole.
        return None;
    }
    let first = usize::from(*bytes.get(1)?);
    let (length, start) = if first < 0x80 {
        (first, 2)
    } else {
        let count = first & 0x7f;
        let length = bytes
            .get(2..2 + count)?
            .iter()
            .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        (length, 2 + count)
    };
    let body = bytes.get(start..start + length)?;
    let id = &body[2..2 + usize::from(body[1])];
    Some((id.to_vec(), body[2 + id.len()], start + length))
}

/// An element of BER.
pub fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    if body.len() < 128 {
        out.push(u8::try_from(body.len()).unwrap());
    } else {
        out.push(0x84);
        out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    }
    out.extend(body);
    out
}

/// The message around an operation; what is empty stays so.
fn envelope(id: &[u8], operation: &[u8]) -> Vec<u8> {
    if operation.is_empty() {
        return Vec::new();
    }
    element(0x30, &[&element(2, id), operation].concat())
}

fn result(tag: u8, code: u8) -> Vec<u8> {
    element(tag, &[element(10, &[code]), element(4, b""), element(4, b"")].concat())
}

/// A bind's answer.
pub fn bound(code: u8) -> Vec<u8> {
    result(0x61, code)
}

/// A search's end.
pub fn done(code: u8) -> Vec<u8> {
    result(0x65, code)
}

/// "Ask elsewhere" as a result.
pub fn referral(tag: u8, uri: &str) -> Vec<u8> {
    let uris = element(0xa3, &element(4, uri.as_bytes()));
    element(
        tag,
        &[element(10, &[10]), element(4, b""), element(4, b""), uris].concat(),
    )
}

/// "Ask elsewhere as well" among the entries.
pub fn reference(uri: &str) -> Vec<u8> {
    element(0x73, &element(4, uri.as_bytes()))
}

/// An entry.
pub fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, &[&[u8]])| {
        let values: Vec<u8> = values.iter().flat_map(|value| element(4, value)).collect();
        element(0x30, &[element(4, name.as_bytes()), element(0x31, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    element(0x64, &[element(4, dn.as_bytes()), element(0x30, &attributes)].concat())
}

/// An operation and a control beside it.
pub fn with_control(operation: &[u8], oid: &str, value: &[u8]) -> Vec<u8> {
    let control = element(0x30, &[element(4, oid.as_bytes()), element(4, value)].concat());
    [operation, &element(0xa0, &control)].concat()
}
