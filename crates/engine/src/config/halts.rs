//! `[halts.CAUSE]`: overrides of `latched` and `clear_after` for the causes that allow it.

use failstop_core::{Cause, HaltPolicy};
use failstop_settings::document::{Table, Value};
use failstop_settings::{Consistent, Kind, Places, Reading, Section, nearest, section, shown, within};
use std::collections::BTreeMap;
use std::time::Duration;

section! {
    /// Overrides for one cause of a halt.
    pub struct HaltKeys {
        /// Whether it needs an operator with a reason to be released.
        latched: Option<bool>, absent true;
        /// For one that clears itself: how long its condition must have passed.
        clear_after: Option<Duration>, absent "60s", within("0s", "24h");
    }
}

impl Consistent for HaltKeys {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.latched == Some(true) && self.clear_after.is_some() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["clear_after"]),
                format!("{} is latched and has `clear_after`", places.label),
                "remove `clear_after`: a latched halt is released by `failstop resume` only",
            );
        }
    }
}

/// Every cause that a configuration may name, and whether its row is fixed.
pub(crate) const CAUSES: &[(&str, Cause, bool)] = &[
    ("heartbeat-lost", Cause::HeartbeatLost, false),
    ("no-progress", Cause::NoProgress, false),
    ("hung", Cause::Hung, false),
    ("component-failed", Cause::ComponentFailed, false),
    ("unhealthy", Cause::Unhealthy, false),
    ("environment", Cause::Environment, false),
    ("reclaiming", Cause::Reclaiming, false),
    ("daily-loss", Cause::DailyLoss, false),
    ("maintenance", Cause::Maintenance, false),
    ("overload", Cause::Overload, false),
    ("kill-switch", Cause::KillSwitch, true),
    ("failsafe", Cause::Failsafe, true),
    ("integrity", Cause::Integrity, true),
    ("storage", Cause::Storage, true),
    ("witness", Cause::Witness, true),
    ("new-journal", Cause::NewJournal, true),
    ("orders-in-doubt", Cause::OrdersInDoubt, true),
    ("starting", Cause::Starting, true),
    ("component-down", Cause::ComponentDown, true),
    ("clock", Cause::Clock, true),
    ("bot-request", Cause::BotRequest, true),
];

/// Reads `[halts]`.
pub(crate) fn read(table: &Table, reading: &mut Reading<'_>) -> BTreeMap<Cause, HaltPolicy> {
    let mut halts = BTreeMap::new();
    for entry in &table.entries {
        let open = || CAUSES.iter().filter(|(_, _, fixed)| !fixed).map(|(word, _, _)| *word);
        match CAUSES.iter().find(|(word, _, _)| *word == entry.key) {
            Some((_, cause, false)) => {
                let Value::Table(keys) = &entry.node.value else {
                    let message = format!("`{}` in [halts] must be a table; found {}", entry.key, entry.node.found());
                    let help = format!("write [halts.{}] and below it latched or clear_after", entry.key);
                    reading.refuse(Kind::WrongType, &entry.node.origin, message, help);
                    continue;
                };
                let label = format!("[halts.{}]", entry.key);
                if let Some(read) = HaltKeys::read_table(keys, &label, "halts", reading) {
                    halts.insert(*cause, HaltPolicy { latched: read.latched, clear_after: read.clear_after });
                }
            }
            Some((word, _, true)) => {
                let message = format!("how `{word}` is released cannot be changed");
                let help =
                    format!("remove [halts.{word}]; these may be set: {}", open().collect::<Vec<_>>().join(", "));
                reading.refuse(Kind::BadValue, &entry.key_origin, message, help);
            }
            None => {
                let help = match nearest(&entry.key, open()) {
                    Some(word) => format!("did you mean [halts.{word}]?"),
                    None => format!("these may be set: {}", open().collect::<Vec<_>>().join(", ")),
                };
                let message = format!("there is no cause `{}` of a halt", shown(&entry.key));
                reading.refuse(Kind::UnknownKey, &entry.key_origin, message, help);
            }
        }
    }
    halts
}
