//! The login machine, driven event by event.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    missing_docs
)]

mod codes;
mod company;
mod detours;
mod enrolling;
mod grants;
mod numbers;
mod passkeys;
mod risk;

use assent_engine::directory::{Account, Lookup, PasswordCheck};
use assent_engine::grants::{Grants, Held};
use assent_engine::login::facts::{Facts, Phase};
use assent_engine::login::{
    Admission, Cause, CodeCheck, CodeEvent, CodeTrouble, CodeTyped, DeviceSearch, Effect, EnrolState, EnrolTrouble,
    EnrolTyped, Event, Gone, Login, NameSearch, Outcome, PasswordReply, Purpose, PushNumber, Standing,
};
use assent_engine::names::UserName;
use assent_engine::risk::Signals;
use assent_proto::request::Details;
use assent_proto::text::Outside;
use assent_proto::time::BootTime;
use assent_proto::verdict::{Refusal, Rubbish};
use company::{Company, at, config, facts, found, identity, passed, sudo};
use proptest::prelude::*;

/// A machine under test; every step's effects are kept.
struct Bench {
    login: Login,
    now: BootTime,
    effects: Vec<Effect>,
    pushes: usize,
    /// What the agent remembers, whenever it is asked.
    standing: Standing,
    /// What an administrator decided, whenever that is asked.
    admin: Grants,
    /// Names the last asking of the code service.
    turn: u32,
    /// The push that left last.
    last_push: PushNumber,
}

impl Bench {
    fn new(facts: Facts) -> Self {
        Self {
            login: Login::new(config(), facts, at(0)),
            now: at(0),
            effects: Vec::new(),
            pushes: 0,
            standing: Standing::default(),
            admin: Grants::default(),
            turn: 0,
            last_push: PushNumber::default(),
        }
    }

    fn step(&mut self, event: Event) -> &mut Self {
        self.effects = self.login.step(event, self.now);
        self.pushes += self.effects.iter().filter(|e| matches!(e, Effect::Push(_))).count();
        for effect in &self.effects {
            match effect {
                Effect::Push(order) => self.last_push = order.number,
                Effect::StartCode(order) => self.turn = order.turn,
                Effect::SendCode { turn, .. } | Effect::CheckCode { turn } => self.turn = *turn,
                _ => {}
            }
        }
        if let Some(Effect::FindGrants { identity, application }) = self.effects.last() {
            assert_eq!(Some(identity), self.login.identity());
            let held = self.admin.held(identity, application, &grants::now());
            let mut before = std::mem::take(&mut self.effects);
            before.pop();
            self.step(Event::Held(held));
            self.effects.splice(0..0, before);
        }
        if let Some(Effect::Weigh(who)) = self.effects.last() {
            assert_eq!(Some(who), self.login.identity());
            let mut before = std::mem::take(&mut self.effects);
            before.pop();
            self.step(Event::Weighed(self.standing.clone()));
            self.effects.splice(0..0, before);
        }
        self
    }

    fn begin(facts: Facts) -> Self {
        let mut bench = Self::new(facts);
        bench.step(Event::Begin);
        bench
    }

    fn resolved(facts: Facts) -> Self {
        let mut bench = Self::begin(facts);
        let name = UserName::new(&Outside::new("alice")).unwrap();
        bench.step(Event::Resolved(NameSearch::Known(name, 1000)));
        bench
    }

