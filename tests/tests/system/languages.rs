//! The terminal speaks the language that the directory names, once the password has passed; before that everybody reads the
//! same.

use assent_tests::company::dn;
use assent_tests::product::{PATIENCE, Site, password, stack};
use assent_tests::scenarios;
use assent_tests::sshd::Sshd;
use assent_tests::suite::Scenario;

pub const SCENARIOS: &[Scenario] = scenarios![the_terminal_speaks_as_the_directory_says_and_betrays_nothing_before,];

fn the_terminal_speaks_as_the_directory_says_and_betrays_nothing_before() {
    let site = Site::open_with(|usual| {
        let profile = "name = \"staff-push\"\n";
        assert!(usual.contains(profile));
        usual.replace(
            profile,
            &format!("{profile}language_attribute = \"preferredLanguage\"\n"),
        )
    });
    let mut phone = site.enrol("alice").listen();
    let sshd = Sshd::builder().stack(&stack("sshd-assent-password")).start();
    let alice = dn("alice");
    for (tag, denied) in [
        (Some("de-AT, en"), "Am Telefon abgelehnt."),
        (Some("tr"), "Telefonda reddedildi."),
        (None, "Denied on the phone."),
    ] {
        let change = match tag {
            Some(tag) => format!("replace: preferredLanguage\npreferredLanguage: {tag}\n"),
            None => "delete: preferredLanguage\n".to_owned(),
        };
        site.slapd.modify(&format!("dn: {alice}\nchangetype: modify\n{change}"));
        let mut wrong = sshd.client("alice").option("NumberOfPasswordPrompts=1").run("true");
        wrong.expect("Password", PATIENCE);
        wrong.send_line("not her password");
        assert!(!wrong.wait(PATIENCE).success());
        assert!(wrong.transcript().contains("Access denied."), "{}", wrong.transcript());
        let mut login = sshd.client("alice").option("NumberOfPasswordPrompts=1").run("true");
        login.expect("Password", PATIENCE);
        login.send_line(password("alice"));
        phone.expect("[a]pprove", PATIENCE);
        phone.send_line("d");
        assert!(!login.wait(PATIENCE).success());
        let said = login.transcript();
        assert!(said.contains(denied), "{tag:?}: {said}");
        assert!(said.is_ascii(), "{said}");
    }
}
