//! A registration on disk: one directory of mode 0700, the key in it of mode 0600.

use crate::failure::{Done, Failure};
use crate::files::{self, SECRET};
use assent_proto::cert::{Device, Issuer, Trust};
use assent_proto::keys::{KeyPair, VerifyingKey};
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A registration as it was verified.
pub struct Registration {
    /// The device's keys.
    pub keys: KeyPair,
    /// Its certificate.
    pub device: Device,
    /// The pinned root.
    pub root: VerifyingKey,
    /// The issuer that certified it.
    pub issuer: Issuer,
    /// The gateway's address.
    pub gateway: String,
    /// Authorities that TLS to the gateway needs beside the system's, if any.
    pub ca_file: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    gateway: String,
}

/// The file that completes a registration.
const DEVICE: &str = "device.jws";

/// Whether a registration is there.
pub fn present(dir: &Path) -> bool {
    files::exists(&dir.join(DEVICE)) || files::exists(&dir.join("device.key"))
}

/// Makes the directory, before anything is asked of anybody.
pub fn prepare(dir: &Path) -> Done {
    if present(dir) {
        return Err(Failure::Refused(format!(
            "{} holds a registration already; name another directory with --dir, or move it away. The link is unused",
            dir.display()
        )));
    }
    files::directory(dir, 0o700, None)?;
    private(dir)
}

fn private(dir: &Path) -> Done {
    let meta = dir
        .metadata()
        .map_err(|e| Failure::Input(format!("{} cannot be read: {e}", dir.display())))?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Failure::Refused(format!(
            "{} has mode {mode:04o}, so others may look into it: chmod 700 {}",
            dir.display(),
            dir.display()
        )));
    }
    Ok(())
}

impl Registration {
    /// Writes it. The certificate comes last: with it, the registration is complete.
    pub fn save(&self, dir: &Path) -> Done {
        let failed = |e: &dyn std::fmt::Display| Failure::Refused(format!("the registration cannot be written: {e}"));
        let put = |name: &str, text: &str| files::create(&dir.join(name), text, SECRET, None);
        let settings = toml::to_string(&Settings {
            gateway: self.gateway.clone(),
        });
        put("authenticator.toml", &settings.map_err(|e| failed(&e))?)?;
        put("root.pub", &self.root.to_pem().map_err(|e| failed(&e))?)?;
        put("issuer.jws", &format!("{}\n", self.issuer.document()))?;
        if let Some(ca_file) = &self.ca_file {
            put("ca.pem", &files::read_public(ca_file)?)?;
        }
        put("device.key", &self.keys.to_file().map_err(|e| failed(&e))?)?;
        put(DEVICE, &format!("{}\n", self.device.document()))
    }

    /// Reads it, and verifies its own certificate as of `now`.
    pub fn load(dir: &Path, now: UnixTime) -> Done<Self> {
        if !files::exists(&dir.join(DEVICE)) {
            return Err(Failure::Input(format!(
                "nothing is registered in {}; get a link and run `assentctl authenticator enroll LINK`",
                dir.display()
            )));
        }
        private(dir)?;
        let bad = |name: &str, e: &dyn std::fmt::Display| Failure::Input(format!("{}: {e}", dir.join(name).display()));
        let keys =
            KeyPair::from_file(&files::read_secret(&dir.join("device.key"))?).map_err(|e| bad("device.key", &e))?;
        let settings: Settings = toml::from_str(&files::read_public(&dir.join("authenticator.toml"))?)
            .map_err(|e| bad("authenticator.toml", &e))?;
        let root =
            VerifyingKey::from_pem(&files::read_public(&dir.join("root.pub"))?).map_err(|e| bad("root.pub", &e))?;
        let issuer = Trust::new(vec![root.clone()])
            .verify_issuer(files::read_public(&dir.join("issuer.jws"))?.trim(), now)
            .map_err(|e| bad("issuer.jws", &e))?;
        let device = issuer
            .verify_device(files::read_public(&dir.join(DEVICE))?.trim(), now)
            .map_err(|e| {
                Failure::Refused(format!(
                    "{}: {e}; if it has expired, enrol again",
                    dir.join(DEVICE).display()
                ))
            })?;
        if device.claims().sign != keys.sign.public() || device.claims().kem != keys.kem.public() {
            return Err(bad(DEVICE, &"it is the certificate of other keys than device.key"));
        }
        let ca_file = Some(dir.join("ca.pem")).filter(|file| files::exists(file));
        Ok(Self {
            keys,
            device,
            root,
            issuer,
            gateway: settings.gateway,
            ca_file,
        })
    }
}