    fn outcome(&self) -> Option<&Outcome> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Finish(outcome) => Some(outcome),
            _ => None,
        })
    }

    fn cause(&self) -> Cause {
        match self.outcome() {
            Some(Outcome::Denied { cause, .. }) => cause.clone(),
            other => panic!("not denied: {other:?}; trace {:?}", self.login.trace()),
        }
    }

    fn push(&self) -> Details {
        let order = self.effects.iter().find_map(|effect| match effect {
            Effect::Push(order) => Some(order.details.clone()),
            _ => None,
        });
        order.unwrap_or_else(|| panic!("no push; trace {:?}", self.login.trace()))
    }

    fn number(&self) -> PushNumber {
        let number = self.effects.iter().find_map(|effect| match effect {
            Effect::Push(order) => Some(order.number),
            _ => None,
        });
        number.unwrap_or_else(|| panic!("no push; trace {:?}", self.login.trace()))
    }

    /// What may come next: an answer to what was asked last, or anything.
    fn next(&self, code: u8) -> Event {
        let one_of = |fitting: &[u8]| event(fitting[usize::from(code) % fitting.len()], self.turn);
        let asked = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Resolve(_) => Some(&[1][..]),
            Effect::AskPassword { .. } => Some(&[4]),
            Effect::Ask { purpose, .. } => Some(match purpose {
                Purpose::Go => &[10],
                Purpose::Show | Purpose::Code | Purpose::ShowOrCode => &[23, 30, 31],
                Purpose::Enrol => &[48, 48, 49, 49, 50],
            }),
            Effect::CheckPassword { .. } => Some(&[6, 6, 6, 7, 9]),
            Effect::LookUp { .. } => Some(&[12, 12, 13, 14, 15]),
            Effect::FindDevices(_) => Some(&[26, 26, 29, 16, 16]),
            Effect::Recall(_) => Some(&[41, 41, 42]),
            Effect::Admit(_) => Some(&[45, 45, 43, 44]),
            Effect::ShowNumber { .. } => Some(&[23, 22]),
            Effect::StartCode(_) => Some(&[33, 35]),
            Effect::SendCode { .. } => Some(&[36]),
            Effect::CheckCode { .. } => Some(&[37, 39, 40]),
            Effect::OpenEnrolment { .. } => Some(&[52, 52, 52, 53]),
            Effect::ShowEnrolment(_) => Some(&[49, 49, 48, 50]),
            Effect::ConfirmEnrolment => Some(&[54, 54, 55, 53]),
            _ => None,
        });
        match (code, asked) {
            (0..56, _) => event(code, self.turn),
            (_, Some(fitting)) => one_of(fitting),
            (_, None) if self.login.trace().is_empty() => Event::Begin,
            (_, None) => one_of(&[17, 18, 19, 20, 22, 22, 23, 24]),
        }
    }

    /// To the point where the push has left, for an application with the stack in front of it.
    fn pushed(company: &Company, facts: Facts) -> (Self, Details) {
        let mut bench = Self::resolved(facts);
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
        let (details, number) = (bench.push(), bench.number());
        bench.step(Event::PushSent(number));
        (bench, details)
    }
}

#[test]
fn a_password_and_an_approval_let_a_login_pass() {
    let company = Company::new();
    let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
    assert!(
        matches!(&bench.effects[..], [Effect::AskPassword { text }] if text.contains("approve on your phone [k7f3q2]"))
    );
    bench.step(Event::Password(PasswordReply::Typed));
    assert!(matches!(bench.effects[..], [Effect::CheckPassword { .. }]));
    // The check yields the attributes, too: no second question to the directory.
    bench.step(Event::Checked(passed("alice-id", "it-ops")));
    assert!(matches!(&bench.effects[..], [Effect::FindDevices(who)] if *who == identity("alice-id")));
    assert_eq!(bench.pushes, 0);
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    let details = bench.push();
    assert_eq!(details.first[0].as_str(), "password (corp)");
    assert_eq!(details.src.clone().unwrap().ip.to_string(), "192.0.2.7");
    assert!(details.cmd.is_none());
    bench.step(Event::PushSent(bench.number()));
    bench.now = at(5);
    bench.step(Event::PushApproved(company.approve(details, at(5))));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
    assert_eq!(bench.pushes, 1);
}

#[test]
fn r15_a_wrong_password_sends_no_push() {
    let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(PasswordCheck::Wrong));
    assert_eq!(bench.cause(), Cause::WrongPassword);
    assert_eq!(bench.pushes, 0);
}

#[test]
fn r31_an_unknown_user_sees_the_steps_and_words_of_a_wrong_password() {
    let mut wrong = Bench::resolved(facts("sshd", Phase::Auth));
    let mut unknown = Bench::begin(facts("sshd", Phase::Auth));
    unknown.step(Event::Resolved(NameSearch::Unknown));
    let prompt = |bench: &Bench| match &bench.effects[..] {
        [Effect::AskPassword { text }] => text.clone(),
        _ => panic!("no prompt"),
    };
    assert_eq!(prompt(&wrong), prompt(&unknown));
    for bench in [&mut wrong, &mut unknown] {
        bench.step(Event::Password(PasswordReply::Typed));
        assert!(matches!(bench.effects[..], [Effect::CheckPassword { .. }]));
    }
    wrong.step(Event::Checked(PasswordCheck::Wrong));
    unknown.step(Event::Checked(PasswordCheck::Unknown));
    let words = |bench: &Bench| match bench.outcome() {
        Some(Outcome::Denied { text, .. }) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(&wrong), words(&unknown));
    assert_eq!(words(&wrong), "Access denied. [k7f3q2]");
    assert_eq!(unknown.cause(), Cause::UnknownUser);
}

