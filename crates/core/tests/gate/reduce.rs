//! Reduce-only: it can neither open nor flip, whatever is known or open, and whatever of it is filled first.

use crate::bed::*;
use failstop_core::gate::*;
use proptest::prelude::*;

#[test]
fn only_what_shrinks_a_known_position_reduces() {
    let closes: &[Code] = &[];
    let refused: &[Code] = &[Code::ReduceOnly];
    let table: [(&str, Side, &str, &[Code]); 12] = [
        ("5", Side::Sell, "5", closes),
        ("5", Side::Sell, "4.9999", closes),
        ("5", Side::Sell, "0.0001", closes),
        ("5", Side::Sell, "5.0001", refused),
        ("5", Side::Buy, "0.0001", refused),
        ("-5", Side::Buy, "5", closes),
        ("-5", Side::Buy, "0.0001", closes),
        ("-5", Side::Buy, "5.0001", refused),
        ("-5", Side::Sell, "0.0001", refused),
        ("0", Side::Buy, "0.0001", refused),
        ("0", Side::Sell, "0.0001", refused),
        ("-0.0001", Side::Buy, "0.0001", closes),
    ];
    for (held, side, quantity, codes) in table {
        let what = format!("{held} {side:?} {quantity}");
        let ask = order(SPOT, side, quantity);
        // By the permission, by the order's flag, by its kind.
        let mut bed = Bed::flat(policy());
        bed.position(SPOT, held);
        bed.may = REDUCE;
        assert_eq!(bed.ask(&ask), codes, "{what}");
        assert_eq!(bed.last.reduces, codes.is_empty(), "{what}");
        for asked in [Order { reduce_only: true, ..ask }, Order { kind: Kind::Exit, ..ask }] {
            let mut bed = Bed::flat(policy());
            bed.position(SPOT, held);
            assert_eq!(bed.ask(&asked), codes, "{what}");
        }
    }
}

#[test]
fn an_unknown_or_old_position_reduces_nothing() {
    let mut bed = Bed::new(policy());
    bed.may = REDUCE;
    assert!(bed.ask(&sell(SPOT, "1")).contains(&Code::ReduceOnly));
    bed.position(SPOT, "5");
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    bed.pass(5 * MINUTE);
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    bed.pass(SECOND);
    assert!(bed.ask(&sell(SPOT, "1")).contains(&Code::ReduceOnly));
}

#[test]
fn what_is_open_on_its_side_counts() {
    let mut bed = Bed::flat(policy());
    bed.position(SPOT, "5");
    bed.may = REDUCE;
    assert_eq!(bed.ask(&sell(SPOT, "3")), []);
    let first = bed.last_id();
    assert_eq!(bed.ask(&sell(SPOT, "2.0001")), [Code::ReduceOnly]);
    assert_eq!(bed.ask(&sell(SPOT, "2")), []);
    assert_eq!(bed.ask(&sell(SPOT, "0.0001")), [Code::ReduceOnly]);
    // Nobody knows what became of the first: it is presumed alive.
    bed.outcome(&first, Outcome::Unknown);
    assert_eq!(bed.ask(&sell(SPOT, "0.0001")), [Code::ReduceOnly]);
    bed.outcome(&first, Outcome::Cancelled);
    assert_eq!(bed.ask(&sell(SPOT, "3")), []);
}

#[test]
fn a_fill_that_the_report_may_have_had_in_it_counts_both_ways() {
    let mut bed = Bed::flat(policy());
    assert_eq!(bed.ask(&buy(SPOT, "5")), []);
    let id = bed.last_id();
    bed.pass(SECOND);
    // The report comes after the order: it may have the fill in it.
    bed.position(SPOT, "5");
    bed.fill(Some(&id), SPOT, Side::Buy, "5", "100");
    bed.may = REDUCE;
    assert_eq!(bed.ask(&sell(SPOT, "5.0001")), [Code::ReduceOnly], "it is five or ten");
    assert_eq!(bed.ask(&sell(SPOT, "5")), []);
    bed.may = ACTIVE;
    let limits = Limits::WAIVED.with(LimitName::Position, Limit::Set(110_000));
    let mut bed = Bed::flat(GatePolicy { system: limits, ..policy() });
    assert_eq!(bed.ask(&buy(SPOT, "5")), []);
    let id = bed.last_id();
    bed.pass(SECOND);
    bed.position(SPOT, "5");
    bed.fill(Some(&id), SPOT, Side::Buy, "5", "100");
    assert_eq!(bed.ask(&buy(SPOT, "1.0001")), [Code::PositionLimit], "it is five or ten");
    bed.position(SPOT, "5");
    assert_eq!(bed.ask(&buy(SPOT, "6")), [], "the next report says which");
    // An order after the report leaves no doubt.
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "6", "100");
    bed.may = REDUCE;
    assert_eq!(bed.ask(&sell(SPOT, "11.0001")), [Code::ReduceOnly]);
    assert_eq!(bed.ask(&sell(SPOT, "11")), []);
}

