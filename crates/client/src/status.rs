//! The answer of `failstop status --format json` and `GET /api/status`. Fields are only ever added.

mod component;

pub use component::{ComponentSummary, HeldSummary, PartSummary, QueueSummary, ResourceSummary};

use crate::books::SnapshotEntry;
use crate::configuration::ConfigSummary;
use crate::gate::GateStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A system as seen from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The system's name.
    pub system: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// `active`, `reduce-only`, `observe-only` or `shutdown`.
    pub permission: String,
    /// `dry` or `live`: the effective mode.
    pub mode: String,
    /// `dry` or `live`: the most that the configuration allows. What is below it waits for `failstop mode live`; empty from an engine
    /// that does not say.
    #[serde(default)]
    pub mode_ceiling: String,
    /// Whether the kill switch is engaged.
    pub kill_switch: bool,
    /// Why the latch of an engaged kill switch could not be written: the journal alone remembers it. Absent where it stands on the
    /// disk, or the switch is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_switch_unlatched: Option<String>,
    /// The verdict.
    pub health: HealthSummary,
    /// Standing halts, oldest first.
    pub halts: Vec<HaltSummary>,
    /// Components in the configuration's order.
    pub components: Vec<ComponentSummary>,
    /// Parts that bots report of themselves.
    #[serde(default)]
    pub parts: Vec<PartSummary>,
    /// Market-data feeds that were seen or are configured: seconds since fresh data, `null` before the first.
    #[serde(default)]
    pub feeds: BTreeMap<String, Option<f64>>,
    /// Dependencies: whether they answer; `null` while unknown.
    #[serde(default)]
    pub dependencies: BTreeMap<String, Option<bool>>,
    /// The execution queue as the bot reports it, by component.
    #[serde(default)]
    pub queue: BTreeMap<String, QueueSummary>,
    /// Trading metrics as the bots report them.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// The journal's durable head.
    pub journal: JournalSummary,
    /// Seconds since the engine started.
    pub uptime_seconds: f64,
    /// The version of failstop.
    #[serde(default)]
    pub version: String,
    /// What is enforced, monitored and not covered, a line a component.
    #[serde(default)]
    pub coverage: Vec<Coverage>,
    /// Facts about this host that weaken or strengthen what is promised (no cgroup, no TSC clock source).
    #[serde(default)]
    pub host_notes: Vec<String>,
    /// What nobody watches: what would halt the system and has no source (nobody configured one, and nobody spoke of it yet), and rules that the
    /// configuration switches off.
    #[serde(default)]
    pub not_watched: Vec<String>,
    /// The engine's process number.
    #[serde(default)]
    pub engine_pid: u32,
    /// The guard's process number.
    #[serde(default)]
    pub guard_pid: u32,
    /// Permits that ran out because the engine or the disk was late, in this epoch.
    #[serde(default)]
    pub permit_lapses: u64,
    /// Where the observe address listens, if it does.
    #[serde(default)]
    pub observe: Option<String>,
    /// When this answer was made: RFC 3339, UTC.
    #[serde(default)]
    pub timestamp: String,
    /// What all components and the engine use together.
    #[serde(default)]
    pub resources: ResourceSummary,
    /// The machine that it runs on, once sampled.
    #[serde(default)]
    pub host: Option<HostSummary>,
    /// `production`, `staging` or a name: what this system is, as every alert of it says.
    #[serde(default)]
    pub environment: String,
    /// How alerts on their way to people fare.
    #[serde(default)]
    pub alerts: AlertsSummary,
    /// The end that the engine is coming to on purpose; `null` while it is not.
    #[serde(default)]
    pub announced: Option<Announced>,
    /// The maintenance window that stands; `null` while none does.
    #[serde(default)]
    pub maintenance: Option<MaintenanceSummary>,
    /// How the books stand.
    #[serde(default)]
    pub books: BooksSummary,
    /// What the last verification of the journal beside the engine's work found; `null` before the first is over.
    #[serde(default)]
    pub verified: Option<VerifiedSummary>,
    /// Whether what only shows gives way to a busy host.
    #[serde(default)]
    pub breaker: BreakerSummary,
    /// How the configuration stands.
    #[serde(default)]
    pub config: ConfigSummary,
    /// Which emergency actions there are, and what they came to.
    #[serde(default)]
    pub emergency: EmergencySummary,
    /// The metrics of the configuration's own sources.
    #[serde(default)]
    pub custom: CustomSummary,
    /// What failstop itself costs; `null` before the first sample.
    #[serde(default)]
    pub footprint: Option<FootprintSummary>,
    /// How the gate stands; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,
}

