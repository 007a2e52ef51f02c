//! An operator's correction: afterwards book and venue agree, the difference stands in suspense, and what cannot be booked changes
//! nothing.

use crate::folding::{Folding, posting};
use failstop_journal::ledger::{Check, Correcting, Correction, Entry, Outside, Statement, Violation};

const SAID: &str = "a fill was missed (by ana (1000))";

fn funded() -> Folding {
    let mut folding = Folding::declared();
    folding.good("ledger.posted", &posting("in", &["USDT binance/main 100.00", "USDT venue -100.00"]));
    folding.good("ledger.posted", &posting("btc", &["BTC binance/grid 0.5", "BTC venue -0.5"]));
    folding
}

fn statement(json: &str) -> Statement {
    let Ok(Some(Entry::Statement(statement))) = Entry::parse("ledger.statement", json) else { panic!("{json}") };
    statement
}

fn asked(folding: &Folding, json: &str, pool: Option<&str>) -> Result<Correction, Violation> {
    folding.book.correction(&statement(json), Correcting { pool, number: 7, said: SAID })
}

/// The correction is recorded, as the engine does, and then the statement.
#[track_caller]
fn corrected(folding: &mut Folding, json: &str, pool: Option<&str>) -> Vec<String> {
    let correction = asked(folding, json, pool).unwrap();
    for entry in &correction.entries {
        folding.good(entry.kind(), &entry.payload());
    }
    folding.good("ledger.statement", json);
    assert_eq!(folding.book.reconcile(), []);
    correction.differences
}

const OFF: &str = r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"87.50"},{"asset":"BTC","total":"0.75"}],"source":"f"}"#;

#[test]
fn what_differs_goes_to_suspense_and_book_and_venue_agree() {
    let mut folding = funded();
    assert_eq!(corrected(&mut folding, OFF, None), ["USDT -12.50", "BTC +0.25000000"]);
    assert_eq!(folding.balance("binance", "USDT"), "87.50");
    assert_eq!(folding.book.pool("grid", "BTC").unwrap().to_string(), "0.75000000", "where the asset is held");
    assert_eq!(folding.book.outside(Outside::Suspense, "USDT").unwrap().to_string(), "12.50");
    let old = folding.book.old_suspense(failstop_journal::Wall(u64::MAX), 0);
    assert_eq!(old.len(), 2, "watched until somebody explains them");
    let Entry::Posted(posted) = &asked(&funded(), OFF, None).unwrap().entries[0] else { panic!("no posting") };
    assert_eq!((posted.id.as_str(), posted.component.as_deref()), ("correction-7-binance-0", None));
    assert_eq!(posted.reason.as_deref(), Some("correction to statement s: a fill was missed (by ana (1000))"));
}

#[test]
fn a_discrepancy_that_stands_is_over_once_the_statement_is_recorded() {
    let mut folding = funded();
    let refused = r#"{"kind":"ledger.capital","violation":{"check":"statement","subject":"capital binance USDT","detail":"12.50 apart"}}"#;
    folding.good("ledger.violation", refused);
    assert_eq!(folding.book.reconcile().len(), 1);
    for entry in &asked(&folding, OFF, None).unwrap().entries {
        folding.good(entry.kind(), &entry.payload());
    }
    assert_eq!(folding.book.reconcile().len(), 1, "a posting alone ends nothing");
    folding.good("ledger.statement", OFF);
    assert_eq!(folding.book.reconcile(), []);
}

#[test]
fn a_position_that_stands_is_over_once_a_statement_that_names_it_or_is_complete_agrees() {
    let standing = |subject: &str, kind: &str, check: &str| {
        let violation = format!(r#"{{"check":"{check}","subject":"{subject}","detail":"apart"}}"#);
        format!(r#"{{"kind":"{kind}","violation":{violation}}}"#)
    };
    let of_position = |account: &str| standing(&format!("position {account} BTC-PERP"), "ledger.position", "position");
    let stated = |id: &str, positions: &str, complete: bool| {
        let balances = r#"[{"asset":"USDT","total":"100"},{"asset":"BTC","total":"0.5"}]"#;
        format!(
            r#"{{"id":"{id}","account":"binance","balances":{balances},"positions":[{positions}],"complete":{complete},"source":"f"}}"#
        )
    };
    let mut folding = funded();
    let subjects = |folding: &Folding| {
        folding.book.discrepancies().map(|standing| standing.violation.subject.clone()).collect::<Vec<_>>()
    };
    folding.good("ledger.violation", &of_position("binance"));
    folding.good("ledger.statement", &stated("s1", "", false));
    assert_eq!(subjects(&folding), ["position binance BTC-PERP"], "of that nothing was stated");
    folding.good("ledger.statement", &stated("s2", r#"{"instrument":"BTC-PERP","quantity":"0"}"#, false));
    assert_eq!(folding.book.reconcile(), []);
    // What a complete statement does not name is nothing, here and in the book.
    folding.good("ledger.asset", r#"{"name":"ETH","scale":8,"tolerance":"0","negative":false}"#);
    folding.good("ledger.violation", &of_position("binance"));
    folding.good("ledger.violation", &of_position("binance two"));
    folding.good("ledger.violation", &standing("capital binance ETH", "ledger.capital", "statement"));
    folding.good("ledger.violation", &standing("capital kraken USDT", "ledger.capital", "statement"));
    folding.good("ledger.statement", &stated("s3", "", true));
    assert_eq!(subjects(&folding), ["capital kraken USDT", "position binance two BTC-PERP"], "of other accounts");
}

#[test]
fn what_agrees_within_the_tolerance_is_left_alone() {
    let near = r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"99.95"}],"source":"f"}"#;
    assert_eq!(asked(&funded(), near, None), Ok(Correction::default()));
    let one = r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"99.95"},{"asset":"BTC","total":"0"}],"source":"f"}"#;
    assert_eq!(corrected(&mut funded(), one, None), ["BTC -0.50000000"]);
}

