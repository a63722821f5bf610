//! The experiments and what each must come to.

use crate::checks::{Check, Checks};
use crate::properties::{self, Promise};
use crate::search::Search;
use crate::words;
use crate::world::{WORLDS, World};
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// What leaving checks out must come to.
enum Expected {
    /// An attack that breaks this promise.
    Attack(Promise),
    /// None, because of this.
    None(&'static str),
}
use Expected::{Attack, None as Nothing};

/// What is left out, and what that comes to.
const EXPERIMENTS: &[(&[Check], Expected)] = &[
    (&[Check::RequestSeal], Attack(Promise::Secret)),
    (
        &[Check::RequestAad],
        Nothing("rule 7 compares the id that the statement itself bears"),
    ),
    (&[Check::Chain], Attack(Promise::Genuine)),
    (&[Check::RequestSignature], Attack(Promise::Genuine)),
    (&[Check::HostName], Attack(Promise::Genuine)),
    (&[Check::Service], Attack(Promise::Fitting)),
    (
        &[Check::DeliveredId],
        Nothing("the `aad` binds the id, and device and answer go by the statement's id alone"),
    ),
    (
        &[Check::RequestAad, Check::DeliveredId],
        Nothing("as before: which push the relay calls it changes neither what is drawn nor what is answered"),
    ),
    (&[Check::OwnIdentity], Attack(Promise::Fitting)),
    (&[Check::ShownOnce], Attack(Promise::DrawnOnce)),
    (
        &[Check::ReplyBound],
        Nothing("certificates that do not name the identity are dropped"),
    ),
    (
        &[Check::ListIdentity],
        Nothing("an honest registrar lists no other devices, and its reply cannot be swapped"),
    ),
    (&[Check::ReplyBound, Check::ListIdentity], Attack(Promise::Secret)),
    (&[Check::ListFresh], Attack(Promise::NotRevoked)),
    (&[Check::OneUse], Attack(Promise::Once)),
    (
        &[Check::Addressed],
        Nothing("a device that was not asked cannot read the request: it knows neither `n` nor the digest"),
    ),
    (
        &[Check::CertIdentity],
        Nothing("devices of other identities were not addressed"),
    ),
    (&[Check::Addressed, Check::RequestSeal], Attack(Promise::NotRevoked)),
    (
        &[Check::Addressed, Check::Req, Check::Nonce],
        Attack(Promise::NotRevoked),
    ),
    (
        &[Check::ReplyBound, Check::ListIdentity, Check::CertIdentity],
        Attack(Promise::Certified),
    ),
    (&[Check::AnswerSeal], Attack(Promise::Secret)),
    (
        &[Check::AnswerAad],
        Nothing("rule 7 compares id and device in the signed answer"),
    ),
    (&[Check::AnswerSignature], Attack(Promise::Agreed)),
    (&[Check::Req], Attack(Promise::Agreed)),
    (
        &[Check::Nonce],
        Nothing("`req` is the digest of all of the request, `n` too"),
    ),
    (
        &[Check::Id],
        Nothing("`req` is the digest of all of the request, `id` too"),
    ),
    (
        &[Check::DeviceId],
        Nothing("the signature is by the key in that device's certificate"),
    ),
    (
        &[Check::AnswerAad, Check::Nonce, Check::Id, Check::DeviceId],
        Nothing("`req` and the signature are enough"),
    ),
    (&[Check::Req, Check::Nonce], Attack(Promise::Agreed)),
    (&[Check::Decision], Attack(Promise::Agreed)),
    (&[Check::Time], Attack(Promise::InTime)),
    (&[Check::LevelMax], Attack(Promise::AtLevel)),
    (&[Check::NumberMatch], Attack(Promise::NumberNeeded)),
];

/// Steps of the longest attack that is looked for where one must be found.
const LONGEST: usize = 12;

/// A broken promise, and the steps that break it.
struct Broken {
    promise: &'static str,
    steps: Vec<String>,
}

struct Found {
    states: usize,
    steps: usize,
    broken: Option<Broken>,
    missing: Vec<&'static str>,
}

/// Searches a world until a promise is broken; or only for one promise, and only so many steps.
fn search(world: World, checks: Checks, wanted: Option<(Promise, usize)>) -> Found {
    let search = Search { world, checks };
    let mut builder = search.checker();
    builder = match wanted {
        // It counts states, and does not look at the last.
        Some((promise, steps)) => builder
            .finish_when(HasDiscoveries::AnyOf([promise.name()].into()))
            .target_max_depth(steps + 2),
        None => builder.finish_when(HasDiscoveries::AnyFailures),
    };
    let checker = builder.spawn_bfs().join();
    let found = checker.discoveries();
    let broken = Promise::ALL
        .into_iter()
        .filter(|promise| wanted.is_none_or(|(wanted, _)| wanted == *promise))
        .find_map(|promise| {
            let steps = found.get(promise.name())?.clone().into_actions();
            Some(Broken {
                promise: promise.name(),
                steps: steps.iter().map(|step| words::step(&search, step)).collect(),
            })
        });
    let possible = properties::possible(&world);
    Found {
        states: checker.unique_state_count(),
        steps: checker.max_depth() - 1,
        broken,
        missing: possible
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !found.contains_key(name))
            .collect(),
    }
}

