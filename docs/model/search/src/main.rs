//! Searches every world for a step that breaks what the protocol promises, first with all checks, then with each left
//! out: there it must find the attack, or the table says why there is none. docs/model/README.md holds the table; this
//! program writes it (`--write`) and fails if it is not what the search says.

mod checks;
mod enrol;
mod logins;
mod properties;
mod search;
mod table;
mod terms;
mod words;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let write = arguments.iter().any(|argument| argument == "--write");
    match table::run(write) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
