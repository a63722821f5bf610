//! A FIDO2 security key as the passkey of `assentctl authenticator`: real fido2-tools, and a key in software where USB would be
//! (`tests/src/security_key.py`).

use assent_tests::product::{PATIENCE, Site, password, program, stack};
use assent_tests::program::Program;
use assent_tests::service::Service;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{SOON, patience, scenarios, scratch};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

pub const SCENARIOS: &[Scenario] = scenarios![
    r13_a_security_key_approves_at_level_passkey_by_pin_and_touch_and_nothing_else_does,
    r13_what_a_key_signs_without_its_user_is_not_sent_and_is_asked_for_again,
    a_key_with_a_sensor_asks_for_no_pin,
    r14_a_passkey_that_can_be_copied_does_not_reach_the_level,
    a_key_that_is_not_there_registers_nothing,
    the_tool_at_the_key_ends_with_whoever_waits_for_it,
    the_rest_of_a_pin_whose_time_is_over_is_not_shown,
];

/// The key's PIN (`security_key.py`).
const PIN: &str = "pin-7Rk3vd";
const KEY: &str = include_str!("../../src/security_key.py");

/// A security key.
struct Key {
    state: PathBuf,
    device: String,
    _service: Service,
}

impl Key {
    fn plug_in(kind: &str) -> Self {
        let state = scratch::directory("security-key");
        let script = state.join("security_key.py");
        scratch::write(&script, KEY);
        let service = Service::start(&Program::new("/usr/bin/python3").arg(&script).arg(&state).arg(kind));
        let path = patience::until(SOON, || {
            let told = fs::read_to_string(state.join("device")).ok()?;
            told.ends_with('\n').then(|| told.trim().to_owned())
        });
        let device = path.unwrap_or_else(|| panic!("the key says no path: {}", service.log()));
        Program::new("chown")
            .args(["alice", &device])
            .finish(SOON)
            .expect_success();
        let key = Self {
            state,
            device,
            _service: service,
        };
        key.finger(true);
        key
    }

    fn finger(&self, lies_on_it: bool) {
        self.mark("touch", lies_on_it);
    }

    fn mark(&self, name: &str, is: bool) {
        let mark = self.state.join(name);
        match is {
            true => scratch::write(&mark, ""),
            false => fs::remove_file(mark).expect("it was there"),
        }
    }
}

struct Desk {
    site: Site,
    sshd: Sshd,
    dir: PathBuf,
}

impl Desk {
    fn open() -> Self {
        Self::open_for(60)
    }

    /// Requests live for so many seconds.
    fn open_for(seconds: u32) -> Self {
        let asks = format!("assurance = \"passkey\"\nttl_seconds = {seconds}");
        let site = Site::open_for_passkeys(|usual| usual.replace("assurance = \"tap\"", &asks));
        let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
        let home = scratch::directory("authenticator");
        let owned = Program::new("chown").arg("alice").arg(&home);
        owned.finish(SOON).expect_success();
        let dir = home.join("device");
        Self { site, sshd, dir }
    }

    fn authenticator(&self, words: &[&str]) -> Program {
        program("assentctl")
            .arg("authenticator")
            .args(words)
            .arg("--dir")
            .arg(&self.dir)
            .arg("--ca-file")
            .arg(self.site.gateway.ca_certificate())
            .as_user("alice")
    }

    /// Registers alice's machine with this key, as far as `assentctl` goes by itself.
    fn begins(&self, device: &str) -> (Terminal, Terminal) {
        let mut admin = Terminal::open(&program("assentctl").args(["enroll", "alice", "--no-qr"]));
        let shown = admin.expect(fits(r"https?://\S+/e#\S+"), PATIENCE);
        let link = shown.split_whitespace().last().expect("a link").to_owned();
        let key = format!("--security-key={device}");
        let enroll = self.authenticator(&["enroll", &link, "--label", "desk", &key]);
        (admin, Terminal::open(&enroll))
    }

    fn finishes(mut admin: Terminal, mut device: Terminal) {
        let digits = device.expect(fits(r"\b\d{3} \d{3}\b"), PATIENCE);
        let digits: String = digits[digits.len() - 7..].split(' ').collect();
        admin.expect(fits("(?i)digits"), PATIENCE);
        admin.send_line(&digits);
        admin.wait_for_success();
        device.wait_for_success();
    }

    fn enrol(&self, key: &Key) {
        let (admin, mut device) = self.begins(&key.device);
        device.expect("PIN of the security key: ", PATIENCE);
        device.send_line(PIN);
        device.expect("Touch the security key", PATIENCE);
        device.expect("Touch it again", PATIENCE);
        Self::finishes(admin, device);
    }

