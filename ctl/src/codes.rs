//! `assentctl codes`: on the gateway, the code service: how it is, who is locked, resets, imports, trial messages.

use crate::admin_client::Socket;
use crate::failure::{Done, Failure};
use crate::report::{readable, report};
use assent_proto::text::visible;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Most bytes of a file of google-authenticator.
const MAX_FILE: u64 = 64 * 1024;

/// Codes by SMS and mail, of authenticator apps and recovery lists.
#[derive(Debug, Subcommand)]
pub enum Codes {
    /// How the code service is, and whose codes count for nothing now
    Status(Plain),
    /// Let a user's codes count again after too many wrong ones
    Unlock(Who),
    /// Forget what a user has set up
    Reset(Reset),
    /// Take over the secret of a user who has google-authenticator
    ImportGoogleAuthenticator(Import),
    /// Send a test by SMS
    TestSms(To),
    /// Send a test by mail
    TestMail(To),
    /// Revoke the code service's key: no host believes its codes any more
    RevokeKey(Plain),
}

/// Where to ask, and how to say it.
#[derive(Debug, Args)]
pub struct Plain {
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// A user.
#[derive(Debug, Args)]
pub struct Who {
    /// The user's name, or "realm#id"
    user: String,
    #[command(flatten)]
    at: Plain,
}

/// What is reset.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum What {
    /// The authenticator app
    Totp,
    /// The recovery codes
    Recovery,
    /// The confirmed mobile number
    Mobile,
    /// All of them
    All,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Recovery => "recovery",
            Self::Mobile => "mobile",
            Self::All => "all",
        }
    }
}

/// `codes reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// The user's name, or "realm#id"
    user: String,
    /// What is forgotten
    what: What,
    #[command(flatten)]
    at: Plain,
}

/// `codes import-google-authenticator`.
#[derive(Debug, Args)]
pub struct Import {
    /// The user's file, as google-authenticator wrote it
    file: PathBuf,
    /// The user's name if the gateway knows it, otherwise "realm#id"
    user: String,
    #[command(flatten)]
    at: Plain,
}

/// Where a test goes.
#[derive(Debug, Args)]
pub struct To {
    /// The number with its country, or the mail address
    to: String,
    #[command(flatten)]
    at: Plain,
}

impl Codes {
    /// Runs it.
    pub async fn run(&self) -> Done {
        match self {
            Self::Status(at) => {
                let value = at.socket.open()?.get("/codes").await?;
                report(at.json, &value, || readable(&value));
                Ok(())
            }
            Self::Unlock(who) => {
                let value = who.at.post("/codes/unlock", json!({"user": who.user})).await?;
                report(who.at.json, &value, || {
                    format!("Codes of {} count again.", visible(&who.user))
                });
                Ok(())
            }
            Self::Reset(reset) => {
                let body = json!({"user": reset.user, "what": reset.what.name()});
                let value = reset.at.post("/codes/reset", body).await?;
                report(reset.at.json, &value, || {
                    format!("Forgotten: {} of {}.", reset.what.name(), visible(&reset.user))
                });
                Ok(())
            }
            Self::ImportGoogleAuthenticator(import) => import.run().await,
            Self::TestSms(to) => to.run("/codes/try-sms").await,
            Self::TestMail(to) => to.run("/codes/try-mail").await,
            Self::RevokeKey(at) => {
                let value = at.post("/codes/revoke", json!({})).await?;
                report(at.json, &value, || {
                    "The code service's key is revoked. To go on with a new one: stop the gateway, move codes.key and codes.db away, \
                     start it; everybody sets up apps and recovery codes anew."
                        .into()
                });
                Ok(())
            }
        }
    }
}

impl Plain {
    async fn post(&self, path: &str, body: Value) -> Done<Value> {
        self.socket.open()?.post(path, &body).await
    }
}

impl To {
    async fn run(&self, path: &str) -> Done {
        let value = self.at.post(path, json!({"to": self.to})).await?;
        let by = value["by"].as_str().unwrap_or_default().to_owned();
        report(self.at.json, &value, || {
            format!("Taken by {}. Did it arrive?", visible(&by))
        });
        Ok(())
    }
}

impl Import {
    async fn run(&self) -> Done {
        let text = read(&self.file)?;
        let secret = secret_of(&text).map_err(|why| Failure::Input(format!("{}: {why}", self.file.display())))?;
        let body = json!({"user": self.user, "secret": secret});
        let value = self.at.post("/codes/import", body).await?;
        report(self.at.json, &value, || {
            format!(
                "The app of {} works with Assent from now on. Its scratch codes do not: let the user make recovery codes at the panel. \
                 Remove {} once nothing else reads it.",
                visible(&self.user),
                self.file.display()
            )
        });
        Ok(())
    }
}

fn read(file: &Path) -> Done<Zeroizing<String>> {
    let shown = file.display();
    let meta = std::fs::metadata(file).map_err(|e| Failure::Input(format!("{shown} cannot be read: {e}")))?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(Failure::Input(format!("{shown} is no file of google-authenticator")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| Failure::Input(format!("{shown} cannot be read: {e}")))?;
    Ok(Zeroizing::new(text))
}

/// The secret on the first line, if the app makes codes by the clock in steps of 30 seconds.
fn secret_of(text: &str) -> Result<&str, &'static str> {
    let mut lines = text.lines();
    let secret = lines.next().unwrap_or_default().trim();
    let base32 = |c: char| c.is_ascii_uppercase() || matches!(c, '2'..='7');
    if secret.len() < 16 || !secret.chars().all(base32) {
        return Err("its first line is no secret in base32");
    }
    let options: Vec<&str> = lines.filter_map(|line| line.strip_prefix("\" ")).collect();
    if options.iter().any(|option| option.starts_with("HOTP_COUNTER")) {
        return Err("its codes are made by a counter, not by the clock; set up a new app");
    }
    let step = options.iter().find_map(|option| option.strip_prefix("STEP_SIZE "));
    match step.map_or("30", str::trim) {
        "30" => Ok(secret),
        _ => Err("its codes do not change every 30 seconds; set up a new app"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_of_a_file_by_the_clock_in_common_steps_alone() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY";
        let file = |options: &str| format!("{secret}\n{options}12345678\n87654321\n");
        for options in [
            "\" TOTP_AUTH\n",
            "\" RATE_LIMIT 3 30\n\" TOTP_AUTH\n",
            "\" STEP_SIZE 30\n\" TOTP_AUTH\n",
        ] {
            assert_eq!(secret_of(&file(options)), Ok(secret), "{options}");
        }
        for options in ["\" HOTP_COUNTER 1\n", "\" STEP_SIZE 60\n\" TOTP_AUTH\n"] {
            assert!(secret_of(&file(options)).is_err(), "{options}");
        }
        for bad in ["", "short\n", "gezdgnbvgy3tqojq\n", "GEZDGNBVGY3TQOJ1\n"] {
            assert!(secret_of(bad).is_err(), "{bad}");
        }
    }
}
