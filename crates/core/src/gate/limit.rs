//! Limits: which there are, what they count, where each may be set, and what is shipped. Each is set or waived; none is absent.

use failstop_amount::{Amount, AmountError, Scale};
use serde::{Deserialize, Serialize};

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// The most that a position may be worth after everything open on its side was filled († 100 000 USD).
    Position,
    /// The most of the account's equity that may be the margin of one position († 10 %).
    AccountRisk,
    /// The most leverage of one order († 500).
    Leverage,
    /// The most that all positions of an account may be worth together, as a multiple of its equity († 500).
    TotalLeverage,
    /// The least distance from the mark to the liquidation price, as a share of the mark († 5 %).
    LiquidationBuffer,
    /// The most that may be lost in a trading day, as a share of the account's equity at its opening († 20 %).
    DailyLoss,
    /// The most that may be lost in a trading day, in money.
    DailyLossMoney,
    /// The largest quantity of one order.
    OrderQuantity,
    /// The most that one order may be worth.
    OrderNotional,
    /// How far beyond the reference price a limit price may reach, as a share of it.
    PriceCollar,
    /// How long the same order again counts as a mistake.
    DuplicateWindow,
    /// The most openings of one component in one instrument on one side within a minute.
    RepeatedOrders,
    /// What an order may be worth before somebody must confirm it.
    ConfirmAbove,
    /// Openings in any minute († 5).
    OpeningsPerMinute,
    /// Orders in a trading day († 50).
    TradesPerDay,
    /// What orders are worth in any hour († 10 000 USD).
    VolumePerHour,
    /// What orders are worth in a trading day (off until set).
    VolumePerDay,
    /// Telegram messages in any minute († 30).
    MessagesPerMinute,
    /// Copied trades in any minute († 10).
    CopiesPerMinute,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Units of the gate's money, at its scale.
    Money,
    /// Millionths.
    Share,
    /// Hundredths.
    Times,
    /// Units of the instrument's quantity, at its scale.
    Quantity,
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
}

/// Whom a limit binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everybody together.
    System,
    /// Everybody, in one instrument.
    Instrument,
    /// One component.
    Component,
    /// One user.
    User,
}

impl Scope {
    /// Its name, as records and commands have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Instrument => "instrument",
            Self::Component => "component",
            Self::User => "user",
        }
    }
}

/// A limit's value: never absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// So many of the limit's [`Unit`].
    Set(u128),
    /// Somebody decided that there is none.
    Waived,
}

/// Millionths in a whole: what a [`Unit::Share`] counts.
pub const SHARE_ONE: u128 = 1_000_000;

/// Hundredths in a whole: what a [`Unit::Times`] counts.
pub const TIMES_ONE: u128 = 100;

impl LimitName {
    /// Every limit, in the order of the reference.
    pub const ALL: [Self; 19] = [
        Self::Position,
        Self::AccountRisk,
        Self::Leverage,
        Self::TotalLeverage,
        Self::LiquidationBuffer,
        Self::DailyLoss,
        Self::DailyLossMoney,
        Self::OrderQuantity,
        Self::OrderNotional,
        Self::PriceCollar,
        Self::DuplicateWindow,
        Self::RepeatedOrders,
        Self::ConfirmAbove,
        Self::OpeningsPerMinute,
        Self::TradesPerDay,
        Self::VolumePerHour,
        Self::VolumePerDay,
        Self::MessagesPerMinute,
        Self::CopiesPerMinute,
    ];

