//! How much a method is worth, for an application's `floor`.

use assent_proto::cert::Level;
use assent_proto::code::CodeMethod;

/// What a second factor rests on, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Nothing: the factor is waived.
    Bypass,
    /// A code by mail.
    Mail,
    /// A code by SMS.
    Sms,
    /// A code of an authenticator app, or from the list that the user keeps.
    Code,
    /// A tap on a device.
    Tap,
    /// A number, typed on a device.
    Number,
    /// A passkey, with user verification.
    Passkey,
}

impl Strength {
    /// Every word of the configuration.
    pub const WORDS: [(&str, Self); 8] = [
        ("bypass", Self::Bypass),
        ("mail", Self::Mail),
        ("sms", Self::Sms),
        ("totp", Self::Code),
        ("recovery", Self::Code),
        ("tap", Self::Tap),
        ("number", Self::Number),
        ("passkey", Self::Passkey),
    ];

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        let word = Self::WORDS.iter().find(|(_, strength)| *strength == self);
        word.map_or("", |(name, _)| name)
    }

    /// The weakest approval on a device that counts.
    pub fn level(self) -> Level {
        match self {
            Self::Passkey => Level::Passkey,
            Self::Number => Level::Number,
            Self::Bypass | Self::Mail | Self::Sms | Self::Code | Self::Tap => Level::Tap,
        }
    }
}

impl From<CodeMethod> for Strength {
    fn from(method: CodeMethod) -> Self {
        match method {
            CodeMethod::Mail => Self::Mail,
            CodeMethod::Sms => Self::Sms,
            CodeMethod::Totp | CodeMethod::Recovery => Self::Code,
        }
    }
}
