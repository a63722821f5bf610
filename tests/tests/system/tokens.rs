//! A device whose signing key lies in a token: made there, used there, deleted there.

use assent_tests::product::{PATIENCE, Site, password, program, stack};
use assent_tests::program::Program;
use assent_tests::service::Service;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use assent_tests::{SOON, patience, ports, scenarios, scratch};
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = scenarios![
    a_key_in_a_token_approves_and_denies_and_is_deleted_when_its_device_leaves,
    an_enrolment_that_comes_to_nothing_leaves_no_key_in_the_token,
    who_gives_up_while_the_token_makes_its_key_leaves_none_there,
    a_token_that_is_pulled_out_approves_nothing_and_it_is_said,
    of_several_tokens_one_must_be_named,
    a_tpm_holds_the_key_and_when_it_is_gone_nothing_is_approved,
];

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const TPM_MODULE: &str = "/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1";
/// What the key may be used for: neither for agreement nor for unwrapping. No mechanism decrypts with such a key.
const SIGNS: &str = "decrypt, sign";
/// Its control channel is always at the next one.
const TPM_PORT: u16 = 2321;
/// Like nothing else that is written anywhere.
const PIN: &str = "pin-8Kq2wz";

/// Alice's machine with a token on it.
struct Desk {
    site: Site,
    home: PathBuf,
    module: &'static str,
    /// What the module wants to know.
    environment: Vec<(&'static str, String)>,
}

impl Desk {
    /// With a token in a file (`SoftHSM`).
    fn open() -> Self {
        let mut desk = Self::bare(MODULE);
        let (tokens, conf) = (desk.home.join("tokens"), desk.home.join("softhsm2.conf"));
        fs::create_dir(&tokens).expect("a directory for tokens");
        scratch::write(&conf, &format!("directories.tokendir = {}\n", tokens.display()));
        desk.environment = vec![("SOFTHSM2_CONF", conf.display().to_string())];
        desk.belongs_to_alice();
        desk.set_up("alice");
        desk
    }

    /// With a TPM, in software.
    fn open_with_tpm() -> (Self, Tpm) {
        let mut desk = Self::bare(TPM_MODULE);
        let tpm = Tpm::make(&desk.home);
        let store = desk.home.join("store");
        fs::create_dir(&store).expect("a directory for the module's database");
        desk.environment = vec![
            ("TPM2_PKCS11_STORE", store.display().to_string()),
            ("TPM2_PKCS11_TCTI", format!("swtpm:host=127.0.0.1,port={TPM_PORT}")),
        ];
        desk.belongs_to_alice();
        let tool = |words: &[&str]| desk.tool(words).finish(SOON).expect_success();
        tool(&[
            "--slot-index",
            "0",
            "--init-token",
            "--label",
            "alice",
            "--so-pin",
            "so-pin",
        ]);
        let first_pin = ["--init-pin", "--so-pin", "so-pin", "--pin", PIN];
        tool(&[&["--token-label", "alice"][..], &first_pin].concat());
        (desk, tpm)
    }

    fn bare(module: &'static str) -> Self {
        Self {
            site: Site::open(),
            home: scratch::directory("tokens"),
            module,
            environment: Vec::new(),
        }
    }

    fn belongs_to_alice(&self) {
        let owned = Program::new("chown").args(["-R", "alice"]).arg(&self.home);
        owned.finish(SOON).expect_success();
    }

    fn run(&self, program: Program) -> Program {
        let environment = self.environment.iter();
        environment.fold(program.as_user("alice"), |program, (name, value)| {
            program.env(name, value)
        })
    }

    /// An independent program at the same module.
    fn tool(&self, words: &[&str]) -> Program {
        self.run(Program::new("pkcs11-tool").args(["--module", self.module]).args(words))
    }

    /// A new token of this name.
    fn set_up(&self, label: &str) {
        let util = Program::new("softhsm2-util").args(["--init-token", "--free", "--label", label]);
        self.run(util.args(["--pin", PIN, "--so-pin", "12345678"]))
            .finish(SOON)
            .expect_success();
    }

    /// What that program says about all that the token holds, to its user.
    fn witness(&self) -> String {
        let tool = self.tool(&["--token-label", "alice", "--login", "--pin", PIN, "--list-objects"]);
        tool.finish(SOON).expect_success().out
    }

    fn dir(&self) -> PathBuf {
        self.home.join("device")
    }

