//! What every check of a configuration writes into: the problems found so far, and the names given so far.

use super::{AuthIndex, MethodIndex, Problem};
use std::collections::HashMap;
use std::path::PathBuf;

/// Where something stands.
#[derive(Clone)]
pub(super) struct Place {
    pub file: PathBuf,
    pub line: usize,
}

/// Collects problems and the names given so far.
pub(super) struct Checker {
    pub problems: Vec<Problem>,
    /// What is allowed, and hardly meant.
    pub warnings: Vec<Problem>,
    pub names: HashMap<String, (Named, Place)>,
    /// The systemd service whose credentials are meant.
    pub unit: &'static str,
}

/// What a name was given to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Auth(AuthIndex),
    Method(MethodIndex),
    Application,
}

impl Checker {
    /// Nothing named yet.
    pub fn new(problems: Vec<Problem>, unit: &'static str) -> Self {
        Self {
            problems,
            warnings: Vec::new(),
            names: HashMap::new(),
            unit,
        }
    }

    /// One more problem.
    pub fn problem(&mut self, place: &Place, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem {
            file: place.file.clone(),
            line: Some(place.line),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// Something that is allowed, and hardly meant.
    pub fn warning(&mut self, place: &Place, what: impl Into<String>, mend: impl Into<String>) {
        self.warnings.push(Problem {
            file: place.file.clone(),
            line: Some(place.line),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// A name is given; once, over all kinds.
    pub fn name(&mut self, name: &str, what: Named, place: &Place) {
        if name.is_empty() || name == "stack" || name.chars().any(char::is_control) {
            self.problem(
                place,
                format!("the name {name:?} cannot be used"),
                "choose another name",
            );
        }
        if let Some((_, first)) = self.names.get(name) {
            let first = format!("{}:{}", first.file.display(), first.line);
            self.problem(
                place,
                format!("the name {name:?} is used twice"),
                format!("it was given at {first}; names are unique over all kinds"),
            );
            return;
        }
        self.names.insert(name.to_owned(), (what, place.clone()));
    }

    /// The authentication profile of a name.
    pub fn auth(&mut self, name: &str, place: &Place) -> Option<AuthIndex> {
        match self.names.get(name) {
            Some((Named::Auth(index), _)) => Some(*index),
            Some(_) => {
                self.problem(
                    place,
                    format!("{name:?} is no authentication profile"),
                    "name an [[auth_profile]]",
                );
                None
            }
            None => {
                self.problem(
                    place,
                    format!("there is no authentication profile {name:?}"),
                    self.known(|n| matches!(n, Named::Auth(_))),
                );
                None
            }
        }
    }

    /// The names of a kind, for a mend.
    pub fn known(&self, kind: impl Fn(&Named) -> bool) -> String {
        let mut names: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, (n, _))| kind(n))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        if names.is_empty() {
            return "there are none yet".into();
        }
        format!("known are: {}", names.join(", "))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        place: &Place,
        key: &str,
        value: Option<&str>,
        default: T,
        options: &[(&str, T)],
    ) -> T {
        let Some(value) = value else { return default };
        if let Some((_, chosen)) = options.iter().find(|(name, _)| *name == value) {
            return *chosen;
        }
        let names: Vec<String> = options.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.problem(
            place,
            format!("{key} = {value:?} is not known"),
            format!("use {}", names.join(" or ")),
        );
        default
    }
}
