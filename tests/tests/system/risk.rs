//! MISSION row 19: where a login comes from and what went before, with a real sshd and clients of several addresses, each
//! of another country in the tests' own data base.

use super::ssh::count;
use assent_tests::mmdb::{self, Network};
use assent_tests::product::{PATIENCE, Site, assentctl, password, stack};
use assent_tests::scenarios;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;
use assent_tests::terminal::{Terminal, fits};
use serde_json::Value;

pub const SCENARIOS: &[Scenario] = scenarios![
    mission_row_19_another_country_raises_to_a_number_chooses_another_method_or_denies,
    mission_row_19_a_journey_that_nobody_can_make_asks_for_a_number,
    mission_row_19_recent_denials_deny_over_a_restart_until_root_forgives,
    mission_row_19_a_known_address_waives_the_factor_and_a_report_ends_that,
];

const DATABASE: &str = "/var/lib/risk-places.mmdb";
const OSLO: &str = "127.0.1.1";
const SYDNEY: &str = "127.0.2.1";
const BERLIN: &str = "127.0.3.1";
/// In no country that the data base knows.
const NOWHERE: &str = "127.0.4.1";

struct World {
    site: Site,
    sshd: Sshd,
}

impl World {
    /// A site whose push profile has these policies above the usual ones.
    fn open(policies: &[&str], change: impl Fn(String) -> String) -> Self {
        let place = |third, city, country, code, at| Network {
            address: [127, 0, third, 0].into(),
            prefix: 24,
            city,
            country,
            code,
            at: Some(at),
        };
        let places = mmdb::networks(&[
            place(1, "Oslo", "Norway", "NO", (59.91, 10.75)),
            place(2, "Sydney", "Australia", "AU", (-33.87, 151.21)),
            place(3, "Berlin", "Germany", "DE", (52.52, 13.40)),
        ]);
        std::fs::write(DATABASE, places).expect("the data base");
        let policies: Vec<String> = policies
            .iter()
            .map(|rest| {
                let profile = if rest.contains("profile =") {
                    ""
                } else {
                    "profile = \"staff-push\"\n"
                };
                format!("[[policy]]\n{profile}auth_profile = \"corp\"\n{rest}\n\n")
            })
            .collect();
        let policies = policies.concat();
        let site = Site::open_with(|usual| {
            let usual = change(usual).replacen("[[policy]]", &format!("{policies}[[policy]]"), 1);
            format!("{usual}\n[location]\ndatabase = \"{DATABASE}\"\n")
        });
        let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
        Self { site, sshd }
    }

    /// A login from an address, with its password typed.
    fn from(&self, address: &str) -> Terminal {
        let mut ssh = self
            .sshd
            .client("alice")
            .option("NumberOfPasswordPrompts=1")
            .option(&format!("BindAddress={address}"))
            .run("true");
        ssh.expect("Password", PATIENCE);
        ssh.send_line(password("alice"));
        ssh
    }

    /// A login that is denied; its record.
    fn denied(&self, address: &str) -> Value {
        let before = self.site.agent.audit().len();
        let mut login = self.from(address);
        assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
        let decision = self.site.agent.decision(before);
        assert_eq!(decision["verdict"], "denied");
        assert_eq!(count(&decision, "effect", "push"), 0, "{decision}");
        decision
    }

    /// A login that a tap lets in.
    fn tapped(&self, address: &str, phone: &mut Terminal) {
        let mut login = self.from(address);
        phone.expect("[a]pprove", PATIENCE);
        phone.send_line("a");
        login.wait_for_success();
    }

    /// A login that shows a number, which is typed.
    fn numbered(&self, address: &str, phone: &mut Terminal) {
        let mut login = self.from(address);
        let shown = login.expect(fits(r"Approve \d{3} on your phone"), PATIENCE);
        let number = shown.split("Approve ").nth(1).and_then(|rest| rest.split(' ').next());
        let number = number.expect("a number").to_owned();
        phone.expect("[a]pprove", PATIENCE);
        phone.send_line("a");
        phone.expect("Number on the terminal", PATIENCE);
        phone.send_line(&number);
        login.send_line("");
        login.wait_for_success();
    }

    fn explained(address: &str) -> String {
        assentctl(["explain", "alice", "--from", address]).out
    }
}

