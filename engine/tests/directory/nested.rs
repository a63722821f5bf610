//! Groups in groups on slapd, which works nothing out itself, and 50,000 users.

use crate::rig::*;
use assent_engine::config::profile::{LdapProfile, Nesting};
use assent_engine::directory::ldap::LdapDirectory;
use assent_engine::directory::{Cut, Directory, Lookup, PasswordCheck, ValueLimits, Wait};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const GROUPS: &str = "ou=groups,dc=lab,dc=test";

fn dn(name: &str) -> String {
    format!("cn={name},{GROUPS}")
}

fn member(name: &str) -> String {
    format!("cn={name},{BASE}")
}

fn group(name: &str, members: &[String]) -> String {
    let mut ldif = format!("dn: {}\nobjectClass: groupOfNames\ncn: {name}\n", dn(name));
    for member in members {
        let _ = writeln!(ldif, "member: {member}");
    }
    ldif.push('\n');
    ldif
}

fn unit() -> String {
    format!("dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups\n\n")
}

fn someone(name: &str) -> String {
    person(name, BASE, &format!("userPassword: {name}pw\n"))
}

fn with(slapd: &Slapd, change: impl FnOnce(&mut LdapProfile)) -> LdapDirectory {
    let toml = format!(
        "preset = \"openldap\"\nuris = [\"ldap://localhost:{}\"]\nbase = \"{BASE}\"\nbind_dn = \"{SERVICE}\"\n\
         bind_password_file = \"{dir}/service-password\"\nca_file = \"{dir}/ca.pem\"\n",
        slapd.port,
        dir = slapd.dir.0.display()
    );
    let mut profile = profile_of(&toml, &["mail", "memberOf"]);
    change(&mut profile);
    directory(profile)
}

async fn groups(directory: &LdapDirectory, name: &str) -> Vec<String> {
    let mut names = values(&found(directory.look_up(&user(name), Wait::Whole).await), "memberOf");
    names.sort();
    names
}

#[tokio::test]
async fn r66_groups_of_groups_are_found_level_by_level_and_a_loop_ends() {
    let unique = format!(
        "dn: {}\nobjectClass: groupOfUniqueNames\ncn: unique\nuniqueMember: {}\n\n",
        dn("unique"),
        dn("tech")
    );
    let odd = dn(r"a\2c b \28*\29");
    let people = [
        someone("alice"),
        someone("bob"),
        unit(),
        group("eng", &[member("alice")]),
        group("tech", &[dn("eng"), dn("round")]),
        group("round", &[dn("tech")]),
        group("all", &[dn("unique")]),
        group("other", &[member("bob")]),
        group("self", &[dn("self"), member("bob")]),
        unique,
        format!(
            "dn: {odd}\nobjectClass: groupOfNames\ncn: a, b (*)\nmember: {}\n\n",
            dn("all")
        ),
        group("last", std::slice::from_ref(&odd)),
    ];
    let slapd = Slapd::with(&people.concat(), true);
    let walk = with(&slapd, |_| ());
    let alice = groups(&walk, "alice").await;
    let mut expected: Vec<String> = ["eng", "tech", "round", "unique", "all", "last"].map(dn).to_vec();
    expected.push(
        alice
            .iter()
            .find(|name| name.contains("a\\2C b") || name.contains("a\\, b"))
            .unwrap()
            .clone(),
    );
    expected.sort();
    assert_eq!(alice, expected);
    assert_eq!(groups(&walk, "bob").await, [dn("other"), dn("self")]);
    let PasswordCheck::Passed(person) = check(&walk, "alice", "alicepw").await else {
        panic!("refused");
    };
    assert_eq!(values(&person, "memberOf").len(), 7);
    // Without nested groups it is what the entry has: `slapadd` ran no overlay here.
    let flat = with(&slapd, |profile| profile.nesting = Nesting::Off);
    assert!(groups(&flat, "alice").await.is_empty());
    // Where no policy looks at groups, none are searched for.
    let mark = slapd.log().len();
    let none = with(&slapd, |profile| profile.attributes = vec!["mail".to_owned()]);
    found(none.look_up(&user("alice"), Wait::Whole).await);
    assert!(!slapd.log()[mark..].contains("(member="));
}

