//! `[limits]` and the `limits` of a component: what may be used before something is done about it.

use failstop_core::{LimitAction, SystemLimits, memory_emergency};
use failstop_settings::document::Node;
use failstop_settings::setting::text_of;
use failstop_settings::{At, Bytes, Choice, Consistent, Kind, Places, Reading, Setting, section, within};
use std::time::Duration;

section! {
    /// What all components together may use. Above a limit the component that uses most is asked to give back (over the bot
    /// socket), its trading is held, and where it has not by the second look after 5 s it is stopped and started again; the
    /// next time within 300 s it has failed. Where cgroup v2 lets it the kernel bounds them too, a little above.
    pub struct Limits {
        /// Memory of the whole process trees (proportional set size). "off": no limit, and above twice `memory_warn` the system
        /// is shut down instead.
        memory_max: Ceiling, default "1800MiB", within("1MiB", "16384GiB");
        /// Memory above this is told as a warning.
        memory_warn: Bytes, default "500MB", within("1MiB", "16384GiB");
        /// Processor time, per cent of the processors that they may use (affinity and cgroup quota).
        cpu_max_percent: u32, default 90, within("1", "100");
        /// For how long without a break it must be above.
        cpu_for: Duration, default "5m", within("1s", "24h");
        /// "restart", or "warn": people are told, nothing else.
        action: LimitAction as LimitWord, default "restart";
        /// Time between two measurements.
        sample_every: Duration, default "30s", within("1s", "10m");
    }
}

impl Consistent for Limits {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if let Ceiling::At(max) = self.memory_max {
            warning_before_limit(Some(self.memory_warn), Some(max), places, reading);
        }
    }
}

section! {
    /// What one component's tree may use. What follows above a limit is as in [limits]; people are told at four fifths.
    pub struct ComponentLimits {
        /// Memory of its tree (proportional set size). Where cgroup v2 lets it the kernel slows it down above this and kills
        /// an eighth above. The shipped example: wallet_monitor 500MB, scanner 300MB, trade_executor 200MB.
        memory_max: Option<Bytes>, absent "500MB", within("1MiB", "16384GiB");
        /// Memory above this is told as a warning. Absent: four fifths of `memory_max`. Where no `memory_max` governs (neither
        /// here nor in [limits]), above twice this the system is shut down.
        memory_warn: Option<Bytes>, absent "400MB", within("1MiB", "16384GiB");
        /// Processor time of its tree, per cent of the processors that it may use.
        cpu_max_percent: Option<u32>, absent 50, within("1", "100");
        /// For how long without a break it must be above.
        cpu_for: Duration, default "5m", within("1s", "24h");
        /// Open descriptors of any one of its processes. The kernel refuses more than an eighth above.
        files_max: Option<u32>, absent 1024, within("16", "1000000");
        /// Processes of its tree, threads included. With a cgroup's pids controller, or with a `user` of its own, the kernel
        /// refuses more than an eighth above.
        processes_max: Option<u32>, absent 256, within("1", "1000000");
        /// "restart", or "warn": people are told, nothing else.
        action: LimitAction as LimitWord, default "restart";
        /// The largest core file that it may leave; 0B: none, since one holds the keys that the bot held.
        core_max: Bytes, default "0B", within("0B", "16384GiB");
    }
}

impl Consistent for ComponentLimits {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        warning_before_limit(self.memory_warn, self.memory_max, places, reading);
    }
}

/// A warning that somebody wrote and that could never come before its limit.
fn warning_before_limit(warn: Option<Bytes>, max: Option<Bytes>, places: &Places<'_>, reading: &mut Reading<'_>) {
    let both_written = places.table.get("memory_warn").is_some() && places.table.get("memory_max").is_some();
    if let (Some(warn), Some(max)) = (warn, max)
        && both_written
        && warn >= max
    {
        reading.refuse(
            Kind::Contradiction,
            &places.first_of(&["memory_warn"]),
            format!("`memory_warn` is not below `memory_max` in {}: the warning would come too late", places.label),
            "write a smaller `memory_warn`, or remove it: the warning then comes at four fifths of `memory_max`",
        );
    }
}

/// A size, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// No limit.
    Off,
    /// This.
    At(Bytes),
}

impl Ceiling {
    /// The limit in bytes, where there is one.
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Self::Off => None,
            Self::At(bytes) => Some(bytes.get()),
        }
    }
}

impl Setting for Ceiling {
    const WANTED: &'static str = "a size, like \"1800MiB\", \"10MB\" or \"off\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if text_of(node).as_deref() == Some("off") {
            Some(Self::Off)
        } else {
            Bytes::read(node, at, reading).map(Self::At)
        }
    }
}

/// How a [`LimitAction`] is written.
#[derive(Clone, Copy)]
pub(crate) struct LimitWord(LimitAction);

impl From<LimitWord> for LimitAction {
    fn from(word: LimitWord) -> Self {
        word.0
    }
}

impl Choice for LimitWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("restart", Self(LimitAction::Restart)), ("warn", Self(LimitAction::Warn))];
    const WANTED: &'static str = "\"restart\" or \"warn\"";
}

impl Limits {
    /// As the core judges them.
    pub(crate) fn policy(&self, emergency_shutdown: bool) -> SystemLimits {
        SystemLimits {
            memory_max: self.memory_max.bytes(),
            memory_warn: self.memory_warn.get(),
            emergency: memory_emergency(Some(self.memory_warn.get()), self.memory_max != Ceiling::Off),
            cpu_max_percent: self.cpu_max_percent,
            cpu_for: self.cpu_for,
            action: self.action,
            emergency_shutdown,
        }
    }
}

impl ComponentLimits {
    /// As the core judges them; `governed` says whether a limit of all components together bounds its memory.
    pub(crate) fn policy(&self, governed: bool) -> failstop_core::ComponentLimits {
        failstop_core::ComponentLimits {
            memory_max: self.memory_max.map(Bytes::get),
            memory_warn: self.memory_warn.map(Bytes::get),
            emergency: memory_emergency(self.memory_warn.map(Bytes::get), governed || self.memory_max.is_some()),
            cpu_max_percent: self.cpu_max_percent,
            cpu_for: self.cpu_for,
            files_max: self.files_max.map(u64::from),
            processes_max: self.processes_max.map(u64::from),
            action: self.action,
        }
    }
}
