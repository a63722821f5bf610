//! `assentctl codes`: on the gateway, the code service: how it is, who is locked, resets, imports, trial messages.

use crate::admin_client::Socket;
use crate::failure::Done;
use crate::google_authenticator;
use crate::report::{readable, report};
use assent_proto::text::visible;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

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
    /// All of them
    All,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Recovery => "recovery",
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
                let value = at.socket.open_codes()?.get("/codes").await?;
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
        self.socket.open_codes()?.post(path, &body).await
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
        let secret = google_authenticator::secret_in(&self.file)?;
        let body = json!({"user": self.user, "secret": secret.as_str()});
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