#[test]
fn a_right_password_of_a_user_whom_nss_does_not_know_is_denied() {
    let mut bench = Bench::begin(facts("sshd", Phase::Auth));
    bench.step(Event::Resolved(NameSearch::Unknown));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(passed("alice-id", "IT")));
    assert_eq!(bench.cause(), Cause::UnknownUser);
}

#[test]
fn r60_a_hostile_name_is_asked_for_a_password_and_denied_without_any_lookup() {
    let mut bench = Bench::begin(Facts {
        user: Outside::new("../../etc/passwd"),
        ..facts("sshd", Phase::Auth)
    });
    assert!(matches!(bench.effects[..], [Effect::AskPassword { .. }]));
    bench.step(Event::Password(PasswordReply::Typed));
    assert_eq!(bench.cause(), Cause::BadName);
    assert_eq!(bench.login.user_for_log(), "(unknown user)");
}

#[test]
fn r62_nothing_typed_and_a_failed_conversation_are_denied_before_any_directory() {
    for reply in [PasswordReply::Empty, PasswordReply::Failed] {
        let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
        bench.step(Event::Password(reply));
        assert_eq!(bench.cause(), Cause::NoPassword);
    }
}

#[test]
fn only_users_that_a_policy_matches_get_a_profile_that_has_policies() {
    let mut bench = Bench::resolved(facts("sshd-keys", Phase::Account));
    bench.step(Event::LookedUp(found("alice-id", "Finance")));
    assert_eq!(bench.cause(), Cause::NoPolicy);
    assert_eq!(bench.pushes, 0);
}

#[test]
fn whom_no_policy_matches_gets_the_default_profile() {
    let company = Company::new();
    let mut bench = Bench::resolved(facts("two", Phase::Auth));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(PasswordCheck::Unknown));
    bench.step(Event::Checked(passed("alice-id", "Finance")));
    // The default's first fallback profile has not been asked yet.
    bench.step(Event::LookedUp(Lookup::Unknown));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    let _ = bench.push();
    assert_eq!(bench.login.method(), Some("open-push"));
}

#[test]
fn a_policy_that_cannot_tell_denies_instead_of_falling_to_the_default() {
    for lookup in [Lookup::Unreachable("down".into()), Lookup::Ambiguous] {
        let mut bench = Bench::resolved(facts("sshd-keys", Phase::Account));
        bench.step(Event::LookedUp(lookup));
        assert!(matches!(bench.cause(), Cause::CannotTell(_)));
        assert_eq!(bench.pushes, 0);
    }
}

#[test]
fn an_unreachable_directory_denies_unless_the_configuration_names_the_next() {
    let mut bench = Bench::resolved(facts("two", Phase::Auth));
    bench.step(Event::Password(PasswordReply::Typed));
    // "backup" has on_unreachable = "next", "corp" has not.
    bench.step(Event::Checked(PasswordCheck::Unreachable("down".into())));
    assert!(matches!(bench.effects[..], [Effect::CheckPassword { .. }]));
    bench.step(Event::Checked(PasswordCheck::Unreachable("down".into())));
    assert!(matches!(bench.cause(), Cause::DirectoryUnreachable(_)));
}

#[test]
fn wrong_disabled_locked_expired_and_ambiguous_are_final() {
    for check in [
        PasswordCheck::Wrong,
        PasswordCheck::Ambiguous,
        PasswordCheck::NoPassword,
        PasswordCheck::Blocked(Account::Disabled),
        PasswordCheck::Blocked(Account::Locked),
        PasswordCheck::Blocked(Account::Expired),
        PasswordCheck::Blocked(Account::MustChangePassword),
    ] {
        let mut bench = Bench::resolved(facts("two", Phase::Auth));
        bench.step(Event::Password(PasswordReply::Typed));
        bench.step(Event::Checked(check));
        let _ = bench.cause();
    }
    let mut disabled = company::person("alice-id", "IT");
    disabled.account = Account::Disabled;
    let mut bench = Bench::resolved(facts("sshd-keys", Phase::Account));
    bench.step(Event::LookedUp(Lookup::Found(Box::new(disabled.clone()))));
    assert_eq!(bench.cause(), Cause::Blocked(Account::Disabled));
    let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(PasswordCheck::Passed(Box::new(disabled))));
    assert_eq!(bench.cause(), Cause::Blocked(Account::Disabled));
}

