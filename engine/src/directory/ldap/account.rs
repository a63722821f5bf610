//! Whether an entry's account may log in, by the attributes that directories keep for it.

use super::entry::Entry;
use crate::directory::Account;
use crate::directory::date::{DAY, generalized_time};

/// The attributes that [`state`] reads. Operational ones come only when asked for by name.
pub const ATTRIBUTES: [&str; 9] = [
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "accountExpires",
    "nsAccountLock",
    "loginDisabled",
    "pwdAccountLockedTime",
    "pwdReset",
    "shadowExpire",
    "krbPrincipalExpiration",
];

/// `ADS_UF_ACCOUNTDISABLE`.
const AD_DISABLED: i64 = 0x2;
/// `ADS_UF_LOCKOUT`, true in the computed attribute alone.
const AD_LOCKED: i64 = 0x10;
/// `ADS_UF_PASSWORD_EXPIRED`, true in the computed attribute alone; also when it must be changed.
const AD_PASSWORD_EXPIRED: i64 = 0x80_0000;
/// Seconds between 1601, where Windows counts from, and 1970.
const AD_EPOCH: i64 = 11_644_473_600;

/// The account as it stands at `now`. `bound` when the server has just taken the password: a lock that ends by itself
/// is then over, whatever the attribute still says. The text says what cannot be told.
pub fn state(entry: &Entry, now: i64, bound: bool) -> Result<Account, String> {
    let control = number(entry, "userAccountControl")?.unwrap_or(0);
    let computed = number(entry, "msDS-User-Account-Control-Computed")?.unwrap_or(0);
    if control & AD_DISABLED != 0 || flag(entry, "nsAccountLock")? || flag(entry, "loginDisabled")? {
        return Ok(Account::Disabled);
    }
    if computed & AD_LOCKED != 0 || policy_lock(entry, bound)? {
        return Ok(Account::Locked);
    }
    if ad_expired(entry, now)? || shadow_expired(entry, now)? || kerberos_expired(entry, now)? {
        return Ok(Account::Expired);
    }
    if computed & AD_PASSWORD_EXPIRED != 0 || flag(entry, "pwdReset")? {
        return Ok(Account::MustChangePassword);
    }
    Ok(Account::Active)
}

/// `pwdAccountLockedTime` stays after a temporary lock has run out, until the next bind that succeeds; one from the
/// year 0 is for good.
fn policy_lock(entry: &Entry, bound: bool) -> Result<bool, String> {
    let since = entry.single("pwdAccountLockedTime")?;
    Ok(since.is_some_and(|since| !bound || since.starts_with("0000")))
}

fn ad_expired(entry: &Entry, now: i64) -> Result<bool, String> {
    Ok(match number(entry, "accountExpires")? {
        None | Some(0 | i64::MAX) => false,
        Some(ticks) => ticks / 10_000_000 - AD_EPOCH <= now,
    })
}

/// As `pam_unix` reads it: from the start of that day on, and never where it is -1.
fn shadow_expired(entry: &Entry, now: i64) -> Result<bool, String> {
    Ok(match number(entry, "shadowExpire")? {
        None | Some(-1) => false,
        Some(day) => now.div_euclid(DAY) >= day,
    })
}

fn kerberos_expired(entry: &Entry, now: i64) -> Result<bool, String> {
    match entry.single("krbPrincipalExpiration")? {
        None => Ok(false),
        Some(text) => match generalized_time(text) {
            Some(end) => Ok(end <= now),
            None => Err("krbPrincipalExpiration is no time".to_owned()),
        },
    }
}

fn number(entry: &Entry, name: &str) -> Result<Option<i64>, String> {
    match entry.single(name)? {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| format!("{name} is no number")),
    }
}

fn flag(entry: &Entry, name: &str) -> Result<bool, String> {
    match entry.single(name)? {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(format!("{name} is neither TRUE nor FALSE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 20_000 * DAY + 100;

    fn of(name: &str, value: &str, bound: bool) -> Result<Account, String> {
        state(&Entry::of("uid=a", &[(name, &[value.as_bytes()])]), NOW, bound)
    }

    #[test]
    fn account_states_are_told_from_their_attributes() {
        use Account::{Active, Disabled, Expired, Locked, MustChangePassword};
        assert_eq!(state(&Entry::of("uid=a", &[]), NOW, false), Ok(Active));
        let ticks = |unix: i64| ((unix + AD_EPOCH) * 10_000_000).to_string();
        for (name, value, expected) in [
            ("userAccountControl", "512", Active),
            ("userAccountControl", "514", Disabled),
            ("userAccountControl", "66050", Disabled),
            ("msDS-User-Account-Control-Computed", "0", Active),
            ("msDS-User-Account-Control-Computed", "16", Locked),
            ("msDS-User-Account-Control-Computed", "8388608", MustChangePassword),
            ("msDS-User-Account-Control-Computed", "8388624", Locked),
            ("accountExpires", "0", Active),
            ("accountExpires", "9223372036854775807", Active),
            ("accountExpires", "132223104000000000", Expired),
            ("accountExpires", &ticks(NOW), Expired),
            ("accountExpires", &ticks(NOW + 1), Active),
            ("nsAccountLock", "true", Disabled),
            ("nsAccountLock", "FALSE", Active),
            ("loginDisabled", "TRUE", Disabled),
            ("pwdAccountLockedTime", "000001010000Z", Locked),
            ("pwdAccountLockedTime", "20260101000000Z", Locked),
            ("pwdReset", "TRUE", MustChangePassword),
            ("pwdReset", "FALSE", Active),
            ("shadowExpire", "-1", Active),
            ("shadowExpire", "20001", Active),
            ("shadowExpire", "20000", Expired),
            ("shadowExpire", "0", Expired),
            ("krbPrincipalExpiration", "20000101000000Z", Expired),
            ("krbPrincipalExpiration", "20990101000000Z", Active),
        ] {
            assert_eq!(of(name, value, false), Ok(expected), "{name}: {value}");
        }
    }

    #[test]
    fn a_lock_that_ran_out_does_not_outlive_a_bind_and_one_for_good_does() {
        assert_eq!(of("pwdAccountLockedTime", "20260101000000Z", true), Ok(Account::Active));
        assert_eq!(of("pwdAccountLockedTime", "000001010000Z", true), Ok(Account::Locked));
        assert_eq!(of("userAccountControl", "514", true), Ok(Account::Disabled));
    }

    #[test]
    fn a_state_that_cannot_be_read_is_not_taken_for_active() {
        for name in ATTRIBUTES {
            let odd = of(name, "odd", false);
            assert!(odd.is_err() || odd == Ok(Account::Locked), "{name}: {odd:?}");
            let several = state(&Entry::of("uid=a", &[(name, &[b"1", b"2"])]), NOW, false);
            assert!(several.is_err(), "{name}");
            let bytes = state(&Entry::of("uid=a", &[(name, &[b"\xff"])]), NOW, false);
            assert!(bytes.is_err(), "{name}");
        }
    }
}
