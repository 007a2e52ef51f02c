#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::fleet::{self, Answer, Member};
use super::{ASSETS, Figure, POLICY, Sight, busy, content, document, fleet_is_busy, silent};
use failstop_client::alerts::AlertList;
use failstop_client::history::{History, Series};
use failstop_client::status::Status;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Every text in it is `word`, where a text is free.
pub(super) fn status_of(word: &str) -> Value {
    let mut status = json!({
        "system": word, "epoch": 7, "permission": "observe-only", "mode": "dry", "kill_switch": false, "environment": word,
        "health": {"status": "degraded", "overall_health": 0.5, "reasons": [word], "errors_per_minute": 3, "journal_write_age_seconds": 1.0, "snapshot_age_seconds": 3600.0},
        "halts": [
            {"id": "h-31", "cause": "heartbeat-lost", "cap": "observe-only", "latched": true, "since": "2026-11-03T20:51:07Z", "component": word, "evidence": word, "next": word},
            {"id": "h-32", "cause": "unhealthy", "cap": "observe-only", "latched": false, "since": word, "component": null, "evidence": "", "next": format!("failstop {word}")}
        ],
        "components": [
            {"name": word, "state": "ready", "pid": 20718, "restarts": 2, "ready": true, "orders": word, "health": 0.5, "uptime_seconds": 100.0, "last_sign_seconds": 4.0,
             "status_text": word, "memory_bytes": 412_000_000u64, "memory_max_bytes": 1_800_000_000u64, "cpu_percent": 3.0, "cpu_max_percent": 90},
            {"name": "scanner", "state": word, "pid": null, "restarts": 0, "ready": false, "orders": "none", "held": {"by": word, "reason": word, "since": word}}
        ],
        "parts": [{"component": word, "name": word, "health": 0.0}],
        "feeds": {word: 5.0, "kraken": null}, "dependencies": {word: false, "redis": null, "venue": true},
        "queue": {word: {"state": word, "depth": 4}},
        "metrics": {"daily_pnl": -12.5, "total_pnl": 1300.25, "trades_executed": 200.0, "trades_succeeded": 190.0, word: 7.5},
        "journal": {"seq": 18441, "head": word, "jid": "ab"}, "uptime_seconds": 11520.0, "version": word,
        "coverage": [{"component": word, "enforced": [word], "monitored": [], "not_covered": [word]}], "host_notes": [word], "not_watched": [word],
        "timestamp": "2026-11-03T21:05:00.000Z",
        "alerts": {"status": "degraded", "channels": {word: {"up": false, "last_ok": word, "last_error": word, "failures_in_a_row": 3, "queued": 2, "oldest_seconds": 5.0}},
            "open": {"critical": 1, "warning": 0, "info": 0}, "acknowledged": 0, "told": [word], "queued": 2, "oldest_seconds": 5.0,
            "sent": {"critical": 0, "warning": 0, "info": 0}, "suppressed": 0, "problem": word},
        "announced": {"kind": "restart", "until": word, "by": word, "reason": word},
        "books": {"snapshot": {"seq": 18400, "sha256": "cd", "file": word, "day": word, "recorded": 18402, "taken": "2026-11-03T00:00:00Z"},
            "orders_open": 3, "orders_in_doubt": 1, "discrepancies": [word], "violations": 2, "booked": 40},
        "verified": {"at": word, "result": word, "seq": 18000, "detail": word},
        "config": {"sha256": format!("{word}0123456789abcdef"), "since": word, "since_unix": 0, "hot_reload": false, "fault": word, "fault_since": word, "pending_restart": [word]},
        "emergency": {"configured": [word], "run": run_of(word, "kill-switch"), "drill": run_of(word, word)},
        "custom": {"metrics": {word: {"value": 7.5, "unit": word, "source": word, "age_seconds": 1.0},
            "stale": {"value": null, "unit": "", "source": word, "age_seconds": 900.0}}, "sources": [], "refused": 0}
    });
    status["gate"] = gate_of(word);
    status
}

