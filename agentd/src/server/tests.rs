//! R54 with real panics, injected into the real accept loop, its tasks and the tasks that these start.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::accept;
use crate::agent::Agent;
use assent_wire::{Begin, Phase, ToAgent, ToModule, VerdictCode, body_len};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// Where a test wants a panic: the place's name, by a word that stands nowhere else.
pub fn panic_at(place: &str, word: &[u8]) {
    let wanted: &[u8] = match place {
        "the login's own task" => b"panic-own",
        "a task of the login" => b"panic-beside",
        other => unreachable!("{other}"),
    };
    assert!(word != wanted, "injected into {place}");
}

const CONFIG: &str = r#"
[log]
audit_file = "AUDIT"
[[auth_profile]]
name = "local"
kind = "local"
[[application]]
name = "any"
services = ["login", "panic-own"]
factors = [["local"]]
"#;

struct Login(UnixStream);

impl Login {
    async fn begin(socket: &std::path::Path, service: &str, user: &str) -> Self {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let begin = ToAgent::Begin(Box::new(Begin {
            phase: Phase::Auth,
            service: service.into(),
            user: user.into(),
            ruser: None,
            rhost: None,
            tty: None,
            flags: 0,
            ssh_connection: None,
            ssh_auth_info: None,
            command_line: b"test\0".to_vec(),
            command_line_len: 5,
            cwd: None,
            audit_session: None,
            login_uid: None,
            sudo_command: None,
            ticket: None,
        }));
        stream.write_all(&begin.encode().unwrap()).await.unwrap();
        let mut login = Self(stream);
        assert_eq!(login.next().await, Some(ToModule::Hello));
        login
    }

    /// The agent's next message; `None` when it closed. No login waits that long for its deadline.
    async fn next(&mut self) -> Option<ToModule> {
        let read = async {
            let mut prefix = [0; 4];
            self.0.read_exact(&mut prefix).await.ok()?;
            let mut body = vec![0; body_len(prefix).unwrap()];
            self.0.read_exact(&mut body).await.ok()?;
            Some(ToModule::decode(&body).unwrap())
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap()
    }

    async fn is_asked(&mut self) {
        let asked = self.next().await;
        assert!(matches!(asked, Some(ToModule::AskPassword { .. })), "{asked:?}");
    }

    async fn gives_up(&mut self) {
        self.0.write_all(&ToAgent::Gone.encode().unwrap()).await.unwrap();
        self.is_denied().await;
    }

    async fn is_denied(&mut self) {
        let said = self.next().await;
        assert!(
            matches!(&said, Some(ToModule::Verdict(v)) if v.code == VerdictCode::Denied),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn r54_a_panic_in_one_login_ends_neither_another_nor_the_agent() {
    if !nix::unistd::geteuid().is_root() {
        // The agent speaks to root alone; the system tests, which need root too, run this as well.
        return;
    }
    let dir = std::env::temp_dir().join(format!("assent-agentd-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let config = dir.join("agentd.toml");
    std::fs::write(
        &config,
        CONFIG.replace("AUDIT", &dir.join("audit.jsonl").to_string_lossy()),
    )
    .unwrap();
    let agent = Agent::new(config).unwrap();
    assert!(agent.setup().is_ok(), "{:?}", agent.setup().err());
    let socket = dir.join("agent.sock");
    let accepting = tokio::spawn(accept(Arc::clone(&agent), UnixListener::bind(&socket).unwrap()));

    let mut waiting = Login::begin(&socket, "login", "root").await;
    waiting.is_asked().await;
    for _ in 0..3 {
        // In its own task: the connection closes without a verdict, which the module takes for "unavailable" (R53).
        assert_eq!(Login::begin(&socket, "panic-own", "root").await.next().await, None);
        // In a task beside it: the login ends at once, denied, instead of waiting for what never comes.
        Login::begin(&socket, "login", "panic-beside").await.is_denied().await;
    }
    assert_eq!(
        agent.running.lock().unwrap().len(),
        1,
        "the ended ones are not listed as running"
    );
    assert!(!accepting.is_finished());
    let mut later = Login::begin(&socket, "login", "root").await;
    later.is_asked().await;
    waiting.gives_up().await;
    later.gives_up().await;
    let audit = std::fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("\"cause\":\"internal_error\"").count(), 3, "{audit}");
    std::fs::remove_dir_all(&dir).unwrap();
}
