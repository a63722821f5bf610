//! What a server's answer to a user's bind means.

use super::ber;
use crate::directory::{Account, PasswordCheck, Person};
use ldap3::LdapResult;

/// The password policy control of `OpenLDAP`, 389 and others.
pub const POLICY_CONTROL: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// 389's "password expired, or must be changed", which comes with a *success* when it must be changed.
const EXPIRED_CONTROL: &str = "2.16.840.1.113730.3.4.4";

/// Judges the answer to `person`'s bind.
pub fn judge(result: &LdapResult, person: Person) -> PasswordCheck {
    let policy = policy_error(result);
    match result.rc {
        0 => PasswordCheck::Passed(Box::new(Person {
            account: worse(person.account, policy),
            ..person
        })),
        // 48: the entry has no password. Either way this password does not open the account.
        49 | 48 => match policy.or_else(|| active_directory(&result.text)) {
            // OpenLDAP says "locked" of an account that has ended, too: where the entry says why, that counts.
            Some(account) => PasswordCheck::Blocked(worse(person.account, Some(account))),
            None => PasswordCheck::Wrong,
        },
        // 389: too many failures.
        19 => PasswordCheck::Blocked(policy.unwrap_or(Account::Locked)),
        // 389's control says "locked" here, too, where an administrator has switched the account off.
        53 => match inactivated(&result.text, person.account).or(policy) {
            Some(account) => PasswordCheck::Blocked(account),
            None => unreachable(result),
        },
        _ => unreachable(result),
    }
}

/// Whether a bind that succeeded leaves nothing but a change of the password (389's trap).
pub fn must_change(result: &LdapResult) -> bool {
    policy_error(result) == Some(Account::MustChangePassword)
}

fn unreachable(result: &LdapResult) -> PasswordCheck {
    PasswordCheck::Unreachable(format!("the server answered the user's bind with {}", shown(result)))
}

/// A result for the log.
pub fn shown(result: &LdapResult) -> String {
    let text = assent_proto::text::cut_in_the_middle(&assent_proto::text::visible(&result.text), 200);
    if text.is_empty() {
        format!("result {}", result.rc)
    } else {
        format!("result {} ({text})", result.rc)
    }
}

/// What the entry says stands; only an account that it calls active can be worse by what the bind says.
fn worse(entry: Account, policy: Option<Account>) -> Account {
    match entry {
        Account::Active => policy.unwrap_or(Account::Active),
        blocked => blocked,
    }
}

/// The account's state by the controls that came with the answer.
fn policy_error(result: &LdapResult) -> Option<Account> {
    let mut found = None;
    for control in &result.ctrls {
        let raw = &control.1;
        found = found.or(match raw.ctype.as_str() {
            EXPIRED_CONTROL => Some(Account::MustChangePassword),
            POLICY_CONTROL => raw.val.as_deref().and_then(policy_code).and_then(account_of_policy),
            _ => None,
        });
    }
    found
}

fn account_of_policy(code: u8) -> Option<Account> {
    match code {
        1 => Some(Account::Locked),
        // Expired, and "change after reset". The others speak of changing passwords.
        0 | 2 => Some(Account::MustChangePassword),
        _ => None,
    }
}

/// The error in a password policy answer: `SEQUENCE { [0] warning, [1] error }`, both optional.
fn policy_code(mut value: &[u8]) -> Option<u8> {
    let outer = ber::take(&mut value).filter(|outer| outer.tag == 0x30)?;
    let error = ber::elements(outer.body)?.into_iter().find(|part| part.tag == 0x81)?;
    match error.body {
        [code] => Some(*code),
        _ => None,
    }
}

/// Active Directory's reason, as in `…, comment: AcceptSecurityContext error, data 52e, v1db1`. All but 775 come with
/// the right password alone.
fn active_directory(text: &str) -> Option<Account> {
    let (_, after) = text.split_once(", data ")?;
    match after.split(',').next()?.trim() {
        // Switched off; wrong hours; wrong workstation.
        "533" | "530" | "531" => Some(Account::Disabled),
        "775" => Some(Account::Locked),
        "701" => Some(Account::Expired),
        "532" | "773" => Some(Account::MustChangePassword),
        _ => None,
    }
}

