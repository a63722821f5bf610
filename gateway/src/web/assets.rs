//! The web pages inside the program, under names that change with their content.
//!
//! Pages, style sheets and scripts name each other as `/assets/NAME.EXT`. [`Bundle::of`] starts from a role's own files
//! (its *roots*: pages, manifest, service worker), finds everything that they reach, and replaces each such name by
//! `/assets/NAME.HASH.EXT`. A file's hash covers what it says after that, so that a change far down renames everything
//! above it, and a cached file is never stale. A name that leads nowhere, or round in a circle, is an error at start.

use assent_proto::sha256;
use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

/// Directory, name and content of every file in the program.
pub type Files = &'static [(&'static str, &'static str, &'static [u8])];

/// What is in the program.
pub static FILES: Files = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// Stands in the service worker for the bundle's version, so that the worker changes with any of the app's files.
const VERSION_MARK: &str = "@VERSION@";
/// How names of assets begin.
const PREFIX: &str = "/assets/";
/// Characters of a hash in a name: 80 bits.
const HASH_LEN: usize = 20;

/// One file as served.
#[derive(Debug, Clone)]
pub struct Served {
    /// Its media type.
    pub kind: &'static str,
    /// What it says.
    pub body: Bytes,
    /// The same by gzip, where that is shorter. Compressed once, at start; nothing that is secret stands in these files.
    pub gzip: Option<Bytes>,
    /// Its strong entity tag, quotes included.
    pub etag: String,
}

impl Served {
    /// A file of a media type.
    pub fn new(kind: &'static str, body: Bytes) -> Self {
        Self {
            kind,
            etag: format!("\"{}\"", hash_of(&body)),
            gzip: gzip(&body).filter(|gzip| gzip.len() < body.len()).map(Bytes::from),
            body,
        }
    }
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::best());
    // Writing to a Vec cannot fail.
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// A role's files.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Pages and other files with a fixed path, by file name.
    pub roots: BTreeMap<&'static str, Served>,
    /// Files under hashed names, by path.
    pub assets: BTreeMap<String, Served>,
    /// A short name for all of it.
    pub version: String,
}

/// Why pages cannot be served. None of these can happen in a program that passed its tests.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AssetError {
    /// A name that leads nowhere.
    #[error("{by} names {PREFIX}{name}, which is not there")]
    Missing {
        /// Who.
        by: String,
        /// Whom.
        name: String,
    },
    /// A circle of names: none of them could be hashed first.
    #[error("{0} leads back to itself")]
    Circle(String),
    /// Two files of one name.
    #[error("there are two files {0}")]
    Twice(&'static str),
    /// A file that names others and is no UTF-8.
    #[error("{0} is not UTF-8")]
    Encoding(String),
    /// A file of a kind that is not served.
    #[error("{0} is of a kind that is not served")]
    Kind(String),
}

impl Bundle {
    /// The bundle of `role` (a directory): its files that are no assets, and all that they reach.
    pub fn of(files: Files, role: &str) -> Result<Self, AssetError> {
        let mut known = BTreeMap::new();
        for (dir, name, body) in files {
            if (*dir == role || matches!(*dir, "shared" | "vendor")) && known.insert(*name, *body).is_some() {
                return Err(AssetError::Twice(name));
            }
        }
        let roots: Vec<&'static str> = files
            .iter()
            .filter(|(dir, name, _)| *dir == role && is_root(name))
            .map(|(_, name, _)| *name)
            .collect();
        let mut hashing = Hashing {
            known,
            open: BTreeSet::new(),
            done: BTreeMap::new(),
            assets: BTreeMap::new(),
        };
        let mut all = String::new();
        let mut bodies = BTreeMap::new();
        for name in roots {
            let body = hashing.rewritten(name)?;
            let _ = writeln!(all, "{name} {}", hash_of(&body));
            bodies.insert(name, body);
        }
        for path in hashing.assets.keys() {
            let _ = writeln!(all, "{path}");
        }
        let version = format!("{}+{}", env!("CARGO_PKG_VERSION"), &hash_of(all.as_bytes())[..8]);
        let mut roots = BTreeMap::new();
        for (name, body) in bodies {
            let body = if name == "sw.js" {
                versioned(&body, &version)
            } else {
                body
            };
            roots.insert(name, served(name, body)?);
        }
        Ok(Self {
            roots,
            assets: hashing.assets,
            version,
        })
    }

