//! The last that a program printed: bounded, printable, and without the secrets that it was given.

use crate::masking::{LONGEST, shortened};
use std::collections::VecDeque;

/// The most bytes that are kept of what a program prints.
const KEPT_BYTES: usize = 4096;
/// The most lines that are shown of it.
const LINES_MAX: usize = 6;
/// The longest such line, characters.
const LINE_MAX: usize = 240;
/// What stands in the place of a secret.
const MASK: &[u8] = b"***";
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
        let mut bytes: Vec<u8> = self.last.iter().copied().collect();
        // The longest first: one may be in another.
        let mut secrets: Vec<&[u8]> =
            secrets.iter().map(String::as_bytes).filter(|secret| secret.len() >= SECRET_MIN).collect();
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        if self.total > bytes.len() as u64 {
            // What was kept may begin in the middle of one, or of an address, whose end does not look like one.
            let secret = secrets.iter().filter_map(|secret| end_of(secret, &bytes)).max().unwrap_or(0);
            let word = bytes.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            bytes.splice(..secret.max(word), if secret > 0 { MASK } else { b"" }.iter().copied());
        }
        for secret in secrets {
            bytes = masked(&bytes, secret);
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(LINES_MAX));
        shown.map(|line| shortened(line, LINE_MAX)).collect()
    }
}

/// How many of the first of these bytes are the end of this secret, where some are.
fn end_of(secret: &[u8], bytes: &[u8]) -> Option<usize> {
    (1..secret.len()).rev().find(|length| bytes.starts_with(&secret[secret.len() - length..]))
}

/// The same bytes without this secret.
fn masked(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(secret) {
            Some(after) => {
                out.extend_from_slice(MASK);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = &rest[1..];
            }
        }
    }
    out
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

    #[test]
    fn an_address_at_the_cut_is_covered() {
        let address = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";
        for at in LINE_MAX - address.len()..=LINE_MAX {
            let mut tail = Tail::default();
            tail.push(format!("{}:{address}\n", "-".repeat(at - 1)).as_bytes());
            let line = tail.lines(&[]).concat();
            assert!(!line.contains("TR7"), "{at}: {line}");
        }
    }

    #[test]
    fn no_end_of_an_address_is_left_where_what_was_kept_begins_in_it() {
        let address = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";
        for cut in 0..=address.len() {
            let mut tail = Tail::default();
            let rest = format!(" paid{}", ".".repeat(KEPT_BYTES - cut - 5));
            tail.push(format!("{}{address}{rest}", "-".repeat(100)).as_bytes());
            let line = tail.lines(&[]).concat();
            let shown: String = line.chars().take_while(|c| *c != ' ').collect();
            let whole = format!("…{}", &address[address.len() - 6..]);
            assert!(
                shown.is_empty() || (cut == address.len() && shown == whole),
                "{cut} bytes of it were kept: {shown}"
            );
            assert!(line.contains(" paid"), "{cut}: {line}");
        }
    }

    #[test]
    fn no_end_of_a_secret_is_left_where_what_was_kept_begins_in_it() {
        let secret = "0123456789abcdef".to_owned();
        for cut in 0..secret.len() {
            let mut tail = Tail::default();
            tail.push(format!("key={secret}{}", ".".repeat(KEPT_BYTES - cut)).as_bytes());
            let line = tail.lines(std::slice::from_ref(&secret)).concat();
            let shown = line.chars().filter(char::is_ascii_alphanumeric).count();
            assert_eq!(shown, 0, "{cut} bytes of it were kept: {line}");
        }
        let mut tail = Tail::default();
        tail.push(b"longersecret");
        let both = ["secret".to_owned(), "longersecret".to_owned()];
        assert_eq!(tail.lines(&both), ["***"], "one is in the other");
        assert_eq!(tail.lines(&["secret".to_owned()]), ["longer***"]);
    }
}
