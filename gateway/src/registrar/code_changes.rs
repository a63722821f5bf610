//! Changes of a person's codes, at the panel or in a terminal: an app, recovery codes, their removal. Whoever has a device
//! approves each on a device, as a further device is; who has none goes by the rule for first devices. What was granted is
//! carried out soon, for whoever asked. In memory: a restart ends it, and the person starts again.

pub use super::approvals::APPROVAL_TTL;
use super::approvals::{Ask, Purpose, Wish};
pub use super::asked::Standing;
use super::asked::{Entry, GRANTED_FOR};
use super::enrolments::{may_vouch, proven_by};
use super::self_service::{FROZEN, MayEnrol, NotEnrolling, Proof};
use super::{News, Registrar};
use crate::clock;
use crate::store::StoreError;
use assent_proto::cert::DeviceOwner;
use assent_proto::{Id, ShortText};
use serde::{Deserialize, Serialize};

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodesChange {
    /// An authenticator app is set up.
    AddTotp,
    /// It is removed.
    RemoveTotp,
    /// New recovery codes are made.
    NewRecovery,
    /// They are removed.
    RemoveRecovery,
}

impl CodesChange {
    /// In words for the person's devices.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::AddTotp => "set up an authenticator app for your codes",
            Self::RemoveTotp => "remove your authenticator app for codes",
            Self::NewRecovery => "make new recovery codes",
            Self::RemoveRecovery => "remove your recovery codes",
        }
    }

    /// What an approval is bound to.
    pub(super) fn tag(self) -> &'static [u8] {
        match self {
            Self::AddTotp => b"add totp",
            Self::RemoveTotp => b"remove totp",
            Self::NewRecovery => b"new recovery",
            Self::RemoveRecovery => b"remove recovery",
        }
    }
}

/// In whose words somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The panel has signed them in.
    Panel(Proof),
    /// Root on this host vouches for them, as for a device.
    Host(Id),
}

impl Asker {
    fn host(self) -> Option<Id> {
        match self {
            Self::Panel(_) => None,
            Self::Host(host) => Some(host),
        }
    }
}

/// A change that was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Names it.
    pub id: Id,
    /// Whether a device must approve first.
    pub waits: bool,
}

impl Registrar {
    /// Somebody wants to change their codes. The text says why not.
    pub async fn ask_code_change(
        &self,
        owner: &DeviceOwner,
        asker: Asker,
        change: CodesChange,
    ) -> Result<Result<Asked, ShortText>, StoreError> {
        let no = |text: &str| Ok(Err(ShortText::cut(text.to_owned())));
        if let Some(refusal) = self.not_in_name_space(owner) {
            return Ok(Err(refusal));
        }
        if let Asker::Host(host) = asker
            && let Some(foreign) = owner.identities.iter().find(|identity| !may_vouch(host, identity))
        {
            tracing::warn!(%host, identity = %foreign, "a host vouched for another host's user");
            return no("a host vouches for its own local users alone");
        }
        let id = super::random_id()?;
        let turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let now = clock::now();
        if Self::frozen_until(&mut tx, &owner.identities, now).await?.is_some() {
            return no(FROZEN);
        }
        let approvers = match self.ask_whom(&mut tx, owner, now).await? {
            Ask::These(approvers) => Some(approvers),
            Ask::None => return no("none of your devices may approve this; ask your administrator"),
            Ask::Nobody => match asker {
                // As it could register a device.
                Asker::Host(_) => None,
                Asker::Panel(proof) => match self.may(&mut tx, owner, proof, now).await? {
                    MayEnrol::First => None,
                    MayEnrol::No(NotEnrolling::OnTheTerminal) => {
                        return no("codes are set up in a terminal: ask your administrator (assentctl enroll --totp)");
                    }
                    MayEnrol::No(_) | MayEnrol::Further { .. } => {
                        return no("register a device first, or ask your administrator for a one-time link");
                    }
                },
            },
        };
        let waits = approvers.is_some();
        let boot = clock::boot_now();
        let entry = Entry {
            owner: owner.identities.clone(),
            host: asker.host(),
            what: change,
            waited: waits,
            stands: if waits { Standing::Waiting } else { Standing::Granted },
            taken: false,
            ends: boot.plus(GRANTED_FOR),
        };
        if let Err(why) = self.code_changes.put(id, entry, boot) {
            return no(why);
        }
        let proven = match asker {
            Asker::Host(host) => proven_by(&mut tx, host).await?,
            Asker::Panel(_) => ShortText::cut("signed in at the Register Panel".to_owned()),
        };
        let news = News {
            wish: approvers.map(|approvers| Wish {
                purpose: Purpose::Codes { id, change },
                owner: owner.clone(),
                approvers,
                label: ShortText::cut("codes".to_owned()),
                digits: None,
                proven,
            }),
            ..News::default()
        };
        self.finish(tx, news, turn).await?;
        Ok(Ok(Asked { id, waits }))
    }

    /// How a change of this person, who asked at this host or the panel, stands.
    pub fn code_change(&self, owner: &DeviceOwner, host: Option<Id>, id: Id) -> Standing {
        self.code_changes.standing(owner, host, id, clock::boot_now())
    }

    /// Takes the grant of a change; `None` where there is none. For a minute it may be taken again by whoever did not hear
    /// the answer; then it is over.
    pub fn take_code_change(&self, owner: &DeviceOwner, host: Option<Id>, id: Id) -> Option<CodesChange> {
        self.code_changes.take(owner, host, id, clock::boot_now())
    }

    /// Seconds that a device has to approve.
    pub fn approval_seconds() -> u64 {
        u64::from(APPROVAL_TTL)
    }

    fn not_in_name_space(&self, owner: &DeviceOwner) -> Option<ShortText> {
        let allowed = self.keys().current().issuer.allows_identities(&owner.identities);
        allowed.err().map(|error| ShortText::cut(error.to_string()))
    }
}
