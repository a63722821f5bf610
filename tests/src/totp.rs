//! An authenticator app for codes: oathtool, which is not ours.

use crate::product::assentctl;
use crate::program::Program;
use crate::{SOON, scratch};

/// The secret of every app that is given here.
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// Gives a user of this service an app, as google-authenticator had it; its secret.
pub fn give(user: &str, service: &str) -> &'static str {
    let explained = assentctl(["explain", user, "--service", service, "--json"]).out;
    let explained: serde_json::Value = serde_json::from_str(&explained).expect("JSON");
    let identity = explained["directories"]["corp"]["answer"]["found"]["identity"].as_str();
    let file = scratch::directory("app").join("google_authenticator");
    scratch::write(&file, &format!("{SECRET}\n\" TOTP_AUTH\n"));
    let identity = identity.expect("an identity");
    assentctl([
        "codes",
        "import-google-authenticator",
        &file.to_string_lossy(),
        identity,
    ])
    .expect_success();
    SECRET
}

/// The code that an app shows now.
pub fn shown(secret: &str) -> String {
    let tool = Program::new("/usr/bin/oathtool").args(["--totp", "--base32", secret]);
    tool.finish(SOON).expect_success().out.trim().to_owned()
}

/// The code that an app shows in the next half minute: that of this one may be used up.
pub fn shown_next(secret: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let then = format!("@{}", now.expect("a clock").as_secs() + 30);
    let tool = Program::new("/usr/bin/oathtool").args(["--totp", "--base32", "--now", &then, secret]);
    tool.finish(SOON).expect_success().out.trim().to_owned()
}
