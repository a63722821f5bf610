//! An authenticator app that is set up in a terminal: root on a host vouches, a device approves where there is one.

use crate::codes_rig::{Asker, oathtool, open_totp, refused, secret_of, typed};
use crate::people::{Events, TestDevice, identity};
use crate::rig::{Gateway, id, text};
use assent_proto::Id;
use assent_proto::answer::Decision;
use assent_proto::cert::Identity;
use assent_proto::code::{CodeMethod, CodeRefused, CodeReply, CodeWant, TypedSecret};
use std::time::Duration;
use zeroize::Zeroizing;

/// The same wish, when it asks again.
fn again(wish: &CodeWant, id: Id) -> CodeWant {
    let CodeWant::OpenTotp {
        identities,
        user,
        secret,
        ..
    } = wish.clone()
    else {
        panic!("{wish:?}");
    };
    CodeWant::OpenTotp {
        identities,
        user,
        secret,
        asked: Some(id),
    }
}

async fn asks(asker: &Asker, gateway: &Gateway, wish: &CodeWant) -> Id {
    match asker.wants(gateway, wish.clone()).await {
        CodeReply::TotpAsked { id, ttl: 120 } => id,
        other => panic!("{other:?}"),
    }
}

/// Asks until the device's decision has arrived.
async fn decided(asker: &Asker, gateway: &Gateway, wish: &CodeWant) -> CodeReply {
    for _ in 0..500 {
        match asker.wants(gateway, wish.clone()).await {
            CodeReply::TotpAsked { .. } => tokio::time::sleep(Duration::from_millis(10)).await,
            decided => return decided,
        }
    }
    panic!("nothing was decided:\n{}", gateway.log());
}

async fn listening(gateway: &Gateway, phone: &TestDevice) -> Events {
    phone.listen(gateway, None).await
}

#[tokio::test]
async fn whoever_has_a_device_approves_the_app_there_for_the_host_that_asked() {
    let gateway = Gateway::start_with("");
    let (asker, other) = (gateway.asker("web01").await, gateway.asker("web02").await);
    let phone = gateway.enrol(&asker.test, "bob").await;
    let wish = open_totp("bob");

    let mut hears = listening(&gateway, &phone).await;
    let refused_id = asks(&asker, &gateway, &wish).await;
    phone.decides(&gateway, &mut hears, Decision::Deny).await;
    let said = decided(&asker, &gateway, &again(&wish, refused_id)).await;
    assert_eq!(refused(&said), CodeRefused::Over);

    let mut hears = listening(&gateway, &phone).await;
    let approved = asks(&asker, &gateway, &wish).await;
    let waits = asker.wants(&gateway, again(&wish, approved)).await;
    assert_eq!(waits, CodeReply::TotpAsked { id: approved, ttl: 120 });
    phone.decides(&gateway, &mut hears, Decision::Approve).await;
    let CodeReply::TotpOpen { id, uri, .. } = decided(&asker, &gateway, &again(&wish, approved)).await else {
        panic!("it was approved:\n{}", gateway.log());
    };
    // Nobody else has anything of it: not another host, not for another person.
    let said = other.wants(&gateway, again(&wish, approved)).await;
    assert_eq!(refused(&said), CodeRefused::Over);
    let said = asker.wants(&gateway, again(&open_totp("carol"), approved)).await;
    assert_eq!(refused(&said), CodeRefused::Over);
    let confirm = |code: &str| CodeWant::ConfirmTotp { id, code: typed(code) };
    let secret = secret_of(&uri.0);
    let said = other.wants(&gateway, confirm(&oathtool(&secret, 0))).await;
    assert_eq!(refused(&said), CodeRefused::Over);
    let said = asker.wants(&gateway, confirm(&oathtool(&secret, 0))).await;
    assert_eq!(said, CodeReply::TotpReady {});
    assert!(
        asker
            .passes(&gateway, "bob", CodeMethod::Totp, &oathtool(&secret, 1))
            .await
    );
    // One app a person.
    assert_eq!(refused(&asker.wants(&gateway, wish).await), CodeRefused::Enrolled);
}

#[tokio::test]
async fn a_persons_devices_are_asked_five_times_in_ten_minutes_and_then_no_more() {
    let gateway = Gateway::start_with("");
    let asker = gateway.asker("web01").await;
    let phone = gateway.enrol(&asker.test, "bob").await;
    let mut hears = listening(&gateway, &phone).await;
    for _ in 0..5 {
        let asked = asks(&asker, &gateway, &open_totp("bob")).await;
        phone.decides(&gateway, &mut hears, Decision::Deny).await;
        let said = decided(&asker, &gateway, &again(&open_totp("bob"), asked)).await;
        assert_eq!(refused(&said), CodeRefused::Over);
    }
    let CodeReply::Refused { text, .. } = asker.wants(&gateway, open_totp("bob")).await else {
        panic!("a sixth time");
    };
    assert!(text.as_str().contains("again and again"), "{text:?}");
    // Of somebody else that says nothing.
    let said = asker.wants(&gateway, open_totp("carol")).await;
    assert!(matches!(said, CodeReply::TotpOpen { .. }), "{said:?}");
}

#[tokio::test]
async fn an_app_that_a_person_has_is_taken_over_with_its_secret() {
    let gateway = Gateway::start_with("");
    let asker = gateway.asker("web01").await;
    let with = |secret: &str| CodeWant::OpenTotp {
        identities: vec![identity("alice")],
        user: text("alice"),
        secret: Some(TypedSecret(Zeroizing::new(secret.to_owned()))),
        asked: None,
    };
    for bad in ["GEZDGNBV", "no base32!", ""] {
        let said = asker.wants(&gateway, with(bad)).await;
        assert_eq!(refused(&said), CodeRefused::Malformed, "{bad}");
    }
    let secret = "GEZDGNBVGY3TQOJQ";
    let CodeReply::TotpOpen { id, uri, .. } = asker.wants(&gateway, with(secret)).await else {
        panic!("not opened");
    };
    assert_eq!(secret_of(&uri.0), secret);
    let code = typed(&oathtool(secret, 0));
    let said = asker.wants(&gateway, CodeWant::ConfirmTotp { id, code }).await;
    assert_eq!(said, CodeReply::TotpReady {});
    assert!(
        asker
            .passes(&gateway, "alice", CodeMethod::Totp, &oathtool(secret, 1))
            .await
    );
}

#[tokio::test]
async fn r28_a_host_sets_up_apps_of_those_alone_whom_it_may_name() {
    let gateway = Gateway::start_with("");
    let asker = gateway.asker("web01").await;
    let of = |realm: &str| CodeWant::OpenTotp {
        identities: vec![Identity {
            realm: text(realm),
            id: text("carol"),
        }],
        user: text("carol"),
        secret: None,
        asked: None,
    };
    for foreign in [format!("nss@{}", id()), "example.net".to_owned()] {
        let said = asker.wants(&gateway, of(&foreign)).await;
        assert_eq!(refused(&said), CodeRefused::Caller, "{foreign}");
    }
    let own = format!("nss@{}", asker.test.id);
    let said = asker.wants(&gateway, of(&own)).await;
    assert!(matches!(said, CodeReply::TotpOpen { .. }), "{said:?}");
}
