//! What the rigs knew when a test failed: transcripts and logs, collected while the panic unwinds and printed with
//! the failure by [`crate::suite`].

use std::cell::RefCell;

/// The end of a log is what matters.
const KEPT: usize = 12_000;

thread_local! {
    static LEFT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Called by a rig's `Drop`: keeps the text if the thread is panicking, otherwise does nothing.
pub fn leave(title: &str, text: impl FnOnce() -> String) {
    if !std::thread::panicking() {
        return;
    }
    let text = text();
    if text.is_empty() {
        return;
    }
    let from = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| text.len() - at <= KEPT)
        .unwrap_or(0);
    let cut = if from > 0 { "[…]" } else { "" };
    LEFT.with_borrow_mut(|left| left.push(format!("── {title}\n{cut}{}\n", text[from..].trim_end())));
}

/// Keeps a short text now, whatever happens later: the seed of a run, for instance.
pub fn note(text: &str) {
    LEFT.with_borrow_mut(|left| left.push(format!("── {text}\n")));
}

/// Everything left on this thread so far.
pub fn collect() -> String {
    LEFT.take().concat()
}
