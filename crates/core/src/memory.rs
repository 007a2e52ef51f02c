//! What the journal brings back: the fold of all records, by one function, used while stepping and by replay alike.

use crate::halt::{Halt, Scope};
use crate::id::{ComponentName, Epoch, HaltId};
use crate::permission::{Mode, Permission};
use crate::record::Record;
use std::collections::{BTreeMap, BTreeSet};

/// The recorded state: everything that survives the process, and nothing else.
///
/// A core that has seen all its records become durable holds exactly what a replay of these records gives. While a
/// loosening record waits for its durability the core's own copy is the tighter one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// The epoch of the last start.
    pub epoch: Epoch,
    /// Every standing halt.
    pub halts: BTreeMap<HaltId, Halt>,
    /// The epoch in which each standing halt was raised.
    pub raised_in: BTreeMap<HaltId, Epoch>,
    /// The number that the next halt gets: above every number ever given.
    pub next_halt: HaltId,
    /// The mode that the ceremony set last; `dry` before any.
    pub ceremony: Mode,
    /// Components that an operator stopped and did not start again.
    pub held: BTreeSet<ComponentName>,
    /// The standing maintenance window's length in milliseconds, if one stands.
    pub maintenance_ms: Option<u64>,
    /// A record that contradicts the ones before it: the permission it names is above what the standing halts allow.
    pub contradiction: Option<String>,
}

impl Recorded {
    /// Before the first record.
    pub fn new() -> Self {
        Self {
            epoch: Epoch(0),
            halts: BTreeMap::new(),
            raised_in: BTreeMap::new(),
            next_halt: HaltId(1),
            ceremony: Mode::Dry,
            held: BTreeSet::new(),
            maintenance_ms: None,
            contradiction: None,
        }
    }

    /// Takes one record. The only place where records change recorded state.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::EngineStarted { epoch, mode_ceiling: _ } => self.epoch = *epoch,
            Record::HaltRaised(halt) => {
                self.next_halt = self.next_halt.max(HaltId(halt.id.0.saturating_add(1)));
                self.halts.insert(halt.id, halt.clone());
                self.raised_in.insert(halt.id, self.epoch);
            }
            Record::HaltCleared { id, cause: _, by: _ } => {
                self.halts.remove(id);
                self.raised_in.remove(id);
            }
            Record::PermissionChanged { from: _, to } => {
                let allowed = self.permission();
                if *to > allowed && self.contradiction.is_none() {
                    self.contradiction =
                        Some(format!("a record says permission {to:?} where the standing halts allow {allowed:?}"));
                }
            }
            Record::ModeSet { mode, by: _, reason: _ } => self.ceremony = *mode,
            Record::ComponentHeld { component, held, by: _, reason: _ } => {
                if *held {
                    self.held.insert(component.clone());
                } else {
                    self.held.remove(component);
                }
            }
            Record::Maintenance { on, span_ms, by: _, reason: _ } => {
                self.maintenance_ms = if *on { Some(*span_ms) } else { None };
            }
            Record::EngineStopped { .. }
            | Record::ComponentStarted { .. }
            | Record::ComponentStartFailed { .. }
            | Record::ComponentReady { .. }
            | Record::ComponentStopping { .. }
            | Record::ComponentKilled { .. }
            | Record::ComponentExited { .. }
            | Record::HealthChanged { .. }
            | Record::Heartbeat { .. }
            | Record::PermitLapsed { .. }
            | Record::CheckFinished { .. }
            | Record::OperatorOrder { .. }
            | Record::OperatorRefused { .. } => {}
        }
    }

    /// The minimum over the halts that cap the whole system.
    pub fn permission(&self) -> Permission {
        let mut permission = Permission::Active;
        for halt in self.halts.values() {
            match halt.scope {
                Scope::System => permission = permission.min(halt.cap),
                Scope::Component => {}
            }
        }
        permission
    }

    /// The minimum over the halts that cap the system or this component.
    pub fn permission_of(&self, component: &ComponentName) -> Permission {
        let mut permission = Permission::Active;
        for halt in self.halts.values() {
            match halt.scope {
                Scope::System => permission = permission.min(halt.cap),
                Scope::Component if halt.component.as_ref() == Some(component) => permission = permission.min(halt.cap),
                Scope::Component => {}
            }
        }
        permission
    }
}

impl Default for Recorded {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a record allows more than before, so that it takes effect only once it is durable.
pub(crate) fn loosens(record: &Record) -> bool {
    match record {
        Record::HaltCleared { .. } => true,
        Record::ModeSet { mode, .. } => *mode == Mode::Live,
        Record::ComponentHeld { held, .. } => !held,
        Record::Maintenance { on, .. } => !on,
        Record::EngineStarted { .. }
        | Record::EngineStopped { .. }
        | Record::HaltRaised(_)
        | Record::PermissionChanged { .. }
        | Record::ComponentStarted { .. }
        | Record::ComponentStartFailed { .. }
        | Record::ComponentReady { .. }
        | Record::ComponentStopping { .. }
        | Record::ComponentKilled { .. }
        | Record::ComponentExited { .. }
        | Record::HealthChanged { .. }
        | Record::Heartbeat { .. }
        | Record::PermitLapsed { .. }
        | Record::CheckFinished { .. }
        | Record::OperatorOrder { .. }
        | Record::OperatorRefused { .. } => false,
    }
}

/// Whether the tightening record `later` takes back the loosening record `earlier`, which still waits for its
/// durability. Replay meets them in the order of the journal and ends with `later`; so must we.
pub(crate) fn takes_back(later: &Record, earlier: &Record) -> bool {
    match (later, earlier) {
        (Record::ModeSet { .. }, Record::ModeSet { .. }) | (Record::Maintenance { .. }, Record::Maintenance { .. }) => {
            true
        }
        (Record::ComponentHeld { component: a, .. }, Record::ComponentHeld { component: b, .. }) => a == b,
        (
            Record::ModeSet { .. }
            | Record::Maintenance { .. }
            | Record::ComponentHeld { .. }
            | Record::EngineStarted { .. }
            | Record::EngineStopped { .. }
            | Record::HaltRaised(_)
            | Record::HaltCleared { .. }
            | Record::PermissionChanged { .. }
            | Record::ComponentStarted { .. }
            | Record::ComponentStartFailed { .. }
            | Record::ComponentReady { .. }
            | Record::ComponentStopping { .. }
            | Record::ComponentKilled { .. }
            | Record::ComponentExited { .. }
            | Record::HealthChanged { .. }
            | Record::Heartbeat { .. }
            | Record::PermitLapsed { .. }
            | Record::CheckFinished { .. }
            | Record::OperatorOrder { .. }
            | Record::OperatorRefused { .. },
            _,
        ) => false,
    }
}
