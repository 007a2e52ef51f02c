//! The value of a limit as it is written: a number that loses no digit on its way, or `"waived"`. There is no third thing: each limit
//! is set or somebody decided that there is none.

use crate::config::scale::WIDEST;
use failstop_amount::{Amount, Scale};
use failstop_core::gate::{Limit, LimitName, SHARE_SCALE, TIMES_SCALE, Unit};
use failstop_settings::document::{Node, Value};
use failstop_settings::setting::{text_of, wrong_type};
use failstop_settings::{At, Kind, Reading, Setting, interpreted, shown};
use std::time::Duration;

/// A limit's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Somebody decided that there is none.
    Waived,
    /// This number, as it was written: digits and at most one point.
    Set(String),
}

impl Bound {
    /// As the gate reads it.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Waived => "waived",
            Self::Set(text) => text,
        }
    }

    /// Whether it is set.
    pub const fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// As a fraction of one, in millionths; `None` where it is waived or has more decimals than those.
    pub fn share(&self) -> Option<u128> {
        match self {
            Self::Waived => None,
            Self::Set(text) => u128::try_from(Amount::parse(text, SHARE_SCALE).ok()?.units()).ok(),
        }
    }

    fn of(text: &str) -> Option<Self> {
        if text == "waived" {
            return Some(Self::Waived);
        }
        let amount = Amount::parse(text, WIDEST).ok()?;
        (!amount.is_negative() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
            .then(|| Self::Set(text.to_owned()))
    }
}

impl Setting for Bound {
    const WANTED: &'static str = "a number, like \"100000\", \"0.05\" or \"waived\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let node = interpreted(node);
        let text = match &node.value {
            Value::Text(text) | Value::Float(text) | Value::Raw(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Bool(_) | Value::Datetime(_) | Value::List(_) | Value::Table(_) => {
                wrong_type(&node, at, reading, None);
                return None;
            }
        };
        let bound = Self::of(&text);
        if bound.is_none() {
            let message = format!("{} cannot be \"{}\"", at.name(), shown(&text));
            reading.refuse(
                Kind::BadValue,
                &node.origin,
                message,
                "write a number from 0 without an exponent, like \"100000\" or \"0.05\", or \"waived\" for none at all",
            );
        }
        bound
    }
}

/// The value of a limit that is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Somebody decided that there is none.
    Waived,
    /// So long.
    For(Duration),
}

impl Setting for Span {
    const WANTED: &'static str = "a duration, like \"500ms\", \"1s\" or \"waived\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if text_of(node).as_deref() == Some("waived") {
            Some(Self::Waived)
        } else {
            Duration::read(node, at, reading).map(Self::For)
        }
    }
}

impl Span {
    /// As the gate counts it.
    pub fn limit(self) -> Limit {
        match self {
            Self::Waived => Limit::Waived,
            Self::For(span) => Limit::Set(span.as_millis()),
        }
    }
}

/// What is wrong with a value, beyond its form, before the scales of money and quantities are known; and what to write.
pub(super) fn wrong(name: LimitName, bound: &Bound) -> Option<(String, String)> {
    let Bound::Set(text) = bound else { return None };
    let fits = |scale: Scale| Amount::parse(text, scale).ok();
    match name.unit() {
        Unit::Share => match fits(SHARE_SCALE) {
            None => Some(("it has more than six decimals".to_owned(), "round it".to_owned())),
            Some(share) if share.units() > 1_000_000 => {
                let percent = format!("{text} % is written \"{}\"", hundredth(text));
                Some(("a share is a fraction of one, at most 1".to_owned(), percent))
            }
            Some(_) => None,
        },
        Unit::Times => match fits(TIMES_SCALE) {
            None => Some(("it has more than two decimals".to_owned(), "round it".to_owned())),
            Some(times) if times.units() < 100 => {
                Some(("a leverage is 1 or more".to_owned(), "write \"1\" for no leverage at all".to_owned()))
            }
            Some(_) => None,
        },
        Unit::Count | Unit::Milliseconds => match text.contains('.') {
            true => Some(("it is a whole number".to_owned(), "write it without a point".to_owned())),
            false => None,
        },
        Unit::Money | Unit::Quantity => None,
    }
}

/// The hundredth of a decimal text: `5` gives `0.05`, `12.5` gives `0.125`.
fn hundredth(text: &str) -> String {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let padded = format!("{whole:0>3}");
    let (before, after) = padded.split_at(padded.len() - 2);
    let number = format!("{before}.{after}{decimals}");
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_limit() {
        for good in ["0", "100000", "0.05", "12345678901234567890.5"] {
            assert_eq!(Bound::of(good), Some(Bound::Set(good.to_owned())), "{good}");
        }
        assert_eq!(Bound::of("waived"), Some(Bound::Waived));
        for bad in ["", "-1", "+1", "1e3", "inf", "nan", "off", "1_000", " 1", "0.1234567890123456789"] {
            assert_eq!(Bound::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn per_cent_is_told_how_it_is_written() {
        let told = |text: &str| wrong(LimitName::DailyLoss, &Bound::Set(text.to_owned()));
        assert!(told("0.2").is_none() && told("1").is_none());
        assert_eq!(told("20").map(|(_, help)| help).as_deref(), Some("20 % is written \"0.2\""));
        assert_eq!(told("12.5").map(|(_, help)| help).as_deref(), Some("12.5 % is written \"0.125\""));
        assert_eq!(told("5").map(|(_, help)| help).as_deref(), Some("5 % is written \"0.05\""));
        assert!(wrong(LimitName::Leverage, &Bound::Set("0.5".to_owned())).is_some());
        assert!(wrong(LimitName::TradesPerDay, &Bound::Set("1.5".to_owned())).is_some());
    }
}
