//! The audit file as a chain: each line names its number and the SHA-256 of the line before, over rotations and restarts.
//! [`Chain`] makes the lines (the agent writes them), [`Verifier`] reads them again (`assentctl audit verify`). No I/O.
//!
//! What could not be written is said afterwards by a line of its own, so that a gap is told from a cut: `gap` for records
//! that found no room, `torn` for a line that a crash left unfinished, `anew` for a chain that finds none to go on from.

use assent_proto::{Digest, sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The version of the lines.
const VERSION: u64 = 1;

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last line's number.
    pub seq: u64,
    /// SHA-256 of the line, without its end.
    pub hash: Digest,
}

/// What an audit file ends with.
#[derive(Debug, Default)]
pub struct Tail {
    /// The last whole line, without its end.
    pub line: Option<Vec<u8>>,
    /// What stands behind it: a line that a crash cut off.
    pub torn: Vec<u8>,
}

/// Records that the file did not take since its last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Missed {
    syslog: u64,
    nowhere: u64,
}

impl Missed {
    fn all(self) -> u64 {
        self.syslog.saturating_add(self.nowhere)
    }

    fn and(self, more: Self) -> Self {
        Self {
            syslog: self.syslog.saturating_add(more.syslog),
            nowhere: self.nowhere.saturating_add(more.nowhere),
        }
    }
}

/// A gap that no line speaks of yet, for whoever keeps it over a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last line before it; `None` where the file could not be read.
    after: Option<Head>,
    missed: Missed,
}

/// A chain that is written.
#[derive(Debug, Default)]
pub struct Chain {
    head: Option<Head>,
    missed: Missed,
    /// What an earlier run has left.
    kept: Gap,
    /// A line that must be ended and spoken of: its length and hash.
    torn: Option<(usize, Digest)>,
    /// The hash of a last line that is none of a chain.
    strange: Option<Digest>,
}

/// Lines that are ready to be written, at once.
#[derive(Debug)]
pub struct Ready {
    /// Whole lines, each with its end.
    pub text: String,
    /// Where the chain stands once they are written.
    pub head: Head,
}

impl Chain {
    /// Goes on from what an earlier run has left. What this run has written itself counts more.
    pub fn resume(&mut self, tail: &Tail) {
        if self.head.is_some() {
            return;
        }
        if let Some(line) = &tail.line {
            let hash = sha256(&[line]);
            match Link::read(line) {
                Some(link) => self.head = Some(Head { seq: link.seq, hash }),
                None => self.strange = Some(hash),
            }
        }
        if !tail.torn.is_empty() {
            self.torn = Some((tail.torn.len(), sha256(&[&tail.torn])));
        }
    }

    /// Where it stands.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// The lines for one record, with what must be said before it.
    pub fn next(&self, record: Map<String, Value>) -> Ready {
        let mut text = String::new();
        let mut head = self.head;
        let mut add = |seq: u64, mut fields: Map<String, Value>| {
            fields.insert("v".into(), VERSION.into());
            fields.insert("seq".into(), seq.into());
            fields.insert(
                "prev".into(),
                head.map_or(Value::Null, |head| head.hash.encode().into()),
            );
            let line = Value::Object(fields).to_string();
            let now = Head {
                seq,
                hash: sha256(&[line.as_bytes()]),
            };
            text.push_str(&line);
            text.push('\n');
            head = Some(now);
            now
        };
        let mut seq = self.head.map_or(0, |head| head.seq).saturating_add(1);
        if let Some((bytes, hash)) = self.torn {
            add(seq, note(json!({"kind": "torn", "bytes": bytes, "hash": hash})));
            seq = seq.saturating_add(1);
        }
        if let Some(hash) = self.strange {
            add(seq, note(json!({"kind": "anew", "after": hash})));
            seq = seq.saturating_add(1);
        }
        let missed = self.gap().missed;
        if missed.all() > 0 {
            seq = seq.saturating_add(missed.all());
            let missed = json!({"kind": "gap", "syslog": missed.syslog, "nowhere": missed.nowhere});
            add(seq, note(missed));
            seq = seq.saturating_add(1);
        }
        let head = add(seq, record);
        let text = if self.torn.is_some() { format!("\n{text}") } else { text };
        Ready { text, head }
    }

