//! What the gate remembers and the journal brings back: changed in one place only, whether a fact comes or a record is replayed, so
//! that both give the same.

use crate::gate::book::{Account, Book, Holder, Place, Trade};
use crate::gate::confirmation::{Confirmations, Confirmed};
use crate::gate::fact::{GivenBack, TradeCounted};
use crate::gate::holding::{Open, Position, Turn};
use crate::gate::open::{OpenOrder, OpenOrders};
use crate::gate::order::{Kind, Placed, ShortText, Side, fingerprint, signed};
use crate::gate::overrides::{Override, Overrides};
use crate::gate::rates::{Cost, Used};
use crate::gate::recent::Recent;
use crate::gate::record::Outcome;
use crate::gate::seen::Seen;
use crate::gate::setup::Setup;
use crate::gate::time::{GateTime, TradingDay};
use crate::gate::users::{UserId, Users};
use crate::gate::valuation::{Overflow, Valuation};
use failstop_amount::Rounding;
use std::collections::VecDeque;

/// The least number of client ids that are remembered as used; at most twice as many.
pub const CLIENT_IDS: usize = 32_768;

/// The least number of trades that are remembered as told; at most twice as many.
pub const FILL_IDS: usize = 16_384;

/// How many orders that are over are remembered, for fills that come late.
pub const CLOSED_ORDERS: usize = 256;

/// What the journal would bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateMemory {
    live: Book,
    paper: Book,
    pub(crate) open: OpenOrders,
    closed: VecDeque<Closed>,
    clients: Seen,
    fills: Seen,
    pub(crate) recent: Recent,
    pub(crate) system: Used,
    components: Vec<Used>,
    pub(crate) users: Users,
    pub(crate) overrides: Overrides,
    pub(crate) confirmations: Confirmations,
    day: Option<TradingDay>,
    /// The last turn before it began: time may have stood still since.
    day_turn: Turn,
    turn: Turn,
    /// By instrument: whether something waits for a price to count from.
    unpriced: Vec<bool>,
}

/// An order that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Closed {
    order: OpenOrder,
    gave_back: GaveBack,
}

/// What of an order counts no more, since it came to nothing: a fill that comes all the same counts it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveBack {
    Nothing,
    Volume,
    TradeAndVolume,
}

/// A trade, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FillRead<'a> {
    pub id: &'a str,
    pub order: Option<&'a str>,
    pub account: usize,
    pub instrument: usize,
    pub side: Side,
    pub quantity: u128,
    pub price: u128,
    pub fee: i128,
    pub paper: bool,
    /// What it counts against volumes, where no order's count accounts for it.
    pub volume: Option<u128>,
}

/// A reported position, read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositionRead {
    pub account: usize,
    pub instrument: usize,
    pub quantity: i128,
    pub entry: Option<u128>,
    pub leverage: Option<u128>,
    pub paper: bool,
    pub mark: Option<u128>,
}

impl GateMemory {
    pub(crate) fn new(setup: &Setup) -> Self {
        let policy = &setup.policy;
        let book = Book::new(policy.accounts.len(), policy.instruments.len());
        Self {
            live: book.clone(),
            paper: book,
            open: OpenOrders::new(),
            closed: VecDeque::with_capacity(CLOSED_ORDERS),
            clients: Seen::new(CLIENT_IDS),
            fills: Seen::new(FILL_IDS),
            recent: Recent::new(policy.components.len(), policy.instruments.len()),
            system: Used::default(),
            components: policy.components.iter().map(|_| Used::default()).collect(),
            users: Users::default(),
            overrides: Overrides::default(),
            confirmations: Confirmations::default(),
            day: None,
            day_turn: Turn::default(),
            turn: Turn::default(),
            unpriced: vec![false; policy.instruments.len()],
        }
    }

    pub(crate) fn book(&self, paper: bool) -> &Book {
        if paper { &self.paper } else { &self.live }
    }

