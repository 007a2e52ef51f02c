//! What goes into the journal, and comes back by replay. The serde form is the journal's `t` and `b`.

use crate::halt::{Cause, Halt};
use crate::id::{ComponentName, Epoch, HaltId, Instance};
use crate::input::{Hook, OutOfMemory};
use crate::limits::{Level, Resource};
use crate::permission::{Mode, Permission};
use serde::{Deserialize, Serialize};

/// A journal record of the core.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "t", content = "b")]
pub enum Record {
    /// The engine started.
    #[serde(rename = "engine.started")]
    EngineStarted {
        /// This start's epoch.
        epoch: Epoch,
        /// The configuration's ceiling.
        mode_ceiling: Mode,
    },
    /// The engine stops on request; everything is stopped.
    #[serde(rename = "engine.stopped")]
    EngineStopped {
        /// What the permission was.
        permission: Permission,
    },
    /// A halt was raised.
    #[serde(rename = "halt.raised")]
    HaltRaised(Halt),
    /// A halt was cleared. It takes effect when this record is durable.
    #[serde(rename = "halt.cleared")]
    HaltCleared {
        /// Which.
        id: HaltId,
        /// Its cause, for readers with grep.
        cause: Cause,
        /// Who cleared it.
        by: ClearedBy,
    },
    /// The permission changed: derived from the halts, written for people and checked by replay.
    #[serde(rename = "permission.changed")]
    PermissionChanged {
        /// Before.
        from: Permission,
        /// After.
        to: Permission,
    },
    /// The mode ceremony. Loosening (`live`) takes effect when this record is durable.
    #[serde(rename = "mode.set")]
    ModeSet {
        /// The mode asked for.
        mode: Mode,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A component's process was started.
    #[serde(rename = "component.started")]
    ComponentStarted {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// The process number.
        pid: u32,
        /// Whether somebody is told that this was a restart, and the how manieth within the start limit's span.
        restart: u32,
    },
    /// A start failed before the program ran.
    #[serde(rename = "component.start_failed")]
    ComponentStartFailed {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// What the kernel said.
        error: String,
    },
    /// A component became ready.
    #[serde(rename = "component.ready")]
    ComponentReady {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// Milliseconds from its start.
        after_ms: u64,
    },
    /// A component said that it reads its configuration again.
    #[serde(rename = "component.reloading")]
    ComponentReloading {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
    },
    /// It has done so, and is ready again.
    #[serde(rename = "component.reloaded")]
    ComponentReloaded {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// Milliseconds since it was asked, or since it said that it began.
        after_ms: u64,
    },
    /// Another process of a component's tree is its main process from now on: its end is the component's.
    #[serde(rename = "component.main_changed")]
    ComponentMainChanged {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// The main process before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u32>,
        /// The main process now.
        pid: u32,
    },
    /// A component is being stopped on purpose.
    #[serde(rename = "component.stopping")]
    ComponentStopping {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// Why.
        reason: String,
    },
    /// A component's tree is being killed because it hangs, did not stop in time, or may not run.
    #[serde(rename = "component.killed")]
    ComponentKilled {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// Why.
        reason: String,
    },
    /// A hook of a component is over.
    #[serde(rename = "component.hook")]
    ComponentHook {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// Which hook.
        hook: Hook,
        /// Its exit status, where it exited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        /// The signal, where one killed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Why it could not be started, if so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Whether its time was up.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        timed_out: bool,
        /// Milliseconds that it took.
        took_ms: u64,
    },
    /// A component's main process is gone.
    #[serde(rename = "component.exited")]
    ComponentExited {
        /// Which component.
        component: ComponentName,
        /// Which start.
        instance: Instance,
        /// Its exit status, where it exited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        /// The signal, where one killed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Whether somebody or something wanted it to end: then its end is no failure.
        requested: bool,
        /// Whether failstop was killing it, because it hung or did not stop in time.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        killed: bool,
        /// Whether it counts as a failure.
        failure: bool,
        /// What is known of a kill for want of memory in its tree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out_of_memory: Option<OutOfMemory>,
        /// What it said of its failure before, over sd_notify.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
        /// Milliseconds since its start.
        up_ms: u64,
        /// What happens next.
        next: AfterExit,
    },
    /// A component, or all together, came near a resource limit or above it, and people are told. What is done about one is in
    /// `halt.raised` and `component.stopping`.
    #[serde(rename = "limit.warned")]
    LimitWarned {
        /// Whose limit; absent: that of all together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<ComponentName>,
        /// Of what.
        resource: Resource,
        /// How far.
        level: Level,
        /// What was measured: bytes, numbers, or hundredths of a per cent of the processors.
        used: u64,
        /// What it was held against, in the same unit.
        limit: u64,
    },
    /// It has been below again for a while.
    #[serde(rename = "limit.passed")]
    LimitPassed {
        /// Whose limit; absent: that of all together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<ComponentName>,
        /// Of what.
        resource: Resource,
        /// How far it had been.
        level: Level,
        /// What is measured now.
        used: u64,
    },
    /// The verdict changed.
    #[serde(rename = "health.changed")]
    HealthChanged {
        /// The new verdict.
        status: HealthStatus,
        /// Overall health in thousandths.
        overall: u16,
        /// Every reason.
        reasons: Vec<String>,
    },
    /// The engine's own sign of life.
    #[serde(rename = "heartbeat")]
    Heartbeat {
        /// The permission.
        permission: Permission,
        /// Overall health in thousandths.
        overall: u16,
    },
    /// Permits ran out because the engine was late or the disk slow; counted over the time since the last such record.
    #[serde(rename = "permit.lapsed")]
    PermitLapsed {
        /// How often.
        times: u32,
    },
    /// A start-up check class came out.
    #[serde(rename = "check.finished")]
    CheckFinished {
        /// `integrity` or `environment`.
        class: String,
        /// The first failure, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
    /// An operator stopped a component and keeps it stopped, or lets it start again (that takes effect when this record
    /// is durable). Survives a restart of the engine.
    #[serde(rename = "component.held")]
    ComponentHeld {
        /// Which component.
        component: ComponentName,
        /// Whether it is kept stopped.
        held: bool,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A maintenance window began or ended. The end takes effect when this record is durable. After a restart of the
    /// engine a standing window runs its whole length again, since the core knows no wall time.
    #[serde(rename = "maintenance")]
    Maintenance {
        /// Whether it is on.
        on: bool,
        /// Its length in milliseconds; 0 when it ends.
        span_ms: u64,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Another configuration was taken while running. What tightens in it was in force before, the rest is once this is durable.
    #[serde(rename = "config.changed")]
    ConfigChanged(ConfigChange),
    /// An operator's order was accepted.
    #[serde(rename = "operator.order")]
    OperatorOrder {
        /// What, in words.
        order: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An operator's order was refused.
    #[serde(rename = "operator.refused")]
    OperatorRefused {
        /// What, in words.
        order: String,
        /// Who.
        by: String,
        /// Every reason of the refusal.
        refusals: Vec<String>,
    },
}

/// The most keys that one record of a change names: so that it fits its line, whatever the values are.
pub const CONFIG_CHANGES_MAX: usize = 48;

/// A change of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConfigChange {
    /// SHA-256 of the file's text, lower-case hexadecimal digits.
    pub sha256: String,
    /// What or who asked for it: `an edit of the file`, `SIGHUP`, or a user.
    pub by: String,
    /// Every key whose value changes, at most [`CONFIG_CHANGES_MAX`].
    pub keys: Vec<KeyChange>,
    /// How many keys more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A key whose value changes. Values as TOML writes them, cut; a secret's as `(secret)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyChange {
    /// `health.errors_per_minute`, `component.bot.stop_grace`.
    pub key: String,
    /// Its value before; absent: it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its value after; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Who cleared a halt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClearedBy {
    /// Its condition passed.
    Itself,
    /// An operator.
    Operator {
        /// Who.
        who: String,
        /// Why.
        reason: String,
    },
}

/// What follows an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterExit {
    /// It is started again as soon as its tree is gone.
    RestartNow,
    /// It is started again after this delay.
    RestartAfterMs(u64),
    /// It is started again when the maintenance window is over: in so long, unless somebody ends it or starts the component.
    AfterMaintenanceMs(u64),
    /// It stays down: it was asked to stop, or its restart policy says so.
    Stay,
    /// It stays down: the start limit is spent.
    StartLimit,
    /// The start limit is spent unless a dependency that it needs turns out not to answer: that is being asked.
    Asking,
    /// It stays down until the permission and the mode let it run.
    NotAllowed,
    /// It stays down until the components that it depends on are ready.
    Dependency,
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// A rule says unhealthy.
    Critical,
    /// Overall health at or below 0.5.
    Degraded,
    /// Good.
    Healthy,
}
