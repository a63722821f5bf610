//! `assentctl device`: on the gateway, the devices that may approve.

use crate::admin_client::{Admin, SOCKET};
use crate::failure::{Done, Failure};
use crate::host::is_empty;
use crate::report::{readable, report};
use assent_proto::Id;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

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
    /// The gateway's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
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
    /// The gateway's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Device {
    /// Runs it.
    pub async fn run(&self) -> Done {
        match self {
            Self::List(args) => {
                let value = Admin::at(&args.socket)?.get("/devices").await?;
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
    Admin::at(&args.socket)?
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
