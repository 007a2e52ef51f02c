//! What may be written, and what is said about the rest.

use super::*;

fn load(text: &str) -> Result<Config, String> {
    let source = Source { file: "watchdog.toml".into(), text: text.to_owned(), world_readable: false };
    Config::of(&source).map_err(|errors| errors.to_string())
}

const TARGET: &str = "[[target]]\nname = \"demo\"\nurl = \"http://bot-host:8080/health\"\n";

#[test]
fn the_shipped_defaults_hold() {
    let config = load(TARGET).unwrap_or_else(|error| panic!("{error}"));
    let target = &config.targets[0];
    assert_eq!((target.interval.as_secs(), target.timeout.as_secs(), target.failures), (60, 10, 3));
    assert_eq!(config.watchdog.listen, Listen::At(([0, 0, 0, 0], 8081).into()));
    let with_restart =
        load(&format!("{TARGET}restart = {{ signal = [\"./stop.sh\"] }}")).unwrap_or_else(|error| panic!("{error}"));
    let restart = with_restart.targets[0].restart.as_ref().unwrap_or_else(|| panic!("it is there"));
    assert_eq!((restart.tries, restart.within.as_secs(), restart.tries_a_day), (3, 3600, 5));
    assert_eq!(
        (restart.backoff.as_secs(), restart.backoff_max.as_secs(), restart.reset_after.as_secs()),
        (10, 300, 600)
    );
}

#[test]
fn every_mistake_says_where_and_what_to_write() {
    for (text, pieces) in [
        ("[[target]]\nname = \"demo\"\n", ["needs one of url", "watchdog.toml:1"]),
        (&format!("{TARGET}failures = 5\nwindow = 3\n"), ["watchdog.toml:5", "smaller than `failures`"]),
        (&format!("{TARGET}contains = \"x\"\n"), ["watchdog.toml:4", "goes with `http`"]),
        (&format!("{TARGET}retries = 4\n"), ["watchdog.toml:4", "write `failures`"]),
        (&format!("{TARGET}{TARGET}"), ["the name \"demo\" is taken", "demo-2"]),
        (&format!("{TARGET}control = \"https://h:1\"\n"), ["watchdog.toml:4", "requests are signed"]),
        (&format!("{TARGET}restart = {{}}\n"), ["watchdog.toml:4", "names no way"]),
        (&format!("{TARGET}restart = {{ unit = \"x\" }}\n"), ["watchdog.toml:4", "not in this file"]),
        (
            &format!("{TARGET}restart = {{ start = [\"s\"], start_on = \"other-host\" }}\n"),
            ["watchdog.toml:4", "without a fence"],
        ),
        (&format!("{TARGET}restart = {{ start = [\"s\"], fence = [\"f\"] }}\n"), ["watchdog.toml:4", "read back"]),
        ("[[checkin]]\nname = \"n\"\ncron = \"0 3 * *\"\n", ["watchdog.toml:3", "has five fields"]),
        (
            "[[checkin]]\nname = \"n\"\ncron = \"0 3 * * *\"\ntimezone = \"Mars/Olympus\"\n",
            ["watchdog.toml:4", "Mars/Olympus"],
        ),
        ("[[checkin]]\nname = \"n\"\n", ["needs one of period", "cron"]),
        ("[network]\nreferences = [\"a:1\"]\nneed = 2\n", ["watchdog.toml:3", "more than there are"]),
        ("[watchdog]\nlisten = \"8081\"\n", ["watchdog.toml:2", "0.0.0.0:8081"]),
        ("[peer]\nurl = \"http://h:1\"\n", ["needs the key `role`", "primary"]),
    ] {
        let error = load(text).err().unwrap_or_else(|| panic!("{text} is taken"));
        for piece in pieces {
            assert!(error.contains(piece), "{text}\nlacks {piece}:\n{error}");
        }
    }
}

#[test]
fn the_reference_is_valid_and_committed() {
    let reference = reference();
    load(&reference).unwrap_or_else(|error| panic!("{error}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/watchdog.toml");
    if std::env::var_os("FAILSTOP_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, &reference).unwrap_or_else(|error| panic!("{error}"));
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, reference,
        "write it with: FAILSTOP_WRITE_REFERENCE=1 cargo test -p failstop-watchdog reference"
    );
}

fn environment(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let source =
        from_environment(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()));
    Config::of(&source).map_err(|errors| errors.to_string())
}

#[test]
fn the_environment_alone_is_enough() {
    let empty = environment(&[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(empty.targets[0].url.as_ref().map(ToString::to_string).as_deref(), Some("http://localhost:8080/health"));
    assert_eq!((empty.targets[0].interval.as_secs(), empty.targets[0].failures), (60, 3));
    let full = environment(&[
        ("HEALTH_CHECK_URL", "http://bot:8080/health"),
        ("CHECK_INTERVAL", "30"),
        ("FAILURE_THRESHOLD", "5"),
        ("TELEGRAM_BOT_TOKEN", "t"),
        ("TELEGRAM_CHAT_ID", "1"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/x"),
        ("PAGERDUTY_API_KEY", "k"),
        ("PAGERDUTY_SERVICE_ID", "P1"),
        ("PAGERDUTY_FROM", "ops@example.com"),
        ("SMTP_URL", "smtps://user@mail.example.com:465"),
        ("SMTP_PASSWORD", "p"),
        ("SMTP_FROM", "wd@example.com"),
        ("SMTP_TO", "a@example.com, b@example.com"),
        ("STATE_DIR", "/var/lib/wd"),
    ])
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((full.targets[0].interval.as_secs(), full.targets[0].failures), (30, 5));
    assert_eq!(full.alerts.names(), ["console", "telegram", "slack", "pagerduty", "email"]);
    assert_eq!(full.watchdog.state_dir, Path::new("/var/lib/wd"));
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value) in [("HEALTH_CHECK_URL", "bot:8080"), ("CHECK_INTERVAL", "soon"), ("FAILURE_THRESHOLD", "\"x\\")]
    {
        let error = environment(&[(name, value)]).err().unwrap_or_else(|| panic!("{value} is taken"));
        assert!(error.contains(name), "{error}");
    }
    let error = environment(&[("TELEGRAM_BOT_TOKEN", "t")]).err().unwrap_or_default();
    assert!(error.contains("chat_id"), "{error}");
}
