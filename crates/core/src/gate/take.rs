//! Facts: each is read, judged, recorded and remembered. What loosens waits until its record is durable.

use crate::gate::confirmation::Confirmed;
use crate::gate::fact::{Fact, FactError, Fill, GateTicket, Quoted, Taken, What};
use crate::gate::limit::{LimitName, Scope};
use crate::gate::memory::{FillRead, GaveBack, PositionRead};
use crate::gate::order::{ShortText, leverage};
use crate::gate::overrides::{Of, Override, Overrides};
use crate::gate::price::{Reference, middle};
use crate::gate::rates::RATES;
use crate::gate::record::{Filled, GateRecord, Mark, OrderText, Outcome, OverrideNote, PositionSeen, limit_text};
use crate::gate::time::{GateTime, TradingDay};
use crate::gate::{Gate, MAX_OVERRIDE};
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, clip};
use core::time::Duration;
use failstop_amount::Amount;

/// How long a word from outside about an order's rates is good for.
pub const SHARED_WORD_FOR: Duration = Duration::from_secs(5);

/// The most words from outside that are kept; the oldest gives way.
pub(crate) const MAX_SHARED_WORDS: usize = 256;

/// The most loosenings that may wait for their records.
pub const MAX_PENDING: usize = 64;

/// How many opening prices stand in the record of a day; those of further instruments follow each in its own, so that no record is
/// larger than the journal takes.
pub const MARKS_OF_DAY: usize = 128;

/// A loosening whose record is not durable yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    ticket: GateTicket,
    at: GateTime,
    what: Loosening,
}

#[derive(Clone, Debug)]
enum Loosening {
    Override(Override),
    EndOverride(ShortText, u64),
    Confirmed(Confirmed),
}

impl Loosening {
    /// The name of the override that it is about.
    fn of_override(&self) -> Option<&ShortText> {
        match self {
            Self::Override(over) => Some(&over.name),
            Self::EndOverride(name, _) => Some(name),
            Self::Confirmed(_) => None,
        }
    }

    /// The override that it gives.
    fn gives(&self) -> Option<&Override> {
        match self {
            Self::Override(over) => Some(over),
            Self::EndOverride(..) | Self::Confirmed(_) => None,
        }
    }

    fn is_confirmation_of(&self, client: &ShortText) -> bool {
        match self {
            Self::Confirmed(confirmed) => confirmed.client == *client,
            Self::Override(_) | Self::EndOverride(..) => false,
        }
    }
}

/// What somebody outside said of the rates of one order.
#[derive(Clone, Debug)]
pub(crate) struct SharedWord {
    client: ShortText,
    refused: Vec<(LimitName, Scope)>,
    until: GateTime,
}

impl SharedWord {
    pub fn refused(&self) -> &[(LimitName, Scope)] {
        &self.refused
    }

    pub fn is_for(&self, at: GateTime, client: &str) -> bool {
        at < self.until && self.client.as_str() == client
    }
}

