//! The peer of a push: Debian's `libpam-duo`, and a server that answers it at once.
//!
//! The server speaks as much of Duo's REST interface, version 1, as `libpam-duo` 1.11.3 uses for the service `sshd`:
//! HTTP/1.1 over TLS on one connection, `POST /rest/v1/preauth.bson`, then `POST /rest/v1/auth.bson`, answered in BSON.
//! It checks no signature, which costs the peer nothing and could only make it slower.

use assent_tests::certificates::Authority;
use assent_tests::delay::Door;
use assent_tests::scratch;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::linux::net::TcpStreamExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// What the server is called; `libpam-duo` wants a name in the certificate.
const NAME: &str = "duo.bench.test";
/// Longest request.
const MAX_REQUEST: usize = 16 * 1024;

/// How the server's kernel acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// As it likes: it waits up to 40 ms for something to send along, and the client's Nagle waits for it.
    Delayed,
    /// At once, which takes those stalls out.
    AtOnce,
}

/// Two servers, one of each kind, and the module's configuration for each.
pub struct Peer {
    module: PathBuf,
    configurations: [(Acks, PathBuf); 2],
}

impl Peer {
    /// Starts the servers at this address, behind `door` if there is one. They end with the process.
    pub fn start(unpacked: &Path, address: Ipv4Addr, door: Option<&Door>) -> Self {
        let module = unpacked.join("lib/x86_64-linux-gnu/security/pam_duo.so");
        assert!(module.exists(), "{} is not there", module.display());
        make_libraries_known(&unpacked.join("usr/lib/x86_64-linux-gnu"));
        let authority = Authority::create();
        let certificate = authority.server_certificate_for("duo", &format!("DNS:{NAME}"));
        let tls = tls(&certificate.certificate, &certificate.key);
        name(address);
        let configurations = [Acks::Delayed, Acks::AtOnce].map(|acks| {
            let port = serve(address, door.cloned(), tls.clone(), acks);
            (acks, configure(port, &authority.certificate()))
        });
        Self { module, configurations }
    }

    /// The stack with this kind of server.
    pub fn stack(&self, acks: Acks) -> String {
        let found = self.configurations.iter().find(|(kind, _)| *kind == acks);
        let (_, file) = found.expect("one of each kind");
        format!(
            "auth required {} conf={}\naccount required pam_permit.so\n",
            self.module.display(),
            file.display()
        )
    }
}

/// As its package would: by the dynamic linker's cache, which is this world's own.
fn make_libraries_known(directory: &Path) {
    let line = format!("{}\n", directory.display());
    std::fs::write("/etc/ld.so.conf.d/bench.conf", line).expect("this world's linker configuration");
    let done = Command::new("/sbin/ldconfig").status().expect("ldconfig starts");
    assert!(done.success(), "ldconfig failed");
}

fn name(address: Ipv4Addr) {
    let hosts = std::fs::read_to_string("/etc/hosts").expect("this world's hosts");
    std::fs::write("/etc/hosts", format!("{hosts}{address} {NAME}\n")).expect("this world's hosts");
}

fn configure(port: u16, ca: &Path) -> PathBuf {
    let file = scratch::unused("pam_duo.conf");
    scratch::write(
        &file,
        &format!(
            "[duo]\nhost = {NAME}:{port}\nikey = DIBENCHBENCHBENCHBEN\nskey = a-key-of-forty-letters-for-a-bench-alone\n\
             cafile = {}\nfailmode = secure\nautopush = yes\nprompts = 1\n",
            ca.display()
        ),
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode for it");
    file
}

fn tls(certificate: &Path, key: &Path) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate).expect("a certificate");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.expect("a certificate for the key"))
}

