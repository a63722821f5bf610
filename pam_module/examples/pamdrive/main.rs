//! A host program for the tests: does its arguments as steps, in their order, through the real libpam, and prints one
//! line for each thing that happened. A process of its own, with one thread, so that its signals, descriptors and
//! memory can be looked at. Used by `tests/pam`, and by `cargo xtask bench` as the one host of every module that it
//! measures; nothing ships it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test program fails by panicking"
)]

mod process;

use process::{
    become_user, dispose, leave_descriptors, listen, mask, note_signal, print_inherited, print_signals, reload, signal,
    snapshot,
};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::time::Duration;

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

type Ask = unsafe extern "C" fn(c_int, *const *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conv {
    ask: Option<Ask>,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conv: *const Conv,
        dir: *const c_char,
        handle: *mut *mut c_void,
    ) -> c_int;
    fn pam_end(handle: *mut c_void, status: c_int) -> c_int;
    fn pam_authenticate(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_setcred(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_open_session(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_chauthtok(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_set_item(handle: *mut c_void, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *mut c_void, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_putenv(handle: *mut c_void, name_value: *const c_char) -> c_int;
}

const PAM_ESTABLISH_CRED: c_int = 2;
const ITEMS: [(&str, c_int); 6] = [
    ("service", 1),
    ("user", 2),
    ("tty", 3),
    ("rhost", 4),
    ("ruser", 8),
    ("xdisplay", 11),
];

#[derive(Default)]
struct Host {
    handle: *mut c_void,
    confdir: CString,
    service: CString,
    user: Option<CString>,
    conv: String,
    replies: VecDeque<Vec<u8>>,
    flags: c_int,
    before: Option<BTreeMap<String, String>>,
}

fn main() {
    let mut host = Box::new(Host::default());
    // SAFETY: no pointers. A test that hangs ends here.
    unsafe { libc::alarm(90) };
    for step in std::env::args().skip(1) {
        let (name, value) = step.split_once('=').unwrap_or((&step, ""));
        host.step(name, value);
    }
}

impl Host {
    fn step(&mut self, name: &str, value: &str) {
        match name {
            "confdir" => self.confdir = c(value),
            "service" => self.service = c(value),
            "user" => self.user = Some(c(value)),
            "longuser" => self.user = Some(c(&"x".repeat(value.parse().unwrap()))),
            "conv" => value.clone_into(&mut self.conv),
            "reply" => self.replies.push_back(value.as_bytes().to_vec()),
            "flags" => self.flags = value.parse().unwrap(),
            "start" => self.start(),
            "end" => self.call(name, pam_end, 0),
            "item" => self.set_item(value),
            // SAFETY: the handle is the one that `start` made, and the text ends in NUL.
            "putenv" => assert_eq!(unsafe { pam_putenv(self.handle, c(value).as_ptr()) }, 0),
            "auth" => self.call(name, pam_authenticate, self.flags),
            "account" => self.call(name, pam_acct_mgmt, self.flags),
            "setcred" => self.call(name, pam_setcred, PAM_ESTABLISH_CRED),
            "open" => self.call(name, pam_open_session, self.flags),
            "close" => self.call(name, pam_close_session, self.flags),
            "chauthtok" => self.call(name, pam_chauthtok, self.flags),
            "items" => self.print_items(),
            "snapshot" => self.before = Some(snapshot()),
            "compare" => self.compare(),
            "fds-left" => leave_descriptors(value.parse().unwrap()),
            "block" => mask(signal(value)),
            "ignore" => dispose(signal(value), libc::SIG_IGN),
            "default" => dispose(signal(value), libc::SIG_DFL),
            "handle" => dispose(signal(value), note_signal as *const () as libc::sighandler_t),
            // SAFETY: no pointers; the test has arranged what the signal does.
            "raise" => assert_eq!(unsafe { libc::raise(signal(value)) }, 0),
            "read-line" => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).unwrap();
                println!("read {}", line.trim_end());
            }
            "signals" => print_signals(),
            // SAFETY: the path ends in NUL. It names nothing, and is to be seen in a trace.
            "mark" => drop(unsafe { libc::access(c(&format!("/mark-{value}")).as_ptr(), libc::F_OK) }),
            "setuid" => become_user(value.parse().unwrap()),
            "fork" => self.fork(value),
            "times" => self.times(value),
            "pause" => std::thread::sleep(Duration::from_millis(value.parse().unwrap())),
            "dlopen" => reload(value),
            "listen" => listen(value),
            // SAFETY: the handle is the one that `start` made; null unsets.
            "unset-user" => assert_eq!(unsafe { pam_set_item(self.handle, 2, null()) }, 0),
            other => panic!("no step {other}"),
        }
    }

    fn call(&self, name: &str, function: unsafe extern "C" fn(*mut c_void, c_int) -> c_int, flags: c_int) {
        // SAFETY: the handle is the one that `start` made.
        println!("{name}={}", unsafe { function(self.handle, flags) });
    }

    fn start(&mut self) {
        let result = self.begin();
        println!("start={result}");
    }

    fn open(&mut self) -> *mut c_void {
        assert_eq!(self.begin(), 0);
        self.handle
    }

    fn begin(&mut self) -> c_int {
        let conv = Conv {
            ask: (self.conv != "none").then_some(ask as Ask),
            data: std::ptr::from_mut(self).cast(),
        };
        let user = self.user.as_ref().map_or(null(), |user| user.as_ptr());
        // SAFETY: strings end in NUL, libpam copies `conv`, and `self` is boxed in `main` until the process ends.
        unsafe {
            pam_start_confdir(
                self.service.as_ptr(),
                user,
                &raw const conv,
                self.confdir.as_ptr(),
                &raw mut self.handle,
            )
        }
    }

    /// Whole transactions (`N:RESULT`, what the auth phase must return), each with its time in microseconds.
    fn times(&mut self, value: &str) {
        let (count, result) = value.split_once(':').unwrap();
        "silent".clone_into(&mut self.conv);
        for _ in 0..count.parse::<u32>().unwrap() {
            let began = std::time::Instant::now();
            let handle = self.open();
            // SAFETY: the handle was made a moment ago and is used until it ends, never again.
            let (auth, account) = unsafe {
                let auth = pam_authenticate(handle, 0);
                let account = pam_acct_mgmt(handle, 0);
                pam_end(handle, 0);
                (auth, account)
            };
            let took = began.elapsed();
            assert_eq!((auth.to_string().as_str(), account), (result, 0));
            println!("took={}", took.as_nanos() / 1000);
        }
    }

    fn set_item(&mut self, value: &str) {
        let (name, text) = value.split_once(':').unwrap();
        let number = match name {
            "authtok" => 6,
            _ => ITEMS.iter().find(|(known, _)| *known == name).unwrap().1,
        };
        let text = c(text);
        // SAFETY: the handle is `start`'s; libpam copies the text.
        println!("item={}", unsafe {
            pam_set_item(self.handle, number, text.as_ptr().cast())
        });
    }

    fn item(&self, number: c_int) -> Option<String> {
        let mut value = null();
        // SAFETY: the handle is `start`'s; a text item ends in NUL.
        unsafe {
            let result = pam_get_item(self.handle, number, &raw mut value);
            (result == 0 && !value.is_null()).then(|| CStr::from_ptr(value.cast()).to_string_lossy().into_owned())
        }
    }

    fn print_items(&self) {
        let items: Vec<_> = ITEMS
            .iter()
            .map(|(name, number)| format!("{name}={:?}", self.item(*number)))
            .collect();
        println!("items {}", items.join(" "));
    }

    fn compare(&mut self) {
        let (before, after) = (self.before.take().unwrap(), snapshot());
        let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for key in keys {
            if before.get(key) != after.get(key) {
                println!("differs {key}: {:?} -> {:?}", before.get(key), after.get(key));
            }
        }
        println!("compared {}", after.len());
    }

    /// Does the other steps (separated by `+`) in a child, as sshd does.
    fn fork(&mut self, steps: &str) {
        // SAFETY: this program has one thread.
        match unsafe { libc::fork() } {
            0 => {
                for step in steps.split('+') {
                    print!("child ");
                    self.step(step, "");
                }
                std::process::exit(0)
            }
            // SAFETY: a null status is allowed.
            child => drop(unsafe { libc::waitpid(child, null_mut(), 0) }),
        }
    }
}

/// The conversation: prints each message, then behaves as the step `conv=` said.
unsafe extern "C" fn ask(
    count: c_int,
    list: *const *const Message,
    out: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    // SAFETY: libpam's contract: `count` messages, a place for the responses, and our own pointer.
    let (host, message) = unsafe { (&mut *data.cast::<Host>(), &**list) };
    // SAFETY: a message's text ends in NUL.
    let text = unsafe { CStr::from_ptr(message.text) };
    if host.conv != "silent" {
        println!("say {} {:?} {count}", message.style, text.to_string_lossy());
    }
    let (kind, argument) = host.conv.split_once(':').unwrap_or((&host.conv, ""));
    let (kind, argument) = (kind.to_owned(), argument.to_owned());
    let asked = matches!(message.style, 1 | 2);
    let mut reply = host.replies.pop_front().filter(|_| asked);
    match kind.as_str() {
        "error" => return 19,
        "again" => return 30,
        // What a careless host leaves behind an error.
        "dangling" => {
            // SAFETY: `out` is writable.
            unsafe { *out = std::ptr::without_provenance_mut(0xdead_beef) };
            return 19;
        }
        "null-list" => {
            // SAFETY: `out` is writable.
            unsafe { *out = null_mut() };
            return 0;
        }
        "null-reply" => reply = None,
        "long" => reply = Some(vec![b'x'; argument.parse().unwrap()]),
        "nul" => reply = Some(b"before\0behind".to_vec()),
        "rename" => {
            // SAFETY: the handle is `start`'s.
            unsafe { pam_set_item(host.handle, 2, c(&argument).as_ptr().cast()) };
        }
        "slow" => std::thread::sleep(Duration::from_millis(argument.parse().unwrap())),
        // SAFETY: no pointers; the test lets us go on.
        "stop" => assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0),
        "descriptors" => print_inherited(),
        "mask" => print_signals(),
        _ => {}
    }
    // SAFETY: libpam's contract: the responses are the caller's to free with `free`.
    unsafe {
        let response: *mut Response = libc::calloc(1, size_of::<Response>()).cast();
        if let Some(reply) = reply {
            let text: *mut u8 = libc::calloc(1, reply.len() + 1).cast();
            std::ptr::copy_nonoverlapping(reply.as_ptr(), text, reply.len());
            (*response).text = text.cast();
        }
        *out = response;
    }
    0
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}
