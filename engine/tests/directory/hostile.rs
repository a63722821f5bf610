//! Directories that mean harm, or keep the rules badly.

use crate::fake::{self, Fake};
use crate::rig::*;
use assent_engine::config::profile::{LdapProfile, LdapSecurity, Nesting};
use assent_engine::directory::ldap::{LdapDirectory, tls_config};
use assent_engine::directory::{Account, Lookup, PasswordCheck, Wait};
use std::time::Duration;

const ID: &[u8] = b"597ae2f6-16a6-1027-98f4-d28b5365dc14";

/// A profile without protection or service account, on a stand-in.
fn on(fake: &Fake) -> LdapDirectory {
    with(fake, |_| ())
}

fn with(fake: &Fake, change: impl FnOnce(&mut LdapProfile)) -> LdapDirectory {
    let dir = Dir::new();
    certificates(&dir.0);
    let mut profile = LdapProfile {
        servers: vec![server(
            &format!("ldap://127.0.0.1:{}", fake.port),
            LdapSecurity::PlainLoopback,
        )],
        nesting: Nesting::Off,
        timeout: Duration::from_secs(2),
        ..plain_profile()
    };
    change(&mut profile);
    LdapDirectory::new(profile, tls_config(Some(&dir.0.join("ca.pem"))).unwrap())
}

fn entry(dn: &str) -> Vec<u8> {
    fake::entry(dn, &[("entryUUID", &[ID]), ("uid", &[b"alice"])])
}

fn dn() -> String {
    format!("uid=alice,{BASE}")
}

