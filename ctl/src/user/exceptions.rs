//! `assentctl user bypass`, `unbypass` and `exceptions`, and the blocks that this host's agent keeps: what an administrator
//! decides for one person on this host, whichever directory that person is in.

use super::{Common, account};
use crate::agent_bus::{Agent, SOCKET};
use crate::failure::{Done, Failure};
use crate::report::report;
use crate::seconds::{self, moment};
use crate::terminal::Charset;
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Who logged in, as the kernel keeps it through `su` and `sudo`; this number stands for nobody.
const LOGIN_UID: &str = "/proc/self/loginuid";
const NOBODY: u32 = u32::MAX;

/// Where the agent is.
#[derive(Debug, Args)]
pub(super) struct Here {
    /// The agent's admin socket
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    pub socket: PathBuf,
}

/// `user bypass`.
#[derive(Debug, Args)]
pub struct Bypass {
    /// The user's name on this host, or realm#id
    user: String,
    /// An application of agentd.toml; may be given several times
    #[arg(long = "app", value_name = "NAME", required = true)]
    apps: Vec<String>,
    /// How long, from 1 minute to 24 hours: 30m, 8h
    #[arg(long = "for", value_name = "TIME", value_parser = seconds::parse)]
    seconds: u64,
    /// Why; the user and the record see it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    here: Here,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Bypass {
    /// Has the agent grant it.
    pub async fn run(&self) -> Done {
        let made = make(&self.here, "bypass", &self.user, &self.apps, self.seconds, &self.reason).await?;
        report(self.json, &made, || {
            let until = made[0]["until"]
                .as_u64()
                .map_or_else(String::new, |until| moment(UnixTime(until)));
            let people = match made.as_array().map_or(0, Vec::len) {
                0 | 1 => String::new(),
                many => format!(", for {many} identities of that name"),
            };
            Charset::of_locale().fit(&format!(
                "{} passes {} without the second factor until {until}{people}; the first factor is asked as always.\nEnd it before: assentctl user unbypass {}",
                visible(&self.user),
                visible(&self.apps.join(", ")),
                visible(&self.user),
            ))
        });
        Ok(())
    }
}

/// `user unbypass`.
#[derive(Debug, Args)]
pub struct Unbypass {
    /// The user, as `assentctl user exceptions` shows it
    user: String,
    #[command(flatten)]
    here: Here,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

impl Unbypass {
    /// Has the agent end it.
    pub async fn run(&self) -> Done {
        match end(&self.here, "bypass", &self.user).await? {
            0 => Err(Failure::Refused(format!(
                "{} has no bypass on this host; `assentctl user exceptions` lists them",
                visible(&self.user)
            ))),
            ended => {
                report(self.json, &json!({"ended": ended}), || {
                    format!("{} is asked for the second factor again", visible(&self.user))
                });
                Ok(())
            }
        }
    }
}

/// `user exceptions`.
#[derive(Debug, Args)]
pub struct Exceptions {
    #[command(flatten)]
    here: Here,
    #[command(flatten)]
    common: Common,
}

impl Exceptions {
    /// Lists what runs on this host.
    pub async fn run(&self) -> Done {
        let agent = Agent::at(&self.here.socket).await?;
        let exceptions = parsed(&agent.call::<String>("Exceptions", &()).await?)?;
        let freezes = match agent.call::<String>("Freezes", &()).await {
            Ok(text) => parsed(&text)?,
            // A host without a gateway has none; what else it may be is said, and no freeze is taken for none.
            Err(why) => json!({"unknown": why.to_string()}),
        };
        // A host without local users has none, either; what is wrong with the file, `user list` says.
        let users = self.common.store().users().ok();
        let barred = users.iter().flat_map(|users| users.iter());
        let barred: Vec<Value> = barred
            .filter(|user| account(user).0 != "active")
            .map(|user| json!({"user": user.name, "account": account(user).0}))
            .collect();
        let value = json!({"exceptions": exceptions, "freezes": freezes, "local_users": barred});
        self.common.report(&value, || {
            let lines = exceptions.as_array().into_iter().flatten().map(line);
            let frozen = freezes.as_array().into_iter().flatten().map(frozen);
            let unknown = freezes["unknown"].as_str();
            let unknown = unknown.map(|why| format!("freezes are not known here: {}", visible(why)));
            let lines = lines.chain(frozen).chain(unknown);
            let lines: Vec<String> = lines.chain(barred.iter().map(local)).collect();
            match lines.is_empty() {
                true => "nobody is bypassed, blocked, locked or frozen on this host".to_owned(),
                false => lines.join("\n"),
            }
        });
        Ok(())
    }
}

fn local(user: &Value) -> String {
    let text = |key: &str| visible(user[key].as_str().unwrap_or_default());
    format!("{} {}: by the file of local users", text("account"), text("user"))
}

fn line(exception: &Value) -> String {
    let text = |key: &str| visible(exception[key].as_str().unwrap_or_default());
    let until = exception["until"].as_u64();
    let until = until.map_or_else(
        || "until it is lifted".to_owned(),
        |at| format!("until {}", moment(UnixTime(at))),
    );
    let apps: Vec<String> = exception["applications"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|app| app.as_str().map(visible))
        .collect();
    let apps = match apps.is_empty() {
        true => "every application".to_owned(),
        false => apps.join(", "),
    };
    if exception["kind"] == "lock" {
        return format!(
            "lock {}: {}, {until}; `assentctl unlock USER` opens it",
            text("user"),
            text("reason")
        );
    }
    format!(
        "{} {}: {apps}, {until}, by {}: {}\n  {}, id {}",
        text("kind"),
        text("user"),
        text("by"),
        text("reason"),
        text("identity"),
        text("id")
    )
}

fn frozen(freeze: &Value) -> String {
    let user = visible(freeze["user"].as_str().unwrap_or_default());
    let until = freeze["until"]
        .as_u64()
        .map_or_else(String::new, |at| format!(" until {}", moment(UnixTime(at))));
    format!("freeze {user}: a device said \"not me\"{until}; `assentctl freeze lift {user}` lifts it")
}

/// Has the agent make one; what was made.
pub(super) async fn make(
    here: &Here,
    kind: &str,
    user: &str,
    apps: &[String],
    seconds: u64,
    reason: &str,
) -> Done<Value> {
    let agent = Agent::at(&here.socket).await?;
    let asked = (kind, user, apps, seconds, reason, caller());
    parsed(&agent.call::<String>("GrantException", &asked).await?)
}

/// Has the agent end all of a user's; how many there were.
pub(super) async fn end(here: &Here, kind: &str, user: &str) -> Done<u32> {
    let agent = Agent::at(&here.socket).await?;
    agent.call("EndException", &(kind, user, caller())).await
}

fn parsed(text: &str) -> Done<Value> {
    serde_json::from_str(text).map_err(|e| Failure::Unreachable(format!("the agent's answer is no JSON: {e}")))
}

/// Who acts: root, and who that was at the login.
fn caller() -> String {
    let uid = std::fs::read_to_string(LOGIN_UID).ok();
    let uid = uid
        .and_then(|text| text.trim().parse::<u32>().ok())
        .filter(|uid| *uid != NOBODY && *uid != 0);
    let name = uid.map(|uid| match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    });
    name.map_or_else(|| "root".to_owned(), |name| format!("root ({name})"))
}
