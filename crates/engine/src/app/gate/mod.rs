//! What bots say to the gate: an order is decided over, its intent handed to the journal, and answered; prices, results and questions
//! to the limiter. Nothing here waits for the disk: what is answered once it is durable is answered by whoever hears of that.

mod answers;
mod books;
mod operator;
mod polling;
mod sharing;
mod watch;

pub use answers::{GateWaiter, PendingOrder};
pub use sharing::Sharing;

use super::engine::Engine;
use super::journal::{JOURNAL_GONE, wall};
use crate::clock;
use crate::doors::bot::{Answer, mode_on_wire};
use crate::gate::{ApiUsage, Ask, order_of, side_of};
use crate::process::tree::TreeId;
use crate::shared_rates::Word;
use failstop_client::wire::{self, Booked, Code, Reason, Reply};
use failstop_core::gate::{Fact, Fill, GateRecord, GateTime, Outcome, Quoted, Taken};
use failstop_core::{Mode, Monotonic, Rights, Slot};
use failstop_journal::AppendError;
use failstop_journal::ledger::{self, Check, Entry, OrderIntent, OrderOutcome};

/// What is said where no gate is configured.
const NO_GATE: &str =
    "no [gate] is configured: this system judges no orders (docs/gate.md); until it does, none is allowed";

impl Engine {
    /// A bot says something to the gate; whether it was taken.
    pub(in crate::app) fn gate_message(&mut self, tree: TreeId, message: wire::Message, answer: Answer) -> bool {
        // Before anything is judged: what cannot be recorded is told to nobody. The others are not recorded, but for a price that
        // something waits for.
        let recorded =
            matches!(message, wire::Message::Order(_) | wire::Message::OrderResult(_) | wire::Message::Rate(_));
        if let Some(why) = self.takes_nothing().filter(|_| recorded && self.desk.is_some()) {
            answer.refuse(Code::NotDurable, why);
            return false;
        }
        match message {
            wire::Message::ApiUsage(usage) => self.api_usage(&usage, answer),
            _ if self.desk.is_none() => {
                answer.refuse(Code::NotConfigured, NO_GATE);
                false
            }
            wire::Message::Price(price) => self.priced(&price, answer),
            wire::Message::Order(order) => self.ordered(tree, &order, answer),
            wire::Message::OrderResult(result) => self.order_came_to(tree, result, answer),
            wire::Message::Rate(rate) => self.rated(tree, &rate, answer),
            // Nothing else is handed here.
            _ => false,
        }
    }

    fn priced(&mut self, price: &wire::Price, answer: Answer) -> bool {
        let now = clock::now();
        // What a bot says is no second opinion on itself.
        if self.polls.asks(&price.source, &price.instrument) {
            let (source, instrument) = (&price.source, &price.instrument);
            answer.refuse(
                Code::BadField,
                format!(
                    "failstop asks source \"{source}\" of {instrument} itself: say prices under a source of your own"
                ),
            );
            return false;
        }
        let time = match price.time.as_ref().map(micros_of) {
            None => None,
            Some(Ok(micros)) => Some(GateTime::from_micros(micros)),
            Some(Err(why)) => {
                answer.refuse(Code::BadField, why);
                return false;
            }
        };
        let quote = match (&price.bid, &price.ask, &price.last) {
            (Some(bid), Some(ask), _) => Quoted::BidAsk { bid, ask },
            (_, _, Some(last)) => Quoted::Last(last),
            // Refused where the line is read.
            (_, _, None) => return false,
        };
        let fact = Fact::Price { source: &price.source, instrument: &price.instrument, quote, time };
        let Some(desk) = &mut self.desk else { return false };
        match desk.take(now, fact) {
            Ok(taken) => {
                desk.quotes.take(price, now);
                self.record_taken(taken);
                self.results_may_have_changed(now, false);
                answer.done();
                true
            }
            Err(error) => {
                answer.refuse(Code::BadField, error.to_string());
                false
            }
        }
    }

