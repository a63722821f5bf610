//! A code travels: within its limits, to an allowed address, in five seconds or not at all.

use super::digits::{self, Hashed};
use super::logins::Login;
use super::mail::{self, Mail};
use super::number::{Number, Prefix};
use super::sms::Sms;
use super::text::{Language, plain};
use super::{Codes, Refusal, failed};
use crate::clock;
use crate::config::{Codes as Config, SendLimits};
use crate::store::codes::{self as rows, Counts, Message};
use assent_proto::Id;
use assent_proto::cert::{DAY, Host, Identity};
use assent_proto::code::{CodeMethod, CodeRefused, CodeReply};
use assent_proto::time::UnixTime;
use lettre::Address;
use std::sync::Arc;
use std::time::Duration;

/// How long a message may take to be handed over, all gateways or servers together.
pub(super) const TIME: Duration = Duration::from_secs(5);

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The last one went a moment ago.
    Pause,
    /// Of one person.
    User,
    /// Of one host.
    Host,
    /// Of one prefix.
    Prefix,
    /// Of the day.
    Day,
}

impl SendLimits {
    /// The limit that one more message would break.
    pub fn reached(&self, counts: &Counts, now: UnixTime) -> Option<Reached> {
        // A clock that was set back makes nobody wait for longer than the pause.
        let since_last = counts.last.map(|last| now.0.abs_diff(last.0));
        if since_last.is_some_and(|seconds| seconds < u64::from(self.pause)) {
            return Some(Reached::Pause);
        }
        [
            (counts.user, self.per_user, Reached::User),
            (counts.host, self.per_host, Reached::Host),
            (counts.prefix, self.per_prefix, Reached::Prefix),
            (counts.all, self.per_day, Reached::Day),
        ]
        .into_iter()
        .find_map(|(count, most, reached)| (count >= most).then_some(reached))
    }
}

/// Where a code goes.
enum Way {
    Sms(Number),
    Mail(Address),
}

impl Codes {
    pub(super) async fn send(
        &self,
        host: &Host,
        id: Id,
        method: CodeMethod,
        now: UnixTime,
    ) -> Result<CodeReply, Refusal> {
        let host = host.claims().host_id;
        let login = self.logins.find(host, id, clock::boot_now()).ok_or(CodeRefused::Over)?;
        if !method.is_sent() || !login.offers(method) {
            return Err(CodeRefused::NoMethod.into());
        }
        if let Some(why) = self.offer(&login, host, method, now).await?.refused {
            return Err(why.into());
        }
        let way = match (method, &login.number, &login.mail) {
            (CodeMethod::Sms, Some(number), _) => Way::Sms(number.clone()),
            (CodeMethod::Mail, _, Some(address)) => Way::Mail(address.clone()),
            _ => return Err(CodeRefused::NotEnrolled.into()),
        };
        self.count(login.identity(), host, &way, now).await?;
        let code = digits::random().ok_or_else(|| failed("no randomness"))?;
        let hashed = Hashed::of(&code).ok_or_else(|| failed("no randomness"))?;
        // Before it travels: who reads fast types it before the gateway has answered.
        self.logins.put_sent(host, id, method, hashed);
        let by = self.carry(&login, &way, &code).await;
        let login = login.start.login.as_str();
        match by {
            Some(by) => {
                tracing::info!(login, method = method.name(), by, "a code is on its way");
                Ok(CodeReply::Sent {})
            }
            None => {
                tracing::error!(login, method = method.name(), "no gateway took a message");
                Err(CodeRefused::Undeliverable.into())
            }
        }
    }