#[tokio::test]
async fn r63_an_entry_outside_the_base_is_refused_whoever_sends_it() {
    for odd in [
        "uid=alice,ou=elsewhere,dc=lab,dc=test",
        "",
        "uid=alice\\,ou=people\\,dc=lab\\,dc=test",
        "dc=test",
        "rubbish",
    ] {
        let fake = Fake::answering(vec![entry(odd), fake::done(0)], fake::bound(0));
        let directory = on(&fake);
        let text = why(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(text.contains("outside the base"), "{odd}: {text}");
        assert!(
            matches!(check(&directory, "alice", "x").await, PasswordCheck::Unreachable(_)),
            "{odd}"
        );
    }
    let good = Fake::answering(vec![entry(&dn()), fake::done(0)], fake::bound(0));
    assert!(matches!(
        check(&on(&good), "alice", "x").await,
        PasswordCheck::Passed(_)
    ));
}

#[tokio::test]
async fn r63_references_are_never_followed() {
    let elsewhere = Fake::silent();
    let uri = format!("ldap://127.0.0.1:{}/{BASE}", elsewhere.port);
    let reference = fake::reference(&uri);
    // Active Directory sends some after every answer.
    let some = Fake::answering(
        vec![entry(&dn()), reference.clone(), reference.clone(), fake::done(0)],
        fake::bound(0),
    );
    assert!(matches!(
        on(&some).look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    let only = Fake::answering(vec![reference, fake::done(0)], fake::bound(0));
    assert_eq!(on(&only).look_up(&user("alice"), Wait::Whole).await, Lookup::Unknown);
    let referral = Fake::answering(vec![fake::referral(0x65, &uri)], fake::referral(0x61, &uri));
    assert!(why(on(&referral).look_up(&user("alice"), Wait::Whole).await).contains("result 10"));
    let bind = Fake::answering(vec![entry(&dn()), fake::done(0)], fake::referral(0x61, &uri));
    assert!(matches!(
        check(&on(&bind), "alice", "x").await,
        PasswordCheck::Unreachable(_)
    ));
    assert_eq!(elsewhere.callers(), 0);
}

#[tokio::test]
async fn r63_a_server_that_ignores_the_size_limit_is_still_ambiguous() {
    for count in [2, 3, 50] {
        let answers = (0..count)
            .map(|at| entry(&format!("uid=a{at},{BASE}")))
            .chain([fake::done(0)])
            .collect();
        let fake = Fake::answering(answers, fake::bound(0));
        assert_eq!(
            on(&fake).look_up(&user("alice"), Wait::Whole).await,
            Lookup::Ambiguous,
            "{count}"
        );
        assert_eq!(
            check(&on(&fake), "alice", "x").await,
            PasswordCheck::Ambiguous,
            "{count}"
        );
    }
    let limited = Fake::answering(vec![entry("uid=a"), entry("uid=b"), fake::done(4)], fake::bound(0));
    assert_eq!(
        on(&limited).look_up(&user("alice"), Wait::Whole).await,
        Lookup::Ambiguous
    );
    let one = Fake::answering(vec![entry(&dn()), fake::done(4)], fake::bound(0));
    assert!(
        matches!(
            on(&one).look_up(&user("alice"), Wait::Whole).await,
            Lookup::Unreachable(_)
        ),
        "there may be another"
    );
}

#[tokio::test]
async fn r66_attributes_beyond_all_measure_decide_nothing() {
    let group: &[u8] = b"cn=g,dc=lab,dc=test";
    let large = vec![b'x'; 64 * 1024 + 1];
    let huge = vec![b'x'; 10 * 1024 * 1024];
    let with = |values: &[&[u8]]| fake::entry(&dn(), &[("entryUUID", &[ID]), ("memberOf", values)]);
    for (values, expected) in [
        (vec![group; 1001], "1001 values"),
        (vec![large.as_slice()], "a value of memberOf"),
        (vec![huge.as_slice()], "a message of"),
        (vec![group; 100_000], "a message of"),
    ] {
        let fake = Fake::answering(vec![with(&values), fake::done(0)], fake::bound(0));
        let text = why(on(&fake).look_up(&user("alice"), Wait::Whole).await);
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let many = Fake::answering(vec![with(&vec![group; 1000]), fake::done(0)], fake::bound(0));
    assert_eq!(
        values(&found(on(&many).look_up(&user("alice"), Wait::Whole).await), "memberOf").len(),
        1000
    );
}

#[tokio::test]
async fn r63_r66_groups_that_are_none_or_cannot_be_read_are_not_told() {
    // Whatever is asked for, it sends the user.
    let fake = Fake::answering(vec![entry(&dn()), fake::done(0)], fake::bound(0));
    let cases: [(&str, fn(&mut LdapProfile)); 3] = [
        ("outside the base", |profile| {
            profile.nesting = Nesting::Walk;
            profile.groups.base = "ou=groups,dc=lab,dc=test".to_owned();
        }),
        ("Windows Authorization Access Group", |profile| {
            profile.nesting = Nesting::TokenGroups;
        }),
        ("the base of groups is no DN", |profile| {
            profile.nesting = Nesting::Walk;
            profile.groups.base = "nowhere".to_owned();
        }),
    ];
    for (expected, change) in cases {
        let directory = with(&fake, change);
        let text = why(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(text.contains(expected), "{expected}: {text}");
        // The password is right, and yet nothing is told: a policy could go by a shorter list.
        assert!(
            matches!(check(&directory, "alice", "x").await, PasswordCheck::Unreachable(_)),
            "{expected}"
        );
    }
    // Sent as a group again and again, it is one, and the walk ends.
    let walk = with(&fake, |profile| profile.nesting = Nesting::Walk);
    assert_eq!(
        values(&found(walk.look_up(&user("alice"), Wait::Whole).await), "memberOf"),
        [dn()]
    );
}

#[tokio::test]
async fn r88_hostile_messages_end_the_connection_and_nothing_else() {
    let deep = (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| fake::element(0x30, &inner));
    let hostile = [
        fake::element(0x64, &deep),
        fake::element(0x64, b""),
        fake::element(0x64, &fake::element(4, b"\xff")),
        fake::element(0x65, b""),
        fake::element(
            0x65,
            &[
                fake::element(10, &[0]),
                fake::element(4, b"\xff"),
                fake::element(4, b""),
            ]
            .concat(),
        ),
        fake::element(0x45, b"x"),
        fake::element(0x78, b""),
        // An answer to a bind, where a search was asked for: the parser panics on its own thread at most.
        fake::bound(0),
        Vec::new(),
    ];
    for (at, answer) in hostile.into_iter().enumerate() {
        let fake = Fake::answering(vec![answer.clone()], answer);
        let lookup = tokio::time::timeout(Duration::from_secs(6), on(&fake).look_up(&user("alice"), Wait::Whole))
            .await
            .unwrap();
        assert!(matches!(lookup, Lookup::Unreachable(_)), "{at}: {lookup:?}");
    }
    for raw in [
        vec![0x30, 0x84, 0x06, 0, 0, 0],
        vec![0x30, 0x80, 0, 0],
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xff; 100],
    ] {
        let fake = Fake::raw(raw);
        assert!(matches!(
            on(&fake).look_up(&user("alice"), Wait::Whole).await,
            Lookup::Unreachable(_)
        ));
    }
}

#[tokio::test]
async fn r88_a_stream_of_entries_without_an_end_is_cut_off() {
    let fake = Fake::endless(entry(&dn()));
    let directory = on(&fake);
    let lookup = tokio::time::timeout(Duration::from_secs(6), directory.look_up(&user("alice"), Wait::Whole))
        .await
        .unwrap();
    assert!(matches!(lookup, Lookup::Unreachable(_)), "{lookup:?}");
}

#[tokio::test]
async fn a_bind_that_succeeds_but_must_be_followed_by_a_change_is_told() {
    let control = fake::with_control(&fake::bound(0), "2.16.840.1.113730.3.4.4", b"0");
    let fake = Fake::answering(vec![entry(&dn()), fake::done(0)], control);
    let PasswordCheck::Passed(person) = check(&on(&fake), "alice", "x").await else {
        panic!("refused");
    };
    assert_eq!(person.account, Account::MustChangePassword);
}

#[tokio::test]
async fn r65_the_bind_of_a_user_is_the_first_and_only_operation_on_its_connection() {
    let fake = Fake::answering(vec![entry(&dn()), fake::done(0)], fake::bound(49));
    let directory = on(&fake);
    for _ in 0..3 {
        assert_eq!(check(&directory, "alice", "x").await, PasswordCheck::Wrong);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut connections = fake.connections();
    // One that is kept ready for the next bind has said nothing yet.
    connections.retain(|operations| !operations.is_empty());
    connections.sort();
    let (bind, unbind, search) = (0x60, 0x42, 0x63);
    assert_eq!(
        connections,
        [
            vec![bind, unbind],
            vec![bind, unbind],
            vec![bind, unbind],
            vec![search, search, search]
        ]
    );
}

#[tokio::test]
async fn r31_what_is_typed_for_a_user_that_is_unknown_or_ambiguous_is_not_told_to_the_directory() {
    let typed = "s3cret-canary";
    for entries in [vec![], vec![entry("uid=a"), entry("uid=b")]] {
        let answers = entries.into_iter().chain([fake::done(0)]).collect();
        let fake = Fake::answering(answers, fake::bound(49));
        check(&on(&fake), "alice", typed).await;
        assert!(fake.was_told(b"cn=assent-unknown-user,ou=people,dc=lab,dc=test"));
        assert!(!fake.was_told(typed.as_bytes()));
    }
    let fake = Fake::answering(vec![entry(&dn()), fake::done(0)], fake::bound(49));
    assert_eq!(check(&on(&fake), "alice", typed).await, PasswordCheck::Wrong);
    assert!(fake.was_told(typed.as_bytes()));
}

#[tokio::test]
async fn a_warm_connection_that_died_without_a_word_costs_one_hurried_login_and_not_the_next() {
    let fake = Fake::dying_connections(vec![entry(&dn()), fake::done(0)]);
    let directory = with(&fake, |profile| profile.timeout = Duration::from_secs(5));
    let hurried = async || directory.look_up(&user("alice"), Wait::Hurried).await;
    assert!(matches!(hurried().await, Lookup::Found(_)));
    // The server works, and this connection to it does not: that cannot be told from a server that is slow.
    let text = why(hurried().await);
    assert!(text.contains("no answer within 2.5 s"), "{text}");
    assert!(matches!(hurried().await, Lookup::Found(_)));
    assert_eq!(
        fake.connections().iter().filter(|heard| heard.contains(&0x63)).count(),
        3,
        "two of the logins', and a probe"
    );
}

#[tokio::test]
async fn a_hurried_login_that_gives_up_takes_no_answer_from_one_that_waits() {
    let fake = Fake::slow_at_first(vec![entry(&dn()), fake::done(0)], Duration::from_secs(4));
    let directory = std::sync::Arc::new(with(&fake, |profile| profile.timeout = Duration::from_secs(10)));
    let patient = tokio::spawn({
        let directory = directory.clone();
        async move { directory.look_up(&user("alice"), Wait::Whole).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let hurried = async || directory.look_up(&user("alice"), Wait::Hurried).await;
    // It joins the same connection, and gives up; the next one has a connection of its own.
    assert!(why(hurried().await).contains("no answer within 2.5 s"));
    assert!(matches!(hurried().await, Lookup::Found(_)));
    assert!(!patient.is_finished(), "it still waits");
    assert!(matches!(patient.await.unwrap(), Lookup::Found(_)));
}
