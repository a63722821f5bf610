//! The options, as a PAM stack has them.

use crate::rig::{Rig, pam};
use assent_wire::VerdictCode;

#[test]
fn an_unknown_or_malformed_option_denies_in_both_phases_even_beside_unavailable_ignore() {
    let rig = Rig::new();
    let agent = rig.agent(|_| ());
    for options in [
        "debug",
        "timeout=soon",
        "timeout=1",
        "unavailable=permit",
        "unavailable=ignore nullok",
        "only=key",
    ] {
        rig.options(options);
        assert_eq!(
            rig.run(&["start", "auth"]).code("auth"),
            pam::AUTHINFO_UNAVAIL,
            "{options}"
        );
        assert_eq!(
            rig.run(&["start", "account"]).code("account"),
            pam::AUTHINFO_UNAVAIL,
            "{options}"
        );
    }
    agent.saw_nobody();
}

#[test]
fn an_option_that_is_no_text_denies() {
    const PAM_SERVICE_ERR: i32 = 3;
    let rig = Rig::new();
    let module = rig.module().display().to_string();
    let line = [b"auth required ", module.as_bytes(), b" unavailable=ignore \xff\n"].concat();
    std::fs::write(rig.path("pam.d/lab"), line).unwrap();
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), PAM_SERVICE_ERR);
}

#[test]
fn unavailable_ignore_ignores_what_is_unavailable_and_nothing_else() {
    let rig = Rig::new();
    rig.options("unavailable=ignore");
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::IGNORED);
    assert_eq!(rig.run(&["start", "account"]).code("account"), pam::IGNORED);
    for (code, auth) in [
        (VerdictCode::Unavailable, pam::IGNORED),
        (VerdictCode::Denied, pam::AUTH_ERR),
        (VerdictCode::Blocked, pam::AUTH_ERR),
        (VerdictCode::Approved, pam::SUCCESS),
    ] {
        let agent = rig.agent(move |peer| {
            peer.greet();
            peer.end(code);
        });
        assert_eq!(rig.run(&["start", "auth"]).code("auth"), auth, "{code:?}");
        agent.finish();
        std::fs::remove_file(rig.socket()).unwrap();
    }
}

#[test]
fn only_key_says_what_sshd_says_and_asks_nobody() {
    let rig = Rig::new();
    rig.line("only=key");
    for (info, expected) in [
        (Some("publickey ssh-ed25519 AAAA\n"), pam::SUCCESS),
        (Some("password\npublickey ssh-ed25519 AAAA\n"), pam::SUCCESS),
        (Some("keyboard-interactive/pam\n"), pam::IGNORED),
        (Some("password publickey ssh-ed25519\n"), pam::IGNORED),
        (Some(""), pam::IGNORED),
        (None, pam::IGNORED),
    ] {
        let put = info.map(|info| format!("putenv=SSH_AUTH_INFO_0={info}"));
        let mut steps = vec!["start"];
        steps.extend(put.as_deref());
        steps.push("auth");
        // What the process's environment says counts for nothing.
        let mut host = rig.host(&steps);
        host.env("SSH_AUTH_INFO_0", "publickey forged");
        assert_eq!(crate::rig::see(host).code("auth"), expected, "{info:?}");
    }
}

#[test]
fn only_key_in_the_account_phase_is_a_mistake_that_denies() {
    let rig = Rig::new();
    rig.line("only=key");
    let seen = rig.run(&["start", "putenv=SSH_AUTH_INFO_0=publickey x", "account"]);
    assert_eq!(seen.code("account"), pam::AUTHINFO_UNAVAIL);
}

#[test]
fn the_default_socket_is_the_one_of_the_wire() {
    let rig = Rig::new();
    rig.line("");
    let log = rig.path("trace");
    let options = ["-e", "trace=openat", "-o", log.to_str().unwrap()];
    crate::rig::see(rig.straced(&options, &["start", "mark=in", "auth"]));
    let trace = std::fs::read_to_string(log).unwrap();
    assert!(trace.contains("\"run\", O_RDONLY"), "{trace}");
}