    /// Counts a message, unless it is one too many. It counts even if no gateway takes it: one that is silent may have sent
    /// it.
    async fn count(&self, identity: &Identity, host: Id, way: &Way, now: UnixTime) -> Result<(), Refusal> {
        let prefix = match way {
            Way::Sms(number) => {
                let prefix = number.allowed(&self.config.prefixes).ok_or(CodeRefused::Address)?;
                Prefix::text(prefix)
            }
            Way::Mail(_) => String::new(),
        };
        let message = Message {
            method: match way {
                Way::Sms(_) => CodeMethod::Sms.name(),
                Way::Mail(_) => CodeMethod::Mail.name(),
            },
            identity,
            host,
            prefix: &prefix,
        };
        let mut limits = self.config.limits;
        if matches!(way, Way::Mail(_)) {
            limits.per_prefix = u32::MAX;
        }
        let _turn = self.turn.lock().await;
        let mut tx = self.begin().await?;
        let counts = rows::counts(&mut tx, &message, UnixTime(now.0.saturating_sub(DAY))).await?;
        if let Some(reached) = limits.reached(&counts, now) {
            tracing::warn!(%identity, %host, method = message.method, limit = ?reached, "a message was not sent: a limit is reached");
            let text = match reached {
                Reached::Pause => format!("wait {} seconds before another code is sent", self.config.limits.pause),
                _ => CodeRefused::Limit.words().to_owned(),
            };
            return Err(Refusal(CodeRefused::Limit, text));
        }
        rows::put_sent(&mut tx, &message, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn carry(&self, login: &Login, way: &Way, code: &str) -> Option<&str> {
        let start = &login.start;
        let words = self.config.texts.of(Language::of(start.lang.as_str()));
        let minutes = start.ttl.div_ceil(60).to_string();
        let (app, host) = (plain(start.app.as_str()), plain(&login.host_name));
        let user = plain(start.user.as_str());
        let values = [
            ("code", code),
            ("app", app.as_str()),
            ("host", host.as_str()),
            ("user", user.as_str()),
            ("login", start.login.as_str()),
            ("minutes", minutes.as_str()),
        ];
        match way {
            Way::Sms(number) => {
                let text = words.sms.fill(&values, str::to_owned);
                let sms = Sms {
                    number: number.reveal(),
                    text: &text,
                    code,
                };
                self.gateways.send(&sms, TIME).await
            }
            Way::Mail(to) => {
                let subject = words.mail_subject.fill(&values, str::to_owned);
                let text = words.mail_text.fill(&values, str::to_owned);
                let mail = Mail {
                    to,
                    subject: &subject,
                    text: &text,
                };
                mail::send(&self.config.mail, &mail, TIME).await
            }
        }
    }

    /// Tells a user by mail that a recovery code of theirs was used, after the reply.
    pub(super) fn tell_of_recovery(&self, login: Login, left: usize) {
        let config = Arc::clone(&self.config);
        tokio::spawn(async move { tell_of_recovery(&config, &login, left).await });
    }

    /// Sends an admin's trial message; which gateway took it. It counts against no limit: only admins come here.
    pub async fn try_sms(&self, number: &str) -> Result<String, &'static str> {
        let number = Number::parse(number, self.config.default_country.as_ref())
            .ok_or("this is no mobile number; write it with its country, such as +49…")?;
        if number.allowed(&self.config.prefixes).is_none() {
            return Err("codes.prefixes does not list this number's beginning");
        }
        let sms = Sms {
            number: number.reveal(),
            text: "Assent: this is a test. 000000",
            code: "000000",
        };
        let by = self.gateways.send(&sms, TIME).await;
        by.map(ToOwned::to_owned)
            .ok_or("no SMS gateway took the message; the gateway's log says why")
    }

    /// Sends an admin's trial mail; which server took it.
    pub async fn try_mail(&self, address: &str) -> Result<String, &'static str> {
        let to = mail::address(address).ok_or("this is no mail address")?;
        let mail = Mail {
            to: &to,
            subject: "Assent: this is a test",
            text: "This is a test of Assent's mail. Nobody need do anything.\n",
        };
        let by = mail::send(&self.config.mail, &mail, TIME).await;
        by.map(ToOwned::to_owned)
            .ok_or("no mail server took the message; the gateway's log says why")
    }
}

async fn tell_of_recovery(config: &Config, login: &Login, left: usize) {
    let start = &login.start;
    let Some(to) = login.mail.as_ref().filter(|_| !config.mail.is_empty()) else {
        tracing::warn!(
            login = start.login.as_str(),
            identity = %start.identity,
            "a recovery code was used and its user could not be told: no mail server, or no address"
        );
        return;
    };
    let words = config.texts.of(Language::of(start.lang.as_str()));
    let left = left.to_string();
    let (app, host, user) = (
        plain(start.app.as_str()),
        plain(&login.host_name),
        plain(start.user.as_str()),
    );
    let values = [
        ("app", app.as_str()),
        ("host", host.as_str()),
        ("user", user.as_str()),
        ("login", start.login.as_str()),
        ("left", left.as_str()),
    ];
    let subject = words.recovery_subject.fill(&values, str::to_owned);
    let text = words.recovery_text.fill(&values, str::to_owned);
    let mail = Mail {
        to,
        subject: &subject,
        text: &text,
    };
    if mail::send(&config.mail, &mail, TIME).await.is_none() {
        tracing::error!(
            login = start.login.as_str(),
            "the user could not be told of a used recovery code"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r77_each_limit_alone_stops_a_message() {
        let limits = SendLimits {
            per_user: 10,
            per_host: 20,
            per_prefix: 30,
            per_day: 40,
            pause: 30,
        };
        let good = Counts {
            user: 9,
            host: 19,
            prefix: 29,
            all: 39,
            last: Some(UnixTime(970)),
        };
        let now = UnixTime(1000);
        assert_eq!(limits.reached(&good, now), None);
        for (counts, reached) in [
            (Counts { user: 10, ..good }, Reached::User),
            (Counts { host: 20, ..good }, Reached::Host),
            (Counts { prefix: 30, ..good }, Reached::Prefix),
            (Counts { all: 40, ..good }, Reached::Day),
            (
                Counts {
                    last: Some(UnixTime(971)),
                    ..good
                },
                Reached::Pause,
            ),
            (
                Counts {
                    last: Some(UnixTime(1029)),
                    ..good
                },
                Reached::Pause,
            ),
        ] {
            assert_eq!(limits.reached(&counts, now), Some(reached), "{counts:?}");
        }
    }
}
