//! Where an address is, by the MMDB file that the configuration names. Read once; nothing is downloaded.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest place that is told, in characters.
const LONGEST: usize = 100;

/// A country's code (ISO 3166-1 alpha-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Two capital letters; `None` for anything else.
    pub fn new(text: &str) -> Option<Self> {
        let code: [u8; 2] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A point on the earth, in hundredths of a degree: finer than any data base is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// North of the equator.
    pub latitude: i32,
    /// East of Greenwich.
    pub longitude: i32,
}

impl Spot {
    /// Of degrees; `None` where there is no such point.
    fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let there = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        #[allow(clippy::cast_possible_truncation)] // at most 18,000
        let hundredths = |degrees: f64| (degrees * 100.0).round() as i32;
        there.then(|| Self {
            latitude: hundredths(latitude),
            longitude: hundredths(longitude),
        })
    }
}

/// A place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// City and country, for people.
    pub shown: Option<String>,
    /// The country's code (ISO 3166-1): whether a place is new is told by it, as cities of one provider change daily.
    pub country: Option<String>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// Where on the earth; data bases of cities alone say so.
    pub spot: Option<Spot>,
}

/// The data base cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; name an MMDB file with cities or countries under [location], or remove it", file.display())]
pub struct Unusable {
    file: PathBuf,
    source: maxminddb::MaxMindDbError,
}

/// The data base, if there is one.
#[derive(Default)]
pub struct Places(Option<maxminddb::Reader<Vec<u8>>>);

/// What we read of a record; cities, countries and providers come in files of one form each.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    city: Named<'a>,
    #[serde(borrow, default)]
    country: Named<'a>,
    autonomous_system_number: Option<u32>,
    #[serde(default)]
    location: Coordinates,
}

#[derive(Deserialize, Default)]
struct Coordinates {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize, Default)]
struct Named<'a> {
    iso_code: Option<&'a str>,
    #[serde(borrow, default)]
    names: HashMap<&'a str, &'a str>,
}

impl Named<'_> {
    fn name(&self) -> Option<&str> {
        self.names.get("en").or_else(|| self.names.values().min()).copied()
    }
}

impl Places {
    /// Reads the whole file.
    ///
    /// # Errors
    /// If it cannot be read or is no MMDB file.
    pub fn open(file: &Path) -> Result<Self, Unusable> {
        let reader = maxminddb::Reader::open_readfile(file).map_err(|source| Unusable {
            file: file.to_owned(),
            source,
        })?;
        Ok(Self(Some(reader)))
    }

    /// Where an address is.
    pub fn of(&self, address: IpAddr) -> Place {
        let found = self.0.as_ref().and_then(|reader| {
            let found = reader.lookup(address.to_canonical()).ok()?;
            let record: Record = found.decode().ok()??;
            Some(Place::new(&record))
        });
        found.unwrap_or_default()
    }
}

impl Place {
    /// The country, where its code is one.
    pub fn country_code(&self) -> Option<Country> {
        self.country.as_deref().and_then(Country::new)
    }

    fn new(record: &Record) -> Self {
        let parts: Vec<&str> = [record.city.name(), record.country.name().or(record.country.iso_code)]
            .into_iter()
            .flatten()
            .collect();
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        Self {
            shown: (!parts.is_empty()).then(|| cut(&parts.join(", "))),
            country: record.country.iso_code.map(cut),
            asn: record.autonomous_system_number,
            spot: record
                .location
                .latitude
                .zip(record.location.longitude)
                .and_then(|(latitude, longitude)| Spot::new(latitude, longitude)),
        }
    }
}
