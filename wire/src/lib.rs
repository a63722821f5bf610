//! What `pam_assent.so` and `assent-agentd` say to each other over `/run/assent/agent.sock`.
//!
//! One login is one connection. The module sends [`ToAgent::Begin`]; the agent answers [`ToModule::Hello`] at once,
//! then drives the conversation ([`ToModule::Ask`], [`ToModule::AskPassword`], [`ToModule::Tell`]) and ends it with
//! one [`ToModule::Verdict`]. The module answers each question with one [`ToAgent::Answer`], and may end the wait by
//! [`ToAgent::Gone`] or by closing the connection. `open_session` sends one [`ToAgent::Session`] and waits for
//! nothing.
//!
//! Everything here is pure: bytes in, message out. Reading, writing and deadlines belong to the two ends. No byte is
//! trusted: a length is checked before anything is allocated, there is no recursion, and a message that is not exactly
//! what its kind demands is an [`Error`].
//!
//! A frame is `length: u32 BE | version: u8 | kind: u8 | field*`, a field `tag: u8 | length: u32 BE | bytes`. `length`
//! counts everything behind itself. Tags that a version does not know are skipped, so a newer end may add fields; a
//! repeated known tag is an error.
#![forbid(unsafe_code)]

mod fields;
mod message;

pub use fields::Error;
pub use message::{Answer, Begin, Phase, Reply, SessionOpened, Tell, ToAgent, ToModule, Verdict, VerdictCode};

use zeroize::Zeroizing;

/// The version that this crate writes. It reads this version alone; golden frames of every version stay in the tree.
pub const VERSION: u8 = 1;
/// Most bytes of a frame, without the four bytes of its length.
pub const MAX_FRAME: usize = 64 * 1024;
/// Most fields of a frame.
pub const MAX_FIELDS: usize = 64;
/// Most bytes of `/proc/self/cmdline` that a [`Begin`] carries; its full length travels beside them.
pub const MAX_COMMAND_LINE: usize = 32 * 1024;
/// Bytes of a one-use ticket that joins the auth and the account phase.
pub const TICKET_LEN: usize = 16;
/// Where the agent listens.
pub const SOCKET_PATH: &str = "/run/assent/agent.sock";

/// A whole frame as it travels, its length in front. Wiped when dropped, as it may hold a password.
pub type Frame = Zeroizing<Vec<u8>>;

/// Reads the four bytes in front of a frame.
///
/// # Errors
/// [`Error::TooLong`] above [`MAX_FRAME`], [`Error::Truncated`] when it could not even hold version and kind.
pub fn body_len(prefix: [u8; 4]) -> Result<usize, Error> {
    let len = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| Error::TooLong)?;
    match len {
        0 | 1 => Err(Error::Truncated),
        _ if len > MAX_FRAME => Err(Error::TooLong),
        _ => Ok(len),
    }
}
