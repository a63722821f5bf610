//! Runs one of fido2-tools: bounded in time, its input in memory, a PIN over a pipe and never in its arguments.

use crate::failure::{Done, Failure};
use base64ct::{Base64, Encoding as _};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Stands among the arguments for the file in which the tool finds its input.
pub const INPUT: &str = "{input}";
/// Most that is read of what a tool prints.
const MAX_SAID: u64 = 64 * 1024;
/// How often it is looked after.
const LOOK: Duration = Duration::from_millis(20);

/// What a tool printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// On standard output.
    pub out: String,
}

/// Standard base64, the form of the tools.
pub fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Reads it.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text.trim()).ok()
}

/// The name of the error in what a tool said, without `FIDO_ERR_`.
pub fn error_in(said: &str) -> Option<&str> {
    let (_, name) = said.rsplit_once("FIDO_ERR_")?;
    let end = name.find(|c: char| !c.is_ascii_uppercase() && c != '_');
    name.get(..end.unwrap_or(name.len()))
}

/// Runs it; that it fails is a failure.
pub fn run(
    tool: &str,
    arguments: &[&str],
    input: &[String],
    pin: Option<&Zeroizing<String>>,
    within: Duration,
) -> Done<Said> {
    try_to(tool, arguments, input, pin, within)?.map_err(|said| Failure::Refused(format!("{tool}: {said}")))
}

/// Runs it. The inner error is its last line on standard error.
pub fn try_to(
    tool: &str,
    arguments: &[&str],
    input: &[String],
    pin: Option<&Zeroizing<String>>,
    within: Duration,
) -> Done<Result<Said, String>> {
    let failed = |e: &dyn std::fmt::Display| Failure::Refused(format!("{tool} cannot be run: {e}"));
    let lines: String = input.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let mut child = start(tool, arguments, &lines).map_err(|e| failed(&e))?;
    if let (Some(mut stdin), Some(pin)) = (child.stdin.take(), pin) {
        // A tool that ended already says why.
        let _ = stdin.write_all(Zeroizing::new(format!("{}\n", pin.as_str())).as_bytes());
    }
    let deadline = Instant::now() + within;
    let status = loop {
        match child.try_wait().map_err(|e| failed(&e))? {
            Some(status) => break status,
            None if Instant::now() >= deadline => {
                // Another one may open the key only when this is gone.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Err("FIDO_ERR_TIMEOUT".into()));
            }
            None => std::thread::sleep(LOOK),
        }
    };
    let (mut out, mut errors) = (String::new(), String::new());
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        let read = stdout.take(MAX_SAID).read_to_string(&mut out);
        let told = stderr.take(MAX_SAID).read_to_string(&mut errors);
        read.and(told).map_err(|e| failed(&e))?;
    }
    match status.code() {
        Some(0) => Ok(Ok(Said { out })),
        // As setsid and sh say that there is no such program.
        Some(126 | 127) => Err(Failure::Input(format!(
            "{tool} is not installed; it speaks to security keys (Debian, Ubuntu, Fedora: the package fido2-tools)"
        ))),
        _ => Ok(Err(last_line(&errors))),
    }
}

/// In a session of its own: without a terminal it reads the PIN from its standard input.
fn start(tool: &str, arguments: &[&str], input: &str) -> std::io::Result<Child> {
    let mut memory = File::from(memfd_create("fido2 input", MFdFlags::empty())?);
    memory.write_all(input.as_bytes())?;
    let at = {
        use std::os::fd::AsRawFd as _;
        format!("/proc/self/fd/{}", memory.as_raw_fd())
    };
    let arguments = arguments
        .iter()
        .map(|argument| if *argument == INPUT { at.as_str() } else { argument });
    Command::new("setsid")
        .args(["--wait", tool])
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// What it said last; the prompt for a PIN stands in front on the same line.
fn last_line(errors: &str) -> String {
    let line = errors
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it does not say why");
    let line = line
        .rsplit_once("Enter PIN for ")
        .map_or(line, |(_, rest)| rest.split_once(": ").map_or(rest, |(_, said)| said));
    line.trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_tool_reads_its_input_and_the_pin_and_neither_stands_in_its_arguments() {
        let script = "cat \"$1\"; read pin; echo \"pin $pin\"; tr '\\0' ' ' < /proc/$$/cmdline";
        let pin = Zeroizing::new("246810".to_owned());
        let said = run(
            "sh",
            &["-c", script, "sh", INPUT],
            &["one".into(), "two".into()],
            Some(&pin),
            SOON,
        )
        .unwrap();
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!(lines[..3], ["one", "two", "pin 246810"]);
        assert!(!lines[3].contains("246810"), "{said:?}");
    }

    #[test]
    fn errors_are_told_by_their_names_and_a_tool_that_hangs_is_ended() {
        let script = "printf 'Enter PIN for /dev/x: ' >&2; echo 'fido2-assert: get: FIDO_ERR_PIN_INVALID' >&2; exit 1";
        let said = try_to("sh", &["-c", script], &[], None, SOON).unwrap().unwrap_err();
        assert_eq!(said, "fido2-assert: get: FIDO_ERR_PIN_INVALID");
        assert_eq!(error_in(&said), Some("PIN_INVALID"));
        assert_eq!(error_in("something else"), None);
        let began = Instant::now();
        let hung = try_to("sleep", &["60"], &[], None, Duration::from_millis(100)).unwrap();
        assert_eq!(hung.unwrap_err(), "FIDO_ERR_TIMEOUT");
        assert!(began.elapsed() < SOON);
        let missing = try_to("no-such-fido2-tool", &[], &[], None, SOON).unwrap_err();
        assert!(missing.to_string().contains("fido2-tools"), "{missing}");
    }
}
