//! Capital, positions, statements, strategies: every rule kept and broken, with the exact difference.

use crate::folding::{Folding, NOW, posting};
use failstop_journal::Wall;
use failstop_journal::ledger::{Check, Entry, LEGS_MAX, Outside};

fn funded() -> Folding {
    let mut folding = Folding::declared();
    folding.good("ledger.posted", &posting("deposit", &["USDT binance/main 100.00", "USDT venue -100.00"]));
    folding.good("ledger.posted", &posting("allot", &["USDT binance/main -40", "USDT binance/grid 40"]));
    folding
}

#[test]
fn what_is_posted_moves_balances_and_sums_to_nothing() {
    let mut folding = funded();
    folding.good(
        "ledger.posted",
        &posting(
            "buy",
            &[
                "USDT binance/grid -30.10",
                "USDT venue 30",
                "USDT fees 0.10",
                "BTC binance/grid 0.001",
                "BTC venue -0.001",
            ],
        ),
    );
    assert_eq!(folding.balance("binance", "USDT"), "69.90");
    assert_eq!(folding.balance("binance", "BTC"), "0.00100000");
    assert_eq!(folding.book.pool("grid", "USDT").unwrap().to_string(), "9.90");
    assert_eq!(folding.book.outside(Outside::Fees, "USDT").unwrap().to_string(), "0.10");
    assert_eq!(folding.book.reconcile(), []);
}

#[test]
fn a_posting_that_breaks_a_rule_is_told_by_how_much() {
    let mut folding = funded();
    let posted = "ledger.posted";
    folding.bad(
        posted,
        &posting("a", &["USDT binance/main 5.00", "USDT venue -4.99"]),
        Check::PostingSum,
        Some("0.01"),
    );
    folding.bad(posted, &posting("b", &["USDT binance/main 5.00", "BTC venue -5.00"]), Check::PostingSum, Some("5.00"));
    folding.bad(
        posted,
        &posting("c", &["USDT binance/grid -40.01", "USDT venue 40.01"]),
        Check::Negative,
        Some("-0.01"),
    );
    folding.bad(
        posted,
        &posting("d", &["USDT margin/main -60.01", "USDT venue 60.01"]),
        Check::Allocation,
        Some("-0.01"),
    );
    folding.bad(posted, &posting("e", &["USDT kraken/main 1", "USDT venue -1"]), Check::Undeclared, None);
    folding.bad(posted, &posting("f", &["EUR binance/main 1", "EUR venue -1"]), Check::Undeclared, None);
    folding.bad(posted, &posting("g", &["USDT binance/other 1", "USDT venue -1"]), Check::Undeclared, None);
    folding.bad(posted, &posting("h", &["USDT binance 1", "USDT venue -1"]), Check::Undeclared, None);
    folding.bad(posted, &posting("i", &["USDT binance/main 1", "USDT venue/main -1"]), Check::Undeclared, None);
    for digits in ["1.001", "1e2", "", "-0", "01", "1,0", "NaN"] {
        folding.bad(
            posted,
            &posting("j", &[&format!("USDT binance/main {digits}"), "USDT venue -1"]),
            Check::Amount,
            None,
        );
    }
    let most = "1701411834604692317316873037158841057.27";
    let beyond = posting("k", &[&format!("USDT binance/main {most}"), &format!("USDT venue -{most}")]);
    folding.bad(posted, &beyond, Check::Overflow, None);
    folding.bad(posted, &posting("l", &["USDT binance/main 9e99"]), Check::Amount, None);
    folding.bad(posted, &posting("m", &[]), Check::PostingSum, None);
    folding.bad(posted, &posting("n", &vec!["USDT venue 0"; LEGS_MAX + 1]), Check::Bound, None);
    folding.bad(posted, &posting("", &["USDT venue 0"]), Check::Bound, None);
}

#[test]
fn a_debt_may_shrink_and_may_stand_where_it_is_allowed() {
    let mut folding = Folding::declared();
    folding.good("ledger.posted", &posting("loan", &["USDT margin/trend -10", "USDT venue 10"]));
    folding.good("ledger.posted", &posting("pay", &["USDT margin/trend 4", "USDT venue -4"]));
    assert_eq!(folding.balance("margin", "USDT"), "-6.00");
    // From here on it would be forbidden, so it cannot be declared so.
    let no_debts = r#"{"name":"margin","negative":false}"#;
    folding.bad("ledger.account", no_debts, Check::Negative, Some("-6.00"));
    folding.good("ledger.posted", &posting("rest", &["USDT margin/trend 6", "USDT venue -6"]));
    folding.good("ledger.account", no_debts);
}

#[test]
fn an_outside_id_books_once() {
    let mut folding = funded();
    let payload = posting("deposit", &["USDT binance/main 100.00", "USDT venue -100.00"]);
    folding.already("ledger.posted", &payload, Some(10));
    folding.bad("ledger.posted", &payload.replace("100.00", "100.01"), Check::IdReused, None);
    // The same text as the id of another kind of thing is another thing.
    let fill = r#"{"id":"deposit","account":"binance","instrument":"BTC-PERP","side":"buy","quantity":"0.5","price":"60000.5"}"#;
    folding.good("ledger.fill", fill);
    folding.already("ledger.fill", fill, Some(12));
    folding.bad("ledger.fill", &fill.replace("buy", "sell"), Check::IdReused, None);
}

