//! R35: panics in the built module, each step of it, inside the real libpam. The build that can panic on demand is one
//! that a release refuses to be.

use crate::agent::Peer;
use crate::rig::{Rig, built_with_faults, pam};
use assent_wire::VerdictCode;

#[test]
fn r35_a_panic_anywhere_denies_in_silence_and_the_host_lives_on() {
    for step in ["entry", "facts", "conv", "verdict"] {
        let rig = Rig::of(built_with_faults());
        rig.options(&format!("unavailable=ignore panic={step}"));
        let agent = rig.agents(vec![Box::new(play), Box::new(play)]);
        let mut host = rig.host(&[
            "reply=1", "reply=1", "snapshot", "start", "auth", "account", "end", "signals",
        ]);
        host.env("RUST_BACKTRACE", "1");
        let seen = crate::rig::see(host);
        assert_eq!(seen.code("auth"), pam::AUTHINFO_UNAVAIL, "{step}");
        assert_eq!(seen.code("account"), pam::AUTHINFO_UNAVAIL, "{step}");
        assert_eq!(seen.errors, "", "{step}");
        assert!(seen.has("signals blocked=0 pending=0 handled=0"), "{step}: {seen:?}");
        assert!(seen.status.success());
        drop(agent);
    }
}

/// Goes as far as the module does.
fn play(peer: &mut Peer) {
    if peer.body().is_some() {
        peer.give(&assent_wire::ToModule::Hello);
        peer.try_raw(
            &assent_wire::ToModule::Ask {
                echo: true,
                text: "code".into(),
            }
            .encode()
            .unwrap(),
        );
        if peer.body().is_some() {
            peer.end(VerdictCode::Approved);
        }
    }
}

#[test]
fn r35_a_build_that_can_panic_on_demand_cannot_be_shipped() {
    let rig = Rig::new();
    // The option does not exist in the module as it ships.
    rig.options("panic=entry");
    assert_eq!(rig.run(&["start", "auth"]).code("auth"), pam::AUTHINFO_UNAVAIL);
    let text = std::fs::read(rig.module()).unwrap();
    assert!(!text.windows(11).any(|window| window == b"injected at"));
    let faulty = std::fs::read(&built_with_faults().module).unwrap();
    assert!(
        faulty.windows(11).any(|window| window == b"injected at"),
        "the check above can see it"
    );
}
