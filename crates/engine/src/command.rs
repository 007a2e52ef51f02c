//! The one type that every door parses into. What is legal when is decided behind it, by the engine's loop.

use crate::access::{Access, Control, Forbidden, judge};
use crate::history;
use crate::limits::processes::Membership;
use crate::words::fnv1a;
use core::time::Duration;
use failstop_client::alerts::{AlertList, AlertTests};
use failstop_client::books::{Imported, OrderList, SnapshotEntry};
use failstop_client::configuration::{Difference, InForce};
use failstop_client::status::{Beat, EndKind, Receipt, Status};
use failstop_core::Order;
use failstop_core::gate::{LimitName, NAME_MAX, Scope};
use failstop_journal::ledger::{Outcome, Statement};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Where doors put their requests. Bounded, so that a flood waits in its own connection and not in memory.
pub type CommandSender = mpsc::Sender<Request>;

/// How many requests may wait for the loop.
pub const COMMAND_QUEUE: usize = 256;

/// Who asks, as the kernel says (`SO_PEERCRED`), never as the peer claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process number.
    pub pid: i32,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// A user of this host. The name is one that was looked up before: whoever shows it asks no name service, which may take its time
/// while an emergency stop waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUser {
    /// Its number.
    pub uid: u32,
    /// Its name, where the engine knew it when it started.
    pub name: Option<Arc<str>>,
}

impl std::fmt::Display for HostUser {
    /// `root (0)`, or the number alone where the name is not known.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

/// Who asks for something that changes the system, as proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A user of this host, by the kernel's word.
    User(HostUser),
    /// Whoever holds this key, by a signature.
    Key(String),
    /// Whoever holds the token of this name.
    Token(String),
    /// Whoever holds the certificate for this name.
    Certificate(String),
    /// The user of Telegram with this number, by Telegram's word.
    Telegram(i64),
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Key(id) => write!(f, "watchdog {id}"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Certificate(name) => write!(f, "certificate {name}"),
            Self::Telegram(user) => write!(f, "telegram user {user}"),
        }
    }
}

/// How often the kill switch was engaged in this life of the engine, by whatever way. The loop counts. A door where something is confirmed
/// some time after it was asked for reads the count when it is asked, and sends it along.
#[derive(Clone, Debug, Default)]
pub struct Engagements(Arc<AtomicU64>);

impl Engagements {
    /// How often. A door may read an older count than the loop's, which leaves more and loosens nothing.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// It was engaged once more.
    pub fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The most refusals that wait to be recorded; more are logged only.
const DECLINED_MAX: usize = 64;

/// A control that was given and then refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// What.
    pub control: Control,
    /// Who gave it.
    pub by: Access,
    /// Every reason.
    pub why: Vec<String>,
}

/// Controls that were refused and are not recorded as such yet. Some are refused beside the loop.
#[derive(Clone, Debug, Default)]
pub struct Declinations(Arc<Mutex<VecDeque<Declined>>>);

impl Declinations {
    /// Those since the last time.
    pub fn take(&self) -> VecDeque<Declined> {
        std::mem::take(&mut *self.all())
    }

