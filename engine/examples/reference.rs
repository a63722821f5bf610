//! Writes the reference of the configuration's keys into the manual: `cargo run -p assent-engine --example reference`.
#![forbid(unsafe_code)]

use assent_engine::config::keys::reference;
use std::path::Path;

/// Where the generated part begins: the first section.
const FIRST: &str = "## Top\n";

fn main() -> std::io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/agentd.md");
    let text = std::fs::read_to_string(&page)?;
    let head = text.split(FIRST).next().unwrap_or_default();
    std::fs::write(page, format!("{head}{}", reference()))
}
