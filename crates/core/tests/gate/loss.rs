//! The day's loss: realised and unrealised, from the opening, for whom it counts, and what it does when something is not known.

use crate::bed::*;
use failstop_core::Slot;
use failstop_core::gate::*;

/// A bed in which the day's loss is limited to 20 % of 10 000, with ten bought at 100.
fn ten_held(policy: GatePolicy) -> Bed {
    let mut bed = Bed::flat(policy);
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "100")), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "100", "100");
    bed
}

fn twenty() -> GatePolicy {
    with(LimitName::DailyLoss, SHARE_ONE / 5)
}

#[test]
fn an_unrealised_loss_counts_to_the_cent_and_then_only_what_reduces_passes() {
    let mut bed = ten_held(twenty());
    bed.price(SPOT, "80.01");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "1 999.00");
    bed.price(SPOT, "80");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss], "2 000.00 is the limit, and reached");
    assert_eq!(bed.last.refusals[0].to_string(), "DAILY_LOSS: 0.200000, limit 0.200000");
    assert_eq!(bed.ask(&sell(EURO, "1")), [Code::DailyLoss], "in every instrument of the account");
    assert_eq!(bed.ask(&sell(SPOT, "50")), []);
    let results = bed.gate.daily_results(bed.now(), false);
    assert_eq!((results[0].result, results[0].lost, results[0].reached), (Some(-200_000), Some(200_000), true));
    assert!(!results[1].reached, "another account");
    assert_eq!(bed.ask(&Order { account: "second", ..buy(EURO, "1") }), []);
}

#[test]
fn what_is_said_to_be_reached_is_what_refuses() {
    let mut bed = Bed::flat(twenty());
    bed.equity("main", "100000");
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    let lose = |bed: &mut Bed, amount| bed.take(Fact::Result { account: "main", amount, paper: false }).unwrap();
    let score = |bed: &Bed| {
        let scores = bed.gate.scores(bed.now(), false).into_iter();
        let own = scores.filter(|score| score.limit == LimitName::DailyLoss && score.of == "main");
        own.map(|score| (score.used, score.thousandths)).next().unwrap()
    };
    lose(&mut bed, "-19999.91");
    let result = bed.gate.daily_results(bed.now(), false).swap_remove(0);
    assert_eq!((result.lost, result.reached), (Some(200_000), false), "0.1999991 is shown as 0.2, and is less");
    assert_eq!(score(&bed), (Some(199_999), 999));
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    lose(&mut bed, "-0.08");
    assert!(!bed.gate.daily_results(bed.now(), false)[0].reached);
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    lose(&mut bed, "-0.01");
    assert!(bed.gate.daily_results(bed.now(), false)[0].reached);
    assert_eq!(score(&bed), (Some(200_000), 1000));
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss]);
}

#[test]
fn a_realised_loss_counts_when_nothing_is_held_any_more_and_no_price_is_known() {
    let mut bed = ten_held(twenty());
    bed.fill(None, SPOT, Side::Sell, "100", "79.99");
    bed.pass(MARK_MAX_AGE + SECOND);
    bed.equity("main", "7999");
    bed.position(EURO, "0");
    bed.price(EURO, "1.25");
    assert_eq!(bed.ask(&buy(EURO, "1")), [Code::DailyLoss]);
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, Some(-200_100));
}

#[test]
fn fees_and_funding_count() {
    let mut bed = ten_held(twenty());
    bed.price(SPOT, "81");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let fill = Fill {
        id: "fee",
        order: None,
        account: "main",
        instrument: SPOT,
        side: Side::Buy,
        quantity: "0.0001",
        price: "81",
        fee: Some("60"),
        paper: false,
    };
    bed.take(Fact::Fill(fill)).unwrap();
    bed.take(Fact::Result { account: "main", amount: "-39.99", paper: false }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.take(Fact::Result { account: "main", amount: "-0.01", paper: false }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss]);
    bed.take(Fact::Result { account: "main", amount: "0.01", paper: false }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
}

#[test]
fn a_day_begins_with_what_is_held_at_the_mark() {
    let mut bed = ten_held(twenty());
    bed.price(SPOT, "80");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss]);
    bed.equity("main", "8000");
    bed.take(Fact::Day(TradingDay(2))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    // Now 20 % of 8 000, from 80.
    bed.price(SPOT, "64.01");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.price(SPOT, "64");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss]);
}

#[test]
fn a_position_without_a_price_at_the_opening_counts_from_its_first_price_and_opens_nothing_before() {
    let mut bed = Bed::new(twenty());
    bed.price(EURO, "1.25");
    bed.position(EURO, "0");
    bed.position(SPOT, "100");
    bed.equity("main", "10000");
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(bed.ask(&buy(EURO, "1")), [Code::MissingPrice]);
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, None);
    let taken = bed.price_of("one", SPOT, "100").unwrap();
    assert!(matches!(&taken.records[..], [GateRecord::Settled { mark, .. }] if mark == "100.00"));
    assert!(bed.price_of("one", SPOT, "100").unwrap().records.is_empty());
    assert_eq!(bed.ask(&buy(EURO, "1")), []);
    bed.price(SPOT, "80");
    assert_eq!(bed.ask(&buy(EURO, "1")), [Code::DailyLoss]);
}