    fn authenticator(&self, words: &[&str]) -> Program {
        let program = self.run(program("assentctl").arg("authenticator")).args(words);
        program.arg("--dir").arg(self.dir())
    }

    fn online(&self, words: &[&str]) -> Program {
        self.authenticator(words)
            .arg("--ca-file")
            .arg(self.site.gateway.ca_certificate())
    }

    /// It asks for the PIN, and this is typed.
    fn typed(program: &Program, pin: &str) -> Terminal {
        let mut terminal = Terminal::open(program);
        terminal.expect("PIN of the token \"alice\": ", PATIENCE);
        terminal.send_line(pin);
        terminal
    }

    /// An admin makes a link.
    fn link() -> (Terminal, String) {
        let mut admin = Terminal::open(&program("assentctl").args(["enroll", "alice", "--no-qr"]));
        let shown = admin.expect(fits(r"https?://\S+/e#\S+"), PATIENCE);
        let link = shown.split_whitespace().last().expect("a link").to_owned();
        (admin, link)
    }

    /// Enrols as far as its six digits.
    fn begin(&self) -> (Terminal, Terminal, String) {
        let (admin, link) = Self::link();
        let words = ["enroll", &link, "--label", "test token", "--pkcs11", self.module];
        let mut device = Self::typed(&self.online(&words), PIN);
        let digits = device.expect(fits(r"\b\d{3} \d{3}\b"), PATIENCE);
        let digits: String = digits[digits.len() - 7..].split(' ').collect();
        (admin, device, digits)
    }

    fn enrol(&self) -> Terminal {
        let (mut admin, mut device, digits) = self.begin();
        admin.expect(fits("(?i)digits"), PATIENCE);
        admin.send_line(&digits);
        admin.wait_for_success();
        device.wait_for_success();
        device
    }

    fn listen(&self) -> Terminal {
        let mut phone = Self::typed(&self.online(&["listen"]), PIN);
        phone.expect(fits("Listening at .*"), PATIENCE);
        phone
    }
}

/// A TPM in software, as another program that the module talks to.
struct Tpm {
    state: PathBuf,
    service: Service,
}

impl Tpm {
    fn make(home: &Path) -> Self {
        let state = home.join("tpm");
        fs::create_dir(&state).expect("a directory for the TPM's state");
        let service = Self::start(&state);
        Self { state, service }
    }

    fn start(state: &Path) -> Service {
        let at = |port| format!("type=tcp,port={port},bindaddr=127.0.0.1");
        let swtpm = Program::new("swtpm").args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
        let swtpm = swtpm.arg("--tpmstate").arg(format!("dir={}", state.display()));
        let mut service = Service::start(&swtpm.args(["--server", &at(TPM_PORT), "--ctrl", &at(TPM_PORT + 1)]));
        ports::wait_for_listener(TPM_PORT, &mut service, SOON);
        service
    }

    fn pull_out(&mut self) {
        self.service.kill();
    }

    fn plug_in(&mut self) {
        self.service = Self::start(&self.state);
    }
}

fn sshd() -> Sshd {
    Sshd::builder().stack(&stack("sshd-assent-password")).start()
}

fn login(sshd: &Sshd) -> Terminal {
    let mut login = sshd.client("alice").option("NumberOfPasswordPrompts=1").shell();
    login.expect(fits(r"Password, then approve on your phone \[\w{6}\]: "), PATIENCE);
    login.send_line(password("alice"));
    login
}

fn files_in(dir: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(dir).expect("the registration");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read_to_string(path).expect("a text")))
        .collect()
}

