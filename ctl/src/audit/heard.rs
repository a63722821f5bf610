//! What a log off this host has heard: numbers and hashes of records, and where the host has signed that its chain stood.
//! Whoever is root on the host can write its file anew, and not what stands there.

use super::lines;
use crate::failure::{Done, Failure};
use assent_proto::Digest;
use assent_proto::cert::Host;
use assent_proto::checkpoint::Checkpoint;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// What it holds.
#[derive(Default)]
pub(super) struct Heard {
    places: BTreeMap<u64, Digest>,
    /// Signed checkpoints, by the number of their own record.
    checkpoints: Vec<(u64, String)>,
}

impl Heard {
    /// Reads it.
    pub(super) fn read(log: &Path) -> Done<Self> {
        let mut heard = Self::default();
        lines::each(log, |line| {
            heard.line(&String::from_utf8_lossy(line.bytes));
            ControlFlow::Continue(())
        })?;
        if heard.places.is_empty() {
            return Err(Failure::Input(format!(
                "{} holds no line of the agent with seq= and hash=",
                log.display()
            )));
        }
        Ok(heard)
    }

    fn line(&mut self, line: &str) {
        let Some((seq, hash, rest)) = place(line) else { return };
        self.places.insert(seq, hash);
        if let Some(document) = checkpoint(rest) {
            self.checkpoints.push((seq, document.to_owned()));
        }
    }

    /// Holds the places of the files, the first of which is `first`, against it; how many checkpoints verify. What the log
    /// has heard of before is in files that were not named.
    pub(super) fn against(
        &self,
        places: &BTreeMap<u64, Digest>,
        first: Option<u64>,
        hosts: &[Host],
        mut bad: impl FnMut(String),
    ) -> u64 {
        for (seq, hash) in self.places.iter().filter(|(seq, _)| Some(**seq) >= first) {
            match places.get(seq) {
                Some(here) if here == hash => {}
                Some(_) => bad(format!("record {seq} is another than the log has heard")),
                None => bad(format!("record {seq} is missing, and the log has heard it")),
            }
        }
        let mut verified = 0;
        for (at, document) in self.checkpoints.iter().filter(|(at, _)| Some(*at) >= first) {
            let signed = hosts.iter().find_map(|host| Checkpoint::verify(document, host).ok());
            let Some(signed) = signed else {
                bad(format!(
                    "the log's checkpoint {at} was signed by no host whose certificate stands in the files' checkpoints"
                ));
                continue;
            };
            match places.get(&signed.seq) {
                Some(here) if *here == signed.hash => verified += 1,
                // It stands in an older file.
                None if Some(signed.seq) < first => verified += 1,
                Some(_) => bad(format!(
                    "record {} is another than the one that the host signed",
                    signed.seq
                )),
                None => bad(format!("record {} is missing, and the host has signed it", signed.seq)),
            }
        }
        verified
    }
}

/// Number, hash, and what stands before them. They are a line's last words: what stands before may come from outside.
fn place(line: &str) -> Option<(u64, Digest, &str)> {
    let (rest, hash) = line.trim_end().rsplit_once(" hash=")?;
    let (rest, seq) = rest.rsplit_once(" seq=")?;
    Some((seq.parse().ok()?, Digest::decode(hash)?, rest))
}

/// A checkpoint is the last word before them. A decision has a text in quotes there.
fn checkpoint(rest: &str) -> Option<&str> {
    let word = rest.rsplit(' ').next()?;
    let document = word.strip_prefix("checkpoint=")?;
    let compact = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    document.chars().all(compact).then_some(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_proto::sha256;

    #[test]
    fn a_lines_place_is_its_last_words_whatever_a_name_says() {
        let hash = sha256(&[b"x"]);
        let forged = format!("user=\"seq=1 hash={}\" detail=\"\" seq=42 hash={hash}", sha256(&[b"y"]));
        let (seq, found, _) = place(&forged).unwrap();
        assert_eq!((seq, found), (42, hash));
        assert!(place("user=\"a\" seq=1 hash=short").is_none());
    }

    #[test]
    fn a_checkpoint_is_a_word_of_its_own_and_no_name_is_one() {
        let hash = sha256(&[b"x"]);
        let said = |words: &str| {
            let mut heard = Heard::default();
            heard.line(&format!(
                "Nov 28 09:00:00 web01 assent-agentd[7]: {words} seq=42 hash={hash}"
            ));
            heard.checkpoints
        };
        assert_eq!(said("checkpoint=eyJ.eyJ.a-_"), [(42, "eyJ.eyJ.a-_".to_owned())]);
        assert_eq!(said("user=\"checkpoint=eyJ.eyJ.aaa\" detail=\"\""), []);
        assert_eq!(said("user=\"x\" detail=\"a checkpoint=eyJ.eyJ.aaa\""), []);
    }
}
