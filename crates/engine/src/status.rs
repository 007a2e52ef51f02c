//! The status: what the core's state and the host's facts look like from outside, for every door and every command.
//!
//! Pure: the same state and facts give the same answer, and nothing is changed by asking.

mod covered;
pub mod held;
mod not_watched;
pub mod words;

pub use self::not_watched::Configured;
pub use failstop_core::next_step;

use self::held::HeldSince;
use failstop_client::configuration::ConfigSummary;
use failstop_client::gate::GateStatus;
use failstop_client::status::{
    AlertsSummary, Announced, BooksSummary, BreakerSummary, ComponentSummary, Coverage, CustomSummary,
    EmergencySummary, FootprintSummary, HaltSummary, HealthSummary, HeldSummary, HostSummary, JournalSummary,
    MaintenanceSummary, PartSummary, QueueSummary, ResourceSummary, Status, VerifiedSummary,
};
use failstop_core::{
    Cause, ComponentName, ComponentState, ComponentView, Core, FeedView, Halt, HaltId, Health, MaintenanceView, Mode,
    Monotonic, Orders, PartView, Permission,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the status needs of the core, read off at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// When it was read.
    pub now: Monotonic,
    /// The permission.
    pub permission: Permission,
    /// The effective mode.
    pub mode: Mode,
    /// The most that the configuration allows.
    pub mode_ceiling: Mode,
    /// Whether a kill-switch halt stands.
    pub kill_switch: bool,
    /// Standing halts in the order of their ids, each with when it was raised.
    pub halts: Vec<(Halt, Monotonic)>,
    /// The verdict.
    pub health: Health,
    /// Components in the configuration's order.
    pub components: Vec<ComponentView>,
    /// Feeds that were seen or are configured.
    pub feeds: Vec<FeedView>,
    /// Parts that bots report.
    pub parts: Vec<PartView>,
    /// The maintenance window that stands.
    pub maintenance: Option<MaintenanceView>,
}

impl View {
    /// Reads everything off `core` at `now`.
    pub fn of(core: &Core, now: Monotonic) -> Self {
        Self {
            now,
            permission: core.permission(),
            mode: core.mode(),
            mode_ceiling: core.policy().mode_ceiling,
            kill_switch: core.kill_switch(),
            halts: core.halts().map(|(halt, since)| (halt.clone(), since)).collect(),
            health: core.health(now),
            components: core.components(),
            feeds: core.feeds(),
            parts: core.parts(),
            maintenance: core.maintenance(),
        }
    }
}

/// What the host knows and the core does not.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// The system's name.
    pub system: String,
    /// The version of failstop.
    pub version: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// When the engine started.
    pub started: Monotonic,
    /// Wall time at the instant of the [`View`], so that monotonic instants can be shown to people.
    pub wall: jiff::Timestamp,
    /// When the halts of earlier epochs were raised: the view knows only since when this engine has had them.
    pub raised_before: Arc<BTreeMap<HaltId, jiff::Timestamp>>,
    /// Since when operators keep components stopped.
    pub held: HeldSince,
    /// The journal's durable head.
    pub journal: JournalSummary,
    /// What is known of each component beside the core, by name.
    pub components: BTreeMap<String, ComponentFacts>,
    /// Dependencies: whether they answer; `None` while unknown.
    pub dependencies: BTreeMap<String, Option<bool>>,
    /// Trading metrics as the bots report them. Not-a-number and infinities are left out of the status.
    pub metrics: BTreeMap<String, f64>,
    /// Facts about this host that weaken or strengthen what is promised.
    pub host_notes: Vec<String>,
    /// What the configuration says of what is watched.
    pub configured: Configured,
    /// The engine's process number.
    pub engine_pid: u32,
    /// The guard's process number.
    pub guard_pid: u32,
    /// The engine's own memory, bytes, as last sampled.
    pub engine_memory_bytes: Option<u64>,
    /// Permits that ran out because the engine or the disk was late, in this epoch.
    pub permit_lapses: u64,
    /// Where the observe address listens, if it does.
    pub observe: Option<String>,
    /// The machine, as last sampled.
    pub host: Option<HostSummary>,
    /// `production`, `staging` or a name.
    pub environment: String,
    /// How alerts fare.
    pub alerts: AlertsSummary,
    /// The end that is coming on purpose.
    pub announced: Option<Announced>,
    /// How the books stand.
    pub books: BooksSummary,
    /// How the gate stands, where one is configured.
    pub gate: Option<GateStatus>,
    /// What the last verification beside the engine's work found.
    pub verified: Option<VerifiedSummary>,
    /// Whether what only shows gives way.
    pub breaker: BreakerSummary,
    /// How the configuration stands.
    pub config: ConfigSummary,
    /// Emergency actions.
    pub emergency: EmergencySummary,
    /// The metrics of the configuration's sources.
    pub custom: CustomSummary,
    /// What failstop itself costs; `None` before the first sample.
    pub footprint: Option<FootprintSummary>,
    /// Why the kill switch, though engaged, has no latch on the disk.
    pub unlatched: Option<String>,
}

