//! A phone made from the protocol, with the keys of a real enrolment: it answers with whatever it is told to, right or
//! wrong, and remembers what it signed.

use super::between::client;
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{Device, Trust};
use assent_proto::keys::{KeyPair, SigningKey, VerifyingKey};
use assent_proto::relay::{Claim, DeviceAnswer, DeviceEvent};
use assent_proto::request::{self, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use assent_tests::product::{Authenticator, Site};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::runtime::{Builder, Runtime};

/// What a phone posts, and to which push.
pub type Post = (Id, Bytes);

/// What a phone does with a request.
type Habit = Box<dyn FnMut(&Hand, &VerifiedRequest) -> Vec<Post> + Send>;

/// A device's keys, and the making of answers with them.
pub struct Hand {
    /// Its keys.
    pub keys: KeyPair,
    /// Its certificate, verified.
    pub device: Device,
    trust: Trust,
}

#[derive(Default)]
struct Memory {
    /// What was decided, by the login's short id: digest of the request as signed, and the decision.
    signed: HashMap<String, (assent_proto::Digest, Decision)>,
    /// Requests that came and were not drawn.
    not_drawn: usize,
    drawn: usize,
}

/// The phone.
pub struct Phone {
    /// Its keys.
    pub hand: Arc<Hand>,
    memory: Arc<(Mutex<Memory>, Condvar)>,
    habit: Arc<Mutex<Habit>>,
    runtime: Option<Runtime>,
    url: String,
    http: reqwest::Client,
}

impl Hand {
    /// The keys of an enrolled authenticator.
    pub fn of(authenticator: &Authenticator) -> Self {
        let read = |name: &str| std::fs::read_to_string(authenticator.dir.join(name)).expect("a registration");
        let keys = KeyPair::from_file(&read("device.key")).expect("a key file");
        let root = VerifyingKey::from_pem(&read("root.pub")).expect("a root");
        let trust = Trust::new(vec![root]);
        let issuer = trust
            .verify_issuer(read("issuer.jws").trim(), UnixTime::now())
            .expect("an issuer");
        let device = issuer
            .verify_device(read("device.jws").trim(), UnixTime::now())
            .expect("a certificate");
        Self { keys, device, trust }
    }

    /// Which device.
    pub fn id(&self) -> Id {
        self.device.claims().device_id
    }

    /// What an event asks, if a device would draw it.
    pub fn opens(&self, event: &DeviceEvent) -> Option<VerifiedRequest> {
        let DeviceEvent::Push { id, expiry, blob, .. } = event else {
            return None;
        };
        let (device, kem) = (self.device.claims(), &self.keys.kem);
        request::open(device, kem, *id, *expiry, blob, &self.trust, UnixTime::now()).ok()
    }

    /// Its own, right answer.
    pub fn answer(&self, request: &VerifiedRequest, decision: Decision) -> Bytes {
        let answer = Answer::new(request, self.id(), decision, None, UnixTime::now());
        seal_as(request, self.id(), &answer, &self.keys.sign)
    }
}

/// Any answer, in any device's name, under any key; sealed for the push and the device that it is delivered for.
pub fn seal_as(request: &VerifiedRequest, device: Id, answer: &Answer, key: &SigningKey) -> Bytes {
    let res = answer.sign(key).expect("an answer");
    let context = answer::seal_context(&request.statement.id, &device);
    seal::seal(
        &request.host.claims().kem,
        Purpose::Answer,
        &context,
        &answer::Envelope { res },
    )
    .expect("a box")
}

impl Phone {
    /// Opens the phone of an authenticator: it approves what is asked, until told otherwise.
    pub fn of(site: &Site, authenticator: &Authenticator) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let phone = Self {
            hand: Arc::new(Hand::of(authenticator)),
            memory: Arc::default(),
            habit: Arc::new(Mutex::new(Box::new(|hand, request| {
                vec![(request.statement.id, hand.answer(request, Decision::Approve))]
            }))),
            runtime: Some(runtime),
            url: site.gateway.url().to_owned(),
            http: client(&site.gateway.ca_certificate()),
        };
        phone.listen();
        phone
    }

    /// From now on it does this with each request: what to post. Whatever it signs is remembered by
    /// [`Phone::signs`] alone.
    pub fn does(&self, habit: impl FnMut(&Hand, &VerifiedRequest) -> Vec<Post> + Send + 'static) {
        *self.habit.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(habit);
    }

    /// From now on it gives this decision, signed as it should be, and remembers it.
    pub fn decides(&self, decision: Decision) {
        let memory = self.memory.clone();
        self.does(move |hand, request| {
            let (memory, news) = &*memory;
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            let login = request.statement.login.as_str().to_owned();
            memory.signed.insert(login, (request.digest, decision));
            news.notify_all();
            vec![(request.statement.id, hand.answer(request, decision))]
        });
    }

    /// What it decided of a login, if it was asked.
    pub fn decided(&self, login: &str) -> Option<Decision> {
        let memory = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.signed.get(login).map(|(_, decision)| *decision)
    }

    /// How many requests it has drawn, and how many it refused to draw.
    pub fn counts(&self) -> (usize, usize) {
        let memory = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        (memory.drawn, memory.not_drawn)
    }

    fn listen(&self) {
        let (hand, memory, habit) = (self.hand.clone(), self.memory.clone(), self.habit.clone());
        let (url, http) = (self.url.clone(), self.http.clone());
        let hear = async move {
            let claim = || Claim::sign(&hand.keys.sign, &url, hand.id(), UnixTime::now()).expect("a claim");
            let opened = http.get(format!("{url}/v1/events")).bearer_auth(claim()).send().await;
            let mut stream = opened.expect("the relay").error_for_status().expect("a stream");
            let mut text = String::new();
            while let Ok(Some(chunk)) = stream.chunk().await {
                text.push_str(&String::from_utf8_lossy(&chunk));
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    text = rest;
                    let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
                        continue;
                    };
                    let Ok(event @ DeviceEvent::Push { .. }) = serde_json::from_str(data) else {
                        continue;
                    };
                    let posts = hand.opens(&event).map(|request| {
                        let mut habit = habit.lock().unwrap_or_else(PoisonError::into_inner);
                        habit(&hand, &request)
                    });
                    {
                        let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
                        match posts {
                            Some(_) => memory.drawn += 1,
                            None => memory.not_drawn += 1,
                        }
                    }
                    memory.1.notify_all();
                    for (push, blob) in posts.into_iter().flatten() {
                        let path = format!("{url}/v1/push/{push}/answer");
                        let answer = DeviceAnswer { blob };
                        // A relay that refuses an answer is one of the things that happen here.
                        let _ = http.post(path).bearer_auth(claim()).json(&answer).send().await;
                    }
                }
            }
        };
        self.runtime.as_ref().expect("it runs").spawn(hear);
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
