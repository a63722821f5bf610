//! `assentctl values PROFILE ATTRIBUTE`: the values that an attribute really has, with how many users have each, to
//! choose a policy's values from.

use crate::failure::{Done, Failure};
use crate::report::report;
use crate::rules::Which;
use assent_engine::directory::{Cut, ValueCounts, ValueLimits};
use assent_proto::text::visible;
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// Most characters of a value that are shown.
const SHOWN: usize = 200;

/// What the usual directories keep passwords and keys in.
const SECRETS: &[&str] = &[
    "userPassword",
    "2.5.4.35",
    "authPassword",
    "1.3.6.1.4.1.4203.1.3.4",
    "unicodePwd",
    "1.2.840.113556.1.4.90",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "pwdHistory",
    "passwordHistory",
    "supplementalCredentials",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "msLAPS-EncryptedPassword",
    "msLAPS-EncryptedPasswordHistory",
    "msDS-ManagedPassword",
    "msDS-ManagedPasswordPreviousId",
    "sambaNTPassword",
    "sambaLMPassword",
    "sambaPasswordHistory",
    "ipaNTHash",
    "ipatokenOTPkey",
    "ipaSshPrivateKey",
    "krbPrincipalKey",
    "krbMKey",
    "krb5Key",
    "oathSecret",
    "userPKCS12",
];

/// `values`.
#[derive(Debug, Args)]
pub struct Values {
    /// An authentication profile
    profile: String,
    /// An attribute, by the name that policies use
    attribute: String,
    /// Most different values
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Most seconds that the directory is asked
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    #[command(flatten)]
    which: Which,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Values {
    /// Asks the directory, and lists what there is, the most frequent first.
    pub async fn run(&self) -> Done {
        let rules = self.which.prepare_asking(Some(&self.profile))?;
        let mapped = rules.name_in_directory(&self.profile, &self.attribute);
        if [self.attribute.as_str(), mapped].into_iter().any(is_secret) {
            let attribute = visible(&self.attribute);
            return Err(Failure::Input(format!(
                "{attribute} holds passwords or keys, which are not shown; no policy looks at it"
            )));
        }
        let directory = rules.directory(&self.profile)?;
        let limits = ValueLimits {
            values: usize::try_from(self.limit).unwrap_or(usize::MAX),
            time: Duration::from_secs(self.seconds),
            ..ValueLimits::default()
        };
        let found = directory.values(&self.attribute, limits).await;
        let found = found.map_err(|why| Failure::Unreachable(format!("{}: {why}", self.profile)))?;
        report(self.json, &json_of(&found), || self.lines(&found));
        Ok(())
    }

    fn lines(&self, found: &ValueCounts) -> String {
        let width = found.values.first().map_or(1, |(_, most)| most.to_string().len());
        let values = found.values.iter();
        let mut lines: Vec<String> = values
            .map(|(value, count)| format!("{count:>width$}  {}", value.shown(SHOWN)))
            .collect();
        lines.push(format!(
            "{} values of {} among {} users of {} that have it",
            found.values.len(),
            self.attribute,
            found.entries,
            self.profile
        ));
        lines.extend(found.cut.as_ref().map(|cut| format!("not all: {}", words(cut))));
        lines.join("\n")
    }
}

/// Whether a directory keeps passwords or keys in this attribute, by name or OID, with or without options.
fn is_secret(attribute: &str) -> bool {
    let name = attribute.split(';').next().unwrap_or_default().trim();
    SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

fn words(cut: &Cut) -> String {
    match cut {
        Cut::Entries => "there are more users than were read".into(),
        Cut::Values => "there are more values; --limit shows more".into(),
        Cut::Time => "the time was over; --seconds gives more".into(),
        Cut::Server(why) => format!("the server gave no more: {why}"),
        Cut::Listed => "users whom the name service alone knows are not counted".into(),
    }
}

fn json_of(found: &ValueCounts) -> Value {
    let values = found.values.iter();
    let values: Vec<Value> = values
        .map(|(value, count)| json!({"value": value.shown(SHOWN), "users": count}))
        .collect();
    json!({"values": values, "users": found.entries, "not_all": found.cut.as_ref().map(words)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        values: Values,
    }

    #[test]
    fn a_time_and_a_number_of_values_have_bounds() {
        let line = |option: &str, value: &str| Line::try_parse_from(["values", "corp", "mail", option, value]);
        for (option, value) in [
            ("--seconds", "1"),
            ("--seconds", "3600"),
            ("--limit", "1"),
            ("--limit", "100000"),
        ] {
            line(option, value).unwrap();
        }
        for (option, value) in [
            ("--seconds", "0"),
            ("--seconds", "3601"),
            ("--seconds", "18446744073709551615"),
            ("--limit", "0"),
            ("--limit", "18446744073709551615"),
        ] {
            assert!(line(option, value).is_err(), "{option} {value}");
        }
    }

    #[test]
    fn r44_attributes_that_hold_secrets_are_known_in_every_spelling() {
        for secret in [
            "userPassword",
            "USERPASSWORD",
            "userPassword;binary",
            "2.5.4.35",
            "unicodePwd",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in ["mail", "department", "memberOf", "passwordNote"] {
            assert!(!is_secret(plain), "{plain}");
        }
    }
}
