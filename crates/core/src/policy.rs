//! What the configuration decides for the core: numbers and choices, already validated by the host.

use crate::halt::Cause;
use crate::id::ComponentName;
use crate::limits::{ComponentLimits, SystemLimits};
use crate::permission::Mode;
use core::time::Duration;
use std::collections::BTreeMap;

/// Everything the core needs to know of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The most that the configuration allows: the effective mode is the lower of this and the ceremony's.
    pub mode_ceiling: Mode,
    /// How long a permit is good for († 2 s).
    pub lease: Duration,
    /// How often it is renewed († 500 ms); below half of `lease`.
    pub renew: Duration,
    /// Components in the configuration's order: index `i` has slot `i + 1`.
    pub components: Vec<ComponentPolicy>,
    /// Dependencies by name.
    pub dependencies: Vec<DependencyPolicy>,
    /// What all components together may use.
    pub limits: SystemLimits,
    /// When the verdict is unhealthy.
    pub health: HealthPolicy,
    /// When an age or a state ends in fail-safe shutdown.
    pub failsafe: FailsafePolicy,
    /// Overrides of `latched` and `clear_after` for the causes whose row in the list is not `fixed`.
    pub halts: BTreeMap<Cause, HaltPolicy>,
    /// With a witness: a release waits so long for the witness's acknowledgement of its record. Absent: it takes effect when
    /// that is durable.
    pub two_key: Option<Duration>,
    /// How often a summary heartbeat goes into the journal († 30 s).
    pub heartbeat_every: Duration,
    /// Whether failed environment checks at start latch (`startup.environment = "operator"`).
    pub environment_latched: bool,
    /// After the engine was asked to end, whatever is left of the components so much later is killed.
    pub shutdown_within: Duration,
    /// Seed for the jitter of restart delays.
    pub jitter_seed: u64,
}

/// How a component places orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Orders {
    /// It checks the permit or the gate before each order; it runs while the permission is above `shutdown`.
    Asks,
    /// It asks nobody; it runs only while `active` and `live`.
    Direct,
    /// It places none; it runs except under the kill switch and in `shutdown`.
    None,
}

/// When a component is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// After every exit nobody asked for.
    Always,
    /// After a failure: another status than 0, a signal, or any exit before readiness.
    OnFailure,
    /// Never.
    Never,
}

/// One component's rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ComponentPolicy {
    /// Its name.
    pub name: ComponentName,
    /// How it places orders.
    pub orders: Orders,
    /// Whether its failure is the system's (`essential`, default true).
    pub essential: bool,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// The delay of the second restart in a row († 1 s; the first is immediate), doubling up to `backoff_max` († 60 s).
    pub backoff_initial: Duration,
    /// The longest delay.
    pub backoff_max: Duration,
    /// After this long ready without an exit the delays start anew († 60 s).
    pub backoff_reset_after: Duration,
    /// At most this many starts († 5) …
    pub start_limit: u32,
    /// … within this span († 300 s).
    pub start_limit_within: Duration,
    /// A program runs before the stop signal of an orderly stop, for so long at most.
    pub pre_stop: Option<Duration>,
    /// A program runs when nothing of it is left, for so long at most.
    pub post_stop: Option<Duration>,
    /// From the stop signal to SIGKILL († 10 s).
    pub stop_grace: Duration,
    /// Whether it says itself that it is ready (`READY=1` or a probe). Otherwise it is ready when started.
    pub readiness: bool,
    /// How long it may take to become ready († 60 s).
    pub start_period: Duration,
    /// What sign of life is required, if any.
    pub liveness: Option<Liveness>,
    /// Opt-in: `progress` of heartbeats must move within this span.
    pub progress_within: Option<Duration>,
    /// What its tree may use.
    pub limits: ComponentLimits,
    /// Names of the dependencies while one of which does not answer a missed beat is `environment` and not `hung`.
    pub needs: Vec<String>,
    /// Indices into [`Policy::components`] of those that must be ready before this one starts.
    pub depends_on: Vec<usize>,
    /// What becomes of it while it runs and one of those is not ready any more.
    pub on_dependency_exit: DependencyExit,
    /// Whether it can be asked to read its configuration again, and how its answer is known.
    pub reload: Option<Reload>,
}

/// What becomes of a running component while one that it depends on is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DependencyExit {
    /// It goes on.
    Keep,
    /// It is stopped, and started again once they are ready.
    Stop,
}

/// What is known of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reload {
    /// The signal is sent; whether anything came of it is not known, unless it says `RELOADING=1` by itself.
    Signal,
    /// It answers the signal with `RELOADING=1` and is ready again (`READY=1`) within its start period, or it hangs.
    Announced,
}

/// The required sign of life and its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// `heartbeat` on the bot socket within this span; missing it is `heartbeat-lost`.
    Heartbeat(Duration),
    /// `WATCHDOG=1` over sd_notify within this span; missing it is `hung`.
    Watchdog(Duration),
    /// A probe; the host counts its tries and tells the core only [`crate::Input::LivenessFailed`].
    Probe,
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DependencyPolicy {
    /// Its name.
    pub name: String,
    /// How long a try may take.
    pub timeout: Duration,
}

/// The rules that make the verdict unhealthy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthPolicy {
    /// Market data older than this († 5 min), for every feed that was seen or is configured.
    pub market_data_max_age: Duration,
    /// Feeds that are judged from the start, not only once seen.
    pub feeds: Vec<String>,
    /// No durable journal write for this long († 10 min).
    pub journal_max_age: Duration,
    /// More reported errors a minute than this († 10).
    pub errors_per_minute: u32,
    /// A queue with depth above 0 and no progress for this long is stalled († 60 s).
    pub queue_stalled_after: Duration,
    /// Recomputed at least this often († 30 s).
    pub every: Duration,
    /// Healthy for this long clears `unhealthy` († 60 s).
    pub clear_after: Duration,
}

/// When a state ends in fail-safe shutdown (R4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailsafePolicy {
    /// Market data older than this († 10 min).
    pub market_data_max_age: Duration,
    /// Journal not writable for this long († 15 min).
    pub journal_max_age: Duration,
    /// Snapshot older than this († 25 h); judged only once a snapshot was seen.
    pub snapshot_max_age: Duration,
    /// Unhealthy without a break for this long († 5 min).
    pub unhealthy_for: Duration,
}

/// An override under `[halts.CAUSE]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HaltPolicy {
    /// Whether it needs an operator.
    pub latched: Option<bool>,
    /// For self-clearing ones: how long its condition must have passed.
    pub clear_after: Option<Duration>,
}
