//! A PKCS#11 module, and the thread that alone calls it: its calls block, and a session belongs to one thread at a time.

use super::choice::{self, Name, Standing};
use crate::failure::{Done, Failure};
use assent_proto::keys::VerifyingKey;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// A smart card makes a key within some seconds, a slow one within twenty.
const CALL: Duration = Duration::from_secs(30);
/// The same with a person at the reader's keys.
const AT_READER: Duration = Duration::from_secs(90);
/// For closing sessions at the end: a TPM without a resource manager would keep them.
const CLOSING: Duration = Duration::from_secs(2);

/// The curve P-256 as PKCS#11 wants it: its object identifier (1.2.840.10045.3.1.7) in DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

type Job = Box<dyn FnOnce(&mut Module) + Send>;

/// The thread. Ends when this is dropped.
pub struct Worker {
    jobs: Option<Sender<Job>>,
    ended: Mutex<Receiver<()>>,
}

impl Worker {
    /// Loads the module in a thread of its own.
    pub fn start(path: &Path) -> Done<Self> {
        if !path.is_file() {
            return Err(Failure::Input(format!(
                "{} is no file; give the path of the token's PKCS#11 module",
                path.display()
            )));
        }
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ends, ended) = mpsc::channel();
        let (begins, begun) = mpsc::sync_channel(1);
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("token".into()).spawn(move || {
            // Lives as long as the thread: its end tells that the thread has ended.
            let _ends: Sender<()> = ends;
            let mut module = match Module::load(path) {
                Ok(module) => module,
                Err(failure) => {
                    let _ = begins.send(Err(failure));
                    return;
                }
            };
            let _ = begins.send(Ok(()));
            for job in inbox {
                job(&mut module);
            }
            module.close();
        });
        thread.map_err(|e| Failure::Refused(format!("no thread could be started: {e}")))?;
        answer_of(&begun, CALL)?;
        Ok(Self {
            jobs: Some(jobs),
            ended: Mutex::new(ended),
        })
    }

    /// Has `job` done there. It is done also where nobody waits for it any more.
    pub fn ask<T: Send + 'static>(&self, job: impl FnOnce(&mut Module) -> Done<T> + Send + 'static) -> Done<T> {
        self.ask_within(CALL, job)
    }

    fn ask_within<T: Send + 'static>(
        &self,
        within: Duration,
        job: impl FnOnce(&mut Module) -> Done<T> + Send + 'static,
    ) -> Done<T> {
        let (reply, answer) = mpsc::sync_channel(1);
        if let Some(jobs) = &self.jobs {
            // A thread that has ended drops the job, and the reply with it.
            let _ = jobs.send(Box::new(move |module| {
                let _ = reply.send(job(module));
            }));
        }
        answer_of(&answer, within)
    }

    /// Logs the user in: once, with what was typed.
    pub fn log_in(&self, token: &Name, standing: Standing, pin: Option<AuthPin>) -> Done {
        let token = token.clone();
        let within = if standing.at_reader { AT_READER } else { CALL };
        self.ask_within(within, move |module| module.log_in(&token, standing, pin.as_ref()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Ok(ended) = self.ended.get_mut() {
            let _ = ended.recv_timeout(CLOSING);
        }
    }
}

fn answer_of<T>(answer: &Receiver<Done<T>>, within: Duration) -> Done<T> {
    answer.recv_timeout(within).unwrap_or_else(|e| {
        Err(Failure::Unreachable(match e {
            RecvTimeoutError::Timeout => {
                format!(
                    "the token has not answered for {} s; look after it, and start again",
                    within.as_secs()
                )
            }
            RecvTimeoutError::Disconnected => "the PKCS#11 module has ended by itself; start again".into(),
        }))
    })
}

/// The module, inside its thread.
pub struct Module {
    path: PathBuf,
    context: Pkcs11,
    session: Option<Session>,
}

impl Module {
    fn load(path: PathBuf) -> Done<Self> {
        let bad = |e: Error| {
            Failure::Refused(format!(
                "{} cannot be used as a PKCS#11 module: {}",
                path.display(),
                said(&e)
            ))
        };
        let context = Pkcs11::new(&path).map_err(bad)?;
        context
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(bad)?;
        Ok(Self {
            path,
            context,
            session: None,
        })
    }

    fn close(self) {
        drop(self.session);
        // The process goes on without it, whatever it says.
        let _ = self.context.finalize();
    }

    /// The token that is wanted.
    pub fn choose(&self, wanted: Option<&str>) -> Done<Name> {
        let mut tokens: Vec<Name> = self.tokens()?.into_iter().map(|(_, info)| name_of(&info)).collect();
        let at = choice::choose(&tokens, wanted)
            .map_err(|why| Failure::Input(format!("the module {}: {why}", self.path.display())))?;
        Ok(tokens.swap_remove(at))
    }

    /// What this token says about its PIN.
    pub fn standing(&self, token: &Name) -> Done<Standing> {
        Ok(standing_of(&self.find(token)?.1))
    }

    fn tokens(&self) -> Done<Vec<(Slot, TokenInfo)>> {
        let slots = self.context.get_slots_with_initialized_token();
        let mut tokens = Vec::new();
        for slot in slots.map_err(|e| failed("its tokens cannot be listed", &e))? {
            match self.context.get_token_info(slot) {
                Ok(info) => tokens.push((slot, info)),
                // Pulled out between the two calls.
                Err(Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved, _)) => {}
                Err(e) => return Err(failed("a token cannot be looked at", &e)),
            }
        }
        Ok(tokens)
    }

    fn find(&self, token: &Name) -> Done<(Slot, TokenInfo)> {
        let found = self.tokens()?.into_iter().find(|(_, info)| name_of(info) == *token);
        found.ok_or_else(|| Failure::Unreachable(format!("the token {token} is not there; plug it in")))
    }

    fn log_in(&mut self, token: &Name, standing: Standing, pin: Option<&AuthPin>) -> Done {
        let (slot, _) = self.find(token)?;
        let session = self
            .context
            .open_ro_session(slot)
            .map_err(|e| failed("no session could be opened", &e))?;
        if standing.asks {
            match session.login(UserType::User, pin) {
                Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                    let left = self.standing(token).map_or("", Standing::after_wrong);
                    return Err(Failure::Refused(format!("the token {token} refuses the PIN: {left}")));
                }
                Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                    return Err(Failure::Refused(format!(
                        "the token {token} refuses the PIN: it is locked; its maker's tool unlocks it"
                    )));
                }
                Err(e) => return Err(failed(&format!("the token {token} does not let the user in"), &e)),
            }
        }
        self.session = Some(session);
        Ok(())
    }

    /// A session that can sign: the one that there is, or a new one, if that needs no PIN.
    fn session(&mut self, token: &Name) -> Done<&Session> {
        let (slot, info) = self.find(token)?;
        let logged_in = |session: &Session| {
            let state = session.get_session_info().map(|info| info.session_state());
            matches!(state, Ok(SessionState::RoUser | SessionState::RwUser)) || state.is_ok() && !info.login_required()
        };
        let session = match self.session.take().filter(logged_in) {
            Some(session) => session,
            None if info.login_required() => {
                return Err(Failure::Refused(format!(
                    "the token {token} has forgotten who logged in, as it does when it is pulled out; start again and type its PIN"
                )));
            }
            None => self
                .context
                .open_ro_session(slot)
                .map_err(|e| failed("no session could be opened", &e))?,
        };
        Ok(self.session.insert(session))
    }

    /// Makes a key that never leaves the token, and looks whether the token says so, too.
    pub fn generate(&mut self, token: &Name, id: &[u8], label: &str) -> Done<VerifyingKey> {
        let named = || [Attribute::Id(id.to_vec()), Attribute::Label(label.as_bytes().to_vec())];
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(P256.to_vec()),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            // Some would take these for granted. Nothing is said of CKA_DECRYPT: no mechanism decrypts with such a key, and
            // tpm2-pkcs11 hears a no to signing in it.
            Attribute::SignRecover(false),
            Attribute::Derive(false),
            Attribute::Unwrap(false),
        ];
        let session = self.changing(token)?;
        let (public, private) = session
            .generate_key_pair(
                &Mechanism::EccKeyPairGen,
                &[&public[..], &named()].concat(),
                &[&private[..], &named()].concat(),
            )
            .map_err(|e| failed(&format!("the token {token} makes no P-256 key"), &e))?;
        let says = session
            .get_attributes(private, &OF_A_KEPT_KEY.map(|(what, _)| what))
            .map_err(|e| failed("the new key cannot be looked at", &e))?;
        if let Some(why) = not_kept(&says) {
            return Err(Failure::Refused(format!(
                "the token {token} makes keys that do not stay in it ({why}); use another"
            )));
        }
        point_of(&session, public)
    }

    /// The public half of the key with this id.
    pub fn public(&mut self, token: &Name, id: &[u8]) -> Done<VerifyingKey> {
        let session = self.session(token)?;
        let key = the_one(session, token, id, ObjectClass::PUBLIC_KEY)?;
        point_of(session, key)
    }

    /// r‖s over a digest.
    pub fn sign(&mut self, token: &Name, id: &[u8], digest: &[u8; 32]) -> Done<Vec<u8>> {
        let session = self.session(token)?;
        let key = the_one(session, token, id, ObjectClass::PRIVATE_KEY)?;
        session.sign(&Mechanism::Ecdsa, key, digest).map_err(|e| {
            Failure::Unreachable(format!(
                "the token {token} has not signed: {}. If it was pulled out, plug it in and start again",
                said(&e)
            ))
        })
    }

    /// Deletes every key with this id. No harm where there is none.
    pub fn delete(&mut self, token: &Name, id: &[u8]) -> Done {
        let session = self.changing(token)?;
        let look = || session.find_objects(&[Attribute::Id(id.to_vec())]);
        let failed = |e: Error| failed(&format!("the token {token} has not deleted the key"), &e);
        for object in look().map_err(failed)? {
            session.destroy_object(object).map_err(failed)?;
        }
        match look().map_err(failed)?.is_empty() {
            true => Ok(()),
            false => Err(Failure::Refused(format!(
                "the token {token} says that it deleted the key, and has it still"
            ))),
        }
    }

    /// A session for changes, beside the one that is logged in, whose login it shares.
    fn changing(&mut self, token: &Name) -> Done<Session> {
        self.session(token)?;
        let (slot, _) = self.find(token)?;
        self.context
            .open_rw_session(slot)
            .map_err(|e| failed(&format!("the token {token} takes no changes"), &e))
    }
}

