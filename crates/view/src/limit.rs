//! A limit of the gate as people say it: what it is, how much of it is used, and whose it is.

use crate::duration::span;
use crate::number::{amount, decimal};
use crate::printable::printable;
use failstop_client::gate::LimitUse;
use failstop_core::gate::{LimitName, Unit};
use std::borrow::Cow;

/// What it is: `daily loss`; under its own name where a later engine has one that is not known here.
pub fn name(limit: &str) -> Cow<'_, str> {
    known(limit).map_or_else(|| printable(limit), |limit| Cow::Borrowed(words(limit)))
}

/// How much of it is used: `0 % of 20 %`, `600.91 of 10 000 USD`. `money`: the currency that the gate counts in.
pub fn used(limit: &LimitUse, money: &str) -> String {
    let unit = known(&limit.limit).map(LimitName::unit);
    let most = value(unit, &limit.value, money);
    match &limit.used {
        // A unit that both have is said once, unless it stands at the number itself.
        Some(used) if unit == Some(Unit::Money) => format!("{} of {most}", amount(&printable(used))),
        Some(used) => format!("{} of {most}", value(unit, used, money)),
        None => format!("not known, of {most}"),
    }
}

/// Whose it is; empty for what is of everybody.
pub fn whose(limit: &LimitUse) -> String {
    match (limit.scope.as_str(), limit.of.as_str()) {
        ("system", of) => printable(of).into_owned(),
        (scope, "") => printable(scope).into_owned(),
        (scope, of) => format!("{} {}", printable(scope), printable(of)),
    }
}

/// A value in its own unit.
pub fn value_of(limit: &str, text: &str, money: &str) -> String {
    value(known(limit).map(LimitName::unit), text, money)
}

fn value(unit: Option<Unit>, text: &str, money: &str) -> String {
    let text = printable(text);
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    match (unit, number) {
        (Some(Unit::Share), Some(share)) => format!("{} %", decimal(100.0 * share)),
        (Some(Unit::Milliseconds), Some(milliseconds)) => span(milliseconds / 1_000.0),
        (Some(Unit::Times), Some(_)) => format!("{} ×", amount(&text)),
        (Some(Unit::Money), Some(_)) => format!("{} {}", amount(&text), printable(money)),
        (Some(Unit::Quantity | Unit::Count) | None, _) | (_, None) => amount(&text),
    }
}

fn known(limit: &str) -> Option<LimitName> {
    LimitName::ALL.into_iter().find(|one| one.name() == limit)
}

const fn words(limit: LimitName) -> &'static str {
    match limit {
        LimitName::Position => "position",
        LimitName::AccountRisk => "margin of a position",
        LimitName::Leverage => "leverage of an order",
        LimitName::TotalLeverage => "leverage of the account",
        LimitName::LiquidationBuffer => "distance to liquidation",
        LimitName::DailyLoss | LimitName::DailyLossMoney => "loss of the day",
        LimitName::OrderQuantity => "quantity of an order",
        LimitName::OrderNotional => "worth of an order",
        LimitName::PriceCollar => "distance from the price",
        LimitName::DuplicateWindow => "the same order again",
        LimitName::RepeatedOrders => "openings alike in a minute",
        LimitName::ConfirmAbove => "worth that needs no confirmation",
        LimitName::OpeningsPerMinute => "openings in a minute",
        LimitName::TradesPerDay => "orders in a day",
        LimitName::VolumePerHour => "volume in an hour",
        LimitName::VolumePerDay => "volume in a day",
        LimitName::MessagesPerMinute => "Telegram messages in a minute",
        LimitName::CopiesPerMinute => "copied trades in a minute",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_said_in_its_unit() {
        let of = |limit: &str, used: Option<&str>, value: &str| LimitUse {
            limit: limit.to_owned(),
            scope: "system".to_owned(),
            used: used.map(str::to_owned),
            value: value.to_owned(),
            ..LimitUse::default()
        };
        for (limit, said) in [
            (of("daily_loss", Some("0.000000"), "0.200000"), "0 % of 20 %"),
            (of("daily_loss", Some("0.123456"), "0.200000"), "12.346 % of 20 %"),
            (of("volume_per_hour", Some("600.91"), "10000.00"), "600.91 of 10 000 USD"),
            (of("total_leverage", Some("0.00"), "500.00"), "0 × of 500 ×"),
            (of("openings_per_minute", Some("1"), "5"), "1 of 5"),
            (of("duplicate_window", None, "5000"), "not known, of 5 s"),
            (of("position", None, "5000.00"), "not known, of 5 000 USD"),
            (of("of_later", Some("1"), "2000"), "1 of 2 000"),
            (of("daily_loss", Some("much"), "0.2"), "much of 20 %"),
        ] {
            assert_eq!(used(&limit, "USD"), said, "{}", limit.limit);
        }
        assert_eq!((name("daily_loss"), name("of_later\u{1b}")), ("loss of the day".into(), "of_later\\u{1b}".into()));
    }

    #[test]
    fn whose_a_limit_is_is_said_where_it_is_not_everybodys() {
        let of = |scope: &str, of: &str| {
            whose(&LimitUse { scope: scope.to_owned(), of: of.to_owned(), ..LimitUse::default() })
        };
        assert_eq!(of("system", ""), "");
        assert_eq!(of("system", "main BTC-USD"), "main BTC-USD");
        assert_eq!(of("user", "ana"), "user ana");
        assert_eq!(of("component", ""), "component");
    }
}