#[test]
fn r58_profiles_that_name_two_identities_are_denied() {
    let mut bench = Bench::resolved(facts("two", Phase::Auth));
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(passed("alice-id", "IT")));
    // The policy's profile knows another alice.
    bench.step(Event::LookedUp(found("other-id", "IT")));
    assert_eq!(bench.cause(), Cause::IdentityConflict);
}

#[test]
fn a_user_without_a_device_and_an_unreachable_gateway_are_denied() {
    for (search, expected) in [
        (DeviceSearch::Found(vec![]), Cause::NoDevice),
        (
            DeviceSearch::Unreachable("down".into()),
            Cause::GatewayUnreachable("down".into()),
        ),
    ] {
        let mut bench = Bench::resolved(facts("sshd-keys", Phase::Account));
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(Event::Devices(search));
        assert_eq!(bench.cause(), expected);
        assert_eq!(bench.pushes, 0);
    }
}

#[test]
fn r16_a_push_alone_in_sshds_auth_phase_waits_for_a_typed_letter() {
    let mut bench = Bench::resolved(facts("sshd-alone", Phase::Auth));
    assert!(matches!(&bench.effects[..], [Effect::Ask { echo: true, .. }]));
    bench.step(Event::Go(false));
    assert_eq!(bench.cause(), Cause::NotAsked);
    assert_eq!(bench.pushes, 0);
    // In the account phase sshd has let the user in already.
    let bench = Bench::resolved(facts("sshd-alone", Phase::Account));
    assert!(matches!(bench.effects[..], [Effect::LookUp { .. }]));
}

#[test]
fn r86_a_ticket_spares_the_account_phase_and_only_that() {
    let ticket = |phase| Facts {
        ticket: true,
        ..facts("sshd", phase)
    };
    let bench = Bench::resolved(ticket(Phase::Account));
    assert_eq!(bench.outcome(), Some(&Outcome::ApprovedBefore));
    let bench = Bench::resolved(ticket(Phase::Auth));
    assert_eq!(bench.outcome(), None);
    let mut bench = Bench::begin(ticket(Phase::Account));
    bench.step(Event::Resolved(NameSearch::Unknown));
    assert_eq!(bench.outcome(), None);
}

#[test]
fn sudo_sends_no_push_that_nobody_could_answer() {
    let cases = [
        (sudo(&["sudo", "-n", "id"]), Cause::NonInteractive),
        (sudo(&["sudo", "-l"]), Cause::RunsNothing),
        (sudo(&["sudo", "-v"]), Cause::RunsNothing),
        (
            Facts {
                tty: None,
                ..sudo(&["sudo", "id"])
            },
            Cause::NoTerminal,
        ),
        (
            Facts {
                tty: Some(Outside::new("")),
                ..sudo(&["sudo", "id"])
            },
            Cause::NoTerminal,
        ),
    ];
    for (facts, expected) in cases {
        let mut bench = Bench::resolved(facts);
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        assert_eq!(bench.cause(), expected);
        assert_eq!(bench.pushes, 0);
    }
}

#[test]
fn a_sudo_request_shows_target_arguments_apart_and_the_resolved_command() {
    let company = Company::new();
    let (_, details) = Bench::pushed(
        &company,
        sudo(&["evil-name", "-u", "postgres", "psql", "-c", "drop table a; --"]),
    );
    assert_eq!(details.target_user.unwrap().as_str(), "postgres");
    let cmd = details.cmd.unwrap();
    let args: Vec<&str> = cmd.args.iter().map(assent_proto::ShortText::as_str).collect();
    assert_eq!(args, ["-u", "postgres", "psql", "-c", "drop table a; --"]);
    assert_eq!(cmd.resolved.unwrap().as_str(), "/usr/bin/id");
    assert!(!cmd.truncated);
    assert!(details.src.is_none());
}

/// alice, who logged in as uid 1000, wants to become postgres.
fn su() -> Facts {
    Facts {
        user: Outside::new("postgres"),
        ruser: Some(Outside::new("alice")),
        login_uid: Some(1000),
        sudo_command: None,
        service: Outside::new("su"),
        ..sudo(&["su", "-", "postgres"])
    }
}

