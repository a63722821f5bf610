//! Who may do what at the panel (R28, R75, R79): every route × everybody who is not the one it belongs to, generated from
//! the list below. A route that the panel has and the list has not fails the test.

use self::Foreign::{NotFound, Nothing, Over};
use self::Takes::{AnyRead, AnyWrite, Owner, Session};
use crate::panel_rig::{Browser, owner_of, start, user_id};
use crate::people::identity;
use crate::rig::Gateway;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Whose word a route takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Anybody's who reads.
    AnyRead,
    /// Anybody's from the panel's own page.
    AnyWrite,
    /// Somebody's who is signed in.
    Session,
    /// The one's to whom the thing in the path belongs.
    Owner,
}

/// What somebody else hears about a thing that is not theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Foreign {
    Nothing,
    NotFound,
    /// As for an enrolment that never was.
    Over,
}

struct Route {
    method: Method,
    path: &'static str,
    takes: Takes,
    foreign: Foreign,
    body: fn(&Things) -> Value,
}

/// Alice's.
struct Things {
    device: String,
    enrolment: String,
    digits: String,
    /// A change of her codes that waits for her device.
    change: String,
    /// Her look at the overview, which waits for her device, too.
    look: String,
}

fn nothing(_: &Things) -> Value {
    json!({})
}

fn routes() -> Vec<Route> {
    let route = |method, path, takes, foreign, body| Route {
        method,
        path,
        takes,
        foreign,
        body,
    };
    let (get, post) = (Method::GET, Method::POST);
    let sign_in: fn(&Things) -> Value = |_| json!({"user": "nobody", "password": "wrong"});
    let link: fn(&Things) -> Value = |_| json!({"token": "1.2.3.4"});
    let label: fn(&Things) -> Value = |_| json!({"label": "stolen"});
    let change: fn(&Things) -> Value = |_| json!({"change": "new_recovery"});
    let code: fn(&Things) -> Value = |_| json!({"code": "123456"});
    let look: fn(&Things) -> Value = |_| json!({"part": "", "page": 0});
    let digits: fn(&Things) -> Value = |things| json!({"digits": things.digits});
    vec![
        route(get.clone(), "session", AnyRead, Nothing, nothing),
        route(post.clone(), "sign-in", AnyWrite, Nothing, sign_in),
        route(post.clone(), "link", AnyWrite, Nothing, link),
        route(get.clone(), "devices", Session, Nothing, nothing),
        route(post.clone(), "devices/{id}/rename", Owner, NotFound, label),
        route(post.clone(), "devices/{id}/remove", Owner, NotFound, nothing),
        route(post.clone(), "enrolment", Session, Nothing, nothing),
        route(get.clone(), "enrolment/{id}", Owner, Over, nothing),
        route(post.clone(), "enrolment/{id}/digits", Owner, Over, digits),
        route(get.clone(), "codes", Session, Nothing, nothing),
        route(post.clone(), "codes/changes", Session, Nothing, change),
        route(get.clone(), "codes/changes/{id}", Owner, Over, nothing),
        route(post.clone(), "codes/changes/{id}/carry-out", Session, NotFound, nothing),
        route(post.clone(), "codes/totp/{id}", Session, NotFound, code),
        route(post.clone(), "freeze/lift", Session, Nothing, code),
        route(get.clone(), "overview", Session, Nothing, nothing),
        route(post.clone(), "overview/looks", Session, Nothing, nothing),
        route(get.clone(), "overview/looks/{id}", Owner, Over, nothing),
        route(post.clone(), "overview/looks/{id}/read", Session, NotFound, look),
        route(post, "sign-out", Session, Nothing, nothing),
        route(get, "{*rest}", AnyRead, Nothing, nothing),
    ]
}

