#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::held::HeldSince;
use super::{ComponentFacts, Configured, HostFacts, View, from_view, next_step};
use failstop_client::books::SnapshotEntry;
use failstop_client::gate::{
    AccountResult, ApiUsageEntry, AwaitingEntry, GateStatus, LimitUse, OrdersFared, OverrideEntry, PollEntry,
    PriceFeed, PriceSource, SharedRatesEntry,
};
use failstop_client::status::{
    AlertsSummary, Announced, BooksSummary, BreakerSummary, ChannelSummary, CustomMetric, CustomSummary, EmergencyRun,
    EmergencyStep, EmergencySummary, EndKind, FootprintSummary, HostSummary, JournalSummary, MetricSource,
    QueueSummary, SeverityCounts, Status, VerifiedSummary,
};
use failstop_core::{
    Cause, ComponentName, ComponentState, ComponentView, FeedView, Halt, HaltId, Health, HealthStatus, Held, Instance,
    MaintenanceView, Mode, Monotonic, Orders, PartView, Permission, QueueState, QueueView, Scope, Trigger,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_nanos(seconds * 1_000_000_000)
}

fn halt(id: u64, cause: Cause, latched: bool) -> Halt {
    Halt {
        id: HaltId(id),
        cause,
        component: Some(ComponentName("bot".to_owned())),
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched,
        trigger: None,
        evidence: "the bot beat last 2 min ago".to_owned(),
    }
}

fn component(name: &str, pid: Option<u32>) -> ComponentView {
    ComponentView {
        name: ComponentName(name.to_owned()),
        state: if pid.is_some() { ComponentState::Ready } else { ComponentState::Failed },
        pid,
        instance: Instance(3),
        restarts: 2,
        started: Some(at(900)),
        last_sign: Some(at(996)),
        health: 500,
        queue: pid.map(|_| QueueView { state: QueueState::Processing, depth: 4 }),
        held: pid.is_none().then(|| Held { by: "ana (1000)".to_owned(), reason: "rate limits".to_owned() }),
        reloading: false,
        waits_for: Vec::new(),
    }
}

/// A system with everything in it. The doors' and metrics' tests use it too.
pub(crate) fn view() -> View {
    View {
        now: at(1000),
        permission: Permission::ObserveOnly,
        mode: Mode::Dry,
        mode_ceiling: Mode::Live,
        kill_switch: false,
        halts: vec![(halt(31, Cause::HeartbeatLost, true), at(940)), (halt(32, Cause::Unhealthy, false), at(990))],
        health: Health {
            status: HealthStatus::Degraded,
            overall: 500,
            reasons: vec!["bot is degraded".to_owned()],
            errors_per_minute: 3,
            last_journal_write: Some(at(999)),
            snapshot_age: None,
        },
        components: vec![component("bot", Some(4242)), component("scanner", None)],
        feeds: vec![
            FeedView { name: "binance".to_owned(), last: Some(at(995)) },
            FeedView { name: "kraken".to_owned(), last: None },
        ],
        parts: vec![PartView { component: ComponentName("bot".to_owned()), name: "websocket".to_owned(), health: 0 }],
        maintenance: Some(MaintenanceView {
            until: at(1_600),
            by: "ana (1000)".to_owned(),
            reason: "a new disk for 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned(),
            keep_trading: true,
        }),
    }
}

fn alerts() -> AlertsSummary {
    let works = ChannelSummary {
        up: Some(true),
        last_ok: Some("2026-11-03T21:04:01.000Z".to_owned()),
        ..ChannelSummary::default()
    };
    let fails = ChannelSummary {
        up: Some(false),
        last_error: Some("503".to_owned()),
        failures_in_a_row: 3,
        queued: 2,
        oldest_seconds: Some(59.5),
        ..ChannelSummary::default()
    };
    AlertsSummary {
        status: "degraded".to_owned(),
        channels: BTreeMap::from([
            ("telegram".to_owned(), works),
            ("slack".to_owned(), fails),
            ("email/ops@example.com".to_owned(), ChannelSummary::default()),
        ]),
        open: SeverityCounts { critical: 1, warning: 2, info: 0 },
        acknowledged: 1,
        told: vec!["telegram".to_owned()],
        queued: 2,
        oldest_seconds: Some(59.5),
        sent: SeverityCounts { critical: 4, warning: 3, info: 0 },
        suppressed: 5,
        problem: None,
    }
}