#[test]
fn where_the_caller_is_the_subject_they_prove_themselves_and_the_phone_shows_whom_they_want_to_be() {
    let begun = Bench::begin(su());
    let asked = begun.effects.iter().find_map(|effect| match effect {
        Effect::Resolve(name) => Some(name.as_str()),
        _ => None,
    });
    assert_eq!(asked, Some("alice"));
    let (_, details) = Bench::pushed(&Company::new(), su());
    assert_eq!(details.user.as_str(), "alice");
    assert_eq!(details.target_user.unwrap().as_str(), "postgres");
}

#[test]
fn a_caller_who_is_not_who_logged_in_is_denied_before_any_directory() {
    let mut other = Bench::resolved(Facts {
        login_uid: Some(1005),
        ..su()
    });
    assert_eq!(other.cause(), Cause::NotTheCaller);
    assert_eq!(other.pushes, 0);
    other.step(Event::LookedUp(found("alice-id", "IT")));
    assert_eq!(other.pushes, 0);
    // Without the kernel's audit nothing is known of who logged in; su itself says who called it, by its real uid.
    let unknown = Bench::resolved(Facts {
        login_uid: None,
        ..su()
    });
    assert!(matches!(unknown.effects[..], [Effect::LookUp { .. }]));
    let nobody = Bench::begin(Facts { ruser: None, ..su() });
    assert_eq!(nobody.cause(), Cause::BadName);
}

#[test]
fn every_refusal_of_the_device_denies_and_withdraws_the_push() {
    let company = Company::new();
    for refusal in [
        Refusal::Denied,
        Refusal::Reported,
        Refusal::Expired,
        Refusal::Number,
        Refusal::Level,
    ] {
        let (mut bench, _) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
        bench.step(Event::PushRefused(refusal));
        assert_eq!(bench.cause(), Cause::Refused(refusal));
        assert!(matches!(bench.effects[0], Effect::WithdrawPush));
    }
}

/// The relay's word on the first push may come when it was approved long ago: during whatever the login does next, or as
/// the second push waits.
#[test]
fn what_is_heard_late_of_one_push_is_not_taken_for_the_next_ones() {
    let company = Company::new();
    let failed = |push| Event::PushFailed { push, why: "x".into() };
    for (early, late) in [(true, true), (true, false), (false, true)] {
        let mut bench = Bench::resolved(facts("twice", Phase::Account));
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
        let (details, first) = (bench.push(), bench.number());
        bench.step(Event::PushApproved(company.approve(details, at(0))));
        if early {
            // Nothing of it: the machine waits for something else.
            bench.step(failed(first));
            assert!(bench.effects.is_empty(), "{:?}", bench.outcome());
            bench.step(Event::PushSent(first));
            assert!(bench.effects.is_empty(), "{:?}", bench.outcome());
        }
        bench.step(Event::LookedUp(found("alice-id", "IT")));
        bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
        let (details, second) = (bench.push(), bench.number());
        assert_ne!(first, second);
        if late {
            bench.step(failed(first));
            assert!(bench.effects.is_empty(), "{:?}", bench.outcome());
            bench.step(Event::PushApproved(company.approve(details, at(0))));
            assert_eq!(bench.outcome(), Some(&Outcome::Approved));
        } else {
            bench.step(failed(second));
            assert_eq!(bench.cause(), Cause::GatewayUnreachable("x".into()));
        }
    }
    // Of a push that never left it is a fault.
    let mut bench = Bench::resolved(facts("sshd-keys", Phase::Account));
    bench.step(Event::PushSent(PushNumber::default()));
    assert!(matches!(bench.cause(), Cause::Internal(_)));
}

#[test]
fn rubbish_is_borne_until_it_is_too_much() {
    let company = Company::new();
    let (mut bench, details) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    for _ in 0..7 {
        bench.step(Event::PushIgnored {
            why: Rubbish::Signature,
            last: false,
        });
        assert!(bench.effects.is_empty());
    }
    bench.step(Event::PushApproved(company.approve(details, at(0))));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));

    let (mut bench, _) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    bench.step(Event::PushIgnored {
        why: Rubbish::Signature,
        last: true,
    });
    assert_eq!(bench.cause(), Cause::TooMuchRubbish);
}

