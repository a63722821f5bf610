//! Codes of authenticator apps (RFC 6238): SHA-1, six digits, 30 seconds, as every common app has them.

use anyhow::Context as _;
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

/// Bytes of a secret that we make (RFC 4226 section 4 recommends 160 bits).
const SECRET: usize = 20;
/// Fewest bytes of one that is brought along: google-authenticator's first versions made 80 bits.
const FEWEST: usize = 10;
/// Seconds of a step.
const STEP: u64 = 30;
/// Steps that an app's clock may be away, either way (R18).
const DRIFT: u64 = 1;

/// An app's secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppSecret(Zeroizing<Vec<u8>>);

impl AppSecret {
    /// A fresh one. `None`: no randomness.
    pub fn random() -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; SECRET]);
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// One that another program made, in base32.
    pub fn from_base32(text: &str) -> Option<Self> {
        let secret = Secret::try_from_base32(text.trim().to_ascii_uppercase()).ok()?;
        let bytes = secret.as_bytes();
        (FEWEST..=64)
            .contains(&bytes.len())
            .then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    fn totp(&self, issuer: Option<&str>, account: &str) -> Totp {
        Builder::new()
            .with_secret(self.0.to_vec())
            .with_issuer(issuer)
            .with_account_name(account)
            // It compares with one step alone, in constant time; which steps, `step_of` says.
            .with_skew(0)
            // The secret's length has been checked, and may be shorter than the RFC wishes.
            .build_noncompliant()
    }

    /// The `otpauth://` address for an app.
    pub fn uri(&self, issuer: &str, user: &str) -> anyhow::Result<Zeroizing<String>> {
        // A colon would end the issuer's name.
        let account: String = user.chars().filter(|c| *c != ':' && !c.is_control()).collect();
        let uri = self.totp(Some(issuer), &account).to_url();
        uri.map(Zeroizing::new).context("the app's address could not be made")
    }

    /// The step whose code this is, if there is one near `now`. Looks at every step, whichever fits.
    pub fn step_of(&self, typed: &str, now: UnixTime) -> Option<u64> {
        let totp = self.totp(None, "");
        let step = now.0 / STEP;
        let mut found = None;
        for step in step.saturating_sub(DRIFT)..=step + DRIFT {
            found = totp.check(typed, step * STEP).or(found);
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the key of SHA-1, and the last six of its eight digits.
    fn rfc() -> AppSecret {
        AppSecret(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn r18_the_vectors_of_rfc_6238_hold() {
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(rfc().step_of(code, UnixTime(at)), Some(at / 30), "{at}");
        }
    }

    #[test]
    fn r18_a_clock_may_be_one_step_away_and_no_more() {
        let at = 1_234_567_890;
        for (away, taken) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let now = UnixTime(u64::try_from(i64::try_from(at).unwrap() + away).unwrap());
            assert_eq!(rfc().step_of("005924", now).is_some(), taken, "{away}");
        }
        for bad in ["005925", "05924", "+05924", "0059240", ""] {
            assert_eq!(rfc().step_of(bad, UnixTime(at)), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_comes_and_goes_in_base32() {
        let secret = AppSecret::from_base32("gezdgnbvgy3tqojqgezdgnbvgy3tqojq\n").unwrap();
        assert_eq!(secret.0.as_slice(), b"12345678901234567890");
        let uri = secret.uri("Example Ltd", "ali:ce").unwrap();
        assert!(uri.starts_with("otpauth://totp/"), "{}", uri.as_str());
        assert!(uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") && uri.contains("issuer=Example%20Ltd"));
        assert!(AppSecret::from_base32("GEZDGNBVGY3TQOJQ").is_some(), "80 bits");
        assert!(AppSecret::from_base32("GEZDGNBVGY3TQ").is_none() && AppSecret::from_base32("1!").is_none());
    }
}
