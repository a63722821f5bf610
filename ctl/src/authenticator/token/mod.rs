//! The signing key in a token (TPM, smart card, HSM) behind PKCS#11: made there, used there, deleted there. It never leaves
//! it. The user's PIN opens the token once for each run; nothing keeps it, and nothing tries one by itself.

mod choice;
mod module;

use super::pin::no_pin;
use crate::failure::{Done, Failure, no_randomness};
use crate::terminal;
use assent_proto::keys::VerifyingKey;
use assent_proto::signer::{SignError, Signature, Signer, Unsigned};
use assent_proto::text::visible;
use assent_proto::{Id, ShortText};
use choice::Name;
use clap::Args;
use cryptoki::types::AuthPin;
use module::Worker;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Bytes of a key's label: tokens have little room.
const MAX_LABEL: usize = 64;

/// Where a new signing key is to lie, if not in a file.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// Make the signing key in a token (TPM, smart card, HSM), by its PKCS#11 module; asks for the token's user PIN
    #[arg(long, value_name = "MODULE")]
    pkcs11: Option<PathBuf>,
    /// Which token, by label or serial number, if the module knows several
    #[arg(long, value_name = "LABEL", requires = "pkcs11")]
    token: Option<String>,
}

/// Where a key lies, as a registration remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The PKCS#11 module.
    pub module: PathBuf,
    /// The token.
    #[serde(flatten)]
    name: Name,
    /// The key's id (`CKA_ID`).
    pub key: KeyName,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.name)
    }
}

impl Place {
    /// The token's label.
    pub fn label(&self) -> &str {
        &self.name.label
    }

    /// The token's serial number.
    pub fn serial(&self) -> &str {
        &self.name.serial
    }
}

/// A key's id on its token, in hexadecimal digits, as other tools show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyName(u128);

impl KeyName {
    fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for KeyName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u128::from_str_radix(&text, 16) {
            Ok(name) if digits => Ok(Self(name)),
            _ => Err("a key's id has 32 hexadecimal digits"),
        }
    }
}

/// A token that has let its user in, and holds no key of this device yet.
pub struct OpenToken {
    module: PathBuf,
    name: Name,
    worker: Worker,
}

impl OpenToken {
    /// Opens the one that was asked for, if one was. Asks for the PIN. Blocks.
    pub fn open(args: &TokenArgs) -> Done<Option<Self>> {
        let Some(module) = &args.pkcs11 else {
            return Ok(None);
        };
        let module = std::path::absolute(module).map_err(|e| Failure::Input(format!("{}: {e}", module.display())))?;
        let worker = Worker::start(&module)?;
        let wanted = args.token.clone();
        let name = worker.ask(move |module| module.choose(wanted.as_deref()))?;
        log_in(&worker, &name)?;
        Ok(Some(Self { module, name, worker }))
    }

    /// Makes a key in it. Blocks.
    pub fn make_key(self, label: &str) -> Done<TokenKey> {
        let Self { module, name, worker } = self;
        let id = Id::random().map_err(no_randomness)?;
        let place = Place {
            module,
            name,
            key: KeyName(u128::from_be_bytes(id.0)),
        };
        let name = place.name.clone();
        let label = ShortText::cut_to(format!("assent {label}"), MAX_LABEL);
        match worker.ask(move |module| module.generate(&name, &id.0, label.as_str())) {
            Ok(public) => Ok(TokenKey {
                place,
                public,
                worker: OnceLock::from(worker),
            }),
            Err(failure) => Err(match delete(&worker, &place) {
                Ok(()) => failure,
                Err(left) => Failure::Refused(format!("{failure}\n{left}")),
            }),
        }
    }
}

/// A signing key in a token.
pub struct TokenKey {
    place: Place,
    public: VerifyingKey,
    /// Set once the token is open.
    worker: OnceLock<Worker>,
}

impl TokenKey {
    /// The key at `place` whose public half is `public`, not opened yet.
    pub fn closed(place: Place, public: VerifyingKey) -> Self {
        Self {
            place,
            public,
            worker: OnceLock::new(),
        }
    }