#[test]
fn r1_an_approval_counts_until_the_push_ends_and_not_at_its_end() {
    let company = Company::new();
    let (mut bench, details) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    let approved = company.approve(details, at(0));
    bench.now = at(59);
    bench.step(Event::PushApproved(approved));
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));

    let (mut bench, details) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    let approved = company.approve(details, at(0));
    bench.now = at(60);
    bench.step(Event::PushApproved(approved));
    assert_eq!(bench.cause(), Cause::NoAnswer);

    let (mut bench, _) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    assert_eq!(bench.login.wakes(), at(60));
    bench.now = at(60);
    bench.step(Event::Tick);
    assert_eq!(bench.cause(), Cause::NoAnswer);
}

#[test]
fn a_login_ends_at_its_deadline_wherever_it_is() {
    let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
    bench.now = at(100);
    bench.step(Event::Password(PasswordReply::Typed));
    assert_eq!(bench.cause(), Cause::Deadline);

    // A password typed late leaves the push only what is left.
    let company = Company::new();
    let mut bench = Bench::resolved(facts("sshd", Phase::Auth));
    bench.now = at(70);
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(passed("alice-id", "IT")));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    assert_eq!(bench.push().ttl, 30);
}

#[test]
fn r3_an_approval_of_another_login_does_not_count() {
    let company = Company::new();
    let (mut bench, _) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
    let (_, other) = Bench::pushed(&company, facts("open", Phase::Account));
    bench.step(Event::PushApproved(company.approve(other, at(0))));
    assert!(matches!(bench.cause(), Cause::Internal(_)));
}

#[test]
fn r55_whoever_is_gone_ends_the_login_and_the_push() {
    let company = Company::new();
    for gone in [Gone::Module, Gone::Terminal, Gone::Client, Gone::Admin] {
        let (mut bench, details) = Bench::pushed(&company, facts("sshd-keys", Phase::Account));
        bench.step(Event::Gone(gone));
        assert_eq!(bench.cause(), Cause::Gone);
        assert!(matches!(bench.effects[0], Effect::WithdrawPush));
        bench.step(Event::PushApproved(company.approve(details, at(0))));
        assert!(bench.effects.is_empty(), "a later approval does nothing");
    }
}

#[test]
fn a_service_of_no_application_is_denied_by_default() {
    let bench = Bench::begin(facts("login", Phase::Auth));
    assert_eq!(bench.cause(), Cause::Unlisted);
    assert_eq!(bench.login.application(), None, "the record names none");
}

#[test]
fn the_trace_holds_events_effects_and_policies_and_no_outside_control_character() {
    let company = Company::new();
    let (mut bench, details) = Bench::pushed(
        &company,
        Facts {
            tty: Some(Outside::new("pts/0\x1b[2J\nforged")),
            ..facts("sshd-keys", Phase::Account)
        },
    );
    bench.step(Event::PushApproved(company.approve(details, at(0))));
    let lines: Vec<String> = bench.login.trace().iter().map(|line| line.json.to_string()).collect();
    let all = lines.join("\n");
    for word in [
        "\"begin\"",
        "\"looked_up\"",
        "\"policy\"",
        "\"push_approved\"",
        "\"finish\"",
        "department",
    ] {
        assert!(all.contains(word), "{word} in {all}");
    }
    assert!(
        lines
            .iter()
            .all(|line| !line.contains('\n') && !line.contains('\x1b') && !line.contains("\\u001b"))
    );
}

thread_local! {
    static DEVICE: assent_proto::cert::Device = Company::new().device;
}

/// Any events, without an approval among them; most answer what was asked, so that logins get far.
fn any_events() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..224u8, 0..30)
}

fn code_event(turn: u32, what: CodeEvent) -> Event {
    Event::Code { turn, what }
}

