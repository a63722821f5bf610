//! A whole push beside `libpam-duo`, both answered at once, by turns in one run: each authentication in a fresh process
//! of the same program, on loopback and with the servers 20 ms away. Beside it the floor: a bare round trip.
//!
//! Two stacks of ours, both without a password, as the peer's is. *Push alone*, the peer's like: PAM → agent → relay →
//! phone → relay → agent, the user known by the name service, nothing in the account phase. *As shipped*: the user looked
//! up by LDAP for a policy (one search on a warm connection, the directory near the host), and the account line with its
//! ticket. The phone is where the gateway is, as the peer's "phone" is inside its server; it does all that a device does.

use super::super::peer_directory;
use super::Options;
use super::duo::{Acks, Peer};
use super::pam::{Expect, Stacks};
use super::phone::Phone;
use super::row::{Judged, Row, Samples, ms_since};
use assent_tests::delay::{self, Far};
use assent_tests::namespace::{self, Network};
use assent_tests::product::{self, Gateway, Site};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The user of both.
const USER: &str = "alice";
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Rounds that find cold caches and open the warm connections.
const WARM_UP: usize = 2;
/// The service of both where the stacks are alike.
const SERVICE: &str = "sshd";
/// The service of our stack as shipped.
const SHIPPED: &str = "sshd-stack";

/// Whoever the name service knows may push; the device was enrolled for that name, too.
const MORE: &str = r#"
[[push_profile]]
name = "push-alone"
fallback_auth_profiles = ["local"]
assurance = "tap"

[[application]]
name = "alone"
services = ["sshd"]
factors = [["stack"], ["push-alone"]]
"#;

/// A place for the servers, and what is promised there.
struct Place {
    name: &'static str,
    away: Option<Duration>,
    /// Of the peer's time, by how its server acknowledges.
    targets: [(Acks, Option<f64>); 2],
}

const PLACES: [Place; 2] = [
    Place {
        name: "on loopback",
        away: None,
        targets: [(Acks::Delayed, Some(1.0 / 3.0)), (Acks::AtOnce, None)],
    },
    Place {
        name: "at 20 ms",
        away: Some(ROUND_TRIP),
        targets: [(Acks::Delayed, Some(1.0 / 7.0)), (Acks::AtOnce, Some(1.0 / 5.0))],
    },
];

pub fn rows(options: &Options) -> Vec<Row> {
    let times = if options.quick { 25 } else { 200 };
    let mut rows = Vec::new();
    for place in PLACES {
        let measuring = std::thread::spawn(move || {
            namespace::furnish(Network::Own).unwrap_or_else(|e| panic!("{e}"));
            place.rows(times)
        });
        rows.extend(
            measuring
                .join()
                .unwrap_or_else(|cause| std::panic::resume_unwind(cause)),
        );
    }
    rows
}

/// What is measured by turns.
#[derive(Default)]
struct Measured {
    congestion: &'static str,
    alone: Samples,
    shipped: Samples,
    delayed: Samples,
    at_once: Samples,
    floor: Samples,
}

impl Place {
    fn rows(&self, times: usize) -> Vec<Row> {
        let measured = self.measure(times);
        let name = |what: &str, peer: &str| format!("{what}, {}, fresh process, beside {peer}", self.name);
        let mut rows = Vec::new();
        for (acks, target) in self.targets {
            let (peer, how) = match acks {
                Acks::Delayed => (&measured.delayed, "libpam-duo, server plain"),
                Acks::AtOnce => (&measured.at_once, "libpam-duo, server acknowledging at once"),
            };
            let alone = Row::of(name("push alone", how), "ms", &measured.alone).beside(peer);
            rows.push(match target {
                Some(target) => alone.judged(Judged::Ratio, target),
                None => alone,
            });
            let shipped = Row::of(name("push as shipped", how), "ms", &measured.shipped).beside(peer);
            rows.push(shipped.note("besides: LDAP attribute for a policy, account line; the peer's stack has neither"));
        }
        rows.push(
            Row::of(name("push alone", "a bare round trip"), "ms", &measured.alone)
                .beside(&measured.floor)
                .note(format!(
                    "the floor: one byte there and back on a warm TCP connection; congestion control {}",
                    measured.congestion
                )),
        );
        rows
    }

    fn measure(&self, times: usize) -> Measured {
        let congestion = congestion_control();
        let far = self.away.map(Far::away);
        if let Some(far) = &far {
            far.run(congestion_control);
        }
        let address = if far.is_some() { delay::FAR } else { Ipv4Addr::LOCALHOST };
        let door = far.as_ref().map(Far::door);
        let gateway = || match &far {
            Some(far) => far.run(|| Gateway::start_at(address, "")),
            None => Gateway::start_at(address, ""),
        };
        let site = Site::open_around(gateway, |usual| {
            // The usual configuration asks a password of this service.
            usual.replace("\"sshd\"", "\"sshd-password\"") + MORE
        });
        let keys = site.enrol(USER);
        let _phone = Phone::listen(&keys, site.gateway.url(), &site.gateway.ca_certificate(), door.clone());
        let peer = Peer::start(&peer_directory("libpam-duo"), address, door.as_ref());

        let module = product::module();
        let ours = Stacks::new();
        ours.write(
            SERVICE,
            &format!("auth required {module}\naccount required pam_permit.so\n"),
        );
        ours.write(SHIPPED, &format!("auth required {module}\naccount required {module}\n"));
        let [delayed, at_once] = [Acks::Delayed, Acks::AtOnce].map(|acks| {
            let stacks = Stacks::new();
            stacks.write(SERVICE, &peer.stack(acks));
            stacks
        });
        let mut echo = Echo::open(address, far.as_ref());
        let mut measured = Measured {
            congestion,
            ..Measured::default()
        };
        for round in 0..times + WARM_UP {
            let one = |stacks: &Stacks, service| stacks.fresh(service, USER, Expect::Success);
            let took = [
                one(&ours, SERVICE),
                one(&delayed, SERVICE),
                one(&ours, SHIPPED),
                one(&at_once, SERVICE),
                echo.round_trip(),
            ];
            if round >= WARM_UP {
                measured.alone.push(took[0]);
                measured.delayed.push(took[1]);
                measured.shipped.push(took[2]);
                measured.at_once.push(took[3]);
                measured.floor.push(took[4]);
            }
        }
        measured
    }
}

/// Debian's own, or what does as well on a line without loss, in the calling thread's network. Some machines' kernels
/// pace the packets of a burst (BBR), which is no property of either side. Which it is.
fn congestion_control() -> &'static str {
    let file = "/proc/sys/net/ipv4/tcp_congestion_control";
    // Where cubic is a privilege of the machine's own network, reno is left.
    let taken = ["cubic", "reno"]
        .into_iter()
        .find(|name| std::fs::write(file, name).is_ok());
    taken.expect("every kernel has reno")
}

/// A connection on which one byte comes back.
struct Echo(TcpStream);

impl Echo {
    fn open(address: Ipv4Addr, far: Option<&Far>) -> Self {
        let listen = || TcpListener::bind((address, 0)).expect("a free port");
        let listener = far.map_or_else(listen, |far| far.run(listen));
        let address: SocketAddr = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = stream.set_nodelay(true);
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
        });
        let stream = TcpStream::connect(address).expect("the echo");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self(stream)
    }

    fn round_trip(&mut self) -> f64 {
        let began = Instant::now();
        self.0.write_all(&[1]).expect("a byte there");
        self.0.read_exact(&mut [0]).expect("a byte back");
        ms_since(began)
    }
}
