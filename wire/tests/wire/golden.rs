//! Frames as files: what version 1 looks like, for ever. A module loaded before an upgrade talks to the agent after it,
//! so a change of these bytes is a change of the protocol. `ASSENT_GOLDEN=write` writes the files of new messages.

use crate::samples::{to_agent, to_module};
use assent_wire::{ToAgent, ToModule};
use std::fmt::Write;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden/v1")
        .join(format!("{name}.hex"))
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Compares with the file; writes it if asked to and if there is none yet.
fn golden(name: &str, frame: &[u8]) -> Vec<u8> {
    let path = file(name);
    if std::env::var_os("ASSENT_GOLDEN").is_some_and(|value| value == "write") && !path.exists() {
        std::fs::write(&path, to_hex(frame)).unwrap();
    }
    let kept = from_hex(&std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {}", path.display())));
    assert_eq!(to_hex(&kept), to_hex(frame), "{name}");
    kept
}

#[test]
fn every_message_of_the_module_has_its_golden_frame() {
    for (name, message) in to_agent() {
        let kept = golden(name, &message.encode().unwrap());
        assert_eq!(ToAgent::decode(&kept[4..]), Ok(message), "{name}");
    }
}

#[test]
fn every_message_of_the_agent_has_its_golden_frame() {
    for (name, message) in to_module() {
        let kept = golden(name, &message.encode().unwrap());
        assert_eq!(ToModule::decode(&kept[4..]), Ok(message), "{name}");
    }
}

#[test]
fn every_golden_file_belongs_to_a_message() {
    let names: Vec<_> = to_agent()
        .iter()
        .map(|(name, _)| *name)
        .chain(to_module().iter().map(|(name, _)| *name))
        .collect();
    for entry in std::fs::read_dir(file("x").parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&name.as_str()), "{name}");
    }
}