fn a_key_in_a_token_approves_and_denies_and_is_deleted_when_its_device_leaves() {
    let desk = Desk::open();
    let mut seen = desk.enrol().transcript().to_owned();

    // The token's own word, through another program: one key pair, whose private half cannot leave.
    let objects = desk.witness();
    assert_eq!(objects.matches("Private Key Object; EC").count(), 1, "{objects}");
    assert_eq!(objects.matches("Public Key Object; EC").count(), 1, "{objects}");
    let (_, private) = objects.split_once("Private Key Object; EC").expect("a private key");
    let private = private.split("Public Key Object").next().expect("its lines");
    for word in [
        "label:      assent test token",
        "sensitive, always sensitive, never extractable, local",
    ] {
        assert!(private.contains(word), "{word}: {objects}");
    }
    let usage = private
        .lines()
        .find_map(|line| line.trim().strip_prefix("Usage:"))
        .expect("its usage");
    assert_eq!(usage.trim(), SIGNS, "{objects}");

    // What is on disk opens requests and says where the other key is.
    let files = files_in(&desk.dir());
    let of = |name: &str| {
        let found = files.iter().find(|(path, _)| path.ends_with(name));
        found.map(|(_, text)| text.as_str()).expect("a file")
    };
    let keys: serde_json::Value = serde_json::from_str(of("device.key")).expect("JSON");
    assert!(
        keys["kem"].is_string() && keys.get("sign").is_none(),
        "no signing key in the file"
    );
    let id = private
        .lines()
        .find_map(|line| line.trim().strip_prefix("ID:"))
        .expect("its id")
        .trim();
    assert_eq!(id.len(), 32, "128 random bits: {id}");
    let settings = of("authenticator.toml");
    assert!(
        settings.contains(MODULE) && settings.contains("label = \"alice\"") && settings.contains(id),
        "{settings}"
    );
    // Needs no PIN.
    let show = desk.authenticator(&["show"]).finish(SOON).expect_success().out;
    assert!(show.contains("the token \"alice\"") && show.contains(id), "{show}");

    // A wrong PIN is told, and neither tried again nor asked for again.
    let mut wrong = Desk::typed(&desk.online(&["listen"]), "0000");
    assert!(!wrong.wait(PATIENCE).success(), "{}", wrong.transcript());
    let told = wrong.transcript().to_owned();
    assert!(
        told.contains("refuses the PIN") && told.contains("locks after too many"),
        "{told}"
    );
    assert_eq!(told.matches("PIN of the token").count(), 1, "{told}");
    assert!(!told.contains("0000"), "not shown while it is typed:\n{told}");
    let mut warned = Terminal::open(&desk.online(&["listen"]));
    warned.expect("A wrong PIN was typed before.", PATIENCE);
    drop(warned);

    // Another key is not taken for this device's, even if the file says so.
    let other = "00000000000000000000000000000099";
    let generate = [
        "--token-label",
        "alice",
        "--login",
        "--pin",
        PIN,
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
    ];
    let generated = desk
        .tool(&generate)
        .args(["--id", other, "--label", "other"])
        .finish(SOON);
    generated.expect_success();
    let file = desk.dir().join("authenticator.toml");
    fs::write(&file, settings.replace(id, other)).expect("another key's id");
    let mut strange = Desk::typed(&desk.online(&["listen"]), PIN);
    assert!(!strange.wait(PATIENCE).success(), "{}", strange.transcript());
    let told = strange.transcript();
    assert!(
        told.contains("another one than this device's certificate is for"),
        "{told}"
    );
    fs::write(&file, settings).expect("its own key's id");

    // From the right PIN to the shell, and a denial.
    let sshd = sshd();
    let mut phone = Desk::typed(&desk.online(&["listen"]), PIN);
    phone.expect(fits("Listening at .*"), PATIENCE);
    let mut shell = login(&sshd);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    shell.send_line("echo uid $(id -u)");
    shell.expect("uid 5001", PATIENCE);
    shell.send_line("exit");
    shell.wait(PATIENCE);
    let before = desk.site.agent.audit().len();
    let mut refused = login(&sshd);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("d");
    assert!(!refused.wait(PATIENCE).success(), "{}", refused.transcript());
    assert_eq!(desk.site.agent.decision(before)["cause"], "denied_on_device");
    seen.push_str(phone.transcript());
    drop(phone);

    // It leaves, and the key with it.
    let mut left = Desk::typed(&desk.online(&["devices", "--leave"]), PIN);
    left.wait_for_success();
    seen.push_str(left.transcript());
    let objects = desk.witness();
    assert!(
        !objects.contains(id) && objects.contains(other),
        "its own key and no other: {objects}"
    );
    let mut after = Desk::typed(&desk.online(&["listen"]), PIN);
    assert!(!after.wait(PATIENCE).success(), "{}", after.transcript());
    assert!(
        after.transcript().contains("does not hold this device's key"),
        "{}",
        after.transcript()
    );

    // The PIN is in nothing that was shown, kept or logged.
    let kept = files_in(&desk.dir()).into_iter().map(|(_, text)| text);
    for text in kept.chain([seen, desk.site.gateway.log(), desk.site.agent.log()]) {
        assert!(!text.contains(PIN), "{text}");
    }
}

