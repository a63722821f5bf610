//! LDAP authentication profiles against real servers (slapd, a Samba domain controller, 389 Directory Server), and
//! against servers that mean harm.
//!
//! Needs Debian's `slapd`, `openssl`, `samba-ad-dc`, `samba-ad-provision`, `samba-dsdb-modules`, `ldb-tools`,
//! `389-ds-base`, `libnss3-tools` and `ldap-utils`; without them the tests fail and say so. Samba and 389 need root.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod ad;
mod crowd;
mod ds;
mod ds389;
mod fake;
mod hostile;
mod kept;
mod keys;
mod nested;
mod rig;
mod samba;
mod security;
mod servers;
mod template;
mod users;
