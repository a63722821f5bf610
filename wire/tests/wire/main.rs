//! The wire's contract: golden frames, round trips, hostile bytes, limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod golden;
mod limits;
mod properties;
mod samples;
mod tags;