fn run_of(word: &str, cause: &str) -> Value {
    json!({
        "trace": word, "cause": cause, "begun": word, "finished": word, "done": 1, "failed": 1,
        "actions": [
            {"name": word, "kind": word, "state": "failed", "detail": word},
            {"name": "close", "kind": "close-positions", "state": "done", "detail": "done after 41 ms"}
        ]
    })
}

fn gate_of(word: &str) -> Value {
    json!({
        "money": word, "trading_day": word, "paper": true, "open_orders": 3, "allowed": 40, "refused": 2, "rates_allowed": 1, "rates_refused": 0,
        "refusals": {word: 2}, "left_out": 0,
        "results": [{"account": word, "result": "-12.50", "opening_equity": "1000", "lost": 0.01, "reached": true}],
        "limits": [
            {"limit": "far", "scope": "system", "of": "", "used": "1", "value": "100", "score": 0.01, "rate": false},
            {"limit": word, "scope": word, "of": word, "used": word, "value": word, "score": 0.9, "rate": true},
            {"limit": "unknown", "scope": "user", "of": "u", "used": null, "value": "5", "score": 1.0, "rate": false}
        ],
        "waived": {"system": 2},
        "overrides": [{"name": word, "limit": word, "scope": word, "value": word, "until": word}],
        "awaiting": [{"client_id": word, "component": word, "user": word, "account": word, "instrument": word, "side": word,
            "quantity": word, "price": word, "worth": word, "until": word}],
        "feeds": [{"instrument": word, "price": word, "fresh": false, "required": 2,
            "sources": [{"name": word, "state": word, "price": word, "age_seconds": 1.0, "taken": 1, "refused": 0}]}],
        "orders": {"outcomes": {word: 3}, "success_rate": 0.95, "latency_seconds": 0.041},
        "api_usage": [{"endpoint": word, "used": 80, "limit": 100}]
    })
}

fn alerts_of(word: &str) -> AlertList {
    let alert = json!({
        "id": word, "severity": "critical", "system": word, "environment": word, "drill": true, "cause": "hung", "component": word, "title": word,
        "message": word, "root_cause": word, "recommended_action": word, "runbook": word, "metadata": [[word, word]], "trace_id": word,
        "opened_at": word, "resolved_at": null, "acknowledged": null, "held_back": false, "delivered_to": [word], "waiting_for": [word]
    });
    let mut over = alert.clone();
    over["resolved_at"] = word.into();
    over["acknowledged"] = json!({"by": word, "at": word});
    serde_json::from_value(json!({"alerts": [alert, over], "timestamp": "2026-11-03T21:05:00.000Z"})).unwrap()
}

fn history_of(word: &str) -> History {
    let series = |name: &str, unit: &str| Series {
        name: name.to_owned(),
        unit: unit.to_owned(),
        min: vec![Some(1.0); 60],
        mean: vec![Some(2.0); 60],
        max: vec![Some(3.0); 60],
    };
    History {
        timestamp: String::new(),
        step_seconds: 60,
        first: Some("2026-11-03T20:05:00Z".to_owned()),
        points: 60,
        series: vec![
            series("permission", "level"),
            series("memory_bytes", "bytes"),
            series(&format!("bot.{word}"), word),
            series(&format!("custom.{word}"), word),
        ],
        left_out: 0,
    }
}

fn now() -> Timestamp {
    "2026-11-03T21:05:00Z".parse().unwrap()
}

