//! `check`: whether the configuration can be used, and what is and is not covered by it.

use super::{Place, out, with_config};
use crate::app::build;
use crate::config::{Config, Target};
use crate::exit;
use failstop_client::signed::Key;

/// Checks.
pub fn check(place: &Place) -> u8 {
    with_config(place, |config| {
        let mut bad = Vec::new();
        let mut notes: Vec<String> = config.notices.iter().map(ToString::to_string).collect();
        if let Err(error) = build(&config) {
            bad.push(error.to_string());
        }
        for path in config.actuate.iter().flat_map(|actuate| &actuate.keys) {
            if let Err(error) = Key::read(path) {
                bad.push(error.to_string());
            }
        }
        let (_, unusable) = config.alerts.config(config.watchdog.name.as_str());
        bad.extend(unusable.into_iter().map(|one| format!("the channel {}: {}", one.channel, one.fault)));
        notes.extend(coverage(&config));
        for target in &config.targets {
            out(&format!("target   {}: {}\n", target.name, covered(target)));
        }
        for checkin in &config.checkins {
            let when = checkin.cron.clone().unwrap_or_else(|| "by its period".to_owned());
            out(&format!("check-in {}: {when}, /ping/{}\n", checkin.name, checkin.name));
        }
        out(&format!("channels {}\n", config.alerts.names().join(", ")));
        for note in &notes {
            out(&format!("note     {note}\n"));
        }
        for one in &bad {
            out(&format!("failed   {one}\n"));
        }
        if bad.is_empty() { exit::GOOD } else { exit::NO }
    })
}

/// What is enforced for a target, in a line.
fn covered(target: &Target) -> String {
    let mut parts = vec!["watched"];
    if target.url.is_some() {
        parts.push("freshness judged");
    }
    parts.push(match (target.witness && target.url.is_some(), target.control.is_some()) {
        (true, true) => "journal proved",
        (true, false) => "journal heads remembered, not proved (no `control`)",
        (false, _) => "journal not watched",
    });
    parts.push(if target.restart.is_some() { "restarted within limits" } else { "not restarted (no `restart`)" });
    parts.join(", ")
}

/// What is not covered.
fn coverage(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if config.network.references.is_empty() {
        notes.push(
            "no `references` in [network]: when this host's network dies, every target will look dead".to_owned(),
        );
    }
    if config.peer.is_none() && config.outside.is_none() {
        notes.push("neither [peer] nor [outside]: nobody notices when this watchdog dies".to_owned());
    }
    if config.alerts.names().iter().all(|name| matches!(name.rsplit('.').next(), Some("console" | "log_file"))) {
        notes.push("no channel in [alerts] reaches a person".to_owned());
    }
    notes
}
