//! Lines to syslog. It may be restarted (it is connected to again), gone, or stuck: then nobody waits for it longer
//! than a moment, as this one thread serves every login.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use syslog::LoggerBackend;

/// How long a line may wait for room in syslog's queue, as long as it took the one before.
const MOMENT: Duration = Duration::from_millis(100);

type Logger = syslog::Logger<LoggerBackend, syslog::Formatter3164>;

/// A connection to syslog, or the wish for one.
pub struct SyslogLine {
    path: PathBuf,
    logger: Option<Logger>,
    /// It took nothing the last time.
    stuck: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Info,
    Warning,
    Alarm,
}

impl SyslogLine {
    /// Connects; without success, each line tries again.
    pub fn connect(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            logger: connect(path).ok(),
            stuck: false,
        }
    }

    /// A decision.
    pub fn decision(&mut self, line: &str, warning: bool) -> io::Result<()> {
        self.send(line, if warning { Kind::Warning } else { Kind::Info })
    }

    /// Something that an administrator must look at.
    pub fn alarm(&mut self, line: &str) -> io::Result<()> {
        self.send(line, Kind::Alarm)
    }

    fn send(&mut self, line: &str, kind: Kind) -> io::Result<()> {
        let sent = match self.send_once(line, kind) {
            // Its queue is full: another connection would lead to the same queue.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(e),
            // The daemon may have been restarted.
            Err(_) => {
                self.logger = None;
                self.send_once(line, kind)
            }
            Ok(()) => Ok(()),
        };
        self.stuck = matches!(&sent, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        sent
    }

    fn send_once(&mut self, line: &str, kind: Kind) -> io::Result<()> {
        let logger = match self.logger.as_mut() {
            Some(logger) => logger,
            None => self.logger.insert(connect(&self.path)?),
        };
        if let LoggerBackend::Unix(socket) = &logger.backend {
            socket.set_nonblocking(self.stuck)?;
        }
        let sent = match kind {
            Kind::Info => logger.info(line),
            Kind::Warning => logger.warning(line),
            Kind::Alarm => logger.err(line),
        };
        sent.map_err(cause)
    }
}

fn connect(path: &Path) -> io::Result<Logger> {
    let formatter = syslog::Formatter3164 {
        facility: syslog::Facility::LOG_AUTHPRIV,
        hostname: None,
        process: "assent-agentd".into(),
        pid: std::process::id(),
    };
    let logger = syslog::unix_custom(formatter, path).map_err(cause)?;
    match &logger.backend {
        LoggerBackend::Unix(socket) => socket.set_write_timeout(Some(MOMENT))?,
        LoggerBackend::UnixStream(stream) => stream.get_ref().set_write_timeout(Some(MOMENT))?,
        LoggerBackend::Udp(..) | LoggerBackend::Tcp(_) => {}
    }
    Ok(logger)
}

fn cause(error: syslog::Error) -> io::Error {
    match error {
        syslog::Error::Initialization(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause),
        },
        syslog::Error::Write(cause) | syslog::Error::Io(cause) => cause,
    }
}
