//! What a policy asks of where a login comes from and of what went before: the country, a new address, a journey that
//! nobody can make, recent denials, the factor that passed already. Each is a rule of its own that an admin can read;
//! nothing is added up.
//!
//! Pure. What is not known never speaks for a login: `not_countries` and `new_… = true` hold for it, `countries` and
//! `new_… = false` do not.

use crate::places::{Country, Spot};
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};

/// A journey that is faster is impossible, in kilometres an hour: an airliner's pace.
pub const FASTEST: f64 = 900.0;
/// Places nearer to one another may be the same: data bases are often wrong by that much.
pub const NEAR: f64 = 300.0;
/// The mean radius of the earth, in kilometres.
const EARTH: f64 = 6371.0;

/// What is known of a login beside its service, address and time, without asking anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Context {
    /// The country of the address, if a data base says so.
    pub country: Option<Country>,
    /// It comes over a network, even where no address is known.
    pub remote: bool,
    /// What passed before in this login.
    pub earlier: Earlier,
    /// The factor may be waived: the application's floor is `bypass`, and nothing failed on the way.
    pub waivable: bool,
    /// A trace that says nothing of all this: conditions on it cannot be judged.
    pub untold: bool,
}

/// What passed before in this login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // any may have passed beside any other
pub struct Earlier {
    /// A key, as sshd says.
    pub key: bool,
    /// A password, which we checked, or sshd says so.
    pub password: bool,
    /// Whatever an earlier PAM module, or sshd, asked for.
    pub stack: bool,
    /// A push or a code.
    pub method: bool,
}

impl Earlier {
    /// Whether anything did.
    pub fn any(self) -> bool {
        self.key || self.password || self.stack || self.method
    }
}

/// A word of `first_factor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstFactor {
    /// A key, as sshd says.
    Key,
    /// A password.
    Password,
    /// An earlier PAM module, or sshd.
    Stack,
    /// Nothing.
    None,
}

impl FirstFactor {
    /// Every word of the configuration.
    pub const WORDS: [(&str, Self); 4] = [
        ("key", Self::Key),
        ("password", Self::Password),
        ("stack", Self::Stack),
        ("none", Self::None),
    ];

    fn is(self, earlier: Earlier) -> bool {
        match self {
            Self::Key => earlier.key,
            Self::Password => earlier.password,
            Self::Stack => earlier.stack,
            Self::None => !earlier.any(),
        }
    }
}

/// `recent_denials`: so many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentDenials {
    /// How many at least.
    pub at_least: usize,
    /// Within how many minutes.
    pub within_minutes: u64,
}

/// A policy's conditions on risk; an empty one holds always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Risk {
    /// The address lies in one of these.
    pub countries: Vec<Country>,
    /// It lies in none of these, as far as that is known.
    pub not_countries: Vec<Country>,
    /// What passed before: any of these.
    pub first_factor: Vec<FirstFactor>,
    /// Whether the user has not approved from this address lately.
    pub new_address: Option<bool>,
    /// Whether the user has not approved from this country lately.
    pub new_country: Option<bool>,
    /// Whether nobody can have come here since the last approval.
    pub impossible_travel: Option<bool>,
    /// Denials lately.
    pub recent_denials: Option<RecentDenials>,
}

/// Why one does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// It asks about an address, and the login comes from this machine.
    NoAddress,
    /// Another country, or none that is known.
    Country,
    /// It excepts this country.
    ExceptedCountry,
    /// Another earlier factor.
    FirstFactor,
    /// The address is known.
    KnownAddress,
    /// The address is new.
    NewAddress,
    /// The country is known.
    KnownCountry,
    /// The country is new, or not known.
    NewCountry,
    /// The journey can be made.
    PossibleTravel,
    /// The journey cannot be made.
    ImpossibleTravel,
    /// It is not known from where to where.
    UnknownTravel,
    /// Fewer denials.
    FewDenials,
}

/// What the agent remembers of a user, as far as it bears on a login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signals {
    /// The user approved no login from this address lately.
    pub new_address: bool,
    /// The user approved no login from this country lately, or the country is not known.
    pub new_country: bool,
    /// From the last approved login to this one.
    pub travel: Option<Travel>,
    /// How many seconds ago pushes were denied, reported or left unanswered, and codes wrong.
    pub denials: Vec<u64>,
}

/// A way between two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Travel {
    /// How far, in kilometres.
    pub km: u32,
    /// In how many seconds.
    pub seconds: u64,
}

