//! R78, T3: whoever reads and writes the relay's data base learns no name and gains no approval. The judge is the
//! host's own verifier, over requests and answers as `proto` really makes them.

use crate::people::{Events, TestDevice, TestHost, identity};
use crate::rig::{Gateway, id, now, text};
use assent_proto::answer::{self, Answer, Decision};
use assent_proto::cert::{Device, Level};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::relay::{DeviceEvent, Push, PushItem};
use assent_proto::request::{self, Command, Details, Source, Statement, VerifiedRequest};
use assent_proto::seal::{self, Purpose};
use assent_proto::time::BootTime;
use assent_proto::verdict::{PendingPush, Received, seal_to_devices};
use assent_proto::{Bytes, Id, Nonce, sha256};
use sqlx::{Row as _, SqliteConnection};
use std::collections::HashMap;
use std::time::Duration;

const COMMAND: &str = "/usr/sbin/visudo-canary";
const ADDRESS: &str = "198.51.100.77";

/// A real request of a host to a device, and what the host remembers of it.
struct Asked<'a> {
    host: &'a TestHost,
    statement: Statement,
    signed: String,
    device: Device,
}

impl<'a> Asked<'a> {
    async fn send(gateway: &Gateway, host: &'a TestHost, device: &TestDevice, user: &str) -> Self {
        let certified = gateway.issuer.verify_host(&host.certificate, now()).unwrap();
        let details = Details {
            login: text("k7f3q2"),
            svc: text("sudo-canary"),
            user: text(user),
            identity: identity(user),
            ruser: None,
            target_user: Some(text("root-canary")),
            cmd: Some(Command {
                resolved: Some(text(COMMAND)),
                args: vec![text("-f")],
                truncated: false,
                sha256: sha256(&[b"visudo"]),
            }),
            cwd: Some(text("/home/canary")),
            tty: Some(text("/dev/pts/77")),
            src: Some(Source {
                ip: ADDRESS.parse().unwrap(),
                port: Some(50_022),
                asn: None,
                place: None,
            }),
            first: vec![text("password (corp-canary)")],
            level: Level::Tap,
            digits: 0,
            ttl: 60,
            ctx: sha256(&[b"transaction"]),
            app: text("sudo-canary"),
        };
        let statement = Statement::new(id(), Nonce::random().unwrap(), &certified, now(), details);
        let signed = statement.sign(&host.keys.sign).unwrap();
        let device = gateway.issuer.verify_device(&device.certificate, now()).unwrap();
        let sealed = seal_to_devices(
            &statement,
            &signed,
            &certified,
            &gateway.issuer,
            std::slice::from_ref(&device),
        );
        let push = Push {
            id: statement.id,
            expiry: statement.expiry(),
            ttl: statement.ttl,
            to: sealed
                .unwrap()
                .into_iter()
                .map(|(device, blob)| PushItem { device, blob })
                .collect(),
        };
        host.push(gateway, &push).await;
        Self {
            host,
            statement,
            signed,
            device,
        }
    }

    /// Whether the host, had it asked just now, would let the login pass on this delivery.
    fn passes(&self, device: Id, blob: &Bytes) -> bool {
        let asked = BootTime(Duration::from_secs(1000));
        let devices = vec![self.device.clone()];
        let mut pending = PendingPush::new(&self.statement, &self.signed, devices, None, asked);
        let received = pending.receive(
            &self.host.keys.kem,
            device,
            blob,
            asked.plus(Duration::from_secs(1)),
            now(),
        );
        matches!(received, Received::Approved(_))
    }
}

/// Opens a delivered request as a device does; `None` if there is nothing that it would draw.
fn opened(gateway: &Gateway, device: &TestDevice, event: &DeviceEvent) -> Option<VerifiedRequest> {
    let DeviceEvent::Push { id, expiry, blob, .. } = event else {
        return None;
    };
    let context = request::seal_context(id, &device.id, *expiry);
    let envelope = seal::open(&device.keys.kem, Purpose::Request, &context, blob).ok()?;
    let trust = assent_proto::cert::Trust::new(vec![gateway.root.clone()]);
    request::verify(&envelope, *id, *expiry, &trust, now()).ok()
}

fn sealed_answer(request: &VerifiedRequest, as_device: Id, keys: &KeyPair, decision: Decision) -> Bytes {
    let answer = Answer::new(request, as_device, decision, None, now());
    let envelope = answer::Envelope {
        res: answer.sign(&keys.sign).unwrap(),
    };
    let context = answer::seal_context(&request.statement.id, &as_device);
    seal::seal(&request.host.claims().kem, Purpose::Answer, &context, &envelope).unwrap()
}

async fn answers(gateway: &Gateway, device: &TestDevice, hears: &mut Events, decision: Decision) {
    let event = hears.for_device().await;
    let request = opened(gateway, device, &event).expect("a good request is drawn");
    let blob = sealed_answer(&request, device.id, &device.keys, decision);
    assert_eq!(
        device.answer(gateway, request.statement.id, &blob.0).await.status(),
        204
    );
}

/// The files of the data base, as an intruder or a backup has them.
fn files(gateway: &Gateway) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in ["relay.db", "relay.db-wal", "relay.db-shm"] {
        bytes.extend(std::fs::read(gateway.dir.join(name)).unwrap_or_default());
    }
    bytes
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn r78_t3_no_name_command_or_address_stands_in_the_relays_data_base() {
    let mut gateway = Gateway::start();
    let host = gateway.join("web-canary").await;
    let device = gateway.enrol(&host, "user-canary").await;
    let mut hears = device.listen(&gateway, None).await;
    let asked = Asked::send(&gateway, &host, &device, "user-canary").await;
    let look = |gateway: &Gateway, when: &str| {
        let bytes = files(gateway);
        assert!(holds(&bytes, &asked.statement.id.0), "the search works {when}");
        // "canary" stands in every name; the realm, the address and the terminal have none.
        for plain in ["canary", "example.org", ADDRESS, "pts/77", "phone", "k7f3q2"] {
            assert!(!holds(&bytes, plain.as_bytes()), "{plain} {when}");
        }
        let serial = asked.device.claims().serial;
        assert!(
            !holds(&bytes, &serial.0) && !holds(&bytes, serial.encode().as_bytes()),
            "a serial {when}"
        );
        assert!(!holds(&bytes, &asked.statement.n.0), "a nonce {when}");
    };
    // What is searched for is really in what was asked.
    let plain = format!("{:?}", asked.statement);
    for word in [COMMAND, ADDRESS, "user-canary", "web-canary", "/home/canary"] {
        assert!(plain.contains(word), "{word}");
    }
    look(&gateway, "while it waits");
    answers(&gateway, &device, &mut hears, Decision::Approve).await;
    look(&gateway, "after the answer");
    host.withdraw(&gateway, asked.statement.id).await;
    look(&gateway, "after the end");
    gateway.kill();
    look(&gateway, "after kill -9");
    gateway.start_again();
    look(&gateway, "after the restart");
}

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
    let by_id: HashMap<Id, Vec<u8>> = asked
        .iter()
        .map(|one| (one.statement.id, one.signed.clone().into_bytes()))
        .collect();
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
    assert_eq!(by_id.len(), 4);
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