    fn add(&self, declined: Declined) {
        let mut all = self.all();
        if all.len() < DECLINED_MAX {
            all.push_back(declined);
        }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Declined>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way back to whoever asked. That a control was refused is logged and recorded besides, whichever way it went.
#[derive(Debug)]
pub struct ReplyTo {
    sender: oneshot::Sender<Answer>,
    control: Option<Box<(Control, Access, Declinations)>>,
}

impl ReplyTo {
    /// The way back for a control, whose refusal is put to `declined`.
    pub fn of_control(sender: oneshot::Sender<Answer>, control: Control, by: Access, declined: Declinations) -> Self {
        Self { sender, control: Some(Box::new((control, by, declined))) }
    }

    /// Gives the answer.
    ///
    /// # Errors
    /// The answer, where nobody waits for it any more.
    pub fn send(self, answer: Answer) -> Result<(), Answer> {
        let Self { sender, control } = self;
        if let Some(control) = control {
            let why = match &answer {
                Answer::Refused(reasons) => Some(reasons.iter().map(|reason| kept(reason)).collect()),
                Answer::WrongEpoch { epoch } => Some(vec![format!("epoch {epoch} runs")]),
                Answer::Done
                | Answer::Status(_)
                | Answer::Metrics(_)
                | Answer::Alerts(_)
                | Answer::History(_)
                | Answer::Processes(_)
                | Answer::Orders(_)
                | Answer::InForce(_)
                | Answer::Beat(_)
                | Answer::Ending(_)
                | Answer::Tested(_)
                | Answer::Snapshot(_)
                | Answer::Imported(_)
                | Answer::Config(_) => None,
            };
            let (control, by, declined) = *control;
            if let Some(why) = why {
                let (name, trace) = (control.row().name, by.trace);
                tracing::warn!(control = name, %by, trace_id = %trace, why = why.join("; "), "a control was refused");
                declined.add(Declined { control, by, why });
            }
        }
        sender.send(answer)
    }

    /// Whether nobody waits any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl From<oneshot::Sender<Answer>> for ReplyTo {
    /// The way back for a question.
    fn from(sender: oneshot::Sender<Answer>) -> Self {
        Self { sender, control: None }
    }
}

/// What log and journal keep of a reason. One of several lines may show lines of the configuration, and secrets in them.
fn kept(reason: &str) -> String {
    if reason.contains('\n') {
        "shown to whoever asked alone, since it may hold lines of the configuration".to_owned()
    } else {
        reason.to_owned()
    }
}

/// A request from a door, with the way back: there is none for what whoever asks may not.
#[derive(Debug)]
pub struct Request {
    command: Command,
    reply: oneshot::Sender<Answer>,
    meant_at: Option<u64>,
}

impl Request {
    /// The one gate of all doors: what is asked, if whoever asks may. A closed way back means that nobody waits any more.
    ///
    /// # Errors
    /// [`Forbidden`], which names the role that is needed.
    pub fn new(command: Command, reply: oneshot::Sender<Answer>) -> Result<Self, Forbidden> {
        judge(&command).map(|()| Self { command, reply, meant_at: None })
    }

    /// The same, which was meant when the kill switch had been engaged so often: a later engagement leaves it. `None`: it is meant now.
    pub fn meant_at(self, engagements: Option<u64>) -> Self {
        Self { meant_at: engagements, ..self }
    }

    /// Whether the kill switch was engaged since it was meant.
    pub fn is_overtaken(&self, engagements: &Engagements) -> bool {
        self.meant_at.is_some_and(|meant_at| meant_at != engagements.count())
    }

    /// What is asked, and the way back.
    pub fn into_parts(self) -> (Command, oneshot::Sender<Answer>) {
        (self.command, self.reply)
    }
}

/// What a door may ask.
#[derive(Debug)]
pub enum Command {
    /// The whole status; changes nothing.
    Status,
    /// The metrics in Prometheus text (or OpenMetrics); changes nothing.
    Metrics {
        /// OpenMetrics instead of the plain text format.
        openmetrics: bool,
    },
    /// The figures of an hour or a day; changes nothing.
    History(history::Span),
    /// Which processes there are; changes nothing.
    Processes,
    /// Open incidents and the last ones that are over; changes nothing.
    Alerts,
    /// Somebody takes an incident on: reminders and escalation end.
    AcknowledgeAlert {
        /// Which, as [`Command::Alerts`] names it.
        id: String,
        /// Who.
        by: Access,
    },
    /// Send a marked test message.
    TestAlerts {
        /// To this channel only.
        channel: Option<String>,
        /// Who.
        by: Access,
    },
    /// An operator's order.
    Operate {
        /// What.
        order: Order,
        /// Why. Not empty for anything that loosens.
        reason: String,
        /// Who.
        by: Access,
    },
    /// The open orders; changes nothing.
    Orders,
    /// Something that goes into the books.
    Book {
        /// What.
        what: BooksOrder,
        /// Who.
        by: Access,
    },
    /// A super-admin's or an admin's word to the gate.
    Gate {
        /// What.
        what: GateOrder,
        /// Who.
        by: Access,
    },
    /// The breaker is to let everything be shown again.
    ResetBreaker {
        /// Who.
        by: Access,
    },
    /// Every value of the configuration that is in force; changes nothing.
    Config,
    /// What would change if the file were taken as it is; changes nothing.
    CompareConfig {
        /// Who.
        by: Access,
    },
    /// Read the configuration file now, and take it.
    ReloadConfig {
        /// `KEY=VALUE`, laid over the file for as long as this engine lives.
        set: Vec<String>,
        /// Who.
        by: Access,
    },
    /// A beat: that the loop runs, and how things stand. It is also given to everybody who listens for beats.
    Beat,
    /// End the engine cleanly, as SIGTERM does.
    End {
        /// For good, or to be started again by whoever started it.
        kind: EndKind,
        /// The epoch that is to end; refused where it is another. `None`: whichever runs.
        expected_epoch: Option<u64>,
        /// Why.
        reason: String,
        /// Who.
        by: Access,
    },
    /// What a door says of somebody whom it turned away; nobody waits for an answer.
    TurnedAway(TurnedAway),
    /// What the door of Telegram says of its way there; nobody waits for an answer.
    Hearing {
        /// Why nobody is heard; `None` where all is well.
        fault: Option<String>,
    },
}

/// Somebody whom a door turned away. Doors say only so many: `before` counts those since the last one that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// Nobody knows who it was.
    Unproved {
        /// From where, as the kernel says.
        peer: String,
        /// What was wrong with its proof.
        why: String,
        /// How many before it went untold.
        before: u64,
    },
    /// A process of this host that may not speak on the control socket.
    Refused {
        /// Its user and its number, as the kernel says.
        peer: String,
        /// Why it may not.
        why: String,
        /// How many before it went untold.
        before: u64,
    },
    /// Known, and without the role that is needed.
    Forbidden {
        /// Who, and the request's name.
        by: Access,
        /// What was asked for.
        forbidden: Forbidden,
        /// How many before it went untold.
        before: u64,
    },
}

/// What an operator may ask of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateOrder {
    /// Give a limit another value for a while.
    Override {
        /// Which.
        limit: LimitName,
        /// Whose.
        scope: Scope,
        /// The component's, the instrument's or the user's name; `None` for the system.
        of: Option<String>,
        /// Its value, as the configuration would have it.
        value: String,
        /// For how long.
        span: Duration,
        /// Why.
        reason: String,
    },
    /// End an override before its time.
    EndOverride {
        /// Its name, as `failstop status --section risk` shows it.
        name: String,
    },
    /// Confirm an order that waits for it.
    Confirm {
        /// The bot's own id of it.
        client_id: String,
    },
}

