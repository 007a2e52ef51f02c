//! What the gate and the books make of the same words on a bad day: taken by one and not understood by the other, or not read any more.

use crate::gate::{GATE, codes, fill, live, live_before_capital, order, price, result, with};
use crate::system::{has_halt, signal};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_trade_that_only_the_books_take_makes_the_position_unknown() {
    let mut desk = live("");
    assert_eq!(desk.say(&order("o-1", "buy", "0.5"))["allow"], true);
    // A trade at nothing is one for the books; the gate has no worth for it.
    desk.booked(&fill("t-1", "o-1", "buy", "0.5", "0"));
    assert_eq!(codes(&desk.say(&order("o-2", "buy", "0.1"))), ["MISSING_POSITION"]);
    let exit = with(order("o-3", "sell", "0.1"), "reduce_only", json!(true));
    assert!(codes(&desk.say(&exit)).contains(&"REDUCE_ONLY"));
    // Over a crash, too.
    signal(desk.system.engine_pid(), libc::SIGKILL);
    assert_eq!(desk.system.wait_end(), 7);
    desk.system.start();
    desk.system.wait_status("the bot", |status| status["components"][0]["ready"] == true);
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    assert!(codes(&desk.say(&order("o-4", "buy", "0.1"))).contains(&"MISSING_POSITION"));
    desk.booked(&json!({ "type": "position", "account": "main", "instrument": "BTC/USDT", "quantity": "0.5" }));
    assert!(!codes(&desk.say(&order("o-5", "buy", "0.1"))).contains(&"MISSING_POSITION"));
    desk.system.stop();
}

#[test]
fn a_configuration_that_has_the_gate_forget_something_of_today_halts() {
    let mut desk = live("");
    assert_eq!(desk.say(&order("o-1", "buy", "0.5"))["allow"], true);
    desk.booked(&result("o-1", "rejected"));
    desk.system.stop();
    let path = desk.system.path("failstop.toml");
    let text = fs::read_to_string(&path).unwrap();
    // What was worth 500.50 cannot be counted in whole units.
    fs::write(&path, text.replace("[gate]\n", "[gate]\nmoney_scale = 0\n")).unwrap();
    desk.system.start();
    let status = desk.system.wait_status("the halt", |status| has_halt(status, "integrity"));
    let evidence = status["halts"][0]["evidence"].as_str().unwrap();
    assert!(evidence.contains("of this trading day do not fit"), "{evidence}");
    let name = desk.system.name.clone();
    desk.run("resume", &["--reason", "we know", "--confirm", &name], 0);
    desk.system.wait_active();
    desk.system.stop();
}

#[test]
fn fees_and_funding_count_in_the_loss_of_the_day() {
    let books = "[[asset]]\nname = \"USDT\"\nscale = 2\n[[pool]]\nname = \"main\"\n";
    let mut desk = live_before_capital(&format!("{GATE}{books}"));
    let legs = |account: &str, amount: &str, back: &str| {
        json!([{ "asset": "USDT", "account": "main", "pool": "main", "amount": back },
               { "asset": "USDT", "account": account, "amount": amount }])
    };
    let posting = |reference: &str, legs: Value| json!({ "type": "posting", "ref": reference, "legs": legs });
    desk.booked(&posting("p-1", legs("venue", "-10000.00", "10000.00")));
    desk.booked(&json!({ "type": "capital", "account": "main", "asset": "USDT", "total": "10000", "free": "10000", "locked": "0" }));
    assert_eq!(desk.say(&order("o-1", "buy", "0.5"))["allow"], true);
    // At the mark, so that the fee alone is lost.
    desk.booked(&with(fill("t-1", "o-1", "buy", "0.5", "1000"), "legs", legs("fees", "1.50", "-1.50")));
    desk.booked(&posting("p-2", legs("funding", "0.25", "-0.25")));
    desk.booked(&posting("p-3", legs("funding", "-0.05", "0.05")));
    let result =
        |desk: &crate::bookkeeper::Bookkeeper| desk.system.status().unwrap()["gate"]["results"][0]["result"].clone();
    assert_eq!(result(&desk), "-1.70");
    signal(desk.system.engine_pid(), libc::SIGKILL);
    assert_eq!(desk.system.wait_end(), 7);
    desk.system.start();
    desk.system.wait_status("the bot", |status| status["components"][0]["ready"] == true);
    assert_eq!(desk.say(&price("999", "1001"))["ok"], true);
    assert_eq!(result(&desk), "-1.70", "over a crash, too");
    desk.system.stop();
}
