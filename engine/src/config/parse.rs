//! Text → raw: every mistake of writing at once. Keys that nobody knows are named with the nearest one that is known,
//! and then left out, so that what they stand beside is checked all the same.

use super::Problem;
use super::files::line_of;
use super::keys;
use super::raw::RawFile;
use crate::directory::local;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The tables of a file: what was there and readable. `problems` takes the rest.
pub(super) fn parse(file: &Path, text: &str, problems: &mut Vec<Problem>) -> RawFile {
    let problem = |at: Option<usize>, what: String, mend: String| Problem {
        file: file.to_owned(),
        line: at.map(|at| line_of(text, at)),
        what,
        mend,
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        problems.extend(errors.into_iter().map(|e| {
            let what = e.message().replace('\n', ", ");
            problem(
                e.span().map(|span| span.start),
                what,
                "see https://toml.io for how it is written".into(),
            )
        }));
        return RawFile::default();
    }
    let mut known = DeTable::new();
    for (name, value) in document.into_inner() {
        let at = name.span().start;
        if let Some(section) = keys::section(name.get_ref()).filter(|section| !section.name.is_empty()) {
            let mut value = value;
            unknown_in(section.name, &mut value, &mut |at, key, table| {
                problems.push(problem(Some(at), format!("unknown key {key:?}"), nearest(key, table)));
            });
            known.insert(name, value);
        } else if keys::section("").is_some_and(|top| top.keys.iter().any(|key| key.name == name.get_ref().as_ref())) {
            known.insert(name, value);
        } else {
            let mend = nearest_table(name.get_ref());
            problems.push(problem(Some(at), format!("unknown key {:?}", name.get_ref()), mend));
        }
    }
    let value = Spanned::new(0..text.len(), DeValue::Table(known));
    RawFile::deserialize(value.into_deserializer()).unwrap_or_else(|e| {
        let what = e.message().replace('\n', ", ");
        problems.push(problem(
            e.span().map(|span| span.start),
            what,
            "see the manual's reference of keys".into(),
        ));
        RawFile::default()
    })
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
