//! Each limit at, just below and just above its edge: for flat, long, short and unknown positions, for everybody whom it can bind.

use crate::bed::*;
use failstop_core::gate::*;

const HUNDRED: u128 = 10_000;

/// The same limit for each scope in turn, with everybody else free.
fn for_each_scope(limit: LimitName, value: u128, mut test: impl FnMut(Scope, GatePolicy)) {
    for scope in [Scope::System, Scope::Instrument, Scope::Component, Scope::User] {
        if !limit.applies(scope) {
            continue;
        }
        let mut policy = policy();
        let limits = Limits::WAIVED.with(limit, Limit::Set(value));
        match scope {
            Scope::System => policy.system = limits,
            Scope::Instrument => policy.instruments.iter_mut().for_each(|one| one.limits = limits.clone()),
            Scope::Component => policy.components.iter_mut().for_each(|one| one.limits = limits.clone()),
            Scope::User => policy.user = limits,
        }
        test(scope, policy);
    }
}

fn mine<'a>(order: Order<'a>) -> Order<'a> {
    Order { user: Some("alice"), ..order }
}

fn only(code: Code, scope: Scope, bed: &Bed) {
    let found: Vec<_> = bed.last.refusals.iter().map(|refusal| (refusal.code, refusal.scope)).collect();
    assert_eq!(found, [(code, scope)]);
}

#[test]
fn a_position_is_limited_after_everything_open_on_its_side_was_filled() {
    for_each_scope(LimitName::Position, 10 * HUNDRED, |scope, policy| {
        for side in [Side::Buy, Side::Sell] {
            let ask = |quantity| mine(order(SPOT, side, quantity));
            // Flat, at 100: ten are 1000.00.
            assert_eq!(Bed::flat(policy.clone()).ask(&ask("9.9999")), [], "{scope:?} {side:?} below");
            assert_eq!(Bed::flat(policy.clone()).ask(&ask("10")), [], "{scope:?} {side:?} at");
            let mut bed = Bed::flat(policy.clone());
            bed.ask(&ask("10.0001"));
            only(Code::PositionLimit, scope, &bed);
            let refusal = bed.last.refusals[0];
            assert_eq!(
                (refusal.found.unwrap().to_string(), refusal.limit.unwrap().to_string()),
                ("1000.01".to_owned(), "1000.00".to_owned())
            );

            // With four open on this side, and five on the other, which may come to nothing.
            let mut bed = Bed::flat(policy.clone());
            assert_eq!(bed.ask(&ask("4")), []);
            let other = if side == Side::Buy { Side::Sell } else { Side::Buy };
            assert_eq!(bed.ask(&mine(order(SPOT, other, "5"))), []);
            bed.ask(&ask("6.0001"));
            only(Code::PositionLimit, scope, &bed);
            assert_eq!(bed.ask(&ask("6")), []);

            // Filled, it counts no less.
            let mut bed = Bed::flat(policy.clone());
            assert_eq!(bed.ask(&ask("4")), []);
            let id = bed.last_id();
            bed.fill(Some(&id), SPOT, side, "4", "100");
            bed.ask(&ask("6.0001"));
            only(Code::PositionLimit, scope, &bed);
            assert_eq!(bed.ask(&ask("6")), []);
        }
    });
}

