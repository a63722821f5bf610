//! What the user reads, and the stable names of causes for logs. Plain ASCII, one line each.

use super::Cause;
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
    pub(super) fn text(&self, open: bool) -> &'static str {
        match self {
            Self::Refused(assent_proto::verdict::Refusal::Denied) => "Denied on the phone.",
            Self::Refused(assent_proto::verdict::Refusal::Reported) => {
                "Reported on the phone as not started by its owner."
            }
            Self::Refused(assent_proto::verdict::Refusal::Expired) | Self::NoAnswer => {
                "No answer from the phone in time."
            }
            Self::Refused(assent_proto::verdict::Refusal::Number) => "The number was wrong.",
            Self::Refused(_) | Self::TooMuchRubbish => "The phone's answer was refused.",
            Self::GatewayUnreachable(_) => "The push service cannot be reached.",
            Self::NotAsked => "No request was sent.",
            Self::NonInteractive => "Approval is needed, and -n forbids asking. Nothing was sent.",
            Self::NoTerminal => "Approval is needed, and there is no terminal. Nothing was sent.",
            Self::RunsNothing => "-l and -v are not sent to a phone.",
            Self::PromptLeft => "The prompt was left.",
            Self::CannotShow => {
                "A number must be shown first, and this way of logging in shows none. Nothing was sent. Use keyboard-interactive, or an address that is known here."
            }
            Self::Barred(Barred::WrongNumbers { .. }) if open => {
                "The number was wrong too often. Nothing was sent. Try again in an hour, or ask your administrator."
            }
            Self::Barred(_) if open => "Too many requests were not approved. Nothing was sent. Try again later.",
            Self::Deadline => "The login took too long.",
            Self::Internal(_) => "Assent failed; the server's log says why.",
            Self::DirectoryUnreachable(_) | Self::CannotTell(_) => "The directory cannot be reached.",
            Self::Frozen if open => {
                "Your requests are frozen: one of your devices said \"not me\". Change your password, then ask your administrator."
            }
            Self::RevocationsStale(_) if open => {
                "No request was sent: this server does not know which devices are revoked. Ask your administrator."
            }
            Self::CannotAskCode => {
                "A code is needed, and this way of logging in cannot ask for one. Nothing was sent. Use keyboard-interactive."
            }
            Self::NoCodeTyped => "No code was typed.",
            Self::WrongCode => "The code was wrong.",
            Self::CodeTooLate => "The code came too late.",
            Self::CodesUnreachable(_) => "Codes cannot be sent or checked now.",
            Self::NoCode(_) if open => "No code is set up for you. Ask your administrator.",
            Self::CodesBarred(assent_proto::code::CodeRefused::Locked) if open => {
                "Codes were wrong too often. Try again in an hour, or ask your administrator."
            }
            Self::CodesBarred(_) if open => "Too many codes were sent. Try again later.",
            Self::NotTheCaller if open => "You are not who logged in here. Log in by yourself.",
            Self::NoDevice if open => "No device is registered for you. Ask your administrator to enrol you.",
            Self::CannotEnrol if open => {
                "No device is registered for you, and this way of logging in cannot register one. Use keyboard-interactive."
            }
            Self::EnrolmentRefused(Refused::Open, _) if open => {
                "A device is being registered for you elsewhere: finish that, or try again in ten minutes."
            }
            Self::EnrolmentRefused(Refused::TooOften, _) if open => {
                "Too many devices were begun for you. Nothing was registered. Try again in ten minutes."
            }
            Self::EnrolmentRefused(Refused::HasDevice, _) if open => {
                "You have, or had, a device, and no other is added in a login. Ask your administrator."
            }
            Self::EnrolmentRefused(..) if open => {
                "No device can be registered in this login. Ask your administrator to enrol you."
            }
            Self::EnrolmentLeft if open => "The prompt was left. Nothing was registered.",
            Self::EnrolmentOver if open => {
                "The registration is over. Nothing was registered. Log in again for a new code."
            }
            Self::WrongDigits if open => "The digits were wrong too often. Nothing was registered.",
            Self::NoPasskey if open => {
                "A passkey is needed, and none of your devices has one. Register a device with a passkey."
            }
            Self::NoPolicy | Self::PolicyDenies(_) if open => "No policy lets you in here. Ask your administrator.",
            Self::Blocked(crate::directory::Account::MustChangePassword) if open => {
                "Your password must be changed first."
            }
            Self::Blocked(_) if open => "Your account is blocked. Ask your administrator.",
            Self::BypassEnded => "An administrator has just ended your bypass. Try again.",
            Self::IdentityConflict if open => "Your accounts do not belong together. Ask your administrator.",
            Self::PasswordNotHere if open => "Your password is not checked here.",
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
            | Self::Gone => "Access denied.",
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