    fn listen(&self, key: &Key) -> Terminal {
        let mut phone = Terminal::open(&self.authenticator(&["listen", "--security-key", &key.device]));
        phone.expect(fits("Listening at .*"), PATIENCE);
        phone
    }

    fn login(&self) -> Terminal {
        let mut ssh = self
            .sshd
            .client("alice")
            .option("NumberOfPasswordPrompts=1")
            .run("echo in by key");
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password("alice"));
        ssh
    }
}

/// As far as the question for the PIN.
fn approves(phone: &mut Terminal) {
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("PIN of the security key", PATIENCE);
}

fn r13_a_security_key_approves_at_level_passkey_by_pin_and_touch_and_nothing_else_does() {
    let (desk, key) = (Desk::open(), Key::plug_in("pin"));
    desk.enrol(&key);
    let mut phone = desk.listen(&key);
    let mut login = desk.login();
    approves(&mut phone);
    phone.send_line("9999");
    phone.expect("wrong PIN; 7 tries are left", PATIENCE);
    // The same request again, and the person thinks better of it.
    approves(&mut phone);
    phone.send_line("");
    phone.expect("no PIN was typed", PATIENCE);
    phone.expect("[a]pprove", PATIENCE);
    // An arrow key costs no try.
    phone.send_line("a");
    phone.expect("PIN of the security key", PATIENCE);
    phone.send_line("\u{1b}[A");
    phone.expect("so it was not tried", PATIENCE);
    approves(&mut phone);
    phone.send_line("9998");
    phone.expect("wrong PIN; 6 tries are left", PATIENCE);
    approves(&mut phone);
    key.finger(false);
    phone.send_line(PIN);
    phone.expect("Touch the security key", PATIENCE);
    // Nothing leaves before the touch.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(login.is_running() && !login.transcript().contains("in by key"));
    key.finger(true);
    phone.expect("Sent: approved", PATIENCE);
    assert!(!memory_of(phone.pid(), PIN), "the PIN stays in memory");
    login.expect("in by key", PATIENCE);
    login.wait_for_success();
    let decision = desk.site.agent.decision(0);
    assert_eq!(decision["verdict"], "approved");
    let shown = phone.transcript();
    assert!(
        !shown.contains(PIN) && !shown.contains("9999") && !shown.contains("9998"),
        "a PIN was shown: {shown}"
    );
    // Refusing takes no key.
    key.finger(false);
    let mut login = desk.login();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    assert!(!login.wait(PATIENCE).success());
    // Another key, and the same keys of the device: nothing is sent.
    let other = Key::plug_in("pin");
    drop(phone);
    let mut phone = desk.listen(&other);
    let mut login = desk.login();
    approves(&mut phone);
    phone.send_line(PIN);
    phone.expect("this key is not the one that was enrolled", PATIENCE);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    assert!(!login.wait(PATIENCE).success());
}

fn r13_what_a_key_signs_without_its_user_is_not_sent_and_is_asked_for_again() {
    let (desk, key) = (Desk::open(), Key::plug_in("sensor"));
    let (admin, device) = desk.begins(&key.device);
    Desk::finishes(admin, device);
    let mut phone = desk.listen(&key);
    let mut login = desk.login();
    phone.expect("[a]pprove", PATIENCE);
    key.mark("careless", true);
    phone.send_line("a");
    phone.expect("Not approved: what the key signed does not hold", PATIENCE);
    phone.expect("did not verify its user", PATIENCE);
    phone.expect("[a]pprove", PATIENCE);
    assert!(login.is_running(), "nothing was sent: {}", login.transcript());
    key.mark("careless", false);
    phone.send_line("a");
    phone.expect("Sent: approved", PATIENCE);
    login.expect("in by key", PATIENCE);
    login.wait_for_success();
}

fn a_key_with_a_sensor_asks_for_no_pin() {
    let (desk, key) = (Desk::open(), Key::plug_in("sensor"));
    let (admin, device) = desk.begins(&key.device);
    Desk::finishes(admin, device);
    let mut phone = desk.listen(&key);
    let mut login = desk.login();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    phone.expect("Sent: approved", PATIENCE);
    login.expect("in by key", PATIENCE);
    login.wait_for_success();
    assert!(!phone.transcript().contains("PIN"), "{}", phone.transcript());
}

