//! What a configuration may say, and what its errors say.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use assent_engine::conditions::Circumstances;
use assent_engine::config::keys::reference;
use assent_engine::config::{AuthProfile, AuthSource, Factor, LogFormat, load, load_auth_profiles, load_str};
use assent_engine::risk::Context;
use assent_proto::time::UnixTime;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const GOOD: &str = r#"
[gateway]
url = "https://push.example.org/"

[[auth_profile]]
name = "corp"
kind = "ldap"
realm = "example.org"
uris = ["ldaps://ldap1.example.org", "ldap://ldap2.example.org"]
base = "dc=example,dc=org"
bind_dn = "cn=assent,dc=example,dc=org"
bind_password_credential = "corp-ldap"

[[auth_profile]]
name = "local"
kind = "local"

[[push_profile]]
name = "staff-push"
fallback_auth_profiles = ["corp", "local"]
assurance = "tap"

[[policy]]
push_profile = "staff-push"
auth_profile = "corp"
attribute = "memberOf"
values = ["cn=it,*"]
regex = ["cn=(ops|dev),.*"]
case = "ignore"

[[application]]
name = "ssh"
services = ["sshd"]
factors = [["stack"], ["staff-push"]]
"#;

fn problems(text: &str) -> String {
    load_str("agentd.toml", text).map_or_else(|e| e.to_string(), |_| panic!("accepted: {text}"))
}

fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// With every method, and `more` in the application.
fn with_codes(factors: &str, more: &str) -> String {
    let profile = |kind| format!("[[{kind}_profile]]\nname = \"{kind}\"\nfallback_auth_profiles = [\"corp\"]\n");
    let profiles = ["sms", "mail", "totp", "recovery"].map(profile).concat();
    let application = format!("factors = [[\"stack\"], [{factors}]]\n{more}\n");
    let good = GOOD.replace("factors = [[\"stack\"], [\"staff-push\"]]\n", &application);
    format!("{good}{profiles}")
}

#[test]
fn a_message_is_in_the_persons_language_and_a_wrong_tag_is_named() {
    use assent_engine::config::{AuthSource, language_tag};
    let with = |kind: &str, more: &str| {
        let name = format!("name = \"{kind}\"\n");
        with_codes("\"staff-push\"", "").replace(&name, &format!("{name}{more}\n"))
    };
    let config = load_str(
        "agentd.toml",
        &with("sms", "language_attribute = \"preferredLanguage\"\nlanguage = \"tr\""),
    )
    .unwrap();
    let corp = config
        .auth_indices()
        .map(|index| config.auth_profile(index))
        .find(|profile| profile.name() == "corp");
    let AuthSource::Ldap(corp) = &corp.unwrap().source else {
        panic!("corp is LDAP");
    };
    assert!(
        corp.attributes.iter().any(|name| name == "preferredLanguage"),
        "it is read: {:?}",
        corp.attributes
    );
    assert!(problems(&with("mail", "language = \"tr_TR.UTF-8\"")).contains("is no language"));
    let spoken = with("totp", "language = \"de\"\nlanguage_attribute = \"preferredLanguage\"");
    load_str("agentd.toml", &spoken).unwrap();
    for (said, tag) in [
        ("de", Some("de")),
        ("de, en-gb;q=0.8, en;q=0.7", Some("de")),
        (" tr-TR ;q=1", Some("tr-TR")),
        ("", None),
        ("*", None),
        ("\u{202e}tr", None),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", None),
    ] {
        assert_eq!(language_tag(said), tag, "{said}");
    }
}

