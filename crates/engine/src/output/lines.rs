//! Cuts a stream of bytes into whole lines, so that two streams in one file never mix within a line. Bounded: a line that
//! never ends is cut.

/// The longest line that is kept together, in bytes.
pub(super) const MAX_LINE: usize = 16 * 1024;

/// One stream's unfinished line.
#[derive(Debug, Default)]
pub(super) struct LineCutter {
    rest: Vec<u8>,
}

impl LineCutter {
    /// Takes bytes and gives whole lines, each with its newline; `None` while there is none.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (whole, rest) = bytes.split_at(end);
        let mut lines = Vec::new();
        if !whole.is_empty() {
            lines = std::mem::take(&mut self.rest);
            lines.extend_from_slice(whole);
        }
        self.rest.extend_from_slice(rest);
        if self.rest.len() >= MAX_LINE {
            lines.append(&mut self.rest);
            lines.push(b'\n');
        }
        if lines.is_empty() { None } else { Some(lines) }
    }

    /// The stream is over: its last line, whole or not.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut line = std::mem::take(&mut self.rest);
        line.push(b'\n');
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn halves_are_joined() {
        let mut cutter = LineCutter::default();
        assert_eq!(cutter.push(b"one"), None);
        assert_eq!(cutter.push(b" more\ntwo\nthr").unwrap(), b"one more\ntwo\n");
        assert_eq!(cutter.push(b"ee\n").unwrap(), b"three\n");
        assert_eq!(cutter.finish(), None);
        assert_eq!(cutter.push(b"last"), None);
        assert_eq!(cutter.finish().unwrap(), b"last\n");
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let mut cutter = LineCutter::default();
        let mut out = Vec::new();
        for _ in 0..10 {
            out.extend(cutter.push(&[b'x'; 5_000]).unwrap_or_default());
            assert!(cutter.rest.len() < MAX_LINE);
        }
        assert!(out.split(|byte| *byte == b'\n').all(|line| line.len() <= MAX_LINE + 5_000));
    }
}
