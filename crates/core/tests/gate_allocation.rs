//! A decision that refuses nothing allocates nothing: counted by an allocator of its own, so in a program of its own.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_amount::{Amount, Scale};
use failstop_core::gate::*;
use failstop_core::{ComponentName, Monotonic, Rights, Slot};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

struct Counting;

thread_local! {
    /// Of this thread alone: the test harness allocates in its own.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is the system allocator's own; counting changes nothing of what it is asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn policy() -> GatePolicy {
    let scale = |decimals| Scale::new(decimals).unwrap();
    let many = u128::from(u64::MAX);
    let loose =
        [LimitName::OpeningsPerMinute, LimitName::TradesPerDay, LimitName::VolumePerHour, LimitName::RepeatedOrders];
    let limits = |limits: Limits| {
        loose.iter().fold(limits, |limits, name| {
            if limits.get(*name) == Limit::Waived { limits } else { limits.with(*name, Limit::Set(many)) }
        })
    };
    GatePolicy {
        money: scale(2),
        components: vec![ComponentRules {
            name: ComponentName("bot".to_owned()),
            limits: Limits::WAIVED,
            instruments: None,
        }],
        accounts: vec!["main".to_owned()],
        instruments: vec![InstrumentPolicy {
            name: "BTC-PERP".to_owned(),
            quantity: scale(6),
            price: scale(2),
            contract: Contract::Linear { size: Amount::from_units(1, scale(0)) },
            quote: Quote::Money,
            margin: Margin::Isolated { maintenance: Some(5_000) },
            limits: Limits::WAIVED,
            sources: vec!["one".to_owned(), "two".to_owned()],
            required: 2,
        }],
        system: limits(Limits::shipped(100)),
        user: limits(Limits::shipped_rates(100)),
        price_max_age: Duration::from_secs(5),
        price_deviation: 5_000,
        position_max_age: Duration::from_secs(300),
        equity_max_age: Duration::from_secs(300),
        confirm_within: Duration::from_secs(60),
        shared_rates: SharedRates::Off,
    }
}

#[test]
fn a_decision_that_refuses_nothing_allocates_nothing() {
    let mut gate = Gate::new(policy()).unwrap();
    let at = |round: u64| Monotonic::from_nanos(1_000_000_000 + round * 2_000_000);
    gate.start(at(0), GateTime::from_micros(1_800_000_000_000_000));
    for source in ["one", "two"] {
        let quote = Quoted::Last("50000");
        gate.take(at(0), Fact::Price { source, instrument: "BTC-PERP", quote, time: None }).unwrap();
    }
    let (account, instrument) = ("main", "BTC-PERP");
    let fact = Fact::Position { account, instrument, quantity: "0", entry: None, leverage: None, paper: false };
    gate.take(at(0), fact).unwrap();
    gate.take(at(0), Fact::Equity { account, equity: "100000", paper: false }).unwrap();
    let rights = Rights { open: true, reduce: true, live: true, revoked: false };
    let ids: Vec<String> = (0..900).map(|index| format!("order-{index}")).collect();
    let quantities: Vec<String> = (1..=900).map(|index| format!("0.{index:06}")).collect();
    let mut out = Decision::default();
    let mut decide = |round: usize| {
        let order = Order {
            component: Slot::component(0).unwrap(),
            client_id: &ids[round],
            user: Some("alice"),
            account,
            instrument,
            kind: Kind::Entry,
            side: Side::Buy,
            quantity: &quantities[round],
            price: Some("50000.5"),
            leverage: Some("10"),
            reduce_only: false,
            live: true,
        };
        let before = COUNT.with(Cell::get);
        gate.decide(at(u64::try_from(round).unwrap()), &order, rights, &mut out);
        let allocated = COUNT.with(Cell::get) - before;
        assert!(out.allows(), "{round}: {:?}", out.refusals);
        allocated
    };
    // The first one makes a place for its user and for what he and the component hold.
    let first = decide(0);
    assert!(first > 0, "the counter does not count");
    for round in 1..900 {
        assert_eq!(decide(round), 0, "{round}");
    }
}
