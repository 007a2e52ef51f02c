//! Precedence, defaults, paths, the reference and the template.

use super::*;
use failstop_core::{Mode, Orders};
use failstop_settings::document::parse_value;
use std::path::Path;
use std::time::Duration;

/// The part of a configuration that the stable reference of the commands shows.
const STABLE: &str = r#"
[system]
name = "demo"
state_dir = "state"
runtime_dir = "run"
profile = "production"
mode = "dry"

[observe]
listen = "127.0.0.1:8080"

[[component]]
name = "bot"
command = ["python3", "bot.py"]
orders = "asks"
restart = "always"
backoff = { initial = "1s", max = "60s", reset_after = "60s" }
start_limit = { starts = 5, within = "300s" }
stop_grace = "10s"
liveness = { heartbeat = "2m" }
needs = ["kraken"]
readiness = { notify = true }

[[dependency]]
name = "kraken"
http = "https://api.kraken.com/0/public/Time"
interval = "30s"

[health]
market_data_max_age = "5m"
journal_max_age = "10m"
errors_per_minute = 10

[failsafe]
market_data_max_age = "10m"
journal_max_age = "15m"
snapshot_max_age = "25h"

[limits]
memory_max = "1800MiB"
cpu_max_percent = 90

[alerts]
channels = ["console"]
[alerts.telegram]
bot_token = { env = "TELEGRAM_BOT_TOKEN" }
chat_id = "123"
api_base = "https://api.telegram.org"
[alerts.slack]
webhook_url = { env = "SLACK_WEBHOOK_URL" }
[alerts.pagerduty]
routing_key = { env = "PAGERDUTY_ROUTING_KEY" }
api_base = "https://events.pagerduty.com"
[alerts.email]
smtp_url = "smtps://user@mail.example.com:465"
password = { file = "/run/credentials/smtp" }
from = "failstop@example.com"
to = ["ops@example.com"]
"#;

#[test]
fn the_stable_part_is_accepted_and_its_numbers_are_the_defaults() {
    let stable = load(STABLE).unwrap();
    let least = load(LEAST).unwrap();
    assert_eq!(stable.health, least.health);
    assert_eq!(stable.failsafe, least.failsafe);
    assert_eq!(stable.observe, least.observe);
    let (with, without) = (&stable.components[0], &least.components[0]);
    assert_eq!((&with.backoff, &with.start_limit), (&without.backoff, &without.start_limit));
    assert_eq!((with.restart, with.stop_grace), (without.restart, without.stop_grace));
    assert_eq!(stable.limits.memory_max, least.limits.memory_max);
    assert_eq!(stable.limits.cpu_max_percent, least.limits.cpu_max_percent);
}

#[test]
fn the_shipped_numbers() {
    let policy = load(LEAST).unwrap().policy();
    let seconds = Duration::from_secs;
    assert_eq!(policy.mode_ceiling, Mode::Dry);
    assert_eq!((policy.lease, policy.renew), (seconds(2), Duration::from_millis(500)));
    assert_eq!(policy.heartbeat_every, seconds(30));
    assert!(!policy.environment_latched);
    let bot = &policy.components[0];
    assert_eq!((bot.start_limit, bot.start_limit_within), (5, seconds(300)));
    assert_eq!((bot.backoff_initial, bot.backoff_max, bot.backoff_reset_after), (seconds(1), seconds(60), seconds(60)));
    assert_eq!((bot.stop_grace, bot.start_period), (seconds(10), seconds(60)));
    assert_eq!(policy.shutdown_within, seconds(20), "its grace, and as much again where it asks for it");
    assert_eq!((bot.orders, bot.essential, bot.readiness, bot.liveness), (Orders::Asks, true, false, None));
    let limits = &policy.limits;
    assert_eq!((limits.memory_max, limits.memory_warn), (Some(1_800 << 20), 500_000_000));
    assert_eq!((limits.cpu_max_percent, limits.cpu_for), (90, seconds(300)));
    assert_eq!((limits.action, limits.emergency_shutdown), (failstop_core::LimitAction::Restart, true));
    assert_eq!(bot.limits, failstop_core::ComponentLimits::default());
    let health = &policy.health;
    assert_eq!((health.market_data_max_age, health.journal_max_age), (seconds(300), seconds(600)));
    assert_eq!((health.errors_per_minute, health.queue_stalled_after), (10, seconds(60)));
    assert_eq!((health.every, health.clear_after), (seconds(30), seconds(60)));
    let failsafe = &policy.failsafe;
    assert_eq!((failsafe.market_data_max_age, failsafe.journal_max_age), (seconds(600), seconds(900)));
    assert_eq!((failsafe.snapshot_max_age, failsafe.unhealthy_for), (seconds(90_000), seconds(300)));
}

