//! One process of the simulation, from its start to its end: random events, a recorder, and what the core orders.

use super::Met;
use super::world::{COMPONENTS, LEASE, World};
use crate::disk::SimDisk;
use failstop_core::*;
use failstop_journal::{Importance, Journal, JournalError};
use std::collections::VecDeque;
use std::time::Duration;

const EVENTS: u64 = 120;

/// One process.
pub struct Life<'w> {
    pub world: &'w mut World,
    pub core: Core,
    pub journal: Journal<SimDisk>,
    pub waiting: VecDeque<(Ticket, Record)>,
    /// The fold of what is durable.
    pub durable: Recorded,
    pub running: [Option<Instance>; COMPONENTS],
    pub dying: [bool; COMPONENTS],
    pub failed: bool,
    /// The journal takes last words: its disk is full, and nothing worse happened.
    pub takes_last_words: bool,
    /// The core knows that nothing is taken any more.
    pub told_silent: bool,
    pub released: bool,
    pub over: Option<ExitReason>,
}

fn encode(record: &Record) -> (String, String) {
    let value = serde_json::to_value(record).unwrap();
    (value["t"].as_str().unwrap().to_owned(), value["b"].to_string())
}

impl Life<'_> {
    pub fn live(&mut self) {
        for _ in 0..EVENTS {
            if self.over.is_some() || self.world.disk.crashed() {
                return;
            }
            self.event();
        }
        if self.world.random.one_in(2) {
            self.step(Input::StopRequested);
            for _ in 0..40 {
                if self.over.is_some() || self.world.disk.crashed() {
                    return;
                }
                self.commit();
                self.pass(500);
                for index in 0..COMPONENTS {
                    self.gone(index);
                }
            }
            panic!("the engine does not stop: {:?}", self.core.components());
        }
    }

    pub fn event(&mut self) {
        let index = usize::try_from(self.world.random.below(COMPONENTS as u64)).unwrap();
        let slot = Slot::component(index).unwrap();
        match self.world.random.below(40) {
            0..8 => {
                let ms = self.world.random.below(1500);
                self.pass(ms);
            }
            8..19 => self.commit(),
            19..22 => self.gone(index),
            22..26 => self.sign(index),
            26 => {
                if let Some(instance) = self.running[index] {
                    self.step(Input::Exited { slot, instance, exit: Exit::Signal(11) });
                }
            }
            27 => self.step(Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) }),
            28 => {
                let causes = [Cause::DailyLoss, Cause::OrdersInDoubt, Cause::Environment, Cause::Reclaiming];
                let cause = causes[usize::try_from(self.world.random.below(4)).unwrap()];
                self.step(Input::Raise { cause, slot: None, evidence: "seen".to_owned() });
            }
            29..31 => {
                for cause in [Cause::OrdersInDoubt, Cause::Environment, Cause::Reclaiming] {
                    self.step(Input::Passed { cause, slot: None });
                }
            }
            31..34 => self.order(Order::Resume(Vec::new())),
            34 => self.order(Order::Mode(Mode::Live)),
            35 => {
                if self.world.random.one_in(3) {
                    self.order(Order::KillSwitchEngage);
                }
            }
            36..38 => self.order(Order::KillSwitchRelease),
            38 => {
                let stop = self.world.random.one_in(2);
                self.order(if stop { Order::StopComponent(slot) } else { Order::StartComponent(slot) });
            }
            _ => {
                let up = self.world.random.one_in(2);
                self.step(Input::DependencyTried { index: 0, answered: up });
                if self.world.random.one_in(2) {
                    self.step(Input::Dependency { index: 0, up, evidence: "asked".to_owned() });
                }
            }
        }
    }

    pub fn order(&mut self, order: Order) {
        let input =
            Input::Operator { request: RequestId(1), by: "ops".to_owned(), reason: "because".to_owned(), order };
        self.step(input);
    }

    pub fn sign(&mut self, index: usize) {
        let Some(instance) = self.running[index] else { return };
        let sign = match self.world.random.below(5) {
            0 | 1 => Sign::Ready,
            2 => Sign::Beat,
            3 => Sign::Tick { feed: "venue".to_owned(), fresh: true },
            _ => Sign::Error { severity: 3, fatal: false, message: "no".to_owned() },
        };
        self.step(Input::Sign { slot: Slot::component(index).unwrap(), instance, sign });
    }

    pub fn gone(&mut self, index: usize) {
        if self.dying[index]
            && let Some(instance) = self.running[index]
        {
            let slot = Slot::component(index).unwrap();
            self.step(Input::Exited { slot, instance, exit: Exit::Signal(15) });
            self.running[index] = None;
            self.dying[index] = false;
            self.step(Input::TreeGone { slot, instance });
        }
    }

    pub fn pass(&mut self, ms: u64) {
        let until = self.world.now.plus(Duration::from_millis(ms));
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= until) {
            assert!(at > self.world.now, "a deadline that is due comes back");
            self.world.now = at;
            self.step(Input::Wake);
            if self.over.is_some() {
                return;
            }
        }
        self.world.now = until;
        self.step(Input::Wake);
    }

    pub fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.over.is_some() {
                return;
            }
            let mut out = Vec::new();
            let silenced = self.failed && matches!(input, Input::StorageFailed { last_words: false, .. });
            self.core.step(self.world.now, input, &mut out);
            self.told_silent |= silenced;
            for effect in out {
                self.carry_out(effect, &mut inputs);
            }
        }
    }

    pub fn carry_out(&mut self, effect: Effect, inputs: &mut VecDeque<Input>) {
        match effect {
            Effect::Publish(page) => {
                assert!(page.deadline <= self.world.now.plus(LEASE));
                let allowed = Rights::of(self.durable.permission(), self.durable.ceremony);
                let within = page.rights.iter().all(|rights| rights.within(allowed));
                assert!(within, "I4: more rights than the durable journal allows");
                assert_eq!(self.durable.epoch, Epoch(self.world.epoch), "I7: a permit before its epoch is durable");
                let grants = page.rights.iter().any(|rights| rights.open || rights.reduce);
                assert!(!(grants && self.failed), "I10: a permit after the journal failed");
                assert!(!(grants && self.world.latch), "I6: a permit under the latch");
                if grants && self.released {
                    self.world.note(Met::ActiveAfterARelease);
                }
            }
            Effect::Record { ticket, record } => {
                assert!(!self.failed, "I10: a record after the journal failed");
                self.waiting.push_back((ticket, record));
            }
            Effect::LastWord { record, again: _ } => self.last_word(record, inputs),
            Effect::Latch(halt) => {
                self.world.latches.insert(halt.cause, halt.evidence);
            }
            Effect::RemoveLatches => self.world.latches.clear(),
            Effect::RemoveKillSwitchLatch => {
                self.world.latch = false;
                inputs.push_back(Input::KillSwitchLatchRemoved);
            }
            Effect::WriteKillSwitchLatch { .. } => self.world.latch = true,
            Effect::Spawn { slot, instance } => {
                let index = slot.index().unwrap();
                assert!(self.running[index].is_none(), "two copies");
                self.running[index] = Some(instance);
                self.dying[index] = false;
                inputs.push_back(if self.world.random.one_in(8) {
                    self.dying[index] = true;
                    Input::SpawnFailed { slot, instance, error: "ENOENT".to_owned() }
                } else {
                    Input::Spawned { slot, instance, pid: 1 }
                });
            }
            Effect::Stop { slot, .. } | Effect::KillTree { slot, .. } => self.dying[slot.index().unwrap()] = true,
            Effect::Ask { .. }
            | Effect::Reload { .. }
            | Effect::RunHook { .. }
            | Effect::KillHook { .. }
            | Effect::Answer { .. }
            | Effect::Alert(_)
            | Effect::Configured
            | Effect::TryDependency { .. } => {}
            Effect::Exit(reason) => self.over = Some(reason),
        }
    }

    /// What the recorder does: everything that waits in one batch, one fdatasync, then the acknowledgement.
    pub fn commit(&mut self) {
        if self.waiting.is_empty() || self.failed {
            return;
        }
        let before = self.world.handed.len();
        let mut seqs = Vec::new();
        let mut last = Ticket(0);
        let batch = std::mem::take(&mut self.waiting);
        let mut outcome = Ok(());
        for (ticket, record) in &batch {
            let (kind, payload) = encode(record);
            let wall = self.world.wall();
            // May roll a segment, and so write and fail, by itself.
            match self.journal.stage(wall, &kind, &payload, Importance::Ordinary) {
                Ok(seq) => seqs.push(seq),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            self.world.handed.push(record.clone());
            last = *ticket;
        }
        match outcome.and_then(|()| self.journal.commit().map(drop)) {
            Ok(()) => {
                self.world.acknowledged = self.world.handed.len();
                for (_, record) in &batch {
                    self.durable.apply(record);
                    if matches!(record, Record::HaltCleared { by: ClearedBy::Operator { .. }, .. }) {
                        self.released = true;
                    }
                }
                self.step(Input::Durable(last));
            }
            Err(_) if self.world.disk.crashed() => {}
            Err(error) => {
                let full = error.is_no_space();
                self.world.note(if full { Met::DiskFull } else { Met::FailedSync });
                if full {
                    // Rolling may have committed the first part; the journal's own position says how much.
                    let durable = self.journal.durable().seq;
                    let kept = seqs.iter().filter(|seq| **seq <= durable).count();
                    self.world.handed.truncate(before + kept);
                }
                self.failed = true;
                self.takes_last_words = full;
                self.step(Input::StorageFailed { evidence: error.to_string(), last_words: full });
                // As a real host may, with what its recorder said before: it opens nothing.
                self.step(Input::Durable(last));
                if !full {
                    let wall = self.world.wall();
                    let refused = self.journal.stage(wall, "x.after", "{}", Importance::LastWords);
                    assert!(matches!(refused, Err(JournalError::Poisoned)), "I10: an append after a failed fsync");
                    assert!(self.journal.commit().is_err(), "I10: an acknowledgement after a failed fsync");
                }
            }
        }
    }

    /// Into the space that the ballast gave back: why the system shut down.
    pub fn last_word(&mut self, record: Record, inputs: &mut VecDeque<Input>) {
        assert!(self.failed && !self.told_silent, "I10: a record after a failed fsync");
        let (kind, payload) = encode(&record);
        let wall = self.world.wall();
        let staged = self.journal.stage(wall, &kind, &payload, Importance::LastWords);
        if !self.takes_last_words {
            // Ordered in the same step as the one that failed: the journal is what refuses it.
            assert!(matches!(staged, Err(JournalError::Poisoned)), "I10: an append after a failed fsync");
        }
        if staged.is_err() {
            return;
        }
        self.world.handed.push(record.clone());
        match self.journal.commit() {
            Ok(_) => {
                self.world.acknowledged = self.world.handed.len();
                self.durable.apply(&record);
                self.world.note(Met::LastWords);
                if matches!(&record, Record::HaltRaised(halt) if halt.cause == Cause::Storage) {
                    self.world.note(Met::FullDiskInTheJournal);
                }
            }
            Err(error) if error.is_no_space() => {
                self.world.handed.pop();
            }
            Err(_) if self.world.disk.crashed() => {}
            Err(error) => {
                self.takes_last_words = false;
                inputs.push_back(Input::StorageFailed { evidence: error.to_string(), last_words: false });
            }
        }
    }
}
