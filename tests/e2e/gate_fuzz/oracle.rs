//! A slow judge of what was allowed: exact fractions and plain loops over everything that was said and answered, in the order of the
//! journal. It knows the time and the prices only within bounds, and calls wrong only what is wrong within all of them.

use num_rational::BigRational;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

type Fraction = BigRational;

/// The limits of [`super::CONFIGURATION`].
pub struct Limits {
    pub position: &'static str,
    pub order_notional: &'static str,
    pub price_collar: &'static str,
    pub openings_per_minute: usize,
    pub trades_per_day: usize,
    pub volume_per_hour: &'static str,
    pub user_openings_per_minute: usize,
    pub price_max_age: Duration,
    /// Decimals of quantities, and of prices.
    pub scales: (usize, usize),
    /// The lowest and the highest price that is ever said.
    pub prices: (&'static str, &'static str),
}

/// A question about an order.
#[derive(Clone, Debug)]
pub struct Asked {
    pub order: Value,
    pub sent: Instant,
}

/// An order that was allowed.
#[derive(Clone, Debug)]
struct Allowed {
    asked: Asked,
    answered: Instant,
    filled: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Allowed(Allowed),
    /// This order is over.
    Over(String),
}

/// Everything that was answered and matters.
#[derive(Default)]
pub struct Oracle {
    /// By number in the journal.
    events: BTreeMap<u64, Event>,
    /// When a price of an instrument was said last.
    pub priced: BTreeMap<String, Instant>,
    /// When a halt to `reduce-only` was known to stand.
    pub halted: Option<Instant>,
}

/// A decimal as a fraction; `None` where it is none of at most so many decimals.
fn decimal(text: &str, decimals: usize) -> Option<Fraction> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let good = digits(whole) && digits(rest) && !whole.is_empty() && (rest.is_empty() != text.contains('.'));
    if !good || rest.len() > decimals || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let units = format!("{whole}{rest}").parse().ok()?;
    Some(Fraction::new(units, num_bigint::BigInt::from(10).pow(u32::try_from(rest.len()).ok()?)))
}

fn limit(text: &str) -> Fraction {
    decimal(text, 18).unwrap()
}

fn zero() -> Fraction {
    limit("0")
}

impl Oracle {
    /// An order was allowed.
    pub fn allowed(&mut self, asked: &Asked, answer: &Value) {
        let seq = answer["intent_seq"].as_u64().unwrap_or_else(|| panic!("allowed without an intent: {answer}"));
        assert!(answer["permit_deadline"].is_u64(), "allowed without a permit: {answer}");
        assert_eq!(answer["mode"], "dry", "{answer}");
        let filled = answer["paper_fill"].is_object();
        let allowed = Allowed { asked: asked.clone(), answered: Instant::now(), filled };
        assert!(self.events.insert(seq, Event::Allowed(allowed)).is_none(), "two intents of one number: {answer}");
    }

    /// Something became of an order, and was booked under this number.
    pub fn over(&mut self, said: &Value, seq: u64) {
        let over = ["cancelled", "rejected", "expired", "not-sent"].map(Value::from).contains(&said["outcome"]);
        if over && let Some(client_id) = said["client_id"].as_str() {
            self.events.insert(seq, Event::Over(client_id.to_owned()));
        }
    }

    /// How many were allowed so far.
    pub fn came(&self) -> usize {
        self.events.values().filter(|event| matches!(event, Event::Allowed(_))).count()
    }