#[test]
fn built_in_then_profile_then_file_then_environment_then_flags() {
    let dependency = "[[dependency]]\nname = \"x\"\ntcp = \"127.0.0.1:1\"\n";
    let interval = |text: &str, overrides: &Overrides| {
        load_with(text, 0o600, overrides).unwrap().dependencies[0].pace.interval.as_secs()
    };
    let plain = format!("{LEAST}{dependency}");
    let profile = plain.replace("[system]", "[system]\nprofile = \"production\"");
    let file = format!("{profile}interval = \"100s\"\n");
    let none = Overrides::default();
    assert_eq!(interval(&plain, &none), 300);
    assert_eq!(interval(&profile, &none), 180);
    assert_eq!(interval(&file, &none), 100);
    let mut overrides = variable("FAILSTOP__DEPENDENCY__X__INTERVAL", "50s");
    assert_eq!(interval(&file, &overrides), 50);
    overrides.set = vec!["dependency.x.interval=20s".into()];
    assert_eq!(interval(&file, &overrides), 20);
    overrides.set.push("dependency.x.interval=\"10s\"".into());
    assert_eq!(interval(&file, &overrides), 10);
    let development = Overrides { profile: Some("development".into()), ..Overrides::default() };
    assert_eq!(interval(&profile, &development), 600);
    let flagged = variable("FAILSTOP__SYSTEM__PROFILE", "development");
    assert_eq!(interval(&profile, &flagged), 600);
}

#[test]
fn variables_reach_every_shape_of_key() {
    let two = format!("{LEAST}[[component]]\nname = \"My-Bot\"\ncommand = [\"./b\"]\norders = \"none\"\n");
    let overrides = Overrides {
        environment: [
            ("FAILSTOP__SYSTEM__NAME", "5"),
            ("FAILSTOP__COMPONENT__MY_BOT__START_LIMIT__STARTS", "7"),
            ("FAILSTOP__COMPONENT__BOT__COMMAND", "[\"a\", \"b\"]"),
            ("FAILSTOP__COMPONENT__BOT__ESSENTIAL", "false"),
            ("FAILSTOP__COMPONENT__BOT__LIVENESS", "{ watchdog = \"3m\" }"),
            ("FAILSTOP__COMPONENT__BOT__ENV__LEVEL", "9"),
            ("FAILSTOP__HALTS__HEARTBEAT_LOST__LATCHED", "false"),
            ("FAILSTOP__HEALTH__FEEDS", "binance,kraken"),
            ("FAILSTOP__ALERTS__CHANNELS", "slack"),
            ("FAILSTOP__ALERTS__SLACK__WEBHOOK_URL", "https://hooks/x"),
            ("FAILSTOP_CONFIG", "not ours"),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect(),
        no_dashboard: true,
        listen: Some("off".into()),
        ..Overrides::default()
    };
    let config = load_with(two, 0o600, &overrides).unwrap();
    assert_eq!(config.name(), "5");
    assert_eq!(config.components[1].start_limit.starts, 7);
    assert_eq!(config.components[0].command.as_slice(), ["a", "b"]);
    assert!(!config.components[0].essential);
    assert_eq!(config.components[0].liveness, Some(Liveness::Watchdog(Duration::from_secs(180))));
    assert_eq!(config.components[0].env.get("LEVEL").map(String::as_str), Some("9"));
    assert_eq!(config.halts.get(&Cause::HeartbeatLost).and_then(|halt| halt.latched), Some(false));
    assert_eq!(config.health.feeds.len(), 2);
    let slack = config.alerts.slack.unwrap();
    assert_eq!(slack.webhook_url, Some(Secret::Variable("FAILSTOP__ALERTS__SLACK__WEBHOOK_URL".into())));
    assert_eq!((config.observe.listen, config.observe.dashboard), (Listen::Off, false));
}

#[test]
fn byte_order_mark_and_foreign_line_endings_are_no_trouble() {
    let windows = format!("\u{feff}{}", LEAST.replace('\n', "\r\n"));
    assert_eq!(load(&windows).unwrap().policy(), load(LEAST).unwrap().policy());
    let errors = load(format!("{windows}x = 1\r\n")).unwrap_err();
    let place = errors.problems[0].place.clone().unwrap();
    assert_eq!((place.line, place.column, place.excerpt.as_str()), (8, 1, "x = 1"));
}

#[test]
fn relative_paths_start_at_the_files_folder() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("failstop.toml");
    fs::write(&file, format!("{LEAST}working_dir = \"sub/./x\"\nenv_file = \"/abs\"\n")).unwrap();
    let config = Config::load(&file, &Overrides::default()).unwrap();
    assert_eq!(config.state_dir(), dir.path().join("state"));
    assert_eq!(config.components[0].working_dir, dir.path().join("sub/x"));
    assert_eq!(config.components[0].env_file.as_deref(), Some(Path::new("/abs")));
}

