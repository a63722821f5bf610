//! Several servers, dead ones, slow ones.

use crate::fake::Fake;
use crate::rig::*;
use assent_engine::config::profile::LdapSecurity;
use assent_engine::directory::ldap::LdapDirectory;
use assent_engine::directory::{HURRIED, Lookup, PasswordCheck, Wait};
use std::time::{Duration, Instant};

fn pair(first: &Slapd, second: &Slapd, timeout: Duration) -> LdapDirectory {
    // Each rig has its own authority: the directory believes both.
    let both = Dir::new();
    let ca = both.0.join("ca.pem");
    let text = [first.ca(), second.ca()]
        .map(|path| std::fs::read_to_string(path).unwrap())
        .concat();
    std::fs::write(&ca, text).unwrap();
    let mut profile = first.profile();
    profile.servers = vec![first.ldap(), second.ldaps()];
    profile.ca_file = Some(ca);
    profile.timeout = timeout;
    directory(profile)
}

#[tokio::test]
async fn when_the_first_server_dies_the_second_answers_and_the_first_is_left_alone_for_a_while() {
    let (mut first, second) = (Slapd::start(), Slapd::start());
    let directory = pair(&first, &second, Duration::from_secs(5));
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
    assert!(!second.log().contains(" BIND "), "the first is preferred");
    first.kill();
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
    assert_eq!(check(&directory, "alice", "wrong").await, PasswordCheck::Wrong);
    first.restart();
    let mark = first.log().len();
    assert!(matches!(
        directory.look_up(&user("bob"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    assert!(!first.log()[mark..].contains(" SRCH "), "it rests");
    // After its rest it is asked again.
    tokio::time::sleep(Duration::from_millis(5500)).await;
    assert!(matches!(
        directory.look_up(&user("bob"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    assert!(first.log()[mark..].contains(" SRCH "));
}

#[tokio::test]
async fn a_wrong_password_is_final_and_no_second_server_counts_it() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let directory = pair(&first, &second, Duration::from_secs(5));
    assert_eq!(check(&directory, "alice", "wrong").await, PasswordCheck::Wrong);
    assert_eq!(check(&directory, "nobody", "wrong").await, PasswordCheck::Unknown);
    assert!(!second.log().contains(" BIND "));
}

#[tokio::test]
async fn a_server_that_was_restarted_is_used_again_without_a_failed_login() {
    let mut slapd = Slapd::start();
    let directory = slapd.directory();
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    slapd.restart();
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    slapd.restart();
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
    // The only server is asked again at once, whatever happened before.
    slapd.kill();
    assert!(why(directory.look_up(&user("alice"), Wait::Whole).await).contains("connect"));
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Unreachable(_)
    ));
    slapd.restart();
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_its_deadline_and_another_takes_over() {
    let silent = Fake::silent();
    let slapd = Slapd::start();
    let timeout = Duration::from_millis(400);
    for security in [LdapSecurity::Ldaps, LdapSecurity::StartTls, LdapSecurity::PlainLoopback] {
        let scheme = if security == LdapSecurity::Ldaps {
            "ldaps"
        } else {
            "ldap"
        };
        let mut profile = slapd.profile();
        profile.timeout = timeout;
        profile.servers = vec![server(&format!("{scheme}://localhost:{}", silent.port), security)];
        let alone = directory(profile.clone());
        let start = Instant::now();
        assert!(why(alone.look_up(&user("alice"), Wait::Whole).await).contains("no answer within"));
        assert!(matches!(
            check(&alone, "alice", "alicepw").await,
            PasswordCheck::Unreachable(_)
        ));
        assert!(
            start.elapsed() < 4 * timeout + Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
        profile.servers.push(slapd.ldaps());
        profile.timeout = Duration::from_millis(1000);
        let both = directory(profile);
        assert!(
            matches!(check(&both, "alice", "alicepw").await, PasswordCheck::Passed(_)),
            "{security:?}"
        );
        let start = Instant::now();
        assert!(matches!(
            both.look_up(&user("alice"), Wait::Whole).await,
            Lookup::Found(_)
        ));
        assert!(start.elapsed() < Duration::from_millis(950), "the silent one rests");
    }
}

#[tokio::test]
async fn logins_that_wait_for_the_same_dead_server_share_its_deadline() {
    let silent = Fake::silent();
    let slapd = Slapd::start();
    let mut profile = slapd.profile();
    profile.timeout = Duration::from_millis(400);
    profile.servers = vec![server(
        &format!("ldaps://localhost:{}", silent.port),
        LdapSecurity::Ldaps,
    )];
    let directory = std::sync::Arc::new(directory(profile));
    let start = Instant::now();
    let lookups: Vec<_> = (0..50)
        .map(|_| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.look_up(&user("alice"), Wait::Whole).await })
        })
        .collect();
    for lookup in lookups {
        assert!(matches!(lookup.await.unwrap(), Lookup::Unreachable(_)));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // One for the logins, one of the probe that finds out.
    assert!(silent.callers() <= 2, "{}", silent.callers());
}

#[tokio::test]
async fn a_server_that_stops_answering_in_the_middle_is_noticed() {
    let slapd = Slapd::start();
    let mut profile = slapd.profile();
    profile.timeout = Duration::from_millis(500);
    let directory = directory(profile);
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    slapd.pause();
    let start = Instant::now();
    assert!(why(directory.look_up(&user("alice"), Wait::Whole).await).contains("no answer within"));
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Unreachable(_)
    ));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    slapd.resume();
    answers_again(&directory).await;
}

/// Within a probe and its pause, with nobody's help.
async fn answers_again(directory: &LdapDirectory) {
    let began = Instant::now();
    while !matches!(directory.look_up(&user("alice"), Wait::Whole).await, Lookup::Found(_)) {
        assert!(began.elapsed() < Duration::from_secs(10), "it never spoke again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_a_silent_server_once_it_is_known_and_it_comes_back_by_itself() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    slapd.pause();
    // Who has another way waits less than the profile's own time, of 5 s a step.
    let began = Instant::now();
    let first = why(directory.look_up(&user("alice"), Wait::Hurried).await);
    assert!(first.contains("no answer within 2.5 s"), "{first}");
    assert!(
        (HURRIED..Duration::from_secs(5)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    // The probe finds the silence; from then on nothing waits, not even who has no other way.
    let known = loop {
        let began = Instant::now();
        let told = why(directory.look_up(&user("alice"), Wait::Hurried).await);
        if told.contains("not asked until it speaks") {
            assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
            break told;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{told}");
    };
    assert!(known.contains("silent for"), "{known}");
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Unreachable(why) if why.contains("not asked")
    ));
    slapd.resume();
    answers_again(&directory).await;
}

#[tokio::test]
async fn a_hurried_login_reaches_the_second_server_though_the_first_is_silent() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let directory = pair(&first, &second, Duration::from_secs(5));
    first.pause();
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Hurried).await,
        Lookup::Found(_)
    ));
    assert!(second.log().contains(" SRCH "));
    first.resume();
}

#[tokio::test]
async fn a_login_that_goes_away_leaves_the_directory_usable() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    for wait in [0, 1, 2, 5, 10, 20, 40] {
        let (name, typed) = (user("alice"), password("alicepw"));
        let _ = tokio::time::timeout(
            Duration::from_millis(wait),
            directory.check_password(&name, &typed, Wait::Whole),
        )
        .await;
    }
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
}
