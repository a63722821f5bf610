//! `assentctl enroll USER`: root on an enrolled host vouches for a user, who registers a device with a link and is
//! known by the six digits that the device shows (PROTOCOL 2.4). With `--totp`, an authenticator app for codes ([`totp`]).

mod totp;

use crate::agent_bus::{Agent, SOCKET};
use crate::failure::{Done, Failure};
use crate::report::report;
use crate::seconds::moment;
use crate::terminal::{self, Charset};
use assent_engine::qr;
use assent_proto::registrar::LINK_TTL;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::Args;
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

const POLL: Duration = Duration::from_secs(1);

/// `enroll`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // switches of a command line
pub struct Enroll {
    /// The user who will approve with the new device
    user: String,
    /// The agent's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Draw no QR code, and do not ask
    #[arg(long, conflicts_with = "link")]
    no_qr: bool,
    /// Set up an authenticator app for codes instead of a device
    #[arg(long, conflicts_with = "link")]
    totp: bool,
    /// Take over the app that the user has for google-authenticator, from this file
    #[arg(long, value_name = "FILE", requires = "totp")]
    from_google_authenticator: Option<PathBuf>,
    /// Make a one-time link to the Register Panel instead, to be sent to the user
    #[arg(long)]
    link: bool,
    /// How long that link is good, in seconds (at most 24 hours)
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, requires = "link",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(LINK_TTL)))]
    ttl: u32,
    /// Report who was registered as JSON; link, code and questions go to standard error
    #[arg(long)]
    json: bool,
}

/// How an enrolment stands, as the agent says it.
type State = (String, String, u32);

impl Enroll {
    /// Runs it.
    pub async fn run(&self) -> Done {
        let agent = Agent::at(&self.socket).await?;
        if self.link {
            return self.link(&agent).await;
        }
        if self.totp {
            return self.set_up_app(&agent).await;
        }
        let draw = self
            .may_draw(&format!(
                "Whoever photographs the code can register a device for {} in the next ten minutes.",
                visible(&self.user)
            ))
            .await?;
        let (token, link, until): (String, String, u64) = agent.call("OpenEnrolment", &self.user.as_str()).await?;
        let link = Zeroizing::new(link);
        self.show(&link, until, draw);
        let device = Enrolment { agent: &agent, token }.finish().await?;
        let value = json!({"user": self.user, "device_id": device});
        report(self.json, &value, || {
            format!(
                "Registered: device {} now approves for {}.",
                visible(&device),
                visible(&self.user)
            )
        });
        Ok(())
    }

    async fn link(&self, agent: &Agent) -> Done {
        let (link, until): (String, u64) = agent.call("OpenPanelLink", &(self.user.as_str(), self.ttl)).await?;
        let link = Zeroizing::new(link);
        let value = json!({"user": self.user, "link": link.as_str(), "until": until});
        report(self.json, &value, || {
            format!(
                "Link to the Register Panel for {user}, good once and until {end}:\n  {link}\nSend it to {user} alone: whoever opens it first registers a device in that name.",
                user = visible(&self.user),
                end = moment(UnixTime(until)),
                link = visible(&link),
            )
        });
        Ok(())
    }

    /// A code on a shared screen is a key on a shared screen: asked before it is made.
    async fn may_draw(&self, warning: &str) -> Done<bool> {
        if self.no_qr || self.json || Charset::of_locale() == Charset::Ascii || !std::io::stdin().is_terminal() {
            return Ok(!self.no_qr);
        }
        eprint!("{warning} Draw it here? [Y/n] ");
        let _ = std::io::stderr().flush();
        let typed = tokio::task::spawn_blocking(terminal::read_line).await.ok().flatten();
        match typed.as_ref().map(|typed| typed.trim()) {
            Some("" | "y" | "Y" | "yes") => Ok(true),
            Some("n" | "N" | "no") => Ok(false),
            Some(_) | None => Err(Failure::Refused(
                "nothing was made: the answer was neither yes nor no".into(),
            )),
        }
    }