/// The shortest attack in any world: each depth in every world, then the next.
fn shortest(checks: Checks, promise: Promise) -> Option<(World, Broken)> {
    (1..=LONGEST).find_map(|steps| {
        WORLDS
            .into_iter()
            .find_map(|world| Some((world, search(world, checks, Some((promise, steps))).broken?)))
    })
}

/// Any attack in any world, looked for everywhere.
fn any(checks: Checks) -> Option<(World, Broken)> {
    WORLDS
        .into_iter()
        .find_map(|world| Some((world, search(world, checks, None).broken?)))
}

/// Runs every experiment and compares the page with it, or writes it.
pub fn run(write: bool) -> Result<(), String> {
    let begun = Instant::now();
    let tables = [baseline()?, experiments()?].join("\n");
    println!("{tables}\n{:.0?} in all", begun.elapsed());
    page(&tables, write)
}

fn baseline() -> Result<String, String> {
    let mut table = String::from("| world | states | steps | possible there, as it must be |\n|---|---|---|---|\n");
    for world in WORLDS {
        let begun = Instant::now();
        let found = search(world, Checks::without(&[]), None);
        if let Some(broken) = found.broken {
            return Err(tell("with all checks", world, &broken));
        }
        if !found.missing.is_empty() {
            return Err(format!(
                "world \"{}\": impossible, so the search shows nothing: {}",
                world.name,
                found.missing.join("; ")
            ));
        }
        eprintln!("{}: {} states, {:.1?}", world.name, found.states, begun.elapsed());
        let possible: Vec<&str> = properties::possible(&world).iter().map(|(name, _)| *name).collect();
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |",
            world.name,
            found.states,
            found.steps,
            possible.join("; ")
        );
    }
    Ok(table)
}

fn experiments() -> Result<String, String> {
    let untested: Vec<&str> = Check::ALL
        .into_iter()
        .filter(|check| !EXPERIMENTS.iter().any(|(left_out, _)| *left_out == [*check]))
        .map(Check::name)
        .collect();
    if !untested.is_empty() {
        return Err(format!("no experiment leaves out: {}", untested.join("; ")));
    }
    let mut table =
        String::from("| left out | not so any more | the shortest attack, or why there is none |\n|---|---|---|\n");
    let mut wrong = Vec::new();
    for (left_out, expected) in EXPERIMENTS {
        let begun = Instant::now();
        let names: Vec<&str> = left_out.iter().map(|check| check.name()).collect();
        let names = names.join(" + ");
        let checks = Checks::without(left_out);
        let row = match expected {
            Attack(promise) => match shortest(checks, *promise) {
                Some((world, broken)) => {
                    let steps = broken.steps.join("; ");
                    Ok(format!("{} | {}: {steps}", broken.promise, world.name))
                }
                None => Err(format!(
                    "without {names} no attack was found that breaks: {}",
                    promise.name()
                )),
            },
            Nothing(why) => match any(checks) {
                Some((world, broken)) => Err(tell(&format!("without {names}"), world, &broken)),
                None => Ok(format!("all holds | {why}")),
            },
        };
        eprintln!("without {names}: {:.1?}", begun.elapsed());
        match row {
            Ok(row) => {
                let _ = writeln!(table, "| {names} | {row} |");
            }
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() {
        return Ok(table);
    }
    Err(wrong.join("\n"))
}

fn tell(under: &str, world: World, broken: &Broken) -> String {
    format!(
        "{under}, world \"{}\", it is not so that {}:\n  {}",
        world.name,
        broken.promise,
        broken.steps.join("\n  ")
    )
}

const BEGIN: &str = "<!-- written by `cargo xtask model --write` -->\n";
const END: &str = "<!-- to here -->\n";

fn page(tables: &str, write: bool) -> Result<(), String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let page = std::fs::read_to_string(&path).map_err(|e| format!("docs/model/README.md cannot be read: {e}"))?;
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let Some((before, (written, after))) = parts else {
        return Err("docs/model/README.md has no place for the tables".into());
    };
    if written == tables {
        return Ok(());
    }
    if !write {
        return Err("docs/model/README.md tells something else: `cargo xtask model --write` renews it".into());
    }
    std::fs::write(&path, [before, BEGIN, tables, END, after].concat())
        .map_err(|e| format!("docs/model/README.md cannot be written: {e}"))
}
