//! Lines to syslog's socket, as RFC 3164 has them or as RFC 5424 has them. It may be restarted (it is connected to again),
//! gone, or stuck: then nobody waits for it longer than a moment, as this one thread serves every login.

use super::message::{Kind, Message};
use assent_engine::config::LogFormat;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use syslog::{Facility, Formatter3164, Formatter5424, LoggerBackend};

/// How long a line may wait for room in syslog's queue, as long as it took the one before.
pub const MOMENT: Duration = Duration::from_millis(100);
/// The name of this program in every line.
const NAME: &str = "assent-agentd";

/// A connection to syslog, or the wish for one.
pub struct SyslogLine {
    path: PathBuf,
    format: LogFormat,
    logger: Option<Logger>,
    /// It took nothing the last time.
    stuck: bool,
}

enum Logger {
    Plain(syslog::Logger<LoggerBackend, Formatter3164>),
    /// With fields, under this SD-ID.
    Structured(syslog::Logger<LoggerBackend, Formatter5424>, String),
}

impl SyslogLine {
    /// Connects; without success, each line tries again.
    pub fn connect(path: &Path, format: LogFormat) -> Self {
        Self {
            path: path.to_owned(),
            format,
            logger: Logger::connect(path, format).ok(),
            stuck: false,
        }
    }

    /// Hands a message over.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        let sent = match self.send_once(message) {
            // Its queue is full: another connection would lead to the same queue.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(e),
            // The daemon may have been restarted.
            Err(_) => {
                self.logger = None;
                self.send_once(message)
            }
            Ok(()) => Ok(()),
        };
        self.stuck = matches!(&sent, Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        sent
    }

    fn send_once(&mut self, message: &Message) -> io::Result<()> {
        let logger = match self.logger.as_mut() {
            Some(logger) => logger,
            None => self.logger.insert(Logger::connect(&self.path, self.format)?),
        };
        if let LoggerBackend::Unix(socket) = logger.backend() {
            socket.set_nonblocking(self.stuck)?;
        }
        logger.send(message)
    }
}

impl Logger {
    fn connect(path: &Path, format: LogFormat) -> io::Result<Self> {
        let (facility, pid) = (Facility::LOG_AUTHPRIV, std::process::id());
        let logger = match format {
            LogFormat::Auto | LogFormat::Plain => {
                let formatter = Formatter3164 {
                    facility,
                    hostname: None,
                    process: NAME.into(),
                    pid,
                };
                Self::Plain(syslog::unix_custom(formatter, path).map_err(cause)?)
            }
            LogFormat::Structured { enterprise } => {
                let formatter = Formatter5424 {
                    facility,
                    process: NAME.into(),
                    pid,
                    // The host's name, as the kernel has it.
                    ..Formatter5424::default()
                };
                let logger = syslog::unix_custom(formatter, path).map_err(cause)?;
                Self::Structured(logger, format!("assent@{enterprise}"))
            }
        };
        match logger.backend() {
            LoggerBackend::Unix(socket) => socket.set_write_timeout(Some(MOMENT))?,
            LoggerBackend::UnixStream(stream) => stream.get_ref().set_write_timeout(Some(MOMENT))?,
            LoggerBackend::Udp(..) | LoggerBackend::Tcp(_) => {}
        }
        Ok(logger)
    }

    fn backend(&self) -> &LoggerBackend {
        match self {
            Self::Plain(logger) => &logger.backend,
            Self::Structured(logger, _) => &logger.backend,
        }
    }

    fn send(&mut self, message: &Message) -> io::Result<()> {
        let line = message.line();
        let sent = match self {
            Self::Plain(logger) => match message.kind {
                Kind::Approval | Kind::Checkpoint => logger.info(line),
                Kind::Warning => logger.warning(line),
                Kind::Alarm => logger.err(line),
            },
            Self::Structured(logger, id) => {
                let fields = message
                    .fields()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
                let fields = BTreeMap::from([(id.clone(), fields.collect())]);
                // The number is the MSGID: what kind of message it is.
                match message.kind {
                    Kind::Approval => logger.info((1, fields, line)),
                    Kind::Warning => logger.warning((1, fields, line)),
                    Kind::Checkpoint => logger.info((2, fields, line)),
                    Kind::Alarm => logger.err((3, fields, line)),
                }
            }
        };
        sent.map_err(cause)
    }
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