    fn ordered(&mut self, tree: TreeId, order: &wire::Order, answer: Answer) -> bool {
        let asked = clock::now();
        match self.ask_group(tree, order, answer) {
            Some(answer) => self.order_asked(tree, order, asked, answer, None),
            None => true,
        }
    }

    /// An order is decided over, with the word of the group where it was asked for one.
    fn order_asked(
        &mut self,
        tree: TreeId,
        order: &wire::Order,
        asked: Monotonic,
        answer: Answer,
        word: Option<Word>,
    ) -> bool {
        if let Some(why) = self.takes_nothing() {
            answer.refuse(Code::NotDurable, why);
            if let Some(word) = word {
                self.settle_word(word, false);
            }
            return false;
        }
        let now = clock::now();
        let may = self.rights_now(tree.slot, now);
        if self.core.mode() == Mode::Dry {
            self.hear_paper(order, now);
        }
        let Some(desk) = &mut self.desk else { return false };
        let awaited = desk.awaits(now, order);
        desk.decide(now, tree.slot, order, may);
        let allows = desk.decision.allows();
        match word {
            Some(word) => self.settle_word(word, allows),
            None if allows => self.count_in_group(order),
            None => {}
        }
        let Some(desk) = &mut self.desk else { return false };
        if allows {
            self.allowed(tree, order, asked, answer)
        } else {
            let (reasons, awaits) = (desk.reasons(), desk.awaits_confirmation());
            let refused = self.refused(mode_on_wire(self.core.mode()), reasons, None);
            self.answer_order(refused, asked, answer);
            // People are told once; a bot asks again until somebody has confirmed it.
            if awaits && !awaited {
                self.confirmation_wanted(&order.client_id, now);
            }
            true
        }
    }

    /// The gate allows it: the intent goes into the journal, then the bot is answered.
    fn allowed(&mut self, tree: TreeId, order: &wire::Order, now: Monotonic, answer: Answer) -> bool {
        let Some(desk) = &self.desk else { return false };
        let component = desk.gate.component_name(tree.slot).map(str::to_owned);
        let record = desk.decision.record(&order_of(tree.slot, order), component.as_deref());
        let (paper, reduces) = (desk.decision.paper, desk.decision.reduces);
        let Some(record) = record else { return false };
        let durable = desk.terms.durable_intents;
        let mut intent = None;
        if !paper {
            // Before the gate's own record: should only this one reach the disk, the order is in doubt, and was never answered.
            let entry = intent_of(order, component);
            match self.ledger.books.judge(&entry, wall()) {
                Ok(crate::books::Judgement::New) => match self.ledger.intent(&entry, durable) {
                    Ok(number) => intent = Some(number),
                    Err(error) => {
                        answer.refuse(Code::NotDurable, error.to_string());
                        self.not_taken(&error);
                        return false;
                    }
                },
                refused => return self.take_back(tree, order, record, refused.err(), now, answer),
            }
        }
        let fill = if paper { self.paper_fill(order, now) } else { None };
        let mut records = vec![record];
        if let Some(fill) = &fill {
            records.extend(self.fill_on_paper(order, fill, now));
        }
        // After the trade, which may have halted: that is recorded before these.
        let first = self.ledger.next_number();
        let pending = PendingOrder {
            answer,
            slot: tree.slot,
            client_id: order.client_id.clone(),
            paper,
            reduces,
            fill,
            asked: now,
            intent: intent.unwrap_or(first),
        };
        let last = records.pop();
        for record in &records {
            // On paper the first of them is the intent.
            self.record_for(record, if durable { GateWaiter::Intent } else { GateWaiter::Nobody });
        }
        match last {
            Some(last) if durable && !self.storage_failed => {
                self.record_for(&last, GateWaiter::Order(Box::new(pending)));
            }
            Some(last) if !self.storage_failed => {
                self.record_gate(&last);
                if self.storage_failed {
                    pending.answer.refuse(Code::NotDurable, JOURNAL_GONE);
                } else {
                    let seq = self.ledger.forecast(pending.intent);
                    self.finish_order(pending, seq);
                }
            }
            Some(_) | None => pending.answer.refuse(Code::NotDurable, JOURNAL_GONE),
        }
        true
    }

