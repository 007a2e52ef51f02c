//! Random lives: at any moment what the journal gives back is what the living gate remembers, and both answer alike.

use crate::bed::*;
use failstop_core::gate::*;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Price(usize, u32),
    Ask {
        component: usize,
        user: Option<u8>,
        instrument: usize,
        account: usize,
        buys: bool,
        quantity: u32,
        price: Option<u32>,
        kind: Kind,
    },
    Outcome(u8, Outcome),
    Fill {
        order: Option<u8>,
        instrument: usize,
        buys: bool,
        quantity: u32,
        price: u32,
        fee: i32,
    },
    Position {
        instrument: usize,
        account: usize,
        quantity: i32,
        entry: Option<u32>,
        leverage: Option<u32>,
    },
    Unknown {
        instrument: usize,
        account: usize,
    },
    Equity(usize, i32),
    Result(usize, i32),
    Day,
    Override {
        name: u8,
        limit: LimitName,
        value: Option<u32>,
        minutes: u64,
        durable: bool,
    },
    EndOverride(u8),
    Confirm(u8),
    Durable,
    Rate(u8, u64),
    Mode(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let (instrument, account, quantity, price) = (0usize..7, 0usize..2, 1u32..3_000, 1u32..20_000);
    let kind = prop::sample::select(vec![Kind::Entry, Kind::Entry, Kind::Exit, Kind::Copy]);
    let outcome = prop::sample::select(vec![
        Outcome::Accepted,
        Outcome::Filled,
        Outcome::Cancelled,
        Outcome::Rejected,
        Outcome::Expired,
        Outcome::NotSent,
        Outcome::Unknown,
    ]);
    let limit =
        prop::sample::select(vec![LimitName::OrderNotional, LimitName::ConfirmAbove, LimitName::OpeningsPerMinute]);
    let ask = (
        0usize..3,
        prop::option::of(0u8..4),
        instrument.clone(),
        account.clone(),
        any::<bool>(),
        quantity.clone(),
        prop::option::of(price.clone()),
        kind,
    );
    let event = prop_oneof![
        3 => (0u64..90_000).prop_map(Event::Pass),
        6 => (instrument.clone(), price.clone()).prop_map(|(instrument, price)| Event::Price(instrument, price)),
        12 => ask.prop_map(|(component, user, instrument, account, buys, quantity, price, kind)| Event::Ask {
            component, user, instrument, account, buys, quantity, price, kind
        }),
        5 => (any::<u8>(), outcome).prop_map(|(order, outcome)| Event::Outcome(order, outcome)),
        6 => (prop::option::of(any::<u8>()), instrument.clone(), any::<bool>(), quantity, price.clone(), -50i32..50)
            .prop_map(|(order, instrument, buys, quantity, price, fee)| Event::Fill { order, instrument, buys, quantity, price, fee }),
        1 => (instrument.clone(), account.clone()).prop_map(|(instrument, account)| Event::Unknown { instrument, account }),
        4 => (instrument, account.clone(), -3_000i32..3_000, prop::option::of(price.clone()), prop::option::of(1u32..50))
            .prop_map(|(instrument, account, quantity, entry, leverage)| Event::Position { instrument, account, quantity, entry, leverage }),
        2 => (account.clone(), -100i32..100_000).prop_map(|(account, equity)| Event::Equity(account, equity)),
        1 => (account, -100i32..100).prop_map(|(account, result)| Event::Result(account, result)),
        1 => Just(Event::Day),
        2 => (0u8..4, limit, prop::option::of(1u32..500), 1u64..4, any::<bool>())
            .prop_map(|(name, limit, value, minutes, durable)| Event::Override { name, limit, value, minutes, durable }),
        1 => (0u8..4).prop_map(Event::EndOverride),
        2 => any::<u8>().prop_map(Event::Confirm),
        2 => Just(Event::Durable),
        2 => (0u8..4, 1u64..9).prop_map(|(user, cost)| Event::Rate(user, cost)),
        1 => any::<bool>().prop_map(Event::Mode),
    ];
    prop::collection::vec(event, 1..150)
}

struct Life {
    bed: Bed,
    /// Records that wait for their durability.
    waits: Option<GateTicket>,
    ids: Vec<String>,
    day: u32,
    fills: u32,
}

