//! A data base of places (MMDB, version 2), small enough to be written by hand: IPv4 networks and their records. The
//! real ones may not be shipped.

use std::net::Ipv4Addr;

const STRING: u8 = 2;
const DOUBLE: u8 = 3;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;
/// Types from 8 on stand in a byte of their own.
const EXTENDED: u8 = 0;
const U64: u8 = 9;
const ARRAY: u8 = 11;
/// What stands before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

fn head(kind: u8, size: usize) -> Vec<u8> {
    let size = u8::try_from(size).expect("a short value");
    assert!(size < 29, "longer values have another form");
    if kind < 8 {
        vec![kind << 5 | size]
    } else {
        vec![EXTENDED << 5 | size, kind - 7]
    }
}

fn string(text: &str) -> Vec<u8> {
    [head(STRING, text.len()), text.as_bytes().to_vec()].concat()
}

fn number(kind: u8, value: u64) -> Vec<u8> {
    let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    [head(kind, bytes.len()), bytes].concat()
}

fn double(value: f64) -> Vec<u8> {
    [head(DOUBLE, 8), value.to_be_bytes().to_vec()].concat()
}

fn map_of(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let inside = entries
        .iter()
        .flat_map(|(key, value)| [string(key), value.clone()].concat());
    head(MAP, entries.len()).into_iter().chain(inside).collect()
}

/// An IPv4 network and where it lies.
pub struct Network<'a> {
    /// Its first address.
    pub address: Ipv4Addr,
    /// Bits that all of its addresses share.
    pub prefix: u8,
    /// The city's name.
    pub city: &'a str,
    /// The country's name.
    pub country: &'a str,
    /// The country's code.
    pub code: &'a str,
    /// North and east, in degrees.
    pub at: Option<(f64, f64)>,
}

impl Network<'_> {
    fn record(&self) -> Vec<u8> {
        let names = |name: &str| map_of(&[("en", string(name))]);
        let country = map_of(&[("iso_code", string(self.code)), ("names", names(self.country))]);
        let mut entries = vec![("city", map_of(&[("names", names(self.city))])), ("country", country)];
        if let Some((north, east)) = self.at {
            let degrees = map_of(&[("latitude", double(north)), ("longitude", double(east))]);
            entries.push(("location", degrees));
        }
        map_of(&entries)
    }
}

/// Where a bit of an address leads.
#[derive(Clone, Copy)]
enum Way {
    Nowhere,
    Node(usize),
    /// To a record, by its place among the data.
    Record(usize),
}

/// A data base in which every address of `network`/`prefix` lies in this city and country.
pub fn one_network(network: Ipv4Addr, prefix: u8, city: &str, country: &str, code: &str) -> Vec<u8> {
    networks(&[Network {
        address: network,
        prefix,
        city,
        country,
        code,
        at: None,
    }])
}

/// A data base of networks of which none lies in another.
pub fn networks(all: &[Network]) -> Vec<u8> {
    let mut nodes = vec![[Way::Nowhere; 2]];
    let mut data = Vec::new();
    for network in all {
        let mut node = 0;
        for bit in 0..network.prefix {
            let side = usize::from(network.address.to_bits() >> (31 - bit) & 1 == 1);
            if bit + 1 == network.prefix {
                nodes[node][side] = Way::Record(data.len());
                break;
            }
            if !matches!(nodes[node][side], Way::Node(_)) {
                nodes.push([Way::Nowhere; 2]);
                nodes[node][side] = Way::Node(nodes.len() - 1);
            }
            if let Way::Node(next) = nodes[node][side] {
                node = next;
            }
        }
        data.extend(network.record());
    }
    let count = nodes.len();
    let mut tree = Vec::new();
    for way in nodes.iter().flatten() {
        let value = match way {
            Way::Nowhere => count,
            Way::Node(node) => *node,
            Way::Record(at) => count + 16 + at,
        };
        tree.extend(&u32::try_from(value).expect("a small data base").to_be_bytes()[1..]);
    }
    let metadata = map_of(&[
        ("node_count", number(U32, count as u64)),
        ("record_size", number(U16, 24)),
        ("ip_version", number(U16, 4)),
        ("database_type", string("Test-City")),
        ("languages", [head(ARRAY, 1), string("en")].concat()),
        ("binary_format_major_version", number(U16, 2)),
        ("binary_format_minor_version", number(U16, 0)),
        ("build_epoch", number(U64, 1_800_000_000)),
        ("description", map_of(&[("en", string("for tests"))])),
    ]);
    [tree, vec![0; 16], data, MARKER.to_vec(), metadata].concat()
}
