//! Who of a component may speak over its notify socket.

use failstop_settings::Choice;

/// From nobody to everybody; each lets in whom the one before does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nobody: the component has no notify socket.
    None,
    /// Its main process.
    Main,
    /// Its main process and its hooks.
    Exec,
    /// Every process of its tree.
    All,
}

impl Access {
    /// As `NOTIFYACCESS` says it.
    pub fn of_word(word: &[u8]) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| known.as_bytes() == word).map(|(_, access)| *access)
    }
}

impl Choice for Access {
    const WORDS: &'static [(&'static str, Self)] =
        &[("all", Self::All), ("exec", Self::Exec), ("main", Self::Main), ("none", Self::None)];
    const WANTED: &'static str = "\"all\", \"exec\", \"main\" or \"none\"";
}
