//! R78, T3: whoever writes into the relay's data base gains no approval. The judge is the host's own verifier.

use crate::people::{TestDevice, TestHost};
use crate::real::{Asked, answers, opened, sealed_answer};
use crate::rig::{Gateway, id};
use assent_proto::answer::Decision;
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::relay::DeviceEvent;
use assent_proto::{Bytes, Id, sha256};
use sqlx::{Row as _, SqliteConnection};

/// Four logins: alice and bob at web01, alice at web02, carol at web02. Alice approves the one at web02, bob denies.
struct Scene {
    gateway: Gateway,
    hosts: [TestHost; 2],
    devices: [TestDevice; 3],
}

const WHO: [(usize, usize, &str); 4] = [(0, 0, "alice"), (0, 1, "bob"), (1, 0, "alice"), (1, 2, "carol")];
/// The one login that its own device approved.
const APPROVED: usize = 2;

impl Scene {
    async fn set() -> Self {
        let gateway = Gateway::start();
        let hosts = [gateway.join("web01").await, gateway.join("web02").await];
        let devices = [
            gateway.enrol(&hosts[0], "alice").await,
            gateway.enrol(&hosts[0], "bob").await,
            gateway.enrol(&hosts[1], "carol").await,
        ];
        Self {
            gateway,
            hosts,
            devices,
        }
    }

    async fn ask(&self) -> Vec<Asked<'_>> {
        let mut all = Vec::new();
        for (host, device, user) in WHO {
            all.push(Asked::send(&self.gateway, &self.hosts[host], &self.devices[device], user).await);
        }
        all
    }

    /// Alice's second request is approved, bob's is denied; the others wait.
    async fn answer(&self) {
        let [alice, bob, _] = &self.devices;
        let mut alice_hears = alice.listen(&self.gateway, None).await;
        alice_hears.push().await;
        answers(&self.gateway, alice, &mut alice_hears, Decision::Approve).await;
        let mut bob_hears = bob.listen(&self.gateway, None).await;
        answers(&self.gateway, bob, &mut bob_hears, Decision::Deny).await;
    }

    /// Everything that both hosts hear after a restart of the relay.
    async fn heard(&self, count: usize) -> Vec<(Id, Id, Bytes)> {
        let mut all = Vec::new();
        for host in &self.hosts {
            // A fence: the host's own last answer, from a device that nobody meddled with.
            let fence = self.gateway.enrol(host, &format!("fence-{}", id())).await;
            let mut hears = host.listen(&self.gateway, None).await;
            hears.roster().await;
            let push = crate::people::push_to(&[&fence]);
            host.push(&self.gateway, &push).await;
            assert_eq!(fence.answer(&self.gateway, push.id, b"fence").await.status(), 204);
            loop {
                let (id, device, blob) = hears.answer().await;
                if id == push.id {
                    break;
                }
                all.push((id, device, Bytes(blob)));
            }
        }
        assert!(all.len() >= count, "the hosts heard {} answers", all.len());
        all
    }
}

/// Which logins pass on any of these deliveries, whichever push the relay says that they are for, and whether it names
/// the device that it wants or the one that was asked.
fn passing(asked: &[Asked<'_>], heard: &[(Id, Id, Bytes)]) -> Vec<usize> {
    let passes = |one: &Asked<'_>| {
        let own = one.device.claims().device_id;
        heard
            .iter()
            .any(|(_, device, blob)| one.passes(*device, blob) || one.passes(own, blob))
    };
    (0..asked.len()).filter(|at| passes(&asked[*at])).collect()
}

