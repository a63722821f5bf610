//! The panel's users and their browsers, as far as HTTP goes: one [`Browser`] keeps a cookie and the session's mark.

use crate::people::{TestDevice, TestHost, identity};
use crate::rig::{Gateway, SOON, client, id, now, scratch, text, write};
use assent_proto::answer::Decision;
use assent_proto::cert::DeviceOwner;
use assent_proto::enrol::{Enrolment, OneTimeSecret, Token};
use assent_proto::keys::KeyPair;
use assent_proto::registrar::{Ask, DeviceAsk, EnrolmentState, HostWant, Reply};
use assent_proto::relay::DeviceEvent;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// "hunter2" at the lowest cost.
pub const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0$Xj8CRnbBNoW+eLrWzd5rXf/tYQHzvOlG+VSX49+oQ6E";
pub const PASSWORD: &str = "hunter2";
pub const HOST: &str = "id.example.org";
pub const ORIGIN: &str = "https://id.example.org";
pub const COOKIE: &str = "__Host-assent-panel";

/// The id of a user in `users.toml`.
pub fn user_id(at: usize) -> String {
    format!("00000000-0000-4000-8000-{at:012}")
}

/// Who owns what a user of `users.toml` registers.
pub fn owner_of(name: &str, at: usize) -> DeviceOwner {
    DeviceOwner {
        identities: vec![identity(&user_id(at))],
        name: text(name),
    }
}

/// Users by name, in this order; what else stands in their entries.
pub fn users_file(users: &[(&str, &str)]) -> PathBuf {
    let mut content = String::new();
    for (at, (name, more)) in users.iter().enumerate() {
        let id = user_id(at + 1);
        writeln!(content, "[[user]]\nname = \"{name}\"\nid = \"{id}\"\n{more}").unwrap();
    }
    let file = scratch().join("users.toml");
    write(&file, &content, 0o600);
    file
}

pub fn with_password() -> String {
    format!("password_hash = \"{HASH}\"")
}

/// A local profile of `example.org`.
pub fn profile(name: &str, users: &Path, more: &str) -> String {
    format!(
        "[[auth_profile]]\nname = \"{name}\"\nkind = \"local\"\nrealm = \"example.org\"\nusers_file = \"{}\"\n{more}\n",
        users.display()
    )
}

/// A panel with alice, bob and carol, at an origin of its own.
pub fn start(mode: &str, more: &str) -> Gateway {
    Gateway::start_with(&people(mode, more))
}

fn people(mode: &str, more: &str) -> String {
    let password = with_password();
    let users = users_file(&[("alice", &password), ("bob", &password), ("carol", &password)]);
    format!(
        "[panel]\nurl = \"{ORIGIN}\"\nauth_profiles = [\"staff\"]\nfirst_device = \"{mode}\"\n{more}\n{}",
        profile("staff", &users, "")
    )
}

