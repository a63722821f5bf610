//! Everything that needs `unsafe`: libc, libpam and the allocator, each behind functions that are safe to call.
//!
//! Nothing here decides anything. Called by every module that touches the outside; calls nobody back, except the
//! host's conversation function.

pub mod alloc;
pub mod os;
pub mod pam;
pub mod signal;
pub mod socket;