#[test]
fn a_position_that_was_reported_counts_on_its_own_side_and_an_unknown_one_refuses() {
    for (held, side, fits, over) in [
        ("4", Side::Buy, "6", "6.0001"),
        ("-4", Side::Sell, "6", "6.0001"),
        ("4", Side::Sell, "14", "14.0001"),
        ("-4", Side::Buy, "14", "14.0001"),
    ] {
        let mut bed = Bed::flat(with(LimitName::Position, 10 * HUNDRED));
        bed.position(SPOT, held);
        assert_eq!(bed.ask(&order(SPOT, side, over)), [Code::PositionLimit], "{held} {side:?}");
        assert_eq!(bed.ask(&order(SPOT, side, fits)), [], "{held} {side:?}");
    }
    let mut bed = Bed::new(policy());
    bed.price(SPOT, "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingPosition], "never reported");
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.pass(5 * MINUTE);
    bed.price(SPOT, "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "five minutes old");
    bed.pass(5 * MINUTE + SECOND);
    bed.price(SPOT, "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingPosition], "older");
}

#[test]
fn account_risk_is_margin_over_equity() {
    // 10 % of 10 000 at tenfold leverage: positions up to 10 000.
    for_each_scope(LimitName::AccountRisk, SHARE_ONE / 10, |scope, policy| {
        for side in [Side::Buy, Side::Sell] {
            let ask = |quantity| Order { leverage: Some("10"), ..mine(order(ISOLATED, side, quantity)) };
            assert_eq!(Bed::flat(policy.clone()).ask(&ask("99.9999")), [], "{scope:?}");
            assert_eq!(Bed::flat(policy.clone()).ask(&ask("100")), [], "{scope:?}");
            let mut bed = Bed::flat(policy.clone());
            bed.ask(&ask("100.0001"));
            only(Code::AccountRisk, scope, &bed);
            assert_eq!(bed.last.refusals[0].found.unwrap().to_string(), "0.100001");
        }
    });
    // Spot is its own margin.
    let mut bed = Bed::flat(with(LimitName::AccountRisk, SHARE_ONE / 10));
    assert_eq!(bed.ask(&buy(SPOT, "10.0001")), [Code::AccountRisk]);
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
}

#[test]
fn account_risk_needs_a_fresh_equity_and_a_leverage() {
    let mut bed = Bed::flat(with(LimitName::AccountRisk, SHARE_ONE / 10));
    assert_eq!(bed.ask(&buy(ISOLATED, "1")), [Code::MissingLeverage]);
    assert_eq!(bed.ask(&buy(ISOLATED, "0.0001")), [Code::MissingLeverage]);
    bed.pass(5 * MINUTE + SECOND);
    bed.prices();
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingEquity]);
    bed.equity("main", "-5");
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::AccountRisk], "below nothing there is no share");
    // A position keeps its own leverage: the lower of both makes the margin.
    let mut bed = Bed::flat(with(LimitName::AccountRisk, SHARE_ONE / 10));
    let leverage = Some("5");
    let fact =
        Fact::Position { account: "main", instrument: ISOLATED, quantity: "1", entry: None, leverage, paper: false };
    bed.take(fact).unwrap();
    assert_eq!(bed.ask(&Order { leverage: Some("10"), ..buy(ISOLATED, "49.0001") }), [Code::AccountRisk]);
    assert_eq!(bed.ask(&buy(ISOLATED, "49")), []);
}

#[test]
fn leverage_is_limited_an_order_and_in_total() {
    for_each_scope(LimitName::Leverage, 20 * TIMES_ONE, |scope, policy| {
        let mut bed = Bed::flat(policy);
        let ask = |times| Order { leverage: Some(times), ..mine(buy(ISOLATED, "1")) };
        assert_eq!(bed.ask(&ask("19.99")), []);
        assert_eq!(bed.ask(&ask("20")), []);
        bed.ask(&ask("20.01"));
        only(Code::Leverage, scope, &bed);
    });
    // Three times 10 000, over two instruments and both sides.
    let mut bed = Bed::flat(with(LimitName::TotalLeverage, 3 * TIMES_ONE));
    bed.position(CROSS, "-100");
    bed.position(SPOT, "50");
    let ask = |quantity| Order { leverage: Some("10"), ..buy(ISOLATED, quantity) };
    assert_eq!(bed.ask(&ask("150.0001")), [Code::TotalLeverage]);
    assert_eq!(bed.last.refusals[0].found.unwrap().to_string(), "3.01");
    assert_eq!(bed.ask(&ask("149.9999")), []);
    assert_eq!(bed.ask(&ask("0.0001")), []);
    assert_eq!(bed.ask(&ask("0.0001")), [Code::TotalLeverage], "what is open counts");
    // What is open elsewhere counts, too.
    let mut bed = Bed::flat(with(LimitName::TotalLeverage, 3 * TIMES_ONE));
    assert_eq!(bed.ask(&buy(SPOT, "200")), []);
    assert_eq!(bed.ask(&ask("100.0001")), [Code::TotalLeverage]);
    assert_eq!(bed.ask(&ask("100")), []);
}

#[test]
fn total_leverage_needs_a_price_of_everything_that_is_held() {
    let mut bed = Bed::new(with(LimitName::TotalLeverage, 3 * TIMES_ONE));
    bed.equity("main", "10000");
    bed.price(SPOT, "100");
    bed.position(SPOT, "0");
    bed.position(CROSS, "1");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingPrice]);
    bed.price(CROSS, "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.pass(MARK_MAX_AGE);
    bed.price(SPOT, "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "as old as a mark may be");
    bed.pass(SECOND);
    bed.position(SPOT, "0");
    bed.equity("main", "10000");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::PriceStale]);
}

