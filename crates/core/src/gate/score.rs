//! How near each limit is, for status, metrics and whoever must halt: a risk score from 0 (far) to 1 (reached), in thousandths.

use crate::gate::Gate;
use crate::gate::book::Holder;
use crate::gate::holding::Position;
use crate::gate::limit::{Limit, LimitName, Scope, TIMES_ONE, Unit};
use crate::gate::lines::Line;
use crate::gate::overrides::{Of, Whose};
use crate::gate::rates::{RATES, Used};
use crate::gate::rule::{Gap, LossOf, View, loss_of, lost_share, reaches};
use crate::time::Monotonic;
use failstop_amount::{Rounding, mul_div};

/// How near a limit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// Which limit.
    pub limit: LimitName,
    /// Whose.
    pub scope: Scope,
    /// The component, the user, or the account and instrument that come nearest; empty for what is of everybody.
    pub of: String,
    /// What is used of it, in the limit's [`Unit`], shares and times rounded down; `None` where it cannot be said, for want of a
    /// price, an equity, a position.
    pub used: Option<u128>,
    /// Its value.
    pub value: u128,
    /// From 0 to 1000; 1000 where it cannot be said: what is not known is not far.
    pub thousandths: u16,
}

/// The result of the trading day in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyResult {
    /// The account.
    pub account: String,
    /// Realised and unrealised, in units of money; below zero a loss. `None` where it cannot be said.
    pub result: Option<i128>,
    /// The equity at the day's opening, in units of money.
    pub opening: Option<i128>,
    /// The loss in millionths of the opening equity, rounded up; `None` where it cannot be said.
    pub lost: Option<u128>,
    /// Whether `daily_loss` or `daily_loss_money` of the system is reached: the host raises `daily-loss`.
    pub reached: bool,
}

impl Gate {
    /// The result of the trading day in every account, on the exchange or on paper. To be asked after every fill and every price
    /// that matters; when one is `reached` the host raises the halt `daily-loss`.
    pub fn daily_results(&self, now: Monotonic, paper: bool) -> Vec<DailyResult> {
        let Some(at) = self.clock.peek(now) else { return Vec::new() };
        let view = self.view(at);
        let book = self.memory.book(paper);
        let results =
            self.setup.policy.accounts.iter().zip(&book.accounts).enumerate().map(|(index, (name, account))| {
                let result = loss_of(&view, book, index, LossOf::Account).ok();
                let opening = account.opening;
                DailyResult {
                    account: name.clone(),
                    result,
                    opening,
                    lost: result.zip(opening).and_then(|(result, opening)| lost_share(result, opening, Rounding::Up)),
                    reached: false,
                }
            });
        let mut results: Vec<DailyResult> = results.collect();
        let share = view.limit(LimitName::DailyLoss, &Of::System);
        let money = view.limit(LimitName::DailyLossMoney, &Of::System);
        let sum = results.iter().try_fold(0i128, |sum, result| sum.checked_add(result.result?));
        let all = matches!((sum, money), (Some(sum), Limit::Set(limit)) if sum < 0 && sum.unsigned_abs() >= limit);
        for result in &mut results {
            let own = match (share, result.result, result.opening) {
                (Limit::Set(limit), Some(found), Some(opening)) => reaches(found, opening, limit),
                (Limit::Set(_), None, _) | (Limit::Set(_), _, None) | (Limit::Waived, _, _) => false,
            };
            result.reached = all || own;
        }
        results
    }

    /// How near every limit that is set is: of everybody, of each component, and of each user of whom something is remembered.
    pub fn scores(&self, now: Monotonic, paper: bool) -> Vec<Score> {
        let Some(at) = self.clock.peek(now) else { return Vec::new() };
        let view = self.view(at);
        let mut scores = Vec::new();
        rates(&view, &Of::System, "", &self.memory.system, &mut scores);
        self.held(&view, &Of::System, "", None, paper, &mut scores);
        for (index, component) in (0u8..).zip(&self.setup.policy.components) {
            let (of, name) = (Of::Component(index), component.name.0.as_str());
            if let Some(used) = self.memory.component(index) {
                rates(&view, &of, name, used, &mut scores);
            }
            self.held(&view, &of, name, Some(Holder::Component(index)), paper, &mut scores);
        }
        let mut users: Vec<_> = self.memory.users.iter().collect();
        users.sort_unstable_by(|(_, left), (_, right)| left.name.as_bytes().cmp(right.name.as_bytes()));
        for (id, user) in users {
            let (of, name) = (Of::User(&user.name), user.name.as_str());
            rates(&view, &of, name, &user.used, &mut scores);
            self.held(&view, &of, name, Some(Holder::User(id)), paper, &mut scores);
        }
        scores
    }

