//! What this host lets failstop enforce: cgroups for killing trees and for limits.

use super::host::Cgroup;
use super::{Finding, Subject};
use crate::config::Component;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    if let Err(error) = std::fs::metadata("/proc/self/task") {
        return vec![Finding::failed(
            format!("/proc/self/task: {error}: process trees cannot be found, and `failstop run` does not start"),
            "mount /proc",
        )];
    }
    let host = subject.host;
    let place = host.place.words();
    let mut findings = vec![match &host.cgroup {
        Cgroup::None(reason) => Finding::warning(
            format!(
                "{place}: no cgroup can be made ({reason}): process trees are found by ancestry and marks instead, and limits \
                 of memory and CPU are measured and acted upon, not held by the kernel"
            ),
            "run as root, or under systemd with Delegate=yes",
        ),
        Cgroup::Writable { .. } => {
            let usable: Vec<&str> = host.kernel.usable.iter().map(|controller| controller.name()).collect();
            let held = match (usable.is_empty(), &host.kernel.why_not) {
                (false, None) => format!("the kernel holds limits of {}", usable.join(", ")),
                (false, Some(why)) => {
                    format!("the kernel holds limits of {}; not of others ({why})", usable.join(", "))
                }
                (true, Some(why)) => format!("limits are measured and acted upon, not held by the kernel ({why})"),
                (true, None) => "limits are measured and acted upon, not held by the kernel".to_owned(),
            };
            Finding::passed(format!("{place}: trees are killed by cgroup; {held}"))
        }
    }];
    findings.extend(subject.config.components.iter().filter_map(|component| too_few_files(component, host.root)));
    findings
}

/// A limit of descriptors that cannot be given, because whoever starts failstop has fewer.
fn too_few_files(component: &Component, root: bool) -> Option<Finding> {
    let wanted = u64::from(component.limits.files_max?);
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok()?;
    (!root && wanted > hard).then(|| {
        Finding::warning(
            format!(
                "component \"{}\": `files_max` is {wanted}, but failstop itself may give only {hard}",
                component.name
            ),
            "raise the limit of whoever starts it (LimitNOFILE= of a unit, ulimit -n), or lower `files_max`",
        )
    })
}
