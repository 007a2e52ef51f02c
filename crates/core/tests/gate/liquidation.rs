//! The liquidation buffer against the documented formulas, in exact fractions.

use crate::bed::*;
use crate::oracle::{Fraction, fraction, of};
use failstop_core::gate::*;
use num_traits::{One, Signed, Zero};
use proptest::prelude::*;

fn buffered(millionths: u128) -> Bed {
    Bed::flat(with(LimitName::LiquidationBuffer, millionths))
}

#[test]
fn the_buffer_is_exact_at_its_edge_for_isolated_positions() {
    // Tenfold at 100 with half a percent of maintenance. Linear: 90.50 and 109.50. Inverse: 91.3242… and 110.4972….
    let table = [
        (ISOLATED, Side::Buy, 95_000),
        (ISOLATED, Side::Sell, 95_000),
        (INVERSE_ISOLATED, Side::Buy, 86_757),
        (INVERSE_ISOLATED, Side::Sell, 104_972),
    ];
    for (instrument, side, fits) in table {
        let ask = Order { leverage: Some("10"), ..order(instrument, side, "1") };
        assert_eq!(buffered(fits - 1).ask(&ask), [], "{instrument} {side:?}");
        assert_eq!(buffered(fits).ask(&ask), [], "{instrument} {side:?}");
        assert_eq!(buffered(fits + 1).ask(&ask), [Code::LiquidationBuffer], "{instrument} {side:?}");
    }
}

#[test]
fn the_whole_equity_less_all_maintenance_stands_behind_a_cross_position() {
    // Equity 10 000, maintenance 1 %. A long of 500 at 100 is worth 50 000: (10 000 - 500) / 50 000 = 19 %.
    let ask = |side| Order { leverage: Some("50"), ..order(CROSS, side, "500") };
    for side in [Side::Buy, Side::Sell] {
        assert_eq!(buffered(190_000).ask(&ask(side)), [], "{side:?}");
        assert_eq!(buffered(190_001).ask(&ask(side)), [Code::LiquidationBuffer], "{side:?}");
    }
    // Another cross position of 100 contracts of 100 USD binds 100 more: 18.8 %.
    for held in ["100", "-100"] {
        let with_other = |buffer| {
            let mut bed = buffered(buffer);
            bed.position(INVERSE, held);
            bed
        };
        assert_eq!(with_other(188_000).ask(&ask(Side::Buy)), []);
        assert_eq!(with_other(188_001).ask(&ask(Side::Buy)), [Code::LiquidationBuffer]);
    }
    // Inverse: r = 19 %, so r / (1 + r) = 15.966 % for a long and r / (1 - r) = 23.456 % for a short.
    let ask = |side| Order { leverage: Some("50"), ..order(INVERSE, side, "500") };
    for (side, fits) in [(Side::Buy, 159_663), (Side::Sell, 234_567)] {
        assert_eq!(buffered(fits).ask(&ask(side)), [], "{side:?}");
        assert_eq!(buffered(fits + 1).ask(&ask(side)), [Code::LiquidationBuffer], "{side:?}");
    }
}

