//! What is said of one component.

use serde::{Deserialize, Serialize};

/// A component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentSummary {
    /// Its name.
    pub name: String,
    /// `starting`, `ready`, `stopping`, `backoff`, `stopped` or `failed`.
    pub state: String,
    /// Its main process, while it runs.
    pub pid: Option<u32>,
    /// Restarts nobody asked for, in this epoch.
    pub restarts: u32,
    /// Whether it is ready.
    pub ready: bool,
    /// `asks`, `direct` or `none`.
    #[serde(default)]
    pub orders: String,
    /// 0 to 1.
    #[serde(default)]
    pub health: f64,
    /// Seconds since it was started.
    #[serde(default)]
    pub uptime_seconds: Option<f64>,
    /// Seconds since its last sign of life.
    #[serde(default)]
    pub last_sign_seconds: Option<f64>,
    /// What it says of itself (`STATUS=`).
    #[serde(default)]
    pub status_text: Option<String>,
    /// Proportional set size of its whole tree, bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Processor time of its whole tree, seconds. Never falls within an epoch.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// Processor time of its whole tree between the last two samples, in percent of the processors that may be used.
    #[serde(default)]
    pub cpu_percent: Option<f64>,
    /// The most memory its tree may use, bytes, where a limit is configured.
    #[serde(default)]
    pub memory_max_bytes: Option<u64>,
    /// The most processor time, per cent of the processors that may be used, where a limit is configured.
    #[serde(default)]
    pub cpu_max_percent: Option<u32>,
    /// Processes of its tree, threads included, as last sampled.
    #[serde(default)]
    pub processes: Option<u64>,
    /// The most processes, threads included, where a limit is configured.
    #[serde(default)]
    pub processes_max: Option<u64>,
    /// Open descriptors of that process of its tree that has most; counted where a limit is configured.
    #[serde(default)]
    pub files: Option<u64>,
    /// The most descriptors of one process, where a limit is configured.
    #[serde(default)]
    pub files_max: Option<u64>,
    /// Its starts in this epoch, asked for or not: rises with each.
    #[serde(default)]
    pub starts: u64,
    /// Who keeps it stopped, and why; `null` where nobody does.
    #[serde(default)]
    pub held: Option<HeldSummary>,
    /// How many descriptors are kept for its next start (`FDSTORE=1`).
    #[serde(default)]
    pub descriptors_kept: u32,
    /// Whether it reads its configuration again just now.
    #[serde(default)]
    pub reloading: bool,
    /// The components that must be ready before it can be started, where nothing else keeps it.
    #[serde(default)]
    pub waits_for: Vec<String>,
}

/// An operator's word that keeps a component stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSummary {
    /// Who gave the latest.
    pub by: String,
    /// Why; empty where nobody said it.
    pub reason: String,
    /// Since when it has been kept stopped without a break, RFC 3339 in UTC; `None` where the journal took no record of it.
    #[serde(default)]
    pub since: Option<String>,
}

/// A part inside a bot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    /// Which component reports it.
    pub component: String,
    /// Its name.
    pub name: String,
    /// 0 to 1.
    pub health: f64,
}

/// An execution queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueSummary {
    /// `idle`, `processing` or `stalled`.
    pub state: String,
    /// Entries waiting.
    pub depth: u64,
}

/// What the components and the engine use together; `null` before the first sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceSummary {
    /// Proportional set size, bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time between the last two samples, in percent of the processors that may be used.
    pub cpu_percent: Option<f64>,
}