#[derive(Clone, Debug)]
enum Event {
    /// An order of either side.
    Ask(bool, u32),
    /// Some of an open order is filled.
    Fill(usize, u32),
    /// An order ends.
    End(usize, Outcome),
    /// The venue reports what it has.
    Report,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let outcome = prop::sample::select(vec![Outcome::Accepted, Outcome::Unknown, Outcome::Cancelled]);
    let event = prop_oneof![
        4 => (any::<bool>(), 1u32..12).prop_map(|(buy, quantity)| Event::Ask(buy, quantity)),
        4 => (0usize..12, 1u32..6).prop_map(|(order, quantity)| Event::Fill(order, quantity)),
        2 => (0usize..12, outcome).prop_map(|(order, outcome)| Event::End(order, outcome)),
        1 => Just(Event::Report),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The venue fills whatever it likes of what is open at it, also of what the bot believes to be cancelled until then; whatever was
    /// open before reduce-only is gone. The position never grows and never turns.
    #[test]
    fn in_reduce_only_a_position_never_grows_and_never_turns(held in -20i64..20, events in events()) {
        let mut bed = Bed::flat(policy());
        bed.position(SPOT, &held.to_string());
        bed.may = REDUCE;
        let mut venue = held;
        // Id, buys, what is open at the venue.
        let mut open: Vec<(String, bool, u32)> = Vec::new();
        for event in events {
            bed.pass(SECOND / 10);
            match event {
                Event::Ask(buys, quantity) => {
                    let side = if buys { Side::Buy } else { Side::Sell };
                    if bed.ask(&order(SPOT, side, &quantity.to_string())).is_empty() {
                        open.push((bed.last_id(), buys, quantity));
                    }
                }
                Event::Fill(index, quantity) => {
                    let Some((id, buys, left)) = open.get_mut(index) else { continue };
                    let quantity = quantity.min(*left);
                    if quantity == 0 {
                        continue;
                    }
                    *left -= quantity;
                    let before = venue;
                    venue += if *buys { i64::from(quantity) } else { -i64::from(quantity) };
                    prop_assert!(venue.abs() < before.abs() && venue.signum() * before.signum() >= 0, "{before} became {venue}");
                    let (id, side) = (id.clone(), if *buys { Side::Buy } else { Side::Sell });
                    bed.fill(Some(&id), SPOT, side, &quantity.to_string(), "100");
                }
                Event::End(index, outcome) => {
                    let Some((id, _, left)) = open.get_mut(index) else { continue };
                    if outcome == Outcome::Cancelled {
                        *left = 0;
                    }
                    let id = id.clone();
                    bed.outcome(&id, outcome);
                }
                Event::Report => bed.position(SPOT, &venue.to_string()),
            }
        }
    }
}

#[test]
fn a_position_to_which_something_uncounted_happened_is_unknown_until_it_is_reported() {
    let mut bed = Bed::flat(policy());
    bed.position(SPOT, "5");
    let (account, instrument) = ("main", SPOT);
    bed.take(Fact::PositionUnknown { account, instrument }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingPosition]);
    let exit = Order { reduce_only: true, ..sell(SPOT, "1") };
    assert_eq!(bed.ask(&exit), [Code::ReduceOnly, Code::MissingPosition]);
    // A trade says how it moves, not where it is.
    bed.fill(None, SPOT, Side::Buy, "1", "100");
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingPosition]);
    assert_eq!(bed.ask(&buy(ISOLATED, "1")), [Code::MissingLeverage], "the others are known");
    let mut again = Gate::new(policy()).unwrap();
    bed.records.iter().for_each(|record| again.replay(record));
    assert_eq!(again.recorded(), bed.gate.recorded());
    bed.position(SPOT, "6");
    assert_eq!(bed.ask(&exit), []);
    let unknown = Fact::PositionUnknown { account: "nobody's", instrument };
    assert_eq!(bed.take(unknown), Err(FactError::Unknown(What::Account)));
}
