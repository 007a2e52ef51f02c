//! Raising, clearing and recording: the asymmetry rule. What tightens is in force when its record is emitted, what
//! loosens when its record is durable.

use crate::alert::Told;
use crate::causes::{self, Row};
use crate::effect::Effect;
use crate::halt::{Cause, Halt, Scope, Trigger};
use crate::id::{HaltId, RequestId, Slot, Ticket};
use crate::machine::Core;
use crate::memory::Change;
use crate::permission::{Mode, Permission};
use crate::record::{ClearedBy, Record};
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip};
use std::collections::{BTreeMap, VecDeque};

/// What waits for the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Writing {
    /// The next record's number.
    pub next: Ticket,
    /// The highest number known durable.
    pub durable: Ticket,
    /// Every record that is not durable yet, with the time of its emission. The host bounds its queue, and the permit
    /// runs out long before this grows large.
    pub waiting: VecDeque<(Ticket, Monotonic)>,
    /// Loosening records, in force once durable.
    pub loosening: VecDeque<(Ticket, Record)>,
    /// Requests to answer once a record is durable.
    pub answers: VecDeque<(Ticket, RequestId)>,
    /// The journal takes no more records, if so.
    pub failed: Option<Failure>,
}

/// A journal that failed. Final.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Failure {
    /// So many last words may still be said.
    words_left: u16,
}

/// The most last words: some ten times what 31 components and every halt can bring about while the engine ends.
const LAST_WORDS_MAX: u16 = 2_048;

/// What is known of a standing halt beyond its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    /// Since when it stands; for one of an earlier epoch, since this start.
    pub since: Monotonic,
    /// Since when its condition has passed, for a self-clearing one.
    pub passed: Option<Monotonic>,
    /// The record that raised it in this epoch, where there is one.
    pub raised: Option<Ticket>,
    /// The record that clears it, once emitted.
    pub clearing: Option<Ticket>,
    /// What people were told of it.
    pub told: Told,
}

impl Standing {
    /// Raised by this record, or before this epoch.
    pub fn begin(since: Monotonic, raised: Option<Ticket>) -> Self {
        Self { since, passed: None, raised, clearing: None, told: Told::Nothing }
    }
}

/// The standing halts' unrecorded side.
pub(crate) type Standings = BTreeMap<HaltId, Standing>;

/// A halt about to be raised.
pub(crate) struct Grievance {
    pub cause: Cause,
    pub slot: Option<Slot>,
    pub trigger: Option<Trigger>,
    /// Another cap than the row's, for a bot's own request.
    pub cap: Option<Permission>,
    /// Latched although its row is not.
    pub latched: bool,
    pub evidence: String,
}

impl Grievance {
    pub fn of(cause: Cause, evidence: impl Into<String>) -> Self {
        Self { cause, slot: None, trigger: None, cap: None, latched: false, evidence: evidence.into() }
    }

    pub fn about(cause: Cause, slot: Slot, evidence: impl Into<String>) -> Self {
        Self { slot: Some(slot), ..Self::of(cause, evidence) }
    }
}

impl Core {
    /// Emits a record. `None` once the journal has failed: nothing is acknowledged in this process any more, and nothing
    /// loosens. What says why the system shut down is still said where the journal takes last words.
    pub(crate) fn record(&mut self, turn: &mut Turn<'_>, record: Record) -> Option<Ticket> {
        let change = Change::of(&record);
        let opens = change.loosens();
        if !opens {
            self.writing.loosening.retain(|(_, earlier)| !change.takes_back(Change::of(earlier)));
            self.recorded.apply(&record);
        }
        if self.writing.failed.is_some() {
            if is_last_word(&record) {
                self.last_word(turn, record, false);
            }
            return None;
        }
        self.writing.next = Ticket(self.writing.next.0 + 1);
        let ticket = self.writing.next;
        self.writing.waiting.push_back((ticket, turn.now));
        if opens {
            self.writing.loosening.push_back((ticket, record.clone()));
        }
        turn.push(Effect::Record { ticket, record });
        Some(ticket)
    }

    fn last_word(&mut self, turn: &mut Turn<'_>, record: Record, again: bool) {
        if let Some(failure) = self.writing.failed.as_mut().filter(|failure| failure.words_left > 0) {
            failure.words_left -= 1;
            turn.push(Effect::LastWord { record, again });
        }
    }

