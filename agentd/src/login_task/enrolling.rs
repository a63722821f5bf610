//! A first device in a login, at the edge: its link, and the digits that were typed.

use super::{Question, Task};
use crate::agent::{Gateway, Setup};
use crate::enrolment::{First, confirm_first, end_first, open_first};
use crate::revocations::Clearance;
use assent_engine::enroll_screen;
use assent_engine::grants::Held;
use assent_engine::login::{EnrolTrouble, EnrolTyped, Event, LinkAs};
use assent_proto::ShortText;
use assent_proto::cert::{DeviceOwner, Identity};
use assent_wire::{Reply, ToModule};
use std::net::IpAddr;
use std::sync::Arc;

impl Task {
    pub(super) fn keep_digits(&mut self, reply: Reply) -> EnrolTyped {
        let Reply::Text(text) = reply else {
            return EnrolTyped::Failed;
        };
        let typed: Vec<u8> = text
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        match typed.as_slice() {
            b"" => EnrolTyped::Nothing,
            b"q" | b"Q" => EnrolTyped::Qr,
            b"l" | b"L" => EnrolTyped::Link,
            digits if digits.len() == 6 && digits.iter().all(u8::is_ascii_digit) => {
                self.digits = std::str::from_utf8(digits).ok().and_then(ShortText::new);
                EnrolTyped::Digits
            }
            _ => EnrolTyped::Other,
        }
    }

    pub(super) fn open_enrolment(&mut self, owner: DeviceOwner, ttl: u32) {
        let made = match &self.setup.gateway {
            Ok(gateway) => First::new(gateway).map_err(|e| e.0),
            Err(why) => Err(why.clone()),
        };
        let first = match made {
            Ok(first) => first,
            Err(why) => {
                let failed = Event::EnrolmentOpened(Err(EnrolTrouble::Unreachable(why)));
                let _ = self.events.send(failed.into());
                return;
            }
        };
        let wish = first.wish(owner, ttl);
        self.enrolment = Some(first);
        let asker = self.asker();
        self.work(async move {
            Event::EnrolmentOpened(match asker.admitted().await {
                Ok(gateway) => open_first(gateway, wish).await,
                Err(trouble) => Err(trouble),
            })
        });
    }

    pub(super) async fn show_enrolment(&mut self, how: LinkAs) {
        let Some(first) = &self.enrolment else {
            let why = "there is no enrolment to show".into();
            let _ = self.events.send(Event::Internal(why).into());
            return;
        };
        let text = enroll_screen::prompt(&first.link, how, self.login_id.as_str(), self.login.tongue())
            .as_str()
            .to_owned();
        self.ask(Question::Enrol, ToModule::Ask { echo: true, text }).await;
    }

    pub(super) fn confirm_enrolment(&mut self) {
        let (Some(first), Some(digits)) = (&self.enrolment, self.digits.take()) else {
            let why = "there are no digits to check".into();
            let _ = self.events.send(Event::Internal(why).into());
            return;
        };
        let (token, asker) = (first.id(), self.asker());
        self.work(async move {
            Event::Enrolment(match asker.admitted().await {
                Ok(gateway) => confirm_first(gateway, token, digits).await,
                Err(trouble) => Err(trouble),
            })
        });
    }

    pub(super) fn end_enrolment(&mut self) {
        let (Some(first), setup) = (self.enrolment.take(), self.setup.clone()) else {
            return;
        };
        tokio::spawn(async move {
            if let Ok(gateway) = &setup.gateway {
                end_first(gateway, first.id()).await;
            }
        });
    }

    fn asker(&self) -> Asker {
        Asker {
            setup: self.setup.clone(),
            who: self.login.identity().cloned(),
            application: self.login.application().unwrap_or_default().to_owned(),
            client: self.login.facts().ssh.map(|ssh| ssh.client),
        }
    }
}

/// For whom a device would be registered. People take minutes: what bars them may have been said meanwhile.
struct Asker {
    setup: Arc<Setup>,
    who: Option<Identity>,
    application: String,
    client: Option<IpAddr>,
}

impl Asker {
    async fn admitted(&self) -> Result<&Gateway, EnrolTrouble> {
        let gateway = self.setup.gateway.as_ref();
        let gateway = gateway.map_err(|why| EnrolTrouble::Unreachable(why.clone()))?;
        let who = self.who.as_ref();
        let who = who.ok_or_else(|| EnrolTrouble::Unreachable("nobody is known".into()))?;
        if let Held::Block(notice) = self.setup.grants.held(who, &self.application) {
            return Err(EnrolTrouble::Blocked(notice));
        }
        match gateway.revocations.clearance(who, gateway.origin(self.client)).await {
            Clearance::Clear(_) => Ok(gateway),
            Clearance::Frozen => Err(EnrolTrouble::Frozen),
            Clearance::Unknown(why) => Err(EnrolTrouble::Unreachable(why)),
        }
    }
}
