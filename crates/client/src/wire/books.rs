//! What a bot says about money: postings, fills, what it sees in its accounts, its positions and the states of its strategies.
//!
//! Amounts go as decimals in texts, `"0.10"`: a JSON number passes through a binary float on most ways, and a binary float
//! cannot hold a tenth. How many decimals an asset has is the configuration's to say, so that here only the form is judged.

use super::gate::{optional_entry, optional_leverage};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// The longest amount, in bytes: the longest that an `i128` can be at the finest scale, and some.
pub const MAX_AMOUNT: usize = 48;
/// The most legs of one posting or fill.
pub const MAX_LEGS: usize = 64;
/// The longest `reason`, in bytes.
pub const MAX_REASON: usize = 1_024;

/// See [`super::Message::Posting`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The id that this change of capital has outside: the venue's, or the bot's own. It is booked once; said again with the
    /// same content it is answered with the number of the first time.
    #[serde(rename = "ref")]
    pub reference: String,
    /// 2 to [`MAX_LEGS`], which sum to zero for each asset.
    pub legs: Vec<Leg>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One leg of a posting: what comes into one account, or goes out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Which asset, as the configuration names it.
    pub asset: String,
    /// Which account: a configured one, or one of the outside accounts: `venue` (deposits, withdrawals, the other side of trades), `fees`
    /// (paid), `funding` (and interest), `pnl`, `suspense` (not explained yet). What goes to `fees` and `funding` counts for the daily
    /// loss, so a deposit never goes there.
    pub account: String,
    /// Which pool; exactly where the account is a configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// How much comes in; below zero what goes out.
    #[serde(deserialize_with = "amount")]
    pub amount: String,
}

impl Leg {
    /// What comes into a pool of an account of one's own.
    pub fn inside(asset: &str, account: &str, pool: &str, amount: &str) -> Self {
        Self { pool: Some(pool.to_owned()), ..Self::outside(asset, account, amount) }
    }

    /// What comes into one of the outside accounts.
    pub fn outside(asset: &str, account: &str, amount: &str) -> Self {
        Self { asset: asset.to_owned(), account: account.to_owned(), pool: None, amount: amount.to_owned() }
    }
}

/// Which way a fill goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// It buys.
    Buy,
    /// It sells.
    Sell,
}

/// See [`super::Message::Fill`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The venue's id of the trade. It is booked once, as a posting's.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The order that it belongs to, by the bot's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// Which way.
    pub side: Side,
    /// How much, above zero.
    #[serde(deserialize_with = "quantity")]
    pub quantity: String,
    /// At which price.
    #[serde(deserialize_with = "price")]
    pub price: String,
    /// What it did to capital, under the rules of a posting; absent where the bot says that in postings of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<Leg>,
}

/// See [`super::Message::Capital`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capital {
    /// Which account.
    pub account: String,
    /// Which asset.
    pub asset: String,
    /// All of it.
    #[serde(deserialize_with = "total")]
    pub total: String,
    /// What can be used.
    #[serde(deserialize_with = "free")]
    pub free: String,
    /// What is bound in orders and positions. Free and locked sum to the total.
    #[serde(deserialize_with = "locked")]
    pub locked: String,
}

/// See [`super::Message::Position`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// How much; below zero when short.
    #[serde(deserialize_with = "quantity")]
    pub quantity: String,
    /// It is from before the journal: taken over as it is, where the book knows nothing of it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opening: bool,
    /// Its average entry price, for the gate.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_entry")]
    pub entry: Option<String>,
    /// Its leverage, for the gate.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_leverage")]
    pub leverage: Option<String>,
}

/// See [`super::Message::StrategyState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyState {
    /// Which strategy, as the configuration names it.
    pub strategy: String,
    /// Which instance of it, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The state that the bot holds it to have been in; compared where it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state that it is in now.
    pub to: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// See [`super::Message::SnapshotRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRequest {
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Readers of amounts, one a field, so that what is said of a bad one names it.
macro_rules! decimal_fields {
    ($($field:ident)*) => {
        $(
            pub(super) fn $field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
                deserializer.deserialize_any(Decimal(stringify!($field)))
            }
        )*
    };
}

pub(super) use decimal_fields;

decimal_fields!(amount quantity price total free locked);

/// A decimal in a text. The name is the field's.
pub(super) struct Decimal(pub(super) &'static str);

impl de::Visitor<'_> for Decimal {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in `{}` a decimal amount as a text, like \"0.10\" or \"-3\" (digits, at most one point, no exponent): a JSON \
             number may pass through a binary float on its way, which cannot hold it",
            self.0
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if is_decimal(text) { Ok(text.to_owned()) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
    }
}

/// An optional `-`, digits, and if need be a point and digits; within [`MAX_AMOUNT`] bytes.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    text.len() <= MAX_AMOUNT
        && match unsigned.split_once('.') {
            Some((whole, decimals)) => digits(whole) && digits(decimals),
            None => digits(unsigned),
        }
}

#[cfg(test)]
mod tests {
    use super::is_decimal;

    #[test]
    fn what_has_the_form_of_an_amount() {
        for good in ["0", "-0.5", "12.340", "170141183460469231731687303715884105727"] {
            assert!(is_decimal(good), "{good}");
        }
        let long = "9".repeat(super::MAX_AMOUNT + 1);
        for bad in ["", "-", ".5", "5.", "+1", "1e3", "1,5", " 1", "1 ", "--1", "1.2.3", "0x1", "NaN", "\u{661}", &long]
        {
            assert!(!is_decimal(bad), "{bad}");
        }
    }
}
