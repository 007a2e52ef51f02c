//! The last that a program printed: bounded, printable, and without the secrets that it was given.

use crate::printable::printable;
use std::collections::VecDeque;

/// The most bytes that are kept of what a program prints.
const KEPT_BYTES: usize = 4096;
/// The most lines that are shown of it.
const LINES_MAX: usize = 6;
/// The longest such line, characters.
const LINE_MAX: usize = 240;
/// Shorter values of variables are no secrets, and would be found everywhere.
const SECRET_MIN: usize = 6;

/// The end of what was printed.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    last: VecDeque<u8>,
    total: u64,
}

impl Tail {
    /// Takes what comes next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        self.last.extend(bytes.iter().skip(bytes.len().saturating_sub(KEPT_BYTES)));
        let too_many = self.last.len().saturating_sub(KEPT_BYTES);
        self.last.drain(..too_many);
    }

    /// How much was printed in all, bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The last lines, fit to print, with `secrets` taken out.
    pub fn lines(&self, secrets: &[String]) -> Vec<String> {
        let bytes: Vec<u8> = self.last.iter().copied().collect();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_MIN) {
            text = text.replace(secret.as_str(), "***");
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(LINES_MAX));
        shown
            .map(|line| {
                let mut short: String = line.chars().take(LINE_MAX).collect();
                if short.len() < line.len() {
                    short.push_str("...");
                }
                printable(&short).into_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_everything_is_counted() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        assert!(tail.last.len() <= KEPT_BYTES);
        assert!(tail.total() > 1_000_000);
        let lines = tail.lines(&[]);
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!(lines.last().map(String::as_str), Some("line 99999"));
        let mut at_once = Tail::default();
        at_once.push(&vec![b'x'; KEPT_BYTES * 3]);
        assert_eq!((at_once.last.len(), at_once.total()), (KEPT_BYTES, 3 * KEPT_BYTES as u64));
        assert_eq!(at_once.lines(&[]).first().map(|line| line.chars().count()), Some(LINE_MAX + 3));
    }

    #[test]
    fn it_is_fit_to_print_and_holds_no_secret() {
        let mut tail = Tail::default();
        tail.push(b"key=hunter2hunter2 ok\n\n\x1b[2Jx\xff\n");
        let secrets = ["hunter2hunter2".to_owned(), "ok".to_owned()];
        assert_eq!(tail.lines(&secrets), ["key=*** ok", "\\u{1b}[2Jx\u{fffd}"]);
    }
}
