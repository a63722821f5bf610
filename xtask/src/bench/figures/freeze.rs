//! How long "not me" takes to reach the hosts: from the key that is pressed to the revocation list with the freezes in force at
//! a host, and from an administrator's lift to the list without them. One host, one gateway, on loopback; the way is the one
//! that every other host's list takes.

use super::Options;
use super::row::{Judged, Row, Samples, ms_since};
use super::wire::Dialogue;
use assent_tests::namespace::{self, Network};
use assent_tests::product::{PATIENCE, Site, assentctl, password};
use std::time::{Duration, Instant};

const USER: &str = "alice";
/// R10: a minute.
const MOST: f64 = 60_000.0;

pub fn rows(options: &Options) -> Vec<Row> {
    let rounds = if options.quick { 3 } else { 10 };
    let [mut frozen, mut lifted] = [Samples::default(), Samples::default()];
    for _ in 0..rounds {
        // A world each: a site is opened once in one.
        let round = std::thread::spawn(not_me).join().expect("it has said why it failed");
        frozen.push(round.0);
        lifted.push(round.1);
    }
    vec![
        Row::of("from \"not me\" to the freeze at a host", "ms", &frozen).judged(Judged::AtMost, MOST),
        Row::of("from an admin's lift to its end at a host", "ms", &lifted).judged(Judged::AtMost, MOST),
    ]
}

/// Milliseconds of both.
fn not_me() -> (f64, f64) {
    namespace::furnish(Network::Own).expect("a world");
    let site = Site::open();
    let device = site.enrol(USER);
    let mut phone = device.listen();
    let mut login = Dialogue::begin("sshd", USER);
    login.wait_for_the_prompt();
    login.reply(password(USER));
    phone.expect("[a]pprove", PATIENCE);
    let began = Instant::now();
    phone.send_line("n");
    let frozen = until_list(&site, 2, began);
    let began = Instant::now();
    assentctl(["freeze", "lift", USER]).expect_success();
    (frozen, until_list(&site, 3, began))
}

/// Milliseconds until the host says that this list is in force.
fn until_list(site: &Site, number: u32, began: Instant) -> f64 {
    let line = format!("revocation list {number}:");
    while !site.agent.log().contains(&line) {
        assert!(began.elapsed() < Duration::from_secs(60), "no list in a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
    ms_since(began)
}
