//! Permission and mode fit the components: what will not run, or will start halted, is said before it surprises anybody.

use super::{Finding, Subject};
use failstop_core::{Mode, Orders};
use std::os::unix::fs::MetadataExt;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let mut findings = Vec::new();
    let direct: Vec<&str> =
        config.components.iter().filter(|c| c.orders == Orders::Direct).map(|c| c.name.as_str()).collect();
    if config.system.mode == Mode::Dry && !direct.is_empty() {
        findings.push(Finding::warning(
            format!("mode is dry, so components that ask nobody do not run: {}", direct.join(", ")),
            "set `mode = \"live\"` and run `failstop mode live`, or let them ask (`orders = \"asks\"`)",
        ));
    }
    let state = config.state_dir();
    let journal_is_empty = match std::fs::read_dir(state.join("journal")) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if config.system.mode == Mode::Live && journal_is_empty {
        findings.push(Finding::warning(
            "mode is live and the state directory is empty: the first start latches `new-journal`",
            format!("after the start: failstop resume --reason \"...\" --confirm {}", config.name()),
        ));
    }
    if let Ok(meta) = std::fs::metadata(state) {
        if !meta.is_dir() {
            findings.push(Finding::failed(
                format!("{} is not a directory", state.display()),
                "remove it, or correct `state_dir`",
            ));
        } else if meta.mode() & 0o077 != 0 {
            findings.push(Finding::warning(
                format!("other users may look into {} (mode {:04o})", state.display(), meta.mode() & 0o7777),
                format!("chmod 700 {}", state.display()),
            ));
        }
    }
    if findings.is_empty() {
        let mode = match config.system.mode {
            Mode::Dry => "dry",
            Mode::Live => "live",
        };
        findings.push(Finding::passed(format!("at most {mode}")));
    }
    findings
}