#[test]
fn an_inline_secret_is_accepted_where_only_the_owner_reads() {
    let text = format!("{LEAST}[alerts]\nchannels = [\"slack\"]\n[alerts.slack]\nwebhook_url = \"https://hooks/x\"\n");
    let config = load(text).unwrap();
    assert!(!format!("{config:?}").contains("hooks/x"), "a secret in Debug");
    assert_eq!(config.alerts.slack.unwrap().webhook_url.unwrap().reveal().unwrap(), "https://hooks/x");
}

#[test]
fn the_dashboard_is_on_and_a_fleet_is_named() {
    let config = load(LEAST).unwrap();
    assert!(config.notices.is_empty() && config.observe.dashboard && config.observe.fleet.is_empty());
    let fleet = "[observe]\nfleet = [{ name = \"a\", url = \"http://10.0.0.2:8080\" }, { name = \"b\", url = \"https://b/x/\" }]\n";
    let config = load(format!("{LEAST}{fleet}")).unwrap();
    let named: Vec<(&str, String)> =
        config.observe.fleet.iter().map(|system| (system.name.as_str(), system.url.to_string())).collect();
    assert_eq!(named, [("a", "http://10.0.0.2:8080".to_owned()), ("b", "https://b/x/".to_owned())]);
}

#[test]
fn a_fleet_that_makes_no_sense_is_refused_with_its_place() {
    let system = "{ name = \"a\", url = \"http://h\" }";
    for (fleet, says) in [
        (format!("[{system}, {system}]"), "two systems with the name a"),
        (
            format!(
                "[{}]",
                (0..33).map(|at| system.replace("\"a\"", &format!("\"s{at}\""))).collect::<Vec<_>>().join(", ")
            ),
            "has 33 systems",
        ),
        ("[{ name = \"a\" }]".to_owned(), "url"),
        ("[\"http://h\"]".to_owned(), "must be a table"),
        ("[{ name = \"a\", url = \"javascript:alert(1)\" }]".to_owned(), "url"),
        ("[{ name = \"a\", url = \"http://me:secret@h\" }]".to_owned(), "url"),
    ] {
        let error = load(format!("{LEAST}[observe]\nfleet = {fleet}\n")).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("failstop.toml:"), "{fleet}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn the_example_on_the_gates_page_is_accepted() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gate.md")).unwrap();
    let (example, _) = page.split_once("```toml\n").unwrap().1.split_once("```").unwrap();
    // What every system has beside it.
    let (system, component) = LEAST.split_once("[[component]]\n").unwrap();
    assert_eq!(example.matches("# …\n").count(), 1, "the rest of the component");
    let config = load(format!("{system}{}", example.replace("# …\n", component))).unwrap_or_else(|why| panic!("{why}"));
    let policy = crate::config::gate::gate_policy(&config).unwrap().unwrap();
    assert_eq!((policy.instruments.len(), policy.accounts.len(), policy.components.len()), (1, 1, 1));
}

#[test]
fn each_way_of_readiness_and_liveness_reaches_the_core() {
    let component = |line: &str| load(format!("{LEAST}{line}\n")).unwrap().policy().components.remove(0);
    for way in ["http = \"http://127.0.0.1:1/\"", "tcp = \"127.0.0.1:1\"", "exec = [\"true\"]"] {
        assert_eq!(
            component(&format!("liveness = {{ {way} }}")).liveness,
            Some(failstop_core::Liveness::Probe),
            "{way}"
        );
        assert!(component(&format!("readiness = {{ {way} }}")).readiness, "{way}");
    }
    assert!(component("readiness = { notify = true }").readiness);
    assert!(!component("").readiness);
}

