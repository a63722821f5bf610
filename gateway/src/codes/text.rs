//! What messages say: templates with places in braces, in three languages, and what goes into them.

use assent_proto::text::visible;
use zeroize::Zeroizing;

/// The places of a message with a code.
pub const CODE_PLACES: &[&str] = &["code", "app", "host", "user", "login", "minutes"];
/// Those of the notice that a recovery code was used.
pub const NOTICE_PLACES: &[&str] = &["app", "host", "user", "login", "left"];
/// Those of the notice that a device or codes changed.
pub const CHANGE_PLACES: &[&str] = &["user", "what"];
/// Most characters of a template.
const MOST: usize = 2000;

/// A language of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Turkish.
    Turkish,
    /// German.
    German,
}

impl Language {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::English, Self::Turkish, Self::German];

    /// The nearest to a BCP 47 tag.
    pub fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("tr") {
            Self::Turkish
        } else if primary.eq_ignore_ascii_case("de") {
            Self::German
        } else {
            Self::English
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(String),
}

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Reads `{place}`; only these places are known. A brace that opens no place stands for itself.
    pub fn parse(text: &str, places: &[&str]) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().count() > MOST {
            return Err(format!("must be a text of at most {MOST} characters"));
        }
        let template = Self::lenient(text);
        for piece in &template.0 {
            let Piece::Place(name) = piece else { continue };
            if !places.contains(&name.as_str()) {
                return Err(format!(
                    "{{{}}} is no place; known are {}",
                    visible(name),
                    places.join(", ")
                ));
            }
        }
        if places.contains(&"code") && !template.has("code") {
            return Err("must say {code} somewhere".to_owned());
        }
        Ok(template)
    }

    /// The same, whatever the places are called. A place is letters and underscores between braces.
    pub fn lenient(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            let inner = &from[1..];
            let end = inner
                .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                .unwrap_or(inner.len());
            if end > 0 && inner[end..].starts_with('}') {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Place(inner[..end].to_owned()));
                rest = &inner[end + 1..];
            } else {
                plain.push('{');
                rest = inner;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self(pieces)
    }

    /// Whether it has this place.
    pub fn has(&self, place: &str) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Place(name) if name == place))
    }

    /// The text, each value as `escape` writes it. A place without a value stays as it stands: a template for JSON may have
    /// braces of its own.
    pub fn fill(&self, values: &[(&str, &str)], escape: impl Fn(&str) -> String) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(512));
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place(name) => match values.iter().find(|(place, _)| place == name) {
                    Some((_, value)) => out.push_str(&Zeroizing::new(escape(value))),
                    None => {
                        out.push('{');
                        out.push_str(name);
                        out.push('}');
                    }
                },
            }
        }
        out
    }
}

/// The messages of one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// An SMS.
    pub sms: Template,
    /// A mail's subject. The code does not belong here: it would show on a locked screen and in the servers' logs.
    pub mail_subject: Template,
    /// A mail's text.
    pub mail_text: Template,
    /// The subject of the notice that a recovery code was used.
    pub recovery_subject: Template,
    /// Its text.
    pub recovery_text: Template,
    /// The subject of the notice that a device or codes changed.
    pub change_subject: Template,
    /// Its text.
    pub change_text: Template,
}

/// The messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    english: Words,
    turkish: Words,
    german: Words,
}

