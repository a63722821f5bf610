//! What a check has found.

use serde::Serialize;
use serde_json::Value;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Well.
    Ok,
    /// It works, and something should be known or changed.
    Warn,
    /// It does not do what it should.
    Fail,
    /// It cannot be told from here.
    Unknown,
}

/// One check's word.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Finding {
    /// The check's name, for programs.
    pub check: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, and why it is judged so. Text from files is made visible.
    pub found: String,
    /// Further reasons, one each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What to do; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// The same for programs, where there is more than text.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub facts: Value,
}

impl Finding {
    fn new(check: &'static str, state: State, found: impl Into<String>, mend: Option<String>) -> Self {
        Self {
            check,
            state,
            found: found.into(),
            reasons: Vec::new(),
            mend,
            facts: Value::Null,
        }
    }

    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Ok, found, None)
    }

    pub(super) fn warn(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, State::Warn, found, Some(mend.into()))
    }

    pub(super) fn fail(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, State::Fail, found, Some(mend.into()))
    }

    pub(super) fn unknown(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, State::Unknown, found, Some(mend.into()))
    }

    pub(super) fn because(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    pub(super) fn with(mut self, facts: Value) -> Self {
        self.facts = facts;
        self
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mark = match self.state {
            State::Ok => "ok     ",
            State::Warn => "warning",
            State::Fail => "FAILED ",
            State::Unknown => "unknown",
        };
        let mut lines = vec![format!("{mark} {}: {}", self.check, self.found)];
        lines.extend(self.reasons.iter().map(|reason| format!("          - {reason}")));
        lines.extend(self.mend.iter().map(|mend| format!("        > {mend}")));
        lines.join("\n")
    }
}