fn held() -> HeldSince {
    let mut held = HeldSince::default();
    held.note(&ComponentName("scanner".to_owned()), true, "2026-11-03T19:00:00Z".parse().unwrap());
    held
}

pub(crate) fn facts() -> HostFacts {
    let known = |bytes| ComponentFacts {
        descriptors_kept: 1,
        orders: Some(Orders::Asks),
        status_text: Some("trading \"BTC\"\n".to_owned()),
        memory_bytes: Some(bytes),
        memory_max_bytes: Some(1_800 << 20),
        cpu: Some(Duration::from_millis(1500)),
        cpu_percent: Some(2.5),
        cpu_max_percent: Some(50),
        processes: Some(3),
        processes_max: Some(64),
        files: Some(17),
        files_max: None,
        coverage: None,
    };
    HostFacts {
        system: "demo".to_owned(),
        version: "0.1.0".to_owned(),
        epoch: 7,
        started: at(400),
        wall: "2026-11-03T21:05:00Z".parse().unwrap(),
        raised_before: Arc::default(),
        held: held(),
        journal: JournalSummary { seq: 18_441, head: "9f".repeat(32), jid: "ab".repeat(16) },
        components: BTreeMap::from([("bot".to_owned(), known(1000)), ("scanner".to_owned(), known(500))]),
        dependencies: BTreeMap::from([("kraken".to_owned(), Some(false)), ("redis".to_owned(), None)]),
        metrics: BTreeMap::from([("daily_pnl".to_owned(), -12.5), ("nonce_rate".to_owned(), f64::NAN)]),
        host_notes: vec!["no cgroup".to_owned()],
        configured: Configured::default(),
        engine_pid: 100,
        guard_pid: 99,
        engine_memory_bytes: Some(7),
        permit_lapses: 1,
        observe: Some("127.0.0.1:8080".to_owned()),
        host: Some(HostSummary {
            cpu_percent: Some(12.5),
            memory_total_bytes: 8 << 30,
            memory_available_bytes: 4 << 30,
            disk_total_bytes: 100 << 30,
            disk_available_bytes: 50 << 30,
        }),
        environment: "staging".to_owned(),
        alerts: alerts(),
        announced: Some(Announced {
            kind: EndKind::Restart,
            until: "2026-11-03T21:06:10.000Z".to_owned(),
            by: "watchdog wd1".to_owned(),
            reason: "no progress".to_owned(),
        }),
        config: failstop_client::configuration::ConfigSummary {
            sha256: "ef".repeat(32),
            since: "2026-11-03T20:58:20.000Z".to_owned(),
            since_unix: 1_793_739_500,
            hot_reload: true,
            fault: Some("needs a restart".to_owned()),
            fault_since: Some("2026-11-03T21:04:00.000Z".to_owned()),
            pending_restart: vec!["system.mode".to_owned()],
        },
        gate: Some(gate()),
        books: BooksSummary {
            snapshot: Some(SnapshotEntry {
                seq: 18_400,
                sha256: "cd".repeat(32),
                file: "s-0000000000018400.ndjson".to_owned(),
                day: Some("2026-11-02".to_owned()),
                recorded: 18_402,
                taken: "2026-11-03T00:00:00.120Z".to_owned(),
            }),
            orders_open: 3,
            orders_in_doubt: 1,
            discrepancies: vec!["statement: statement kraken: 0.01 apart".to_owned()],
            violations: 2,
            booked: 40,
        },
        breaker: BreakerSummary::default(),
        verified: Some(VerifiedSummary {
            at: "2026-11-03T20:30:00.000Z".to_owned(),
            result: "intact".to_owned(),
            seq: Some(18_000),
            detail: None,
        }),
        custom: CustomSummary {
            metrics: BTreeMap::from([
                (
                    "log_file_size".to_owned(),
                    CustomMetric {
                        value: Some(1_234.0),
                        unit: "bytes".to_owned(),
                        source: "log_file_size".to_owned(),
                        age_seconds: Some(12.5),
                    },
                ),
                (
                    "load".to_owned(),
                    CustomMetric {
                        value: None,
                        unit: String::new(),
                        source: "node".to_owned(),
                        age_seconds: Some(600.0),
                    },
                ),
            ]),
            sources: vec![
                MetricSource {
                    name: "log_file_size".to_owned(),
                    kind: "command".to_owned(),
                    up: Some(true),
                    taken: 5,
                    failed: 1,
                    fault: None,
                    missing: Vec::new(),
                },
                MetricSource {
                    name: "node".to_owned(),
                    kind: "prometheus".to_owned(),
                    up: Some(false),
                    taken: 1,
                    failed: 3,
                    fault: Some("http://127.0.0.1:9100/metrics: no answer in time".to_owned()),
                    missing: vec!["load".to_owned()],
                },
            ],
            refused: 2,
        },
        unlatched: None,
        footprint: Some(FootprintSummary {
            memory_bytes: Some(9_000_000),
            memory_is: "proportional".to_owned(),
            memory_max_bytes: 100_000_000,
            cpu_seconds: 1.5,
            cpu_percent: Some(0.05),
            cpu_max_percent: 25,
            threads: 6,
            open_files: 40,
            written_bytes: Some(4_096),
            written_in_a_day_bytes: Some(4_096),
            written_in_a_day_max_bytes: None,
            sent_bytes: 10_000,
            sent_per_second_bytes: Some(100),
            sent_per_second_max_bytes: Some(10_000),
            over: None,
        }),
        emergency: EmergencySummary {
            configured: vec!["cancel-all".to_owned()],
            run: Some(EmergencyRun {
                trace: "9f2c41ab03d1e877".to_owned(),
                cause: "kill-switch".to_owned(),
                begun: "2026-11-03T20:40:00.000Z".to_owned(),
                finished: None,
                done: 0,
                failed: 1,
                actions: vec![EmergencyStep {
                    name: "cancel-all".to_owned(),
                    kind: "cancel-all".to_owned(),
                    state: "running".to_owned(),
                    detail: "runs since 2026-11-03T20:40:00.000Z".to_owned(),
                }],
            }),
            drill: None,
        },
    }
}