#[test]
fn a_position_that_is_unknown_is_in_no_sum_by_its_old_number() {
    // Also one that was flat before: what it is now nobody knows.
    for held in ["100", "0"] {
        let mut bed = Bed::flat(with(LimitName::TotalLeverage, 3 * TIMES_ONE));
        bed.position(SPOT, held);
        bed.take(Fact::PositionUnknown { account: "main", instrument: SPOT }).unwrap();
        assert_eq!(bed.ask(&buy(EURO, "1")), [Code::MissingPosition], "{held}");
        // Neither a trade nor an order that comes and goes says where it is.
        bed.fill(None, SPOT, Side::Sell, "100", "100");
        assert_eq!(bed.ask(&buy(EURO, "1")), [Code::MissingPosition], "{held}");
        bed.fill(None, SPOT, Side::Buy, "100", "100");
        assert_eq!(bed.ask(&buy(EURO, "1")), [Code::MissingPosition], "{held}");
        assert_eq!(bed.ask(&Order { account: "second", ..buy(EURO, "1") }), [], "the other account is known");

        // So does whoever reads the journal.
        let mut again = Gate::new(bed.gate.policy().clone()).unwrap();
        bed.records.iter().for_each(|record| again.replay(record));
        assert_eq!(again.recorded(), bed.gate.recorded());
        bed.gate = again;
        bed.gate.start(bed.now(), bed.at());
        bed.prices();
        assert_eq!(bed.ask(&buy(EURO, "1")), [Code::MissingPosition], "{held}, after a restart");

        bed.position(SPOT, held);
        assert_eq!(bed.ask(&buy(EURO, "1")), [], "{held}");
    }
    // Nor is what was lost with it.
    for limit in [LimitName::DailyLoss, LimitName::DailyLossMoney] {
        for held in ["100", "0"] {
            let mut bed = Bed::flat(with(limit, SHARE_ONE / 5));
            bed.position(SPOT, held);
            assert_eq!(bed.ask(&buy(EURO, "1")), [], "{limit:?} {held}");
            bed.take(Fact::PositionUnknown { account: "main", instrument: SPOT }).unwrap();
            assert_eq!(bed.ask(&buy(EURO, "1")), [Code::MissingPosition], "{limit:?} {held}");
            let results = bed.gate.daily_results(bed.now(), false);
            assert_eq!((results[0].account.as_str(), results[0].result), ("main", None), "{limit:?} {held}");
            assert_eq!((results[1].account.as_str(), results[1].result), ("second", Some(0)), "{limit:?} {held}");
            bed.position(SPOT, held);
            assert_eq!(bed.ask(&buy(EURO, "1")), [], "{limit:?} {held}");
        }
    }
    // What stands behind a cross position is not known either.
    let mut bed = Bed::flat(with(LimitName::LiquidationBuffer, SHARE_ONE / 10));
    let ask = Order { leverage: Some("2"), ..buy(CROSS, "1") };
    assert_eq!(bed.ask(&ask), []);
    bed.take(Fact::PositionUnknown { account: "main", instrument: INVERSE }).unwrap();
    assert_eq!(bed.ask(&ask), [Code::MissingPosition]);
}

#[test]
fn an_order_is_limited_in_quantity_and_worth() {
    for_each_scope(LimitName::OrderNotional, 10 * HUNDRED, |scope, policy| {
        for side in [Side::Buy, Side::Sell] {
            let mut bed = Bed::flat(policy.clone());
            let ask = |quantity| mine(order(SPOT, side, quantity));
            bed.ask(&ask("10.0001"));
            only(Code::OrderNotional, scope, &bed);
            assert_eq!(bed.ask(&ask("10")), []);
            assert_eq!(bed.ask(&ask("10")), [], "each by itself");
            // At its own price where that is higher.
            bed.ask(&Order { price: Some("101"), ..ask("9.9999") });
            only(Code::OrderNotional, scope, &bed);
            assert_eq!(bed.ask(&Order { price: Some("99"), ..ask("10") }), []);
        }
    });
    for_each_scope(LimitName::OrderQuantity, units("2.5", 4), |scope, policy| {
        let mut bed = Bed::flat(policy);
        assert_eq!(bed.ask(&buy(SPOT, "2.5")), []);
        bed.ask(&buy(SPOT, "2.5001"));
        only(Code::OrderQuantity, scope, &bed);
        assert_eq!(bed.last.refusals[0].to_string(), "ORDER_QUANTITY (instrument): 2.5001, limit 2.5000");
    });
}

