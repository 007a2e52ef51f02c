//! The gate as bots and operators meet it: on paper and to the exchange, with everything that it counts the same after a crash at
//! whatever moment.

use crate::bookkeeper::Bookkeeper;
use crate::system::{failstop, has_halt, signal};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// Old prices and reports are fresh here, so that a slow machine fails no test.
pub const GATE: &str = concat!(
    "[gate]\nmoney = \"USDT\"\npaper_equity = \"10000\"\nposition_max_age = \"1h\"\nequity_max_age = \"1h\"\n",
    "[gate.limits]\nopenings_per_minute = 100\ntrades_per_day = 200\nvolume_per_hour = \"waived\"\nrepeated_orders = \"waived\"\n",
    "duplicate_window = \"1ms\"\naccount_risk = \"1\"\n",
    "[prices]\nsources = [\"a\", \"b\"]\nmax_age = \"5m\"\n",
    "[[account]]\nname = \"main\"\n",
    "[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n",
);

pub fn price(bid: &str, ask: &str) -> Value {
    json!({ "type": "price", "source": "a", "instrument": "BTC/USDT", "bid": bid, "ask": ask })
}

pub fn order(client_id: &str, side: &str, quantity: &str) -> Value {
    json!({ "type": "order", "client_id": client_id, "instrument": "BTC/USDT", "account": "main", "side": side,
            "quantity": quantity })
}

pub fn with(mut message: Value, key: &str, value: Value) -> Value {
    message[key] = value;
    message
}

pub fn result(client_id: &str, outcome: &str) -> Value {
    json!({ "type": "order_result", "client_id": client_id, "outcome": outcome })
}

pub fn fill(reference: &str, client_id: &str, side: &str, quantity: &str, price: &str) -> Value {
    json!({ "type": "fill", "ref": reference, "client_id": client_id, "account": "main", "instrument": "BTC/USDT",
            "side": side, "quantity": quantity, "price": price })
}

/// What is used of each limit that time alone does not free.
fn lasting(gate: &Value) -> Vec<Value> {
    let freed = |limit: &&Value| {
        let name = limit["limit"].as_str().unwrap();
        name.ends_with("_per_minute") || name.ends_with("_per_hour")
    };
    gate["limits"].as_array().unwrap().iter().filter(|limit| !freed(limit)).cloned().collect()
}

/// What is used of a limit of everybody.
fn used(gate: &Value, limit: &str) -> String {
    let limits = gate["limits"].as_array().unwrap();
    let found = limits.iter().find(|one| one["limit"] == limit && one["scope"] == "system").unwrap();
    found["used"].as_str().unwrap().to_owned()
}

