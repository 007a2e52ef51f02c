//! What is measured and what it is held against: resources, samples, thresholds, and how people read them.

use crate::id::{Instance, Slot};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What a component can use too much of. The order is the order in which they are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Memory of the tree: the sum of proportional set sizes, bytes.
    Memory,
    /// Processes of the tree, threads included, as the kernel counts them.
    Processes,
    /// Open descriptors of that process of the tree that has most.
    Files,
    /// Processor time, in hundredths of a per cent of the processors that the component may use.
    Cpu,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Processes, Self::Files, Self::Cpu];

    /// Its name in records and in the configuration's words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Files => "files",
            Self::Cpu => "cpu",
        }
    }

    /// So much of it, for people: `1.9 GB of memory`, `93 % CPU`, `120 processes and threads`, `950 open files`.
    pub fn amount(self, value: u64) -> String {
        match self {
            Self::Memory => format!("{} of memory", self.value(value)),
            Self::Processes => format!("{value} processes and threads"),
            Self::Files => format!("{value} open files"),
            Self::Cpu => format!("{} CPU", self.value(value)),
        }
    }

    /// The bare figure with its unit, where it has one: `1.9 GB`, `93 %`, `120`.
    pub fn value(self, value: u64) -> String {
        match self {
            Self::Memory => bytes(value),
            Self::Processes | Self::Files => value.to_string(),
            Self::Cpu => format!("{} %", value.saturating_add(50) / 100),
        }
    }
}

/// `512 kB`, `88 MB`, `1.9 GB`: decimal units, as elsewhere in what people read.
fn bytes(value: u64) -> String {
    const KILO: u64 = 1_000;
    const MEGA: u64 = 1_000_000;
    const GIGA: u64 = 1_000_000_000;
    match value {
        0..MEGA => format!("{} kB", value / KILO),
        MEGA..GIGA => format!("{} MB", value / MEGA),
        _ => format!("{}.{} GB", value / GIGA, value % GIGA / 100_000_000),
    }
}

/// What one component's tree uses, as one sample found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Usage {
    /// Which component.
    pub slot: Slot,
    /// Which start. A sample of an older one is ignored.
    pub instance: Instance,
    /// Proportional set size of the tree, bytes.
    pub memory_bytes: u64,
    /// Processor time since the sample before, in hundredths of a per cent of the processors that it may use; `None` for a first
    /// sample.
    pub cpu_hundredths: Option<u64>,
    /// Processes of the tree, threads included.
    pub processes: u64,
    /// Open descriptors of the process that has most; `None` where they cannot be counted.
    pub files: Option<u64>,
}

impl Usage {
    /// The figure of one resource, where there is one.
    pub(super) fn of(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Memory => Some(self.memory_bytes),
            Resource::Processes => Some(self.processes),
            Resource::Files => self.files,
            Resource::Cpu => self.cpu_hundredths,
        }
    }
}

/// What follows when a limit is crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitAction {
    /// The component is asked to give back, and halted and restarted where it does not.
    #[default]
    Restart,
    /// People are told, nothing else.
    Warn,
}

/// The limits of one component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ComponentLimits {
    /// The most memory of its tree, bytes.
    pub memory_max: Option<u64>,
    /// Memory above this is told, bytes; absent: four fifths of `memory_max`.
    pub memory_warn: Option<u64>,
    /// Memory above this is a fail-safe trigger, bytes; only where there is a `memory_warn` (see [`memory_emergency`]).
    pub emergency: Option<u64>,
    /// The most processor time, per cent of the processors that it may use.
    pub cpu_max_percent: Option<u32>,
    /// For how long without a break it must be above († 5 min).
    pub cpu_for: Duration,
    /// The most open descriptors of any one of its processes.
    pub files_max: Option<u64>,
    /// The most processes of its tree, threads included.
    pub processes_max: Option<u64>,
    /// What follows.
    pub action: LimitAction,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            memory_max: None,
            memory_warn: None,
            emergency: None,
            cpu_max_percent: None,
            cpu_for: CPU_FOR,
            files_max: None,
            processes_max: None,
            action: LimitAction::Restart,
        }
    }
}