fn an_enrolment_that_comes_to_nothing_leaves_no_key_in_the_token() {
    let desk = Desk::open();
    let empty = |why: &str| {
        let objects = desk.witness();
        assert!(!objects.contains("Key Object"), "{why}: {objects}");
        assert!(!desk.dir().join("authenticator.toml").exists(), "{why}");
    };
    // Wrong digits.
    let (mut admin, mut device, digits) = desk.begin();
    let wrong = if digits == "000000" { "111111" } else { "000000" };
    assert!(
        desk.witness().contains("Private Key Object"),
        "made before the digits are shown"
    );
    for _ in 0..3 {
        admin.expect(fits("(?i)digits[^\n]*: "), PATIENCE);
        admin.send_line(wrong);
    }
    assert!(!admin.wait(PATIENCE).success());
    assert!(!device.wait(PATIENCE).success(), "{}", device.transcript());
    empty("wrong digits");
    // The person gives up.
    let (_admin, mut device, _) = desk.begin();
    device.send_control('c');
    assert!(!device.wait(PATIENCE).success(), "{}", device.transcript());
    assert!(device.transcript().contains("interrupted"), "{}", device.transcript());
    empty("given up");
    // ^C at the question: nothing is made, no try is spent, and the terminal shows again what is typed.
    let (_admin, link) = Desk::link();
    let words = ["enroll", &link, "--pkcs11", MODULE];
    let script = "{ \"$@\" || echo ended $?; }; read answer; echo got $answer";
    let mut asked = Terminal::open(&in_shell(&desk, script, &words));
    asked.expect("PIN of the token \"alice\": ", PATIENCE);
    asked.send_control('c');
    asked.expect("ended 2", PATIENCE);
    asked.send_line("visible");
    asked.expect("got visible", PATIENCE);
    assert!(
        asked.transcript().matches("visible").count() == 2,
        "what is typed is echoed again:\n{}",
        asked.transcript()
    );
    empty("interrupted at the question");
    let tokens = desk.tool(&["--list-slots"]).finish(SOON).expect_success().out;
    assert!(
        !tokens.contains("user PIN count low"),
        "no wrong PIN was given: {tokens}"
    );
}

