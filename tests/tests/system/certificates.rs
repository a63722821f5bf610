//! Certificates that look after themselves: renewal, rotation of the issuing key, steps of the roots, and a root key that
//! never sees a network.

use assent_proto::Id;
use assent_proto::cert::{DAY, Device, Issuance, Issuers, Trust, renew_device, renew_host};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::time::UnixTime;
use assent_tests::accounts::LOCAL;
use assent_tests::product::{
    AGENT_USER, Authenticator, GATEWAY_USER, Gateway, PATIENCE, Site, assentctl, program, stack,
};
use assent_tests::program::Program;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;
use assent_tests::{SOON, patience, scenarios, scratch};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};

pub const SCENARIOS: &[Scenario] = scenarios![
    a_host_renews_itself_while_a_login_waits_and_the_login_passes,
    a_device_renews_itself_when_it_listens,
    a_host_that_cannot_renew_says_so_and_says_what_to_do,
    an_issuing_key_is_rotated_under_logins_and_hosts_that_were_away_follow,
    r23_r24_roots_change_by_a_step_that_the_old_ones_sign_and_never_back,
    the_root_key_stays_on_a_machine_without_a_network,
];

const STATE: &str = "/var/lib/assent";
const TRUST: &str = "/etc/assent/trust.d";

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// Replaces the content and nothing else of a file.
fn write_over(path: &Path, text: &str) {
    fs::write(path, text).expect("a file that is there");
}

fn trust(pem: &Path) -> Trust {
    Trust::new(vec![VerifyingKey::from_pem(&read(pem)).expect("a root")])
}

/// A life of which so many per cent are over.
fn aged(per_cent: u64, days: u32) -> Issuance {
    let life = u64::from(days) * DAY;
    Issuance {
        nbf: UnixTime(UnixTime::now().0 - life * per_cent / 100),
        days,
        serial: Id::random().expect("randomness"),
        log_index: 7,
    }
}

/// The gateway's first issuing key.
fn issuing_key(site: &Site) -> KeyPair {
    KeyPair::from_file(&read(site.gateway.state_dir().join("issuer.key"))).expect("an issuing key")
}

/// Gives this host a certificate of another age, as if it had joined long ago.
fn age_this_host(site: &Site, life: Issuance) -> String {
    let trust = trust(&Path::new(TRUST).join("registrar.pub"));
    let issuers = Issuers::under(&trust, read(Path::new(STATE).join("issuer.jws")).lines());
    let file = Path::new(STATE).join("host.jws");
    let (host, issuer) = issuers
        .verify_host(read(&file).trim(), UnixTime::now())
        .expect("a certificate");
    let document = renew_host(issuer, &issuing_key(site).sign, &host, life).expect("a certificate");
    write_over(&file, &format!("{document}\n"));
    // As the registrar remembers it.
    remember(site, "host", &document);
    document
}

/// The same of a device.
fn age(site: &Site, device: &Authenticator, life: Issuance) -> String {
    let trust = trust(&device.dir.join("root.pub"));
    let issuers = Issuers::under(&trust, read(device.dir.join("issuer.jws")).lines());
    let file = device.dir.join("device.jws");
    let known = issuers
        .verify_device(read(&file).trim(), UnixTime::now())
        .expect("a certificate");
    let issuer = &issuers.all()[0];
    let document = renew_device(issuer, &issuing_key(site).sign, &known, life).expect("a certificate");
    write_over(&file, &format!("{document}\n"));
    remember(site, "device", &document);
    document
}

/// Whoever has the gateway's machine can write this; here, time does.
fn remember(site: &Site, table: &str, document: &str) {
    let script = "import base64, json, sqlite3, sys\n\
                  db, table, document = sys.argv[1:]\n\
                  bytes_of = lambda text: base64.urlsafe_b64decode(text + '==')\n\
                  claims = json.loads(bytes_of(document.split('.')[1]))\n\
                  c = sqlite3.connect(db, timeout=20)\n\
                  row = (document, bytes_of(claims[table + '_id']))\n\
                  done = c.execute(f'UPDATE {table} SET document = ? WHERE id = ?', row).rowcount\n\
                  c.commit()\n\
                  sys.exit(0 if done == 1 else f'{done} rows')";
    let db = site.gateway.state_dir().join("registrar.db");
    let python = Program::new("python3").args(["-c", script, &db.to_string_lossy(), table, document]);
    python.finish(SOON).expect_success();
}

fn device_of(device: &Authenticator) -> Device {
    let trust = trust(&device.dir.join("root.pub"));
    Issuers::under(&trust, read(device.dir.join("issuer.jws")).lines())
        .verify_device(read(device.dir.join("device.jws")).trim(), UnixTime::now())
        .expect("a certificate")
}

