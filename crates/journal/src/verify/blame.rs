//! A well-formed line whose hash does not fit: what happened to it. Asks the line after it, and for repeated sequence numbers
//! the lines before it. Only ever called on damage, so it may read again.

use super::report::Class;
use super::scan::NEIGHBOUR;
use crate::chain::Head;
use crate::lines::{Chunk, Lines};
use crate::record::{Frame, Own, with_seq};
use crate::storage::StorageFile;

/// Two hashes that differ in at most this many of 64 digits are one hash with damage in its text: unrelated ones agree in four.
const NEAR: usize = 16;

/// The line after a damaged one.
pub(super) struct Neighbour {
    line: Vec<u8>,
    frame: Frame,
    head: Head,
}

impl Neighbour {
    /// The line that begins at `offset`, if there is a well-formed one.
    pub fn read<F: StorageFile>(file: &F, offset: u64, limit: u64) -> Option<Self> {
        let room = usize::try_from(limit.checked_sub(offset)?).unwrap_or(NEIGHBOUR).min(NEIGHBOUR);
        let mut line = vec![0; room];
        let mut got = 0;
        while got < room {
            match file.read_at(&mut line[got..], offset + got as u64) {
                Ok(0) | Err(_) => break,
                Ok(n) => got += n,
            }
        }
        let feed = memchr::memchr(b'\n', &line[..got])?;
        line.truncate(feed + 1);
        let frame = Frame::read(&line)?;
        let head = frame.head(&line)?;
        Some(Self { line, frame, head })
    }

    /// Whether it opens the segment that begins with this record.
    pub fn opens(&self, first: u64) -> bool {
        self.frame.own == Own::Open && self.frame.seq == first
    }

    /// Whether it was written after a record with this hash.
    pub fn follows(&self, previous: &Head) -> bool {
        previous.next(&self.line[..self.frame.hashed]) == self.head
    }
}

/// Whether bytes where a hash stood are nearly the digits of this one.
pub(super) fn is_near(head: &Head, text: &[u8; 64]) -> bool {
    head.as_bytes().iter().zip(text).filter(|(a, b)| a != b).count() <= NEAR
}

/// Where the chain goes on.
pub(super) enum Resume {
    Next { seq: u64, previous: Head },
    Anchor { seq: u64, previous: Head },
}

/// What happened to a line.
pub(super) struct Found {
    pub class: Class,
    pub detail: String,
    pub resume: Resume,
}

/// Judges a line at which the chain expects `seq` after `previous`, and whose hash does not fit that.
#[expect(clippy::too_many_arguments, reason = "one judgement over one place; a struct would only rename the list")]
pub(super) fn line<F: StorageFile>(
    file: &F,
    chunk: &Chunk<'_>,
    frame: &Frame,
    head: Head,
    seq: u64,
    previous: Head,
    next: Option<&Neighbour>,
    first: u64,
) -> Found {
    let computed = previous.next(&chunk.bytes[..frame.hashed]);
    if frame.seq == seq {
        let agreed = next.is_some_and(|next| next.follows(&computed));
        if agreed || computed.distance(&head) <= NEAR {
            let detail = if agreed {
                "the hash text of this record was changed (its body fits the next record's hash)"
            } else {
                "the hash text of this record was changed (its body hashes to nearly the same digits)"
            };
            let resume = Resume::Next { seq: seq + 1, previous: computed };
            return Found { class: Class::HashChanged, detail: detail.into(), resume };
        }
        return body_changed(head, seq, next);
    }
    if previous.next(&with_seq(chunk.bytes, frame, seq)) == head {
        return Found {
            class: Class::BodyChanged,
            detail: format!("the sequence number of this record was changed from {seq} to {}", frame.seq),
            resume: Resume::Next { seq: seq + 1, previous: head },
        };
    }
    let follows = next.is_some_and(|next| next.follows(&head));
    if frame.seq > seq {
        if next.is_some_and(|next| next.frame.seq == seq && next.follows(&previous)) {
            return Found {
                class: Class::Reorder,
                detail: format!("record {} stands before record {seq}", frame.seq),
                resume: Resume::Next { seq: frame.seq + 1, previous: head },
            };
        }
        if follows || next.is_none() {
            return Found {
                class: Class::Gap,
                detail: missing(seq, frame.seq - 1),
                resume: Resume::Next { seq: frame.seq + 1, previous: head },
            };
        }
        return body_changed(head, seq, next);
    }
    earlier(file, chunk, frame, head, seq, previous, first)
}

fn body_changed(head: Head, seq: u64, next: Option<&Neighbour>) -> Found {
    let detail = match next {
        Some(next) if next.follows(&head) => {
            "the body of this record was changed (its neighbours agree on the hash it had)"
        }
        Some(_) => "this record was changed, and its hash text or the next record too",
        None => "this record was changed (no record after it tells whether its body or its hash)",
    };
    let resume = Resume::Anchor { seq: seq + 1, previous: head };
    Found { class: Class::BodyChanged, detail: detail.into(), resume }
}

fn missing(from: u64, to: u64) -> String {
    if from == to { format!("record {from} is missing") } else { format!("records {from} to {to} are missing") }
}

/// A line with a sequence number that has been: the same record again, another one in its place, or one out of order.
fn earlier<F: StorageFile>(
    file: &F,
    chunk: &Chunk<'_>,
    frame: &Frame,
    head: Head,
    seq: u64,
    previous: Head,
    first: u64,
) -> Found {
    let on = Resume::Next { seq, previous };
    let mut before = None;
    if frame.seq >= first {
        let mut lines = Lines::new(file, chunk.offset, false);
        while let Ok(Some(other)) = lines.next() {
            let Some(found) = Frame::read(other.bytes) else { continue };
            let found_head = found.head(other.bytes);
            if found.seq == frame.seq && found_head == Some(head) {
                let detail = format!("record {} stands on line {} already", frame.seq, other.line);
                return Found { class: Class::Duplicate, detail, resume: on };
            }
            if found.seq + 1 == frame.seq {
                before = found_head;
            }
        }
    }
    if before.is_some_and(|before| before.next(&chunk.bytes[..frame.hashed]) == head) {
        return Found {
            class: Class::Fork,
            detail: format!("another record {} that continues the same chain", frame.seq),
            resume: Resume::Next { seq: frame.seq + 1, previous: head },
        };
    }
    let detail = format!("record {} stands where record {seq} belongs", frame.seq);
    Found { class: Class::Reorder, detail, resume: on }
}