    /// They are written.
    pub fn written(&mut self, ready: &Ready) {
        *self = Self {
            head: Some(ready.head),
            ..Self::default()
        };
    }

    /// The file did not take the record, and syslog did or did not.
    pub fn missed(&mut self, syslog: bool) {
        let count = match syslog {
            true => &mut self.missed.syslog,
            false => &mut self.missed.nowhere,
        };
        *count = count.saturating_add(1);
    }

    /// The gap that is open: nothing, if it has no records.
    pub fn gap(&self) -> Gap {
        // What was kept and has been said since stands behind another line.
        let open = self.kept.after.is_none() || self.head.is_none() || self.kept.after == self.head;
        let kept = if open { self.kept } else { Gap::default() };
        Gap {
            after: self.head.or(kept.after),
            missed: self.missed.and(kept.missed),
        }
    }

    /// An earlier run has left this gap open.
    pub fn recall(&mut self, gap: Gap) {
        self.kept = gap;
    }
}

impl Gap {
    /// Whether it has no records.
    pub fn is_closed(&self) -> bool {
        self.missed.all() == 0
    }
}

fn note(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// What makes a line a link.
#[derive(Deserialize)]
struct Link {
    v: u64,
    seq: u64,
    prev: Option<Digest>,
}

impl Link {
    fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(line)
            .ok()
            .filter(|link| link.v == VERSION)
    }
}

/// Why a line does not belong where it stands.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Broken {
    /// No record.
    #[error("this line is no record: it was damaged or put there")]
    NoRecord,
    /// The line before is another than the one that was written.
    #[error("the line before was changed, put there or taken away: its hash is not the one that this line names")]
    Hash,
    /// Numbers are missing and nothing says why, or one stands twice.
    #[error("this line is number {found}, and {expected} was expected: records are missing or were put there")]
    Number {
        /// What would follow.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// It speaks of another unfinished line than the one before it.
    #[error("the unfinished line before is not the one that the agent found when it started")]
    Torn,
    /// Another chain begins here.
    #[error("another chain begins here: the agent found no record of its own to go on from")]
    Anew,
}

/// Reads a chain, one line at a time.
#[derive(Debug, Default)]
pub struct Verifier {
    before: Option<Head>,
    /// An unreadable line, which the next one must explain.
    torn: Option<Digest>,
    /// Whole records that are linked.
    pub records: u64,
    /// Records that went to syslog alone, by the chain's own word.
    pub syslog_alone: u64,
    /// Records that nothing took; their logins were denied.
    pub nowhere: u64,
    /// Lines that a crash left unfinished, by the chain's own word.
    pub unfinished: u64,
    /// Lines before the chain begins.
    pub unlinked: u64,
}