/// `turn` is that of the last asking of the code service.
fn event(code: u8, turn: u32) -> Event {
    match code {
        0 => Event::Begin,
        1 => Event::Resolved(NameSearch::Known(UserName::new(&Outside::new("alice")).unwrap(), 1000)),
        2 => Event::Resolved(NameSearch::Unknown),
        3 => Event::Resolved(NameSearch::Unreachable("x".into())),
        4 => Event::Password(PasswordReply::Typed),
        5 => Event::Password(PasswordReply::Empty),
        6 => Event::Checked(passed("alice-id", "IT")),
        7 => Event::Checked(PasswordCheck::Wrong),
        8 => Event::Checked(PasswordCheck::Unknown),
        9 => Event::Checked(PasswordCheck::Unreachable("x".into())),
        10 => Event::Go(true),
        11 => Event::Go(false),
        12 => Event::LookedUp(found("alice-id", "IT")),
        13 => Event::LookedUp(found("alice-id", "Sales")),
        14 => Event::LookedUp(Lookup::Unknown),
        15 => Event::LookedUp(Lookup::Unreachable("x".into())),
        16 => Event::Devices(DeviceSearch::Found(vec![])),
        17 => Event::PushSent(PushNumber::default()),
        18 => Event::PushFailed {
            push: PushNumber::default(),
            why: "x".into(),
        },
        19 => Event::PushIgnored {
            why: Rubbish::Seal,
            last: false,
        },
        20 => Event::PushRefused(Refusal::Denied),
        21 => Event::Gone(Gone::Module),
        22 => Event::Tick,
        23 => Event::Shown(true),
        24 => Event::Shown(false),
        25 => Event::Weighed(Standing::default()),
        26..=28 => Event::Devices(DeviceSearch::Found(vec![DEVICE.with(Clone::clone)])),
        29 => Event::Devices(DeviceSearch::Unreachable("x".into())),
        30 => Event::CodeTyped(CodeTyped::Typed),
        31 => Event::CodeTyped(CodeTyped::Nothing),
        32 => Event::CodeTyped(CodeTyped::Failed),
        33..=34 => code_event(turn, CodeEvent::Started(Ok(codes::all_ready()))),
        35 => code_event(turn, CodeEvent::Started(Err(CodeTrouble::Unreachable("x".into())))),
        36 => code_event(turn, CodeEvent::Sent(Ok(()))),
        37..=38 => code_event(turn, CodeEvent::Checked(CodeCheck::Wrong { left: 1 })),
        39 => code_event(turn, CodeEvent::Checked(CodeCheck::Wrong { left: 0 })),
        40 => code_event(turn, CodeEvent::Checked(CodeCheck::Trouble(CodeTrouble::Frozen))),
        41 => Event::Recalled(identity("alice-id"), Ok(Signals::default())),
        42 => Event::Recalled(identity("alice-id"), Err("x".into())),
        43 => Event::Admitted(Admission::Frozen),
        44 => Event::Admitted(Admission::Unknown("x".into())),
        // Where nothing may be waived, not even this lets anybody pass.
        45 => Event::Admitted(Admission::Free),
        // Out of turn: who asked hears it at once.
        46 => Event::Held(Held::Nothing),
        47 => Event::NotChecked(assent_proto::time::UnixTime(1)),
        48 => Event::EnrolTyped(EnrolTyped::Qr),
        49 => Event::EnrolTyped(EnrolTyped::Digits),
        50 => Event::EnrolTyped(EnrolTyped::Nothing),
        51 => Event::EnrolTyped(EnrolTyped::Failed),
        52 => Event::EnrolmentOpened(Ok(())),
        53 => Event::EnrolmentOpened(Err(EnrolTrouble::Unreachable("x".into()))),
        54 => Event::Enrolment(Ok(EnrolState::Registered(
            DEVICE.with(|device| device.claims().device_id),
        ))),
        55 => Event::Enrolment(Ok(EnrolState::Wrong { left: 1 })),
        _ => Event::Internal("x".into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// R32: no order of events without a device's verified approval or the code service's verified word ends in success.
    #[test]
    fn nothing_but_a_verified_approval_lets_a_login_pass(
        codes in any_events(),
        service in 0..19usize,
        account in any::<bool>(),
    ) {
        let services = ["sshd", "sshd-keys", "sshd-alone", "sudo", "open", "two", "sshd-adaptive", "sshd-enter", "sudo-i", "codes", "totp", "sshd-beside", "sshd-routes", "sshd-risk-alone", "sshd-risk-floor", "sshd-enroll", "sshd-enroll-office", "sshd-enroll-routes", "sshd-enroll-waived"];
        let phase = if account { Phase::Account } else { Phase::Auth };
        let mut bench = Bench::new(facts(services[service], phase));
        let mut finished = 0;
        for code in codes {
            bench.step(bench.next(code));
            if let Some(outcome) = bench.outcome() {
                finished += 1;
                prop_assert!(!matches!(outcome, Outcome::Approved | Outcome::ApprovedBefore), "{outcome:?}");
            }
        }
        prop_assert!(finished <= 1, "a login ends once");
    }
}
