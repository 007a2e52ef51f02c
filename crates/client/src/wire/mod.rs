//! The bot socket's language: one JSON object a line, each way. For bots, for the engine's door and for `failstop send`.
//!
//! A bot sends [`Message`]s: `{"type":"heartbeat","progress":7}`. With an `id` it gets exactly one [`Answer`] that
//! carries the same `id`; without one it hears only of errors. The engine also pushes [`Push`] lines, which carry
//! `event` and never `id`. Fields that a reader does not know are ignored, so that both sides may grow.

mod answer;
mod books;
mod decode;
mod gate;
mod message;
mod push;

pub use answer::{Answer, Booked, Code, HelloAnswer, Mode, Permission, PermissionAnswer, Reply, RightsView};
pub use books::{
    Capital, Fill, Leg, MAX_AMOUNT, MAX_LEGS, MAX_REASON, Position, Posting, Side, SnapshotRequest, StrategyState,
};
pub use decode::{Decoded, Rejected, decode, encode};
pub use gate::{
    ApiUsage, Decision, Order, OrderKind, OrderOutcome, OrderResult, PaperFill, Price, Rate, RateDecision, Reason,
};
pub use message::{
    Error, Event, Halt, HaltCap, Heartbeat, Hello, Id, Message, Metric, Part, PartStatus, Queue, QueueState, Tick, Time,
};
pub use push::{HaltNote, Push};

/// The longest line, its LF not counted, in bytes. Longer ones are refused and skipped.
pub const MAX_LINE: usize = 64 * 1024;
/// The largest `data` of an event, as JSON text, in bytes.
pub const MAX_EVENT_DATA: usize = 32 * 1024;
/// The longest name (of a feed, part, metric, event, kind of error) and the longest text `id`, in bytes.
pub const MAX_NAME: usize = 128;
/// The deepest nesting of an event's `data`.
pub const MAX_DEPTH: usize = 32;
/// The most labels of one metric.
pub const MAX_LABELS: usize = 8;
