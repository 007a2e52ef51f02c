//! Which limits the kernel holds for a whole cgroup, and what is written into its files for that.
//!
//! `memory.high` stands at the limit: above it the kernel takes back what it can and slows the tree down, which gives the bot its
//! chance to answer `reclaim`. `memory.max` stands an eighth above: there the kernel kills, the whole tree at once, since half a
//! bot is worse than none. `cpu.max` stands five points above, `pids.max` an eighth.

use super::kernel_count;
use crate::config::{ComponentLimits, Config, Limits};
use crate::process::controllers::Controller;
use failstop_core::LimitAction;
use std::collections::BTreeSet;
use std::path::Path;

/// The kernel holds processor time so many points above a limit.
const CPU_POINTS_ABOVE: u64 = 5;

/// The span over which `cpu.max` is counted, microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// What the kernel is to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelLimits {
    /// Memory: where it is slowed down, and where it is killed, bytes.
    pub memory: Option<(u64, u64)>,
    /// Per cent of the processors.
    pub cpu_percent: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Whether a kill for want of memory takes the whole cgroup.
    pub whole_tree: bool,
}

impl KernelLimits {
    /// Of one component. Limits that only warn are nothing that the kernel holds.
    pub fn of_component(limits: &ComponentLimits) -> Self {
        if limits.action == LimitAction::Warn {
            return Self::default();
        }
        Self {
            memory: limits.memory_max.map(|max| memory(max.get())),
            cpu_percent: limits.cpu_max_percent.and_then(cpu),
            pids: limits.processes_max.map(|max| kernel_count(u64::from(max))),
            whole_tree: true,
        }
    }

    /// Of all components together.
    pub fn of_system(limits: &Limits) -> Self {
        if limits.action == LimitAction::Warn {
            return Self::default();
        }
        Self {
            memory: limits.memory_max.bytes().map(memory),
            cpu_percent: cpu(limits.cpu_max_percent),
            pids: None,
            whole_tree: false,
        }
    }

    /// The files of a cgroup and what goes into each, for these controllers and so many processors.
    fn files(&self, controllers: &BTreeSet<Controller>, processors: u64) -> Vec<(&'static str, String)> {
        let mut files = Vec::new();
        let has = |controller| controllers.contains(&controller);
        if let Some((high, max)) = self.memory.filter(|_| has(Controller::Memory)) {
            files.push(("memory.high", high.to_string()));
            files.push(("memory.max", max.to_string()));
        }
        // Wherever the controller is: a kill by the limit of all together, or of the host, takes a whole bot, too.
        if self.whole_tree && has(Controller::Memory) {
            files.push(("memory.oom.group", "1".to_owned()));
        }
        if let Some(percent) = self.cpu_percent.filter(|_| has(Controller::Cpu)) {
            let quota = PERIOD_US.saturating_mul(processors).saturating_mul(percent) / 100;
            files.push(("cpu.max", format!("{quota} {PERIOD_US}")));
        }
        if let Some(most) = self.pids.filter(|_| has(Controller::Pids)) {
            files.push(("pids.max", most.to_string()));
        }
        files
    }

    /// The same with every file that a limit may have stood in: one that is none any more is lifted.
    fn files_anew(&self, controllers: &BTreeSet<Controller>, processors: u64) -> Vec<(&'static str, String)> {
        let mut files = self.files(controllers, processors);
        let lifted = [
            (Controller::Memory, "memory.high", "max".to_owned()),
            (Controller::Memory, "memory.max", "max".to_owned()),
            (Controller::Cpu, "cpu.max", format!("max {PERIOD_US}")),
            (Controller::Pids, "pids.max", "max".to_owned()),
        ];
        for (controller, name, text) in lifted {
            if controllers.contains(&controller) && !files.iter().any(|(known, _)| *known == name) {
                files.push((name, text));
            }
        }
        files
    }

