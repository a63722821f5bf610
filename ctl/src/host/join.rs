//! `assentctl host join`: makes a server's keys and has them certified. The root that the server will believe comes
//! from the token alone (R23); the agent itself never takes one from the network.

use crate::failure::{Done, Failure, no_randomness};
use crate::files::{self, Owner, PUBLIC, SECRET};
use crate::gateway_client::{Gateway, Pinned, pin};
use crate::report::report;
use crate::seconds::moment;
use crate::terminal;
use assent_proto::ShortText;
use assent_proto::cert::Host;
use assent_proto::enrol::{Token, short_fingerprint};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::registrar::{Ask, HostJoin, Reply};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// `host join`.
#[derive(Debug, Args)]
pub struct Join {
    /// The gateway's address
    url: String,
    /// The one-time token; `-` reads it from standard input
    token: String,
    /// The name that people call this host by; the machine's own, if not given
    #[arg(long)]
    name: Option<String>,
    /// Where the agent keeps its keys
    #[arg(long, value_name = "DIR", default_value = "/var/lib/assent")]
    state_dir: PathBuf,
    /// Where the agent finds the roots that it believes
    #[arg(long, value_name = "DIR", default_value = "/etc/assent/trust.d")]
    trust_dir: PathBuf,
    /// Certificate authorities to believe beside the system's, for TLS alone (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The agent's user, whom the keys shall belong to
    #[arg(long, value_name = "USER", default_value = "assent")]
    owner: String,
    /// Join again: new keys in the place of the old ones
    #[arg(long)]
    replace: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// What the registrar certified.
struct Joined {
    keys: KeyPair,
    pinned: Pinned,
    host: Host,
}

impl Join {
    pub(super) async fn run(&self) -> Done {
        let owner = Owner::named(&self.owner)?;
        let token = terminal::given_or_stdin(&self.token)?;
        let token = Token::from_text(&token).map_err(|e| Failure::Input(e.to_string()))?;
        let gateway = Gateway::new(&self.url, self.ca_file.as_deref())?;
        // Everything that can be found wrong here is found before the token is used up.
        self.refuse_if_joined(&token)?;
        files::directory(&self.trust_dir, 0o755, None)?;
        files::directory(&self.state_dir, 0o700, Some(owner))?;
        self.try_writing(owner)?;
        let joined = self.ask(&gateway, &token).await?;
        self.store(&joined, owner)?;
        self.say(&gateway, &joined);
        Ok(())
    }

    fn refuse_if_joined(&self, token: &Token) -> Done {
        if self.replace {
            return Ok(());
        }
        let document = self.state_dir.join("host.jws");
        if files::exists(&document) {
            return Err(Failure::Refused(format!(
                "this host has joined already ({}); to give it new keys, join with --replace. Nothing was changed and the token is unused",
                document.display()
            )));
        }
        let anchor = self.trust_dir.join("registrar.pub");
        if files::exists(&anchor) {
            let known = VerifyingKey::from_pem(&files::read_public(&anchor)?)
                .map_err(|e| Failure::Input(format!("{}: {e}", anchor.display())))?;
            if short_fingerprint(&known) != token.root {
                return Err(Failure::Refused(format!(
                    "{} is another root ({}) than the token's ({}); remove it, or join with --replace, if you mean to change it. The token is unused",
                    anchor.display(),
                    short_fingerprint(&known),
                    token.root
                )));
            }
        }
        Ok(())
    }

    /// Writes and removes a file in both places.
    fn try_writing(&self, owner: Owner) -> Done {
        for (dir, owner) in [(&self.state_dir, Some(owner)), (&self.trust_dir, None)] {
            let file = dir.join(".assentctl-join");
            files::replace(&file, "", SECRET, owner).map_err(|e| e.while_("the token is unused"))?;
            let _ = std::fs::remove_file(&file);
        }
        Ok(())
    }