#[test]
fn the_reference_is_current_valid_and_says_the_defaults() {
    let text = reference();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.toml");
    if std::env::var_os("FAILSTOP_BLESS").is_some() {
        fs::create_dir_all(committed.parent().unwrap()).unwrap();
        fs::write(&committed, &text).unwrap();
    }
    let known = fs::read_to_string(&committed).unwrap_or_default();
    assert!(text == known, "docs/reference/configuration.toml is stale; FAILSTOP_BLESS=1 writes it");
    // Its keys without a `#` give what leaving them out gives.
    let (written, least) = (load(&text).unwrap(), load(LEAST).unwrap());
    assert_eq!(
        (
            written.health,
            written.failsafe,
            written.limits,
            written.journal,
            written.permit,
            written.output,
            written.log
        ),
        (least.health, least.failsafe, least.limits, least.journal, least.permit, least.output, least.log)
    );
    assert_eq!(written.components[0].backoff, least.components[0].backoff);
    // And with every commented key of every section taken in as well it is still made of known keys and good examples.
    for section in VOCABULARY.sections {
        for key in (section.keys)() {
            assert!(!key.docs.is_empty(), "{}.{} has no docs", section.name, key.name);
            assert!(text.contains(&format!("{} = ", key.name)) || text.contains(&format!(".{}]", key.name)));
        }
    }
}

