//! `assentctl host`: one-time tokens and the list on the gateway, and `join` on a new server.

mod join;

use crate::admin_client::Socket;
use crate::failure::{Done, Failure};
use crate::report::{readable, report};
use assent_proto::Id;
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

/// Hosts: the servers that ask for approvals.
#[derive(Debug, Subcommand)]
pub enum Host {
    /// On the gateway: make a one-time token with which one server joins
    Token(Token),
    /// On the gateway: list the hosts
    List(List),
    /// On the gateway: revoke a host; it can ask nobody any more
    Revoke(Revoke),
    /// On a new server, as root: join with a token
    Join(join::Join),
}

/// `host revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The host, by its id
    // An id is base64url and may begin with a dash.
    #[arg(allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `host token`.
#[derive(Debug, Args)]
pub struct Token {
    /// The name that people call the host by
    #[arg(long)]
    name: String,
    /// How long the token is good for
    #[arg(long, default_value = "15m", value_parser = crate::seconds::parse)]
    ttl: u64,
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `host list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Host {
    /// Runs it.
    pub async fn run(&self) -> Done {
        match self {
            Self::Token(args) => token(args).await,
            Self::List(args) => list(args).await,
            Self::Revoke(args) => revoke(args).await,
            Self::Join(args) => args.run().await,
        }
    }
}

async fn token(args: &Token) -> Done {
    let body = json!({"name": args.name, "ttl": args.ttl});
    let reply = args.socket.open()?.post("/host-token", &body).await?;
    let text = Zeroizing::new(reply["token"].as_str().unwrap_or_default().to_owned());
    // What is no token is not printed either.
    assent_proto::enrol::Token::from_text(&text).map_err(|_| {
        Failure::Unreachable("the gateway's answer holds no token; are its version and this one's the same?".into())
    })?;
    let value = json!({"token": *text, "name": args.name, "ttl": args.ttl});
    report(args.json, &value, || text.to_string());
    if !args.json {
        eprintln!(
            "Good for one host within {} s. On the new server, as root:\n  assentctl host join https://THIS-GATEWAY - (and paste the token)",
            args.ttl
        );
    }
    Ok(())
}

async fn list(args: &List) -> Done {
    let value = args.socket.open()?.get("/hosts").await?;
    report(args.json, &value, || {
        if is_empty(&value) {
            "no host has joined yet".into()
        } else {
            readable(&value)
        }
    });
    Ok(())
}

async fn revoke(args: &Revoke) -> Done {
    let id = Id::decode(&args.id)
        .ok_or_else(|| Failure::Input("this is no host id; `assentctl host list` shows them (22 characters)".into()))?;
    args.socket
        .open()?
        .post("/hosts/revoke", &json!({"host_id": id}))
        .await?;
    report(args.json, &json!({"revoked": id}), || format!("Host {id} is revoked."));
    Ok(())
}

/// Whether a list that the gateway sent, bare or under a name, has nothing in it.
pub fn is_empty(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}
