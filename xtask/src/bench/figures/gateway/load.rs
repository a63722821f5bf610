//! Approvals without end: each worker posts a push to its own device, waits until the answer has come back, and posts
//! the next.

use super::super::http::Caller;
use super::super::row::{Samples, ms_since, number};
use super::people::People;
use assent_proto::relay::{DeviceAnswer, DeviceEvent, HostEvent, Push, PushItem};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::Method;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// Pushes in flight.
pub const WORKERS: usize = 64;
/// A sealed request and a sealed answer, as they are (`enc`, the padded text, the tag).
const REQUEST_BYTES: usize = 65 + 3072 + 16;
const ANSWER_BYTES: usize = 65 + 1024 + 16;
/// Before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// What came of it.
pub struct Load {
    /// How many.
    pub approvals: f64,
    /// In which time.
    pub seconds: f64,
    /// For how much of the gateway's processor time.
    pub cpu_seconds: f64,
    /// Each, in milliseconds.
    pub latency: Samples,
}

/// Pushes that wait for their answer.
type Waiting = Rc<RefCell<HashMap<Id, oneshot::Sender<()>>>>;

/// Approves for so long. `cpu` tells the gateway's processor time so far.
pub async fn run(people: &People, length: Duration, cpu: impl Fn() -> f64) -> Load {
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let waiting = Waiting::default();
            let times = Rc::new(RefCell::new(Vec::new()));
            hear(people, &waiting).await;
            for (device, _) in &people.devices {
                // All on one connection, as a host has it.
                tokio::task::spawn_local(push(people.host.clone(), *device, waiting.clone(), times.clone()));
            }
            tokio::time::sleep(WARM_UP).await;
            times.borrow_mut().clear();
            let (began, cpu_before) = (Instant::now(), cpu());
            tokio::time::sleep(length).await;
            let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), cpu() - cpu_before);
            let times = times.take();
            let mut latency = Samples::default();
            latency.extend(times.iter().copied());
            Load {
                approvals: number(times.len() as u64),
                seconds,
                cpu_seconds,
                latency,
            }
        })
        .await
}

/// Opens the host's stream and every device's, and has them answered.
async fn hear(people: &People, waiting: &Waiting) {
    let mut answers = people.host.events().await.bytes_stream().eventsource();
    let heard = waiting.clone();
    tokio::task::spawn_local(async move {
        while let Some(Ok(event)) = answers.next().await {
            if let Ok(HostEvent::Answer { id, .. }) = serde_json::from_str(&event.data)
                && let Some(done) = heard.borrow_mut().remove(&id)
            {
                let _ = done.send(());
            }
        }
    });
    for (_, caller) in &people.devices {
        let caller = caller.clone();
        let mut pushes = caller.events().await.bytes_stream().eventsource();
        tokio::task::spawn_local(async move {
            let answer = DeviceAnswer {
                blob: Bytes(vec![7; ANSWER_BYTES]),
            };
            while let Some(Ok(event)) = pushes.next().await {
                if let Ok(DeviceEvent::Push { id, .. }) = serde_json::from_str(&event.data) {
                    caller
                        .send(Method::POST, &format!("/v1/push/{id}/answer"), Some(&answer))
                        .await;
                }
            }
        });
    }
}

async fn push(host: Caller, device: Id, waiting: Waiting, times: Rc<RefCell<Vec<f64>>>) {
    loop {
        let id = Id::random().expect("randomness");
        let push = Push {
            id,
            expiry: UnixTime::now().plus(60),
            ttl: 60,
            to: vec![PushItem {
                device,
                blob: Bytes(vec![7; REQUEST_BYTES]),
            }],
        };
        let (done, answered) = oneshot::channel();
        waiting.borrow_mut().insert(id, done);
        let began = Instant::now();
        host.send(Method::POST, "/v1/push", Some(&push)).await;
        if answered.await.is_err() {
            return;
        }
        times.borrow_mut().push(ms_since(began));
    }
}
