//! The machine itself: one owner of all state, stepped by its host.

use crate::effect::{Effect, Page};
use crate::halt::Halt;
use crate::input::Input;
use crate::permission::{Mode, Permission};
use crate::policy::Policy;
use crate::record::Record;
use crate::time::Monotonic;
use crate::view::{ComponentView, FeedView, Health, PartView};

/// The core. See the crate's first lines for the contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Core {
    policy: Policy,
}

impl Core {
    /// A core that has seen nothing: `observe-only`, nothing published.
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// Takes one record of the journal, before the first step. The same state as from the inputs that made it.
    pub fn replay(&mut self, _record: &Record) {}

    /// Takes one fact at time `now` and appends the orders that follow to `out`.
    pub fn step(&mut self, _now: Monotonic, _input: Input, _out: &mut Vec<Effect>) {}

    /// When to call [`Core::step`] with [`Input::Wake`] at the latest.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        None
    }

    /// The permission: the minimum over standing halts.
    pub fn permission(&self) -> Permission {
        Permission::ObserveOnly
    }

    /// The effective mode.
    pub fn mode(&self) -> Mode {
        self.policy.mode_ceiling
    }

    /// Every standing halt, in the order of their ids.
    pub fn halts(&self) -> impl Iterator<Item = (&Halt, Monotonic)> {
        core::iter::empty()
    }

    /// Whether a kill-switch halt stands.
    pub fn kill_switch(&self) -> bool {
        false
    }

    /// The page as last published, if any was.
    pub fn page(&self) -> Option<&Page> {
        None
    }

    /// The verdict at `now`.
    pub fn health(&self, _now: Monotonic) -> Health {
        Health {
            status: crate::HealthStatus::Healthy,
            overall: 1000,
            reasons: Vec::new(),
            errors_per_minute: 0,
            last_journal_write: None,
            last_snapshot: None,
        }
    }

    /// Every component, in the configuration's order.
    pub fn components(&self) -> Vec<ComponentView> {
        Vec::new()
    }

    /// Every feed that was seen or is configured.
    pub fn feeds(&self) -> Vec<FeedView> {
        Vec::new()
    }

    /// Every part that a component reported.
    pub fn parts(&self) -> Vec<PartView> {
        Vec::new()
    }
}
