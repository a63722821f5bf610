//! A person is told by mail that a device of theirs, or their codes, changed (R27). It is told after the fact: nothing waits
//! for it, and nothing is undone because no server took it.

use super::mail::{self, Mail};
use super::reach::To;
use super::text::{Language, Template, Texts, plain, unlinked};
use super::{Codes, send};
use crate::again;
use crate::config::Codes as Config;
use crate::registrar::code_changes::CodesChange;
use assent_proto::ShortText;
use assent_proto::cert::DeviceOwner;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Whom.
    pub owner: DeviceOwner,
    /// What changed.
    pub change: Changed,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Changed {
    /// A device was added; its label.
    DeviceAdded(ShortText),
    /// A device was removed; its label.
    DeviceRemoved(ShortText),
    /// A device was reported lost; its label.
    DeviceLost(ShortText),
    /// Their codes.
    Codes(CodesChange),
}

impl Changed {
    /// In a sentence. A label is chosen by whoever brings the device: nothing in it becomes a link.
    fn words(&self, language: Language) -> String {
        let label = |label: &ShortText| unlinked(&plain(label.as_str()));
        match (self, language) {
            (Self::DeviceAdded(of), Language::English) => {
                format!("A device was added that approves sign-ins: {}.", label(of))
            }
            (Self::DeviceAdded(of), Language::Turkish) => {
                format!("Oturum açmayı onaylayan bir cihaz eklendi: {}.", label(of))
            }
            (Self::DeviceAdded(of), Language::German) => {
                format!("Ein Gerät wurde hinzugefügt, das Anmeldungen freigibt: {}.", label(of))
            }
            (Self::DeviceRemoved(of), Language::English) => format!("A device was removed: {}.", label(of)),
            (Self::DeviceRemoved(of), Language::Turkish) => format!("Bir cihaz kaldırıldı: {}.", label(of)),
            (Self::DeviceRemoved(of), Language::German) => format!("Ein Gerät wurde entfernt: {}.", label(of)),
            (Self::DeviceLost(of), Language::German) => {
                format!(
                    "Ein Gerät wurde als verloren gemeldet und gibt nichts mehr frei: {}.",
                    label(of)
                )
            }
            (Self::DeviceLost(of), Language::English) => {
                format!(
                    "A device was reported lost and approves nothing any more: {}.",
                    label(of)
                )
            }
            (Self::DeviceLost(of), Language::Turkish) => {
                format!(
                    "Bir cihaz kayıp olarak bildirildi ve artık hiçbir şeyi onaylayamaz: {}.",
                    label(of)
                )
            }
            (Self::Codes(change), language) => codes(*change, language).to_owned(),
        }
    }
}

fn codes(change: CodesChange, language: Language) -> &'static str {
    match (change, language) {
        (CodesChange::AddTotp, Language::English) => "An authenticator app for codes was set up.",
        (CodesChange::AddTotp, Language::German) => "Eine Authenticator-App für Codes wurde eingerichtet.",
        (CodesChange::AddTotp, Language::Turkish) => "Kodlar için bir doğrulama uygulaması kuruldu.",
        (CodesChange::RemoveTotp, Language::English) => "The authenticator app for codes was removed.",
        (CodesChange::RemoveTotp, Language::German) => "Die Authenticator-App für Codes wurde entfernt.",
        (CodesChange::RemoveTotp, Language::Turkish) => "Kodlar için doğrulama uygulaması kaldırıldı.",
        (CodesChange::NewRecovery, Language::English) => "New recovery codes were made; earlier ones are void.",
        (CodesChange::NewRecovery, Language::German) => {
            "Neue Wiederherstellungscodes wurden erzeugt; frühere gelten nicht mehr."
        }
        (CodesChange::NewRecovery, Language::Turkish) => "Yeni kurtarma kodları oluşturuldu; eskileri geçersizdir.",
        (CodesChange::RemoveRecovery, Language::English) => "The recovery codes were removed.",
        (CodesChange::RemoveRecovery, Language::German) => "Die Wiederherstellungscodes wurden entfernt.",
        (CodesChange::RemoveRecovery, Language::Turkish) => "Kurtarma kodları kaldırıldı.",
    }
}

impl Codes {
    /// Tells a person by mail, later.
    pub async fn tell_by_mail(&self, told: Told) {
        if self.config.mail.is_empty() {
            return tracing::info!(name = ?told.owner.name, "nobody is told by mail of a change: there is no mail server ([[codes.mail]])");
        }
        let to = match self.reach(&told.owner.identities).await {
            Ok(to) => to,
            Err(_) => return tracing::error!(name = ?told.owner.name, "a person could not be told by mail of a change"),
        };
        if to.is_empty() {
            tracing::warn!(name = ?told.owner.name, "a person was not told by mail of a change: no directory has said an address");
        }
        for to in to {
            let Ok(place) = Arc::clone(&self.outbox).try_acquire_owned() else {
                tracing::error!(name = ?told.owner.name, "a person was not told by mail of a change: too many mails wait");
                return;
            };
            let (config, told) = (Arc::clone(&self.config), told.clone());
            tokio::spawn(async move {
                carry(&config, &to, &told).await;
                drop(place);
            });
        }
    }
}

/// Subject and text. The user's name is a host's word, or what was typed at the panel: nothing in it becomes a link, either.
fn message(texts: &Texts, to: &To, told: &Told) -> (Zeroizing<String>, Zeroizing<String>) {
    let language = Language::of(to.lang.as_ref().map_or("", |lang| lang.as_str()));
    let words = texts.of(language);
    let user = unlinked(&plain(told.owner.name.as_str()));
    let what = told.change.words(language);
    let values = [("user", user.as_str()), ("what", what.as_str())];
    let fill = |template: &Template| template.fill(&values, str::to_owned);
    (fill(&words.change_subject), fill(&words.change_text))
}

/// Hands a mail over, again and again for a while.
async fn carry(config: &Config, to: &To, told: &Told) {
    let (subject, text) = message(&config.texts, to, told);
    let mail = Mail {
        to: &to.address,
        subject: &subject,
        text: &text,
    };
    for delay in again::delays() {
        tokio::time::sleep(delay).await;
        if let Some(by) = mail::send(&config.mail, &mail, send::TIME).await {
            return tracing::info!(name = ?told.owner.name, by, "a person was told by mail of a change");
        }
    }
    tracing::error!(name = ?told.owner.name, "a person could not be told by mail of a change: no server took it");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::cert::Identity;

    #[test]
    fn r27_neither_a_label_nor_a_users_name_becomes_a_link_in_any_language() {
        let text = |text: &str| ShortText::new(text).unwrap();
        let told = Told {
            owner: DeviceOwner {
                identities: vec![Identity {
                    realm: text("example.org"),
                    id: text("alice"),
                }],
                name: text("alice at https://evil.example\nor write to a@evil.example"),
            },
            change: Changed::DeviceAdded(text("www.evil.example")),
        };
        for lang in [None, Some("tr"), Some("de")] {
            let to = To {
                address: "alice@example.org".parse().unwrap(),
                lang: lang.map(text),
            };
            let (subject, said) = message(&Texts::default(), &to, &told);
            for part in [subject, said] {
                assert!(!part.contains("evil.example") && !part.contains("//"), "{part:?}");
                assert!(!part.contains("\nor write"), "{part:?}");
            }
        }
    }
}
