//! A registration on disk: one directory of mode 0700, the key in it of mode 0600.

use super::key::DeviceKey;
use super::remark::tell;
use super::token::{Place, TokenKey};
use crate::failure::{Done, Failure};
use crate::files::{self, SECRET};
use crate::gateway_client::Pinned;
use assent_proto::cert::{Device, Issuer, Issuers, MAX_ISSUERS, Trust};
use assent_proto::keys::{KeyError, KeyPair, VerifyingKey, read_key_file, write_key_file};
use assent_proto::life::RENEWAL_GRACE;
use assent_proto::relay::TrustInfo;
use assent_proto::roots::{Lineage, RootSet};
use assent_proto::signer::Signer as _;
use assent_proto::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A registration as it was verified.
pub struct Registration {
    /// The device's keys.
    pub keys: KeyPair<DeviceKey>,
    /// Its certificate.
    pub device: Device,
    /// What the link pinned.
    pub anchor: Anchor,
    /// The pinned roots, and those that followed on them.
    pub roots: Lineage,
    /// Every issuer that they vouch for.
    pub issuers: Issuers,
    /// The gateway's address.
    pub gateway: String,
    /// Authorities that TLS to the gateway needs beside the system's, if any.
    pub ca_file: Option<PathBuf>,
}

/// What came of the relay's word on what there is to believe.
pub struct Learned {
    /// Whether the roots are others now.
    pub moved: bool,
    /// What the person should know of roots that were refused.
    pub refused: Option<String>,
}

impl Learned {
    /// Says it while nothing is asked.
    pub fn tell(&self) {
        if let Some(text) = &self.refused {
            tell(text);
        }
    }
}

/// What is pinned, as it is kept.
pub enum Anchor {
    /// A single key, in `root.pub`.
    Key(VerifyingKey),
    /// A set of roots, in `root.jws`.
    Set(String),
}

impl Anchor {
    /// What a link pinned.
    pub fn of(pinned: &Pinned) -> Self {
        match (&pinned.document, pinned.roots.keys()) {
            (None, [key]) => Self::Key(key.clone()),
            (document, _) => Self::Set(document.clone().unwrap_or_default()),
        }
    }

