//! Lines no wider than a terminal, broken between words. What goes on stands below where its text began, so that labels stay alone in
//! their column.

use ratatui::text::Span;
use std::fmt::Write as _;
use std::ops::Range;

/// One sign of a line, as far as breaking it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// How many columns it takes.
    pub width: usize,
    /// Whether a line may be broken there.
    pub space: bool,
}

/// How far in a line goes on that has to be broken: below the text behind its label, or its own indent.
pub fn indent(line: &str, width: usize) -> usize {
    let is_text = |(_, pair): &(usize, &str)| pair.starts_with("  ") && !pair.ends_with(' ');
    let own = line.len() - line.trim_start_matches(' ').len();
    let behind = || {
        let at = (0..line.len()).filter_map(|at| Some((at, line.get(at..at + 3)?))).find(is_text)?.0;
        Some(Span::raw(line.get(..at + 2)?).width())
    };
    let wanted = if own > 0 { own } else { behind().unwrap_or(2) };
    // Where there is hardly any width, little of it is given away.
    match width {
        0..=8 => 0,
        width if wanted <= width / 2 => wanted,
        _ => 2,
    }
}

/// The rows that a line becomes: which signs each has. The first has all of the width, the others what is left behind the indent. It is
/// broken between columns, where they are not too far back, else between words, else where the row ends.
pub fn rows(signs: &[Sign], width: usize, indent: usize) -> Vec<Range<usize>> {
    let is_space = |at: usize| signs.get(at).is_some_and(|sign| sign.space);
    let (mut rows, mut start) = (Vec::new(), 0);
    loop {
        let first = rows.is_empty();
        let room = if first { width } else { width.saturating_sub(indent).max(1) };
        let (mut at, mut used) = (start, 0);
        let (mut word, mut column, mut gaps) = (None, None, 0);
        // Its own indent is no place to break a line.
        let mut is_text = !first;
        while let Some(sign) = signs.get(at).filter(|sign| used == 0 || used + sign.width <= room) {
            if sign.space && is_text {
                word = Some(at);
                if is_space(at + 1) && !is_space(at.wrapping_sub(1)) {
                    gaps += 1;
                    // The first one stands behind the label.
                    if used >= room / 3 && (gaps > 1 || !first) {
                        column = Some(at);
                    }
                }
            }
            is_text |= !sign.space && sign.width > 0;
            used += sign.width;
            at += 1;
        }
        let end = if at == signs.len() || is_space(at) { at } else { column.or(word).unwrap_or(at) };
        rows.push(start..trimmed(signs, start, end));
        start = end;
        while is_space(start) {
            start += 1;
        }
        if start >= signs.len() {
            return rows;
        }
    }
}

fn trimmed(signs: &[Sign], start: usize, end: usize) -> usize {
    let spaces = signs.get(start..end).unwrap_or_default().iter().rev().take_while(|sign| sign.space).count();
    end - spaces
}

/// The text with every line of it broken that is wider. What is to be typed (`next: ...`) stays whole: a terminal breaks it
/// where it likes, and gives it whole to whoever copies it.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let plain = anstream::adapter::strip_str(line).to_string();
        if Span::raw(plain.as_str()).width() <= width || plain.trim_start().starts_with("next: ") {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let pieces = pieces(line);
        let signs: Vec<Sign> = pieces
            .iter()
            .map(|piece| match piece.starts_with('\x1b') {
                true => Sign { width: 0, space: false },
                false => Sign { width: Span::raw(*piece).width(), space: *piece == " " },
            })
            .collect();
        let further_in = indent(&plain, width);
        for (index, row) in rows(&signs, width, further_in).into_iter().enumerate() {
            let further_in = if index > 0 { further_in } else { 0 };
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{:further_in$}{}", "", pieces.get(row).unwrap_or_default().concat());
        }
    }
    out
}

/// A line as its signs, a sequence that sets a colour counting as one.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\x1b' => rest.find('m').map_or(rest.len(), |end| end + 1),
            other => other.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::style::Tone;

    #[test]
    fn a_line_is_broken_between_words_and_goes_on_below_its_text() {
        assert_eq!(
            wrap("bot       one two three four\n  five six seven eight\nnote: nine ten eleven twelve\n", 20),
            "bot       one two\n          three four\n  five six seven\n  eight\nnote: nine ten\n  eleven twelve\n"
        );
        assert_eq!(wrap("short\n\nlines stay\n", 20), "short\n\nlines stay\n");
        assert_eq!(wrap("exactly ten and more\n", 11), "exactly ten\n  and more\n");
        assert_eq!(
            wrap("a b      c\n", 4),
            "a b\nc\n",
            "no row begins with spaces of the one before, nor ends with any"
        );
        assert_eq!(
            wrap("bot       ready   pid 20718   412 MB of 1.8 GB   3 % CPU\n", 40),
            "bot       ready   pid 20718\n          412 MB of 1.8 GB   3 % CPU\n",
            "between columns rather than within one"
        );
    }

    #[test]
    fn a_word_that_is_wider_than_the_terminal_is_broken_where_that_ends() {
        assert_eq!(wrap("0123456789\n", 4), "0123\n4567\n89\n");
        assert_eq!(wrap("ab 0123456789ab\n", 10), "ab\n  01234567\n  89ab\n");
        assert_eq!(wrap("日本語の名前\n", 5), "日本\n語の\n名前\n", "signs of two columns are never cut");
        for width in 1..9 {
            let text = wrap("  a word, and anothersuch\n", width);
            assert_eq!(text.split_whitespace().collect::<String>(), "aword,andanothersuch", "{width}");
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
    }

    #[test]
    fn colours_take_no_room_and_commands_stay_whole() {
        let red = Tone::Bad.paint("one two three");
        let text = wrap(&format!("{red} four\n"), 10);
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), "one two\n  three\n  four\n");
        assert_eq!(text.replace("\n  ", " "), format!("{red} four\n"), "nothing of a colour is lost");
        let next = "       next: failstop resume --halt h-31 --reason \"...\" --confirm demo\n";
        assert_eq!(wrap(next, 20), next);
    }
}
