//! Snapshots are consistent: every one that the journal names is there, whole, and as the journal says. Reads only. That the journal
//! gives each of them byte for byte is for `failstop verify-data --deep`.

use super::{Finding, Subject};
use crate::books::{SnapshotFile, SnapshotsUnreadable, snapshot_files};

const REMEDY: &str = "put it back from a copy, byte for byte; it is never made again: see docs/runbooks/integrity.md";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let state = subject.config.state_dir();
    let files = match snapshot_files(state) {
        Ok(files) => files,
        Err(SnapshotsUnreadable::Disk(error)) => {
            let what = format!("{} cannot be read: {error}", state.join("snapshots").display());
            return vec![Finding::undetermined(what, "run this as the engine's user or root")];
        }
        Err(SnapshotsUnreadable::Damaged(what)) => return vec![Finding::failed(what, REMEDY)],
        // Only one that is asked for can be missing so.
        Err(SnapshotsUnreadable::NoSuch { .. }) => Vec::new(),
    };
    let wrong: Vec<&SnapshotFile> = files.iter().filter(|file| !file.is_sound()).collect();
    if let Some(first) = wrong.first() {
        let more = if wrong.len() > 1 { format!(" (and {} more)", wrong.len() - 1) } else { String::new() };
        let problem = first.problem.as_deref().unwrap_or_default();
        let recorded = first.recorded.map(|seq| format!(", which record {seq} names,")).unwrap_or_default();
        return vec![Finding::failed(format!("snapshot {}{recorded} {problem}{more}", first.file), REMEDY)];
    }
    let named = files.iter().filter(|file| file.recorded.is_some()).count();
    vec![match files.iter().rev().find(|file| file.recorded.is_some()) {
        None => Finding::passed("none taken yet"),
        Some(last) => {
            let taken = last.taken.as_deref().unwrap_or_default();
            Finding::passed(format!("{named} as the journal says, the last taken {taken}"))
        }
    }]
}
