//! Wallet addresses in texts that leave the engine, or that stay in its journal: only their last characters are shown. For the log,
//! alerts, what bots say, and every page.
//!
//! What is an address is told by its form and, where the form has one, by its check sum ([`shape`]), so that ids of orders,
//! hashes and records keep every character. It is done to texts, never to a field that something is found by.

mod escape;
mod shape;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is shown of an address: so many of its last characters.
pub const SHOWN: usize = 6;

/// No address is longer, characters.
pub const LONGEST: usize = shape::LONGEST;

/// What stands in the place of a key that spends.
const COVER: &str = "(covered)";

/// Whether anything is covered. One for the process: what is logged comes from every thread of it.
static ON: AtomicBool = AtomicBool::new(true);

/// Covers addresses from here on, or shows them whole.
pub fn set(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

/// `text` as it may be shown.
pub fn text(text: &str) -> Cow<'_, str> {
    match line(text.as_bytes()) {
        // Only letters and digits were replaced, by whole characters: it is as much UTF-8 as before.
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        Cow::Borrowed(_) => Cow::Borrowed(text),
    }
}

/// A text that is kept as it may be shown.
pub fn owned(given: String) -> String {
    match text(&given) {
        Cow::Borrowed(_) => given,
        Cow::Owned(covered) => covered,
    }
}

/// The same where there may be none.
pub fn option(given: Option<String>) -> Option<String> {
    given.map(owned)
}

/// At most `most` characters of `text` as it may be shown, fit to print; behind what is cut stand three dots.
pub fn shortened(given: &str, most: usize) -> String {
    // Covered first: what is cut off an address makes it none.
    let covered = text(given);
    let shown = crate::printable::printable(&covered);
    let mut short: String = shown.chars().take(most).collect();
    if short.len() < shown.len() {
        short.push_str("...");
    }
    short
}

/// Lines that need not be UTF-8, as they may be shown.
pub fn lines(given: Vec<u8>) -> Vec<u8> {
    if !ON.load(Ordering::Relaxed) {
        return given;
    }
    covered(&given).unwrap_or(given)
}

/// A line that need not be UTF-8, as it may be shown.
pub fn line(given: &[u8]) -> Cow<'_, [u8]> {
    if !ON.load(Ordering::Relaxed) {
        return Cow::Borrowed(given);
    }
    covered(given).map_or(Cow::Borrowed(given), Cow::Owned)
}

/// `text` with every address in it covered; `None` where there is none.
///
/// Words of ordinary texts are shorter than the shortest address, so most of a text is passed over: of each stretch as long as
/// one, only what lies behind its last break is looked at again.
fn covered(text: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let (mut copied, mut from) = (0, 0);
    while let Some(stretch) = text.get(from..from + shape::SHORTEST) {
        if let Some(breaks) = stretch.iter().rposition(|byte| !byte.is_ascii_alphanumeric()) {
            from += breaks + 1;
            continue;
        }
        let rest = text.get(from + shape::SHORTEST..).unwrap_or_default();
        let more = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let end = from + shape::SHORTEST + more;
        let word = text.get(from..end).unwrap_or_default();
        let before = text.get(..from).unwrap_or_default();
        if let Some(found) = shape::find(word, escape::within(before, word)) {
            let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(text.get(copied..from + found.starts).unwrap_or_default());
            match found.kind {
                shape::Kind::Address => {
                    out.extend_from_slice("…".as_bytes());
                    out.extend_from_slice(text.get(end - SHOWN..end).unwrap_or_default());
                }
                shape::Kind::Key => out.extend_from_slice(COVER.as_bytes()),
            }
            copied = end;
        }
        from = end;
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests;