#[test]
fn declarations_change_what_may_change() {
    let mut folding = funded();
    folding.already("ledger.asset", r#"{"name":"USDT","scale":2,"tolerance":"0.05","negative":false}"#, None);
    folding.good("ledger.asset", r#"{"name":"USDT","scale":2,"tolerance":"1.00","negative":true}"#);
    folding.bad(
        "ledger.asset",
        r#"{"name":"USDT","scale":3,"tolerance":"0","negative":true}"#,
        Check::Declaration,
        None,
    );
    folding.bad("ledger.asset", r#"{"name":"X","scale":19,"tolerance":"0","negative":true}"#, Check::Declaration, None);
    folding.bad("ledger.asset", r#"{"name":"X","scale":2,"tolerance":"-1","negative":true}"#, Check::Declaration, None);
    folding.bad("ledger.asset", r#"{"name":"","scale":2,"tolerance":"1","negative":true}"#, Check::Declaration, None);
    folding.bad("ledger.account", r#"{"name":"suspense","negative":true}"#, Check::Declaration, None);
    folding.bad("ledger.pool", r#"{"name":"new","within":"nowhere"}"#, Check::Undeclared, None);
    folding.bad("ledger.pool", r#"{"name":"main","within":"grid"}"#, Check::Declaration, None);
    folding.bad(
        "ledger.instrument",
        r#"{"name":"BTC-PERP","quantity_scale":4,"price_scale":1}"#,
        Check::Declaration,
        None,
    );
    folding.good("ledger.pool", r#"{"name":"grid"}"#);
}

#[test]
fn positions_are_the_sum_of_their_fills() {
    let mut folding = funded();
    let fill = |id: &str, side: &str, quantity: &str| {
        format!(
            r#"{{"id":"{id}","account":"binance","instrument":"BTC-PERP","side":"{side}","quantity":"{quantity}","price":"1"}}"#
        )
    };
    let position =
        |quantity: &str| format!(r#"{{"account":"binance","instrument":"BTC-PERP","quantity":"{quantity}"}}"#);
    folding.good("ledger.fill", &fill("1", "buy", "0.500"));
    folding.good("ledger.fill", &fill("2", "sell", "0.7"));
    folding.good("ledger.position", &position("-0.2"));
    folding.bad("ledger.position", &position("-0.199"), Check::Position, Some("0.001"));
    folding.bad("ledger.fill", &fill("3", "buy", "0"), Check::Amount, None);
    folding.bad("ledger.fill", &fill("3", "buy", "-1"), Check::Amount, None);
    folding.bad("ledger.fill", &fill("3", "buy", "0.0001"), Check::Amount, None);
    let opening = r#"{"account":"margin","instrument":"BTC-PERP","quantity":"5","opening":true}"#;
    folding.good("ledger.position", opening);
    assert_eq!(folding.book.position("margin", "BTC-PERP").unwrap().to_string(), "5.000");
    folding.bad("ledger.position", opening, Check::Position, None);
    // A fill with legs is one record: both or neither.
    let both = r#"{"id":"4","account":"binance","instrument":"BTC-PERP","side":"buy","quantity":"0.2","price":"1","legs":[{"asset":"USDT","account":"binance","pool":"grid","amount":"-0.01"},{"asset":"USDT","account":"fees","amount":"0.01"}]}"#;
    folding.bad("ledger.fill", &both.replace("\"0.01\"", "\"0.02\""), Check::PostingSum, Some("0.01"));
    folding.good("ledger.fill", both);
    assert_eq!(folding.book.position("binance", "BTC-PERP").unwrap().to_string(), "0.000");
    assert_eq!(folding.balance("binance", "USDT"), "99.99");
}

#[test]
fn what_a_bot_sees_adds_up() {
    let mut folding = funded();
    let capital = |total: &str, free: &str, locked: &str| {
        format!(r#"{{"account":"binance","asset":"USDT","total":"{total}","free":"{free}","locked":"{locked}"}}"#)
    };
    folding.good("ledger.capital", &capital("100", "60.5", "39.5"));
    folding.bad("ledger.capital", &capital("100", "60.5", "39.49"), Check::FreeLocked, Some("-0.01"));
    folding.bad("ledger.capital", &capital("100", "100.01", "-0.01"), Check::Negative, Some("-0.01"));
}

#[test]
fn a_refused_report_of_capital_stands_until_one_of_the_same_balance_agrees() {
    let mut folding = funded();
    let report = |total: &str| {
        format!(r#"{{"account":"binance","asset":"USDT","total":"{total}","free":"{total}","locked":"0"}}"#)
    };
    // Compared as the statement that it is, and refused under its own type.
    let violation = failstop_journal::ledger::Violation {
        check: Check::Statement,
        subject: "capital binance USDT".to_owned(),
        difference: Some("0.06".to_owned()),
        detail: "0.06 apart".to_owned(),
    };
    let refuse = |folding: &mut Folding| {
        let entry = Entry::parse("ledger.capital", &report("100.06")).unwrap().unwrap();
        let refusal = failstop_journal::ledger::Book::refusal(&entry, Some("bot"), violation.clone());
        folding.good(refusal.kind(), &refusal.payload());
        assert_eq!(folding.book.reconcile(), std::slice::from_ref(&violation));
    };
    refuse(&mut folding);
    folding.good("ledger.capital", &report("100.00"));
    assert_eq!(folding.book.reconcile(), []);
    refuse(&mut folding);
    let statement = r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"100"}],"source":"x"}"#;
    folding.good("ledger.statement", statement);
    assert_eq!(folding.book.reconcile(), []);
}

#[test]
fn a_statement_within_tolerance_agrees_and_another_stands_until_one_does() {
    let mut folding = funded();
    let statement = |id: &str, total: &str, complete: bool| {
        format!(
            r#"{{"id":"{id}","account":"binance","balances":[{{"asset":"USDT","total":"{total}"}}],"complete":{complete},"source":"day.csv"}}"#
        )
    };
    folding.good("ledger.statement", &statement("s1", "100.05", true));
    folding.good("ledger.statement", &statement("s2", "99.95", false));
    let off = statement("s3", "100.06", false);
    let violation = folding.bad("ledger.statement", &off, Check::Statement, Some("0.06"));
    let entry = Entry::parse("ledger.statement", &off).unwrap().unwrap();
    let refusal = failstop_journal::ledger::Book::refusal(&entry, None, violation.clone());
    folding.good(refusal.kind(), &refusal.payload());
    assert_eq!(folding.book.discrepancies().map(|standing| standing.seq).collect::<Vec<_>>(), [folding.seq]);
    assert_eq!(folding.book.reconcile(), [violation]);
    // What a complete statement does not name is nothing.
    let nothing = r#"{"id":"s4","account":"binance","balances":[],"complete":true,"source":"x"}"#;
    folding.bad("ledger.statement", nothing, Check::Statement, Some("-100.00"));
    folding.bad(
        "ledger.statement",
        r#"{"id":"s5","account":"binance","balances":[],"positions":[{"instrument":"BTC-PERP","quantity":"1"}],"source":"x"}"#,
        Check::Statement,
        Some("1.000"),
    );
    folding.good("ledger.posted", &posting("found", &["USDT binance/main 0.06", "USDT suspense -0.06"]));
    folding.good("ledger.statement", &off);
    assert_eq!(folding.book.reconcile(), []);
    // The suspense must be explained some day.
    let hour = 3_600_000_000_000;
    assert_eq!(folding.book.old_suspense(folding.now(), 24 * hour), []);
    let later = Wall(NOW + 25 * hour);
    assert_eq!(folding.book.old_suspense(later, 24 * hour)[0].difference.as_deref(), Some("-0.06"));
    folding.good("ledger.posted", &posting("explained", &["USDT suspense 0.06", "USDT fees -0.06"]));
    assert_eq!(folding.book.old_suspense(later, 24 * hour), []);
}

#[test]
fn strategies_go_only_where_they_declared() {
    let mut folding = Folding::declared();
    let to = |to: &str| format!(r#"{{"strategy":"grid","to":"{to}"}}"#);
    folding.bad("strategy.state", &to("in"), Check::StrategyState, None);
    folding.bad("strategy.state", &to("nowhere"), Check::StrategyState, None);
    folding.bad("strategy.state", r#"{"strategy":"other","to":"in"}"#, Check::StrategyState, None);
    folding.good("strategy.state", &to("entering"));
    folding.bad("strategy.state", r#"{"strategy":"grid","from":"idle","to":"in"}"#, Check::StrategyState, None);
    folding.good("strategy.state", r#"{"strategy":"grid","from":"entering","to":"in"}"#);
    assert_eq!(folding.book.state("grid", ""), Some("in"));
    // Instances are apart, and a named one that ends makes room.
    let instance = |to: &str| format!(r#"{{"strategy":"grid","instance":"a","to":"{to}"}}"#);
    for state in ["entering", "in", "closed", "entering"] {
        folding.good("strategy.state", &instance(state));
    }
    // Nobody may be left without a place by a new declaration.
    let fewer = r#"{"name":"grid","states":["idle","entering"],"initial":"idle","transitions":[{"from":"idle","to":"entering"}]}"#;
    folding.bad("strategy.declared", fewer, Check::StrategyState, None);
    for (broken, why) in [
        (r#"{"name":"x","states":["a","a"],"initial":"a","transitions":[]}"#, "twice"),
        (r#"{"name":"x","states":["a"],"initial":"b","transitions":[]}"#, "initial"),
        (r#"{"name":"x","states":["a"],"initial":"a","transitions":[{"from":"a","to":"b"}]}"#, "transition"),
        (r#"{"name":"x","states":["a"],"initial":"a","transitions":[],"final":["b"]}"#, "final"),
    ] {
        println!("{why}");
        folding.bad("strategy.declared", broken, Check::Declaration, None);
    }
}