fn who_gives_up_while_the_token_makes_its_key_leaves_none_there() {
    let desk = Desk::open();
    let (_admin, link) = Desk::link();
    let store = {
        let mut entries = fs::read_dir(desk.home.join("tokens")).expect("the tokens");
        entries.next().expect("one token").expect("its directory").path()
    };
    let objects = || {
        let entries = fs::read_dir(&store).expect("the token's directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".object")).collect();
        names.sort();
        names
    };
    let before = objects();
    // Whoever reads what the token counts holds up everybody who makes something in it, and no one who logs in.
    let count = File::open(store.join("generation")).expect("the token's count");
    let mut device = Terminal::open(&desk.online(&["enroll", &link, "--pkcs11", MODULE]));
    device.expect("PIN of the token \"alice\": ", PATIENCE);
    hold(&count, libc::F_RDLCK);
    device.send_line(PIN);
    let begun = patience::until(PATIENCE, || (objects() != before).then_some(()));
    assert!(begun.is_some(), "the token makes no key: {}", device.transcript());
    device.send_control('c');
    // It cannot be told by what is shown that the signal has come: nothing is.
    std::thread::sleep(Duration::from_millis(300));
    hold(&count, libc::F_UNLCK);
    assert!(!device.wait(PATIENCE).success(), "{}", device.transcript());
    assert!(device.transcript().contains("interrupted"), "{}", device.transcript());
    assert_eq!(objects(), before, "what was made is gone again");
    assert!(!desk.dir().join("authenticator.toml").exists());
}

/// Locks the file as a process that reads it does, or lets it go.
fn hold(file: &File, how: i32) {
    let lock = libc::flock {
        l_type: i16::try_from(how).expect("a kind of lock"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("a place"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_SETLK(&lock)).expect("the lock");
}

/// The same program inside a shell, with its words as `$@`.
fn in_shell(desk: &Desk, script: &str, words: &[&str]) -> Program {
    let assentctl = assent_tests::product::built().join("assentctl");
    let shell = desk.run(Program::new("sh")).args(["-c", script, "sh"]);
    let shell = shell.arg(assentctl).arg("authenticator").args(words);
    shell
        .arg("--dir")
        .arg(desk.dir())
        .arg("--ca-file")
        .arg(desk.site.gateway.ca_certificate())
}

fn a_token_that_is_pulled_out_approves_nothing_and_it_is_said() {
    let desk = Desk::open();
    desk.enrol();
    let sshd = sshd();
    let mut phone = desk.listen();
    let mut waiting = login(&sshd);
    phone.expect("[a]pprove", PATIENCE);
    let (here, away) = (desk.home.join("tokens"), desk.home.join("away"));
    fs::rename(&here, &away).expect("the token goes away");
    phone.send_line("a");
    phone.expect("Not sent", PATIENCE);
    phone.expect("nothing was allowed", PATIENCE);
    waiting.send_control('c');
    assert!(!waiting.wait(PATIENCE).success(), "{}", waiting.transcript());
    let decision = desk.site.agent.decision(0);
    assert_ne!(decision["verdict"], "approved", "{decision}");
    fs::rename(&away, &here).expect("the token comes back");
    // It is no new PIN that brings it back in a run that goes on, but a new start.
    drop(phone);
    let mut phone = desk.listen();
    let mut shell = login(&sshd);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    shell.send_line("exit");
    shell.wait_for_success();
}

fn of_several_tokens_one_must_be_named() {
    let desk = Desk::open();
    desk.set_up("spare");
    let (_admin, link) = Desk::link();
    let unnamed = desk.online(&["enroll", &link, "--pkcs11", MODULE]).finish(SOON);
    assert_eq!(unnamed.status.code(), Some(2), "{}", unnamed.err);
    for word in ["2 tokens", "--token", "\"alice\" (serial", "\"spare\" (serial"] {
        assert!(unnamed.err.contains(word), "{word}: {}", unnamed.err);
    }
    let unknown = desk
        .online(&["enroll", &link, "--pkcs11", MODULE, "--token", "other"])
        .finish(SOON);
    assert!(unknown.err.contains("no token \"other\""), "{}", unknown.err);
    // Named, it asks; without a terminal it does not take the PIN from elsewhere.
    let named = desk.online(&["enroll", &link, "--pkcs11", MODULE, "--token", "alice"]);
    let blind = named.finish(SOON);
    assert!(blind.err.contains("no terminal"), "{}", blind.err);
    let no_module = desk.online(&["enroll", &link, "--pkcs11", "/nowhere.so"]).finish(SOON);
    assert!(no_module.err.contains("/nowhere.so is no file"), "{}", no_module.err);
    let no_pkcs11 = scratch::directory("module").join("none.so");
    fs::write(&no_pkcs11, "no library").expect("a file");
    let not_one = desk
        .online(&["enroll", &link, "--pkcs11", &no_pkcs11.to_string_lossy()])
        .finish(SOON);
    assert!(
        not_one.err.contains("cannot be used as a PKCS#11 module"),
        "{}",
        not_one.err
    );
    // Nothing of all that has used the link up.
    let mut device = Desk::typed(&named, PIN);
    device.expect(fits(r"\b\d{3} \d{3}\b"), PATIENCE);
}

fn a_tpm_holds_the_key_and_when_it_is_gone_nothing_is_approved() {
    let (desk, mut tpm) = Desk::open_with_tpm();
    desk.enrol();
    let objects = desk.witness();
    let (_, private) = objects.split_once("Private Key Object; EC").expect("a private key");
    assert!(
        private.contains("sensitive, always sensitive, never extractable, local"),
        "{objects}"
    );
    let usage = private
        .lines()
        .find_map(|line| line.trim().strip_prefix("Usage:"))
        .expect("its usage");
    assert_eq!(usage.trim(), SIGNS, "{objects}");

    let sshd = sshd();
    let mut phone = desk.listen();
    let mut shell = login(&sshd);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    shell.send_line("exit");
    shell.wait_for_success();

    let before = desk.site.agent.audit().len();
    let mut waiting = login(&sshd);
    phone.expect("[a]pprove", PATIENCE);
    tpm.pull_out();
    phone.send_line("a");
    phone.expect("Not sent", PATIENCE);
    phone.expect("nothing was allowed", PATIENCE);
    waiting.send_control('c');
    assert!(!waiting.wait(PATIENCE).success(), "{}", waiting.transcript());
    assert_ne!(desk.site.agent.decision(before)["verdict"], "approved");
    drop(phone);

    tpm.plug_in();
    let mut left = Desk::typed(&desk.online(&["devices", "--leave"]), PIN);
    left.wait_for_success();
    let objects = desk.witness();
    assert!(!objects.contains("Key Object"), "{objects}");
}
