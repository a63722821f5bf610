//! Runs scenarios: the whole program inside [`namespace::enter`], each scenario in a world of its own, with the
//! command line and the closing line of Rust's own test harness. Called by the `main` of the system tests.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::evidence;
use crate::namespace::{self, Network};

/// Scenarios mostly wait (for a prompt, for PAM's delay after a failure), so more of them run than there are cores.
const AT_ONCE: usize = 4;

/// One named test.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Module path and function name.
    pub name: &'static str,
    /// Panics if the scenario does not hold.
    pub run: fn(),
}

/// Lists the scenarios of a topic: `pub const SCENARIOS: &[Scenario] = scenarios![lets_in_…, refuses_…];`.
/// A function that was forgotten here is dead code, which the compiler reports.
#[macro_export]
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        &[$($crate::suite::Scenario { name: concat!(module_path!(), "::", stringify!($name)), run: $name }),*]
    };
}

/// The body of a system test program's `main`.
pub fn run(topics: &[&[Scenario]]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    let names_only = arguments.list;
    if !names_only {
        if let Err(refused) = namespace::enter() {
            eprintln!("error: {refused}");
            return ExitCode::FAILURE;
        }
        remember_panics();
    }
    arguments.test_threads.get_or_insert(AT_ONCE);
    let trials = topics.iter().copied().flatten().map(|&scenario| {
        let (_, name) = scenario.name.split_once("::").unwrap_or(("", scenario.name));
        Trial::test(name, move || in_a_fresh_world(scenario))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// A namespace belongs to a thread, so each scenario gets a new one.
fn in_a_fresh_world(scenario: Scenario) -> Result<(), Failed> {
    let body = move || {
        namespace::furnish(Network::Own).map_err(|refused| Failed::from(refused.to_string()))?;
        panic::catch_unwind(AssertUnwindSafe(scenario.run))
            .map_err(|_| Failed::from(format!("{}\n{}", PANIC.take(), evidence::collect())))
    };
    let thread = thread::Builder::new()
        .name(scenario.name.to_owned())
        .spawn(body)
        .map_err(Failed::from)?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Failed::from("the scenario's thread ended oddly")))
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps a scenario's panic message for its report, so that parallel failures do not mingle on the terminal.
fn remember_panics() {
    panic::set_hook(Box::new(|info| {
        if thread::current().name().is_some_and(|name| name.contains("::")) {
            PANIC.with_borrow_mut(|message| {
                // A panic while another unwinds ends the whole program: then say all, now.
                if !message.is_empty() {
                    eprintln!("{message}\n{info}");
                }
                message.push_str(&info.to_string());
            });
        } else {
            eprintln!("{info}");
        }
    }));
}