/// Metrics that programs and Prometheus endpoints say, as `[metrics]` has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomSummary {
    /// The metrics, by name.
    pub metrics: BTreeMap<String, CustomMetric>,
    /// Where they come from, in the configuration's order.
    pub sources: Vec<MetricSource>,
    /// Metrics of bots that were refused: too many names, or one that is a source's.
    pub refused: u64,
}

/// One metric of the configuration's sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomMetric {
    /// What it is; `null` before it was said, and once that is too old.
    pub value: Option<f64>,
    /// In which unit; empty where nobody says.
    pub unit: String,
    /// The source that says it.
    pub source: String,
    /// Since its last reading, holding or not, seconds; `null` before the first.
    pub age_seconds: Option<f64>,
}

/// A source of metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricSource {
    /// Its name.
    pub name: String,
    /// `command`, `prometheus`.
    pub kind: String,
    /// Whether it answered the last time; `null` before the first.
    pub up: Option<bool>,
    /// How often it answered.
    pub taken: u64,
    /// How often it did not.
    pub failed: u64,
    /// Why not, the last time.
    pub fault: Option<String>,
    /// Which of its metrics it said nothing of, the last time it answered.
    pub missing: Vec<String>,
}

/// What failstop itself costs, engine and guard together, and what it may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FootprintSummary {
    /// Memory, bytes; `null` where it cannot be read.
    pub memory_bytes: Option<u64>,
    /// `proportional` (what is shared counts in parts) or `resident`.
    pub memory_is: String,
    /// The most memory, bytes.
    pub memory_max_bytes: u64,
    /// Processor time since the start, seconds.
    pub cpu_seconds: f64,
    /// Processor time, per cent of one processor: the mean of ten minutes; `null` before the second sample.
    pub cpu_percent: Option<f64>,
    /// The most of that.
    pub cpu_max_percent: u32,
    /// Threads.
    pub threads: u64,
    /// The engine's open descriptors.
    pub open_files: u64,
    /// Bytes that the engine had written to disks since its start; `null` where the kernel does not say.
    pub written_bytes: Option<u64>,
    /// The same of the last day.
    pub written_in_a_day_bytes: Option<u64>,
    /// The most of that; `null`: any.
    pub written_in_a_day_max_bytes: Option<u64>,
    /// Bytes that its HTTP doors sent since its start.
    pub sent_bytes: u64,
    /// The same a second: the mean of ten minutes; `null` before the second sample.
    pub sent_per_second_bytes: Option<u64>,
    /// The most of that; `null`: any.
    pub sent_per_second_max_bytes: Option<u64>,
    /// Which of these is exceeded, in words; `null` while none is.
    pub over: Option<String>,
}

/// The circuit breaker of what only shows: dashboard, figures over time, verification beside the engine's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSummary {
    /// `closed` (everything is shown), `shed`, or `stays-shed`: until somebody resets it.
    pub state: String,
    /// Since when it has been shed: RFC 3339, UTC.
    pub since: Option<String>,
    /// Tries to come back that failed.
    pub failed_tries: u32,
    /// When the next try is: RFC 3339, UTC.
    pub next_try: Option<String>,
    /// What was too much when it was last looked at.
    pub why: Option<String>,
}

impl Default for BreakerSummary {
    /// Everything is shown.
    fn default() -> Self {
        Self { state: "closed".to_owned(), since: None, failed_tries: 0, next_try: None, why: None }
    }
}

impl BreakerSummary {
    /// Whether what only shows gives way.
    pub fn is_shed(&self) -> bool {
        self.state != "closed"
    }
}

/// Emergency actions: which there are, and what they came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencySummary {
    /// The names of those that are configured, in order.
    pub configured: Vec<String>,
    /// The last run of the kill switch or of a fail-safe shutdown; `null` where there was none.
    pub run: Option<EmergencyRun>,
    /// The last drill; `null` before the first.
    pub drill: Option<EmergencyRun>,
}

