//! Whether this host lets failstop give each component a process namespace, where the configuration asks for it: tried out, since
//! neither the kernel's settings nor a container's filters can be read off anywhere.

use super::{Finding, Subject};
use crate::config::Isolation;
use crate::process::spawn::{SpawnError, try_namespaces};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    match subject.config.system.isolation {
        Isolation::None => vec![Finding::passed("none configured")],
        Isolation::PidNamespace => vec![judge(subject.host.root, try_namespaces())],
    }
}

fn judge(root: bool, tried: Result<(), SpawnError>) -> Finding {
    let whose = if root { "as root" } else { "in a user namespace" };
    match tried {
        Ok(()) => Finding::passed(format!("a process namespace can be had {whose}")),
        // Only a program of one thread can try.
        Err(SpawnError::NotMainThread) => Finding::skipped("not tried out here"),
        Err(
            error @ (SpawnError::Step { .. }
            | SpawnError::Clone { .. }
            | SpawnError::Prepare { .. }
            | SpawnError::Nul { .. }),
        ) => Finding::failed(
            format!(
                "no component would start: `isolation = \"pid-namespace\"` in [system], and a trial fails: {error}"
            ),
            "allow it on this host, or write `isolation = \"none\"`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Outcome;
    use crate::process::spawn::Step;
    use std::io;

    #[test]
    fn a_refusal_fails_with_what_to_allow() {
        let source = io::Error::from_raw_os_error(libc::EPERM);
        let finding = judge(false, Err(SpawnError::Step { program: "/bin/x".into(), step: Step::Namespaces, source }));
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(finding.reason.contains("apparmor_restrict_unprivileged_userns"), "{}", finding.reason);
        assert_eq!(judge(true, Ok(())).outcome, Outcome::Passed);
        assert_eq!(judge(true, Err(SpawnError::NotMainThread)).outcome, Outcome::Skipped);
    }
}
