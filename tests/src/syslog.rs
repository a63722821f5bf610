//! A syslog for the world: listens on its `/dev/log` and keeps what comes.

use std::fs;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::evidence;

const ADDRESS: &str = "/dev/log";

/// A collector of syslog messages; one for each world.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    collected: Arc<(Mutex<Vec<String>>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Syslog {
    /// Begins to listen.
    pub fn listen() -> Self {
        let socket = UnixDatagram::bind(ADDRESS).unwrap_or_else(|cause| panic!("cannot bind {ADDRESS}: {cause}"));
        fs::set_permissions(ADDRESS, fs::Permissions::from_mode(0o666)).expect("a mode for /dev/log");
        let collected = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let (theirs, store) = (socket.try_clone().expect("a second descriptor"), Arc::clone(&collected));
        // Its own thread, because the kernel queues only ten datagrams and then blocks whoever logs.
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = theirs.recv(&mut buffer) {
                let line = String::from_utf8_lossy(&buffer[..length])
                    .trim_end_matches(['\0', '\n'])
                    .to_owned();
                store.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                store.1.notify_all();
            }
        });
        Self {
            socket,
            collected,
            reader: Some(reader),
        }
    }

    /// Every message so far, as sent: `<38>Nov 24 04:00:00 sshd[42]: …`.
    pub fn lines(&self) -> Vec<String> {
        self.collected.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first message, past or to come, that fits.
    pub fn wait_for(&self, fits: impl Fn(&str) -> bool, within: Duration) -> String {
        let lines = self.collected.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| fits(line));
        let waited = self.collected.1.wait_timeout_while(lines, within, missing);
        let (lines, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = lines.iter().find(|line| fits(line)).cloned();
        drop(lines);
        found.unwrap_or_else(|| panic!("no such syslog line within {within:?}"))
    }

    /// The first message, past or to come, that contains this text.
    pub fn wait_for_text(&self, text: &str, within: Duration) -> String {
        self.wait_for(|line| line.contains(text), within)
    }
}

impl Syslog {
    /// Ends it: nobody listens at its address any more, and what is connected to it is refused.
    pub fn stop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = reader.join();
        let _ = fs::remove_file(ADDRESS);
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        evidence::leave("syslog", || self.lines().join("\n"));
        self.stop();
    }
}
