//! In which language the login speaks. Plain ASCII in each of them, as every terminal can show it.

use super::coding::said_language;
use super::facts::Phase;
use super::{Login, Passed};
use crate::config::{Factor, Language, MethodIndex};

/// A language of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    English,
    /// German.
    German,
    /// Turkish.
    Turkish,
}

/// One text in every language: English, German, Turkish.
pub(crate) type Said = [&'static str; 3];

impl Tongue {
    /// The nearest to a BCP 47 tag.
    pub(super) fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("de") {
            Self::German
        } else if primary.eq_ignore_ascii_case("tr") {
            Self::Turkish
        } else {
            Self::English
        }
    }

    /// A text in this language.
    pub(crate) fn say(self, [english, german, turkish]: Said) -> &'static str {
        match self {
            Self::English => english,
            Self::German => german,
            Self::Turkish => turkish,
        }
    }
}

impl Login {
    /// What the person reads. Before an earlier factor has passed it is what the configuration says for everybody, whoever
    /// they are: the language of a prompt would tell a stranger that a user exists, and who it may be.
    pub fn tongue(&self) -> Tongue {
        let Some(method) = self.method.or_else(|| self.first_method()) else {
            return Tongue::of(Language::DEFAULT);
        };
        let language = &self.config.method(method).language;
        let person = self.known_by(method).filter(|_| self.is_open());
        let said = person.and_then(|person| said_language(language, person));
        said.map_or_else(|| Tongue::of(&language.tag), |tag| Tongue::of(tag.as_str()))
    }

    /// Whether an earlier factor has passed or the user sits on this machine.
    pub(super) fn is_open(&self) -> bool {
        let typed = |passed: &Passed| !matches!(passed, Passed::Stack | Passed::Waived | Passed::Bypassed(_, None));
        self.passed.iter().any(typed)
            || self.facts.phase == Phase::Account
            || self.was_offered()
            || !self.facts.is_remote()
    }

    /// The first that the application lists.
    fn first_method(&self) -> Option<MethodIndex> {
        let factors = &self.config.applications.get(self.application)?.factors;
        factors.iter().find_map(|factor| match factor {
            Factor::Method(methods) => methods.first().copied(),
            Factor::Stack | Factor::Password(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_chosen_by_its_first_part() {
        for (tag, tongue) in [
            ("de", Tongue::German),
            ("de-AT", Tongue::German),
            ("TR_tr", Tongue::Turkish),
            ("tr", Tongue::Turkish),
            ("trv", Tongue::English),
            ("den", Tongue::English),
            ("fr", Tongue::English),
            ("", Tongue::English),
        ] {
            assert_eq!(Tongue::of(tag), tongue, "{tag}");
        }
    }
}
