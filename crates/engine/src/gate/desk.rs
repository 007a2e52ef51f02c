//! One owner of everything about the gate that lives while the engine does: the gate itself, the answer that is filled anew for each
//! order, the quotes that paper orders are filled by, and how orders fared.

use super::confirmations::ToldToConfirm;
use super::loss::LossTold;
use super::paper::Quotes;
use super::performance::Performance;
use super::usage::ApiUsages;
use crate::config::Config;
use core::time::Duration;
use failstop_client::wire;
use failstop_core::gate::{
    Bucket, Code, Decision, Fact, FactError, Gate, GateTicket, GateTime, Kind, Order, RateAsk, Side, Taken, TradingDay,
};
use failstop_core::{Monotonic, Rights, Slot};

/// What the configuration says of the gate beside its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The currency that money is in.
    pub money: String,
    /// Whether an order is answered only once its intent is on the disk.
    pub durable_intents: bool,
    /// When the trading day begins, after midnight UTC.
    pub day_starts_at: Duration,
    /// The equity of each account on paper.
    pub paper_equity: Option<String>,
    /// How old what is said of a position may be.
    pub position_max_age: Duration,
    /// How old what is said of an equity may be.
    pub equity_max_age: Duration,
    /// How old a price may be.
    pub price_max_age: Duration,
}

impl Terms {
    /// Those of a configuration that has a gate.
    pub fn of(config: &Config) -> Option<Self> {
        let configured = config.gate.as_ref()?;
        Some(Self {
            money: configured.money.as_str().to_owned(),
            durable_intents: configured.durable_intents,
            day_starts_at: configured.day_starts_at.after_midnight(),
            paper_equity: configured.paper_equity.clone(),
            position_max_age: configured.position_max_age,
            equity_max_age: configured.equity_max_age,
            price_max_age: config.prices.max_age,
        })
    }

    /// These with everything in which `new` is tighter.
    pub fn tighten(&mut self, new: &Self) {
        self.durable_intents |= new.durable_intents;
        self.position_max_age = self.position_max_age.min(new.position_max_age);
        self.equity_max_age = self.equity_max_age.min(new.equity_max_age);
        self.price_max_age = self.price_max_age.min(new.price_max_age);
    }
}

/// The gate and what goes with it.
#[derive(Debug)]
pub struct Desk {
    /// The gate.
    pub gate: Gate,
    /// What the configuration says beside its policy.
    pub terms: Terms,
    /// The answer, filled anew for each order.
    pub decision: Decision,
    /// What sources said last.
    pub quotes: Quotes,
    /// How orders fared.
    pub performance: Performance,
    /// The venue's own request budgets.
    pub usages: ApiUsages,
    /// The orders to be confirmed that people were told of.
    pub told_to_confirm: ToldToConfirm,
    /// What the core was told of the day's loss.
    pub loss: LossTold,
    /// Results are looked at again at this time.
    pub results_due: Option<Monotonic>,
    /// When the trading day ends.
    pub day_due: Option<Monotonic>,
    /// The last `position` said its entry price and leverage, too.
    pub said_of_position: Option<(Option<String>, Option<String>)>,
}

/// A question to the limiter, in the bot's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is to be used up.
    pub bucket: Bucket,
    /// How much.
    pub cost: u64,
}

impl Ask {
    /// Reads a question.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(rate: &wire::Rate) -> Result<Self, String> {
        let bucket = match rate.bucket.as_str() {
            "messages" | "telegram" => Bucket::Messages,
            "copies" => Bucket::Copies,
            "openings" => Bucket::Openings,
            "trades" => Bucket::Trades,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(format!("`bucket` is `{shown}`, but has to be messages, copies, openings or trades"));
            }
        };
        match rate.cost.parse::<u64>() {
            Ok(cost) if cost > 0 => Ok(Self { bucket, cost }),
            Ok(_) | Err(_) => Err(format!("`cost` is `{}`, but has to be a whole number above zero", rate.cost)),
        }
    }
}

impl Desk {
    /// Over a gate that the journal was replayed into.
    pub fn new(gate: Gate, config: &Config) -> Option<Self> {
        let terms = Terms::of(config)?;
        let quotes = Quotes::of(gate.policy());
        Some(Self {
            gate,
            terms,
            decision: Decision::default(),
            quotes,
            performance: Performance::default(),
            usages: ApiUsages::default(),
            told_to_confirm: ToldToConfirm::default(),
            loss: LossTold::default(),
            results_due: None,
            day_due: None,
            said_of_position: None,
        })
    }

