//! `assentctl registrar`: the root key, and the issuing key that it signs. In two steps (`request`, `sign`), so that
//! the root key can stay on a machine that is never on a network.

mod flow;
mod place;
mod roots;

use crate::admin_client::Socket;
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
    /// Make the next issuing key beside the one that is in use, and a request to have it signed
    Request(Request),
    /// Sign an issuing key's request with the root key
    Sign(Sign),
    /// Install a signed certificate beside its issuing key, which signs from then on
    Install(Install),
    /// For a registrar apart from its relay: make the link key if there is none, and show its public half
    Link(Link),
    /// Add a further root's signature to a certificate or to a step of the roots
    Cosign(Cosign),
    /// How the revocation list is; after a restore, raise its number
    Revocations(Revocations),
    /// The roots themselves: the step to new ones
    #[command(subcommand)]
    Root(Root),
}

/// `registrar revocations`.
#[derive(Debug, Args)]
pub struct Revocations {
    /// Raise the list's number above every one that hosts may hold: after registrar.db was restored from a backup, and what
    /// was revoked since is revoked again
    #[arg(long)]
    jump: bool,
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// The roots themselves.
#[derive(Debug, Subcommand)]
pub enum Root {
    /// Where the root keys are: make the step to new roots, signed by the old and the new ones
    Step(Step),
    /// On the gateway: install the step, which hosts and devices then follow by themselves
    Install(InstallStep),
}

/// `registrar root step`.
#[derive(Debug, Args)]
pub struct Step {
    /// The first root's public key (SPKI PEM), which hosts and devices have pinned
    #[arg(long, value_name = "FILE")]
    root_pub: PathBuf,
    /// The steps that were made since (`roots.jws` of the gateway's state directory), if any
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// A root of the new set, by its public key (`registrar init --root-key FILE --root-pub FILE` makes one); one for each
    #[arg(long, value_name = "FILE", required = true)]
    new_root: Vec<PathBuf>,
    /// How many roots of the new set must sign what hosts and devices are to believe
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    threshold: u8,
    /// A root's private key to sign with; one for each, of the old set and of the new one
    #[arg(long, value_name = "FILE", required = true)]
    sign_with: Vec<PathBuf>,
    /// Where the step goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Revocations {
    async fn run(&self) -> Done {
        let admin = self.socket.open()?;
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

/// `registrar root install`.
#[derive(Debug, Args)]
pub struct InstallStep {
    /// The gateway's state directory
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// The step, from `registrar root step`
    #[arg(long, value_name = "FILE")]
    step: PathBuf,
    #[command(flatten)]
    owner: OwnerArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `registrar cosign`.
#[derive(Debug, Args)]
pub struct Cosign {
    /// The root's private key
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// What it signs beside others: an issuing key's certificate, or a step of the roots
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// Where the document with one more signature goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
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
    /// The root's private key; one for each root, where several must sign
    #[arg(long, value_name = "FILE", required = true)]
    root_key: Vec<PathBuf>,
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
    /// The root's public key; the one that is installed, if not given
    #[arg(long, value_name = "FILE")]
    root_pub: Option<PathBuf>,
    /// The certificate, from `registrar sign`
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    #[command(flatten)]
    owner: OwnerArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `registrar link`.
#[derive(Debug, Args)]
pub struct Link {
    /// The registrar's state directory
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Where the public key goes, for the relay's configuration (standard output, if not given)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
            Self::Link(link) => flow::link(link),
            Self::Cosign(cosign) => roots::cosign(cosign),
            Self::Root(Root::Step(step)) => roots::step(step),
            Self::Root(Root::Install(install)) => roots::install(install),
            Self::Revocations(revocations) => crate::wait_for(revocations.run()),
        }
    }
}
