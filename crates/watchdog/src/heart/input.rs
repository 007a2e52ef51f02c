//! What goes in and what comes out: facts, and the orders of one turn.

use super::checkin::Signal;
use super::fault::Fault;
use super::notice::Change;
use super::order::{CheckInIndex, Order, TargetIndex};
use super::peer::PeerState;
use super::reading::Beat;
use super::steps::Outcome;
use super::target::Probed;
use super::time::{Jump, Now};
use std::collections::VecDeque;

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing new; deadlines may have passed.
    Tick,
    /// A probe is over.
    Probed {
        /// Of which target.
        target: TargetIndex,
        /// Which probe.
        ticket: u64,
        /// What it brought back.
        probed: Probed,
    },
    /// A live stream is open.
    StreamOpened {
        /// Of which target.
        target: TargetIndex,
    },
    /// A live stream ended, or was not to be had.
    StreamEnded {
        /// Of which target.
        target: TargetIndex,
        /// Whether the target offers one.
        offered: bool,
        /// Why.
        why: String,
    },
    /// A beat of a live stream.
    Beat {
        /// Of which target.
        target: TargetIndex,
        /// What it says.
        beat: Box<Beat>,
    },
    /// A look around is over.
    Looked {
        /// Which.
        ticket: u64,
        /// So many references answered.
        reached: usize,
    },
    /// The peer answered or did not.
    PeerAnswered {
        /// Which question.
        ticket: u64,
        /// What it said.
        answer: Result<PeerState, Fault>,
        /// Whether this watchdog is in a condition to act and to tell, its sight apart.
        able: bool,
    },
    /// A step of a restart ladder is over.
    Stepped {
        /// Of which target.
        target: TargetIndex,
        /// Which.
        ticket: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// A job checks in.
    Signal {
        /// Which check-in.
        checkin: CheckInIndex,
        /// What it says.
        signal: Signal,
        /// The run's id; empty where it gives none.
        run: String,
        /// Its log.
        text: String,
    },
    /// The witness found that a journal is not what it was.
    WitnessAlarm {
        /// Of which target.
        target: TargetIndex,
        /// What, in a sentence.
        found: String,
        /// The last record on which both agree.
        last_agreed: Option<u64>,
    },
    /// The clocks jumped.
    Jumped {
        /// How.
        jump: Jump,
        /// Both clocks as they were read before.
        before: Now,
    },
    /// The notifier has let go of an incident.
    HandedOver {
        /// Of which.
        key: String,
    },
    /// The notifier has a change on disk.
    Recorded {
        /// Of which incident.
        key: String,
        /// Which change.
        change: Change,
    },
}

/// When what changed must be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Save {
    /// Nothing changed.
    Not,
    /// With the next mark of life: a restart that knows nothing of it finds it again by looking.
    Soon,
    /// Before the orders are carried out.
    First,
}

/// What one turn ordered.
#[derive(Debug)]
pub struct Turn {
    /// When [`Heart::stored`](super::Heart::stored) must be on disk.
    pub save: Save,
    /// The orders, in order.
    pub orders: VecDeque<Order>,
}