fn lived() -> GatePolicy {
    let mut policy = policy();
    policy.system = Limits::shipped(100)
        .with(LimitName::OpeningsPerMinute, Limit::Set(20))
        .with(LimitName::VolumePerHour, Limit::Set(100_000_000))
        .with(LimitName::AccountRisk, Limit::Set(500_000))
        .with(LimitName::LiquidationBuffer, Limit::Set(10_000))
        .with(LimitName::PriceCollar, Limit::Waived)
        .with(LimitName::ConfirmAbove, Limit::Set(3_000_000));
    policy.user = Limits::shipped_rates(100).with(LimitName::DailyLossMoney, Limit::Set(1_000_000));
    policy.components[0].limits = Limits::WAIVED.with(LimitName::Position, Limit::Set(50_000_000));
    policy.price_max_age = HOUR;
    policy.position_max_age = HOUR;
    policy.equity_max_age = HOUR;
    policy
}

fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn ten_thousandths(units: i32) -> String {
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}.{:04}", units.unsigned_abs() / 100, units.unsigned_abs() % 100 * 100)
}

impl Life {
    /// Takes a fact; what it gives for the journal stands there, in the order in which it was given.
    fn tell(&mut self, fact: Fact<'_>) -> bool {
        match self.bed.gate.take(self.bed.now(), fact) {
            Ok(taken) => {
                self.bed.records.extend(taken.records);
                self.waits = taken.waits.or(self.waits);
                true
            }
            Err(_) => false,
        }
    }

    fn durable(&mut self) {
        if let Some(ticket) = self.waits.take() {
            self.bed.gate.take(self.bed.now(), Fact::Durable(ticket)).unwrap();
        }
    }

    fn id(&self, index: u8) -> String {
        self.ids.get(usize::from(index) % self.ids.len().max(1)).cloned().unwrap_or_default()
    }

