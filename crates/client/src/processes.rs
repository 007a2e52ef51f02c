//! The answer of `failstop ps --format json` and `GET /api/processes`. Fields are only ever added.

use serde::{Deserialize, Serialize};

/// Every living process of a system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessList {
    /// When this was looked at: RFC 3339, UTC.
    pub timestamp: String,
    /// Components that run, in the configuration's order.
    pub components: Vec<ProcessTree>,
    /// Failstop itself: guard and engine.
    pub failstop: Vec<ProcessEntry>,
}

/// One component's tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessTree {
    /// The component.
    pub name: String,
    /// Its main process, where that is alive.
    pub pid: Option<u32>,
    /// Its living processes: each before its children, the main process first.
    pub processes: Vec<ProcessEntry>,
}

/// One process. What could not be read is `null`: it ended meanwhile, or may not be looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessEntry {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// How far below its tree's top it stands; 0 for the main process and for orphans.
    pub depth: u32,
    /// The name of its program, as the kernel has it. Never its arguments, which may hold secrets.
    pub name: String,
    /// `running`, `sleeping`, `waiting` (for a disk, not even SIGKILL reaches it now), `stopped` or `dead`.
    pub state: String,
    /// Proportional set size, bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time, seconds, without children.
    pub cpu_seconds: f64,
    /// Since its start, seconds.
    pub age_seconds: f64,
    /// Its threads, itself included.
    pub threads: u64,
    /// Open descriptors.
    pub files: Option<u64>,
}
