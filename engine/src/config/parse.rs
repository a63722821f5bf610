//! Text → raw: every mistake of writing at once. Keys that nobody knows are named with the nearest one that is known,
//! and then left out, so that what they stand beside is checked all the same. A table that cannot be read is left out as
//! a whole, and what is known of it is kept, so that nothing false is said of those that refer to it.

use super::Problem;
use super::files::line_of;
use super::keys;
use super::raw::{
    LeftOut, RawAlerts, RawApplication, RawAuthProfile, RawAuthProfiles, RawCodeProfile, RawFile, RawGateway,
    RawKnownNetworks, RawLocation, RawLog, RawPaths, RawPolicy, RawPushProfile,
};
use crate::directory::local;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Most errors that are told of one table.
const MOST: usize = 100;

/// The tables of a file: what was there and readable. `problems` takes the rest.
pub(super) fn parse(file: &Path, text: &str, problems: &mut Vec<Problem>) -> RawFile {
    let mut problems = Report { file, text, problems };
    let Some(document) = document(&mut problems) else {
        return RawFile::unclear();
    };
    let mut known = DeTable::new();
    let mut left_out = LeftOut::default();
    for (name, mut value) in document {
        let at = name.span().start;
        let section = keys::section(name.get_ref()).filter(|section| !section.name.is_empty());
        let is_key =
            keys::section("").is_some_and(|top| top.keys.iter().any(|key| key.name == name.get_ref().as_ref()));
        if let Some(section) = section {
            unknown_in(section.name, &mut value, &mut |at, key, table| {
                problems.add(Some(at), format!("unknown key {key:?}"), nearest(key, table));
            });
            if readable(section, at, &mut value, &mut problems, &mut left_out) {
                known.insert(name, value);
            }
        } else if !is_key {
            let mend = nearest_table(name.get_ref());
            problems.add(Some(at), format!("unknown key {:?}", name.get_ref()), mend);
            // Perhaps profiles that others refer to.
            left_out.unclear = true;
        } else if let Err(error) = String::deserialize(value.clone().into_deserializer()) {
            problems.misread(&error);
        } else {
            known.insert(name, value);
        }
    }
    let value = Spanned::new(0..text.len(), DeValue::Table(known));
    let mut raw = RawFile::deserialize(value.into_deserializer()).unwrap_or_else(|error| {
        problems.misread(&error);
        RawFile::unclear()
    });
    left_out.unclear |= raw.left_out.unclear;
    raw.left_out = left_out;
    raw
}

/// The authentication profiles of another program's file that are readable. `problems` takes the rest.
pub(super) fn parse_auth_profiles(file: &Path, text: &str, problems: &mut Vec<Problem>) -> RawAuthProfiles {
    let mut problems = Report { file, text, problems };
    let mut known = DeTable::new();
    for (name, mut value) in document(&mut problems).unwrap_or_default() {
        let section = keys::section(name.get_ref()).filter(|section| section.name == "auth_profile");
        let at = name.span().start;
        if section.is_some_and(|section| readable(section, at, &mut value, &mut problems, &mut LeftOut::default())) {
            known.insert(name, value);
        }
    }
    let value = Spanned::new(0..text.len(), DeValue::Table(known));
    RawAuthProfiles::deserialize(value.into_deserializer()).unwrap_or_else(|error| {
        problems.misread(&error);
        RawAuthProfiles::default()
    })
}

/// Where problems go, and what they are about.
struct Report<'a> {
    file: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn add(&mut self, at: Option<usize>, what: String, mend: String) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: at.map(|at| line_of(self.text, at)),
            what,
            mend,
        });
    }

    fn misread(&mut self, error: &toml::de::Error) {
        let what = error.message().replace('\n', ", ");
        let at = error.span().map(|span| span.start);
        self.add(at, what, "see the manual's reference of keys".into());
    }
}

