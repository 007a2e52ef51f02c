//! What an order counts while it is open, and what it gives back.

use crate::bed::*;
use failstop_core::gate::*;

fn tight() -> GatePolicy {
    let mut policy = policy();
    policy.system = Limits::WAIVED
        .with(LimitName::Position, Limit::Set(100_000))
        .with(LimitName::OpeningsPerMinute, Limit::Set(1))
        .with(LimitName::TradesPerDay, Limit::Set(1))
        .with(LimitName::CopiesPerMinute, Limit::Set(1))
        .with(LimitName::VolumePerHour, Limit::Set(100_000));
    policy
}

fn copy() -> Order<'static> {
    Order { kind: Kind::Copy, ..buy(SPOT, "10") }
}

#[test]
fn an_order_counts_at_once_and_gives_everything_back_when_it_comes_to_nothing() {
    for outcome in [Outcome::Rejected, Outcome::NotSent, Outcome::Cancelled, Outcome::Expired] {
        let mut bed = Bed::flat(tight());
        assert_eq!(bed.ask(&copy()), []);
        let id = bed.last_id();
        let mut all = [Code::PositionLimit, Code::RateOpenings, Code::RateDaily, Code::RateCopies, Code::RateVolume];
        all.sort_unstable();
        assert_eq!(bed.ask(&copy()), all);
        let back = bed.outcome(&id, outcome).given_back.unwrap();
        assert_eq!((back.openings, back.trades, back.copies, back.volume), (1, 1, 1, 100_000));
        // Said again it gives nothing again.
        for outcome in [outcome, Outcome::Cancelled, Outcome::Filled, Outcome::Rejected] {
            assert_eq!(bed.outcome(&id, outcome), Taken::default());
        }
        assert_eq!(bed.ask(&copy()), []);
        assert_eq!(bed.ask(&copy()), all);
    }
}

#[test]
fn an_order_of_which_nobody_knows_anything_is_presumed_alive() {
    for outcome in [Outcome::Unknown, Outcome::Accepted] {
        let mut bed = Bed::flat(with(LimitName::Position, 100_000));
        assert_eq!(bed.ask(&buy(SPOT, "10")), []);
        let id = bed.last_id();
        assert_eq!(bed.outcome(&id, outcome), Taken::default());
        bed.pass(2 * MINUTE);
        bed.prices();
        assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::PositionLimit]);
        assert_eq!(bed.gate.open_orders(), 1);
    }
}

#[test]
fn a_part_that_was_filled_stays_counted() {
    let mut bed = Bed::flat(with(LimitName::VolumePerHour, 100_000));
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "4", "100");
    let back = bed.outcome(&id, Outcome::Cancelled).given_back.unwrap();
    assert_eq!((back.openings, back.trades, back.volume), (0, 0, 60_000));
    assert_eq!(bed.ask(&buy(SPOT, "6.0001")), [Code::RateVolume]);
    assert_eq!(bed.ask(&buy(SPOT, "6")), []);
    // A fill that comes after the cancel counts after all.
    bed.fill(Some(&id), SPOT, Side::Buy, "1", "100");
    let last = bed.last_id();
    let back = bed.outcome(&last, Outcome::Rejected).given_back.unwrap();
    assert_eq!(back.volume, 60_000);
    assert_eq!(bed.ask(&buy(SPOT, "5.0001")), [Code::RateVolume]);
    assert_eq!(bed.ask(&buy(SPOT, "5")), []);
}

#[test]
fn what_is_given_back_counted_in_its_own_time() {
    let mut bed = Bed::flat(with(LimitName::TradesPerDay, 1));
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let yesterday = bed.last_id();
    bed.pass(SECOND);
    bed.take(Fact::Day(TradingDay(2))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.outcome(&yesterday, Outcome::Cancelled);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateDaily], "yesterday's order gives nothing of today back");
}

#[test]
fn it_counted_in_its_own_day_also_where_time_stands() {
    let mut bed = Bed::flat(with(LimitName::TradesPerDay, 1));
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let yesterday = bed.last_id();
    // Both days at one moment of the gate's time.
    bed.take(Fact::Day(TradingDay(2))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let today = bed.last_id();
    bed.outcome(&yesterday, Outcome::Cancelled);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateDaily]);
    bed.outcome(&today, Outcome::Cancelled);
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
}

#[test]
fn a_trade_counts_as_one_whatever_is_known_of_its_worth() {
    let mut bed = Bed::new(with(LimitName::TradesPerDay, 1));
    bed.fill(None, EURO_QUOTED, Side::Buy, "1", "100");
    bed.prices();
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateDaily], "it was worth nothing that could be said, and is one");
}