pub(crate) fn status() -> Status {
    from_view(&view(), &facts())
}

/// A gate with one of everything.
fn gate() -> GateStatus {
    let limit = |limit: &str, scope: &str, of: &str, rate| LimitUse {
        limit: limit.to_owned(),
        scope: scope.to_owned(),
        of: of.to_owned(),
        used: Some("2".to_owned()),
        value: "5".to_owned(),
        score: 0.4,
        rate,
    };
    GateStatus {
        money: "USDT".to_owned(),
        trading_day: Some("2026-11-07".to_owned()),
        paper: true,
        open_orders: 1,
        allowed: 3,
        refused: 2,
        refusals: BTreeMap::from([("HALTED".to_owned(), 2)]),
        results: vec![AccountResult { account: "main".to_owned(), lost: Some(0.01), ..AccountResult::default() }],
        limits: vec![
            limit("position", "system", "main BTC/USDT", false),
            limit("openings_per_minute", "system", "", true),
            limit("openings_per_minute", "user", "u-1", true),
        ],
        waived: BTreeMap::from([("system".to_owned(), 3)]),
        overrides: vec![OverrideEntry { scope: "system".to_owned(), ..OverrideEntry::default() }],
        awaiting: vec![AwaitingEntry { side: "buy".to_owned(), ..AwaitingEntry::default() }],
        feeds: vec![PriceFeed {
            instrument: "BTC/USDT".to_owned(),
            sources: vec![PriceSource {
                name: "a".to_owned(),
                state: "good".to_owned(),
                age_seconds: Some(0.5),
                ..PriceSource::default()
            }],
            ..PriceFeed::default()
        }],
        orders: OrdersFared {
            outcomes: BTreeMap::from([("filled".to_owned(), 1)]),
            success_rate: Some(0.9),
            latency_seconds: None,
        },
        api_usage: vec![ApiUsageEntry { endpoint: "orders".to_owned(), used: 8, limit: 10 }],
        shared_rates: Some(SharedRatesEntry { state: "good".to_owned(), ..SharedRatesEntry::default() }),
        polls: vec![PollEntry { source: "a".to_owned(), ..PollEntry::default() }],
        ..GateStatus::default()
    }
}

