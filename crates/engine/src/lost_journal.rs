//! A journal that is not there although it was: deleted, not mounted, or left out of a restore. Its latched halts went with it, so
//! an empty place must not pass for a first start.

use crate::process::epoch;
use crate::retire;
use crate::runtime_dir::EngineInfo;
use std::path::Path;

/// What says that an engine recorded something in this state directory, in words. For where no journal is.
pub fn evidence(state_dir: &Path) -> Option<String> {
    if let Some(plan) = retire::unfinished(state_dir) {
        let next = "run `failstop journal retire` again, which completes it";
        return Some(format!("the journal is half retired ({} says how): {next}", plan.display()));
    }
    let epoch = epoch::last(state_dir)?;
    // The epoch rises before the first record is written: a first start that was killed between the two leaves the number 1 and
    // no journal. Components start after that record, so their logs prove it.
    let ran = epoch.0 > 1 || std::fs::read_dir(state_dir.join("logs")).is_ok_and(|mut logs| logs.next().is_some());
    ran.then(|| format!("the journal is gone: {} says that epoch {} ran here", epoch::EPOCH_FILE, epoch.0))
}

/// What a runtime directory says of it: the last engine there did not stop in order, in this boot, and kept its journal in this
/// state directory.
pub fn evidence_of_this_boot(runtime_dir: &Path, state_dir: &Path) -> Option<String> {
    let info = EngineInfo::read(runtime_dir).ok()?;
    let same = info.boot_id == EngineInfo::this_boot() && info.state_dir == state_dir;
    same.then(|| {
        format!("the journal is gone: epoch {} ran here since the last boot and did not stop in order", info.epoch)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_a_first_record_proves_that_there_was_one() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(evidence(state.path()), None, "never started");
        std::fs::write(state.path().join("epoch"), "1\n").unwrap();
        assert_eq!(evidence(state.path()), None, "killed before its first record");
        std::fs::create_dir(state.path().join("logs")).unwrap();
        assert_eq!(evidence(state.path()), None);
        std::fs::write(state.path().join("logs/bot.log"), "").unwrap();
        assert!(evidence(state.path()).unwrap().contains("epoch 1 ran here"));
        std::fs::remove_dir_all(state.path().join("logs")).unwrap();
        std::fs::write(state.path().join("epoch"), "2\n").unwrap();
        assert!(evidence(state.path()).is_some());
    }
}
