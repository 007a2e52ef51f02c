//! The key of an incident: of our own making, the same after a restart and on two watchdogs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Names one incident everywhere: in the outbox, at PagerDuty (`dedup_key`), in message ids, in `alerts ack`.
///
/// 1 to 255 bytes of printable ASCII without spaces, made by the caller from what the incident is about:
/// `system/cause[/component]/number`. A number that was used once is never used again for another incident: a trigger whose
/// key was resolved already is refused, because a service would open a second incident for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Nothing in it.
    #[error("the key of an incident is empty")]
    Empty,
    /// Longer than 255 bytes, which is what the strictest service takes.
    #[error("the key of an incident is {0} bytes long; at most {max} are possible", max = Key::MAX_BYTES)]
    TooLong(usize),
    /// Something other than printable ASCII without spaces.
    #[error("the key of an incident has the character {0:?}; letters, digits and punctuation are possible")]
    Character(char),
}

impl Key {
    /// The longest key, bytes. PagerDuty takes no longer one.
    pub const MAX_BYTES: usize = 255;

    /// Takes a key as it is.
    ///
    /// # Errors
    ///
    /// [`KeyFault`], when the text is not 1 to 255 bytes of printable ASCII without spaces.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        if text.is_empty() {
            return Err(KeyFault::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(KeyFault::TooLong(text.len()));
        }
        match text.chars().find(|c| !c.is_ascii_graphic()) {
            Some(c) => Err(KeyFault::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// `system/cause[/component]/number`.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`]: a part with a space or a letter outside ASCII, or too much of it.
    pub fn of(system: &str, cause: &str, component: Option<&str>, number: u64) -> Result<Self, KeyFault> {
        match component {
            Some(component) => Self::parse(&format!("{system}/{cause}/{component}/{number}")),
            None => Self::parse(&format!("{system}/{cause}/{number}")),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = KeyFault;

    fn try_from(text: String) -> Result<Self, KeyFault> {
        Self::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_of_its_parts() {
        assert_eq!(Key::of("demo", "hung", Some("bot"), 7).map(String::from), Ok("demo/hung/bot/7".into()));
        assert_eq!(Key::of("demo", "storage", None, 1).map(String::from), Ok("demo/storage/1".into()));
    }

    #[test]
    fn what_a_service_would_refuse_is_refused_here() {
        assert_eq!(Key::parse(""), Err(KeyFault::Empty));
        assert_eq!(Key::parse("a b"), Err(KeyFault::Character(' ')));
        assert_eq!(Key::parse("a\r\nX: y"), Err(KeyFault::Character('\r')));
        assert_eq!(Key::parse("dé"), Err(KeyFault::Character('é')));
        assert!(Key::parse(&"k".repeat(255)).is_ok());
        assert_eq!(Key::parse(&"k".repeat(256)), Err(KeyFault::TooLong(256)));
    }
}