/// Every page there is, with `word` wherever a text is somebody's own.
fn pages(word: &str) -> Vec<String> {
    let status: Status = serde_json::from_value(status_of(word)).unwrap();
    let (alerts, history) = (alerts_of(word), history_of(word));
    let figures = ["warning", "unknown", word].map(|level| Figure { name: word, value: Some(2.5), unit: word, level });
    let sight = |controls| Sight {
        status: &status,
        alerts: Some(&alerts),
        history: Some(&history),
        figures: &figures,
        now: now(),
        controls,
        fleet: true,
    };
    let answer = Answer {
        system: word.to_owned(),
        environment: word.to_owned(),
        permission: word.to_owned(),
        mode: word.to_owned(),
        health: word.to_owned(),
        halts: vec![word.to_owned()],
        timestamp: word.to_owned(),
        ..Answer::default()
    };
    let member = |answer| Member { name: word.to_owned(), url: "http://127.0.0.1:1/".to_owned(), answer };
    let mut unknown = status.clone();
    unknown.permission = word.to_owned();
    vec![
        document(&sight(false)),
        document(&sight(true)),
        content(&sight(false)),
        document(&Sight { status: &unknown, ..sight(false) }),
        silent(word, now()),
        busy(&sight(true), word),
        fleet_is_busy(word, now()),
        fleet::document(&[member(Ok(answer)), member(Err(word.to_owned()))], now()),
    ]
}

pub(super) fn sight_of(status: &Status) -> Sight<'_> {
    Sight { status, alerts: None, history: None, figures: &[], now: now(), controls: false, fleet: false }
}

#[test]
fn times_of_the_gate_are_as_every_other_time() {
    let mut status: Status = serde_json::from_value(status_of("word")).unwrap();
    let gate = status.gate.as_mut().unwrap();
    "2026-11-03T21:09:07.250Z".clone_into(&mut gate.awaiting[0].until);
    "2026-11-04T20:00:00.000Z".clone_into(&mut gate.overrides[0].until);
    let page = content(&sight_of(&status));
    assert!(
        page.contains("until 21:09:07Z, then it is refused") && page.contains(", until 2026-11-04T20:00:00Z"),
        "{page}"
    );
    assert!(!page.contains("21:09:07.250"), "{page}");
}

#[test]
fn nothing_that_somebody_chose_becomes_markup() {
    let hostile = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>&\u{202e}\u{1b}[2J";
    for page in pages(hostile) {
        assert!(!page.contains("<img") && !page.contains("<script>alert"), "{page}");
        assert!(
            !page.contains("onerror=alert(1)>\"") && !page.contains('\u{202e}') && !page.contains('\u{1b}'),
            "{page}"
        );
        assert!(page.contains("&lt;img src=x"), "it is there, as text: {page}");
        // Within attributes no quote ends the value.
        for value in page.split("=\"").skip(1) {
            let value = value.split('"').next().unwrap();
            assert!(!value.contains('<'), "{value}");
        }
    }
}

#[test]
fn nothing_on_a_page_needs_more_than_the_policy_allows() {
    assert!(!POLICY.contains("unsafe") && !POLICY.contains('*') && !POLICY.contains("http"));
    for page in pages("demo") {
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick"), "{page}");
        assert!(!page.contains("<script>") && !page.contains("javascript:"), "{page}");
        for source in page.split(" src=\"").skip(1).chain(page.split("<link ").skip(1)) {
            assert!(!source.split('>').next().unwrap().contains("//"), "another origin: {source}");
        }
    }
    for asset in ASSETS {
        assert!(!asset.text.contains("http:") || asset.text.contains("http://www.w3.org/2000/svg"), "{}", asset.path);
        assert!(!asset.text.contains("https://") && !asset.text.contains("@import") && !asset.text.contains("eval("));
    }
}

#[test]
fn every_path_on_the_pages_is_relative_so_that_a_proxy_may_have_them_below_another() {
    for page in pages("demo") {
        for target in page.split("href=\"").skip(1).chain(page.split("src=\"").skip(1)) {
            let target = target.split('"').next().unwrap();
            assert!(!target.starts_with('/'), "{target}");
        }
    }
}

#[test]
fn one_look_says_what_it_may_do_and_why() {
    let status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let page = content(&sight_of(&status));
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("no {what} in {page}"));
    let order = [
        "OBSERVE-ONLY",
        "No order is permitted.",
        "2 halts stand, 1 of them until an operator resumes.",
        "heartbeat-lost",
        "since 20:51:07Z (13 min 53 s)",
        ">next<",
        "Wait for a confirmation",
        "Open alerts",
        "What needs a look",
        "What runs",
        "What it does",
        "−12.50",
        "id=\"charts\" data-same",
        ">Alerts<",
        "Ways to people",
        ">Record<",
        "18 441 records",
    ];
    assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
    assert!(page.contains("data-title=\"OBSERVE-ONLY · demo · failstop\""));
    assert!(page.contains("95.0 %"), "success rate: {page}");
    assert!(page.contains("data-made=\"2026-11-03T21:05:00Z\""), "{page}");
}

