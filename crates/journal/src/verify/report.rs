//! What a verification found, as people and scripts get it.

use crate::chain::Head;
use crate::jid::Jid;
use crate::segment::segment_name;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The record's body differs from what was hashed.
    BodyChanged,
    /// The record's hash text differs; its body is what was hashed.
    HashChanged,
    /// Records are missing between two lines.
    Gap,
    /// The same record stands there twice.
    Duplicate,
    /// Another record with the same sequence number, or another journal's.
    Fork,
    /// Records stand in another order than they were written.
    Reorder,
    /// Bytes are missing at the end of a file.
    Truncation,
    /// A whole file is missing.
    MissingSegment,
    /// Zero bytes where records were.
    ZeroFilled,
    /// Bytes that no writer of this format wrote.
    ForeignBytes,
    /// The chain holds, but the writer broke a rule of the format.
    Protocol,
    /// The disk cannot read it.
    Unreadable,
    /// The list of sums and the file disagree.
    Sums,
    /// A record that was acknowledged is not there.
    AcknowledgedLost,
    /// A payload that is not what its record type says.
    Payload,
    /// A record of the ledger, of strategies or of orders breaks a rule of `docs/ledger.md`.
    Ledger,
    /// A snapshot that the journal names is not there.
    SnapshotMissing,
    /// A snapshot's own sum or form is broken.
    SnapshotDamaged,
    /// A snapshot and the journal, or the snapshot before, name one another otherwise.
    SnapshotUnbound,
    /// A snapshot is sound and bound, but replay of the journal gives another.
    SnapshotDiffers,
    /// A record's time goes back within one boot, or lies in the future.
    Time,
    /// Another record than somebody outside the journal remembers, though the chain holds.
    Rewrite,
    /// The journal ends before a record that somebody outside the journal remembers.
    Rollback,
}

impl Class {
    /// Its name in JSON and text.
    pub fn name(self) -> &'static str {
        match self {
            Self::BodyChanged => "body-changed",
            Self::HashChanged => "hash-changed",
            Self::Gap => "gap",
            Self::Duplicate => "duplicate",
            Self::Fork => "fork",
            Self::Reorder => "reorder",
            Self::Truncation => "truncation",
            Self::MissingSegment => "missing-segment",
            Self::ZeroFilled => "zero-filled",
            Self::ForeignBytes => "foreign-bytes",
            Self::Protocol => "protocol",
            Self::Unreadable => "unreadable",
            Self::Sums => "sums",
            Self::AcknowledgedLost => "acknowledged-lost",
            Self::Payload => "payload",
            Self::Ledger => "ledger",
            Self::SnapshotMissing => "snapshot-missing",
            Self::SnapshotDamaged => "snapshot-damaged",
            Self::SnapshotUnbound => "snapshot-unbound",
            Self::SnapshotDiffers => "snapshot-differs",
            Self::Time => "time",
            Self::Rewrite => "rewrite",
            Self::Rollback => "rollback",
        }
    }
}

impl Class {
    /// Whether such damage can be why a record is not found: it broke the chain, or says itself that records are gone.
    pub(super) fn takes_records(self) -> bool {
        match self {
            Self::BodyChanged
            | Self::HashChanged
            | Self::Gap
            | Self::Duplicate
            | Self::Fork
            | Self::Reorder
            | Self::Truncation
            | Self::MissingSegment
            | Self::ZeroFilled
            | Self::ForeignBytes
            | Self::Protocol
            | Self::Unreadable
            | Self::AcknowledgedLost
            | Self::Rewrite
            | Self::Rollback => true,
            Self::Sums
            | Self::Payload
            | Self::Ledger
            | Self::SnapshotMissing
            | Self::SnapshotDamaged
            | Self::SnapshotUnbound
            | Self::SnapshotDiffers
            | Self::Time => false,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A place where the journal is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub class: Class,
    /// The file's name within the journal's folder; `snapshots/` and its name for a snapshot.
    pub file: String,
    /// The line, from 1; 0 where the file itself is missing.
    pub line: u64,
    /// The sequence number that the chain expects at this place: the one after the last verified record before it.
    pub seq: u64,
    /// The byte at which the line begins.
    pub offset: u64,
    /// In words.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, file, line, seq, offset, detail } = self;
        write!(f, "{class}: {file} line {line}, seq {seq}, byte {offset}: {detail}")
    }
}

/// Bytes at the end of the journal that a crash left there; they were never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TornTail {
    /// The file's name within the journal's folder.
    pub file: String,
    /// Where they begin.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

/// The last record of the longest valid prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash.
    pub hash: Head,
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing is wrong.
    Intact,
    /// Something is wrong.
    Violated,
    /// It could not be found out.
    Unverifiable,
}

