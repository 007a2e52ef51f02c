//! What somebody would hold if everything open on the order's side were filled, and the order with it: as a position, as a share of the
//! account's equity, as leverage, and all positions of the account together.

use super::{Judge, Unpriced};
use crate::gate::book::Holder;
use crate::gate::holding::{Pending, Position};
use crate::gate::limit::{Limit, LimitName, SHARE_ONE, SHARE_SCALE, Scope, TIMES_ONE, TIMES_SCALE};
use crate::gate::lines::Line;
use crate::gate::order::Side;
use crate::gate::overrides::{Of, Whose};
use crate::gate::policy::Margin;
use crate::gate::refusal::Code;
use crate::gate::setup::shown;
use crate::gate::valuation::Overflow;
use core::cmp::Ordering;
use failstop_amount::{Rounding, compare_share, mul_div};

impl Judge<'_> {
    pub(super) fn exposure(&mut self) {
        let known = self.position();
        if known.is_none() {
            self.out.refuse(Code::MissingPosition, Scope::System);
        }
        let of_account = known.map(|position| {
            exposed(position.low, position.high, self.line.pending, self.placed.side, self.placed.quantity)
        });
        let of_account = of_account.and_then(|exposed| self.counted(exposed));
        let (margin, highest) = self.leverages(known);
        if let Some(highest) = highest {
            self.at_most(LimitName::Leverage, highest, Code::Leverage);
        }
        let own = self.worth(of_account);
        self.own = own;
        for of in self.bound() {
            let notional = match of {
                Of::System | Of::Instrument(_) => own,
                Of::Component(index) => {
                    let exposed = self.exposed_of(Some(Holder::Component(index)));
                    self.worth(exposed)
                }
                Of::User(_) => {
                    let exposed = self.exposed_of(self.user.map(Holder::User));
                    self.worth(exposed)
                }
            };
            let Some(notional) = notional else { continue };
            self.position_limit(&of, notional);
            self.account_risk(&of, notional, margin);
        }
        if let (Some(own), Limit::Set(limit)) = (own, self.view.limit(LimitName::TotalLeverage, &Of::System)) {
            self.total_leverage(own, limit);
        }
    }

    /// What an exposure is worth at the reference price.
    fn worth(&mut self, exposed: Option<u128>) -> Option<u128> {
        let price = self.reference.known()?;
        self.notional(exposed?, price)
    }

    /// What is known of the position, if it is fresh.
    pub(super) fn position(&self) -> Option<Position> {
        self.line.position.filter(|position| self.is_fresh(position.heard))
    }

    /// What a component or a user would hold by its own orders; a user of whom nothing is known holds nothing.
    fn exposed_of(&mut self, holder: Option<Holder>) -> Option<u128> {
        let (account, instrument) = (self.placed.account, self.placed.instrument);
        let held = holder.map_or(0, |holder| self.book.held(holder, account, instrument).quantity);
        let pending = holder.map(|holder| self.book.pending(holder, account, instrument)).unwrap_or_default();
        let exposed = exposed(held, held, pending, self.placed.side, self.placed.quantity);
        self.counted(exposed)
    }

    fn position_limit(&mut self, of: &Whose<'_>, notional: u128) {
        if let Limit::Set(limit) = self.view.limit(LimitName::Position, of)
            && notional > limit
        {
            let money = self.view.setup.policy.money;
            let (found, limit) = (shown(notional, money), shown(limit, money));
            self.out.refuse_by(Code::PositionLimit, of.scope(), Some(found), Some(limit));
        }
    }

    /// The leverage that the margin follows from (the lower of what the order asks for and what the position has), and the highest.
    fn leverages(&mut self, position: Option<Position>) -> (Option<u128>, Option<u128>) {
        if matches!(self.instrument.margin, Margin::Spot) {
            return (Some(TIMES_ONE), Some(TIMES_ONE));
        }
        let held = position.filter(|position| (position.low, position.high) != (0, 0));
        let held = held.and_then(|position| position.leverage);
        let asked = self.placed.leverage;
        let margin = match (asked, held) {
            (Some(asked), Some(held)) => Some(asked.min(held)),
            (asked, held) => asked.or(held),
        };
        if margin.is_none() {
            self.out.refuse(Code::MissingLeverage, Scope::Instrument);
        }
        (margin, asked.max(held))
    }

    /// The higher leverage, without a word about its absence.
    pub(super) fn highest_leverage(&self) -> Option<u128> {
        let held = self.position().filter(|position| (position.low, position.high) != (0, 0));
        self.placed.leverage.max(held.and_then(|position| position.leverage))
    }

    /// Margin over equity: `notional / leverage / equity`, against a share.
    fn account_risk(&mut self, of: &Whose<'_>, notional: u128, margin: Option<u128>) {
        let Limit::Set(limit) = self.view.limit(LimitName::AccountRisk, of) else { return };
        let (Some(margin), Some(equity)) = (margin, self.equity()) else { return };
        let share = limit.checked_mul(margin).ok_or(Overflow);
        let Some(share) = self.counted(share) else { return };
        if compare_share(notional, equity, share, SHARE_ONE * TIMES_ONE) == Ordering::Greater {
            let over = equity.checked_mul(margin);
            let found = over.and_then(|over| mul_div(notional, SHARE_ONE * TIMES_ONE, over, Rounding::Up));
            let found = found.map(|found| shown(found, SHARE_SCALE));
            self.out.refuse_by(Code::AccountRisk, of.scope(), found, Some(shown(limit, SHARE_SCALE)));
        }
    }

    /// The account's equity, if it is fresh. Below zero it is nothing.
    pub(super) fn equity(&mut self) -> Option<u128> {
        let max_age = self.view.setup.policy.equity_max_age;
        match self.account.equity.filter(|(_, seen)| self.view.at.since(*seen) <= max_age) {
            Some((equity, _)) => Some(u128::try_from(equity).unwrap_or(0)),
            None => {
                self.out.refuse(Code::MissingEquity, Scope::System);
                None
            }
        }
    }

    fn total_leverage(&mut self, own: u128, limit: u128) {
        let Some(equity) = self.equity() else { return };
        let Some(others) = self.rest().map(|rest| rest.notional) else { return };
        let Some(total) = self.counted(own.checked_add(others).ok_or(Overflow)) else { return };
        if compare_share(total, equity, limit, TIMES_ONE) == Ordering::Greater {
            let found = mul_div(total, TIMES_ONE, equity, Rounding::Up).map(|times| shown(times, TIMES_SCALE));
            self.out.refuse_by(Code::TotalLeverage, Scope::System, found, Some(shown(limit, TIMES_SCALE)));
        }
    }

    /// Everything else that is held or open in the account, looked at once.
    pub(super) fn rest(&mut self) -> Option<Rest> {
        let rest = match self.rest {
            Some(rest) => rest,
            None => self.sum_up(),
        };
        self.rest = Some(rest);
        self.gap(rest)
    }

    fn sum_up(&self) -> Result<Rest, Gap> {
        let mut rest = Rest { notional: 0, bound: 0, unknown: false };
        let overflow = |Overflow| Gap::Overflow;
        for (index, line) in self.book.lines.busy(self.placed.account) {
            if index == self.placed.instrument {
                continue;
            }
            if line.unknown {
                return Err(Gap::Unknown);
            }
            let exposed = at_most_exposed(line).map_err(overflow)?;
            if exposed == 0 {
                continue;
            }
            let (instrument, valuation) = self.view.setup.at(index).ok_or(Gap::Unpriced(Unpriced::Missing))?;
            let price = self.view.mark(index).map_err(Gap::Unpriced)?;
            let conversion = self.view.conversion(valuation).map_err(Gap::Unpriced)?;
            let notional = valuation.notional(exposed, price, conversion, self.view.setup.policy.money);
            let notional = notional.map_err(overflow)?;
            rest.notional = rest.notional.checked_add(notional).ok_or(Gap::Overflow)?;
            match instrument.margin {
                Margin::Cross { maintenance: Some(rate) } => {
                    let bound = notional.checked_mul(rate.into()).ok_or(Gap::Overflow)?;
                    rest.bound = rest.bound.checked_add(bound).ok_or(Gap::Overflow)?;
                }
                Margin::Cross { maintenance: None } => rest.unknown = true,
                Margin::Isolated { .. } | Margin::Spot => {}
            }
        }
        Ok(rest)
    }

    /// A sum, or the refusal for what it lacks.
    pub(super) fn gap<T>(&mut self, sum: Result<T, Gap>) -> Option<T> {
        match sum {
            Ok(sum) => Some(sum),
            Err(Gap::Overflow) => {
                self.out.refuse(Code::Overflow, Scope::System);
                None
            }
            Err(Gap::Unknown) => {
                self.out.refuse(Code::MissingPosition, Scope::System);
                None
            }
            Err(Gap::Unpriced(unpriced)) => {
                self.out.refuse(unpriced.code(), Scope::System);
                None
            }
        }
    }
}

