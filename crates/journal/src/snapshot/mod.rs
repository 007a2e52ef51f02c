//! Snapshots: the state of capital, positions, strategies, orders, halts and mode at one record of the journal, as a file that can be
//! read with grep and jq and checked with sha256sum. `docs/snapshot-format.md` is normative.
//!
//! A snapshot proves nothing alone. The journal names it by its sum, it names the journal's record by its hash and the snapshot before
//! by its sum, and replay of the journal gives it byte for byte: that is what verification compares.

mod body;
mod difference;
mod file;
mod line;
mod store;

pub use file::{Damage, Identity, Snapshot, TakeError};
pub use line::{Header, Line, Prev, Trailer};
pub use store::{KEPT_LEAST, StoreError, list, read, retirable, retire, write};

pub(crate) use body::Closings;
pub(crate) use difference::difference;
pub(crate) use store::path_of;

/// The format's name.
pub const FORMAT: &str = "failstop-snapshot/1";

/// The folder of snapshots, within the state directory.
pub const SNAPSHOT_DIR: &str = "snapshots";

/// The largest snapshot that is written or read, in bytes. A book with everything at its bounds can be larger; no snapshot is taken of
/// it then, and that is said ([`TakeError::TooLarge`]).
pub const SNAPSHOT_MAX: u64 = 32 << 20;

/// The name of the snapshot of this record.
pub fn snapshot_name(seq: u64) -> String {
    format!("s-{seq:016}.ndjson")
}

/// The record of the snapshot with this name, if it is one.
pub fn snapshot_seq(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("s-")?.strip_suffix(".ndjson")?;
    let canonical = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical { digits.parse().ok() } else { None }
}
