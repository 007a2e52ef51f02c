//! For which halts a fail-safe shutdown's emergency actions were begun, over restarts.

use crate::emergency::FOLDER;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// For which halts the actions of a fail-safe shutdown were begun.
pub(super) const COVERED: &str = "failsafe.json";

/// For which halts the actions of a fail-safe shutdown were begun. Another trigger while one of them stands begins nothing anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Covered {
    pub(super) key: String,
    pub(super) halts: BTreeSet<u64>,
    /// The kill switch was engaged while they stood: what it runs is not run for them besides.
    pub(super) by_kill_switch: bool,
}

impl Covered {
    /// As the folder has it.
    pub(super) fn read(state_dir: &Path) -> Self {
        let text = std::fs::read(state_dir.join(FOLDER).join(COVERED)).unwrap_or_default();
        // What cannot be read covers nothing: the actions are run again.
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Takes the halts that shut everything down now; whether that is to be kept.
    pub(super) fn take(&mut self, jid: &str, standing: &BTreeSet<u64>) -> bool {
        let Some(first) = standing.first() else { return false };
        let same = self.key.starts_with(jid) && !self.halts.is_disjoint(standing);
        if same && self.halts.is_superset(standing) {
            return false;
        }
        if !same {
            *self = Self { key: format!("{jid}/h-{first}"), ..Self::default() };
        }
        self.halts.extend(standing);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_trigger_of_the_same_shutdown_begins_nothing_anew() {
        let mut covered = Covered::default();
        let set = |halts: &[u64]| halts.iter().copied().collect::<BTreeSet<u64>>();
        assert!(!covered.take("j", &set(&[])));
        assert!(covered.take("j", &set(&[3])));
        assert_eq!(covered.key, "j/h-3");
        assert!(!covered.take("j", &set(&[3])), "nothing is new");
        assert!(covered.take("j", &set(&[3, 5])));
        assert!(!covered.take("j", &set(&[5])), "the first was released");
        assert_eq!(covered.key, "j/h-3");
        // Everything was released in between.
        covered.by_kill_switch = true;
        assert!(covered.take("j", &set(&[9])));
        assert_eq!(covered.key, "j/h-9");
        assert!(!covered.by_kill_switch, "it was engaged for another shutdown");
        // Another journal counts its halts from the beginning.
        assert!(covered.take("k", &set(&[9])));
        assert_eq!(covered.key, "k/h-9");
    }
}
