//! Whether an entry's account may log in, by the attributes that directories keep for it.

use super::entry::Entry;
use crate::config::profile::AccountRules;
use crate::directory::Account;
use crate::directory::date::{DAY, generalized_time};

const ACTIVE_DIRECTORY: [&str; 3] = [
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "accountExpires",
];
const OPENLDAP: [&str; 5] = [
    "pwdAccountLockedTime",
    "pwdReset",
    "pwdStartTime",
    "pwdEndTime",
    "shadowExpire",
];
const DS389: [&str; 3] = ["nsAccountLock", "accountUnlockTime", "passwordExpirationTime"];
const KERBEROS: [&str; 2] = ["krbPrincipalExpiration", "krbPasswordExpiration"];

/// The attributes that [`state`] reads by these rules. Operational ones come only when asked for by name.
pub fn attributes(rules: AccountRules) -> Vec<&'static str> {
    match rules {
        AccountRules::ActiveDirectory => ACTIVE_DIRECTORY.to_vec(),
        AccountRules::OpenLdap => OPENLDAP.to_vec(),
        AccountRules::Ds389 => DS389.to_vec(),
        AccountRules::FreeIpa => [DS389.as_slice(), &KERBEROS].concat(),
        AccountRules::Any => [
            ACTIVE_DIRECTORY.as_slice(),
            &DS389,
            &OPENLDAP,
            &KERBEROS,
            // Novell's, Oracle's.
            &["loginDisabled"],
        ]
        .concat(),
    }
}

/// `ADS_UF_ACCOUNTDISABLE`.
const AD_DISABLED: i64 = 0x2;
/// `ADS_UF_LOCKOUT`, true in the computed attribute alone.
const AD_LOCKED: i64 = 0x10;
/// `ADS_UF_PASSWORD_EXPIRED`, true in the computed attribute alone; also when it must be changed.
const AD_PASSWORD_EXPIRED: i64 = 0x80_0000;
/// Seconds between 1601, where Windows counts from, and 1970.
const AD_EPOCH: i64 = 11_644_473_600;

/// The account as it stands at `now`. `bound` when the server has just taken the password: a lock that ends by itself
/// is then over, whatever the attribute still says, and the server has said itself whether the password is too old. The
/// text says what cannot be told.
pub fn state(entry: &Entry, rules: AccountRules, now: i64, bound: bool) -> Result<Account, String> {
    // What the rules do not name was not asked for, and is not looked at if the server sends it all the same.
    let asked = attributes(rules);
    let read = Reading {
        entry,
        asked: &asked,
        now,
    };
    let control = read.number("userAccountControl")?.unwrap_or(0);
    let computed = read.number("msDS-User-Account-Control-Computed")?.unwrap_or(0);
    let not_yet = read.time("pwdStartTime")?.is_some_and(|start| start > now);
    if control & AD_DISABLED != 0 || not_yet || read.flag("nsAccountLock")? || read.flag("loginDisabled")? {
        return Ok(Account::Disabled);
    }
    if computed & AD_LOCKED != 0 || read.policy_lock(bound)? || read.locked_until(bound)? {
        return Ok(Account::Locked);
    }
    if read.ad_expired()?
        || read.shadow_expired()?
        || read.passed("krbPrincipalExpiration")?
        || read.passed("pwdEndTime")?
    {
        return Ok(Account::Expired);
    }
    if computed & AD_PASSWORD_EXPIRED != 0 || read.flag("pwdReset")? || read.password_expired(bound)? {
        return Ok(Account::MustChangePassword);
    }
    Ok(Account::Active)
}

/// An entry, what was asked of it, and the time.
struct Reading<'a> {
    entry: &'a Entry,
    asked: &'a [&'static str],
    now: i64,
}

