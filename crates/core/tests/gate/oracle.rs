//! A slow, independent judge: exact fractions and plain loops over what was told, written from docs/gate.md and sharing nothing with the
//! gate. It is asked the same questions.

use crate::bed::*;
use failstop_core::gate::*;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use proptest::prelude::*;

pub type Fraction = BigRational;

pub fn fraction(numerator: i128, denominator: i128) -> Fraction {
    Fraction::new(BigInt::from(numerator), BigInt::from(denominator))
}

/// A decimal as a fraction.
pub fn of(text: &str) -> Fraction {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits: BigInt = format!("{whole}{decimals}").parse().unwrap();
    Fraction::new(digits, BigInt::from(10).pow(u32::try_from(decimals.len()).unwrap()))
}

/// Money rounded up to the cent.
fn cents(amount: &Fraction) -> Fraction {
    (amount * fraction(100, 1)).ceil() / fraction(100, 1)
}

/// One instrument of a world.
#[derive(Clone, Debug)]
struct Held {
    name: &'static str,
    price: u32,
    held: i32,
    /// Side, quantity and perhaps a price of what is open.
    open: Vec<(bool, u32, Option<u32>)>,
}

#[derive(Clone, Debug)]
struct World {
    instruments: Vec<Held>,
    equity: i32,
    /// What was traded before the prices came: instrument, side, quantity, price.
    traded: Vec<(usize, bool, u32, u32)>,
    asked: usize,
    buys: bool,
    quantity: u32,
    price: Option<u32>,
    leverage: Option<u32>,
    limits: [u32; 7],
}

fn worlds() -> impl Strategy<Value = World> {
    // Whole numbers of few values, so that edges are met and not only missed.
    let size = || prop_oneof![1u32..6, Just(10), Just(20), Just(100)];
    let price = || prop_oneof![3 => Just(100u32), 1 => Just(50), 1 => Just(125), 1 => 90u32..110];
    let held = move |name| {
        let open = prop::collection::vec((any::<bool>(), size(), prop::option::of(price())), 0..3);
        (price(), -20i32..20, open).prop_map(move |(price, held, open)| Held { name, price, held, open })
    };
    let instruments = (held(SPOT), held(ISOLATED), held(INVERSE), held(EURO_QUOTED));
    let traded = prop::collection::vec((0usize..4, any::<bool>(), size(), price()), 0..5);
    let limits = (
        prop::sample::select(vec![500u32, 1_000, 2_000, 10_000]),
        prop::sample::select(vec![1u32, 5, 10, 25, 50]),
        prop::sample::select(vec![1u32, 2, 5]),
        prop::sample::select(vec![1u32, 2, 3]),
        prop::sample::select(vec![100u32, 500, 1_000]),
        prop::sample::select(vec![1u32, 5, 10, 25]),
        prop::sample::select(vec![1u32, 2, 5, 20]),
    );
    (
        (instruments, -100i32..20_000, traded),
        (
            0usize..4,
            any::<bool>(),
            size(),
            prop::option::of(price()),
            prop::option::of(prop::sample::select(vec![1u32, 2, 5])),
        ),
        limits,
    )
        .prop_map(|((instruments, equity, traded), (asked, buys, quantity, price, leverage), limits)| {
            let (one, two, three, four) = instruments;
            let (l0, l1, l2, l3, l4, l5, l6) = limits;
            World {
                instruments: vec![one, two, three, four],
                equity,
                traded,
                asked,
                buys,
                quantity,
                price,
                leverage,
                limits: [l0, l1, l2, l3, l4, l5, l6],
            }
        })
}

const EURO_PRICE: (i128, i128) = (5, 4);

impl World {
    fn is_inverse(&self, index: usize) -> bool {
        self.instruments[index].name == INVERSE
    }

    /// What a quantity is worth in money at a price.
    fn worth(&self, index: usize, quantity: &Fraction, price: u32) -> Fraction {
        let price = fraction(price.into(), 1);
        match self.instruments[index].name {
            INVERSE => quantity * fraction(100, 1),
            EURO_QUOTED => quantity * price * fraction(EURO_PRICE.0, EURO_PRICE.1),
            _ => quantity * price,
        }
    }

