//! Rates: what somebody used up of each, in sliding windows and in the trading day.

use crate::gate::limit::LimitName;
use crate::gate::order::Kind;
use crate::gate::refusal::Code;
use crate::gate::time::GateTime;
use crate::gate::window::{Hour, Minute};

/// The limits that are rates.
pub(crate) const RATES: [(LimitName, Code); 6] = [
    (LimitName::OpeningsPerMinute, Code::RateOpenings),
    (LimitName::TradesPerDay, Code::RateDaily),
    (LimitName::VolumePerHour, Code::RateVolume),
    (LimitName::VolumePerDay, Code::RateVolumeDaily),
    (LimitName::MessagesPerMinute, Code::RateMessages),
    (LimitName::CopiesPerMinute, Code::RateCopies),
];

impl LimitName {
    /// The code by which an order that is beyond it is refused, where it is a rate.
    pub fn rate_code(self) -> Option<Code> {
        RATES.into_iter().find(|(rate, _)| *rate == self).map(|(_, code)| code)
    }
}

/// What something costs of each rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Openings, of the minute.
    pub openings: u128,
    /// Trades, of the day.
    pub trades: u128,
    /// Of the hour and of the day, in units of money.
    pub volume: u128,
    /// Messages, of the minute.
    pub messages: u128,
    /// Copied trades, of the minute.
    pub copies: u128,
}

impl Cost {
    /// What an order costs. `volume` is what it is worth, in units of money.
    pub(crate) fn of_order(opening: bool, volume: u128, kind: Kind) -> Self {
        let copies = u128::from(kind == Kind::Copy);
        Self { openings: u128::from(opening), trades: 1, volume, messages: 0, copies }
    }

    /// What it is of one rate; of every other limit nothing.
    pub fn of(&self, rate: LimitName) -> u128 {
        match rate {
            LimitName::OpeningsPerMinute => self.openings,
            LimitName::TradesPerDay => self.trades,
            LimitName::VolumePerHour | LimitName::VolumePerDay => self.volume,
            LimitName::MessagesPerMinute => self.messages,
            LimitName::CopiesPerMinute => self.copies,
            LimitName::Position
            | LimitName::AccountRisk
            | LimitName::Leverage
            | LimitName::TotalLeverage
            | LimitName::LiquidationBuffer
            | LimitName::DailyLoss
            | LimitName::DailyLossMoney
            | LimitName::OrderQuantity
            | LimitName::OrderNotional
            | LimitName::PriceCollar
            | LimitName::DuplicateWindow
            | LimitName::RepeatedOrders
            | LimitName::ConfirmAbove => 0,
        }
    }
}

/// What somebody used up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    openings: Minute,
    volume: Hour,
    messages: Minute,
    copies: Minute,
    trades_today: u128,
    volume_today: u128,
}

impl Used {
    /// What is used up of a rate.
    pub fn of(&self, rate: LimitName, at: GateTime) -> u128 {
        match rate {
            LimitName::OpeningsPerMinute => self.openings.used(at),
            LimitName::TradesPerDay => self.trades_today,
            LimitName::VolumePerHour => self.volume.used(at),
            LimitName::VolumePerDay => self.volume_today,
            LimitName::MessagesPerMinute => self.messages.used(at),
            LimitName::CopiesPerMinute => self.copies.used(at),
            LimitName::Position
            | LimitName::AccountRisk
            | LimitName::Leverage
            | LimitName::TotalLeverage
            | LimitName::LiquidationBuffer
            | LimitName::DailyLoss
            | LimitName::DailyLossMoney
            | LimitName::OrderQuantity
            | LimitName::OrderNotional
            | LimitName::PriceCollar
            | LimitName::DuplicateWindow
            | LimitName::RepeatedOrders
            | LimitName::ConfirmAbove => 0,
        }
    }

    pub fn add(&mut self, at: GateTime, cost: &Cost) {
        for (window, amount) in
            [(&mut self.openings, cost.openings), (&mut self.messages, cost.messages), (&mut self.copies, cost.copies)]
        {
            if amount > 0 {
                window.add(at, amount);
            }
        }
        if cost.volume > 0 {
            self.volume.add(at, cost.volume);
        }
        self.trades_today = self.trades_today.saturating_add(cost.trades);
        self.volume_today = self.volume_today.saturating_add(cost.volume);
    }

    /// Gives back what was counted at `counted`; of the day only where that was today.
    pub fn take_back(&mut self, counted: GateTime, today: bool, cost: &Cost) {
        self.openings.take_back(counted, cost.openings);
        self.volume.take_back(counted, cost.volume);
        self.messages.take_back(counted, cost.messages);
        self.copies.take_back(counted, cost.copies);
        if today {
            self.trades_today = self.trades_today.saturating_sub(cost.trades);
            self.volume_today = self.volume_today.saturating_sub(cost.volume);
        }
    }

    pub fn new_day(&mut self) {
        (self.trades_today, self.volume_today) = (0, 0);
    }

    /// Whether nothing of any rate is used up.
    pub fn is_nothing(&self, at: GateTime) -> bool {
        RATES.iter().all(|(rate, _)| self.of(*rate, at) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_refused_by_the_code_that_speaks_of_it_and_nothing_else_is() {
        for limit in LimitName::ALL {
            let speaks = |code: &Code| {
                code.code().starts_with("RATE_") && code.meaning().contains(&format!("`{}`", limit.name()))
            };
            assert_eq!(limit.rate_code(), Code::ALL.into_iter().find(speaks), "{}", limit.name());
        }
        assert_eq!(LimitName::ALL.into_iter().filter_map(LimitName::rate_code).count(), RATES.len());
    }
}
