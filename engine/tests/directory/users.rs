//! Finding users and checking passwords on slapd.

use crate::rig::*;
use assent_engine::config::profile::LdapProfile;
use assent_engine::config::{AuthProfile, AuthSource, OnUnreachable};
use assent_engine::directory::{Account, Lookup, Password, PasswordCheck, Syntax, Wait};
use assent_engine::sign_in::{SignIn, Signed};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

#[tokio::test]
async fn r58_a_user_is_found_with_a_lasting_id_and_the_attributes_that_policies_need() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    let alice = found(directory.look_up(&user("alice"), Wait::Whole).await);
    assert_eq!(alice.account, Account::Active);
    assert_eq!(
        (alice.identity.realm.as_str(), alice.identity.id.as_str().len()),
        ("lab.test", 36)
    );
    assert_eq!(values(&alice, "mail"), ["alice@lab.test"]);
    assert_eq!(
        values(&alice, "MEMBEROF"),
        ["cn=eng,ou=groups,dc=lab,dc=test", "cn=ops,ou=groups,dc=lab,dc=test"]
    );
    assert_eq!(alice.attributes.find("memberOf").unwrap().syntax, Syntax::Dn);
    // Another spelling is the same identity.
    assert_eq!(
        found(directory.look_up(&user("ALICE"), Wait::Whole).await).identity,
        alice.identity
    );
    assert_ne!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).identity,
        alice.identity
    );
    assert_eq!(
        values(&found(directory.look_up(&user("Zoë"), Wait::Whole).await), "uid"),
        ["Zoë"]
    );
    let PasswordCheck::Passed(passed) = check(&directory, "alice", "alicepw").await else {
        panic!("alice's password was refused");
    };
    assert_eq!(*passed, alice);
}

#[tokio::test]
async fn r58_whoever_signs_in_is_called_as_the_directory_writes_it() {
    let slapd = Slapd::start();
    let mut profile = slapd.profile();
    profile.login_names.push("mail".to_owned());
    let sign_in = SignIn::new(vec![AuthProfile {
        source: AuthSource::Ldap(Box::new(profile)),
        on_unreachable: OnUnreachable::Deny,
    }])
    .unwrap();
    let password = Password::new(Zeroizing::new(b"alicepw".to_vec())).unwrap();
    for typed in ["alice", "ALICE", "alice@lab.test"] {
        let Signed::In { name, .. } = sign_in.check(&user(typed), &password).await else {
            panic!("{typed} is not signed in");
        };
        assert_eq!(name.as_str(), "alice", "{typed}");
    }
}

#[tokio::test]
async fn only_the_right_password_passes() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    for (name, right) in [
        ("bob", "bobpw".to_owned()),
        ("carol", long_password()),
        ("dave", ODD_PASSWORD.to_owned()),
    ] {
        assert!(
            matches!(check(&directory, name, &right).await, PasswordCheck::Passed(_)),
            "{name}"
        );
        for wrong in [format!("{right}x"), right[..right.len() - 1].to_owned() + "?"] {
            assert_eq!(
                check(&directory, name, &wrong).await,
                PasswordCheck::Wrong,
                "{name}: {wrong}"
            );
        }
        assert!(
            matches!(check(&directory, name, &right).await, PasswordCheck::Passed(_)),
            "{name} again"
        );
    }
    assert_eq!(check(&directory, "nopw", "nopw").await, PasswordCheck::Wrong);
    assert_eq!(check(&directory, "nobody", "bobpw").await, PasswordCheck::Unknown);
    let bytes = Password::new(Zeroizing::new(b"bobpw\xff".to_vec())).unwrap();
    assert_eq!(
        directory.check_password(&user("bob"), &bytes, Wait::Whole).await,
        PasswordCheck::Wrong
    );
}

#[tokio::test]
async fn r62_an_empty_password_never_comes_as_far_as_a_bind() {
    for nothing in [b"".as_slice(), b"\0", b"\0secret", b"secret\0"] {
        assert!(Password::new(Zeroizing::new(nothing.to_vec())).is_none(), "{nothing:?}");
    }
    // The rig's slapd takes a name without a password for an anonymous bind that succeeds: what only a blank is left
    // of must not become one.
    let slapd = Slapd::start();
    assert_eq!(check(&slapd.directory(), "bob", " ").await, PasswordCheck::Wrong);
    assert!(!slapd.log().contains("BIND dn=\"\""));
}