    /// How many were allowed; panics at the first that should not have been.
    pub fn judge(&self, limits: &Limits) -> usize {
        let mut held: BTreeMap<&str, Fraction> = BTreeMap::new();
        let mut open: BTreeMap<&str, (&str, bool, Fraction)> = BTreeMap::new();
        let mut seen: Vec<&str> = Vec::new();
        // Openings that nothing was given back of: when they were asked for and answered, whose, and what they are worth at least.
        let mut counted: Vec<(Instant, Instant, Option<&str>, Fraction)> = Vec::new();
        let given_back: Vec<&str> = self
            .events
            .values()
            .filter_map(|event| match event {
                Event::Over(client_id) => Some(client_id.as_str()),
                Event::Allowed(_) => None,
            })
            .collect();
        for event in self.events.values() {
            let allowed = match event {
                Event::Over(client_id) => {
                    open.remove(client_id.as_str());
                    continue;
                }
                Event::Allowed(allowed) => allowed,
            };
            let order = &allowed.asked.order;
            let text = |name: &str| order[name].as_str();
            let wrong = |why: &str| -> ! { panic!("allowed, though {why}: {order}") };
            let Some(id) = text("client_id") else { wrong("it has no id") };
            if seen.contains(&id) {
                wrong("its id was used");
            }
            seen.push(id);
            let Some(instrument) = text("instrument").filter(|name| super::DECLARED.contains(name)) else {
                wrong("its instrument is not declared")
            };
            if text("account") != Some("main") {
                wrong("its account is not declared");
            }
            let buys = match text("side") {
                Some("buy") => true,
                Some("sell") => false,
                _ => wrong("it has no side"),
            };
            let positive =
                |name: &str, decimals| text(name).and_then(|text| decimal(text, decimals)).filter(|one| *one > zero());
            let Some(quantity) = positive("quantity", limits.scales.0) else { wrong("its quantity is none") };
            let price = positive("price", limits.scales.1);
            if price.is_none() && !order["price"].is_null() {
                wrong("its price is none");
            }
            if !order["leverage"].is_null() && positive("leverage", 2) != Some(limit("1")) {
                wrong("nothing is borrowed in spot");
            }
            if order["live"] == true {
                wrong("it asks for the exchange in dry");
            }
            let (lowest, highest) = (limit(limits.prices.0), limit(limits.prices.1));
            let position = held.get(instrument).cloned().unwrap_or_else(zero);
            let on_its_side = open.values().filter(|(other, side, _)| *other == instrument && *side == buys);
            let on_its_side: Fraction = on_its_side.map(|(_, _, quantity)| quantity.clone()).sum();
            let toward = if buys { -position.clone() } else { position.clone() };
            let reduces = toward >= &on_its_side + &quantity;
            if !reduces {
                if order["reduce_only"] == true || order["kind"] == "exit" {
                    wrong("it does not reduce");
                }
                if self.halted.is_some_and(|halted| allowed.asked.sent > halted) {
                    wrong("only what reduces is");
                }
                match self.priced.get(instrument) {
                    None => wrong("no price was ever said"),
                    Some(last) if allowed.asked.sent > *last + limits.price_max_age => wrong("its price is old"),
                    Some(_) => {}
                }
                let (one, collar) = (limit("1"), limit(limits.price_collar));
                match (&price, buys) {
                    (Some(price), true) if *price > &highest * (&one + &collar) => wrong("its price is too high"),
                    (Some(price), false) if *price < &lowest * (&one - &collar) => wrong("its price is too low"),
                    (Some(_) | None, _) => {}
                }
                let least = price.clone().map_or_else(|| lowest.clone(), |price| price.max(lowest.clone()));
                if &quantity * &least > limit(limits.order_notional) {
                    wrong("it is worth too much");
                }
                let exposed = &on_its_side + &quantity - &toward;
                if &exposed * &lowest > limit(limits.position) {
                    wrong("the position would be worth too much");
                }
                if !given_back.contains(&id) {
                    counted.push((allowed.asked.sent, allowed.answered, text("user"), &quantity * &lowest));
                }
            }
            let change = if buys { quantity.clone() } else { -quantity.clone() };
            if allowed.filled {
                *held.entry(instrument).or_insert_with(zero) += change;
            } else {
                open.insert(id, (instrument, buys, quantity));
            }
        }
        Self::rates(&counted, limits);
        seen.len()
    }

    fn rates(counted: &[(Instant, Instant, Option<&str>, Fraction)], limits: &Limits) {
        let minute = Duration::from_secs(60);
        for (begin, ..) in counted {
            let within: Vec<_> =
                counted.iter().filter(|(sent, answered, ..)| sent >= begin && *answered < *begin + minute).collect();
            assert!(within.len() <= limits.openings_per_minute, "{} openings in a minute", within.len());
            for user in super::USERS {
                let his = within.iter().filter(|(_, _, other, _)| *other == Some(user)).count();
                assert!(his <= limits.user_openings_per_minute, "{his} openings of {user} in a minute");
            }
        }
        // The run is shorter than an hour and than a day.
        assert!(counted.len() <= limits.trades_per_day, "{} trades in a day", counted.len());
        let volume: Fraction = counted.iter().map(|(.., worth)| worth.clone()).sum();
        assert!(volume <= limit(limits.volume_per_hour), "{volume} in an hour");
    }
}
