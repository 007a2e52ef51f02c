//! A host in memory, as large as a measurement wants it, with every limit set for everybody whom it can bind.

use crate::single;
use failstop_amount::{Amount, Scale};
use failstop_core::gate::{
    ComponentRules, Contract, Decision, Fact, Gate, GatePolicy, GateTime, InstrumentPolicy, Kind, Limit, LimitName,
    Limits, Margin, Order, Outcome, Quote, Quoted, Scope, SharedRates, Side, TradingDay, Unit,
};
use failstop_core::{ComponentName, Monotonic, Rights, Slot};
use std::collections::VecDeque;
use std::time::Duration;

pub const RIGHTS: Rights = Rights { open: true, reduce: true, live: true, revoked: false };

/// How much there is.
#[derive(Clone, Copy)]
pub struct Size {
    pub instruments: usize,
    /// Positions held.
    pub held: usize,
    /// Orders open, spread over all instruments, all of them allowed within the last minute.
    pub open: usize,
    pub users: usize,
}

pub fn scale(decimals: u8) -> Scale {
    Scale::new(decimals).unwrap()
}

/// Every limit that there can be, out of reach.
fn limits(scope: Scope) -> Limits {
    LimitName::ALL.into_iter().filter(|name| name.applies(scope)).fold(Limits::WAIVED, |limits, name| {
        let value = match (name, name.unit()) {
            (LimitName::LiquidationBuffer, _) => 1_000,
            (_, Unit::Money | Unit::Quantity) => 1_000_000_000_000,
            (_, Unit::Share) => 900_000,
            (_, Unit::Times) => 50_000,
            (_, Unit::Count) => 1_000_000_000,
            (_, Unit::Milliseconds) => 1_000,
        };
        limits.with(name, Limit::Set(value))
    })
}

/// Instruments of three sources each.
pub fn policy(size: Size) -> GatePolicy {
    let instrument = |index: usize| InstrumentPolicy {
        name: format!("COIN{index}-PERP"),
        quantity: scale(6),
        price: scale(2),
        contract: Contract::Linear { size: Amount::from_units(1, scale(0)) },
        quote: Quote::Money,
        margin: Margin::Cross { maintenance: Some(5_000) },
        limits: limits(Scope::Instrument),
        sources: vec!["one".to_owned(), "two".to_owned(), "three".to_owned()],
        required: 2,
    };
    GatePolicy {
        money: scale(2),
        components: vec![ComponentRules {
            name: ComponentName("bot".to_owned()),
            limits: limits(Scope::Component),
            instruments: None,
        }],
        accounts: vec!["main".to_owned()],
        instruments: (0..size.instruments).map(instrument).collect(),
        system: limits(Scope::System),
        user: limits(Scope::User),
        price_max_age: Duration::from_secs(5),
        price_deviation: 5_000,
        position_max_age: Duration::from_secs(300),
        equity_max_age: Duration::from_secs(300),
        confirm_within: Duration::from_secs(60),
        shared_rates: SharedRates::Off,
    }
}

/// The gate and its host.
pub struct Bed {
    pub gate: Gate,
    pub out: Decision,
    size: Size,
    nanos: u64,
    refreshed: Option<u64>,
    texts: Texts,
    placed: usize,
    /// Open orders, the oldest first, and the one that was placed last.
    open: VecDeque<String>,
}

impl Bed {
    pub fn new(size: Size) -> Self {
        Self::with(size, policy(size))
    }

    /// With another policy than the usual one.
    pub fn with(size: Size, policy: GatePolicy) -> Self {
        let mut gate = Gate::new(policy).unwrap();
        let nanos = 1_000_000_000;
        let now = Monotonic::from_nanos(nanos);
        gate.start(now, GateTime::from_micros(1_800_000_000_000_000));
        gate.take(now, Fact::Equity { account: "main", equity: "1000000", paper: false }).unwrap();
        gate.take(now, Fact::Day(TradingDay(1))).unwrap();
        let (out, texts) = (Decision::default(), Texts::new(size));
        let mut bed = Self { gate, out, size, nanos, refreshed: None, texts, placed: 0, open: VecDeque::new() };
        bed.texts.leverage = bed.gate.policy().instruments.iter().all(|one| one.margin != Margin::Spot).then_some("10");
        for _ in 0..=size.open {
            bed.place();
        }
        bed
    }

    fn now(&self) -> Monotonic {
        Monotonic::from_nanos(self.nanos)
    }

    /// Time passes until the next order. Beyond 1 024 orders within a minute nothing is allowed.
    pub fn pass(&mut self) -> Monotonic {
        self.nanos += 60_000_000;
        if self.refreshed.is_none_or(|then| self.nanos >= then + 1_000_000_000) {
            self.refreshed = Some(self.nanos);
            self.refresh();
        }
        self.now()
    }

