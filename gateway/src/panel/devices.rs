//! A person's own devices: list, name, remove. The registrar looks for a device among those of the session's person
//! alone, so another's id is as unknown as none (R79).

use super::error::PanelError;
use super::guard::{Actor, Visitor};
use super::{MAX_BODY, Panel};
use crate::clock;
use crate::registrar::self_service::{FROZEN, MayEnrol, NotEnrolling, Removal};
use crate::relay::body;
use assent_proto::cert::{DeviceOwner, MAX_LABEL};
use assent_proto::code::TypedCode;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use assent_proto::{Id, ShortText};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Most characters of a label.
const LABEL_CHARS: usize = 60;

#[derive(Serialize)]
struct Device {
    id: Id,
    label: String,
    /// The label with its odd characters made visible.
    shown: String,
    since: u64,
    until: u64,
    key: String,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<u64>,
    /// Whether it is being asked to approve its own removal.
    removing: bool,
}

/// Whether, and how, a device can be added.
#[derive(Serialize)]
#[serde(tag = "may", rename_all = "snake_case")]
pub(super) enum Add {
    First,
    Further {
        devices: usize,
    },
    No {
        why: &'static str,
        /// What an admin types, where that is the way.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<String>,
    },
}

/// What the page lists.
#[derive(Serialize)]
pub(super) struct Devices {
    devices: Vec<Device>,
    add: Add,
}

/// `GET devices`.
pub(super) async fn list(
    State(panel): State<Arc<Panel>>,
    Visitor(session): Visitor,
) -> Result<Json<Devices>, PanelError> {
    let own = panel.registrar.own_devices(&session.owner).await?;
    let may = panel.registrar.may_enrol(&session.owner, session.proof).await?;
    let devices = own.into_iter().map(|device| Device {
        id: device.id,
        shown: visible(device.label.as_str()),
        label: device.label.as_str().to_owned(),
        since: device.since.0,
        until: device.until.0,
        key: device.key,
        heard: device.heard.map(|at| at.0),
        removing: device.removing,
    });
    Ok(Json(Devices {
        devices: devices.collect(),
        add: Add::of(may, &session.owner),
    }))
}

impl Add {
    fn of(may: MayEnrol, owner: &DeviceOwner) -> Self {
        match may {
            MayEnrol::First => Self::First,
            MayEnrol::Further { devices } => Self::Further { devices },
            MayEnrol::No(NotEnrolling::AskAdmin) => Self::No {
                why: "ask_admin",
                command: Some(format!("assentctl enroll {} --link", shell_word(owner.name.as_str()))),
            },
            MayEnrol::No(NotEnrolling::OnTheTerminal) => Self::No {
                why: "on_the_terminal",
                command: Some(format!("assentctl enroll {}", shell_word(owner.name.as_str()))),
            },
            MayEnrol::No(NotEnrolling::TooManyDevices) => Self::No {
                why: "too_many_devices",
                command: None,
            },
            MayEnrol::No(NotEnrolling::Frozen) => Self::No {
                why: "frozen",
                command: None,
            },
        }
    }
}

/// A name as one word of a POSIX shell: an admin may paste the line.
fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLabel {
    label: String,
}

#[derive(Serialize)]
pub(super) struct Renamed {
    label: String,
    shown: String,
}

/// `POST devices/{id}/rename`.
pub(super) async fn rename(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Renamed>, PanelError> {
    let NewLabel { label } = body::json(body, MAX_BODY).await?;
    let label = fit(&label).ok_or(PanelError::Label)?;
    let id = read_id(&id, "device")?;
    let renamed = panel
        .registrar
        .rename_own_device(&actor.session.owner, id, label.clone())
        .await?;
    if !renamed {
        return Err(PanelError::NotYours("device"));
    }
    Ok(Json(Renamed {
        shown: visible(label.as_str()),
        label: label.as_str().to_owned(),
    }))
}

/// A label without blanks around it; `None` where it is none.
fn fit(label: &str) -> Option<ShortText> {
    let label = label.trim();
    let fits = (1..=LABEL_CHARS).contains(&label.chars().count())
        && label.len() <= MAX_LABEL
        && !label.chars().any(char::is_control);
    fits.then(|| ShortText::new(label))?
}

/// How a device is to be removed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// Whether it is lost.
    #[serde(default)]
    lost: bool,
    /// A code, instead of the approval of a device.
    code: Option<Zeroizing<String>>,
}

