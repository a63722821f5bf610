//! The experiments of a model, and what each must come to, as tables.

use crate::{enrol, logins};
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::fmt::{Debug, Write as _};
use std::hash::Hash;
use std::path::PathBuf;
use std::time::Instant;

/// What leaving checks out must come to.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// An attack that breaks this promise.
    Attack(&'static str),
    /// None, because of this.
    Nothing(&'static str),
}

/// A model whose steps can be told.
pub trait Told: Model {
    /// The world's name.
    fn world(&self) -> &'static str;
    /// A step in words.
    fn tell(&self, step: &Self::Action) -> String;
}

/// A model with all that is tried on it.
pub struct Subject<C: 'static, M> {
    /// Each is left out once, at least.
    pub checks: &'static [C],
    /// Their names.
    pub name: fn(C) -> &'static str,
    /// How many worlds there are.
    pub worlds: usize,
    /// The model of a world with some checks left out.
    pub model: fn(usize, &'static [C]) -> M,
    /// What is left out, and what that comes to.
    pub experiments: &'static [(&'static [C], Expected)],
}

/// Steps of the longest attack that is looked for where one must be found.
const LONGEST: usize = 12;

/// A broken promise, and the steps that break it.
struct Broken {
    world: &'static str,
    promise: &'static str,
    steps: Vec<String>,
}

impl Broken {
    fn tell(&self, under: &str) -> String {
        let (world, promise, steps) = (self.world, self.promise, self.steps.join("\n  "));
        format!("{under}, world \"{world}\", it is not so that {promise}:\n  {steps}")
    }
}

struct Found {
    states: usize,
    steps: usize,
    broken: Option<Broken>,
    possible: Vec<&'static str>,
    missing: Vec<&'static str>,
}

/// Searches a model until a promise is broken; or only for one promise, and only so many steps.
fn search<M>(model: M, wanted: Option<(&'static str, usize)>) -> Found
where
    M: Told + Copy + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let mut builder = model.checker();
    builder = match wanted {
        // It counts states, and does not look at the last.
        Some((promise, steps)) => builder
            .finish_when(HasDiscoveries::AnyOf([promise].into()))
            .target_max_depth(steps + 2),
        None => builder.finish_when(HasDiscoveries::AnyFailures),
    };
    let checker = builder.spawn_bfs().join();
    let found = checker.discoveries();
    let properties = model.properties();
    let named = |expectation| {
        let chosen = properties
            .iter()
            .filter(move |property| property.expectation == expectation);
        chosen.map(|property| property.name)
    };
    let broken = named(Expectation::Always)
        .filter(|promise| wanted.is_none_or(|(wanted, _)| wanted == *promise))
        .find_map(|promise| {
            let steps = found.get(promise)?.clone().into_actions();
            Some(Broken {
                world: model.world(),
                promise,
                steps: steps.iter().map(|step| model.tell(step)).collect(),
            })
        });
    Found {
        states: checker.unique_state_count(),
        steps: checker.max_depth() - 1,
        broken,
        possible: named(Expectation::Sometimes).collect(),
        missing: named(Expectation::Sometimes)
            .filter(|name| !found.contains_key(name))
            .collect(),
    }
}

impl<C, M> Subject<C, M>
where
    C: Copy + PartialEq,
    M: Told + Copy + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    /// Every world with all checks.
    fn baseline(&self) -> Result<String, String> {
        let mut table = String::from("| world | states | steps | possible there, as it must be |\n|---|---|---|---|\n");
        for model in (0..self.worlds).map(|world| (self.model)(world, &[])) {
            let found = search(model, None);
            let world = model.world();
            if let Some(broken) = found.broken {
                return Err(broken.tell("with all checks"));
            }
            if !found.missing.is_empty() {
                let missing = found.missing.join("; ");
                return Err(format!(
                    "world \"{world}\": impossible, so the search shows nothing: {missing}"
                ));
            }
            let (states, steps, possible) = (found.states, found.steps, found.possible.join("; "));
            let _ = writeln!(table, "| {world} | {states} | {steps} | {possible} |");
        }
        Ok(table)
    }

    /// The shortest attack in any world: each depth in every world, then the next.
    fn shortest(&self, left_out: &'static [C], promise: &'static str) -> Option<Broken> {
        (1..=LONGEST).find_map(|steps| {
            let mut worlds = 0..self.worlds;
            worlds.find_map(|world| search((self.model)(world, left_out), Some((promise, steps))).broken)
        })
    }

    /// Any attack, looked for everywhere.
    fn any(&self, left_out: &'static [C]) -> Option<Broken> {
        let mut worlds = 0..self.worlds;
        worlds.find_map(|world| search((self.model)(world, left_out), None).broken)
    }

    /// Every experiment.
    fn experiments(&self) -> Result<String, String> {
        let tried = |check: &C| self.experiments.iter().any(|(left_out, _)| *left_out == [*check]);
        let untried: Vec<&str> = self
            .checks
            .iter()
            .filter(|check| !tried(check))
            .map(|check| (self.name)(*check))
            .collect();
        if !untried.is_empty() {
            return Err(format!("no experiment leaves out: {}", untried.join("; ")));
        }
        let mut table =
            String::from("| left out | not so any more | the shortest attack, or why there is none |\n|---|---|---|\n");
        let mut wrong = Vec::new();
        for (left_out, expected) in self.experiments {
            let names: Vec<&str> = left_out.iter().map(|check| (self.name)(*check)).collect();
            let names = names.join(" + ");
            let row = match expected {
                Expected::Attack(promise) => match self.shortest(left_out, promise) {
                    Some(broken) => Ok(format!("{promise} | {}: {}", broken.world, broken.steps.join("; "))),
                    None => Err(format!("without {names} no attack was found that breaks: {promise}")),
                },
                Expected::Nothing(why) => match self.any(left_out) {
                    Some(broken) => Err(broken.tell(&format!("without {names}"))),
                    None => Ok(format!("all holds | {why}")),
                },
            };
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

    fn tables(&self) -> Result<String, String> {
        Ok([self.baseline()?, self.experiments()?].join("\n"))
    }
}

/// Runs every experiment and compares the page with it, or writes it.
pub fn run(write: bool) -> Result<(), String> {
    let begun = Instant::now();
    for (place, tables) in [
        ("logins", logins::subject().tables()?),
        ("enrolment", enrol::subject().tables()?),
    ] {
        page(place, &tables, write)?;
    }
    println!(
        "every promise holds, and every experiment came out as expected ({:.0?})",
        begun.elapsed()
    );
    Ok(())
}

fn page(place: &str, tables: &str, write: bool) -> Result<(), String> {
    let begin = format!("<!-- {place}: written by `cargo xtask model --write` -->\n");
    let end = "<!-- to here -->\n";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let page = std::fs::read_to_string(&path).map_err(|e| format!("docs/model/README.md cannot be read: {e}"))?;
    let parts = page
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?)));
    let Some((before, (written, after))) = parts else {
        return Err(format!("docs/model/README.md has no place for the tables \"{place}\""));
    };
    if written == tables {
        return Ok(());
    }
    if !write {
        return Err(format!(
            "docs/model/README.md tells something else of {place}: `cargo xtask model --write` renews it"
        ));
    }
    std::fs::write(&path, [before, &begin, tables, end, after].concat())
        .map_err(|e| format!("docs/model/README.md cannot be written: {e}"))
}
