//! Whether anything that a request says can be read on its way: in what passes the relay, and in its data base.

use crate::company::{ADDRESS, CANARY, REALM};
use crate::post::Post;
use assent_proto::Bytes;
use memchr::memmem;

/// A word as it stands in plain bytes, in hexadecimal, and in base64url at each of the three places where it may begin.
fn forms(word: &str) -> Vec<String> {
    let hex = word
        .bytes()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let mut forms = vec![word.to_owned(), hex];
    for before in 0..3 {
        let bytes = [&b"xxx"[..before], word.as_bytes()].concat();
        let text = serde_json::to_string(&Bytes(bytes)).unwrap();
        let text = text.trim_matches('"');
        // Without the characters that its neighbours have a part in.
        let first = [0, 2, 3][before];
        let last = text.len() - usize::from(!(before + word.len()).is_multiple_of(3));
        forms.push(text[first..last].to_owned());
    }
    forms
}

/// Words that nobody on the way may read: one stands in every name, host and command.
pub fn words() -> Vec<String> {
    [CANARY, REALM, ADDRESS, "/dev/pts/7"]
        .into_iter()
        .flat_map(forms)
        .collect()
}

/// The first of these words that stands in the bytes.
pub fn found<'a>(bytes: &[u8], words: &'a [String]) -> Option<&'a str> {
    words
        .iter()
        .find(|word| memmem::find(bytes, word.as_bytes()).is_some())
        .map(String::as_str)
}

/// The data base's files, as an intruder or a backup has them.
pub fn files(post: &Post) -> Vec<u8> {
    let names = ["relay.db", "relay.db-wal", "relay.db-shm"];
    names
        .map(|name| std::fs::read(post.dir.join(name)).unwrap_or_default())
        .concat()
}

#[test]
fn the_search_finds_a_word_in_each_of_its_forms() {
    let words = words();
    for before in ["", "a", "ab", "abc"] {
        let plain = format!("{before}user-{CANARY}!");
        let sealed = serde_json::to_string(&Bytes(plain.clone().into_bytes())).unwrap();
        assert!(found(plain.as_bytes(), &words).is_some(), "{plain}");
        assert!(found(sealed.as_bytes(), &words).is_some(), "{sealed}");
    }
    assert_eq!(found(b"nothing of that kind", &words), None);
}