#[test]
fn the_floor_is_the_weakest_method_listed_and_nothing_weaker_is_led_to() {
    use assent_engine::config::{Failure, Strength};
    let floor = |factors: &str, more: &str| {
        let config = load_str("agentd.toml", &with_codes(factors, more)).unwrap();
        config.application("sshd").unwrap().floor
    };
    assert_eq!(floor("\"staff-push\"", ""), Strength::Tap);
    assert_eq!(floor("\"staff-push\", \"totp\"", ""), Strength::Code);
    assert_eq!(floor("\"staff-push\", \"sms\"", ""), Strength::Sms);
    assert_eq!(floor("\"mail\", \"totp\"", ""), Strength::Mail);
    assert_eq!(floor("\"staff-push\"", "floor = \"number\""), Strength::Number);
    assert_eq!(floor("\"staff-push\"", "floor = \"recovery\""), Strength::Code);
    for (factors, more, expected) in [
        (
            "\"staff-push\", \"sms\"",
            "floor = \"totp\"",
            "lists \"sms\", which is weaker than its floor = \"totp\"",
        ),
        ("\"totp\"", "floor = \"tap\"", "weaker than its floor = \"tap\""),
        (
            "\"staff-push\"",
            "on_failure = { gateway = [\"totp\"] }",
            "weaker than the application's floor (tap)",
        ),
        (
            "\"staff-push\"",
            "floor = \"totp\"\non_failure = { not_enrolled = [\"sms\"] }",
            "weaker than the application's floor (totp)",
        ),
        (
            "\"staff-push\"",
            "floor = \"sms\"\non_failure = { rain = [\"sms\"] }",
            "on_failure names \"rain\", which is no failure",
        ),
        (
            "\"staff-push\"",
            "floor = \"sms\"\non_failure = { gateway = [\"corp\"] }",
            "which is no method profile",
        ),
    ] {
        let said = problems(&with_codes(factors, more));
        assert!(said.contains(expected), "{more}: {said}");
    }
    let led = "floor = \"sms\"\non_failure = { gateway = [\"totp\", \"recovery\"], not_enrolled = [] }";
    let config = load_str("agentd.toml", &with_codes("\"staff-push\"", led)).unwrap();
    let routes = &config.application("sshd").unwrap().routes;
    let names = |failure| -> Vec<&str> {
        let led = routes.of(failure).iter();
        led.map(|method| config.method(*method).name.as_str()).collect()
    };
    assert_eq!(names(Failure::Gateway), ["totp", "recovery"]);
    assert_eq!(names(Failure::NotEnrolled), [""; 0]);
    assert_eq!(names(Failure::NoAnswer), [""; 0]);
}

#[test]
fn r12_sms_is_said_to_be_restricted_and_mail_is_no_factor_where_nist_is_asked_for() {
    let warned = |factors: &str, more: &str| {
        let config = load_str("agentd.toml", &with_codes(factors, more)).unwrap();
        let warnings = config.warnings.iter().map(ToString::to_string);
        warnings.collect::<Vec<_>>().join("\n")
    };
    assert!(warned("\"staff-push\", \"sms\"", "").contains("restricted authenticator (NIST SP 800-63B-4)"));
    assert!(!warned("\"staff-push\", \"totp\"", "").contains("restricted"));
    let blocks = "floor = \"sms\"\non_failure = { gateway = [\"sms\"] }";
    assert!(warned("\"staff-push\"", blocks).contains("whoever blocks the network (gateway) chooses \"sms\""));
    let chosen = "floor = \"sms\"\non_failure = { not_enrolled = [\"sms\"] }";
    assert!(!warned("\"staff-push\"", chosen).contains("whoever blocks"));
    let nist = with_codes("\"staff-push\", \"mail\"", "").replace("assurance = \"tap\"", "nist = true");
    assert!(problems(&nist).contains("mail is no factor there"));
}

#[test]
fn a_code_profile_has_its_own_bounds_and_needs_a_gateway() {
    for (from, to, expected) in [
        ("name = \"sms\"", "name = \"sms\"\nttl_seconds = 29", "out of bounds"),
        ("name = \"sms\"", "name = \"sms\"\nttl_seconds = 601", "out of bounds"),
        (
            "name = \"totp\"",
            "name = \"totp\"\naddress_attribute = \"mobile\"",
            "nothing is sent to \"totp\"'s users",
        ),
        (
            "[gateway]\nurl = \"https://push.example.org/\"",
            "",
            "there are method profiles but no [gateway]",
        ),
    ] {
        let text = with_codes("\"staff-push\"", "").replacen(from, to, 1);
        let said = problems(&text);
        assert!(said.contains(expected), "{to}: {said}");
    }
}