    /// `/assets.json`: what there is, for the service worker and for whoever compares bundles.
    pub fn list(&self) -> Served {
        let paths: Vec<&str> = self.assets.keys().map(String::as_str).collect();
        let list = serde_json::json!({ "version": self.version, "assets": paths });
        Served::new("application/json", Bytes::from(list.to_string()))
    }
}

/// Files with a fixed path: pages, and what a browser asks for by a fixed path.
fn is_root(name: &str) -> bool {
    matches!(kind_of(name), "html" | "webmanifest") || matches!(name, "sw.js" | "favicon.ico")
}

struct Hashing {
    known: BTreeMap<&'static str, &'static [u8]>,
    open: BTreeSet<&'static str>,
    /// The hashed path of a name.
    done: BTreeMap<&'static str, String>,
    assets: BTreeMap<String, Served>,
}

impl Hashing {
    /// A file's content with hashed names in it.
    fn rewritten(&mut self, name: &'static str) -> Result<Bytes, AssetError> {
        let body = self.known.get(name).copied().unwrap_or_default();
        if !names_others(name) {
            return Ok(Bytes::from_static(body));
        }
        let text = std::str::from_utf8(body).map_err(|_| AssetError::Encoding(name.to_owned()))?;
        let mut out = String::with_capacity(text.len() + 1024);
        let mut rest = text;
        while let Some(at) = rest.find(PREFIX) {
            let (before, tail) = rest.split_at(at);
            let tail = &tail[PREFIX.len()..];
            let asked = asset_name(tail);
            out.push_str(before);
            // The bare prefix is no name: code may compare paths with it.
            if asked.is_empty() {
                out.push_str(PREFIX);
            } else {
                out.push_str(&self.path_of(name, asked)?);
            }
            rest = &tail[asked.len()..];
        }
        out.push_str(rest);
        Ok(Bytes::from(out))
    }

    /// The hashed path of an asset.
    fn path_of(&mut self, by: &str, asked: &str) -> Result<String, AssetError> {
        let Some(name) = self.known.keys().copied().find(|name| *name == asked && !is_root(name)) else {
            return Err(AssetError::Missing {
                by: by.to_owned(),
                name: asked.to_owned(),
            });
        };
        if let Some(path) = self.done.get(name) {
            return Ok(path.clone());
        }
        if !self.open.insert(name) {
            return Err(AssetError::Circle(name.to_owned()));
        }
        let body = self.rewritten(name)?;
        let hash = hash_of(&body);
        let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
        let path = format!("{PREFIX}{stem}.{hash}.{kind}");
        self.assets.insert(path.clone(), served(name, body)?);
        self.done.insert(name, path.clone());
        Ok(path)
    }
}

/// What stands behind the last full stop.
fn kind_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, kind)| kind)
}

fn names_others(name: &str) -> bool {
    matches!(kind_of(name), "html" | "css" | "js" | "mjs" | "webmanifest")
}