impl Gate {
    /// Takes a fact. The records that come of it must go into the journal.
    ///
    /// # Errors
    ///
    /// [`FactError`]: what was wrong with it. Then nothing changed.
    pub fn take(&mut self, now: Monotonic, fact: Fact<'_>) -> Result<Taken, FactError> {
        let at = self.clock.at(now).ok_or(FactError::NotStarted)?;
        match fact {
            Fact::Price { source, instrument, quote, time } => self.price(at, at, source, instrument, quote, time),
            Fact::PriceAsked { source, instrument, quote, time, took } => {
                self.price(at, at.before(took), source, instrument, quote, time)
            }
            Fact::Fill(fill) => self.fill(at, &fill),
            Fact::Outcome { client_id, outcome } => Ok(self.outcome(at, client_id, outcome)),
            Fact::Position { account, instrument, quantity, entry, leverage, paper } => {
                self.position(at, account, instrument, quantity, entry, leverage, paper)
            }
            Fact::PositionUnknown { account, instrument } => {
                let (account_index, index) = self.setup.place(account, instrument)?;
                self.memory.position_unknown(account_index, index);
                let (account, instrument) = (account.to_owned(), instrument.to_owned());
                Ok(only(GateRecord::PositionUnknown { at, account, instrument }))
            }
            Fact::Equity { account, equity, paper } => {
                let index = self.setup.account(account).ok_or(FactError::Unknown(What::Account))?;
                self.memory.equity(at, index, self.setup.money(equity)?, paper);
                let (account, equity) = (account.to_owned(), equity.to_owned());
                Ok(only(GateRecord::Equity { at, account, equity, paper }))
            }
            Fact::Result { account, amount, paper } => {
                let index = self.setup.account(account).ok_or(FactError::Unknown(What::Account))?;
                self.memory.result(index, self.setup.money(amount)?, paper);
                let (account, amount) = (account.to_owned(), amount.to_owned());
                Ok(only(GateRecord::Result { at, account, amount, paper }))
            }
            Fact::Day(day) => self.day(at, day),
            Fact::Override { name, by, reason, limit, scope, of, value, span } => {
                let until = at.plus(span);
                let note = OverrideNote {
                    at,
                    name: name.to_owned(),
                    by: clip(by.to_owned(), TEXT_MAX_BYTES),
                    reason: clip(reason.to_owned(), TEXT_MAX_BYTES),
                    limit,
                    scope,
                    of: of.map(str::to_owned),
                    value: value.to_owned(),
                    until,
                };
                self.override_limit(at, span, note)
            }
            Fact::EndOverride { name, by } => self.end_override(at, name, by),
            Fact::Confirm { client_id, by } => self.confirm(at, client_id, by),
            Fact::Durable(ticket) => {
                self.durable(ticket);
                Ok(Taken::default())
            }
            Fact::RateDecided { client_id, refused } => {
                let client = ShortText::of(client_id).ok_or(FactError::Invalid(What::Id))?;
                // A refusal that means nothing must not pass for an allowance.
                if !refused
                    .iter()
                    .all(|(limit, scope)| RATES.iter().any(|(rate, _)| rate == limit) && limit.applies(*scope))
                {
                    return Err(FactError::Misplaced);
                }
                self.shared.retain(|word| at < word.until && word.client != client);
                if self.shared.len() >= MAX_SHARED_WORDS {
                    self.shared.pop_front();
                }
                let until = at.plus(SHARED_WORD_FOR);
                // However often each is said, there are only so many.
                let scopes = [Scope::System, Scope::Component, Scope::User];
                let rates = RATES.iter().flat_map(|(rate, _)| scopes.map(|scope| (*rate, scope)));
                let refused = rates.filter(|rate| refused.contains(rate)).collect();
                self.shared.push_back(SharedWord { client, refused, until });
                Ok(Taken::default())
            }
        }
    }

    /// Takes out the word from outside about this order.
    pub(super) fn take_shared(&mut self, at: GateTime, client: &str) -> Option<SharedWord> {
        if self.shared.is_empty() {
            return None;
        }
        let found = self.shared.iter().position(|word| word.is_for(at, client))?;
        self.shared.remove(found)
    }

    /// `heard`: from when on it grows old.
    fn price(
        &mut self,
        at: GateTime,
        heard: GateTime,
        source: &str,
        instrument: &str,
        quote: Quoted<'_>,
        time: Option<GateTime>,
    ) -> Result<Taken, FactError> {
        let index = self.setup.instrument(instrument).ok_or(FactError::Unknown(What::Instrument))?;
        let named = self.setup.policy.instruments.get(index);
        let source = named.and_then(|instrument| instrument.sources.iter().position(|other| other == source));
        let source = source.ok_or(FactError::Unknown(What::Source))?;
        let price = match quote {
            Quoted::Last(last) => self.setup.price(index, last),
            Quoted::BidAsk { bid, ask } => match (self.setup.price(index, bid), self.setup.price(index, ask)) {
                (Ok(bid), Ok(ask)) if bid > ask => Err(FactError::Crossed),
                (Ok(bid), Ok(ask)) => Ok(middle(bid, ask)),
                (Err(error), _) | (_, Err(error)) => Err(error),
            },
        };
        let feed = self.feeds.get_mut(index).ok_or(FactError::Unknown(What::Instrument))?;
        feed.take(heard, source, price, time, &self.setup.policy)?;
        let mut taken = Taken::default();
        if self.memory.waits_for_price(index)
            && let Some(feed) = self.feeds.get(index)
            && let Reference::Fresh(mark) = feed.reference(at, &self.setup.policy)
            && self.memory.settle(&self.setup, index, mark)
        {
            taken.records.push(GateRecord::Settled {
                at,
                instrument: instrument.to_owned(),
                mark: self.price_text(index, mark),
            });
        }
        Ok(taken)
    }

