//! What stands beside halts: emergency actions that failed, a configuration file that is not in force, a maintenance window. The same
//! words on every page and terminal.

use crate::Tone;
use crate::component::at;
use failstop_client::configuration::ConfigSummary;
use failstop_client::status::{EmergencyRun, EmergencyStep, MaintenanceSummary};
use jiff::Timestamp;

/// How a run of emergency actions is to be looked at.
pub fn tone_of_run(run: &EmergencyRun) -> Tone {
    match (run.finished.is_some(), run.failed) {
        (true, 0) => Tone::Good,
        (true, _) => Tone::Bad,
        (false, _) => Tone::Warning,
    }
}

/// How one of them is.
pub fn tone_of_step(step: &EmergencyStep) -> Tone {
    match step.state.as_str() {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        "running" => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// `2 done, 1 failed`, of a run that is over; `1 done, 2 to come` of one that goes on.
pub fn counts(run: &EmergencyRun) -> String {
    let rest = match (run.finished.is_some(), run.failed) {
        (_, 0) => return format!("{} done", run.done),
        (true, failed) => format!("{failed} failed"),
        (false, failed) => format!("{failed} to come"),
    };
    format!("{} done, {rest}", run.done)
}

/// What to do about a run: nothing but a look where everything was done.
pub fn next_of_run(run: &EmergencyRun) -> &'static str {
    let real = run.cause != "drill";
    match (run.finished.is_some(), run.failed, real) {
        (false, _, _) => "wait for their end; `failstop kill-switch status` follows them",
        (true, 0, true) => "look at the venue that no order is open, and what is held",
        (true, 0, false) => "nothing: the rehearsal went well",
        (true, _, true) => {
            "look at the venue now and do by hand what failed, nothing tries again (docs/runbooks/emergency-actions.md)"
        }
        (true, _, false) => "mend what failed and rehearse again: `failstop kill-switch drill`",
    }
}

/// When a window ends by itself: `20:51:07Z`.
pub fn maintenance_end(window: &MaintenanceSummary, now: Timestamp) -> String {
    at(&window.until, now)
}

/// What a window means, as a sentence.
pub fn maintenance_effect(window: &MaintenanceSummary) -> &'static str {
    if window.keep_trading {
        "Trading goes on. Alerts that can wait are held back, and what fails is not started again."
    } else {
        "No order is permitted. Alerts that can wait are held back, and what fails is not started again."
    }
}

/// How one ends a window.
pub const MAINTENANCE_NEXT: &str = "failstop maintenance off, or wait for its end";

/// What to do where what the file says is not in force.
pub fn next_of_config(config: &ConfigSummary) -> &'static str {
    if config.pending_restart.is_empty() {
        "`failstop config diff`, then mend the file, or `failstop config rollback`"
    } else {
        "`failstop config diff`; restart the engine for these keys, or put them back"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cause: &str, finished: bool, done: u32, failed: u32) -> EmergencyRun {
        EmergencyRun {
            trace: "9f2c41ab03d1e877".to_owned(),
            cause: cause.to_owned(),
            begun: String::new(),
            finished: finished.then(String::new),
            done,
            failed,
            actions: Vec::new(),
        }
    }

    #[test]
    fn a_run_says_how_it_is_and_what_to_do() {
        for (run, tone, words, next) in [
            (run("kill-switch", true, 2, 0), Tone::Good, "2 done", "no order is open"),
            (run("failsafe", true, 1, 1), Tone::Bad, "1 done, 1 failed", "by hand"),
            (run("kill-switch", false, 1, 2), Tone::Warning, "1 done, 2 to come", "wait"),
            (run("drill", true, 2, 0), Tone::Good, "2 done", "nothing"),
            (run("drill", true, 0, 2), Tone::Bad, "0 done, 2 failed", "rehearse again"),
        ] {
            assert_eq!((tone_of_run(&run), counts(&run).as_str()), (tone, words), "{run:?}");
            assert!(next_of_run(&run).contains(next), "{run:?}: {}", next_of_run(&run));
        }
    }

    #[test]
    fn a_window_says_until_when_and_what_it_means() {
        let mut window = MaintenanceSummary {
            until: "2026-11-03T20:51:07.000Z".to_owned(),
            by: "ana (1000)".to_owned(),
            reason: "new disk".to_owned(),
            keep_trading: true,
        };
        let now = "2026-11-03T20:00:00Z".parse().unwrap_or_default();
        assert_eq!(maintenance_end(&window, now), "20:51:07Z");
        assert!(maintenance_effect(&window).starts_with("Trading goes on."));
        window.keep_trading = false;
        assert!(maintenance_effect(&window).starts_with("No order is permitted."));
    }

    #[test]
    fn keys_that_need_a_restart_are_told_from_a_file_that_is_not_valid() {
        let mut config = ConfigSummary { fault: Some("line 3".to_owned()), ..ConfigSummary::default() };
        assert!(next_of_config(&config).contains("mend the file"));
        config.pending_restart.push("system.mode".to_owned());
        assert!(next_of_config(&config).contains("restart the engine"));
    }
}