    fn book_mut(&mut self, paper: bool) -> &mut Book {
        if paper { &mut self.paper } else { &mut self.live }
    }

    /// The trading day.
    pub fn day(&self) -> Option<TradingDay> {
        self.day
    }

    fn next_turn(&mut self) -> Turn {
        self.turn = Turn(self.turn.0 + 1);
        self.turn
    }

    /// Whether a client id was used.
    pub(crate) fn was_used(&self, client: &ShortText) -> bool {
        self.clients.has(client.print()) || self.open.has(client)
    }

    /// Whether a trade was told before.
    pub(crate) fn was_told(&self, fill: &str) -> bool {
        self.fills.has(fingerprint(fill))
    }

    /// What a component used of the rates.
    pub(crate) fn component(&self, index: u8) -> Option<&Used> {
        self.components.get(usize::from(index))
    }

    /// Whether one more user can be remembered.
    pub(crate) fn has_room(&self, at: GateTime) -> bool {
        !self.users.is_full() || self.idle(at).next().is_some()
    }

    fn idle(&self, at: GateTime) -> impl Iterator<Item = UserId> {
        let nothing = |holder| self.live.is_nothing(holder) && self.paper.is_nothing(holder);
        self.users
            .iter()
            .filter(move |(id, user)| user.open == 0 && user.used.is_nothing(at) && nothing(Holder::User(*id)))
            .map(|(id, _)| id)
    }

    /// Where a user stands; remembers him from now on. Where there is no room those who are idle make it.
    fn user(&mut self, at: GateTime, name: ShortText) -> Option<UserId> {
        let known = self.users.find(&name);
        if known.is_some() {
            return known;
        }
        if self.users.is_full() {
            for id in self.idle(at).collect::<Vec<_>>() {
                self.users.remove(id);
                self.live.forget(Holder::User(id));
                self.paper.forget(Holder::User(id));
                // Whoever takes his place has nothing to do with his orders.
                let closed = self.closed.iter_mut().filter(|closed| closed.order.user == Some(id));
                closed.for_each(|closed| closed.order.user = None);
            }
        }
        self.users.add(name)
    }

    fn count(&mut self, at: GateTime, component: Option<u8>, user: Option<UserId>, cost: &Cost) {
        self.system.add(at, cost);
        if let Some(used) = component.and_then(|index| self.components.get_mut(usize::from(index))) {
            used.add(at, cost);
        }
        if let Some(user) = user.and_then(|id| self.users.get_mut(id)) {
            user.used.add(at, cost);
        }
    }

    fn take_back(&mut self, order: &OpenOrder, cost: &Cost) {
        let today = order.turn > self.day_turn;
        self.system.take_back(order.allowed, today, cost);
        if let Some(used) = order.component.and_then(|index| self.components.get_mut(usize::from(index))) {
            used.take_back(order.allowed, today, cost);
        }
        if let Some(user) = order.user.and_then(|id| self.users.get_mut(id)) {
            user.used.take_back(order.allowed, today, cost);
        }
    }

    /// Something other than an order used up a rate.
    pub(crate) fn counted(&mut self, at: GateTime, component: Option<u8>, user: Option<ShortText>, cost: &Cost) {
        let user = user.and_then(|name| self.user(at, name));
        self.count(at, component, user, cost);
    }

    /// An order was allowed: it counts from now on.
    pub(crate) fn allow(
        &mut self,
        setup: &Setup,
        at: GateTime,
        placed: &Placed,
        reduces: bool,
        reference: Option<u128>,
        volume: u128,
    ) {
        let Some(valuation) = setup.valuations.get(placed.instrument) else { return };
        let user = placed.user.and_then(|name| self.user(at, name));
        let cost = Cost::of_order(!reduces, volume, placed.kind);
        self.count(at, placed.component, user, &cost);
        self.clients.add(placed.client.print());
        self.recent.add(at, placed.client.print(), placed.content(), !reduces);
        self.confirmations.use_up(&placed.client);
        let order = OpenOrder {
            client: placed.client,
            component: placed.component,
            user,
            account: placed.account,
            instrument: placed.instrument,
            side: placed.side,
            paper: placed.paper,
            quantity: placed.quantity,
            remaining: placed.quantity,
            price: placed.price.or(reference),
            volume,
            allowed: at,
            turn: self.next_turn(),
            opening: !reduces,
            copy: placed.kind == Kind::Copy,
            said_filled: false,
        };
        if self.open.insert(order) {
            if let Some(user) = user.and_then(|id| self.users.get_mut(id)) {
                user.open += 1;
            }
            self.pend(&order, Open::default(), open_of(&order, valuation));
        }
    }

