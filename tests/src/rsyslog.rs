//! Debian's rsyslogd, at a socket of its own, which reads RFC 5424 and writes what it has understood as JSON.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::program::Program;
use crate::service::Service;
use crate::{SOON, patience, scratch};

/// Where it listens.
pub const SOCKET: &str = "/run/rsyslog-rig.sock";

/// A running rsyslogd; dropped, it is killed.
#[derive(Debug)]
pub struct Rsyslog {
    out: PathBuf,
    _service: Service,
}

impl Rsyslog {
    /// Starts it.
    pub fn start() -> Self {
        let (out, configuration) = (scratch::unused("rsyslog.json"), scratch::unused("rsyslog.conf"));
        let text = format!(
            r#"module(load="imuxsock" SysSock.Use="off")
module(load="mmpstrucdata")
input(type="imuxsock" Socket="{SOCKET}" UseSpecialParser="off" ParseHostname="on" RateLimit.Interval="0")
template(name="all" type="list") {{ property(name="jsonmesg") constant(value="\n") }}
action(type="mmpstrucdata" sd_name.lowercase="off")
action(type="omfile" file="{}" template="all")
"#,
            out.display()
        );
        scratch::write(&configuration, &text);
        let program = Program::new("/usr/sbin/rsyslogd").args(["-n", "-i", "NONE", "-f"]);
        let service = Service::start(&program.arg(&configuration));
        let open = patience::until(SOON, || fs::exists(SOCKET).unwrap_or(false).then_some(()));
        open.unwrap_or_else(|| panic!("rsyslogd has no socket; it said:\n{}", service.log()));
        Self { out, _service: service }
    }

    /// The messages so far, as it has understood them, once there are as many.
    pub fn messages(&self, at_least: usize) -> Vec<Value> {
        let came = patience::until(SOON, || {
            let text = fs::read_to_string(&self.out).unwrap_or_default();
            let whole = text.ends_with('\n') && text.lines().count() >= at_least;
            whole.then_some(text)
        });
        let text = came.unwrap_or_else(|| panic!("fewer than {at_least} messages came"));
        let messages = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        messages.collect()
    }
}