/// What the host knows of one component.
#[derive(Clone, Debug, Default)]
pub struct ComponentFacts {
    /// How it places orders.
    pub orders: Option<Orders>,
    /// What it last said of itself (`STATUS=`).
    pub status_text: Option<String>,
    /// Proportional set size of its tree, bytes, as last sampled.
    pub memory_bytes: Option<u64>,
    /// The most memory its tree may use, bytes.
    pub memory_max_bytes: Option<u64>,
    /// Processes of its tree, threads included, as last sampled.
    pub processes: Option<u64>,
    /// The most processes, threads included.
    pub processes_max: Option<u64>,
    /// Open descriptors of the process that has most, where a limit asks for them.
    pub files: Option<u64>,
    /// The most descriptors of one process.
    pub files_max: Option<u64>,
    /// The most processor time, per cent of the processors that may be used.
    pub cpu_max_percent: Option<u32>,
    /// Processor time of its trees in this epoch.
    pub cpu: Option<Duration>,
    /// Processor time between the last two samples, in percent of the processors that may be used.
    pub cpu_percent: Option<f64>,
    /// How many descriptors are kept for its next start.
    pub descriptors_kept: u32,
    /// How far it is covered.
    pub coverage: Option<Coverage>,
}

/// Builds the status of `core` at `now`.
pub fn build(core: &Core, now: Monotonic, facts: &HostFacts) -> Status {
    from_view(&View::of(core, now), facts)
}

/// Builds the status of a view.
pub fn from_view(view: &View, facts: &HostFacts) -> Status {
    let age = |at: Monotonic| view.now.since(at).as_secs_f64();
    covered::covered(Status {
        system: facts.system.clone(),
        epoch: facts.epoch,
        permission: words::permission(view.permission).to_owned(),
        mode: words::mode(view.mode).to_owned(),
        mode_ceiling: words::mode(view.mode_ceiling).to_owned(),
        kill_switch: view.kill_switch,
        kill_switch_unlatched: facts.unlatched.clone().filter(|_| view.kill_switch),
        health: HealthSummary {
            status: words::health(view.health.status).to_owned(),
            overall_health: thousandths(view.health.overall),
            reasons: view.health.reasons.clone(),
            errors_per_minute: view.health.errors_per_minute,
            journal_write_age_seconds: view.health.last_journal_write.map(age),
            snapshot_age_seconds: view.health.snapshot_age.map(|age| age.as_secs_f64()),
        },
        halts: view.halts.iter().map(|(halt, since)| halt_summary(halt, *since, view, facts)).collect(),
        components: view.components.iter().map(|component| component_summary(component, view.now, facts)).collect(),
        parts: view
            .parts
            .iter()
            .map(|part| PartSummary {
                component: part.component.0.clone(),
                name: part.name.clone(),
                health: thousandths(part.health),
            })
            .collect(),
        feeds: view.feeds.iter().map(|feed| (feed.name.clone(), feed.last.map(age))).collect(),
        dependencies: facts.dependencies.clone(),
        queue: view
            .components
            .iter()
            .filter_map(|component| {
                let queue = component.queue?;
                let state = words::queue_state(queue.state).to_owned();
                Some((component.name.0.clone(), QueueSummary { state, depth: queue.depth }))
            })
            .collect(),
        metrics: facts
            .metrics
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.clone(), *value))
            .collect(),
        journal: facts.journal.clone(),
        uptime_seconds: age(facts.started),
        version: facts.version.clone(),
        coverage: view
            .components
            .iter()
            .filter_map(|component| facts.components.get(&component.name.0)?.coverage.clone())
            .collect(),
        host_notes: facts.host_notes.clone(),
        not_watched: not_watched::now(view, facts),
        engine_pid: facts.engine_pid,
        guard_pid: facts.guard_pid,
        permit_lapses: facts.permit_lapses,
        observe: facts.observe.clone(),
        timestamp: rfc3339(facts.wall),
        resources: resources(view, facts),
        host: facts.host.clone(),
        environment: facts.environment.clone(),
        alerts: facts.alerts.clone(),
        announced: facts.announced.clone(),
        maintenance: view.maintenance.as_ref().map(|window| maintenance_summary(window, view.now, facts.wall)),
        books: facts.books.clone(),
        config: facts.config.clone(),
        gate: facts.gate.clone(),
        verified: facts.verified.clone(),
        breaker: facts.breaker.clone(),
        emergency: facts.emergency.clone(),
        custom: facts.custom.clone(),
        footprint: facts.footprint.clone(),
    })
}

