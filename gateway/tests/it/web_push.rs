//! Web Push: a browser is rung at when a request comes and when it is over; what is called is a push service (R74).

use crate::people::{TestDevice, TestHost, push_for, push_to};
use crate::push_service::{Browser, PushService, vapid};
use crate::rig::{Gateway, SOON, URL, id, now, problem};
use assent_proto::relay::{ProblemCode, Subscription, SubscriptionState, WaitingPush, WebPush};
use assent_proto::{Bytes, Id, sha256};
use reqwest::{Method, Response, StatusCode};
use std::time::Duration;

struct Scene {
    service: PushService,
    gateway: Gateway,
    host: TestHost,
    device: TestDevice,
    browser: Browser,
}

impl TestDevice {
    async fn subscribe(&self, gateway: &Gateway, subscription: &Subscription) -> Response {
        gateway
            .send(Method::PUT, "/v1/subscription", &self.claim(), subscription)
            .await
    }

    async fn web_push(&self, gateway: &Gateway) -> WebPush {
        let response = gateway.send(Method::GET, "/v1/subscription", &self.claim(), &()).await;
        response.json().await.unwrap()
    }

    async fn fetch(&self, gateway: &Gateway, push: Id) -> Response {
        gateway
            .send(Method::GET, &format!("/v1/push/{push}"), &self.claim(), &())
            .await
    }
}

impl Scene {
    /// A device of alice whose browser is subscribed.
    async fn set() -> Self {
        let service = PushService::start().await;
        let gateway = Gateway::start_with(&service.config());
        let host = gateway.join("web01").await;
        let device = gateway.enrol(&host, "alice").await;
        let browser = Browser::new();
        let scene = Self {
            service,
            gateway,
            host,
            device,
            browser,
        };
        scene.subscribe("/push/alice").await;
        scene
    }

    async fn subscribe(&self, path: &str) {
        let subscription = self.browser.subscription(&format!("{}{path}", self.service.origin));
        let response = self.device.subscribe(&self.gateway, &subscription).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    async fn state(&self) -> SubscriptionState {
        self.device.web_push(&self.gateway).await.subscription
    }
}

#[tokio::test]
async fn a_push_rings_at_the_browser_with_an_id_alone_and_delays_no_host() {
    let Scene {
        mut service,
        gateway,
        host,
        device,
        browser,
    } = Scene::set().await;
    service.hold();
    let push = push_to(&[&device]);
    // The host has its reply while the push service still thinks.
    host.push(&gateway, &push).await;
    let message = service.next().await;
    assert_eq!(message.path, "/push/alice");
    assert_eq!(browser.opens(&message), push.id);
    let header = |name: &str| message.headers[name].to_str().unwrap();
    assert_eq!((header("urgency"), header("content-encoding")), ("high", "aes128gcm"));
    let ttl: u64 = header("ttl").parse().unwrap();
    assert!((50..=60).contains(&ttl), "the rest of the push's life: {ttl}");
    let topic = header("topic");
    assert_eq!(topic.len(), 32);
    assert!(!topic.contains(&push.id.to_string()) && !topic.contains(&device.id.to_string()));

    let (claims, key) = vapid(&message);
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&service.origin.clone().into(), &URL.into())
    );
    let life = claims["exp"].as_u64().unwrap() - now().0;
    assert!(life <= 86_400, "a push service refuses more than a day: {life}");
    let told = device.web_push(&gateway).await.vapid.unwrap();
    assert_eq!(
        Bytes(key),
        serde_json::from_value(serde_json::to_value(told).unwrap()).unwrap()
    );
    service.let_go();

    // It fetches what it was rung at for, sealed; nobody else does.
    let fetched: WaitingPush = device.fetch(&gateway, push.id).await.json().await.unwrap();
    assert_eq!(
        (fetched.id, fetched.expiry, &fetched.blob),
        (push.id, push.expiry, &push.to[0].blob)
    );
    assert!((50..=60).contains(&fetched.left));
    let bob = gateway.enrol(&host, "bob").await;
    for (who, what) in [(&bob, push.id), (&device, id())] {
        let (status, problem) = problem(who.fetch(&gateway, what).await).await;
        assert_eq!((status, problem.code), (410, ProblemCode::Gone));
    }
    // Once it has answered, a message that comes twice finds nothing.
    assert_eq!(device.answer(&gateway, push.id, b"yes").await.status(), 204);
    assert_eq!(device.fetch(&gateway, push.id).await.status(), StatusCode::GONE);
    let log = gateway.log();
    assert!(!log.contains("/push/alice"), "an endpoint is a secret: {log}");
}

