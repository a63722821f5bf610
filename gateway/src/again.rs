//! How often something is tried that must not be lost and that nobody waits for.

use std::time::Duration;

/// How long after one try the next one is made: four more, within little over an hour.
const AFTER: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3600),
];

/// What to wait for before each try; the first one is made at once.
pub fn delays() -> impl Iterator<Item = Duration> {
    std::iter::once(Duration::ZERO).chain(AFTER)
}
