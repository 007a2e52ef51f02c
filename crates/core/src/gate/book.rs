//! Who holds what: the accounts as their venue has them, and beside them what each component and each user holds by its own orders.
//! One book for the exchange and one for paper, which know nothing of each other.

use crate::gate::holding::{Holding, Open, Pending, Turn};
use crate::gate::lines::{Line, Lines};
use crate::gate::order::Side;
use crate::gate::time::GateTime;
use crate::gate::users::UserId;
use crate::gate::valuation::{Overflow, Valuation};
use failstop_amount::{Rounding, mul_div};
use std::collections::BTreeMap;

/// Whose holdings, beside the account's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    Component(u8),
    User(UserId),
}

/// One account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub equity: Option<(i128, GateTime)>,
    /// At the trading day's opening.
    pub opening: Option<i128>,
    /// What came in beside trades since then, in money.
    pub other: i128,
}

/// All accounts, on the exchange or on paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Book {
    pub accounts: Vec<Account>,
    pub lines: Lines,
    /// What a holder has in an account in an instrument.
    held: BTreeMap<(Holder, usize, usize), Holding>,
    /// What a holder has open there.
    pending: BTreeMap<(Holder, usize, usize), Pending>,
    /// What came in beside trades for a holder in an account.
    other: BTreeMap<(Holder, usize), i128>,
}

impl Book {
    pub fn new(accounts: usize, instruments: usize) -> Self {
        Self {
            accounts: vec![Account::default(); accounts],
            lines: Lines::new(accounts, instruments),
            held: BTreeMap::new(),
            pending: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }

    pub fn line(&self, account: usize, instrument: usize) -> Option<&Line> {
        self.lines.get(account, instrument)
    }

    /// What a holder has in one instrument of an account; nothing where it never traded there.
    pub fn held(&self, holder: Holder, account: usize, instrument: usize) -> Holding {
        self.held.get(&(holder, account, instrument)).copied().unwrap_or_default()
    }

    /// What a holder has open in one instrument of an account.
    pub fn pending(&self, holder: Holder, account: usize, instrument: usize) -> Pending {
        self.pending.get(&(holder, account, instrument)).copied().unwrap_or_default()
    }

    /// Everything of a holder in an account.
    pub fn holdings(&self, holder: Holder, account: usize) -> impl Iterator<Item = (usize, &Holding)> {
        self.held
            .range((holder, account, 0)..=(holder, account, usize::MAX))
            .map(|((_, _, instrument), holding)| (*instrument, holding))
    }

    /// What came in beside trades for a holder.
    pub fn other(&self, holder: Holder, account: usize) -> i128 {
        self.other.get(&(holder, account)).copied().unwrap_or_default()
    }

    /// Whether there is nothing to remember of a holder.
    pub fn is_nothing(&self, holder: Holder) -> bool {
        let anywhere = (holder, 0, 0)..=(holder, usize::MAX, usize::MAX);
        self.held.range(anywhere.clone()).all(|(_, holding)| holding.is_nothing())
            && self.pending.range(anywhere).all(|(_, pending)| pending.is_nothing())
            && self.other.range((holder, 0)..=(holder, usize::MAX)).all(|(_, other)| *other == 0)
    }

    /// Forgets a holder.
    pub fn forget(&mut self, holder: Holder) {
        self.held.retain(|(other, _, _), _| *other != holder);
        self.pending.retain(|(other, _, _), _| *other != holder);
        self.other.retain(|(other, _), _| *other != holder);
    }

    /// What one order has open becomes something else, everywhere it counts.
    pub fn pend(&mut self, place: Place, side: Side, before: Open, after: Open) {
        self.lines.change(place.account, place.instrument, |line| line.pending.replace(side, before, after));
        for holder in place.holders() {
            let pending = self.pending.entry((holder, place.account, place.instrument)).or_default();
            pending.replace(side, before, after);
        }
    }

    /// Something came in beside a trade. What is beyond counting stays at the end: it is a loss or a gain beyond any limit.
    pub fn add_other(&mut self, place: Place, amount: i128) {
        if let Some(account) = self.accounts.get_mut(place.account) {
            account.other = account.other.saturating_add(amount);
        }
        for holder in place.holders() {
            let other = self.other.entry((holder, place.account)).or_default();
            *other = other.saturating_add(amount);
        }
    }

    /// A trade, everywhere it counts, or nowhere.
    pub fn trade(&mut self, place: Place, trade: &Trade, valuation: &Valuation) -> Result<(), Overflow> {
        let Some(mut line) = self.line(place.account, place.instrument).copied() else { return Ok(()) };
        let before = line.holding.quantity;
        line.holding.trade(trade.delta, trade.price, valuation)?;
        if let Some(position) = &mut line.position {
            position.trade(trade.at, trade.delta, trade.allowed)?;
            position.basis = basis(position.basis, before, trade, valuation)?;
        }
        let mut changed = [None; 2];
        for (holder, changed) in place.holders().zip(&mut changed) {
            let mut holding = self.held(holder, place.account, place.instrument);
            holding.trade(trade.delta, trade.price, valuation)?;
            *changed = Some((holder, holding));
        }
        for (holder, holding) in changed.into_iter().flatten() {
            self.held.insert((holder, place.account, place.instrument), holding);
        }
        self.lines.change(place.account, place.instrument, |place| *place = line);
        Ok(())
    }

    /// A trading day begins: what is held counts from these prices on. What has none waits, and is noted by its instrument. `fresh`
    /// says whether equity seen then is still to be believed.
    pub fn open_day(
        &mut self,
        valuations: &[Valuation],
        marks: &[Option<u128>],
        waits: &mut [bool],
        fresh: impl Fn(GateTime) -> bool,
    ) {
        for account in &mut self.accounts {
            account.opening = account.equity.filter(|(_, seen)| fresh(*seen)).map(|(equity, _)| equity);
            account.other = 0;
        }
        self.other.clear();
        let mut open = |instrument: usize, holding: &mut Holding| {
            let (Some(valuation), Some(mark)) = (valuations.get(instrument), marks.get(instrument)) else { return };
            holding.open_day(*mark, valuation);
            if let Some(waits) = waits.get_mut(instrument) {
                *waits |= holding.waits();
            }
        };
        // Where nothing is held there is nothing to count.
        self.lines.change_busy(|instrument, line| open(instrument, &mut line.holding));
        self.held.iter_mut().for_each(|((_, _, instrument), holding)| open(*instrument, holding));
        self.held.retain(|_, holding| !holding.is_nothing());
        self.pending.retain(|_, pending| !pending.is_nothing());
    }

    /// Whether somebody holds some of an instrument.
    pub fn holds(&self, instrument: usize) -> bool {
        self.all_of(instrument).any(|holding| !holding.is_nothing())
    }

    /// Whether some of an instrument waits for a price to count from.
    pub fn waits(&self, instrument: usize) -> bool {
        self.all_of(instrument).any(Holding::waits)
    }

    fn all_of(&self, instrument: usize) -> impl Iterator<Item = &Holding> {
        let own = (0..self.accounts.len())
            .filter_map(move |account| self.line(account, instrument))
            .map(|line| &line.holding);
        let held = self.held.iter().filter(move |((_, _, other), _)| *other == instrument).map(|(_, holding)| holding);
        own.chain(held)
    }

    /// What waited for a price counts from this one on. Says whether anything did.
    pub fn settle(&mut self, instrument: usize, mark: u128, valuation: &Valuation) -> bool {
        let mut counts = false;
        self.each(instrument, |holding| counts |= holding.settle(mark, valuation));
        counts
    }

    /// Changes every holding of an instrument.
    fn each(&mut self, instrument: usize, mut change: impl FnMut(&mut Holding)) {
        for account in 0..self.accounts.len() {
            self.lines.change(account, instrument, |line| change(&mut line.holding));
        }
        self.held.iter_mut().filter(|((_, _, other), _)| *other == instrument).for_each(|(_, holding)| change(holding));
    }
}

/// Where an order or a trade counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub account: usize,
    pub instrument: usize,
    pub component: Option<u8>,
    pub user: Option<UserId>,
}

