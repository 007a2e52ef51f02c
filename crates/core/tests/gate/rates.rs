//! Rates: at their edges, for whom they bind, over time; and that no span of a window's width ever sees more than its limit.

use crate::bed::*;
use failstop_core::Slot;
use failstop_core::gate::*;
use proptest::prelude::*;
use std::time::Duration;

fn user<'a>(name: &'a str, order: Order<'a>) -> Order<'a> {
    Order { user: Some(name), ..order }
}

fn limited(scope: Scope, limit: LimitName, value: u128) -> GatePolicy {
    let mut policy = policy();
    let limits = Limits::WAIVED.with(limit, Limit::Set(value));
    match scope {
        Scope::System => policy.system = limits,
        Scope::Component => policy.components.iter_mut().for_each(|one| one.limits = limits.clone()),
        Scope::User => policy.user = limits,
        Scope::Instrument => unreachable!("rates are nobody's instrument's"),
    }
    policy
}

#[test]
fn openings_are_limited_in_any_minute() {
    let mut bed = Bed::flat(with(LimitName::OpeningsPerMinute, 5));
    for _ in 0..5 {
        assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    }
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateOpenings]);
    assert_eq!(bed.last.refusals[0].to_string(), "RATE_OPENINGS: 6, limit 5");
    bed.pass(MINUTE - SECOND);
    bed.prices();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateOpenings], "a refusal used nothing up, and nothing came free");
    // A twelfth of the window later at the latest.
    bed.pass(6 * SECOND);
    bed.prices();
    for _ in 0..5 {
        assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    }
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RateOpenings]);
}

#[test]
fn each_scope_counts_for_itself() {
    let other = |order| Order { component: slot(1), ..order };
    let mut bed = Bed::flat(limited(Scope::User, LimitName::OpeningsPerMinute, 1));
    assert_eq!(bed.ask(&user("alice", buy(SPOT, "1"))), []);
    assert_eq!(bed.ask(&user("alice", buy(SPOT, "2"))), [Code::RateOpenings]);
    assert_eq!(bed.last.refusals[0].scope, Scope::User);
    assert_eq!(bed.ask(&user("bob", buy(SPOT, "1"))), []);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [], "nobody's");
    let mut bed = Bed::flat(limited(Scope::Component, LimitName::OpeningsPerMinute, 1));
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    assert_eq!(bed.ask(&user("bob", buy(SPOT, "1"))), [Code::RateOpenings]);
    assert_eq!(bed.ask(&other(buy(SPOT, "1"))), []);
    let mut bed = Bed::flat(limited(Scope::System, LimitName::OpeningsPerMinute, 1));
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    assert_eq!(bed.ask(&other(user("bob", buy(SPOT, "1")))), [Code::RateOpenings]);
}

#[test]
fn trades_and_volume_of_a_day_begin_anew_with_the_day_and_only_then() {
    for (limit, value, code) in
        [(LimitName::TradesPerDay, 2, Code::RateDaily), (LimitName::VolumePerDay, 20_000, Code::RateVolumeDaily)]
    {
        let mut bed = Bed::flat(with(limit, value));
        bed.take(Fact::Day(TradingDay(20_000))).unwrap();
        assert_eq!(bed.ask(&buy(SPOT, "1")), []);
        assert_eq!(bed.ask(&buy(SPOT, "1")), []);
        assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [code]);
        bed.pass(30 * HOUR);
        bed.prices();
        bed.position(SPOT, "0");
        assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [code], "passing time alone begins no day");
        assert_eq!(bed.take(Fact::Day(TradingDay(20_000))), Err(FactError::DayNotLater));
        assert_eq!(bed.take(Fact::Day(TradingDay(19_999))), Err(FactError::DayNotLater));
        assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [code]);
        bed.take(Fact::Day(TradingDay(20_001))).unwrap();
        assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    }
}

#[test]
fn volume_is_limited_in_any_hour_to_the_cent() {
    let mut bed = Bed::flat(with(LimitName::VolumePerHour, 1_000_000));
    assert_eq!(bed.ask(&buy(SPOT, "99.9999")), []);
    assert_eq!(bed.ask(&buy(SPOT, "0.0002")), [Code::RateVolume]);
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), []);
    assert_eq!(bed.ask(&buy(SPOT, "0.0001")), [Code::RateVolume]);
    assert_eq!(bed.last.refusals[0].found.unwrap().to_string(), "10000.01");
}

