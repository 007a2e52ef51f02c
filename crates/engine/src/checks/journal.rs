//! The journal's chain is intact. Reads only, beside a running engine too.

use super::{Caller, Finding, Subject};
use crate::app::verifier::trust;
use crate::lost_journal;
use failstop_journal::verify::{Options, Outcome as Verified, verify};
use failstop_journal::{Wall, segment_first};
use std::io::ErrorKind;
use std::path::Path;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let state = subject.config.state_dir();
    let dir = state.join("journal");
    match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => vec![none(state)],
        Err(error) => vec![Finding::undetermined(
            format!("{} cannot be read: {error}", dir.display()),
            "run this as the engine's user or root",
        )],
        Ok(mut entries) => {
            let is_segment = |entry: std::fs::DirEntry| entry.file_name().to_str().and_then(segment_first).is_some();
            if !entries.any(|entry| entry.is_ok_and(is_segment)) {
                return vec![none(state)];
            }
            vec![chain(state, subject.caller)]
        }
    }
}

fn none(state: &Path) -> Finding {
    match lost_journal::evidence(state) {
        None => Finding::passed("none yet: the first start makes it"),
        Some(evidence) => {
            Finding::failed(evidence, "mount or restore the state directory whole; see docs/runbooks/integrity.md")
        }
    }
}

/// Verifies the journal of a state directory, every byte of it.
fn chain(state: &Path, caller: &Caller) -> Finding {
    let options = match caller {
        Caller::Command => Options::default(),
        // The engine's own work comes first.
        Caller::Engine(_) => Options { threads: 1, ..Options::default() },
    };
    let report = match verify(state, &options, &|_| {}) {
        Ok(report) => report,
        Err(error) => {
            return Finding::undetermined(error.to_string(), "find out why, for example with `failstop verify-data`");
        }
    };
    if let Caller::Engine(_) = caller {
        // Without it the next verification reads everything again, and says why.
        let _ = trust(state, &report, None, Wall::now());
    }
    let records = report.records;
    match (report.result, report.violations.first()) {
        (Verified::Intact, _) => match report.torn_tail {
            None => Finding::passed(format!("{records} records, chain intact")),
            Some(tail) => Finding::passed(format!(
                "{records} records, chain intact; {} bytes that a crash left at the end of {} were never acknowledged",
                tail.bytes, tail.file
            )),
        },
        (Verified::Violated, Some(first)) => {
            let count = report.violations.len() as u64 + report.more_violations;
            let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
            Finding::failed(
                format!("{first}{more}"),
                "keep a copy of the state directory, then see docs/runbooks/integrity.md",
            )
        }
        (Verified::Violated, None) => Finding::failed("the chain is broken", "run `failstop verify-data`"),
        (Verified::Unverifiable, _) => Finding::undetermined(
            report.error.unwrap_or_else(|| "the journal could not be verified".to_owned()),
            "run `failstop verify-data` as the engine's user or root",
        ),
    }
}
