//! A desktop's notification area for the browser tests: serves `org.freedesktop.Notifications` on a session bus of the tests'
//! own, so that a real browser hands its notifications to it and a test presses their buttons. It is in no package and no
//! release.
//!
//! `desktop`: says on standard output, a line of JSON each, what is shown and closed; presses what comes on standard input as
//! `{"id": …, "action": …}`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The interface names all that a program says, and what zbus makes of it takes each by its name.
#![allow(clippy::used_underscore_binding)]

use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use tokio::sync::mpsc;
use zbus::OwnedVariant;
use zbus::connection;
use zbus::object_server::SignalEmitter;

const PATH: &str = "/org/freedesktop/Notifications";
/// Why a notification closed: the person did it, and: the program did it.
const BY_PERSON: u32 = 2;
const BY_CALL: u32 = 3;

#[derive(Default)]
struct Desktop {
    last: u32,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Desktop {
    #[allow(clippy::unused_self)]
    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "persistence"].map(str::to_owned).to_vec()
    }

    #[allow(clippy::unused_self)]
    fn get_server_information(&self) -> (String, String, String, String) {
        ("desktop".into(), "Assent's tests".into(), "1".into(), "1.2".into())
    }

    #[allow(clippy::too_many_arguments)]
    fn notify(
        &mut self,
        _app: String,
        replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedVariant>,
        _timeout: i32,
    ) -> u32 {
        let id = if replaces == 0 { self.last + 1 } else { replaces };
        self.last = self.last.max(id);
        println!(
            "{}",
            json!({"shown": {"id": id, "title": summary, "text": body, "actions": actions}})
        );
        id
    }

    #[allow(clippy::unused_self)]
    async fn close_notification(&self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>, id: u32) {
        println!("{}", json!({"closed": id}));
        Self::notification_closed(&emitter, id, BY_CALL).await.unwrap();
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(emitter: &SignalEmitter<'_>, id: u32, reason: u32) -> zbus::Result<()>;
}

/// What the person presses.
#[derive(Deserialize)]
struct Press {
    id: u32,
    action: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bus = connection::Builder::session()
        .name("org.freedesktop.Notifications")
        .serve_at(PATH, Desktop::default())
        .build()
        .await
        .unwrap();
    println!("{}", json!({"ready": true}));
    let emitter = SignalEmitter::new(&bus, PATH).unwrap();
    let (sender, mut lines) = mpsc::channel::<String>(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            sender.blocking_send(line.unwrap()).unwrap();
        }
    });
    while let Some(line) = lines.recv().await {
        let Press { id, action } = serde_json::from_str(&line).unwrap();
        Desktop::action_invoked(&emitter, id, &action).await.unwrap();
        Desktop::notification_closed(&emitter, id, BY_PERSON).await.unwrap();
    }
}