fn name_of(info: &TokenInfo) -> Name {
    Name {
        label: info.label().to_owned(),
        serial: info.serial_number().to_owned(),
    }
}

fn standing_of(info: &TokenInfo) -> Standing {
    Standing {
        asks: info.login_required(),
        at_reader: info.protected_authentication_path(),
        unset: !info.user_pin_initialized(),
        low: info.user_pin_count_low(),
        last: info.user_pin_final_try(),
        locked: info.user_pin_locked(),
    }
}

/// What a token must say of a private key of ours, where it says anything.
const OF_A_KEPT_KEY: [(AttributeType, bool); 9] = [
    (AttributeType::Sensitive, true),
    (AttributeType::AlwaysSensitive, true),
    (AttributeType::Extractable, false),
    (AttributeType::NeverExtractable, true),
    (AttributeType::Sign, true),
    (AttributeType::Derive, false),
    (AttributeType::Unwrap, false),
    (AttributeType::SignRecover, false),
    // It would ask for the PIN at each signature.
    (AttributeType::AlwaysAuthenticate, false),
];

/// What is wrong with a key, by the token's own word. Silence about the first and the third is wrong, too.
fn not_kept(says: &[Attribute]) -> Option<String> {
    OF_A_KEPT_KEY.iter().find_map(|(what, wanted)| {
        let said = says.iter().find(|said| said.attribute_type() == *what).map(truth);
        let must = matches!(what, AttributeType::Sensitive | AttributeType::Extractable);
        match said {
            Some(Some(said)) if said == *wanted => None,
            None if !must => None,
            _ => Some(format!("{what} is not {wanted}")),
        }
    })
}

