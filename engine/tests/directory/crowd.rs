//! Many logins at once, dead connections, kept attributes, and a service account with a certificate.

use crate::rig::*;
use assent_engine::config::profile::{CacheLimits, ClientCertificate, Nesting, ServiceAccount};
use assent_engine::directory::ldap::profile_tls;
use assent_engine::directory::{Account, Lookup, PasswordCheck, Wait};
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The most connections that were open at once, by slapd's log.
fn most_open(log: &str) -> usize {
    let mut open = HashSet::new();
    let mut most = 0;
    for line in log.lines() {
        let Some(connection) = line.split(' ').find(|word| word.starts_with("conn=")) else {
            continue;
        };
        if line.contains(" ACCEPT ") {
            open.insert(connection);
            most = most.max(open.len());
        } else if line.ends_with(" closed") || line.contains(" closed (") {
            open.remove(connection);
        }
    }
    most
}

/// Waits until slapd has logged `text` after `mark`, while the directory goes on.
async fn logged(slapd: &Slapd, mark: usize, text: &str) {
    let start = std::time::Instant::now();
    while !slapd.log()[mark..].contains(text) {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{text}: {}",
            &slapd.log()[mark..]
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn five_hundred_logins_at_once_open_one_connection_for_searches_and_few_for_binds() {
    let slapd = Slapd::start();
    let mut profile = slapd.profile();
    profile.max_binds = 8;
    profile.timeout = Duration::from_secs(30);
    let directory = Arc::new(directory(profile));
    let logins: Vec<_> = (0..500)
        .map(|at| {
            let directory = directory.clone();
            tokio::spawn(async move {
                let (name, typed) = if at % 5 == 0 {
                    ("nobody", "x")
                } else {
                    ("alice", "alicepw")
                };
                (at, check(&directory, name, typed).await)
            })
        })
        .collect();
    for login in logins {
        let (at, answer) = login.await.unwrap();
        match at % 5 {
            0 => assert_eq!(answer, PasswordCheck::Unknown),
            _ => assert!(matches!(answer, PasswordCheck::Passed(_)), "{answer:?}"),
        }
    }
    let log = slapd.log();
    assert_eq!(log.matches(&format!(" BIND dn=\"{SERVICE}\" method=128")).count(), 1);
    let most = most_open(&log);
    // Eight binds, one for searches, one kept ready; slapd notes the end of a connection a little late.
    assert!((4..=14).contains(&most), "{most} connections at once");
}

#[tokio::test]
async fn r65_the_connection_kept_ready_for_a_bind_is_used_once_by_whoever_comes_next_and_a_dead_one_costs_no_login() {
    let mut slapd = Slapd::start();
    let directory = slapd.directory();
    for (name, typed, right) in [
        ("alice", "alicepw", true),
        ("bob", "wrong", false),
        ("bob", "alicepw", false),
        ("bob", "bobpw", true),
        ("alice", "bobpw", false),
    ] {
        let mark = slapd.log().len();
        let passed = matches!(check(&directory, name, typed).await, PasswordCheck::Passed(_));
        assert_eq!(passed, right, "{name}: {typed}");
        // The next one is ready before it is needed.
        logged(&slapd, mark, "TLS established").await;
    }
    let log = slapd.log();
    let binders: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(" BIND dn=\"cn=") && line.contains("ou=people") && line.contains("method=128"))
        .filter_map(|line| line.split(' ').find(|word| word.starts_with("conn=")))
        .collect();
    let different: HashSet<&&str> = binders.iter().collect();
    assert_eq!((binders.len(), different.len()), (5, 5), "{binders:?}");
    slapd.restart();
    assert!(matches!(
        check(&directory, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
}

#[tokio::test]
async fn a_warm_connection_that_the_server_dropped_costs_no_login() {
    let mut slapd = Slapd::start();
    let directory = slapd.directory();
    found(directory.look_up(&user("alice"), Wait::Whole).await);
    slapd.set_idle_timeout();
    found(directory.look_up(&user("alice"), Wait::Whole).await);
    let mark = slapd.log().len();
    // slapd closes it after a second of silence.
    logged(&slapd, mark, "idletimeout").await;
    found(directory.look_up(&user("alice"), Wait::Whole).await);
    let log = slapd.log();
    assert_eq!(log[mark..].matches(" STARTTLS").count(), 1, "{log}");
}

#[tokio::test]
async fn r67_attributes_are_kept_as_long_as_the_profile_says_and_serve_in_an_outage_only_if_it_says_so() {
    let mut slapd = Slapd::start();
    let kept = |fresh, stale| {
        let mut profile = slapd.profile();
        profile.cache = Some(CacheLimits {
            fresh: Duration::from_secs(fresh),
            stale: Duration::from_secs(stale),
        });
        directory(profile)
    };
    let (fresh, stale, plain) = (kept(600, 0), kept(0, 600), slapd.directory());
    let mut alice = Vec::new();
    for directory in [&fresh, &stale, &plain] {
        alice.push(found(directory.look_up(&user("alice"), Wait::Whole).await));
    }
    assert_eq!(alice[0].attributes.age(), None);
    let mark = slapd.log().len();
    let again = found(fresh.look_up(&user("alice"), Wait::Whole).await);
    assert!(again.attributes.age().is_some());
    assert_eq!(
        (&again.identity, values(&again, "mail")),
        (&alice[0].identity, values(&alice[0], "mail"))
    );
    assert!(!slapd.log()[mark..].contains(" SRCH "), "it was kept");
    // Another spelling is asked for.
    found(fresh.look_up(&user("ALICE"), Wait::Whole).await);
    assert!(slapd.log()[mark..].contains(" SRCH "));
    // Without an outage, what is only good in one is not used.
    assert_eq!(
        found(stale.look_up(&user("alice"), Wait::Whole).await).attributes.age(),
        None
    );
    slapd.kill();
    assert!(
        found(stale.look_up(&user("alice"), Wait::Whole).await)
            .attributes
            .age()
            .is_some()
    );
    assert!(matches!(
        fresh.look_up(&user("bob"), Wait::Whole).await,
        Lookup::Unreachable(_)
    ));
    assert!(matches!(
        stale.look_up(&user("bob"), Wait::Whole).await,
        Lookup::Unreachable(_)
    ));
    assert!(matches!(
        plain.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Unreachable(_)
    ));
    // A password is never kept.
    for directory in [&fresh, &stale] {
        assert!(matches!(
            check(directory, "alice", "alicepw").await,
            PasswordCheck::Unreachable(_)
        ));
    }
}

#[tokio::test]
async fn r67_what_was_kept_of_an_account_that_is_found_blocked_is_forgotten() {
    let slapd = Slapd::start();
    let mut profile = slapd.profile();
    let long = Duration::from_secs(600);
    profile.cache = Some(CacheLimits {
        fresh: long,
        stale: long,
    });
    let directory = directory(profile);
    assert_eq!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).account,
        Account::Active
    );
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
async fn r65_a_service_account_may_prove_itself_by_its_certificate() {
    let slapd = Slapd::start();
    let dir = &slapd.dir.0;
    let openssl = |arguments: &str| run(Command::new("openssl").args(arguments.split(' ')).current_dir(dir));
    let client = |name: &str, subject: &str| {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req {key} -subj {subject} -keyout {name}.key -out {name}.csr"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out {name}.pem"
        ));
        let mut profile = slapd.profile();
        profile.nesting = Nesting::Off;
        profile.service = Some(ServiceAccount::External(ClientCertificate {
            certificate_file: dir.join(format!("{name}.pem")),
            key_file: dir.join(format!("{name}.key")),
        }));
        profile
    };
    let assent = client("assent", "/DC=test/DC=lab/OU=services/CN=assent");
    for server in [slapd.ldap(), slapd.ldaps()] {
        let mut profile = assent.clone();
        profile.servers = vec![server];
        let directory = directory(profile);
        found(directory.look_up(&user("alice"), Wait::Whole).await);
        assert!(matches!(
            check(&directory, "alice", "alicepw").await,
            PasswordCheck::Passed(_)
        ));
        // The certificate is not enough for a user.
        assert_eq!(check(&directory, "alice", "wrong").await, PasswordCheck::Wrong);
    }
    // slapd logs the bind that succeeded under the certificate's name.
    assert!(slapd.log().contains(&format!("BIND dn=\"{SERVICE}\" mech=EXTERNAL")));
    // Another name may not read, and a certificate of nobody's is no service account.
    let other = client("other", "/DC=test/DC=lab/CN=other");
    assert!(matches!(
        directory(other.clone()).look_up(&user("alice"), Wait::Whole).await,
        Lookup::Unreachable(_)
    ));
    // A key that others may read is refused by its name.
    let Some(ServiceAccount::External(certificate)) = &other.service else {
        panic!("a certificate")
    };
    std::fs::set_permissions(&certificate.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = profile_tls(&other).unwrap_err().to_string();
    assert!(refused.contains("other.key"), "{refused}");
}

#[tokio::test]
async fn r58_r63_a_name_that_two_users_have_in_different_attributes_is_refused() {
    let people = [
        person("alice", BASE, "userPassword: alicepw\nmail: alice@lab.test\n"),
        person("bob", BASE, "userPassword: bobpw\nmail: alice\n"),
        person("both", BASE, "userPassword: bothpw\nmail: both\n"),
    ];
    let slapd = Slapd::with(&people.concat(), true);
    let mut profile = slapd.profile();
    profile.login_names = ["uid", "mail"].map(str::to_owned).to_vec();
    let directory = directory(profile);
    // Bob wrote another's name into his own mail attribute.
    assert_eq!(directory.look_up(&user("alice"), Wait::Whole).await, Lookup::Ambiguous);
    for typed in ["alicepw", "bobpw"] {
        assert_eq!(check(&directory, "alice", typed).await, PasswordCheck::Ambiguous);
    }
    let by_mail = found(directory.look_up(&user("alice@lab.test"), Wait::Whole).await);
    assert_eq!(values(&by_mail, "uid"), ["alice"]);
    assert!(matches!(
        check(&directory, "both", "bothpw").await,
        PasswordCheck::Passed(_)
    ));
}

#[tokio::test]
async fn openldaps_other_ways_to_end_an_account_are_told() {
    let account = |name: &str, more: &str| {
        let shadow = "objectClass: inetOrgPerson\nobjectClass: shadowAccount";
        person(name, BASE, &format!("userPassword: {name}pw\n{more}")).replace("objectClass: inetOrgPerson", shadow)
    };
    let people = [
        account("over", "shadowExpire: 1\n"),
        account("going", "shadowExpire: 99999\n"),
        account("ended", "pwdEndTime: 20200101000000Z\n"),
        account("early", "pwdStartTime: 20900101000000Z\n"),
        "dn: cn=aged,ou=services,dc=lab,dc=test\nobjectClass: organizationalRole\nobjectClass: pwdPolicy\ncn: aged\n\
         pwdAttribute: userPassword\npwdMaxAge: 86400\n\n"
            .to_owned(),
        account(
            "aged",
            "pwdPolicySubentry: cn=aged,ou=services,dc=lab,dc=test\npwdChangedTime: 20200101000000Z\n",
        ),
    ];
    let slapd = Slapd::with(&people.concat(), true);
    let directory = slapd.directory();
    for (name, expected) in [
        ("over", Account::Expired),
        ("going", Account::Active),
        ("ended", Account::Expired),
        ("early", Account::Disabled),
    ] {
        assert_eq!(
            found(directory.look_up(&user(name), Wait::Whole).await).account,
            expected,
            "{name}"
        );
        match check(&directory, name, &format!("{name}pw")).await {
            PasswordCheck::Passed(person) => assert_eq!(person.account, expected, "{name}"),
            // slapd's control says "locked" of each; the entry knows better.
            PasswordCheck::Blocked(account) => assert_eq!(account, expected, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    // How old the password may be, only the bind knows.
    assert_eq!(
        found(directory.look_up(&user("aged"), Wait::Whole).await).account,
        Account::Active
    );
    assert_eq!(
        check(&directory, "aged", "agedpw").await,
        PasswordCheck::Blocked(Account::MustChangePassword)
    );
    assert_eq!(check(&directory, "aged", "wrong").await, PasswordCheck::Wrong);
}
