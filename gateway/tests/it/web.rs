//! Which role answers at which host, and what every reply says to browsers (R80).

use crate::rig::{Gateway, SOON, client};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;

const RELAY: &str = "push.example.org";
const APP: &str = "app.example.org";
const PANEL: &str = "id.example.org";

/// Shows a redirect instead of following it.
fn client_that_stays() -> Client {
    let _ = client(false);
    let builder = Client::builder().no_proxy().tls_certs_only([]).http1_only();
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

struct Site {
    gateway: Gateway,
    client: Client,
}

impl Site {
    fn apart() -> Self {
        Self::with("[app]\nurl = \"https://app.example.org\"\n[panel]\nurl = \"https://id.example.org\"")
    }

    fn together() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        Self {
            gateway: Gateway::start_with(more),
            client: client_that_stays(),
        }
    }

    async fn ask(
        &self,
        method: Method,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = self
            .client
            .request(method, self.gateway.url(path))
            .header("host", host)
            .timeout(SOON);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, response.bytes().await.unwrap().to_vec())
    }

    async fn status(&self, host: &str, path: &str) -> u16 {
        self.ask(Method::GET, host, path, &[]).await.0.as_u16()
    }

    async fn json(&self, host: &str, path: &str) -> Value {
        serde_json::from_slice(&self.ask(Method::GET, host, path, &[]).await.2).unwrap()
    }
}

#[tokio::test]
async fn each_role_answers_at_its_own_host_and_the_relay_where_no_host_is_known() {
    let site = Site::apart();
    for (path, relay, app, panel) in [
        ("/v1/trust", 200, 404, 404),
        ("/healthz", 200, 200, 200),
        ("/", 307, 200, 404),
        ("/sw.js", 404, 200, 404),
        ("/config.json", 404, 200, 404),
        ("/assets.json", 404, 200, 404),
        ("/manifest.webmanifest", 404, 200, 404),
        ("/panel/", 404, 404, 200),
        ("/panel/sign-in", 404, 404, 200),
        ("/panel/l", 404, 404, 200),
        ("/panel/add", 404, 404, 200),
        ("/panel/help", 404, 404, 200),
        ("/panel/api/session", 404, 404, 200),
        ("/assets/base.css", 404, 404, 404),
        ("/../Cargo.toml", 404, 404, 404),
    ] {
        for (host, status) in [
            (RELAY, relay),
            ("PUSH.example.org:443", relay),
            (APP, app),
            (PANEL, panel),
            ("127.0.0.1", relay),
            ("evil.example", relay),
            ("push.example.org:444", relay),
        ] {
            assert_eq!(site.status(host, path).await, status, "{path} at {host}");
        }
    }
}

#[tokio::test]
async fn over_http_2_the_role_is_found_by_the_authority() {
    let site = Site::apart();
    client(true);
    for (host, path, status) in [
        (RELAY, "/v1/trust", 200),
        (RELAY, "/panel/", 404),
        (APP, "/config.json", 200),
        (APP, "/v1/trust", 404),
        (PANEL, "/panel/", 200),
        (PANEL, "/config.json", 404),
    ] {
        let address = site.gateway.address.parse().unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([]).resolve(host, address);
        let client = client.http2_prior_knowledge().build().unwrap();
        let response = client.get(format!("http://{host}{path}")).send().await.unwrap();
        assert_eq!(response.version(), reqwest::Version::HTTP_2);
        assert_eq!(response.status().as_u16(), status, "{path} at {host}");
    }
}

#[tokio::test]
async fn roles_of_one_origin_answer_together() {
    let site = Site::together();
    for path in [
        "/v1/trust",
        "/healthz",
        "/",
        "/e",
        "/sw.js",
        "/config.json",
        "/panel/",
        "/panel/api/session",
    ] {
        assert_eq!(site.status(RELAY, path).await, 200, "{path}");
    }
    assert_eq!(
        site.status("127.0.0.1", "/panel/").await,
        404,
        "an unknown host has the relay alone"
    );
    assert_eq!(
        site.json(RELAY, "/config.json").await,
        json!({"relay": "https://push.example.org", "panel": "https://push.example.org/panel/"})
    );
}

