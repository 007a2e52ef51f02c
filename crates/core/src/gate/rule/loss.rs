//! The day's loss, from realised and unrealised results together: what came in since the trading day began, and what is held at the
//! mark. Once it reaches its limit nothing is opened.

use super::{Gap, Judge, Unpriced, View};
use crate::gate::book::{Book, Holder};
use crate::gate::holding::Holding;
use crate::gate::limit::{Limit, LimitName, SHARE_ONE, SHARE_SCALE, Scope};
use crate::gate::overrides::{Of, Whose};
use crate::gate::refusal::Code;
use crate::gate::setup::shown;
use core::cmp::Ordering;
use failstop_amount::{Rounding, compare_share, mul_div};

/// Whose result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossOf {
    Account,
    Holder(Holder),
}

/// The result since the day began of an account, or of a holder in it, in money; below zero a loss.
pub(crate) fn loss_of(view: &View<'_>, book: &Book, account: usize, of: LossOf) -> Result<i128, Gap> {
    let mut sum = match of {
        LossOf::Account => book.accounts.get(account).map_or(0, |account| account.other),
        LossOf::Holder(holder) => book.other(holder, account),
    };
    let mut add = |instrument, holding: &Holding| {
        let more = result(view, instrument, holding)?;
        sum = sum.checked_add(more).ok_or(Gap::Overflow)?;
        Ok(())
    };
    match of {
        LossOf::Account => {
            book.lines.busy(account).try_for_each(|(instrument, line)| {
                // What was held is not what is held: nothing says what it won or lost since.
                if line.unknown { Err(Gap::Unknown) } else { add(instrument, &line.holding) }
            })?;
        }
        LossOf::Holder(holder) => {
            book.holdings(holder, account).try_for_each(|(instrument, holding)| add(instrument, holding))?;
        }
    }
    Ok(sum)
}

/// The result of one holding, in money.
fn result(view: &View<'_>, instrument: usize, holding: &Holding) -> Result<i128, Gap> {
    if holding.is_nothing() {
        return Ok(0);
    }
    let (_, valuation) = view.setup.at(instrument).ok_or(Gap::Unpriced(Unpriced::Missing))?;
    // What is flat and settled in money needs no price any more.
    let mark =
        if holding.quantity == 0 && !valuation.inverse { 1 } else { view.mark(instrument).map_err(Gap::Unpriced)? };
    let fine = holding.result(mark, valuation).ok_or(Gap::Unpriced(Unpriced::Missing))?.map_err(|_| Gap::Overflow)?;
    let conversion = view.conversion(valuation).map_err(Gap::Unpriced)?;
    valuation.result(fine, conversion, view.setup.policy.money).map_err(|_| Gap::Overflow)
}

/// Whether a result is a loss of at least this share of the opening equity, exactly. Without a loss nothing is reached, not even
/// where the limit or the equity is nothing.
pub(crate) fn reaches(result: i128, opening: i128, limit: u128) -> bool {
    let opening = u128::try_from(opening).unwrap_or(0);
    result < 0 && compare_share(result.unsigned_abs(), opening, limit, SHARE_ONE) != Ordering::Less
}

/// A loss as a share of the opening equity, in millionths; 0 without one, `None` on nothing.
pub(crate) fn lost_share(result: i128, opening: i128, rounding: Rounding) -> Option<u128> {
    if result >= 0 {
        return Some(0);
    }
    mul_div(result.unsigned_abs(), SHARE_ONE, u128::try_from(opening).ok()?, rounding)
}

impl Judge<'_> {
    pub(super) fn loss(&mut self) {
        self.loss_within(&Of::System, LossOf::Account);
        if let Some(index) = self.placed.component {
            self.loss_within(&Of::Component(index), LossOf::Holder(Holder::Component(index)));
        }
        // A user of whom nothing is known lost nothing.
        if let (Some(name), Some(id)) = (&self.placed.user, self.user) {
            self.loss_within(&Of::User(name), LossOf::Holder(Holder::User(id)));
        }
    }

    fn loss_within(&mut self, of: &Whose<'_>, loss: LossOf) {
        let limits = [LimitName::DailyLoss, LimitName::DailyLossMoney].map(|limit| self.view.limit(limit, of));
        if limits == [Limit::Waived; 2] {
            return;
        }
        // In the order's own account; both ask for it.
        let own = loss_of(&self.view, self.book, self.placed.account, loss);
        let [share, money] = limits;
        if let Limit::Set(limit) = share {
            self.share(of, own, limit);
        }
        if let Limit::Set(limit) = money {
            self.money(of, loss, own, limit);
        }
    }

    /// As a share of the account's equity at the day's opening.
    fn share(&mut self, of: &Whose<'_>, own: Result<i128, Gap>, limit: u128) {
        let Some(opening) = self.account.opening else {
            self.out.refuse(Code::MissingOpeningEquity, Scope::System);
            return;
        };
        let Some(result) = self.gap(own) else { return };
        if reaches(result, opening, limit) {
            let found = lost_share(result, opening, Rounding::Up).map(|share| shown(share, SHARE_SCALE));
            self.out.refuse_by(Code::DailyLoss, of.scope(), found, Some(shown(limit, SHARE_SCALE)));
        }
    }

    /// In money, over all accounts.
    fn money(&mut self, of: &Whose<'_>, loss: LossOf, own: Result<i128, Gap>, limit: u128) {
        let mut sum = 0i128;
        for account in 0..self.book.accounts.len() {
            let is_own = account == self.placed.account;
            let result = if is_own { own } else { loss_of(&self.view, self.book, account, loss) };
            let Some(result) = self.gap(result) else { return };
            let Some(more) = sum.checked_add(result) else {
                self.out.refuse(Code::Overflow, Scope::System);
                return;
            };
            sum = more;
        }
        let lost = if sum < 0 { sum.unsigned_abs() } else { 0 };
        if lost > 0 && lost >= limit {
            let money = self.view.setup.policy.money;
            self.out.refuse_by(Code::DailyLoss, of.scope(), Some(shown(lost, money)), Some(shown(limit, money)));
        }
    }
}