#[test]
fn the_collar_is_on_the_side_where_it_costs() {
    for_each_scope(LimitName::PriceCollar, SHARE_ONE / 20, |scope, policy| {
        let mut bed = Bed::flat(policy);
        for (side, fits, over) in [(Side::Buy, "105", "105.01"), (Side::Sell, "95", "94.99")] {
            bed.ask(&Order { price: Some(over), ..order(SPOT, side, "1") });
            only(Code::PriceCollar, scope, &bed);
            assert_eq!(bed.last.refusals[0].found.unwrap().to_string(), "0.050100");
            assert_eq!(bed.ask(&Order { price: Some(fits), ..order(SPOT, side, "1") }), []);
        }
        assert_eq!(bed.ask(&Order { price: Some("1"), ..buy(SPOT, "1") }), [], "a bid far below waits");
        assert_eq!(bed.ask(&Order { price: Some("9999"), ..sell(SPOT, "1") }), [], "an offer far above waits");
        assert_eq!(bed.ask(&buy(SPOT, "1")), [], "no price, no collar");
    });
}

#[test]
fn another_currency_is_converted_exactly_and_needs_its_price() {
    // 8 at 100 EUR, a euro at 1.25: 1000.00 USD.
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10 * HUNDRED));
    assert_eq!(bed.ask(&buy(EURO_QUOTED, "8")), []);
    assert_eq!(bed.last.notional.unwrap().to_string(), "1000.00");
    assert_eq!(bed.ask(&buy(EURO_QUOTED, "8.0001")), [Code::OrderNotional]);
    bed.price(EURO, "1.26");
    assert_eq!(bed.ask(&buy(EURO_QUOTED, "8")), [Code::OrderNotional]);
    bed.pass(4 * SECOND);
    bed.price(EURO_QUOTED, "100");
    bed.pass(2 * SECOND);
    assert_eq!(bed.ask(&buy(EURO_QUOTED, "1")), [Code::PriceStale], "the conversion's price is six seconds old");

    let mut bed = Bed::new(policy());
    bed.price(EURO_QUOTED, "100");
    bed.position(EURO_QUOTED, "0");
    assert_eq!(bed.ask(&buy(EURO_QUOTED, "1")), [Code::MissingPrice]);
}

#[test]
fn what_an_order_is_worth_is_rounded_up_to_the_cent() {
    // 0.0001 at 100.01 is 0.010001.
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 1));
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [], "0.01 at 100");
    bed.price(SPOT, "100.01");
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::OrderNotional]);
    assert_eq!(bed.last.notional.unwrap().to_string(), "0.02");
}

#[test]
fn an_inverse_contract_is_worth_its_value_at_any_price() {
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10 * HUNDRED));
    let ask = |quantity| Order { leverage: Some("2"), ..buy(INVERSE, quantity) };
    assert_eq!(bed.ask(&ask("10")), []);
    assert_eq!(bed.last.notional.unwrap().to_string(), "1000.00");
    bed.price(INVERSE, "12345.67");
    assert_eq!(bed.ask(&ask("10")), []);
    assert_eq!(bed.ask(&ask("10.0001")), [Code::OrderNotional]);
}

#[test]
fn what_is_beyond_counting_refuses_and_is_no_zero() {
    let mut bed = Bed::flat(with(LimitName::Position, u128::MAX));
    bed.price(SPOT, "99999999999999999999.99");
    assert_eq!(bed.ask(&buy(SPOT, "99999999999999999999.9999")), [Code::Overflow]);
    bed.price(SPOT, "100");
    let huge = "17014118346046923173168730371588410.5727";
    assert_eq!(bed.ask(&buy(SPOT, huge)), [Code::Overflow]);
    assert_eq!(bed.ask(&sell(SPOT, huge)), [Code::Overflow]);
    assert_eq!(bed.ask(&buy(SPOT, "17014118346046923173168730371588410.5728")), [Code::InvalidQuantity]);
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), []);
}

#[test]
fn every_reason_is_given_at_once() {
    let mut policy = policy();
    policy.system = Limits::WAIVED
        .with(LimitName::Position, Limit::Set(1))
        .with(LimitName::AccountRisk, Limit::Set(1))
        .with(LimitName::OrderNotional, Limit::Set(1))
        .with(LimitName::PriceCollar, Limit::Set(1))
        .with(LimitName::OpeningsPerMinute, Limit::Set(0))
        .with(LimitName::VolumePerHour, Limit::Set(1));
    policy.instruments[0].limits = Limits::WAIVED.with(LimitName::OrderQuantity, Limit::Set(1));
    let mut bed = Bed::flat(policy);
    bed.may = REDUCE;
    let refused = bed.ask(&Order { price: Some("200"), ..buy(SPOT, "10") });
    let mut all = [
        Code::ReduceOnly,
        Code::PositionLimit,
        Code::AccountRisk,
        Code::OrderNotional,
        Code::OrderQuantity,
        Code::PriceCollar,
        Code::RateOpenings,
        Code::RateVolume,
    ];
    all.sort_unstable();
    assert_eq!(refused, all);
}