#[test]
fn the_documented_example_is_accepted() {
    let config = load_str("agentd.toml", GOOD).unwrap();
    assert_eq!(config.gateway.as_ref().unwrap().url, "https://push.example.org");
    let app = config.application("sshd").unwrap();
    assert_eq!(app.factors[0], Factor::Stack);
    assert!(config.application("sudo").is_none());
}

#[test]
fn every_breach_of_a_rule_is_named_with_its_line_and_mend() {
    for (from, to, expected) in [
        (
            "fallback_auth_profiles = [\"corp\", \"local\"]",
            "fallback_auth_profiles = [\"corp\", \"lokal\"]",
            "there is no authentication profile \"lokal\"",
        ),
        (
            "auth_profile = \"corp\"",
            "auth_profile = \"other\"",
            "there is no authentication profile \"other\"",
        ),
        (
            "[\"corp\", \"local\"]",
            "[\"local\"]",
            "none of \"staff-push\"'s fallback_auth_profiles",
        ),
        ("name = \"local\"", "name = \"corp\"", "used twice"),
        ("name = \"ssh\"", "name = \"corp\"", "used twice"),
        ("assurance = \"tap\"", "assurance = \"none\"", "not known"),
        (
            "name = \"ssh\"",
            "name = \"ssh\"\nfloor = \"anything\"",
            "floor = \"anything\" is not known",
        ),
        (
            "name = \"ssh\"",
            "name = \"ssh\"\nssh_prompt = \"maybe\"",
            "ssh_prompt = \"maybe\" is not known",
        ),
        (
            "[[auth_profile]]",
            "[known_networks]\noffice = [\"10.0.0.1/8\"]\n\n[[auth_profile]]",
            "address inside a network",
        ),
        (
            "[[auth_profile]]",
            "[known_networks]\noffice = []\n\n[[auth_profile]]",
            "known network \"office\" is empty",
        ),
        (
            "[[auth_profile]]",
            "[location]\ndatabase = \"places.mmdb\"\n\n[[auth_profile]]",
            "no absolute path",
        ),
        (
            "assurance = \"tap\"",
            "assurance = \"tap\"\nttl_seconds = 601",
            "out of bounds",
        ),
        (
            "url = \"https://push.example.org/\"",
            "url = \"http://push.example.org\"",
            "is not https",
        ),
        (
            "url = \"https://push.example.org/\"",
            "url = \"https://push.example.org/\"\ncodes_url = \"http://panel.example.org\"",
            "codes_url \"http://panel.example.org\" is not https",
        ),
        (
            "url = \"https://push.example.org/\"",
            "url = \"https://push.example.org/\"\ncodes_url = \"https://push.example.org\"",
            "codes_url is the gateway's url",
        ),
        (
            "url = \"https://push.example.org/\"",
            "url = \"http://127.0.0.1.evil.org\"",
            "is not https",
        ),
        (
            "url = \"https://push.example.org/\"",
            "url = \"http://127.0.0.1@evil.org\"",
            "is not https",
        ),
        (
            "regex = [\"cn=(ops|dev),.*\"]",
            "regex = [\"cn=(ops\"]",
            "regular expression",
        ),
        (
            "values = [\"cn=it,*\"]\nregex = [\"cn=(ops|dev),.*\"]",
            "",
            "names no values",
        ),
        (
            "[[\"stack\"], [\"staff-push\"]]",
            "[[\"stack\"]]",
            "would admit everyone",
        ),
        ("[[\"stack\"], [\"staff-push\"]]", "[]", "has no factors"),
        (
            "[[\"stack\"], [\"staff-push\"]]",
            "[[\"corp\", \"staff-push\"]]",
            "mixes",
        ),
        (
            "[[\"stack\"], [\"staff-push\"]]",
            "[[\"stack\", \"staff-push\"]]",
            "no profile",
        ),
        ("[[\"stack\"], [\"staff-push\"]]", "[[\"ssh\"]]", "no profile"),
        ("services = [\"sshd\"]", "services = []", "lists no services"),
        (
            "kind = \"local\"",
            "kind = \"locale\"",
            "kind = \"locale\" is not known",
        ),
        (
            "kind = \"local\"",
            "kind = \"local\"\nbase = \"dc=x\"",
            "keys of an LDAP one",
        ),
        ("realm = \"example.org\"\n", "", "needs a realm"),
        ("bind_dn = \"cn=assent,dc=example,dc=org\"\n", "", "no bind_dn"),
        (
            "bind_password_credential = \"corp-ldap\"",
            "bind_password_credential = \"../x\"",
            "cannot be used",
        ),
        (
            "base = \"dc=example,dc=org\"",
            "base = \"dc=example,dc=org\"\nstarttls = false",
            "unprotected",
        ),
        (
            "base = \"dc=example,dc=org\"",
            "base = \"dc=example,dc=org\"\nstarttls = false\nplain_loopback = true",
            "unprotected",
        ),
        ("[gateway]\nurl = \"https://push.example.org/\"", "", "no [gateway]"),
        (
            "name = \"ssh\"",
            "name = \"ssh\"\nzzqq = 1",
            "unknown key \"zzqq\"\n    mend: known are: name, services",
        ),
        (
            "name = \"ssh\"",
            "name = \"ssh\"\nfactor = []",
            "unknown key \"factor\"\n    mend: \"factors\" is meant?",
        ),
        (
            "[[application]]",
            "[[aplication]]",
            "unknown key \"aplication\"\n    mend: \"application\" is meant?",
        ),
        (
            "case = \"ignore\"",
            "when = { day = [\"mon\"] }",
            "unknown key \"day\"\n    mend: \"days\" is meant?",
        ),
        (
            "case = \"ignore\"",
            "when = { days = [\"monday\"] }",
            "\"monday\" is no day",
        ),
        (
            "case = \"ignore\"",
            "when = { from = \"8\" }",
            "from = \"8\" is no time of day",
        ),
        (
            "case = \"ignore\"",
            "when = { until = \"T0800\" }",
            "until = \"T0800\" is no time of day",
        ),
        (
            "case = \"ignore\"",
            "when = { zone = \"Mars/Base\" }",
            "time zone \"Mars/Base\" is not known",
        ),
        (
            "case = \"ignore\"",
            "networks = [\"10.0.0.1/8\"]",
            "write \"10.0.0.0/8\" for the network",
        ),
        ("case = \"ignore\"", "networks = [\"home\"]", "\"home\" is no network"),
        ("attribute = \"memberOf\"\n", "", "names values of no attribute"),
        (
            "name = \"ssh\"",
            "name = \"ssh\"\nsubject = \"me\"",
            "subject = \"me\" is not known",
        ),
    ] {
        let found = problems(&changed(from, to));
        assert!(found.contains(expected), "{to}\n-> {found}");
        assert!(found.starts_with("agentd.toml:"), "{found}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let text = changed("assurance = \"tap\"", "assurance = \"tapp\"").replace("kind = \"local\"", "kind = \"lokal\"");
    let found = problems(&text);
    assert!(found.contains("tapp") && found.contains("lokal"), "{found}");
}

#[test]
fn unknown_keys_wrong_values_and_broken_lines_come_at_once_each_with_its_line() {
    let text = changed("assurance = \"tap\"", "assurence = \"tap\"\nassurance = \"tapp\"").replace("realm", "relm");
    let found = problems(&text);
    for part in [
        "agentd.toml:8: unknown key \"relm\"\n    mend: \"realm\" is meant?",
        "unknown key \"assurence\"",
        "tapp",
        "needs a realm",
    ] {
        assert!(found.contains(part), "{part} in\n{found}");
    }
    let broken = problems("a = \nb = [\n[gateway\n");
    assert!(broken.matches("agentd.toml:").count() >= 2, "{broken}");
    let typed = problems(&changed("services = [\"sshd\"]", "services = \"sshd\""));
    assert!(typed.contains("expected a sequence"), "{typed}");
}

#[test]
fn structured_lines_need_a_number_that_is_the_admins_own() {
    let log = |lines: &str| format!("{GOOD}\n[log]\n{lines}\n");
    let format = |lines: &str| load_str("agentd.toml", &log(lines)).unwrap().log.format;
    assert_eq!(format(""), LogFormat::Auto);
    assert_eq!(format("format = \"auto\""), LogFormat::Auto);
    assert_eq!(format("format = \"rfc3164\""), LogFormat::Plain);
    let structured = LogFormat::Structured { enterprise: 99_999 };
    assert_eq!(format("format = \"rfc5424\"\nenterprise = 99999"), structured);
    for (lines, why) in [
        (
            "format = \"rfc5424\"",
            "needs your organisation's private enterprise number",
        ),
        ("format = \"rfc5424\"\nenterprise = 32473", "belongs to nobody"),
        ("format = \"rfc5424\"\nenterprise = 0", "belongs to nobody"),
        ("enterprise = 99999", "not asked for here"),
        ("format = \"rfc3164\"\nenterprise = 99999", "not asked for here"),
        ("format = \"json\"", "format = \"json\" is not known"),
    ] {
        let said = problems(&log(lines));
        assert!(said.contains(why), "{lines}: {said}");
        assert_eq!(said.matches("agentd.toml:").count(), 1, "{said}");
    }
}

#[test]
fn the_manuals_reference_is_what_the_program_knows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/agentd.md");
    let manual = std::fs::read_to_string(file).unwrap();
    assert!(
        manual.ends_with(&reference()),
        "run: cargo run -p assent-engine --example reference"
    );
}