#[tokio::test]
async fn r61_names_that_are_filters_find_nothing() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    for name in [
        "*",
        "*)(uid=*",
        "alice)(|(uid=*",
        "alice)(&(uid=alice",
        "a*",
        "*alice",
        "(alice)",
        "alice\\",
        "\\61lice",
        "alice,ou=people",
        "alice)(objectClass=*",
        "al\\2aice",
        "|(uid=alice)",
        "!(uid=bob)",
    ] {
        assert_eq!(
            directory.look_up(&user(name), Wait::Whole).await,
            Lookup::Unknown,
            "{name}"
        );
        assert_eq!(
            check(&directory, name, "alicepw").await,
            PasswordCheck::Unknown,
            "{name}"
        );
    }
}

#[tokio::test]
async fn r61_a_user_with_an_odd_name_is_found_by_exactly_that_name() {
    let odd = [
        "*",
        "a*b",
        "x(y)",
        "back\\slash",
        "uml äöü",
        "q\"uote",
        "a,b=c+d",
        "#hash",
        "two  blanks",
    ];
    let mut people = String::new();
    for (at, name) in odd.iter().enumerate() {
        people.push_str(&person(&format!("n{at}"), BASE, "").replace(&format!("uid: n{at}"), &format!("uid: {name}")));
    }
    people.push_str(&person("plain", BASE, ""));
    let slapd = Slapd::with(&people, true);
    let directory = slapd.directory();
    for name in odd {
        let person = found(directory.look_up(&user(name), Wait::Whole).await);
        assert_eq!(values(&person, "uid"), [name]);
    }
    assert_eq!(directory.look_up(&user("a?b"), Wait::Whole).await, Lookup::Unknown);
}

#[tokio::test]
async fn r63_two_entries_of_one_name_are_refused() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    assert_eq!(directory.look_up(&user("twin"), Wait::Whole).await, Lookup::Ambiguous);
    assert_eq!(check(&directory, "twin", "twinpw").await, PasswordCheck::Ambiguous);
}

#[tokio::test]
async fn r63_an_entry_outside_the_base_or_the_filter_is_nobody() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    assert_eq!(directory.look_up(&user("mallory"), Wait::Whole).await, Lookup::Unknown);
    assert_eq!(check(&directory, "mallory", "mallorypw").await, PasswordCheck::Unknown);
    let narrow = rig_with(&slapd, |profile| {
        profile.user_filter = Some("departmentNumber=IT".to_owned());
    });
    assert!(matches!(
        narrow.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    assert_eq!(narrow.look_up(&user("bob"), Wait::Whole).await, Lookup::Unknown);
    assert_eq!(check(&narrow, "bob", "bobpw").await, PasswordCheck::Unknown);
}

fn rig_with(slapd: &Slapd, change: impl FnOnce(&mut LdapProfile)) -> assent_engine::directory::ldap::LdapDirectory {
    let mut profile = slapd.profile();
    change(&mut profile);
    directory(profile)
}

#[tokio::test]
async fn r33_a_search_that_cannot_be_made_is_not_taken_for_no() {
    let slapd = Slapd::start();
    let changes: [(&str, fn(&mut LdapProfile)); 5] = [
        ("result 32", |profile| {
            profile.base = "ou=nowhere,dc=lab,dc=test".to_owned();
        }),
        ("no readable departmentNumber", |profile| {
            profile.id_attribute = "departmentNumber".to_owned();
        }),
        ("several values of memberOf", |profile| {
            profile.id_attribute = "memberOf".to_owned();
        }),
        ("filter", |profile| profile.user_filter = Some("(uid=".to_owned())),
        ("result", |profile| profile.base = "dc=example,dc=org".to_owned()),
    ];
    for (expected, change) in changes {
        let directory = rig_with(&slapd, change);
        let name = if expected.contains("memberOf") { "alice" } else { "bob" };
        let text = why(directory.look_up(&user(name), Wait::Whole).await);
        assert!(text.contains(expected), "{expected}: {text}");
        assert!(
            matches!(check(&directory, name, "bobpw").await, PasswordCheck::Unreachable(_)),
            "{expected}"
        );
    }
}

#[tokio::test]
async fn accounts_that_are_locked_or_must_change_their_password_are_told() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    assert_eq!(
        found(directory.look_up(&user("reset"), Wait::Whole).await).account,
        Account::MustChangePassword
    );
    let PasswordCheck::Passed(reset) = check(&directory, "reset", "resetpw").await else {
        panic!("refused");
    };
    assert_eq!(reset.account, Account::MustChangePassword);
    assert_eq!(
        found(directory.look_up(&user("frozen"), Wait::Whole).await).account,
        Account::Locked
    );
    assert_eq!(
        check(&directory, "frozen", "frozenpw").await,
        PasswordCheck::Blocked(Account::Locked)
    );
    // Three failures lock bob; the right password does not help then.
    for _ in 0..3 {
        assert_eq!(check(&directory, "bob", "wrong").await, PasswordCheck::Wrong);
    }
    assert_eq!(
        check(&directory, "bob", "bobpw").await,
        PasswordCheck::Blocked(Account::Locked)
    );
    assert_eq!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).account,
        Account::Locked
    );
}