#[test]
fn copies_and_messages_have_their_own() {
    let mut bed = Bed::flat(with(LimitName::CopiesPerMinute, 2));
    let copy = Order { kind: Kind::Copy, ..buy(SPOT, "1") };
    assert_eq!(bed.ask(&copy), []);
    assert_eq!(bed.ask(&copy), []);
    assert_eq!(bed.ask(&copy), [Code::RateCopies]);
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);

    let mut bed = Bed::flat(limited(Scope::User, LimitName::MessagesPerMinute, 30));
    let mut out = Decision::default();
    let ask = |name, cost| RateAsk { component: Slot::SYSTEM, bucket: Bucket::Messages, user: Some(name), cost };
    let now = bed.now();
    assert!(bed.gate.rate(now, &ask("alice", 29), &mut out).is_some() && out.allows());
    assert!(bed.gate.rate(now, &ask("alice", 2), &mut out).is_none() && out.has(Code::RateMessages));
    assert!(bed.gate.rate(now, &ask("alice", 1), &mut out).is_some() && out.allows());
    assert!(bed.gate.rate(now, &ask("alice", 1), &mut out).is_none() && out.has(Code::RateMessages));
    assert!(bed.gate.rate(now, &ask("bob", 30), &mut out).is_some() && out.allows());
    assert!(bed.gate.rate(now, &RateAsk { component: slot(9), ..ask("bob", 1) }, &mut out).is_none());
    assert!(out.has(Code::UnknownComponent));
    assert!(bed.gate.rate(now, &ask("", 1), &mut out).is_none() && out.has(Code::InvalidUser));
    assert_eq!((bed.gate.counts().rates_allowed(), bed.gate.counts().rates_refused()), (3, 4));
}

#[test]
fn what_reduces_counts_and_is_never_refused_by_a_rate() {
    let mut policy = policy();
    policy.system = Limits::WAIVED
        .with(LimitName::OpeningsPerMinute, Limit::Set(0))
        .with(LimitName::TradesPerDay, Limit::Set(1))
        .with(LimitName::VolumePerHour, Limit::Set(15_000))
        .with(LimitName::RepeatedOrders, Limit::Set(0));
    let mut bed = Bed::flat(policy);
    bed.position(SPOT, "10");
    for _ in 0..5 {
        assert_eq!(bed.ask(&sell(SPOT, "2")), []);
    }
    let mut bed = Bed::flat(with(LimitName::VolumePerHour, 15_000));
    bed.position(SPOT, "1");
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    assert_eq!(bed.ask(&buy(SPOT, "0.5001")), [Code::RateVolume], "what reduced has counted");
    assert_eq!(bed.ask(&buy(SPOT, "0.5")), []);
}

#[test]
fn beyond_the_users_that_are_remembered_one_more_is_refused_until_somebody_is_idle() {
    let mut bed = Bed::flat(limited(Scope::User, LimitName::MessagesPerMinute, 1));
    let mut out = Decision::default();
    for index in 0..MAX_USERS {
        let name = format!("user-{index}");
        let ask = RateAsk { component: Slot::SYSTEM, bucket: Bucket::Messages, user: Some(&name), cost: 1 };
        assert!(bed.gate.rate(bed.now(), &ask, &mut out).is_some(), "{index}");
    }
    let one_more = user("one-more", buy(SPOT, "1"));
    assert_eq!(bed.ask(&one_more), [Code::RateUsers]);
    assert_eq!(bed.ask(&user("user-7", buy(SPOT, "1"))), [], "known ones go on");
    bed.pass(MINUTE + 6 * SECOND);
    bed.prices();
    assert_eq!(bed.ask(&one_more), []);
    // Whoever has an order open is not forgotten.
    let ask = RateAsk { component: Slot::SYSTEM, bucket: Bucket::Messages, user: Some("user-7"), cost: 1 };
    assert!(bed.gate.rate(bed.now(), &ask, &mut out).is_some());
    assert!(bed.gate.rate(bed.now(), &ask, &mut out).is_none());
}

