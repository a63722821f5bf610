//! Where an address is, by the MMDB file that the configuration names. Read once; nothing is downloaded.

use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest place that is told, in characters.
const LONGEST: usize = 100;

/// A place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// City and country, for people.
    pub shown: Option<String>,
    /// The country's code (ISO 3166-1): whether a place is new is told by it, as cities of one provider change daily.
    pub country: Option<String>,
    /// The autonomous system.
    pub asn: Option<u32>,
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
        }
    }
}