/// What became of a removal.
#[derive(Serialize)]
#[serde(tag = "removal", rename_all = "snake_case")]
pub(super) enum Removed {
    Done,
    /// A device is asked; whether the one in question is gone shows in the list.
    NeedsApproval {
        /// Seconds that it has.
        left: u64,
    },
}

/// `POST devices/{id}/remove`.
pub(super) async fn remove(
    State(panel): State<Arc<Panel>>,
    actor: Actor,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Removed>, PanelError> {
    let id = read_id(&id, "device")?;
    let Remove { lost, code } = body::json(body, MAX_BODY).await?;
    let owner = &actor.session.owner;
    if let Some(code) = code {
        return remove_by_code(&panel, owner, (id, lost), &code).await;
    }
    let refused = |why: &str| Err(PanelError::Refused(ShortText::cut(why.to_owned())));
    match panel.registrar.remove_own_device(owner, id, lost).await? {
        Removal::NeedsApproval { until } => Ok(Json(Removed::NeedsApproval { left: left(until) })),
        Removal::Unknown => Err(PanelError::NotYours("device")),
        Removal::Frozen => refused(FROZEN),
        Removal::NoApprover => {
            refused("no other device of yours can approve this; give a code, or ask your administrator to revoke it")
        }
        Removal::TooOften => refused("your devices were asked again and again; try again in ten minutes"),
    }
}

/// With a code of an app or a list no device is asked.
async fn remove_by_code(
    panel: &Panel,
    owner: &DeviceOwner,
    (id, lost): (Id, bool),
    code: &str,
) -> Result<Json<Removed>, PanelError> {
    let code = TypedCode::new(code.trim().as_bytes()).ok_or(PanelError::Digits)?;
    // Before the code is used up.
    if panel
        .registrar
        .own_devices(owner)
        .await?
        .iter()
        .all(|device| device.id != id)
    {
        return Err(PanelError::NotYours("device"));
    }
    let removed = panel.codes()?.remove_device(owner, (id, lost), &code).await?;
    match removed.map_err(PanelError::Refused)? {
        true => Ok(Json(Removed::Done)),
        false => Err(PanelError::NotYours("device")),
    }
}

/// Seconds until then: a page counts them down without believing its own clock.
pub(super) fn left(until: UnixTime) -> u64 {
    until.0.saturating_sub(clock::now().0)
}

/// An id in a path; what is none is as unknown as another's.
pub(super) fn read_id(text: &str, what: &'static str) -> Result<Id, PanelError> {
    Id::decode(text).ok_or(PanelError::NotYours(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_admins_command_is_one_word() {
        assert_eq!(shell_word("alice"), "alice");
        assert_eq!(shell_word("alice@example.org"), "alice@example.org");
        for (name, word) in [
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("o'neill", "'o'\\''neill'"),
            ("DOM\\alice", "'DOM\\alice'"),
            ("", "''"),
            ("-x", "'-x'"),
            ("a\u{a0}b", "'a\u{a0}b'"),
        ] {
            assert_eq!(shell_word(name), word);
        }
    }

    #[test]
    fn a_label_is_short_text_on_one_line() {
        assert_eq!(
            fit("  Pixel 8 ").map(|label| label.as_str().to_owned()),
            Some("Pixel 8".into())
        );
        assert!(fit(&"ä".repeat(60)).is_some());
        for bad in ["", "   ", "a\nb", "a\0b", &"x".repeat(61), &"名".repeat(60)] {
            assert!(fit(bad).is_none(), "{bad:?}");
        }
    }
}
