//! Which of a component's limits the kernel holds for each of its processes by `setrlimit(2)`, with or without a cgroup.
//!
//! Never `RLIMIT_AS`: it bounds addresses and not memory. Programs map far more than they use (allocators' arenas, thread
//! stacks, JIT and garbage-collected heaps), so it kills healthy bots long before it bounds a leak.

use super::kernel_count;
use crate::config::ComponentLimits;
use failstop_core::LimitAction;

/// A limit as `setrlimit(2)` takes it: the resource, soft, hard.
pub type Rlimit = (u32, u64, u64);

/// The limits of one component. `inherited_files` is what the engine was started with; `own_user` says that it runs as a user
/// that nobody else here runs as, so that the kernel's count of that user's processes is its own.
pub fn of(limits: &ComponentLimits, inherited_files: Option<(u64, u64)>, own_user: bool, root: bool) -> Vec<Rlimit> {
    let mut all = Vec::new();
    let hard = inherited_files.map_or(u64::MAX, |(_, hard)| hard);
    // Limits that only warn are nothing that the kernel holds.
    let held = limits.action == LimitAction::Restart;
    match (limits.files_max.filter(|_| held), inherited_files) {
        (Some(max), _) => {
            let wanted = kernel_count(u64::from(max));
            let wanted = if root { wanted } else { wanted.min(hard) };
            all.push((libc::RLIMIT_NOFILE, wanted, wanted));
        }
        (None, Some((soft, hard))) => all.push((libc::RLIMIT_NOFILE, soft, hard)),
        (None, None) => {}
    }
    if own_user && let Some(max) = limits.processes_max.filter(|_| held) {
        let wanted = kernel_count(u64::from(max));
        all.push((libc::RLIMIT_NPROC, wanted, wanted));
    }
    let core = limits.core_max.get();
    all.push((libc::RLIMIT_CORE, core, core));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_settings::Bytes;

    fn limits() -> ComponentLimits {
        ComponentLimits {
            memory_max: None,
            memory_warn: None,
            cpu_max_percent: None,
            cpu_for: core::time::Duration::ZERO,
            files_max: None,
            processes_max: None,
            action: LimitAction::Restart,
            core_max: Bytes(0),
        }
    }

    #[test]
    fn without_limits_it_gets_what_failstop_was_started_with_and_leaves_no_core() {
        let expected = vec![(libc::RLIMIT_NOFILE, 1024, 4096), (libc::RLIMIT_CORE, 0, 0)];
        assert_eq!(of(&limits(), Some((1024, 4096)), true, false), expected);
        assert_eq!(of(&limits(), None, true, true), vec![(libc::RLIMIT_CORE, 0, 0)]);
    }

    #[test]
    fn the_kernel_stops_an_eighth_above_and_never_above_what_may_be_had() {
        let limited = ComponentLimits { files_max: Some(800), processes_max: Some(10), ..limits() };
        let files = |all: Vec<Rlimit>| all.into_iter().find(|limit| limit.0 == libc::RLIMIT_NOFILE);
        let processes = |all: Vec<Rlimit>| all.into_iter().find(|limit| limit.0 == libc::RLIMIT_NPROC);
        assert_eq!(files(of(&limited, Some((1024, 4096)), true, false)), Some((libc::RLIMIT_NOFILE, 900, 900)));
        assert_eq!(files(of(&limited, Some((512, 850)), true, false)), Some((libc::RLIMIT_NOFILE, 850, 850)));
        assert_eq!(files(of(&limited, Some((512, 850)), true, true)), Some((libc::RLIMIT_NOFILE, 900, 900)));
        assert_eq!(processes(of(&limited, None, true, true)), Some((libc::RLIMIT_NPROC, 11, 11)));
        assert_eq!(processes(of(&limited, None, false, true)), None, "others' processes would count");
        let warned = ComponentLimits { action: LimitAction::Warn, ..limited };
        let untouched = vec![(libc::RLIMIT_NOFILE, 512, 850), (libc::RLIMIT_CORE, 0, 0)];
        assert_eq!(of(&warned, Some((512, 850)), true, true), untouched);
    }
}
