//! Where a restart ladder may stand, what it has to climb with, and what it says on the way.

use super::order::TargetIndex;
use super::steps::Step;
use super::time::{Boot, Wall};
use serde::{Deserialize, Serialize};

/// What the ladder has, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderSettings {
    /// The engine can be asked.
    pub can_ask: bool,
    /// Somebody on the bot's host can signal.
    pub can_signal: bool,
    /// There is a fence.
    pub can_fence: bool,
    /// Somebody can start it.
    pub can_start: bool,
    /// The start is on the host where it ran, by a starter that refuses while the old process lives.
    pub same_host: bool,
    /// The engine's answer to being asked is waited for so long, milliseconds. Short: a frozen one does not answer.
    pub ask_ms: u64,
    /// An engine that said yes is waited for to come back by itself (whoever supervises it starts it) for so long before it is
    /// started from here, milliseconds.
    pub come_back_ms: u64,
    /// The permit's lease, milliseconds; twice this is waited for.
    pub lease_ms: u64,
    /// A step that is not proved within this failed, milliseconds.
    pub step_ms: u64,
    /// A started system must be up, with a new epoch and progress, within this, milliseconds.
    pub verify_ms: u64,
    /// † tries within [`LadderSettings::within_ms`].
    pub tries: usize,
    /// † an hour, milliseconds.
    pub within_ms: u64,
    /// † tries a day.
    pub tries_a_day: usize,
    /// † the first pause after a failed try, milliseconds; doubles.
    pub backoff_ms: u64,
    /// † the longest pause, milliseconds.
    pub backoff_max_ms: u64,
    /// † so long healthy, and the pauses start anew, milliseconds.
    pub reset_after_ms: u64,
}

/// Where the ladder stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum Rung {
    /// Nothing is done.
    #[default]
    Resting,
    /// A failed try; the next not before then.
    Pausing {
        /// When.
        until: Boot,
    },
    /// A step is under way.
    Stepping {
        /// Which.
        step: Step,
        /// The ticket of its order.
        ticket: u64,
        /// It failed when it is not proved by then.
        until: Boot,
    },
    /// What failed or was waited for proved nothing: one more look, begun since then, must find the target still down before it is
    /// touched. It may have answered all the while, behind a cable that is back now.
    Looking {
        /// The step that hangs on it.
        before: Step,
        /// A look that began earlier says nothing.
        since: Boot,
        /// Nobody knows by then: the try ends.
        until: Boot,
    },
    /// The host fences itself: the permit's lease runs out.
    Waiting {
        /// When it has.
        until: Boot,
    },
    /// It said that it restarts: it is waited for to come back by itself. While the old process still ends, a start is refused
    /// and made again later.
    Returning {
        /// Until then; then it is started, where somebody can, or the next rung is climbed.
        until: Boot,
    },
    /// Started: it must show a higher epoch and progress.
    Verifying {
        /// By then.
        until: Boot,
        /// Above this epoch, where one was known.
        above: Option<u64>,
    },
    /// The budget is spent, or the ladder cannot go on: until somebody releases it.
    Held {
        /// Why.
        why: String,
        /// Since when.
        since: Wall,
    },
}

/// What the ladder tells the target that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// A try began or a step of it ended.
    Went(String),
    /// It worked.
    Restarted(String),
    /// It gave up.
    Held(String),
    /// Whoever was asked to act knows that it was stopped on purpose: how, for people.
    StoppedOnPurpose(String),
}

/// Why the ladder may not be climbed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The kill switch is engaged.
    KillSwitch,
    /// It was stopped on purpose.
    StoppedOnPurpose,
    /// The witness saw a rollback, a fork or another journal.
    Witness,
    /// It is in maintenance.
    Maintenance,
    /// Nobody knows whether it is down.
    Unknown,
    /// The fault is none that a restart mends.
    NotMended,
    /// The other watchdog acts.
    PeerActs,
}

impl Forbidden {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::KillSwitch => "not restarted: its kill switch is engaged",
            Self::StoppedOnPurpose => "not restarted: it was stopped on purpose",
            Self::Witness => "not restarted: its journal is not the one that the witness remembers",
            Self::Maintenance => "not restarted: it is in maintenance",
            Self::Unknown => "not restarted: nobody knows whether it is down",
            Self::NotMended => "not restarted: a restart does not mend this",
            Self::PeerActs => "not restarted from here: the other watchdog acts",
        }
    }
}

/// Which target, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Which.
    pub target: TargetIndex,
    /// What the ladder has.
    pub settings: &'a LadderSettings,
    /// The last epoch seen.
    pub epoch: Option<u64>,
    /// Why, for the engine's journal.
    pub reason: &'a str,
    /// One look at it may take so long, milliseconds.
    pub look_ms: u64,
}

/// What the tests climb with: the defaults, on the bot's own host, without a fence.
#[cfg(test)]
pub(super) const LADDER: LadderSettings = LadderSettings {
    can_ask: true,
    can_signal: true,
    can_fence: false,
    can_start: true,
    same_host: true,
    ask_ms: 2_000,
    come_back_ms: 5_000,
    lease_ms: 2_000,
    step_ms: 30_000,
    verify_ms: 60_000,
    tries: 3,
    within_ms: 3_600_000,
    tries_a_day: 5,
    backoff_ms: 10_000,
    backoff_max_ms: 300_000,
    reset_after_ms: 600_000,
};
