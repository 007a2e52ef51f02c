//! What a host asks the gate beside decisions: single things, read and never changed.

use crate::gate::order::{ShortText, Side};
use crate::gate::price::FeedHealth;
use crate::gate::rule::{View, judge_rates};
use crate::gate::window::WINDOW_PARTS;
use crate::gate::{Decision, Gate, RateAsk};
use crate::time::Monotonic;
use core::time::Duration;
use failstop_amount::Amount;

/// An order that is open, as a host needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenView {
    /// Whether it stays on paper.
    pub paper: bool,
    /// Whether it opens or enlarges a position.
    pub opening: bool,
    /// What was not filled of it.
    pub remaining: Amount,
}

/// What an account has of an instrument, as a host needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldView {
    /// As it follows from reports and fills; below zero when short.
    pub quantity: Amount,
    /// How long ago it was reported; `None` where it never was.
    pub heard: Option<Duration>,
}

impl Gate {
    /// Whether a client id was used, as far as the gate remembers: by an order that was allowed.
    pub fn was_used(&self, client_id: &str) -> bool {
        ShortText::of(client_id).is_some_and(|client| self.memory.was_used(&client))
    }

    /// An open order.
    pub fn open_order(&self, client_id: &str) -> Option<OpenView> {
        let order = self.memory.open.get(client_id)?;
        let (instrument, _) = self.setup.at(order.instrument)?;
        let remaining = crate::gate::setup::shown(order.remaining, instrument.quantity);
        Some(OpenView { paper: order.paper, opening: order.opening, remaining })
    }

    /// The client ids of everything that is open, on the exchange or on paper.
    pub fn open_ids(&self, paper: bool) -> Vec<String> {
        let of_it = self.memory.open.iter().filter(|order| order.paper == paper);
        of_it.map(|order| order.client.as_str().to_owned()).collect()
    }

    /// Whether a trade of this order is paper's: the order stays on paper, open or over, as far as the gate remembers.
    pub fn is_paper(&self, client_id: &str, account: &str, instrument: &str, side: Side) -> bool {
        let Ok((account, instrument)) = self.setup.place(account, instrument) else { return false };
        self.memory.order_of(client_id, account, instrument, side).is_some_and(|(order, _)| order.paper)
    }

    /// What an account has of an instrument; `None` where either is not declared.
    pub fn holding(&self, now: Monotonic, account: &str, instrument: &str, paper: bool) -> Option<HeldView> {
        let (account, index) = self.setup.place(account, instrument).ok()?;
        let (policy, _) = self.setup.at(index)?;
        let line = self.memory.book(paper).line(account, index)?;
        let at = self.clock.look(now);
        Some(HeldView {
            quantity: Amount::from_units(line.holding.quantity, policy.quantity),
            heard: line.position.map(|position| at.since(position.heard)),
        })
    }

    /// The equity of an account as it was reported last, and how long ago.
    pub fn equity(&self, now: Monotonic, account: &str, paper: bool) -> Option<(Amount, Duration)> {
        let account = self.setup.account(account)?;
        let (equity, heard) = self.memory.book(paper).accounts.get(account)?.equity?;
        let at = self.clock.look(now);
        Some((Amount::from_units(equity, self.setup.policy.money), at.since(heard)))
    }

    /// How the prices of one instrument stand.
    pub fn feed(&self, now: Monotonic, instrument: &str) -> Option<FeedHealth> {
        let index = self.setup.instrument(instrument)?;
        let at = self.clock.look(now);
        let (policy, _) = self.setup.at(index)?;
        Some(self.feeds.get(index)?.health(at, policy, &self.setup.policy))
    }

    /// After how long the limiter would allow this, if nothing else is used up meanwhile; `None` where that is beyond a window, or
    /// hangs on something else (the trading day, an override).
    pub fn retry_after(&self, now: Monotonic, ask: &RateAsk<'_>) -> Option<Duration> {
        let at = self.clock.peek(now)?;
        let component = self.setup.slot(ask.component).ok()?;
        let user = match ask.user {
            None => None,
            Some(user) => Some(ShortText::of(user)?),
        };
        let cost = ask.bucket.costs(ask.cost);
        let part = crate::gate::window::MINUTE / u32::try_from(WINDOW_PARTS).ok()?;
        let mut out = Decision::default();
        (0..=u32::try_from(WINDOW_PARTS).ok()? + 1).map(|parts| part * parts).find(|later| {
            out.begin();
            let view = View { setup: &self.setup, memory: &self.memory, feeds: &self.feeds, at: at.plus(*later) };
            judge_rates(&view, component, user.as_ref(), &cost, &mut out);
            out.allows()
        })
    }
}
