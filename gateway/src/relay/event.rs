//! Server-sent events as text. `data:` is the event in `proto`'s JSON, the event name its variant; `id:` is
//! `<epoch>-<number>`, so that a number of another data base (restored, replaced) is not taken for one of this.

use super::bus::Event;
use assent_proto::link;
use assent_proto::registrar::Sealed;
use assent_proto::relay::{DeviceEvent, HostEvent, Withdrawn};
use assent_proto::time::UnixTime;
use assent_proto::{Bytes, Id};
use serde::Serialize;

/// A comment that keeps the connection alive.
pub const KEEP_ALIVE: &str = ":\n\n";

/// The first event of a host's stream.
pub fn roster(generation: u64) -> Option<Event> {
    text("roster", None, &HostEvent::Roster { generation })
}

/// An answer for a host.
pub fn answer(epoch: &str, seq: i64, id: Id, device: Id, blob: Bytes) -> Option<Event> {
    text("answer", Some((epoch, seq)), &HostEvent::Answer { id, device, blob })
}

/// A push for a device.
pub fn push(epoch: &str, seq: i64, id: Id, expiry: UnixTime, left: u32, blob: &Bytes) -> Option<Event> {
    let event = DeviceEvent::Push {
        id,
        expiry,
        left,
        blob: blob.clone(),
    };
    text("push", Some((epoch, seq)), &event)
}

/// The end of a push.
pub fn withdrawn(id: Id, why: Withdrawn) -> Option<Event> {
    text("withdrawn", None, &DeviceEvent::Withdrawn { id, why })
}

/// A device's user has other devices than before.
pub fn devices() -> Option<Event> {
    text("devices", None, &DeviceEvent::Devices {})
}

/// A sealed call, for the registrar.
pub fn call(id: Id, sealed: Sealed) -> Option<Event> {
    text("call", None, &link::Event::Call { id, sealed })
}

/// There is a newer revocation list.
pub fn revocations() -> Option<Event> {
    text("revocations", None, &DeviceEvent::Revocations {})
}

/// The number in an event id of this epoch.
pub fn seq_of(event_id: &str, epoch: &str) -> Option<i64> {
    let number = event_id.strip_prefix(epoch)?.strip_prefix('-')?;
    number.parse().ok().filter(|number| *number >= 0)
}

fn text<T: Serialize>(name: &str, id: Option<(&str, i64)>, event: &T) -> Option<Event> {
    let data = match serde_json::to_string(event) {
        Ok(data) => data,
        Err(error) => {
            tracing::error!(%error, name, "an event could not be written as JSON");
            return None;
        }
    };
    let text = match id {
        Some((epoch, seq)) => format!("event: {name}\nid: {epoch}-{seq}\ndata: {data}\n\n"),
        None => format!("event: {name}\ndata: {data}\n\n"),
    };
    Some(Event {
        seq: id.map(|(_, seq)| seq),
        text: text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_of_another_epoch_is_none() {
        assert_eq!(seq_of("ab12-7", "ab12"), Some(7));
        for other in ["ab13-7", "7", "ab12-", "ab12-x", "ab12--7", ""] {
            assert_eq!(seq_of(other, "ab12"), None, "{other}");
        }
    }

    #[test]
    fn an_event_is_one_line_of_data() {
        let event = withdrawn(Id { 0: [0; 16] }, Withdrawn::Expired);
        let text = event.map(|event| event.text);
        let expected =
            "event: withdrawn\ndata: {\"withdrawn\":{\"id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"why\":\"expired\"}}\n\n";
        assert_eq!(text.as_deref(), Some(expected.as_bytes()));
    }
}
