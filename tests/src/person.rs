//! A person at a desk with a phone: real Chromium browsers (`gateway/web/demo/person.mjs`), for the demo. The phone's
//! camera sees the desk's screen. Pictures of what they see are kept outside the private world.

use crate::product::PATIENCE;
use crate::program::{Program, tool};
use crate::terminal::{Terminal, fits};
use crate::{patience, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The web pages' tree, in which `npm ci` has put the browser's driver.
pub fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/web")
}

/// The two browsers.
#[derive(Debug)]
pub struct Person {
    terminal: Terminal,
}

impl Person {
    /// Sits down before the panel at `url`, with browsers that trust this authority.
    pub fn at(url: &str, pictures: &Path, authority: &Path) -> Self {
        let film = scratch::directory("camera");
        trust("/root/.pki/nssdb", authority);
        let program = Program::new("node")
            .args([
                web().join("demo/person.mjs").as_os_str(),
                url.as_ref(),
                pictures.as_os_str(),
                film.as_os_str(),
            ])
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .in_directory(web());
        let mut person = Self {
            terminal: Terminal::open(&program),
        };
        person.hear();
        person
    }

    /// Signs in at the Register Panel.
    pub fn sign_in(&mut self, user: &str, password: &str, picture: &str) {
        self.tell(&json!({"do": "sign_in", "user": user, "password": password, "picture": picture}));
    }

    /// Registers the phone: its camera reads the code on the desk's screen, its digits are typed at the desk.
    pub fn register(&mut self, label: &str, at_desk: &str, at_phone: &str) {
        self.tell(&json!({"do": "register", "label": label, "pictures": [at_desk, at_phone]}));
    }

    /// Waits until somebody asks; what the phone shows.
    pub fn asked(&mut self, picture: &str) -> String {
        let said = self.tell(&json!({"do": "asked", "picture": picture}));
        said["text"].as_str().expect("the screen's text").to_owned()
    }

    /// Presses a button of a request (`approve`, `deny`, `report`), and waits for the outcome's heading. When it was
    /// pressed, in milliseconds since 1970.
    pub fn press(&mut self, button: &str, heading: &str) -> u64 {
        let said = self.tell(&json!({"do": "press", "button": button, "heading": heading}));
        said["at"].as_u64().expect("when it was pressed")
    }

    /// Presses Approve with a finger that the phone's passkey does not know: nothing is sent.
    pub fn tries_with_a_wrong_finger(&mut self) {
        self.tell(&json!({"do": "wrong_finger"}));
    }

    /// Opens a page at the desk; its text.
    pub fn show(&mut self, path: &str, heading: &str, picture: &str) -> String {
        let said = self.tell(&json!({"do": "show", "path": path, "page": heading, "picture": picture}));
        said["text"].as_str().expect("the page's text").to_owned()
    }

    fn tell(&mut self, order: &Value) -> Value {
        self.terminal.send_line(&order.to_string());
        let said = self.hear();
        assert!(
            said["failed"].is_null(),
            "the person at the browser: {}",
            said["failed"]
        );
        said
    }

    fn hear(&mut self) -> Value {
        let said = self.terminal.expect(fits(r"(?m)^==> .*\r?\n"), PATIENCE * 3);
        let (_, line) = said.rsplit_once("==> ").expect("a line");
        serde_json::from_str(line.trim()).expect("JSON")
    }
}

/// Has Chromium trust an authority, as its data base of certificates says.
fn trust(database: &str, authority: &Path) {
    std::fs::create_dir_all(database).expect("a directory for certificates");
    let database = format!("sql:{database}");
    let authority = authority.to_string_lossy();
    tool("certutil", ["-N", "-d", &database, "--empty-password"]);
    tool(
        "certutil",
        ["-A", "-d", &database, "-n", "birch", "-t", "C,,", "-i", &authority],
    );
}

impl Drop for Person {
    fn drop(&mut self) {
        // Its input ends, and it closes its browsers.
        self.terminal.send_eof();
        patience::until(PATIENCE, || (!self.terminal.is_running()).then_some(()));
    }
}