#[test]
fn a_complete_statement_says_that_the_rest_is_nothing() {
    let complete =
        r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"100"}],"complete":true,"source":"f"}"#;
    let mut folding = funded();
    assert_eq!(corrected(&mut folding, complete, None), ["BTC -0.50000000"]);
    assert_eq!(folding.balance("binance", "BTC"), "0.00000000");
}

#[test]
fn a_position_is_taken_over_as_stated_whatever_its_fills_sum_to() {
    let mut folding = funded();
    let fill = r#"{"id":"t-1","account":"binance","instrument":"BTC-PERP","side":"buy","quantity":"1.5","price":"10"}"#;
    folding.good("ledger.fill", fill);
    let stated = r#"{"id":"s","account":"binance","balances":[],"positions":[{"instrument":"BTC-PERP","quantity":"-2"}],"source":"f"}"#;
    assert_eq!(corrected(&mut folding, stated, None), ["BTC-PERP 1.500 -> -2.000"]);
    assert_eq!(folding.book.position("binance", "BTC-PERP").unwrap().to_string(), "-2.000");
    // Fills go on from there, and a bot alone corrects nothing.
    let more = r#"{"id":"t-2","account":"binance","instrument":"BTC-PERP","side":"buy","quantity":"0.5","price":"10"}"#;
    folding.good("ledger.fill", more);
    let said = |quantity: &str| format!(r#"{{"account":"binance","instrument":"BTC-PERP","quantity":"{quantity}"}}"#);
    folding.bad("ledger.position", &said("-2"), Check::Position, Some("-0.500"));
    folding.good("ledger.position", &said("-1.5"));
}

#[test]
fn the_pool_must_be_plain_and_hold_what_is_missing() {
    let mut folding = funded();
    let usdt = |total: &str| {
        format!(r#"{{"id":"s","account":"binance","balances":[{{"asset":"USDT","total":"{total}"}}],"source":"f"}}"#)
    };
    folding.good("ledger.posted", &posting("allot", &["USDT binance/main -40", "USDT binance/grid 40"]));
    let several = asked(&folding, &usdt("50"), None).unwrap_err();
    assert!(several.detail.contains("main, grid"), "{several}");
    let short = asked(&folding, &usdt("50"), Some("grid")).unwrap_err();
    assert_eq!((short.check, short.difference.as_deref()), (Check::Negative, Some("-10.00")), "{short}");
    assert_eq!(corrected(&mut folding, &usdt("50"), Some("main")), ["USDT -50.00"]);
    let nobody = asked(&folding, &usdt("1"), Some("nobody")).unwrap_err();
    assert_eq!(nobody.check, Check::Undeclared);
}

#[test]
fn a_slip_corrects_nothing() {
    let folding = funded();
    for (json, check) in [
        (r#"{"id":"s","account":"kraken","balances":[],"source":"f"}"#, Check::Undeclared),
        (r#"{"id":"s","account":"binance","balances":[{"asset":"EUR","total":"1"}],"source":"f"}"#, Check::Undeclared),
        (r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"1e2"}],"source":"f"}"#, Check::Amount),
        (
            r#"{"id":"s","account":"binance","balances":[{"asset":"BTC","total":"1"},{"asset":"BTC","total":"1"}],"source":"f"}"#,
            Check::Statement,
        ),
        (r#"{"id":"","account":"binance","balances":[{"asset":"BTC","total":"1"}],"source":"f"}"#, Check::Bound),
    ] {
        assert_eq!(asked(&folding, json, None).unwrap_err().check, check, "{json}");
    }
}
