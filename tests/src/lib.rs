//! The rigs that Assent's system tests and the demo stand on: real sshd, sudo, slapd, D-Bus and terminals, in a
//! private world of mounts, processes and network that leaves no trace on the machine, whatever happens to it.
//!
//! ```text
//! suite ──▶ namespace::enter          the program moves inside (processes, mounts), once
//!   │
//!   └─ each scenario, on a thread of its own
//!        └─▶ namespace::furnish       own /etc /var /home /root /tmp /run /dev, own loopback, own host name
//!              ├─ accounts · sudoers · pam   files in that world
//!              ├─ slapd · sshd · bus         programs in the background (each is a `service::Service`)
//!              ├─ sockets                    `LISTEN_FDS`, as systemd would pass them
//!              ├─ desktop                    a session bus, a screen, a notification area
//!              ├─ syslog                     /dev/log
//!              ├─ delay                      a second network, some milliseconds away
//!              ├─ terminal                   what a person types and sees
//!              └─ person                     a person at a real browser, with a phone whose camera sees the screen
//! ```
//!
//! A rig that cannot do its work panics and says why: in a test that is the right end, and whoever holds rigs drops
//! them in order. Rigs dropped by a panic hand over what they know (transcripts, logs) as [`evidence`].
//! How to write a scenario stands in `README.md` of this crate.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "rigs are test code: a rig that cannot do its work ends the test, with the cause in words"
)]

pub mod accounts;
pub mod booted;
pub mod bus;
pub mod certificates;
pub mod company;
pub mod delay;
pub mod desktop;
pub mod evidence;
pub mod journal;
pub mod mmdb;
pub mod namespace;
pub mod packages;
pub mod pam;
pub mod patience;
pub mod person;
pub mod ports;
pub mod product;
pub mod program;
pub mod rsyslog;
pub mod scratch;
pub mod service;
pub mod slapd;
pub mod sockets;
pub mod sshd;
pub mod sudoers;
pub mod suite;
pub mod syslog;
pub mod terminal;
pub mod totp;

pub use patience::SOON;
