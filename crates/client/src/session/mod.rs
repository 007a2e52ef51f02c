//! A bot's blocking connection to the bot socket: connects again by itself, waits for nothing longer than it is told.

mod books;
mod gate;
mod link;
mod pause;

use crate::wire::{
    Answer, Code, Error, Event, Halt, HaltCap, Heartbeat, Hello, HelloAnswer, Id, Message, Metric, Part, PartStatus,
    PermissionAnswer, Push, Queue, QueueState, Tick, Time, encode,
};
use link::Link;
use pause::Pause;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many notices are kept for a bot that does not take them; the oldest go first.
const MAX_NOTICES: usize = 256;

/// Why something could not be said or answered.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// This process is no component of `failstop run`.
    #[error(
        "FAILSTOP_SOCKET is not set: start this program as a component of `failstop run`, or name the socket's path"
    )]
    NotUnderFailstop,
    /// The socket cannot be reached.
    #[error("cannot connect to the bot socket {}: {source}", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The connection broke. What was being said may or may not have arrived.
    #[error("the connection to the bot socket {} broke: {source}", path.display())]
    Lost {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No answer came in time. The engine may be frozen; the permit runs out by itself.
    #[error("failstop did not answer `{request}` within {} ms", waited.as_millis())]
    TimedOut {
        /// What was asked.
        request: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The engine refused it.
    #[error("failstop refused `{request}`: {error}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// Which kind of refusal.
        code: Code,
        /// What is wrong and what to do.
        error: String,
    },
    /// The answer is not of the form that this version knows.
    #[error("failstop's answer to `{request}` cannot be read: {source}")]
    Unreadable {
        /// What was asked.
        request: &'static str,
        /// Where it differs.
        source: serde_json::Error,
    },
}

/// What the engine says without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A pushed line.
    Push(Push),
    /// Something that was said one way was refused.
    Refused {
        /// Which kind of refusal.
        code: Code,
        /// What is wrong and what to do.
        error: String,
    },
}

/// A connection to the bot socket.
///
/// One-way calls ([`Session::heartbeat`], [`Session::tick`] and so on) do not wait for the engine. Their errors may be
/// ignored: a bot that cannot reach the engine has no permit either.
///
/// ```no_run
/// use failstop_client::session::Session;
///
/// let mut session = Session::from_env()?;
/// session.hello("my-bot", "1.0")?;
/// session.heartbeat(Some(1))?;
/// session.tick("binance", Some("BTCUSDT"), None)?;
/// # Ok::<(), failstop_client::session::SessionError>(())
/// ```
#[derive(Debug)]
pub struct Session {
    path: PathBuf,
    timeout: Duration,
    link: Option<Link>,
    pause: Pause,
    hello: Option<Hello>,
    last_id: i64,
    notices: VecDeque<Notice>,
}

impl Session {
    /// How long a call waits at most, unless [`Session::set_timeout`] says otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// Connects to the socket that `FAILSTOP_SOCKET` names.
    ///
    /// # Errors
    /// When this process is no component of `failstop run`, or the socket cannot be reached.
    pub fn from_env() -> Result<Self, SessionError> {
        match std::env::var_os("FAILSTOP_SOCKET") {
            Some(path) if !path.is_empty() => Self::connect(Path::new(&path)),
            _ => Err(SessionError::NotUnderFailstop),
        }
    }

    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn connect(path: &Path) -> Result<Self, SessionError> {
        let mut session = Self {
            path: path.to_owned(),
            timeout: Self::DEFAULT_TIMEOUT,
            link: None,
            pause: Pause::new(),
            hello: None,
            last_id: 0,
            notices: VecDeque::new(),
        };
        session.link()?;
        Ok(session)
    }

