//! Cuts a byte stream into lines. A line that is too long is reported once and skipped to its end, in bounded memory.

use bytes::BufMut as _;
use bytes::buf::Limit;
use failstop_client::wire::MAX_LINE;

/// What a connection reads at a time, in bytes.
const READ_SIZE: usize = 4096;

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A whole line, without its LF.
    Line(&'a [u8]),
    /// The beginning of a line that exceeds [`MAX_LINE`]. The rest of it will not be seen.
    TooLong,
    /// Nothing until more is read.
    More,
}

/// The part of the stream that was read and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Up to here everything was taken.
    taken: usize,
    /// Up to here there is no LF.
    scanned: usize,
    /// Within a line that was reported as too long.
    skipping: bool,
}

impl Lines {
    /// Where to append what is read next, at most [`READ_SIZE`] bytes of it, however much room the buffer has. Never more
    /// than one line and one read are held.
    pub(super) fn space(&mut self) -> Limit<&mut Vec<u8>> {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.scanned -= self.taken;
            self.taken = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > 2 * READ_SIZE {
            // One long line does not cost its memory for ever.
            self.buffer = Vec::new();
        }
        self.buffer.reserve(READ_SIZE);
        (&mut self.buffer).limit(READ_SIZE)
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Next<'_> {
        loop {
            let end = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n').map(|at| self.scanned + at);
            let Some(end) = end else {
                self.scanned = self.buffer.len();
                if self.skipping {
                    self.forget();
                } else if self.buffer.len() - self.taken > MAX_LINE {
                    self.forget();
                    self.skipping = true;
                    return Next::TooLong;
                }
                return Next::More;
            };
            let start = self.taken;
            self.taken = end + 1;
            self.scanned = end + 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            return if end - start > MAX_LINE { Next::TooLong } else { Next::Line(&self.buffer[start..end]) };
        }
    }

    /// What stands after the last LF once the stream has ended. The cut-off beginning of an object never is one, so a
    /// rest that can be read was meant.
    pub(super) fn rest(&mut self) -> &[u8] {
        if self.skipping { &[] } else { &self.buffer[self.taken..] }
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.taken = 0;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &mut Lines, bytes: &[u8]) {
        for read in bytes.chunks(READ_SIZE) {
            lines.space().put_slice(read);
        }
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"a\n\nbcd\nefg";
        for cut in 0..=text.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for piece in [&text[..cut], &text[cut..]] {
                feed(&mut lines, piece);
                while let Next::Line(line) = lines.next() {
                    seen.push(line.to_vec());
                }
            }
            assert_eq!(seen, [b"a".to_vec(), b"".to_vec(), b"bcd".to_vec()], "cut at {cut}");
            assert_eq!(lines.rest(), b"efg");
        }
    }

    #[test]
    fn a_long_line_is_reported_once_and_held_nowhere() {
        let mut lines = Lines::default();
        let (mut reports, mut largest) = (0, 0);
        for _ in 0..10_000_000 / 1000 {
            feed(&mut lines, &[b'x'; 1000]);
            match lines.next() {
                Next::TooLong => reports += 1,
                Next::More => {}
                Next::Line(line) => panic!("a line of {} bytes", line.len()),
            }
            largest = largest.max(lines.buffer.capacity());
        }
        assert_eq!(reports, 1);
        assert!(largest <= 4 * MAX_LINE, "{largest} bytes were held");
        feed(&mut lines, b"end\nnext\n");
        assert_eq!(lines.next(), Next::Line(b"next"));
        assert_eq!(lines.next(), Next::More);
        feed(&mut lines, b"");
        assert!(lines.buffer.capacity() <= 4 * READ_SIZE);
    }

    #[test]
    fn the_limit_is_exact() {
        for (length, long) in [(MAX_LINE, false), (MAX_LINE + 1, true)] {
            let mut lines = Lines::default();
            let mut text = vec![b'x'; length];
            text.extend_from_slice(b"\nok\n");
            feed(&mut lines, &text);
            assert_eq!(lines.next() == Next::TooLong, long, "{length}");
            assert_eq!(lines.next(), Next::Line(b"ok"));
        }
        let mut lines = Lines::default();
        feed(&mut lines, &[b'x'; MAX_LINE]);
        assert_eq!(lines.next(), Next::More);
        assert_eq!(lines.rest().len(), MAX_LINE);
        feed(&mut lines, b"x");
        assert_eq!(lines.next(), Next::TooLong);
        assert_eq!(lines.rest(), b"");
    }
}