#[test]
fn the_manual_page_names_every_key() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/man/agentd.toml.5");
    let page = std::fs::read_to_string(file).unwrap();
    let named: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".It Cm ").or_else(|| line.strip_prefix(".Cm ")))
        .flat_map(str::split_whitespace)
        .collect();
    let reference = reference();
    let keys: Vec<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert!(keys.len() > 40, "{keys:?}");
    let missing: Vec<&&str> = keys.iter().filter(|key| !named.contains(key)).collect();
    assert!(missing.is_empty(), "agentd.toml(5) lacks {missing:?}");
}

#[test]
fn plain_ldap_is_for_loopback_by_explicit_choice_alone() {
    let plain = |uri: &str, choice: &str| {
        changed(
            "uris = [\"ldaps://ldap1.example.org\", \"ldap://ldap2.example.org\"]",
            &format!("uris = [\"{uri}\"]\nstarttls = false\n{choice}"),
        )
    };
    assert!(load_str("x", &plain("ldap://127.0.0.1:389", "plain_loopback = true")).is_ok());
    assert!(load_str("x", &plain("ldap://[::1]:389", "plain_loopback = true")).is_ok());
    for bad in [
        plain("ldap://127.0.0.1:389", ""),
        plain("ldap://localhost:389", "plain_loopback = true"),
        plain("ldap://10.0.0.1", "plain_loopback = true"),
    ] {
        assert!(problems(&bad).contains("unprotected"));
    }
}

