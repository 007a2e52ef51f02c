//! The journal's chain is intact. Reads only, beside a running engine too.

use super::{Finding, Subject};
use std::io::ErrorKind;
use std::path::Path;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let state = subject.config.state_dir();
    let dir = state.join("journal");
    match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            vec![Finding::passed("none yet: the first start makes it")]
        }
        Err(error) => vec![Finding::undetermined(
            format!("{} cannot be read: {error}", dir.display()),
            "run this as the engine's user or root",
        )],
        Ok(mut entries) => {
            if entries.next().is_none() {
                return vec![Finding::passed("none yet: the first start makes it")];
            }
            vec![chain(&dir)]
        }
    }
}

/// Verifies the chain of the journal in `dir`.
fn chain(dir: &Path) -> Finding {
    Finding::skipped(format!("{}: this check does not verify the chain yet; use `failstop verify-data`", dir.display()))
}