fn r14_a_passkey_that_can_be_copied_does_not_reach_the_level() {
    let (desk, key) = (Desk::open(), Key::plug_in("pin"));
    key.mark("synced", true);
    desk.enrol(&key);
    let _phone = desk.listen(&key);
    let mut login = desk.login();
    assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
    assert_eq!(desk.site.agent.decision(0)["verdict"], "denied");
}

fn a_key_that_is_not_there_registers_nothing() {
    let desk = Desk::open();
    let (mut admin, mut device) = desk.begins("/dev/hidraw99");
    assert!(!device.wait(PATIENCE).success());
    let shown = device.transcript().to_owned();
    assert!(shown.contains("fido2-token"), "{shown}");
    assert!(!desk.dir.join("device.jws").exists());
    assert!(admin.is_running(), "its link is unused");
    admin.kill();
    // An arrow key where the PIN is asked for costs no try.
    let key = Key::plug_in("pin");
    let (mut admin, mut device) = desk.begins(&key.device);
    device.expect("PIN of the security key: ", PATIENCE);
    device.send_line("\u{1b}[A");
    assert!(!device.wait(PATIENCE).success());
    assert!(device.transcript().contains("so it was not tried"));
    let told = Program::new("fido2-token").args(["-I", &key.device]).finish(SOON);
    assert!(told.expect_success().out.contains("pin retries: 8"));
    admin.kill();
}

fn the_tool_at_the_key_ends_with_whoever_waits_for_it() {
    let desk = Desk::open();
    let spare = Key::plug_in("pin");
    let (mut admin, mut device) = desk.begins(&spare.device);
    device.expect("PIN of the security key: ", PATIENCE);
    spare.finger(false);
    device.send_line(PIN);
    device.expect("Touch the security key", PATIENCE);
    gives_up(&mut device, &spare, "fido2-cred");
    assert!(device.transcript().contains("nothing was registered"));
    admin.kill();

    let key = Key::plug_in("pin");
    desk.enrol(&key);
    let mut phone = desk.listen(&key);
    let _login = desk.login();
    approves(&mut phone);
    key.finger(false);
    phone.send_line(PIN);
    phone.expect("Touch the security key", PATIENCE);
    gives_up(&mut phone, &key, "fido2-assert");
}

fn the_rest_of_a_pin_whose_time_is_over_is_not_shown() {
    let (desk, key) = (Desk::open_for(10), Key::plug_in("pin"));
    desk.enrol(&key);
    let mut phone = desk.listen(&key);
    let mut login = desk.login();
    approves(&mut phone);
    phone.send("xq17");
    phone.expect("no PIN was typed in time", PATIENCE);
    phone.expect("expired", PATIENCE);
    phone.send_line("zk29");
    assert!(!login.wait(PATIENCE).success());
    let mut login = desk.login();
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    phone.expect(", [d]eny, [n]ot me? d", PATIENCE);
    assert!(!login.wait(PATIENCE).success());
    let shown = phone.transcript();
    assert!(!shown.contains("xq17") && !shown.contains("zk29"), "{shown}");
}

/// `^C` while this tool waits for a finger.
fn gives_up(screen: &mut Terminal, key: &Key, tool: &str) {
    let of = screen.pid();
    let waits = patience::until(SOON, || key.state.join("waits").exists().then_some(()));
    assert!(waits.is_some(), "the key was not asked");
    let tool = patience::until(SOON, || child_of(of, tool)).expect("the tool runs");
    screen.send_control('c');
    assert!(!screen.wait(PATIENCE).success());
    let gone = patience::until(SOON, || {
        let stat = fs::read_to_string(format!("/proc/{tool}/stat")).unwrap_or_default();
        // Gone, or dead and not buried yet.
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    assert!(gone.is_some(), "it still waits for a finger");
}

/// Whether this stands anywhere in what the process may write to.
fn memory_of(pid: u32, what: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its memory's map");
    let memory = fs::File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let parts = maps
        .lines()
        .filter(|line| line.split(' ').nth(1).is_some_and(|may| may.starts_with("rw")));
    let found = parts.filter_map(|line| {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut part = vec![0; usize::try_from(to - from).ok()?];
        memory.read_exact_at(&mut part, from).ok()?;
        Some(part.windows(what.len()).any(|window| window == what.as_bytes()))
    });
    let found: Vec<bool> = found.collect();
    assert!(found.len() > 3, "its memory cannot be read: {maps}");
    found.contains(&true)
}

/// The child of this name.
fn child_of(parent: u32, name: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.find(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let its = stat.split_once(&format!("({name}) ")).map(|(_, rest)| rest);
        its.and_then(|rest| rest.split(' ').nth(1)) == Some(&parent.to_string())
    })
}