#[tokio::test]
async fn the_end_of_a_login_rings_once_more_where_nobody_answered() {
    let Scene {
        mut service,
        gateway,
        host,
        device,
        browser,
    } = Scene::set().await;
    let other = gateway.enrol(&host, "bob").await;
    let other_browser = Browser::new();
    let subscription = other_browser.subscription(&format!("{}/push/other", service.origin));
    other.subscribe(&gateway, &subscription).await;
    let push = push_to(&[&device, &other]);
    host.push(&gateway, &push).await;
    let mut first = [service.next().await, service.next().await];
    first.sort_by(|one, other| one.path.cmp(&other.path));
    let topic = |message: &crate::push_service::Message| message.headers["topic"].clone();
    assert_ne!(
        topic(&first[0]),
        topic(&first[1]),
        "a service cannot tell that both are asked the same"
    );

    assert_eq!(other.answer(&gateway, push.id, b"no").await.status(), 204);
    host.withdraw(&gateway, push.id).await;
    let over = service.next().await;
    assert_eq!((over.path.as_str(), browser.opens(&over)), ("/push/alice", push.id));
    assert_eq!(
        topic(&over),
        topic(&first[0]),
        "it takes the place of one that still waits at the service"
    );
    assert_eq!(device.fetch(&gateway, push.id).await.status(), StatusCode::GONE);

    // One that expires does the same; and the fence shows that nothing went to who had answered.
    let short = push_for(3, &[&device]);
    host.push(&gateway, &short).await;
    for _ in 0..2 {
        let message = service.next().await;
        assert_eq!(
            (message.path.as_str(), browser.opens(&message)),
            ("/push/alice", short.id)
        );
    }
    assert!(service.is_quiet());
}

