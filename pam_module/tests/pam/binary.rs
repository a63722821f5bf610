//! The built library itself: what it needs, what it shows, what it never asks libc for. Needs `nm` and `readelf`
//! (Debian package `binutils`), which a linker's machine has. `cargo xtask` looks at the shipped build the same way.

use crate::rig::built;
use std::process::Command;

fn lines(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(&built().module)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn it_exports_the_six_entry_points_and_nothing_else() {
    let mut names: Vec<_> = lines("nm", &["-D", "--defined-only", "--format=posix"])
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    names.sort();
    let expected = [
        "pam_sm_acct_mgmt",
        "pam_sm_authenticate",
        "pam_sm_chauthtok",
        "pam_sm_close_session",
        "pam_sm_open_session",
        "pam_sm_setcred",
    ];
    assert_eq!(names, expected);
}

#[test]
fn it_needs_libc_libpam_and_the_unwinder_alone() {
    let needed: Vec<_> = lines("readelf", &["-d", "-W"])
        .into_iter()
        .filter(|line| line.contains("(NEEDED)"))
        .collect();
    assert!(needed.len() >= 3, "{needed:?}");
    for line in &needed {
        let known = ["[libpam.so.0]", "[libc.so.6]", "[libgcc_s.so.1]", "[ld-linux"];
        assert!(known.iter().any(|name| line.contains(name)), "{line}");
    }
}

// R36, R41
#[test]
fn r41_it_cannot_look_names_up_start_anything_or_change_the_host() {
    let wanted: Vec<_> = lines("nm", &["-D", "--undefined-only", "--format=posix"])
        .iter()
        .map(|line| line.split([' ', '@']).next().unwrap().to_owned())
        .collect();
    assert!(wanted.iter().any(|name| name == "pam_get_item"), "{wanted:?}");
    for never in [
        "getaddrinfo",
        "gethostbyname",
        "getpwnam",
        "getpwnam_r",
        "getpwuid",
        "getpwuid_r",
        "getgrnam",
        "getgrgid",
        "res_init",
        "dlopen",
        "fork",
        "vfork",
        "clone",
        "execve",
        "execvp",
        "posix_spawn",
        "posix_spawnp",
        "system",
        "popen",
        "pthread_create",
        "openlog",
        "syslog",
        "vsyslog",
        "closelog",
        "pam_syslog",
        "pam_vsyslog",
        "setenv",
        "unsetenv",
        "putenv",
        "clearenv",
        "pam_putenv",
        "signal",
        "alarm",
        "setitimer",
        "umask",
        "chdir",
        "setlocale",
        "tcsetattr",
        "atexit",
        "setrlimit",
        "prctl",
        "unlink",
        "bind",
        "listen",
        "pam_get_authtok",
    ] {
        assert!(!wanted.iter().any(|name| name == never), "{never}");
    }
}
