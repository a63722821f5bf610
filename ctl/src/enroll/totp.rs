//! `assentctl enroll USER --totp`: an authenticator app for codes, in the terminal. Who has a device approves it there first;
//! the app's first code shows that its clock and its secret are right, and only from then on it counts.

use super::{Enroll, POLL};
use crate::agent_bus::Agent;
use crate::failure::{Done, Failure};
use crate::google_authenticator;
use crate::report::report;
use crate::terminal;
use assent_proto::text::visible;
use serde_json::json;
use std::io::Write as _;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How the set-up stands, as the agent says it: state, id, the app's address, seconds.
type State = (String, String, String, u32);

/// A set-up that waits for its first code.
struct Open {
    id: String,
    uri: Zeroizing<String>,
    seconds: u32,
}

impl Enroll {
    pub(super) async fn set_up_app(&self, agent: &Agent) -> Done {
        let imported = match &self.from_google_authenticator {
            Some(file) => google_authenticator::secret_in(file)?,
            None => Zeroizing::default(),
        };
        // The user has the app already: nothing is to be scanned.
        let shows = self.from_google_authenticator.is_none();
        let draw = shows
            && self
                .may_draw(&format!(
                    "Whoever photographs the code has the codes of {} for good.",
                    visible(&self.user)
                ))
                .await?;
        let open = self.opened(agent, &imported).await?;
        if shows {
            self.show_app(&open, draw)?;
        }
        self.first_code(agent, &open).await?;
        report(self.json, &json!({"user": self.user, "totp": "ready"}), || {
            let also = match &self.from_google_authenticator {
                Some(file) => format!(
                    " Its scratch codes do not count here; recovery codes are made at the Register Panel. Remove {} once nothing else reads it.",
                    file.display()
                ),
                None => String::new(),
            };
            format!(
                "The app's codes count for {} from now on; this first one is used up.{also}",
                visible(&self.user)
            )
        });
        Ok(())
    }

    /// Asks until a device has approved, where one is asked.
    async fn opened(&self, agent: &Agent, secret: &str) -> Done<Open> {
        let mut asked = String::new();
        let mut until = None;
        loop {
            let (state, id, uri, seconds): State = agent
                .call("OpenTotp", &(self.user.as_str(), secret, asked.as_str()))
                .await?;
            let uri = Zeroizing::new(uri);
            match state.as_str() {
                "open" => return Ok(Open { id, uri, seconds }),
                "approval" => {
                    let until = *until.get_or_insert_with(|| {
                        eprintln!(
                            "{} has a device. It is asked now: approve there that an authenticator app is set up.",
                            visible(&self.user)
                        );
                        Instant::now() + Duration::from_secs(u64::from(seconds))
                    });
                    if Instant::now() > until + POLL * 5 {
                        return Err(Failure::Refused(
                            "no device answered in time; nothing was set up".into(),
                        ));
                    }
                    asked = id;
                    tokio::time::sleep(POLL).await;
                }
                other => return Err(super::unknown(other)),
            }
        }
    }

    fn show_app(&self, open: &Open, draw: bool) -> Done {
        let secret = secret_of(&open.uri).ok_or_else(|| {
            Failure::Unreachable(
                "the code service's address for the app has no secret; are both of one version?".into(),
            )
        })?;
        let lines = [
            format!(
                "Authenticator app of {}: scan the code in the app within {} minutes.",
                visible(&self.user),
                open.seconds / 60
            ),
            "Without a camera, add a time-based account of that name and type this key:".into(),
            format!("  {}", grouped(secret).as_str()),
            "Show it to nobody else, and keep no picture of it.".into(),
        ];
        self.show_with_code(&lines, &open.uri, draw);
        Ok(())
    }

    /// Asks for the first code until it is right, or the set-up is over.
    async fn first_code(&self, agent: &Agent, open: &Open) -> Done {
        loop {
            eprint!("The six digits that the app shows now: ");
            let _ = std::io::stderr().flush();
            let typed = tokio::task::spawn_blocking(terminal::read_line).await.ok().flatten();
            let Some(typed) = typed else {
                return Err(Failure::Refused(
                    "the input ended before the app's code came; nothing was set up".into(),
                ));
            };
            let mut code = Zeroizing::new(String::with_capacity(typed.len()));
            code.extend(typed.chars().filter(|c| !c.is_whitespace()));
            if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
                eprintln!("Six digits, as the app shows them. That cost no try.");
                continue;
            }
            let (state, why): (String, String) = agent.call("ConfirmTotp", &(open.id.as_str(), code.as_str())).await?;
            match state.as_str() {
                "ready" => return Ok(()),
                "wrong" => eprintln!("{}.", visible(&why)),
                other => return Err(super::unknown(other)),
            }
        }
    }
}

/// The secret in an `otpauth://` address.
fn secret_of(uri: &str) -> Option<&str> {
    let (_, query) = uri.split_once('?')?;
    let secret = query.split('&').find_map(|pair| pair.strip_prefix("secret="))?;
    let base32 = |c: char| c.is_ascii_uppercase() || matches!(c, '2'..='7');
    (!secret.is_empty() && secret.chars().all(base32)).then_some(secret)
}

/// In groups of four, to be typed.
fn grouped(secret: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(secret.len() * 5 / 4 + 1));
    for (at, c) in secret.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_engine::qr;

    #[test]
    fn the_key_is_found_in_the_apps_address_and_typed_in_groups() {
        let uri = "otpauth://totp/Assent:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Assent";
        let secret = secret_of(uri);
        assert_eq!(secret, Some("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"));
        assert_eq!(grouped("JBSWY3DPEH").as_str(), "JBSW Y3DP EH");
        for bad in [
            "otpauth://totp/x",
            "otpauth://totp/x?issuer=y",
            "otpauth://totp/x?secret=a%0Ab",
            "x?secret=",
        ] {
            assert_eq!(secret_of(bad), None, "{bad}");
        }
        // With the names of a usual site it fits 80x24.
        assert!(qr::lines(uri).is_some());
    }
}