#[test]
fn instants_become_wall_times_and_ages() {
    let status = status();
    assert_eq!(status.halts[0].since, "2026-11-03T21:04:00.000Z");
    assert_eq!(status.timestamp, "2026-11-03T21:05:00.000Z");
    assert_eq!(status.uptime_seconds, 600.0);
    assert_eq!(status.health.journal_write_age_seconds, Some(1.0));
    assert_eq!(status.health.snapshot_age_seconds, None);
    assert_eq!(status.feeds, BTreeMap::from([("binance".to_owned(), Some(5.0)), ("kraken".to_owned(), None)]));
    assert_eq!(status.components[0].uptime_seconds, Some(100.0));
    assert_eq!(status.components[0].last_sign_seconds, Some(4.0));
}

#[test]
fn the_mode_that_the_configuration_allows_is_beside_the_one_in_effect() {
    let status = status();
    assert_eq!((status.mode.as_str(), status.mode_ceiling.as_str()), ("dry", "live"));
}

#[test]
fn a_halt_of_an_earlier_boot_is_not_shown_in_the_future() {
    let mut view = view();
    view.halts = vec![(halt(1, Cause::HeartbeatLost, true), at(5_000_000))];
    assert_eq!(from_view(&view, &facts()).halts[0].since, "2026-11-03T21:05:00.000Z");
}

#[test]
fn a_halt_of_an_earlier_epoch_stands_since_it_was_raised() {
    let raised = "2026-11-01T03:00:00Z".parse().unwrap();
    let facts = HostFacts { raised_before: Arc::new(BTreeMap::from([(HaltId(31), raised)])), ..facts() };
    let status = from_view(&view(), &facts);
    assert_eq!(status.halts[0].since, "2026-11-01T03:00:00.000Z");
    assert_eq!(status.halts[1].since, "2026-11-03T21:04:50.000Z", "raised by this engine");
}

#[test]
fn one_that_an_operator_keeps_stopped_says_since_when() {
    let held = status().components[1].held.clone().unwrap();
    assert_eq!(held.since.as_deref(), Some("2026-11-03T19:00:00.000Z"));
    let unknown = HostFacts { held: HeldSince::default(), ..facts() };
    assert_eq!(from_view(&view(), &unknown).components[1].held.as_ref().unwrap().since, None);
}

#[test]
fn what_does_not_run_uses_nothing() {
    let status = status();
    let scanner = &status.components[1];
    assert_eq!((scanner.pid, scanner.ready, scanner.state.as_str()), (None, false, "failed"));
    assert_eq!((scanner.memory_bytes, scanner.cpu_percent, scanner.uptime_seconds), (None, None, None));
    assert_eq!((&scanner.status_text, scanner.last_sign_seconds), (&None, None));
    assert_eq!(scanner.cpu_seconds, Some(1.5), "a counter stays");
    assert_eq!(status.resources.memory_bytes, Some(1007), "bot and engine");
    assert_eq!(status.resources.cpu_percent, Some(2.5));
}

#[test]
fn a_queue_is_shown_as_the_core_judges_it() {
    let queue = QueueSummary { state: "processing".to_owned(), depth: 4 };
    assert_eq!(status().queue, BTreeMap::from([("bot".to_owned(), queue)]));
    let mut view = view();
    view.components[0].queue = Some(QueueView { state: QueueState::Stalled, depth: 1 });
    assert_eq!(from_view(&view, &facts()).queue["bot"].state, "stalled");
}

#[test]
fn a_status_survives_its_own_json() {
    let status = status();
    assert!(!status.metrics.contains_key("nonce_rate"), "not a number would become null");
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
}