#[test]
fn of_the_host_it_says_what_is_used_and_what_is_free_and_which_is_which() {
    let mut value = status_of("demo");
    value["host"] = json!({"cpu_percent": 9.4, "memory_total_bytes": 25_300_000_000u64, "memory_available_bytes": 22_200_000_000u64,
        "disk_total_bytes": 270_600_000_000u64, "disk_available_bytes": 26_000_000_000u64});
    let status: Status = serde_json::from_value(value).unwrap();
    let page = content(&sight_of(&status));
    for says in
        ["<dd>3.1 GB used of 25.3 GB</dd>", "<dd>26.0 GB free of 270.6 GB</dd>", "<dd>9 % of the host in use</dd>"]
    {
        assert!(page.contains(says), "{says}: {page}");
    }
    // As the chart beside it says.
    assert!(page.contains("data-now=\"host_memory_used_bytes\">3.1 GB</strong>"), "{page}");
}

#[test]
fn what_needs_nobody_says_so() {
    let mut value = status_of("demo");
    value["permission"] = "active".into();
    value["mode"] = "live".into();
    value["halts"] = json!([]);
    value["health"]["status"] = "healthy".into();
    let status: Status = serde_json::from_value(value).unwrap();
    let page = content(&sight_of(&status));
    assert!(page.contains("Orders are permitted and reach the venue.") && page.contains("No halt stands."), "{page}");
    let paper = Status { mode: "dry".to_owned(), ..status };
    assert!(content(&sight_of(&paper)).contains("on paper only"));
}

#[test]
fn the_gate_is_shown_where_there_is_one_and_the_nearest_limit_first() {
    let status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let page = content(&sight_of(&status));
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("no {what} in {page}"));
    let order = ["Wait for a confirmation", "failstop orders confirm demo", "What it does", ">The gate", "> on paper<"];
    assert!(order.map(place).is_sorted(), "{page}");
    let limits = ["not known, of 5", "demo of demo", "1 of 100"];
    assert!(limits.map(place).is_sorted(), "{page}");
    assert!(
        page.contains("the daily loss is reached") && page.contains("41 ms") && page.contains("80 of 100"),
        "{page}"
    );
    let without = Status { gate: None, ..status };
    assert!(!content(&sight_of(&without)).contains("The gate"));
}

#[test]
fn what_needs_a_look_is_shown_with_what_to_do_and_only_then() {
    let mut value = status_of("demo");
    value["config"]["fault"] = "line 3: no such key".into();
    let status: Status = serde_json::from_value(value).unwrap();
    let page = content(&sight_of(&status));
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("no {what} in {page}"));
    let order = [
        "What needs a look",
        "Emergency actions · kill-switch · 1 done, 1 failed",
        "close: done after 41 ms",
        "do by hand what failed",
        "What the configuration file says is not in force",
        "line 3: no such key",
        "waits for a restart: <code>demo</code>",
        "restart the engine for these keys",
        "What runs",
        "demo01234567",
    ];
    assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
    let calm = Status { emergency: Default::default(), config: Default::default(), ..status };
    let page = content(&sight_of(&calm));
    assert!(!page.contains("What needs a look") && !page.contains("not in force"), "{page}");
}