#[test]
fn a_report_that_leaves_nothing_without_a_price_waits_for_none() {
    let mut bed = Bed::new(policy());
    bed.position(SPOT, "0");
    assert!(bed.price_of("one", SPOT, "100").unwrap().records.is_empty());
}

#[test]
fn what_is_beyond_counting_at_one_price_goes_on_waiting_for_another() {
    let mut bed = Bed::new(policy());
    bed.position(SPOT, "100000000000000000000");
    assert!(bed.price_of("one", SPOT, "100").unwrap().records.is_empty(), "nothing counts from it");
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, None);
    let taken = bed.price_of("one", SPOT, "0.01").unwrap();
    assert!(matches!(&taken.records[..], [GateRecord::Settled { mark, .. }] if mark == "0.01"));
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, Some(0));
    assert!(bed.price_of("one", SPOT, "0.01").unwrap().records.is_empty());
}

#[test]
fn a_position_that_turns_out_otherwise_brings_no_result_by_that() {
    let mut bed = ten_held(twenty());
    bed.price(SPOT, "85");
    bed.position(SPOT, "500");
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, Some(-150_000));
    bed.price(SPOT, "84");
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, Some(-200_000));
}

#[test]
fn without_an_opening_equity_there_is_no_share_of_it() {
    let mut bed = Bed::new(twenty());
    bed.prices();
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingOpeningEquity]);
    bed.equity("main", "10000");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "the first of the day");
    // One that is old when the day begins is none.
    bed.pass(6 * MINUTE);
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    bed.prices();
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingOpeningEquity]);
    bed.equity("main", "0");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "no loss on nothing");
    bed.take(Fact::Result { account: "main", amount: "-0.01", paper: false }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss], "any loss on nothing");
    assert!(bed.gate.daily_results(bed.now(), false)[0].reached);
}

#[test]
fn a_component_and_a_user_lose_by_their_own_orders() {
    let mut policy = policy();
    policy.components[0].limits = Limits::WAIVED.with(LimitName::DailyLossMoney, Limit::Set(100_000));
    policy.user = Limits::WAIVED.with(LimitName::DailyLossMoney, Limit::Set(50_000));
    let mut bed = Bed::flat(policy);
    let alice = |order| Order { user: Some("alice"), ..order };
    let other = |order| Order { component: slot(1), ..order };
    assert_eq!(bed.ask(&alice(buy(SPOT, "50"))), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "50", "100");
    assert_eq!(bed.ask(&other(buy(SPOT, "100"))), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "100", "100");
    bed.price(SPOT, "90");
    // Fifty lost 500.00: the user's limit, and half of the component's.
    assert_eq!(bed.ask(&alice(buy(SPOT, "1"))), [Code::DailyLoss]);
    assert_eq!(bed.last.refusals[0].scope, Scope::User);
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.price(SPOT, "80");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss]);
    assert_eq!(bed.last.refusals[0].scope, Scope::Component);
    assert_eq!(bed.ask(&other(buy(SPOT, "1"))), [], "the other component has no limit");
    assert_eq!(bed.ask(&Order { component: Slot::SYSTEM, ..buy(SPOT, "1") }), []);
}

#[test]
fn a_limit_in_money_is_over_all_accounts() {
    let mut bed = ten_held(with(LimitName::DailyLossMoney, 100_000));
    bed.price(SPOT, "90.01");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.take(Fact::Result { account: "second", amount: "-1", paper: false }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss], "999.00 here and 1.00 there");
    assert!(bed.gate.daily_results(bed.now(), false).iter().all(|result| result.reached));
    bed.take(Fact::Result { account: "second", amount: "0.01", paper: false }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
}

#[test]
fn an_inverse_position_loses_in_the_underlying() {
    // A hundred contracts of 100 USD bought at 100 and worth 80: 100 BTC bought for 10 000 USD became 125 owed, 25 lost at 80.
    let mut bed = Bed::flat(twenty());
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    bed.position(INVERSE, "0");
    assert_eq!(bed.ask(&Order { leverage: Some("1"), ..buy(INVERSE, "100") }), []);
    let id = bed.last_id();
    bed.fill(Some(&id), INVERSE, Side::Buy, "100", "100");
    bed.price(INVERSE, "83.34");
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, Some(-166_600));
    assert_eq!(bed.ask(&buy(EURO, "1")), []);
    bed.price(INVERSE, "80");
    assert_eq!(bed.gate.daily_results(bed.now(), false)[0].result, Some(-200_000));
    assert_eq!(bed.ask(&buy(EURO, "1")), [Code::DailyLoss]);
}