    fn live(&mut self, event: &Event) {
        let names = [SPOT, ISOLATED, INVERSE, INVERSE_ISOLATED, CROSS, EURO_QUOTED, EURO];
        let accounts = ["main", "second"];
        let side = |buys: bool| if buys { Side::Buy } else { Side::Sell };
        let paper = self.bed.may == PAPER;
        match event {
            Event::Pass(millis) => self.bed.pass(Duration::from_millis(*millis)),
            Event::Price(instrument, price) => {
                let (price, instrument) = (money(*price), names[*instrument]);
                self.tell(Fact::Price { source: "one", instrument, quote: Quoted::Last(&price), time: None });
            }
            Event::Ask { component, user, instrument, account, buys, quantity, price, kind } => {
                let user = user.map(|user| format!("user-{user}"));
                let (quantity, price) = (ten_thousandths(i32::try_from(*quantity).unwrap()), price.map(money));
                let borrows = !matches!(names[*instrument], SPOT | EURO | EURO_QUOTED);
                let ask = Order {
                    component: if *component == 2 { failstop_core::Slot::SYSTEM } else { slot(*component) },
                    user: user.as_deref(),
                    account: accounts[*account],
                    kind: *kind,
                    price: price.as_deref(),
                    leverage: borrows.then_some("3"),
                    ..order(names[*instrument], side(*buys), &quantity)
                };
                self.bed.ask(&ask);
                self.ids.push(self.bed.last_id());
            }
            Event::Outcome(order, outcome) => {
                let client_id = self.id(*order);
                self.tell(Fact::Outcome { client_id: &client_id, outcome: *outcome });
            }
            Event::Fill { order, instrument, buys, quantity, price, fee } => {
                self.fills += 1;
                let (id, order) = (format!("f{}", self.fills), order.map(|order| self.id(order)));
                let (quantity, price, fee) =
                    (ten_thousandths(i32::try_from(*quantity).unwrap()), money(*price), fee.to_string());
                self.tell(Fact::Fill(Fill {
                    id: &id,
                    order: order.as_deref(),
                    account: "main",
                    instrument: names[*instrument],
                    side: side(*buys),
                    quantity: &quantity,
                    price: &price,
                    fee: Some(&fee),
                    paper,
                }));
            }
            Event::Position { instrument, account, quantity, entry, leverage } => {
                let (quantity, entry) = (ten_thousandths(*quantity), entry.map(money));
                let leverage = leverage.map(|leverage| leverage.to_string());
                self.tell(Fact::Position {
                    account: accounts[*account],
                    instrument: names[*instrument],
                    quantity: if quantity == "0.0000" { "0" } else { &quantity },
                    entry: entry.as_deref(),
                    leverage: leverage.as_deref(),
                    paper,
                });
            }
            Event::Unknown { instrument, account } => {
                let (account, instrument) = (accounts[*account], names[*instrument]);
                self.tell(Fact::PositionUnknown { account, instrument });
            }
            Event::Equity(account, equity) => {
                self.tell(Fact::Equity { account: accounts[*account], equity: &equity.to_string(), paper });
            }
            Event::Result(account, amount) => {
                self.tell(Fact::Result { account: accounts[*account], amount: &amount.to_string(), paper });
            }
            Event::Day => {
                self.day += 1;
                self.tell(Fact::Day(TradingDay(self.day)));
            }
            Event::Override { name, limit, value, minutes, durable } => {
                let (name, value) = (format!("o{name}"), value.map_or("waived".to_owned(), |value| value.to_string()));
                self.tell(Fact::Override {
                    name: &name,
                    by: "root (0)",
                    reason: "r",
                    limit: *limit,
                    scope: Scope::System,
                    of: None,
                    value: &value,
                    span: Duration::from_secs(60 * minutes),
                });
                if *durable {
                    self.durable();
                }
            }
            Event::EndOverride(name) => {
                self.tell(Fact::EndOverride { name: &format!("o{name}"), by: "root (0)" });
            }
            Event::Confirm(order) => {
                let client_id = self.id(*order);
                if self.tell(Fact::Confirm { client_id: &client_id, by: "admin" }) {
                    self.durable();
                }
            }
            Event::Durable => self.durable(),
            Event::Rate(user, cost) => {
                let user = format!("user-{user}");
                let ask = RateAsk { component: slot(0), bucket: Bucket::Messages, user: Some(&user), cost: *cost };
                let mut out = Decision::default();
                self.bed.records.extend(self.bed.gate.rate(self.bed.now(), &ask, &mut out));
            }
            Event::Mode(live) => self.bed.may = if *live { ACTIVE } else { PAPER },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_journal_gives_back_what_the_living_gate_remembers(events in events()) {
        let mut life = Life { bed: Bed::flat(lived()), waits: None, ids: Vec::new(), day: 0, fills: 0 };
        let mut checked = 0;
        for (index, event) in events.iter().enumerate() {
            life.live(event);
            if index % 20 != 19 && index + 1 != events.len() {
                continue;
            }
            // A crash now: everything given out is durable, and the text of the journal is all there is.
            life.durable();
            let mut again = Gate::new(lived()).unwrap();
            for record in &life.bed.records[..] {
                let text = serde_json::to_string(record).unwrap();
                again.replay(&serde_json::from_str(&text).unwrap());
            }
            again.start(life.bed.now(), life.bed.at());
            prop_assert_eq!(again.left_out(), 0);
            if again.recorded() != life.bed.gate.recorded() {
                let (left, right) = (format!("{:#?}", again.recorded()), format!("{:#?}", life.bed.gate.recorded()));
                let unlike = left.lines().zip(right.lines()).enumerate().find(|(_, (left, right))| left != right);
                prop_assert!(false, "replayed and living differ first at {unlike:?}");
            }
            checked += 1;
        }
        prop_assert!(checked > 0);
    }
}

#[test]
fn a_daily_loss_a_rate_and_a_duplicate_survive_a_restart_and_a_reboot() {
    let mut policy = with(LimitName::DailyLoss, SHARE_ONE / 5);
    policy.system = policy.system.with(LimitName::OpeningsPerMinute, Limit::Set(2));
    let mut bed = Bed::flat(policy.clone());
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "50")), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "50", "100");
    assert_eq!(bed.ask(&buy(SPOT, "50")), []);
    bed.fill(None, SPOT, Side::Sell, "50", "60");
    let mut all = [Code::DailyLoss, Code::RateOpenings];
    all.sort_unstable();
    assert_eq!(bed.ask(&buy(SPOT, "1")), all);

    // The machine starts anew: its monotonic clock begins again, and its wall clock is a minute behind.
    let mut again = Gate::new(policy).unwrap();
    bed.records.iter().for_each(|record| again.replay(record));
    bed.gate = again;
    bed.nanos = 1_000_000_000;
    let behind = GateTime::from_micros(BEGIN - 60_000_000);
    bed.gate.start(bed.now(), behind);
    bed.prices();
    assert_eq!(bed.ask(&buy(SPOT, "1")), all);
    assert!(bed.ask_as(&Order { client_id: &id, ..buy(SPOT, "1") }).contains(&Code::Duplicate));
    assert_eq!(bed.take(Fact::Day(TradingDay(1))), Err(FactError::DayNotLater), "the day does not begin twice");
    // Time goes on from where the journal was: the window has its whole length, and not a longer one.
    bed.pass(59 * SECOND);
    bed.prices();
    assert!(bed.ask(&buy(SPOT, "1")).contains(&Code::RateOpenings));
    bed.pass(7 * SECOND);
    bed.prices();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::DailyLoss]);
}

