//! Orders above `confirm_above`: refused until somebody confirms that one order, in time.

use crate::bed::*;
use failstop_core::gate::*;

fn confirm(bed: &mut Bed, client_id: &str) -> Result<Taken, FactError> {
    bed.take(Fact::Confirm { client_id, by: "admin (1000)" })
}

fn large(client_id: &str) -> Order<'_> {
    Order { client_id, ..buy(SPOT, "10.0001") }
}

#[test]
fn an_order_above_the_edge_waits_for_somebody_and_goes_once() {
    let mut bed = Bed::flat(with(LimitName::ConfirmAbove, 100_000));
    assert_eq!(bed.ask(&buy(SPOT, "10")), []);
    assert_eq!(confirm(&mut bed, "a"), Err(FactError::NothingToConfirm), "before it was sent");
    assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired]);
    assert_eq!(bed.gate.awaiting(bed.now()).count(), 1);
    assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired]);
    let taken = bed.gate.take(bed.now(), Fact::Confirm { client_id: "a", by: "admin (1000)" }).unwrap();
    assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired], "its record is not durable");
    bed.gate.take(bed.now(), Fact::Durable(taken.waits.unwrap())).unwrap();
    // It is of that one order, whole.
    assert_eq!(bed.ask_as(&large("b")), [Code::ConfirmationRequired]);
    for other in [
        Order { quantity: "10.0002", ..large("a") },
        Order { price: Some("100"), ..large("a") },
        Order { account: "second", ..large("a") },
        Order { side: Side::Sell, ..large("a") },
        Order { user: Some("bob"), ..large("a") },
    ] {
        assert_eq!(bed.ask_as(&other), [Code::ConfirmationRequired], "{other:?}");
    }
    assert_eq!(bed.ask_as(&large("a")), []);
    assert_eq!(
        bed.ask_as(&large("a")),
        [Code::ConfirmationRequired, Code::Duplicate].into_iter().rev().collect::<Vec<_>>()
    );
}

#[test]
fn both_the_confirmation_and_the_order_must_come_in_time() {
    let mut bed = Bed::flat(with(LimitName::ConfirmAbove, 100_000));
    assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired]);
    bed.pass(2 * MINUTE);
    assert_eq!(confirm(&mut bed, "a"), Err(FactError::NothingToConfirm));
    bed.prices();
    assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired]);
    bed.pass(MINUTE);
    assert!(confirm(&mut bed, "a").is_ok());
    bed.pass(2 * MINUTE);
    bed.prices();
    bed.position(SPOT, "0");
    assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired]);
}

#[test]
fn paper_and_what_reduces_need_nobody() {
    let mut bed = Bed::flat(with(LimitName::ConfirmAbove, 100_000));
    bed.position(SPOT, "50");
    assert_eq!(bed.ask(&sell(SPOT, "50")), []);
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
    assert_eq!(bed.ask(&buy(SPOT, "50")), []);
}

#[test]
fn an_order_that_would_be_refused_anyway_waits_for_nobody() {
    let mut policy = with(LimitName::ConfirmAbove, 100_000);
    policy.system = policy.system.with(LimitName::OpeningsPerMinute, Limit::Set(0));
    let mut bed = Bed::flat(policy);
    let mut both = [Code::ConfirmationRequired, Code::RateOpenings];
    both.sort_unstable();
    assert_eq!(bed.ask_as(&large("a")), both);
    assert_eq!(confirm(&mut bed, "a"), Err(FactError::NothingToConfirm));
}

#[test]
fn what_waits_is_bounded() {
    let mut bed = Bed::flat(with(LimitName::ConfirmAbove, 100_000));
    for index in 0..=MAX_CONFIRMATIONS {
        assert_eq!(bed.ask_as(&large(&format!("a{index}"))), [Code::ConfirmationRequired]);
    }
    assert_eq!(bed.gate.awaiting(bed.now()).count(), MAX_CONFIRMATIONS);
    assert_eq!(confirm(&mut bed, "a0"), Err(FactError::NothingToConfirm), "the oldest gave way");
    assert!(confirm(&mut bed, "a1").is_ok());
}

#[test]
fn an_order_that_needs_nobody_any_more_leaves_no_confirmation_behind() {
    for confirmed in [false, true] {
        let policy = with(LimitName::ConfirmAbove, 100_000);
        let mut bed = Bed::flat(policy.clone());
        assert_eq!(bed.ask_as(&large("a")), [Code::ConfirmationRequired]);
        let mut waits = None;
        if confirmed {
            let taken = bed.gate.take(bed.now(), Fact::Confirm { client_id: "a", by: "admin (1000)" }).unwrap();
            bed.records.extend(taken.records);
            waits = taken.waits;
        }
        // Its worth falls below the edge before the confirmation is in force.
        bed.price(SPOT, "90");
        assert_eq!(bed.ask_as(&large("a")), []);
        assert_eq!(bed.gate.awaiting(bed.now()).count(), 0);
        match waits {
            Some(ticket) => assert!(bed.gate.take(bed.now(), Fact::Durable(ticket)).is_ok()),
            None => assert_eq!(confirm(&mut bed, "a"), Err(FactError::NothingToConfirm)),
        }
        let mut again = Gate::new(policy).unwrap();
        bed.records.iter().for_each(|record| again.replay(record));
        assert!(again.recorded() == bed.gate.recorded(), "confirmed: {confirmed}");
    }
}

#[test]
fn only_so_many_confirmations_wait_for_their_records_and_what_does_not_fit_goes_on_waiting() {
    let mut policy = with(LimitName::ConfirmAbove, 100_000);
    policy.system = policy.system.with(LimitName::OrderNotional, Limit::Set(1_000_000));
    let mut bed = Bed::flat(policy);
    let mut last = None;
    for index in 0..MAX_PENDING {
        let id = format!("a{index}");
        assert_eq!(bed.ask_as(&large(&id)), [Code::ConfirmationRequired]);
        last = bed.gate.take(bed.now(), Fact::Confirm { client_id: &id, by: "admin (1000)" }).unwrap().waits;
    }
    assert_eq!(bed.ask_as(&large("b")), [Code::ConfirmationRequired]);
    let refused = bed.gate.take(bed.now(), Fact::Confirm { client_id: "b", by: "admin (1000)" });
    assert_eq!(refused, Err(FactError::TooManyPending));
    assert_eq!(bed.gate.awaiting(bed.now()).count(), 1, "it can be confirmed later");
    let over = |value| Fact::Override {
        name: "x",
        by: "root (0)",
        reason: "r",
        limit: LimitName::OrderNotional,
        scope: Scope::System,
        of: None,
        value,
        span: HOUR,
    };
    assert_eq!(bed.gate.take(bed.now(), over("20000")), Err(FactError::TooManyPending));
    assert_eq!(bed.gate.take(bed.now(), over("500")).unwrap().waits, None, "what tightens needs no place");
    bed.gate.take(bed.now(), Fact::Durable(last.unwrap())).unwrap();
    assert!(confirm(&mut bed, "b").is_ok());
}
