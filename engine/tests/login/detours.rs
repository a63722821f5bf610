//! Which failure leads where.

use super::Bench;
use crate::codes::{all_ready, found, found_as, ready, refused};
use crate::company::{Company, at, facts, person};
use assent_engine::ledger::Barred;
use assent_engine::login::facts::Phase;
use assent_engine::login::{
    Cause, CodeCheck, CodeEvent, CodeTrouble, CodeTyped, DeviceSearch, Effect, Event, Outcome, Standing,
};
use assent_engine::names::UserName;
use assent_proto::code::{CodeMethod, CodeRefused};
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::verdict::Refusal;

const TOTP: &str = "Code from your authenticator app [k7f3q2]: ";

fn ends_with_totp(bench: &mut Bench, company: &Company, notice: &str) {
    let order = bench.order();
    assert_eq!(order.methods, [CodeMethod::Totp]);
    bench.code(CodeEvent::Started(Ok(all_ready())));
    let prompt = bench.asked().1.to_owned();
    assert_eq!(prompt, format!("{notice}{TOTP}"));
    assert!(prompt.len() <= 80);
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    bench.pass(company, &order, CodeMethod::Totp);
    assert_eq!(bench.outcome(), Some(&Outcome::Approved));
}

#[test]
fn a_gateway_that_is_away_leads_to_the_method_named_for_it() {
    let company = Company::new();
    // Nobody can say which devices there are.
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Unreachable("x".into())));
    ends_with_totp(&mut bench, &company, "No push now. ");
    // It is not known what is revoked.
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::RevocationsStale("x".into())));
    ends_with_totp(&mut bench, &company, "No push now. ");
    // The push is not taken.
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    bench.push();
    bench.push_failed();
    assert!(matches!(bench.effects[0], Effect::WithdrawPush));
    ends_with_totp(&mut bench, &company, "No push now. ");
    // Elsewhere the same failure denies.
    let mut bench = found(facts("open", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Unreachable("x".into())));
    assert_eq!(bench.cause(), Cause::GatewayUnreachable("x".into()));
}

#[test]
fn a_push_that_nobody_answers_leads_on_and_an_answer_after_that_counts_for_nothing() {
    let company = Company::new();
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    let details = bench.push();
    let approved = company.approve(details, at(0));
    bench.now = at(60);
    bench.step(Event::PushApproved(approved));
    ends_with_totp(&mut bench, &company, "No answer. ");
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    bench.now = at(60);
    bench.step(Event::Tick);
    ends_with_totp(&mut bench, &company, "No answer. ");
}

#[test]
fn what_a_person_answered_leads_nowhere() {
    let company = Company::new();
    for refusal in [Refusal::Denied, Refusal::Reported, Refusal::Number] {
        let mut bench = found(facts("sshd-routes", Phase::Auth));
        bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
        bench.step(Event::PushRefused(refusal));
        assert_eq!(bench.cause(), Cause::Refused(refusal));
    }
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Frozen));
    assert_eq!(bench.cause(), Cause::Frozen);
}

#[test]
fn whoever_has_no_device_goes_to_the_first_method_that_admits_them() {
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Found(vec![])));
    assert_eq!(bench.order().methods, [CodeMethod::Totp], "IT");
    // Sales is passed over to the next.
    let mut bench = found_as(facts("sshd-routes", Phase::Auth), person("sally-id", "Sales"));
    bench.step(Event::Devices(DeviceSearch::Found(vec![])));
    assert_eq!(bench.order().methods, [CodeMethod::Sms]);
    bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, Some("...42"))])));
    assert_eq!(bench.asked().1, "Not enrolled. Code sent by SMS to ...42 [k7f3q2]: ");
    // Where it leads to nobody who admits her, the failure is why.
    let mut bench = found_as(facts("sshd-routes", Phase::Auth), person("sally-id", "Sales"));
    bench.step(Event::Devices(DeviceSearch::Found(vec![])));
    let none = refused(CodeMethod::Sms, CodeRefused::NotEnrolled);
    bench.code(CodeEvent::Started(Ok(vec![none])));
    assert_eq!(bench.cause(), Cause::NoCode(CodeRefused::NotEnrolled));
}

#[test]
fn failures_lead_from_one_to_the_next_and_to_each_method_once() {
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Unreachable("x".into())));
    assert_eq!(bench.order().methods, [CodeMethod::Totp]);
    bench.code(CodeEvent::Started(Err(CodeTrouble::Unreachable("y".into()))));
    assert_eq!(bench.order().methods, [CodeMethod::Recovery]);
    bench.code(CodeEvent::Started(Ok(all_ready())));
    assert_eq!(bench.asked().1, "No such code now. Recovery code [k7f3q2]: ");
    bench.step(Event::CodeTyped(CodeTyped::Typed));
    let trouble = CodeTrouble::Unreachable("z".into());
    bench.code(CodeEvent::Checked(CodeCheck::Trouble(trouble)));
    assert_eq!(bench.cause(), Cause::CodesUnreachable("z".into()), "recovery was tried");
}

#[test]
fn a_spent_budget_leads_on_and_sends_no_push() {
    let mut bench = Bench::begin(facts("sshd-routes", Phase::Auth));
    let until = UnixTime(1_795_000_600);
    bench.standing = Standing {
        barred: Some(Barred::Source { until }),
        ..Standing::default()
    };
    let name = UserName::new(&Outside::new("alice")).unwrap();
    bench.step(Event::Resolved(super::NameSearch::Known(name, 1000)));
    bench.step(Event::LookedUp(crate::company::found("alice-id", "IT")));
    assert_eq!(bench.order().methods, [CodeMethod::Recovery]);
    assert_eq!(bench.pushes, 0);
    assert!(
        bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::WithdrawPush)),
        "its place is another's"
    );
}

#[test]
fn an_open_prompt_ends_before_another_method_asks() {
    let company = Company::new();
    let mut bench = found(facts("sshd-beside", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Found(vec![company.device.clone()])));
    bench.after(300).step(Event::Tick);
    bench.push_failed();
    assert!(matches!(bench.effects[..], [Effect::WithdrawPush]));
    bench.step(Event::Shown(false));
    assert_eq!(bench.cause(), Cause::PromptLeft);
}

#[test]
fn the_trace_says_which_failure_led_where() {
    let mut bench = found(facts("sshd-routes", Phase::Auth));
    bench.step(Event::Devices(DeviceSearch::Unreachable("x".into())));
    let lines: Vec<String> = bench.login.trace().iter().map(|line| line.json.to_string()).collect();
    let told = |line: &&String| line.contains(r#""failure":"gateway""#) && line.contains("gateway_unreachable");
    assert!(lines.iter().any(|line| told(&line)), "{lines:?}");
}

#[test]
fn nobody_with_another_way_waits_long_for_a_directory() {
    // sshd-routes names a way for a directory that is away, sshd-keys does not.
    let asking = |service: &str| {
        let mut bench = Bench::begin(facts(service, Phase::Auth));
        let name = UserName::new(&Outside::new("alice")).unwrap();
        bench.step(Event::Resolved(super::NameSearch::Known(name, 1000)));
        assert!(
            bench
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::LookUp { .. })),
            "{service}: a directory is asked"
        );
        bench.login.leads_on_without_directory()
    };
    assert!(asking("sshd-routes"));
    assert!(!asking("sshd-keys"));
}
