//! `[codes]`: the ways that one-time codes go, and how many may go.

use super::section::Section;
use crate::codes::mail::{MailServer, Tls};
use crate::codes::number::{CallingCode, Prefix};
use crate::codes::secret::SecretFile;
use crate::codes::sms::{Auth, Form, Gateway};
use crate::codes::text::{Language, Template, Texts};
use std::path::{Path, PathBuf};

/// What the code service goes by.
#[derive(Debug, Clone)]
pub struct Codes {
    /// What authenticator apps call this place.
    pub issuer: String,
    /// Of numbers without one.
    pub default_country: Option<CallingCode>,
    /// To which numbers an SMS may go.
    pub prefixes: Vec<Prefix>,
    /// SMS gateways, in the order in which they are tried.
    pub sms: Vec<Gateway>,
    /// Mail servers, in the order in which they are tried.
    pub mail: Vec<MailServer>,
    /// What the messages say.
    pub texts: Texts,
    /// How many may be sent.
    pub limits: SendLimits,
}

/// Messages of one method in 24 hours, and the pause between two to one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLimits {
    /// To one person.
    pub per_user: u32,
    /// For one host.
    pub per_host: u32,
    /// SMS: to one of `prefixes`.
    pub per_prefix: u32,
    /// In all.
    pub per_day: u32,
    /// Seconds between two to one person.
    pub pause: u32,
}

/// Takes the table out of the file; the keys stay unknown where this process has no code service.
pub(super) fn read(root: &mut Section, has: bool, unit: &str) -> (Codes, Vec<String>) {
    let mut section = root.section_if(has, "codes");
    let issuer = section.text("issuer", "Assent");
    if issuer.is_empty() || issuer.len() > 60 || issuer.contains(':') || issuer.chars().any(char::is_control) {
        section.problem(
            "issuer",
            "must be a short name without a colon, such as \"Example Ltd\"",
        );
    }
    let default_country = section.optional("default_country").and_then(|text| {
        let code = CallingCode::parse(&text);
        if code.is_none() {
            section.problem("default_country", "must be a calling code such as \"+49\"");
        }
        code
    });
    let mut prefixes = Vec::new();
    for text in section.texts("prefixes") {
        match Prefix::parse(&text) {
            Some(prefix) => prefixes.push(prefix),
            None => section.problem(
                "prefixes",
                "must be beginnings of numbers, such as [\"+49\", \"+4366\"]",
            ),
        }
    }
    let limits = SendLimits {
        per_user: section.number("per_user_and_day", 10, 1..=1000),
        per_host: section.number("per_host_and_day", 500, 1..=1_000_000),
        per_prefix: section.number("per_prefix_and_day", 1000, 1..=1_000_000),
        per_day: section.number("per_day", 2000, 1..=10_000_000),
        pause: section.number("pause", 30, 0..=3600),
    };
    let mut lines = Vec::new();
    let mut sms = Vec::new();
    for table in tables(&mut section, "sms") {
        let mut table = Section::new("codes.sms", table);
        sms.extend(gateway(&mut table, unit));
        lines.extend(table.finish());
    }
    let mut mail = Vec::new();
    for table in tables(&mut section, "mail") {
        let mut table = Section::new("codes.mail", table);
        mail.extend(server(&mut table, unit));
        lines.extend(table.finish());
    }
    if !sms.is_empty() && prefixes.is_empty() {
        section.problem(
            "prefixes",
            "is missing; say to which numbers an SMS may go, such as [\"+49\"]: nobody can then be made to pay for others",
        );
    }
    let mut texts = Texts::default();
    for (language, key, place) in [
        (Language::English, "text_en", "codes.text_en"),
        (Language::Turkish, "text_tr", "codes.text_tr"),
        (Language::German, "text_de", "codes.text_de"),
    ] {
        let mut table = section.section_at(key, place);
        for (slot, key, places) in texts.of_mut(language) {
            let Some(text) = table.optional(key) else { continue };
            match Template::parse(&text, places) {
                Ok(template) => *slot = template,
                Err(why) => table.problem(key, &why),
            }
        }
        lines.extend(table.finish());
    }
    lines.extend(section.finish());
    let codes = Codes {
        issuer,
        default_country,
        prefixes,
        sms,
        mail,
        texts,
        limits,
    };
    (codes, lines)
}

