//! Words that somebody else chose (a bot's status, a halt's evidence, an operator's reason), made fit to print.

use failstop_core::breaks_a_line;
use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every control character written out, so that nothing a bot says can move a cursor, hide a line or
/// split one.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(breaks_a_line) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => clean.push_str("\\n"),
            '\t' => clean.push(' '),
            c if breaks_a_line(c) => {
                let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
            }
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(printable("plain, é, 日本"), "plain, é, 日本");
        assert_eq!(printable("a\x1b[2Jb\nc\td\u{202e}e"), "a\\u{1b}[2Jb\\nc d\\u{202e}e");
    }
}
