//! A level as it is written: a number, or `"off"`.

use failstop_settings::document::{Node, Value};
use failstop_settings::setting::{bad_value, wrong_type};
use failstop_settings::{At, Reading, Setting, interpreted};

/// A level may be so far from 0: whole numbers up to there lose no digit.
const FARTHEST: f64 = 9_007_199_254_740_992.0;

/// A level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// Not judged.
    Off,
    /// This, which is finite.
    At(f64),
}

impl Mark {
    /// The number, where it is one.
    pub const fn at(self) -> Option<f64> {
        match self {
            Self::Off => None,
            Self::At(level) => Some(level),
        }
    }

    fn of(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self::Off);
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
        let level: f64 = text.parse().ok().filter(|_| plain)?;
        (level.abs() <= FARTHEST).then_some(Self::At(level))
    }
}

impl Setting for Mark {
    const WANTED: &'static str = "a number, like 0.5, 8000000 or \"off\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let node = interpreted(node);
        let text = match &node.value {
            Value::Text(text) | Value::Float(text) | Value::Raw(text) => text.replace('_', ""),
            Value::Integer(number) => number.to_string(),
            Value::Bool(_) | Value::Datetime(_) | Value::List(_) | Value::Table(_) => {
                wrong_type(&node, at, reading, None);
                return None;
            }
        };
        let mark = Self::of(&text);
        if mark.is_none() {
            bad_value(&node, at, reading, &text, None);
        }
        mark
    }
}