    fn pend(&mut self, order: &OpenOrder, before: Open, after: Open) {
        self.book_mut(order.paper).pend(place_of(order), order.side, before, after);
    }

    /// Takes an order out of those that are open.
    fn close(&mut self, setup: &Setup, client: &str, gave_back: GaveBack) -> Option<OpenOrder> {
        let order = self.open.remove(client)?;
        if let Some(valuation) = setup.valuations.get(order.instrument) {
            self.pend(&order, open_of(&order, valuation), Open::default());
        }
        if let Some(user) = order.user.and_then(|id| self.users.get_mut(id)) {
            user.open = user.open.saturating_sub(1);
        }
        if self.closed.len() >= CLOSED_ORDERS {
            self.closed.pop_front();
        }
        self.closed.push_back(Closed { order, gave_back });
        Some(order)
    }

    /// Something became of an order; `None` where nothing changes by it.
    pub(crate) fn outcome(&mut self, setup: &Setup, client: &str, outcome: Outcome) -> Option<GivenBack> {
        let nothing = |counted| GivenBack { counted, openings: 0, trades: 0, copies: 0, volume: 0 };
        match outcome {
            // It stays open: presumed alive until somebody knows better.
            Outcome::Accepted | Outcome::Unknown => None,
            Outcome::Filled => {
                let order = self.open.get_mut(client).filter(|order| !order.said_filled)?;
                order.said_filled = true;
                Some(nothing(order.allowed))
            }
            Outcome::Cancelled | Outcome::Rejected | Outcome::Expired | Outcome::NotSent => {
                let whole = self.open.get(client)?.is_untouched();
                let order =
                    self.close(setup, client, if whole { GaveBack::TradeAndVolume } else { GaveBack::Volume })?;
                let back = GivenBack {
                    openings: u32::from(whole && order.opening),
                    trades: u32::from(whole),
                    copies: u32::from(whole && order.copy),
                    volume: order.unfilled_volume(),
                    ..nothing(order.allowed)
                };
                self.take_back(&order, &back.cost());
                if whole {
                    self.recent.give_back(fingerprint(client));
                }
                Some(back)
            }
        }
    }

    /// The order that a trade belongs to, open or over, and what of it counts no more.
    pub(crate) fn order_of_fill(&self, fill: &FillRead<'_>) -> Option<(OpenOrder, GaveBack)> {
        self.order_of(fill.order?, fill.account, fill.instrument, fill.side)
    }

    /// The order with this client id, open or over, if it is the one for this, and what of it counts no more.
    pub(crate) fn order_of(
        &self,
        client: &str,
        account: usize,
        instrument: usize,
        side: Side,
    ) -> Option<(OpenOrder, GaveBack)> {
        let belongs = |order: &OpenOrder| (order.account, order.instrument, order.side) == (account, instrument, side);
        if let Some(order) = self.open.get(client) {
            return belongs(order).then_some((*order, GaveBack::Nothing));
        }
        let closed = self.closed.iter().rev().find(|closed| closed.order.client.as_str() == client)?;
        belongs(&closed.order).then_some((closed.order, closed.gave_back))
    }

