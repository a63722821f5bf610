//! An SMS gateway, as companies rent one: an HTTP interface. What it is given goes to nobody; the tests read it.

use assent_tests::{patience, ports};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// It, on a free port of the loopback of this world.
pub struct SmsGateway {
    port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
    down: Arc<Mutex<bool>>,
}

type Shared = (Arc<Mutex<Vec<Value>>>, Arc<Mutex<bool>>);

impl SmsGateway {
    /// Starts it.
    pub fn start() -> Self {
        let port = ports::free();
        let (taken, down): Shared = Shared::default();
        let router = Router::new()
            .route("/send", post(take))
            .with_state((Arc::clone(&taken), Arc::clone(&down)));
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        // Ends with the world.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, router).await.expect("it serves");
            });
        });
        Self { port, taken, down }
    }

    /// Where it takes messages.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/send", self.port)
    }

    /// From now on it answers with an error.
    pub fn fails(&self, fails: bool) {
        *self.down.lock().expect("a lock") = fails;
    }

    /// How many messages it has taken.
    pub fn count(&self) -> usize {
        self.taken.lock().expect("a lock").len()
    }

    /// The message behind the first `before`: to whom, and its text.
    pub fn message(&self, before: usize) -> (String, String) {
        let found = patience::until(Duration::from_secs(20), || {
            self.taken.lock().expect("a lock").get(before).cloned()
        });
        let message = found.expect("a message");
        let text = |key: &str| message[key].as_str().expect("text").to_owned();
        (text("to"), text("text"))
    }

    /// The six digits in that message.
    pub fn code(&self, before: usize) -> String {
        let (_, text) = self.message(before);
        let runs = text.split(|c: char| !c.is_ascii_digit());
        let mut codes = runs.filter(|run| run.len() == 6);
        codes.next().expect("a code of six digits").to_owned()
    }
}

async fn take(State((taken, down)): State<Shared>, body: String) -> StatusCode {
    if *down.lock().expect("a lock") {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let message = serde_json::from_str(&body).expect("JSON as the template says");
    taken.lock().expect("a lock").push(message);
    StatusCode::OK
}
