//! How a login ends at the edge: whether the outcome still stands, its record, its verdict.

use super::Task;
use crate::agent::Notice;
use crate::audit::{Kind, Message, Record};
use crate::clock::boot_now;
use crate::frames;
use crate::sessions::Connection;
use assent_engine::grants::Held;
use assent_engine::ledger::What;
use assent_engine::login::facts::Phase;
use assent_engine::login::{Cause, Outcome};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::time::UnixTime;
use assent_wire::{ToModule, Verdict, VerdictCode};
use serde_json::json;

impl Task {
    pub(super) async fn finish(&mut self, outcome: Outcome) {
        self.withdraw();
        let outcome = self.still_stands(outcome).await;
        (self.number, self.code, self.enrolment) = (None, None, None);
        let record = self.record(&outcome);
        let written = self.setup.audit.write(record);
        let (verdict_name, cause) = match written {
            true => names(&outcome),
            false => ("denied", "not_recorded"),
        };
        let verdict = if written {
            self.verdict(outcome)
        } else {
            tracing::error!("login={} verdict=denied cause=not_recorded", self.login_id.as_str());
            verdict(
                VerdictCode::Denied,
                format!("The decision could not be recorded. [{}]", self.login_id.as_str()),
                &self.login_id,
            )
        };
        // A number that was wrong, a report, an approval: a kill of the agent right after the verdict forgets none of them.
        for written in std::mem::take(&mut self.unwritten) {
            if let Err(e) = written.wait().await {
                tracing::error!(
                    "login={}: what came of it may not outlast the agent: {e}",
                    self.login_id.as_str()
                );
            }
        }
        let _ = frames::write(&mut self.writer, &ToModule::Verdict(verdict)).await;
        let _ = self.agent.notices.send(Notice::Decided {
            login: self.login_id.as_str().to_owned(),
            verdict: verdict_name,
            cause,
        });
    }

    /// Between an approval and the verdict, which may wait for Enter, somebody may have said "not me" elsewhere, and an
    /// administrator may have decided otherwise.
    pub(super) async fn still_stands(&self, outcome: Outcome) -> Outcome {
        let (Outcome::Approved, Some(who)) = (&outcome, self.login.identity()) else {
            return outcome;
        };
        match self.overruled(who).await {
            None => outcome,
            Some(cause) => Outcome::Denied {
                cause,
                text: format!("Access denied. [{}]", self.login_id.as_str()),
            },
        }
    }

    /// Why an approval of this person counts no more, if so.
    async fn overruled(&self, who: &Identity) -> Option<Cause> {
        let application = self.login.application().unwrap_or_default();
        let bypass = self.login.bypassed_by();
        match (self.setup.grants.held(who, application), bypass) {
            (Held::Block(notice), _) => return Some(Cause::Suspended(notice)),
            (Held::Bypass(held), Some(used)) if held.notice().id == used.id => {}
            (_, Some(_)) => return Some(Cause::BypassEnded),
            (Held::Nothing | Held::Bypass(_), None) => {}
        }
        let gateway = self.setup.gateway.as_ref().ok()?;
        let origin = gateway.origin(self.login.facts().ssh.map(|ssh| ssh.client));
        let admitted = if bypass.is_some() {
            // Root's word on this very host, for when nothing else works: that the registrar is away ends it not.
            !gateway.revocations.last_known_frozen(who, origin)
        } else if self.login.approved_on_a_device() || self.login.passed_by_code() || self.login.waived_by().is_some() {
            let known = gateway.revocations.usable().await;
            gateway.revocations.admits(&known, who, origin)
        } else {
            true
        };
        (!admitted).then_some(Cause::Frozen)
    }

