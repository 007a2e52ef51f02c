//! The limits of each scope as they are written: of everybody together, of one instrument, one component, each user.

use super::bound::{Bound, Span, wrong};
use crate::config::books::Symbol;
use failstop_core::gate::{Limit, LimitName};
use failstop_settings::{Consistent, Kind, Places, Reading, section, within};

section! {
    /// Limits on everybody together. Each is set or "waived".
    pub struct SystemLimits {
        /// The most that a position may be worth, in money.
        position: Bound, default "100000";
        /// The most of the account's equity that may be the margin of one position, as a fraction of one.
        account_risk: Bound, default "0.10";
        /// The most leverage of an order.
        leverage: Bound, default "500";
        /// The most that all positions of an account may be worth together, as a multiple of its equity.
        total_leverage: Bound, default "500";
        /// The least distance from the mark to the liquidation price, as a fraction of the mark.
        liquidation_buffer: Bound, default "0.05";
        /// The most that may be lost in a trading day, as a fraction of the account's equity at its opening.
        daily_loss: Bound, default "0.20";
        /// The most that may be lost in a trading day over all accounts, in money.
        daily_loss_money: Bound, default "waived";
        /// The most that one order may be worth, in money.
        order_notional: Bound, default "waived";
        /// How far beyond the reference price a limit price may reach, as a fraction of it.
        price_collar: Bound, default "0.05";
        /// How long the same order again counts as a mistake.
        duplicate_window: Span, default "1s", within("1ms", "1h");
        /// The most openings of one component on one side of one instrument within a minute.
        repeated_orders: Bound, default "10";
        /// What an order may be worth before an admin must confirm it (`failstop orders confirm`), in money.
        confirm_above: Bound, default "waived";
        /// Openings in any minute.
        openings_per_minute: Bound, default "5";
        /// Orders in a trading day.
        trades_per_day: Bound, default "50";
        /// What orders are worth in any hour, in money.
        volume_per_hour: Bound, default "10000";
        /// What orders are worth in a trading day, in money.
        volume_per_day: Bound, default "waived";
        /// Messages (to Telegram) in any minute.
        messages_per_minute: Bound, default "30";
        /// Copied trades in any minute.
        copies_per_minute: Bound, default "10";
    }
}

section! {
    /// Limits on each user. Each is set or "waived".
    pub struct UserLimits {
        /// The most that a position of his may be worth, in money.
        position: Bound, default "waived";
        /// The most of the account's equity that may be the margin of one position of his, as a fraction of one.
        account_risk: Bound, default "waived";
        /// The most leverage of an order of his.
        leverage: Bound, default "waived";
        /// The most that he may lose in a trading day, as a fraction of the account's equity at its opening.
        daily_loss: Bound, default "waived";
        /// The most that he may lose in a trading day, in money.
        daily_loss_money: Bound, default "waived";
        /// The most that one order of his may be worth, in money.
        order_notional: Bound, default "waived";
        /// What an order of his may be worth before an admin must confirm it, in money.
        confirm_above: Bound, default "waived";
        /// His openings in any minute.
        openings_per_minute: Bound, default "5";
        /// His orders in a trading day.
        trades_per_day: Bound, default "50";
        /// What his orders are worth in any hour, in money.
        volume_per_hour: Bound, default "10000";
        /// What his orders are worth in a trading day, in money.
        volume_per_day: Bound, default "waived";
        /// His messages (to Telegram) in any minute.
        messages_per_minute: Bound, default "30";
        /// His copied trades in any minute.
        copies_per_minute: Bound, default "10";
    }
}

section! {
    /// Limits on one instrument, for everybody. Each is set or "waived".
    pub struct InstrumentLimits {
        /// The most that a position in it may be worth, in money.
        position: Bound, default "waived";
        /// The most of the account's equity that may be the margin of a position in it, as a fraction of one.
        account_risk: Bound, default "waived";
        /// The most leverage of an order.
        leverage: Bound, default "waived";
        /// The least distance from the mark to the liquidation price, as a fraction of the mark.
        liquidation_buffer: Bound, default "waived";
        /// The largest quantity of one order.
        order_quantity: Bound, default "waived";
        /// The most that one order may be worth, in money.
        order_notional: Bound, default "waived";
        /// How far beyond the reference price a limit price may reach, as a fraction of it.
        price_collar: Bound, default "waived";
        /// What an order may be worth before an admin must confirm it, in money.
        confirm_above: Bound, default "waived";
    }
}