#[test]
fn every_example_and_every_bound_of_the_reference_is_good() {
    let mut text = String::new();
    let mut section = String::new();
    for line in reference().lines() {
        let bare = line.trim_start_matches("# ").trim_start_matches('#');
        let is_header = bare.starts_with('[') && bare.ends_with(']');
        let is_key = bare.split_once(" = ").is_some_and(|(key, value)| {
            key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && value.starts_with(['"', '[', '{', 't', 'f', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        });
        if is_header {
            bare.trim_matches(['[', ']']).clone_into(&mut section);
        }
        // Of keys that exclude one another only one stays; tables in a table have no example of their own.
        let other_way = matches!(
            (section.as_str(), bare.split(' ').next()),
            ("alerts.slack", Some("bot_token"))
                | ("alerts.pagerduty", Some("api_key"))
                | ("witness", Some("file"))
                | ("pool", Some("within"))
                | ("shared_rates", Some("socket" | "ca_file" | "share_percent"))
                // Of itself, and where nothing is borrowed.
                | ("instrument", Some("quote_through" | "maintenance"))
        );
        let is_key = is_key && !other_way && !bare.ends_with(" = {}");
        let exclusive = ["tcp", "redis", "postgres", "json_rpc", "telegram", "exec", "user", "password", "clear_after"];
        // A component runs as a user of its own, and a dependency is asked as one: the same key, twice.
        let exclusive = exclusive.iter().filter(|key| section == "dependency" || !matches!(**key, "user" | "password"));
        if is_header || (is_key && !exclusive.clone().any(|key| bare.starts_with(&format!("{key} = ")))) {
            text.push_str(bare);
            text.push('\n');
        }
    }
    let mut config = load(&text).unwrap();
    assert_eq!(config.dependencies.len(), 1);
    assert_eq!((config.books.assets.len(), config.books.strategies.len()), (1, 1));
    assert!(config.alerts.email.take().is_some(), "the commented tables were not read");
    assert!(config.components[0].liveness.is_some());
}

#[test]
fn what_is_declared_for_the_books_stands_after_what_it_refers_to() {
    let config = load(format!(
        "{LEAST}[[pool]]\nname = \"grid\"\nwithin = \"main\"\n[[pool]]\nname = \"main\"\n[[asset]]\nname = \"USDT\"\n\
         scale = 6\ntolerance = \"0.01\"\n[[account]]\nname = \"kraken/spot\"\n[[instrument]]\nname = \"BTC/USDT:USDT\"\n\
         quantity_scale = 8\nprice_scale = 2\n[[strategy]]\nname = \"grid\"\nstates = [\"idle\", \"holding\"]\n\
         initial = \"idle\"\ntransitions = [\"idle -> holding\", \"holding->idle\"]\nfinal = [\"holding\"]\n\
         [ledger]\nsuspense_max_age = \"2h\"\n[snapshots]\nkeep = 30\n"
    ))
    .unwrap();
    let entries = config.books.entries();
    let kinds: Vec<&str> = entries.iter().map(failstop_journal::ledger::Entry::kind).collect();
    assert_eq!(
        kinds,
        ["ledger.asset", "ledger.account", "ledger.pool", "ledger.pool", "ledger.instrument", "strategy.declared"]
    );
    assert!(entries[2].payload().contains("main") && entries[3].payload().contains("grid"), "parents first");
    let mut book = failstop_journal::ledger::Book::new();
    let at = failstop_journal::ledger::At { seq: 1, epoch: 1, time: failstop_journal::Wall(0) };
    for entry in &entries {
        book.apply(&at, entry).unwrap();
    }
    assert_eq!(book.state("grid", ""), Some("idle"));
    assert_eq!((config.ledger.suspense_max_age, config.snapshots.keep), (Duration::from_secs(7200), 30));
    assert!(load(LEAST).unwrap().books.entries().is_empty());
}

#[test]
fn the_template_is_valid_for_any_name_and_command() {
    let nasty: Vec<String> = ["a \"b\"", "c\\d", "e\nf", "\u{1}", "é"].map(str::to_owned).to_vec();
    for (name, command) in [("demo", &[][..]), ("my bot!", &nasty), ("///", &nasty)] {
        let text = init_template(name, command, Orders::Asks);
        let config = load(&text).unwrap();
        assert_eq!(config.components[0].orders, Orders::Asks);
        assert!(text.lines().count() <= 20, "{text}");
        if !command.is_empty() {
            assert_eq!(config.components[0].command.as_slice(), command);
        }
    }
}

#[test]
fn every_profile_row_names_a_key() {
    for row in VOCABULARY.profiles {
        let (section, path) = row.key.split_once('.').unwrap();
        let mut keys = Some((VOCABULARY.section(section).unwrap().keys)());
        for word in path.split('.') {
            let known = keys.and_then(|keys| keys.iter().find(|known| known.name == word));
            keys = (known.unwrap_or_else(|| panic!("{}", row.key)).nested)();
        }
        assert_eq!(row.values.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["production", "development"]);
        for (_, value) in row.values {
            assert!(parse_value(value, &Origin::BuiltIn).is_some(), "{} = {value}", row.key);
        }
    }
    for profile in ["production", "development"] {
        let text = LEAST.replace("[system]", &format!("[system]\nprofile = \"{profile}\""));
        assert!(load(text).is_ok());
    }
}

#[test]
fn a_diamond_is_no_cycle_and_the_policy_keeps_its_edges() {
    let component = |name: &str, on: &str| {
        format!("[[component]]\nname = \"{name}\"\ncommand = [\"./x\"]\norders = \"none\"\ndepends_on = [{on}]\n")
    };
    let text = format!(
        "[system]\nname = \"demo\"\n{}{}{}{}",
        component("top", "\"left\", \"right\""),
        component("left", "\"base\""),
        component("right", "\"base\""),
        component("base", ""),
    );
    let policy = load(text).unwrap().policy();
    let edges: Vec<Vec<usize>> = policy.components.into_iter().map(|component| component.depends_on).collect();
    assert_eq!(edges, [vec![1, 2], vec![3], vec![3], vec![]]);
}

#[test]
fn the_whole_end_takes_what_its_longest_chain_takes() {
    let chain = LEAST.replace(
        "orders = \"asks\"\n",
        "orders = \"asks\"\nstop_grace = \"5s\"\npre_stop = { command = [\"./a\"], timeout = \"3s\" }\n\
         post_stop = { command = [\"./b\"], timeout = \"4s\" }\n\
         [[component]]\nname = \"feed\"\ncommand = [\"./feed\"]\norders = \"none\"\n\
         [[component]]\nname = \"long\"\ncommand = [\"./long\"]\norders = \"none\"\nstop_grace = \"15s\"\n",
    );
    let within = |text: &str| load(text).unwrap().policy().shutdown_within.as_secs();
    assert_eq!(within(&chain), 30, "of those that do not wait for one another the longest");
    let chained = chain.replace("stop_grace = \"5s\"", "depends_on = [\"feed\"]\nstop_grace = \"5s\"");
    assert_eq!(within(&chained), 3 + 2 * 5 + 4 + 2 * 10);
    assert_eq!(
        within(&format!("{chained}[shutdown]\nwithin = \"22s\"\n")),
        22,
        "what was promised, and nothing beyond"
    );
    assert!(load(format!("{chained}[shutdown]\nwithin = \"21s\"\n")).is_err());
}