#[test]
fn controls_are_only_where_they_were_asked_for() {
    let status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let alerts = alerts_of("a-1");
    let reads = Sight { alerts: Some(&alerts), ..sight_of(&status) };
    let page = document(&reads);
    assert!(!page.contains("<form") && !page.contains("<button") && !page.contains("api/control"), "{page}");
    assert!(
        page.contains("failstop kill-switch engage") && page.contains("failstop alerts ack a-1"),
        "it says where to act"
    );
    let acts = document(&Sight { controls: true, ..reads });
    assert!(acts.contains("data-action=\"api/control/emergency-stop\" data-confirm=\"demo\""), "{acts}");
    assert_eq!(acts.matches("data-action=\"api/control/alerts/ack\"").count(), 1, "only what nobody has taken on");
    assert!(acts.contains("data-action=\"api/control/orders/confirm\" data-id=\"demo\""), "{acts}");
    assert!(acts.contains("Confirm: demo demo demo</button>"), "the button says what it confirms: {acts}");
    assert!(page.contains("failstop orders confirm demo"), "{page}");
}

#[test]
fn what_is_open_is_said_first_the_gravest_before_the_rest_and_no_more_than_one_reads() {
    let status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let mut alerts = alerts_of("a-1");
    let mut one = alerts.alerts[0].clone();
    one.severity = "warning".to_owned();
    for index in 0..6 {
        one.id = format!("w-{index}");
        alerts.alerts.insert(0, one.clone());
    }
    let page = content(&Sight { alerts: Some(&alerts), ..sight_of(&status) });
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("no {what} in {page}"));
    let order = [
        "<a href=\"#alerts\">1 alert is open</a>, <strong>1 critical",
        "id=\"alerts\"",
        "data-key=\"a-1\"",
        "data-key=\"w-5\"",
        "data-key=\"w-2\"",
        "<details id=\"others\"><summary>2 more, none graver",
        "data-key=\"w-1\"",
        "What runs",
        "id=\"told\"",
        "id=\"past\"",
    ];
    assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
    // Where nothing is open nothing is in the way.
    let mut calm = status.clone();
    calm.alerts = Default::default();
    let none = AlertList { alerts: Vec::new(), ..alerts };
    let page = content(&Sight { alerts: Some(&none), ..sight_of(&calm) });
    assert!(!page.contains("Open alerts") && !page.contains("#alerts") && page.contains("None is open"), "{page}");
    let unknown = content(&sight_of(&status));
    assert!(unknown.contains("could not be had just now") && !unknown.contains("href=\"#alerts\""), "{unknown}");
}

#[test]
fn after_a_stop_the_page_says_what_it_left_to_people() {
    let mut status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let page = |status: &Status, controls| content(&Sight { controls, ..sight_of(status) });
    assert!(page(&status, true).contains("Stop everything") && !page(&status, true).contains("After the stop"));
    status.kill_switch = true;
    for controls in [true, false] {
        let shown = page(&status, controls);
        assert!(!shown.contains("Stop everything") && !shown.contains("To stop everything"), "{shown}");
        for says in [
            "After the stop",
            "3 orders are open by the books, 1 of them in doubt.",
            "but for what the emergency actions did: look there now.",
            "<a href=\"#stands\">kill-switch, 1 done, 1 failed</a>",
        ] {
            assert!(shown.contains(says), "{says}: {shown}");
        }
    }
    status.emergency = Default::default();
    status.books.orders_open = 0;
    let shown = page(&status, true);
    assert!(
        shown.contains("none is configured, so nothing was cancelled") && shown.contains("none is open by the books"),
        "{shown}"
    );
    assert!(!shown.contains("href=\"#stands\""), "it leads nowhere: {shown}");
}