#[test]
fn a_word_from_outside_only_ever_refuses_more() {
    let refused = [(LimitName::VolumePerHour, Scope::User)];
    let decided = |bed: &mut Bed, client_id: &str, refused: &[(LimitName, Scope)]| {
        bed.take(Fact::RateDecided { client_id, refused }).unwrap();
    };
    for shared in [SharedRates::Off, SharedRates::ElseRefuse] {
        let policy = GatePolicy { shared_rates: shared, ..with(LimitName::OpeningsPerMinute, 1) };
        let mut bed = Bed::flat(policy);
        let order = |client_id| Order { client_id, ..buy(SPOT, "1") };
        let without = if shared == SharedRates::ElseRefuse { vec![Code::RateShared] } else { vec![] };
        decided(&mut bed, "a", &refused);
        assert_eq!(bed.ask_as(&order("a")), [Code::RateVolume], "{shared:?}");
        assert_eq!(bed.ask_as(&order("a")), without, "{shared:?}: each word is of one question");
        decided(&mut bed, "b", &[]);
        let local = if shared == SharedRates::ElseRefuse { vec![] } else { vec![Code::RateOpenings] };
        assert_eq!(bed.ask_as(&order("b")), local, "{shared:?}");
        decided(&mut bed, "c", &[]);
        assert_eq!(bed.ask_as(&order("c")), [Code::RateOpenings], "{shared:?}: what is counted here binds as well");
        // A word grows old.
        decided(&mut bed, "d", &refused);
        bed.pass(2 * MINUTE);
        bed.prices();
        assert_eq!(bed.ask_as(&order("d")), without, "{shared:?}");
        // One that means nothing is none.
        for (limit, scope) in [(LimitName::Position, Scope::System), (LimitName::VolumePerHour, Scope::Instrument)] {
            let fact = Fact::RateDecided { client_id: "e", refused: &[(limit, scope)] };
            assert_eq!(bed.take(fact), Err(FactError::Misplaced));
        }
        // What reduces needs no word.
        bed.position(SPOT, "5");
        assert_eq!(bed.ask(&sell(SPOT, "1")), [], "{shared:?}");
    }
}

#[test]
fn that_nobody_outside_answered_is_no_reason_beside_another_and_keeps_nobody_from_confirming() {
    let policy = GatePolicy { shared_rates: SharedRates::ElseRefuse, ..with(LimitName::ConfirmAbove, 5_000) };
    let mut bed = Bed::flat(policy);
    let large = Order { client_id: "large", ..buy(SPOT, "1") };
    assert_eq!(bed.ask_as(&large), [Code::ConfirmationRequired]);
    assert!(bed.take(Fact::Confirm { client_id: "large", by: "ann" }).is_ok());
    assert_eq!(bed.ask_as(&large), [Code::RateShared], "now it is the only one");
}

#[test]
fn a_late_fill_says_what_it_counted_and_for_whom() {
    let mut bed = Bed::flat(policy());
    assert_eq!(bed.ask(&user("alice", buy(SPOT, "1"))), []);
    let id = bed.last_id();
    bed.outcome(&id, Outcome::Cancelled);
    let fill = |id, order, paper| {
        let (account, side, quantity, price) = ("main", Side::Buy, "0.25", "100");
        Fact::Fill(Fill { id, order, account, instrument: SPOT, side, quantity, price, fee: None, paper })
    };
    let counted = |taken: Taken| taken.counted.map(|counted| (counted.user, counted.cost.trades, counted.cost.volume));
    let alices = Some("alice".to_owned());
    let first = bed.take(fill("f1", Some(&id), false)).unwrap();
    assert_eq!(counted(first), Some((alices.clone(), 1, 2_500)));
    let second = bed.take(fill("f2", Some(&id), false)).unwrap();
    assert_eq!(counted(second), Some((alices, 0, 2_500)), "all fills of one order are one trade");
    assert_eq!(counted(bed.take(fill("f3", None, false)).unwrap()), Some((None, 1, 2_500)), "nobody's order");
    assert_eq!(counted(bed.take(fill("f4", None, true)).unwrap()), None, "paper stays here");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let open = bed.last_id();
    assert_eq!(counted(bed.take(fill("f5", Some(&open), false)).unwrap()), None, "the order has counted it");
}

#[test]
fn a_bot_that_opens_in_circles_is_stopped_even_if_nothing_comes_of_it() {
    let mut bed = Bed::flat(with(LimitName::RepeatedOrders, 3));
    for _ in 0..3 {
        assert_eq!(bed.ask(&buy(SPOT, "1")), []);
        let id = bed.last_id();
        bed.outcome(&id, Outcome::Rejected);
    }
    assert_eq!(bed.ask(&buy(SPOT, "2")), [Code::RepeatedOrders]);
    assert_eq!(bed.ask(&sell(SPOT, "1")), [], "the other side");
    assert_eq!(bed.ask(&buy(EURO, "1")), [], "another instrument");
    assert_eq!(bed.ask(&Order { component: slot(1), ..buy(SPOT, "1") }), [], "another component");
    bed.pass(MINUTE);
    bed.prices();
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
}

