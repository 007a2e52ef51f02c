//! Money, positions, states and orders as a bot, a venue and an operator tell of them: booked once, over a crash too; and what does
//! not add up stops trading at once.

use crate::bookkeeper::{Bookkeeper, MONEY};
use crate::receiver::{Answers, Receiver};
use crate::system::signal;
use failstop_journal::{Disk, Importance, Settings, Wall, recover};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn leg(asset: &str, account: &str, pool: Option<&str>, amount: &str) -> Value {
    match pool {
        Some(pool) => json!({ "asset": asset, "account": account, "pool": pool, "amount": amount }),
        None => json!({ "asset": asset, "account": account, "amount": amount }),
    }
}

fn deposit(reference: &str, amount: &str, back: &str) -> Value {
    json!({ "type": "posting", "ref": reference, "reason": "deposit",
            "legs": [leg("USDT", "kraken", Some("main"), amount), leg("USDT", "venue", None, back)] })
}

fn capital(asset: &str, total: &str, free: &str, locked: &str) -> Value {
    json!({ "type": "capital", "account": "kraken", "asset": asset, "total": total, "free": free, "locked": locked })
}

/// A day of a small bot: a deposit, an allocation, a fill with its fee, what it sees, a transition.
fn a_day(desk: &mut Bookkeeper) -> u64 {
    desk.booked(&deposit("d-1", "1000.00", "-1000.00"));
    desk.booked(&json!({ "type": "posting", "ref": "a-1", "legs": [
        leg("USDT", "kraken", Some("main"), "-400"), leg("USDT", "kraken", Some("grid"), "400")] }));
    let fill = desk.booked(&json!({ "type": "fill", "ref": "t-1", "account": "kraken", "instrument": "BTC/USDT",
        "side": "buy", "quantity": "0.005", "price": "64000.00", "legs": [
        leg("USDT", "kraken", Some("grid"), "-320.83"), leg("USDT", "venue", None, "320"), leg("USDT", "fees", None, "0.83"),
        leg("BTC", "kraken", Some("grid"), "0.005"), leg("BTC", "venue", None, "-0.005")] }));
    desk.booked(&capital("USDT", "679.17", "600", "79.17"));
    desk.booked(&capital("BTC", "0.005", "0.005", "0"));
    desk.booked(&json!({ "type": "position", "account": "kraken", "instrument": "BTC/USDT", "quantity": "0.005" }));
    desk.booked(&json!({ "type": "strategy_state", "strategy": "grid", "from": "idle", "to": "holding" }));
    fill
}

/// What the last snapshot says of money, positions and states.
fn shown(desk: &Bookkeeper) -> Vec<Value> {
    let text = desk.run("snapshot show", &["--format", "json"], 0);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kinds = ["asset", "holding", "position", "strategy.state", "capital"];
    lines.filter(|line| kinds.iter().any(|kind| line["k"] == *kind)).collect()
}

#[test]
fn a_day_is_booked_once_and_survives_a_crash() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    let fill = a_day(&mut desk);
    desk.run("snapshot take", &["--reason", "end of the day"], 0);
    let before = shown(&desk);
    assert!(before.iter().any(|line| line["k"] == "holding" && line["amount"] == "0.00500000"), "{before:#?}");
    assert!(before.iter().any(|line| line["k"] == "asset" && line["accounts"] == "679.17"), "{before:#?}");
    signal(desk.system.engine_pid(), libc::SIGKILL);
    assert_eq!(desk.system.wait_end(), 7);
    desk.system.start();
    desk.system.wait_active();
    // Said again after the crash, it is known: by the same record, and nothing is booked twice.
    let again = desk.say(&deposit("d-1", "1000.00", "-1000.00"));
    assert_eq!((&again["ok"], &again["already"]), (&json!(true), &json!(true)), "{again}");
    let known = desk.system.wait_record(again["seq"].as_u64().unwrap(), "ledger.posted", |body| body["id"] == "d-1");
    assert_eq!(known["seq"], again["seq"]);
    assert!(again["seq"].as_u64().unwrap() < fill);
    desk.run("snapshot take", &[], 0);
    assert_eq!(shown(&desk), before, "the same book");
    let checked =
        desk.run("check", &["--offline", "--only", "capital", "--only", "strategies", "--only", "snapshots"], 0);
    assert!(checked.contains("2 assets in 1 account"), "{checked}");
    assert_eq!(desk.system.stop(), 0);
    // Without an engine, too.
    desk.run("check", &["--offline", "--only", "capital", "--only", "snapshots"], 0);
    desk.run("verify-data", &["--quiet"], 0);
}