impl Place {
    pub fn holders(&self) -> impl Iterator<Item = Holder> + use<> {
        self.component.map(Holder::Component).into_iter().chain(self.user.map(Holder::User))
    }
}

/// A trade as it changes holdings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trade {
    pub at: GateTime,
    pub delta: i128,
    pub price: u128,
    /// In which turn its order was allowed.
    pub allowed: Option<Turn>,
}

/// What a position was entered for after a trade, finely. Rounded to where liquidation is nearer.
fn basis(known: Option<u128>, before: i128, trade: &Trade, valuation: &Valuation) -> Result<Option<u128>, Overflow> {
    let after = before.checked_add(trade.delta).ok_or(Overflow)?;
    let long = if before == 0 { trade.delta > 0 } else { before > 0 };
    let rounding = if long == valuation.inverse { Rounding::Down } else { Rounding::Up };
    if before == 0 || (before > 0) != (after > 0) {
        // Entered anew, or closed.
        return valuation.worth(after.unsigned_abs(), trade.price, rounding).map(Some);
    }
    let Some(known) = known else { return Ok(None) };
    if after.unsigned_abs() >= before.unsigned_abs() {
        let more = valuation.worth(trade.delta.unsigned_abs(), trade.price, rounding)?;
        known.checked_add(more).ok_or(Overflow).map(Some)
    } else {
        mul_div(known, after.unsigned_abs(), before.unsigned_abs(), rounding).ok_or(Overflow).map(Some)
    }
}