impl Outcome {
    /// Its name in JSON and text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Violated => "violated",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// Where the longest valid prefix ends, for the next verification to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The first sequence number of its last segment.
    pub first: u64,
    /// The last record's sequence number.
    pub seq: u64,
    /// The byte of that segment behind it.
    pub offset: u64,
    /// The highest sequence number that is proven to be durable: what is behind it, a loss of power may still take.
    pub durable: u64,
}

/// From where an incremental verification went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The last record that was trusted.
    pub seq: u64,
    /// When that was verified, RFC 3339 UTC.
    pub at: String,
}

/// What an incremental verification read again of what had been verified before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// Old segments that were verified again.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of old segments that this round has yet to see.
    pub left_bytes: u64,
    /// When the round began, RFC 3339 UTC.
    pub round_began: String,
    /// When it will be over at the rhythm of the last two runs, RFC 3339 UTC; absent where the rhythm is not known.
    pub round_ends: Option<String>,
    /// The first sequence number of the segment with which the next run goes on.
    #[serde(skip)]
    pub next: u64,
}

/// What a witness's memory was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// The witness's name.
    pub witness: String,
    /// How many of its points the journal agrees with.
    pub agreed: u64,
    /// The last record that both agree on.
    pub last_agreed: Option<u64>,
}

/// What a verification found. The JSON of `verify-data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The verdict.
    pub result: Outcome,
    /// Well-formed records.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// The last record; absent in an empty journal.
    pub head: Option<Position>,
    /// Every violation, in the journal's order; at most [`crate::verify::VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    /// Violations beyond those.
    pub more_violations: u64,
    /// The torn tail, which is not a violation.
    pub torn_tail: Option<TornTail>,
    /// The system's name, as the journal has it.
    pub origin: Option<String>,
    /// The journal's identity.
    pub jid: Option<Jid>,
    /// What is odd and breaks no rule.
    #[serde(default)]
    pub warnings: Vec<Violation>,
    /// What was found by replay, where it was replayed.
    #[serde(default)]
    pub deep: Option<super::deep::Deep>,
    /// From where it went on, where it did not read everything.
    #[serde(default)]
    pub since: Option<Since>,
    /// What it read again beside that.
    #[serde(default)]
    pub scrub: Option<Scrub>,
    /// What a witness's memory said.
    #[serde(default)]
    pub witness: Option<Witnessed>,
    /// What people should know of how it was verified.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Where the longest valid prefix ends.
    #[serde(skip)]
    pub end: Option<End>,
    /// Why it could not be verified, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Report {
    /// The report on a journal that is gone as a whole, though `detail` says that there was one.
    pub fn lost(detail: String) -> Self {
        let file = segment_name(1);
        let gone = Violation { class: Class::MissingSegment, file, line: 0, seq: 1, offset: 0, detail };
        Self { result: Outcome::Violated, violations: vec![gone], error: None, ..Self::without_a_verdict() }
    }

    /// The report of a verification that could not be done.
    pub fn unverifiable(error: &super::VerifyError) -> Self {
        Self::could_not(error.to_string())
    }

    /// The same, for another reason.
    pub fn could_not(why: String) -> Self {
        Self { error: Some(why), ..Self::without_a_verdict() }
    }

    pub(super) fn without_a_verdict() -> Self {
        Self {
            result: Outcome::Unverifiable,
            records: 0,
            bytes: 0,
            segments: 0,
            head: None,
            violations: Vec::new(),
            more_violations: 0,
            torn_tail: None,
            origin: None,
            jid: None,
            warnings: Vec::new(),
            deep: None,
            since: None,
            scrub: None,
            witness: None,
            notes: Vec::new(),
            end: None,
            error: None,
            seconds: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_verdict_is_called_as_it_is_written() {
        for outcome in [Outcome::Intact, Outcome::Violated, Outcome::Unverifiable] {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
    }
}