    pub(super) fn verdict(&mut self, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Approved => {
                if self.login.approved_on_a_device() {
                    self.remember_approval();
                }
                if let (Some(account), from) = self.guesser() {
                    self.unwritten.push(self.setup.memory.logged_in(&account, from));
                }
                let ticket = match self.login.facts().phase {
                    Phase::Auth => self.agent.tickets.issue(self.caller.clone(), boot_now()),
                    Phase::Account => None,
                };
                Verdict {
                    ticket,
                    ..verdict(VerdictCode::Approved, String::new(), &self.login_id)
                }
            }
            Outcome::ApprovedBefore => verdict(VerdictCode::Approved, String::new(), &self.login_id),
            Outcome::Ignore => verdict(VerdictCode::Ignore, String::new(), &self.login_id),
            Outcome::Denied { cause, text } => {
                let code = match cause {
                    Cause::Blocked(_) | Cause::Suspended(_) => VerdictCode::Blocked,
                    _ => VerdictCode::Denied,
                };
                verdict(code, text, &self.login_id)
            }
        }
    }

    pub(super) fn remember_approval(&mut self) {
        self.note(What::Approved {
            place: self.place.country.clone(),
            spot: self.place.spot,
        });
        if let (Some(ssh), Some(who)) = (&self.connection, self.login.identity()) {
            let connection = Connection {
                user: self.caller.user.clone(),
                ssh: ssh.clone(),
            };
            self.agent.sessions.approved(connection, who.clone(), boot_now());
        }
    }

    pub(super) fn record(&self, outcome: &Outcome) -> Record {
        let facts = self.login.facts();
        let (verdict, mut cause) = names(outcome);
        // A waiver stands in every record of it, with the policy that allowed it (R72).
        let waived = self.login.waived_by().filter(|_| *outcome == Outcome::Approved);
        if waived.is_some() {
            cause = "factor_waived";
        }
        let bypassed = self.login.bypassed_by().filter(|_| *outcome == Outcome::Approved);
        let bypassed =
            bypassed.map(|notice| format!("bypass {} by {}: {}", notice.id, notice.by.as_str(), notice.reason));
        if bypassed.is_some() {
            cause = "factor_bypassed";
        }
        let detail = match outcome {
            Outcome::Denied { cause, .. } => cause.detail().unwrap_or_default(),
            Outcome::Approved => bypassed.as_deref().or(waived).unwrap_or_default(),
            Outcome::ApprovedBefore | Outcome::Ignore => "",
        };
        let user = self.login.user_for_log();
        let source = facts
            .ssh
            .map_or_else(|| "local".to_owned(), |ssh| ssh.client.to_string());
        let identity = self.login.identity().map(ToString::to_string);
        let approved = matches!(outcome, Outcome::Approved | Outcome::ApprovedBefore);
        let enrolled = self.login.enrolled();
        let usual = waived.is_none() && bypassed.is_none() && enrolled.is_none();
        let kind = match approved && usual {
            true => Kind::Approval,
            false => Kind::Warning,
        };
        let tty = facts.tty.as_ref().map_or_else(String::new, |tty| tty.shown(64));
        let message = Message::new(kind)
            .word("login", Some(self.login_id.as_str()))
            .word("verdict", Some(verdict))
            .word("cause", Some(cause).filter(|cause| !cause.is_empty()))
            .text("service", Some(&facts.service.shown(64)))
            .text("application", self.login.application())
            .text("user", Some(&user))
            .text("identity", identity.as_deref())
            .word("source", Some(&source))
            .text("tty", Some(&tty))
            .text("method", self.login.method())
            .text("detail", Some(detail));
        let message = match enrolled {
            Some(device) => message.word("enrolled", Some(&device.to_string())),
            None => message,
        };
        let trace: Vec<_> = self.login.trace().iter().map(|line| &line.json).collect();
        let host = self.setup.gateway.as_ref().ok();
        let fields = [
            ("kind", json!("login")),
            ("at", json!(UnixTime::now())),
            ("login", json!(self.login_id)),
            (
                "host",
                json!(host.map(|gateway| gateway.host.now().host.claims().host_id)),
            ),
            ("verdict", json!(verdict)),
            ("cause", json!(cause)),
            ("detail", json!(detail)),
            ("service", json!(facts.service.shown(64))),
            ("application", json!(self.login.application())),
            ("user", json!(user)),
            ("identity", json!(identity)),
            ("source", json!(source)),
            ("method", json!(self.login.method())),
            ("by_device", json!(self.login.approved_on_a_device())),
            ("enrolled", json!(enrolled)),
            ("pushes", json!(self.asked)),
            ("trace", json!(trace)),
        ];
        let json = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Record { json, message }
    }
}

pub(super) fn names(outcome: &Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Approved => ("approved", ""),
        Outcome::ApprovedBefore => ("approved", "approved_in_auth_phase"),
        Outcome::Ignore => ("ignored", "unlisted_service"),
        Outcome::Denied { cause, .. } => ("denied", cause.name()),
    }
}

pub(super) fn verdict(code: VerdictCode, text: String, id: &ShortText) -> Verdict {
    Verdict {
        code,
        text,
        id: id.as_str().to_owned(),
        ticket: None,
    }
}