    /// Starts the gate: `wall` is the wall clock at `now`, in microseconds since 1970.
    pub fn start(&mut self, now: Monotonic, wall_us: u64) {
        self.gate.start(now, GateTime::from_micros(wall_us));
        self.performance.begin(now);
    }

    /// Decides; the answer is in [`Desk::decision`].
    pub fn decide(&mut self, now: Monotonic, slot: Slot, order: &wire::Order, may: Rights) {
        self.gate.decide(now, &order_of(slot, order), may, &mut self.decision);
    }

    /// Tells the gate something.
    ///
    /// # Errors
    /// [`FactError`]: nothing changed.
    pub fn take(&mut self, now: Monotonic, fact: Fact<'_>) -> Result<Taken, FactError> {
        self.gate.take(now, fact)
    }

    /// The record of a loosening is durable.
    pub fn durable(&mut self, now: Monotonic, ticket: GateTicket) {
        // A gate that gave a ticket was started, and durability is never refused.
        drop(self.gate.take(now, Fact::Durable(ticket)));
    }

    /// Asks the limiter. With the record, where something was counted.
    pub fn rate(
        &mut self,
        now: Monotonic,
        slot: Slot,
        user: Option<&str>,
        ask: Ask,
    ) -> (wire::RateDecision, Option<failstop_core::gate::GateRecord>) {
        let question = RateAsk { component: slot, bucket: ask.bucket, user, cost: ask.cost };
        let record = self.gate.rate(now, &question, &mut self.decision);
        let allow = self.decision.allows();
        let retry_after = if allow { None } else { self.gate.retry_after(now, &question) };
        let retry_after_ms = retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        (wire::RateDecision { allow, reasons: self.reasons(), retry_after_ms }, record)
    }

    /// Every reason of the decision, in the words of the bot socket.
    pub fn reasons(&self) -> Vec<wire::Reason> {
        self.decision
            .refusals
            .iter()
            .map(|refusal| wire::Reason {
                code: refusal.code.code().to_owned(),
                error: format!("{refusal}: {} {}", refusal.code.meaning(), refusal.code.next()),
            })
            .collect()
    }

    /// Whether this order, as it is, waits for somebody's confirmation already.
    pub fn awaits(&self, now: Monotonic, order: &wire::Order) -> bool {
        self.gate.awaiting(now).any(|waiting| {
            let known = &waiting.order;
            known.client_id == order.client_id
                && (&known.instrument, &known.account) == (&order.instrument, &order.account)
                && (known.side, &known.quantity, &known.price) == (side_of(order.side), &order.quantity, &order.price)
        })
    }

    /// Whether an order that the decision refused waits for somebody's confirmation now.
    pub fn awaits_confirmation(&self) -> bool {
        !self.decision.allows()
            && self.decision.refusals.iter().all(|refusal| refusal.code == Code::ConfirmationRequired)
    }

    /// The trading day by the wall clock.
    pub fn day_of(&self, wall_us: u64) -> TradingDay {
        TradingDay::at(GateTime::from_micros(wall_us), self.terms.day_starts_at)
    }
}

/// A bot's order as the gate reads it.
pub fn order_of<'a>(slot: Slot, order: &'a wire::Order) -> Order<'a> {
    Order {
        component: slot,
        client_id: &order.client_id,
        user: order.user.as_deref(),
        account: &order.account,
        instrument: &order.instrument,
        kind: match order.kind {
            None | Some(wire::OrderKind::Entry) => Kind::Entry,
            Some(wire::OrderKind::Exit) => Kind::Exit,
            Some(wire::OrderKind::Copy) => Kind::Copy,
        },
        side: side_of(order.side),
        quantity: &order.quantity,
        price: order.price.as_deref(),
        leverage: order.leverage.as_deref(),
        reduce_only: order.reduce_only,
        live: order.live,
    }
}

/// A bot's side as the gate reads it.
pub const fn side_of(side: wire::Side) -> Side {
    match side {
        wire::Side::Buy => Side::Buy,
        wire::Side::Sell => Side::Sell,
    }
}
