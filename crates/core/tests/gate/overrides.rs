//! A super-admin's override: named, of one limit, with an end; it loosens only when its record is durable.

use crate::bed::*;
use failstop_core::gate::*;
use std::time::Duration;

fn over<'a>(name: &'a str, limit: LimitName, value: &'a str) -> Fact<'a> {
    Fact::Override {
        name,
        by: "root (0)",
        reason: "rebalancing",
        limit,
        scope: Scope::System,
        of: None,
        value,
        span: HOUR,
    }
}

#[test]
fn loosening_waits_for_its_record_and_ends_by_itself() {
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10_000));
    assert_eq!(bed.ask(&buy(SPOT, "2")), [Code::OrderNotional]);
    let taken = bed.gate.take(bed.now(), over("more", LimitName::OrderNotional, "200")).unwrap();
    let ticket = taken.waits.unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "2")), [Code::OrderNotional], "not durable yet");
    bed.gate.take(bed.now(), Fact::Durable(ticket)).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "2")), []);
    assert_eq!(bed.ask(&buy(SPOT, "2.0001")), [Code::OrderNotional]);
    bed.pass(HOUR - Duration::from_micros(1));
    bed.prices();
    bed.position(SPOT, "0");
    assert_eq!(bed.ask(&buy(SPOT, "2")), []);
    bed.pass(Duration::from_micros(1));
    assert_eq!(bed.ask(&buy(SPOT, "2")), [Code::OrderNotional]);
    assert!(bed.gate.overrides(bed.now()).is_empty());
}

#[test]
fn tightening_is_in_force_at_once_and_the_later_one_counts() {
    let mut bed = Bed::flat(policy());
    let loosening = bed.gate.take(bed.now(), over("first", LimitName::OrderNotional, "300")).unwrap();
    assert_eq!(loosening.waits, None, "from waived to a value is tighter");
    assert_eq!(bed.ask(&buy(SPOT, "3.0001")), [Code::OrderNotional]);
    let first = bed.gate.take(bed.now(), over("looser", LimitName::OrderNotional, "500")).unwrap().waits.unwrap();
    assert_eq!(bed.gate.take(bed.now(), over("tight", LimitName::OrderNotional, "100")).unwrap().waits, None);
    assert_eq!(bed.ask(&buy(SPOT, "1.0001")), [Code::OrderNotional]);
    // The looser one was given before the tight one: being durable later it changes nothing.
    bed.gate.take(bed.now(), Fact::Durable(first)).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1.0001")), [Code::OrderNotional]);
    let standing: Vec<_> = bed.gate.overrides(bed.now()).into_iter().map(|over| over.name).collect();
    assert_eq!(standing, ["first", "looser", "tight"]);
    // Ending it loosens: that waits.
    let end = bed.gate.take(bed.now(), Fact::EndOverride { name: "tight", by: "root (0)" }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "1.0001")), [Code::OrderNotional]);
    bed.gate.take(bed.now(), Fact::Durable(end.waits.unwrap())).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "5")), []);
    assert_eq!(bed.ask(&buy(SPOT, "5.0001")), [Code::OrderNotional]);
    // Ending the looser one tightens: at once.
    assert_eq!(bed.gate.take(bed.now(), Fact::EndOverride { name: "looser", by: "root (0)" }).unwrap().waits, None);
    assert_eq!(bed.ask(&buy(SPOT, "3.0001")), [Code::OrderNotional]);
}

#[test]
fn an_override_is_of_one_limit_of_somebody() {
    let mut policy = policy();
    policy.user = Limits::WAIVED.with(LimitName::OpeningsPerMinute, Limit::Set(1));
    let mut bed = Bed::flat(policy);
    let fact = Fact::Override {
        name: "alice",
        by: "root (0)",
        reason: "asked for it",
        limit: LimitName::OpeningsPerMinute,
        scope: Scope::User,
        of: Some("alice"),
        value: "waived",
        span: HOUR,
    };
    bed.take(fact).unwrap();
    for _ in 0..3 {
        assert_eq!(bed.ask(&Order { user: Some("alice"), ..buy(SPOT, "1") }), []);
    }
    assert_eq!(bed.ask(&Order { user: Some("bob"), ..buy(SPOT, "1") }), []);
    assert_eq!(bed.ask(&Order { user: Some("bob"), ..buy(SPOT, "1") }), [Code::RateOpenings]);
}

