//! `assentctl registrar`: the root key, and the issuing key that it signs. In two steps (`request`, `sign`), so that
//! the root key can stay on a machine that is never on a network.

mod flow;

use crate::admin_client::{Admin, SOCKET};
use crate::failure::{Done, Failure};
use crate::files::Owner;
use crate::report::{readable, report};
use assent_proto::ShortText;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// The registrar's keys and certificates.
#[derive(Debug, Subcommand)]
pub enum Registrar {
    /// Make the root key pair; with --all-in-one also an issuing key, signed and installed
    Init(Init),
    /// Make the issuing key if there is none, and a request to have it signed
    Request(Request),
    /// Sign an issuing key's request with the root key
    Sign(Sign),
    /// Install a signed certificate beside the issuing key
    Install(Install),
    /// How the revocation list is; after a restore, raise its number
    Revocations(Revocations),
}

/// `registrar revocations`.
#[derive(Debug, Args)]
pub struct Revocations {
    /// Raise the list's number above every one that hosts may hold: after registrar.db was restored from a backup, and what
    /// was revoked since is revoked again
    #[arg(long)]
    jump: bool,
    /// The gateway's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Revocations {
    async fn run(&self) -> Done {
        let admin = Admin::at(&self.socket)?;
        if self.jump {
            admin.post("/revocations/jump", &json!({})).await?;
        }
        let value = admin.get("/status").await?["registrar"]["revocations"].clone();
        report(self.json, &value, || {
            let mut text = readable(&value);
            if !value["held_elsewhere"].is_null() {
                text.push_str(
                    "\nA host or device says to hold a newer list than this registrar ever made. If registrar.db was restored from a \
                     backup: revoke again what was revoked since, then run this command with --jump.",
                );
            }
            text
        });
        Ok(())
    }
}

/// `registrar init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where the root's private key goes (PKCS#8 PEM, mode 0600)
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// Where the root's public key goes (SPKI PEM); with --all-in-one, if not given, beside the private key
    #[arg(long, value_name = "FILE", required_unless_present = "all_in_one")]
    root_pub: Option<PathBuf>,
    /// Make, sign and install an issuing key too, all on this machine
    #[arg(long, requires = "state_dir")]
    all_in_one: bool,
    /// The gateway's state directory, for --all-in-one
    #[arg(long, value_name = "DIR", requires = "all_in_one")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    grant: Grant,
    #[command(flatten)]
    owner: OwnerArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `registrar request`.
#[derive(Debug, Args)]
pub struct Request {
    /// The gateway's state directory
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Where the request goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    owner: OwnerArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `registrar sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The root's private key
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// The request, from `registrar request`
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Where the certificate goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    grant: Grant,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `registrar install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The gateway's state directory
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// The root's public key
    #[arg(long, value_name = "FILE")]
    root_pub: PathBuf,
    /// The certificate, from `registrar sign`
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    #[command(flatten)]
    owner: OwnerArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// What the root grants.
#[derive(Debug, Args)]
struct Grant {
    /// Days that the issuing key's certificate lives
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Realms whose devices it may certify (`*` is any run of characters; all, if none is named)
    #[arg(long, value_name = "PATTERN")]
    realm: Vec<String>,
    /// Host names that it may certify (`*` is any run of characters; all, if none is named)
    #[arg(long, value_name = "PATTERN")]
    host: Vec<String>,
}

impl Grant {
    fn realms(&self) -> Done<Vec<ShortText>> {
        patterns(&self.realm)
    }

    fn hosts(&self) -> Done<Vec<ShortText>> {
        patterns(&self.host)
    }
}

fn patterns(named: &[String]) -> Done<Vec<ShortText>> {
    if named.is_empty() {
        return Ok(vec![ShortText::cut("*".into())]);
    }
    named
        .iter()
        .map(|pattern| {
            let usable = !pattern.is_empty() && pattern.len() <= 255;
            usable
                .then(|| ShortText::cut(pattern.clone()))
                .ok_or_else(|| Failure::Input("a name pattern has between 1 and 255 bytes".into()))
        })
        .collect()
}

/// Who the state files shall belong to.
#[derive(Debug, Args)]
struct OwnerArg {
    /// Whom the files in the state directory shall belong to (as they are made, if not given)
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
}

impl OwnerArg {
    fn owner(&self) -> Done<Option<Owner>> {
        self.owner.as_deref().map(Owner::named).transpose()
    }
}

impl Registrar {
    /// Runs it.
    pub fn run(&self) -> Done {
        match self {
            Self::Init(init) => flow::init(init),
            Self::Request(request) => flow::request(request),
            Self::Sign(sign) => flow::sign(sign),
            Self::Install(install) => flow::install(install),
            Self::Revocations(revocations) => crate::wait_for(revocations.run()),
        }
    }
}