    /// Writes them where others stood. What could not be written, in words.
    pub fn write_anew(&self, cgroup: &Path, controllers: &BTreeSet<Controller>, processors: u64) -> Vec<String> {
        put(cgroup, self.files_anew(controllers, processors))
    }

    /// Writes them. What could not be written, in words.
    pub fn write(&self, cgroup: &Path, controllers: &BTreeSet<Controller>, processors: u64) -> Vec<String> {
        put(cgroup, self.files(controllers, processors))
    }
}

fn put(cgroup: &Path, files: Vec<(&'static str, String)>) -> Vec<String> {
    files
        .into_iter()
        .filter_map(|(name, text)| {
            let file = cgroup.join(name);
            std::fs::write(&file, &text).err().map(|error| format!("{} cannot be set: {error}", file.display()))
        })
        .collect()
}

/// How limits are written: [`KernelLimits::write`] or [`KernelLimits::write_anew`].
pub type Write = fn(&KernelLimits, &Path, &BTreeSet<Controller>, u64) -> Vec<String>;

/// Writes every limit of the configuration into the cgroups of `system` and of its components (`cgroups`, by index). What could
/// not be written, in words.
pub fn hold<'a>(
    config: &Config,
    system: &Path,
    cgroups: impl IntoIterator<Item = (usize, &'a Path)>,
    usable: &BTreeSet<Controller>,
    write: Write,
) -> Vec<String> {
    let processors = processors();
    let mut faults = write(&KernelLimits::of_system(&config.limits), system, usable, processors);
    for (index, cgroup) in cgroups {
        if let Some(component) = config.components.get(index) {
            faults.extend(write(&KernelLimits::of_component(&component.limits), cgroup, usable, processors));
        }
    }
    faults
}

fn memory(max: u64) -> (u64, u64) {
    (max, max.saturating_add(max / 8))
}

/// None where it would be no limit.
fn cpu(percent: u32) -> Option<u64> {
    Some(u64::from(percent).saturating_add(CPU_POINTS_ABOVE)).filter(|percent| *percent < 100)
}

/// How many processors may be used here: affinity and cgroup quota.
pub fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| u64::try_from(count.get()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> BTreeSet<Controller> {
        Controller::ALL.into()
    }

    #[test]
    fn the_kernel_stands_a_little_above_each_limit() {
        let limits = KernelLimits {
            memory: Some(memory(800)),
            cpu_percent: cpu(50),
            pids: Some(kernel_count(16)),
            whole_tree: true,
        };
        let files = limits.files(&all(), 4);
        let expected = [
            ("memory.high", "800"),
            ("memory.max", "900"),
            ("memory.oom.group", "1"),
            ("cpu.max", "220000 100000"),
            ("pids.max", "18"),
        ];
        let expected: Vec<_> = expected.map(|(name, text)| (name, text.to_owned())).into();
        assert_eq!(files, expected);
        assert_eq!(limits.files(&[Controller::Pids].into(), 4), vec![("pids.max", "18".to_owned())]);
        assert_eq!(limits.files(&BTreeSet::new(), 4), vec![]);
    }

    #[test]
    fn a_limit_that_is_none_any_more_is_lifted() {
        let files = KernelLimits { memory: Some(memory(800)), ..KernelLimits::default() }.files_anew(&all(), 4);
        let expected = [("memory.high", "800"), ("memory.max", "900"), ("cpu.max", "max 100000"), ("pids.max", "max")];
        assert_eq!(files, expected.map(|(name, text)| (name, text.to_owned())));
    }

    #[test]
    fn no_quota_is_written_that_would_be_none() {
        assert_eq!((cpu(94), cpu(95), cpu(100)), (Some(99), None, None));
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let limits = KernelLimits { pids: Some(3), ..KernelLimits::default() };
        let faults = limits.write(Path::new("/nonexistent/cgroup"), &all(), 1);
        assert!(faults[0].starts_with("/nonexistent/cgroup/pids.max cannot be set"), "{faults:?}");
    }
}