/// `sudo`, and its approval.
fn sudo_passes(user: &str, phone: &mut Terminal) {
    let mut sudo = Sudo::by(user).run(["/usr/bin/id", "-u"]);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    sudo.wait_for_success();
}

fn sudo_is_there_for(users: &[&str]) {
    for user in users {
        sudoers::allow(user);
    }
    sudoers::stack(&stack("sudo"));
}

/// Waits until a file holds something else.
fn changes(path: &Path, from: &str) -> String {
    let changed = patience::until(PATIENCE, || Some(read(path)).filter(|now| now.trim() != from.trim()));
    changed.unwrap_or_else(|| panic!("{} stays as it was", path.display()))
}

fn a_host_renews_itself_while_a_login_waits_and_the_login_passes() {
    let mut site = Site::open();
    let mut phone = site.enrol("alice").listen();
    sudo_is_there_for(&["alice"]);
    let old = age_this_host(&site, aged(62, 100));
    site.agent.stop();
    site.agent.resume();
    site.agent.wait_until_connected();
    // The push is sent by the old certificate and answered when the new one is in use.
    let mut sudo = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    phone.expect("[a]pprove", PATIENCE);
    let new = changes(&Path::new(STATE).join("host.jws"), &old);
    site.agent.service().wait_for_log("certificate was renewed", SOON);
    phone.send_line("a");
    sudo.wait_for_success();
    assert_ne!(new.trim(), old);
    // And the next one by the new, before and after a restart.
    sudo_passes("alice", &mut phone);
    site.agent.stop();
    site.agent.resume();
    site.agent.wait_until_connected();
    sudo_passes("alice", &mut phone);
    let owner = Program::new("stat")
        .args(["-c", "%U", "/var/lib/assent/host.jws"])
        .finish(SOON);
    assert_eq!(owner.out.trim(), AGENT_USER, "the agent's own");
}

fn a_device_renews_itself_when_it_listens() {
    let site = Site::open();
    let device = site.enrol("alice");
    sudo_is_there_for(&["alice"]);
    let old = age(&site, &device, aged(55, 80));
    let before = device_of(&device);
    let mut phone = device.listen();
    changes(&device.dir.join("device.jws"), &old);
    let after = device_of(&device);
    assert!(after.claims().exp > before.claims().exp);
    assert_eq!(after.claims().device_id, before.claims().device_id);
    assert_eq!(after.claims().identities, before.claims().identities);
    sudo_passes("alice", &mut phone);
    let list = device.devices([]).expect_success().out;
    assert!(list.contains("1 devices"), "{list}");
}

fn a_host_that_cannot_renew_says_so_and_says_what_to_do() {
    let mut site = Site::open();
    age_this_host(&site, aged(70, 60));
    site.gateway.stop();
    site.agent.stop();
    site.agent.resume();
    site.agent.service().wait_for_log("could not be renewed", PATIENCE);
    let status = assentctl(["status"]).expect_success().out;
    assert!(
        status.contains("could not be renewed") && status.contains("assentctl registrar request"),
        "{status}"
    );
    site.agent
        .service()
        .wait_for_log("assentctl host join URL TOKEN --replace", SOON);
}

/// The commands that rotate, as the manual has them.
fn rotate(site: &mut Site) -> PathBuf {
    let dir = scratch::directory("rotation");
    let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let state = site.gateway.state_dir().to_string_lossy().into_owned();
    let (request, certificate) = (file("request.jws"), file("issuer.jws"));
    assentctl([
        "registrar",
        "request",
        "--state-dir",
        &state,
        "--out",
        &request,
        "--owner",
        GATEWAY_USER,
    ])
    .expect_success();
    assentctl([
        "registrar",
        "sign",
        "--root-key",
        "/root/root.key",
        "--request",
        &request,
        "--out",
        &certificate,
        "--yes",
    ])
    .expect_success();
    let said = assentctl([
        "registrar",
        "install",
        "--state-dir",
        &state,
        "--certificate",
        &certificate,
        "--owner",
        GATEWAY_USER,
    ])
    .expect_success();
    assert!(said.out.contains("systemctl reload assent-gateway"), "{}", said.out);
    reload(site);
    dir
}

fn reload(site: &mut Site) {
    let before = site.gateway.log().matches("read anew").count();
    site.gateway.service().signal(Signal::SIGHUP);
    let read = patience::until(SOON, || {
        (site.gateway.log().matches("read anew").count() > before).then_some(())
    });
    assert!(read.is_some(), "{}", site.gateway.log());
}

