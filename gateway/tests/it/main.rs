//! The gateway as a whole: the real program, its real port, hosts and devices built from `proto`. One file a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod apart;
mod claims;
mod codes;
mod codes_apart;
mod codes_rig;
mod codes_seen;
mod codes_terminal;
mod enrolment;
mod events;
mod first;
mod further;
mod intruder;
mod joining;
mod limits;
mod losing;
mod overview;
mod panel;
mod panel_devices;
mod panel_matrix;
mod panel_rig;
mod passkeys;
mod people;
mod push_service;
mod pushes;
mod real;
mod renewal;
mod restart;
mod revocations;
mod rig;
mod secrecy;
mod starting;
mod told;
mod web;
mod web_push;