pub fn codes(answer: &Value) -> Vec<&str> {
    answer["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

fn desk() -> Bookkeeper {
    let mut desk = Bookkeeper::new(GATE);
    desk.system.start();
    desk.system.wait_active();
    desk
}

/// A system in `live`, flat and with equity and a price.
pub fn live(more: &str) -> Bookkeeper {
    live_by(&format!("{GATE}{more}"))
}

/// The same by another gate.
pub fn live_by(gate: &str) -> Bookkeeper {
    let mut desk = live_before_capital(gate);
    desk.booked(&json!({ "type": "capital", "account": "main", "asset": "USDT", "total": "10000", "free": "10000", "locked": "0" }));
    desk
}

/// The same without a word of its equity.
pub fn live_before_capital(gate: &str) -> Bookkeeper {
    let mut desk = Bookkeeper::with_head("mode = \"live\"", gate);
    desk.system.start();
    desk.system.go_live();
    desk.system.wait_active();
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    desk.booked(&json!({ "type": "position", "account": "main", "instrument": "BTC/USDT", "quantity": "0" }));
    desk
}

#[test]
fn the_intent_is_named_also_where_its_own_trade_halts() {
    for durable in ["true", "false"] {
        let gate = GATE
            .replace("paper_equity = \"10000\"\n", &format!("paper_equity = \"10000\"\ndurable_intents = {durable}\n"))
            .replace("account_risk", "daily_loss = \"0.0001\"\naccount_risk");
        let mut desk = Bookkeeper::new(&gate);
        desk.system.start();
        desk.system.wait_active();
        // Bought at 1001 and worth 1000: more is lost than may be, at once.
        assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
        let bought = desk.say(&order("p-1", "buy", "5"));
        assert_eq!(bought["paper_fill"]["price"], "1001.00", "{bought}");
        desk.system.wait_record(1, "halt.raised", |body| body["cause"] == "daily-loss");
        let intent = desk.system.wait_record(1, "gate.allowed", |body| body["order"]["client_id"] == "p-1");
        assert_eq!(intent["seq"], bought["intent_seq"], "durable: {durable}");
        assert_eq!(desk.system.stop(), 0);
    }
}

#[test]
fn on_paper_an_order_is_filled_by_the_side_that_it_takes_and_nothing_is_booked() {
    let mut desk = desk();
    let stale = desk.say(&order("p-0", "buy", "0.1"));
    assert_eq!(
        (&stale["ok"], &stale["allow"], &stale["intent_seq"]),
        (&json!(true), &json!(false), &Value::Null),
        "{stale}"
    );
    assert_eq!(codes(&stale), ["MISSING_PRICE"]);
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    let bought = desk.say(&order("p-1", "buy", "0.1"));
    assert_eq!((&bought["allow"], &bought["mode"]), (&json!(true), &json!("dry")), "{bought}");
    assert_eq!(bought["paper_fill"], json!({ "quantity": "0.1", "price": "1001.00" }));
    assert!(bought["permit_deadline"].is_u64() && bought["epoch"].is_u64(), "{bought}");
    let intent = desk.system.wait_record(1, "gate.allowed", |body| body["order"]["client_id"] == "p-1");
    assert_eq!((&intent["seq"], &intent["b"]["paper"]), (&bought["intent_seq"], &json!(true)));
    desk.system.wait_record(1, "gate.fill", |body| body["paper"] == true && body["order"] == "p-1");
    // What rests is not filled; it reduces as it would at the venue, and what asks for the exchange is told where it is.
    let rests = desk.say(&with(order("p-2", "sell", "0.1"), "price", json!("1010")));
    assert_eq!((&rests["allow"], &rests["paper_fill"]), (&json!(true), &Value::Null), "{rests}");
    assert_eq!(desk.booked(&result("p-2", "cancelled")), desk.system.wait_record(1, "gate.outcome", |_| true)["seq"]);
    let live = desk.say(&with(order("p-3", "buy", "0.1"), "live", json!(true)));
    assert_eq!(codes(&live), ["DRY_MODE"]);
    let sold = desk.say(&with(order("p-4", "sell", "0.1"), "reduce_only", json!(true)));
    assert_eq!(sold["paper_fill"]["price"], "999.00", "{sold}");
    let flat = desk.say(&with(order("p-5", "sell", "0.1"), "reduce_only", json!(true)));
    assert_eq!(codes(&flat), ["REDUCE_ONLY"]);
    assert_eq!(codes(&desk.say(&order("p-1", "buy", "0.2"))), ["DUPLICATE"]);
    // A bot that reports its paper trades all the same books nothing.
    assert_eq!(desk.say(&fill("t-1", "p-1", "buy", "0.1", "1001"))["already"], true);
    assert_eq!(desk.say(&result("p-1", "filled"))["already"], true);
    let kinds: Vec<Value> = desk.system.records().into_iter().map(|record| record["t"].clone()).collect();
    assert!(!kinds.iter().any(|kind| kind == "order.intent" || kind == "ledger.fill"), "{kinds:?}");
    let status = desk.system.status().unwrap();
    assert_eq!((&status["gate"]["paper"], &status["gate"]["results"][0]["result"]), (&json!(true), &json!("-0.20")));
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn without_a_gate_no_order_is_allowed_and_what_is_malformed_counts_nowhere() {
    let mut desk = Bookkeeper::new("");
    desk.system.start();
    desk.system.wait_active();
    for message in
        [order("c", "buy", "1"), price("1", "2"), result("c", "filled"), json!({ "type": "rate", "bucket": "copies" })]
    {
        let answer = desk.say(&message);
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("NOT_CONFIGURED")), "{message}: {answer}");
    }
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn to_the_exchange_an_intent_is_recorded_first_and_counts_until_it_came_to_nothing() {
    let mut desk = live("");
    let answer = desk.say(&order("o-1", "buy", "0.5"));
    assert_eq!(
        (&answer["allow"], &answer["mode"], &answer["reasons"]),
        (&json!(true), &json!("live"), &json!([])),
        "{answer}"
    );
    let intent = desk.system.wait_record(1, "order.intent", |body| body["id"] == "o-1");
    assert_eq!(intent["seq"], answer["intent_seq"]);
    assert_eq!(intent["b"]["component"], "bot");
    let used = |desk: &Bookkeeper| {
        let status = desk.system.status().unwrap();
        let limits = status["gate"]["limits"].as_array().unwrap().clone();
        let found =
            limits.iter().find(|limit| limit["limit"] == "trades_per_day" && limit["scope"] == "system").unwrap();
        (found["used"].clone(), status["gate"]["open_orders"].clone(), status["books"]["orders_open"].clone())
    };
    assert_eq!(used(&desk), (json!("1"), json!(1), json!(1)));
    desk.booked(&result("o-1", "accepted"));
    desk.booked(&result("o-1", "rejected"));
    assert_eq!(used(&desk), (json!("0"), json!(0), json!(0)), "given back");
    assert_eq!(desk.say(&result("o-1", "rejected"))["already"], true);
    assert_eq!(desk.say(&result("never-asked", "not-sent"))["already"], true);
    assert_eq!(desk.say(&result("never-asked", "filled"))["code"], "BAD_FIELD");
    // A trade moves the position; what reduces it is allowed, more than it is not.
    assert_eq!(desk.say(&order("o-2", "buy", "0.5"))["allow"], true);
    desk.booked(&fill("t-1", "o-2", "buy", "0.5", "1001"));
    desk.booked(&result("o-2", "filled"));
    let more = desk.say(&with(order("o-3", "sell", "0.6"), "reduce_only", json!(true)));
    assert_eq!(codes(&more), ["REDUCE_ONLY"]);
    assert_eq!(desk.say(&with(order("o-4", "sell", "0.5"), "reduce_only", json!(true)))["allow"], true);
    desk.booked(&fill("t-2", "o-4", "sell", "0.5", "999"));
    desk.booked(&result("o-4", "filled"));
    assert_eq!(desk.system.status().unwrap()["gate"]["results"][0]["result"], "-1.00");
    // An order of which nobody knows is in doubt, and is presumed alive.
    assert_eq!(desk.say(&order("o-5", "buy", "0.1"))["allow"], true);
    desk.booked(&result("o-5", "unknown"));
    desk.system.wait_status("doubt", |status| has_halt(status, "orders-in-doubt"));
    let halted = desk.say(&order("o-6", "buy", "0.1"));
    assert!(codes(&halted).contains(&"HALTED"), "{halted}");
    desk.run("orders resolve", &["o-5", "--outcome", "not-sent", "--reason", "the venue has no such order"], 0);
    let status = desk.system.wait_status("no open order", |status| status["gate"]["open_orders"] == 0);
    assert_eq!(status["books"]["orders_in_doubt"], 0);
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_daily_loss_halts_and_is_not_forgotten_by_a_crash() {
    let mut desk = live("[failsafe]\nemergency_shutdown = false\n");
    assert_eq!(desk.say(&order("o-1", "buy", "5"))["allow"], true);
    desk.booked(&fill("t-1", "o-1", "buy", "5", "1000"));
    desk.booked(&result("o-1", "filled"));
    assert_eq!(desk.causes(), Vec::<String>::new());
    // 20 % of 10 000 are lost at 600.
    assert_eq!(desk.say(&price("600", "600"))["ok"], true);
    let status = desk.system.wait_status("the halt", |status| status["permission"] == "reduce-only");
    assert_eq!((&status["halts"][0]["cause"], &status["halts"][0]["latched"]), (&json!("daily-loss"), &json!(true)));
    let evidence = status["halts"][0]["evidence"].as_str().unwrap();
    assert!(evidence.contains("account main lost 2000.00 USDT") && evidence.contains("20.0 %"), "{evidence}");
    let before = desk.system.status().unwrap()["gate"].clone();
    signal(desk.system.engine_pid(), libc::SIGKILL);
    assert_eq!(desk.system.wait_end(), 7);
    desk.system.start();
    desk.system.wait_status("the same halt", |status| {
        status["permission"] == "reduce-only" && status["components"][0]["ready"] == true
    });
    let opens = desk.say(&order("o-2", "buy", "0.1"));
    assert!(codes(&opens).contains(&"REDUCE_ONLY"), "{opens}");
    assert_eq!(desk.say(&price("600", "600"))["ok"], true);
    let after =
        desk.system.wait_status("the result", |status| status["gate"]["results"][0]["reached"] == true)["gate"].clone();
    assert_eq!(after["results"], before["results"]);
    assert_eq!(lasting(&after), lasting(&before), "limits and rates are used as before");
    assert!(used(&after, "daily_loss").starts_with("0.2"), "{after:#}");
    assert_eq!(desk.say(&with(order("o-3", "sell", "5"), "reduce_only", json!(true)))["allow"], true);
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_loss_of_much_money_shuts_down_where_no_opening_equity_says_what_it_means() {
    let gate = GATE.replace(
        "account_risk = \"1\"",
        "account_risk = \"waived\"\ntotal_leverage = \"waived\"\ndaily_loss = \"waived\"",
    );
    let mut desk = live_before_capital(&format!("{gate}[limits]\nsample_every = \"1s\"\n"));
    let bought = desk.say(&order("o-1", "buy", "1"));
    assert_eq!(bought["allow"], true, "{bought}");
    desk.booked(&fill("t-1", "o-1", "buy", "1", "1000"));
    desk.booked(&result("o-1", "filled"));
    let figure = |desk: &Bookkeeper| {
        let (_, text) = desk.system.get("/api/thresholds");
        let shown: Value = serde_json::from_str(&text).unwrap();
        let found = shown["figures"].as_array().unwrap().iter().find(|one| one["name"] == "daily_pnl");
        found.map(|one| (one["level"].clone(), one["value"].clone())).unwrap()
    };
    let shows = |desk: &Bookkeeper, level: &str, value: f64| {
        desk.system.until(level, || (figure(desk) == (json!(level), json!(value))).then_some(()));
    };
    // At the level it is no emergency, and critical all the same.
    assert_eq!(desk.say(&price("900", "900"))["ok"], true);
    shows(&desk, "critical", -100.0);
    let status = desk.system.wait_status("a degraded health", |status| status["health"]["status"] == "degraded");
    assert_eq!(status["permission"], "active", "{status}");
    assert_eq!(desk.say(&price("899", "899"))["ok"], true);
    let status = desk.system.wait_status("the shutdown", |status| status["permission"] == "shutdown");
    let words = "account main lost 101.00 USDT in this trading day; no opening equity says what that means";
    assert!(has_halt(&status, "failsafe") && status["halts"].to_string().contains(words), "{status}");
    shows(&desk, "emergency", -101.0);
    assert_eq!(desk.system.stop(), 5);
}

#[test]
fn a_limit_is_overridden_for_a_while_and_an_order_confirmed_once() {
    let mut desk = live("");
    desk.run("limits override", &["confirm_above", "100", "--for", "1h", "--reason", "try"], 0);
    let waits = desk.say(&order("o-1", "buy", "0.5"));
    assert_eq!(codes(&waits), ["CONFIRMATION_REQUIRED"], "{waits}");
    let risk = desk.run("status", &["--section", "risk", "--format", "json"], 0);
    let risk: Value = serde_json::from_str(&risk).unwrap();
    assert_eq!(
        (&risk["awaiting"][0]["client_id"], &risk["overrides"][0]["name"]),
        (&json!("o-1"), &json!("confirm_above"))
    );
    desk.run("orders confirm", &["o-1"], 0);
    assert_eq!(codes(&desk.say(&order("o-1", "buy", "0.6"))), ["CONFIRMATION_REQUIRED"], "that order and no other");
    assert_eq!(desk.say(&order("o-1", "buy", "0.5"))["allow"], true);
    desk.booked(&result("o-1", "rejected"));
    desk.run("limits override", &["trades_per_day", "0", "--component", "bot", "--for", "1h", "--reason", "enough"], 0);
    assert!(codes(&desk.say(&order("o-2", "buy", "0.05"))).contains(&"RATE_DAILY"));
    // Over a crash, too; ended by name.
    signal(desk.system.engine_pid(), libc::SIGKILL);
    assert_eq!(desk.system.wait_end(), 7);
    desk.system.start();
    desk.system.wait_active();
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    assert!(codes(&desk.say(&order("o-3", "buy", "0.05"))).contains(&"RATE_DAILY"));
    desk.run("limits end", &["trades_per_day:component:bot"], 0);
    assert_eq!(desk.say(&order("o-4", "buy", "0.05"))["allow"], true);
    desk.booked(&result("o-4", "rejected"));
    desk.run("limits override", &["nonsense", "1", "--for", "1h", "--reason", "r"], 2);
    desk.run("limits override", &["total_leverage", "1", "--user", "u", "--for", "1h", "--reason", "r"], 1);
    desk.run("orders confirm", &["o-9"], 1);
    let shown = desk.run("limits list", &[], 0);
    assert!(shown.contains("trades_per_day") && shown.contains("override confirm_above: 100"), "{shown}");
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn what_was_told_of_the_gate_is_over_where_there_is_no_gate_any_more() {
    let mut desk = live("");
    desk.run("limits override", &["confirm_above", "100", "--for", "1h", "--reason", "try"], 0);
    assert_eq!(codes(&desk.say(&order("o-1", "buy", "0.5"))), ["CONFIRMATION_REQUIRED"]);
    let usage = json!({ "type": "api_usage", "endpoint": "orders", "used": 80, "limit": 100 });
    assert_eq!(desk.say(&usage)["ok"], true);
    let of_the_gate = |desk: &Bookkeeper, over: bool| {
        // Where no engine runs it says so beside.
        let list = desk.system.run("alerts list", &["--format", "json"]);
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        let told = |cause: &str| {
            let mut alerts = list["alerts"].as_array().unwrap().iter().filter(|alert| alert["cause"] == cause);
            alerts.next().is_some_and(|alert| alert["resolved_at"].is_string() == over)
        };
        (told("api-usage") && told("confirmation")).then_some(())
    };
    desk.system.until("both", || of_the_gate(&desk, false));
    desk.system.stop();
    assert!(of_the_gate(&desk, false).is_some(), "both outlive the engine");
    let file = desk.system.path("failstop.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(GATE));
    fs::write(&file, text.replace(GATE, "")).unwrap();
    desk.system.start();
    desk.system.until("the end of both", || of_the_gate(&desk, true));
    desk.system.stop();
}

#[test]
fn rates_are_asked_about_and_told_when_to_come_again() {
    let mut desk = desk();
    let ask = |cost: &str| json!({ "type": "rate", "bucket": "copies", "user": "u-1", "cost": cost });
    let taken = desk.say(&ask("10"));
    assert_eq!((&taken["allow"], &taken["reasons"]), (&json!(true), &json!([])), "{taken}");
    let more = desk.say(&ask("1"));
    assert_eq!((&more["allow"], codes(&more)), (&json!(false), vec!["RATE_COPIES", "RATE_COPIES"]), "{more}");
    let after = more["retry_after_ms"].as_u64().unwrap();
    assert!((1..=65_000).contains(&after), "{after}");
    for bad in [json!({ "type": "rate", "bucket": "tea" }), ask("1.5"), ask("0")] {
        assert_eq!(desk.say(&bad)["code"], "BAD_FIELD", "{bad}");
    }
    let usage = json!({ "type": "api_usage", "endpoint": "orders", "used": 80, "limit": 100 });
    assert_eq!(desk.say(&usage)["ok"], true);
    let rates: Value =
        serde_json::from_str(&desk.run("status", &["--section", "rates", "--format", "json"], 0)).unwrap();
    assert_eq!(rates["api_usage"][0], json!({ "endpoint": "orders", "used": 80, "limit": 100 }));
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn whatever_was_answered_before_a_crash_counts_after_it() {
    let rounds: u32 = std::env::var("FAILSTOP_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut desk = live("");
    for round in 0..rounds {
        let mut asked = Vec::new();
        for number in 0..12 {
            // Every third comes to nothing.
            asked.push((format!("r{round}-{number}"), desk.ask(&order(&format!("r{round}-{number}"), "buy", "0.001"))));
            if number % 3 == 0 {
                desk.ask(&result(&format!("r{round}-{number}"), "rejected"));
            }
        }
        // At whatever moment: the more rounds, the more of them.
        let wanted = asked[usize::try_from(round * 5 % 11).unwrap()].1;
        desk.answer(wanted);
        signal(desk.system.engine_pid(), libc::SIGKILL);
        assert_eq!(desk.system.wait_end(), 7);
        let answered: Vec<String> = asked
            .iter()
            .filter(|(_, number)| desk.answered(*number).is_some_and(|answer| answer["allow"] == true))
            .map(|(id, _)| id.clone())
            .collect();
        assert!(!answered.is_empty());
        let records = desk.system.records();
        for id in &answered {
            let of = |kind: &str, name: &str| {
                records.iter().any(|record| {
                    record["t"] == kind && (record["b"][name] == **id || record["b"]["order"]["client_id"] == **id)
                })
            };
            assert!(of("order.intent", "id") && of("gate.allowed", "-"), "{id} was answered and is not in the journal");
        }
        desk.system.start();
        desk.system.wait_answer();
        // What nobody told the end of is in doubt, and nothing is sent before it is resolved.
        desk.system.wait_status("the bot", |status| status["components"][0]["ready"] == true);
        for (id, _) in &asked {
            let again = desk.say(&order(id, "buy", "0.001"));
            if answered.contains(id) {
                assert!(codes(&again).contains(&"DUPLICATE"), "{id}: {again}");
            }
        }
        let list: Value = serde_json::from_str(&desk.run("orders list", &["--format", "json"], 0)).unwrap();
        for open in list["orders"].as_array().unwrap() {
            let id = open["id"].as_str().unwrap();
            desk.run("orders resolve", &[id, "--outcome", "not-sent", "--reason", "the test's venue has none"], 0);
        }
        let name = desk.system.name.clone();
        desk.system.wait_status("no doubt", |status| {
            status["books"]["orders_open"] == 0 && status["gate"]["open_orders"] == 0
        });
        if desk.causes().iter().any(|cause| cause == "orders-in-doubt") {
            desk.run("resume", &["--reason", "all resolved", "--confirm", &name], 0);
        }
        desk.system.wait_active();
        assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
        let filled = format!("f{round}");
        assert_eq!(desk.say(&order(&filled, "buy", "0.002"))["allow"], true);
        desk.booked(&fill(&format!("t{round}"), &filled, "buy", "0.002", "1001"));
        desk.booked(&result(&filled, "filled"));
        // The oracle: what the journal has, counted by hand.
        let records = desk.system.records();
        let of = |kind: &str| records.iter().filter(|record| record["t"] == kind).count();
        let before = desk.system.status().unwrap()["gate"].clone();
        assert_eq!(
            used(&before, "trades_per_day"),
            (of("gate.allowed") - of("gate.outcome")).to_string(),
            "{before:#}"
        );
        assert_eq!(of("gate.fill"), of("ledger.fill"));
        // Over a crash in which nothing is under way all of it is exactly as before.
        signal(desk.system.engine_pid(), libc::SIGKILL);
        assert_eq!(desk.system.wait_end(), 7);
        desk.system.start();
        desk.system.wait_active();
        assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
        let after = desk.system.status().unwrap()["gate"].clone();
        for key in ["results", "open_orders", "overrides", "trading_day"] {
            assert_eq!(after[key], before[key], "{key}");
        }
        assert_eq!(lasting(&after), lasting(&before));
    }
    assert_eq!(desk.system.stop(), 0);
    desk.run("verify-data", &["--quiet"], 0);
    desk.run("verify-data", &["--quiet", "--deep"], 0);
}

#[test]
fn a_shell_asks_by_failstop_gate() {
    let mut desk = Bookkeeper::new(&format!(
        "{GATE}[[component]]\nname = \"shell\"\norders = \"asks\"\nrestart = \"never\"\nessential = false\ncommand = [\"/bin/sh\", \"shell.sh\", \"{}\"]\n",
        failstop()
    ));
    let script = r#"
set -u
f=$1
# Nothing is allowed before the start-up checks are over.
until "$f" send permission > /dev/null; do sleep 0.05; done
"$f" send price source=a instrument=BTC/USDT last=1000 > out-1; echo $? > exit-1
"$f" gate client_id=s-1 instrument=BTC/USDT account=main side=buy quantity=0.10 > out-2; echo $? > exit-2
"$f" gate --format json --json '{"client_id":"s-2","instrument":"BTC/USDT","account":"main","side":"sell","quantity":"900"}' > out-3; echo $? > exit-3
"$f" gate client_id=s-3 > out-4 2>&1; echo $? > exit-4
"$f" send rate bucket=copies cost=11 > out-5; echo $? > exit-5
FAILSTOP_SOCKET=/nonexistent "$f" gate client_id=s-4 instrument=B account=m side=buy quantity=1 > out-6 2>&1; echo $? > exit-6
# In `dry`, with what must go to the exchange.
"$f" gate client_id=s-5 instrument=BTC/USDT account=main side=buy quantity=0.10 live=true > out-7; echo $? > exit-7
# An answer that nobody can read.
"$f" gate client_id=s-6 instrument=BTC/USDT account=main side=buy quantity=0.10 price=990 > /dev/full 2> out-8; echo $? > exit-8
mv exit-6 exit-last
sleep 3600
"#;
    fs::write(desk.system.path("shell.sh"), script).unwrap();
    desk.system.start();
    desk.system.wait_file("exit-last");
    let read = |name: &str| fs::read_to_string(desk.system.path(name)).unwrap();
    let exits: Vec<String> = ["exit-1", "exit-2", "exit-3", "exit-4", "exit-5", "exit-7", "exit-8", "exit-last"]
        .map(|name| read(name).trim().to_owned())
        .to_vec();
    let all = (1..=8).map(|number| read(&format!("out-{number}"))).collect::<Vec<_>>().join("---\n");
    assert_eq!(exits, ["0", "0", "1", "2", "1", "1", "3", "3"], "{all}");
    // It was allowed, and whoever asked does not know: it is said not to be sent.
    desk.system.wait_record(1, "gate.allowed", |body| body["order"]["client_id"] == "s-6");
    desk.system.wait_record(1, "gate.outcome", |body| body["client_id"] == "s-6" && body["outcome"] == "not-sent");
    assert!(read("out-2").starts_with("allowed: dry, filled on paper: 0.10 at 1000.00"), "{all}");
    let refused: Value = serde_json::from_str(&read("out-3")).unwrap();
    assert_eq!(refused["allow"], false, "{all}");
    // Whoever is no component's process asks in vain.
    let socket = desk.system.path("run/bot.sock");
    let outside = Command::new(failstop())
        .args(["gate", "client_id=x", "instrument=BTC/USDT", "account=main", "side=buy", "quantity=1"])
        .env("FAILSTOP_SOCKET", socket)
        .output()
        .unwrap();
    assert_eq!(outside.status.code(), Some(1), "{}", String::from_utf8_lossy(&outside.stderr));
    assert_eq!(desk.system.stop(), 0);
}
