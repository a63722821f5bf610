//! A data base of places (MMDB, version 2), small enough to be written by hand: one IPv4 network and its record. The
//! real ones may not be shipped.

use std::net::Ipv4Addr;

const STRING: u8 = 2;
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

fn map_of(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let inside = entries
        .iter()
        .flat_map(|(key, value)| [string(key), value.clone()].concat());
    head(MAP, entries.len()).into_iter().chain(inside).collect()
}

/// A data base in which every address of `network`/`prefix` lies in this city and country.
pub fn one_network(network: Ipv4Addr, prefix: u8, city: &str, country: &str, code: &str) -> Vec<u8> {
    let names = |name: &str| map_of(&[("en", string(name))]);
    let record = map_of(&[
        ("city", map_of(&[("names", names(city))])),
        (
            "country",
            map_of(&[("iso_code", string(code)), ("names", names(country))]),
        ),
    ]);
    let nodes = u32::from(prefix);
    let mut tree = Vec::new();
    for node in 0..nodes {
        // The one path leads on, and at its end to the record; every other way is a dead end.
        let on = if node + 1 == nodes { nodes + 16 } else { node + 1 };
        let one = network.to_bits() >> (31 - node) & 1 == 1;
        let (left, right) = if one { (nodes, on) } else { (on, nodes) };
        for record in [left, right] {
            tree.extend(&record.to_be_bytes()[1..]);
        }
    }
    let metadata = map_of(&[
        ("node_count", number(U32, u64::from(nodes))),
        ("record_size", number(U16, 24)),
        ("ip_version", number(U16, 4)),
        ("database_type", string("Test-City")),
        ("languages", [head(ARRAY, 1), string("en")].concat()),
        ("binary_format_major_version", number(U16, 2)),
        ("binary_format_minor_version", number(U16, 0)),
        ("build_epoch", number(U64, 1_800_000_000)),
        ("description", map_of(&[("en", string("for tests"))])),
    ]);
    [tree, vec![0; 16], record, MARKER.to_vec(), metadata].concat()
}
