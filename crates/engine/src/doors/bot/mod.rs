//! The bot socket: where components say that they live and what they see, and hear what they may do.
//!
//! A Unix stream socket with one JSON object a line ([`failstop_client::wire`]). The door reads and checks lines and
//! passes them to the engine's loop in one bounded queue, as [`BotEvent`]s; the loop answers through the [`Answer`] that
//! came with each request and pushes through the [`Connection`] that came with [`BotEvent::Opened`]. Who a sender is,
//! the loop works out once a connection, from what the kernel says of it.
//!
//! No client can hold up another or the engine: the loop's writes never wait, every queue has a bound, a client that does
//! not read what it asked for is paused and then closed, and one that talks nonsense is closed.

mod connection;
mod feed_clock;
mod lines;
mod listener;
mod meaning;
mod outbox;
mod watched;

pub use feed_clock::{BadTime, FeedClock};
pub use listener::{BindError, BotDoor, Options, places_of_each};
pub use meaning::{Meaning, meaning, mode_on_wire, permission_on_wire, rights_on_wire};
pub use outbox::{Answer, Connection, ConnectionId};

use crate::command::Peer;
use failstop_client::wire::Message;

/// How many events may wait for the loop, over all connections. A full queue makes senders wait in their own sockets.
pub const EVENT_QUEUE: usize = 256;

/// What the door tells the loop. For one connection always `Opened`, then any number of `Request`s, then `Closed`.
#[derive(Debug)]
pub enum BotEvent {
    /// Somebody connected. Keep the handle to push to them.
    Opened(Connection),
    /// A line that was understood.
    Request(Box<BotRequest>),
    /// The connection is gone. Answers that are still out go nowhere.
    Closed(ConnectionId),
}

/// One understood line.
#[derive(Debug)]
pub struct BotRequest {
    /// Which connection.
    pub connection: ConnectionId,
    /// Who, as the kernel says.
    pub peer: Peer,
    /// What it says.
    pub message: Message,
    /// The way back. It may be kept until a record is durable.
    pub answer: Answer,
}
