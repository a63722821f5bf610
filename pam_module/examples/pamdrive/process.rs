//! What the steps look at and change in this process itself, apart from libpam.

use super::c;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use std::ptr::{null, null_mut};

/// Everything of a process that a module must leave as it found it (R36).
pub fn snapshot() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut keep = |key: String, value: String| drop(all.insert(key, value));
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let target = std::fs::read_link(entry.path()).map(|path| path.display().to_string());
        // The directory that is being read is not the module's.
        if let Some(target) = target.ok().filter(|target| !target.ends_with("/fd")) {
            keep(format!("fd {}", entry.file_name().display()), target);
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for line in status.lines() {
        let (key, value) = line.split_once(':').unwrap();
        if [
            "Sig",
            "Shd",
            "Umask",
            "Threads",
            "Uid",
            "Gid",
            "Cap",
            "NoNewPrivs",
            "Seccomp",
        ]
        .iter()
        .any(|p| key.starts_with(p))
        {
            keep(format!("status {key}"), value.trim().to_owned());
        }
    }
    keep("limits".into(), std::fs::read_to_string("/proc/self/limits").unwrap());
    keep("cwd".into(), format!("{:?}", std::env::current_dir()));
    keep(
        "environment".into(),
        format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
    );
    // SAFETY: asking the locale changes nothing; the result is a string or null.
    let locale = unsafe { libc::setlocale(libc::LC_ALL, null()) };
    // SAFETY: as above; read before anything can change it.
    keep(
        "locale".into(),
        unsafe { CStr::from_ptr(locale) }.to_string_lossy().into_owned(),
    );
    for number in 1..65 {
        // SAFETY: asking only, into memory of the right type.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            (libc::sigaction(number, null(), &raw mut action) == 0).then_some((action.sa_sigaction, action.sa_flags))
        };
        keep(format!("action {number}"), format!("{action:?}"));
    }
    // SAFETY: asking only.
    let stack = unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(null(), &raw mut stack);
        (stack.ss_sp as usize, stack.ss_size, stack.ss_flags)
    };
    keep("alternate stack".into(), format!("{stack:?}"));
    // SAFETY: asking only, with an interval that is kept as it is.
    let timer = unsafe {
        let mut timer: libc::itimerval = std::mem::zeroed();
        libc::getitimer(libc::ITIMER_VIRTUAL, &raw mut timer);
        (timer.it_value.tv_sec, timer.it_interval.tv_sec)
    };
    keep("timer".into(), format!("{timer:?}"));
    all
}

/// Closes what was inherited and lowers the limit, so that `left` descriptors can still be opened.
pub fn leave_descriptors(left: u64) {
    let limit = libc::rlimit {
        rlim_cur: 3 + left,
        rlim_max: 1024,
    };
    // SAFETY: this program owns no descriptor above standard error; the limit is initialised.
    unsafe {
        libc::close_range(3, u32::MAX, 0);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

pub fn signal(name: &str) -> c_int {
    match name {
        "INT" => libc::SIGINT,
        "QUIT" => libc::SIGQUIT,
        "TERM" => libc::SIGTERM,
        "HUP" => libc::SIGHUP,
        "TSTP" => libc::SIGTSTP,
        "PIPE" => libc::SIGPIPE,
        "USR1" => libc::SIGUSR1,
        other => panic!("no signal {other}"),
    }
}

pub fn mask(number: c_int) {
    // SAFETY: the set is initialised by `sigemptyset`.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, number);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, null_mut());
    }
}

pub fn dispose(number: c_int, to: libc::sighandler_t) {
    // SAFETY: the handler only stores a number.
    unsafe { libc::signal(number, to) };
}

static HANDLED: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);

pub extern "C" fn note_signal(number: c_int) {
    HANDLED.store(number, std::sync::atomic::Ordering::SeqCst);
}

pub fn print_signals() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |key: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        u64::from_str_radix(value.trim_start_matches(':').trim(), 16).unwrap()
    };
    let handled = HANDLED.load(std::sync::atomic::Ordering::SeqCst);
    println!(
        "signals blocked={} pending={} handled={handled}",
        line("SigBlk"),
        line("SigPnd") | line("ShdPnd")
    );
}

/// What a program that the host starts now would inherit.
pub fn print_inherited() {
    let out = std::process::Command::new("/bin/sh")
        .args(["-c", "cd /proc/$$/fd && echo *"])
        .output()
        .unwrap();
    println!("inherited {}", String::from_utf8_lossy(&out.stdout).trim());
}

pub fn become_user(uid: u32) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::setresuid(uid, uid, uid) }, 0);
}

/// Loads and unloads a library many times (`PATH*N`) and prints how many mappings were left.
pub fn reload(value: &str) {
    let (path, times) = value.rsplit_once('*').unwrap();
    let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let path = c(path);
    let once = || {
        // SAFETY: a library of ours whose constructors and destructors are the standard library's.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
            assert!(!library.is_null());
            assert!(!libc::dlsym(library, c"pam_sm_authenticate".as_ptr()).is_null());
            assert_eq!(libc::dlclose(library), 0);
        }
    };
    once();
    let before = (mappings(), descriptors());
    (0..times.parse::<u32>().unwrap()).for_each(|_| once());
    println!(
        "reloaded same={} mapped={}",
        before == (mappings(), descriptors()),
        is_mapped(&path)
    );
}

fn is_mapped(path: &CStr) -> bool {
    std::fs::read_to_string("/proc/self/maps")
        .unwrap()
        .contains(path.to_str().unwrap())
}

/// Binds as root, then listens as the given uid (`UID:PATH`) until standard input ends.
pub fn listen(value: &str) {
    let (uid, path) = value.split_once(':').unwrap();
    // SAFETY: the address is initialised and long enough for the path, which the assertion checks.
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = u16::try_from(libc::AF_UNIX).unwrap();
        assert!(path.len() < address.sun_path.len());
        for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
            *to = from.cast_signed();
        }
        let size = u32::try_from(size_of::<libc::sockaddr_un>()).unwrap();
        assert_eq!(libc::bind(socket, (&raw const address).cast(), size), 0);
        become_user(uid.parse().unwrap());
        assert_eq!(libc::listen(socket, 8), 0);
    }
    println!("listening");
    std::io::read_to_string(std::io::stdin()).unwrap();
}
