//! A host in memory: time, a journal, and orders with shipped wishes. Every limit is waived until a test sets it.

use failstop_amount::{Amount, Scale};
use failstop_core::gate::*;
use failstop_core::{ComponentName, Monotonic, Rights, Slot};
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);

/// The wall clock at the beginning: a moment of 2027.
pub const BEGIN: u64 = 1_800_000_000_000_000;

pub const ACTIVE: Rights = Rights { open: true, reduce: true, live: true, revoked: false };
pub const REDUCE: Rights = Rights { open: false, ..ACTIVE };
pub const PAPER: Rights = Rights { live: false, ..ACTIVE };

/// Spot, linear isolated, inverse cross, linear cross, quoted in euro, the euro.
pub const SPOT: &str = "BTC-USD";
pub const ISOLATED: &str = "BTC-PERP";
pub const INVERSE: &str = "BTC-INVERSE";
pub const INVERSE_ISOLATED: &str = "BTC-INVERSE-ISOLATED";
pub const CROSS: &str = "ETH-PERP";
pub const EURO_QUOTED: &str = "ETH-EUR";
pub const EURO: &str = "EUR-USD";

pub fn scale(decimals: u8) -> Scale {
    Scale::new(decimals).unwrap()
}

pub fn units(text: &str, decimals: u8) -> u128 {
    u128::try_from(Amount::parse(text, scale(decimals)).unwrap().units()).unwrap()
}

pub fn instrument(name: &str, contract: Contract, quote: Quote, margin: Margin) -> InstrumentPolicy {
    InstrumentPolicy {
        name: name.to_owned(),
        quantity: scale(4),
        price: scale(2),
        contract,
        quote,
        margin,
        limits: Limits::WAIVED,
        sources: vec!["one".to_owned()],
        required: 1,
    }
}

pub fn policy() -> GatePolicy {
    let linear = Contract::Linear { size: Amount::from_units(1, scale(0)) };
    let inverse = Contract::Inverse { value: Amount::from_units(100, scale(0)) };
    let isolated = Margin::Isolated { maintenance: Some(5_000) };
    let cross = Margin::Cross { maintenance: Some(10_000) };
    GatePolicy {
        money: scale(2),
        components: vec![component("bot"), component("other")],
        accounts: vec!["main".to_owned(), "second".to_owned()],
        instruments: vec![
            instrument(SPOT, linear, Quote::Money, Margin::Spot),
            instrument(ISOLATED, linear, Quote::Money, isolated),
            instrument(INVERSE, inverse, Quote::Money, cross),
            instrument(INVERSE_ISOLATED, inverse, Quote::Money, isolated),
            instrument(CROSS, linear, Quote::Money, cross),
            instrument(EURO_QUOTED, linear, Quote::Through(6), Margin::Spot),
            instrument(EURO, linear, Quote::Money, Margin::Spot),
        ],
        system: Limits::WAIVED,
        user: Limits::WAIVED,
        price_max_age: 5 * SECOND,
        price_deviation: 5_000,
        position_max_age: 5 * MINUTE,
        equity_max_age: 5 * MINUTE,
        confirm_within: 2 * MINUTE,
        shared_rates: SharedRates::Off,
    }
}

pub fn component(name: &str) -> ComponentRules {
    ComponentRules { name: ComponentName(name.to_owned()), limits: Limits::WAIVED, instruments: None }
}

/// The policy with one limit of the system.
pub fn with(limit: LimitName, value: u128) -> GatePolicy {
    let policy = policy();
    GatePolicy { system: policy.system.clone().with(limit, Limit::Set(value)), ..policy }
}

pub fn slot(index: usize) -> Slot {
    Slot::component(index).unwrap()
}

pub struct Bed {
    pub gate: Gate,
    pub nanos: u64,
    pub records: Vec<GateRecord>,
    pub last: Decision,
    pub may: Rights,
    orders: u32,
    fills: u32,
}

impl Bed {
    pub fn new(policy: GatePolicy) -> Self {
        let mut gate = Gate::new(policy).unwrap();
        let nanos = 77_000_000_000;
        gate.start(Monotonic::from_nanos(nanos), GateTime::from_micros(BEGIN));
        Self { gate, nanos, records: Vec::new(), last: Decision::default(), may: ACTIVE, orders: 0, fills: 0 }
    }

