//! The start gate and the end: from `Start` to the first permit, and from the stop request to `Exit`.

use crate::causes::ends_with_the_engine;
use crate::effect::{Effect, ExitReason};
use crate::halt::{Cause, Scope};
use crate::id::{Epoch, HaltId, Ticket};
use crate::input::{CheckClass, Start, Unclean};
use crate::ledger::{Grievance, Standing};
use crate::machine::Core;
use crate::permission::{Mode, Permission};
use crate::record::{ClearedBy, Record};
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip};
use core::time::Duration;

/// Where the engine's own life stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Life {
    /// This start's epoch, once started.
    pub epoch: Option<Epoch>,
    /// The record of this start.
    pub started: Option<Ticket>,
    /// Whether that record is durable: before, nothing is published and nothing is spawned.
    pub started_durable: bool,
    /// The last record that carries a latch found beside the journal.
    pub latches: Option<Ticket>,
    /// What the integrity checks said last.
    pub integrity: Option<Result<(), String>>,
    /// What the environment checks said last.
    pub environment: Option<Result<(), String>>,
    /// Whether a stop was asked for.
    pub stopping: bool,
    /// When everything that is left is killed, once the engine ends.
    pub stop_by: Option<Monotonic>,
    /// The record of the stop, once everything is down.
    pub stopped: Option<Ticket>,
    /// Whether `Exit` was ordered.
    pub exited: bool,
    /// How far the host's clock is behind ours, since it went backwards.
    pub lag: Duration,
    /// Whether it went backwards just now.
    pub lag_is_new: bool,
    /// The engine stood still just now: until then what waits is read before anybody is judged.
    pub catching_up_until: Option<Monotonic>,
    /// Whether people were told that the last engine died, and not yet that this one is well.
    pub died: Option<Unclean>,
    /// When the next summary heartbeat is due.
    pub heartbeat_at: Monotonic,
}

impl Life {
    /// Whether nothing is to be started any more.
    pub fn exiting(&self) -> bool {
        self.stopping || self.exited
    }
}

impl Core {
    pub(crate) fn start(&mut self, turn: &mut Turn<'_>, start: Start) {
        if self.life.epoch.is_some() {
            return;
        }
        self.life.epoch = Some(start.epoch);
        self.life.heartbeat_at = turn.now.plus(self.policy.heartbeat_every);
        self.watch.all_ages_anew(turn.now);
        self.watch.recompute_at = turn.now;
        for id in self.recorded.halts.keys() {
            self.standing.insert(*id, Standing::begin(turn.now, None));
        }
        if let Some(window) = &self.recorded.maintenance {
            self.operator.maintenance_until = Some(turn.now.plus(Duration::from_millis(window.span_ms)));
        }
        let mode_ceiling = self.policy.mode_ceiling;
        self.life.started = self.record(turn, Record::EngineStarted { epoch: start.epoch, mode_ceiling });
        let ended: Vec<HaltId> = self
            .recorded
            .halts
            .values()
            .filter(|halt| !halt.latched && ends_with_the_engine(halt.cause))
            .map(|halt| halt.id)
            .collect();
        for id in ended {
            self.clear(turn, id, ClearedBy::Itself);
        }
        self.told_before();
        // A new one, also where the last engine ended behind its own: that one is about to clear. In force at once,
        // while the clearings wait for the journal.
        self.raise(turn, Grievance::of(Cause::Starting, "the start-up checks are running"));
        let stood = self.stands_at_all(Cause::KillSwitch);
        match start.kill_switch {
            Some((by, reason)) => {
                let evidence = format!("engaged by {by}: {reason}");
                self.raise(turn, Grievance::of(Cause::KillSwitch, evidence));
            }
            // Its release is recorded before its latch goes: without the record it still stands.
            None if stood => {
                let reason = "the journal says that it is engaged".to_owned();
                turn.push(Effect::WriteKillSwitchLatch { by: "failstop".to_owned(), reason });
            }
            None => {}
        }
        for (cause, evidence) in start.latches {
            if cause == Cause::KillSwitch {
                self.kill_switch_seen(turn, "failstop".to_owned(), evidence);
            } else if !self.remembers(cause, &evidence) {
                self.raise(turn, Grievance { latched: true, ..Grievance::of(cause, evidence) });
            }
            self.life.latches = Some(self.writing.next);
        }
        if start.new_journal && mode_ceiling == Mode::Live {
            let evidence =
                "the state directory is empty although the configuration says live: a lost latch looks the same";
            self.raise(turn, Grievance::of(Cause::NewJournal, evidence));
        }
        if let Some(damage) = start.damage {
            self.raise(turn, Grievance::of(Cause::Integrity, damage));
        }
        if let Some(contradiction) = self.recorded.contradiction.take() {
            self.raise(turn, Grievance::of(Cause::Integrity, contradiction));
        }
        if let Some(unclean) = start.unclean {
            self.tell_engine_died(turn, unclean);
        }
        self.dirty = true;
    }

