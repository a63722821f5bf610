//! One table of the file: keys are taken out, each with its rule, and what is left is unknown.

use super::TlsFiles;
use crate::web::origin::Origin;
use assent_proto::text::visible;
use std::path::PathBuf;

/// A table; keys are taken out of it, and what is left is unknown.
pub(super) struct Section {
    name: &'static str,
    table: toml::Table,
    problems: Vec<String>,
    known: Vec<&'static str>,
    pub has_tls_keys: bool,
}

impl Section {
    /// A table under its name.
    pub fn new(name: &'static str, table: toml::Table) -> Self {
        Self {
            name,
            has_tls_keys: table.contains_key("tls_certificate") || table.contains_key("tls_key"),
            table,
            problems: Vec::new(),
            known: Vec::new(),
        }
    }

    /// One more problem, at a key.
    pub fn problem(&mut self, key: &str, text: &str) {
        let dot = if self.name.is_empty() { "" } else { "." };
        self.problems
            .push(format!("{}{dot}{}: {text}", self.name, visible(key)));
    }

    /// Takes a value out.
    pub fn take(&mut self, key: &'static str) -> Option<toml::Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Takes a table out.
    pub fn section(&mut self, key: &'static str) -> Self {
        self.section_at(key, key)
    }

    /// The same inside another one; `place` names it whole.
    pub fn section_at(&mut self, key: &'static str, place: &'static str) -> Self {
        let table = match self.take(key) {
            None => toml::Table::new(),
            Some(toml::Value::Table(table)) => table,
            Some(_) => {
                self.problem(key, &format!("must be a table; write [{place}] on a line of its own"));
                toml::Table::new()
            }
        };
        Self::new(place, table)
    }

    /// Takes a table out where a role of this process has it; otherwise the key stays, and is unknown.
    pub fn section_if(&mut self, has: bool, key: &'static str) -> Self {
        match has {
            true => self.section(key),
            false => Self::new(key, toml::Table::new()),
        }
    }

    /// Text where a role of this process has it.
    pub fn text_if(&mut self, has: bool, key: &'static str, default: &str) -> String {
        match has {
            true => self.text(key, default),
            false => default.to_owned(),
        }
    }

    /// A path where a role of this process has it.
    pub fn path_if(&mut self, has: bool, key: &'static str, default: &str) -> PathBuf {
        match has {
            true => self.path(key, default),
            false => default.into(),
        }
    }

    /// A number where a role of this process has it.
    pub fn number_if(
        &mut self,
        has: bool,
        key: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        match has {
            true => self.number(key, default, range),
            false => default,
        }
    }

    /// Text that may be absent.
    pub fn optional(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            toml::Value::String(text) => Some(text),
            other => {
                self.problem(key, &format!("must be text in quotes, not {}", other.type_str()));
                None
            }
        }
    }

    /// Text that must be there.
    pub fn required(&mut self, key: &'static str, mend: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.problem(key, &format!("is missing; {mend}"));
        }
        self.optional(key)
    }

    /// Text, or its default.
    pub fn text(&mut self, key: &'static str, default: &str) -> String {
        self.optional(key).unwrap_or_else(|| default.to_owned())
    }

    /// Text as something else.
    pub fn parsed<T: std::str::FromStr>(&mut self, key: &str, text: &str, mend: &str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(key, &format!("\"{}\" is not understood; {mend}", visible(text)));
        }
        parsed
    }

    /// An absolute path, or its default.
    pub fn path(&mut self, key: &'static str, default: &str) -> PathBuf {
        let path = PathBuf::from(self.text(key, default));
        self.absolute(key, path)
    }

    /// A path must be absolute.
    pub fn absolute(&mut self, key: &str, path: PathBuf) -> PathBuf {
        if !path.is_absolute() {
            self.problem(key, "must be a path that begins with /");
        }
        path
    }

    /// A number, or its default.
    pub fn number(&mut self, key: &'static str, default: u32, range: std::ops::RangeInclusive<u32>) -> u32 {
        let Some(value) = self.take(key) else {
            return default;
        };
        let number = value
            .as_integer()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(
                key,
                &format!("must be a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number.unwrap_or(default)
    }

    /// The two TLS files.
    pub fn tls(&mut self) -> Option<TlsFiles> {
        match (self.optional("tls_certificate"), self.optional("tls_key")) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate: self.absolute("tls_certificate", certificate.into()),
                key: self.absolute("tls_key", key.into()),
            }),
            (Some(_), None) => {
                self.problem("tls_key", "is missing; tls_certificate needs it");
                None
            }
            (None, Some(_)) => {
                self.problem("tls_certificate", "is missing; tls_key needs it");
                None
            }
            (None, None) => None,
        }
    }

    /// A URL without a slash at its end; `bare`: without a path, too.
    pub fn check_url(&mut self, key: &str, url: &str, plain_allowed: bool, bare: bool) {
        let loopback = || Origin::of_url(url).is_some_and(|origin| origin.is_loopback());
        let rest = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => rest,
            (None, Some(rest)) if plain_allowed && loopback() => rest,
            (None, Some(_)) => {
                return self.problem(
                    key,
                    "must begin with https:// (http:// only for 127.0.0.1, [::1] and localhost, on a plain loopback listener)",
                );
            }
            (None, None) => return self.problem(key, "must begin with https://"),
        };
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\' | '"' | '\'' | ';');
        if rest.is_empty() || rest.starts_with('/') || rest.ends_with('/') || rest.contains(odd) {
            return self.problem(key, "must be a host, a port if needed and a path if needed, without a slash at the end, such as \"https://push.example.org\"");
        }
        if Origin::of_url(url).is_none() {
            return self.problem(
                key,
                "must name its host in ASCII (punycode for other letters) and a port below 65536",
            );
        }
        if bare && Origin::parse(url).is_none() {
            self.problem(
                key,
                "must be a host and a port if needed, without a path, such as \"https://app.example.org\"",
            );
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.texts_if_given(key).unwrap_or_default()
    }

    /// The same, where a list that is not there is not an empty one.
    pub fn texts_if_given(&mut self, key: &'static str) -> Option<Vec<String>> {
        let list = match self.take(key)? {
            toml::Value::Array(list) => list,
            other => {
                self.problem(key, &format!("must be a list of texts, not {}", other.type_str()));
                return None;
            }
        };
        let texts: Vec<String> = list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
        if texts.len() != list.len() {
            self.problem(key, "must be a list of texts in quotes, such as [\"corp\"]");
        }
        Some(texts)
    }

    /// All problems, unknown keys included.
    pub fn finish(mut self) -> Vec<String> {
        let left: Vec<String> = self.table.keys().cloned().collect();
        for key in left {
            let known = self.known.join(", ");
            self.problem(&key, &format!("is not known here; known are: {known}"));
        }
        self.problems
    }
}
