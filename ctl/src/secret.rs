//! Reads a line from the terminal without showing it. Echo is off before the question is out, so that nothing typed
//! early shows, and on again however the reading ends, `^C` included. Used by `user passwd` and `test`.

use assent_engine::directory::local::password::MAX_BYTES;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use zeroize::Zeroizing;

/// What `^C` sends.
const INTERRUPT: u8 = 3;
/// Where the rest of a line that is too long is left out; it is refused for its length then.
const MOST: usize = MAX_BYTES + 64;

/// The terminal, with its echo off until this is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

/// The line, without its end; `None` for `^C`.
pub fn ask(question: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut quiet = before.clone();
    quiet.local_flags &= !(LocalFlags::ECHO | LocalFlags::ISIG);
    quiet.local_flags |= LocalFlags::ECHONL | LocalFlags::ICANON;
    // Without ISIG nothing kills us before the echo is back; `^C` ends the line instead.
    quiet.control_chars[SpecialCharacterIndices::VEOL as usize] = INTERRUPT;
    // What was typed before was meant for something else.
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet)?;
    let mut quiet = Quiet { terminal, before };
    quiet.terminal.write_all(question.as_bytes())?;
    // Room at once: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MOST + 1));
    let mut byte = Zeroizing::new([0]);
    while quiet.terminal.read(&mut *byte)? == 1 && byte[0] != b'\n' {
        if byte[0] == INTERRUPT {
            quiet.terminal.write_all(b"\n")?;
            return Ok(None);
        }
        if line.len() < MOST {
            line.push(byte[0]);
        }
    }
    Ok(Some(line))
}