#[test]
fn what_is_to_be_typed_is_set_so_and_no_backtick_is_shown() {
    let mut status: Status = serde_json::from_value(status_of("demo")).unwrap();
    status.halts[0].evidence = "it waits; `failstop status` says for what".to_owned();
    status.halts[1].next = "when it is below: failstop resume --halt h-3 --reason \"...\" --confirm demo".to_owned();
    status.halts[0].next = "look at `<b>`, then `failstop start bot`".to_owned();
    let mut alerts = alerts_of("a-1");
    alerts.alerts[0].message = "order e3-9 waits: `failstop orders confirm e3-9`.".to_owned();
    alerts.alerts[0].title = "a ` alone".to_owned();
    let page = content(&Sight { alerts: Some(&alerts), ..sight_of(&status) });
    for says in [
        "it waits; <code>failstop status</code> says for what",
        "look at <code>&lt;b&gt;</code>, then <code>failstop start bot</code>",
        "waits: <code>failstop orders confirm e3-9</code>.",
        "<strong>a ` alone</strong>",
        "when it is below: <code>failstop resume --halt h-3 --reason &quot;...&quot; --confirm demo</code>",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(page.matches('`').count(), 1, "{page}");
    // More than one command is a sentence.
    status.halts[1].next = "failstop config diff, then mend the file".to_owned();
    let page = content(&sight_of(&status));
    assert!(page.contains("</span> failstop config diff, then mend the file</p>"), "{page}");
}

#[test]
fn while_the_host_is_busy_the_page_is_what_one_must_know_and_the_way_to_stop() {
    let status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let page = busy(&Sight { controls: true, ..sight_of(&status) }, "too busy; `failstop breaker status` says more");
    for says in [
        "OBSERVE-ONLY",
        "heartbeat-lost",
        "Stop everything",
        "too busy; <code>failstop breaker status</code> says more",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    for gives_way in ["<svg", "What runs", "The gate", "href=\"#alerts\""] {
        assert!(!page.contains(gives_way), "{gives_way}: {page}");
    }
    assert!(page.len() < 12 * 1024, "{}", page.len());
}

#[test]
fn of_many_incidents_that_are_over_it_says_how_many_are_shown() {
    let status: Status = serde_json::from_value(status_of("demo")).unwrap();
    let mut alerts = alerts_of("a-1");
    let over = alerts.alerts.pop().unwrap();
    let page = |alerts: &AlertList| content(&Sight { alerts: Some(alerts), ..sight_of(&status) });
    let shown = |page: &str| page.split("id=\"past\"").nth(1).unwrap().matches("<li").count();
    alerts.alerts.extend((0..10).map(|_| over.clone()));
    let ten = page(&alerts);
    assert!(ten.contains("Over (10)"), "{ten}");
    let ways = shown(&ten) - 10;
    alerts.alerts.extend([over.clone(), over]);
    let twelve = page(&alerts);
    assert_eq!(shown(&twelve) - ways, 10);
    assert!(twelve.contains("the last 10 of 12") && twelve.contains("failstop alerts list"), "{twelve}");
    assert!(!twelve.contains("Over (12)"), "{twelve}");
}

#[test]
fn a_fleet_shows_first_what_needs_somebody() {
    let answer = |permission: &str, health: &str| Answer {
        permission: permission.to_owned(),
        health: health.to_owned(),
        mode: "live".to_owned(),
        ..Answer::default()
    };
    let member = |name: &str, answer| Member { name: name.to_owned(), url: "http://h/".to_owned(), answer };
    let members = [
        member("good", Ok(answer("active", "healthy"))),
        member("looks", Ok(answer("observe-only", "healthy"))),
        member("gone", Err("no connection".to_owned())),
    ];
    let page = fleet::document(&members, now());
    let place = |what: &str| page.find(&format!(">{what}</a>")).unwrap();
    assert!([place("gone"), place("looks"), place("good")].is_sorted(), "{page}");
    assert!(page.contains("3 systems, 2 to look at"), "{page}");
    let calm = fleet::document(&members[..1], now());
    assert!(calm.contains("1 system, none needs anybody"), "{calm}");
}
