//! What this host lets failstop enforce: cgroups for killing trees and for limits.

use super::host::Cgroup;
use super::{Finding, Subject};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    if let Err(error) = std::fs::metadata("/proc/self/task") {
        return vec![Finding::failed(
            format!("/proc/self/task: {error}: process trees cannot be found, and `failstop run` does not start"),
            "mount /proc",
        )];
    }
    vec![match &subject.host.cgroup {
        Cgroup::None(reason) => Finding::warning(
            format!("no cgroup can be made ({reason}): process trees are found by ancestry and marks instead"),
            "run as root, or under systemd with Delegate=yes",
        ),
        Cgroup::Writable { controllers, .. } => {
            let has = |name: &str| controllers.iter().any(|controller| controller == name);
            let limits = match (has("memory"), has("cpu")) {
                (true, true) => "the kernel could limit memory and CPU",
                (true, false) => "the kernel could limit memory, not CPU",
                (false, true) => "the kernel could limit CPU, not memory",
                (false, false) => "the kernel cannot limit memory or CPU here",
            };
            Finding::passed(format!("trees are killed by cgroup; {limits}; this version measures and does not limit"))
        }
    }]
}