#[test]
fn what_is_not_known_refuses_by_its_own_name() {
    let mut policy = with(LimitName::LiquidationBuffer, 50_000);
    policy.instruments[1].margin = Margin::Isolated { maintenance: None };
    policy.instruments[2].margin = Margin::Cross { maintenance: None };
    let ask = |instrument| Order { leverage: Some("2"), ..buy(instrument, "1") };
    let mut bed = Bed::flat(policy.clone());
    assert_eq!(bed.ask(&ask(ISOLATED)), [Code::MissingMaintenance]);
    assert_eq!(bed.ask(&ask(INVERSE)), [Code::MissingMaintenance]);
    assert_eq!(bed.ask(&ask(CROSS)), []);
    // Somebody else's maintenance matters as soon as there is a position.
    bed.position(INVERSE, "1");
    assert_eq!(bed.ask(&ask(CROSS)), [Code::MissingMaintenance]);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "nothing is liquidated where nothing is borrowed");

    let mut bed = buffered(50_000);
    assert_eq!(bed.ask(&buy(ISOLATED, "1")), [Code::MissingLeverage]);
    bed.position(ISOLATED, "1");
    assert_eq!(bed.ask(&Order { leverage: Some("2"), ..buy(ISOLATED, "1") }), [Code::MissingEntry]);
    assert_eq!(
        bed.ask(&Order { leverage: Some("2"), ..sell(ISOLATED, "3") }),
        [],
        "a position that turns is entered anew"
    );
    let mut bed = Bed::new(with(LimitName::LiquidationBuffer, 50_000));
    bed.prices();
    bed.position(CROSS, "0");
    assert_eq!(bed.ask(&Order { leverage: Some("2"), ..buy(CROSS, "1") }), [Code::MissingEquity]);
}

#[test]
fn what_was_filled_is_part_of_the_entry() {
    // Five at 100 by a fill, one at 100 more: 90.50 is the liquidation of all; at a mark of 95 that is 4.7 %.
    let open = |buffer| {
        let mut bed = buffered(1);
        assert_eq!(bed.ask(&Order { leverage: Some("10"), ..buy(ISOLATED, "5") }), []);
        let id = bed.last_id();
        bed.fill(Some(&id), ISOLATED, Side::Buy, "5", "100");
        bed.take(Fact::Override {
            name: "edge",
            by: "test",
            reason: "edge",
            limit: LimitName::LiquidationBuffer,
            scope: Scope::System,
            of: None,
            value: buffer,
            span: HOUR,
        })
        .unwrap();
        bed.price(ISOLATED, "95");
        bed
    };
    // (95 - 90.5) / 95 = 0.0473684…
    let more = Order { leverage: Some("10"), price: Some("100"), ..buy(ISOLATED, "1") };
    assert_eq!(open("0.047368").ask(&more), []);
    assert_eq!(open("0.047369").ask(&more), [Code::LiquidationBuffer]);
    // At the mark the entry is 99.1666…, and liquidation 89.7458….
    let more = Order { leverage: Some("10"), ..buy(ISOLATED, "1") };
    assert_eq!(open("0.055307").ask(&more), []);
    assert_eq!(open("0.055308").ask(&more), [Code::LiquidationBuffer]);
}

/// One question with numbers of all sizes.
#[derive(Clone, Debug)]
struct Case {
    instrument: &'static str,
    held: i64,
    entry: u32,
    held_leverage: u32,
    mark: u32,
    buys: bool,
    quantity: u32,
    price: Option<u32>,
    leverage: u32,
    equity: u32,
    buffer: u32,
}

fn cases() -> impl Strategy<Value = Case> {
    let instrument = prop::sample::select(vec![ISOLATED, INVERSE_ISOLATED, CROSS, INVERSE]);
    let price = 5_000u32..20_000;
    (
        (instrument, -500_000i64..500_000, price.clone(), 100u32..2_000, price.clone(), any::<bool>()),
        (1u32..1_000_000, prop::option::of(price), 100u32..5_000, 1_000u32..100_000, 1_000u32..400_000),
    )
        .prop_map(
            |((instrument, held, entry, held_leverage, mark, buys), (quantity, price, leverage, equity, buffer))| {
                Case { instrument, held, entry, held_leverage, mark, buys, quantity, price, leverage, equity, buffer }
            },
        )
}