    /// Sets how long a call waits at most: for room in the socket, and for an answer.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Says who this is, and hears who the engine takes it for. Said again by itself after a lost connection.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn hello(&mut self, client: &str, version: &str) -> Result<HelloAnswer, SessionError> {
        let hello = Hello { client: client.to_owned(), version: version.to_owned() };
        self.hello = Some(hello.clone());
        self.ask(&Message::Hello(hello))
    }

    /// Gives a sign of life, with a counter that moves when something was really done. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn heartbeat(&mut self, progress: Option<u64>) -> Result<(), SessionError> {
        self.tell(&Message::Heartbeat(Heartbeat { progress }))
    }

    /// Says that market data arrived, with the venue's own time if it gave one. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn tick(&mut self, feed: &str, instrument: Option<&str>, time: Option<Time>) -> Result<(), SessionError> {
        self.tell(&Message::Tick(Tick { feed: feed.to_owned(), instrument: instrument.map(str::to_owned), time }))
    }

    /// Reports a figure; it must be finite. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn metric(&mut self, name: &str, value: f64) -> Result<(), SessionError> {
        self.tell(&Message::Metric(Metric { name: name.to_owned(), value, labels: BTreeMap::new() }))
    }

    /// Reports the state of a part, with its health from 0 to 1 where that is better known. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn part(&mut self, name: &str, status: PartStatus, health: Option<f64>) -> Result<(), SessionError> {
        self.tell(&Message::Part(Part { name: name.to_owned(), status, health, detail: None }))
    }

    /// Reports the execution queue: what it does, entries waiting, and the oldest one's age. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn queue(&mut self, state: QueueState, depth: u64, oldest: Option<Duration>) -> Result<(), SessionError> {
        let oldest_ms = oldest.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        self.tell(&Message::Queue(Queue { state, depth, oldest_ms }))
    }

    /// Reports an error of severity 1 to 5; 5 ends in fail-safe shutdown. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn error(&mut self, kind: &str, message: &str, severity: u8) -> Result<(), SessionError> {
        self.tell(&Message::Error(Error {
            kind: kind.to_owned(),
            message: message.to_owned(),
            part: None,
            severity,
            fatal: false,
        }))
    }

    /// Asks to be held back. Returns when it is in force.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn halt(&mut self, cap: HaltCap, reason: &str) -> Result<(), SessionError> {
        self.ask::<Done>(&Message::Halt(Halt { cap, reason: reason.to_owned() })).map(|_| ())
    }

    /// Records something of the bot's own in the journal. Returns its sequence number when it is durable. `kind` starts
    /// with `x.`; amounts go as decimal strings.
    ///
    /// # Errors
    /// See [`SessionError`]. After [`SessionError::Lost`] or [`SessionError::TimedOut`] it may or may not be recorded.
    pub fn event(&mut self, kind: &str, data: Map<String, Value>) -> Result<u64, SessionError> {
        let message = Message::Event(Event { kind: kind.to_owned(), data });
        self.ask::<Recorded>(&message).map(|recorded| recorded.seq)
    }

    /// Asks what may be done now, for display. Before an order check [`crate::permit::Permit`] instead.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn permission(&mut self) -> Result<PermissionAnswer, SessionError> {
        self.ask(&Message::Permission)
    }

    /// Says something one way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn tell(&mut self, message: &Message) -> Result<(), SessionError> {
        self.send(&encode(None, message))?;
        self.collect();
        Ok(())
    }

    /// What the engine said since, oldest first. Does not wait.
    pub fn notice(&mut self) -> Option<Notice> {
        if self.notices.is_empty() {
            self.collect();
        }
        self.notices.pop_front()
    }

    /// As [`Session::notice`], but waits up to `timeout` for one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn wait_notice(&mut self, timeout: Duration) -> Result<Option<Notice>, SessionError> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(notice) = self.notice() {
                return Ok(Some(notice));
            }
            match self.line_before(end)? {
                Some(line) => self.note(&line),
                None => return Ok(None),
            }
        }
    }

    fn ask<T: DeserializeOwned>(&mut self, message: &Message) -> Result<T, SessionError> {
        let request = message.kind();
        self.last_id += 1;
        let id = Id::Number(self.last_id);
        let end = Instant::now() + self.timeout;
        self.send(&encode(Some(&id), message))?;
        loop {
            let Some(line) = self.line_before(end)? else {
                return Err(SessionError::TimedOut { request, waited: self.timeout });
            };
            match serde_json::from_str::<Addressed>(&line) {
                // A derived reader also takes a list of the fields in order, and no answer is one.
                Ok(Addressed { id: Some(to) }) if to == id && line.trim_start().starts_with('{') => {
                    self.pause.served();
                    return answered(request, &line);
                }
                // An answer that came too late, a push, or a refusal of something said one way.
                Ok(_) | Err(_) => self.note(&line),
            }
        }
    }

    /// Sends a line, over a new connection where the old one turns out to be gone before any of it was taken.
    fn send(&mut self, line: &[u8]) -> Result<(), SessionError> {
        let fresh = self.link.is_none();
        let timeout = self.timeout;
        match self.link()?.send(line, timeout) {
            Ok(()) => Ok(()),
            Err(failed) => {
                self.drop_link();
                if failed.untouched && !fresh {
                    match self.link()?.send(line, timeout) {
                        Ok(()) => return Ok(()),
                        Err(failed) => return Err(self.lost(failed.error)),
                    }
                }
                Err(self.lost(failed.error))
            }
        }
    }

    fn link(&mut self) -> Result<&mut Link, SessionError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.open()?,
        };
        Ok(self.link.insert(link))
    }

    fn open(&mut self) -> Result<Link, SessionError> {
        let failed = |source| SessionError::Connect { path: self.path.clone(), source };
        if !self.pause.is_over() {
            return Err(failed(io::Error::new(io::ErrorKind::NotConnected, "the last try was just now")));
        }
        let mut link = match Link::open(&self.path) {
            Ok(link) => link,
            Err(source) => {
                self.pause.lost();
                return Err(failed(source));
            }
        };
        self.pause.connected();
        if let Some(hello) = &self.hello {
            // It matters to logs only; a failure shows with the line that follows.
            let _ = link.send(&encode(None, &Message::Hello(hello.clone())), self.timeout);
        }
        Ok(link)
    }

    /// The next line, if one comes before `end`.
    fn line_before(&mut self, end: Instant) -> Result<Option<String>, SessionError> {
        match self.link()?.line_before(end) {
            Ok(line) => Ok(line),
            Err(source) => {
                self.drop_link();
                Err(self.lost(source))
            }
        }
    }

    fn drop_link(&mut self) {
        self.link = None;
        self.pause.lost();
    }

    /// Takes what has arrived without waiting. A lost connection is noticed here and made anew by the next call.
    fn collect(&mut self) {
        loop {
            match self.link.as_mut().map(Link::line_now) {
                Some(Ok(Some(line))) => self.note(&line),
                Some(Err(_)) => {
                    self.drop_link();
                    return;
                }
                Some(Ok(None)) | None => return,
            }
        }
    }

    fn note(&mut self, line: &str) {
        let notice = if let Ok(push) = serde_json::from_str::<Push>(line) {
            self.pause.served();
            if matches!(push, Push::Permission { .. }) {
                // Only the latest counts.
                self.notices.retain(|notice| !matches!(notice, Notice::Push(Push::Permission { .. })));
            }
            Notice::Push(push)
        } else {
            match serde_json::from_str::<Answer>(line) {
                Ok(Answer { id: None, ok: false, code, error, .. }) => {
                    Notice::Refused { code: code.unwrap_or(Code::Other), error: error.unwrap_or_default() }
                }
                // An answer that nobody waits for any more, or a line of a later version.
                Ok(_) | Err(_) => return,
            }
        };
        if self.notices.len() == MAX_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    fn lost(&self, source: io::Error) -> SessionError {
        SessionError::Lost { path: self.path.clone(), source }
    }
}

/// Whom a line answers. Read before the rest: an answer that cannot be read is an error of whoever asked, and nobody else's line.
#[derive(Deserialize)]
struct Addressed {
    #[serde(default)]
    id: Option<Id>,
}

fn answered<T: DeserializeOwned>(request: &'static str, line: &str) -> Result<T, SessionError> {
    let unreadable = |source| SessionError::Unreadable { request, source };
    let answer: Answer = serde_json::from_str(line).map_err(unreadable)?;
    if answer.ok {
        return serde_json::from_str(line).map_err(unreadable);
    }
    let (code, error) = (answer.code.unwrap_or(Code::Other), answer.error.unwrap_or_default());
    Err(SessionError::Refused { request, code, error })
}

#[derive(Deserialize)]
struct Done {}

#[derive(Deserialize)]
struct Recorded {
    seq: u64,
}
