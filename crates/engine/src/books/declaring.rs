//! What a configuration declares, held against a journal that was written under another one.

use crate::config::Declared;
use failstop_journal::Wall;
use failstop_journal::ledger::{At, Book, Entry, Violation};

/// What may not be declared in the journal of this book, each with why: a scale never changes.
pub fn contradictions(declared: &Declared, book: &Book) -> Vec<(Entry, Violation)> {
    let mut book = book.clone();
    let at = At { seq: u64::MAX, epoch: u64::MAX, time: Wall::now() };
    let judged = declared.entries().into_iter().map(|entry| (book.apply(&at, &entry), entry));
    judged.filter_map(|(judged, entry)| Some((entry, judged.err()?))).collect()
}
