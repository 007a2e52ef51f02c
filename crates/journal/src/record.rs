//! A record's line: how it is written, and how it is read back by position. Nothing here parses JSON: the envelope's keys are
//! fixed, complete and in order, so every field is where the format says.

use crate::chain::Head;
use crate::time::{self, Wall};

/// The most bytes that a line may have, its line feed included.
pub const LINE_MAX: usize = 65_536;

/// Sequence numbers stay below this: every reader of JSON can hold them.
pub const SEQ_END: u64 = 1 << 53;

/// The longest name of a record's type.
pub const KIND_MAX: usize = 64;

/// The 7 bytes with which every line starts.
pub(crate) const START: &[u8; 7] = b"{\"seq\":";

/// How many bytes every line ends with that are not hashed: `,"h":"`, 64 digits, `"}` and the line feed.
pub(crate) const TAIL: usize = 73;

const BEFORE_HASH: &[u8; 6] = b",\"h\":\"";
const AFTER_HASH: &[u8; 3] = b"\"}\n";
const KIND: &[u8; 7] = b"\",\"t\":\"";
const BODY: &[u8; 6] = b"\",\"b\":";

/// The record type of a segment's first line.
pub const SEG_OPEN: &str = "seg.open";

/// The record type of a sealed segment's last line.
pub const SEG_CLOSE: &str = "seg.close";

/// Whether a record type may be written: 1 to 64 of `a`-`z`, `0`-`9`, `.`, `_`, `-`.
pub fn is_kind(kind: &str) -> bool {
    (1..=KIND_MAX).contains(&kind.len())
        && kind.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// What a line says before its payload.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub seq: u64,
    pub durable: u64,
    pub epoch: u64,
    pub at: Wall,
    pub kind: &'a str,
}

/// Appends a line to `out` and returns its hash. The payload has been checked.
pub(crate) fn encode(out: &mut Vec<u8>, envelope: &Envelope<'_>, payload: &str, previous: &Head) -> Head {
    let start = out.len();
    out.reserve(payload.len() + envelope.kind.len() + 224);
    out.extend_from_slice(START);
    push_number(out, envelope.seq);
    out.extend_from_slice(b",\"d\":");
    push_number(out, envelope.durable);
    out.extend_from_slice(b",\"ep\":");
    push_number(out, envelope.epoch);
    out.extend_from_slice(b",\"ts\":\"");
    out.extend_from_slice(&envelope.at.text());
    out.extend_from_slice(KIND);
    out.extend_from_slice(envelope.kind.as_bytes());
    out.extend_from_slice(BODY);
    out.extend_from_slice(payload.as_bytes());
    let head = previous.next(&out[start..]);
    out.extend_from_slice(BEFORE_HASH);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(AFTER_HASH);
    head
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Which of the journal's own records a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    No,
    Open,
    Close,
}

/// A line's numbers and places, read by position. The hash has not been checked, and its digits only by [`Frame::head`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub seq: u64,
    pub durable: u64,
    pub epoch: u64,
    pub own: Own,
    /// Where the time begins; the type's name begins 37 bytes later.
    time_at: usize,
    /// How many bytes are hashed.
    pub hashed: usize,
}

impl Frame {
    /// Reads a line with its line feed; `None` if it is not one.
    #[inline]
    pub fn read(line: &[u8]) -> Option<Self> {
        let hashed = line.len().checked_sub(TAIL)?;
        let tail = &line[hashed..];
        if line.len() > LINE_MAX || &line[..7] != START || &tail[..6] != BEFORE_HASH || &tail[70..] != AFTER_HASH {
            return None;
        }
        let body = &line[..hashed];
        let (seq, at) = number(body, 7)?;
        let at = expect(body, at, b",\"d\":")?;
        let (durable, at) = number(body, at)?;
        let at = expect(body, at, b",\"ep\":")?;
        let (epoch, at) = number(body, at)?;
        let time_at = expect(body, at, b",\"ts\":\"")?;
        let kind_at = expect(body, time_at + time::TEXT, KIND)?;
        let own = match body[kind_at..].strip_prefix(b"seg.") {
            Some(rest) if rest.starts_with(b"open\"") => Own::Open,
            Some(rest) if rest.starts_with(b"close\"") => Own::Close,
            Some(_) | None => Own::No,
        };
        Some(Self { seq, durable, epoch, own, time_at, hashed })
    }

    /// The hash in the line, if it is written as one.
    pub fn head(&self, line: &[u8]) -> Option<Head> {
        Head::from_hex(&line[self.hashed + 6..self.hashed + 70])
    }

    /// The bytes of the hash in the line, whatever they are.
    #[inline]
    pub fn head_bytes(&self, line: &[u8]) -> [u8; 64] {
        let mut out = [0u8; 64];
        out.copy_from_slice(&line[self.hashed + 6..self.hashed + 70]);
        out
    }

    /// The time, the type and the payload, if the line is well-formed as text too.
    pub fn fields<'a>(&self, line: &'a [u8]) -> Option<Fields<'a>> {
        let body = std::str::from_utf8(&line[..self.hashed]).ok()?;
        let time = body.get(self.time_at..self.time_at + time::TEXT)?;
        let rest = body.get(self.time_at + time::TEXT + KIND.len()..)?;
        let (kind, payload) = rest.split_once("\",\"b\":")?;
        let object = payload.starts_with('{') && payload.ends_with('}');
        (time::is_time(time.as_bytes()) && is_kind(kind) && object).then_some(Fields { time, kind, payload })
    }
}

/// What stands at the beginning of a line, as text and without a look at its hash: for whoever chooses lines before reading
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance<'a> {
    /// The sequence number.
    pub seq: u64,
    /// When, RFC 3339 UTC, always nine decimals.
    pub time: &'a str,
    /// The type.
    pub kind: &'a str,
}