/// The buffer by the formulas of docs/gate.md; `None`: nothing can liquidate it.
fn buffer(case: &Case) -> Option<Fraction> {
    let quantity = fraction(case.quantity.into(), 10_000);
    let held = fraction(case.held.into(), 10_000);
    let held = if case.buys { held } else { -held };
    let mark = fraction(case.mark.into(), 100);
    let price = case.price.map_or(mark.clone(), |price| fraction(price.into(), 100));
    let one = Fraction::one();
    let inverse = case.instrument == INVERSE || case.instrument == INVERSE_ISOLATED;
    if case.instrument == ISOLATED || case.instrument == INVERSE_ISOLATED {
        let maintenance = fraction(5, 1_000);
        let leverage =
            fraction(if case.held == 0 { case.leverage } else { case.leverage.max(case.held_leverage) }.into(), 100);
        let entry = if held.is_positive() {
            let before = fraction(case.entry.into(), 100);
            if inverse {
                (&held + &quantity) / (&held / before + &quantity / price)
            } else {
                (&held * before + &quantity * price) / (&held + &quantity)
            }
        } else {
            price
        };
        let liquidation = match (case.buys, inverse) {
            (true, false) => entry * (&one - &one / &leverage + maintenance),
            (false, false) => entry * (&one + &one / &leverage - maintenance),
            (true, true) => entry / (&one + &one / &leverage - maintenance),
            (false, true) => {
                let divisor = &one - &one / &leverage + maintenance;
                if !divisor.is_positive() {
                    return None;
                }
                entry / divisor
            }
        };
        let distance = if case.buys { &mark - liquidation } else { liquidation - &mark };
        return Some(distance / mark);
    }
    let maintenance = fraction(1, 100);
    let size = held + quantity;
    if !size.is_positive() {
        return None;
    }
    let notional = if inverse { size * fraction(100, 1) } else { size * &mark };
    let free = (fraction(case.equity.into(), 1) - &notional * maintenance).max(Fraction::zero());
    let room = free / notional;
    match (case.buys, inverse) {
        (_, false) => Some(room),
        (true, true) => Some(&room / (&one + &room)),
        (false, true) if room >= one => None,
        (false, true) => Some(&room / (&one - &room)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_buffer_is_that_of_the_formulas(case in cases()) {
        let mut bed = Bed::new(with(LimitName::LiquidationBuffer, case.buffer.into()));
        let money = |cents: u32| format!("{}.{:02}", cents / 100, cents % 100);
        let sign = if case.held < 0 { "-" } else { "" };
        let held = format!("{sign}{}.{:04}", case.held.abs() / 10_000, case.held.abs() % 10_000);
        let held = if case.held == 0 { "0".to_owned() } else { held };
        bed.price(case.instrument, &money(case.mark));
        bed.equity("main", &case.equity.to_string());
        let (entry, leverage) = (money(case.entry), money(case.held_leverage));
        bed.take(Fact::Position {
            account: "main",
            instrument: case.instrument,
            quantity: &held,
            entry: Some(&entry),
            leverage: Some(&leverage),
            paper: false,
        })
        .unwrap();
        let quantity = format!("{}.{:04}", case.quantity / 10_000, case.quantity % 10_000);
        let (price, leverage) = (case.price.map(money), money(case.leverage));
        let side = if case.buys { Side::Buy } else { Side::Sell };
        let ask = Order { price: price.as_deref(), leverage: Some(&leverage), ..order(case.instrument, side, &quantity) };
        let refused = bed.ask(&ask);
        if bed.last.reduces {
            prop_assert_eq!(refused, vec![]);
            return Ok(());
        }
        let limit = fraction(case.buffer.into(), 1_000_000);
        let Some(found) = buffer(&case) else {
            prop_assert_eq!(refused, vec![]);
            return Ok(());
        };
        // An inverse entry is no finite decimal, and a maintenance margin is rounded up to a cent: so near the edge both answers are
        // right, and the gate's is to refuse.
        let edge = if case.instrument == ISOLATED { Fraction::zero() } else { of("0.00001") };
        if found < limit {
            prop_assert_eq!(refused, vec![Code::LiquidationBuffer], "{}", found);
        } else if found >= &limit + edge {
            prop_assert_eq!(refused, vec![], "{}", found);
        }
    }
}