fn an_issuing_key_is_rotated_under_logins_and_hosts_that_were_away_follow() {
    let mut site = Site::open();
    let alice = site.enrol("alice");
    let mut phone = alice.listen();
    sudo_is_there_for(&["alice", "dave"]);
    sudo_passes("alice", &mut phone);

    // A login waits through it, and the host never hears of it before it asks.
    let mut waiting = Sudo::by("alice").run(["/usr/bin/id", "-u"]);
    phone.expect("[a]pprove", PATIENCE);
    rotate(&mut site);
    phone.send_line("a");
    waiting.wait_for_success();
    sudo_passes("alice", &mut phone);
    // A device of the new key: the host learns that key when it meets it.
    let dave = site.enrol("dave");
    let mut daves = dave.listen();
    sudo_passes("dave", &mut daves);
    sudo_passes("alice", &mut phone);
    assert!(site.agent.log().contains("issuing key is now"), "{}", site.agent.log());
    assert_eq!(read(Path::new(STATE).join("issuer.jws")).lines().count(), 2);

    // Away during the next one: the host, and alice's device.
    drop(phone);
    site.agent.stop();
    rotate(&mut site);
    let old_host = age_this_host(&site, aged(70, 100));
    let old_device = age(&site, &alice, aged(70, 80));
    site.agent.resume();
    site.agent.wait_until_connected();
    let mut phone = alice.listen();
    sudo_passes("alice", &mut phone);
    sudo_passes("dave", &mut daves);
    changes(&Path::new(STATE).join("host.jws"), &old_host);
    changes(&alice.dir.join("device.jws"), &old_device);

    // The first key's time is over: nothing rests on it any more.
    for name in ["issuer.jws", "issuer.key"] {
        fs::remove_file(site.gateway.state_dir().join(name)).expect("the first pair");
    }
    reload(&mut site);
    sudo_passes("alice", &mut phone);
    let joe = site.enrol(LOCAL);
    let mut joes = joe.listen();
    sudo_is_there_for(&[LOCAL]);
    sudo_passes(LOCAL, &mut joes);
}

fn r23_r24_roots_change_by_a_step_that_the_old_ones_sign_and_never_back() {
    let mut site = Site::open();
    let alice = site.enrol("alice");
    let mut phone = alice.listen();
    sudo_is_there_for(&["alice", "dave"]);
    sudo_passes("alice", &mut phone);
    drop(phone);
    let dir = scratch::directory("roots");
    let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let state = site.gateway.state_dir().to_string_lossy().into_owned();
    let within = |name: &str| site.gateway.state_dir().join(name).to_string_lossy().into_owned();
    let (first_pub, first_cert, mine) = (within("root.pub"), within("issuer.jws"), within("roots.jws"));
    for n in ["a", "b", "c"] {
        let (key, public) = (file(&format!("{n}.key")), file(&format!("{n}.pub")));
        assentctl(["registrar", "init", "--root-key", &key, "--root-pub", &public]).expect_success();
    }
    // Two of three new ones, and the old one: each where its key is.
    let (half, step) = (file("half.jws"), file("step.jws"));
    let said = assentctl([
        "registrar",
        "root",
        "step",
        "--root-pub",
        &first_pub,
        "--new-root",
        &file("a.pub"),
        "--new-root",
        &file("b.pub"),
        "--new-root",
        &file("c.pub"),
        "--threshold",
        "2",
        "--sign-with",
        "/root/root.key",
        "--sign-with",
        &file("a.key"),
        "--out",
        &half,
        "--yes",
    ])
    .expect_success();
    assert!(said.out.contains("1 of the new roots"), "{}", said.out);
    let early = assentctl(["registrar", "root", "install", "--state-dir", &state, "--step", &half]);
    assert!(!early.status.success(), "{}", early.out);
    assentctl([
        "registrar",
        "cosign",
        "--root-key",
        &file("b.key"),
        "--document",
        &half,
        "--out",
        &step,
        "--yes",
    ])
    .expect_success();
    // Nobody who follows must lose the issuing key: it is signed by the new ones first.
    let early = assentctl(["registrar", "root", "install", "--state-dir", &state, "--step", &step]);
    assert!(early.err.contains("cosign"), "{}", early.err);
    let (one, both) = (file("one.jws"), file("both.jws"));
    assentctl([
        "registrar",
        "cosign",
        "--root-key",
        &file("a.key"),
        "--document",
        &first_cert,
        "--out",
        &one,
        "--yes",
    ])
    .expect_success();
    assentctl([
        "registrar",
        "cosign",
        "--root-key",
        &file("b.key"),
        "--document",
        &one,
        "--out",
        &both,
        "--yes",
    ])
    .expect_success();
    let owner = ["--owner", GATEWAY_USER];
    assentctl([
        "registrar",
        "install",
        "--state-dir",
        &state,
        "--certificate",
        &both,
        owner[0],
        owner[1],
    ])
    .expect_success();
    assentctl([
        "registrar",
        "root",
        "install",
        "--state-dir",
        &state,
        "--step",
        &step,
        owner[0],
        owner[1],
    ])
    .expect_success();
    reload(&mut site);

    // The host and the device follow, and logins pass before, while and after.
    site.agent.stop();
    site.agent.resume();
    site.agent.wait_until_connected();
    let mut phone = alice.listen();
    sudo_passes("alice", &mut phone);
    site.agent
        .service()
        .wait_for_log("now believes version 2 of the roots", PATIENCE);
    sudo_passes("alice", &mut phone);
    assert!(
        phone.transcript().contains("roots have changed"),
        "{}",
        phone.transcript()
    );
    let kept = Path::new(STATE).join("roots.json");
    let steps = read(&kept);
    // Who is enrolled now pins the three.
    let dave = site.enrol("dave");
    assert!(dave.dir.join("root.jws").exists() && !dave.dir.join("root.pub").exists());
    let mut daves = dave.listen();
    sudo_passes("dave", &mut daves);

    // Rollback: the gateway says the old word again, and the old root alone certifies a key.
    fs::remove_file(&mine).expect("the steps");
    let evil = read(rotate(&mut site).join("issuer.jws"));
    site.agent.stop();
    site.agent.resume();
    site.agent.service().wait_for_log(
        "an issuing key that no root which is believed here has signed",
        PATIENCE,
    );
    assert_eq!(read(&kept), steps, "versions never go back");
    assert!(!read(Path::new(STATE).join("issuer.jws")).contains(evil.trim()));
    sudo_passes("alice", &mut phone);

    // A torn file is found, and nothing is believed until it is mended.
    site.agent.stop();
    fs::write(&kept, &steps[..steps.len() / 2]).expect("a torn file");
    site.agent.resume();
    let status = assentctl(["status"]).expect_success().out;
    assert!(status.contains("roots.json"), "{status}");
    fs::write(&kept, &steps).expect("the file");
    assentctl(["reload"]).expect_success();
    site.agent.wait_until_connected();
}