impl Default for Texts {
    fn default() -> Self {
        let words = |texts: [&str; 7]| {
            let [
                sms,
                mail_subject,
                mail_text,
                recovery_subject,
                recovery_text,
                change_subject,
                change_text,
            ] = texts;
            Words {
                sms: Template::lenient(sms),
                mail_subject: Template::lenient(mail_subject),
                mail_text: Template::lenient(mail_text),
                recovery_subject: Template::lenient(recovery_subject),
                recovery_text: Template::lenient(recovery_text),
                change_subject: Template::lenient(change_subject),
                change_text: Template::lenient(change_text),
            }
        };
        Self {
            english: words([
                "{code} is your code for {app} on {host} (login {login}). Nobody will ask you for it.",
                "Your code for login {login}",
                "Your code is {code}\n\nIt is for {app} on {host} as {user} (login {login}) and holds for {minutes} minutes.\n\
                 Nobody will ask you for it. If you are not logging in now, somebody knows your password: change it.\n",
                "A recovery code was used (login {login})",
                "A recovery code of yours was used for {app} on {host} as {user} (login {login}).\n{left} of them are left.\n\n\
                 If this was not you, tell your administrators at once.\n",
                "A device or codes of yours have changed",
                "{what}\n\nThis is about {user}'s sign-in. Nothing need be done if it was you.\n\
                 If it was not you, tell your administrators at once.\n",
            ]),
            turkish: words([
                "{host} üzerindeki {app} için kodunuz: {code} (giriş {login}). Bu kodu kimse sizden istemez.",
                "{login} girişi için kodunuz",
                "Kodunuz: {code}\n\n{host} üzerindeki {app} için, {user} adına (giriş {login}); {minutes} dakika geçerlidir.\n\
                 Bu kodu kimse sizden istemez. Şu anda giriş yapmıyorsanız parolanızı bilen biri var demektir: değiştirin.\n",
                "Bir kurtarma kodu kullanıldı (giriş {login})",
                "Bir kurtarma kodunuz {host} üzerindeki {app} için, {user} adına kullanıldı (giriş {login}).\n\
                 Kalan kod sayısı: {left}.\n\nBunu siz yapmadıysanız hemen yöneticilerinize haber verin.\n",
                "Cihazlarınızda veya kodlarınızda değişiklik oldu",
                "{what}\n\nBu, {user} kullanıcısının oturum açmasıyla ilgilidir. Bunu siz yaptıysanız bir şey yapmanız gerekmez.\n\
                 Bunu siz yapmadıysanız hemen yöneticilerinize haber verin.\n",
            ]),
            german: words([
                "{code} ist Ihr Code für {app} auf {host} (Anmeldung {login}). Niemand wird Sie danach fragen.",
                "Ihr Code für die Anmeldung {login}",
                "Ihr Code lautet {code}\n\nEr ist für {app} auf {host} als {user} (Anmeldung {login}) und gilt {minutes} Minuten.\n\
                 Niemand wird Sie danach fragen. Wenn Sie sich gerade nicht anmelden, kennt jemand Ihr Passwort: Ändern Sie es.\n",
                "Ein Wiederherstellungscode wurde verwendet (Anmeldung {login})",
                "Einer Ihrer Wiederherstellungscodes wurde für {app} auf {host} als {user} verwendet (Anmeldung {login}).\n\
                 {left} davon sind übrig.\n\nWenn Sie das nicht waren, sagen Sie es sofort Ihren Administratoren.\n",
                "Ein Gerät oder Codes von Ihnen haben sich geändert",
                "{what}\n\nDas betrifft die Anmeldung von {user}. Waren Sie das selbst, ist nichts zu tun.\n\
                 Wenn Sie das nicht waren, sagen Sie es sofort Ihren Administratoren.\n",
            ]),
        }
    }
}

impl Texts {
    /// Those of a language.
    pub fn of(&self, language: Language) -> &Words {
        match language {
            Language::English => &self.english,
            Language::Turkish => &self.turkish,
            Language::German => &self.german,
        }
    }