    /// With prices of 100 USD for everything (the euro 1.25) and every position reported flat.
    pub fn flat(policy: GatePolicy) -> Self {
        let mut bed = Self::new(policy);
        bed.prices();
        let instruments: Vec<String> = bed.gate.policy().instruments.iter().map(|one| one.name.clone()).collect();
        for account in ["main", "second"] {
            for instrument in &instruments {
                bed.position_in(account, instrument, "0");
            }
            bed.equity(account, "10000");
        }
        bed
    }

    /// Fresh prices of everything.
    pub fn prices(&mut self) {
        let instruments: Vec<String> = self.gate.policy().instruments.iter().map(|one| one.name.clone()).collect();
        for instrument in instruments {
            let price = if instrument == EURO { "1.25" } else { "100" };
            self.price(&instrument, price);
        }
    }

    pub fn now(&self) -> Monotonic {
        Monotonic::from_nanos(self.nanos)
    }

    pub fn at(&self) -> GateTime {
        GateTime::from_micros(BEGIN + (self.nanos - 77_000_000_000) / 1_000)
    }

    pub fn pass(&mut self, span: Duration) {
        self.nanos += u64::try_from(span.as_nanos()).unwrap();
    }

    /// Takes a fact; records go into the journal and are durable at once.
    pub fn take(&mut self, fact: Fact<'_>) -> Result<Taken, FactError> {
        let taken = self.gate.take(self.now(), fact)?;
        self.records.extend(taken.records.iter().cloned());
        if let Some(ticket) = taken.waits {
            self.gate.take(self.now(), Fact::Durable(ticket)).unwrap();
        }
        Ok(taken)
    }

    pub fn price(&mut self, instrument: &str, price: &str) {
        self.price_of("one", instrument, price).unwrap();
    }

    pub fn price_of(&mut self, source: &str, instrument: &str, price: &str) -> Result<Taken, FactError> {
        self.take(Fact::Price { source, instrument, quote: Quoted::Last(price), time: None })
    }

    pub fn position(&mut self, instrument: &str, quantity: &str) {
        self.position_in("main", instrument, quantity);
    }

    pub fn position_in(&mut self, account: &str, instrument: &str, quantity: &str) {
        let (entry, leverage) = (None, None);
        self.take(Fact::Position { account, instrument, quantity, entry, leverage, paper: false }).unwrap();
    }

    pub fn equity(&mut self, account: &str, equity: &str) {
        self.take(Fact::Equity { account, equity, paper: false }).unwrap();
    }

    pub fn outcome(&mut self, client_id: &str, outcome: Outcome) -> Taken {
        self.take(Fact::Outcome { client_id, outcome }).unwrap()
    }

    /// A trade of an order, or of nobody's.
    pub fn fill(&mut self, order: Option<&str>, instrument: &str, side: Side, quantity: &str, price: &str) {
        self.fills += 1;
        let id = format!("fill-{}", self.fills);
        let fill = Fill { id: &id, order, account: "main", instrument, side, quantity, price, fee: None, paper: false };
        self.take(Fact::Fill(fill)).unwrap();
    }

    /// Asks about an order under a new client id; the codes of the refusals, sorted.
    pub fn ask(&mut self, order: &Order<'_>) -> Vec<Code> {
        self.orders += 1;
        let client_id = format!("order-{}", self.orders);
        self.ask_as(&Order { client_id: &client_id, ..*order })
    }

    /// Asks about an order as it is.
    pub fn ask_as(&mut self, order: &Order<'_>) -> Vec<Code> {
        let mut out = std::mem::take(&mut self.last);
        self.gate.decide(self.now(), order, self.may, &mut out);
        let name = self.gate.component_name(order.component).map(str::to_owned);
        self.records.extend(out.record(order, name.as_deref()));
        self.last = out;
        let mut codes: Vec<Code> = self.last.refusals.iter().map(|refusal| refusal.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The client id of the last order that was asked about by [`Self::ask`].
    pub fn last_id(&self) -> String {
        format!("order-{}", self.orders)
    }
}

/// A limit order of the bot in the main account; `Bed::ask` gives it an id.
pub fn order<'a>(instrument: &'a str, side: Side, quantity: &'a str) -> Order<'a> {
    Order {
        component: slot(0),
        client_id: "",
        user: None,
        account: "main",
        instrument,
        kind: Kind::Entry,
        side,
        quantity,
        price: None,
        leverage: None,
        reduce_only: false,
        live: false,
    }
}

pub fn buy<'a>(instrument: &'a str, quantity: &'a str) -> Order<'a> {
    order(instrument, Side::Buy, quantity)
}

pub fn sell<'a>(instrument: &'a str, quantity: &'a str) -> Order<'a> {
    order(instrument, Side::Sell, quantity)
}
