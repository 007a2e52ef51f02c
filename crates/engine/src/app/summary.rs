//! What `failstop run` prints first: version, system, epoch, mode, journal, what is enforced for each component, addresses.

use crate::checks::{HostFacts, coverage};
use crate::config::Config;
use crate::runtime_dir::EngineInfo;
use crate::status::words;
use failstop_journal::Verdict;
use std::fmt::Write as _;

/// The summary, several lines.
pub fn summary(config: &Config, info: &EngineInfo, verdict: &Verdict, records: u64, notes: &[String]) -> String {
    let mut text = String::new();
    let mode = words::mode(config.system.mode);
    let journal = match verdict {
        Verdict::New => "new journal".to_owned(),
        Verdict::Clean | Verdict::Unclean | Verdict::TornTail(_) | Verdict::Interrupted(_) | Verdict::Damaged(_) => {
            format!("journal {records} records")
        }
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "failstop {} · system {} · epoch {} · mode {mode} · {journal}",
        info.version, info.system, info.epoch
    );
    let width = config.components.iter().map(|component| component.name.as_str().len()).max().unwrap_or(0).max(8);
    for covered in coverage(config, &HostFacts::gather()) {
        let orders = config.components.iter().find(|component| component.name.as_str() == covered.component);
        let orders = orders.map_or("", |component| words::orders(component.orders));
        let _ =
            writeln!(text, "  {:<width$}  {orders:<6}  enforced: {}", covered.component, covered.enforced.join(", "));
        for (what, list) in [("monitored", &covered.monitored), ("not covered", &covered.not_covered)] {
            if !list.is_empty() {
                let _ = writeln!(text, "  {:<width$}  {:<6}  {what}: {}", "", "", list.join(", "));
            }
        }
    }
    let observe = info.observe.as_deref().unwrap_or("off");
    let control = info.control_socket.display();
    let _ = writeln!(text, "  {:<width$}  {observe}   control {control}", "observe");
    if let Some(listener) = &info.control {
        let _ = writeln!(text, "  {:<width$}  {listener}   for watchdogs", "control");
    }
    for note in notes {
        let _ = writeln!(text, "  {:<width$}  {note}", "note");
    }
    text
}
