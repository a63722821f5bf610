//! R32: an agent whose bytes are wrong, in every place where a message is awaited. Never a success, never an ignore.

use crate::agent::{Peer, frame};
use crate::rig::{Rig, pam};
use assent_wire::{MAX_FRAME, ToModule, VerdictCode};

/// Sends `bytes` instead of Hello (`greeted` false) or instead of a verdict.
fn sends(bytes: Vec<u8>, greeted: bool) {
    let rig = Rig::new();
    let shown = format!("{:02x?} greeted={greeted}", &bytes[..bytes.len().min(24)]);
    let script = move |peer: &mut Peer| {
        if greeted {
            peer.greet();
        } else {
            peer.begin();
        }
        peer.try_raw(&bytes);
    };
    let agent = rig.agent(script);
    assert_eq!(
        rig.run(&["start", "auth"]).code("auth"),
        pam::AUTHINFO_UNAVAIL,
        "{shown}"
    );
    agent.finish();
}

#[test]
fn r32_no_broken_frame_becomes_a_verdict() {
    let approved = crate::agent::verdict(VerdictCode::Approved, "", None).encode().unwrap();
    let body = &approved[4..];
    let mut other_version = body.to_vec();
    other_version[0] = 2;
    let mut other_kind = body.to_vec();
    other_kind[1] = 99;
    // The verdict's fields: code (21), text (20), id (22).
    let mut other_code = body.to_vec();
    other_code[7] = 9;
    let mut twice = body.to_vec();
    twice.extend_from_slice(&body[2..8]);
    let frames: Vec<Vec<u8>> = vec![
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 1, 1],
        vec![0xff; 4],
        u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes().to_vec(),
        frame(&vec![0; MAX_FRAME]),
        frame(&[body, &[21, 0, 0, 0, 200, 1]].concat()),
        frame(&[body, &[21, 0xff, 0xff, 0xff, 0xff]].concat()),
        frame(&other_version),
        frame(&other_kind),
        frame(&other_code),
        frame(&twice),
        frame(&body[..8]),
        // A message of the module's own side.
        frame(&[1, 3]),
    ];
    for bytes in frames {
        // An approval behind it counts for nothing.
        let bytes = [&bytes[..], &approved].concat();
        sends(bytes.clone(), true);
        sends(bytes, false);
    }
    // Cut anywhere, then closed.
    for len in 0..approved.len() {
        sends(approved[..len].to_vec(), true);
    }
}

#[test]
fn r32_a_message_out_of_turn_ends_the_login() {
    let frame = |message: &ToModule| message.encode().unwrap().to_vec();
    let hello = frame(&ToModule::Hello);
    let approved = frame(&crate::agent::verdict(VerdictCode::Approved, "", None));
    let ask = frame(&ToModule::Ask {
        echo: false,
        text: "password".into(),
    });
    // An approval behind it counts for nothing.
    sends([&hello[..], &approved].concat(), true);
    sends([&approved[..], &hello, &approved].concat(), false);
    sends([&ask[..], &hello, &approved].concat(), false);
}

#[test]
fn a_field_of_a_later_version_is_skipped() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        let approved = crate::agent::verdict(VerdictCode::Approved, "", None).encode().unwrap();
        peer.raw(&frame(&[&approved[4..], &[200, 0, 0, 0, 3, 1, 2, 3]].concat()));
    });
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::SUCCESS);
    agent.finish();
}

#[test]
fn what_follows_a_verdict_changes_nothing() {
    let rig = Rig::new();
    let agent = rig.agent(|peer| {
        peer.greet();
        let denied = crate::agent::verdict(VerdictCode::Denied, "", None).encode().unwrap();
        let approved = crate::agent::verdict(VerdictCode::Approved, "", None).encode().unwrap();
        peer.raw(&[&denied[..], &approved[..]].concat());
    });
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::AUTH_ERR);
    agent.finish();
}