    fn price_text(&self, instrument: usize, price: u128) -> String {
        let scale = self.setup.at(instrument).map(|(instrument, _)| instrument.price);
        scale.map_or_else(String::new, |scale| crate::gate::setup::shown(price, scale).to_string())
    }

    fn fill(&mut self, at: GateTime, fill: &Fill<'_>) -> Result<Taken, FactError> {
        if fill.id.is_empty() || fill.id.len() > 2 * crate::gate::NAME_MAX {
            return Err(FactError::Invalid(What::Id));
        }
        if self.memory.was_told(fill.id) {
            return Err(FactError::FillRepeated);
        }
        let (account, instrument) = self.setup.place(fill.account, fill.instrument)?;
        let mut read = FillRead {
            id: fill.id,
            order: fill.order,
            account,
            instrument,
            side: fill.side,
            quantity: self.setup.quantity(instrument, fill.quantity)?,
            price: self.setup.price(instrument, fill.price)?,
            fee: fill.fee.map_or(Ok(0), |fee| self.setup.money(fee))?,
            paper: fill.paper,
            volume: None,
        };
        // What no order's count accounts for counts now, over the limit if need be.
        if !matches!(self.memory.order_of_fill(&read), Some((_, GaveBack::Nothing))) {
            read.volume = Some(self.volume_of(at, &read));
        }
        let counted = self.memory.fill(&self.setup, at, &read).map_err(|_| FactError::Overflow)?;
        let volume = read.volume.map(|volume| self.setup.shown(volume).to_string());
        let record = GateRecord::Fill(Box::new(Filled {
            at,
            id: fill.id.to_owned(),
            order: fill.order.map(str::to_owned),
            account: fill.account.to_owned(),
            instrument: fill.instrument.to_owned(),
            side: fill.side,
            quantity: fill.quantity.to_owned(),
            price: fill.price.to_owned(),
            fee: fill.fee.map(str::to_owned),
            paper: fill.paper,
            volume,
        }));
        Ok(Taken { counted, ..only(record) })
    }

    /// What a trade is worth in money, by the last known conversion; what cannot be converted counts nothing against volumes, since
    /// it has happened anyway.
    fn volume_of(&self, at: GateTime, fill: &FillRead<'_>) -> u128 {
        let Some((_, valuation)) = self.setup.at(fill.instrument) else { return 0 };
        let Ok(conversion) = self.view(at).conversion(valuation) else { return 0 };
        valuation.notional(fill.quantity, fill.price, conversion, self.setup.policy.money).unwrap_or(0)
    }

