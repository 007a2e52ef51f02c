//! Snapshots are consistent. This version takes none, so there is nothing to find but foreign files.

use super::{Finding, Subject};
use std::io::ErrorKind;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let dir = subject.config.state_dir().join("snapshots");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return vec![Finding::passed("none taken yet")],
        Err(error) => {
            return vec![Finding::undetermined(
                format!("{} cannot be read: {error}", dir.display()),
                "run this as the engine's user or root",
            )];
        }
    };
    let names: Vec<String> =
        entries.flatten().take(1_000).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    match names.first() {
        None => vec![Finding::passed("none taken yet")],
        Some(first) => vec![Finding::warning(
            format!("{} holds {} files that this version cannot judge, such as {first}", dir.display(), names.len()),
            "use the version of failstop that wrote them",
        )],
    }
}
