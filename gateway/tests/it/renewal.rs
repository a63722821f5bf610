//! Hosts and devices get their next certificate by the old key alone, for the keys that they have.

use crate::joining::refused;
use crate::people::{TestDevice, TestHost, identity, owner, push_to};
use crate::real::Asked;
use crate::rig::{Gateway, id, now, text, write};
use assent_proto::answer::Decision;
use assent_proto::cert::{
    DAY, Device, Host, Issuance, IssuerGrant, IssuerRequest, Issuers, Trust, renew_device, renew_host, sign_issuer,
};
use assent_proto::keys::{KeyPair, SigningKey};
use assent_proto::registrar::{Ask, DeviceCall, DeviceWant, HostAsk, HostWant, MyDevice, Refused, Reply};
use assent_proto::relay::TrustInfo;
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use reqwest::Method;
use serde_json::json;

/// A life that began so many days ago.
fn aged(days_ago: u64, days: u32) -> Issuance {
    Issuance {
        nbf: UnixTime(now().0 - days_ago * DAY),
        days,
        serial: id(),
        log_index: 7,
    }
}

impl Gateway {
    fn issuing_key(&self) -> KeyPair {
        KeyPair::from_file(&std::fs::read_to_string(self.dir.join("issuer.key")).unwrap()).unwrap()
    }

    fn knows(&self) -> Issuers {
        let trust = Trust::new(vec![self.root.clone()]);
        let mut documents = Vec::new();
        for entry in std::fs::read_dir(&self.dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "jws") {
                documents.push(std::fs::read_to_string(path).unwrap());
            }
        }
        Issuers::under(&trust, documents.iter().map(String::as_str))
    }

    fn host(&self, certificate: &str) -> Host {
        self.knows().verify_host(certificate, now()).unwrap().0
    }

    fn device(&self, certificate: &str) -> Device {
        self.knows().verify_device(certificate, now()).unwrap()
    }

    /// The registrar remembers this host by a certificate of another time.
    async fn age_host(&self, host: &mut TestHost, life: Issuance) {
        let young = self.issuer.verify_host(&host.certificate, now()).unwrap();
        let document = renew_host(&self.issuer, &self.issuing_key().sign, &young, life).unwrap();
        self.replace("host", host.id, &document, life).await;
        host.certificate = document;
    }

    async fn age_device(&self, device: &mut TestDevice, life: Issuance) {
        let young = self.issuer.verify_device(&device.certificate, now()).unwrap();
        let document = renew_device(&self.issuer, &self.issuing_key().sign, &young, life).unwrap();
        self.replace("device", device.id, &document, life).await;
        device.certificate = document;
    }

    async fn replace(&self, table: &str, id: Id, document: &str, life: Issuance) {
        let exp = life.nbf.plus(u64::from(life.days) * DAY).0;
        let sql = format!("UPDATE {table} SET document = ?, nbf = ?, exp = ? WHERE id = ?");
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(document)
            .bind(i64::try_from(life.nbf.0).unwrap())
            .bind(i64::try_from(exp).unwrap())
            .bind(id.0.as_slice())
            .execute(&mut self.database("registrar.db").await)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    async fn log_rows(&self) -> u64 {
        let (_, status) = self.admin(Method::GET, "/status", json!({})).await;
        status["registrar"]["log_rows"].as_u64().unwrap()
    }
}

async fn renewed_host(gateway: &Gateway, host: &TestHost) -> String {
    match host.wants(gateway, HostWant::Renew).await {
        Reply::HostCertified { host } => host,
        other => panic!("not renewed: {other:?}"),
    }
}

async fn renewed_device(gateway: &Gateway, device: &TestDevice) -> String {
    match device.calls(gateway, DeviceWant::Renew).await {
        Reply::DeviceCertified { device } => device,
        other => panic!("not renewed: {other:?}"),
    }
}

