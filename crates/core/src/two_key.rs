//! The second key: with a witness, what an operator releases takes effect only when the witness has acknowledged the order's
//! record. Whoever can write on this host alone cannot resume in silence: somebody off the host then holds the order, and who
//! gave it.
//!
//! An order that may be carried out is recorded first (`operator.order`, which changes nothing). Only when that record is durable
//! *and* witnessed is it judged once more and carried out, by the very records that it would have had without a witness. So an
//! engine that dies in between comes back with the halt still standing: no half of a release is ever replayed.

use crate::effect::Effect;
use crate::id::{HaltId, Ticket};
use crate::machine::Core;
use crate::operator::{Asked, ENGAGED_AGAIN};
use crate::record::Record;
use crate::time::Monotonic;
use crate::turn::{Turn, span};
use core::time::Duration;
use std::collections::VecDeque;

/// So many releases may wait for the witness at once.
const WAITING_MAX: usize = 16;

/// What an operator wants to release.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Release {
    /// Latched halts.
    Halts(Vec<HaltId>),
    /// The kill switch.
    KillSwitch,
}

impl Release {
    fn words(&self) -> String {
        match self {
            Self::Halts(ids) => {
                let names: Vec<String> = ids.iter().map(|id| format!("h-{}", id.0)).collect();
                format!("resume {}", names.join(", "))
            }
            Self::KillSwitch => "kill-switch release".to_owned(),
        }
    }
}

/// A release whose record waits for the witness.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    ticket: Ticket,
    until: Monotonic,
    asked: Asked,
    release: Release,
}

/// What waits for the witness, and how far that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SecondKey {
    /// In the order of their tickets.
    waiting: VecDeque<Waiting>,
    /// The highest record that the witness has acknowledged.
    witnessed: Ticket,
}

impl Core {
    /// An order to release is in order: carries it out, or records it first and waits for the witness.
    pub(crate) fn release_with_keys(&mut self, turn: &mut Turn<'_>, asked: Asked, release: Release) {
        let Some(wait) = self.policy.two_key else {
            return self.carry_out_release(turn, asked, release);
        };
        if self.second_key.waiting.len() >= WAITING_MAX {
            let why = "too many releases wait for the witness already; wait for their answers".to_owned();
            return self.refuse(turn, asked, &release.words(), vec![why]);
        }
        let order = format!("{}, waiting for the witness", release.words());
        let record = Record::OperatorOrder { order, by: asked.by.clone(), reason: asked.reason.clone() };
        let Some(ticket) = self.record(turn, record) else {
            // Where nothing can be recorded nothing is released.
            return self.answer_when_durable(turn, asked.request, None);
        };
        let until = turn.now.plus(wait);
        self.second_key.waiting.push_back(Waiting { ticket, until, asked, release });
        self.dirty = true;
    }

    /// The witness has acknowledged a head at or beyond this record.
    pub(crate) fn witnessed(&mut self, turn: &mut Turn<'_>, upto: Ticket) {
        // A number never given out is the host's mistake; it proves nothing beyond what was emitted.
        let upto = upto.min(self.writing.next);
        self.second_key.witnessed = self.second_key.witnessed.max(upto);
        self.turn_second_key(turn);
    }

    /// Carries out what is durable and witnessed; each is judged once more, since its cause may hold again.
    pub(crate) fn turn_second_key(&mut self, turn: &mut Turn<'_>) {
        if self.writing.failed.is_some() {
            return;
        }
        let upto = self.second_key.witnessed.min(self.writing.durable);
        while let Some(waiting) = self.second_key.waiting.pop_front_if(|waiting| waiting.ticket <= upto) {
            let Waiting { asked, release, .. } = waiting;
            let refusals = match &release {
                Release::Halts(ids) => self.what_holds(turn.now, ids),
                Release::KillSwitch => self.what_holds_the_kill_switch(),
            };
            if refusals.is_empty() {
                self.carry_out_release(turn, asked, release);
            } else {
                self.refuse(turn, asked, &release.words(), refusals);
            }
            self.dirty = true;
        }
    }

    /// Refuses what the witness did not acknowledge in time.
    pub(crate) fn settle_second_key(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        while let Some(late) = self.second_key.waiting.pop_front_if(|waiting| waiting.until <= now) {
            let waited = self.policy.two_key.unwrap_or(Duration::ZERO);
            let why = format!(
                "the witness did not acknowledge the record of this order within {}, so nothing was released: see that the \
                 watchdog runs, reaches this system and has no alarm of its own (`failstop-watchdog status`), then give the \
                 order again",
                span(waited)
            );
            self.refuse(turn, late.asked, &late.release.words(), vec![why]);
        }
    }

    /// Somebody engaged the kill switch: a release of it that was asked for before ends nothing.
    pub(crate) fn refuse_waiting_kill_switch_releases(&mut self, turn: &mut Turn<'_>) {
        let waiting = core::mem::take(&mut self.second_key.waiting);
        let (over, others): (VecDeque<_>, VecDeque<_>) =
            waiting.into_iter().partition(|waiting| waiting.release == Release::KillSwitch);
        self.second_key.waiting = others;
        for waiting in over {
            self.refuse(turn, waiting.asked, &waiting.release.words(), vec![ENGAGED_AGAIN.to_owned()]);
            self.dirty = true;
        }
    }

    /// When the first of them is late.
    pub(crate) fn second_key_due(&self) -> Option<Monotonic> {
        self.second_key.waiting.front().map(|waiting| waiting.until)
    }

    /// The journal failed: nothing that waits is carried out in this process.
    pub(crate) fn abandon_second_key(&mut self, turn: &mut Turn<'_>) {
        for waiting in core::mem::take(&mut self.second_key.waiting) {
            let why = "the journal can no longer be written, so nothing was released; repair the storage and start failstop \
                       again";
            let outcome = Err(vec![why.to_owned()]);
            turn.push(Effect::Answer { request: waiting.asked.request, outcome });
        }
    }

    /// The last record whose acknowledgement by the witness is waited for; the host asks the witness while there is one.
    pub fn awaits_witness(&self) -> Option<Ticket> {
        self.second_key.waiting.back().map(|waiting| waiting.ticket)
    }
}
