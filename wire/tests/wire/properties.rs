//! Any message comes back as it was; no bytes make the decoder panic; what it takes, it writes again the same.

use crate::samples::{to_agent, to_module};
use assent_wire::{
    Answer, Begin, Phase, Reply, SessionOpened, Tell, ToAgent, ToModule, Verdict, VerdictCode, body_len,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use zeroize::Zeroizing;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

fn begin() -> impl Strategy<Value = Begin> {
    let names = (
        bytes(),
        bytes(),
        option::of(bytes()),
        option::of(bytes()),
        option::of(bytes()),
    );
    let ssh = (option::of(bytes()), option::of(bytes()));
    let own = (
        vec(any::<u8>(), 0..2_000),
        any::<u32>(),
        option::of(bytes()),
        option::of(bytes()),
    );
    let numbers = (
        any::<bool>(),
        any::<u32>(),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        any::<Option<[u8; 16]>>(),
    );
    (names, ssh, own, numbers).prop_map(|(names, ssh, own, numbers)| Begin {
        phase: if numbers.0 { Phase::Auth } else { Phase::Account },
        service: names.0,
        user: names.1,
        ruser: names.2,
        rhost: names.3,
        tty: names.4,
        flags: numbers.1,
        ssh_connection: ssh.0,
        ssh_auth_info: ssh.1,
        command_line_len: own.0.len() as u64 + u64::from(own.1),
        command_line: own.0,
        cwd: own.2,
        audit_session: numbers.2,
        login_uid: numbers.3,
        sudo_command: own.3,
        ticket: numbers.4,
    })
}

fn from_module() -> impl Strategy<Value = ToAgent> {
    prop_oneof![
        begin().prop_map(|begin| ToAgent::Begin(Box::new(begin))),
        bytes().prop_map(|text| ToAgent::Answer(Answer {
            reply: Reply::Text(Zeroizing::new(text))
        })),
        any::<bool>().prop_map(|failed| if failed {
            ToAgent::Answer(Answer { reply: Reply::Failed })
        } else {
            ToAgent::Gone
        }),
        (bytes(), option::of(bytes()), any::<u32>()).prop_map(|(user, ssh_connection, audit_session)| {
            ToAgent::Session(SessionOpened {
                user,
                ssh_connection,
                audit_session,
            })
        }),
    ]
}

fn from_agent() -> impl Strategy<Value = ToModule> {
    let text = || any::<String>();
    let verdict = (0..5_u8, text(), text(), any::<Option<[u8; 16]>>()).prop_map(|(code, text, id, ticket)| {
        let code = match code {
            0 => VerdictCode::Approved,
            1 => VerdictCode::Denied,
            2 => VerdictCode::Blocked,
            3 => VerdictCode::Ignore,
            _ => VerdictCode::Unavailable,
        };
        let ticket = ticket.filter(|_| code == VerdictCode::Approved);
        ToModule::Verdict(Verdict { code, text, id, ticket })
    });
    prop_oneof![
        Just(ToModule::Hello),
        (any::<bool>(), text()).prop_map(|(echo, text)| ToModule::Ask { echo, text }),
        text().prop_map(|text| ToModule::AskPassword { text }),
        (any::<bool>(), text()).prop_map(|(info, text)| ToModule::Tell {
            kind: if info { Tell::Info } else { Tell::Error },
            text
        }),
        verdict,
    ]
}

/// Bodies near to real ones: one byte changed, some cut, some doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let agent = to_agent()
        .into_iter()
        .map(|(_, message)| message.encode().unwrap()[4..].to_vec());
    let module = to_module()
        .into_iter()
        .map(|(_, message)| message.encode().unwrap()[4..].to_vec());
    let bodies: Vec<Vec<u8>> = agent.chain(module).collect();
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (
        prop::sample::select(bodies),
        changes,
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(mut body, changes, cut, twice)| {
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if twice {
                body.extend_from_within(2..);
            } else {
                body.truncate(cut.index(body.len() + 1));
            }
            body
        })
}

/// Decodes at both ends. What is taken comes back as the same message when it is written and read again.
fn decodes_or_refuses(body: &[u8]) {
    if let Ok(message) = ToAgent::decode(body) {
        let again = message.encode().unwrap();
        assert_eq!(ToAgent::decode(&again[4..]), Ok(message));
    }
    if let Ok(message) = ToModule::decode(body) {
        let again = message.encode().unwrap();
        assert_eq!(ToModule::decode(&again[4..]), Ok(message));
    }
}

fn prefix(frame: &[u8]) -> [u8; 4] {
    frame[..4].try_into().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_of_the_module_comes_back_as_it_was(message in from_module()) {
        let frame = message.encode().unwrap();
        prop_assert_eq!(body_len(prefix(&frame)), Ok(frame.len() - 4));
        prop_assert_eq!(ToAgent::decode(&frame[4..]), Ok(message));
    }

    #[test]
    fn a_message_of_the_agent_comes_back_as_it_was(message in from_agent()) {
        let frame = message.encode().unwrap();
        prop_assert_eq!(body_len(prefix(&frame)), Ok(frame.len() - 4));
        prop_assert_eq!(ToModule::decode(&frame[4..]), Ok(message));
    }

    // R51
    #[test]
    fn r51_no_random_bytes_make_the_decoder_panic(body in vec(any::<u8>(), 0..600)) {
        decodes_or_refuses(&body);
        // Behind a right beginning the fields are reached.
        decodes_or_refuses(&[&[1, body.first().copied().unwrap_or(1) % 80][..], &body].concat());
    }

    // R51
    #[test]
    fn r51_no_mutated_message_makes_the_decoder_panic(body in mutated()) {
        decodes_or_refuses(&body);
    }

    #[test]
    fn a_length_is_taken_within_its_bounds_alone(prefix in any::<[u8; 4]>()) {
        let len = u32::from_be_bytes(prefix) as usize;
        prop_assert_eq!(body_len(prefix).ok(), Some(len).filter(|len| (2..=assent_wire::MAX_FRAME).contains(len)));
    }
}
