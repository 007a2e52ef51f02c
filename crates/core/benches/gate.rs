//! What a decision of the gate costs in the process, with every rule on, against a bare `clock_gettime(CLOCK_BOOTTIME)` in the same
//! run. `cargo bench -p failstop-core --bench gate`. The reach is 1 µs.
//!
//! Rounds alternate, and the median of each is printed, so that a busy machine blurs both alike.
#![expect(clippy::disallowed_types, reason = "a measurement needs a clock")]
#![expect(clippy::unwrap_used, reason = "a failed setup ends the measurement")]

use failstop_amount::{Amount, Scale};
use failstop_core::gate::{
    ComponentRules, Contract, Decision, Fact, Gate, GatePolicy, GateTime, InstrumentPolicy, Kind, Limit, LimitName,
    Limits, Margin, Order, Quote, Quoted, Scope, SharedRates, Side, TradingDay,
};
use failstop_core::{ComponentName, Monotonic, Rights, Slot};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 51;
const CALLS: u32 = 20_000;
const HELD: usize = 10;

fn scale(decimals: u8) -> Scale {
    Scale::new(decimals).unwrap()
}

/// Twenty instruments of three sources, half of them held, and every limit set for everybody whom it can bind.
fn policy() -> GatePolicy {
    let many = |scope: Scope| {
        LimitName::ALL.into_iter().filter(|name| name.applies(scope)).fold(Limits::WAIVED, |limits, name| {
            let value = match name {
                LimitName::LiquidationBuffer => 1_000,
                LimitName::DuplicateWindow => 1_000,
                _ => 1 << 80,
            };
            limits.with(name, Limit::Set(value))
        })
    };
    let instrument = |index: usize| InstrumentPolicy {
        name: format!("COIN{index}-PERP"),
        quantity: scale(6),
        price: scale(2),
        contract: Contract::Linear { size: Amount::from_units(1, scale(0)) },
        quote: Quote::Money,
        margin: Margin::Cross { maintenance: Some(5_000) },
        limits: many(Scope::Instrument),
        sources: vec!["one".to_owned(), "two".to_owned(), "three".to_owned()],
        required: 2,
    };
    GatePolicy {
        money: scale(2),
        components: vec![ComponentRules {
            name: ComponentName("bot".to_owned()),
            limits: many(Scope::Component),
            instruments: None,
        }],
        accounts: vec!["main".to_owned()],
        instruments: (0..2 * HELD).map(instrument).collect(),
        system: many(Scope::System),
        user: many(Scope::User),
        price_max_age: Duration::from_secs(5),
        price_deviation: 5_000,
        position_max_age: Duration::from_secs(300),
        equity_max_age: Duration::from_secs(300),
        confirm_within: Duration::from_secs(60),
        shared_rates: SharedRates::Off,
    }
}

struct Bed {
    gate: Gate,
    nanos: u64,
    ids: Vec<String>,
    quantities: Vec<String>,
    next: usize,
    out: Decision,
}

impl Bed {
    fn new() -> Self {
        let mut gate = Gate::new(policy()).unwrap();
        let nanos = 1_000_000_000;
        let now = Monotonic::from_nanos(nanos);
        gate.start(now, GateTime::from_micros(1_800_000_000_000_000));
        gate.take(now, Fact::Equity { account: "main", equity: "1000000", paper: false }).unwrap();
        gate.take(now, Fact::Day(TradingDay(1))).unwrap();
        let ids = (0..1_024).map(|index| format!("order-{index}")).collect();
        let quantities = (1..=1_024).map(|index| format!("0.{index:06}")).collect();
        let mut bed = Self { gate, nanos, ids, quantities, next: 0, out: Decision::default() };
        bed.refresh();
        bed
    }

    fn refresh(&mut self) {
        let now = Monotonic::from_nanos(self.nanos);
        for index in 0..2 * HELD {
            let instrument = format!("COIN{index}-PERP");
            for (source, last) in [("one", "1000"), ("two", "1000.5"), ("three", "1001")] {
                let fact = Fact::Price { source, instrument: &instrument, quote: Quoted::Last(last), time: None };
                self.gate.take(now, fact).unwrap();
            }
            let (entry, leverage) = (Some("1000"), Some("10"));
            let quantity = if index < HELD { "1" } else { "0" };
            let (account, instrument) = ("main", instrument.as_str());
            self.gate
                .take(now, Fact::Position { account, instrument, quantity, entry, leverage, paper: false })
                .unwrap();
        }
    }

    fn order<'a>(id: &'a str, quantity: &'a str, instrument: &'a str) -> Order<'a> {
        Order {
            component: Slot::component(0).unwrap(),
            client_id: id,
            user: Some("alice"),
            account: "main",
            instrument,
            kind: Kind::Copy,
            side: Side::Buy,
            quantity,
            price: Some("1000.25"),
            leverage: Some("10"),
            reduce_only: false,
            live: true,
        }
    }

    /// A question alone: everything is judged, nothing is counted.
    fn consider(&mut self) -> bool {
        self.next = (self.next + 1) % self.ids.len();
        let order = Self::order(&self.ids[self.next], &self.quantities[self.next], "COIN3-PERP");
        self.gate.consider(Monotonic::from_nanos(self.nanos), &order, RIGHTS, &mut self.out);
        self.out.allows()
    }
}

const RIGHTS: Rights = Rights { open: true, reduce: true, live: true, revoked: false };

fn main() {
    let mut bed = Bed::new();
    assert!(bed.consider(), "{:?}", bed.out.refusals);
    let (mut clock, mut consider, mut decide) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        clock.push(each(CALLS, || {
            let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: `time` is a valid place for a timespec.
            black_box(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) });
            black_box(time.tv_nsec);
        }));
        consider.push(each(CALLS, || {
            black_box(bed.consider());
        }));
        decide.push(decisions());
    }
    let (clock, consider, decide) = (median(clock), median(consider), median(decide));
    println!("clock_gettime                  {clock:>8.1} ns");
    println!("judged, every rule on          {consider:>8.1} ns   ratio {:.1}", consider / clock);
    println!("judged, counted and remembered {decide:>8.1} ns   ratio {:.1} (reach: 1000 ns)", decide / clock);
}

/// A gate of its own each time: a thousand orders that are allowed and stay open.
fn decisions() -> f64 {
    let mut bed = Bed::new();
    let instruments: Vec<String> = (0..2 * HELD).map(|index| format!("COIN{index}-PERP")).collect();
    let mut round = 0;
    each(1_000, || {
        bed.nanos += 50_000;
        let order = Bed::order(&bed.ids[round], &bed.quantities[round], &instruments[round % instruments.len()]);
        bed.gate.decide(Monotonic::from_nanos(bed.nanos), &order, RIGHTS, &mut bed.out);
        assert!(bed.out.allows(), "{round}: {:?}", bed.out.refusals);
        round += 1;
    })
}

fn each(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