    /// Where it lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Opens the token and finds the key in it. Asks for the PIN. Blocks.
    pub fn open(&self) -> Done {
        let worker = Worker::start(&self.place.module)?;
        log_in(&worker, &self.place.name)?;
        let (name, id) = self.named();
        let public = worker.ask(move |module| module.public(&name, &id))?;
        if public != self.public {
            return Err(Failure::Refused(format!(
                "the key in the {} is another one than this device's certificate is for",
                self.place
            )));
        }
        // Opened twice, the first holds.
        let _ = self.worker.set(worker);
        Ok(())
    }

    /// Deletes it in the token. Blocks.
    pub fn delete(&self) -> Done {
        delete(self.opened()?, &self.place)
    }

    fn opened(&self) -> Done<&Worker> {
        self.worker
            .get()
            .ok_or_else(|| Failure::Refused(format!("the {} was not opened", self.place)))
    }

    fn named(&self) -> (Name, [u8; 16]) {
        (self.place.name.clone(), self.place.key.bytes())
    }
}

impl Signer for TokenKey {
    fn public(&self) -> VerifyingKey {
        self.public.clone()
    }

    fn sign(&self, document: Unsigned<'_>) -> Result<Signature, SignError> {
        let ((name, id), digest) = (self.named(), document.digest());
        let signature = self
            .opened()
            .and_then(|worker| worker.ask(move |module| module.sign(&name, &id, &digest.0)))
            .map_err(|failure| SignError(failure.to_string()))?;
        document.signed(&self.public, &signature).ok_or_else(|| {
            SignError(format!(
                "the {} made a signature that does not verify with its own key; it may be broken",
                self.place
            ))
        })
    }
}

fn delete(worker: &Worker, place: &Place) -> Done {
    let (name, id) = (place.name.clone(), place.key.bytes());
    worker.ask(move |module| module.delete(&name, &id)).map_err(|failure| {
        Failure::Refused(format!(
            "The key {} may still be in the {place}: {failure}. Delete it by hand: pkcs11-tool --module {} --token-label '{}' --login --delete-object --type privkey --id {}",
            place.key,
            place.module.display(),
            place.name.label,
            place.key
        ))
    })
}

/// Asks for the PIN, where the token wants one, and logs in with it: one try.
fn log_in(worker: &Worker, name: &Name) -> Done {
    let asked = name.clone();
    let standing = worker.ask(move |module| module.standing(&asked))?;
    if let Some(why) = standing.refusal() {
        return Err(Failure::Refused(format!("the token {name}: {why}")));
    }
    if !standing.asks {
        return worker.log_in(name, standing, None);
    }
    if let Some(warning) = standing.warning() {
        eprintln!("{warning}");
    }
    if standing.at_reader {
        eprintln!("Type the PIN of the token \"{}\" at its reader.", visible(&name.label));
        return worker.log_in(name, standing, None);
    }
    let label = visible(&name.label);
    let pin = terminal::secret(&format!("PIN of the token \"{label}\": "))?;
    if let Some(why) = no_pin(&pin) {
        return Err(Failure::Input(why.into()));
    }
    // Copies it once, into memory that is wiped, too.
    worker.log_in(name, standing, Some(AuthPin::from(pin.as_str())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_and_read_again() {
        let place = Place {
            module: "/usr/lib/softhsm/libsofthsm2.so".into(),
            name: Name {
                label: "alice's \"token\"".into(),
                serial: "0011".into(),
            },
            key: KeyName(0xab),
        };
        let text = toml::to_string(&place).unwrap();
        assert!(text.contains("key = \"000000000000000000000000000000ab\""), "{text}");
        assert_eq!(toml::from_str::<Place>(&text).unwrap(), place);
        for id in [
            "ab",
            "+00000000000000000000000000000ab",
            "g00000000000000000000000000000ab",
        ] {
            let broken = text.replace("000000000000000000000000000000ab", id);
            assert!(toml::from_str::<Place>(&broken).is_err(), "{id}");
        }
    }
}
