//! An order as the gate is asked about it, and as the gate reads it: names become indices, texts become units. What does not fit the
//! instrument's scale is refused; nothing is rounded.

use crate::gate::limit::TIMES_SCALE;
use crate::id::Slot;
use core::hash::Hasher;
use failstop_amount::{Amount, Scale};
use serde::{Deserialize, Serialize};
use std::hash::DefaultHasher;

/// The longest name of an account, an instrument, a source, a user or an override, and the longest client id, in bytes.
pub const NAME_MAX: usize = 64;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Buys.
    Buy,
    /// Sells.
    Sell,
}

/// What an order is for, as the bot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Opens or enlarges a position, or says nothing.
    Entry,
    /// Shrinks or closes one: refused where it would not.
    Exit,
    /// An entry that copies somebody else's trade.
    Copy,
}

/// An order, before it is sent. Numbers come as text and are read at the instrument's scales: an optional `-`, digits, and at most
/// as many decimals as the scale has.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Who asks, as the host established it; [`Slot::SYSTEM`] where it is no component.
    pub component: Slot,
    /// The bot's own id of it: 1 to 64 printable ASCII characters without spaces, used once.
    pub client_id: &'a str,
    /// On whose behalf, where the bot trades for several.
    pub user: Option<&'a str>,
    /// In which account.
    pub account: &'a str,
    /// Of which instrument.
    pub instrument: &'a str,
    /// What for.
    pub kind: Kind,
    /// Which way.
    pub side: Side,
    /// How much, above zero.
    pub quantity: &'a str,
    /// The limit price, above zero; `None` for a market order.
    pub price: Option<&'a str>,
    /// The leverage, 1 or more, at most two decimals. `None`: that of the position, or 1 for spot.
    pub leverage: Option<&'a str>,
    /// Whether it must reduce: refused where it would not.
    pub reduce_only: bool,
    /// Whether it must reach the exchange: refused in `dry`.
    pub live: bool,
}

/// A text of at most [`NAME_MAX`] bytes, kept without allocating, with the number by which it is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortText {
    print: u64,
    bytes: [u8; NAME_MAX],
    len: u8,
}

impl ShortText {
    /// Keeps it, where it is a name.
    pub fn of(text: &str) -> Option<Self> {
        if !is_name(text) {
            return None;
        }
        let mut bytes = [0; NAME_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { print: fingerprint(text), bytes, len: u8::try_from(text.len()).ok()? })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text, unread.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Its [`fingerprint`].
    pub fn print(&self) -> u64 {
        self.print
    }
}

impl core::fmt::Debug for ShortText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Whether a text can name something: 1 to [`NAME_MAX`] printable ASCII characters without spaces.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Units above zero.
pub(crate) fn positive(text: &str, scale: Scale) -> Option<u128> {
    let units = Amount::parse(text, scale).ok()?.units();
    u128::try_from(units).ok().filter(|units| *units > 0)
}

/// A leverage in hundredths, 1 or more.
pub(crate) fn leverage(text: &str) -> Option<u128> {
    positive(text, TIMES_SCALE).filter(|times| *times >= crate::gate::limit::TIMES_ONE)
}

/// An order whose every part was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub client: ShortText,
    /// By index of the policy.
    pub component: Option<u8>,
    pub user: Option<ShortText>,
    pub account: usize,
    pub instrument: usize,
    pub kind: Kind,
    pub side: Side,
    pub quantity: u128,
    pub price: Option<u128>,
    pub leverage: Option<u128>,
    pub paper: bool,
}

impl Placed {
    /// What makes another order the same: everything but its id, and what it is for.
    pub fn content(&self) -> Content {
        Content {
            component: self.component,
            user: self.user.map(|user| user.print()),
            account: self.account,
            instrument: self.instrument,
            side: self.side,
            quantity: self.quantity,
            price: self.price,
            leverage: self.leverage,
        }
    }
}

/// What an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub component: Option<u8>,
    /// His fingerprint.
    user: Option<u64>,
    account: usize,
    pub instrument: usize,
    pub side: Side,
    quantity: u128,
    price: Option<u128>,
    leverage: Option<u128>,
}

impl Content {
    /// A number to look for it by. Others may share it: it is made of what differs most, and fast.
    pub fn number(&self) -> u64 {
        let mut number = self.instrument as u64;
        for part in [self.quantity, self.price.unwrap_or(0), self.side as u128] {
            number = (number ^ part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        }
        number
    }
}

/// A quantity with the sign of its side.
pub(crate) fn signed(side: Side, quantity: u128) -> Option<i128> {
    let quantity = i128::try_from(quantity).ok()?;
    Some(match side {
        Side::Buy => quantity,
        Side::Sell => -quantity,
    })
}

/// Sixty-four bits that stand for a text, the same in every life of the program; made anew from texts, never journaled.
pub(crate) fn fingerprint(text: &str) -> u64 {
    // Not random: what is remembered must not differ from run to run.
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    // Zero is kept for an empty place.
    hasher.finish().max(1)
}