/// Listens on a free port and answers each connection on a thread of its own.
fn serve(address: Ipv4Addr, door: Option<Door>, tls: Arc<ServerConfig>, acks: Acks) -> u16 {
    let listening = std::thread::spawn(move || {
        if let Some(door) = door {
            door.enter();
        }
        TcpListener::bind((address, 0)).expect("a free port")
    });
    let listener = listening.join().expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = tls.clone();
            // A client that goes away is no concern of the server's; one that got no answer says so itself.
            std::thread::spawn(move || drop(connection(stream, tls, acks)));
        }
    });
    port
}

fn connection(stream: TcpStream, tls: Arc<ServerConfig>, acks: Acks) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = Socket { stream, acks };
    let mut session = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = Stream::new(&mut session, &mut socket);
    let mut read = Vec::new();
    loop {
        let Some(request) = next_request(&mut stream, &mut read)? else {
            return Ok(());
        };
        let Some(body) = answer(&request) else {
            return Err(io::Error::other(format!("{request:?} is not known here")));
        };
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/bson\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        response.extend(body);
        stream.write_all(&response)?;
        stream.flush()?;
    }
}

/// A socket that acknowledges as told; the kernel forgets that wish at each turn.
struct Socket {
    stream: TcpStream,
    acks: Acks,
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(into)?;
        if self.acks == Acks::AtOnce {
            self.stream.set_quickack(true)?;
        }
        Ok(length)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The path of the next whole request; `None` once the client has closed.
fn next_request(stream: &mut impl Read, read: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = find(read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .unwrap_or(0);
            let whole = end + 4 + length;
            if read.len() >= whole {
                read.drain(..whole);
                let path = head.split(' ').nth(1).unwrap_or_default();
                return Ok(Some(path.to_owned()));
            }
        }
        let mut more = [0; 4096];
        let length = stream.read(&mut more)?;
        if length == 0 || read.len() > MAX_REQUEST {
            return Ok(None);
        }
        read.extend_from_slice(&more[..length]);
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// What the server says to a path.
fn answer(path: &str) -> Option<Vec<u8>> {
    let response = match path {
        "/rest/v1/preauth.bson" => document(&[
            text("result", "auth"),
            text("status", "ok"),
            text("prompt", "1. Push\nPasscode or option (1-1): "),
            nested("factors", &document(&[text("default", "push1"), text("1", "push1")])),
        ]),
        "/rest/v1/auth.bson" => document(&[text("result", "allow"), text("status", "Success. Logging you in...")]),
        _ => return None,
    };
    Some(document(&[text("stat", "OK"), nested("response", &response)]))
}

/// A BSON document of these elements: its length, they, and a zero.
fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let elements = elements.concat();
    let mut document = length(elements.len() + 5).to_vec();
    document.extend(elements);
    document.push(0);
    document
}

/// A BSON string: kind 2, its name, its length with the closing zero, its bytes.
fn text(name: &str, value: &str) -> Vec<u8> {
    let mut element = element(2, name);
    element.extend(length(value.len() + 1));
    element.extend(value.as_bytes());
    element.push(0);
    element
}

/// A BSON document as an element: kind 3.
fn nested(name: &str, value: &[u8]) -> Vec<u8> {
    let mut element = element(3, name);
    element.extend(value);
    element
}

fn element(kind: u8, name: &str) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0]].concat()
}

fn length(length: usize) -> [u8; 4] {
    i32::try_from(length).expect("a short document").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bson_document_is_laid_out_as_the_specification_says() {
        // bsonspec.org's own example: {"hello": "world"}.
        let expected = b"\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00";
        assert_eq!(document(&[text("hello", "world")]), expected);
    }

    #[test]
    fn requests_are_told_apart_by_their_lengths() {
        let two = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzPOST /b HTTP/1.1\r\n\r\n";
        let (mut stream, mut read) = (&two[..], Vec::new());
        assert_eq!(next_request(&mut stream, &mut read).unwrap().as_deref(), Some("/a"));
        assert_eq!(next_request(&mut stream, &mut read).unwrap().as_deref(), Some("/b"));
        assert_eq!(next_request(&mut stream, &mut read).unwrap(), None);
    }
}