    /// The ledger does not take the intent of an order that the gate allowed: it comes to nothing.
    fn take_back(
        &mut self,
        tree: TreeId,
        order: &wire::Order,
        record: GateRecord,
        violation: Option<ledger::Violation>,
        asked: Monotonic,
        answer: Answer,
    ) -> bool {
        tracing::debug!(slot = ?tree.slot, client = order.client_id, ?violation, "the ledger does not take an intent");
        self.record_gate(&record);
        self.gate_outcome(&order.client_id, Outcome::NotSent);
        let (code, error) = match violation {
            Some(violation) if violation.check == Check::Bound => {
                (failstop_core::gate::Code::OpenOrdersFull, violation.to_string())
            }
            Some(violation) => (failstop_core::gate::Code::Duplicate, violation.to_string()),
            None => (failstop_core::gate::Code::Duplicate, "an order with this client id is in the journal".to_owned()),
        };
        let reasons = vec![Reason { code: code.code().to_owned(), error }];
        let refused = self.refused(mode_on_wire(self.core.mode()), reasons, None);
        self.answer_order(refused, asked, answer);
        true
    }

    fn order_came_to(&mut self, tree: TreeId, result: wire::OrderResult, answer: Answer) -> bool {
        let now = clock::now();
        let Some(desk) = &mut self.desk else { return false };
        let said = ledger_outcome(result.outcome);
        let outcome = books::outcome_of(said);
        let known = desk.gate.was_used(&result.client_id);
        let already = Booked { seq: self.head.0, already: true };
        if desk.gate.open_order(&result.client_id).is_some_and(|open| open.paper) {
            desk.performance.take(&result, now);
            let records = desk.take(now, Fact::Outcome { client_id: &result.client_id, outcome });
            let records = records.map(|taken| taken.records).unwrap_or_default();
            match records.split_last() {
                Some(records) => self.record_all(records, GateWaiter::Booked(answer)),
                None => answer.give(&Reply::Booked(already)),
            }
            return true;
        }
        let component = self.name_of(tree.slot).unwrap_or_default().to_owned();
        let entry = Entry::OrderOutcome(OrderOutcome {
            id: result.client_id.clone(),
            outcome: said,
            venue_id: result.venue_id.clone(),
            component: Some(component.clone()),
            reason: result.reason.clone(),
        });
        match self.ledger.books.judge(&entry, wall()) {
            Ok(judged) => {
                if judged == crate::books::Judgement::New {
                    if let Some(desk) = &mut self.desk {
                        desk.performance.take(&result, now);
                    }
                    self.meters.order_latency(result.latency_us);
                }
                self.book_for(entry, &component, answer)
            }
            // It is over already, or never was: an order that was not answered in time is said not to be sent, whatever became of
            // the question.
            Err(_) if known || outcome == Outcome::NotSent => {
                answer.give(&Reply::Booked(already));
                true
            }
            Err(violation) => {
                answer.refuse(Code::BadField, format!("{violation}: the gate allowed no such order"));
                false
            }
        }
    }

    fn rated(&mut self, tree: TreeId, rate: &wire::Rate, answer: Answer) -> bool {
        let ask = match Ask::of(rate) {
            Ok(ask) => ask,
            Err(why) => {
                answer.refuse(Code::BadField, why);
                return false;
            }
        };
        let user = rate.user.as_deref();
        if let Some(answer) = self.ask_group_rate(tree, user, ask, answer) {
            self.rate_counted(tree, user, ask, answer);
        }
        true
    }

