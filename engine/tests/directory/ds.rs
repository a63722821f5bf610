//! 389 Directory Server, on which `FreeIPA` stands: each trap that was measured is a test.

use crate::ds389::{Ds389, SUFFIX};
use crate::rig::*;
use assent_engine::config::profile::{LdapSecurity, Nesting, ServiceAccount};
use assent_engine::directory::{Account, Lookup, PasswordCheck, Wait};

fn group(name: &str) -> String {
    format!("cn={name},ou=groups,{SUFFIX}")
}

#[tokio::test]
async fn r58_a_user_of_389_is_known_by_the_unique_id_and_nested_groups_come_with_member_of() {
    let Some(ds) = Ds389::start() else { return };
    let directory = ds.with(|_| ());
    let alice = found(directory.look_up(&user("alice"), Wait::Whole).await);
    let id = alice.identity.id.as_str();
    assert_eq!((id.len(), id.matches('-').count()), (35, 3), "{id}");
    let mut groups = values(&alice, "memberOf");
    groups.sort();
    assert_eq!(groups, [group("all-staff"), group("eng")]);
    assert_ne!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).identity,
        alice.identity
    );
    assert_eq!(
        directory.look_up(&user("eng"), Wait::Whole).await,
        Lookup::Unknown,
        "a group"
    );
    // The walk finds the same without the plug-in's help; the in-chain rule, which 389 lacks, is never used.
    let walk = ds.with(|profile| profile.nesting = Nesting::Walk);
    let mut walked = values(&found(walk.look_up(&user("alice"), Wait::Whole).await), "memberOf");
    walked.sort();
    assert_eq!(walked, groups);
    for security in [LdapSecurity::StartTls, LdapSecurity::Ldaps] {
        let uri = match security {
            LdapSecurity::Ldaps => format!("ldaps://localhost:{}", ds.port + 1),
            _ => format!("ldap://localhost:{}", ds.port),
        };
        let directory = ds.with(|profile| profile.servers = vec![server(&uri, security)]);
        assert!(matches!(
            check(&directory, "alice", "alicepw").await,
            PasswordCheck::Passed(_)
        ));
        assert_eq!(check(&directory, "alice", "wrong").await, PasswordCheck::Wrong);
        assert!(matches!(
            check(&directory, "alice", "alicepw").await,
            PasswordCheck::Passed(_)
        ));
        assert_eq!(check(&directory, "nobody", "alicepw").await, PasswordCheck::Unknown);
    }
}

#[tokio::test]
async fn a_bind_that_succeeds_but_must_be_followed_by_a_change_is_no_active_account() {
    let Some(ds) = Ds389::start() else { return };
    let directory = ds.with(|_| ());
    // The trap: 389 says 0.
    let PasswordCheck::Passed(person) = check(&directory, "mustchange", "mustchangepw").await else {
        panic!("389 answers the bind with success");
    };
    assert_eq!(person.account, Account::MustChangePassword);
    assert_eq!(check(&directory, "mustchange", "wrong").await, PasswordCheck::Wrong);
    assert_eq!(
        check(&directory, "pwexpired", "pwexpiredpw").await,
        PasswordCheck::Blocked(Account::MustChangePassword)
    );
    for name in ["mustchange", "pwexpired"] {
        let person = found(directory.look_up(&user(name), Wait::Whole).await);
        assert_eq!(person.account, Account::MustChangePassword, "{name}");
    }
    // It must be the control that tells, not the date alone: the service account may not see it.
    let blind = ds.with(|profile| profile.accounts = assent_engine::config::profile::AccountRules::OpenLdap);
    let PasswordCheck::Passed(person) = check(&blind, "mustchange", "mustchangepw").await else {
        panic!("389 answers the bind with success");
    };
    assert_eq!(person.account, Account::MustChangePassword);
    // The same of the service account: every search would be refused, without a word why.
    ds.dir.secret("service-password", "svcmustpw\n");
    let service = ds.with(|profile| {
        let Some(ServiceAccount::Simple { bind_dn, .. }) = &mut profile.service else {
            panic!("a name with a password")
        };
        *bind_dn = format!("uid=svcmust,ou=people,{SUFFIX}");
    });
    let text = why(service.look_up(&user("alice"), Wait::Whole).await);
    assert!(text.contains("the service account must change its password"), "{text}");
}

#[tokio::test]
async fn accounts_locked_on_their_entry_or_by_a_role_are_disabled_whatever_is_typed() {
    let Some(ds) = Ds389::start() else { return };
    let directory = ds.with(|_| ());
    for name in ["disabled", "inrole"] {
        assert_eq!(
            found(directory.look_up(&user(name), Wait::Whole).await).account,
            Account::Disabled,
            "{name}"
        );
        for typed in [format!("{name}pw"), "wrong".to_owned()] {
            assert_eq!(
                check(&directory, name, &typed).await,
                PasswordCheck::Blocked(Account::Disabled),
                "{name}: {typed}"
            );
        }
    }
    // Without the attribute, the server's words tell.
    let blind = ds.with(|profile| profile.accounts = assent_engine::config::profile::AccountRules::OpenLdap);
    let told = check(&blind, "inrole", "inrolepw").await;
    assert!(
        matches!(told, PasswordCheck::Blocked(Account::Disabled | Account::Locked)),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_account_locked_by_failures_is_told_by_result_19_and_on_its_entry() {
    let Some(mut ds) = Ds389::start() else { return };
    let directory = ds.with(|_| ());
    for _ in 0..3 {
        assert_eq!(check(&directory, "bob", "wrong").await, PasswordCheck::Wrong);
    }
    for typed in ["wrong", "bobpw"] {
        assert_eq!(
            check(&directory, "bob", typed).await,
            PasswordCheck::Blocked(Account::Locked)
        );
    }
    assert_eq!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).account,
        Account::Locked
    );
    ds.modify(&format!(
        "dn: uid=bob,ou=people,{SUFFIX}\nchangetype: modify\ndelete: accountUnlockTime\n-\n\
         replace: passwordRetryCount\npasswordRetryCount: 0\n\n"
    ));
    assert_eq!(
        found(directory.look_up(&user("bob"), Wait::Whole).await).account,
        Account::Active
    );
    assert!(matches!(
        check(&directory, "bob", "bobpw").await,
        PasswordCheck::Passed(_)
    ));
    assert!(ds.is_running());
}

#[tokio::test]
async fn r33_an_anonymous_search_that_389_answers_with_nothing_is_its_own_affair_and_says_unknown() {
    let Some(ds) = Ds389::start() else { return };
    // No entry and result 0: nothing tells this from a user who does not exist. The manual warns.
    let anonymous = ds.with(|profile| profile.service = None);
    assert_eq!(anonymous.look_up(&user("alice"), Wait::Whole).await, Lookup::Unknown);
}