impl Travel {
    /// Between two places at two moments.
    pub fn between(from: (UnixTime, Spot), to: (UnixTime, Spot)) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most half the earth's girth
        let km = distance(from.1, to.1) as u32;
        Self {
            km,
            seconds: to.0.0.saturating_sub(from.0.0),
        }
    }

    /// Whether nobody travels so fast.
    pub fn is_impossible(self) -> bool {
        #[allow(clippy::cast_precision_loss)] // seconds of some weeks
        let hours = self.seconds as f64 / 3600.0;
        let km = f64::from(self.km);
        km >= NEAR && km > FASTEST * hours
    }

    /// Its pace in kilometres an hour; `None` where it took no time.
    pub fn pace(self) -> Option<u64> {
        (u64::from(self.km) * 3600).checked_div(self.seconds)
    }
}

/// Kilometres along the great circle.
fn distance(from: Spot, to: Spot) -> f64 {
    let radians = |hundredths: i32| (f64::from(hundredths) / 100.0).to_radians();
    let (north, south) = (radians(from.latitude), radians(to.latitude));
    let (high, wide) = (
        (south - north) / 2.0,
        (radians(to.longitude) - radians(from.longitude)) / 2.0,
    );
    let chord = high.sin().powi(2) + north.cos() * south.cos() * wide.sin().powi(2);
    2.0 * EARTH * chord.sqrt().min(1.0).asin()
}

/// Where a login comes from.
enum Origin {
    /// This machine.
    Here,
    /// Nobody knows.
    Unknown,
    In(Country),
}

impl Risk {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the country must be known for it.
    pub fn asks_for_places(&self) -> bool {
        self.asks_for_the_country() || self.new_country.is_some() || self.impossible_travel.is_some()
    }

    fn asks_for_the_country(&self) -> bool {
        !self.countries.is_empty() || !self.not_countries.is_empty()
    }

    /// Whether what a trace of old does not say is needed.
    pub fn asks_for_context(&self) -> bool {
        self.asks_for_the_country() || !self.first_factor.is_empty()
    }

    /// Whether what the agent remembers is needed.
    pub fn asks_for_signals(&self) -> bool {
        let address = self.new_address.or(self.new_country).or(self.impossible_travel);
        address.is_some() || self.recent_denials.is_some()
    }

    /// The first that does not hold, of those that need nothing remembered.
    pub fn unmet(&self, has_address: bool, context: Context) -> Option<Unmet> {
        let origin = match context.country {
            _ if !has_address && !context.remote => Origin::Here,
            Some(country) => Origin::In(country),
            None => Origin::Unknown,
        };
        let from_somewhere = self.asks_for_places() || self.new_address.is_some();
        if from_somewhere && matches!(origin, Origin::Here) {
            return Some(Unmet::NoAddress);
        }
        let among = |list: &[Country]| matches!(origin, Origin::In(country) if list.contains(&country));
        if !self.countries.is_empty() && !among(&self.countries) {
            return Some(Unmet::Country);
        }
        if among(&self.not_countries) {
            return Some(Unmet::ExceptedCountry);
        }
        let first = self.first_factor.is_empty() || self.first_factor.iter().any(|word| word.is(context.earlier));
        (!first).then_some(Unmet::FirstFactor)
    }

