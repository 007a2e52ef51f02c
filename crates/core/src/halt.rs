//! Halts: the named, recorded reasons that cap the permission.
//!
//! The list is closed (see the table in `docs/reference/halts.md`): adding a cause means adding a row there, a cap and
//! a clearance here, and the input that raises it.

use crate::id::{ComponentName, HaltId};
use crate::permission::Permission;
use serde::{Deserialize, Serialize};

/// Why the permission is capped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody engaged the kill switch.
    KillSwitch,
    /// A fail-safe trigger fired; the evidence names the [`Trigger`].
    Failsafe,
    /// The journal, a snapshot or a strategy state is damaged.
    Integrity,
    /// A failed fsync, or no space for the journal.
    Storage,
    /// The witness remembers another past.
    Witness,
    /// An empty state directory although the configuration says `live`.
    NewJournal,
    /// An order intent has no outcome.
    OrdersInDoubt,
    /// A bot's heartbeat on the bot socket is missing.
    HeartbeatLost,
    /// A bot beats but its progress counter stands still (opt-in).
    NoProgress,
    /// A component missed its sd_notify or probe deadline.
    Hung,
    /// The start limit is spent, or a resource limit was crossed twice.
    ComponentFailed,
    /// A rule of the health verdict says unhealthy.
    Unhealthy,
    /// The start-up integrity checks are running.
    Starting,
    /// An endpoint, a dependency or disk space is not as it must be.
    Environment,
    /// A component's process is gone and its successor is not ready and fresh yet.
    ComponentDown,
    /// A component was asked to give memory or load back.
    Reclaiming,
    /// The daily loss limit is reached.
    DailyLoss,
    /// An operator's maintenance window.
    Maintenance,
    /// The clock stepped, or the machine slept.
    Clock,
    /// The engine could not renew permits in time, repeatedly.
    Overload,
    /// A bot asked to be held back itself (`halt {cap, reason}` on the bot socket).
    BotRequest,
}

impl Cause {
    /// Every cause, in the order of the list.
    pub const ALL: [Self; 21] = [
        Self::KillSwitch,
        Self::Failsafe,
        Self::Integrity,
        Self::Storage,
        Self::Witness,
        Self::NewJournal,
        Self::OrdersInDoubt,
        Self::HeartbeatLost,
        Self::NoProgress,
        Self::Hung,
        Self::ComponentFailed,
        Self::Unhealthy,
        Self::Starting,
        Self::Environment,
        Self::ComponentDown,
        Self::Reclaiming,
        Self::DailyLoss,
        Self::Maintenance,
        Self::Clock,
        Self::Overload,
        Self::BotRequest,
    ];

    /// Its name, as in the journal, the configuration and the reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill-switch",
            Self::Failsafe => "failsafe",
            Self::Integrity => "integrity",
            Self::Storage => "storage",
            Self::Witness => "witness",
            Self::NewJournal => "new-journal",
            Self::OrdersInDoubt => "orders-in-doubt",
            Self::HeartbeatLost => "heartbeat-lost",
            Self::NoProgress => "no-progress",
            Self::Hung => "hung",
            Self::ComponentFailed => "component-failed",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::Environment => "environment",
            Self::ComponentDown => "component-down",
            Self::Reclaiming => "reclaiming",
            Self::DailyLoss => "daily-loss",
            Self::Maintenance => "maintenance",
            Self::Clock => "clock",
            Self::Overload => "overload",
            Self::BotRequest => "bot-request",
        }
    }

    /// Whether the configuration can change nothing about it: neither whether it latches nor when it clears.
    pub const fn is_fixed(self) -> bool {
        match self {
            Self::KillSwitch
            | Self::Failsafe
            | Self::Integrity
            | Self::Storage
            | Self::Witness
            | Self::NewJournal
            | Self::OrdersInDoubt
            | Self::Starting
            | Self::ComponentDown
            | Self::Clock
            | Self::BotRequest => true,
            Self::HeartbeatLost
            | Self::NoProgress
            | Self::Hung
            | Self::ComponentFailed
            | Self::Unhealthy
            | Self::Environment
            | Self::Reclaiming
            | Self::DailyLoss
            | Self::Maintenance
            | Self::Overload => false,
        }
    }
}

/// What made a [`Cause::Failsafe`] halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Market data stalled.
    MarketData,
    /// The journal was not written for too long.
    JournalSilent,
    /// The last snapshot is too old.
    SnapshotAge,
    /// Capital does not reconcile.
    Capital,
    /// A bot reported an unrecoverable exception (severity 5 or `fatal`).
    BotFatal,
    /// Unhealthy without a break for too long.
    UnhealthyTooLong,
    /// Memory above the emergency multiple of its threshold.
    Memory,
    /// API error rate above the emergency multiple of its threshold.
    ApiErrors,
    /// Daily loss above the emergency multiple of its limit.
    DailyLoss,
    /// A resource limit that could not be brought back.
    Limit,
    /// A `direct` component was stopped twice within 15 minutes by its own stale source.
    StaleSourceAgain,
    /// The monotonic clock went backwards.
    ClockBackwards,
}

/// How much a halt caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The whole system, every slot.
    System,
    /// Only the slot of [`Halt::component`].
    Component,
}

/// One standing halt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Halt {
    /// Its number.
    pub id: HaltId,
    /// Why.
    pub cause: Cause,
    /// The component that it is about, if any. What it *caps* is [`Halt::scope`]. A name and not a slot, since slots
    /// follow the configuration's order and a latch outlives a change of that order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentName>,
    /// How much it caps.
    pub scope: Scope,
    /// The most that is allowed while it stands.
    pub cap: Permission,
    /// Whether it needs an operator.
    pub latched: bool,
    /// Which fail-safe trigger, for [`Cause::Failsafe`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// What was seen, for people: one sentence without a full stop.
    pub evidence: String,
}
