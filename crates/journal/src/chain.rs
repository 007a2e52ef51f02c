//! The hash chain: what a record's `h` is, given the one before it. For the writer, the verifier, and whoever keeps heads
//! outside the host.

use crate::jid::Jid;
use crate::sha256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The format's name, and the first line that the chain's first hash covers.
pub const FORMAT: &str = "failstop-journal/1";

/// A hash of the chain, as the 64 lower-case hexadecimal digits in which it stands in the journal and in which it is hashed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head([u8; 64]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a journal head is 64 lower-case hexadecimal digits")]
pub struct NotAHead;

impl Head {
    /// `h_0` of a journal: SHA-256 of the format's name, the origin and the journal's id, each with a line feed.
    pub fn genesis(origin: &str, jid: &Jid) -> Self {
        let text = format!("{FORMAT}\n{origin}\n{jid}\n");
        Self(hex(&sha256::digest(text.as_bytes())))
    }

    /// `h_n`, given `h_{n-1}` (`self`) and the line's bytes before `,"h":"`.
    #[inline]
    pub fn next(&self, body: &[u8]) -> Self {
        Self(hex(&sha256::after_block(&self.0, body)))
    }

    /// The head that these bytes spell, if they do.
    #[inline]
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let text: &[u8; 64] = text.try_into().ok()?;
        let mut good = true;
        for byte in text {
            good &= byte.is_ascii_digit() | (b'a'..=b'f').contains(byte);
        }
        good.then_some(Self(*text))
    }

    /// The head with these digits, which [`hex`] wrote.
    #[inline]
    pub(crate) fn from_digits(digits: [u8; 64]) -> Self {
        Self(digits)
    }

    /// The 64 digits.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The 32 bytes that the digits spell.
    pub fn to_raw(&self) -> [u8; 32] {
        let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
        std::array::from_fn(|index| (value(self.0[2 * index]) << 4) | value(self.0[2 * index + 1]))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many of the 64 digits differ.
    pub(crate) fn distance(&self, other: &Self) -> usize {
        self.0.iter().zip(other.0.iter()).filter(|(a, b)| a != b).count()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        Self::from_hex(text.as_bytes()).ok_or(NotAHead)
    }
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// 32 bytes as 64 lower-case digits, without branches so that the compiler vectorises it.
#[inline]
pub(crate) fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0u8; 64];
    for i in 0..32 {
        let (high, low) = (bytes[i] >> 4, bytes[i] & 15);
        out[2 * i] = high + b'0' + if high > 9 { b'a' - b'0' - 10 } else { 0 };
        out[2 * i + 1] = low + b'0' + if low > 9 { b'a' - b'0' - 10 } else { 0 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_lower_case_and_in_order() {
        let mut bytes = [0u8; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(i).unwrap_or(0).wrapping_mul(23);
        }
        let expected: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(std::str::from_utf8(&hex(&bytes)), Ok(expected.as_str()));
    }

    #[test]
    fn upper_case_is_not_a_head() {
        assert!(Head::from_hex(&[b'A'; 64]).is_none());
        assert!(Head::from_hex(&[b'a'; 63]).is_none());
        assert!(Head::from_hex(&[b'a'; 64]).is_some());
    }
}
