//! What may be read off the core, for status, health and metrics. Cheap, and changes nothing.

use crate::id::{ComponentName, Instance};
use crate::input::QueueState;
use crate::memory::Held;
use crate::record::HealthStatus;
use crate::time::Monotonic;
use core::time::Duration;

/// The verdict: a pure function of the core's state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Health {
    /// The word.
    pub status: HealthStatus,
    /// Overall health in thousandths: the lowest of the required components and parts, 0 when a rule says unhealthy.
    pub overall: u16,
    /// Every reason that keeps it from healthy.
    pub reasons: Vec<String>,
    /// Errors reported within the last minute.
    pub errors_per_minute: u32,
    /// When the last record became durable.
    pub last_journal_write: Option<Monotonic>,
    /// How old the last snapshot is.
    pub snapshot_age: Option<Duration>,
}

/// What a component is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComponentState {
    /// Its process was started and is not ready yet.
    Starting,
    /// Ready.
    Ready,
    /// Asked to stop, or being killed.
    Stopping,
    /// Waiting for its next start.
    Backoff,
    /// Not running, on purpose: asked to, or not allowed to by permission and mode.
    Stopped,
    /// Not running: the start limit is spent, or its policy says never.
    Failed,
}

/// A component as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ComponentView {
    /// Its name.
    pub name: ComponentName,
    /// What it is doing.
    pub state: ComponentState,
    /// Its process number, while it runs.
    pub pid: Option<u32>,
    /// Which start.
    pub instance: Instance,
    /// Restarts nobody asked for, in this epoch.
    pub restarts: u32,
    /// When this instance was started.
    pub started: Option<Monotonic>,
    /// When it last gave a sign of life.
    pub last_sign: Option<Monotonic>,
    /// Its health in thousandths.
    pub health: u16,
    /// Its execution queue, once it reported one.
    pub queue: Option<QueueView>,
    /// Who keeps it stopped, and why, where an operator does.
    pub held: Option<Held>,
    /// Whether it reads its configuration again just now.
    pub reloading: bool,
    /// Where it could be started otherwise: the components that must be ready before.
    pub waits_for: Vec<ComponentName>,
}

/// An execution queue as judged: stalled by its own word, or because it made no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueView {
    /// Its state.
    pub state: QueueState,
    /// Entries waiting.
    pub depth: u64,
}

/// A market-data feed that was seen or is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeedView {
    /// Its name.
    pub name: String,
    /// When fresh data last arrived.
    pub last: Option<Monotonic>,
}

/// A maintenance window that stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaintenanceView {
    /// When it ends by itself: not later than this reading where its end waits for the journal.
    pub until: Monotonic,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether it leaves the permission alone.
    pub keep_trading: bool,
}

/// A part that a bot reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartView {
    /// The component that reports it.
    pub component: ComponentName,
    /// Its name.
    pub name: String,
    /// Its health in thousandths.
    pub health: u16,
}
