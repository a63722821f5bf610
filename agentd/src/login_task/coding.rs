//! A login's code at the edge: what was typed, and what the code service says of it.

use super::Task;
use crate::codes;
use assent_engine::config::Failure;
use assent_engine::login::{CodeCheck, CodeEvent, CodeOrder, CodeTrouble, CodeTyped, Event};
use assent_proto::ShortText;
use assent_proto::code::{CodeMethod, TypedCode};
use assent_wire::Reply;
use std::sync::{Arc, PoisonError};

impl Task {
    pub(super) fn keep_code(&mut self, reply: Reply) -> CodeTyped {
        match reply {
            Reply::Failed => CodeTyped::Failed,
            Reply::Text(text) if text.trim_ascii().is_empty() => CodeTyped::Nothing,
            Reply::Text(text) => {
                self.code = TypedCode::new(text.trim_ascii());
                self.code.as_ref().map_or(CodeTyped::NoCode, |_| CodeTyped::Typed)
            }
        }
    }

    /// Asks the code service which methods are ready.
    pub(super) fn start_code(&mut self, order: CodeOrder) {
        // What an earlier start still yields goes where nobody looks.
        self.pending_code = Arc::default();
        let facts = self.login.facts();
        let client = facts.ssh.map(|ssh| ssh.client);
        let (login, ctx) = (self.login_id.clone(), facts.ctx);
        let svc = ShortText::cut(facts.service.to_statement());
        let (setup, pending) = (self.setup.clone(), self.pending_code.clone());
        let hurried = self.login.leads_on(Failure::Codes);
        self.work(async move {
            let turn = order.turn;
            let started = match &setup.gateway {
                Err(why) => Err(CodeTrouble::Unreachable(why.clone())),
                Ok(gateway) => {
                    let context = codes::Context {
                        login,
                        svc,
                        src: client,
                        origin: gateway.origin(client),
                        ctx,
                    };
                    match hurried {
                        true => gateway.codes.start_hurried(&order, &context).await,
                        false => gateway.codes.start(&order, &context).await,
                    }
                }
            };
            let found = started.map(|(begun, offers)| {
                *pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
                offers
            });
            let what = CodeEvent::Started(found);
            Event::Code { turn, what }
        });
    }

    pub(super) fn send_code(&self, turn: u32, method: CodeMethod) {
        let (setup, pending) = (self.setup.clone(), self.pending_code.clone());
        self.work(async move {
            let sent = match &setup.gateway {
                Ok(gateway) => gateway.codes.send(&pending, method).await,
                Err(why) => Err(CodeTrouble::Unreachable(why.clone())),
            };
            let what = CodeEvent::Sent(sent);
            Event::Code { turn, what }
        });
    }

    /// Has the typed code judged; one that passes counts only while nobody has said "not me".
    pub(super) fn check_code(&mut self, turn: u32) {
        let Some(code) = self.code.take() else {
            let why = "there is no code to check".into();
            let _ = self.events.send(Event::Internal(why).into());
            return;
        };
        let identity = self.login.identity().cloned();
        let client = self.login.facts().ssh.map(|ssh| ssh.client);
        let (setup, pending) = (self.setup.clone(), self.pending_code.clone());
        let hurried = self.login.leads_on(Failure::Codes);
        self.work(async move {
            let check = match (&setup.gateway, identity) {
                (Ok(gateway), Some(identity)) => match gateway.codes.check(&pending, code, hurried).await {
                    CodeCheck::Passed(passed) => match gateway.codes.admits(&identity, gateway.origin(client)).await {
                        true => CodeCheck::Passed(passed),
                        false => CodeCheck::Trouble(CodeTrouble::Frozen),
                    },
                    check => check,
                },
                (Err(why), _) => CodeCheck::Trouble(CodeTrouble::Unreachable(why.clone())),
                (_, None) => CodeCheck::Trouble(CodeTrouble::Unreachable("nobody is known".into())),
            };
            let what = CodeEvent::Checked(check);
            Event::Code { turn, what }
        });
    }

    pub(super) fn end_code(&self) {
        let pending = self.pending_code.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(pending), setup) = (pending, self.setup.clone()) else {
            return;
        };
        tokio::spawn(async move {
            if let Ok(gateway) = &setup.gateway {
                gateway.codes.end(pending).await;
            }
        });
    }
}
