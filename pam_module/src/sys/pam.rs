//! What pamsm does not offer, or not safely: any text item, and a conversation that survives whatever the host's
//! function does (pamsm 0.5.5's leaks the reply and follows a null one).

use pamsm::{Pam, PamError};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use zeroize::{Zeroize, Zeroizing};

/// Longest reply that is passed on.
pub const MAX_REPLY: usize = 4096;

/// A PAM item that is a text.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum Item {
    /// `PAM_SERVICE`.
    Service = 1,
    /// `PAM_USER`.
    User = 2,
    /// `PAM_TTY`.
    Tty = 3,
    /// `PAM_RHOST`.
    Rhost = 4,
    /// `PAM_AUTHTOK`.
    Authtok = 6,
    /// `PAM_RUSER`.
    Ruser = 8,
}

/// What a conversation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Style {
    /// A reply that does not show.
    Secret = 1,
    /// A reply that shows.
    Open = 2,
    /// No reply; an error.
    Error = 3,
    /// No reply; information.
    Info = 4,
}

/// The conversation did not do what was asked.
#[derive(Debug)]
pub struct Failed;

const PAM_CONV: c_int = 5;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

// A host's function may leave by unwinding; with "C" that would be undefined, with "C-unwind" it ends in the fence or in
// an abort.
type Ask = unsafe extern "C-unwind" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    ask: Option<Ask>,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C-unwind" {
    fn pam_get_item(handle: *const c_void, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_set_item(handle: *mut c_void, item: c_int, value: *const c_void) -> c_int;
}

/// The `pam_handle_t *` inside.
fn handle(pam: &Pam) -> *const c_void {
    // SAFETY: `Pam` is `repr(transparent)` over `*const c_void` (pamsm 0.5.5, `pam.rs`), and has no other way to
    // hand it out. Size and alignment are checked below when this is compiled.
    unsafe { std::mem::transmute_copy::<Pam, *const c_void>(pam) }
}

const _: () =
    assert!(size_of::<Pam>() == size_of::<*const c_void>() && align_of::<Pam>() == align_of::<*const c_void>());

fn raw_item(pam: &Pam, item: c_int) -> *const c_void {
    let mut value = null();
    // SAFETY: the handle is libpam's own, good until the entry point returns; `value` outlives the call.
    let result = unsafe { pam_get_item(handle(pam), item, &raw mut value) };
    if result == PamError::SUCCESS as c_int {
        value
    } else {
        null()
    }
}

/// A copy of a text item, if it is set.
pub fn item(pam: &Pam, item: Item) -> Option<Zeroizing<Vec<u8>>> {
    let value = raw_item(pam, item as c_int);
    // SAFETY: libpam keeps these items as strings that end in NUL, until someone sets them anew; nobody does before
    // the copy is made.
    (!value.is_null()).then(|| Zeroizing::new(unsafe { CStr::from_ptr(value.cast()) }.to_bytes().to_vec()))
}

/// Leaves a password for later modules. libpam copies it.
pub fn set_authtok(pam: &Pam, password: &CStr) -> bool {
    // SAFETY: libpam gave the handle as a mutable pointer, and no item that we borrowed is alive.
    let result = unsafe { pam_set_item(handle(pam).cast_mut(), Item::Authtok as c_int, password.as_ptr().cast()) };
    result == PamError::SUCCESS as c_int
}

/// Sends one message to the host. A reply is copied, then wiped and freed, whatever its length.
///
/// # Errors
/// No conversation, an error code, no answer, no reply to a question, or a reply over [`MAX_REPLY`].
pub fn converse(pam: &Pam, style: Style, text: &CStr) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let (ask, data) = conversation(pam).ok_or(Failed)?;
    let message = Message {
        style: style as c_int,
        text: text.as_ptr(),
    };
    let mut list: *const Message = &raw const message;
    let mut responses: *mut Response = null_mut();
    // SAFETY: one message, as `1` says; message, list and text outlive the call; `data` is the host's own.
    let result = unsafe { ask(1, &raw mut list, &raw mut responses, data) };
    // Behind an error the pointer means nothing: hosts leave freed memory in it.
    if result != PamError::SUCCESS as c_int {
        return Err(Failed);
    }
    let asked = matches!(style, Style::Secret | Style::Open);
    match (take(responses), asked) {
        (Some(reply), true) if reply.len() > MAX_REPLY => Err(Failed),
        (Some(reply), true) => Ok(reply),
        (None, true) => Err(Failed),
        (_, false) => Ok(Zeroizing::default()),
    }
}

/// Whether there is a conversation function at all; `pam_get_user` would call a null one.
pub fn can_converse(pam: &Pam) -> bool {
    conversation(pam).is_some()
}

fn conversation(pam: &Pam) -> Option<(Ask, *mut c_void)> {
    let conversation = raw_item(pam, PAM_CONV).cast::<Conversation>();
    // SAFETY: libpam keeps a whole `pam_conv` for the item, or null.
    let conversation = unsafe { conversation.as_ref() }?;
    Some((conversation.ask?, conversation.data))
}

/// Copies the one response, wipes it and gives it back to libc.
fn take(responses: *mut Response) -> Option<Zeroizing<Vec<u8>>> {
    // SAFETY: after success the host has left null or one response that we own, and in it null or a string that ends
    // in NUL, both from malloc (pam_conv(3)). Each is freed once and not used again.
    unsafe {
        let response = responses.as_mut()?;
        let text = response.text;
        let copy = (!text.is_null()).then(|| {
            let len = CStr::from_ptr(text).to_bytes().len();
            let bytes = std::slice::from_raw_parts_mut(text.cast::<u8>(), len);
            // One byte more than allowed is enough to know that it was too long.
            let copy = Zeroizing::new(bytes[..len.min(MAX_REPLY + 1)].to_vec());
            bytes.zeroize();
            libc::free(text.cast());
            copy
        });
        libc::free(responses.cast());
        copy
    }
}