    /// A question to the limiter is decided and answered; whether it was allowed.
    fn rate_counted(&mut self, tree: TreeId, user: Option<&str>, ask: Ask, answer: Answer) -> bool {
        let Some(desk) = &mut self.desk else { return false };
        let (decision, record) = desk.rate(clock::now(), tree.slot, user, ask);
        let allowed = decision.allow;
        match record {
            Some(record) if desk.terms.durable_intents => {
                self.record_for(&record, GateWaiter::Rate(answer, decision));
            }
            Some(record) => {
                self.record_gate(&record);
                if self.storage_failed {
                    answer.refuse(Code::NotDurable, JOURNAL_GONE);
                } else {
                    answer.give(&Reply::Rate(decision));
                }
            }
            None => answer.give(&Reply::Rate(decision)),
        }
        allowed
    }

    fn api_usage(&mut self, usage: &wire::ApiUsage, answer: Answer) -> bool {
        let resets_at_ms = match usage.resets_at.as_ref().map(micros_of) {
            None => None,
            Some(Ok(micros)) => i64::try_from(micros / 1_000).ok(),
            Some(Err(why)) => {
                answer.refuse(Code::BadField, why);
                return false;
            }
        };
        let Some(desk) = &mut self.desk else {
            answer.refuse(Code::NotConfigured, NO_GATE);
            return false;
        };
        let kept = desk.usages.take(&usage.endpoint, ApiUsage { used: usage.used, limit: usage.limit, resets_at_ms });
        if kept {
            answer.done();
        } else {
            answer.refuse(Code::BadField, "too many different endpoints are reported already");
        }
        self.look_at_usages();
        kept
    }

    /// What a slot may do now: as the permit page says, and nothing once that has run out or was revoked by whomever.
    fn rights_now(&self, slot: Slot, now: Monotonic) -> Rights {
        if self.permit.is_revoked() || self.revoked_until.is_some() || self.core.kill_switch() {
            return Rights::REVOKED;
        }
        match self.core.page() {
            Some(page) if now < page.deadline && !self.storage_failed => {
                page.rights.get(slot.number()).copied().unwrap_or_default()
            }
            Some(_) | None => Rights::NONE,
        }
    }

    /// On paper failstop is the venue: it says how position and equity stand, before what it last said of them grows old.
    fn hear_paper(&mut self, order: &wire::Order, now: Monotonic) {
        let Some(desk) = &mut self.desk else { return };
        let mut records = Vec::new();
        let old =
            |heard: Option<core::time::Duration>, most: core::time::Duration| heard.is_none_or(|age| age > most / 2);
        if let Some(held) = desk.gate.holding(now, &order.account, &order.instrument, true)
            && old(held.heard, desk.terms.position_max_age)
        {
            let quantity = held.quantity.to_string();
            let fact = Fact::Position {
                account: &order.account,
                instrument: &order.instrument,
                quantity: &quantity,
                entry: None,
                leverage: None,
                paper: true,
            };
            records.extend(desk.gate.take(now, fact).map(|taken| taken.records).unwrap_or_default());
        }
        let known = desk.gate.equity(now, &order.account, true);
        if old(known.map(|(_, age)| age), desk.terms.equity_max_age) {
            let base = match &desk.terms.paper_equity {
                Some(configured) => Some(configured.clone()),
                None => desk.gate.equity(now, &order.account, false).map(|(equity, _)| equity.to_string()),
            };
            if let Some(equity) = base {
                let fact = Fact::Equity { account: &order.account, equity: &equity, paper: true };
                records.extend(desk.gate.take(now, fact).map(|taken| taken.records).unwrap_or_default());
            }
        }
        records.iter().for_each(|record| self.record_gate(record));
    }

    fn paper_fill(&self, order: &wire::Order, now: Monotonic) -> Option<wire::PaperFill> {
        let desk = self.desk.as_ref()?;
        let feed = desk.gate.feed(now, &order.instrument)?;
        desk.quotes.fill(order, &feed, now, desk.terms.price_max_age)
    }

