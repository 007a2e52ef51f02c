//! The figures that the engine knows by itself.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The permission: 3 active, 2 reduce-only, 1 observe-only, 0 shutdown.
    Permission,
    /// Overall health, 0 to 1.
    Health,
    /// Errors that bots reported in the last minute.
    Errors,
    /// Memory of all components and the engine, bytes.
    Memory,
    /// Processor time of all components, per cent of the processors that may be used.
    Cpu,
    /// The oldest feed's age, seconds.
    FeedAge,
    /// Entries that wait in the execution queues.
    Queue,
    /// Processors of the host in use, per cent.
    HostCpu,
    /// Memory of the host in use, bytes.
    HostMemory,
}

impl Own {
    /// All of them, in the order in which they are answered.
    pub const ALL: [Self; 9] = [
        Self::Permission,
        Self::Health,
        Self::Errors,
        Self::Memory,
        Self::Cpu,
        Self::FeedAge,
        Self::Queue,
        Self::HostCpu,
        Self::HostMemory,
    ];

    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|one| *one == self).unwrap_or(usize::MAX)
    }

    /// Its name in `/api/metrics/history`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Health => "health",
            Self::Errors => "errors_per_minute",
            Self::Memory => "memory_bytes",
            Self::Cpu => "cpu_percent",
            Self::FeedAge => "feed_age_seconds",
            Self::Queue => "queue_depth",
            Self::HostCpu => "host_cpu_percent",
            Self::HostMemory => "host_memory_used_bytes",
        }
    }

    /// Its unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Permission => "level",
            Self::Health => "ratio",
            Self::Errors | Self::Queue => "count",
            Self::Memory | Self::HostMemory => "bytes",
            Self::Cpu | Self::HostCpu => "percent",
            Self::FeedAge => "seconds",
        }
    }
}