    fn outcome(&mut self, at: GateTime, client: &str, outcome: Outcome) -> Taken {
        let Some(back) = self.memory.outcome(&self.setup, client, outcome) else { return Taken::default() };
        let record = GateRecord::Outcome { at, client_id: client.to_owned(), outcome };
        let gave = back.trades > 0 || back.volume > 0;
        Taken { given_back: gave.then_some(back), ..only(record) }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one report, each named in the fact")]
    fn position(
        &mut self,
        at: GateTime,
        account: &str,
        instrument: &str,
        quantity: &str,
        entry: Option<&str>,
        times: Option<&str>,
        paper: bool,
    ) -> Result<Taken, FactError> {
        let (account_index, index) = self.setup.place(account, instrument)?;
        let leverage = match times {
            Some(text) => Some(leverage(text).ok_or(FactError::Invalid(What::Leverage))?),
            None => None,
        };
        let mark = self.view(at).mark(index).ok();
        let read = PositionRead {
            account: account_index,
            instrument: index,
            quantity: self.setup.signed_quantity(index, quantity)?,
            entry: entry.map(|entry| self.setup.price(index, entry)).transpose()?,
            leverage,
            paper,
            mark,
        };
        self.memory.position(&self.setup, at, &read).map_err(|_| FactError::Overflow)?;
        Ok(only(GateRecord::Position(Box::new(PositionSeen {
            at,
            account: account.to_owned(),
            instrument: instrument.to_owned(),
            quantity: quantity.to_owned(),
            entry: entry.map(str::to_owned),
            leverage: times.map(str::to_owned),
            paper,
            mark: mark.map(|mark| self.price_text(index, mark)),
        }))))
    }

    fn day(&mut self, at: GateTime, day: TradingDay) -> Result<Taken, FactError> {
        if self.memory.day().is_some_and(|known| day <= known) {
            return Err(FactError::DayNotLater);
        }
        let view = self.view(at);
        let instruments = self.setup.policy.instruments.iter().enumerate();
        let held = instruments.filter(|(index, _)| self.memory.holds(*index));
        let priced =
            held.filter_map(|(index, instrument)| Some((index, instrument.name.clone(), view.mark(index).ok()?)));
        let priced: Vec<_> = priced.collect();
        let (with_it, after_it) = priced.split_at(priced.len().min(MARKS_OF_DAY));
        let mark = |index: usize| with_it.iter().find(|(other, _, _)| *other == index).map(|(_, _, mark)| *mark);
        self.memory.begin_day(&self.setup, at, day, mark);
        let marks = with_it
            .iter()
            .map(|(index, name, mark)| Mark { instrument: name.clone(), mark: self.price_text(*index, *mark) });
        let mut records = vec![GateRecord::Day { at, day, marks: marks.collect() }];
        for (index, name, mark) in after_it {
            self.memory.settle(&self.setup, *index, *mark);
            let mark = self.price_text(*index, *mark);
            records.push(GateRecord::Settled { at, instrument: name.clone(), mark });
        }
        Ok(Taken { records, ..Taken::default() })
    }

    fn override_limit(&mut self, at: GateTime, span: Duration, note: OverrideNote) -> Result<Taken, FactError> {
        let over = self.read_override(&note)?;
        if span.is_zero() || span > MAX_OVERRIDE {
            return Err(FactError::Span);
        }
        let pending = self.pending.iter().filter_map(|pending| pending.what.gives());
        if self.memory.overrides.is_full(at, &over.name, pending) {
            return Err(FactError::TooManyOverrides);
        }
        let over = Override { given: self.tickets + 1, ..over };
        let mut with = self.memory.overrides.clone();
        with.add(at, over.clone());
        // One that takes the place of another of its name may loosen what that one held.
        let replaces = self.memory.overrides.stands(at, &over.name);
        let tightens = !replaces && self.tightens(at, over.limit, &over.of, &with);
        self.loosen_or(at, tightens, Loosening::Override(over), GateRecord::Override(Box::new(note)))
    }

    /// An override, read; in which order it was given is its taker's to say.
    pub(super) fn read_override(&self, note: &OverrideNote) -> Result<Override, FactError> {
        let name = ShortText::of(&note.name).ok_or(FactError::Invalid(What::Override))?;
        if !note.limit.applies(note.scope) {
            return Err(FactError::Misplaced);
        }
        let of = self.setup.of(note.scope, note.of.as_deref())?;
        let value = note.limit.parse(&note.value, self.setup.policy.money, self.setup.quantity_scale(&of));
        let value = value.map_err(|_| FactError::Invalid(What::Override))?;
        Ok(Override { name, limit: note.limit, of, value, until: note.until, given: 0 })
    }

    fn end_override(&mut self, at: GateTime, name: &str, by: &str) -> Result<Taken, FactError> {
        let short = ShortText::of(name).ok_or(FactError::Invalid(What::Override))?;
        let over = self.memory.overrides.get(at, &short).ok_or(FactError::NoSuchOverride)?;
        // What stands without it: another override of the same limit, else what is configured.
        let mut without = self.memory.overrides.clone();
        without.end(at, &short, u64::MAX);
        let tightens = self.tightens(at, over.limit, &over.of, &without);
        let record = GateRecord::OverrideEnded { at, name: name.to_owned(), by: clip(by.to_owned(), TEXT_MAX_BYTES) };
        self.loosen_or(at, tightens, Loosening::EndOverride(short, self.tickets + 1), record)
    }

    /// Whether somebody's limit allows at no moment from now on more by these overrides than by those that stand.
    fn tightens(&self, at: GateTime, limit: LimitName, of: &Of, then: &Overrides) -> bool {
        let of = of.as_ref();
        then.tighten(&self.memory.overrides, at, limit, &of, self.setup.configured(limit, &of))
    }

    fn confirm(&mut self, at: GateTime, client: &str, by: &str) -> Result<Taken, FactError> {
        let order = self.waiting.get(at, client).ok_or(FactError::NothingToConfirm)?;
        let until = at.plus(self.setup.policy.confirm_within);
        let confirmed = self.read_confirmed(order, until)?;
        let order = Box::new(order.clone());
        let record = GateRecord::Confirmed { at, order, by: clip(by.to_owned(), TEXT_MAX_BYTES), until };
        let taken = self.loosen_or(at, false, Loosening::Confirmed(confirmed), record)?;
        // Only now: where it could not be confirmed it goes on waiting.
        self.waiting.forget(client);
        Ok(taken)
    }

    /// An order was allowed: nobody needs to confirm it any more, and whatever was confirmed of it went with it.
    pub(super) fn forget_confirmation(&mut self, client: &ShortText) {
        self.waiting.forget(client.as_str());
        self.pending.retain(|pending| !pending.what.is_confirmation_of(client));
    }

    /// A confirmation, read.
    pub(super) fn read_confirmed(&self, order: &OrderText, until: GateTime) -> Result<Confirmed, FactError> {
        let placed = self.setup.placed(order, false)?;
        Ok(Confirmed { client: placed.client, content: placed.content(), until })
    }

    /// What tightens is in force at once, what loosens when its record is durable. It has the next ticket.
    fn loosen_or(
        &mut self,
        at: GateTime,
        tightens: bool,
        what: Loosening,
        record: GateRecord,
    ) -> Result<Taken, FactError> {
        if !tightens && self.pending.len() >= MAX_PENDING {
            return Err(FactError::TooManyPending);
        }
        if let Some(name) = what.of_override().copied() {
            // Whatever still waits about an override of this name will never be in force: a later word counts.
            self.pending.retain(|pending| pending.what.of_override() != Some(&name));
        }
        self.tickets += 1;
        if tightens {
            self.in_force(at, what);
            return Ok(only(record));
        }
        let ticket = GateTicket(self.tickets);
        self.pending.push(Pending { ticket, at, what });
        Ok(Taken { waits: Some(ticket), ..only(record) })
    }

    fn durable(&mut self, ticket: GateTicket) {
        // In the order in which they were given: a later record is durable only with all before it.
        while self.pending.first().is_some_and(|pending| pending.ticket <= ticket) {
            let Pending { at, what, .. } = self.pending.remove(0);
            self.in_force(at, what);
        }
    }

    fn in_force(&mut self, at: GateTime, what: Loosening) {
        match what {
            Loosening::Override(over) => self.memory.override_limit(at, over),
            Loosening::EndOverride(name, given) => self.memory.overrides.end(at, &name, given),
            Loosening::Confirmed(confirmed) => self.memory.confirm(at, confirmed),
        }
    }

    /// What an override says, for people: its value as the configuration would have it.
    pub(super) fn limit_text(&self, over: &Override) -> String {
        let scale = over.limit.scale(self.setup.policy.money, self.setup.quantity_scale(&over.of));
        limit_text(over.value, scale)
    }

    /// An amount of money as this gate counts it.
    pub fn money(&self, units: i128) -> Amount {
        Amount::from_units(units, self.setup.policy.money)
    }
}

fn only(record: GateRecord) -> Taken {
    Taken { records: vec![record], ..Taken::default() }
}