/// The beginning of a line, with or without its line feed; `None` where it is no line's.
pub fn glance(line: &[u8]) -> Option<Glance<'_>> {
    line.strip_prefix(START)?;
    let (seq, at) = number(line, START.len())?;
    let at = expect(line, at, b",\"d\":")?;
    let (_, at) = number(line, at)?;
    let at = expect(line, at, b",\"ep\":")?;
    let (_, at) = number(line, at)?;
    let at = expect(line, at, b",\"ts\":\"")?;
    let time = line.get(at..at + time::TEXT).filter(|text| time::is_time(text))?;
    let at = expect(line, at + time::TEXT, KIND)?;
    let kind = line.get(at..at + memchr::memchr(b'"', line.get(at..)?)?)?;
    let kind = std::str::from_utf8(kind).ok().filter(|kind| is_kind(kind))?;
    Some(Glance { seq, time: std::str::from_utf8(time).ok()?, kind })
}

/// The texts of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub time: &'a str,
    pub kind: &'a str,
    pub payload: &'a str,
}

/// The hash that stands at the end of a chunk which may have lost its beginning.
pub(crate) fn tail_head(chunk: &[u8]) -> Option<Head> {
    let tail = &chunk[chunk.len().checked_sub(TAIL)?..];
    if &tail[..6] == BEFORE_HASH && &tail[70..] == AFTER_HASH { Head::from_hex(&tail[6..70]) } else { None }
}

/// The line's hashed bytes with another sequence number, to ask whether only that was changed.
pub(crate) fn with_seq(line: &[u8], frame: &Frame, seq: u64) -> Vec<u8> {
    let rest = line[START.len()..frame.hashed].iter().position(|b| !b.is_ascii_digit()).unwrap_or(0);
    let mut out = START.to_vec();
    push_number(&mut out, seq);
    out.extend_from_slice(&line[START.len() + rest..frame.hashed]);
    out
}

#[inline]
fn number(body: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    let mut end = at;
    while let Some(digit) = body.get(end).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        value = value * 10 + u64::from(digit);
        end += 1;
        if end - at > 16 {
            return None;
        }
    }
    let canonical = end > at && (body[at] != b'0' || end == at + 1) && value < SEQ_END;
    canonical.then_some((value, end))
}

#[inline]
fn expect<const N: usize>(body: &[u8], at: usize, what: &[u8; N]) -> Option<usize> {
    (body.get(at..)?.first_chunk::<N>()? == what).then_some(at + N)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::jid::Jid;

    fn sample() -> (Vec<u8>, Head) {
        let genesis = Head::genesis("demo", &Jid::from_u128(1));
        let mut out = Vec::new();
        let envelope = Envelope { seq: 12, durable: 9, epoch: 3, at: Wall(1_800_000_000_123_456_789), kind: "x.note" };
        let head = encode(&mut out, &envelope, r#"{"a":"\",\"b\":","h":"x"}"#, &genesis);
        (out, head)
    }

    #[test]
    fn what_is_written_is_read_back_by_position() {
        let (line, head) = sample();
        let text = String::from_utf8(line.clone()).unwrap();
        let expected = format!(
            r#"{{"seq":12,"d":9,"ep":3,"ts":"2027-01-15T08:00:00.123456789Z","t":"x.note","b":{{"a":"\",\"b\":","h":"x"}},"h":"{head}"}}"#
        );
        assert_eq!(text, format!("{expected}\n"));
        let frame = Frame::read(&line).unwrap();
        assert_eq!((frame.seq, frame.durable, frame.epoch, frame.own), (12, 9, 3, Own::No));
        assert_eq!(frame.head(&line), Some(head));
        let fields = frame.fields(&line).unwrap();
        assert_eq!((fields.time, fields.kind), ("2027-01-15T08:00:00.123456789Z", "x.note"));
        assert_eq!(fields.payload, r#"{"a":"\",\"b\":","h":"x"}"#);
    }

    #[test]
    fn numbers_are_canonical_and_below_the_end() {
        let (line, _) = sample();
        let text = String::from_utf8(line).unwrap();
        for (from, to) in [
            ("\"seq\":12,", "\"seq\":012,"),
            ("\"seq\":12,", "\"seq\":,"),
            ("\"seq\":12,", "\"seq\":9007199254740992,"),
            ("\"seq\":12,", "\"seq\":99999999999999999999999,"),
            ("\"d\":9,", "\"d\":-9,"),
            ("\"ep\":3,", "\"ep\":3.0,"),
        ] {
            assert!(Frame::read(text.replace(from, to).as_bytes()).is_none(), "{to}");
        }
        assert!(Frame::read(text.replace("12,", "9007199254740991,").as_bytes()).is_some());
    }

    #[test]
    fn a_glance_sees_the_beginning_of_a_line_and_of_nothing_else() {
        let (line, _) = sample();
        let seen = Glance { seq: 12, time: "2027-01-15T08:00:00.123456789Z", kind: "x.note" };
        assert_eq!(glance(&line), Some(seen));
        assert_eq!(glance(&line[..line.len() - 1]), Some(seen));
        let kind_ends = line.windows(9).position(|at| at == b"\"x.note\",").unwrap() + 8;
        for end in 0..kind_ends {
            assert_eq!(glance(&line[..end]), None, "{end}");
        }
        assert_eq!(glance(&line[1..]), None);
    }

    #[test]
    fn no_piece_of_a_line_is_a_line() {
        let (line, _) = sample();
        for end in 0..line.len() {
            assert!(Frame::read(&line[..end]).is_none());
            assert!(Frame::read(&line[end + 1..]).is_none());
        }
    }
}