section! {
    /// What one component may trade, and its limits. Each is set or "waived".
    pub struct ComponentGate {
        /// The instruments that it may trade. Absent: all.
        instruments: Option<Vec<Symbol>>, absent ["BTC/USDT"];
        /// The most that a position of its own orders may be worth, in money.
        position: Bound, default "waived";
        /// The most of the account's equity that may be the margin of one position of its own orders, as a fraction of one.
        account_risk: Bound, default "waived";
        /// The most leverage of an order of its.
        leverage: Bound, default "waived";
        /// The most that its own orders may lose in a trading day, as a fraction of the account's equity at its opening.
        daily_loss: Bound, default "waived";
        /// The most that its own orders may lose in a trading day, in money.
        daily_loss_money: Bound, default "waived";
        /// The most that one order of its may be worth, in money.
        order_notional: Bound, default "waived";
        /// What an order of its may be worth before an admin must confirm it, in money.
        confirm_above: Bound, default "waived";
        /// Its openings in any minute.
        openings_per_minute: Bound, default "waived";
        /// Its orders in a trading day.
        trades_per_day: Bound, default "waived";
        /// What its orders are worth in any hour, in money.
        volume_per_hour: Bound, default "waived";
        /// What its orders are worth in a trading day, in money.
        volume_per_day: Bound, default "waived";
        /// Its messages (to Telegram) in any minute.
        messages_per_minute: Bound, default "waived";
        /// Its copied trades in any minute.
        copies_per_minute: Bound, default "waived";
    }
}

/// One limit of a scope, as it is written.
pub type Written<'a> = (LimitName, &'a Bound);

/// A section of limits.
pub trait LimitSection {
    /// Every limit that the scope has and that is a number.
    fn written(&self) -> Vec<Written<'_>>;

    /// One that is not written as a number.
    fn span(&self) -> Option<(LimitName, Limit)> {
        None
    }
}

// Which limit each key is; behind the semicolon the one that is a time.
macro_rules! limit_section {
    ($section:ty: $($name:ident = $field:ident,)* $(; $of_time:ident = $span:ident)?) => {
        impl LimitSection for $section {
            fn written(&self) -> Vec<Written<'_>> {
                vec![$((LimitName::$name, &self.$field),)*]
            }

            $(fn span(&self) -> Option<(LimitName, Limit)> {
                Some((LimitName::$of_time, self.$span.limit()))
            })?
        }

        impl Consistent for $section {
            fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
                refuse_wrong(&self.written(), places, reading);
            }
        }
    };
}

limit_section! { SystemLimits:
    Position = position, AccountRisk = account_risk, Leverage = leverage, TotalLeverage = total_leverage,
    LiquidationBuffer = liquidation_buffer, DailyLoss = daily_loss, DailyLossMoney = daily_loss_money,
    OrderNotional = order_notional, PriceCollar = price_collar, RepeatedOrders = repeated_orders,
    ConfirmAbove = confirm_above, OpeningsPerMinute = openings_per_minute, TradesPerDay = trades_per_day,
    VolumePerHour = volume_per_hour, VolumePerDay = volume_per_day, MessagesPerMinute = messages_per_minute,
    CopiesPerMinute = copies_per_minute,
    ; DuplicateWindow = duplicate_window
}

limit_section! { UserLimits:
    Position = position, AccountRisk = account_risk, Leverage = leverage, DailyLoss = daily_loss,
    DailyLossMoney = daily_loss_money, OrderNotional = order_notional, ConfirmAbove = confirm_above,
    OpeningsPerMinute = openings_per_minute, TradesPerDay = trades_per_day, VolumePerHour = volume_per_hour,
    VolumePerDay = volume_per_day, MessagesPerMinute = messages_per_minute, CopiesPerMinute = copies_per_minute,
}

limit_section! { InstrumentLimits:
    Position = position, AccountRisk = account_risk, Leverage = leverage, LiquidationBuffer = liquidation_buffer,
    OrderQuantity = order_quantity, OrderNotional = order_notional, PriceCollar = price_collar,
    ConfirmAbove = confirm_above,
}

limit_section! { ComponentGate:
    Position = position, AccountRisk = account_risk, Leverage = leverage, DailyLoss = daily_loss,
    DailyLossMoney = daily_loss_money, OrderNotional = order_notional, ConfirmAbove = confirm_above,
    OpeningsPerMinute = openings_per_minute, TradesPerDay = trades_per_day, VolumePerHour = volume_per_hour,
    VolumePerDay = volume_per_day, MessagesPerMinute = messages_per_minute, CopiesPerMinute = copies_per_minute,
}

fn refuse_wrong(written: &[Written<'_>], places: &Places<'_>, reading: &mut Reading<'_>) {
    for (name, bound) in written {
        if let Some((why, help)) = wrong(*name, bound) {
            let message = format!("`{}` in {} cannot be {}: {why}", name.name(), places.label, bound.as_text());
            reading.refuse(Kind::BadValue, &places.first_of(&[name.name()]), message, help);
        }
    }
}
