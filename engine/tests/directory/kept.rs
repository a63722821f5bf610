//! What was kept of a user, against what the directory has said since.

use crate::fake::{self, Fake};
use crate::rig::*;
use assent_engine::config::profile::{CacheLimits, LdapProfile, LdapSecurity, Nesting};
use assent_engine::directory::ldap::{LdapDirectory, tls_config};
use assent_engine::directory::{Account, Lookup, PasswordCheck, Wait};
use std::time::Duration;

const ID: &[u8] = b"597ae2f6-16a6-1027-98f4-d28b5365dc14";

fn alice(lock: &[u8]) -> Vec<u8> {
    let attributes: [(&str, &[&[u8]]); 3] = [("entryUUID", &[ID]), ("uid", &[b"alice"]), ("nsAccountLock", &[lock])];
    fake::entry(&format!("uid=alice,{BASE}"), &attributes)
}

/// A profile that keeps what it read, on a stand-in.
fn keeping(fake: &Fake, nesting: Nesting, fresh: u64, stale: u64) -> LdapDirectory {
    let dir = Dir::new();
    certificates(&dir.0);
    let uri = format!("ldap://127.0.0.1:{}", fake.port);
    let profile = LdapProfile {
        servers: vec![server(&uri, LdapSecurity::PlainLoopback)],
        nesting,
        timeout: Duration::from_secs(2),
        cache: Some(CacheLimits {
            fresh: Duration::from_secs(fresh),
            stale: Duration::from_secs(stale),
        }),
        ..plain_profile()
    };
    LdapDirectory::new(profile, tls_config(Some(&dir.0.join("ca.pem"))).unwrap())
}

/// A server that has just said "disabled" answers: nothing that was kept may stand in for that, whatever becomes of the
/// search for the groups.
#[tokio::test]
async fn r67_a_user_whom_the_directory_calls_disabled_does_not_get_in_by_stale_attributes() {
    let fake = Fake::in_turn(
        vec![
            vec![alice(b"FALSE"), fake::done(0)],
            vec![fake::done(0)],
            vec![alice(b"TRUE"), fake::done(0)],
            // Busy, each time that groups are searched for.
            vec![fake::done(51)],
        ],
        fake::bound(0),
    );
    let directory = keeping(&fake, Nesting::Walk, 0, 600);
    assert_eq!(
        found(directory.look_up(&user("alice"), Wait::Whole).await).account,
        Account::Active
    );
    let after = directory.look_up(&user("alice"), Wait::Whole).await;
    let lets_in = matches!(&after, Lookup::Found(person) if person.account == Account::Active);
    assert!(!lets_in, "{after:?}");
}

/// As `r67_what_was_kept_of_an_account_that_is_found_blocked_is_forgotten`, where the server takes the password of a
/// blocked account (`shadowExpire`, `pwdEndTime`, `krbPrincipalExpiration`, must change).
#[tokio::test]
async fn r67_what_was_kept_is_forgotten_where_the_password_is_right_and_the_account_blocked() {
    let fake = Fake::in_turn(
        vec![
            vec![alice(b"FALSE"), fake::done(0)],
            vec![alice(b"TRUE"), fake::done(0)],
        ],
        fake::bound(0),
    );
    let directory = keeping(&fake, Nesting::Off, 600, 0);
    assert_eq!(
        found(directory.look_up(&user("alice"), Wait::Whole).await).account,
        Account::Active
    );
    let PasswordCheck::Passed(person) = check(&directory, "alice", "alicepw").await else {
        panic!("the server takes it");
    };
    assert_eq!(person.account, Account::Disabled);
    assert_eq!(
        found(directory.look_up(&user("alice"), Wait::Whole).await).account,
        Account::Disabled
    );
}

/// Whom the directory does not know any more when a password is checked, a key does not let in either.
#[tokio::test]
async fn r67_what_was_kept_is_forgotten_where_the_user_is_gone_when_the_password_is_checked() {
    let fake = Fake::in_turn(
        vec![vec![alice(b"FALSE"), fake::done(0)], vec![fake::done(0)]],
        fake::bound(49),
    );
    let directory = keeping(&fake, Nesting::Off, 600, 0);
    assert_eq!(
        found(directory.look_up(&user("alice"), Wait::Whole).await).account,
        Account::Active
    );
    assert_eq!(check(&directory, "alice", "alicepw").await, PasswordCheck::Unknown);
    assert_eq!(directory.look_up(&user("alice"), Wait::Whole).await, Lookup::Unknown);
}
