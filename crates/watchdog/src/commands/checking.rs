//! `check`: whether the configuration can be used, and what is and is not covered by it.

use super::{Place, out, with_config};
use crate::actuate::{PidSource, Unit};
use crate::app::{build, units_of};
use crate::config::{Config, Target};
use crate::exit;
use crate::heart::time::span;
use failstop_client::signed::Key;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

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
        for unit in &units_of(&config).units {
            out(&format!("unit     {}: {}\n", unit.name, unit_in_words(unit)));
            bad.extend(unit_faults(unit));
        }
        if watches(&config) {
            out(&format!("channels {}\n", config.alerts.names().join(", ")));
        }
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

/// Whether anything is watched by this configuration. A responder's alone is not.
fn watches(config: &Config) -> bool {
    config.actuate.is_none() || !config.targets.is_empty() || !config.checkins.is_empty()
}

/// How a unit is found, stopped and started.
fn unit_in_words(unit: &Unit) -> String {
    let found = match &unit.source {
        PidSource::File(path) => format!("its process is in {}", path.display()),
        PidSource::Engine(folder) => {
            format!("its engine is in {}; the kill switch and a stop on purpose are heeded", folder.display())
        }
    };
    let stopped = unit.stop.as_ref().map_or_else(|| "SIGTERM".to_owned(), |argv| format!("`{}`", argv.join(" ")));
    let started =
        unit.start.as_ref().map_or_else(|| "nothing (no `start`)".to_owned(), |argv| format!("`{}`", argv.join(" ")));
    let grace = span(u64::try_from(unit.grace.as_millis()).unwrap_or(u64::MAX));
    format!("{found}, stopped by {stopped} and after {grace} by SIGKILL, started by {started}")
}

/// What would keep a unit from being stopped or started.
fn unit_faults(unit: &Unit) -> Vec<String> {
    let mut faults = Vec::new();
    for (key, argv) in [("stop", &unit.stop), ("start", &unit.start)] {
        if let Some(program) = argv.as_ref().and_then(|argv| argv.first())
            && !can_be_run(program)
        {
            faults.push(format!(
                "unit \"{}\": `{key}`: there is no program {program} that can be run from here\n  next: write its whole path, or install it",
                unit.name
            ));
        }
    }
    faults
}

/// Whether a program can be run: at its path, or found in `PATH`.
fn can_be_run(program: &str) -> bool {
    let executable =
        |path: &Path| fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return executable(Path::new(program));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| executable(&folder.join(program)))
}

/// Where waiting for answers takes longer than the interval promises: probes of a target are made one at a time.
fn slow(target: &Target) -> Option<String> {
    let text = |time: Duration| span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let (interval, timeout) = (target.interval, target.timeout);
    let late = interval.saturating_add(timeout.saturating_mul(target.failures));
    (timeout > interval).then(|| {
        format!(
            "target \"{}\": `timeout` ({}) is longer than `interval` ({}), and probes are made one at a time: where it is polled, one that is silent is found down up to {} after its last answer\n  next: write a `timeout` of at most {}",
            target.name,
            text(timeout),
            text(interval),
            text(late),
            text(interval)
        )
    })
}

/// What is not covered.
fn coverage(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(actuate) = &config.actuate {
        if config.units.is_empty() {
            notes.push("no [[unit]]: there is nothing that the responder may stop and start".to_owned());
        }
        if actuate.keys.is_empty() {
            notes.push(
                "`keys` in [actuate] is empty: nobody may ask over the network, only `actuate --ssh` works".to_owned(),
            );
        }
    }
    if !watches(config) {
        return notes;
    }
    notes.extend(config.targets.iter().filter_map(slow));
    if config.network.references.is_empty() {
        notes.push(
            "no `references` in [network]: when this host's network dies, every target will look dead".to_owned(),
        );
    }
    if config.peer.is_none() && config.outside.is_none() {
        notes.push("neither [peer] nor [outside]: nobody notices when this watchdog dies".to_owned());
    }
    if config.alerts.stay_on_this_host() {
        notes.push("no channel in [alerts] reaches a person".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_settings::Source;

    #[test]
    fn a_time_out_beyond_the_interval_is_pointed_out() {
        for (interval, timeout, late) in [("1s", "2s", Some("up to 7 s after")), ("1s", "1s", None), ("2s", "1s", None)]
        {
            let text = format!(
                "[[target]]\nname = \"demo\"\nurl = \"http://h:8080/health\"\ninterval = \"{interval}\"\ntimeout = \"{timeout}\"\n"
            );
            let source = Source { file: "watchdog.toml".into(), text, world_readable: false };
            let config = Config::of(&source).unwrap_or_else(|errors| panic!("{errors}"));
            let notes = coverage(&config);
            let note = notes.iter().find(|note| note.contains("one at a time"));
            assert_eq!(note.is_some(), late.is_some(), "{interval} {timeout}: {notes:?}");
            assert!(note.is_none_or(|note| late.is_some_and(|late| note.contains(late))), "{notes:?}");
        }
    }
}