fn truth(attribute: &Attribute) -> Option<bool> {
    match attribute {
        Attribute::Sensitive(yes)
        | Attribute::AlwaysSensitive(yes)
        | Attribute::Extractable(yes)
        | Attribute::NeverExtractable(yes)
        | Attribute::Sign(yes)
        | Attribute::Derive(yes)
        | Attribute::Unwrap(yes)
        | Attribute::SignRecover(yes)
        | Attribute::AlwaysAuthenticate(yes) => Some(*yes),
        _ => None,
    }
}

fn the_one(session: &Session, token: &Name, id: &[u8], class: ObjectClass) -> Done<ObjectHandle> {
    let found = session
        .find_objects(&[Attribute::Class(class), Attribute::Id(id.to_vec())])
        .map_err(|e| failed(&format!("the token {token} cannot be searched"), &e))?;
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failure::Refused(format!(
            "the token {token} does not hold this device's key (any more)"
        ))),
        _ => Err(Failure::Refused(format!(
            "the token {token} holds several keys of this device's id"
        ))),
    }
}

fn point_of(session: &Session, key: ObjectHandle) -> Done<VerifyingKey> {
    let bad = || Failure::Refused("the token's public key is none of P-256".into());
    let attributes = session
        .get_attributes(key, &[AttributeType::EcPoint])
        .map_err(|e| failed("the token's public key cannot be read", &e))?;
    let point = attributes.into_iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => Some(point),
        _ => None,
    });
    VerifyingKey::from_point(bare(&point.ok_or_else(bad)?)).map_err(|_| bad())
}