#[test]
fn the_first_late_fill_of_an_order_that_gave_its_trade_back_counts_as_one() {
    let mut bed = Bed::flat(with(LimitName::TradesPerDay, 2));
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    let id = bed.last_id();
    bed.outcome(&id, Outcome::Cancelled);
    bed.fill(Some(&id), SPOT, Side::Buy, "4", "100");
    bed.fill(Some(&id), SPOT, Side::Buy, "6", "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "both are of one order");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateDaily]);
    // Of one that was filled in part nothing but volume came back.
    let mut bed = Bed::flat(with(LimitName::TradesPerDay, 2));
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "4", "100");
    bed.outcome(&id, Outcome::Cancelled);
    bed.fill(Some(&id), SPOT, Side::Buy, "6", "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateDaily]);
}

#[test]
fn an_order_that_cannot_be_counted_while_it_is_open_is_refused_also_where_it_reduces() {
    let mut bed = Bed::flat(policy());
    bed.position(SPOT, "5");
    let at = |price| Order { price: Some(price), ..sell(SPOT, "1") };
    assert_eq!(bed.ask(&at("1000000000000000000000")), [Code::Overflow]);
    assert!(bed.last.reduces);
    assert_eq!(bed.ask(&at("300000000000000000000")), []);
    let id = bed.last_id();
    assert_eq!(bed.ask(&at("300000000000000000000")), [Code::Overflow], "nor together with what is open beside it");
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    bed.outcome(&id, Outcome::Cancelled);
    assert_eq!(bed.ask(&at("300000000000000000000")), []);
}

#[test]
fn an_order_that_was_filled_counts_until_its_fills_or_a_report_have_come() {
    let mut bed = Bed::flat(with(LimitName::Position, 100_000));
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    let id = bed.last_id();
    assert_eq!(bed.outcome(&id, Outcome::Filled).given_back, None);
    assert_eq!(bed.outcome(&id, Outcome::Filled), Taken::default());
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::PositionLimit]);
    bed.pass(SECOND);
    bed.position(SPOT, "10");
    assert_eq!(bed.gate.open_orders(), 0);
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::PositionLimit]);
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "4", "100");
    bed.fill(Some(&id), SPOT, Side::Buy, "6", "100");
    assert_eq!(bed.gate.open_orders(), 0);
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::PositionLimit]);
}

#[test]
fn a_trade_of_nobody_counts_for_everybody_together() {
    let mut policy = policy();
    policy.system = Limits::WAIVED.with(LimitName::Position, Limit::Set(100_000));
    policy.system = policy.system.with(LimitName::VolumePerHour, Limit::Set(100_000));
    let mut bed = Bed::flat(policy);
    bed.fill(None, SPOT, Side::Buy, "8", "100");
    let mut both = [Code::PositionLimit, Code::RateVolume];
    both.sort_unstable();
    assert_eq!(bed.ask(&buy(SPOT, "2.0001")), both);
    assert_eq!(bed.ask(&buy(SPOT, "2")), []);
}

#[test]
fn a_trade_is_told_once_and_belongs_to_its_order_only_if_it_fits_it() {
    let mut bed = Bed::flat(with(LimitName::Position, 100_000));
    let fill = Fill {
        id: "t1",
        order: None,
        account: "main",
        instrument: SPOT,
        side: Side::Buy,
        quantity: "4",
        price: "100",
        fee: None,
        paper: false,
    };
    assert!(bed.take(Fact::Fill(fill)).is_ok());
    assert_eq!(bed.take(Fact::Fill(fill)), Err(FactError::FillRepeated));
    assert_eq!(bed.take(Fact::Fill(Fill { id: "t2", quantity: "0", ..fill })), Err(FactError::Invalid(What::Quantity)));
    assert_eq!(bed.take(Fact::Fill(Fill { id: "t2", price: "x", ..fill })), Err(FactError::Invalid(What::Price)));
    assert_eq!(bed.take(Fact::Fill(Fill { id: "", ..fill })), Err(FactError::Invalid(What::Id)));
    assert_eq!(bed.take(Fact::Fill(Fill { id: "t2", account: "x", ..fill })), Err(FactError::Unknown(What::Account)));
    assert_eq!(bed.ask(&buy(SPOT, "6.0001")), [Code::PositionLimit]);
    // The other side of another order: it moves the position and leaves that order as it is.
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let id = bed.last_id();
    bed.take(Fact::Fill(Fill { id: "t3", order: Some(&id), side: Side::Sell, quantity: "1", ..fill })).unwrap();
    assert_eq!(bed.gate.open_orders(), 1);
}

#[test]
fn no_more_orders_are_open_than_can_be_counted() {
    let mut policy = policy();
    policy.instruments.truncate(1);
    let mut bed = Bed::flat(policy);
    for index in 0..MAX_OPEN_ORDERS {
        if index % MAX_RECENT == 0 {
            bed.pass(MINUTE);
            bed.prices();
            bed.position(SPOT, "0");
        }
        assert_eq!(bed.ask(&buy(SPOT, "1")), [], "{index}");
    }
    bed.pass(MINUTE);
    bed.prices();
    bed.position(SPOT, "9999");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::OpenOrdersFull]);
    assert_eq!(bed.ask(&sell(SPOT, "1")), [Code::OpenOrdersFull], "not even what reduces: it could not be counted");
    bed.gate.cancel();
    bed.outcome("order-1", Outcome::Cancelled);
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::OpenOrdersFull]);
}

#[test]
fn a_question_that_only_considers_leaves_nothing_behind() {
    let mut bed = Bed::flat(tight());
    let mut out = Decision::default();
    for _ in 0..3 {
        bed.gate.consider(bed.now(), &Order { client_id: "a", ..copy() }, ACTIVE, &mut out);
        assert!(out.allows());
    }
    assert_eq!(bed.gate.counts().allowed(), 0);
    assert_eq!(bed.ask_as(&Order { client_id: "a", ..copy() }), []);
    assert_eq!(bed.last.notional, out.notional);
}

#[test]
fn decisions_are_counted_by_reason() {
    let mut bed = Bed::flat(tight());
    bed.ask(&copy());
    bed.ask(&copy());
    bed.ask(&buy("nothing", "1"));
    let counts = bed.gate.counts();
    assert_eq!((counts.allowed(), counts.refused()), (1, 2));
    assert_eq!((counts.of(Code::RateOpenings), counts.of(Code::UnknownInstrument), counts.of(Code::Halted)), (1, 1, 0));
}