#[tokio::test]
async fn a_subscription_that_its_service_has_ended_is_used_no_more_and_its_device_is_told() {
    let mut scene = Scene::set().await;
    for status in [404, 410] {
        scene.service.answers(status, None);
        scene.host.push(&scene.gateway, &push_to(&[&scene.device])).await;
        scene.service.next().await;
        scene.gateway.logs("a push service has ended a subscription").await;
        for _ in 0..500 {
            if scene.state().await == SubscriptionState::Lost {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(scene.state().await, SubscriptionState::Lost);
        scene.host.push(&scene.gateway, &push_to(&[&scene.device])).await;
        // A new one is used again; it is the next thing that is heard.
        scene.subscribe("/push/renewed").await;
        let push = push_to(&[&scene.device]);
        scene.host.push(&scene.gateway, &push).await;
        let message = scene.service.next().await;
        assert_eq!(
            (message.path.as_str(), scene.browser.opens(&message)),
            ("/push/renewed", push.id)
        );
    }
}

#[tokio::test]
async fn a_service_that_is_busy_is_asked_again_as_it_says_while_the_request_waits() {
    let mut scene = Scene::set().await;
    scene.service.answers(429, Some(("retry-after", "1".into())));
    scene.service.answers(503, None);
    let push = push_to(&[&scene.device]);
    let began = std::time::Instant::now();
    scene.host.push(&scene.gateway, &push).await;
    for tried in 0..3 {
        assert_eq!(scene.browser.opens(&scene.service.next().await), push.id, "{tried}");
        assert!(
            tried == 0 || began.elapsed() >= Duration::from_secs(1),
            "it waits as it was told"
        );
    }
    // Over in between: not asked again.
    scene.service.answers(503, Some(("retry-after", "1".into())));
    let over = push_to(&[&scene.device]);
    scene.host.push(&scene.gateway, &over).await;
    scene.service.next().await;
    assert_eq!(scene.device.answer(&scene.gateway, over.id, b"yes").await.status(), 204);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(scene.service.is_quiet());
    // And longer than the request lives: given up.
    scene.service.answers(503, Some(("retry-after", "3600".into())));
    scene.host.push(&scene.gateway, &push_to(&[&scene.device])).await;
    scene.gateway.logs("a message was given up").await;
}

#[tokio::test]
async fn r74_an_endpoint_that_is_no_push_service_is_refused_and_said_so() {
    let scene = Scene::set().await;
    for endpoint in [
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://fcm.googleapis.com/fcm/send/x",
        &format!("{}x/", scene.service.origin),
        &scene.service.origin.replace("http://", "http://user@"),
        "http://localhost/",
        "x",
    ] {
        let subscription = scene.browser.subscription(endpoint);
        let (status, problem) = problem(scene.device.subscribe(&scene.gateway, &subscription).await).await;
        assert_eq!((status, problem.code), (400, ProblemCode::Malformed), "{endpoint}");
        assert!(
            problem.text.contains("endpoint") && !problem.text.contains(endpoint),
            "{}",
            problem.text
        );
    }
    let good = scene.browser.subscription(&format!("{}/x", scene.service.origin));
    let mut infinity = vec![4; 65];
    infinity[1..].fill(0);
    for spoilt in [
        Subscription {
            p256dh: Bytes(infinity),
            ..good.clone()
        },
        Subscription {
            p256dh: Bytes(good.p256dh.0[..64].to_vec()),
            ..good.clone()
        },
        Subscription {
            auth: Bytes(vec![1; 15]),
            ..good.clone()
        },
        Subscription {
            auth: Bytes(vec![1; 17]),
            ..good
        },
    ] {
        assert_eq!(
            scene.device.subscribe(&scene.gateway, &spoilt).await.status(),
            StatusCode::BAD_REQUEST
        );
    }
    // The one before stays.
    let endpoint = sha256(&[format!("{}/push/alice", scene.service.origin).as_bytes()]);
    assert_eq!(
        scene.state().await,
        SubscriptionState::Kept {
            endpoint,
            silent_since: None
        }
    );
    let of_host = scene
        .gateway
        .send(Method::GET, "/v1/subscription", &scene.host.claim(), &())
        .await;
    assert_eq!(of_host.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn r74_no_redirect_is_followed_and_what_stands_in_the_data_base_is_checked_once_more() {
    let mut scene = Scene::set().await;
    let mut inner = PushService::start().await;
    scene
        .service
        .answers(307, Some(("location", format!("{}/inner", inner.origin))));
    scene.host.push(&scene.gateway, &push_to(&[&scene.device])).await;
    scene.service.next().await;
    scene.gateway.logs("a push service refuses messages").await;
    assert!(inner.is_quiet(), "a redirect was followed");

    let mut relay = scene.gateway.database("relay.db").await;
    sqlx::query("UPDATE subscription SET endpoint = ?")
        .bind(format!("{}/inner", inner.origin))
        .execute(&mut relay)
        .await
        .unwrap();
    drop(relay);
    scene.gateway.kill();
    scene.gateway.start_again();
    scene.host.push(&scene.gateway, &push_to(&[&scene.device])).await;
    scene.gateway.logs("a device is not rung at").await;
    assert!(inner.is_quiet(), "an endpoint that is on no list was called");
}

#[tokio::test]
async fn a_device_that_fetches_nothing_is_silent_until_it_does() {
    let mut scene = Scene::set().await;
    let push = push_to(&[&scene.device]);
    scene.host.push(&scene.gateway, &push).await;
    scene.service.next().await;
    let silent = |state: &SubscriptionState| {
        matches!(
            state,
            SubscriptionState::Kept {
                silent_since: Some(_),
                ..
            }
        )
    };
    assert!(!silent(&scene.state().await), "taken a moment ago");
    let began = std::time::Instant::now();
    while !silent(&scene.state().await) {
        assert!(began.elapsed() < SOON, "a 201 was taken for a receipt");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Over a restart, too.
    scene.gateway.kill();
    scene.gateway.start_again();
    assert!(silent(&scene.state().await));
    assert_eq!(
        scene.device.fetch(&scene.gateway, push.id).await.status(),
        StatusCode::OK
    );
    assert!(!silent(&scene.state().await));
    scene.gateway.kill();
    scene.gateway.start_again();
    assert!(!silent(&scene.state().await));
}

#[tokio::test]
async fn a_restart_keeps_key_and_subscription_and_whoever_leaves_is_rung_at_no_more() {
    let mut scene = Scene::set().await;
    let key = scene.device.web_push(&scene.gateway).await.vapid;
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(scene.gateway.file("vapid.key"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    scene.gateway.kill();
    scene.gateway.start_again();
    assert_eq!(scene.device.web_push(&scene.gateway).await.vapid, key);
    let push = push_to(&[&scene.device]);
    scene.host.push(&scene.gateway, &push).await;
    assert_eq!(scene.browser.opens(&scene.service.next().await), push.id);
    scene.device.answer(&scene.gateway, push.id, b"yes").await;

    let response = scene
        .gateway
        .send(Method::DELETE, "/v1/subscription", &scene.device.claim(), &())
        .await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(scene.state().await, SubscriptionState::None);
    scene.host.push(&scene.gateway, &push_to(&[&scene.device])).await;
    scene.subscribe("/push/again").await;
    let fence = push_to(&[&scene.device]);
    scene.host.push(&scene.gateway, &fence).await;
    assert_eq!(scene.browser.opens(&scene.service.next().await), fence.id);

    // A mailbox that is closed takes its subscription with it.
    let relay = || async {
        let mut relay = scene.gateway.database("relay.db").await;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM subscription")
            .fetch_one(&mut relay)
            .await
            .unwrap();
        rows
    };
    assert_eq!(relay().await, 1);
    scene
        .device
        .calls(&scene.gateway, assent_proto::registrar::DeviceWant::Leave)
        .await;
    for _ in 0..500 {
        if relay().await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(relay().await, 0);
}

#[tokio::test]
async fn a_gateway_that_calls_nobody_offers_no_key_and_takes_no_subscription() {
    let gateway = Gateway::start_with("[web_push]\nservices = []\n");
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let stands = device.web_push(&gateway).await;
    assert_eq!((stands.vapid, stands.subscription), (None, SubscriptionState::None));
    let subscription = Browser::new().subscription("https://web.push.apple.com/x");
    let (status, problem) = problem(device.subscribe(&gateway, &subscription).await).await;
    assert_eq!((status, problem.code), (400, ProblemCode::Malformed));
}

#[tokio::test]
async fn a_proxy_carries_what_is_sent_where_there_is_one() {
    let mut proxy = PushService::start().await;
    // Nobody listens there: whoever called it without the proxy would reach nothing.
    let own = "http://127.0.0.1:9";
    let config = format!(
        "[web_push]\nservices = []\nown_services = [\"{own}\"]\nproxy = \"{}\"\n",
        proxy.origin
    );
    let gateway = Gateway::start_with(&config);
    let host = gateway.join("web01").await;
    let device = gateway.enrol(&host, "alice").await;
    let browser = Browser::new();
    let subscription = browser.subscription(&format!("{own}/push/alice"));
    assert_eq!(
        device.subscribe(&gateway, &subscription).await.status(),
        StatusCode::NO_CONTENT
    );
    let push = push_to(&[&device]);
    host.push(&gateway, &push).await;
    let message = proxy.next().await;
    assert_eq!(message.headers["host"], "127.0.0.1:9");
    assert_eq!(
        (message.path.as_str(), browser.opens(&message)),
        ("/push/alice", push.id)
    );
}