    async fn ask(&self, gateway: &Gateway, token: &Token) -> Done<Joined> {
        let info = gateway.trust_info().await?;
        let pinned = pin(&info, token, gateway.base())?;
        let issuer = &pinned.issuer;
        let keys = KeyPair::generate().map_err(no_randomness)?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => own_name()?,
        };
        let display = ShortText::new(name).ok_or_else(|| Failure::Input("the name is too long".into()))?;
        // The registrar's clock decides whether a call is of now; ours may be off without harm here.
        let join = HostJoin::new(token, &keys, display, info.now).map_err(|e| Failure::Refused(e.to_string()))?;
        let reply = gateway.call(issuer, &keys.kem, Ask::JoinHost(join)).await?;
        let document = match reply {
            Reply::HostCertified { host } => host,
            Reply::Refused { code: _, text } => {
                return Err(Failure::Refused(format!(
                    "the registrar refuses: {}. Nothing was written; make a new token with `assentctl host token` on the gateway",
                    visible(text.as_str())
                )));
            }
            Reply::Devices { .. }
            | Reply::EnrolmentOpen { .. }
            | Reply::Enrolment(_)
            | Reply::LinkOpen { .. }
            | Reply::MyDevices { .. }
            | Reply::Heard { .. }
            | Reply::MoveOpen { .. }
            | Reply::Left
            | Reply::Noted
            | Reply::DeviceCertified { .. }
            | Reply::Revocations(_)
            | Reply::Reported { .. } => {
                return Err(Failure::Refused(
                    "the registrar replied to something else; nothing was written".into(),
                ));
            }
        };
        let host = issuer.verify_host(&document, UnixTime::now()).map_err(|e| {
            Failure::Refused(format!(
                "the certificate that came is not valid: {e}. Nothing was written"
            ))
        })?;
        if host.claims().sign != keys.sign.public() || host.claims().kem != keys.kem.public() {
            return Err(Failure::Refused(
                "the certificate that came is for other keys; nothing was written".into(),
            ));
        }
        Ok(Joined { keys, pinned, host })
    }

    /// `host.jws` comes last: with it, the host has joined.
    fn store(&self, joined: &Joined, owner: Owner) -> Done {
        let key_file = joined.keys.to_file().map_err(|e| Failure::Refused(e.to_string()))?;
        let line = |document: &str| format!("{document}\n");
        self.store_root(&joined.pinned)?;
        let issuers: String = joined.pinned.issuers.documents().map(line).collect();
        files::replace(&self.state_dir.join("issuer.jws"), &issuers, PUBLIC, Some(owner))?;
        files::replace(&self.state_dir.join("host.key"), &key_file, SECRET, Some(owner))?;
        files::replace(
            &self.state_dir.join("host.jws"),
            &line(joined.host.document()),
            PUBLIC,
            Some(owner),
        )
    }

    /// A single key as PEM, a later set of roots as the document that it is. What was pinned for this registrar before goes:
    /// it would go on to be believed.
    fn store_root(&self, pinned: &Pinned) -> Done {
        let [key, set] = ["registrar.pub", "registrar.root"].map(|name| self.trust_dir.join(name));
        let other = match (&pinned.document, pinned.roots.keys()) {
            (Some(document), _) => {
                files::replace(&set, &format!("{document}\n"), PUBLIC, None)?;
                key
            }
            (None, [root]) => {
                let root = root.to_pem().map_err(|e| Failure::Refused(e.to_string()))?;
                files::replace(&key, &root, PUBLIC, None)?;
                set
            }
            (None, _) => return Err(Failure::Refused("the token names no single root".into())),
        };
        match std::fs::remove_file(&other) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::Refused(format!(
                "{} cannot be removed ({e}): remove it, or this host goes on to believe it",
                other.display()
            ))),
            _ => Ok(()),
        }
    }

    fn say(&self, gateway: &Gateway, joined: &Joined) {
        let claims = joined.host.claims();
        let value = json!({
            "host_id": claims.host_id.encode(),
            "name": claims.display.as_str(),
            "fingerprint": short_fingerprint(&claims.sign).encode(),
            "root": joined.pinned.roots.fingerprint().encode(),
            "issuer": short_fingerprint(&joined.pinned.issuer.claims().sign).encode(),
            "expires": claims.exp,
            "gateway": gateway.base(),
        });
        report(self.json, &value, || {
            format!(
                "Joined {} as \"{}\".\n  host id      {}\n  host key     {}\n  root         {}\n  issuing key  {}\n  valid until  {}\nCompare the host key with `assentctl host list` on the gateway. Next: set [gateway] url = \"{}\"\nin /etc/assent/agentd.toml and start assent-agentd.",
                gateway.base(),
                visible(claims.display.as_str()),
                claims.host_id,
                short_fingerprint(&claims.sign),
                joined.pinned.roots.fingerprint(),
                short_fingerprint(&joined.pinned.issuer.claims().sign),
                moment(claims.exp),
                gateway.base()
            )
        });
    }
}

fn own_name() -> Done<String> {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty())
        .ok_or_else(|| Failure::Input("this machine's name cannot be read; give one with --name".into()))
}
