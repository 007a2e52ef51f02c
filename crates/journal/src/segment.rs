//! Segments: their names, the payloads of their first and last lines, and the list of sums over the sealed ones.

use crate::chain::Head;
use crate::jid::Jid;
use crate::storage::Storage;
use crate::verify::Violation;
use serde::{Deserialize, Serialize};
use std::io;

/// The folder of the segments, within the state directory.
pub const JOURNAL_DIR: &str = "journal";

/// The folder of torn tails, within the state directory.
pub const TORN_DIR: &str = "torn";

/// The list of sums over sealed segments, within the journal's folder; `sha256sum -c` reads it.
pub const SUMS: &str = "SHA256SUMS";

/// The reserve that is given up when the disk is full, within the state directory.
pub const BALLAST: &str = "ballast";

/// The name of the segment whose first record has this sequence number.
pub fn segment_name(first: u64) -> String {
    format!("j-{first:016}.ndjson")
}

/// The first sequence number of the segment with this name, if it is one.
pub fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("j-")?.strip_suffix(".ndjson")?;
    let canonical = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit());
    if canonical { digits.parse().ok() } else { None }
}

/// The first sequence numbers of a journal's segments, in order.
pub(crate) fn firsts<S: Storage>(storage: &S) -> io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    storage.each_name(JOURNAL_DIR, &mut |name| firsts.extend(segment_first(name)))?;
    firsts.sort_unstable();
    Ok(firsts)
}

/// The payload of `seg.open`, a segment's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegOpen {
    /// [`crate::FORMAT`].
    pub fmt: String,
    /// The system's name.
    pub origin: String,
    /// The journal's identity.
    pub jid: Jid,
    /// Which segment this is, from 1.
    pub seg: u64,
    /// The sequence number of this very line.
    pub first: u64,
    /// The hash of the record before this line; in the first segment the journal's `h_0`.
    pub prev: Head,
    /// The segment before this one, as it was left; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_seg: Option<PrevSegment>,
    /// The host's boot.
    pub boot: String,
    /// The program that writes.
    pub writer: String,
    /// The torn tail that was cut off before this segment was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Torn>,
    /// The damage that was found before this segment was opened, and left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Violation>,
}

/// How a segment was left when its successor was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrevSegment {
    /// Its file's name.
    pub name: String,
    /// Its file's length.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
}

/// A torn tail and where it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// The segment's file name.
    pub file: String,
    /// Where the torn bytes began.
    pub offset: u64,
    /// How many there were.
    pub bytes: u64,
    /// Where they are kept, within the state directory.
    pub copy: String,
}

/// The payload of `seg.close`, a sealed segment's last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegClose {
    /// The segment's records, this line included.
    pub records: u64,
    /// The bytes before this line.
    pub bytes: u64,
    /// The segment's first sequence number.
    pub first: u64,
    /// The highest sequence number that was durable, as in the envelope.
    pub d: u64,
}

/// One line of the list of sums.
pub(crate) fn sums_line(digest: &[u8; 32], name: &str) -> Vec<u8> {
    let mut line = crate::chain::hex(digest).to_vec();
    line.extend_from_slice(b"  ");
    line.extend_from_slice(name.as_bytes());
    line.push(b'\n');
    line
}

/// The length of a line of the list of sums, its line feed included.
pub(crate) const SUM_LINE: usize = 64 + 2 + 25 + 1;

/// A line of the list of sums, its line feed included, read back: the sum, and the first sequence number of the segment.
pub(crate) fn sum_of(line: &[u8]) -> Option<([u8; 32], u64)> {
    let (digest, rest) = line.strip_suffix(b"\n")?.split_at_checked(64)?;
    let name = std::str::from_utf8(rest.strip_prefix(b"  ")?).ok()?;
    Some((Head::from_hex(digest)?.to_raw(), segment_first(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back_and_nothing_else_is_one() {
        assert_eq!(segment_name(1_284_001), "j-0000000001284001.ndjson");
        assert_eq!(segment_first("j-0000000001284001.ndjson"), Some(1_284_001));
        for other in
            ["j-1.ndjson", "j-00000000012840010.ndjson", "j-+000000001284001.ndjson", "J-0000000001284001.ndjson"]
        {
            assert_eq!(segment_first(other), None, "{other}");
        }
    }
}
