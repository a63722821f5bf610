//! What the user reads, and the stable names of causes for logs. Plain ASCII, one line each.

use super::Cause;
use super::tongue::{Said, Tongue};
use crate::ledger::Barred;
use assent_proto::registrar::Refused;

impl Cause {
    /// The stable name, for logs, audit and scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadName => "bad_user_name",
            Self::Unlisted => "unlisted_service",
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::TooManyGuesses(_) => "too_many_wrong_passwords",
            Self::NoPassword => "no_password_given",
            Self::PasswordNotHere => "password_not_kept_here",
            Self::Ambiguous => "two_users_of_this_name",
            Self::Blocked(account) => match account {
                crate::directory::Account::Active => "blocked",
                crate::directory::Account::Disabled => "account_disabled",
                crate::directory::Account::Locked => "account_locked",
                crate::directory::Account::Expired => "account_expired",
                crate::directory::Account::MustChangePassword => "password_must_be_changed",
            },
            Self::Suspended(_) => "blocked_by_administrator",
            Self::BypassEnded => "bypass_ended",
            Self::DirectoryUnreachable(_) => "directory_unreachable",
            Self::IdentityConflict => "profiles_name_different_identities",
            Self::NoPolicy => "no_policy_admits",
            Self::PolicyDenies(_) => "policy_denies",
            Self::CannotTell(_) => "policy_cannot_tell",
            Self::NotAsked => "push_not_asked_for",
            Self::NotTheCaller => "caller_is_not_who_logged_in",
            Self::NoDevice => "no_device",
            Self::CannotEnrol => "enrolment_cannot_be_shown",
            Self::EnrolmentRefused(..) => "enrolment_refused",
            Self::EnrolmentLeft => "enrolment_left",
            Self::EnrolmentOver => "enrolment_over",
            Self::WrongDigits => "enrolment_digits_wrong",
            Self::NoPasskey => "no_passkey",
            Self::NoTerminal => "no_terminal",
            Self::NonInteractive => "non_interactive",
            Self::RunsNothing => "runs_no_command",
            Self::Barred(barred) => match barred {
                Barred::Source { .. } => "push_budget_spent",
                Barred::Strangers { .. } => "push_budget_of_unknown_sources_spent",
                Barred::WrongNumbers { .. } => "too_many_wrong_numbers",
            },
            Self::CannotShow => "number_cannot_be_shown",
            Self::PromptLeft => "prompt_left",
            Self::CannotAskCode => "code_cannot_be_asked",
            Self::NoCodeTyped => "no_code_typed",
            Self::WrongCode => "wrong_code",
            Self::CodeTooLate => "code_too_late",
            Self::NoCode(_) => "no_code_set_up",
            Self::CodesBarred(assent_proto::code::CodeRefused::Locked) => "too_many_wrong_codes",
            Self::CodesBarred(_) => "too_many_codes_sent",
            Self::CodesUnreachable(_) => "code_service_unreachable",
            Self::GatewayUnreachable(_) => "gateway_unreachable",
            Self::Frozen => "frozen",
            Self::RevocationsStale(_) => "revocations_too_old",
            Self::Refused(refusal) => match refusal {
                assent_proto::verdict::Refusal::Denied => "denied_on_device",
                assent_proto::verdict::Refusal::Reported => "reported_not_me",
                assent_proto::verdict::Refusal::Expired => "answered_too_late",
                assent_proto::verdict::Refusal::Number => "wrong_number",
                assent_proto::verdict::Refusal::Level => "level_not_reached",
                assent_proto::verdict::Refusal::Passkey(_) => "passkey_not_believed",
            },
            Self::NoAnswer => "no_answer",
            Self::TooMuchRubbish => "too_many_false_answers",
            Self::Gone => "client_gone",
            Self::Deadline => "deadline",
            Self::Internal(_) => "internal_error",
        }
    }

    /// What the user reads. `open` says whether an earlier factor has passed or the user sits on this machine: before
    /// that, one bland line for everything, so that nobody learns who exists.
    pub(super) fn text(&self, open: bool, tongue: Tongue) -> &'static str {
        tongue.say(self.said(open))
    }

    fn said(&self, open: bool) -> Said {
        match self {
            Self::Refused(assent_proto::verdict::Refusal::Denied) => {
                ["Denied on the phone.", "Am Telefon abgelehnt.", "Telefonda reddedildi."]
            }
            Self::Refused(assent_proto::verdict::Refusal::Reported) => [
                "Reported on the phone as not started by its owner.",
                "Am Telefon gemeldet: nicht vom Besitzer begonnen.",
                "Telefonda bildirildi: sahibi baslatmadi.",
            ],
            Self::Refused(assent_proto::verdict::Refusal::Expired) | Self::NoAnswer => [
                "No answer from the phone in time.",
                "Keine rechtzeitige Antwort vom Telefon.",
                "Telefondan zamaninda yanit gelmedi.",
            ],
            Self::Refused(assent_proto::verdict::Refusal::Number) => {
                ["The number was wrong.", "Die Zahl war falsch.", "Sayi yanlisti."]
            }
            Self::Refused(_) | Self::TooMuchRubbish => [
                "The phone's answer was refused.",
                "Die Antwort des Telefons wurde zurueckgewiesen.",
                "Telefonun yaniti kabul edilmedi.",
            ],
            Self::GatewayUnreachable(_) => [
                "The push service cannot be reached.",
                "Der Push-Dienst ist nicht erreichbar.",
                "Push hizmetine ulasilamiyor.",
            ],
            Self::NotAsked => [
                "No request was sent.",
                "Keine Anfrage wurde gesendet.",
                "Istek gonderilmedi.",
            ],
            Self::NonInteractive => [
                "Approval is needed, and -n forbids asking. Nothing was sent.",
                "Eine Freigabe ist noetig, und -n verbietet zu fragen. Nichts wurde gesendet.",
                "Onay gerekiyor ve -n sormayi yasakliyor. Hicbir sey gonderilmedi.",
            ],
            Self::NoTerminal => [
                "Approval is needed, and there is no terminal. Nothing was sent.",
                "Eine Freigabe ist noetig, und es gibt kein Terminal. Nichts wurde gesendet.",
                "Onay gerekiyor ve terminal yok. Hicbir sey gonderilmedi.",
            ],
            Self::RunsNothing => [
                "-l and -v are not sent to a phone.",
                "-l und -v werden an kein Telefon gesendet.",
                "-l ve -v telefona gonderilmez.",
            ],
            Self::PromptLeft => [
                "The prompt was left.",
                "Die Eingabe wurde verlassen.",
                "Istemden cikildi.",
            ],
            Self::CannotShow => [
                "A number must be shown first, and this way of logging in shows none. Nothing was sent. Use keyboard-interactive, or an address that is known here.",
                "Zuerst muss eine Zahl gezeigt werden, und diese Art der Anmeldung zeigt keine. Nichts wurde gesendet. Verwenden Sie keyboard-interactive oder eine hier bekannte Adresse.",
                "Once bir sayi gosterilmeli ve bu giris yolu gosteremiyor. Hicbir sey gonderilmedi. keyboard-interactive veya burada bilinen bir adres kullanin.",
            ],
            Self::Barred(Barred::WrongNumbers { .. }) if open => [
                "The number was wrong too often. Nothing was sent. Try again in an hour, or ask your administrator.",
                "Die Zahl war zu oft falsch. Nichts wurde gesendet. Versuchen Sie es in einer Stunde wieder, oder fragen Sie Ihren Administrator.",
                "Sayi cok sik yanlis girildi. Hicbir sey gonderilmedi. Bir saat sonra yeniden deneyin veya yoneticinize sorun.",
            ],
            Self::Barred(_) if open => [
                "Too many requests were not approved. Nothing was sent. Try again later.",
                "Zu viele Anfragen wurden nicht freigegeben. Nichts wurde gesendet. Versuchen Sie es spaeter wieder.",
                "Cok fazla istek onaylanmadi. Hicbir sey gonderilmedi. Daha sonra yeniden deneyin.",
            ],
            Self::Deadline => [
                "The login took too long.",
                "Die Anmeldung hat zu lange gedauert.",
                "Giris cok uzun surdu.",
            ],
            Self::Internal(_) => [
                "Assent failed; the server's log says why.",
                "Assent ist gescheitert; das Log des Servers sagt, warum.",
                "Assent basarisiz oldu; nedeni sunucunun gunlugunde.",
            ],
            Self::DirectoryUnreachable(_) | Self::CannotTell(_) => [
                "The directory cannot be reached.",
                "Das Verzeichnis ist nicht erreichbar.",
                "Dizine ulasilamiyor.",
            ],
            Self::Frozen if open => [
                "Your requests are frozen: one of your devices said \"not me\". Change your password, then ask your administrator.",
                "Ihre Anfragen sind eingefroren: Eines Ihrer Geraete sagte \"nicht ich\". Aendern Sie Ihr Passwort, dann fragen Sie Ihren Administrator.",
                "Istekleriniz donduruldu: cihazlarinizdan biri \"ben degilim\" dedi. Parolanizi degistirin, sonra yoneticinize sorun.",
            ],
            Self::RevocationsStale(_) if open => [
                "No request was sent: this server does not know which devices are revoked. Ask your administrator.",
                "Keine Anfrage wurde gesendet: Dieser Server weiss nicht, welche Geraete widerrufen sind. Fragen Sie Ihren Administrator.",
                "Istek gonderilmedi: bu sunucu hangi cihazlarin iptal edildigini bilmiyor. Yoneticinize sorun.",
            ],
            Self::CannotAskCode => [
                "A code is needed, and this way of logging in cannot ask for one. Nothing was sent. Use keyboard-interactive.",
                "Ein Code ist noetig, und diese Art der Anmeldung kann nach keinem fragen. Nichts wurde gesendet. Verwenden Sie keyboard-interactive.",
                "Bir kod gerekiyor ve bu giris yolu kod soramiyor. Hicbir sey gonderilmedi. keyboard-interactive kullanin.",
            ],
            Self::NoCodeTyped => ["No code was typed.", "Kein Code wurde eingetippt.", "Kod yazilmadi."],
            Self::WrongCode => ["The code was wrong.", "Der Code war falsch.", "Kod yanlisti."],
            Self::CodeTooLate => [
                "The code came too late.",
                "Der Code kam zu spaet.",
                "Kod cok gec geldi.",
            ],
            Self::CodesUnreachable(_) => [
                "Codes cannot be sent or checked now.",
                "Codes koennen jetzt nicht gesendet oder geprueft werden.",
                "Kodlar su anda gonderilemiyor veya denetlenemiyor.",
            ],
            Self::NoCode(_) if open => [
                "No code is set up for you. Ask your administrator.",
                "Fuer Sie ist kein Code eingerichtet. Fragen Sie Ihren Administrator.",
                "Sizin icin kod kurulmamis. Yoneticinize sorun.",
            ],
            Self::CodesBarred(assent_proto::code::CodeRefused::Locked) if open => [
                "Codes were wrong too often. Try again in an hour, or ask your administrator.",
                "Codes waren zu oft falsch. Versuchen Sie es in einer Stunde wieder, oder fragen Sie Ihren Administrator.",
                "Kodlar cok sik yanlis girildi. Bir saat sonra yeniden deneyin veya yoneticinize sorun.",
            ],
            Self::CodesBarred(_) if open => [
                "Too many codes were sent. Try again later.",
                "Zu viele Codes wurden gesendet. Versuchen Sie es spaeter wieder.",
                "Cok fazla kod gonderildi. Daha sonra yeniden deneyin.",
            ],
            Self::CannotEnrol if open => [
                "No device is registered for you, and this way of logging in cannot register one. Use keyboard-interactive.",
                "Fuer Sie ist kein Geraet registriert, und diese Art der Anmeldung kann keines registrieren. Verwenden Sie keyboard-interactive.",
                "Sizin icin kayitli cihaz yok ve bu giris yolu cihaz kaydedemiyor. keyboard-interactive kullanin.",
            ],
            Self::EnrolmentRefused(Refused::Open, _) if open => [
                "A device is being registered for you elsewhere: finish that, or try again in ten minutes.",
                "Anderswo wird gerade ein Geraet fuer Sie registriert: Beenden Sie das, oder versuchen Sie es in zehn Minuten wieder.",
                "Baska bir yerde sizin icin bir cihaz kaydediliyor: onu bitirin veya on dakika sonra yeniden deneyin.",
            ],
            Self::EnrolmentRefused(Refused::TooOften, _) if open => [
                "Too many devices were begun for you. Nothing was registered. Try again in ten minutes.",
                "Zu viele Geraete wurden fuer Sie begonnen. Nichts wurde registriert. Versuchen Sie es in zehn Minuten wieder.",
                "Sizin icin cok fazla cihaz kaydi baslatildi. Hicbir sey kaydedilmedi. On dakika sonra yeniden deneyin.",
            ],
            Self::EnrolmentRefused(Refused::HasDevice, _) if open => [
                "You have, or had, a device, and no other is added in a login. Ask your administrator.",
                "Sie haben oder hatten ein Geraet, und in einer Anmeldung kommt kein anderes hinzu. Fragen Sie Ihren Administrator.",
                "Bir cihaziniz var veya vardi ve giriste baskasi eklenmez. Yoneticinize sorun.",
            ],
            Self::EnrolmentRefused(..) if open => [
                "No device can be registered in this login. Ask your administrator to enrol you.",
                "In dieser Anmeldung laesst sich kein Geraet registrieren. Bitten Sie Ihren Administrator darum.",
                "Bu giriste cihaz kaydedilemez. Yoneticinizden kaydetmesini isteyin.",
            ],
            Self::EnrolmentLeft if open => [
                "The prompt was left. Nothing was registered.",
                "Die Eingabe wurde verlassen. Nichts wurde registriert.",
                "Istemden cikildi. Hicbir sey kaydedilmedi.",
            ],
            Self::EnrolmentOver if open => [
                "The registration is over. Nothing was registered. Log in again for a new code.",
                "Die Registrierung ist vorbei. Nichts wurde registriert. Melden Sie sich fuer einen neuen Code noch einmal an.",
                "Kayit sona erdi. Hicbir sey kaydedilmedi. Yeni bir kod icin yeniden giris yapin.",
            ],
            Self::WrongDigits if open => [
                "The digits were wrong too often. Nothing was registered.",
                "Die Ziffern waren zu oft falsch. Nichts wurde registriert.",
                "Rakamlar cok sik yanlis girildi. Hicbir sey kaydedilmedi.",
            ],
            Self::NotTheCaller if open => [
                "You are not who logged in here. Log in by yourself.",
                "Sie sind nicht, wer sich hier angemeldet hat. Melden Sie sich selbst an.",
                "Burada giris yapan siz degilsiniz. Kendiniz giris yapin.",
            ],
            Self::NoDevice if open => [
                "No device is registered for you. Ask your administrator to enrol you.",
                "Fuer Sie ist kein Geraet registriert. Bitten Sie Ihren Administrator darum.",
                "Sizin icin kayitli cihaz yok. Yoneticinizden kaydetmesini isteyin.",
            ],
            Self::NoPasskey if open => [
                "A passkey is needed, and none of your devices has one. Register a device with a passkey.",
                "Ein Passkey ist noetig, und keines Ihrer Geraete hat einen. Registrieren Sie ein Geraet mit Passkey.",
                "Gecis anahtari gerekiyor ve hicbir cihazinizda yok. Gecis anahtari olan bir cihaz kaydedin.",
            ],
            Self::NoPolicy | Self::PolicyDenies(_) if open => [
                "No policy lets you in here. Ask your administrator.",
                "Keine Richtlinie laesst Sie hier ein. Fragen Sie Ihren Administrator.",
                "Hicbir kural sizi buraya almiyor. Yoneticinize sorun.",
            ],
            Self::Blocked(crate::directory::Account::MustChangePassword) if open => [
                "Your password must be changed first.",
                "Ihr Passwort muss zuerst geaendert werden.",
                "Once parolanizin degistirilmesi gerekiyor.",
            ],
            Self::Blocked(_) if open => [
                "Your account is blocked. Ask your administrator.",
                "Ihr Konto ist gesperrt. Fragen Sie Ihren Administrator.",
                "Hesabiniz engellenmis. Yoneticinize sorun.",
            ],
            Self::BypassEnded => [
                "An administrator has just ended your bypass. Try again.",
                "Ein Administrator hat Ihre Umgehung eben beendet. Versuchen Sie es noch einmal.",
                "Bir yonetici muafiyetinizi az once sonlandirdi. Yeniden deneyin.",
            ],
            Self::IdentityConflict if open => [
                "Your accounts do not belong together. Ask your administrator.",
                "Ihre Konten gehoeren nicht zusammen. Fragen Sie Ihren Administrator.",
                "Hesaplariniz birbirine ait degil. Yoneticinize sorun.",
            ],
            Self::PasswordNotHere if open => [
                "Your password is not checked here.",
                "Ihr Passwort wird hier nicht geprueft.",
                "Parolaniz burada denetlenmiyor.",
            ],
            Self::BadName
            | Self::Unlisted
            | Self::UnknownUser
            | Self::WrongPassword
            | Self::TooManyGuesses(_)
            | Self::NoPassword
            | Self::PasswordNotHere
            | Self::Ambiguous
            | Self::Blocked(_)
            | Self::Suspended(_)
            | Self::IdentityConflict
            | Self::NoPolicy
            | Self::PolicyDenies(_)
            | Self::NoCode(_)
            | Self::CodesBarred(_)
            | Self::NotTheCaller
            | Self::NoDevice
            | Self::CannotEnrol
            | Self::EnrolmentRefused(..)
            | Self::EnrolmentLeft
            | Self::EnrolmentOver
            | Self::WrongDigits
            | Self::NoPasskey
            | Self::Barred(_)
            | Self::Frozen
            | Self::RevocationsStale(_)
            | Self::Gone => ["Access denied.", "Zugang verweigert.", "Erisim reddedildi."],
        }
    }

    /// What lies behind it, for the log alone.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::DirectoryUnreachable(why)
            | Self::CannotTell(why)
            | Self::PolicyDenies(why)
            | Self::GatewayUnreachable(why)
            | Self::RevocationsStale(why)
            | Self::CodesUnreachable(why)
            | Self::EnrolmentRefused(_, why)
            | Self::Internal(why) => Some(why),
            Self::Suspended(notice) => Some(&notice.reason),
            Self::NoCode(refused) | Self::CodesBarred(refused) => Some(refused.words()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_proto::code::CodeRefused;
    use assent_proto::verdict::Refusal;

    #[test]
    fn every_denial_is_said_in_every_language_and_in_plain_ascii() {
        let why = String::new;
        let causes = [
            Cause::BadName,
            Cause::PasswordNotHere,
            Cause::Blocked(crate::directory::Account::Disabled),
            Cause::Blocked(crate::directory::Account::MustChangePassword),
            Cause::BypassEnded,
            Cause::DirectoryUnreachable(why()),
            Cause::IdentityConflict,
            Cause::NoPolicy,
            Cause::NotAsked,
            Cause::NotTheCaller,
            Cause::NoDevice,
            Cause::NoPasskey,
            Cause::NoTerminal,
            Cause::NonInteractive,
            Cause::RunsNothing,
            Cause::CannotShow,
            Cause::CannotEnrol,
            Cause::EnrolmentLeft,
            Cause::EnrolmentOver,
            Cause::WrongDigits,
            Cause::PromptLeft,
            Cause::CannotAskCode,
            Cause::NoCodeTyped,
            Cause::WrongCode,
            Cause::CodeTooLate,
            Cause::NoCode(CodeRefused::NotEnrolled),
            Cause::CodesBarred(CodeRefused::Locked),
            Cause::CodesBarred(CodeRefused::NotEnrolled),
            Cause::CodesUnreachable(why()),
            Cause::GatewayUnreachable(why()),
            Cause::Frozen,
            Cause::RevocationsStale(why()),
            Cause::Refused(Refusal::Denied),
            Cause::Refused(Refusal::Reported),
            Cause::Refused(Refusal::Number),
            Cause::NoAnswer,
            Cause::TooMuchRubbish,
            Cause::Gone,
            Cause::Deadline,
            Cause::Internal(why()),
        ];
        for cause in causes {
            for open in [true, false] {
                let said = cause.said(open);
                for text in said {
                    assert!(text.ends_with('.'), "{text}");
                    assert!(text.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{text}");
                }
                assert!(
                    said[0] != said[1] && said[1] != said[2] && said[0] != said[2],
                    "{said:?}"
                );
            }
        }
    }
}