    fn read(dir: &Path) -> Done<(Self, RootSet)> {
        let bad = |name: &str, e: &dyn std::fmt::Display| Failure::Input(format!("{}: {e}", dir.join(name).display()));
        if files::exists(&dir.join(ROOT_SET)) {
            let document = files::read_public(&dir.join(ROOT_SET))?.trim().to_owned();
            let set = RootSet::of_document(&document).map_err(|e| bad(ROOT_SET, &e))?;
            return Ok((Self::Set(document), set));
        }
        let key = VerifyingKey::from_pem(&files::read_public(&dir.join(ROOT_KEY))?).map_err(|e| bad(ROOT_KEY, &e))?;
        Ok((Self::Key(key.clone()), RootSet::of_key(key)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    gateway: String,
    /// Where the signing key lies, if not in `device.key`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    token: Option<Place>,
}

const SETTINGS: &str = "authenticator.toml";
const ROOT_KEY: &str = "root.pub";
const ROOT_SET: &str = "root.jws";
const ISSUERS: &str = "issuer.jws";
const CA: &str = "ca.pem";
const KEYS: &str = "device.key";
/// The file that completes a registration.
const DEVICE: &str = "device.jws";
/// The steps from the pinned roots, one a line.
const ROOTS: &str = "roots.jws";

/// What a registration may consist of. A part of an older one would be in the way of the next, or be believed with it.
const PARTS: [&str; 8] = [SETTINGS, ROOT_KEY, ROOT_SET, ROOTS, ISSUERS, CA, KEYS, DEVICE];

/// Makes the directory, before anything is asked of anybody.
pub fn prepare(dir: &Path) -> Done {
    let there = |name: &&str| files::exists(&dir.join(name));
    let what = match PARTS.iter().find(|name| there(name)) {
        None => None,
        Some(_) if there(&DEVICE) => Some("a registration".to_owned()),
        Some(part) => Some(format!("a part of a registration ({part})")),
    };
    if let Some(what) = what {
        return Err(Failure::Refused(format!(
            "{} holds {what} already; name another directory with --dir, or move it away. The link is unused",
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
    /// Writes it, or nothing. The certificate comes last: with it, the registration is complete.
    pub fn save(&self, dir: &Path) -> Done {
        let failed = |e: &dyn std::fmt::Display| Failure::Refused(format!("the registration cannot be written: {e}"));
        let settings = toml::to_string(&Settings {
            gateway: self.gateway.clone(),
            token: self.keys.sign.place().cloned(),
        });
        let (anchor, pinned) = match &self.anchor {
            Anchor::Key(key) => (ROOT_KEY, key.to_pem().map_err(|e| failed(&e))?),
            Anchor::Set(document) => (ROOT_SET, format!("{document}\n")),
        };
        let mut parts = vec![
            (SETTINGS, settings.map_err(|e| failed(&e))?.into()),
            (anchor, pinned.into()),
            (ISSUERS, lines(self.issuers.documents()).into()),
        ];
        if let Some(ca_file) = &self.ca_file {
            parts.push((CA, files::read_public(ca_file)?.into()));
        }
        parts.push((KEYS, self.key_file().map_err(|e| failed(&e))?));
        parts.push((DEVICE, format!("{}\n", self.device.document()).into()));
        files::create_all(dir, &parts, SECRET)
    }

    /// Reads it, and verifies its own certificate as of `now`; one that ended a while ago can still be renewed.
    pub fn load(dir: &Path, now: UnixTime) -> Done<Self> {
        if !files::exists(&dir.join(DEVICE)) {
            return Err(Failure::Input(format!(
                "nothing is registered in {}; get a link and run `assentctl authenticator enroll LINK`",
                dir.display()
            )));
        }
        private(dir)?;
        let bad = |name: &str, e: &dyn std::fmt::Display| Failure::Input(format!("{}: {e}", dir.join(name).display()));
        let (sign, kem) = read_key_file(&files::read_secret(&dir.join(KEYS))?).map_err(|e| bad(KEYS, &e))?;
        let settings: Settings =
            toml::from_str(&files::read_public(&dir.join(SETTINGS))?).map_err(|e| bad(SETTINGS, &e))?;
        let (anchor, pinned) = Anchor::read(dir)?;
        let steps = match files::exists(&dir.join(ROOTS)) {
            true => files::read_public(&dir.join(ROOTS))?,
            false => String::new(),
        };
        let steps: Vec<String> = steps.lines().map(ToOwned::to_owned).collect();
        let roots = Lineage::replay(pinned, &steps).map_err(|e| {
            bad(
                ROOTS,
                &format!(
                    "{e}. It holds which roots this device has followed to; restore it from a backup, or enrol again"
                ),
            )
        })?;
        // Its own certificate may be of a root that is no more; others judge that, and it is renewed.
        let ever = Trust::of(roots.sets().iter().rev().cloned().collect());
        let issuers = files::read_public(&dir.join(ISSUERS))?;
        let certificate = files::read_public(&dir.join(DEVICE))?;
        let device = Issuers::under(&ever, issuers.lines())
            .verify_device_renewable(certificate.trim(), now, RENEWAL_GRACE)
            .map_err(|e| {
                Failure::Refused(format!(
                    "{}: {e}; if it has expired, enrol again",
                    dir.join(DEVICE).display()
                ))
            })?;
        let issuers = Issuers::under(&trust_of(&roots), issuers.lines());
        let sign = match (sign, settings.token) {
            (Some(key), None) => DeviceKey::File(Arc::new(key)),
            // Whether the token holds it shows when it is opened.
            (None, Some(place)) => DeviceKey::Token(Arc::new(TokenKey::closed(place, device.claims().sign.clone()))),
            (None, None) => {
                return Err(bad(
                    KEYS,
                    &"it holds no signing key, and authenticator.toml names no token",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(bad(
                    KEYS,
                    &"it holds a signing key, and authenticator.toml names a token",
                ));
            }
        };
        let keys = KeyPair { sign, kem };
        if device.claims().sign != keys.sign.public() || device.claims().kem != keys.kem.public() {
            return Err(bad(DEVICE, &"it is the certificate of other keys than device.key"));
        }
        let ca_file = Some(dir.join(CA)).filter(|file| files::exists(file));
        Ok(Self {
            keys,
            device,
            anchor,
            roots,
            issuers,
            gateway: settings.gateway,
            ca_file,
        })
    }

    fn key_file(&self) -> Result<Zeroizing<String>, KeyError> {
        let sign = match &self.keys.sign {
            DeviceKey::File(key) => Some(key.as_ref()),
            DeviceKey::Token(_) => None,
        };
        write_key_file(sign, &self.keys.kem)
    }

    /// Reads it, and makes its key ready to sign: where that lies in a token, the token's PIN is asked for.
    pub async fn open(dir: &Path, now: UnixTime) -> Done<Self> {
        let registration = Self::load(dir, now)?;
        registration.keys.sign.open().await?;
        Ok(registration)
    }

    /// Reads it anew, for the key that is open already: another `assentctl authenticator` may have renewed it.
    pub fn again(dir: &Path, now: UnixTime, key: &DeviceKey) -> Done<Self> {
        let mut registration = Self::load(dir, now)?;
        if registration.keys.sign.public() != key.public() {
            return Err(Failure::Refused(format!(
                "{} holds another device now; start again",
                dir.display()
            )));
        }
        registration.keys.sign = key.clone();
        Ok(registration)
    }

    /// The roots that count now, with every issuer that is known under them.
    pub fn trust(&self) -> Trust {
        let known: Vec<&str> = self.issuers.documents().collect();
        trust_of(&self.roots).knowing(&known)
    }

    /// The pinned roots and all that followed on them: for what was believed once and is kept.
    pub fn ever(&self) -> Trust {
        Trust::of(self.roots.sets().iter().rev().cloned().collect())
    }

    /// The newest issuing key that lives: calls are sealed to it.
    pub fn issuer(&self) -> Done<&Issuer> {
        self.issuers.newest(UnixTime::now()).ok_or_else(|| {
            Failure::Refused(
                "no issuing key of the registrar that is known here lives; its administrator makes the next one (assentctl registrar request)"
                    .into(),
            )
        })
    }

    /// Takes what verifies of the relay's word, and keeps it: steps of the roots, and issuers under them.
    pub fn learn(&mut self, dir: &Path, info: &TrustInfo) -> Done<Learned> {
        let followed = self.roots.follow(&info.steps);
        let refused = match (followed.steps, &followed.refused) {
            (0, Some(why)) => Some(format!(
                "The gateway offers roots that do not follow on the pinned one; they are refused: {why}"
            )),
            _ => None,
        };
        let moved = followed.steps > 0;
        let ended = UnixTime(UnixTime::now().0.saturating_sub(RENEWAL_GRACE));
        let offered = Issuers::under(&self.trust(), info.issuers.iter().map(String::as_str));
        let more = self.issuers.learn(offered, ended);
        let replace = |name: &str, text: &str| files::replace(&dir.join(name), text, SECRET, None);
        if more || moved {
            // Those that are in the file stay as well: one of them has signed the certificate that is in use.
            let before = files::read_public(&dir.join(ISSUERS))?;
            let old = before
                .lines()
                .filter(|line| !self.issuers.documents().any(|known| known == *line));
            replace(
                ISSUERS,
                &lines(self.issuers.documents().chain(old).take(2 * MAX_ISSUERS)),
            )?;
        }
        if moved {
            replace(ROOTS, &lines(self.roots.steps().iter().map(String::as_str)))?;
        }
        Ok(Learned { moved, refused })
    }

    /// Takes the next certificate, if it is one, and keeps it. `false`: it is the one that is there.
    pub fn renewed(&mut self, dir: &Path, document: &str) -> Done<bool> {
        if document == self.device.document() {
            return Ok(false);
        }
        let device = self
            .issuers
            .verify_device(document, UnixTime::now())
            .map_err(|e| Failure::Refused(format!("the certificate that came is not valid: {e}")))?;
        let (old, new) = (self.device.claims(), device.claims());
        let same = new.sign == old.sign
            && new.kem == old.kem
            && new.device_id == old.device_id
            && new.identities == old.identities;
        if !same {
            return Err(Failure::Refused("the certificate that came is another device's".into()));
        }
        files::replace(&dir.join(DEVICE), &format!("{document}\n"), SECRET, None)?;
        self.device = device;
        Ok(true)
    }
}

fn trust_of(roots: &Lineage) -> Trust {
    Trust::of(vec![roots.current().clone()])
}

fn lines<'a>(documents: impl Iterator<Item = &'a str>) -> String {
    documents.flat_map(|document| [document, "\n"]).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_older_registration_is_found_before_the_link_is_used() {
        let dir = std::env::temp_dir().join(format!("assent-parts-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        prepare(&dir).unwrap();
        for part in PARTS {
            std::fs::write(dir.join(part), "").unwrap();
            let failure = prepare(&dir).unwrap_err().to_string();
            assert!(failure.contains("The link is unused"), "{failure}");
            assert_eq!(failure.contains(part), part != DEVICE, "{failure}");
            std::fs::remove_file(dir.join(part)).unwrap();
        }
        // A list of its own, that neither is in the way nor believed.
        std::fs::write(dir.join("revocations.json"), "").unwrap();
        prepare(&dir).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