    /// Raises a halt, unless one that says and caps as much stands and is not about to be cleared.
    pub(crate) fn raise(&mut self, turn: &mut Turn<'_>, grievance: Grievance) -> Option<HaltId> {
        let row = self.row_for(grievance.cause, grievance.slot);
        let cap = grievance.cap.unwrap_or(row.cap);
        let latched = row.latched || grievance.latched;
        let component = grievance.slot.and_then(|slot| self.name_of(slot)).cloned();
        let covered = self.recorded.halts.values().any(|halt| {
            halt.cause == grievance.cause
                && halt.component == component
                && halt.trigger == grievance.trigger
                && halt.cap <= cap
                && (halt.latched || !latched)
                && !self.is_clearing(halt.id)
        });
        if covered {
            return None;
        }
        let scope = if component.is_none() { Scope::System } else { row.scope };
        let halt = Halt {
            id: self.recorded.next_halt,
            cause: grievance.cause,
            component,
            scope,
            cap,
            latched,
            trigger: grievance.trigger,
            evidence: clip(grievance.evidence, TEXT_MAX_BYTES),
        };
        let id = halt.id;
        if self.writing.failed.is_some() && latched {
            turn.push(Effect::Latch(halt.clone()));
        }
        let raised = self.record(turn, Record::HaltRaised(halt));
        self.standing.insert(id, Standing::begin(turn.now, raised));
        self.dirty = true;
        Some(id)
    }

    /// Raises a fail-safe halt for `trigger`.
    pub(crate) fn trip(&mut self, turn: &mut Turn<'_>, trigger: Trigger, evidence: impl Into<String>) {
        self.raise(turn, Grievance { trigger: Some(trigger), ..Grievance::of(Cause::Failsafe, evidence) });
    }

    /// Emits the record that clears a halt; it stands until that record is durable. At most one such record waits for
    /// each halt. Returns its number.
    pub(crate) fn clear(&mut self, turn: &mut Turn<'_>, id: HaltId, by: ClearedBy) -> Option<Ticket> {
        let cause = self.recorded.halts.get(&id)?.cause;
        if let Some(ticket) = self.standing.get(&id).and_then(|standing| standing.clearing) {
            return Some(ticket);
        }
        let ticket = self.record(turn, Record::HaltCleared { id, cause, by })?;
        if let Some(standing) = self.standing.get_mut(&id) {
            standing.clearing = Some(ticket);
        }
        Some(ticket)
    }

    /// Whether the record that clears this halt waits for its durability.
    pub(crate) fn is_clearing(&self, id: HaltId) -> bool {
        self.standing.get(&id).is_some_and(|standing| standing.clearing.is_some())
    }

    /// Whether a halt of this cause (about that component, by that trigger) stands and is not about to be cleared.
    pub(crate) fn stands(&self, cause: Cause, slot: Option<Slot>, trigger: Option<Trigger>) -> bool {
        let component = slot.and_then(|slot| self.name_of(slot));
        self.recorded.halts.values().any(|halt| {
            halt.cause == cause
                && halt.component.as_ref() == component
                && (trigger.is_none() || halt.trigger == trigger)
                && !self.is_clearing(halt.id)
        })
    }

    /// Whether any halt of this cause stands, one about to be cleared included.
    pub(crate) fn stands_at_all(&self, cause: Cause) -> bool {
        self.recorded.halts.values().any(|halt| halt.cause == cause)
    }

    /// The row of a cause for a component.
    pub(crate) fn row_for(&self, cause: Cause, slot: Option<Slot>) -> Row {
        let component = slot.and_then(Slot::index).and_then(|index| self.policy.components.get(index));
        let mut row = causes::row(&self.policy, cause, component.is_none_or(|component| component.essential));
        if cause == Cause::ComponentFailed
            && let Some(component) = component
            && self.policy.halts.get(&cause).is_none_or(|over| over.clear_after.is_none())
        {
            row.clear_after = component.start_limit_within;
        }
        row
    }

    /// Every record up to `upto` is durable: what loosens among them comes into force, requests are answered.
    pub(crate) fn durable(&mut self, turn: &mut Turn<'_>, upto: Ticket) {
        // A number never given out is the host's mistake; it proves nothing beyond what was emitted.
        let upto = upto.min(self.writing.next);
        self.watch.last_journal_write = Some(turn.now);
        self.watch.journal_base = turn.now;
        if self.watch.verdict.rules.journal || self.permit.withheld {
            self.dirty = true;
        }
        while self.writing.waiting.front().is_some_and(|(ticket, _)| *ticket <= upto) {
            self.writing.waiting.pop_front();
        }
        self.writing.durable = self.writing.durable.max(upto);
        while self.writing.loosening.front().is_some_and(|(ticket, _)| *ticket <= upto) {
            if let Some((_, record)) = self.writing.loosening.pop_front() {
                self.loosen(turn, &record);
                self.dirty = true;
            }
        }
        while self.writing.answers.front().is_some_and(|(ticket, _)| *ticket <= upto) {
            if let Some((_, request)) = self.writing.answers.pop_front() {
                turn.push(Effect::Answer { request, outcome: Ok(()) });
            }
        }
        self.settle_configuration(turn, upto);
        self.turn_second_key(turn);
        self.after_durable(turn);
    }

