//! Active Directory, as Samba's real domain controller speaks it: each trap that was measured is a test.

use crate::rig::*;
use crate::samba::{DOMAIN, Samba};
use assent_engine::config::profile::Nesting;
use assent_engine::directory::{Account, Lookup, PasswordCheck, Wait};
use std::time::Duration;

fn group(name: &str) -> String {
    format!("CN={name},OU=groups,{DOMAIN}")
}

#[tokio::test]
async fn r58_an_active_directory_user_is_known_by_the_object_guid_as_people_write_it() {
    let Some(samba) = Samba::start() else { return };
    let directory = samba.with(|_| ());
    let alice = found(directory.look_up(&user("alice"), Wait::Whole).await);
    let id = alice.identity.id.as_str();
    assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{id}");
    // Samba's own tools spell it the same way.
    let sam = samba.dir.0.join("private/sam.ldb");
    let told = std::process::Command::new("ldbsearch")
        .arg(format!("--configfile={}", samba.dir.0.join("smb.conf").display()))
        .arg("-H")
        .arg(sam)
        .args(["(sAMAccountName=alice)", "objectGUID"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(&format!("objectGUID: {id}")), "{id}: {told}");
    assert_eq!(values(&alice, "department"), ["Engineering"]);
    assert_eq!(
        found(directory.look_up(&user("ALICE"), Wait::Whole).await).identity,
        alice.identity
    );
    // A group's and a computer's login name is nobody's, wherever they are.
    let directory = samba.with(|profile| profile.base = DOMAIN.to_owned());
    assert!(matches!(
        directory.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    for name in ["eng", "all-staff", "DC1$", "nobody"] {
        assert_eq!(
            directory.look_up(&user(name), Wait::Whole).await,
            Lookup::Unknown,
            "{name}"
        );
    }
}

#[tokio::test]
async fn r61_r62_a_name_with_a_comma_binds_by_its_dn_and_only_the_right_password_passes() {
    let Some(samba) = Samba::start() else { return };
    let directory = samba.with(|_| ());
    for name in ["alice", "erin"] {
        let right = format!("{name}pw");
        assert!(
            matches!(check(&directory, name, &right).await, PasswordCheck::Passed(_)),
            "{name}"
        );
        assert_eq!(check(&directory, name, "wrong").await, PasswordCheck::Wrong, "{name}");
    }
    assert_eq!(check(&directory, "nobody", "alicepw").await, PasswordCheck::Unknown);
    assert_eq!(
        check(&directory, "alice)(sAMAccountName=*", "alicepw").await,
        PasswordCheck::Unknown
    );
}

#[tokio::test]
async fn r58_a_user_is_found_by_any_of_the_profiles_login_names_and_is_one_identity() {
    let Some(samba) = Samba::start() else { return };
    let directory = samba.with(|profile| {
        profile.login_names = ["sAMAccountName", "userPrincipalName", "mail"]
            .map(str::to_owned)
            .to_vec();
    });
    let alice = found(directory.look_up(&user("alice"), Wait::Whole).await);
    for name in ["alice@ad.lab.test", "alice.lab@lab.test", "Alice@AD.lab.test"] {
        assert_eq!(
            found(directory.look_up(&user(name), Wait::Whole).await).identity,
            alice.identity,
            "{name}"
        );
        assert!(
            matches!(check(&directory, name, "alicepw").await, PasswordCheck::Passed(_)),
            "{name}"
        );
    }
    for name in ["LAB\\alice", "alice@lab.test", "alice@", "@ad.lab.test"] {
        assert_eq!(
            directory.look_up(&user(name), Wait::Whole).await,
            Lookup::Unknown,
            "{name}"
        );
    }
}

#[tokio::test]
async fn account_states_of_active_directory_are_told_before_and_after_the_password() {
    use Account::{Active, Disabled, Expired, Locked, MustChangePassword};
    let Some(samba) = Samba::start() else { return };
    let directory = samba.with(|_| ());
    for (name, looked_up, bound) in [
        ("disabled", Disabled, Disabled),
        ("expired", Expired, Expired),
        ("mustchange", MustChangePassword, MustChangePassword),
        ("pwexpired", MustChangePassword, MustChangePassword),
        // Hours and workstations are the server's affair: only the bind tells.
        ("hours", Active, Disabled),
        ("wks", Active, Disabled),
    ] {
        assert_eq!(
            found(directory.look_up(&user(name), Wait::Whole).await).account,
            looked_up,
            "{name}"
        );
        assert_eq!(
            check(&directory, name, &format!("{name}pw")).await,
            PasswordCheck::Blocked(bound),
            "{name}"
        );
        assert_eq!(check(&directory, name, "wrong").await, PasswordCheck::Wrong, "{name}");
    }
    // The failure that reaches the threshold still says "wrong"; from then on the right password does not help.
    for _ in 0..3 {
        assert_eq!(check(&directory, "bob", "wrong").await, PasswordCheck::Wrong);
    }
    for typed in ["wrong", "bobpw"] {
        assert_eq!(check(&directory, "bob", typed).await, PasswordCheck::Blocked(Locked));
    }
    assert_eq!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).account,
        Locked
    );
}

#[tokio::test]
async fn nested_groups_of_active_directory_come_with_the_primary_group_and_loops_end() {
    let Some(samba) = Samba::start() else { return };
    let directory = samba.with(|_| ());
    let mut expected: Vec<String> = ["eng", "tech", "all-staff", "loop-a", "loop-b"].map(group).to_vec();
    expected.push(format!("CN=Domain Users,CN=Users,{DOMAIN}"));
    expected.push(format!("CN=Users,CN=Builtin,{DOMAIN}"));
    expected.sort();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    for name in ["alice", "erin"] {
        let person = found(directory.look_up(&user(name), Wait::Whole).await);
        assert_eq!(sorted(values(&person, "memberOf")), expected, "{name}");
        let PasswordCheck::Passed(person) = check(&directory, name, &format!("{name}pw")).await else {
            panic!("{name} was refused");
        };
        assert_eq!(sorted(values(&person, "memberOf")), expected, "{name}");
    }
    // Below a base without the groups of the domain's own containers, those are not found; nothing else is lost.
    let narrow = samba.with(|profile| profile.groups.base = format!("OU=groups,{DOMAIN}"));
    assert_eq!(
        values(&found(narrow.look_up(&user("alice"), Wait::Whole).await), "memberOf").len(),
        5
    );
    let flat = samba.with(|profile| profile.nesting = Nesting::Off);
    assert_eq!(
        values(&found(flat.look_up(&user("alice"), Wait::Whole).await), "memberOf"),
        [group("eng")]
    );
    let none = found(flat.look_up(&user("plain"), Wait::Whole).await);
    assert!(values(&none, "memberOf").is_empty());
    // The walk finds the same, save the primary group, which no group lists.
    let walk = samba.with(|profile| profile.nesting = Nesting::Walk);
    let walked = sorted(values(
        &found(walk.look_up(&user("alice"), Wait::Whole).await),
        "memberOf",
    ));
    assert_eq!(
        walked,
        sorted(["eng", "tech", "all-staff", "loop-a", "loop-b"].map(group).to_vec())
    );
}

#[tokio::test]
async fn r63_references_after_the_entries_are_passed_over_and_a_limit_that_is_ignored_is_counted() {
    let Some(samba) = Samba::start() else { return };
    // From the domain's base Samba sends three references, to names that resolve nowhere here.
    let whole = samba.with(|profile| profile.base = DOMAIN.to_owned());
    assert!(matches!(
        whole.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Found(_)
    ));
    assert_eq!(whole.look_up(&user("nobody"), Wait::Whole).await, Lookup::Unknown);
    // Samba ignores the size limit of 2.
    let department = samba.with(|profile| profile.login_names = vec!["department".to_owned()]);
    assert_eq!(
        department.look_up(&user("Engineering"), Wait::Whole).await,
        Lookup::Ambiguous
    );
    assert_eq!(
        check(&department, "Engineering", "alicepw").await,
        PasswordCheck::Ambiguous
    );
    for base in ["DC=other,DC=test", &format!("OU=nowhere,{DOMAIN}")] {
        let elsewhere = samba.with(|profile| profile.base = base.to_owned());
        assert!(
            why(elsewhere.look_up(&user("alice"), Wait::Whole).await).contains("result 32"),
            "{base}"
        );
    }
}

#[tokio::test]
async fn r65_after_failed_binds_searches_go_on_as_the_service_account() {
    let Some(samba) = Samba::start() else { return };
    let directory = samba.with(|profile| profile.timeout = Duration::from_secs(5));
    // Samba would leave a connection with its old identity after a failed bind, and with the user's after a good one.
    for (name, typed) in [("plain", "wrong"), ("plain", "plainpw"), ("plain", "wrong")] {
        check(&directory, name, typed).await;
        let alice = found(directory.look_up(&user("alice"), Wait::Whole).await);
        assert_eq!(values(&alice, "mobile"), ["+1 555 010 0001"]);
    }
    // A search without a service account is an error here, not "nobody".
    let anonymous = samba.with(|profile| profile.service = None);
    assert!(matches!(
        anonymous.look_up(&user("alice"), Wait::Whole).await,
        Lookup::Unreachable(_)
    ));
}

#[tokio::test]
async fn r64_a_domain_controller_without_tls_refuses_and_that_is_no_wrong_password() {
    use assent_engine::config::profile::LdapSecurity;
    let Some(samba) = Samba::start() else { return };
    let plain = samba.with(|profile| {
        profile.servers = vec![server(
            &format!("ldap://{}", samba.address),
            LdapSecurity::PlainLoopback,
        )];
    });
    let text = why(plain.look_up(&user("alice"), Wait::Whole).await);
    assert!(
        text.contains("result 8") && text.contains("Transport encryption required"),
        "{text}"
    );
    let starttls = samba.with(|profile| {
        profile.servers = vec![server(&format!("ldap://{}", samba.address), LdapSecurity::StartTls)];
    });
    assert!(matches!(
        check(&starttls, "alice", "alicepw").await,
        PasswordCheck::Passed(_)
    ));
}