/// The text as TOML; `None` where it is none.
fn document<'a>(report: &mut Report<'a>) -> Option<DeTable<'a>> {
    let (document, errors) = DeTable::parse_recoverable(report.text);
    let broken = !errors.is_empty();
    for error in errors {
        let what = error.message().replace('\n', ", ");
        let at = error.span().map(|span| span.start);
        report.add(at, what, "see https://toml.io for how it is written".into());
    }
    (!broken).then(|| document.into_inner())
}

/// Whether a table can be read, or a list of tables from which those that cannot are taken out. Every error is told.
fn readable(
    section: &'static keys::Section,
    at: usize,
    value: &mut Spanned<DeValue>,
    report: &mut Report,
    left_out: &mut LeftOut,
) -> bool {
    if section.many {
        return readable_list(section.name, at, value, report, left_out);
    }
    let readable = readable_table(section.name, at, value, report);
    left_out.gateway |= section.name == "gateway" && !readable;
    readable
}

fn readable_table(name: &str, at: usize, value: &Spanned<DeValue>, report: &mut Report) -> bool {
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let mend = format!("write [{name}] and its keys below");
        report.add(Some(at), format!("{name:?} is no table"), mend);
        return false;
    }
    let errors = errors_of(name, value);
    for error in &errors {
        report.misread(error);
    }
    errors.is_empty()
}

fn readable_list(
    name: &str,
    at: usize,
    value: &mut Spanned<DeValue>,
    report: &mut Report,
    left_out: &mut LeftOut,
) -> bool {
    let mend = format!("write [[{name}]] in two pairs of brackets, and its keys below");
    let DeValue::Array(items) = value.get_mut() else {
        report.add(Some(at), format!("{name:?} is no list of tables"), mend);
        left_out.unclear = true;
        return false;
    };
    for item in std::mem::replace(items, DeArray::new()) {
        if !matches!(item.get_ref(), DeValue::Table(_)) {
            let what = format!("{name:?} lists what is no table");
            report.add(Some(item.span().start), what, mend.clone());
            left_out.unclear = true;
            continue;
        }
        let errors = errors_of(name, &item);
        for error in &errors {
            report.misread(error);
        }
        if errors.is_empty() {
            items.push(item);
        } else {
            left_out.add(name, &item);
        }
    }
    true
}

/// Everything that cannot be read in a table: what is to blame is taken out of a copy, and the rest is read again.
fn errors_of(section: &str, value: &Spanned<DeValue>) -> Vec<toml::de::Error> {
    let mut value = value.clone();
    let mut errors: Vec<toml::de::Error> = Vec::new();
    let mut gone = Vec::new();
    while errors.len() < MOST
        && let Err(error) = read(section, value.clone())
    {
        let missed = |key: &String| error.message().contains(&format!("missing field `{key}`"));
        if gone.iter().any(missed) {
            break;
        }
        let out = error.span().and_then(|span| take_out(value.get_mut(), span.start));
        errors.push(error);
        let Some(key) = out else { break };
        gone.push(key);
    }
    errors
}

/// Tries to read a table, or one of a list.
fn read(section: &str, value: Spanned<DeValue>) -> Result<(), toml::de::Error> {
    let value = value.into_deserializer();
    match section {
        "gateway" => RawGateway::deserialize(value).map(drop),
        "log" => RawLog::deserialize(value).map(drop),
        "alerts" => RawAlerts::deserialize(value).map(drop),
        "paths" => RawPaths::deserialize(value).map(drop),
        "known_networks" => RawKnownNetworks::deserialize(value).map(drop),
        "location" => RawLocation::deserialize(value).map(drop),
        "auth_profile" => RawAuthProfile::deserialize(value).map(drop),
        "push_profile" => RawPushProfile::deserialize(value).map(drop),
        "sms_profile" | "mail_profile" | "totp_profile" | "recovery_profile" => {
            RawCodeProfile::deserialize(value).map(drop)
        }
        "policy" => RawPolicy::deserialize(value).map(drop),
        "application" => RawApplication::deserialize(value).map(drop),
        // Read with the whole file then.
        _ => Ok(()),
    }
}