#[test]
fn a_core_that_has_seen_nothing_has_a_status() {
    let core = failstop_core::Core::new(failstop_core::Policy {
        mode_ceiling: Mode::Dry,
        lease: Duration::from_secs(2),
        renew: Duration::from_millis(500),
        components: Vec::new(),
        dependencies: Vec::new(),
        limits: failstop_core::SystemLimits::default(),
        health: failstop_core::HealthPolicy {
            market_data_max_age: Duration::from_secs(300),
            feeds: Vec::new(),
            journal_max_age: Duration::from_secs(600),
            errors_per_minute: 10,
            queue_stalled_after: Duration::from_secs(60),
            every: Duration::from_secs(30),
            clear_after: Duration::from_secs(60),
        },
        failsafe: failstop_core::FailsafePolicy {
            market_data_max_age: Duration::from_secs(600),
            journal_max_age: Duration::from_secs(900),
            snapshot_max_age: Duration::from_secs(90_000),
            unhealthy_for: Duration::from_secs(300),
        },
        halts: BTreeMap::new(),
        two_key: None,
        heartbeat_every: Duration::from_secs(30),
        environment_latched: false,
        shutdown_within: std::time::Duration::from_secs(60),
        jitter_seed: 1,
    });
    let status = super::build(&core, at(1000), &facts());
    assert_eq!(status.permission, crate::words::permission(core.permission()));
    assert_ne!(status.permission, "active");
}

#[test]
fn the_next_step_is_a_command_where_an_operator_is_needed() {
    for cause in Cause::ALL {
        let next = next_step(&halt(31, cause, true), "demo");
        match cause {
            Cause::KillSwitch => {
                assert_eq!(next, "failstop kill-switch release --reason \"...\" --confirm demo");
            }
            _ => assert!(next.ends_with("failstop resume --halt h-31 --reason \"...\" --confirm demo"), "{next}"),
        }
    }
    assert_eq!(
        next_step(&halt(31, Cause::HeartbeatLost, true), "demo"),
        "failstop resume --halt h-31 --reason \"...\" --confirm demo"
    );
}

#[test]
fn the_next_step_of_a_self_clearing_halt_asks_for_nothing() {
    for cause in [Cause::Unhealthy, Cause::Starting, Cause::Environment, Cause::ComponentDown, Cause::Clock] {
        let next = next_step(&halt(31, cause, false), "demo");
        assert!(next.starts_with("clears by itself "), "{next}");
    }
}

#[test]
fn a_fail_safe_halt_says_what_must_be_over() {
    let mut halt = halt(4, Cause::Failsafe, true);
    halt.trigger = Some(Trigger::MarketData);
    assert!(next_step(&halt, "demo").starts_with("when market data is fresh again: failstop resume"));
}

#[test]
fn no_text_of_a_status_has_a_whole_address() {
    let address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    let (mut view, mut facts) = (view(), facts());
    view.halts[0].0.evidence = address.to_owned();
    view.health.reasons.push(address.to_owned());
    view.components[1].held = Some(Held { by: "ana".to_owned(), reason: address.to_owned() });
    facts.components.get_mut("bot").unwrap().status_text = Some(address.to_owned());
    facts.config.fault = Some(address.to_owned());
    facts.emergency.run.iter_mut().for_each(|run| run.actions[0].detail = address.to_owned());
    let status = serde_json::to_string(&from_view(&view, &facts)).unwrap();
    assert!(!status.contains(address), "{status}");
    assert_eq!(status.matches("…1BeAed").count(), 7, "{status}");
}

#[test]
fn no_text_that_somebody_else_wrote_shows_an_address() {
    let address = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";
    let fault = || Some(format!("said {address}"));
    let mut facts = facts();
    facts.custom.sources[1].fault = fault();
    facts.alerts.channels.get_mut("slack").unwrap().last_error = fault();
    facts.alerts.problem = fault();
    facts.config.fault = fault();
    facts.verified.as_mut().unwrap().detail = fault();
    facts.books.discrepancies = vec![format!("statement {address}: 0.01 apart")];
    let gate = facts.gate.as_mut().unwrap();
    gate.shared_rates.as_mut().unwrap().fault = fault();
    gate.polls = vec![PollEntry { fault: fault(), ..PollEntry::default() }];
    let status = from_view(&view(), &facts);
    let text = serde_json::to_string(&status).unwrap();
    assert!(!text.contains(address), "{text}");
    assert_eq!(text.matches("…gjLj6t").count(), 8, "{text}");
}
