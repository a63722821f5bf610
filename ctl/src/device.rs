//! `assentctl device`: on the gateway, the devices that may approve.

use crate::admin_client::Socket;
use crate::failure::{Done, Failure};
use crate::host::is_empty;
use crate::report::{readable, report};
use assent_proto::Id;
use clap::{Args, Subcommand};
use serde_json::json;

/// Devices: what people approve with.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// List the devices
    List(List),
    /// Revoke a device: its answers count nowhere any more
    Revoke(Revoke),
}

/// `device list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// `device revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The device, by its id
    // An id is base64url and may begin with a dash.
    #[arg(allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    socket: Socket,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Device {
    /// Runs it.
    pub async fn run(&self) -> Done {
        match self {
            Self::List(args) => {
                let value = args.socket.open()?.get("/devices").await?;
                report(args.json, &value, || {
                    if is_empty(&value) {
                        "no device is enrolled yet".into()
                    } else {
                        readable(&value)
                    }
                });
                Ok(())
            }
            Self::Revoke(args) => revoke(args).await,
        }
    }
}

async fn revoke(args: &Revoke) -> Done {
    let id = Id::decode(&args.id).ok_or_else(|| {
        Failure::Input("this is no device id; `assentctl device list` shows them (22 characters)".into())
    })?;
    args.socket
        .open()?
        .post("/devices/revoke", &json!({"device_id": id}))
        .await?;
    report(args.json, &json!({"revoked": id}), || {
        format!(
            "Device {id} is revoked. Hosts hear of it within seconds. For hosts that cannot reach the gateway now, put this line \
             into a file in /etc/assent/revoked.d there:\n{id}  # device"
        )
    });
    Ok(())
}