    fn quantity_after_trades(&self, index: usize) -> i64 {
        let traded = self.traded.iter().filter(|trade| trade.0 == index);
        i64::from(self.instruments[index].held)
            + traded
                .map(|(_, buys, quantity, _)| if *buys { i64::from(*quantity) } else { -i64::from(*quantity) })
                .sum::<i64>()
    }

    fn open(&self, index: usize, buys: bool) -> i64 {
        self.instruments[index].open.iter().filter(|open| open.0 == buys).map(|open| i64::from(open.1)).sum()
    }

    /// The result of the day: each trade by itself against the mark, and what was held at the opening against the opening price of 100.
    fn result(&self) -> Fraction {
        let mut sum = Fraction::zero();
        for index in 0..self.instruments.len() {
            let held = &self.instruments[index];
            let mut own = Fraction::zero();
            let opened = (held.held != 0).then_some((held.held > 0, held.held.unsigned_abs(), 100));
            let traded = self.traded.iter().filter(|trade| trade.0 == index).map(|trade| (trade.1, trade.2, trade.3));
            for (buys, quantity, price) in opened.into_iter().chain(traded) {
                let quantity = fraction(if buys { quantity.into() } else { -i128::from(quantity) }, 1);
                let (price, mark) = (fraction(price.into(), 1), fraction(held.price.into(), 1));
                own += if self.is_inverse(index) {
                    // In the underlying, and that at the mark.
                    quantity * fraction(100, 1) * (price.recip() - mark.recip()) * mark
                } else {
                    quantity * (mark - price)
                };
            }
            if held.name == EURO_QUOTED {
                own *= fraction(EURO_PRICE.0, EURO_PRICE.1);
            }
            // Losses are rounded up, gains down.
            sum += (own * fraction(100, 1)).floor() / fraction(100, 1);
        }
        sum
    }

    /// Every refusal that the documentation asks for; `None` where the order reduces and none of these rules applies.
    fn refusals(&self) -> Option<Vec<Code>> {
        let held = self.quantity_after_trades(self.asked);
        let quantity = i64::from(self.quantity);
        let open = self.open(self.asked, self.buys);
        let toward = if self.buys { -held } else { held };
        if toward > 0 && open + quantity <= toward {
            return None;
        }
        let mut codes = Vec::new();
        let mut refuse = |broken: bool, code: Code| {
            if broken && !codes.contains(&code) {
                codes.push(code);
            }
        };
        let [position, risk, leverage, total, notional, collar, loss] =
            self.limits.map(|limit| fraction(limit.into(), 1));
        let instrument = &self.instruments[self.asked];
        let spot = instrument.name == SPOT || instrument.name == EURO_QUOTED;
        let exposed = ((if self.buys { held } else { -held }) + open + quantity).max(0);
        let worth = cents(&self.worth(self.asked, &fraction(exposed.into(), 1), instrument.price));
        refuse(worth > position, Code::PositionLimit);
        let equity = fraction(self.equity.max(0).into(), 1);
        let times = if spot { Some(1) } else { self.leverage };
        match times {
            Some(times) => {
                let times = fraction(times.into(), 1);
                refuse(times > leverage, Code::Leverage);
                refuse(&worth / &times > &equity * risk / fraction(100, 1), Code::AccountRisk);
            }
            None => refuse(true, Code::MissingLeverage),
        }
        let mut all = worth;
        for index in (0..self.instruments.len()).filter(|index| *index != self.asked) {
            let held = self.quantity_after_trades(index);
            let most = (held + self.open(index, true)).max(-held + self.open(index, false)).max(0);
            all += cents(&self.worth(index, &fraction(most.into(), 1), self.instruments[index].price));
        }
        refuse(all > &equity * total, Code::TotalLeverage);
        let price = self.price.unwrap_or(instrument.price).max(instrument.price);
        let own = cents(&self.worth(self.asked, &fraction(quantity.into(), 1), price));
        refuse(own > notional, Code::OrderNotional);
        if let Some(price) = self.price {
            let (price, reference) = (fraction(price.into(), 1), fraction(instrument.price.into(), 1));
            let beyond = if self.buys { price - &reference } else { &reference - price };
            refuse(beyond > reference * collar / fraction(100, 1), Code::PriceCollar);
        }
        let lost = -self.result();
        refuse(lost.is_positive() && lost >= &equity * loss / fraction(100, 1), Code::DailyLoss);
        codes.sort_unstable();
        Some(codes)
    }

