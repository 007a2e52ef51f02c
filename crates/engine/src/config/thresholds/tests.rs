#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::config::tests::{refused, with};
use failstop_core::Monotonic;

fn levels(config: &crate::config::Config) -> Vec<(&'static str, &'static str, [Option<f64>; 3])> {
    let all = config.thresholds.rows().map(|(name, row)| (name, row.side.word(), row.rule().levels));
    all.collect()
}

#[test]
fn the_shipped_levels() {
    let config = with("");
    assert_eq!(
        levels(&config),
        [
            ("log_file_size", "above", [Some(8e6), None, None]),
            ("nonce_rate", "below", [None, Some(1000.0), None]),
            ("websocket_reconnects", "above", [Some(5.0), None, None]),
            ("api_error_rate", "above", [None, Some(0.1), Some(1.0)]),
            ("api_endpoint_success", "below", [Some(80.0), None, None]),
            ("api_failures_in_a_row", "above", [Some(4.0), None, None]),
            ("success_rate", "below", [None, Some(85.0), None]),
            ("daily_loss", "above", [Some(12.0), Some(15.0), None]),
            ("daily_pnl", "below", [None, Some(-50.0), Some(-100.0)]),
            ("balance_check_time", "above", [Some(2.0), None, None]),
            ("websocket_latency", "above", [Some(1000.0), None, None]),
            ("trade_execution_time", "above", [Some(5.0), None, None]),
        ]
    );
    assert_eq!((config.thresholds.every, config.thresholds.anomaly.rule()), (Duration::from_secs(300), None));
}

#[test]
fn the_profiles_are_stricter_and_laxer() {
    let of = |profile: &str| {
        let config = crate::config::tests::profiled(profile);
        let found = levels(&config);
        let level = |name: &str| found.iter().find(|(one, _, _)| *one == name).unwrap().2;
        let thresholds = &config.thresholds;
        let emergency = config.failsafe.emergency_shutdown;
        let memory = config.limits.memory_warn.get();
        (
            thresholds.every.as_secs(),
            level("success_rate")[1],
            level("daily_pnl")[1],
            level("api_error_rate")[1],
            emergency,
            memory,
        )
    };
    assert_eq!(of("production"), (180, Some(90.0), Some(-25.0), Some(0.05), true, 400_000_000));
    assert_eq!(of("development"), (600, Some(75.0), Some(-100.0), Some(0.1), false, 600_000_000));
}

#[test]
fn one_level_may_be_changed_and_the_others_stay() {
    let config = with("[thresholds.api_error_rate]\nwarning = 0.02\nfor = \"2m\"\nemergency_times = \"off\"\n");
    let (_, row) = config.thresholds.rows().find(|(name, _)| *name == "api_error_rate").unwrap();
    assert_eq!(row.rule().levels, [Some(0.02), Some(0.1), None]);
    assert_eq!((row.hold, row.clear_for), (Duration::from_secs(120), Duration::from_secs(300)));
}

#[test]
fn an_emergency_lies_beyond_what_is_critical_or_is_the_same_where_that_is_said() {
    for (text, level) in [
        ("critical = 10\nemergency_times = \"off\"\n", None),
        ("critical = 10\nemergency_times = 1\n", Some(10.0)),
        ("critical = \"off\"\n", None),
        ("critical = -0.5\n", Some(-1.0)),
    ] {
        let config = with(&format!("[thresholds.daily_pnl]\n{text}"));
        let (_, row) = config.thresholds.rows().find(|(name, _)| *name == "daily_pnl").unwrap();
        assert_eq!(row.emergency, level, "{text}");
    }
}

#[test]
fn figures_of_the_users_own() {
    let config = with(
        "[[thresholds.figure]]\nname = \"waiting\"\nmetric = \"orders.waiting\"\ncomponent = \"bot\"\nunit = \"orders\"\n\
         warning = 10\ncritical = 50.5\nfor = \"1m\"\n[[thresholds.figure]]\nname = \"speed\"\ndirection = \"below\"\ncritical = -3\n",
    );
    let figures = &config.thresholds.figure;
    assert_eq!((figures[0].metric(), figures[1].metric()), ("orders.waiting", "speed"));
    assert_eq!(figures[0].rule().levels, [Some(10.0), Some(50.5), None]);
    assert_eq!((figures[1].rule().side, figures[1].rule().levels), (Side::Below, [None, Some(-3.0), None]));
    let mut gauge = failstop_core::Gauge::default();
    let found = Some(failstop_core::Found::whole(-3.1));
    assert!(gauge.look(Monotonic::default(), found, &figures[1].rule()).is_some());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_remedy() {
    let figure = "[[thresholds.figure]]\nname = \"x\"\n";
    for (text, says, help) in [
        (figure.to_owned(), "neither `warning` nor `critical`", "write a level"),
        (format!("{figure}warning = 10\ncritical = 5\n"), "is reached before `warning`", "as far as the warning"),
        (format!("{figure}direction = \"below\"\nwarning = 5\ncritical = 10\n"), "is reached before", "or further"),
        (format!("{figure}warning = 1\n{figure}warning = 2\n"), "two figures with the name \"x\"", "x-2"),
        (figure.replace("\"x\"", "\"nonce_rate\"") + "warning = 1\n", "knows already", "[thresholds.nonce_rate]"),
        (format!("{figure}warning = 1\ncomponent = \"bott\"\n"), "which there is not", "did you mean \"bot\""),
        (format!("{figure}warning = nan\n"), "must be a number", "like 0.5"),
        (format!("{figure}warning = inf\n"), "must be a number", "like 0.5"),
        (format!("{figure}warning = 1e30\n"), "must be a number", "like 0.5"),
        (format!("{figure}warning = true\n"), "must be a number", "like 0.5"),
        (format!("{figure}warning = \"waived\"\n"), "must be a number", "like 0.5"),
        (format!("{figure}warning = 1\nmetric = \"{}\"\n", "m".repeat(129)), "too long", "128 bytes"),
        ("[thresholds.daily_pnl]\nemergency_times = 0.5\n".to_owned(), "before `critical`", "from 1"),
        ("[thresholds.daily_pnl]\ncritical = 10\n".to_owned(), "2 times `critical` (10)", "emergency_times = \"off\""),
        ("[thresholds.daily_pnl]\ncritical = 0\n".to_owned(), "is 0: everything", "emergency_times = \"off\""),
        ("[thresholds.api_error_rate]\ncritical = 0\n".to_owned(), "is 0: everything", "another `critical`"),
        ("[thresholds.success_rat]\ncritical = 1\n".to_owned(), "unknown key", "success_rate"),
        ("[thresholds.success_rate]\nemergency_times = 2\n".to_owned(), "unknown key", ""),
        ("[thresholds.anomaly]\ndeviations = 1\n".to_owned(), "out of range", "from 2"),
    ] {
        let (message, remedy) = refused(&text);
        assert!(message.contains(says) && remedy.contains(help), "{text}: {message} / {remedy}");
    }
}