impl Reading<'_> {
    /// `pwdAccountLockedTime` stays after a temporary lock has run out, until the next bind that succeeds; one from the
    /// year 0 is for good.
    fn policy_lock(&self, bound: bool) -> Result<bool, String> {
        let since = self.single("pwdAccountLockedTime")?;
        Ok(since.is_some_and(|since| !bound || since.starts_with("0000")))
    }

    /// 389: until then, and the first second of 1970 stands for good. The server obeys it itself at a bind.
    fn locked_until(&self, bound: bool) -> Result<bool, String> {
        let until = self.time("accountUnlockTime")?;
        Ok(!bound && until.is_some_and(|until| until == 0 || until > self.now))
    }

    fn ad_expired(&self) -> Result<bool, String> {
        Ok(match self.number("accountExpires")? {
            None | Some(0 | i64::MAX) => false,
            Some(ticks) => ticks / 10_000_000 - AD_EPOCH <= self.now,
        })
    }

    /// As `pam_unix` reads it: from the start of that day on, and never where it is -1.
    fn shadow_expired(&self) -> Result<bool, String> {
        Ok(match self.number("shadowExpire")? {
            None | Some(-1) => false,
            Some(day) => self.now.div_euclid(DAY) >= day,
        })
    }

    /// 389 says so itself at a bind. `FreeIPA` takes expired passwords at LDAP binds, so its Kerberos date always counts.
    fn password_expired(&self, bound: bool) -> Result<bool, String> {
        let at_389 = self.passed("passwordExpirationTime")?;
        Ok(self.passed("krbPasswordExpiration")? || (!bound && at_389))
    }

    fn passed(&self, name: &str) -> Result<bool, String> {
        Ok(self.time(name)?.is_some_and(|end| end <= self.now))
    }

    fn time(&self, name: &str) -> Result<Option<i64>, String> {
        match self.single(name)? {
            None => Ok(None),
            Some(text) => generalized_time(text)
                .map(Some)
                .ok_or_else(|| format!("{name} is no time")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>, String> {
        match self.single(name)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| format!("{name} is no number")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        match self.single(name)? {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(format!("{name} is neither TRUE nor FALSE")),
        }
    }

    fn single(&self, name: &str) -> Result<Option<&str>, String> {
        if self.asked.contains(&name) {
            self.entry.single(name)
        } else {
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 20_000 * DAY + 100;

    fn of(name: &str, value: &str, bound: bool) -> Result<Account, String> {
        by(AccountRules::Any, name, value, bound)
    }

    fn by(rules: AccountRules, name: &str, value: &str, bound: bool) -> Result<Account, String> {
        state(&Entry::of("uid=a", &[(name, &[value.as_bytes()])]), rules, NOW, bound)
    }

    #[test]
    fn account_states_are_told_from_their_attributes() {
        use Account::{Active, Disabled, Expired, Locked, MustChangePassword};
        assert_eq!(
            state(&Entry::of("uid=a", &[]), AccountRules::Any, NOW, false),
            Ok(Active)
        );
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
            ("pwdStartTime", "20990101000000Z", Disabled),
            ("pwdStartTime", "20000101000000Z", Active),
            ("pwdEndTime", "20000101000000Z", Expired),
            ("pwdEndTime", "20990101000000Z", Active),
            ("accountUnlockTime", "20990101000000Z", Locked),
            ("accountUnlockTime", "19700101000000Z", Locked),
            ("accountUnlockTime", "20000101000000Z", Active),
            ("passwordExpirationTime", "19700101000000Z", MustChangePassword),
            ("passwordExpirationTime", "20000101000000Z", MustChangePassword),
            ("passwordExpirationTime", "20380119031407Z", Active),
            ("krbPasswordExpiration", "20000101000000Z", MustChangePassword),
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
        // What the server says of it at the bind counts more than the date.
        assert_eq!(
            of("passwordExpirationTime", "20000101000000Z", true),
            Ok(Account::Active)
        );
        assert_eq!(of("accountUnlockTime", "20990101000000Z", true), Ok(Account::Active));
        let ipa = of("krbPasswordExpiration", "20000101000000Z", true);
        assert_eq!(ipa, Ok(Account::MustChangePassword));
    }

    #[test]
    fn a_presets_rules_look_at_its_own_directorys_attributes_alone() {
        let ad = AccountRules::ActiveDirectory;
        assert_eq!(by(ad, "userAccountControl", "514", false), Ok(Account::Disabled));
        assert_eq!(by(ad, "shadowExpire", "0", false), Ok(Account::Active));
        assert_eq!(
            by(AccountRules::Ds389, "userAccountControl", "514", false),
            Ok(Account::Active)
        );
        assert_eq!(
            by(AccountRules::FreeIpa, "nsAccountLock", "TRUE", false),
            Ok(Account::Disabled)
        );
        assert_eq!(
            by(AccountRules::OpenLdap, "pwdReset", "TRUE", false),
            Ok(Account::MustChangePassword)
        );
    }

    #[test]
    fn a_state_that_cannot_be_read_is_not_taken_for_active() {
        for name in attributes(AccountRules::Any) {
            let odd = of(name, "odd", false);
            assert!(odd.is_err() || odd == Ok(Account::Locked), "{name}: {odd:?}");
            let several = state(
                &Entry::of("uid=a", &[(name, &[b"1", b"2"])]),
                AccountRules::Any,
                NOW,
                false,
            );
            assert!(several.is_err(), "{name}");
            let bytes = state(
                &Entry::of("uid=a", &[(name, &[b"\xff"])]),
                AccountRules::Any,
                NOW,
                false,
            );
            assert!(bytes.is_err(), "{name}");
        }
    }
}