    /// Positions, total leverage and losses, as they stand: without what is open.
    fn held(
        &self,
        view: &View<'_>,
        of: &Whose<'_>,
        name: &str,
        holder: Option<Holder>,
        paper: bool,
        scores: &mut Vec<Score>,
    ) {
        let book = self.memory.book(paper);
        let accounts = || self.setup.policy.accounts.iter().enumerate();
        if let Limit::Set(value) = view.limit(LimitName::Position, of) {
            let mut most = (Some(0u128), String::new());
            for (account, account_name) in accounts() {
                // `None`: unknown.
                let mut look = |index: usize, quantity: Option<u128>| {
                    if quantity == Some(0) {
                        return;
                    }
                    let notional = quantity.and_then(|quantity| notional(view, index, quantity));
                    // What cannot be said comes first.
                    if most.0.is_some() && notional.is_none_or(|notional| Some(notional) > most.0) {
                        let instrument = self.setup.policy.instruments.get(index);
                        let instrument = instrument.map(|instrument| instrument.name.as_str()).unwrap_or_default();
                        most = (notional, format!("{account_name} {instrument}"));
                    }
                };
                // Those with anything to them alone: there may be thousands of holders, and a thousand instruments.
                match holder {
                    Some(holder) => book
                        .holdings(holder, account)
                        .for_each(|(index, holding)| look(index, Some(holding.quantity.unsigned_abs()))),
                    None => book.lines.busy(account).for_each(|(index, line)| {
                        let held = line.holding.quantity.unsigned_abs();
                        let known = |position: Position| position.low.unsigned_abs().max(position.high.unsigned_abs());
                        look(index, (!line.unknown).then(|| line.position.map_or(held, known)));
                    }),
                }
            }
            let of_whom = if name.is_empty() { most.1 } else { name.to_owned() };
            scores.push(score(LimitName::Position, of.scope(), of_whom, most.0, value));
        }
        if let (None, Limit::Set(value)) = (holder, view.limit(LimitName::TotalLeverage, of)) {
            for (account, account_name) in accounts() {
                let mut total = Some(0u128);
                let counts = |(_, line): &(usize, &Line)| line.unknown || line.holding.quantity != 0;
                for (index, line) in book.lines.busy(account).filter(counts) {
                    let more = notional(view, index, line.holding.quantity.unsigned_abs()).filter(|_| !line.unknown);
                    total = total.zip(more).and_then(|(total, more)| total.checked_add(more));
                }
                let equity = book.accounts.get(account).and_then(|account| account.equity);
                let equity = equity.and_then(|(equity, _)| u128::try_from(equity).ok());
                let times = match (total, equity) {
                    (Some(0), _) => Some(0),
                    (Some(total), Some(equity)) => mul_div(total, TIMES_ONE, equity, Rounding::Down),
                    (None, _) | (_, None) => None,
                };
                scores.push(score(LimitName::TotalLeverage, of.scope(), account_name.clone(), times, value));
            }
        }
        let loss = holder.map_or(LossOf::Account, LossOf::Holder);
        let result = |account| loss_of(view, book, account, loss);
        if let Limit::Set(value) = view.limit(LimitName::DailyLoss, of) {
            for (account, account_name) in accounts() {
                let opening = book.accounts.get(account).and_then(|account| account.opening);
                let (lost, reached) = match (result(account), opening) {
                    (Ok(result), _) if result >= 0 => (Some(0), false),
                    (Ok(result), Some(opening)) => {
                        (lost_share(result, opening, Rounding::Down), reaches(result, opening, value))
                    }
                    (Ok(_), None) | (Err(Gap::Overflow | Gap::Unknown | Gap::Unpriced(_)), _) => (None, false),
                };
                let of_whom = if name.is_empty() { account_name.clone() } else { format!("{name} {account_name}") };
                let mut score = score(LimitName::DailyLoss, of.scope(), of_whom, lost, value);
                if reached {
                    // Also by a loss below a millionth, where the limit is nothing.
                    score.thousandths = 1000;
                }
                scores.push(score);
            }
        }
        if let Limit::Set(value) = view.limit(LimitName::DailyLossMoney, of) {
            let sum = accounts().try_fold(0i128, |sum, (account, _)| sum.checked_add(result(account).ok()?));
            let lost = sum.map(|sum| if sum < 0 { sum.unsigned_abs() } else { 0 });
            scores.push(score(LimitName::DailyLossMoney, of.scope(), name.to_owned(), lost, value));
        }
    }
}

fn notional(view: &View<'_>, instrument: usize, quantity: u128) -> Option<u128> {
    let (_, valuation) = view.setup.at(instrument)?;
    let (mark, conversion) = (view.mark(instrument).ok()?, view.conversion(valuation).ok()?);
    valuation.notional(quantity, mark, conversion, view.setup.policy.money).ok()
}

fn rates(view: &View<'_>, of: &Whose<'_>, name: &str, used: &Used, scores: &mut Vec<Score>) {
    for (rate, _) in RATES {
        if let Limit::Set(value) = view.limit(rate, of) {
            scores.push(score(rate, of.scope(), name.to_owned(), Some(used.of(rate, view.at)), value));
        }
    }
}

fn score(limit: LimitName, scope: Scope, of: String, used: Option<u128>, value: u128) -> Score {
    let thousandths = used.map_or(1000, |used| thousandths(used, value));
    Score { limit, scope, of, used, value, thousandths }
}

/// How much of a limit is used, rounded down: 1000 only where it is reached.
fn thousandths(used: u128, value: u128) -> u16 {
    if used >= value {
        return if used == 0 { 0 } else { 1000 };
    }
    let part = mul_div(used, 1000, value, Rounding::Down).and_then(|part| u16::try_from(part).ok());
    part.map_or(1000, |part| part.min(999))
}

impl Unit {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Money => "money",
            Self::Share => "share",
            Self::Times => "times",
            Self::Quantity => "quantity",
            Self::Count => "count",
            Self::Milliseconds => "milliseconds",
        }
    }
}