/// The limits of all components together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemLimits {
    /// The most memory of all trees together, bytes († 1800 MiB).
    pub memory_max: Option<u64>,
    /// Memory above this is told, bytes († 500 MB).
    pub memory_warn: u64,
    /// Memory above this is a fail-safe trigger, bytes (see [`memory_emergency`]).
    pub emergency: Option<u64>,
    /// The most processor time, per cent of the processors that they may use († 90).
    pub cpu_max_percent: u32,
    /// For how long without a break they must be above († 5 min).
    pub cpu_for: Duration,
    /// What follows: it takes the component that uses most.
    pub action: LimitAction,
    /// Whether memory far above its threshold may end in fail-safe shutdown (`failsafe.emergency_shutdown`).
    pub emergency_shutdown: bool,
}

impl Default for SystemLimits {
    fn default() -> Self {
        Self {
            memory_max: Some(1_800 * 1_024 * 1_024),
            memory_warn: 500_000_000,
            emergency: None,
            cpu_max_percent: 90,
            cpu_for: CPU_FOR,
            action: LimitAction::Restart,
            emergency_shutdown: true,
        }
    }
}

const CPU_FOR: Duration = Duration::from_secs(5 * 60);

/// A warning comes at so many hundredths of a limit (†), where no other threshold is set.
pub const WARN_AT_PERCENT: u64 = 80;

/// Memory above so many times its warning threshold is a fail-safe trigger (†), where no limit governs it.
pub(super) const EMERGENCY_MULTIPLE: u64 = 2;

/// Memory above which everything is shut down, bytes: twice the warning threshold, where there is one and no limit governs.
pub fn memory_emergency(memory_warn: Option<u64>, limited: bool) -> Option<u64> {
    memory_warn.filter(|_| !limited).map(|warn| warn.saturating_mul(EMERGENCY_MULTIPLE))
}

/// What one figure is held against, in its resource's unit (see [`Resource`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Above this people are told.
    pub warn: u64,
    /// Above this something is done (see [`LimitAction`]).
    pub max: Option<u64>,
    /// For how long without a break it must be above `warn` or `max`; above `emergency`: at once.
    pub span: Duration,
    /// Above this everything is shut down, where memory may end in that ([`SystemLimits::emergency_shutdown`]).
    pub emergency: Option<u64>,
}

impl Thresholds {
    /// A warning clears a sixteenth below its threshold, so that a figure that hovers there is told once.
    pub(super) fn calm(&self) -> u64 {
        self.warn - self.warn / 16
    }

    fn at_most(max: u64, span: Duration) -> Self {
        Self { warn: share(max), max: Some(max), span, emergency: None }
    }
}

fn share(max: u64) -> u64 {
    // A limit is far below 2^57: sizes are bounded by the configuration.
    max.saturating_mul(WARN_AT_PERCENT) / 100
}

fn percent(value: u32) -> u64 {
    u64::from(value).saturating_mul(100)
}

/// A warning threshold at or above the limit would come too late.
fn warn_before(warn: u64, max: Option<u64>) -> u64 {
    match max {
        Some(max) if warn >= max => share(max),
        Some(_) | None => warn,
    }
}

impl ComponentLimits {
    /// What this resource is held against, if anything.
    pub fn thresholds(&self, resource: Resource) -> Option<Thresholds> {
        match resource {
            Resource::Memory => match (self.memory_warn, self.memory_max) {
                (None, None) => None,
                (None, Some(max)) => Some(Thresholds::at_most(max, Duration::ZERO)),
                (Some(warn), max) => Some(Thresholds {
                    warn: warn_before(warn, max),
                    max,
                    span: Duration::ZERO,
                    emergency: self.emergency,
                }),
            },
            Resource::Processes => self.processes_max.map(|max| Thresholds::at_most(max, Duration::ZERO)),
            Resource::Files => self.files_max.map(|max| Thresholds::at_most(max, Duration::ZERO)),
            Resource::Cpu => self.cpu_max_percent.map(|max| Thresholds::at_most(percent(max), self.cpu_for)),
        }
    }
}

impl SystemLimits {
    /// What this resource of all components together is held against, if anything.
    pub fn thresholds(&self, resource: Resource) -> Option<Thresholds> {
        match resource {
            Resource::Memory => Some(Thresholds {
                warn: warn_before(self.memory_warn, self.memory_max),
                max: self.memory_max,
                span: Duration::ZERO,
                emergency: self.emergency,
            }),
            Resource::Cpu => Some(Thresholds::at_most(percent(self.cpu_max_percent), self.cpu_for)),
            Resource::Processes | Resource::Files => None,
        }
    }
}
