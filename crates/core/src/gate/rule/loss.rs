//! The day's loss, from realised and unrealised results together: what came in since the trading day began, and what is held at the
//! mark. Once it reaches its limit nothing is opened.

use super::{Gap, Judge, Unpriced, View};
use crate::gate::book::{Book, Holder};
use crate::gate::holding::Holding;
use crate::gate::limit::{Limit, LimitName, SHARE_ONE, SHARE_SCALE, Scope};
use crate::gate::overrides::Of;
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
            book.lines(account).try_for_each(|(instrument, line)| add(instrument, &line.holding))?;
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
        let component = self.placed.component.map(|index| (Of::Component(index), Some(Holder::Component(index))));
        let user = self.placed.user.map(|name| (Of::User(name), self.view.memory.users.find(&name).map(Holder::User)));
        for (of, holder) in [Some((Of::System, None)), component, user].into_iter().flatten() {
            let loss_of = match (of, holder) {
                (Of::System, _) => LossOf::Account,
                (_, Some(holder)) => LossOf::Holder(holder),
                // A user of whom nothing is known lost nothing.
                (Of::User(_) | Of::Component(_) | Of::Instrument(_), None) => continue,
            };
            self.share(&of, loss_of);
            self.money(&of, loss_of);
        }
    }

    /// As a share of the account's equity at the day's opening.
    fn share(&mut self, of: &Of, loss: LossOf) {
        let Limit::Set(limit) = self.view.limit(LimitName::DailyLoss, of) else { return };
        let Some(opening) = self.account.opening else {
            self.out.refuse(Code::MissingOpeningEquity, Scope::System);
            return;
        };
        let Some(result) = self.result_of(self.placed.account, loss) else { return };
        if reaches(result, opening, limit) {
            let found = lost_share(result, opening, Rounding::Up).map(|share| shown(share, SHARE_SCALE));
            self.out.refuse_by(Code::DailyLoss, of.scope(), found, Some(shown(limit, SHARE_SCALE)));
        }
    }

    /// A result, or the refusal for what it lacks. That of the order's account is looked at once.
    fn result_of(&mut self, account: usize, loss: LossOf) -> Option<i128> {
        let own = account == self.placed.account && loss == LossOf::Account;
        let result = match self.result.filter(|_| own) {
            Some(result) => result,
            None => loss_of(&self.view, self.book, account, loss),
        };
        if own {
            self.result = Some(result);
        }
        self.gap(result)
    }

    /// In money, over all accounts.
    fn money(&mut self, of: &Of, loss: LossOf) {
        let Limit::Set(limit) = self.view.limit(LimitName::DailyLossMoney, of) else { return };
        let mut sum = 0i128;
        for account in 0..self.book.accounts.len() {
            let Some(result) = self.result_of(account, loss) else { return };
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