    fn gate(&self) -> (Vec<Code>, bool) {
        let mut policy = policy();
        let [position, risk, leverage, total, notional, collar, loss] = self.limits.map(u128::from);
        let limits = Limits::WAIVED
            .with(LimitName::Position, Limit::Set(position * 100))
            .with(LimitName::AccountRisk, Limit::Set(risk * 10_000))
            .with(LimitName::Leverage, Limit::Set(leverage * TIMES_ONE))
            .with(LimitName::TotalLeverage, Limit::Set(total * TIMES_ONE))
            .with(LimitName::OrderNotional, Limit::Set(notional * 100))
            .with(LimitName::PriceCollar, Limit::Set(collar * 10_000))
            .with(LimitName::DailyLoss, Limit::Set(loss * 10_000));
        let mut bed = Bed::new(policy.clone());
        bed.prices();
        for held in &self.instruments {
            bed.position(held.name, &held.held.to_string());
        }
        bed.equity("main", &self.equity.to_string());
        bed.take(Fact::Day(TradingDay(1))).unwrap();
        bed.pass(SECOND);
        // What is open and what was traded came while nothing was limited.
        let big = Some("1");
        for (index, (instrument, buys, quantity, price)) in self.traded.iter().enumerate() {
            let name = self.instruments[*instrument].name;
            let (id, quantity, price) = (format!("t{index}"), quantity.to_string(), price.to_string());
            let side = if *buys { Side::Buy } else { Side::Sell };
            assert_eq!(bed.ask_as(&Order { client_id: &id, leverage: big, ..order(name, side, &quantity) }), []);
            bed.fill(Some(&id), name, side, &quantity, &price);
        }
        let mut next = 0;
        for held in &self.instruments {
            for (buys, quantity, price) in &held.open {
                let (id, quantity, price) =
                    (format!("o{next}"), quantity.to_string(), price.map(|price| price.to_string()));
                next += 1;
                let side = if *buys { Side::Buy } else { Side::Sell };
                let ask = Order {
                    client_id: &id,
                    price: price.as_deref(),
                    leverage: big,
                    ..order(held.name, side, &quantity)
                };
                assert_eq!(bed.ask_as(&ask), []);
            }
        }
        // The same life under limits, by its journal: what was allowed stays allowed.
        policy.system = limits;
        let mut limited = Gate::new(policy).unwrap();
        for record in &bed.records {
            limited.replay(record);
        }
        limited.start(bed.now(), bed.at());
        bed.gate = limited;
        bed.price(EURO, "1.25");
        for held in &self.instruments {
            bed.price(held.name, &held.price.to_string());
        }
        let (quantity, price) = (self.quantity.to_string(), self.price.map(|price| price.to_string()));
        let leverage = self.leverage.map(|leverage| leverage.to_string());
        let name = self.instruments[self.asked].name;
        let spot = name == SPOT || name == EURO_QUOTED;
        let side = if self.buys { Side::Buy } else { Side::Sell };
        let leverage = if spot { None } else { leverage.as_deref() };
        let codes = bed.ask(&Order { price: price.as_deref(), leverage, ..order(name, side, &quantity) });
        (codes, bed.last.reduces)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_gate_refuses_for_exactly_the_reasons_of_the_documentation(world in worlds()) {
        let (codes, reduces) = world.gate();
        match world.refusals() {
            Some(expected) => {
                prop_assert!(!reduces);
                prop_assert_eq!(codes, expected);
            }
            None => {
                prop_assert!(reduces);
                // A collar binds what reduces as well.
                prop_assert!(codes.iter().all(|code| *code == Code::PriceCollar), "{:?}", codes);
            }
        }
    }
}