/// The name at the start of a text; a full stop at its end belongs to a sentence.
fn asset_name(text: &str) -> &str {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let end = text.find(|c| !fit(c)).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

pub(super) fn hash_of(body: &[u8]) -> String {
    let digest = sha256(&[body]);
    let mut hex = digest.0.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    hex.truncate(HASH_LEN);
    hex
}

/// The service worker with its version in it. [`names_others`] has seen that it is UTF-8.
fn versioned(worker: &Bytes, version: &str) -> Bytes {
    Bytes::from(String::from_utf8_lossy(worker).replace(VERSION_MARK, version))
}

fn served(name: &str, body: Bytes) -> Result<Served, AssetError> {
    let kind = match kind_of(name) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => return Err(AssetError::Kind(name.to_owned())),
    };
    Ok(Served::new(kind, body))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PAGE: &[u8] = b"<link href=\"/assets/a.css\"><script src=\"/assets/a.js\"></script>";

    fn bundle(files: Files) -> Result<Bundle, AssetError> {
        Bundle::of(files, "app")
    }

    fn text(served: &Served) -> &str {
        std::str::from_utf8(&served.body).unwrap()
    }

    #[test]
    fn the_programs_own_pages_hold_together() {
        for role in ["app", "panel"] {
            let bundle = Bundle::of(FILES, role).unwrap();
            for served in bundle.roots.values().chain(bundle.assets.values()) {
                assert!(served.etag.len() == HASH_LEN + 2);
            }
        }
    }

    #[test]
    fn a_change_far_down_renames_everything_above_it() {
        let before = bundle(&[
            ("app", "index.html", PAGE),
            ("app", "a.css", b"a{}"),
            ("app", "a.js", b"import '/assets/b.js';"),
            ("shared", "b.js", b"1"),
            ("panel", "other.js", b"2"),
            ("shared", "unused.css", b""),
        ])
        .unwrap();
        let after = bundle(&[
            ("app", "index.html", PAGE),
            ("app", "a.css", b"a{}"),
            ("app", "a.js", b"import '/assets/b.js';"),
            ("shared", "b.js", b"2"),
        ])
        .unwrap();
        let names: Vec<&String> = before.assets.keys().collect();
        assert_eq!(names.len(), 3, "only what is reached: {names:?}");
        let same: Vec<&String> = after
            .assets
            .keys()
            .filter(|path| before.assets.contains_key(*path))
            .collect();
        assert!(matches!(&same[..], [css] if kind_of(css) == "css"), "{same:?}");
        let page = text(&after.roots["index.html"]);
        for path in after.assets.keys().filter(|path| path.starts_with("/assets/a.")) {
            assert!(page.contains(path.as_str()), "{page}");
        }
        assert_ne!(before.roots["index.html"].etag, after.roots["index.html"].etag);
        assert_ne!(before.version, after.version);
        let list: serde_json::Value = serde_json::from_slice(&after.list().body).unwrap();
        assert_eq!(list["assets"].as_array().unwrap().len(), 3);
        assert_eq!(list["version"], after.version);
    }

    #[test]
    fn the_service_worker_changes_with_any_file_of_the_app() {
        let worker = |page: &'static [u8], icon: &'static [u8]| {
            let files: &'static [(&str, &str, &[u8])] = vec![
                ("app", "index.html", page),
                ("app", "manifest.webmanifest", b"\"/assets/icon.png\"".as_slice()),
                ("app", "icon.png", icon),
                ("app", "sw.js", b"const VERSION = \"@VERSION@\";"),
            ]
            .leak();
            let bundle = bundle(files).unwrap();
            let text = text(&bundle.roots["sw.js"]).to_owned();
            assert_eq!(text, format!("const VERSION = \"{}\";", bundle.version));
            text
        };
        let first = worker(b"one", b"1");
        assert_eq!(first, worker(b"one", b"1"));
        assert_ne!(first, worker(b"two", b"1"), "the page");
        assert_ne!(first, worker(b"one", b"2"), "an icon");
    }

    #[test]
    fn text_is_kept_compressed_where_that_is_shorter() {
        let long = Served::new("text/css; charset=utf-8", Bytes::from(vec![b'a'; 4096]));
        let packed = long.gzip.unwrap();
        assert!(packed.len() < 100);
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut plain).unwrap();
        assert_eq!(plain, vec![b'a'; 4096]);
        assert_eq!(Served::new("text/plain", Bytes::from_static(b"short")).gzip, None);
    }

    #[test]
    fn names_that_lead_nowhere_or_in_a_circle_are_refused() {
        let missing = bundle(&[("app", "index.html", PAGE), ("app", "a.css", b"")]);
        assert!(matches!(missing, Err(AssetError::Missing { name, .. }) if name == "a.js"));
        let circle = bundle(&[
            ("app", "sw.js", b"/assets/a.js"),
            ("app", "a.js", b"/assets/b.js"),
            ("app", "b.js", b"/assets/a.js"),
        ]);
        assert_eq!(circle.unwrap_err(), AssetError::Circle("a.js".into()));
        let root = bundle(&[("app", "index.html", b"/assets/sw.js"), ("app", "sw.js", b"")]);
        assert!(
            matches!(root, Err(AssetError::Missing { .. })),
            "a root has no hashed name"
        );
        let twice = bundle(&[("app", "a.js", b""), ("vendor", "a.js", b"")]);
        assert_eq!(twice.unwrap_err(), AssetError::Twice("a.js"));
    }

    #[test]
    fn a_full_stop_after_a_name_belongs_to_the_sentence() {
        assert_eq!(asset_name("a.b-c_d.js."), "a.b-c_d.js");
        assert_eq!(asset_name("a.js\" x"), "a.js");
        let bare = bundle(&[("app", "sw.js", b"path.startsWith(\"/assets/\")")]).unwrap();
        assert_eq!(text(&bare.roots["sw.js"]), "path.startsWith(\"/assets/\")");
    }
}