/// A list of tables.
fn tables(section: &mut Section, key: &'static str) -> Vec<toml::Table> {
    let list = match section.take(key) {
        None => return Vec::new(),
        Some(toml::Value::Array(list)) => list,
        Some(_) => Vec::new(),
    };
    let tables: Vec<toml::Table> = list.iter().filter_map(|one| one.as_table().cloned()).collect();
    if tables.is_empty() || tables.len() != list.len() {
        section.problem(
            key,
            &format!("must be tables; write [[codes.{key}]] on a line of its own"),
        );
    }
    tables
}

/// A secret in a file, or in a systemd credential of the unit.
fn secret(table: &mut Section, keys: [&'static str; 2], unit: &str) -> Option<SecretFile> {
    let [file, credential] = keys;
    match (table.optional(file), table.optional(credential)) {
        (Some(path), None) => Some(SecretFile::Own(table.absolute(file, path.into()))),
        (None, Some(name)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                table.problem(credential, "must be the name of a systemd credential");
            }
            Some(SecretFile::Credential(
                Path::new("/run/credentials").join(unit).join(name),
            ))
        }
        (Some(_), Some(_)) => {
            table.problem(
                file,
                &format!("and {credential} name the same secret twice; remove one"),
            );
            None
        }
        (None, None) => None,
    }
}

fn gateway(table: &mut Section, unit: &str) -> Option<Gateway> {
    let name = table.required("name", "give it a short name for the log");
    let url = table.required("url", "write the address of the gateway's interface");
    let method = table.text("method", "POST");
    let method = match method.as_str() {
        "POST" => reqwest::Method::POST,
        "GET" => reqwest::Method::GET,
        _ => {
            table.problem("method", "must be \"POST\" or \"GET\"");
            reqwest::Method::POST
        }
    };
    let secret = secret(table, ["secret_file", "secret_credential"], unit);
    let user = table.optional("user");
    let auth = match (table.text("auth", "none").as_str(), user, secret.is_some()) {
        ("none", None, _) => Auth::None,
        ("bearer", None, true) => Auth::Bearer,
        ("basic", Some(user), true) => Auth::Basic(user),
        ("basic" | "bearer", _, false) => {
            table.problem("auth", "needs secret_file or secret_credential");
            Auth::None
        }
        ("basic", None, true) => {
            table.problem("user", "is missing; auth = \"basic\" needs it");
            Auth::None
        }
        ("none" | "bearer", Some(_), _) => {
            table.problem(
                "user",
                "is for auth = \"basic\" alone; elsewhere write {secret} where the secret belongs",
            );
            Auth::None
        }
        _ => {
            table.problem("auth", "must be \"none\", \"basic\" or \"bearer\"");
            Auth::None
        }
    };
    let content_type = table.text("content_type", "application/json");
    let form = Form::of_content_type(&content_type);
    if form.is_none() {
        table.problem(
            "content_type",
            "must be \"application/json\", \"application/x-www-form-urlencoded\" or \"text/plain\"",
        );
    }
    let body = table.text("body", "");
    let headers = match table.take("headers") {
        None => Vec::new(),
        Some(toml::Value::Table(headers)) => {
            let texts: Vec<(String, String)> = headers
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect();
            if texts.len() != headers.len() {
                table.problem(
                    "headers",
                    "must be texts in quotes, such as { \"X-Api-Key\" = \"{secret}\" }",
                );
            }
            texts
        }
        Some(_) => {
            table.problem("headers", "must be a table such as { \"X-Api-Key\" = \"{secret}\" }");
            Vec::new()
        }
    };
    let status = match table.take("success_status") {
        None => Vec::new(),
        Some(value) => {
            let list = value.as_array().cloned().unwrap_or_default();
            let numbers: Vec<u16> = list
                .iter()
                .filter_map(|one| u16::try_from(one.as_integer()?).ok())
                .filter(|number| (200..300).contains(number))
                .collect();
            if numbers.is_empty() || numbers.len() != list.len() {
                table.problem(
                    "success_status",
                    "must be a list of numbers from 200 to 299, such as [200, 202]",
                );
            }
            numbers
        }
    };
    let success = table.optional("success_body").and_then(|pattern| {
        let pattern = regex::RegexBuilder::new(&pattern).size_limit(1 << 20).build();
        if pattern.is_err() {
            table.problem("success_body", "is no regular expression");
        }
        pattern.ok()
    });
    let ca_file = ca_file(table);
    let gateway = Gateway::new(
        name?,
        url?,
        method,
        headers,
        auth,
        secret,
        form?,
        (content_type, body),
        (status, success),
        ca_file,
    );
    match gateway {
        Ok(gateway) => Some(gateway),
        Err((key, why)) => {
            table.problem(key, why);
            None
        }
    }
}

