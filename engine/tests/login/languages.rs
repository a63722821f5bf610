//! In which language the login speaks, and that it tells nobody who exists.

use super::Bench;
use super::codes::{alice, found_as, ready};
use crate::company::{facts, person};
use assent_engine::directory::{PasswordCheck, Syntax, Values};
use assent_engine::login::facts::Phase;
use assent_engine::login::{CodeEvent, Effect, Event, NameSearch, Outcome, PasswordReply};
use assent_engine::names::UserName;
use assent_proto::code::CodeMethod;
use assent_proto::text::Outside;

fn begun(known: bool) -> Bench {
    let mut bench = Bench::begin(facts("languages", Phase::Auth));
    bench.step(Event::Resolved(if known {
        NameSearch::Known(UserName::new(&Outside::new("alice")).unwrap(), 1000)
    } else {
        NameSearch::Unknown
    }));
    bench
}

fn password_prompt(bench: &Bench) -> &str {
    let prompt = bench.effects.iter().find_map(|effect| match effect {
        Effect::AskPassword { text } => Some(text.as_str()),
        _ => None,
    });
    prompt.unwrap_or_else(|| panic!("no password is asked for; trace {:?}", bench.login.trace()))
}

fn denial(bench: &Bench) -> &str {
    match bench.outcome() {
        Some(Outcome::Denied { text, .. }) => text,
        _ => panic!("not denied; trace {:?}", bench.login.trace()),
    }
}

/// Past the password, as somebody who reads this.
fn reading(said: &str) -> Bench {
    let mut alice = person("alice-id", "IT");
    for (name, value) in [("mobile", "+49 170 1234542"), ("preferredLanguage", said)] {
        let values = vec![Outside::new(value)];
        let syntax = Syntax::Text;
        alice.attributes.insert(name, Values { syntax, values });
    }
    let mut bench = begun(true);
    bench.step(Event::Password(PasswordReply::Typed));
    bench.step(Event::Checked(PasswordCheck::Passed(Box::new(alice))));
    bench
}

#[test]
fn once_the_password_has_passed_the_terminal_speaks_what_the_directory_says() {
    for (said, prompt) in [
        ("de", "Code per SMS gesendet [k7f3q2]: "),
        ("de-AT, en;q=0.5", "Code per SMS gesendet [k7f3q2]: "),
        ("en", "Code sent by SMS [k7f3q2]: "),
        ("fr", "Code sent by SMS [k7f3q2]: "),
        ("tr", "SMS ile gonderilen kod [k7f3q2]: "),
        ("", "SMS ile gonderilen kod [k7f3q2]: "),
    ] {
        let mut bench = reading(said);
        bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, None)])));
        assert_eq!(bench.asked().1, prompt, "{said:?}");
    }
}

#[test]
fn what_the_stack_has_made_of_a_password_is_not_known_so_everybody_reads_what_is_configured() {
    let values = vec![Outside::new("de")];
    let syntax = Syntax::Text;
    let mut alice = alice();
    alice.attributes.insert("preferredLanguage", Values { syntax, values });
    let mut bench = found_as(facts("tr-codes", Phase::Auth), alice);
    bench.code(CodeEvent::Started(Ok(vec![ready(CodeMethod::Sms, None)])));
    assert_eq!(bench.asked().1, "SMS ile gonderilen kod [k7f3q2]: ");
}

#[test]
fn before_that_everybody_reads_what_is_configured_whoever_they_are() {
    let (mut known, mut unknown) = (begun(true), begun(false));
    assert_eq!(password_prompt(&known), "Parola, sonra bir kod [k7f3q2]: ");
    assert_eq!(password_prompt(&known), password_prompt(&unknown));
    known.step(Event::Password(PasswordReply::Typed));
    known.step(Event::Checked(PasswordCheck::Wrong));
    unknown.step(Event::Password(PasswordReply::Typed));
    unknown.step(Event::Checked(PasswordCheck::Wrong));
    assert_eq!(denial(&known), "Erisim reddedildi. [k7f3q2]");
    assert_eq!(denial(&known), denial(&unknown));
}
