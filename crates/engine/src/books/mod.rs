//! The books as the engine keeps them: what is judged before it is recorded, what is folded once it is durable, and snapshots of
//! that. The rules are the journal's (`failstop_journal::ledger`); what follows from a broken one is the loop's (`app/books.rs`).

mod declaring;
mod fold;
mod keeper;
mod orders;
mod spoken;
mod taking;
mod telling;
mod view;

pub use declaring::contradictions;
pub use fold::{Folded, fold};
pub use keeper::{Books, Judgement, note_snapshots};
pub(crate) use orders::word as orders_word;
pub use orders::{order_list, orders_in_the_journal};
pub use spoken::spoken;
pub use taking::{NotMade, Request, make, retire_files};
pub use telling::{InFull, rule_of};
pub use view::{SnapshotFile, SnapshotsUnreadable, snapshot_entry, snapshot_files, snapshot_of};