/// One run of emergency actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyRun {
    /// Its name in records and alerts.
    pub trace: String,
    /// `kill-switch`, `failsafe` or `drill`.
    pub cause: String,
    /// When it began: RFC 3339, UTC.
    pub begun: String,
    /// When everything was tried; `null` while it goes on, or where whoever ran it died.
    pub finished: Option<String>,
    /// How many actions were done.
    pub done: u32,
    /// How many were not (yet).
    pub failed: u32,
    /// The actions, in order.
    pub actions: Vec<EmergencyStep>,
}

/// One action of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyStep {
    /// Its name.
    pub name: String,
    /// `cancel-all`, `close-positions` or `custom`.
    pub kind: String,
    /// `waiting`, `running`, `done` or `failed`.
    pub state: String,
    /// The same for people, with how long it took.
    pub detail: String,
}

/// A verification of the journal that ran beside the engine's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedSummary {
    /// When it was over: RFC 3339, UTC.
    pub at: String,
    /// `intact`, `violated` or `unverifiable` (it could not be read this time).
    pub result: String,
    /// The last record that it read.
    pub seq: Option<u64>,
    /// What is wrong, or why it could not be read.
    pub detail: Option<String>,
}

/// How the books stand: capital, strategies' states, orders, snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BooksSummary {
    /// The last snapshot that the journal names; `null` before the first.
    pub snapshot: Option<SnapshotEntry>,
    /// Orders whose intent is recorded and whose end is not.
    pub orders_open: u64,
    /// Those of them of which nobody knows what became.
    pub orders_in_doubt: u64,
    /// Why capital does not reconcile: the exact difference, one a line. Empty where it does.
    pub discrepancies: Vec<String>,
    /// Entries refused in this epoch, since they would have broken a rule.
    pub violations: u64,
    /// Entries booked in this epoch.
    pub booked: u64,
}

/// Alerts on their way to people. They only ever warn: nothing here moves the verdict or the permission.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertsSummary {
    /// `healthy`; `degraded` where a channel fails or changes do not reach the disk; `critical` where nobody can be told;
    /// `off` where the configuration says so.
    pub status: String,
    /// By name (`telegram`; `email/ops@example.com` where a channel has several destinations).
    pub channels: BTreeMap<String, ChannelSummary>,
    /// Open incidents by severity.
    pub open: SeverityCounts,
    /// Open incidents that somebody has taken on.
    pub acknowledged: u64,
    /// Channels that accepted a message about an open incident.
    pub told: Vec<String>,
    /// Messages that wait for a channel.
    pub queued: u64,
    /// How long the oldest of them waits, seconds.
    pub oldest_seconds: Option<f64>,
    /// Messages that a channel accepted since the engine started, by severity.
    pub sent: SeverityCounts,
    /// Reports of which nothing was sent since the engine started: duplicates, cooling, held back, switched off, refused.
    pub suppressed: u64,
    /// Why people cannot be told, or only as long as this process lives.
    pub problem: Option<String>,
}

/// One way to people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelSummary {
    /// Whether its last attempt was accepted; `null` before the first.
    pub up: Option<bool>,
    /// When it last accepted something: RFC 3339, UTC.
    pub last_ok: Option<String>,
    /// What went wrong last, and is not over. No secret in it.
    pub last_error: Option<String>,
    /// Failed attempts since the last success.
    pub failures_in_a_row: u64,
    /// Messages that wait for it.
    pub queued: u64,
    /// How long the oldest of them waits, seconds.
    pub oldest_seconds: Option<f64>,
}

/// A number for each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeverityCounts {
    /// Act now.
    pub critical: u64,
    /// Something will be at risk if nobody acts.
    pub warning: u64,
    /// Good to know.
    pub info: u64,
}

impl SeverityCounts {
    /// All together.
    pub const fn total(&self) -> u64 {
        self.critical.saturating_add(self.warning).saturating_add(self.info)
    }
}

/// How an engine ends on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndKind {
    /// It ends so that whoever started it starts it again.
    Restart,
    /// It stays down until a person starts it.
    Stop,
}

