//! Places where a test build can be made to panic. In the shipped module every call is an empty function.

#[cfg(all(feature = "fault-injection", not(debug_assertions)))]
compile_error!("fault-injection is for tests: a build without debug assertions must not contain it");

/// Panics if the option `panic=` named this step.
#[cfg(feature = "fault-injection")]
#[allow(clippy::panic, reason = "that is what it is for")]
pub fn point(step: &str) {
    let armed = ARMED.lock().map(|step| step.clone()).unwrap_or_default();
    if armed == step {
        std::panic::panic_any(format!("injected at {step}"));
    }
}

/// Takes the step out of the module's arguments and leaves the others.
#[cfg(feature = "fault-injection")]
pub fn arm(args: &[String]) -> std::borrow::Cow<'_, [String]> {
    let (panics, others): (Vec<_>, Vec<_>) = args.iter().cloned().partition(|arg| arg.starts_with("panic="));
    let step = panics
        .last()
        .and_then(|arg| arg.strip_prefix("panic="))
        .unwrap_or_default();
    if let Ok(mut armed) = ARMED.lock() {
        step.clone_into(&mut armed);
    }
    others.into()
}

#[cfg(feature = "fault-injection")]
static ARMED: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

/// Does nothing.
#[cfg(not(feature = "fault-injection"))]
#[inline]
pub fn point(_: &str) {}

/// The arguments as they are.
#[cfg(not(feature = "fault-injection"))]
#[inline]
pub fn arm(args: &[String]) -> std::borrow::Cow<'_, [String]> {
    args.into()
}
