//! Why a component may not run, and what it waits for.

use crate::component::Component;
use crate::halt::Cause;
use crate::id::ComponentName;
use crate::machine::Core;
use crate::permission::{Mode, Permission};
use crate::policy::{ComponentPolicy, DependencyExit, Orders};

/// Why a component may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hindrance {
    /// The engine's own start is not durable yet.
    EngineStarting,
    /// The engine stops.
    EngineStopping,
    /// An operator stopped it.
    Held,
    /// A `component-failed` halt stands.
    Failed,
    /// The permission or the mode does not let it.
    NotAllowed,
    /// A component that it depends on is not ready, and it is not to run without.
    DependencyDown,
}

impl Hindrance {
    /// What the component is by it, for refusals.
    pub fn state(self) -> &'static str {
        match self {
            Self::EngineStarting | Self::DependencyDown => "not started yet",
            Self::EngineStopping => "stopping with the engine",
            Self::Held => "stopped by an operator",
            Self::Failed => "down for good",
            Self::NotAllowed => "not let run by permission and mode",
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::EngineStarting => "the engine is still starting",
            Self::EngineStopping => "the engine stops",
            Self::Held => "an operator stopped it",
            Self::Failed => "it failed too often",
            Self::NotAllowed => "permission and mode do not let it run",
            Self::DependencyDown => "a component that it depends on is not ready",
        }
    }
}

impl Core {
    /// Why the component may not run now, if so.
    pub(crate) fn hindrance(&self, index: usize) -> Option<Hindrance> {
        let policy = self.policy.components.get(index)?;
        if self.life.exiting() || self.writing.failed.is_some() {
            return Some(Hindrance::EngineStopping);
        }
        if !self.life.started_durable {
            return Some(Hindrance::EngineStarting);
        }
        if self.recorded.held.contains_key(&policy.name) {
            return Some(Hindrance::Held);
        }
        if self.has_failed(policy) {
            return Some(Hindrance::Failed);
        }
        if !self.may_run(policy) {
            return Some(Hindrance::NotAllowed);
        }
        let without = match policy.on_dependency_exit {
            DependencyExit::Keep => false,
            DependencyExit::Stop => !self.dependencies_ready(policy),
        };
        without.then_some(Hindrance::DependencyDown)
    }

    /// Whether a `component-failed` halt stands for it.
    pub(crate) fn has_failed(&self, policy: &ComponentPolicy) -> bool {
        self.recorded
            .halts
            .values()
            .any(|halt| halt.cause == Cause::ComponentFailed && halt.component.as_ref() == Some(&policy.name))
    }

    /// Whether permission and mode let it run.
    fn may_run(&self, policy: &ComponentPolicy) -> bool {
        let mut permission = Permission::Active;
        for halt in self.recorded.halts.values() {
            let own_outage = halt.cause == Cause::ComponentDown && halt.component.as_ref() == Some(&policy.name);
            let binds = halt.scope == crate::Scope::System || halt.component.as_ref() == Some(&policy.name);
            if binds && !own_outage {
                permission = permission.min(halt.cap);
            }
        }
        match policy.orders {
            Orders::Asks | Orders::None => permission > Permission::Shutdown,
            Orders::Direct => permission == Permission::Active && self.effective_mode() == Mode::Live,
        }
    }

    /// The components that this one depends on and that are not ready.
    fn missing_dependencies<'a>(&'a self, policy: &'a ComponentPolicy) -> impl Iterator<Item = usize> + 'a {
        let is_missing = |other: &usize| !self.components.get(*other).is_some_and(Component::is_ready);
        policy.depends_on.iter().copied().filter(is_missing)
    }

    /// Whether every component that this one depends on is ready.
    pub(crate) fn dependencies_ready(&self, policy: &ComponentPolicy) -> bool {
        self.missing_dependencies(policy).next().is_none()
    }

    /// Which components keep this one from being started, where nothing else does.
    pub(crate) fn waits_for(&self, index: usize) -> Vec<ComponentName> {
        let (Some(component), Some(policy)) = (self.components.get(index), self.policy.components.get(index)) else {
            return Vec::new();
        };
        match self.hindrance(index) {
            None | Some(Hindrance::DependencyDown) if !component.is_running() && !component.spent => {}
            None
            | Some(
                Hindrance::EngineStarting
                | Hindrance::EngineStopping
                | Hindrance::Held
                | Hindrance::Failed
                | Hindrance::NotAllowed
                | Hindrance::DependencyDown,
            ) => return Vec::new(),
        }
        let names = self.missing_dependencies(policy).filter_map(|other| self.policy.components.get(other));
        names.map(|policy| policy.name.clone()).collect()
    }

    /// Whether permission, mode and its own failures let it run, whatever was ordered.
    pub(crate) fn is_let_run(&self, index: usize) -> bool {
        self.policy.components.get(index).is_some_and(|policy| self.may_run(policy) && !self.has_failed(policy))
    }
}