    /// The first that does not hold, of the others.
    pub fn unmet_by(&self, signals: &Signals) -> Option<Unmet> {
        match (self.new_address, signals.new_address) {
            (Some(true), false) => return Some(Unmet::KnownAddress),
            (Some(false), true) => return Some(Unmet::NewAddress),
            _ => {}
        }
        match (self.new_country, signals.new_country) {
            (Some(true), false) => return Some(Unmet::KnownCountry),
            (Some(false), true) => return Some(Unmet::NewCountry),
            _ => {}
        }
        match (self.impossible_travel, signals.travel.map(Travel::is_impossible)) {
            (Some(_), None) => return Some(Unmet::UnknownTravel),
            (Some(true), Some(false)) => return Some(Unmet::PossibleTravel),
            (Some(false), Some(true)) => return Some(Unmet::ImpossibleTravel),
            _ => {}
        }
        let few = self.recent_denials.is_some_and(|wanted| {
            let within = wanted.within_minutes.saturating_mul(60);
            signals.denials.iter().filter(|ago| **ago < within).count() < wanted.at_least
        });
        few.then_some(Unmet::FewDenials)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BERLIN: Spot = Spot {
        latitude: 5252,
        longitude: 1340,
    };
    const SYDNEY: Spot = Spot {
        latitude: -3387,
        longitude: 15121,
    };
    const POTSDAM: Spot = Spot {
        latitude: 5240,
        longitude: 1306,
    };

    fn travel(to: Spot, seconds: u64) -> Travel {
        Travel::between((UnixTime(1000), BERLIN), (UnixTime(1000 + seconds), to))
    }

    #[test]
    fn mission_row_19_only_a_journey_that_is_long_and_faster_than_an_airliner_is_impossible() {
        let far = travel(SYDNEY, 3600);
        assert!((16_000..16_200).contains(&far.km), "{far:?}");
        for (travel, impossible) in [
            (far, true),
            (travel(SYDNEY, 17 * 3600), true),
            (travel(SYDNEY, 18 * 3600), false),
            (travel(SYDNEY, 0), true),
            (travel(POTSDAM, 0), false),
            (travel(BERLIN, 0), false),
            (Travel { km: 299, seconds: 1 }, false),
            (Travel { km: 300, seconds: 1199 }, true),
            (Travel { km: 300, seconds: 1200 }, false),
        ] {
            assert_eq!(travel.is_impossible(), impossible, "{travel:?}");
        }
        // The other way round it is as far, and across the date line no farther.
        let back = Travel::between((UnixTime(0), SYDNEY), (UnixTime(3600), BERLIN));
        assert_eq!(back, far);
        let west = |longitude| Spot { latitude: 0, longitude };
        let over = Travel::between((UnixTime(0), west(-17_950)), (UnixTime(0), west(17_950)));
        assert!(over.km < 120, "{over:?}");
    }

    #[test]
    fn a_clock_that_went_back_makes_no_journey_slower() {
        let back = Travel::between((UnixTime(5000), BERLIN), (UnixTime(1000), SYDNEY));
        assert!(back.is_impossible() && back.pace().is_none(), "{back:?}");
    }

    #[test]
    fn mission_row_19_what_is_not_known_never_speaks_for_a_login() {
        let (de, no) = (Country::new("DE").unwrap(), Country::new("NO").unwrap());
        let only = Risk {
            countries: vec![de],
            ..Risk::default()
        };
        let except = Risk {
            not_countries: vec![de],
            ..Risk::default()
        };
        let at = |country, remote| Context {
            country,
            remote,
            ..Context::default()
        };
        for (has_address, context, by_only, by_except) in [
            (true, at(Some(de), false), None, Some(Unmet::ExceptedCountry)),
            (true, at(Some(no), false), Some(Unmet::Country), None),
            (true, at(None, false), Some(Unmet::Country), None),
            (false, at(None, true), Some(Unmet::Country), None),
            (false, at(None, false), Some(Unmet::NoAddress), Some(Unmet::NoAddress)),
        ] {
            assert_eq!(only.unmet(has_address, context), by_only, "{context:?}");
            assert_eq!(except.unmet(has_address, context), by_except, "{context:?}");
        }
        for travel in [Some(true), Some(false)] {
            let risk = Risk {
                impossible_travel: travel,
                ..Risk::default()
            };
            assert_eq!(risk.unmet_by(&Signals::default()), Some(Unmet::UnknownTravel));
        }
    }

    #[test]
    fn mission_row_19_denials_count_within_their_minutes_alone() {
        let risk = Risk {
            recent_denials: Some(RecentDenials {
                at_least: 2,
                within_minutes: 30,
            }),
            ..Risk::default()
        };
        for (denials, holds) in [
            (vec![], false),
            (vec![10], false),
            (vec![10, 1799], true),
            (vec![10, 1800], false),
            (vec![10, 20, 30], true),
        ] {
            let signals = Signals {
                denials,
                ..Signals::default()
            };
            assert_eq!(risk.unmet_by(&signals).is_none(), holds, "{signals:?}");
        }
    }

    #[test]
    fn mission_row_19_the_first_factor_is_one_of_those_listed() {
        let none = Earlier::default();
        let stack = Earlier { stack: true, ..none };
        let key = Earlier { key: true, ..stack };
        let password = Earlier { password: true, ..none };
        let method = Earlier { method: true, ..none };
        for (word, holds) in [
            (FirstFactor::Key, [false, false, true, false, false]),
            (FirstFactor::Stack, [false, true, true, false, false]),
            (FirstFactor::Password, [false, false, false, true, false]),
            (FirstFactor::None, [true, false, false, false, false]),
        ] {
            let risk = Risk {
                first_factor: vec![word],
                ..Risk::default()
            };
            let found = [none, stack, key, password, method].map(|earlier| {
                let context = Context {
                    earlier,
                    ..Context::default()
                };
                risk.unmet(false, context).is_none()
            });
            assert_eq!(found, holds, "{word:?}");
        }
    }
}