/// The window as the doors say it, read at `now`, when the wall clock said `wall`.
pub(crate) fn maintenance_summary(
    window: &MaintenanceView,
    now: Monotonic,
    wall: jiff::Timestamp,
) -> MaintenanceSummary {
    MaintenanceSummary {
        until: rfc3339(wall.saturating_add(window.until.since(now)).unwrap_or(jiff::Timestamp::MAX)),
        by: window.by.clone(),
        reason: window.reason.clone(),
        keep_trading: window.keep_trading,
    }
}

/// The component that a maintenance window keeps from being started again.
fn kept_down<'a>(halt: &'a Halt, view: &View) -> Option<&'a ComponentName> {
    let name = halt.component.as_ref().filter(|_| halt.cause == Cause::ComponentDown && view.maintenance.is_some())?;
    let waits = |one: &ComponentView| one.name == *name && one.state == ComponentState::Backoff;
    view.components.iter().any(waits).then_some(name)
}

fn halt_summary(halt: &Halt, since: Monotonic, view: &View, facts: &HostFacts) -> HaltSummary {
    let (now, next) = (view.now, next_step(halt, &facts.system));
    HaltSummary {
        id: format!("h-{}", halt.id.0),
        cause: halt.cause.name().to_owned(),
        cap: words::permission(halt.cap).to_owned(),
        latched: halt.latched,
        since: rfc3339(facts.raised_before.get(&halt.id).copied().unwrap_or_else(|| wall_time(since, now, facts.wall))),
        component: halt.component.as_ref().map(|name| name.0.clone()),
        evidence: halt.evidence.clone(),
        next: match kept_down(halt, view) {
            Some(name) => {
                format!("failstop start {}, or failstop maintenance off: nothing is restarted in maintenance", name.0)
            }
            None => next,
        },
    }
}

fn component_summary(component: &ComponentView, now: Monotonic, facts: &HostFacts) -> ComponentSummary {
    let known = facts.components.get(&component.name.0);
    // A sample of the last instance says nothing about one that does not run.
    let running = component.pid.is_some();
    let while_running = known.filter(|_| running);
    ComponentSummary {
        name: component.name.0.clone(),
        state: words::component_state(component.state).to_owned(),
        pid: component.pid,
        restarts: component.restarts,
        ready: component.state == ComponentState::Ready,
        orders: known.and_then(|facts| facts.orders).map(words::orders).unwrap_or_default().to_owned(),
        health: thousandths(component.health),
        uptime_seconds: component.started.filter(|_| running).map(|at| now.since(at).as_secs_f64()),
        last_sign_seconds: component.last_sign.filter(|_| running).map(|at| now.since(at).as_secs_f64()),
        status_text: while_running.and_then(|facts| facts.status_text.clone()),
        memory_bytes: while_running.and_then(|facts| facts.memory_bytes),
        cpu_seconds: known.and_then(|facts| facts.cpu).map(|cpu| cpu.as_secs_f64()),
        cpu_percent: while_running.and_then(|facts| facts.cpu_percent).filter(|percent| percent.is_finite()),
        memory_max_bytes: known.and_then(|facts| facts.memory_max_bytes),
        cpu_max_percent: known.and_then(|facts| facts.cpu_max_percent),
        processes: while_running.and_then(|facts| facts.processes),
        processes_max: known.and_then(|facts| facts.processes_max),
        files: while_running.and_then(|facts| facts.files),
        files_max: known.and_then(|facts| facts.files_max),
        descriptors_kept: known.map_or(0, |facts| facts.descriptors_kept),
        starts: component.instance.0,
        held: component.held.as_ref().map(|held| HeldSummary {
            by: held.by.clone(),
            reason: held.reason.clone(),
            since: facts.held.of(&component.name).map(rfc3339),
        }),
        reloading: component.reloading,
        waits_for: component.waits_for.iter().map(|name| name.0.clone()).collect(),
    }
}

/// Sums over what runs. `None` as long as nothing was sampled.
fn resources(view: &View, facts: &HostFacts) -> ResourceSummary {
    let sampled = || {
        view.components
            .iter()
            .filter(|component| component.pid.is_some())
            .filter_map(|component| facts.components.get(&component.name.0))
    };
    ResourceSummary {
        memory_bytes: sampled()
            .filter_map(|facts| facts.memory_bytes)
            .chain(facts.engine_memory_bytes)
            .reduce(u64::saturating_add),
        cpu_percent: sampled()
            .filter_map(|facts| facts.cpu_percent)
            .filter(|percent| percent.is_finite())
            .reduce(|one, other| one + other),
    }
}

/// The wall time of the monotonic instant `at`, given that it is now `wall` at `now`. An instant of an earlier boot
/// reads as later than `now`; it is shown as now rather than as the future.
fn wall_time(at: Monotonic, now: Monotonic, wall: jiff::Timestamp) -> jiff::Timestamp {
    wall.saturating_sub(now.since(at)).unwrap_or(wall)
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}

fn thousandths(value: u16) -> f64 {
    f64::from(value.min(1000)) / 1000.0
}

#[cfg(test)]
pub(crate) mod tests;