/// Takes out the innermost key or element at byte `at`, and says its name; an element has none.
fn take_out(value: &mut DeValue, at: usize) -> Option<String> {
    match value {
        DeValue::Table(table) => {
            // The keys of a table with a header of its own lie outside its span, so each is looked into.
            if let Some(found) = table.iter_mut().find_map(|(_, value)| take_out(value.get_mut(), at)) {
                return Some(found);
            }
            let mut keys = table.iter();
            let (key, _) = keys.find(|(key, value)| key.span().contains(&at) || value.span().contains(&at))?;
            let key = key.clone();
            table.remove(&key);
            Some(key.into_inner().into_owned())
        }
        DeValue::Array(items) => {
            if let Some(found) = items.iter_mut().find_map(|item| take_out(item.get_mut(), at)) {
                return Some(found);
            }
            let place = items.iter().position(|item| item.span().contains(&at))?;
            let rest = std::mem::replace(items, DeArray::new()).into_iter().enumerate();
            *items = rest.filter(|(at, _)| *at != place).map(|(_, item)| item).collect();
            Some(String::new())
        }
        _ => None,
    }
}

impl LeftOut {
    /// A table that could not be read. Its name counts as given.
    fn add(&mut self, section: &str, item: &Spanned<DeValue>) {
        let name = match item.get_ref() {
            DeValue::Table(table) => table.get("name").and_then(|name| name.get_ref().as_str()),
            _ => None,
        };
        let list = match section {
            "policy" => return,
            "application" => &mut self.applications,
            "auth_profile" => &mut self.auth_profiles,
            _ => &mut self.methods,
        };
        match name {
            Some(name) => list.push(Spanned::new(item.span(), name.to_owned())),
            None => self.unclear |= section != "application",
        }
    }
}

/// Takes unknown keys out of a table, or of each table of a list, and reports them.
fn unknown_in(section: &'static str, value: &mut Spanned<DeValue>, report: &mut impl FnMut(usize, &str, &'static str)) {
    match value.get_mut() {
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                unknown_in(section, item, report);
            }
        }
        DeValue::Table(table) => {
            let known = keys::section(section).map_or(&[][..], |section| section.keys);
            if known.is_empty() {
                return;
            }
            let mut out = Vec::new();
            for (key, value) in table.iter_mut() {
                let name = key.get_ref().as_ref();
                if !known.iter().any(|known| known.name == name) {
                    report(key.span().start, name, section);
                    out.push(key.clone());
                } else if let Some(inner) = keys::SECTIONS.iter().find(|inner| is_inside(inner.name, section, name)) {
                    unknown_in(inner.name, value, report);
                }
            }
            for key in out {
                table.remove(&key);
            }
        }
        _ => {}
    }
}

/// Whether a section is the table under a key of another.
fn is_inside(inner: &str, section: &str, key: &str) -> bool {
    inner.split_once('.') == Some((section, key))
}

fn nearest(key: &str, section: &'static str) -> String {
    let names = keys::section(section).map_or(&[][..], |section| section.keys);
    suggest(key, names.iter().map(|key| key.name))
}

fn nearest_table(name: &str) -> String {
    let top = keys::section("").map_or(&[][..], |top| top.keys);
    let tables = keys::SECTIONS.iter().map(|section| section.name);
    suggest(
        name,
        tables
            .filter(|name| !name.is_empty())
            .chain(top.iter().map(|key| key.name)),
    )
}

/// The known name that is nearest, or all of them.
fn suggest(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let known: Vec<&str> = known.collect();
    match local::nearest(name, known.iter().copied()) {
        Some(best) => format!("{best:?} is meant?"),
        None => format!("known are: {}", known.join(", ")),
    }
}