    /// Prices, positions and equity are heard anew.
    fn refresh(&mut self) {
        let now = self.now();
        self.gate.take(now, Fact::Equity { account: "main", equity: "1000000", paper: false }).unwrap();
        for (index, instrument) in self.texts.instruments.iter().enumerate() {
            for (source, last) in [("one", "1000"), ("two", "1000.5"), ("three", "1001")] {
                let fact = Fact::Price { source, instrument, quote: Quoted::Last(last), time: None };
                self.gate.take(now, fact).unwrap();
            }
            let held = index < self.size.held;
            let (quantity, entry) = if held { ("1", Some("1000")) } else { ("0", None) };
            let spot = self.gate.policy().instruments[index].margin == Margin::Spot;
            let leverage = (!spot).then_some("10");
            let fact = Fact::Position { account: "main", instrument, quantity, entry, leverage, paper: false };
            self.gate.take(now, fact).unwrap();
        }
    }

    /// A question alone: everything is judged, nothing is counted.
    pub fn consider(&mut self) -> bool {
        let now = self.now();
        let order = Order { price: Some("1000.26"), ..self.texts.order() };
        self.gate.consider(now, &order, RIGHTS, &mut self.out);
        self.out.allows()
    }

    /// An order under a client id that was used; how many refusals.
    pub fn repeat(&mut self) -> usize {
        let now = self.now();
        let order = Order { client_id: FIRST, price: Some("1000.27"), ..self.texts.order() };
        self.gate.decide(now, &order, RIGHTS, &mut self.out);
        self.out.refusals.len()
    }

    /// An order that is too much for every limit; how many refusals.
    pub fn break_all(&mut self) -> usize {
        let now = self.now();
        let usual = self.texts.order();
        let order = Order { quantity: "90000000000", price: Some("1950"), leverage: Some("900"), ..usual };
        self.gate.decide(now, &order, RIGHTS, &mut self.out);
        self.out.refusals.len()
    }

    /// An order that is allowed and counted, in nanoseconds; after it the oldest that is open is cancelled.
    pub fn place(&mut self) -> f64 {
        let now = self.pass();
        let id = if self.placed == 0 { FIRST.to_owned() } else { format!("live-{}", self.placed) };
        let order = Order { client_id: &id, ..self.texts.order_of(self.placed) };
        self.placed += 1;
        let (gate, out) = (&mut self.gate, &mut self.out);
        let took = single(|| gate.decide(now, &order, RIGHTS, out));
        assert!(self.out.allows(), "{:?}", self.out.refusals);
        self.open.push_back(id);
        if self.open.len() > self.size.open
            && let Some(id) = self.open.pop_front()
        {
            self.cancel(now, &id);
        }
        took
    }

    pub fn cancel(&mut self, now: Monotonic, client_id: &str) {
        self.gate.take(now, Fact::Outcome { client_id, outcome: Outcome::Cancelled }).unwrap();
    }
}

/// The client id of the first order that was placed.
const FIRST: &str = "the-first-one";

/// What orders are made of, so that making them is not measured.
struct Texts {
    instruments: Vec<String>,
    users: Vec<String>,
    ids: Vec<String>,
    quantities: Vec<String>,
    leverage: Option<&'static str>,
    next: usize,
}

impl Texts {
    fn new(size: Size) -> Self {
        Self {
            instruments: (0..size.instruments).map(|index| format!("COIN{index}-PERP")).collect(),
            users: (0..size.users).map(|user| format!("user-{user}")).collect(),
            ids: (0..1_024).map(|index| format!("order-{index}")).collect(),
            quantities: (1..=1_024).map(|index| format!("0.{index:06}")).collect(),
            leverage: None,
            next: 0,
        }
    }

    /// Another order of one user in one instrument, under an id that is never placed.
    fn order(&mut self) -> Order<'_> {
        self.next = (self.next + 1) % self.ids.len();
        let usual = self.order_of(0);
        Order { client_id: &self.ids[self.next], quantity: &self.quantities[self.next], ..usual }
    }

    /// The order of this number, which differs from the next thousand.
    fn order_of(&self, number: usize) -> Order<'_> {
        Order {
            component: Slot::component(0).unwrap(),
            client_id: "",
            user: Some(&self.users[number % self.users.len()]),
            account: "main",
            instrument: &self.instruments[number % self.instruments.len()],
            kind: Kind::Copy,
            side: Side::Buy,
            quantity: &self.quantities[number % self.quantities.len()],
            price: Some("1000.25"),
            leverage: self.leverage,
            reduce_only: false,
            live: true,
        }
    }
}