    /// A trade. Says what it counted, where no order's count accounts for it and it is not paper's.
    pub(crate) fn fill(
        &mut self,
        setup: &Setup,
        at: GateTime,
        fill: &FillRead<'_>,
    ) -> Result<Option<TradeCounted>, Overflow> {
        let valuation = setup.valuations.get(fill.instrument).ok_or(Overflow)?;
        let (order, gave_back) = self.order_of_fill(fill).unzip();
        let place = Place {
            account: fill.account,
            instrument: fill.instrument,
            component: order.and_then(|order| order.component),
            user: order.and_then(|order| order.user),
        };
        let trade = Trade {
            at,
            delta: signed(fill.side, fill.quantity).ok_or(Overflow)?,
            price: fill.price,
            allowed: order.map(|order| order.turn),
        };
        let paper = order.map_or(fill.paper, |order| order.paper);
        self.book_mut(paper).trade(place, &trade, valuation)?;
        self.book_mut(paper).add_other(place, fill.fee.saturating_neg());
        self.fills.add(fingerprint(fill.id));
        let mut counted = None;
        if let Some(volume) = fill.volume {
            let trades = match gave_back {
                None | Some(GaveBack::TradeAndVolume) => 1,
                Some(GaveBack::Nothing | GaveBack::Volume) => 0,
            };
            let cost = Cost { trades, volume, ..Cost::default() };
            self.count(at, place.component, place.user, &cost);
            let user = place.user.and_then(|id| self.users.get(id)).map(|user| user.name.as_str().to_owned());
            counted = (!paper).then_some(TradeCounted { user, cost });
            if gave_back == Some(GaveBack::TradeAndVolume) {
                self.count_trade_again(fill);
            }
        }
        if let Some(client) = fill.order
            && order.is_some()
            && let Some(open) = self.open.get_mut(client)
        {
            let before = *open;
            open.remaining = open.remaining.saturating_sub(fill.quantity);
            let after = *open;
            self.pend(&before, open_of(&before, valuation), open_of(&after, valuation));
            if after.remaining == 0 {
                self.close(setup, client, GaveBack::Nothing);
            }
        }
        Ok(counted)
    }

    /// The trade that an order had given back counts again: its other fills are of the same one.
    fn count_trade_again(&mut self, fill: &FillRead<'_>) {
        let mut closed = self.closed.iter_mut().rev();
        if let Some(closed) = closed.find(|closed| Some(closed.order.client.as_str()) == fill.order) {
            closed.gave_back = GaveBack::Volume;
        }
    }

    /// A position was reported.
    pub(crate) fn position(&mut self, setup: &Setup, at: GateTime, read: &PositionRead) -> Result<(), Overflow> {
        let valuation = setup.valuations.get(read.instrument).ok_or(Overflow)?;
        let Some(mut line) = self.book(read.paper).line(read.account, read.instrument).copied() else {
            return Ok(());
        };
        let known = line.position;
        let same = line.holding.quantity == read.quantity;
        line.holding.correct(read.quantity, read.mark, valuation)?;
        let basis = match (read.entry, read.quantity) {
            (_, 0) => Some(0),
            (Some(entry), quantity) => {
                let rounding = if (quantity > 0) == valuation.inverse { Rounding::Down } else { Rounding::Up };
                Some(valuation.worth(quantity.unsigned_abs(), entry, rounding)?)
            }
            (None, _) => known.filter(|_| same).and_then(|known| known.basis),
        };
        line.position = Some(Position {
            low: read.quantity,
            high: read.quantity,
            reported: self.next_turn(),
            heard: at,
            basis,
            leverage: read.leverage.or(known.and_then(|known| known.leverage)),
        });
        line.unknown = false;
        self.book_mut(read.paper).lines.change(read.account, read.instrument, |place| *place = line);
        if line.holding.waits() {
            self.note(read.instrument, true);
        } else if self.waits_for_price(read.instrument) {
            self.note_waiting(read.instrument);
        }
        // What the venue said was filled whole is in its report.
        let done = |order: &&OpenOrder| {
            order.said_filled
                && (order.account, order.instrument, order.paper) == (read.account, read.instrument, read.paper)
        };
        let over: Vec<ShortText> = self.open.iter().filter(done).map(|order| order.client).collect();
        for client in over {
            self.close(setup, client.as_str(), GaveBack::Nothing);
        }
        Ok(())
    }

