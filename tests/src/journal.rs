//! The socket of a journald that nobody booted: what comes is kept as sent, and read by systemd's own programs, which
//! write it into a real journal file and search that.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::program::Program;
use crate::{SOON, patience, scratch};

const SOCKET: &str = "/run/systemd/journal/socket";
const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// A collector of entries; one for each world.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    entries: Arc<Mutex<Vec<Vec<u8>>>>,
    reader: Option<JoinHandle<()>>,
}

impl Journal {
    /// Begins to listen.
    pub fn listen() -> Self {
        fs::create_dir_all("/run/systemd/journal").expect("a directory for the journal's socket");
        let socket = UnixDatagram::bind(SOCKET).expect("the journal's socket");
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666)).expect("a mode for it");
        let entries = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let (theirs, store) = (socket.try_clone().expect("a second descriptor"), Arc::clone(&entries));
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 262_144];
            while let Ok(length @ 1..) = theirs.recv(&mut buffer) {
                let entry = buffer[..length].to_vec();
                store.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
            }
        });
        Self {
            socket,
            entries,
            reader: Some(reader),
        }
    }

    /// Every entry so far, as sent.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `journalctl` finds with these words (`FIELD=value`), once there are as many entries as that.
    pub fn find(&self, matches: &[&str], at_least: usize) -> Vec<Value> {
        let came = patience::until(SOON, || (self.raw().len() >= at_least).then_some(()));
        came.unwrap_or_else(|| panic!("only {} entries came", self.raw().len()));
        let (export, journal) = (scratch::unused("export"), scratch::unused("journal"));
        let mut file = fs::File::create(&export).expect("a file");
        for (at, entry) in self.raw().iter().enumerate() {
            // What journald itself adds.
            let stamps = format!(
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n",
                1_790_000_000_000_000 + at,
                1_000_000 + at
            );
            file.write_all(&[stamps.as_bytes(), entry, b"\n"].concat())
                .expect("an entry");
        }
        let journal = format!("{}.journal", journal.display());
        Program::new(REMOTE)
            .arg(format!("--output={journal}"))
            .arg(&export)
            .finish(SOON)
            .expect_success();
        let found = Program::new("journalctl")
            .args(["--output=json", "--all", "--no-pager", "--quiet", "--file"])
            .arg(journal)
            .args(matches)
            .finish(SOON)
            .expect_success();
        let lines = found.out.lines();
        lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Ends it: nobody is at its address any more.
    pub fn stop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = reader.join();
        let _ = fs::remove_file(Path::new(SOCKET));
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}
