//! What `failstop run` prints first: version, system, epoch, mode, journal, what is enforced for each component, addresses.

use crate::checks::{HostFacts, coverage};
use crate::config::Config;
use crate::runtime_dir::EngineInfo;
use crate::status::{Configured, words};
use failstop_core::Mode;
use failstop_journal::Verdict;
use std::fmt::Write as _;

/// The summary, several lines. `mode` is the effective one: the configuration alone makes none live.
pub fn summary(
    config: &Config,
    info: &EngineInfo,
    (verdict, records): (&Verdict, u64),
    mode: Mode,
    notes: &[String],
) -> String {
    let mut text = String::new();
    let mode = mode_words(config, mode);
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
    let unwatched = Configured::of(config).before_anybody_speaks();
    if !unwatched.is_empty() {
        let _ = writeln!(text, "  not watched until somebody speaks of it: {}", unwatched.join(", "));
    }
    let observe = info.observe.as_deref().unwrap_or("off");
    let control = info.control_socket.display();
    let _ = writeln!(text, "  {:<width$}  {observe}   control {control}", "observe");
    if let Some(listener) = &info.control {
        let _ = writeln!(text, "  {:<width$}  {listener}   {}", "control", for_whom(config));
    }
    for note in notes {
        let _ = writeln!(text, "  {:<width$}  {note}", "note");
    }
    text
}

/// `dry`, `live`, or what is still to be done for the mode that the configuration allows.
fn mode_words(config: &Config, mode: Mode) -> String {
    if mode == config.system.mode {
        return words::mode(mode).to_owned();
    }
    let (allowed, name) = (words::mode(config.system.mode), config.name());
    format!("{} ({allowed} is allowed: failstop mode {allowed} --confirm {name})", words::mode(mode))
}

/// Who can ask anything at the control listener.
fn for_whom(config: &Config) -> &'static str {
    match (config.control.token_file.is_some(), config.control.keys.is_empty()) {
        (true, true) => "for people",
        (true, false) => "for people and watchdogs",
        (false, _) => "for watchdogs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;

    #[test]
    fn the_mode_is_the_one_in_effect_and_says_what_is_missing_for_the_other() {
        let (dry, mut live) = (with(""), with(""));
        live.system.mode = Mode::Live;
        assert_eq!(mode_words(&dry, Mode::Dry), "dry");
        assert_eq!(mode_words(&live, Mode::Live), "live");
        let name = live.name().to_owned();
        assert_eq!(mode_words(&live, Mode::Dry), format!("dry (live is allowed: failstop mode live --confirm {name})"));
    }

    #[test]
    fn the_listener_is_for_whoever_can_ask_there() {
        let mut config = with("");
        let mut of = |tokens: bool, keys: bool| {
            config.control.token_file = tokens.then(|| "tokens".into());
            config.control.keys = if keys { vec!["wd1.key".into()] } else { Vec::new() };
            for_whom(&config)
        };
        assert_eq!(of(true, false), "for people");
        assert_eq!(of(true, true), "for people and watchdogs");
        assert_eq!(of(false, true), "for watchdogs");
    }
}