/// What the rest of an account comes to, in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// What it is worth, each on the side where it is more.
    pub notional: u128,
    /// The maintenance margin of what is cross, in millionths of a unit.
    pub bound: u128,
    /// Whether the maintenance margin of some of it is not declared.
    pub unknown: bool,
}

/// What a sum over positions lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    Overflow,
    /// What a position is.
    Unknown,
    Unpriced(Unpriced),
}

/// What is held on the side of an order once it and everything open on that side is filled; what is open on the other side may come
/// to nothing and counts for nothing.
fn exposed(low: i128, high: i128, pending: Pending, side: Side, quantity: u128) -> Result<u128, Overflow> {
    let held = match side {
        Side::Buy => high,
        Side::Sell => low.checked_neg().ok_or(Overflow)?,
    };
    let open = pending.side(side).quantity.checked_add(quantity).ok_or(Overflow)?;
    let open = i128::try_from(open).map_err(|_| Overflow)?;
    let exposed = held.checked_add(open).ok_or(Overflow)?;
    Ok(u128::try_from(exposed).unwrap_or(0))
}

/// What a line may come to at most, on either side. One of which nothing was ever said is flat.
fn at_most_exposed(line: &Line) -> Result<u128, Overflow> {
    let (low, high) =
        line.position.map_or((line.holding.quantity, line.holding.quantity), |position| (position.low, position.high));
    let long = exposed(low, high, line.pending, Side::Buy, 0)?;
    let short = exposed(low, high, line.pending, Side::Sell, 0)?;
    Ok(long.max(short))
}