impl Route {
    fn path(&self, things: &Things) -> String {
        let id = if self.path.starts_with("devices") {
            &things.device
        } else if self.path.starts_with("codes") {
            &things.change
        } else if self.path.starts_with("overview") {
            &things.look
        } else {
            &things.enrolment
        };
        self.path.replace("{id}", id).replace("{*rest}", "nowhere")
    }

    fn writes(&self) -> bool {
        self.method == Method::POST
    }

    async fn by(&self, browser: &Browser, things: &Things) -> (u16, Value) {
        let body = self.writes().then(|| (self.body)(things));
        let answer = browser.call(self.method.clone(), &self.path(things), body).await;
        (answer.status.as_u16(), answer.body)
    }
}

/// Somebody who is not alice, or alice as another site would let her seem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    NoSession,
    MadeUpSession,
    Other,
    OtherByLink,
    NoMark,
    WrongMark,
    MarkOfAnother,
    OtherOrigin,
    OtherOriginSaysSame,
    CrossSite,
    SameSite,
    NothingSaid,
}

const EVERYBODY: [Who; 12] = [
    Who::NoSession,
    Who::MadeUpSession,
    Who::Other,
    Who::OtherByLink,
    Who::NoMark,
    Who::WrongMark,
    Who::MarkOfAnother,
    Who::OtherOrigin,
    Who::OtherOriginSaysSame,
    Who::CrossSite,
    Who::SameSite,
    Who::NothingSaid,
];

struct Cast {
    alice: Browser,
    bob: Browser,
    carol: Browser,
}

impl Cast {
    fn browser(&self, who: Who) -> Browser {
        let alice = self.alice.clone();
        match who {
            Who::NoSession => Browser {
                cookie: None,
                csrf: None,
                ..alice
            },
            Who::MadeUpSession => Browser {
                cookie: Some("A".repeat(43)),
                ..alice
            },
            Who::Other => self.bob.clone(),
            Who::OtherByLink => self.carol.clone(),
            Who::NoMark => Browser { csrf: None, ..alice },
            Who::WrongMark => Browser {
                csrf: Some("A".repeat(43)),
                ..alice
            },
            Who::MarkOfAnother => Browser {
                csrf: self.bob.csrf.clone(),
                ..alice
            },
            Who::OtherOrigin => Browser {
                origin: Some("https://evil.example"),
                site: None,
                ..alice
            },
            Who::OtherOriginSaysSame => Browser {
                origin: Some("null"),
                ..alice
            },
            Who::CrossSite => Browser {
                site: Some("cross-site"),
                ..alice
            },
            Who::SameSite => Browser {
                site: Some("same-site"),
                ..alice
            },
            Who::NothingSaid => Browser {
                origin: None,
                site: None,
                ..alice
            },
        }
    }
}

/// The status and code that must come; `None` where the call is none of this matrix's business.
fn expected(route: &Route, who: Who) -> Option<(u16, &'static str)> {
    let from_elsewhere = match who {
        Who::CrossSite | Who::SameSite => true,
        Who::OtherOrigin | Who::OtherOriginSaysSame | Who::NothingSaid => route.writes(),
        _ => false,
    };
    if route.path == "{*rest}" {
        return Some((404, "not_found"));
    }
    if from_elsewhere {
        return Some((403, "origin"));
    }
    let needs_session = matches!(route.takes, Session | Owner);
    match who {
        Who::NoSession | Who::MadeUpSession if needs_session => Some((401, "no_session")),
        Who::NoMark | Who::WrongMark | Who::MarkOfAnother if needs_session && route.writes() => Some((403, "csrf")),
        Who::Other | Who::OtherByLink => match route.foreign {
            NotFound => Some((404, "not_found")),
            Over => Some((200, "")),
            Nothing => None,
        },
        _ => None,
    }
}