#[test]
fn a_posting_that_does_not_sum_halts_and_people_are_told() {
    let receiver = Receiver::start(Answers::Takes);
    let hook = "[alerts]\nchannels = [\"webhook\"]\n[alerts.webhook]\nurl = { file = \"hook-url\" }\nsecret = { file = \"hook-secret\" }\n";
    let mut desk = Bookkeeper::new(&format!("{MONEY}{hook}"));
    for (name, text) in
        [("hook-url", receiver.url().as_str()), ("hook-secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    {
        fs::write(desk.system.path(name), text).unwrap();
        fs::set_permissions(desk.system.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    desk.system.start();
    desk.system.wait_active();
    desk.booked(&deposit("d-1", "10", "-10"));
    let refused = desk.say(&deposit("d-2", "5.00", "-4.99"));
    assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!("VIOLATION")));
    assert!(refused["error"].as_str().unwrap().contains("the legs sum to 0.01"), "{refused}");
    let status = desk.system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    assert_eq!(status["halts"][0]["cause"], "failsafe");
    let evidence = status["halts"][0]["evidence"].as_str().unwrap();
    assert!(evidence.contains("ledger.posted d-2 of bot") && evidence.contains("difference 0.01"), "{evidence}");
    let recorded = desk.system.wait_record(1, "ledger.violation", |body| body["id"] == "d-2");
    assert_eq!(recorded["b"]["violation"]["check"], "posting-sum");
    let told = receiver.wait_taken("failsafe", "trigger");
    assert_eq!(told.text("severity"), "critical");
    assert!(told.text("message").contains("the legs sum to 0.01"), "{told:#?}");
    // The book is as before, so that an operator who understands it may go on.
    let name = desk.system.name.clone();
    desk.run("resume", &["--reason", "the bot's rounding is mended", "--confirm", &name], 0);
    desk.system.wait_active();
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn what_is_not_configured_halts_nothing_and_what_is_malformed_changes_nothing() {
    let mut desk = Bookkeeper::new("");
    desk.system.start();
    desk.system.wait_active();
    let refused = desk.say(&deposit("d-1", "5", "-5"));
    assert_eq!(refused["code"], "NOT_CONFIGURED", "{refused}");
    let refused = desk.say(&capital("USDT", "5", "5", "0"));
    assert_eq!(refused["code"], "NOT_CONFIGURED", "{refused}");
    let refused = desk.say(&json!({ "type": "strategy_state", "strategy": "grid", "to": "holding" }));
    assert_eq!(refused["code"], "NOT_CONFIGURED", "{refused}");
    let number =
        json!({ "type": "posting", "ref": "x", "legs": [{ "asset": "USDT", "account": "venue", "amount": 5 }] });
    let refused = desk.say(&number);
    assert!(refused["code"] == "BAD_FIELD" && refused["error"].as_str().unwrap().starts_with("`amount`"), "{refused}");
    assert_eq!(desk.system.status().unwrap()["permission"], "active");
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_transition_that_is_not_declared_is_an_integrity_halt() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    desk.booked(&json!({ "type": "strategy_state", "strategy": "grid", "to": "holding" }));
    let refused = desk.say(&json!({ "type": "strategy_state", "strategy": "grid", "to": "holding" }));
    assert_eq!(refused["code"], "VIOLATION", "{refused}");
    let status = desk.system.wait_status("halted", |status| status["permission"] == "observe-only");
    assert_eq!(status["halts"][0]["cause"], "integrity", "{status:#}");
    let name = desk.system.name.clone();
    desk.run("resume", &["--reason", "known bug", "--confirm", &name], 0);
    desk.system.wait_active();
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_report_that_differs_holds_until_one_agrees() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    desk.booked(&deposit("d-1", "10", "-10"));
    desk.booked(&capital("USDT", "10.05", "10.05", "0"));
    let refused = desk.say(&capital("USDT", "10.06", "10.06", "0"));
    assert!(refused["code"] == "VIOLATION" && refused["error"].as_str().unwrap().contains("0.06 apart"), "{refused}");
    desk.system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    let name = desk.system.name.clone();
    let refused = desk.run("resume", &["--reason", "looks fine", "--confirm", &name], 1);
    assert!(refused.contains("capital kraken USDT"), "{refused}");
    // The bot is stopped in shutdown; an operator brings the venue's word.
    fs::write(desk.system.path("venue.csv"), "account,asset,total\nkraken,USDT,10.00\n").unwrap();
    let said = desk.run("import", &["venue.csv"], 0);
    assert!(said.starts_with("account kraken: agrees with the book (record "), "{said}");
    let again = desk.run("import", &["venue.csv"], 0);
    assert!(again.starts_with("account kraken: known already"), "{again}");
    desk.run("resume", &["--reason", "the venue agrees", "--confirm", &name], 0);
    desk.system.wait_active();
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_statement_is_compared_and_a_difference_is_found_at_the_next_start_too() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    desk.booked(&deposit("d-1", "10", "-10"));
    fs::write(desk.system.path("slip.csv"), "account,asset,total\nkraken,EUR,1\n").unwrap();
    let slip = desk.run("import", &["slip.csv"], 1);
    assert!(slip.contains("no such asset") && desk.causes().is_empty(), "a slip halts nothing: {slip}");
    fs::write(desk.system.path("bad.csv"), "total\n1\n").unwrap();
    desk.run("import", &["bad.csv"], 2);
    fs::write(desk.system.path("venue.json"), r#"{"account":"kraken","balances":[{"asset":"USDT","total":"9.90"}]}"#)
        .unwrap();
    let differs = desk.run("import", &["venue.json"], 1);
    assert!(differs.contains("-0.10 apart, tolerance 0.05"), "{differs}");
    desk.system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    assert_eq!(desk.system.stop(), 5);
    let checked = desk.run("check", &["--offline", "--only", "capital"], 1);
    assert!(checked.contains("-0.10 apart"), "{checked}");
    desk.system.start();
    let status = desk.system.wait_status("the halt, after the checks", |status| {
        let causes: Vec<&str> =
            status["halts"].as_array().unwrap().iter().filter_map(|halt| halt["cause"].as_str()).collect();
        causes == ["failsafe"]
    });
    assert_eq!(status["books"]["discrepancies"].as_array().unwrap().len(), 1, "{status:#}");
    // What was missing is explained, and the venue agrees with that.
    fs::write(desk.system.path("late.csv"), "asset,total\nUSDT,10.00\n").unwrap();
    desk.run("import", &["late.csv", "--account", "kraken"], 0);
    let name = desk.system.name.clone();
    desk.run("resume", &["--reason", "the statement was of yesterday", "--confirm", &name], 0);
    desk.system.wait_active();
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn the_same_file_is_compared_with_the_book_as_it_is_each_time() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    desk.booked(&deposit("d-1", "10", "-10"));
    fs::write(desk.system.path("venue.csv"), "account,asset,total\nkraken,USDT,10.00\n").unwrap();
    let import = |desk: &Bookkeeper, status| desk.run("import", &["venue.csv"], status);
    assert!(import(&desk, 0).contains("agrees with the book (record "));
    assert!(import(&desk, 0).contains("known already"));
    // Stated of another morning it is another statement, and agrees as well.
    for of in ["2026-11-06T06:15:00Z", "2026-11-07T06:15:00Z"] {
        let said = desk.run("import", &["venue.csv", "--as-of", of], 0);
        assert!(said.contains("agrees with the book (record "), "{said}");
    }
    desk.booked(&deposit("d-2", "5", "-5"));
    let differs = import(&desk, 1);
    assert!(differs.contains("-5.00 apart"), "{differs}");
    let status = desk.system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    assert_eq!(status["halts"][0]["cause"], "failsafe", "{status:#}");
    let name = desk.system.name.clone();
    let resume = |desk: &Bookkeeper, status| {
        desk.run("resume", &["--reason", "the transfer came back", "--confirm", &name], status)
    };
    assert!(resume(&desk, 1).contains("statement kraken"));
    // It is found at the next start, too; until the file agrees, which is on record then.
    assert_eq!(desk.system.stop(), 5);
    append(
        &desk,
        &[(
            "ledger.posted",
            json!({ "id": "d-3", "legs": [leg("USDT", "kraken", Some("main"), "-5"), leg("USDT", "venue", None, "5")] }),
        )],
    );
    desk.system.start();
    desk.system.wait_status("the halt", |status| status["books"]["discrepancies"].as_array().unwrap().len() == 1);
    assert!(import(&desk, 0).contains("agrees with the book (record "));
    resume(&desk, 0);
    desk.system.wait_active();
    assert!(import(&desk, 0).contains("known already"));
    assert_eq!(desk.system.stop(), 0);
    desk.run("verify-data", &["--deep", "--strict", "--quiet"], 0);
}

#[test]
fn a_book_that_is_wrong_is_corrected_by_the_venues_true_statement() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    desk.booked(&deposit("d-1", "10", "-10"));
    // A deposit of 5 that nobody posted.
    assert_eq!(desk.say(&capital("USDT", "15.00", "15.00", "0"))["code"], "VIOLATION");
    desk.system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    fs::write(desk.system.path("venue.csv"), "account,asset,total\nkraken,USDT,15.00\n").unwrap();
    let name = desk.system.name.clone();
    let resume = |desk: &Bookkeeper, status| {
        desk.run("resume", &["--reason", "agrees with the venue again", "--confirm", &name], status)
    };
    assert!(desk.run("import", &["venue.csv"], 1).contains("5.00 apart"));
    assert!(resume(&desk, 1).contains("5.00"));
    assert_eq!(desk.causes(), ["failsafe"], "the journal is well: no integrity halt for asking");
    desk.run("import", &["venue.csv", "--correct"], 2);
    let correct = ["venue.csv", "--correct", "--reason", "a deposit nobody posted"];
    let said = desk.run("import", &correct, 0);
    assert!(said.contains("corrected USDT +5.00 against suspense, agrees with the book (record "), "{said}");
    resume(&desk, 0);
    desk.system.wait_active();
    assert!(desk.run("import", &correct, 0).contains("known already"), "nothing is left to correct");
    let posted = desk.system.wait_record(1, "ledger.posted", |body| body["reason"].is_string() && body["id"] != "d-1");
    let reason = posted["b"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("a deposit nobody posted (by ") && posted["b"]["legs"][1]["account"] == "suspense",
        "{posted}"
    );
    let given = desk.system.wait_record(1, "x.failstop.control", |body| body["control"] == "import correct");
    assert_eq!(given["b"]["reason"], "a deposit nobody posted");
    desk.system.wait_record(1, "x.failstop.control_declined", |body| body["control"] == "resume");
    assert_eq!(desk.system.stop(), 0);
    desk.run("verify-data", &["--deep", "--strict", "--quiet"], 0);
    desk.run("check", &["--offline", "--only", "capital"], 0);
}

/// Appends records to the journal of a system that is stopped, as a bot of a later version would have.
fn append(desk: &Bookkeeper, records: &[(&str, Value)]) {
    let settings = Settings::new(&desk.system.name, "another boot", "a test");
    let recovered = recover(Disk::new(desk.system.path("state")), settings, None).unwrap();
    let epoch = recovered.last_epoch() + 1;
    let mut journal = recovered.start(epoch, Wall::now()).unwrap();
    for (kind, payload) in records {
        journal.stage(Wall::now(), kind, &payload.to_string(), Importance::Ordinary).unwrap();
    }
    journal.commit().unwrap();
    journal.seal(Wall::now()).unwrap();
}

#[test]
fn orders_in_doubt_block_resume_until_each_is_resolved() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    assert_eq!(desk.run("orders list", &[], 0), "no open orders\n");
    assert_eq!(desk.system.stop(), 0);
    let intent = |id: &str| {
        json!({ "id": id, "component": "bot", "account": "kraken", "instrument": "BTC/USDT", "side": "buy",
                "quantity": "0.5", "price": "64000" })
    };
    append(
        &desk,
        &[
            ("order.intent", intent("o-1")),
            ("order.intent", intent("o-2")),
            ("order.intent", intent("o-3")),
            ("order.outcome", json!({ "id": "o-3", "outcome": "filled" })),
        ],
    );
    let listed = desk.run("orders list", &[], 0);
    assert!(listed.contains("in doubt (engine-gone)") && listed.contains("note: "), "{listed}");
    desk.system.start();
    let status = desk.system.wait_status("the halt", |status| status["books"]["orders_in_doubt"] == 2);
    assert_eq!(status["permission"], "observe-only");
    let halt =
        status["halts"].as_array().unwrap().iter().find(|halt| halt["cause"] == "orders-in-doubt").unwrap().clone();
    assert!(halt["evidence"].as_str().unwrap().contains("o-1 (engine-gone), o-2 (engine-gone)"), "{halt}");
    let name = desk.system.name.clone();
    let resume = |status| desk.run("resume", &["--reason", "asked the venue", "--confirm", &name], status);
    assert!(resume(1).contains("in doubt"));
    let unknown = desk.run("orders resolve", &["o-9", "--outcome", "filled", "--reason", "x"], 1);
    assert!(unknown.contains("no order with this id is open"), "{unknown}");
    let resolved = desk.run("orders resolve", &["o-1", "--outcome", "not-sent", "--reason", "not in the history"], 0);
    assert!(resolved.starts_with("order o-1 is resolved: not-sent"), "{resolved}");
    assert!(resume(1).contains("o-2"));
    fs::write(desk.system.path("orders.csv"), "order,outcome,reason\no-2,cancelled,seen at the venue\n").unwrap();
    desk.run("import", &["orders.csv"], 0);
    resume(0);
    desk.system.wait_active();
    let recorded = desk.system.wait_record(1, "order.resolved", |body| body["id"] == "o-2");
    assert_eq!((&recorded["b"]["by"], &recorded["b"]["reason"]), (&json!("import"), &json!("seen at the venue")));
    assert!(recorded["b"]["who"].as_str().unwrap().ends_with("from orders.csv"), "{recorded}");
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_scale_that_changed_is_no_start() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    assert_eq!(desk.system.stop(), 0);
    let path = desk.system.path("failstop.toml");
    let text = fs::read_to_string(&path).unwrap().replace("name = \"USDT\"\nscale = 2", "name = \"USDT\"\nscale = 4");
    fs::write(&path, text).unwrap();
    desk.run("check", &["--offline", "--only", "capital"], 1);
    desk.system.start_with(&[], &[]);
    assert_eq!(desk.system.wait_end(), 2);
    assert!(desk.system.log().contains("USDT: its scale is 2 and never changes"), "{}", desk.system.log());
}