/// A reply, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Its status and, where it is a problem, its code.
    pub fn said(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

/// Somebody's browser. What it sends can be spoiled before each call.
#[derive(Clone)]
pub struct Browser {
    pub client: Client,
    pub url: String,
    pub cookie: Option<String>,
    pub csrf: Option<String>,
    pub origin: Option<&'static str>,
    pub site: Option<&'static str>,
}

impl Browser {
    pub fn new(gateway: &Gateway) -> Self {
        Self {
            client: client(false),
            url: format!("http://{}", gateway.panel_address),
            cookie: None,
            csrf: None,
            origin: Some(ORIGIN),
            site: Some("same-origin"),
        }
    }

    /// Signed in by password.
    pub async fn of(gateway: &Gateway, user: &str) -> Self {
        let mut browser = Self::new(gateway);
        let signed = browser.sign_in(user, PASSWORD).await;
        assert_eq!(signed.status, StatusCode::OK, "{signed:?}");
        browser
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}/panel/api/{path}", self.url);
        let mut request = self
            .client
            .request(method.clone(), url)
            .header("host", HOST)
            .timeout(SOON);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("{COOKIE}={cookie}"));
        }
        if let Some(site) = self.site {
            request = request.header("sec-fetch-site", site);
        }
        if method == Method::POST {
            if let Some(origin) = self.origin {
                request = request.header("origin", origin);
            }
            if let Some(csrf) = &self.csrf {
                request = request.header("x-csrf-token", csrf);
            }
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: {status} {body:?}"));
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Takes a session's cookie and mark.
    fn take(&mut self, answer: &Answer) {
        if let Some(cookie) = answer.headers.get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let value = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
            self.cookie = Some(value.to_owned());
        }
        if let Some(csrf) = answer.body["csrf"].as_str() {
            self.csrf = Some(csrf.to_owned());
        }
    }

    pub async fn sign_in(&mut self, user: &str, password: &str) -> Answer {
        let answer = self.post("sign-in", json!({"user": user, "password": password})).await;
        self.take(&answer);
        answer
    }

    pub async fn by_link(&mut self, token: &Token) -> Answer {
        let answer = self.post("link", json!({"token": token.to_text().as_str()})).await;
        self.take(&answer);
        answer
    }

    /// The labels of the devices that are listed.
    pub async fn labels(&self) -> Vec<String> {
        let list = self.get("devices").await;
        assert_eq!(list.status, StatusCode::OK, "{list:?}");
        let devices = list.body["devices"].as_array().unwrap();
        devices
            .iter()
            .map(|device| device["label"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Opens an enrolment and follows its link with a device; the enrolment's id, the device's keys and digits.
    pub async fn bring(&self, gateway: &Gateway, label: &str) -> (String, KeyPair, String) {
        let opened = self.post("enrolment", json!({})).await;
        assert_eq!(opened.status, StatusCode::CREATED, "{opened:?}");
        let link = opened.body["link"].as_str().unwrap();
        let token = Token::from_text(link.split_once('#').unwrap().1).unwrap();
        let keys = KeyPair::generate().unwrap();
        let enrolment = Enrolment::new(&token, &keys, text(label), text("test"), now()).unwrap();
        let digits = gateway.digits(&keys, &enrolment).await;
        (opened.body["id"].as_str().unwrap().to_owned(), keys, digits)
    }

    pub async fn confirm(&self, enrolment: &str, digits: &str) -> Value {
        let path = format!("enrolment/{enrolment}/digits");
        self.post(&path, json!({"digits": digits})).await.body
    }

    /// Registers a first device.
    pub async fn register(&self, gateway: &Gateway, label: &str) -> TestDevice {
        let (enrolment, keys, digits) = self.bring(gateway, label).await;
        assert_eq!(self.confirm(&enrolment, &digits).await["state"], "certified");
        gateway.device_of(&enrolment, keys).await
    }
}

impl Gateway {
    /// The device that was certified by an enrolment for these keys.
    pub async fn device_of(&self, enrolment: &str, keys: KeyPair) -> TestDevice {
        let token = assent_proto::Id::decode(enrolment).unwrap();
        let signed = DeviceAsk::sign(&keys.sign, token, id(), now()).unwrap();
        let reply = self.ask(&keys, Ask::Device { signed }).await;
        let Reply::Enrolment(EnrolmentState::Certified { device: certificate }) = reply else {
            panic!("it is not certified: {reply:?}");
        };
        let id = self
            .issuer
            .verify_device(&certificate, now())
            .unwrap()
            .claims()
            .device_id;
        TestDevice { id, keys, certificate }
    }

    /// A one-time link for somebody, as root on a host makes it.
    pub async fn panel_link(&self, host: &TestHost, owner: DeviceOwner, ttl: u32) -> Token {
        let token = Token {
            id: id(),
            secret: OneTimeSecret::random().unwrap(),
            root: assent_proto::enrol::short_fingerprint(&self.root),
        };
        let what = HostWant::OpenLink {
            token_id: token.id,
            secret: token.secret.clone(),
            owner,
            ttl,
        };
        let opened = host.wants(self, what).await;
        assert!(matches!(opened, Reply::LinkOpen { .. }), "{opened:?}");
        token
    }
}

impl TestDevice {
    /// Answers the next question that comes.
    pub async fn decides(&self, gateway: &Gateway, hears: &mut crate::people::Events, decision: Decision) {
        let request = loop {
            match hears.for_device().await {
                DeviceEvent::Devices {} | DeviceEvent::Revocations {} | DeviceEvent::Withdrawn { .. } => {}
                event @ DeviceEvent::Push { .. } => break self.opens(gateway, event),
            }
        };
        let blob = self.answer_to(&request, decision);
        assert_eq!(self.answer(gateway, request.statement.id, &blob).await.status(), 204);
    }
}