#[tokio::test]
async fn r78_t3_answers_copied_altered_and_swapped_in_the_data_base_approve_nothing_else() {
    let mut scene = Scene::set().await;
    let asked: Vec<Asked<'static>> = unbound(scene.ask().await, &scene);
    scene.answer().await;
    // As it is, exactly what alice approved passes: the judge is no wall.
    assert_eq!(passing(&asked, &scene.heard(2).await), [APPROVED]);

    scene.gateway.kill();
    let mut db = scene.gateway.database("relay.db").await;
    let pushes: Vec<(i64, Vec<u8>)> = rows(&mut db, "SELECT seq, host FROM push ORDER BY seq", |row| {
        (row.get(0), row.get(1))
    })
    .await;
    let answers: Vec<(i64, Vec<u8>)> = rows(&mut db, "SELECT seq, blob FROM answer ORDER BY seq", |row| {
        (row.get(0), row.get(1))
    })
    .await;
    let mut forged = 0;
    for (_, blob) in &answers {
        for (push, host) in &pushes {
            for device in &scene.devices {
                let mut flipped = blob.clone();
                let middle = flipped.len() / 2;
                flipped[middle] ^= 1;
                for blob in [blob.clone(), flipped, blob[..blob.len() - 1].to_vec()] {
                    let digest = sha256(&[&blob]);
                    let done = sqlx::query(
                        "INSERT OR IGNORE INTO answer (push, host, device, digest, blob) VALUES (?, ?, ?, ?, ?)",
                    )
                    .bind(push)
                    .bind(host)
                    .bind(device.id.0.as_slice())
                    .bind(digest.0.as_slice())
                    .bind(blob)
                    .execute(&mut db)
                    .await
                    .unwrap();
                    forged += done.rows_affected();
                }
            }
        }
    }
    assert!(forged > 60, "{forged}");
    // The other way round too: what went to one host goes to the other.
    let swapped = sqlx::query(
        "UPDATE answer SET host = (SELECT p.host FROM push p WHERE p.host <> answer.host LIMIT 1) WHERE seq % 3 = 0",
    )
    .execute(&mut db)
    .await
    .unwrap();
    assert!(swapped.rows_affected() > 20);
    drop(db);
    scene.gateway.start_again();
    let heard = scene.heard(60).await;
    assert_eq!(passing(&asked, &heard), [APPROVED]);
}

async fn rows<T>(db: &mut SqliteConnection, sql: &'static str, read: impl Fn(&sqlx::sqlite::SqliteRow) -> T) -> Vec<T> {
    sqlx::query(sql).fetch_all(db).await.unwrap().iter().map(read).collect()
}