async fn world() -> (Gateway, Cast, Things) {
    let administrator = identity(&user_id(1));
    // All of this comes from one address.
    let more = format!("administrators = [\"{administrator}\"]\n[limits]\ncalls_per_address = 500");
    let gateway = start("directory", &more);
    let host = gateway.join("web01").await;
    let alice = Browser::of(&gateway, "alice").await;
    let device = alice.register(&gateway, "phone").await;
    let (enrolment, _, digits) = alice.bring(&gateway, "tablet").await;
    let asked = alice.post("codes/changes", json!({"change": "new_recovery"})).await;
    assert_eq!(asked.body["state"], "approval", "{asked:?}");
    let look = alice.post("overview/looks", json!({})).await;
    assert_eq!(look.body["state"], "approval", "{look:?}");
    let bob = Browser::of(&gateway, "bob").await;
    bob.register(&gateway, "bob's").await;
    let mut carol = Browser::new(&gateway);
    let link = gateway.panel_link(&host, owner_of("carol", 3), 60).await;
    assert_eq!(carol.by_link(&link).await.status, StatusCode::OK);
    let things = Things {
        device: device.id.to_string(),
        enrolment,
        digits,
        change: asked.body["id"].as_str().unwrap().to_owned(),
        look: look.body["id"].as_str().unwrap().to_owned(),
    };
    (gateway, Cast { alice, bob, carol }, things)
}

#[tokio::test]
async fn r28_r75_r79_nobody_sees_or_changes_what_is_not_theirs_and_no_other_site_acts_for_them() {
    let (_gateway, cast, things) = world().await;
    let standing = format!("enrolment/{}", things.enrolment);
    let before = cast.alice.get("devices").await.body;
    let state = cast.alice.get(&standing).await.body;
    assert_eq!(state["state"], "digits");
    let mut checked = 0;
    for route in routes() {
        for who in EVERYBODY {
            let Some((status, code)) = expected(&route, who) else {
                continue;
            };
            let (got, body) = route.by(&cast.browser(who), &things).await;
            let what = format!("{} {} by {who:?}: {body}", route.method, route.path);
            assert_eq!(
                (got, body["code"].as_str().unwrap_or_default()),
                (status, code),
                "{what}"
            );
            if route.foreign == Over && status == 200 {
                assert_eq!(body, json!({"state": "over"}), "{what}");
            }
            let said = body.to_string();
            assert!(!said.contains("phone") && !said.contains("tablet"), "{what}");
            checked += 1;
        }
        // Whatever was tried, alice's things are as they were.
        assert_eq!(cast.alice.get("devices").await.body, before, "after {}", route.path);
        assert_eq!(cast.alice.get(&standing).await.body, state, "after {}", route.path);
    }
    assert!(checked > 85, "{checked} combinations");
    // And she herself may do each of these.
    for route in routes().iter().filter(|route| route.takes == Owner) {
        let (status, body) = route.by(&cast.alice, &things).await;
        assert_eq!(status, 200, "{} {}: {body}", route.method, route.path);
    }
}

#[tokio::test]
async fn r79_a_person_is_listed_their_own_devices_alone() {
    let (_gateway, cast, _) = world().await;
    assert_eq!(cast.alice.labels().await, ["phone"]);
    assert_eq!(cast.bob.labels().await, ["bob's"]);
    assert!(cast.carol.labels().await.is_empty());
}

#[tokio::test]
async fn other_methods_do_nothing() {
    let (_gateway, cast, things) = world().await;
    for route in routes() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if method == route.method || route.path == "{*rest}" {
                continue;
            }
            let answer = cast.alice.call(method.clone(), &route.path(&things), None).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {}", route.path);
        }
    }
}

#[test]
fn every_route_of_the_panel_stands_in_the_matrix() {
    let source = include_str!("../../src/panel/mod.rs");
    let listed: Vec<String> = routes().iter().map(|route| route.path.to_owned()).collect();
    let mut found = 0;
    for rest in source.split("\"/panel/api/").skip(1) {
        let path = rest.split('"').next().unwrap();
        assert!(listed.iter().any(|known| known == path), "{path} is not in the matrix");
        found += 1;
    }
    assert_eq!(found, listed.len());
}
