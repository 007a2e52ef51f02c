//! The permission and the mode, and what an order must be made of.

use crate::bed::*;
use failstop_core::gate::*;
use failstop_core::{Monotonic, Rights, Slot};

#[test]
fn nothing_is_allowed_before_the_start() {
    let mut gate = Gate::new(policy()).unwrap();
    let mut out = Decision::default();
    gate.decide(Monotonic::from_nanos(1), &Order { client_id: "a", ..buy(SPOT, "1") }, ACTIVE, &mut out);
    assert!(out.has(Code::Starting) && !out.allows());
    gate.consider(Monotonic::from_nanos(1), &Order { client_id: "a", ..buy(SPOT, "1") }, ACTIVE, &mut out);
    assert!(out.has(Code::Starting) && !out.allows());
    let fact = Fact::Equity { account: "main", equity: "1", paper: false };
    assert_eq!(gate.take(Monotonic::from_nanos(1), fact), Err(FactError::NotStarted));
}

#[test]
fn the_permission_decides_what_may_be_asked_for() {
    let table: [(Rights, &[Code], &[Code]); 4] = [
        (ACTIVE, &[], &[]),
        (REDUCE, &[Code::ReduceOnly], &[]),
        (Rights::NONE, &[Code::Halted], &[Code::Halted]),
        (Rights::REVOKED, &[Code::KillSwitch], &[Code::KillSwitch]),
    ];
    for (may, opening, closing) in table {
        let mut bed = Bed::flat(policy());
        // What stays on paper is judged by the paper's own positions.
        let paper = !may.live;
        bed.take(Fact::Position {
            account: "main",
            instrument: SPOT,
            quantity: "5",
            entry: None,
            leverage: None,
            paper,
        })
        .unwrap();
        bed.may = may;
        assert_eq!(bed.ask(&buy(SPOT, "1")), opening, "{may:?}");
        assert_eq!(bed.ask(&sell(SPOT, "1")), closing, "{may:?}");
    }
}

#[test]
fn only_an_order_that_asks_for_the_exchange_is_refused_in_dry() {
    let mut bed = Bed::flat(policy());
    bed.take(Fact::Position {
        account: "main",
        instrument: SPOT,
        quantity: "0",
        entry: None,
        leverage: None,
        paper: true,
    })
    .unwrap();
    bed.may = PAPER;
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    assert!(bed.last.paper);
    assert_eq!(bed.ask(&Order { live: true, ..buy(SPOT, "1") }), [Code::DryMode]);
    bed.may = ACTIVE;
    assert_eq!(bed.ask(&Order { live: true, ..buy(SPOT, "1") }), []);
    assert!(!bed.last.paper);
}

#[test]
fn paper_and_the_exchange_know_nothing_of_each_others_positions() {
    let mut bed = Bed::flat(with(LimitName::Position, 100_000));
    bed.take(Fact::Position {
        account: "main",
        instrument: SPOT,
        quantity: "10",
        entry: None,
        leverage: None,
        paper: true,
    })
    .unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    assert_eq!(bed.ask(&Order { reduce_only: true, ..sell(SPOT, "1") }), [Code::ReduceOnly]);
    bed.may = PAPER;
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::PositionLimit]);
    assert_eq!(bed.ask(&Order { reduce_only: true, ..sell(SPOT, "1") }), []);
}

#[test]
fn cancels_pass_whatever_stands() {
    let mut gate = Gate::new(policy()).unwrap();
    gate.cancel();
    gate.start(Monotonic::from_nanos(1), GateTime::from_micros(BEGIN));
    gate.cancel();
    assert_eq!(gate.counts().cancels(), 2);
    assert_eq!(gate.counts().refused(), 0);
}

#[test]
fn what_cannot_be_read_is_refused_part_by_part() {
    let name = "x".repeat(65);
    let good = Order { client_id: "a", ..buy(SPOT, "1") };
    let table: [(Order<'_>, &[Code]); 20] = [
        (Order { client_id: "", ..good }, &[Code::InvalidClientId]),
        (Order { client_id: &name, ..good }, &[Code::InvalidClientId]),
        (Order { client_id: "a b", ..good }, &[Code::InvalidClientId]),
        (Order { client_id: "ä", ..good }, &[Code::InvalidClientId]),
        (Order { user: Some(""), ..good }, &[Code::InvalidUser]),
        (Order { account: "nowhere", ..good }, &[Code::UnknownAccount]),
        (Order { instrument: "nothing", ..good }, &[Code::UnknownInstrument]),
        (Order { component: slot(7), ..good }, &[Code::UnknownComponent]),
        (Order { quantity: "0", ..good }, &[Code::InvalidQuantity]),
        (Order { quantity: "-1", ..good }, &[Code::InvalidQuantity]),
        (Order { quantity: "1.00001", ..good }, &[Code::InvalidQuantity]),
        (Order { quantity: "1e3", ..good }, &[Code::InvalidQuantity]),
        (Order { quantity: "", ..good }, &[Code::InvalidQuantity]),
        (Order { price: Some("0"), ..good }, &[Code::InvalidPrice]),
        (Order { price: Some("1.001"), ..good }, &[Code::InvalidPrice]),
        (Order { price: Some("NaN"), ..good }, &[Code::InvalidPrice]),
        (Order { leverage: Some("0.99"), instrument: ISOLATED, ..good }, &[Code::InvalidLeverage]),
        (Order { leverage: Some("2.001"), instrument: ISOLATED, ..good }, &[Code::InvalidLeverage]),
        (Order { leverage: Some("2"), ..good }, &[Code::InvalidLeverage]),
        (
            Order { quantity: "x", price: Some("y"), account: "z", ..good },
            &[Code::InvalidQuantity, Code::InvalidPrice, Code::UnknownAccount],
        ),
    ];
    for (order, codes) in table {
        let mut bed = Bed::flat(policy());
        let mut codes = codes.to_vec();
        codes.sort_unstable();
        assert_eq!(bed.ask_as(&order), codes, "{order:?}");
        assert_eq!(bed.ask_as(&good), [], "what is refused leaves nothing behind: {order:?}");
    }
    let mut bed = Bed::flat(policy());
    assert_eq!(bed.ask_as(&Order { component: Slot::SYSTEM, leverage: Some("1"), ..good }), [], "the system's own");
}

#[test]
fn a_component_trades_what_it_may() {
    let mut policy = policy();
    policy.components[0].instruments = Some([1].into());
    let mut bed = Bed::flat(policy);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::InstrumentNotAllowed]);
    assert_eq!(bed.ask(&Order { leverage: Some("2"), ..buy(ISOLATED, "1") }), []);
    assert_eq!(bed.ask(&Order { component: slot(1), ..buy(SPOT, "1") }), []);
}