    /// Whether the journal brought back what a latch beside it says: its last word was written after all, and knows more
    /// (component, trigger) than the latch.
    fn remembers(&self, cause: Cause, evidence: &str) -> bool {
        let row = self.row_for(cause, None);
        self.recorded.halts.values().any(|halt| {
            halt.cause == cause
                && halt.evidence == evidence
                && halt.latched
                && halt.scope == Scope::System
                && halt.cap <= row.cap
                && !self.is_clearing(halt.id)
        })
    }

    /// What becomes possible with the durable end of the journal: the first permit, the end of latches, the exit.
    pub(crate) fn after_durable(&mut self, turn: &mut Turn<'_>) {
        if !self.life.started_durable && self.life.started.is_some_and(|ticket| ticket <= self.writing.durable) {
            self.life.started_durable = true;
            self.dirty = true;
        }
        if self.life.latches.is_some_and(|ticket| ticket <= self.writing.durable) {
            self.life.latches = None;
            turn.push(Effect::RemoveLatches);
        }
        if self.life.stopped.is_some_and(|ticket| ticket <= self.writing.durable) && !self.life.exited {
            self.life.exited = true;
            self.dirty = true;
            let reason = if self.recorded.permission() == Permission::Shutdown {
                ExitReason::RequestedInShutdown
            } else {
                ExitReason::Requested
            };
            turn.push(Effect::Exit(reason));
        }
    }

    /// Ends the engine once everything is down, where it is to end.
    pub(crate) fn settle_exit(&mut self, turn: &mut Turn<'_>) {
        if self.life.exited || !self.all_down() {
            return;
        }
        if self.writing.failed.is_some() {
            self.life.exited = true;
            turn.push(Effect::Exit(ExitReason::Storage));
        } else if self.life.stopping && self.life.stopped.is_none() && self.life.epoch.is_some() {
            let permission = self.recorded.permission();
            self.life.stopped = self.record(turn, Record::EngineStopped { permission });
        }
    }

    pub(crate) fn checked(&mut self, turn: &mut Turn<'_>, class: CheckClass, outcome: Result<(), String>) {
        let outcome = outcome.map_err(|evidence| clip(evidence, TEXT_MAX_BYTES));
        let failure = outcome.as_ref().err().cloned();
        let (slot, word) = match class {
            CheckClass::Integrity => (&mut self.life.integrity, "integrity"),
            CheckClass::Environment => (&mut self.life.environment, "environment"),
        };
        let first = slot.is_none();
        let news = slot.as_ref() != Some(&outcome);
        *slot = Some(outcome);
        self.dirty = true;
        if news {
            self.record(turn, Record::CheckFinished { class: word.to_owned(), failure: failure.clone() });
        }
        let Some(evidence) = failure else { return };
        match class {
            CheckClass::Integrity => {
                self.raise(turn, Grievance::of(Cause::Integrity, evidence));
            }
            CheckClass::Environment => {
                let latched = first && self.policy.environment_latched;
                self.raise(turn, Grievance { latched, ..Grievance::of(Cause::Environment, evidence) });
            }
        }
    }

    /// The engine's own sign of life in the journal.
    pub(crate) fn settle_heartbeat(&mut self, turn: &mut Turn<'_>) {
        let silent = self.life.epoch.is_none() || self.life.stopped.is_some() || self.writing.failed.is_some();
        if silent || turn.now < self.life.heartbeat_at {
            return;
        }
        self.life.heartbeat_at = turn.now.plus(self.policy.heartbeat_every);
        let (permission, overall) = (self.recorded.permission(), self.watch.verdict.overall);
        self.record(turn, Record::Heartbeat { permission, overall });
    }
}