impl Verifier {
    /// Takes the next line, without its end; its content, if it is a link in its place. After an error, it goes on from the
    /// line that broke.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Value>, Broken> {
        let (Some(link), Ok(value)) = (Link::read(line), serde_json::from_slice::<Value>(line)) else {
            // Records of before there were chains.
            if self.before.is_none() && serde_json::from_slice::<Value>(line).is_ok_and(|old| old["seq"].is_null()) {
                self.unlinked += 1;
                return Ok(None);
            }
            return match self.torn.replace(sha256(&[line])) {
                None => Ok(None),
                Some(_) => Err(Broken::NoRecord),
            };
        };
        let head = Head {
            seq: link.seq,
            hash: sha256(&[line]),
        };
        let before = self.before.replace(head);
        let torn = self.torn.take();
        let gap = match value["kind"].as_str() {
            Some("gap") => self.gap(&value),
            _ => 0,
        };
        match (torn, value["kind"].as_str() == Some("torn")) {
            (None, false) => {}
            (Some(found), true) if Digest::decode(value["hash"].as_str().unwrap_or_default()) == Some(found) => {
                self.unfinished += 1;
            }
            (Some(_), false) => return Err(Broken::NoRecord),
            (_, true) => return Err(Broken::Torn),
        }
        match before {
            // A rotated file goes on from one that is not here.
            None if self.unlinked == 0 || link.prev.is_none() => {}
            None => return Err(Broken::Hash),
            Some(_) if link.prev.is_none() => return Err(Broken::Anew),
            Some(before) => {
                if link.prev != Some(before.hash) {
                    return Err(Broken::Hash);
                }
                let expected = before.seq.saturating_add(1).saturating_add(gap);
                if link.seq != expected {
                    return Err(Broken::Number {
                        expected,
                        found: link.seq,
                    });
                }
            }
        }
        self.records += 1;
        Ok(Some(value))
    }

    fn gap(&mut self, value: &Value) -> u64 {
        let count = |key: &str| value[key].as_u64().unwrap_or(0);
        let (syslog, nowhere) = (count("syslog"), count("nowhere"));
        self.syslog_alone = self.syslog_alone.saturating_add(syslog);
        self.nowhere = self.nowhere.saturating_add(nowhere);
        syslog.saturating_add(nowhere)
    }

    /// What is left at the end: an unreadable line that nothing explains.
    pub fn end(&self) -> Result<Option<Head>, Broken> {
        match self.torn {
            None => Ok(self.before),
            Some(_) => Err(Broken::NoRecord),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(login: &str) -> Map<String, Value> {
        note(json!({"kind": "login", "login": login}))
    }

    fn write(chain: &mut Chain, login: &str) -> String {
        let ready = chain.next(record(login));
        chain.written(&ready);
        ready.text
    }

    fn read(text: &str) -> (Verifier, Vec<(usize, Broken)>) {
        let mut verifier = Verifier::default();
        let mut broken: Vec<(usize, Broken)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            broken.extend(verifier.line(line.as_bytes()).err().map(|why| (at + 1, why)));
        }
        broken.extend(verifier.end().err().map(|why| (0, why)));
        (verifier, broken)
    }

    fn tail(text: &str) -> Tail {
        let (whole, torn) = text.rsplit_once('\n').unwrap();
        Tail {
            line: whole.lines().last().map(|line| line.as_bytes().to_vec()),
            torn: torn.as_bytes().to_vec(),
        }
    }

    #[test]
    fn t18_a_record_that_is_deleted_changed_moved_or_put_there_breaks_the_chain() {
        let mut chain = Chain::default();
        let text: String = ["a", "b", "c", "d"].map(|login| write(&mut chain, login)).concat();
        let (whole, broken) = read(&text);
        assert_eq!((whole.records, &broken[..]), (4, &[][..]));
        let lines: Vec<&str> = text.lines().collect();
        let deleted = [lines[0], lines[2], lines[3]].join("\n");
        assert_eq!(read(&deleted).1, [(2, Broken::Hash)]);
        let changed = text.replace("\"b\"", "\"x\"");
        assert_eq!(read(&changed).1, [(3, Broken::Hash)]);
        let moved = [lines[0], lines[2], lines[1], lines[3]].join("\n");
        assert_eq!(read(&moved).1[0], (2, Broken::Hash));
        let twice = [lines[0], lines[1], lines[1], lines[2], lines[3]].join("\n");
        assert_eq!(read(&twice).1[0], (3, Broken::Hash));
        let junk = [lines[0], "{}", lines[1], lines[2], lines[3]].join("\n");
        assert_eq!(read(&junk).1[0], (3, Broken::NoRecord));
        // A chain that is made again from there on still begins a second time.
        let mut forged = Chain::default();
        let again = [lines[0].to_owned(), write(&mut forged, "x")].join("\n");
        assert_eq!(read(&again).1, [(2, Broken::Anew)]);
        // The right hash with another number.
        let mut skips = Chain::default();
        write(&mut skips, "a");
        let mut later = Chain {
            head: skips.head().map(|head| Head { seq: 7, ..head }),
            ..Chain::default()
        };
        let numbers = [lines[0].to_owned(), write(&mut later, "b")].join("\n");
        assert_eq!(read(&numbers).1, [(2, Broken::Number { expected: 2, found: 8 })]);
    }

    #[test]
    fn records_that_found_no_room_leave_a_gap_that_says_so_and_no_break() {
        let mut chain = Chain::default();
        let mut text = write(&mut chain, "a");
        chain.missed(true);
        chain.missed(true);
        chain.missed(false);
        text += &write(&mut chain, "e");
        text += &write(&mut chain, "f");
        let (verifier, broken) = read(&text);
        assert_eq!(broken, []);
        assert_eq!((verifier.syslog_alone, verifier.nowhere), (2, 1));
        // The numbers are those that syslog has heard.
        assert_eq!(chain.head().map(|head| head.seq), Some(7));
        // Without the line that says so, or with a smaller word, records are missing.
        let less = text.replace("\"nowhere\":1", "\"nowhere\":0");
        assert!(matches!(
            read(&less).1[0],
            (2, Broken::Number { expected: 4, found: 5 })
        ));
    }

    #[test]
    fn r73_a_gap_that_is_open_at_a_restart_is_said_afterwards_and_only_once() {
        let mut first = Chain::default();
        let before = write(&mut first, "a");
        first.missed(true);
        first.missed(false);
        let kept: Gap = serde_json::from_str(&serde_json::to_string(&first.gap()).unwrap()).unwrap();
        let mut second = Chain::default();
        second.recall(kept);
        // The file cannot be opened yet: nothing of it is forgotten.
        second.missed(true);
        assert_eq!((second.gap().after, second.gap().missed.all()), (first.head(), 3));
        second.resume(&tail(&before));
        let after = write(&mut second, "b");
        let (verifier, broken) = read(&(before.clone() + &after));
        assert_eq!((broken, verifier.syslog_alone, verifier.nowhere), (vec![], 2, 1));
        assert!(second.gap().is_closed());
        // Ended before it could be forgotten: the line that speaks of it stands already.
        let mut third = Chain::default();
        third.recall(kept);
        third.resume(&tail(&after));
        assert!(third.gap().is_closed());
        let (verifier, broken) = read(&(before + &after + &write(&mut third, "c")));
        assert_eq!((broken, verifier.syslog_alone), (vec![], 2));
    }

    #[test]
    fn a_crash_in_the_middle_of_a_line_is_told_from_a_hand_in_the_file() {
        for torn in ["{\"kind\":\"lo", "\0\0\0\0", "x"] {
            let mut first = Chain::default();
            let text = format!("{}{torn}", write(&mut first, "a"));
            let mut second = Chain::default();
            second.resume(&tail(&text));
            let text = text + &write(&mut second, "b") + &write(&mut second, "c");
            let (verifier, broken) = read(&text);
            assert_eq!(
                (broken, verifier.unfinished, verifier.records),
                (vec![], 1, 4),
                "{torn:?}"
            );
            let other = text.replacen(&format!("\n{torn}\n"), &format!("\n{torn}!\n"), 1);
            assert_eq!(read(&other).1[0], (3, Broken::Torn), "{torn:?}");
        }
    }

    #[test]
    fn a_chain_goes_on_over_a_restart_and_a_rotation() {
        let mut first = Chain::default();
        let before = write(&mut first, "a");
        let mut second = Chain::default();
        second.resume(&tail(&before));
        let after = write(&mut second, "b");
        assert_eq!(read(&(before.clone() + &after)).1, []);
        // Alone, the later file is whole too: what it goes on from is not here.
        assert_eq!(read(&after).1, []);
        // What this run has written itself counts more than what it finds.
        second.resume(&tail(&before));
        assert_eq!(read(&(before + &after + &write(&mut second, "c"))).1, []);
    }

    #[test]
    fn lines_of_before_there_were_chains_are_counted_and_no_more_than_that() {
        let old = "{\"login\":\"old\",\"trace\":[]}\n";
        let mut chain = Chain::default();
        chain.resume(&tail(old));
        let text = format!("{old}{}", write(&mut chain, "a"));
        let (verifier, broken) = read(&text);
        assert_eq!((broken, verifier.unlinked), (vec![], 1));
        assert_eq!(read(&format!("{text}{old}")).1, [(0, Broken::NoRecord)]);
    }
}
