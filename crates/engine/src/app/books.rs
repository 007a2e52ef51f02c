//! The books while the engine runs: what bots and operators say is judged before it is recorded; what would break a rule is refused,
//! recorded as refused, and halts trading in the same step.

use super::engine::Engine;
use super::journal::{JOURNAL_GONE, TOO_MANY, Teller, wall};
use crate::alerts::Concern;
use crate::books::{InFull, Judgement, order_list, orders_word, rule_of, spoken};
use crate::clock;
use crate::command::{Answer as DoorAnswer, BooksOrder, ReplyTo};
use crate::doors::bot::Answer;
use crate::process::tree::TreeId;
use core::time::Duration;
use failstop_client::books::OrderList;
use failstop_client::status::BooksSummary;
use failstop_client::wire::{self, Code};
use failstop_core::{Cause, Input, Monotonic, Trigger};
use failstop_journal::ledger::{
    Book, Capital, Check, Correcting, Entry, OrderResolved, Resolver, StatedBalance, Statement, Unsound, Violation,
};

/// How often the whole book is reconciled while nothing is wrong.
const RECONCILE_EVERY: Duration = Duration::from_secs(3600);

/// How many orders in doubt a halt names.
const DOUBTS_NAMED: usize = 5;

/// What the loop knows of the books beside the books themselves.
#[derive(Debug, Default)]
pub struct Watch {
    /// Capital does not reconcile, as the core was told.
    capital: Option<String>,
    /// Orders are in doubt, as the core was told.
    in_doubt: Option<String>,
    /// The record of this start is folded, so that the book knows which orders outlived their engine.
    started: bool,
    /// When the whole book is reconciled next.
    reconcile_at: Option<Monotonic>,
}

impl Engine {
    /// A bot says something that goes into the books; whether it was taken.
    pub(super) fn booked_by_bot(&mut self, tree: TreeId, message: wire::Message, answer: Answer) -> bool {
        if let Some(why) = self.takes_nothing() {
            answer.refuse(Code::NotDurable, why);
            return false;
        }
        let (message, answer) = match self.of_the_gate_alone(message, answer) {
            Ok(taken) => return taken,
            Err(both) => *both,
        };
        if let Some(missing) = self.not_configured(&message) {
            let why =
                format!("no [[{missing}]] is configured: this system keeps no book of it (docs/guide/capital.md)");
            answer.refuse(Code::NotConfigured, why);
            return false;
        }
        let component = self.name_of(tree.slot).unwrap_or_default().to_owned();
        match spoken(message, &component) {
            Some(entry) => self.book(entry, Some(&component), Teller::Bot(answer)),
            None => false,
        }
    }