    /// Its name in the configuration, in records and in what people read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::AccountRisk => "account_risk",
            Self::Leverage => "leverage",
            Self::TotalLeverage => "total_leverage",
            Self::LiquidationBuffer => "liquidation_buffer",
            Self::DailyLoss => "daily_loss",
            Self::DailyLossMoney => "daily_loss_money",
            Self::OrderQuantity => "order_quantity",
            Self::OrderNotional => "order_notional",
            Self::PriceCollar => "price_collar",
            Self::DuplicateWindow => "duplicate_window",
            Self::RepeatedOrders => "repeated_orders",
            Self::ConfirmAbove => "confirm_above",
            Self::OpeningsPerMinute => "openings_per_minute",
            Self::TradesPerDay => "trades_per_day",
            Self::VolumePerHour => "volume_per_hour",
            Self::VolumePerDay => "volume_per_day",
            Self::MessagesPerMinute => "messages_per_minute",
            Self::CopiesPerMinute => "copies_per_minute",
        }
    }

    /// What it counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Position
            | Self::DailyLossMoney
            | Self::OrderNotional
            | Self::ConfirmAbove
            | Self::VolumePerHour
            | Self::VolumePerDay => Unit::Money,
            Self::AccountRisk | Self::LiquidationBuffer | Self::DailyLoss | Self::PriceCollar => Unit::Share,
            Self::Leverage | Self::TotalLeverage => Unit::Times,
            Self::OrderQuantity => Unit::Quantity,
            Self::RepeatedOrders
            | Self::OpeningsPerMinute
            | Self::TradesPerDay
            | Self::MessagesPerMinute
            | Self::CopiesPerMinute => Unit::Count,
            Self::DuplicateWindow => Unit::Milliseconds,
        }
    }

    /// Whether it may be set for `scope`.
    pub const fn applies(self, scope: Scope) -> bool {
        match self {
            Self::Position | Self::AccountRisk | Self::Leverage | Self::OrderNotional | Self::ConfirmAbove => true,
            Self::TotalLeverage | Self::DuplicateWindow | Self::RepeatedOrders => matches!(scope, Scope::System),
            Self::LiquidationBuffer | Self::PriceCollar => matches!(scope, Scope::System | Scope::Instrument),
            Self::DailyLoss
            | Self::DailyLossMoney
            | Self::OpeningsPerMinute
            | Self::TradesPerDay
            | Self::VolumePerHour
            | Self::VolumePerDay
            | Self::MessagesPerMinute
            | Self::CopiesPerMinute => matches!(scope, Scope::System | Scope::Component | Scope::User),
            Self::OrderQuantity => matches!(scope, Scope::Instrument),
        }
    }

    /// Whether more of it allows less.
    pub const fn is_floor(self) -> bool {
        match self {
            Self::LiquidationBuffer | Self::DuplicateWindow => true,
            Self::Position
            | Self::AccountRisk
            | Self::Leverage
            | Self::TotalLeverage
            | Self::DailyLoss
            | Self::DailyLossMoney
            | Self::OrderQuantity
            | Self::OrderNotional
            | Self::PriceCollar
            | Self::RepeatedOrders
            | Self::ConfirmAbove
            | Self::OpeningsPerMinute
            | Self::TradesPerDay
            | Self::VolumePerHour
            | Self::VolumePerDay
            | Self::MessagesPerMinute
            | Self::CopiesPerMinute => false,
        }
    }

    /// Whether `new` allows nothing that `old` does not allow.
    pub fn tightens(self, old: Limit, new: Limit) -> bool {
        match (old, new) {
            (Limit::Waived, Limit::Set(_) | Limit::Waived) => true,
            (Limit::Set(_), Limit::Waived) => false,
            (Limit::Set(old), Limit::Set(new)) => {
                if self.is_floor() {
                    new >= old
                } else {
                    new <= old
                }
            }
        }
    }

    /// Reads a value of it: a decimal in whole money, shares of one (`0.05` is 5 %), times, quantity, things or milliseconds; or
    /// `waived`.
    ///
    /// # Errors
    ///
    /// [`AmountError`] where the text is no such number; below zero is [`AmountError::Overflow`].
    pub fn parse(self, text: &str, money: Scale, quantity: Scale) -> Result<Limit, AmountError> {
        if text == "waived" {
            return Ok(Limit::Waived);
        }
        let amount = Amount::parse(text, self.scale(money, quantity))?;
        u128::try_from(amount.units()).map(Limit::Set).map_err(|_| AmountError::Overflow)
    }

    /// The scale at which its values count.
    pub fn scale(self, money: Scale, quantity: Scale) -> Scale {
        match self.unit() {
            Unit::Money => money,
            Unit::Share => SHARE_SCALE,
            Unit::Times => TIMES_SCALE,
            Unit::Quantity => quantity,
            Unit::Count | Unit::Milliseconds => COUNT_SCALE,
        }
    }
}

/// The scale of a [`Unit::Share`].
pub const SHARE_SCALE: Scale = scale(6);

/// The scale of a [`Unit::Times`].
pub const TIMES_SCALE: Scale = scale(2);

/// The scale of a count.
pub const COUNT_SCALE: Scale = scale(0);

