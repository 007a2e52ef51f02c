//! What is latched on disk: the kill switch, and halts that the journal could not take. A latch is no fault of the
//! configuration, so it warns: the next start will honour it.

use super::{Finding, Subject};
use std::io::ErrorKind;
use std::path::Path;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (state, name) = (subject.config.state_dir(), subject.config.name());
    let mut findings = Vec::new();
    findings.extend(kill_switch(state, name));
    findings.extend(halts(state, name));
    if findings.is_empty() {
        findings.push(Finding::passed("nothing is latched on disk"));
    }
    findings
}

/// The latch's existence is what counts; any error looking at it means engaged.
fn kill_switch(state: &Path, name: &str) -> Option<Finding> {
    let latch = state.join("kill-switch");
    let remedy = format!("failstop kill-switch release --reason \"...\" --confirm {name}");
    match std::fs::symlink_metadata(&latch) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(Finding::undetermined(
            format!("{} cannot be looked at, which counts as engaged: {error}", latch.display()),
            "run this as the engine's user or root",
        )),
        Ok(_) => {
            let content = std::fs::read(&latch).ok().filter(|bytes| bytes.len() <= 64 * 1024);
            let content: Option<serde_json::Value> = content.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let field = |key: &str| content.as_ref().and_then(|value| value.get(key)?.as_str().map(str::to_owned));
            let reason = match (field("by"), field("reason"), field("time")) {
                (Some(by), Some(reason), Some(time)) => {
                    format!("the kill switch is engaged, by {by} at {time}: {reason}")
                }
                _ => "the kill switch is engaged".to_owned(),
            };
            Some(Finding::warning(reason, remedy))
        }
    }
}

fn halts(state: &Path, name: &str) -> Option<Finding> {
    let dir = state.join("latches");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            return Some(Finding::undetermined(
                format!("{} cannot be read, which counts as latched: {error}", dir.display()),
                "run this as the engine's user or root",
            ));
        }
    };
    let names: Vec<String> =
        entries.flatten().take(1_000).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            format!("halts are latched on disk that the journal could not take: {}", names.join(", ")),
            format!("start failstop, read `failstop status`, then failstop resume --reason \"...\" --confirm {name}"),
        )
    })
}
