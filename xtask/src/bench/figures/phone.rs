//! A device that approves at once: the keys of a real enrolment, and otherwise built from the protocol. It does all that
//! a device must (open, verify host and chain, sign, seal), and no person holds it up.

use super::http::{self, Caller};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{Device, Trust};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::relay::{DeviceAnswer, DeviceEvent};
use assent_proto::request::{self, Envelope};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use assent_tests::delay::Door;
use assent_tests::product::Authenticator;
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::Method;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A phone in a pocket that says yes to everything. Dropped, it is gone.
pub struct Phone {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a device knows.
struct Keys {
    pair: KeyPair,
    device: Device,
    trust: Trust,
}

impl Phone {
    /// Takes over an authenticator's keys and listens at the gateway; behind `door`, if the gateway stands there.
    pub fn listen(keys: &Authenticator, url: &str, ca: &Path, door: Option<Door>) -> Self {
        let keys = Keys::read(&keys.dir);
        let (url, tls) = (url.to_owned(), http::trusting(ca));
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            if let Some(door) = door {
                door.enter();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let caller = Caller::new(
                    http::client(&tls),
                    &url,
                    &keys.pair.sign,
                    keys.device.claims().device_id,
                );
                tokio::select! {
                    () = hear(&keys, &caller, &ready) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().expect("the phone's stream opens");
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn hear(keys: &Keys, caller: &Caller, ready: &mpsc::Sender<()>) {
    let mut events = caller.events().await.bytes_stream().eventsource();
    let _ = ready.send(());
    while let Some(event) = events.next().await {
        let event = event.expect("an event");
        if let Ok(DeviceEvent::Push { id, expiry, blob, .. }) = serde_json::from_str(&event.data) {
            let blob = keys.approve(id, expiry, &blob);
            let path = format!("/v1/push/{id}/answer");
            caller.send(Method::POST, &path, Some(&DeviceAnswer { blob })).await;
        }
    }
}

impl Keys {
    /// As `assentctl authenticator enroll` has written them.
    fn read(dir: &Path) -> Self {
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let now = UnixTime::now();
        let trust = Trust::new(vec![VerifyingKey::from_pem(&read("root.pub")).expect("a root")]);
        let issuer = trust.verify_issuer(read("issuer.jws").trim(), now).expect("an issuer");
        Self {
            pair: KeyPair::from_file(&read("device.key")).expect("the device's keys"),
            device: issuer.verify_device(read("device.jws").trim(), now).expect("a device"),
            trust,
        }
    }

    fn approve(&self, id: Id, expiry: UnixTime, blob: &Bytes) -> Bytes {
        let device = self.device.claims().device_id;
        let context = request::seal_context(&id, &device, expiry);
        let envelope: Envelope =
            seal::open(&self.pair.kem, Purpose::Request, &context, blob).expect("a request for this device");
        let now = UnixTime::now();
        let verified = request::verify(&envelope, id, expiry, &self.trust, now).expect("a host's request");
        let answer = Answer::new(&verified, device, Decision::Approve, None, now);
        let res = answer.sign(&self.pair.sign).expect("a signature");
        let context = answer::seal_context(&id, &device);
        let to = &verified.host.claims().kem;
        seal::seal(to, Purpose::Answer, &context, &answer::Envelope { res }).expect("an answer for the host")
    }
}
