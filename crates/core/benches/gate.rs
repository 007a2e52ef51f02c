//! What a decision of the gate costs in the process, with every rule on, against a bare `clock_gettime(CLOCK_BOOTTIME)` in the same
//! run. `cargo bench -p failstop-core --bench gate`. The reach is 1 µs.
//!
//! Rounds alternate, and the median of each is printed, so that a busy machine blurs both alike.
#![expect(clippy::disallowed_types, reason = "a measurement needs a clock")]
#![expect(clippy::unwrap_used, reason = "a failed setup ends the measurement")]

use failstop_amount::{Amount, Scale};
use failstop_core::gate::{
    ComponentRules, Contract, Decision, Fact, Gate, GatePolicy, GateTime, InstrumentPolicy, Kind, Limit, LimitName,
    Limits, Margin, Order, Outcome, Quote, Quoted, Scope, SharedRates, Side, TradingDay,
};
use failstop_core::{ComponentName, Monotonic, Rights, Slot};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 51;
const CALLS: u32 = 10_000;
/// Instruments; as many positions are held as a measurement says.
const INSTRUMENTS: usize = 20;

fn scale(decimals: u8) -> Scale {
    Scale::new(decimals).unwrap()
}

/// Twenty instruments of three sources each, and every limit set for everybody whom it can bind.
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
        instruments: (0..INSTRUMENTS).map(instrument).collect(),
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
    held: usize,
    out: Decision,
}

impl Bed {
    fn new(held: usize) -> Self {
        let mut gate = Gate::new(policy()).unwrap();
        let nanos = 1_000_000_000;
        let now = Monotonic::from_nanos(nanos);
        gate.start(now, GateTime::from_micros(1_800_000_000_000_000));
        gate.take(now, Fact::Equity { account: "main", equity: "1000000", paper: false }).unwrap();
        gate.take(now, Fact::Day(TradingDay(1))).unwrap();
        let ids = (0..1_024).map(|index| format!("order-{index}")).collect();
        let quantities = (1..=1_024).map(|index| format!("0.{index:06}")).collect();
        let mut bed = Self { gate, nanos, ids, quantities, next: 0, held, out: Decision::default() };
        bed.refresh();
        bed
    }

    fn refresh(&mut self) {
        let now = Monotonic::from_nanos(self.nanos);
        self.gate.take(now, Fact::Equity { account: "main", equity: "1000000", paper: false }).unwrap();
        for index in 0..INSTRUMENTS {
            let instrument = format!("COIN{index}-PERP");
            for (source, last) in [("one", "1000"), ("two", "1000.5"), ("three", "1001")] {
                let fact = Fact::Price { source, instrument: &instrument, quote: Quoted::Last(last), time: None };
                self.gate.take(now, fact).unwrap();
            }
            let (entry, leverage) = (Some("1000"), Some("10"));
            let quantity = if index < self.held { "1" } else { "0" };
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

    /// An order that is allowed and counted, in nanoseconds; before it prices come, after it it is cancelled.
    fn decide(&mut self) -> f64 {
        self.nanos += 250_000_000;
        self.refresh();
        self.next += 1;
        let id = format!("live-{}", self.next);
        let quantity = &self.quantities[self.next % self.quantities.len()];
        let instrument = format!("COIN{}-PERP", self.next % INSTRUMENTS);
        let (order, now) = (Self::order(&id, quantity, &instrument), Monotonic::from_nanos(self.nanos));
        let start = Instant::now();
        self.gate.decide(now, &order, RIGHTS, &mut self.out);
        let took = start.elapsed().as_secs_f64() * 1e9;
        assert!(self.out.allows(), "{:?}", self.out.refusals);
        self.gate.take(now, Fact::Outcome { client_id: &id, outcome: Outcome::Cancelled }).unwrap();
        took
    }
}

const RIGHTS: Rights = Rights { open: true, reduce: true, live: true, revoked: false };

fn main() {
    let (mut few, mut many, mut live) = (Bed::new(1), Bed::new(10), Bed::new(1));
    assert!(few.consider() && many.consider(), "{:?}", many.out.refusals);
    let (mut clock, mut judged, mut loaded, mut decided) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        clock.push(each(CALLS, || {
            let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: `time` is a valid place for a timespec.
            black_box(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) });
            black_box(time.tv_nsec);
        }));
        judged.push(each(CALLS, || {
            black_box(few.consider());
        }));
        loaded.push(each(CALLS, || {
            black_box(many.consider());
        }));
        decided.push(median((0..200).map(|_| live.decide()).collect()));
    }
    let clock = median(clock);
    let say = |what, took: f64, more| println!("{what:<44}{took:>8.1} ns   ratio {:>5.1}{more}", took / clock);
    println!("{:<44}{clock:>8.1} ns", "clock_gettime");
    say("every rule on, one position held", median(judged), "   (reach: 1000 ns)");
    say("every rule on, ten positions held", median(loaded), "");
    say("with one held, counted and remembered", median(decided), "   (between two readings of the clock)");
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
