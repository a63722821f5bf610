//! What becomes of pushes and answers, on a real data base.

use super::super::{Durability, RELAY_MIGRATIONS, open};
use super::*;
use assent_proto::relay::PushItem;
use sqlx::sqlite::SqlitePool;

const HOST: Id = Id { 0: [1; 16] };
const OTHER_HOST: Id = Id { 0: [2; 16] };
const MOST: u32 = 3;
const NOW: Millis = Millis(1_000_000);

struct Store {
    pool: SqlitePool,
    dir: std::path::PathBuf,
}

impl Store {
    async fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("assent-relay-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let pool = open(&dir.join("relay.db"), Durability::Process, 1, &RELAY_MIGRATIONS).await;
        Self {
            pool: pool.unwrap(),
            dir,
        }
    }

    async fn push(&self, new: &NewPush) -> Pushed {
        let mut conn = self.pool.acquire().await.unwrap();
        push(&mut conn, new, NOW).await.unwrap()
    }

    async fn answer(&self, device: u8, id: Id, text: &[u8]) -> Answered {
        let mut conn = self.pool.acquire().await.unwrap();
        let blob = Bytes(text.to_vec());
        answer(&mut conn, self::device(device), id, &blob, NOW).await.unwrap()
    }

    async fn waiting(&self, device: u8) -> Vec<Id> {
        let mut conn = self.pool.acquire().await.unwrap();
        let waiting = waiting_after(&mut conn, self::device(device), 0, NOW, 100).await;
        waiting.unwrap().into_iter().map(|waiting| waiting.id).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn device(number: u8) -> Id {
    Id { 0: [100 + number; 16] }
}

fn id(number: u8) -> Id {
    Id { 0: [200 + number; 16] }
}

fn new(host: Id, number: u8, devices: &[u8]) -> NewPush {
    let to = devices.iter().map(|&number| PushItem {
        device: device(number),
        blob: Bytes(vec![number; 8]),
    });
    let push = Push {
        id: id(number),
        expiry: UnixTime(60),
        ttl: 60,
        to: to.collect(),
    };
    NewPush::new(
        host,
        push,
        MostAtDevice {
            waiting: MOST,
            unanswered: 1000,
        },
    )
    .unwrap()
}

#[tokio::test]
async fn a_push_reaches_each_of_its_devices_and_no_other() {
    let store = Store::new("reaches").await;
    let Pushed::New { seq: first } = store.push(&new(HOST, 1, &[1, 2, 3])).await else {
        panic!("it is new")
    };
    let Pushed::New { seq: second } = store.push(&new(HOST, 2, &[3])).await else {
        panic!("it is new")
    };
    assert!(second > first, "numbers grow");
    assert_eq!(store.waiting(1).await, [id(1)]);
    assert_eq!(store.waiting(3).await, [id(1), id(2)]);
    assert_eq!(store.waiting(4).await, []);
}

#[tokio::test]
async fn the_same_push_again_changes_nothing_and_another_under_its_id_is_a_conflict() {
    let store = Store::new("same").await;
    assert!(matches!(store.push(&new(HOST, 1, &[1])).await, Pushed::New { .. }));
    assert_eq!(store.push(&new(HOST, 1, &[1])).await, Pushed::Same);
    // Other devices, another host: neither is let in, and nobody new hears of it.
    assert_eq!(store.push(&new(HOST, 1, &[1, 2])).await, Pushed::Conflict);
    assert_eq!(store.push(&new(OTHER_HOST, 1, &[1])).await, Pushed::Conflict);
    assert_eq!(store.waiting(1).await, [id(1)]);
    assert_eq!(store.waiting(2).await, []);
    let mut conn = store.pool.acquire().await.unwrap();
    assert!(withdraw(&mut conn, HOST, id(1), NOW).await.unwrap().is_some());
    drop(conn);
    assert_eq!(store.push(&new(HOST, 1, &[1])).await, Pushed::Ended);
}

#[tokio::test]
async fn a_full_device_takes_no_more_of_that_host_but_knows_what_it_has() {
    let store = Store::new("full").await;
    for number in 1..=3 {
        assert!(matches!(store.push(&new(HOST, number, &[1])).await, Pushed::New { .. }));
    }
    let full = Pushed::Full { device: device(1) };
    assert_eq!(store.push(&new(HOST, 4, &[2, 1])).await, full);
    assert_eq!(store.waiting(2).await, [], "a refused push leaves nothing behind");
    assert_eq!(store.push(&new(HOST, 3, &[1])).await, Pushed::Same);
    assert_eq!(store.push(&new(HOST, 3, &[1, 2])).await, Pushed::Conflict);
    assert!(matches!(
        store.push(&new(OTHER_HOST, 5, &[1])).await,
        Pushed::New { .. }
    ));
}

#[tokio::test]
async fn an_answer_is_kept_once_and_closes_the_push_for_its_device_alone() {
    let store = Store::new("answer").await;
    store.push(&new(HOST, 1, &[1, 2])).await;
    let Answered::New { seq, host } = store.answer(1, id(1), b"yes").await else {
        panic!("it is new")
    };
    assert_eq!(host, HOST);
    assert_eq!(store.answer(1, id(1), b"yes").await, Answered::Same);
    assert_eq!(store.answer(3, id(1), b"yes").await, Answered::Gone);
    assert_eq!(store.answer(1, id(9), b"yes").await, Answered::Gone);
    assert_eq!(store.waiting(1).await, []);
    assert_eq!(store.waiting(2).await, [id(1)]);
    let mut conn = store.pool.acquire().await.unwrap();
    let kept = answers_after(&mut conn, HOST, 0, true, 10).await.unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|a| (a.seq, a.id, a.device, a.blob.0.as_slice()))
        .collect();
    assert_eq!(kept, [(seq, id(1), device(1), b"yes".as_slice())]);
}

#[tokio::test]
async fn a_device_answers_one_push_eight_times_at_most() {
    let store = Store::new("eight").await;
    store.push(&new(HOST, 1, &[1])).await;
    for text in 0..8 {
        assert!(matches!(store.answer(1, id(1), &[text]).await, Answered::New { .. }));
    }
    assert_eq!(store.answer(1, id(1), b"ninth").await, Answered::Full);
    assert_eq!(store.answer(1, id(1), &[3]).await, Answered::Same);
}