#[test]
fn what_makes_no_override_is_refused_and_changes_nothing() {
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10_000));
    let fact = |limit, scope, of, value, span| Fact::Override {
        name: "x",
        by: "root (0)",
        reason: "r",
        limit,
        scope,
        of,
        value,
        span,
    };
    let notional = LimitName::OrderNotional;
    let table = [
        (fact(notional, Scope::System, Some("x"), "1", HOUR), FactError::Misplaced),
        (fact(notional, Scope::User, None, "1", HOUR), FactError::Misplaced),
        (fact(LimitName::TotalLeverage, Scope::User, Some("x"), "1", HOUR), FactError::Misplaced),
        (fact(notional, Scope::Component, Some("x"), "1", HOUR), FactError::Unknown(What::Component)),
        (fact(notional, Scope::Instrument, Some("x"), "1", HOUR), FactError::Unknown(What::Instrument)),
        (fact(notional, Scope::System, None, "1.001", HOUR), FactError::Invalid(What::Override)),
        (fact(notional, Scope::System, None, "-1", HOUR), FactError::Invalid(What::Override)),
        (fact(notional, Scope::System, None, "1", Duration::ZERO), FactError::Span),
        (fact(notional, Scope::System, None, "1", MAX_OVERRIDE + SECOND), FactError::Span),
        (Fact::EndOverride { name: "x", by: "root (0)" }, FactError::NoSuchOverride),
    ];
    for (fact, error) in table {
        assert_eq!(bed.take(fact), Err(error), "{fact:?}");
    }
    for index in 0..MAX_OVERRIDES {
        bed.take(over(&format!("o{index}"), notional, "200")).unwrap();
    }
    assert_eq!(bed.take(over("one more", notional, "200")), Err(FactError::Invalid(What::Override)));
    assert_eq!(bed.take(over("one-more", notional, "200")), Err(FactError::TooManyOverrides));
    bed.take(over("o3", notional, "300")).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "3")), [], "one that stands can be replaced");
}

#[test]
fn what_would_loosen_once_another_has_ended_waits_for_its_record() {
    let for_a = |name: &'static str, value: &'static str, span| Fact::Override {
        name,
        by: "root (0)",
        reason: "r",
        limit: LimitName::OrderNotional,
        scope: Scope::System,
        of: None,
        value,
        span,
    };
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10_000));
    bed.take(for_a("wide", "500", SECOND)).unwrap();
    let taken = bed.gate.take(bed.now(), for_a("narrower", "300", HOUR)).unwrap();
    assert!(taken.waits.is_some(), "in a second it allows more than what is configured");
    bed.pass(SECOND);
    assert_eq!(bed.ask(&buy(SPOT, "1.0001")), [Code::OrderNotional], "its record is not durable");
    // One that ends no later than the wide one tightens all the while.
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10_000));
    bed.take(for_a("wide", "500", HOUR)).unwrap();
    assert_eq!(bed.gate.take(bed.now(), for_a("narrower", "300", HOUR)).unwrap().waits, None);
    assert_eq!(bed.ask(&buy(SPOT, "3.0001")), [Code::OrderNotional]);

    // Ending one that would have held once another has ended loosens as well.
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 30_000));
    bed.take(for_a("longer", "200", HOUR)).unwrap();
    bed.take(for_a("shorter", "100", SECOND)).unwrap();
    let taken = bed.gate.take(bed.now(), Fact::EndOverride { name: "longer", by: "root (0)" }).unwrap();
    assert!(taken.waits.is_some());
    bed.pass(SECOND);
    assert_eq!(bed.ask(&buy(SPOT, "2.0001")), [Code::OrderNotional], "its record is not durable");
}

#[test]
fn overrides_whose_records_are_not_durable_take_places_too() {
    let mut bed = Bed::flat(with(LimitName::OrderNotional, 10_000));
    let mut last = None;
    for index in 0..MAX_OVERRIDES {
        let name = format!("o{index}");
        last = bed.gate.take(bed.now(), over(&name, LimitName::OrderNotional, "200")).unwrap().waits;
    }
    let one_more = bed.gate.take(bed.now(), over("one-more", LimitName::OrderNotional, "200"));
    assert_eq!(one_more, Err(FactError::TooManyOverrides));
    bed.gate.take(bed.now(), over("o3", LimitName::OrderNotional, "300")).unwrap();
    bed.gate.take(bed.now(), Fact::Durable(last.unwrap())).unwrap();
    assert_eq!(bed.gate.overrides(bed.now()).len(), MAX_OVERRIDES - 1, "the third is superseded by one that waits");
}

#[test]
fn a_value_is_shown_as_the_configuration_would_have_it() {
    let mut bed = Bed::flat(policy());
    let quantity = Fact::Override {
        name: "small",
        by: "root (0)",
        reason: "thin book",
        limit: LimitName::OrderQuantity,
        scope: Scope::Instrument,
        of: Some(SPOT),
        value: "0.5",
        span: HOUR,
    };
    assert_eq!(bed.gate.take(bed.now(), quantity).unwrap().waits, None);
    bed.gate.take(bed.now(), over("money", LimitName::OrderNotional, "300.5")).unwrap();
    let shown: Vec<_> = bed.gate.overrides(bed.now()).into_iter().map(|over| over.text).collect();
    assert_eq!(shown, ["0.5000", "300.50"]);
}
