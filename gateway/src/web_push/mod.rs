//! Web Push: wakes a device's browser at the moment a request is taken for it, whether the app is open or not. What
//! travels is an id; the request itself is fetched, sealed, by the device. So the push service learns that somebody is
//! asked, and when; it can delay and drop, and nothing else.
//!
//! [`Outbox`] hears what the relay commits and queues it ([`crate::relay`] must not wait); [`courier`] seals
//! ([`sealed`]), signs ([`vapid`]) and sends it. What may be called is decided twice: the URL when it comes and again when
//! it is used ([`endpoint`]), the address when it is dialled ([`address`]) (R74).

pub mod address;
pub mod courier;
pub mod endpoint;
pub mod outbox;
pub mod resolver;
pub mod sealed;
pub mod vapid;

pub use outbox::Outbox;
