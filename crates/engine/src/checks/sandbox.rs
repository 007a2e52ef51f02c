//! Whether this host can keep components from what their `sandbox` says; where it cannot, they are not started.

use super::{Finding, Subject};
use crate::config::{Calls, Component, Files};
use crate::process::sandbox::ordinary;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let host = subject.host;
    let mut findings = Vec::new();
    let mut kept = Vec::new();
    for component in subject.config.components.iter().filter(|component| component.sandbox.is_on()) {
        let failed = |why: &str, remedy: &str| {
            Finding::failed(format!("component \"{}\" would not start: {why}", component.name), remedy)
        };
        if component.sandbox.filesystem == Files::OwnFolder {
            if host.landlock == 0 {
                findings.push(failed(
                    "this kernel cannot keep it to its own folder (Landlock is missing or switched off)",
                    "use Linux 5.13 or later with `lsm=landlock,...`, or write `filesystem = \"off\"` in its `sandbox`",
                ));
            }
            findings.extend(places(component));
        }
        if component.sandbox.system_calls == Calls::Ordinary {
            if !host.filters {
                findings.push(failed(
                    "this kernel takes no filter of system calls (seccomp)",
                    "use a kernel with seccomp, or write `system_calls = \"off\"` in its `sandbox`",
                ));
            } else if let Err(error) = ordinary() {
                findings.push(failed(&error.to_string(), "write `system_calls = \"off\"` in its `sandbox`"));
            }
        }
        kept.push(component.name.as_str());
    }
    if findings.is_empty() {
        findings.push(Finding::passed(match kept.as_slice() {
            [] => "none configured".to_owned(),
            names => format!("this host enforces that of {} (Landlock {})", names.join(", "), host.landlock),
        }));
    }
    findings
}

/// What the sandbox opens must be there.
fn places(component: &Component) -> Vec<Finding> {
    let sandbox = &component.sandbox;
    let absent = |path: &&std::path::PathBuf| !path.exists();
    let finding = |path: &std::path::PathBuf| {
        Finding::failed(
            format!(
                "component \"{}\" would not start: its sandbox names {}, which does not exist",
                component.name,
                path.display()
            ),
            "make it, or correct `readable` and `writable`",
        )
    };
    sandbox.readable.iter().chain(&sandbox.writable).filter(absent).map(finding).collect()
}