    /// Something that could not be counted happened to a position at the exchange: what is known of it is not true any more.
    pub(crate) fn position_unknown(&mut self, account: usize, instrument: usize) {
        self.live.lines.change(account, instrument, |line| (line.position, line.unknown) = (None, true));
    }

    /// An account's equity was reported.
    pub(crate) fn equity(&mut self, at: GateTime, account: usize, equity: i128, paper: bool) {
        if let Some(Account { equity: known, opening, .. }) = self.book_mut(paper).accounts.get_mut(account) {
            *known = Some((equity, at));
            opening.get_or_insert(equity);
        }
    }

    /// Something came in beside trades.
    pub(crate) fn result(&mut self, account: usize, amount: i128, paper: bool) {
        self.book_mut(paper).add_other(Place { account, instrument: 0, component: None, user: None }, amount);
    }

    /// Whether something waits for a price of this instrument.
    pub(crate) fn waits_for_price(&self, instrument: usize) -> bool {
        self.unpriced.get(instrument).copied().unwrap_or(false)
    }

    /// Looks at everything that is held of an instrument.
    fn note_waiting(&mut self, instrument: usize) {
        self.note(instrument, self.live.waits(instrument) || self.paper.waits(instrument));
    }

    fn note(&mut self, instrument: usize, waits: bool) {
        if let Some(place) = self.unpriced.get_mut(instrument) {
            *place = waits;
        }
    }

    /// What waited for a price counts from this one on. Says whether anything did.
    pub(crate) fn settle(&mut self, setup: &Setup, instrument: usize, mark: u128) -> bool {
        let Some(valuation) = setup.valuations.get(instrument) else { return false };
        let live = self.live.settle(instrument, mark, valuation);
        let paper = self.paper.settle(instrument, mark, valuation);
        self.note_waiting(instrument);
        live || paper
    }

    /// Whether somebody holds some of an instrument.
    pub(crate) fn holds(&self, instrument: usize) -> bool {
        self.live.holds(instrument) || self.paper.holds(instrument)
    }

    /// A trading day begins.
    pub(crate) fn begin_day(
        &mut self,
        setup: &Setup,
        at: GateTime,
        day: TradingDay,
        mark: impl Fn(usize) -> Option<u128>,
    ) {
        let fresh = |seen| at.since(seen) <= setup.policy.equity_max_age;
        let marks: Vec<Option<u128>> = (0..setup.valuations.len()).map(mark).collect();
        self.unpriced.fill(false);
        for book in [&mut self.live, &mut self.paper] {
            book.open_day(&setup.valuations, &marks, &mut self.unpriced, fresh);
        }
        self.system.new_day();
        self.components.iter_mut().for_each(Used::new_day);
        let users: Vec<_> = self.users.iter().map(|(id, _)| id).collect();
        for id in users {
            if let Some(user) = self.users.get_mut(id) {
                user.used.new_day();
            }
        }
        (self.day, self.day_turn) = (Some(day), self.turn);
    }

    /// An override is in force.
    pub(crate) fn override_limit(&mut self, at: GateTime, over: Override) {
        self.overrides.add(at, over);
    }

    /// A confirmation is in force.
    pub(crate) fn confirm(&mut self, at: GateTime, confirmed: Confirmed) {
        self.confirmations.confirm(at, confirmed);
    }
}

fn open_of(order: &OpenOrder, valuation: &Valuation) -> Open {
    // It was seen to fit when the order was judged; what does not fit weighs as much as can be.
    order.open(valuation).unwrap_or(Open { quantity: order.remaining, worth: u128::MAX })
}

fn place_of(order: &OpenOrder) -> Place {
    Place { account: order.account, instrument: order.instrument, component: order.component, user: order.user }
}
