//! One message of every kind, and frames built by hand for the tests that need wrong ones.

use assent_wire::{Answer, Begin, Phase, Reply, SessionOpened, Tell, ToAgent, ToModule, Verdict, VerdictCode};
use zeroize::Zeroizing;

/// A login's beginning with every field, the command line cut.
pub fn full_begin() -> Begin {
    Begin {
        phase: Phase::Account,
        service: b"sshd".to_vec(),
        user: b"ann".to_vec(),
        ruser: Some(b"bob".to_vec()),
        rhost: Some(b"client.example".to_vec()),
        tty: Some(b"ssh".to_vec()),
        flags: 0x8001,
        ssh_connection: Some(b"192.0.2.7 50000 192.0.2.1 22".to_vec()),
        ssh_auth_info: Some(b"publickey ssh-ed25519 AAAA\n".to_vec()),
        command_line: b"sshd: ann [priv]\0\xff".to_vec(),
        command_line_len: 70_000,
        cwd: Some(b"/".to_vec()),
        audit_session: Some(17),
        login_uid: Some(1000),
        sudo_command: Some(b"/usr/bin/id -u".to_vec()),
        ticket: Some(*b"0123456789abcdef"),
    }
}

/// A login's beginning with nothing that can be left out.
pub fn bare_begin() -> Begin {
    Begin {
        phase: Phase::Auth,
        service: b"sudo".to_vec(),
        user: Vec::new(),
        ruser: None,
        rhost: None,
        tty: None,
        flags: 0,
        ssh_connection: None,
        // Empty is not absent.
        ssh_auth_info: Some(Vec::new()),
        command_line: Vec::new(),
        command_line_len: 0,
        cwd: None,
        audit_session: None,
        login_uid: None,
        sudo_command: None,
        ticket: None,
    }
}

/// Every message of the module, by the name of its golden file.
pub fn to_agent() -> Vec<(&'static str, ToAgent)> {
    let answer = |reply| ToAgent::Answer(Answer { reply });
    let session = |ssh_connection| {
        ToAgent::Session(SessionOpened {
            user: b"ann".to_vec(),
            ssh_connection,
            audit_session: 17,
        })
    };
    vec![
        ("begin-full", ToAgent::Begin(Box::new(full_begin()))),
        ("begin-bare", ToAgent::Begin(Box::new(bare_begin()))),
        ("answer-text", answer(Reply::Text(Zeroizing::new(b"482\xff".to_vec())))),
        ("answer-empty", answer(Reply::Text(Zeroizing::default()))),
        ("answer-failed", answer(Reply::Failed)),
        ("gone", ToAgent::Gone),
        ("session", session(Some(b"192.0.2.7 50000 192.0.2.1 22".to_vec()))),
        ("session-bare", session(None)),
    ]
}

/// Every message of the agent.
pub fn to_module() -> Vec<(&'static str, ToModule)> {
    let verdict = |code, text: &str, ticket| {
        ToModule::Verdict(Verdict {
            code,
            text: text.into(),
            id: "k7f3q2".into(),
            ticket,
        })
    };
    let tell = |kind| ToModule::Tell {
        kind,
        text: "Waiting for your phone".into(),
    };
    vec![
        ("hello", ToModule::Hello),
        (
            "ask-echo",
            ToModule::Ask {
                echo: true,
                text: "Approve 482 on your phone, then Enter: ".into(),
            },
        ),
        (
            "ask-secret",
            ToModule::Ask {
                echo: false,
                text: "Code: ".into(),
            },
        ),
        (
            "ask-password",
            ToModule::AskPassword {
                text: "Passwörd: ".into(),
            },
        ),
        ("tell-info", tell(Tell::Info)),
        ("tell-error", tell(Tell::Error)),
        (
            "verdict-approved",
            verdict(VerdictCode::Approved, "Approved", Some(*b"0123456789abcdef")),
        ),
        ("verdict-approved-bare", verdict(VerdictCode::Approved, "", None)),
        ("verdict-denied", verdict(VerdictCode::Denied, "Denied", None)),
        (
            "verdict-blocked",
            verdict(VerdictCode::Blocked, "Your account is locked", None),
        ),
        ("verdict-ignore", verdict(VerdictCode::Ignore, "", None)),
        (
            "verdict-unavailable",
            verdict(VerdictCode::Unavailable, "Try again later", None),
        ),
    ]
}

/// A frame's body by hand.
pub fn body(version: u8, kind: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![version, kind];
    for (tag, value) in fields {
        bytes.push(*tag);
        bytes.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// The fields of a well-formed body.
pub fn fields(body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut list = Vec::new();
    let mut rest = &body[2..];
    while let Some((tag, tail)) = rest.split_first() {
        let (len, tail) = tail.split_first_chunk::<4>().unwrap();
        let (value, tail) = tail.split_at(u32::from_be_bytes(*len) as usize);
        list.push((*tag, value.to_vec()));
        rest = tail;
    }
    list
}