    fn show(&self, link: &str, until: u64, draw: bool) {
        let lines = [
            format!(
                "Link for {}, good once and until {}:",
                visible(&self.user),
                moment(UnixTime(until))
            ),
            format!("  {}", visible(link)),
            "Without a camera, open the address before the # and type the code behind it.".into(),
            "With a terminal: assentctl authenticator enroll 'LINK'. Give it to nobody else.".into(),
        ];
        self.show_with_code(&lines, link, draw);
    }

    /// Lines, and below them the QR code of an address, if it may be drawn.
    fn show_with_code(&self, lines: &[String], address: &str, draw: bool) {
        let charset = Charset::of_locale();
        let drawn = if !draw || charset == Charset::Ascii {
            None
        } else {
            qr::lines(address)
        };
        let mut text = Zeroizing::new(String::new());
        // Above the code, so that the code itself has the last screen.
        for line in lines {
            text.push_str(&charset.fit(line));
            text.push('\n');
        }
        match drawn {
            Some(lines) => {
                // Light on dark, whatever the terminal's own colours are.
                let (on, off) = if self.colours() {
                    ("\u{1b}[97;40m", "\u{1b}[0m")
                } else {
                    ("", "")
                };
                for line in lines {
                    text.extend([on, line.as_ref(), off, "\n"]);
                }
            }
            None if draw && charset == Charset::Ascii => {
                text.push_str("(No QR code: this terminal's locale is not UTF-8.)\n");
            }
            None if draw => text.push_str("(No QR code: it is too long for 80x24.)\n"),
            None => {}
        }
        self.print(&text);
    }

    fn colours(&self) -> bool {
        let terminal = if self.json {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        };
        terminal && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
    }

    fn print(&self, text: &str) {
        if self.json {
            eprint!("{text}");
        } else {
            crate::report::say(text.trim_end());
        }
    }
}

struct Enrolment<'a> {
    agent: &'a Agent,
    token: String,
}

impl Enrolment<'_> {
    /// Waits for the device, asks for its digits, and gives the device's id.
    async fn finish(&self) -> Done<String> {
        let mut told = false;
        loop {
            let (state, detail, tries) = self.state().await?;
            match state.as_str() {
                "waiting" => tokio::time::sleep(POLL).await,
                "digits" => {
                    if let Some(device) = self.ask(&detail, tries).await? {
                        return Ok(device);
                    }
                }
                "approval" => {
                    if !told {
                        eprintln!(
                            "The digits are right. Now approve the new device on one that is registered already."
                        );
                        told = true;
                    }
                    tokio::time::sleep(POLL).await;
                }
                "certified" => return Ok(detail),
                "over" => return Err(over()),
                other => return Err(unknown(other)),
            }
        }
    }

    async fn state(&self) -> Done<State> {
        self.agent.call("EnrolmentState", &self.token.as_str()).await
    }

    async fn ask(&self, label: &str, tries: u32) -> Done<Option<String>> {
        eprint!(
            "Device \"{}\" came. Its six digits ({tries} tries left): ",
            Charset::of_locale().fit(&visible(label))
        );
        let _ = std::io::stderr().flush();
        let typed = tokio::task::spawn_blocking(terminal::read_line).await.ok().flatten();
        let Some(typed) = typed else {
            return Err(Failure::Refused(
                "the input ended before the digits came; nothing was registered".into(),
            ));
        };
        let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            eprintln!("Six digits, as the device shows them. That cost no try.");
            return Ok(None);
        }
        let (state, detail, tries): State = self
            .agent
            .call("ConfirmEnrolment", &(self.token.as_str(), digits.as_str()))
            .await?;
        match state.as_str() {
            "certified" => Ok(Some(detail)),
            "digits" => {
                eprintln!(
                    "These are not the digits of that device; {tries} tries left. If it shows others, it is not yours."
                );
                Ok(None)
            }
            "waiting" | "approval" => Ok(None),
            "over" => Err(over()),
            other => Err(unknown(other)),
        }
    }
}

fn over() -> Failure {
    Failure::Refused("this enrolment is over (too late, wrong digits three times, or refused on another device); nothing was registered. Run it again for a new link".into())
}

fn unknown(state: &str) -> Failure {
    Failure::Unreachable(format!(
        "the agent says \"{}\", which is not known here; is it of another version?",
        visible(state)
    ))
}