fn mission_row_19_another_country_raises_to_a_number_chooses_another_method_or_denies() {
    let world = World::open(
        &[
            "not_countries = [\"NO\", \"AU\", \"DE\"]\naction = \"deny\"",
            "countries = [\"NO\"]\nassurance = \"number\"",
            "profile = \"totp\"\ncountries = [\"AU\"]",
        ],
        |usual| {
            let totp = "[[totp_profile]]\nname = \"totp\"\nfallback_auth_profiles = [\"corp\"]\n\n[[policy]]";
            usual.replacen("[[policy]]", totp, 1).replace(
                "factors = [[\"corp\"], [\"staff-push\"]]",
                "factors = [[\"corp\"], [\"staff-push\", \"totp\"]]",
            )
        },
    );
    let mut phone = world.site.enrol("alice").listen();
    world.tapped(BERLIN, &mut phone);
    world.numbered(OSLO, &mut phone);
    // No list for TOTP was set up: the method was chosen, and nothing weaker took its place.
    let abroad = world.denied(SYDNEY);
    assert_eq!(
        (&abroad["method"], &abroad["cause"]),
        (&"totp".into(), &"no_code_set_up".into())
    );
    let nowhere = world.denied(NOWHERE);
    assert_eq!(nowhere["cause"], "policy_denies");
    assert!(
        nowhere["detail"]
            .as_str()
            .is_some_and(|place| place.contains("agentd.toml:")),
        "{nowhere}"
    );
    let explained = World::explained(OSLO);
    assert!(
        explained.contains("signals: country NO; address known; country known"),
        "{explained}"
    );
}

fn mission_row_19_a_journey_that_nobody_can_make_asks_for_a_number() {
    let world = World::open(&["impossible_travel = true\nassurance = \"number\""], |usual| usual);
    let mut phone = world.site.enrol("alice").listen();
    // Nothing to travel from yet.
    world.tapped(BERLIN, &mut phone);
    world.tapped(BERLIN, &mut phone);
    let explained = World::explained(SYDNEY);
    assert!(
        explained.contains("km from the last approval") && explained.contains("impossible"),
        "{explained}"
    );
    world.numbered(SYDNEY, &mut phone);
    // Now that is the last place.
    world.tapped(SYDNEY, &mut phone);
    // Nobody knows where this is: no journey, for better or worse.
    world.tapped(NOWHERE, &mut phone);
    world.numbered(OSLO, &mut phone);
}

fn mission_row_19_recent_denials_deny_over_a_restart_until_root_forgives() {
    let mut world = World::open(
        &["recent_denials = { at_least = 2, within_minutes = 30 }\naction = \"deny\""],
        |usual| usual,
    );
    let mut phone = world.site.enrol("alice").listen();
    for address in [OSLO, BERLIN] {
        let mut login = world.from(address);
        phone.expect("[d]eny", PATIENCE);
        phone.send_line("d");
        assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
    }
    assert_eq!(world.denied(SYDNEY)["cause"], "policy_denies");
    world.site.agent.kill();
    world.site.agent.resume();
    world.site.agent.wait_until_connected();
    assert_eq!(world.denied(OSLO)["cause"], "policy_denies");
    let explained = World::explained(OSLO);
    assert!(explained.contains("2 denials within a day"), "{explained}");
    assentctl(["unlock", "alice"]).expect_success();
    world.tapped(OSLO, &mut phone);
}

fn mission_row_19_a_known_address_waives_the_factor_and_a_report_ends_that() {
    let world = World::open(
        &["new_address = false\nfirst_factor = [\"password\"]\naction = \"waive\""],
        |usual| {
            let factors = "factors = [[\"corp\"], [\"staff-push\"]]";
            usual.replace(factors, &format!("{factors}\nfloor = \"bypass\""))
        },
    );
    let mut phone = world.site.enrol("alice").listen();
    world.tapped(OSLO, &mut phone);
    let before = world.site.agent.audit().len();
    world.from(OSLO).wait_for_success();
    let waived = world.site.agent.decision(before);
    assert_eq!(
        (&waived["verdict"], &waived["cause"]),
        (&"approved".into(), &"factor_waived".into())
    );
    assert_eq!(count(&waived, "effect", "push"), 0, "{waived}");
    let line = world.site.syslog.wait_for_text("cause=factor_waived", PATIENCE);
    assert!(line.starts_with("<84>"), "R72: a warning: {line}");
    let checked = assentctl(["check"]);
    assert!(checked.out.contains("waives a factor"), "{checked:?}");
    // From elsewhere somebody asks, and she says that it was not her.
    let mut other = world.from(SYDNEY);
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("n");
    assert!(!other.wait(PATIENCE).success());
    assert_eq!(world.denied(OSLO)["cause"], "frozen");
}