impl EndKind {
    /// `restart`, `stop`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// An end on purpose, from its announcement until the engine is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Which.
    pub kind: EndKind,
    /// Until when it is expected: a stop to be complete, a restart to be followed by a new engine. RFC 3339, UTC.
    pub until: String,
    /// Who asked.
    #[serde(default)]
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A maintenance window: until its end alerts that can wait are held back, and what fails is not started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceSummary {
    /// When it ends by itself: RFC 3339, UTC.
    pub until: String,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether it leaves the permission alone.
    pub keep_trading: bool,
}

/// One event of `GET /api/beat`: the engine's loop ran at `at`, and this is how things stood. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The system's name.
    pub system: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// The last durable sequence number of the journal.
    pub seq: u64,
    /// The hash of that record, 64 hex digits.
    pub head: String,
    /// The journal's id, 32 hex digits.
    pub jid: String,
    /// `active`, `reduce-only`, `observe-only` or `shutdown`.
    pub permission: String,
    /// The verdict: `healthy`, `degraded` or `critical`.
    pub status: String,
    /// `dry` or `live`: the effective mode.
    pub mode: String,
    /// Whether the kill switch is engaged.
    pub kill_switch: bool,
    /// The end that the engine is coming to on purpose; `null` while it is not.
    pub announced: Option<Announced>,
    /// The maintenance window that stands; `null` while none does.
    #[serde(default)]
    pub maintenance: Option<MaintenanceSummary>,
    /// Whether this is the engine's last word: every component is down and the journal is sealed at `head`.
    pub ended: bool,
    /// When the loop made it: RFC 3339, UTC.
    pub at: String,
}

/// The receipt of a stop or restart that was asked for: what was announced is in the journal at or before `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The epoch that ends.
    pub epoch: u64,
    /// The last durable sequence number.
    pub seq: u64,
    /// The hash of that record, 64 hex digits.
    pub head: String,
    /// `stopping` or `restarting`.
    pub state: String,
    /// Whether the announcement is durable; `false` where the journal cannot be written any more: it ends all the same.
    pub recorded: bool,
}

/// The verdict in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthSummary {
    /// `healthy`, `degraded` or `critical`.
    pub status: String,
    /// 0 to 1.
    pub overall_health: f64,
    /// Every reason that keeps it from healthy.
    pub reasons: Vec<String>,
    /// Errors that the bots reported within the last minute.
    #[serde(default)]
    pub errors_per_minute: u32,
    /// Seconds since the last durable journal write.
    #[serde(default)]
    pub journal_write_age_seconds: Option<f64>,
    /// Seconds since the last snapshot, if there ever was one.
    #[serde(default)]
    pub snapshot_age_seconds: Option<f64>,
}

/// A standing halt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HaltSummary {
    /// `h-31`.
    pub id: String,
    /// The cause's name, as in the reference.
    pub cause: String,
    /// The most that is allowed while it stands.
    pub cap: String,
    /// Whether it needs an operator.
    pub latched: bool,
    /// RFC 3339, UTC.
    pub since: String,
    /// The component that it is about.
    #[serde(default)]
    pub component: Option<String>,
    /// What was seen.
    #[serde(default)]
    pub evidence: String,
    /// What to do next, as a command where there is one.
    #[serde(default)]
    pub next: String,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostSummary {
    /// Processors in use, 0 to 100; `null` before the second sample.
    pub cpu_percent: Option<f64>,
    /// Memory, bytes.
    pub memory_total_bytes: u64,
    /// Memory that could be had without swapping, bytes.
    pub memory_available_bytes: u64,
    /// Size of the file system that holds the state directory, bytes.
    pub disk_total_bytes: u64,
    /// What an ordinary user may still write there, bytes.
    pub disk_available_bytes: u64,
}

/// The journal's durable head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalSummary {
    /// The last durable sequence number.
    pub seq: u64,
    /// Its hash, 64 hex digits.
    pub head: String,
    /// The journal's id, 32 hex digits.
    pub jid: String,
}

/// How far one component is covered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The component.
    pub component: String,
    /// What failstop enforces whatever the component does.
    pub enforced: Vec<String>,
    /// What it watches and reacts to.
    pub monitored: Vec<String>,
    /// What it cannot do anything about.
    pub not_covered: Vec<String>,
}
