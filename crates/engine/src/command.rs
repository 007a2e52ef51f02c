//! The one type that every door parses into. What is legal when is decided behind it, by the engine's loop.

use failstop_client::alerts::{AlertList, AlertTests};
use failstop_client::status::Status;
use failstop_core::Order;
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

/// A request from a door, with the way back.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// The way back. A closed one means that nobody waits any more.
    pub reply: oneshot::Sender<Answer>,
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
    /// Open incidents and the last ones that are over; changes nothing.
    Alerts,
    /// Somebody takes an incident on: reminders and escalation end.
    AcknowledgeAlert {
        /// Which, as [`Command::Alerts`] names it.
        id: String,
        /// Who.
        peer: Peer,
    },
    /// Send a marked test message.
    TestAlerts {
        /// To this channel only.
        channel: Option<String>,
    },
    /// An operator's order.
    Operate {
        /// What.
        order: Order,
        /// Why. Not empty for anything that loosens.
        reason: String,
        /// Who, already shown to be allowed.
        peer: Peer,
    },
    /// Stop the engine cleanly, as SIGTERM does.
    Stop,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// To [`Command::Status`].
    Status(Box<Status>),
    /// To [`Command::Metrics`].
    Metrics(String),
    /// To [`Command::Alerts`].
    Alerts(Box<AlertList>),
    /// To [`Command::TestAlerts`].
    Tested(AlertTests),
    /// Done, and durable where it loosens.
    Done,
    /// Refused, with every reason; each says what to do next.
    Refused(Vec<String>),
}