#[test]
fn r56_files_that_others_may_change_are_refused_and_drop_ins_are_read_in_byte_order() {
    let dir = std::env::temp_dir().join(format!("assent-config-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("agentd.toml.d")).unwrap();
    let main = dir.join("agentd.toml");
    std::fs::write(&main, GOOD).unwrap();
    std::fs::set_permissions(&main, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (name, url) in [
        ("20-b.toml", "https://two.example.org"),
        ("10-a.toml", "https://one.example.org"),
    ] {
        let path = dir.join("agentd.toml.d").join(name);
        std::fs::write(&path, format!("[gateway]\nurl = \"{url}\"\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    assert_eq!(load(&main).unwrap().gateway.unwrap().url, "https://two.example.org");
    for mode in [0o666, 0o664, 0o646] {
        std::fs::set_permissions(&main, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = load(&main).unwrap_err().to_string();
        assert!(
            error.contains("others may change it") && error.contains("chmod"),
            "{error}"
        );
    }
    let error = load(&dir.join("absent.toml")).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The panel's file, whose other keys are the gateway's affair.
fn of_another_program(text: &str) -> Result<Vec<AuthProfile>, String> {
    let text = format!("listen = 1\n[panel]\nx = true\n{text}");
    load_auth_profiles(Path::new("g.toml"), &text, "other.service").map_err(|problems| problems.to_string())
}

#[test]
fn profiles_in_another_programs_file_obey_the_same_rules_and_have_that_services_credentials() {
    let profiles = &GOOD[GOOD.find("[[auth_profile]]").unwrap()..GOOD.find("[[push_profile]]").unwrap()];
    let read = of_another_program(profiles).unwrap();
    assert_eq!(
        read.iter().map(AuthProfile::name).collect::<Vec<_>>(),
        ["corp", "local"]
    );
    let AuthSource::Ldap(corp) = &read[0].source else {
        panic!("corp is LDAP");
    };
    let file = corp.service.as_ref().unwrap().password_file().unwrap();
    assert_eq!(file, Path::new("/run/credentials/other.service/corp-ldap"));
    assert_eq!(of_another_program("").unwrap(), []);
    for (from, to, said) in [
        (
            "ldaps://",
            "http://",
            "g.toml:4: the uri \"http://ldap1.example.org\" is not known",
        ),
        (
            "\"local\"\n",
            "\"corp\"\n",
            "g.toml:13: the name \"corp\" is used twice",
        ),
        ("base = ", "basse = ", "g.toml:9: unknown field `basse`"),
    ] {
        let problems = of_another_program(&profiles.replacen(from, to, 1)).unwrap_err();
        assert!(problems.starts_with(said), "{problems}");
    }
}

/// What the directory would refuse makes the whole profile unreachable: every login that asks it is denied.
#[test]
fn r61_a_policys_attribute_must_be_one_that_ldap_can_have() {
    for bad in ["group_name", "depart ment", "cn)(uid=*", "abteilung_ü"] {
        let text = changed("attribute = \"memberOf\"", &format!("attribute = \"{bad}\""));
        let found = problems(&text);
        assert!(
            found.contains("is no LDAP attribute") && found.contains("mend: "),
            "{found}"
        );
    }
}

/// A bad configuration is never loaded in part; a large one neither.
#[test]
fn a_file_that_is_too_large_is_refused_and_not_cut() {
    let dir = std::env::temp_dir().join(format!("assent-config-large-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("agentd.toml");
    let room = " ".repeat(4 * 1024 * 1024 - GOOD.len());
    std::fs::write(&file, format!("{GOOD}{room}\nnonsense = [\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let loaded = load(&file);
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(loaded.is_err(), "what stands behind 4 MiB was not read");
}

/// A configuration with one drop-in, in a directory of its own.
fn with_drop_in(name: &str) -> (PathBuf, PathBuf) {
    let dir = std::env::temp_dir().join(format!("assent-config-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let drop_ins = dir.join("agentd.toml.d");
    std::fs::create_dir_all(&drop_ins).unwrap();
    std::fs::set_permissions(&drop_ins, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (file, text) in [
        (dir.join("agentd.toml"), GOOD),
        (drop_ins.join("10.toml"), "unlisted = \"deny\"\n"),
    ] {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    (dir.join("agentd.toml"), drop_ins)
}

/// Nobody writes into it, so whoever waited would wait for ever.
#[test]
fn r39_a_drop_in_that_is_no_regular_file_is_refused_without_waiting() {
    let (file, drop_ins) = with_drop_in("fifo");
    load(&file).unwrap();
    let fifo = drop_ins.join("20.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let found = load(&file).unwrap_err().to_string();
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert!(
        found.contains("20.toml: it is no regular file") && found.contains("mend: "),
        "{found}"
    );
}

/// Whoever may add a drop-in may add a policy.
#[test]
fn r56_a_directory_of_drop_ins_that_others_may_write_is_refused() {
    let (file, drop_ins) = with_drop_in("open");
    load(&file).unwrap();
    for mode in [0o777, 0o775, 0o757, 0o1777] {
        std::fs::set_permissions(&drop_ins, std::fs::Permissions::from_mode(mode)).unwrap();
        let found = load(&file).unwrap_err().to_string();
        assert!(
            found.contains("agentd.toml.d: others may change it") && found.contains("chmod go-w"),
            "{found}"
        );
    }
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
}

#[test]
fn every_value_of_a_wrong_type_is_told_at_once() {
    let text = changed("assurance = \"tap\"", "assurance = 3")
        .replacen("services = [\"sshd\"]", "services = \"sshd\"", 1)
        .replacen("values = [\"cn=it,*\"]", "values = \"cn=it,*\"", 1);
    let found = problems(&text);
    assert_eq!(found.matches("invalid type").count(), 3, "{found}");
}

/// What cannot be read is there all the same: nobody is told that it is absent.
#[test]
fn a_wrong_type_says_nothing_false_of_what_refers_to_it() {
    let wrong = |from: &str, to: &str| problems(&changed(from, to));
    for (from, to) in [
        ("realm = \"example.org\"", "realm = 3"),
        ("assurance = \"tap\"", "assurance = 3"),
        ("url = \"https://push.example.org/\"", "url = 3"),
        ("name = \"corp\"", "name = 3"),
        ("name = \"staff-push\"", "name = 3"),
        ("services = [\"sshd\"]", "services = 3"),
        ("case = \"ignore\"", "when = { from = 8 }"),
    ] {
        let found = wrong(from, to);
        assert_eq!(found.matches("agentd.toml:").count(), 1, "{found}");
        assert!(found.contains("invalid type"), "{found}");
    }
    // In one table, in a list and in a table inside, each with its line.
    let found = wrong(
        "case = \"ignore\"",
        "case = 1\nservices = [2, 3]\nwhen = { from = 4, until = 5 }",
    );
    assert_eq!(found.matches("invalid type").count(), 5, "{found}");
    assert_eq!(found.matches("agentd.toml:31: invalid").count(), 2, "{found}");
    // Beside it, what is wrong for itself is told.
    let found = problems(&changed("realm = \"example.org\"", "realm = 3").replacen("\"tap\"", "\"tapp\"", 1));
    assert!(found.contains("invalid type") && found.contains("tapp"), "{found}");
    // One pair of brackets where there should be two, and the other way round.
    let found = wrong("[[application]]", "[application]");
    assert!(found.contains("mend: write [[application]]"), "{found}");
    let found = wrong("[gateway]", "[[gateway]]");
    assert!(found.contains("mend: write [gateway]"), "{found}");
    assert_eq!(found.matches("agentd.toml:").count(), 1, "{found}");
}

/// A file that cannot be read may hold the profiles that another refers to.
#[test]
fn a_broken_file_says_nothing_false_of_a_drop_in() {
    let (file, drop_ins) = with_drop_in("broken");
    std::fs::write(&file, "broken = [\n").unwrap();
    let text = "[[push_profile]]\nname = \"p\"\nfallback_auth_profiles = [\"corp\"]\nassurance = \"tap\"\n";
    std::fs::write(drop_ins.join("10.toml"), text).unwrap();
    let found = load(&file).unwrap_err().to_string();
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert!(!found.contains("10.toml"), "{found}");
}

#[test]
fn every_wrong_value_of_a_policy_is_told_at_once_and_nothing_else() {
    let text = changed("regex = [\"cn=(ops|dev),.*\"]", "regex = [\"(\", \"[\"]");
    let found = problems(&text);
    assert!(found.contains("\"(\"") && found.contains("\"[\""), "{found}");
    assert!(!found.contains("asks for nothing"), "{found}");
}

/// No server can ever be reached by these: a reload must not take them.
#[test]
fn r64_a_uri_that_leads_nowhere_is_refused() {
    for bad in [
        "ldaps://",
        "ldaps://h/dc=x",
        "ldaps://user@h",
        "ldaps://h:99999",
        "ldaps://h:0",
        "ldap://[::1",
        "ldaps://a b",
    ] {
        let text = changed("ldaps://ldap1.example.org", bad);
        assert!(load_str("agentd.toml", &text).is_err(), "{bad}");
    }
}

/// A realm is part of who somebody is: one that cannot be used is refused, not left out.
#[test]
fn r58_a_local_profiles_realm_is_used_or_refused() {
    for bad in [String::new(), "a".repeat(5000)] {
        let text = changed("kind = \"local\"", &format!("kind = \"local\"\nrealm = \"{bad}\""));
        assert!(load_str("agentd.toml", &text).is_err(), "{} bytes", bad.len());
    }
}

/// The address of a login is compared as IPv4, so such a network holds nobody.
#[test]
fn a_network_of_ipv4_addresses_in_ipv6_clothes_is_refused_or_holds_them() {
    for net in ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3"] {
        let text = changed("case = \"ignore\"", &format!("networks = [\"{net}\"]"));
        let Ok(config) = load_str("agentd.toml", &text) else {
            continue;
        };
        let login = Circumstances {
            service: "sshd",
            source: Some("10.1.2.3".parse().unwrap()),
            at: UnixTime(1_795_593_600),
            context: Context::default(),
        };
        assert_eq!(config.policies[0].conditions.unmet(&login), None, "{net}");
    }
}

#[test]
fn enroll_at_login_ends_somewhere_or_is_refused() {
    let office = "\n[known_networks]\noffice = [\"192.0.2.0/24\"]\nall = [\"192.0.2.0/24\", \"::/0\"]\n";
    let with = |factors: &str, more: &str| {
        let factors = format!("factors = {factors}\n{more}");
        changed("factors = [[\"stack\"], [\"staff-push\"]]", &factors) + office
    };
    let password = "[[\"corp\"], [\"staff-push\"]]";
    let warnings = |text: &str| -> Vec<String> {
        let config = load_str("agentd.toml", text).unwrap();
        let all = config.warnings.iter().map(ToString::to_string);
        all.filter(|warning| warning.contains("enroll_at_login")).collect()
    };
    for rule in [
        "{ until = \"2027-01-31\" }",
        "{ from = [\"office\"] }",
        "{ until = \"2027-01-31\", from = [\"office\"] }",
        "{ until = \"2027-01-31\", from = [\"all\"] }",
    ] {
        let text = with(password, &format!("enroll_at_login = {rule}"));
        let config = load_str("agentd.toml", &text).unwrap();
        assert!(config.applications[0].enroll.is_some(), "{rule}");
    }
    let off = load_str("agentd.toml", &with(password, "")).unwrap();
    assert_eq!(off.applications[0].enroll, None, "off by default");
    for (factors, rule, part) in [
        (password, "{}", "for ever, from every address"),
        (password, "{ from = [] }", "for ever, from every address"),
        (password, "{ from = [\"all\"] }", "for ever, from every address"),
        (password, "{ from = [\"home\"] }", "none of [known_networks]"),
        (password, "{ until = \"soon\" }", "which is no day"),
        (password, "{ until = \"2027-01-31\", to = 1 }", "to"),
        (
            "[[\"staff-push\"]]",
            "{ until = \"2027-01-31\" }",
            "no factor before the phone",
        ),
        ("[[\"corp\"]]", "{ until = \"2027-01-31\" }", "lists no push profile"),
        (
            password,
            "{ until = \"2027-01-31\" }\nsubject = \"caller\"",
            "subject = \"caller\"",
        ),
    ] {
        let said = problems(&with(factors, &format!("enroll_at_login = {rule}")));
        assert!(said.contains(part), "{rule}: {said}");
    }
    let near = warnings(&with(password, "enroll_at_login = { until = \"2026-01-31\" }"));
    assert!(near.is_empty(), "{near:?}");
    let far = warnings(&with(password, "enroll_at_login = { until = \"9999-12-31\" }"));
    assert!(
        far.len() == 1 && far[0].contains("open to every address until 9999-12-31"),
        "{far:?}"
    );
    let office = warnings(&with(
        password,
        "enroll_at_login = { until = \"9999-12-31\", from = [\"office\"] }",
    ));
    assert!(office.is_empty(), "{office:?}");
    let stack = warnings(&with(
        "[[\"stack\"], [\"staff-push\"]]",
        "enroll_at_login = { until = \"2026-01-31\" }",
    ));
    assert!(
        stack.len() == 1 && stack[0].contains("come with a key alone"),
        "{stack:?}"
    );
}