/// The requests without their borrow of the scene, whose relay is about to be killed and started again.
fn unbound(asked: Vec<Asked<'_>>, scene: &Scene) -> Vec<Asked<'static>> {
    asked
        .into_iter()
        .zip(WHO)
        .map(|(asked, (host, ..))| {
            let host = &scene.hosts[host];
            let again = TestHost {
                id: host.id,
                keys: KeyPair::from_file(&host.keys.to_file().unwrap()).unwrap(),
                certificate: host.certificate.clone(),
            };
            Asked {
                // A test's few hosts may live as long as it does.
                host: Box::leak(Box::new(again)),
                statement: asked.statement,
                signed: asked.signed,
                device: asked.device,
            }
        })
        .collect()
}

#[tokio::test]
async fn r78_t3_requests_swapped_between_devices_pushes_and_hosts_are_not_drawn() {
    let mut scene = Scene::set().await;
    let asked: Vec<Asked<'static>> = unbound(scene.ask().await, &scene);
    scene.gateway.kill();
    let mut db = scene.gateway.database("relay.db").await;
    // Every device gets every request, under every push's id; and the host's name for them is the other's.
    let blobs: Vec<Vec<u8>> = rows(&mut db, "SELECT blob FROM item ORDER BY push", |row| row.get(0)).await;
    let pushes: Vec<(i64, Vec<u8>, i64, i64)> = rows(&mut db, "SELECT seq, host, expiry, ends_at FROM push", |row| {
        (row.get(0), row.get(1), row.get(2), row.get(3))
    })
    .await;
    sqlx::query("DELETE FROM item").execute(&mut db).await.unwrap();
    let mut made = 0_u8;
    for (_, host, expiry, ends_at) in &pushes {
        for (at, blob) in blobs.iter().enumerate() {
            // A push that is no longer what it was: the same blobs under fresh ids, and under each other's.
            let name = if at % 2 == 0 {
                id()
            } else {
                asked[(at + 1) % asked.len()].statement.id
            };
            sqlx::query("DELETE FROM push WHERE id = ?")
                .bind(name.0.as_slice())
                .execute(&mut db)
                .await
                .unwrap();
            let seq = sqlx::query("INSERT INTO push (id, host, digest, expiry, ends_at) VALUES (?, ?, x'00', ?, ?)")
                .bind(name.0.as_slice())
                .bind(host)
                .bind(expiry)
                .bind(ends_at)
                .execute(&mut db)
                .await
                .unwrap()
                .last_insert_rowid();
            for device in &scene.devices {
                sqlx::query("INSERT INTO item (push, device, host, blob, open, answers) VALUES (?, ?, ?, ?, 1, 0)")
                    .bind(seq)
                    .bind(device.id.0.as_slice())
                    .bind(host)
                    .bind(blob)
                    .execute(&mut db)
                    .await
                    .unwrap();
            }
            made += 1;
        }
    }
    assert_eq!(made, 16);
    drop(db);
    scene.gateway.start_again();
    let host = &scene.hosts[0];
    let mut seen = 0;
    for device in &scene.devices {
        let mut hears = device.listen(&scene.gateway, None).await;
        let fence = crate::people::push_to(&[device]);
        host.push(&scene.gateway, &fence).await;
        loop {
            let event = hears.for_device().await;
            if matches!(&event, DeviceEvent::Push { id, .. } if *id == fence.id) {
                break;
            }
            seen += 1;
            assert!(
                opened(&scene.gateway, device, &event).is_none(),
                "a device drew what was not asked of it: {event:?}"
            );
        }
    }
    assert!(seen >= 12, "the devices got {seen} requests");
}

#[tokio::test]
async fn r78_t3_mailboxes_under_the_attackers_keys_open_nothing() {
    let mut scene = Scene::set().await;
    let asked: Vec<Asked<'static>> = unbound(scene.ask().await, &scene);
    let thief = KeyPair::generate().unwrap();
    let second_thief = KeyPair::generate().unwrap();
    let replace = async |db: &mut SqliteConnection, id: Id, key: &VerifyingKey| {
        let done = sqlx::query("UPDATE mailbox SET key = ? WHERE id = ?")
            .bind(serde_json::to_string(key).unwrap())
            .bind(id.0.as_slice())
            .execute(db)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
    };
    scene.gateway.kill();
    let mut db = scene.gateway.database("relay.db").await;
    replace(&mut db, scene.devices[0].id, &thief.sign.public()).await;
    replace(&mut db, scene.hosts[1].id, &second_thief.sign.public()).await;
    drop(db);
    scene.gateway.start_again();
    // The registrar says who has which mailbox: the keys are back, and the thief is a stranger.
    let as_alice = TestDevice {
        id: scene.devices[0].id,
        keys: KeyPair::from_file(&thief.to_file().unwrap()).unwrap(),
        certificate: String::new(),
    };
    assert_eq!(
        as_alice
            .answer(&scene.gateway, asked[0].statement.id, b"x")
            .await
            .status(),
        401
    );
    let mut alice_hears = scene.devices[0].listen(&scene.gateway, None).await;

    // Suppose the relay's very program is the thief's, so that it takes his answers as alice's: he has her request's
    // ids and sizes, can seal to the host (its key is public), and signs what he likes.
    let event = alice_hears.for_device().await;
    let request = opened(&scene.gateway, &scene.devices[0], &event).unwrap();
    let mut forged = Vec::new();
    for keys in [&thief, &second_thief, &scene.devices[1].keys, &scene.devices[2].keys] {
        for as_device in scene.devices.iter().map(|device| device.id).chain([id()]) {
            forged.push((as_device, sealed_answer(&request, as_device, keys, Decision::Approve)));
        }
    }
    let mut db = scene.gateway.database("relay.db").await;
    for (device, blob) in &forged {
        let done = sqlx::query(
            "INSERT INTO answer (push, host, device, digest, blob) SELECT seq, host, ?, ?, ? FROM push WHERE id = ?",
        )
        .bind(device.0.as_slice())
        .bind(sha256(&[&blob.0]).0.as_slice())
        .bind(blob.0.as_slice())
        .bind(request.statement.id.0.as_slice())
        .execute(&mut db)
        .await
        .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
    drop(db);
    let heard = scene.heard(forged.len()).await;
    assert!(passing(&asked, &heard).is_empty());
    // Alice's own word, on the same push, counts.
    let blob = sealed_answer(&request, scene.devices[0].id, &scene.devices[0].keys, Decision::Approve);
    assert_eq!(
        scene.devices[0]
            .answer(&scene.gateway, request.statement.id, &blob.0)
            .await
            .status(),
        204
    );
    assert_eq!(passing(&asked, &scene.heard(1).await), [0]);
}