/// The 65 bytes of the point: PKCS#11 has them in a DER octet string, some modules without.
fn bare(point: &[u8]) -> &[u8] {
    match point.strip_prefix(&[0x04, 0x41]) {
        Some(inner) if inner.len() == 65 => inner,
        _ => point,
    }
}

fn failed(what: &str, e: &Error) -> Failure {
    Failure::Refused(format!("{what}: {}", said(e)))
}

/// A module's error in short: the crate's own texts quote whole paragraphs of the standard.
fn said(e: &Error) -> String {
    match e {
        Error::Pkcs11(rv, function) => format!("C_{function:?} says {rv:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use assent_proto::keys::SigningKey;

    #[test]
    fn a_point_is_read_with_and_without_its_der_frame() {
        let public = SigningKey::generate().unwrap().public();
        // The form in documents: base64url of the point.
        let text = serde_json::to_value(&public).unwrap();
        let point: assent_proto::Bytes = serde_json::from_value(text).unwrap();
        let framed = [&[0x04, 0x41], &point.0[..]].concat();
        for form in [&point.0[..], &framed] {
            assert_eq!(VerifyingKey::from_point(bare(form)), Ok(public.clone()));
        }
        // A bare point whose x begins like the frame.
        let mut like = vec![0x04, 0x41];
        like.resize(65, 7);
        assert_eq!(bare(&like), &like[..]);
    }

    #[test]
    fn a_key_that_may_leave_the_token_is_refused() {
        let good = [
            Attribute::Sensitive(true),
            Attribute::AlwaysSensitive(true),
            Attribute::Extractable(false),
            Attribute::NeverExtractable(true),
            Attribute::Sign(true),
            Attribute::Derive(false),
        ];
        assert_eq!(not_kept(&good), None);
        for bad in [
            Attribute::Sensitive(false),
            Attribute::AlwaysSensitive(false),
            Attribute::Extractable(true),
            Attribute::NeverExtractable(false),
            Attribute::Sign(false),
            Attribute::Derive(true),
            Attribute::Unwrap(true),
            Attribute::SignRecover(true),
            Attribute::AlwaysAuthenticate(true),
        ] {
            let mut says: Vec<Attribute> = good
                .iter()
                .filter(|one| one.attribute_type() != bad.attribute_type())
                .cloned()
                .collect();
            says.push(bad);
            assert!(not_kept(&says).is_some(), "{says:?}");
        }
        // Silence about what the promise rests on.
        for silent in [AttributeType::Sensitive, AttributeType::Extractable] {
            let says: Vec<Attribute> = good
                .iter()
                .filter(|one| one.attribute_type() != silent)
                .cloned()
                .collect();
            assert!(not_kept(&says).is_some(), "{says:?}");
        }
        assert!(not_kept(&[]).is_some());
    }
}
