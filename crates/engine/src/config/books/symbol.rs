//! Names as venues give them: `USDT`, `BTC/USDT:USDT`, `kraken`.

use failstop_settings::document::{Node, Value};
use failstop_settings::setting::{as_quoted, text_of, wrong_type};
use failstop_settings::{At, Kind, MAX_NAME, Reading, Setting, shown};

/// The name of an asset, an account, a pool, an instrument, a strategy or a state: letters, digits and `- _ . / : @ # +`, 1 to
/// [`MAX_NAME`] of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(String);

impl Symbol {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a name, if it is one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@#+".contains(&byte);
        ((1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for Symbol {
    const WANTED: &'static str = "a name of letters, digits and - _ . / : @ # +, at most 64 of them, like \"BTC/USDT\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            wrong_type(node, at, reading, as_quoted(node));
            return None;
        };
        let symbol = Self::of(&text);
        if symbol.is_none() {
            let message = format!("{} has \"{}\", which is no name here", at.name(), shown(&text));
            reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
        }
        symbol
    }
}

/// A transition between two states: `idle -> entering`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrow {
    /// From this state.
    pub from: Symbol,
    /// To this one.
    pub to: Symbol,
}

impl std::fmt::Display for Arrow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

impl Setting for Arrow {
    const WANTED: &'static str = "two states with an arrow between them, like \"idle -> entering\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Value::Text(text) = &node.value else {
            wrong_type(node, at, reading, None);
            return None;
        };
        let arrow = text
            .split_once("->")
            .and_then(|(from, to)| Some(Self { from: Symbol::of(from.trim())?, to: Symbol::of(to.trim())? }));
        if arrow.is_none() {
            let message = format!("{} has \"{}\", which is no transition", at.name(), shown(text));
            reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
        }
        arrow
    }
}