    /// A loosening record is durable.
    fn loosen(&mut self, turn: &mut Turn<'_>, record: &Record) {
        match Change::of(record) {
            Change::Cleared { cause: Cause::KillSwitch, .. } => {
                self.kill_switch_release_durable(turn, record);
                return;
            }
            Change::Cleared { id, cause, by } => {
                let component = self.recorded.halts.get(&id).and_then(|halt| halt.component.clone());
                let gone = self.about_to_go(id);
                self.standing.remove(&id);
                if cause == Cause::ComponentFailed
                    && let Some(index) = component.and_then(|name| self.index_of(&name))
                    && let Some(component) = self.components.get_mut(index)
                {
                    component.forgive();
                }
                self.recorded.apply(record);
                if let Some(gone) = gone {
                    self.alert_cleared(turn, gone, by);
                }
                return;
            }
            Change::Maintenance { .. } => self.operator.maintenance_until = None,
            // Nothing but the record of it: the first two loosen by it, the others never loosen.
            Change::Mode(_) | Change::Held { .. } => {}
            Change::Epoch(_) | Change::Raised(_) | Change::Permission(_) | Change::Nothing => {}
        }
        self.recorded.apply(record);
    }

    /// The journal takes nothing more, or nothing but last words. The gate closes in this step; whoever waits for an answer
    /// gets one.
    pub(crate) fn storage_failed(&mut self, turn: &mut Turn<'_>, evidence: String, last_words: bool) {
        if let Some(failure) = &mut self.writing.failed {
            if !last_words {
                failure.words_left = 0;
            }
            return;
        }
        let evidence = clip(evidence, TEXT_MAX_BYTES);
        self.writing.failed = Some(Failure { words_left: if last_words { LAST_WORDS_MAX } else { 0 } });
        // A halt whose record was still on its way may be lost with it: its latch goes beside the journal, and it is the first
        // of the last words.
        let durable = self.writing.durable;
        let raised = |id| self.standing.get(id).and_then(|standing| standing.raised);
        let on_its_way = self.recorded.halts.values().filter(|halt| raised(&halt.id).is_some_and(|at| at > durable));
        let on_its_way: Vec<Halt> = on_its_way.cloned().collect();
        for halt in on_its_way {
            if halt.latched {
                turn.push(Effect::Latch(halt.clone()));
            }
            self.last_word(turn, Record::HaltRaised(halt), true);
        }
        // What was not durable by now never counts as such in this process: nothing of it loosens any more.
        self.writing.loosening.clear();
        self.writing.waiting.clear();
        self.coming = None;
        for standing in self.standing.values_mut() {
            standing.clearing = None;
        }
        self.raise(turn, Grievance::of(Cause::Storage, evidence));
        let releasing = self.operator.abandon_release();
        self.abandon_second_key(turn);
        let waiting = core::mem::take(&mut self.writing.answers);
        for request in waiting.into_iter().map(|(_, request)| request).chain(releasing) {
            let outcome = Err(vec![
                "the journal can no longer be written, so this was not recorded and takes no effect beyond what already \
                 tightened; repair the storage and start failstop again"
                    .to_owned(),
            ]);
            turn.push(Effect::Answer { request, outcome });
        }
        self.dirty = true;
    }

    /// Answers `request` once `ticket` is durable; at once where it already is.
    pub(crate) fn answer_when_durable(&mut self, turn: &mut Turn<'_>, request: RequestId, ticket: Option<Ticket>) {
        match ticket {
            Some(ticket) if ticket > self.writing.durable => {
                // Kept in the order of tickets, as several orders may wait for one record.
                let at = self.writing.answers.partition_point(|(other, _)| *other <= ticket);
                self.writing.answers.insert(at, (ticket, request));
            }
            Some(_) => turn.push(Effect::Answer { request, outcome: Ok(()) }),
            None => {
                let why = "the journal can no longer be written; repair the storage and start failstop again";
                turn.push(Effect::Answer { request, outcome: Err(vec![why.to_owned()]) });
            }
        }
    }

    /// The effective mode.
    pub(crate) fn effective_mode(&self) -> Mode {
        self.policy.mode_ceiling.min(self.recorded.ceremony)
    }
}

/// What is still recorded once the disk is full: why the system shut down, and what became of its components. Never what
/// loosens, and nothing that goes on and on.
fn is_last_word(record: &Record) -> bool {
    match record {
        Record::HaltRaised(_)
        | Record::PermissionChanged { .. }
        | Record::ComponentStopping { .. }
        | Record::ComponentKilled { .. }
        | Record::ComponentHook { .. }
        | Record::ComponentExited { .. } => true,
        Record::EngineStarted { .. }
        | Record::EngineStopped { .. }
        | Record::HaltCleared { .. }
        | Record::ModeSet { .. }
        | Record::ComponentStarted { .. }
        | Record::ComponentStartFailed { .. }
        | Record::ComponentReady { .. }
        | Record::LimitWarned { .. }
        | Record::LimitPassed { .. }
        | Record::ComponentReloading { .. }
        | Record::ComponentReloaded { .. }
        | Record::ComponentMainChanged { .. }
        | Record::HealthChanged { .. }
        | Record::Heartbeat { .. }
        | Record::PermitLapsed { .. }
        | Record::CheckFinished { .. }
        | Record::ComponentHeld { .. }
        | Record::Maintenance { .. }
        | Record::ConfigChanged(_)
        | Record::OperatorOrder { .. }
        | Record::OperatorRefused { .. } => false,
    }
}
