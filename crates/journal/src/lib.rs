//! The journal of a failstop system: an append-only, hash-chained event log that tells a torn tail from damage by proof.
//!
//! The ways in:
//!
//! - [`recover`] reads and judges what the disk holds, then [`Recovered::start`] opens it for appending; [`Recorder`] is the
//!   thread that commits in groups.
//! - [`verify`] checks a journal without writing, also beside a running engine.
//! - [`ledger::Book`] is the fold of capital, positions, strategies and orders, and the judge of what may be recorded;
//!   [`snapshot`] keeps its state as a file for each day.
//! - [`Head`] is the chain's arithmetic, for whoever remembers heads outside the host.
//!
//! The format, the fault model and the recovery table are in `docs/journal-format.md`. Everything goes through [`Storage`], so
//! that the code that runs on a disk is the code that a simulation crashes at every operation.

mod chain;
mod jid;
mod journal;
pub mod ledger;
mod lines;
mod payload;
mod range;
mod reader;
mod record;
mod recorder;
mod recovery;
mod segment;
mod sha256;
pub mod snapshot;
mod storage;
mod time;
pub mod verify;

pub use chain::{FORMAT, Head, NotAHead};
pub use jid::{Jid, NoRandomness, NotAJid};
pub use journal::{Importance, Journal, JournalError, Settings};
pub use payload::{DEPTH_MAX, PAYLOAD_MAX, PayloadError, check as check_payload};
pub use range::{Range, RangeError, read_range};
pub use reader::{Record, read_opening, read_records};
pub use record::{Glance, KIND_MAX, LINE_MAX, SEG_CLOSE, SEG_OPEN, SEQ_END, glance, is_kind};
pub use recorder::{AppendError, Bounds, Entry, Failure, Handle, Progress, Recorder, Written};
pub use recovery::{OpenError, Recovered, Verdict, recover};
pub use segment::{
    BALLAST, JOURNAL_DIR, PrevSegment, SUMS, SegClose, SegOpen, TORN_DIR, Torn, segment_first, segment_name,
};
pub use storage::{Disk, Storage, StorageFile};
pub use time::Wall;
pub use verify::{
    Checkpoint, Class, Outcome, Position, Report, TornTail, VerifyError, Violation, verify, verify_since,
};