#[tokio::test]
async fn an_enrolment_link_that_names_the_relay_and_its_bare_address_lead_on_to_the_app() {
    let site = Site::apart();
    for host in [RELAY, "127.0.0.1"] {
        for (path, to) in [("/e", "https://app.example.org/e"), ("/", "https://app.example.org/")] {
            let (status, headers, _) = site.ask(Method::GET, host, path, &[]).await;
            assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(headers["location"], to);
        }
    }
    assert_eq!(site.status(APP, "/e").await, 200);
}

/// What may stand in a reply, and what it says where it does.
fn allowed(kind: &str) -> BTreeMap<&'static str, Option<&'static str>> {
    let mut all = BTreeMap::from([
        ("content-type", None),
        ("content-length", None),
        ("date", None),
        ("x-content-type-options", Some("nosniff")),
        ("referrer-policy", Some("no-referrer")),
        ("cross-origin-resource-policy", Some("same-origin")),
    ]);
    let pages = |all: &mut BTreeMap<_, _>| {
        all.insert("cross-origin-opener-policy", Some("same-origin"));
        all.insert("strict-transport-security", Some("max-age=63072000"));
    };
    let features = "accelerometer=(), autoplay=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";
    match kind {
        "app" => {
            pages(&mut all);
            all.insert("content-security-policy", Some("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self' https://push.example.org; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types assent"));
            all.insert(
                "permissions-policy",
                Some(Box::leak(
                    features.replace("camera=()", "camera=(self)").into_boxed_str(),
                )),
            );
        }
        "panel" => {
            pages(&mut all);
            all.insert("content-security-policy", Some("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"));
            all.insert("permissions-policy", Some(features));
        }
        _ => {
            all.insert(
                "content-security-policy",
                Some("default-src 'none'; frame-ancestors 'none'"),
            );
        }
    }
    all
}

#[tokio::test]
async fn r80_every_reply_has_its_roles_headers_and_no_others() {
    let site = Site::apart();
    let asset = |list: &Value| list["assets"][0].as_str().unwrap().to_owned();
    let app_asset = asset(&site.json(APP, "/assets.json").await);
    let page = String::from_utf8(site.ask(Method::GET, PANEL, "/panel/", &[]).await.2).unwrap();
    let panel_asset = page
        .split('"')
        .find(|part| part.starts_with("/assets/panel."))
        .unwrap()
        .to_owned();
    let get = Method::GET;
    for (method, host, path, kind, cache) in [
        (get.clone(), APP, "/", "app", "no-cache"),
        (get.clone(), APP, "/e", "app", "no-cache"),
        (get.clone(), APP, "/sw.js", "app", "no-cache"),
        (get.clone(), APP, "/config.json", "app", "no-cache"),
        (get.clone(), APP, "/assets.json", "app", "no-cache"),
        (get.clone(), APP, "/manifest.webmanifest", "app", "no-cache"),
        (
            get.clone(),
            APP,
            &app_asset,
            "app",
            "public, max-age=31536000, immutable",
        ),
        (Method::POST, APP, "/", "app", "no-store"),
        (get.clone(), PANEL, "/panel/", "panel", "no-cache"),
        (get.clone(), PANEL, "/panel/l", "panel", "no-cache"),
        (get.clone(), PANEL, "/panel/add", "panel", "no-cache"),
        (get.clone(), PANEL, "/panel/help", "panel", "no-cache"),
        (get.clone(), PANEL, "/panel/sign-in", "panel", "no-cache"),
        (
            get.clone(),
            PANEL,
            &panel_asset,
            "panel",
            "public, max-age=31536000, immutable",
        ),
        (get.clone(), PANEL, "/panel/api/session", "panel", "no-store"),
        (get.clone(), PANEL, "/panel/api/devices", "panel", "no-store"),
        (get.clone(), PANEL, "/panel/api/nowhere", "panel", "no-store"),
        (Method::POST, PANEL, "/panel/api/sign-in", "panel", "no-store"),
        (Method::PUT, PANEL, "/panel/api/sign-in", "panel", "no-store"),
        (get.clone(), RELAY, "/healthz", "relay", "no-store"),
        (get.clone(), RELAY, "/v1/trust", "relay", "no-store"),
        (get.clone(), RELAY, "/v1/push", "relay", "no-store"),
        (get.clone(), RELAY, "/nowhere", "relay", "no-store"),
        (get.clone(), APP, "/nowhere", "relay", "no-store"),
        (get.clone(), PANEL, "/nowhere", "relay", "no-store"),
    ] {
        let (status, headers, _) = site.ask(method.clone(), host, path, &[]).await;
        let what = format!("{method} {host}{path}: {status}");
        let allowed = allowed(kind);
        let extra: &[&str] = if path.starts_with("/v1/") {
            &["vary", "allow"]
        } else {
            &["etag", "allow", "vary"]
        };
        for (name, value) in &headers {
            let (name, value) = (name.as_str(), value.to_str().unwrap());
            match allowed.get(name) {
                Some(Some(says)) => assert_eq!(value, *says, "{what}, {name}"),
                Some(None) => {}
                None if name == "cache-control" => assert_eq!(value, cache, "{what}"),
                None => assert!(extra.contains(&name), "{what}: {name}: {value}"),
            }
        }
        for (name, says) in &allowed {
            assert!(says.is_none() || headers.contains_key(*name), "{what} lacks {name}");
        }
        assert!(headers.contains_key("cache-control"), "{what}");
    }
}

