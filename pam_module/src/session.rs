//! `open_session`: tells the agent which audit session the login became, so that a later sudo in it is known. Waits for
//! nothing and can fail nothing.

use crate::agent::drop_off;
use crate::facts;
use crate::log::{Level, line};
use crate::options::Job;
use crate::sys::pam::{Item, item};
use assent_wire::ToAgent;
use pamsm::Pam;

/// Reports the session, if there is one to report.
pub fn report(pam: &Pam, args: &[String]) {
    match Job::parse(args) {
        Ok(Job::Ask(options)) => {
            if let Some(session) = facts::session(pam) {
                drop_off(&options.socket, &ToAgent::Session(session));
            }
        }
        Ok(Job::OnlyKey) => {}
        Err(error) => {
            let service = item(pam, Item::Service).unwrap_or_default();
            line(Level::Error, &service, None, &error.to_string());
        }
    }
}