fn ca_file(table: &mut Section) -> Option<PathBuf> {
    let path = table.optional("ca_file")?;
    Some(table.absolute("ca_file", path.into()))
}

fn server(table: &mut Section, unit: &str) -> Option<MailServer> {
    let host = table.required("host", "write the mail server's name");
    let tls = match table.text("tls", "starttls").as_str() {
        "starttls" => Tls::StartTls,
        "tls" => Tls::Wrapped,
        "none" => Tls::None,
        _ => {
            table.problem("tls", "must be \"starttls\", \"tls\" or, to 127.0.0.1 alone, \"none\"");
            Tls::StartTls
        }
    };
    let loopback = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "::1");
    if tls == Tls::None && host.as_deref().is_some_and(|host| !loopback(host)) {
        table.problem(
            "tls",
            "must not be \"none\" outside this machine: codes would cross the network in the clear",
        );
    }
    let port = table.number("port", tls.default_port(), 1..=65_535);
    let user = table.optional("user");
    let password = secret(table, ["password_file", "password_credential"], unit);
    let login = match (user, password) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        _ => {
            table.problem("user", "and password_file or password_credential belong together");
            None
        }
    };
    let from = table.required("from", "write the sender, such as \"Assent <assent@example.org>\"");
    let from =
        from.and_then(|from| table.parsed("from", &from, "write a sender such as \"Assent <assent@example.org>\""));
    Some(MailServer {
        host: host?,
        port: u16::try_from(port).ok()?,
        tls,
        login,
        from: from?,
        ca_file: ca_file(table),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Config;
    use super::*;

    const SMS: &str =
        "[[codes.sms]]\nname = \"main\"\nurl = \"https://sms.example.org/send\"\nbody = \"{number} {text}\"\n";
    const MAIL: &str = "[[codes.mail]]\nhost = \"smtp.example.org\"\nfrom = \"Assent <assent@example.org>\"\n";

    fn parse(codes: &str) -> Result<Codes, Vec<String>> {
        Config::parse(&format!("public_url = \"https://push.example.org\"\n{codes}")).map(|config| config.codes)
    }

    #[test]
    fn without_a_section_nothing_is_sent_and_the_limits_stand() {
        let codes = parse("").unwrap();
        assert!(codes.sms.is_empty() && codes.mail.is_empty() && codes.prefixes.is_empty());
        assert_eq!((codes.issuer.as_str(), codes.default_country), ("Assent", None));
        let limits = SendLimits {
            per_user: 10,
            per_host: 500,
            per_prefix: 1000,
            per_day: 2000,
            pause: 30,
        };
        assert_eq!(codes.limits, limits);
    }

    #[test]
    fn every_key_is_taken_as_it_is_written() {
        let codes = parse(&format!(
            "[codes]\nissuer = \"Example Ltd\"\ndefault_country = \"+49\"\nprefixes = [\"+49\", \"+4366\"]\nper_user_and_day = 1\nper_host_and_day = 2\nper_prefix_and_day = 3\nper_day = 4\npause = 0\n[codes.text_tr]\nsms = \"{{code}} kod\"\n[codes.text_de]\nsms = \"{{code}} Kode\"\n{SMS}method = \"POST\"\ncontent_type = \"text/plain\"\nauth = \"basic\"\nuser = \"u\"\nsecret_file = \"/etc/assent/sms\"\nheaders = {{ \"X-Way\" = \"1\" }}\nsuccess_status = [200, 202]\nsuccess_body = \"ok\"\nca_file = \"/ca.pem\"\n{MAIL}port = 2525\ntls = \"tls\"\nuser = \"u\"\npassword_credential = \"smtp\"\n"
        ))
        .unwrap();
        assert_eq!(codes.issuer, "Example Ltd");
        assert_eq!(
            codes.prefixes.iter().map(Prefix::text).collect::<Vec<_>>(),
            ["+49", "+4366"]
        );
        let limits = codes.limits;
        let counts = (
            limits.per_user,
            limits.per_host,
            limits.per_prefix,
            limits.per_day,
            limits.pause,
        );
        assert_eq!(counts, (1, 2, 3, 4, 0));
        assert_eq!(codes.sms[0].name, "main");
        let mail = &codes.mail[0];
        assert_eq!(
            (mail.host.as_str(), mail.port, mail.tls),
            ("smtp.example.org", 2525, Tls::Wrapped)
        );
        let (user, password) = mail.login.clone().unwrap();
        let credential = Path::new("/run/credentials/assent-gateway.service/smtp");
        assert_eq!((user.as_str(), password.path()), ("u", credential));
    }

    #[test]
    fn a_credential_is_that_of_the_unit_that_runs_the_code_service() {
        let text = format!(
            "public_url = \"https://push.example.org\"\nroles = [\"codes\"]\n{MAIL}user = \"u\"\npassword_credential = \"smtp\"\n"
        );
        let codes = Config::parse(&text).unwrap().codes;
        let (_, password) = codes.mail[0].login.clone().unwrap();
        assert_eq!(password.path(), Path::new("/run/credentials/assent-codes.service/smtp"));
    }

    #[test]
    fn what_would_send_codes_astray_is_refused_with_its_key() {
        for (codes, key) in [
            ("[codes]\nissuer = \"a:b\"".to_owned(), "codes.issuer: "),
            ("[codes]\nissuer = \"\"".to_owned(), "codes.issuer: "),
            (
                "[codes]\ndefault_country = \"49\"".to_owned(),
                "codes.default_country: ",
            ),
            (
                format!("[codes]\nprefixes = [\"49\"]\n{SMS}"),
                "codes.prefixes: must be",
            ),
            (SMS.to_owned(), "codes.prefixes: is missing"),
            ("[codes]\nper_day = 0".to_owned(), "codes.per_day: "),
            ("[codes]\npause = 3601".to_owned(), "codes.pause: "),
            ("[codes]\nsms = 1".to_owned(), "codes.sms: must be tables"),
            (
                "[codes.text_en]\nsms = \"no {place}\"".to_owned(),
                "codes.text_en.sms: ",
            ),
            (
                "[codes.text_en]\nmail_subject = \"{code}\"".to_owned(),
                "codes.text_en.mail_subject: ",
            ),
            ("[codes]\nx = 1".to_owned(), "codes.x: is not known"),
        ] {
            let lines = parse(&codes).unwrap_err();
            assert!(lines.iter().any(|line| line.starts_with(key)), "{codes}: {lines:#?}");
        }
        let sms = |more: &str| parse(&format!("[codes]\nprefixes = [\"+49\"]\n{SMS}{more}\n")).unwrap_err();
        for (more, key) in [
            ("method = \"PUT\"", "codes.sms.method: "),
            ("auth = \"bearer\"", "codes.sms.auth: needs"),
            ("auth = \"basic\"\nsecret_file = \"/s\"", "codes.sms.user: is missing"),
            ("user = \"u\"", "codes.sms.user: is for"),
            ("auth = \"digest\"\nsecret_file = \"/s\"", "codes.sms.auth: must be"),
            ("secret_file = \"s\"", "codes.sms.secret_file: must be a path"),
            (
                "secret_file = \"/s\"\nsecret_credential = \"s\"",
                "codes.sms.secret_file: and secret_credential",
            ),
            ("secret_credential = \"../s\"", "codes.sms.secret_credential: "),
            ("content_type = \"text/html\"", "codes.sms.content_type: "),
            ("success_status = [302]", "codes.sms.success_status: "),
            ("success_body = \"(\"", "codes.sms.success_body: "),
            ("headers = 1", "codes.sms.headers: "),
            ("zzz = 1", "codes.sms.zzz: is not known"),
        ] {
            let lines = sms(more);
            assert!(lines.iter().any(|line| line.starts_with(key)), "{more}: {lines:#?}");
        }
        let mail = |more: &str| parse(&format!("{MAIL}{more}\n")).unwrap_err();
        for (more, key) in [
            ("tls = \"none\"", "codes.mail.tls: must not be"),
            ("tls = \"maybe\"", "codes.mail.tls: must be"),
            ("user = \"u\"", "codes.mail.user: and password_file"),
            ("password_file = \"/p\"", "codes.mail.user: and password_file"),
            ("port = 0", "codes.mail.port: "),
            ("zzz = 1", "codes.mail.zzz: is not known"),
        ] {
            let lines = mail(more);
            assert!(lines.iter().any(|line| line.starts_with(key)), "{more}: {lines:#?}");
        }
    }
}
