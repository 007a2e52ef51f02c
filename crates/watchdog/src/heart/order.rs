//! What the heart orders. The shell carries orders out, in order, and hands back what came of them as
//! [`Input`](super::Input)s. Whatever changed is on disk before the orders of the same turn are carried out.

use super::notice::Notice;
use super::steps::Step;
use super::time::Boot;

/// The index of a target in the configuration's order.
pub type TargetIndex = usize;

/// The index of a check-in in the configuration's order.
pub type CheckInIndex = usize;

/// Something that the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Probe a target; answer with the same ticket.
    Probe {
        /// Which.
        target: TargetIndex,
        /// Its number, to tell a late answer from the one that is waited for.
        ticket: u64,
        /// No answer within this is a failure.
        timeout_ms: u64,
    },
    /// Open the target's live stream, if it offers one.
    OpenStream {
        /// Which.
        target: TargetIndex,
    },
    /// Try the reference addresses.
    LookAround {
        /// Its number.
        ticket: u64,
        /// Once so many have answered, the rest need not be waited for.
        need: usize,
        /// An address that did not answer within this is unreachable.
        timeout_ms: u64,
    },
    /// Ask the peer how it is, and for its incidents.
    AskPeer {
        /// Its number.
        ticket: u64,
    },
    /// Ping the outside dead man's switch.
    PingOutside,
    /// Take a step of the restart ladder.
    Act {
        /// For which target.
        target: TargetIndex,
        /// Its number.
        ticket: u64,
        /// What.
        step: Step,
        /// The fencing epoch that the step is for: an engine with another one refuses.
        expected_epoch: Option<u64>,
        /// Why, for the engine's journal.
        reason: String,
        /// The step failed when it is not proved by then.
        until: Boot,
    },
    /// Compare a head that a target shows with what is remembered of it.
    Compare {
        /// Which.
        target: TargetIndex,
        /// What it shows.
        shown: Shown,
    },
    /// Tell people.
    Tell(Notice),
    /// The other watchdog tells of this incident from now on: this one's notifier lets go of it without a word.
    HandOver {
        /// Its key.
        key: String,
    },
    /// Write a line to the log.
    Note(String),
}

/// The journal's head as a target shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The journal's id.
    pub jid: String,
    /// The last durable sequence number.
    pub seq: u64,
    /// The hash of that record, 64 digits.
    pub head: String,
    /// When the question was asked to which this is the answer; `None` for a beat, which may have been overtaken by a later
    /// answer. Only what was asked after a higher head was seen proves that a head went back.
    pub asked: Option<Boot>,
}
