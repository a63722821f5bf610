//! The conversation with the user, as the agent asks for it. Texts from the agent are cleaned here, on their way to a
//! terminal; replies go back as bytes. Called by `login`.

use crate::fault;
use crate::sys::pam::{Style, converse};
use assent_wire::{Reply, Tell};
use pamsm::Pam;
use std::ffi::CString;
use zeroize::Zeroizing;

/// Asks one question.
pub fn ask(pam: &Pam, echo: bool, text: &str) -> Reply {
    fault::point("conv");
    let style = if echo { Style::Open } else { Style::Secret };
    match converse(pam, style, &cleaned(text)) {
        Ok(reply) => Reply::Text(without_line_end(reply)),
        Err(_) => Reply::Failed,
    }
}

/// Shows one line, also under `PAM_SILENT`, which sudo always sets: a wait that says nothing looks like a hang. The
/// agent hears the flag and says only what is needed. That a line could not be shown changes nothing.
pub fn tell(pam: &Pam, kind: Tell, text: &str) {
    let style = match kind {
        Tell::Info => Style::Info,
        Tell::Error => Style::Error,
    };
    let _ = converse(pam, style, &cleaned(text));
}

/// Without NUL and the other control characters, but for line ends and tabs. The agent has cleaned already; a terminal
/// behind root's sudo is worth a second look.
fn cleaned(text: &str) -> CString {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    CString::new(kept).unwrap_or_default()
}

/// Some hosts pass the line's end on.
fn without_line_end(mut reply: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    while reply.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        reply.pop();
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(
            cleaned("a\0b\x1b[31mc\u{9b}d\re\nf\tg é").to_bytes(),
            "ab[31mcde\nf\tg é".as_bytes()
        );
    }

    #[test]
    fn a_reply_loses_its_line_end_alone() {
        let trimmed = |text: &[u8]| without_line_end(Zeroizing::new(text.to_vec())).to_vec();
        assert_eq!(trimmed(b"482\r\n"), b"482");
        assert_eq!(trimmed(b" 4 8\n2 "), b" 4 8\n2 ");
        assert_eq!(trimmed(b"\n"), b"");
    }
}
