//! What a code costs beside a push: from the password to the prompt, beside the password to the request on a phone that answers
//! at once; and from the typed code to the verdict. The code service is in the gateway's process, as by default.

use super::Options;
use super::phone::Phone;
use super::row::{Row, Samples, ms_since};
use super::wire::Dialogue;
use assent_tests::company::PEOPLE;
use assent_tests::product::{Gateway, Site, password};
use assent_tests::totp;
use assent_wire::VerdictCode;
use std::net::Ipv4Addr;
use std::time::Instant;

const USER: &str = "alice";
const MORE: &str = r#"
[[totp_profile]]
name = "totp"
fallback_auth_profiles = ["corp"]

[[application]]
name = "bench-code"
services = ["bench-code"]
factors = [["corp"], ["totp"]]
"#;

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 10 } else { 50 };
    let gateway = || Gateway::start_at(Ipv4Addr::LOCALHOST, "[codes]\nprefixes = [\"+49\"]\npause = 0\n");
    let site = Site::open_around(gateway, |usual| usual + MORE);
    let keys = site.enrol(USER);
    let _phone = Phone::listen(&keys, site.gateway.url(), &site.gateway.ca_certificate(), None);
    let secrets = PEOPLE.each_ref().map(|person| totp::give(person.uid, "bench-code"));
    let [mut prompt, mut typed, mut push] = [(); 3].map(|()| Samples::default());
    for round in 0..=times {
        let began = Instant::now();
        let mut login = Dialogue::begin("bench-code", USER);
        login.wait_for_the_prompt();
        login.reply(password(USER));
        login.wait_for_a_question();
        let offered = ms_since(began);
        drop(login);
        let began = Instant::now();
        let mut login = Dialogue::begin("sshd", USER);
        login.wait_for_the_prompt();
        let (_, verdict) = login.answer(password(USER));
        assert_eq!(verdict.code, VerdictCode::Approved, "the phone approves at once");
        // The first of each opens the warm connections.
        if round > 0 {
            prompt.push(offered);
            push.push(ms_since(began));
        }
    }
    // A code counts once: one for each person.
    for (person, secret) in PEOPLE.iter().zip(secrets) {
        let mut login = Dialogue::begin("bench-code", person.uid);
        login.wait_for_the_prompt();
        login.reply(password(person.uid));
        login.wait_for_a_question();
        let (took, verdict) = login.answer(&totp::shown(secret));
        assert_eq!(verdict.code, VerdictCode::Approved, "the code of {}", person.uid);
        typed.push(took);
    }
    vec![
        Row::of("a login up to the question for a code", "ms", &prompt)
            .beside(&push)
            .note(
                "beside a whole login by push on a phone that answers at once; both with an LDAP password, on loopback",
            ),
        Row::of("from the typed code to the approval", "ms", &typed).note("an authenticator app's code"),
    ]
}