/// 389 says so in words, and in `nsAccountLock`, which the service account may not be allowed to read.
fn inactivated(text: &str, entry: Account) -> Option<Account> {
    match entry {
        Account::Active if text.to_ascii_lowercase().contains("account inactivated") => Some(Account::Disabled),
        Account::Active => None,
        blocked => Some(blocked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Attributes;
    use assent_proto::ShortText;
    use assent_proto::cert::Identity;
    use ldap3::controls::{Control, RawControl};

    fn person(account: Account) -> Person {
        Person {
            identity: Identity {
                realm: ShortText::new("lab").unwrap(),
                id: ShortText::new("1").unwrap(),
            },
            account,
            attributes: Attributes::default(),
        }
    }

    fn result(rc: u32, text: &str, controls: &[(&str, &[u8])]) -> LdapResult {
        let control = |(oid, value): &(&str, &[u8])| {
            Control(
                None,
                RawControl {
                    ctype: (*oid).to_owned(),
                    crit: false,
                    val: Some(value.to_vec()),
                },
            )
        };
        LdapResult {
            rc,
            matched: String::new(),
            text: text.to_owned(),
            refs: vec![],
            ctrls: controls.iter().map(control).collect(),
        }
    }

    fn bound(rc: u32, text: &str, controls: &[(&str, &[u8])]) -> PasswordCheck {
        judge(&result(rc, text, controls), person(Account::Active))
    }

    #[test]
    fn only_result_0_passes() {
        assert_eq!(
            bound(0, "", &[]),
            PasswordCheck::Passed(Box::new(person(Account::Active)))
        );
        for code in 1..130 {
            assert!(!matches!(bound(code, "", &[]), PasswordCheck::Passed(_)), "{code}");
        }
        assert_eq!(bound(49, "", &[]), PasswordCheck::Wrong);
        assert_eq!(bound(48, "", &[]), PasswordCheck::Wrong);
        for code in [1, 2, 8, 10, 13, 14, 32, 50, 51, 52, 53, 80] {
            assert!(matches!(bound(code, "", &[]), PasswordCheck::Unreachable(_)), "{code}");
        }
    }

    #[test]
    fn active_directory_tells_why() {
        for (data, expected) in [
            ("52e", PasswordCheck::Wrong),
            ("525", PasswordCheck::Wrong),
            ("533", PasswordCheck::Blocked(Account::Disabled)),
            ("775", PasswordCheck::Blocked(Account::Locked)),
            ("701", PasswordCheck::Blocked(Account::Expired)),
            ("532", PasswordCheck::Blocked(Account::MustChangePassword)),
            ("773", PasswordCheck::Blocked(Account::MustChangePassword)),
            ("530", PasswordCheck::Blocked(Account::Disabled)),
        ] {
            let text =
                format!("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1");
            assert_eq!(bound(49, &text, &[]), expected, "{data}");
        }
    }

    #[test]
    fn server_389_tells_why_and_a_bind_that_must_be_followed_by_a_change_is_seen() {
        assert_eq!(
            bound(19, "Exceed password retry limit. Please try later.", &[]),
            PasswordCheck::Blocked(Account::Locked)
        );
        assert_eq!(
            bound(53, "Account inactivated. Contact system administrator.", &[]),
            PasswordCheck::Blocked(Account::Disabled)
        );
        assert_eq!(
            bound(49, "password expired!", &[(EXPIRED_CONTROL, b"0")]),
            PasswordCheck::Blocked(Account::MustChangePassword)
        );
        // The trap: result 0.
        assert_eq!(
            bound(0, "", &[(EXPIRED_CONTROL, b"0")]),
            PasswordCheck::Passed(Box::new(person(Account::MustChangePassword)))
        );
        let both = (POLICY_CONTROL, [0x30, 3, 0x81, 1, 1].as_slice());
        assert_eq!(
            bound(53, "Account inactivated. Contact system administrator.", &[both]),
            PasswordCheck::Blocked(Account::Disabled)
        );
        let locked = judge(&result(53, "", &[]), person(Account::Disabled));
        assert_eq!(locked, PasswordCheck::Blocked(Account::Disabled));
    }

    #[test]
    fn password_policy_answers_are_read() {
        let after_reset: &[u8] = &[0x30, 3, 0x81, 1, 2];
        let locked: &[u8] = &[0x30, 3, 0x81, 1, 1];
        let expired: &[u8] = &[0x30, 3, 0x81, 1, 0];
        let grace: &[u8] = &[0x30, 5, 0xa0, 3, 0x81, 1, 3];
        let passed = |account| PasswordCheck::Passed(Box::new(person(account)));
        assert_eq!(
            bound(0, "", &[(POLICY_CONTROL, after_reset)]),
            passed(Account::MustChangePassword)
        );
        assert_eq!(bound(0, "", &[(POLICY_CONTROL, grace)]), passed(Account::Active));
        assert_eq!(
            bound(49, "", &[(POLICY_CONTROL, locked)]),
            PasswordCheck::Blocked(Account::Locked)
        );
        assert_eq!(
            bound(49, "", &[(POLICY_CONTROL, expired)]),
            PasswordCheck::Blocked(Account::MustChangePassword)
        );
        assert_eq!(
            bound(53, "", &[(POLICY_CONTROL, locked)]),
            PasswordCheck::Blocked(Account::Locked)
        );
        for odd in [b"".as_slice(), b"\x30", b"\x30\x03\x81\x02\x01", b"\x04\x01x"] {
            assert_eq!(bound(49, "", &[(POLICY_CONTROL, odd)]), PasswordCheck::Wrong);
        }
    }

    #[test]
    fn a_blocked_entry_stays_blocked_whatever_the_bind_says() {
        let passed = judge(&result(0, "", &[(EXPIRED_CONTROL, b"0")]), person(Account::Disabled));
        assert_eq!(passed, PasswordCheck::Passed(Box::new(person(Account::Disabled))));
    }
}
