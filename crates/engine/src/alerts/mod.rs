//! Alerts on their way out of the engine: the core says what people must hear, `failstop-notify` carries it on a thread of its
//! own, and this is what lies between. Nothing here waits, so that a service that is stuck never touches the gate.

mod channels;
mod concern;
mod delivery;
mod early;
mod emergency;
mod entry;
mod maintenance;
mod notice;
mod programs;
mod reconcile;
mod summary;
mod threshold;
mod under_way;

pub use channels::{ReadyChannels, Survey, Unusable, ready_channels, survey};
pub use concern::Concern;
pub use delivery::{Acknowledging, Delivery, OwnNotice, Testing};
pub use early::start_failed;
pub use entry::entry;
pub use notice::{Sender, notice};
pub use programs::ProgramDoor;

/// The folder of the outbox within the state directory.
pub const OUTBOX: &str = "outbox";