    /// Each template of a language with its key and the places that it may have.
    pub fn of_mut(&mut self, language: Language) -> [(&mut Template, &'static str, &'static [&'static str]); 7] {
        let words = match language {
            Language::English => &mut self.english,
            Language::Turkish => &mut self.turkish,
            Language::German => &mut self.german,
        };
        [
            (&mut words.sms, "sms", CODE_PLACES),
            (&mut words.mail_subject, "mail_subject", SUBJECT_PLACES),
            (&mut words.mail_text, "mail_text", CODE_PLACES),
            (&mut words.recovery_subject, "recovery_subject", NOTICE_PLACES),
            (&mut words.recovery_text, "recovery_text", NOTICE_PLACES),
            (&mut words.change_subject, "change_subject", CHANGE_PLACES),
            (&mut words.change_text, "change_text", CHANGE_PLACES),
        ]
    }
}

/// The places of a mail's subject: not the code.
pub const SUBJECT_PLACES: &[&str] = &["app", "host", "user", "login", "minutes"];

/// A value for a message: no control characters, no lines of its own, and not long.
pub fn plain(value: &str) -> String {
    visible(value).chars().take(60).collect()
}

/// Text that somebody else has chosen, without what mail programs make links of. A dot between digits stays: versions.
pub fn unlinked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
    let one = |(at, c): (usize, &char)| match c {
        '.' if digit(at.checked_sub(1)) && digit(Some(at + 1)) => '.',
        '.' | '/' | ':' | '@' => ' ',
        c => *c,
    };
    chars.iter().enumerate().map(one).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_stranger_chose_becomes_a_link() {
        for (label, written) in [
            ("Firefox 140.0 on Linux", "Firefox 140.0 on Linux"),
            ("http://evil.example/x", "http   evil example x"),
            ("a@evil.example", "a evil example"),
            ("www.4.example", "www 4 example"),
            ("3.", "3 "),
        ] {
            assert_eq!(unlinked(label), written);
        }
    }

    #[test]
    fn places_are_filled_as_the_form_needs_and_other_braces_stay() {
        let template = Template::lenient(r#"{"to":"{number}","x":{},"text":"{text}{"#);
        let filled = template.fill(&[("number", "+49"), ("text", "a\"{number}")], |value| {
            value.replace('"', "\\\"")
        });
        // What a value says is never read as a place.
        assert_eq!(filled.as_str(), r#"{"to":"+49","x":{},"text":"a\"{number}{"#);
    }

    #[test]
    fn a_template_knows_its_places_and_says_the_code() {
        assert!(Template::parse("{code} for {app}", CODE_PLACES).is_ok());
        assert!(Template::parse("{cod}", CODE_PLACES).unwrap_err().contains("{cod}"));
        assert!(Template::parse("hello", CODE_PLACES).unwrap_err().contains("{code}"));
        assert!(
            Template::parse("{code}", SUBJECT_PLACES).is_err(),
            "a subject shows on a locked screen"
        );
        assert!(Template::parse(" ", NOTICE_PLACES).is_err());
    }

    #[test]
    fn every_default_is_a_template_that_a_configuration_could_have() {
        let mut texts = Texts::default();
        for language in Language::ALL {
            for (template, key, places) in texts.of_mut(language) {
                let names: Vec<(&str, &str)> = places.iter().map(|place| (*place, "x")).collect();
                let filled = template.fill(&names, str::to_owned);
                assert!(!filled.contains('{'), "{key}: {}", filled.as_str());
                assert_eq!(template.has("code"), places.contains(&"code"), "{key}");
            }
        }
    }

    #[test]
    fn every_language_says_the_same_things() {
        let mut texts = Texts::default();
        let mut said = |language| {
            texts.of_mut(language).map(|(template, key, places)| {
                let has: Vec<&str> = places.iter().copied().filter(|place| template.has(place)).collect();
                (key, has)
            })
        };
        let english = said(Language::English);
        for language in Language::ALL {
            assert_eq!(said(language), english, "{language:?}");
        }
    }

    #[test]
    fn a_language_is_chosen_by_its_first_part() {
        for (tag, language) in [
            ("tr", Language::Turkish),
            ("tr-TR", Language::Turkish),
            ("TR_tr", Language::Turkish),
            ("trv", Language::English),
            ("de", Language::German),
            ("de-AT", Language::German),
            ("DE_de", Language::German),
            ("den", Language::English),
            ("fr", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of(tag), language, "{tag}");
        }
    }
}