    /// What a message needs and nobody configured.
    fn not_configured(&self, message: &wire::Message) -> Option<&'static str> {
        let books = &self.config.books;
        let (section, there) = match message {
            wire::Message::StrategyState(_) => ("strategy", !books.strategies.is_empty()),
            wire::Message::Fill(_) | wire::Message::Position(_) => ("instrument", !books.instruments.is_empty()),
            _ => ("asset", books.keeps_capital()),
        };
        (!there).then_some(section)
    }

    /// Judges an entry and records it, or refuses it and halts; whether it was taken.
    pub(super) fn book(&mut self, entry: Entry, component: Option<&str>, teller: Teller) -> bool {
        // Before anything is judged, and the gate is told: what is not recorded changes nothing anywhere.
        if let Some(why) = self.takes_nothing() {
            teller.refused(Code::NotDurable, why);
            return false;
        }
        let now = wall();
        let judged = self.ledger.books.judge(&entry, now).and_then(|judged| match (&entry, judged) {
            // A report agrees with the book or it is a difference, as a venue's statement is.
            (Entry::Capital(capital), Judgement::New) => {
                let compared = self.ledger.books.judge(&as_statement(capital), now).map(|_| Judgement::New);
                // It stands until a report of this balance, or a statement of it, agrees.
                compared.map_err(|violation| Violation { subject: capital.subject(), ..violation })
            }
            (_, judged) => Ok(judged),
        });
        match judged {
            Ok(Judgement::New) => {
                self.tell_gate(&entry);
                if self.storage_failed {
                    // The gate's record was not taken. Said again after the restart both have it.
                    teller.refused(Code::NotDurable, JOURNAL_GONE);
                    return false;
                }
                self.ledger.book(&entry, teller)
            }
            Ok(Judgement::Known(seq)) => {
                teller.booked(seq, true);
                true
            }
            Ok(Judgement::Underway) => {
                self.ledger.repeated(entry, teller);
                true
            }
            Err(violation) => {
                self.violated(&entry, component, violation.clone());
                teller.refused(Code::Violation, &violation.to_string());
                false
            }
        }
    }

    /// Why nothing more is taken of what bots and operators say, where nothing is.
    pub(super) fn takes_nothing(&self) -> Option<&'static str> {
        if self.storage_failed { Some(JOURNAL_GONE) } else { (!self.ledger.has_room()).then_some(TOO_MANY) }
    }

    /// An entry would break a rule: it is recorded that it was refused, and trading is halted, both before anybody is answered.
    fn violated(&mut self, entry: &Entry, component: Option<&str>, violation: Violation) {
        self.ledger.books.violations += 1;
        let who = component.map(|name| format!(" of {name}")).unwrap_or_default();
        let id = entry.id().map(|id| format!(" {id}")).unwrap_or_default();
        let evidence = format!("{}{id}{who}, after record {}: {}", entry.kind(), self.head.0, InFull(&violation));
        let refusal = Book::refusal(entry, component, violation.clone());
        self.ledger.book(&refusal, Teller::Nobody);
        self.halt_for(violation.check, evidence);
    }

    fn halt_for(&mut self, check: Check, evidence: String) {
        if check.is_capital() {
            self.watch.capital = Some(evidence.clone());
            self.feed(Input::Trigger { trigger: Trigger::Capital, evidence });
        } else {
            self.feed(Input::Raise { cause: Cause::Integrity, slot: None, evidence });
        }
    }

    /// An operator says something that goes into the books.
    pub(super) fn booked_by_operator(&mut self, what: BooksOrder, who: &str, reply: ReplyTo) {
        match what {
            BooksOrder::TakeSnapshot { reason } => self.snapshot_for_operator(who, &reason, reply),
            BooksOrder::ResolveOrder { id, outcome, reason, source } => {
                let (by, who) = match source {
                    Some(file) => (Resolver::Import, format!("{who}, from {file}")),
                    None => (Resolver::Operator, who.to_owned()),
                };
                let entry = Entry::OrderResolved(OrderResolved { id, outcome, by, who, reason });
                self.book_if_sound(entry, Teller::Operator(reply));
            }
            BooksOrder::Statement(statement) => self.stated(*statement, Teller::Operator(reply)),
            BooksOrder::Correct { statement, pool, reason } => {
                self.correct(*statement, pool.as_deref(), &format!("{reason} (by {who})"), reply);
            }
        }
    }

    /// Makes the book agree with a venue's statement, whole or not at all: what differs is booked, then the statement. Whoever asks is
    /// answered, and the difference ends, once all of it is durable.
    fn correct(&mut self, statement: Statement, pool: Option<&str>, said: &str, reply: ReplyTo) {
        if let Some(why) = self.takes_nothing() {
            drop(reply.send(DoorAnswer::Refused(vec![why.to_owned()])));
            return;
        }
        let how = Correcting { pool, number: self.head.0, said };
        let correction = match self.ledger.books.correction(&statement, how, wall()) {
            Ok(correction) => correction,
            Err(violation) => {
                drop(reply.send(DoorAnswer::Refused(vec![violation.to_string()])));
                return;
            }
        };
        for entry in correction.entries {
            if !self.book(entry, None, Teller::Nobody) {
                let why =
                    "the correction was not taken whole; see `failstop events --type ledger`, then import it again";
                drop(reply.send(DoorAnswer::Refused(vec![why.to_owned()])));
                return;
            }
        }
        for difference in &correction.differences {
            self.say("ledger", &format!("corrected account {}: {difference}: {said}", statement.account));
        }
        self.stated(statement, Teller::Corrected(reply, correction.differences));
    }

    /// A venue's statement. What is known is compared and not recorded again; but only a record ends a difference that stands, so
    /// until then an agreement is recorded under an id of its own.
    fn stated(&mut self, statement: Statement, teller: Teller) {
        let mut entry = Entry::Statement(statement);
        let known = matches!(self.ledger.books.judge(&entry, wall()), Ok(Judgement::Known(_)));
        if let (Entry::Statement(statement), true, Some(_)) = (&mut entry, known, &self.watch.capital) {
            statement.id = format!("again-{}-{}", self.head.0, statement.account);
        }
        self.book_if_sound(entry, teller);
    }

    /// As [`Self::book`], but a slip of whoever typed it (an unknown account, an order that is not open) is refused and halts
    /// nothing. A statement that differs from the book is no slip.
    fn book_if_sound(&mut self, entry: Entry, teller: Teller) {
        let slip = match self.ledger.books.judge(&entry, wall()) {
            Ok(_) => None,
            Err(violation) if violation.check == Check::Statement && violation.difference.is_some() => None,
            Err(violation) => Some(violation),
        };
        match slip {
            None => {
                self.book(entry, None, teller);
            }
            Some(violation) => teller.refused(Code::Violation, &violation.to_string()),
        }
    }

    /// Declares what the configuration has and the journal does not; and what stands from before is told to the core. Once, after
    /// the core was told that it starts.
    pub(super) fn open_books(&mut self, unsound: Option<(u64, Unsound)>) {
        for entry in self.config.books.entries() {
            // What contradicts the journal was refused before anything began.
            if self.ledger.books.judge(&entry, wall()) == Ok(Judgement::New) {
                self.ledger.book(&entry, Teller::Nobody);
            }
        }
        if let Some((seq, unsound)) = unsound {
            self.unsound(seq, &unsound);
        }
        if let Some((check, evidence)) = unreconciled(self.ledger.books.settled()) {
            self.halt_for(check, evidence);
        }
        // Before the record of this start is folded: whatever has no outcome now is in doubt then.
        let now = wall();
        let book = self.ledger.books.settled();
        let doubtful = book.orders().filter(|order| order.outcome.is_none() || order.doubt_at(now).is_some());
        let words: Vec<String> = doubtful
            .map(|order| {
                let why = order.doubt_at(now).unwrap_or(failstop_journal::ledger::Doubt::EngineGone);
                format!("{} ({})", order.intent.id, orders_word(why))
            })
            .collect();
        self.in_doubt(&words);
        self.watch.reconcile_at = Some(clock::now().plus(RECONCILE_EVERY));
    }

    /// A recorded entry breaks a rule: the journal was written by something that did not judge.
    fn unsound(&mut self, seq: u64, unsound: &Unsound) {
        let evidence = format!("record {seq} breaks a rule of the books: {unsound}; see `failstop verify-data --deep`");
        self.snapshots.bar(&evidence);
        self.halt_for(rule_of(unsound), evidence.clone());
        self.feed(Input::Raise { cause: Cause::Integrity, slot: None, evidence });
    }

    /// Whether capital reconciles, as the core was told.
    pub(super) const fn capital_reconciles(&self) -> bool {
        self.watch.capital.is_none()
    }

    /// Whether the record of this start is folded.
    pub(super) const fn books_opened(&self) -> bool {
        self.watch.started
    }

    /// What became durable may settle what was wrong.
    pub(super) fn books_settled(&mut self, changed: bool, unsound: Vec<(u64, Unsound)>) {
        for (seq, wrong) in unsound {
            self.unsound(seq, &wrong);
        }
        if !self.watch.started {
            self.watch.started = true;
            self.look_at_orders();
        }
        if changed {
            self.look_at_orders();
            self.look_at_capital(false);
        }
    }

    /// Tells the core that capital reconciles again, or that it does not any more. `whole` also where nothing was wrong.
    fn look_at_capital(&mut self, whole: bool) {
        if self.watch.capital.is_none() && !whole {
            return;
        }
        match (unreconciled(self.ledger.books.settled()), self.watch.capital.is_some()) {
            (None, true) => {
                self.watch.capital = None;
                self.feed(Input::TriggerPassed(Trigger::Capital));
            }
            (Some((check, evidence)), _) => self.halt_for(check, evidence),
            (None, false) => {}
        }
    }

    /// Tells the core which orders are in doubt, where that changed.
    pub(super) fn look_at_orders(&mut self) {
        if !self.watch.started {
            return;
        }
        let words: Vec<String> = self
            .ledger
            .books
            .settled()
            .in_doubt(wall())
            .map(|doubtful| format!("{} ({})", doubtful.order.intent.id, orders_word(doubtful.doubt)))
            .collect();
        self.in_doubt(&words);
    }

    fn in_doubt(&mut self, words: &[String]) {
        let evidence = match words {
            [] => None,
            words => {
                let named = words.iter().take(DOUBTS_NAMED).cloned().collect::<Vec<_>>().join(", ");
                let more = words.len().saturating_sub(DOUBTS_NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let noun = if words.len() == 1 { "order is" } else { "orders are" };
                Some(format!("{} {noun} in doubt: {named}{more}", words.len()))
            }
        };
        if evidence == self.watch.in_doubt {
            return;
        }
        self.watch.in_doubt.clone_from(&evidence);
        match evidence {
            Some(evidence) => self.feed(Input::Raise { cause: Cause::OrdersInDoubt, slot: None, evidence }),
            None => self.feed(Input::Passed { cause: Cause::OrdersInDoubt, slot: None }),
        }
    }

    /// What is due now and again, and urgent never.
    pub(super) fn look_at_books(&mut self, now: Monotonic) {
        self.ledger.books.rest();
        self.look_at_orders();
        if self.watch.reconcile_at.is_some_and(|at| now >= at) {
            self.watch.reconcile_at = Some(now.plus(RECONCILE_EVERY));
            self.look_at_capital(true);
        }
        self.look_at_suspense();
    }

    /// What stands in suspense for too long is told to people; it halts nothing.
    fn look_at_suspense(&mut self) {
        let most = u64::try_from(self.config.ledger.suspense_max_age.as_nanos()).unwrap_or(u64::MAX);
        let old = self.ledger.books.settled().old_suspense(wall(), most);
        let words = (!old.is_empty())
            .then(|| old.iter().map(|violation| violation.detail.clone()).collect::<Vec<_>>().join("; "));
        // The age in the words grows; it is said once.
        if let Some(words) = words.as_ref().filter(|_| !self.is_told(Concern::Suspense)) {
            self.say("ledger", &format!("suspense: {words}"));
            self.note("x.failstop.suspense", &serde_json::json!({ "detail": words }));
        }
        self.concern(Concern::Suspense, words);
    }

    /// The open orders.
    pub(super) fn open_orders(&self) -> OrderList {
        order_list(self.ledger.books.settled(), wall())
    }

    /// How the books stand, for the status.
    pub(super) fn books_summary(&self) -> BooksSummary {
        let books = &self.ledger.books;
        let book = books.settled();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        BooksSummary {
            snapshot: book.last_snapshot().map(crate::books::snapshot_entry),
            orders_open: count(book.orders().count()),
            orders_in_doubt: count(book.in_doubt(wall()).count()),
            discrepancies: book.discrepancies().map(|standing| standing.violation.to_string()).collect(),
            violations: books.violations,
            booked: books.booked,
        }
    }
}

/// The first thing that does not reconcile, and how many more there are.
fn unreconciled(book: &Book) -> Option<(Check, String)> {
    let found = book.reconcile();
    let first = found.first()?;
    let more = if found.len() > 1 { format!(" (and {} more)", found.len() - 1) } else { String::new() };
    Some((first.check, format!("the book does not reconcile: {}{more}", InFull(first))))
}

/// A bot's report as the statement that it is: of one balance.
fn as_statement(capital: &Capital) -> Entry {
    Entry::Statement(Statement {
        id: "a bot's report of capital, compared and not recorded as a statement".to_owned(),
        account: capital.account.clone(),
        balances: vec![StatedBalance { asset: capital.asset.clone(), total: capital.total.clone() }],
        positions: Vec::new(),
        complete: false,
        source: "report".to_owned(),
        as_of: None,
    })
}
