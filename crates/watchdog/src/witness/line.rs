//! A journal line as far as the witness needs it: its sequence number, the bytes that are hashed, and the hash that it states. The
//! format promises where each stands (`docs/journal-format.md`), so nothing is parsed.

use failstop_journal::{Head, LINE_MAX};

/// How many bytes every line ends with that are not hashed: `,"h":"`, 64 digits, `"}` and the line feed.
const TAIL: usize = 73;

/// One line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// What is hashed.
    pub body: &'a [u8],
    /// The hash that it states.
    pub head: Head,
}

impl<'a> Line<'a> {
    /// Reads a line with its line feed; `None` if it is not one.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let (body, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
        let head = Head::from_hex(tail.strip_prefix(b",\"h\":\"")?.strip_suffix(b"\"}\n")?)?;
        let rest = body.strip_prefix(b"{\"seq\":")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seq = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
        (line.len() <= LINE_MAX && rest.get(digits) == Some(&b',')).then_some(Self { seq, body, head })
    }
}

/// The lines of a text, each with its line feed; the last may lack it.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}