#[tokio::test]
async fn r66_groups_too_deep_or_too_many_are_not_told_rather_than_cut() {
    let mut people = [someone("deep"), someone("shallow"), someone("many"), unit()].concat();
    people += &group("d0", &[member("deep")]);
    people += &group("s0", &[member("shallow")]);
    for at in 1..30 {
        people += &group(&format!("d{at}"), &[dn(&format!("d{}", at - 1))]);
    }
    for at in 1..15 {
        people += &group(&format!("s{at}"), &[dn(&format!("s{}", at - 1))]);
    }
    for at in 0..1001 {
        people += &group(&format!("m{at}"), &[member("many")]);
    }
    let mut slapd = Slapd::with(&people, true);
    let walk = with(&slapd, |_| ());
    assert_eq!(groups(&walk, "shallow").await.len(), 15);
    let deep = why(walk.look_up(&user("deep"), Wait::Whole).await);
    assert!(deep.contains("nested more than 16 deep"), "{deep}");
    // slapd's own limit of 500 entries comes first; a list that it cut is none.
    let many = why(walk.look_up(&user("many"), Wait::Whole).await);
    assert!(many.contains("result 4"), "{many}");
    assert!(matches!(
        check(&walk, "many", "manypw").await,
        PasswordCheck::Unreachable(_)
    ));
    // It says nothing of the server, which goes on for others on the same connection.
    assert_eq!(groups(&walk, "shallow").await.len(), 15);
    let log = slapd.log();
    assert_eq!(log.matches(&format!(" BIND dn=\"{SERVICE}\" method=128")).count(), 1);
    slapd.lift_limits();
    let many = why(walk.look_up(&user("many"), Wait::Whole).await);
    assert!(many.contains("more than 1000 groups"), "{many}");
    assert_eq!(groups(&walk, "shallow").await.len(), 15);
    let log = slapd.log();
    assert_eq!(
        log.matches(&format!(" BIND dn=\"{SERVICE}\" method=128")).count(),
        2,
        "one restart"
    );
    let nowhere = with(&slapd, |profile| {
        profile.groups.base = "ou=nowhere,dc=lab,dc=test".to_owned();
    });
    let text = why(nowhere.look_up(&user("shallow"), Wait::Whole).await);
    assert!(text.contains("search for groups: result 32"), "{text}");
}

#[tokio::test]
async fn fifty_thousand_users_and_a_group_of_all_do_not_slow_a_login_and_values_are_counted_page_by_page() {
    let count = 50_000;
    let mut people = unit();
    for at in 0..count {
        let _ = writeln!(
            people,
            "dn: cn=u{at},{BASE}\nobjectClass: inetOrgPerson\nuid: u{at}\ncn: u{at}\nsn: u\ndepartmentNumber: D{}\n\
             userPassword: u{at}pw\n",
            at % 7
        );
    }
    let everyone: Vec<String> = (0..count).map(|at| member(&format!("u{at}"))).collect();
    people += &group("everyone", &everyone);
    people += &group("company", &[dn("everyone")]);
    let mut slapd = Slapd::with(&people, true);
    let walk = with(&slapd, |_| ());
    found(walk.look_up(&user("u1"), Wait::Whole).await);
    let start = Instant::now();
    assert_eq!(groups(&walk, "u49999").await, [dn("company"), dn("everyone")]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(matches!(check(&walk, "u777", "u777pw").await, PasswordCheck::Passed(_)));
    assert_eq!(walk.look_up(&user("u50000"), Wait::Whole).await, Lookup::Unknown);
    let directory = Directory::Ldap(walk);
    // By slapd's default no more than 500 entries come, however they are paged: it is told.
    let limited = directory
        .values("departmentNumber", ValueLimits::default())
        .await
        .unwrap();
    assert!(matches!(limited.cut, Some(Cut::Server(_))), "{limited:?}");
    assert!(limited.values.len() == 7 && limited.entries >= 400, "{limited:?}");
    slapd.lift_limits();
    let all = directory
        .values("departmentNumber", ValueLimits::default())
        .await
        .unwrap();
    assert_eq!((all.entries, all.cut, all.values.len()), (count, None, 7));
    assert_eq!(all.values.iter().map(|(_, users)| users).sum::<usize>(), count);
    assert!(slapd.log().contains("SEARCH RESULT tag=101 err=0"));
    // Every bound is told.
    let limits = |entries, values, millis| ValueLimits {
        entries,
        values,
        time: Duration::from_millis(millis),
    };
    for (limits, cut) in [
        (limits(1000, 100_000, 30_000), Cut::Entries),
        (limits(100_000, 10, 30_000), Cut::Values),
        (limits(100_000, 100_000, 50), Cut::Time),
    ] {
        let counted = directory.values("uid", limits).await.unwrap();
        assert_eq!(counted.cut, Some(cut));
        assert!(counted.values.len() <= limits.values && counted.entries <= limits.entries);
    }
    assert!(directory.values("mail)(uid=*", ValueLimits::default()).await.is_err());
    let none = directory.values("employeeType", ValueLimits::default()).await.unwrap();
    assert_eq!((none.values.len(), none.cut), (0, None));
}