fn devices_of(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Devices { devices } => devices,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_host_past_half_of_its_life_gets_another_certificate_for_the_same_keys() {
    let gateway = Gateway::start();
    let mut host = gateway.join("web01").await;
    let rows = gateway.log_rows().await;
    assert_eq!(renewed_host(&gateway, &host).await, host.certificate, "it is young");
    assert_eq!(gateway.log_rows().await, rows, "impatience costs no row of the log");

    gateway.age_host(&mut host, aged(60, 100)).await;
    let old = gateway.host(&host.certificate);
    let document = renewed_host(&gateway, &host).await;
    let new = gateway.host(&document);
    let (before, after) = (old.claims(), new.claims());
    assert!(after.exp > before.exp && after.serial != before.serial);
    assert!(after.host_id == before.host_id && after.display == before.display);
    assert!(after.sign == before.sign && after.kem == before.kem);
    assert_eq!(gateway.log_rows().await, rows + 1);
    assert_eq!(renewed_host(&gateway, &host).await, document, "and is young again");
    // What it did before, it does.
    devices_of(
        host.wants(
            &gateway,
            HostWant::Devices {
                identity: identity("alice"),
            },
        )
        .await,
    );
}

#[tokio::test]
async fn a_young_certificate_is_its_own_answer() {
    let gateway = Gateway::start_with("[registrar]\nhost_days = 10\ndevice_days = 10");
    let mut host = gateway.join("web01").await;
    let mut device = gateway.enrol(&host, "alice").await;
    gateway.age_host(&mut host, aged(4, 10)).await;
    gateway.age_device(&mut device, aged(4, 10)).await;
    let rows = gateway.log_rows().await;
    assert_eq!(renewed_host(&gateway, &host).await, host.certificate);
    assert_eq!(renewed_device(&gateway, &device).await, device.certificate);
    assert_eq!(gateway.log_rows().await, rows, "impatience costs no row of the log");
}

#[tokio::test]
async fn nobody_renews_a_host_but_the_key_that_is_certified() {
    let gateway = Gateway::start();
    let mut host = gateway.join("web01").await;
    gateway.age_host(&mut host, aged(60, 100)).await;
    // Other keys in its name: there is no way to bring them along, and no token is not enough.
    let thief = TestHost {
        id: host.id,
        keys: KeyPair::generate().unwrap(),
        certificate: String::new(),
    };
    assert_eq!(refused(thief.wants(&gateway, HostWant::Renew).await), Refused::Caller);
    // Its own key in another's name.
    let signed = HostAsk::sign(&host.keys.sign, id(), id(), now(), HostWant::Renew).unwrap();
    assert_eq!(
        refused(gateway.ask(&host.keys, Ask::Host { signed }).await),
        Refused::Caller
    );
    // A second time the same call.
    let signed = HostAsk::sign(&host.keys.sign, host.id, id(), now(), HostWant::Renew).unwrap();
    let ask = Ask::Host { signed };
    assert!(matches!(
        gateway.ask(&host.keys, ask.clone()).await,
        Reply::HostCertified { .. }
    ));
    assert_eq!(refused(gateway.ask(&host.keys, ask).await), Refused::Replay);
    // A revoked one gets none.
    let (status, _) = gateway
        .admin(Method::POST, "/hosts/revoke", json!({"host_id": host.id}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(refused(host.wants(&gateway, HostWant::Renew).await), Refused::Caller);
}

#[tokio::test]
async fn a_host_that_ended_may_renew_for_thirty_days_and_do_nothing_else() {
    let gateway = Gateway::start_aged(400, 500);
    let mut host = gateway.join("web01").await;
    gateway.age_host(&mut host, aged(100, 90)).await;
    let devices = HostWant::Devices {
        identity: identity("alice"),
    };
    assert_eq!(refused(host.wants(&gateway, devices.clone()).await), Refused::Caller);
    let document = renewed_host(&gateway, &host).await;
    assert!(gateway.host(&document).claims().exp > now());
    devices_of(host.wants(&gateway, devices).await);
    host.listen(&gateway, None).await.roster().await;

    let mut long_gone = gateway.join("web02").await;
    gateway.age_host(&mut long_gone, aged(122, 90)).await;
    assert_eq!(
        refused(long_gone.wants(&gateway, HostWant::Renew).await),
        Refused::Caller
    );
}

#[tokio::test]
async fn a_certificate_never_outlives_its_issuing_key() {
    let gateway = Gateway::start_aged(60, 90);
    let mut host = gateway.join("web01").await;
    let end = gateway.issuer.claims().exp;
    assert_eq!(gateway.host(&host.certificate).claims().exp, end);
    let device = gateway.enrol(&host, "alice").await;
    assert_eq!(gateway.device(&device.certificate).claims().exp, end);
    // No later one can be had: the one that there is stays, and the log does not grow.
    gateway.age_host(&mut host, aged(60, 90)).await;
    let rows = gateway.log_rows().await;
    assert_eq!(renewed_host(&gateway, &host).await, host.certificate);
    assert_eq!(gateway.log_rows().await, rows);
}

#[tokio::test]
async fn a_device_past_half_of_its_life_is_renewed_with_all_that_it_is() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let mut device = gateway.enrol(&host, "alice").await;
    assert_eq!(
        renewed_device(&gateway, &device).await,
        device.certificate,
        "it is young"
    );
    gateway.age_device(&mut device, aged(50, 90)).await;
    let since = now().0 - 50 * DAY;
    let relabelled = DeviceWant::Rename {
        label: text("Old phone"),
    };
    device.calls(&gateway, relabelled).await;
    let mut hears = host.listen(&gateway, None).await;
    let generation = hears.roster().await;

    let document = renewed_device(&gateway, &device).await;
    let (old, new) = (gateway.device(&device.certificate), gateway.device(&document));
    let (before, after) = (old.claims(), new.claims());
    assert!(after.exp > before.exp && after.serial != before.serial);
    assert!(after.device_id == before.device_id && after.identities == before.identities);
    assert!(after.label == before.label && after.name == before.name && after.level_max == before.level_max);
    assert!(after.sign == before.sign && after.kem == before.kem);
    // Hosts hear that something has changed, and get the newest alone.
    assert!(hears.roster().await > generation);
    let devices = HostWant::Devices {
        identity: identity("alice"),
    };
    assert_eq!(devices_of(host.wants(&gateway, devices).await), [document.as_str()]);
    // The person's list goes on to say when it was enrolled, and its name.
    let Reply::MyDevices { devices } = device.calls(&gateway, DeviceWant::Devices).await else {
        panic!("no list");
    };
    let mine = MyDevice {
        device: document,
        label: text("Old phone"),
        since: UnixTime(since),
    };
    assert_eq!(devices, [mine]);
}

#[tokio::test]
async fn a_renewal_in_the_middle_of_a_login_costs_nothing() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let mut device = gateway.enrol(&host, "alice").await;
    gateway.age_device(&mut device, aged(50, 90)).await;
    // The host has remembered the old certificate, and asks by it.
    let asked = Asked::send(&gateway, &host, &device, "alice").await;
    let mut hears = device.listen(&gateway, None).await;
    let event = hears.for_device().await;
    device.certificate = renewed_device(&gateway, &device).await;
    let answer = device.answer_to(&device.opens(&gateway, event), Decision::Approve);
    assert!(asked.passes(device.id, &Bytes(answer)), "the key is the same");
    // And the next one goes by the new certificate.
    let asked = Asked::send(&gateway, &host, &device, "alice").await;
    let event = hears.for_device().await;
    let answer = device.answer_to(&device.opens(&gateway, event), Decision::Approve);
    assert!(asked.passes(device.id, &Bytes(answer)));
}

#[tokio::test]
async fn a_device_that_ended_comes_back_unless_it_was_revoked_or_replaced() {
    let gateway = Gateway::start_aged(400, 500);
    let host = gateway.join("web01").await;
    let ended = async |user: &str, days_ago: u64| {
        let mut device = gateway.enrol(&host, user).await;
        gateway.age_device(&mut device, aged(days_ago, 90)).await;
        device
    };
    let alice = ended("alice", 100).await;
    assert_eq!(
        refused(alice.calls(&gateway, DeviceWant::Devices).await),
        Refused::Caller
    );
    assert_eq!(refused(alice.calls(&gateway, DeviceWant::Leave).await), Refused::Caller);
    let document = renewed_device(&gateway, &alice).await;
    assert_eq!(gateway.device(&document).claims().identities, owner("alice").identities);
    // Its mailbox is open, so it hears.
    alice
        .listen(&gateway, None)
        .await
        .device_is_quiet(&gateway, &host, &alice)
        .await;

    let bob = ended("bob", 100).await;
    gateway.enrol(&host, "bob").await;
    assert_eq!(
        refused(bob.calls(&gateway, DeviceWant::Renew).await),
        Refused::Caller,
        "he has another one now and thinks this one dead"
    );
    let carol = ended("carol", 122).await;
    assert_eq!(
        refused(carol.calls(&gateway, DeviceWant::Renew).await),
        Refused::Caller,
        "too long ago"
    );
    let dave = ended("dave", 100).await;
    let (status, _) = gateway
        .admin(Method::POST, "/devices/revoke", json!({"device_id": dave.id}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        refused(dave.calls(&gateway, DeviceWant::Renew).await),
        Refused::Caller,
        "revoked"
    );
    let eve = TestDevice {
        id: alice.id,
        keys: KeyPair::generate().unwrap(),
        certificate: String::new(),
    };
    let signed = DeviceCall::sign(&eve.keys.sign, eve.id, id(), now(), DeviceWant::Renew).unwrap();
    assert_eq!(
        refused(gateway.ask(&eve.keys, Ask::DeviceCall { signed }).await),
        Refused::Caller,
        "other keys"
    );
}

#[tokio::test]
async fn a_lost_device_is_dead_at_once_whoever_removes_it() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    let lost = gateway.enrol(&host, "alice").await;
    let asked = Asked::send(&gateway, &host, &lost, "alice").await;
    let mut hears = lost.listen(&gateway, None).await;
    let event = hears.for_device().await;
    let (status, _) = gateway
        .admin(Method::POST, "/devices/revoke", json!({"device_id": lost.id}))
        .await;
    assert_eq!(status, 200);
    // Neither its answer to what it had heard, nor anything else of it, passes.
    let answer = lost.answer_to(&lost.opens(&gateway, event), Decision::Approve);
    assert_eq!(lost.answer(&gateway, asked.statement.id, &answer).await.status(), 401);
    assert_eq!(refused(lost.calls(&gateway, DeviceWant::Renew).await), Refused::Caller);
    assert_eq!(
        refused(lost.calls(&gateway, DeviceWant::Devices).await),
        Refused::Caller
    );
    let devices = HostWant::Devices {
        identity: identity("alice"),
    };
    assert_eq!(devices_of(host.wants(&gateway, devices).await), Vec::<String>::new());
    let taken = host.push(&gateway, &push_to(&[&lost])).await;
    assert_eq!(taken.unknown, [lost.id]);
}

/// A further issuing key of the same root, as `assentctl registrar install` leaves it.
fn add_issuing_key(gateway: &Gateway, name: &str, days_ago: u64, days: u32) -> String {
    let root = SigningKey::from_pem(&std::fs::read_to_string(gateway.dir.join("root.key")).unwrap()).unwrap();
    let pair = KeyPair::generate().unwrap();
    let request = IssuerRequest::verify(&IssuerRequest::sign(&pair, now()).unwrap()).unwrap();
    let grant = IssuerGrant {
        realms: gateway.issuer.claims().realms.clone(),
        hosts: gateway.issuer.claims().hosts.clone(),
        nbf: UnixTime(now().0 - days_ago * DAY),
        days,
        serial: id(),
    };
    let document = sign_issuer(&root, &request, grant).unwrap();
    write(
        &gateway.dir.join(format!("{name}.key")),
        &pair.to_file().unwrap(),
        0o600,
    );
    write(&gateway.dir.join(format!("{name}.jws")), &document, 0o644);
    document
}

#[tokio::test]
async fn an_issuing_key_is_rotated_without_a_restart() {
    let mut gateway = Gateway::start_aged(60, 90);
    let host = gateway.join("web01").await;
    let alice = gateway.enrol(&host, "alice").await;
    let old = gateway.issuer.clone();
    let document = add_issuing_key(&gateway, "issuer-2", 0, 90);
    gateway.hang_up();
    gateway.logs("the issuing keys were read anew").await;

    let info: TrustInfo = gateway
        .client
        .get(gateway.url("/v1/trust"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        info.issuers,
        [document.clone(), old.document().to_owned()],
        "newest first"
    );
    // What is sealed to the old one opens, and is answered by it.
    let devices = || HostWant::Devices {
        identity: identity("alice"),
    };
    assert_eq!(
        devices_of(host.wants(&gateway, devices()).await),
        [alice.certificate.as_str()]
    );
    // The new one signs.
    let trust = Trust::new(vec![gateway.root.clone()]);
    gateway.issuer = trust.verify_issuer(&document, now()).unwrap();
    let bob = gateway.enrol(&host, "bob").await;
    assert_eq!(
        devices_of(host.wants(&gateway, devices()).await),
        [alice.certificate.as_str()]
    );
    let both = gateway.knows();
    assert!(
        both.verify_device(&alice.certificate, now()).is_ok() && both.verify_device(&bob.certificate, now()).is_ok()
    );
    // Whoever has a certificate of the old one gets one of the new at once, and it lives on.
    let renewed = renewed_device(&gateway, &alice).await;
    let claims = gateway.issuer.verify_device(&renewed, now()).unwrap();
    assert!(claims.claims().exp > old.claims().exp);
    assert!(
        gateway
            .issuer
            .verify_host(&renewed_host(&gateway, &host).await, now())
            .is_ok()
    );
    // So does the registrar itself: alice's device is asked in the name of a certificate that verifies.
    let (_, status) = gateway.admin(Method::GET, "/status", json!({})).await;
    assert_eq!(status["registrar"]["issuers"].as_array().unwrap().len(), 2, "{status}");
    assert_eq!(status["registrar"]["warnings"], json!([]), "{status}");
}

#[tokio::test]
async fn a_pair_that_does_not_fit_changes_nothing() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    add_issuing_key(&gateway, "issuer-2", 0, 90);
    let other = KeyPair::generate().unwrap();
    write(&gateway.dir.join("issuer-2.key"), &other.to_file().unwrap(), 0o600);
    gateway.hang_up();
    gateway.logs("could not be read anew, those in use stay").await;
    let devices = HostWant::Devices {
        identity: identity("alice"),
    };
    devices_of(host.wants(&gateway, devices).await);
    // A key that waits for its certificate is no pair yet.
    std::fs::remove_file(gateway.dir.join("issuer-2.jws")).unwrap();
    gateway.hang_up();
    gateway.logs("the issuing keys were read anew").await;
}

#[tokio::test]
async fn an_issuing_key_is_kept_for_what_it_signed_and_then_removed() {
    let mut gateway = Gateway::start();
    gateway.kill();
    let [lately, long_ago] = [("issuer-2", 100), ("issuer-3", 130)];
    for (name, days_ago) in [lately, long_ago] {
        add_issuing_key(&gateway, name, days_ago, 90);
    }
    gateway.start_again();
    gateway.logs("an issuing key that ended long ago was removed").await;
    for kind in ["key", "jws"] {
        assert!(
            gateway.dir.join(format!("issuer-2.{kind}")).exists(),
            "it can still be asked about renewals"
        );
        assert!(gateway.dir.join(format!("issuer.{kind}")).exists());
    }
    assert!(!gateway.dir.join("issuer-3.key").exists());
}

#[tokio::test]
async fn an_issuing_key_that_ends_is_told_of_with_the_commands() {
    let gateway = Gateway::start_aged(70, 90);
    let (_, status) = gateway.admin(Method::GET, "/status", json!({})).await;
    let warning = status["registrar"]["warnings"][0].as_str().unwrap();
    for part in [
        "registrar request",
        "registrar sign",
        "registrar install",
        "systemctl reload",
    ] {
        assert!(
            warning.contains(part) && gateway.log().contains(part),
            "{part}: {warning}"
        );
    }
}
