//! Lists the web pages that go into the program: the files right in `web/{app,panel,shared,vendor}`, nothing below.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

/// What is served; other files (licences, type declarations, notes) stay outside.
const KINDS: [&str; 9] = ["html", "css", "js", "mjs", "webmanifest", "svg", "png", "ico", "woff2"];

fn main() -> io::Result<()> {
    let missing = |name: &str| io::Error::other(format!("{name} is not set"));
    let root = env::var("CARGO_MANIFEST_DIR").map_err(|_| missing("CARGO_MANIFEST_DIR"))?;
    let out = env::var("OUT_DIR").map_err(|_| missing("OUT_DIR"))?;
    let mut list = String::from("&[\n");
    for dir in ["app", "panel", "shared", "vendor"] {
        let path = Path::new(&root).join("web").join(dir);
        println!("cargo:rerun-if-changed={}", path.display());
        if !path.is_dir() {
            continue;
        }
        let mut files: Vec<_> = fs::read_dir(&path)?.collect::<Result<_, _>>()?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let (path, name) = (file.path(), file.file_name());
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            if file.file_type()?.is_file() && KINDS.contains(&kind) {
                println!("cargo:rerun-if-changed={}", path.display());
                let (name, path) = (name.to_string_lossy(), path.to_string_lossy());
                writeln!(list, "    ({dir:?}, {name:?}, include_bytes!({path:?})),").map_err(io::Error::other)?;
            }
        }
    }
    list.push_str("]\n");
    fs::write(Path::new(&out).join("web_files.rs"), list)
}
