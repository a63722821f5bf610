//! A whole push beside `libpam-duo`, both answered at once, by turns in one run: each authentication in a fresh process
//! of the same program, on loopback and with the servers 20 ms away. Beside it the floor: a bare round trip.
//!
//! Ours: PAM → agent → directory (one search on its warm connection, near the host) → relay → phone → relay → agent,
//! then the account phase by its ticket, as the shipped stack has it. The phone is where the gateway is, as the peer's
//! "phone" is inside its server.

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
struct Measured {
    ours: Samples,
    delayed: Samples,
    at_once: Samples,
    floor: Samples,
}

impl Place {
    fn rows(&self, times: usize) -> Vec<Row> {
        let measured = self.measure(times);
        let name = format!("whole push, {}, fresh process", self.name);
        let mut rows: Vec<Row> = self
            .targets
            .into_iter()
            .map(|(acks, target)| {
                let (peer, how) = match acks {
                    Acks::Delayed => (&measured.delayed, "plain"),
                    Acks::AtOnce => (&measured.at_once, "acknowledging at once"),
                };
                let row = Row::of(
                    format!("{name}, beside libpam-duo with a server {how}"),
                    "ms",
                    &measured.ours,
                )
                .beside(peer);
                match target {
                    Some(target) => row.judged(Judged::Ratio, target),
                    None => row,
                }
            })
            .collect();
        rows.push(
            Row::of(format!("{name}, beside a bare round trip"), "ms", &measured.ours)
                .beside(&measured.floor)
                .note("the floor: one byte there and back on a warm TCP connection; no target"),
        );
        rows
    }

    fn measure(&self, times: usize) -> Measured {
        let far = self.away.map(Far::away);
        let address = if far.is_some() { delay::FAR } else { Ipv4Addr::LOCALHOST };
        let door = far.as_ref().map(Far::door);
        let gateway = || match &far {
            Some(far) => far.run(|| Gateway::start_at(address, "")),
            None => Gateway::start_at(address, ""),
        };
        let site = Site::open_around(gateway, |usual| {
            usual
                .replace("\"sshd\"", "\"sshd-password\"")
                .replace("\"sshd-stack\"", "\"sshd\"")
        });
        let keys = site.enrol(USER);
        let _phone = Phone::listen(&keys, site.gateway.url(), &site.gateway.ca_certificate(), door.clone());
        let peer = Peer::start(&peer_directory(), address, door.as_ref());

        let module = product::module();
        let ours = Stacks::new();
        ours.write("sshd", &format!("auth required {module}\naccount required {module}\n"));
        let [delayed, at_once] = [Acks::Delayed, Acks::AtOnce].map(|acks| {
            let stacks = Stacks::new();
            stacks.write("sshd", &peer.stack(acks));
            stacks
        });
        let mut echo = Echo::open(address, far.as_ref());
        let mut measured = Measured {
            ours: Samples::default(),
            delayed: Samples::default(),
            at_once: Samples::default(),
            floor: Samples::default(),
        };
        for round in 0..times + 2 {
            let one = |stacks: &Stacks| stacks.fresh("sshd", USER, Expect::Success);
            let took = [one(&ours), one(&delayed), one(&at_once), echo.round_trip()];
            // The first ones find cold caches and open the warm connections.
            if round >= 2 {
                measured.ours.push(took[0]);
                measured.delayed.push(took[1]);
                measured.at_once.push(took[2]);
                measured.floor.push(took[3]);
            }
        }
        measured
    }
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
