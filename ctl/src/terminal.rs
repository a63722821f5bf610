//! The person at the terminal: what may be written to it, and lines read from it.

use crate::failure::{Done, Failure};
use nix::errno::Errno;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Longest line that anybody types here.
const MAX_LINE: usize = 4096;

/// Longest secret, its line end included; a terminal's own line takes 4096.
const MAX_SECRET: usize = 512;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Everything.
    Utf8,
    /// ASCII alone: other bytes may be control characters to an 8-bit terminal.
    Ascii,
}

impl Charset {
    /// As the locale says (`LC_ALL`, `LC_CTYPE`, `LANG`).
    pub fn of_locale() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        if locale.ends_with("utf-8")
            || locale.ends_with("utf8")
            || locale.contains("utf-8@")
            || locale.contains("utf8@")
        {
            Self::Utf8
        } else {
            Self::Ascii
        }
    }

    /// A text of ours, whose outside parts are visible already, in characters that the terminal shows.
    pub fn fit(self, text: &str) -> String {
        if self == Self::Utf8 {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '⟨' => out.push('<'),
                '⟩' => out.push('>'),
                // Otherwise what an outsider wrote would look like a mark of ours.
                '<' => out.push_str("<U+003C>"),
                c if c.is_ascii() => out.push(c),
                '…' => out.push_str("..."),
                c => out.extend(["<U+", &format!("{:04X}", u32::from(c)), ">"]),
            }
        }
        out
    }
}

/// A line from standard input, without its end; `None` at its end or when it cannot be read. Straight from the descriptor:
/// it may be a PIN, and a buffer of a library would keep a copy.
pub fn read_line() -> Option<Zeroizing<String>> {
    let input = io::stdin();
    // A terminal gives one line at a time. Of anything else, what stands behind the line is for the next call.
    let step = if input.is_terminal() { MAX_LINE } else { 1 };
    let mut bytes = Zeroizing::new([0_u8; MAX_LINE]);
    let mut filled = 0;
    while filled < MAX_LINE && !bytes[..filled].ends_with(b"\n") {
        let room = &mut bytes[filled..MAX_LINE.min(filled + step)];
        match nix::unistd::read(&input, room) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
    if filled == 0 {
        return None;
    }
    let line = std::str::from_utf8(&bytes[..filled]).unwrap_or("\u{fffd}");
    Some(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Lines as they are typed, read by a thread of their own; the channel closes at the input's end.
pub fn lines() -> mpsc::Receiver<Zeroizing<String>> {
    let (sender, receiver) = mpsc::channel(64);
    // Not joined: it ends with the process, or when nobody wants its lines any more.
    std::thread::spawn(move || {
        while let Some(line) = read_line() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Forgets what was typed and not read yet.
pub fn forget_typed() {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // A terminal that went away has nothing to forget.
        let _ = nix::sys::termios::tcflush(&stdin, nix::sys::termios::FlushArg::TCIFLUSH);
    }
}

/// Asks yes or no on the terminal; anything but a yes is a no.
pub fn confirm(question: &str) -> Done<bool> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Input(
            "there is no terminal to ask on; look at what is to be signed, then give --yes".into(),
        ));
    }
    eprint!("{question}");
    let _ = io::stderr().flush();
    let answer = read_line();
    Ok(answer.is_some_and(|line| matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}

/// Asks for a secret on the terminal, which does not show it: on the terminal itself, whatever standard input is.
pub fn secret(question: &str) -> Done<Zeroizing<String>> {
    let failed = |e: &dyn std::fmt::Display| Failure::Input(format!("there is no terminal to ask on: {e}"));
    let opened = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|e| failed(&e))?;
    let _quiet = Quiet::make(&opened).map_err(|e| failed(&e))?;
    let mut terminal = &opened;
    terminal.write_all(question.as_bytes()).map_err(|e| failed(&e))?;
    // Straight from the terminal, so that no buffer of a library keeps a copy; it gives one line at a time.
    let mut line = Zeroizing::new([0_u8; MAX_SECRET]);
    let read = terminal.read(line.as_mut_slice());
    let _ = terminal.write_all(b"\n");
    let line = line.get(..read.map_err(|e| failed(&e))?).unwrap_or_default();
    match line.split_last() {
        Some((b'\n', typed)) => std::str::from_utf8(typed)
            .map(|typed| Zeroizing::new(typed.to_owned()))
            .map_err(|_| Failure::Input("what was typed is no text in UTF-8".into())),
        _ => Err(Failure::Input("nothing was typed to its end; nothing was done".into())),
    }
}

/// The terminal shows nothing of what is typed, as long as this lives; for a line that somebody reads already.
pub struct Unseen(File, Termios);

impl Unseen {
    /// `None` without a terminal: then nothing is shown anyway.
    pub fn begin() -> Option<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&terminal, SetArg::TCSANOW, &unseen).ok()?;
        Some(Self(terminal, before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.0, SetArg::TCSANOW, &self.1);
    }
}

/// A terminal that does not show what is typed, as long as this lives. Interrupting keys end the line instead of the process,
/// which would leave the terminal so.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn make(terminal: &'a File) -> nix::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        quiet.local_flags.insert(LocalFlags::ICANON);
        let interrupt = before.control_chars[SpecialCharacterIndices::VINTR as usize];
        quiet.control_chars[SpecialCharacterIndices::VEOL as usize] = interrupt;
        // Forgets what was typed before the question could be read.
        tcsetattr(terminal, SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

/// A one-time secret as given, or from standard input for `-`.
pub fn given_or_stdin(given: &str) -> Done<Zeroizing<String>> {
    if given == "-" {
        return read_line().ok_or_else(|| Failure::Input("standard input ended before a token came".into()));
    }
    Ok(Zeroizing::new(given.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r68_a_terminal_without_utf8_gets_ascii_alone() {
        let shown = assent_proto::text::visible("Zoë<U+000A>\u{1b}\u{9b}");
        assert_eq!(Charset::Utf8.fit(&shown), "Zoë<U+000A>⟨U+001B⟩⟨U+009B⟩");
        let ascii = Charset::Ascii.fit(&shown);
        assert_eq!(ascii, "Zo<U+00EB><U+003C>U+000A><U+001B><U+009B>");
        assert!(ascii.is_ascii());
    }
}