#[test]
fn a_source_that_died_is_stale_also_where_the_wall_clock_was_behind_at_the_start() {
    let mut bed = Bed::flat(policy());
    bed.pass(HOUR);
    bed.position(SPOT, "0");
    let mut again = Gate::new(policy()).unwrap();
    bed.records.iter().for_each(|record| again.replay(record));
    bed.gate = again;
    bed.nanos = 1_000_000_000;
    // An hour behind what the journal knows.
    bed.gate.start(bed.now(), GateTime::from_micros(BEGIN));
    bed.prices();
    bed.position(SPOT, "0");
    bed.equity("main", "10000");
    assert_eq!(bed.ask(&buy(SPOT, "1")), []);
    bed.pass(6 * SECOND);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::PriceStale]);
    bed.pass(5 * MINUTE);
    bed.prices();
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::MissingPosition], "what was said of the position is old as well");
}

#[test]
fn what_is_not_declared_any_more_is_said() {
    let mut bed = Bed::flat(policy());
    bed.position(SPOT, "5");
    assert_eq!(bed.ask(&buy(EURO, "1")), []);
    let mut fewer = policy();
    fewer.accounts.truncate(1);
    fewer.instruments[0].price = scale(1);
    let mut again = Gate::new(fewer).unwrap();
    bed.records.iter().for_each(|record| again.replay(record));
    // Of the second account seven positions and its equity; of the first one's spot position the mark does not fit.
    assert!(again.left_out() >= 8, "{}", again.left_out());
}

#[test]
fn what_is_left_out_of_the_last_day_is_told_apart() {
    let mut bed = Bed::flat(policy());
    bed.position(SPOT, "5");
    let replayed = |bed: &Bed| {
        let mut fewer = policy();
        fewer.instruments[0].name = "another".to_owned();
        let mut again = Gate::new(fewer).unwrap();
        bed.records.iter().for_each(|record| again.replay(record));
        again
    };
    let (day, count) = replayed(&bed).left_out_of_the_day();
    assert_eq!((day, count > 0), (None, true));
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(replayed(&bed).left_out_of_the_day(), (Some(TradingDay(1)), 0));
    assert!(replayed(&bed).left_out() > 0);
    bed.position(SPOT, "6");
    assert_eq!(replayed(&bed).left_out_of_the_day(), (Some(TradingDay(1)), 1));
}

#[test]
fn a_day_that_begins_with_more_held_than_one_record_takes_is_the_same_after_a_restart() {
    let mut wide = policy();
    let held = 2 * MARKS_OF_DAY + 1;
    let names: Vec<String> = (0..held).map(|index| format!("{index}-USD")).collect();
    let template = wide.instruments[0].clone();
    wide.instruments = names.iter().map(|name| InstrumentPolicy { name: name.clone(), ..template.clone() }).collect();
    let mut bed = Bed::new(wide.clone());
    bed.equity("main", "10000");
    names.iter().for_each(|name| bed.position(name, "1"));
    bed.prices();
    let taken = bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(taken.records.len(), 1 + held - MARKS_OF_DAY);
    let GateRecord::Day { marks, .. } = &taken.records[0] else { panic!("{:?}", taken.records[0]) };
    assert_eq!(marks.len(), MARKS_OF_DAY);
    // Every one counts from its opening price: each loses one.
    names.iter().for_each(|name| bed.price(name, "99"));
    let mut again = Gate::new(wide).unwrap();
    bed.records.iter().for_each(|record| again.replay(record));
    assert_eq!(again.recorded(), bed.gate.recorded());
    let result = bed.gate.daily_results(bed.now(), false).into_iter().find(|one| one.account == "main").unwrap();
    assert_eq!(result.result, Some(-100 * i128::try_from(held).unwrap()));
}
