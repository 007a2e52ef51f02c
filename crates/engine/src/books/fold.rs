//! The book as the journal's files give it, from the first record on: for checks and for commands that need no engine.

use failstop_journal::ledger::{Book, Unsound};
use failstop_journal::read_records;
use std::io;
use std::path::Path;

/// What a fold of the whole journal gave.
#[derive(Debug)]
pub struct Folded {
    /// The book.
    pub book: Book,
    /// The first record that breaks a rule, with its number.
    pub unsound: Option<(u64, Unsound)>,
}

/// Folds the journal of a state directory. Memory has the book's own bounds, whatever the journal's length. Lines that their hash
/// does not vouch for are left out; that there are any is for verification to say.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn fold(state: &Path) -> io::Result<Folded> {
    let mut folded = Folded { book: Book::new(), unsound: None };
    read_records::<io::Error>(state, 0, |record| {
        if let Err(wrong) = folded.book.replay(&record)
            && folded.unsound.is_none()
        {
            folded.unsound = Some((record.seq, wrong));
        }
        Ok(())
    })?;
    Ok(folded)
}
