//! What the journal brings back: the fold of all records, by one function, used while stepping and by replay alike.

use crate::halt::{Cause, Halt, Scope};
use crate::id::{ComponentName, Epoch, HaltId};
use crate::permission::{Mode, Permission};
use crate::record::{ClearedBy, Record};
use std::collections::BTreeMap;

/// Who keeps a component stopped, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Who.
    pub by: String,
    /// Why; empty where nobody said it.
    pub reason: String,
}

/// A maintenance window as it was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its length in milliseconds.
    pub span_ms: u64,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

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
    pub held: BTreeMap<ComponentName, Held>,
    /// The maintenance window that stands, if one does.
    pub maintenance: Option<Window>,
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
            held: BTreeMap::new(),
            maintenance: None,
            contradiction: None,
        }
    }

    /// Takes one record. The only place where records change recorded state.
    pub fn apply(&mut self, record: &Record) {
        match Change::of(record) {
            Change::Epoch(epoch) => self.epoch = epoch,
            Change::Raised(halt) => {
                self.next_halt = self.next_halt.max(HaltId(halt.id.0.saturating_add(1)));
                self.halts.insert(halt.id, halt.clone());
                self.raised_in.insert(halt.id, self.epoch);
            }
            Change::Cleared { id, .. } => {
                self.halts.remove(&id);
                self.raised_in.remove(&id);
            }
            Change::Permission(to) => {
                let allowed = self.permission();
                if to > allowed && self.contradiction.is_none() {
                    self.contradiction =
                        Some(format!("a record says permission {to:?} where the standing halts allow {allowed:?}"));
                }
            }
            Change::Mode(mode) => self.ceremony = mode,
            Change::Held { component, held: true, by, reason } => {
                self.held.insert(component.clone(), Held { by: by.to_owned(), reason: reason.to_owned() });
            }
            Change::Held { component, held: false, by: _, reason: _ } => {
                self.held.remove(component);
            }
            Change::Maintenance { span_ms, by, reason } => {
                let window = |span_ms| Window { span_ms, by: by.to_owned(), reason: reason.to_owned() };
                self.maintenance = span_ms.map(window);
            }
            Change::Nothing => {}
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

/// What a record means for recorded state: the one place that decides it for every kind of record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// A start.
    Epoch(Epoch),
    /// A halt stands from here on.
    Raised(&'a Halt),
    /// A halt stands no more.
    Cleared { id: HaltId, cause: Cause, by: &'a ClearedBy },
    /// The permission that follows from the halts, said once more; replay checks it.
    Permission(Permission),
    /// The mode ceremony.
    Mode(Mode),
    /// A component is kept stopped, or no more.
    Held { component: &'a ComponentName, held: bool, by: &'a str, reason: &'a str },
    /// A maintenance window of so many milliseconds, or its end.
    Maintenance { span_ms: Option<u64>, by: &'a str, reason: &'a str },
    /// The record only informs.
    Nothing,
}

impl<'a> Change<'a> {
    pub fn of(record: &'a Record) -> Self {
        match record {
            Record::EngineStarted { epoch, mode_ceiling: _ } => Self::Epoch(*epoch),
            Record::HaltRaised(halt) => Self::Raised(halt),
            Record::HaltCleared { id, cause, by } => Self::Cleared { id: *id, cause: *cause, by },
            Record::PermissionChanged { from: _, to } => Self::Permission(*to),
            Record::ModeSet { mode, by: _, reason: _ } => Self::Mode(*mode),
            Record::ComponentHeld { component, held, by, reason } => Self::Held { component, held: *held, by, reason },
            Record::Maintenance { on, span_ms, by, reason } => {
                Self::Maintenance { span_ms: on.then_some(*span_ms), by, reason }
            }
            Record::EngineStopped { .. }
            | Record::ComponentStarted { .. }
            | Record::ComponentStartFailed { .. }
            | Record::ComponentReady { .. }
            | Record::ComponentHook { .. }
            | Record::ComponentReloading { .. }
            | Record::ComponentReloaded { .. }
            | Record::ComponentMainChanged { .. }
            | Record::ComponentStopping { .. }
            | Record::ComponentKilled { .. }
            | Record::ComponentExited { .. }
            | Record::LimitWarned { .. }
            | Record::LimitPassed { .. }
            | Record::HealthChanged { .. }
            | Record::Heartbeat { .. }
            | Record::PermitLapsed { .. }
            | Record::CheckFinished { .. }
            // Which policy holds is each start's own configuration's matter.
            | Record::ConfigChanged(_)
            | Record::OperatorOrder { .. }
            | Record::OperatorRefused { .. } => Self::Nothing,
        }
    }

    /// Whether it allows more than before, so that it takes effect only once its record is durable.
    pub fn loosens(self) -> bool {
        match self {
            Self::Cleared { .. } => true,
            Self::Mode(mode) => mode == Mode::Live,
            Self::Held { held, .. } => !held,
            Self::Maintenance { span_ms, by: _, reason: _ } => span_ms.is_none(),
            Self::Epoch(_) | Self::Raised(_) | Self::Permission(_) | Self::Nothing => false,
        }
    }

    /// Whether this tightening takes back a loosening that still waits for its durability. Replay meets them in the order of
    /// the journal and ends with the later one; so must we.
    pub fn takes_back(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::Mode(_), Self::Mode(_)) | (Self::Maintenance { .. }, Self::Maintenance { .. }) => true,
            (Self::Held { component: a, .. }, Self::Held { component: b, .. }) => a == b,
            (
                Self::Mode(_)
                | Self::Maintenance { .. }
                | Self::Held { .. }
                | Self::Epoch(_)
                | Self::Raised(_)
                | Self::Cleared { .. }
                | Self::Permission(_)
                | Self::Nothing,
                _,
            ) => false,
        }
    }
}