#[tokio::test]
async fn r31_unknown_users_move_no_counter_and_their_password_never_reaches_the_directory() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    // As many tries as would lock an account.
    for _ in 0..5 {
        assert_eq!(check(&directory, "nobody", "bobpw").await, PasswordCheck::Unknown);
    }
    assert!(matches!(
        check(&directory, "bob", "bobpw").await,
        PasswordCheck::Passed(_)
    ));
    let log = slapd.log();
    assert_eq!(
        log.matches("BIND dn=\"cn=assent-unknown-user,ou=people,dc=lab,dc=test\" method=128")
            .count(),
        5
    );
}

/// The operations on each connection, in order, of what slapd logged after `mark`.
fn operations(log: &str, mark: usize) -> Vec<Vec<String>> {
    let mut connections: Vec<(String, Vec<String>)> = Vec::new();
    for line in log[mark..].lines() {
        let mut words = line.split(' ').skip_while(|word| !word.starts_with("conn="));
        let (Some(connection), Some(op)) = (words.next(), words.next()) else {
            continue;
        };
        let word = words.next().unwrap_or_default();
        if !op.starts_with("op=") || !matches!(word, "BIND" | "SRCH" | "UNBIND" | "STARTTLS") {
            continue;
        }
        let rest: Vec<&str> = words.collect();
        // slapd logs a bind's start and success, and a search's parameters and attributes.
        if rest
            .iter()
            .any(|word| word.starts_with("mech=") || word.starts_with("attr="))
        {
            continue;
        }
        match connections.iter_mut().find(|(known, _)| known == connection) {
            Some((_, operations)) => operations.push(word.to_owned()),
            None => connections.push((connection.to_owned(), vec![word.to_owned()])),
        }
    }
    connections.into_iter().map(|(_, operations)| operations).collect()
}

#[tokio::test]
async fn r31_r65_unknown_and_wrong_take_the_same_steps_and_the_users_bind_has_a_connection_of_its_own() {
    let slapd = Slapd::start();
    let directory = slapd.directory();
    found(directory.look_up(&user("alice"), Wait::Whole).await);
    let mut seen = BTreeSet::new();
    for (name, typed) in [
        ("alice", "wrong"),
        ("nobody", "wrong"),
        ("twin", "twinpw"),
        ("mallory", "x"),
    ] {
        let mark = slapd.log().len();
        check(&directory, name, typed).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let mut operations = operations(&slapd.log(), mark);
        for operations in &mut operations {
            operations.retain(|operation| operation != "STARTTLS");
        }
        // A connection kept ready for the next bind has said nothing yet.
        operations.retain(|operations| !operations.is_empty());
        operations.sort();
        seen.insert(operations);
    }
    let bind: Vec<String> = ["BIND", "UNBIND"].map(str::to_owned).to_vec();
    let search = vec!["SRCH".to_owned()];
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen.first(), Some(&vec![bind, search]));
    // Groups are searched for once the password is right, and only then.
    let mark = slapd.log().len();
    check(&directory, "alice", "alicepw").await;
    let log = slapd.log();
    let bound = log[mark..].find(" BIND dn=\"cn=alice").unwrap();
    let groups = log[mark..].find("(member=cn=alice").unwrap();
    assert!(bound < groups, "{log}");
}

#[tokio::test]
async fn a_hundred_lookups_at_once_share_one_connection() {
    let slapd = Slapd::start();
    let directory = std::sync::Arc::new(slapd.directory());
    let lookups: Vec<_> = (0..100)
        .map(|_| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.look_up(&user("alice"), Wait::Whole).await })
        })
        .collect();
    for lookup in lookups {
        found(lookup.await.unwrap());
    }
    let log = slapd.log();
    assert_eq!(log.matches(" STARTTLS").count(), 1);
    assert_eq!(log.matches(" SRCH base=\"ou=people").count(), 100);
}