    /// The trade that fills an order on paper: its records.
    fn fill_on_paper(&mut self, order: &wire::Order, fill: &wire::PaperFill, now: Monotonic) -> Vec<GateRecord> {
        let Some(desk) = &mut self.desk else { return Vec::new() };
        let id = format!("paper:{}", order.client_id);
        let fact = Fact::Fill(Fill {
            id: &id,
            order: Some(&order.client_id),
            account: &order.account,
            instrument: &order.instrument,
            side: side_of(order.side),
            quantity: &fill.quantity,
            price: &fill.price,
            fee: None,
            paper: true,
        });
        match desk.gate.take(now, fact) {
            Ok(Taken { records, .. }) => {
                self.results_may_have_changed(now, true);
                records
            }
            Err(error) => {
                tracing::warn!(%error, order = order.client_id, "an order could not be filled on paper");
                Vec::new()
            }
        }
    }

    /// Hands a record of the gate's to the journal; nobody waits for it.
    fn record_gate(&mut self, record: &GateRecord) {
        self.record_for(record, GateWaiter::Nobody);
    }

    /// The same; somebody waits.
    fn record_for(&mut self, record: &GateRecord, waiter: GateWaiter) {
        if let Err(error) = self.ledger.gate(record, waiter) {
            self.not_taken(&error);
        }
    }

    /// Hands several to the journal, the last of which somebody waits for.
    fn record_all(&mut self, (last, others): (&GateRecord, &[GateRecord]), waiter: GateWaiter) {
        others.iter().for_each(|record| self.record_gate(record));
        self.record_for(last, waiter);
    }

    /// The recorder does not take what has happened in the gate's memory already: this process is ahead of its journal and must not
    /// go on, as where a record of the core's is not taken.
    fn not_taken(&mut self, error: &AppendError) {
        self.storage_failure(&error.to_string(), matches!(error, AppendError::OnlyLastWords));
        self.pump();
    }

    fn record_taken(&mut self, taken: Taken) {
        self.tell_group(&taken);
        taken.records.iter().for_each(|record| self.record_gate(record));
    }

    /// Something became of an order, as far as the gate counts.
    fn gate_outcome(&mut self, client_id: &str, outcome: Outcome) {
        let now = clock::now();
        let Some(desk) = &mut self.desk else { return };
        // An id that is no name is that of no order.
        if let Ok(taken) = desk.take(now, Fact::Outcome { client_id, outcome }) {
            self.record_taken(taken);
        }
    }
}

fn intent_of(order: &wire::Order, component: Option<String>) -> Entry {
    Entry::OrderIntent(OrderIntent {
        id: order.client_id.clone(),
        component,
        account: Some(order.account.clone()),
        instrument: Some(order.instrument.clone()),
        side: Some(match order.side {
            wire::Side::Buy => ledger::Side::Buy,
            wire::Side::Sell => ledger::Side::Sell,
        }),
        quantity: Some(order.quantity.clone()),
        price: order.price.clone(),
        parent: None,
        valid_ms: None,
    })
}

const fn ledger_outcome(outcome: wire::OrderOutcome) -> ledger::Outcome {
    match outcome {
        wire::OrderOutcome::Accepted => ledger::Outcome::Accepted,
        wire::OrderOutcome::Filled => ledger::Outcome::Filled,
        wire::OrderOutcome::Cancelled => ledger::Outcome::Cancelled,
        wire::OrderOutcome::Rejected => ledger::Outcome::Rejected,
        wire::OrderOutcome::Expired => ledger::Outcome::Expired,
        wire::OrderOutcome::NotSent => ledger::Outcome::NotSent,
        wire::OrderOutcome::Unknown => ledger::Outcome::Unknown,
    }
}

/// A time that somebody gave, in microseconds since 1970.
fn micros_of(time: &wire::Time) -> Result<u64, String> {
    let micros = match time {
        wire::Time::UnixMs(ms) => ms.checked_mul(1_000),
        wire::Time::Text(text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Some(at.as_microsecond()),
            Err(error) => {
                return Err(format!("`time` is no time ({error}): write RFC 3339, or whole milliseconds since 1970"));
            }
        },
    };
    micros
        .and_then(|micros| u64::try_from(micros).ok())
        .ok_or_else(|| "`time` is before 1970, or beyond what can be counted".to_owned())
}
