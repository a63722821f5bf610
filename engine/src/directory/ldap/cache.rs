//! What a directory said of users a moment ago: spares it the same question, and stands in for it while it does not
//! answer, if the profile allows that. Never holds a password, or that one was right. Pure: the time is passed in, and
//! is the monotonic one.

use crate::config::profile::CacheLimits;
use crate::directory::Person;
use crate::names::UserName;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most users that are kept.
const MAX_USERS: usize = 4096;

/// The users of one profile, by name as asked.
#[derive(Debug)]
pub struct Cache {
    limits: CacheLimits,
    kept: HashMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    person: Person,
    since: Instant,
}

impl Cache {
    /// Nobody yet.
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            kept: HashMap::new(),
        }
    }

    /// A user who need not be asked for again.
    pub fn fresh(&self, user: &UserName, now: Instant) -> Option<Person> {
        self.within(self.limits.fresh, user, now)
    }

    /// A user as good as can be had while no server answers.
    pub fn stale(&self, user: &UserName, now: Instant) -> Option<Person> {
        self.within(self.limits.stale, user, now)
    }

    fn within(&self, limit: Duration, user: &UserName, now: Instant) -> Option<Person> {
        let kept = self.kept.get(user.as_str())?;
        let age = now.saturating_duration_since(kept.since);
        (age < limit).then(|| {
            let mut person = kept.person.clone();
            person.attributes.set_age(age);
            person
        })
    }

    /// Keeps what was just read.
    pub fn keep(&mut self, user: &UserName, person: &Person, now: Instant) {
        if !self.kept.contains_key(user.as_str()) && self.kept.len() >= MAX_USERS {
            self.make_room(now);
        }
        let kept = Kept {
            person: person.clone(),
            since: now,
        };
        self.kept.insert(user.as_str().to_owned(), kept);
    }

    /// The directory does not know the user any more, or cannot tell them from another.
    pub fn forget(&mut self, user: &UserName) {
        self.kept.remove(user.as_str());
    }

    fn make_room(&mut self, now: Instant) {
        let limit = self.limits.fresh.max(self.limits.stale);
        self.kept
            .retain(|_, kept| now.saturating_duration_since(kept.since) < limit);
        if self.kept.len() >= MAX_USERS {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.since);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.kept.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Account, Attributes, Lookup};
    use assent_proto::ShortText;
    use assent_proto::cert::Identity;
    use assent_proto::text::Outside;

    fn user(name: &str) -> UserName {
        UserName::new(&Outside::new(name.as_bytes())).unwrap()
    }

    fn person(id: &str) -> Person {
        Person {
            identity: Identity {
                realm: ShortText::new("lab").unwrap(),
                id: ShortText::new(id).unwrap(),
            },
            account: Account::Active,
            attributes: Attributes::default(),
        }
    }

    fn cache(fresh: u64, stale: u64) -> Cache {
        Cache::new(CacheLimits {
            fresh: Duration::from_secs(fresh),
            stale: Duration::from_secs(stale),
        })
    }

    #[test]
    fn r67_what_is_kept_serves_until_its_age_and_says_how_old_it_is() {
        let (start, alice) = (Instant::now(), user("alice"));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cache = cache(60, 600);
        assert_eq!(cache.fresh(&alice, start), None);
        cache.keep(&alice, &person("1"), start);
        let found = cache.fresh(&alice, at(59)).unwrap();
        assert_eq!(found.identity, person("1").identity);
        assert_eq!(found.attributes.age(), Some(Duration::from_secs(59)));
        // The trace says so, and so does `explain`.
        let told = crate::login::trace::lookup(&Lookup::Found(Box::new(found)));
        assert_eq!(told["found"]["cached_seconds"], 59);
        assert_eq!(cache.fresh(&alice, at(60)), None);
        assert!(cache.stale(&alice, at(599)).is_some());
        assert_eq!(cache.stale(&alice, at(600)), None);
        // Read again: the age begins anew. Gone: nobody.
        cache.keep(&alice, &person("2"), at(600));
        assert_eq!(cache.fresh(&alice, at(659)).unwrap().identity, person("2").identity);
        cache.forget(&alice);
        assert_eq!(cache.stale(&alice, at(601)), None);
    }

    #[test]
    fn r67_nobody_gets_what_was_kept_for_another_name() {
        let now = Instant::now();
        let mut cache = cache(60, 60);
        cache.keep(&user("alice"), &person("1"), now);
        for other in ["Alice", "alic", "alice2", "bob"] {
            assert_eq!(cache.fresh(&user(other), now), None, "{other}");
        }
    }

    #[test]
    fn stale_attributes_serve_only_where_the_profile_says_so() {
        let now = Instant::now();
        let mut cache = cache(60, 0);
        cache.keep(&user("alice"), &person("1"), now);
        assert_eq!(cache.stale(&user("alice"), now), None);
    }

    #[test]
    fn r66_the_cache_does_not_grow_without_end_and_the_oldest_goes_first() {
        let start = Instant::now();
        let mut cache = cache(3600, 0);
        for at in 0..MAX_USERS + 10 {
            let name = user(&format!("u{at}"));
            cache.keep(&name, &person("1"), start + Duration::from_millis(at as u64));
        }
        assert_eq!(cache.kept.len(), MAX_USERS);
        let now = start + Duration::from_secs(10);
        assert_eq!(cache.fresh(&user("u9"), now), None);
        assert!(cache.fresh(&user("u10"), now).is_some());
    }
}