#[tokio::test]
async fn assets_are_served_under_hashed_names_that_pages_use_and_nothing_else_is_in_the_program() {
    let site = Site::apart();
    let list = site.json(APP, "/assets.json").await;
    assert!(list["version"].as_str().unwrap().starts_with(env!("CARGO_PKG_VERSION")));
    let paths: Vec<&str> = list["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap())
        .collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in &paths {
        assert_eq!(site.status(APP, path).await, 200, "{path}");
        let parts: Vec<&str> = path.rsplitn(3, '.').collect();
        assert!(
            parts[1].len() == 20 && parts[1].bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{path}"
        );
        let plain = path.replace(&format!(".{}", parts[1]), "");
        assert_eq!(site.status(APP, &plain).await, 404, "{plain}");
        let changed = path.replace(parts[1], &parts[1].chars().rev().collect::<String>());
        assert_eq!(site.status(APP, &changed).await, 404, "{changed}");
    }
    for (host, page) in [(APP, "/"), (PANEL, "/panel/"), (PANEL, "/panel/add")] {
        let text = String::from_utf8(site.ask(Method::GET, host, page, &[]).await.2).unwrap();
        let used: Vec<&str> = text.split('"').filter(|part| part.starts_with("/assets/")).collect();
        assert!(used.len() >= 4, "{page}");
        for path in used {
            assert_eq!(site.status(host, path).await, 200, "{path} of {page}");
        }
    }
    let worker = String::from_utf8(site.ask(Method::GET, APP, "/sw.js", &[]).await.2).unwrap();
    let version = list["version"].as_str().unwrap();
    assert!(worker.contains(version), "the worker changes with any file");
}

#[tokio::test]
async fn a_page_that_has_not_changed_costs_no_body() {
    let site = Site::apart();
    let (_, headers, body) = site.ask(Method::GET, APP, "/", &[]).await;
    let etag = headers["etag"].to_str().unwrap();
    assert!(!body.is_empty());
    let (status, again, body) = site
        .ask(Method::GET, APP, "/", &[("if-none-match", &format!("\"x\", {etag}"))])
        .await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again["etag"], headers["etag"]);
    let (status, ..) = site.ask(Method::GET, APP, "/", &[("if-none-match", "\"x\"")]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn pages_travel_compressed_to_whoever_takes_that_and_plain_to_whoever_does_not() {
    let site = Site::apart();
    let (_, plain_headers, plain) = site
        .ask(Method::GET, APP, "/", &[("accept-encoding", "identity")])
        .await;
    assert!(!plain_headers.contains_key("content-encoding"));
    assert_eq!(plain_headers["vary"], "accept-encoding");
    for takes in ["gzip", "br, GZIP;q=0.8", "gzip, deflate, br, zstd"] {
        let (status, headers, packed) = site.ask(Method::GET, APP, "/", &[("accept-encoding", takes)]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-encoding"], "gzip", "{takes}");
        assert_ne!(
            headers["etag"], plain_headers["etag"],
            "another representation, another tag"
        );
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);
        let again = [
            ("accept-encoding", takes),
            ("if-none-match", headers["etag"].to_str().unwrap()),
        ];
        let (status, again, body) = site.ask(Method::GET, APP, "/", &again).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert!(!again.contains_key("content-encoding"));
        assert_eq!(again["etag"], headers["etag"]);
    }
    for refuses in ["gzip;q=0", "gzip; q=0.0", "br", "*", "xgzip"] {
        let (_, headers, body) = site.ask(Method::GET, APP, "/", &[("accept-encoding", refuses)]).await;
        assert!(!headers.contains_key("content-encoding"), "{refuses}");
        assert_eq!(body, plain);
    }
}

#[tokio::test]
async fn the_relay_answers_the_apps_scripts_and_no_other_sites() {
    let site = Site::apart();
    let ask = async |method: Method, path: &'static str, origin: &'static str| {
        let preflight = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,last-event-id",
            ),
        ];
        let given = if method == Method::OPTIONS {
            &preflight[..]
        } else {
            &preflight[..1]
        };
        let (status, headers, _) = site.ask(method, RELAY, path, given).await;
        (status.as_u16(), headers)
    };
    let app = "https://app.example.org";
    for path in ["/v1/push", "/v1/events", "/v1/registrar", "/v1/push/x/answer"] {
        let (status, headers) = ask(Method::OPTIONS, path, app).await;
        assert_eq!(status, 204, "{path}");
        assert_eq!(headers["access-control-allow-origin"], app);
        assert_eq!(headers["access-control-allow-methods"], "GET, POST, PUT, DELETE");
        assert_eq!(
            headers["access-control-allow-headers"],
            "Authorization, Content-Type, Last-Event-ID"
        );
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(headers["vary"], "Origin");
    }
    let (status, headers) = ask(Method::GET, "/v1/trust", app).await;
    assert_eq!(
        (status, &headers["access-control-allow-origin"]),
        (200, &app.parse().unwrap())
    );
    let (status, headers) = ask(Method::GET, "/v1/events", app).await;
    assert_eq!(status, 401);
    assert_eq!(
        headers["access-control-allow-origin"], app,
        "the app reads refusals, too"
    );
    for other in [
        "https://evil.example",
        "null",
        "https://app.example.org.evil.example",
        "http://app.example.org",
    ] {
        let (status, headers) = ask(Method::OPTIONS, "/v1/push", other).await;
        assert_eq!(status, 405, "{other}");
        assert!(
            !headers.keys().any(|name| name.as_str().starts_with("access-control-")),
            "{other}"
        );
        let (_, headers) = ask(Method::GET, "/v1/trust", other).await;
        assert!(!headers.contains_key("access-control-allow-origin"), "{other}");
    }
    let (_, headers) = ask(Method::GET, "/healthz", app).await;
    assert!(!headers.contains_key("access-control-allow-origin"), "only /v1/");
}

#[tokio::test]
async fn where_app_and_relay_share_an_origin_no_other_may_read_anything() {
    let site = Site::together();
    for origin in ["https://push.example.org", "https://evil.example"] {
        let (_, headers, _) = site.ask(Method::GET, RELAY, "/v1/trust", &[("origin", origin)]).await;
        assert!(!headers.contains_key("access-control-allow-origin"), "{origin}");
    }
}