#[test]
fn the_same_order_is_not_allowed_twice_within_its_window() {
    let mut bed = Bed::flat(with(LimitName::DuplicateWindow, 1_000));
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let id = bed.last_id();
    bed.pass(SECOND - Duration::from_micros(1));
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DuplicateContent]);
    assert_eq!(bed.ask(&Order { price: Some("100"), ..buy(SPOT, "1") }), []);
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    assert_eq!(bed.ask(&buy(SPOT, "1.0001")), []);
    assert_eq!(bed.ask(&Order { account: "second", ..buy(SPOT, "1") }), []);
    bed.pass(Duration::from_micros(1));
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    let again = bed.last_id();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DuplicateContent]);
    // What came to nothing may come again at once.
    bed.outcome(&again, Outcome::Rejected);
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    // And a client id never: not of an order that is over, nor of one that is open.
    bed.outcome(&id, Outcome::Cancelled);
    assert_eq!(bed.ask_as(&Order { client_id: &id, ..buy(SPOT, "3") }), [Code::Duplicate]);
    let id = bed.last_id();
    assert_eq!(bed.ask_as(&Order { client_id: &id, ..buy(SPOT, "3") }), [Code::Duplicate]);
}

#[test]
fn more_orders_than_are_remembered_are_not_allowed_within_their_windows() {
    let mut bed = Bed::flat(with(LimitName::RepeatedOrders, 5_000));
    for index in 0..MAX_RECENT {
        assert_eq!(bed.ask(&buy(SPOT, "1")), [], "{index}");
    }
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RecentFull]);
    // What reduces is remembered in place of the oldest; what opens waits until that would be over.
    bed.pass(CIRCLE_WITHIN - SECOND);
    bed.prices();
    bed.position(SPOT, "1000");
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    bed.pass(SECOND);
    bed.prices();
    for index in 0..MAX_RECENT - 1 {
        assert_eq!(bed.ask(&buy(SPOT, "1")), [], "{index}");
    }
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::RecentFull]);
}

#[test]
fn where_circles_are_not_looked_for_only_the_window_of_duplicates_bounds_how_many_there_are() {
    let mut bed = Bed::flat(with(LimitName::DuplicateWindow, 1_000));
    for index in 1..=MAX_RECENT {
        assert_eq!(bed.ask(&buy(SPOT, &index.to_string())), [], "{index}");
    }
    assert_eq!(bed.ask(&buy(SPOT, "0.5")), [Code::RecentFull]);
    bed.pass(SECOND);
    assert_eq!(bed.ask(&buy(SPOT, "0.5")), []);
}

#[derive(Clone, Debug)]
enum Event {
    Ask(u64),
    GiveBack(usize),
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![6 => (1u64..40).prop_map(Event::Ask), 1 => (0usize..40).prop_map(Event::GiveBack)];
    // Microseconds between events: bursts, parts of a window, whole windows, and right at its edges.
    let pause = prop_oneof![
        4 => 0u64..2_000_000,
        2 => 0u64..30_000_000,
        1 => 59_999_990u64..60_000_010,
        1 => 4_999_995u64..5_000_005,
    ];
    prop::collection::vec((pause, event), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the moments: no span of a minute ever holds more openings than allowed, and none of an hour more volume, by a list of
    /// everything that was allowed and came to something.
    #[test]
    fn no_span_of_a_windows_width_holds_more_than_its_limit(
        events in events(),
        limit in 1u128..8,
        stretch in prop::sample::select(vec![1u64, 60]),
    ) {
        let mut policy = policy();
        policy.system = if stretch == 1 {
            Limits::WAIVED.with(LimitName::OpeningsPerMinute, Limit::Set(limit))
        } else {
            Limits::WAIVED.with(LimitName::VolumePerHour, Limit::Set(limit * 10_000))
        };
        let width = 60_000_000 * stretch;
        let mut bed = Bed::flat(policy);
        // When, how much, under which id, and whether it still counts.
        let mut allowed: Vec<(u64, u128, String, bool)> = Vec::new();
        for (pause, event) in events {
            bed.pass(Duration::from_micros(pause * stretch));
            bed.prices();
            bed.position(SPOT, "0");
            match event {
                Event::Ask(size) => {
                    let quantity = format!("{}.{:02}", size / 10, size % 10 * 10);
                    if bed.ask(&buy(SPOT, &quantity)).is_empty() {
                        let amount = if stretch == 1 { 1 } else { u128::from(size) * 1_000 };
                        allowed.push((bed.at().as_micros(), amount, bed.last_id(), true));
                    }
                }
                Event::GiveBack(index) => {
                    if let Some((_, _, id, counts)) = allowed.get_mut(index) {
                        let id = id.clone();
                        *counts = false;
                        bed.outcome(&id, Outcome::Rejected);
                        bed.outcome(&id, Outcome::Rejected);
                    }
                }
            }
            let now = bed.at().as_micros();
            let within = allowed.iter().filter(|(at, _, _, counts)| *counts && now - at < width);
            let used: u128 = within.map(|(_, amount, _, _)| amount).sum();
            let most = if stretch == 1 { limit } else { limit * 10_000 };
            prop_assert!(used <= most, "{used} within a window, limit {most}");
        }
    }
}