/// The name of the override of a limit: of it and whose it is, so that a second one for the same takes the place of the first. Where
/// that is longer than a name may be, whose it is is cut, and told apart by a fingerprint.
pub fn override_name(limit: LimitName, scope: Scope, of: Option<&str>) -> String {
    let Some(of) = of else { return limit.name().to_owned() };
    let begin = format!("{}:{}:", limit.name(), scope.name());
    let left = NAME_MAX.saturating_sub(begin.len());
    if of.len() <= left {
        return begin + of;
    }
    let mark = format!("~{:016x}", fnv1a(of.as_bytes()));
    let cut: String = of.chars().take(left.saturating_sub(mark.len())).collect();
    begin + &cut + &mark
}

/// What an operator may ask of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BooksOrder {
    /// Take a snapshot now.
    TakeSnapshot {
        /// Why; may be empty.
        reason: String,
    },
    /// Say what became of an order in doubt.
    ResolveOrder {
        /// Which.
        id: String,
        /// What became of it.
        outcome: Outcome,
        /// Why that is believed.
        reason: String,
        /// The file that says so, where one does.
        source: Option<String>,
    },
    /// Compare what a venue states with the book.
    Statement(Box<Statement>),
    /// Make the book agree with what a venue states; what differs is booked against suspense.
    Correct {
        /// What is true.
        statement: Box<Statement>,
        /// The pool whose part changes, where that is not plain.
        pool: Option<String>,
        /// Why the book is wrong.
        reason: String,
    },
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// To [`Command::Status`].
    Status(Box<Status>),
    /// To [`Command::Metrics`].
    Metrics(String),
    /// To [`Command::History`].
    History(Box<history::Extract>),
    /// To [`Command::Processes`].
    Processes(Box<Membership>),
    /// To [`Command::Alerts`].
    Alerts(Box<AlertList>),
    /// To [`Command::TestAlerts`].
    Tested(AlertTests),
    /// To [`Command::Orders`].
    Orders(Box<OrderList>),
    /// To [`BooksOrder::TakeSnapshot`].
    Snapshot(Box<SnapshotEntry>),
    /// To [`BooksOrder::Statement`], [`BooksOrder::Correct`] and [`BooksOrder::ResolveOrder`].
    Imported(Imported),
    /// To [`Command::Config`].
    InForce(Box<InForce>),
    /// To [`Command::CompareConfig`] and, once it is in force, to [`Command::ReloadConfig`].
    Config(Box<Difference>),
    /// To [`Command::Beat`].
    Beat(Box<Beat>),
    /// To [`Command::End`]: it ends.
    Ending(Receipt),
    /// To [`Command::End`]: another epoch runs.
    WrongEpoch {
        /// Which runs.
        epoch: u64,
    },
    /// Done, and durable where it loosens.
    Done,
    /// Refused, with every reason; each says what to do next.
    Refused(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(of: &str) -> String {
        override_name(LimitName::OpeningsPerMinute, Scope::Component, Some(of))
    }

    #[test]
    fn an_override_has_a_name_however_long_the_name_of_whose_it_is() {
        assert_eq!(named("bot"), "openings_per_minute:component:bot");
        let (longest, other) = ("c".repeat(NAME_MAX), "c".repeat(NAME_MAX - 1) + "d");
        let fits = "c".repeat(NAME_MAX - "openings_per_minute:component:".len());
        assert_eq!(named(&fits).len(), NAME_MAX);
        assert_eq!((named(&longest).len(), named(&other).len()), (NAME_MAX, NAME_MAX));
        assert_ne!(named(&longest), named(&other));
        assert_eq!(
            named(&longest),
            "openings_per_minute:component:ccccccccccccccccc~3d3bb39181dc91e5",
            "the same in every version"
        );
    }
}
