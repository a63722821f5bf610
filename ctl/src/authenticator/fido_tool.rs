//! Runs one of fido2-tools: bounded in time, its input in memory, a PIN over a pipe and never in its arguments. It has no
//! terminal, so it does not hear `^C`: it ends with whoever waits for it.

use crate::failure::{Done, Failure};
use base64ct::{Base64, Encoding as _};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write as _};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Stands among the arguments for the file in which the tool finds its input.
pub const INPUT: &str = "{input}";
/// Most that is read of what a tool prints.
const MAX_SAID: u64 = 64 * 1024;

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
pub async fn run(
    tool: &str,
    arguments: &[&str],
    input: &[String],
    pin: Option<&Zeroizing<String>>,
    within: Duration,
) -> Done<Said> {
    let said = try_to(tool, arguments, input, pin, within).await?;
    said.map_err(|said| Failure::Refused(format!("{tool}: {said}")))
}

/// Runs it. The inner error is its last line on standard error.
pub async fn try_to(
    tool: &str,
    arguments: &[&str],
    input: &[String],
    pin: Option<&Zeroizing<String>>,
    within: Duration,
) -> Done<Result<Said, String>> {
    let failed = |e: &dyn std::fmt::Display| Failure::Refused(format!("{tool} cannot be run: {e}"));
    let lines: String = input.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let mut child = start(tool, arguments, &lines).map_err(|e| failed(&e))?;
    let Ok(ended) = timeout(within, said_by(&mut child, pin)).await else {
        // Another one may open the key only when this is gone.
        let _ = child.kill().await;
        return Ok(Err("FIDO_ERR_TIMEOUT".into()));
    };
    let (status, out, errors) = ended.map_err(|e| failed(&e))?;
    match status.code() {
        Some(0) => Ok(Ok(Said { out })),
        // As setsid and sh say that there is no such program.
        Some(126 | 127) => Err(Failure::Input(format!(
            "{tool} is not installed; it speaks to security keys (Debian, Ubuntu, Fedora: the package fido2-tools)"
        ))),
        _ => Ok(Err(last_line(&errors))),
    }
}

/// What it prints on its two outputs, once it has ended.
async fn said_by(child: &mut Child, pin: Option<&Zeroizing<String>>) -> io::Result<(ExitStatus, String, String)> {
    if let (Some(mut stdin), Some(pin)) = (child.stdin.take(), pin) {
        // Room at once: growing would leave copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(pin.len() + 1));
        line.extend_from_slice(pin.as_bytes());
        line.push(b'\n');
        // A tool that ended already says why.
        let _ = stdin.write_all(&line).await;
    }
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    let (out, errors) = tokio::try_join!(text_of(out), text_of(errors))?;
    Ok((child.wait().await?, out, errors))
}

async fn text_of(output: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut text = String::new();
    if let Some(output) = output {
        output.take(MAX_SAID).read_to_string(&mut text).await?;
    }
    Ok(text)
}

/// In a session of its own: without a terminal it reads the PIN from its standard input. It is killed when it is dropped.
fn start(tool: &str, arguments: &[&str], input: &str) -> io::Result<Child> {
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
        .kill_on_drop(true)
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
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_tool_reads_its_input_and_the_pin_and_neither_stands_in_its_arguments() {
        let script = "cat \"$1\"; read pin; echo \"pin $pin\"; tr '\\0' ' ' < /proc/$$/cmdline";
        let pin = Zeroizing::new("246810".to_owned());
        let said = run(
            "sh",
            &["-c", script, "sh", INPUT],
            &["one".into(), "two".into()],
            Some(&pin),
            SOON,
        )
        .await
        .unwrap();
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!(lines[..3], ["one", "two", "pin 246810"]);
        assert!(!lines[3].contains("246810"), "{said:?}");
    }

    #[tokio::test]
    async fn errors_are_told_by_their_names_and_a_tool_that_hangs_is_ended() {
        let script = "printf 'Enter PIN for /dev/x: ' >&2; echo 'fido2-assert: get: FIDO_ERR_PIN_INVALID' >&2; exit 1";
        let said = try_to("sh", &["-c", script], &[], None, SOON)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(said, "fido2-assert: get: FIDO_ERR_PIN_INVALID");
        assert_eq!(error_in(&said), Some("PIN_INVALID"));
        assert_eq!(error_in("something else"), None);
        let began = std::time::Instant::now();
        let hung = try_to("sleep", &["60"], &[], None, Duration::from_millis(100))
            .await
            .unwrap();
        assert_eq!(hung.unwrap_err(), "FIDO_ERR_TIMEOUT");
        assert!(began.elapsed() < SOON);
        let missing = try_to("no-such-fido2-tool", &[], &[], None, SOON).await.unwrap_err();
        assert!(missing.to_string().contains("fido2-tools"), "{missing}");
    }

    #[tokio::test]
    async fn a_tool_ends_with_whoever_waits_for_it() {
        let file = std::env::temp_dir().join(format!("assent-tool-{}", std::process::id()));
        let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60", file.display());
        let arguments = ["-c", script.as_str()];
        let tool = try_to("sh", &arguments, &[], None, SOON);
        // Somebody has better things to do.
        let pid = tokio::select! {
            said = tool => panic!("it ended by itself: {said:?}"),
            pid = until(|| std::fs::read_to_string(&file).ok()) => pid,
        };
        until(|| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            // Gone, or dead and not buried yet.
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        })
        .await;
        std::fs::remove_file(file).unwrap();
    }

    async fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
        timeout(SOON, async {
            loop {
                match found() {
                    Some(found) => return found,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
        .await
        .unwrap()
    }
}
