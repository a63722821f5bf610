//! Wrong passwords, typed in real terminals: after too many nothing that is typed there reaches the directory for a while,
//! and nobody who is known elsewhere is locked out by it (R87).

use super::exceptions::told;
use assent_tests::product::{PATIENCE, Site, assentctl, password, stack};
use assent_tests::program::Program;
use assent_tests::scenarios;
use assent_tests::sshd::Sshd;
use assent_tests::sudoers;
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;
use serde_json::{Value, json};

pub const SCENARIOS: &[Scenario] = scenarios![
    r87_ten_wrong_passwords_bar_their_own_source_alone_over_a_kill_until_root_forgives,
    r87_guesses_on_this_machine_bar_the_guesser_and_not_the_guessed,
];

const HOME: &str = "127.0.1.1";
const STRANGER: &str = "127.0.2.1";

struct World {
    site: Site,
    sshd: Sshd,
}

impl World {
    fn types(&self, address: &str, password: &str) -> Terminal {
        let mut ssh = self
            .sshd
            .client("alice")
            .option("NumberOfPasswordPrompts=1")
            .option(&format!("BindAddress={address}"))
            .run("echo alice is in");
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password);
        ssh
    }

    fn denied(&self, address: &str, password: &str) -> Value {
        let before = self.site.agent.audit().len();
        let mut login = self.types(address, password);
        assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
        assert!(login.transcript().contains("Access denied."), "{}", login.transcript());
        self.site.agent.decision(before)
    }

    /// How often the directory was asked whether alice's password is right.
    fn binds(&self) -> usize {
        let log = self.site.slapd.log();
        log.matches("BIND dn=\"uid=alice,ou=people,dc=example,dc=org\" method")
            .count()
    }
}

fn r87_ten_wrong_passwords_bar_their_own_source_alone_over_a_kill_until_root_forgives() {
    let mut world = World {
        site: Site::open(),
        sshd: Sshd::builder().stack(&stack("sshd-assent-password")).start(),
    };
    let mut phone = world.site.enrol("alice").listen();
    for n in 0..10 {
        assert_eq!(world.denied(STRANGER, &format!("guess {n}"))["cause"], "wrong_password");
    }
    let binds = world.binds();
    assert!(binds >= 10, "{binds}");
    world.site.agent.kill();
    world.site.agent.resume();
    world.site.agent.wait_until_connected();
    // The right one, too, and the directory does not hear of it.
    for typed in ["guess 10", password("alice")] {
        assert_eq!(world.denied(STRANGER, typed)["cause"], "too_many_wrong_passwords");
    }
    assert_eq!(world.binds(), binds);
    let listed = assentctl(["user", "exceptions"]).expect_success();
    let lock = format!("lock alice: too many wrong passwords, from {STRANGER}");
    assert!(listed.out.contains(&lock), "{}", listed.out);
    told(&world.site, |told| {
        told["some"][0]["kind"] == "lock" && told["some"][0]["user"] == "alice"
    });
    let mut home = world.types(HOME, password("alice"));
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    home.wait_for_success();
    assentctl(["unlock", "alice"]).expect_success();
    told(&world.site, |told| told["some"] == json!([]));
    let mut again = world.types(STRANGER, password("alice"));
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    again.wait_for_success();
}

fn r87_guesses_on_this_machine_bar_the_guesser_and_not_the_guessed() {
    let site = Site::open_with(|usual| {
        let before = "services = [\"sudo\", \"sudo-i\"]\nfactors = [[\"staff-push\"]]\n";
        assert!(usual.contains(before));
        usual.replace(before, "services = [\"sudo\", \"sudo-i\"]\nfactors = [[\"corp\"]]\n")
    });
    sudoers::allow("alice");
    sudoers::stack(&stack("sudo"));
    // The kernel keeps who logged in; whoever that is calls sudo as alice.
    let types = |login_uid: &str, typed: &str| {
        let as_alice = "exec setpriv --reuid alice --regid alice --init-groups sudo true";
        let logged_in = format!("echo {login_uid} > /proc/self/loginuid && {as_alice}");
        let before = site.agent.audit().len();
        let mut sudo = Terminal::open(&Program::new("/bin/sh").args(["-c", &logged_in]));
        sudo.expect("Password", PATIENCE);
        sudo.send_line(typed);
        let passed = sudo.wait(PATIENCE).success();
        let decision = site.agent.decision(before);
        assert_eq!(passed, decision["verdict"] == "approved", "{}", sudo.transcript());
        decision["cause"].clone()
    };
    let alice = "$(id -u alice)";
    for n in 0..10 {
        assert_eq!(types("4242", &format!("guess {n}")), "wrong_password");
    }
    assert_eq!(types("4242", password("alice")), "too_many_wrong_passwords");
    assert_eq!(types(alice, "a slip"), "wrong_password");
    assert_eq!(types(alice, password("alice")), "");
}