fn the_root_key_stays_on_a_machine_without_a_network() {
    // Two machines: this one, and one that has no network at all. Files are carried.
    let offline = scratch::directory("offline");
    let carried = scratch::directory("stick");
    let path = |dir: &Path, name: &str| dir.join(name).to_string_lossy().into_owned();
    let there = |arguments: &[&str]| {
        // A network namespace without even a loopback that is up.
        let built = assent_tests::product::built()
            .join("assentctl")
            .to_string_lossy()
            .into_owned();
        Program::new("unshare")
            .args(["--net", &built])
            .args(arguments)
            .in_directory(&offline)
            .finish(SOON)
            .expect_success()
    };
    there(&["registrar", "init", "--root-key", "root.key", "--root-pub", "root.pub"]);
    let online = |arguments: &[&str]| program("assentctl").args(arguments).finish(SOON).expect_success();
    let gateway = Gateway::start_with_keys(|state| {
        let state = state.to_string_lossy();
        let (request, certificate) = (path(&carried, "request.jws"), path(&carried, "issuer.jws"));
        online(&["registrar", "request", "--state-dir", &state, "--out", &request]);
        there(&[
            "registrar",
            "sign",
            "--root-key",
            "root.key",
            "--request",
            &request,
            "--out",
            &certificate,
            "--yes",
        ]);
        fs::copy(offline.join("root.pub"), carried.join("root.pub")).expect("the public half");
        let public = path(&carried, "root.pub");
        online(&[
            "registrar",
            "install",
            "--state-dir",
            &state,
            "--root-pub",
            &public,
            "--certificate",
            &certificate,
        ]);
    });
    let site = Site::open_around(|| gateway, |usual| usual);
    // The private half is where it was made and nowhere else.
    let key = read(offline.join("root.key"));
    let secret = key.lines().nth(1).expect("a line of the key").to_owned();
    for place in [
        site.gateway.state_dir().to_path_buf(),
        carried.clone(),
        STATE.into(),
        TRUST.into(),
    ] {
        let found = Program::new("grep")
            .args(["-rl", &secret, &place.to_string_lossy()])
            .finish(SOON);
        assert!(found.out.is_empty(), "{}", found.out);
    }
    let mut phone = site.enrol("alice").listen();
    sudo_is_there_for(&["alice"]);
    sudo_passes("alice", &mut phone);
}