pub(crate) const fn scale(decimals: u8) -> Scale {
    match Scale::new(decimals) {
        Ok(scale) => scale,
        Err(_) => panic!("a scale of the gate is no scale"),
    }
}

/// A value for each limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits([Limit; LimitName::ALL.len()]);

impl Limits {
    /// None at all.
    pub const WAIVED: Self = Self([Limit::Waived; LimitName::ALL.len()]);

    /// What is shipped for the system: everything marked †, a collar of 5 %, the same order not twice within a second and at most
    /// ten openings a minute on one side of one instrument. `one` is how many units of money make one USD.
    pub const fn shipped(one: u128) -> Self {
        Self::shipped_rates(one)
            .with(LimitName::Position, Limit::Set(100_000 * one))
            .with(LimitName::AccountRisk, Limit::Set(SHARE_ONE / 10))
            .with(LimitName::Leverage, Limit::Set(500 * TIMES_ONE))
            .with(LimitName::TotalLeverage, Limit::Set(500 * TIMES_ONE))
            .with(LimitName::LiquidationBuffer, Limit::Set(SHARE_ONE / 20))
            .with(LimitName::DailyLoss, Limit::Set(SHARE_ONE / 5))
            .with(LimitName::PriceCollar, Limit::Set(SHARE_ONE / 20))
            .with(LimitName::DuplicateWindow, Limit::Set(1_000))
            .with(LimitName::RepeatedOrders, Limit::Set(10))
    }

    /// What is shipped for each user and is part of what is shipped for the system: the rates marked †.
    pub const fn shipped_rates(one: u128) -> Self {
        Self::WAIVED
            .with(LimitName::OpeningsPerMinute, Limit::Set(5))
            .with(LimitName::TradesPerDay, Limit::Set(50))
            .with(LimitName::VolumePerHour, Limit::Set(10_000 * one))
            .with(LimitName::MessagesPerMinute, Limit::Set(30))
            .with(LimitName::CopiesPerMinute, Limit::Set(10))
    }

    /// The same with another value for one.
    #[must_use]
    pub const fn with(mut self, name: LimitName, limit: Limit) -> Self {
        self.0[name as usize] = limit;
        self
    }

    /// The value of one.
    pub const fn get(&self, name: LimitName) -> Limit {
        self.0[name as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_listed_once_where_it_counts_itself() {
        for (index, name) in LimitName::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, index, "{name:?}");
        }
        assert_eq!(LimitName::ALL.len(), LimitName::CopiesPerMinute as usize + 1);
    }

    #[test]
    fn what_is_shipped_applies_where_it_is_shipped() {
        for name in LimitName::ALL {
            assert!(name.applies(Scope::System) || Limits::shipped(100).get(name) == Limit::Waived, "{name:?}");
            assert!(name.applies(Scope::User) || Limits::shipped_rates(100).get(name) == Limit::Waived, "{name:?}");
        }
        assert_eq!(Limits::shipped(100).get(LimitName::Position), Limit::Set(10_000_000));
    }

    #[test]
    fn tighter_is_judged_by_what_is_allowed() {
        let (five, ten) = (Limit::Set(5), Limit::Set(10));
        assert!(LimitName::Position.tightens(ten, five) && !LimitName::Position.tightens(five, ten));
        assert!(LimitName::LiquidationBuffer.tightens(five, ten) && !LimitName::LiquidationBuffer.tightens(ten, five));
        assert!(LimitName::Position.tightens(Limit::Waived, ten) && !LimitName::Position.tightens(ten, Limit::Waived));
    }

    #[test]
    fn values_are_read_in_their_own_unit() {
        let read = |name: LimitName, text| name.parse(text, scale(2), scale(8));
        assert_eq!(read(LimitName::Position, "100000"), Ok(Limit::Set(10_000_000)));
        assert_eq!(read(LimitName::AccountRisk, "0.1"), Ok(Limit::Set(100_000)));
        assert_eq!(read(LimitName::Leverage, "2.5"), Ok(Limit::Set(250)));
        assert_eq!(read(LimitName::OrderQuantity, "0.5"), Ok(Limit::Set(50_000_000)));
        assert_eq!(read(LimitName::TradesPerDay, "waived"), Ok(Limit::Waived));
        assert!(read(LimitName::TradesPerDay, "1.5").is_err() && read(LimitName::TradesPerDay, "-1").is_err());
    }
}
