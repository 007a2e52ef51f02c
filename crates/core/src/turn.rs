//! One step's surroundings: its time and where its effects go.

use crate::effect::Effect;
use crate::time::Monotonic;

/// What every part of the machine gets during one step.
pub(crate) struct Turn<'a> {
    /// The time of this step, never before an earlier step's.
    pub now: Monotonic,
    /// The orders so far.
    pub out: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub(crate) fn push(&mut self, effect: Effect) {
        self.out.push(effect);
    }
}

/// The longest evidence, reason or message that is kept, in bytes.
pub(crate) const TEXT_MAX_BYTES: usize = 512;

/// The longest name of a feed or part that is kept, in bytes.
pub(crate) const NAME_MAX_BYTES: usize = 128;

/// Cuts at `max` bytes, on a character's boundary.
pub(crate) fn clip(mut text: String, max: usize) -> String {
    if text.len() > max {
        let mut end = max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// Words that somebody else chose, on one line: nothing a bot or an operator says may look like a line of ours, or drive a
/// terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if breaks_a_line(c) { ' ' } else { c }).collect()
}

/// Whether a character ends or turns a line, hides one, or drives a terminal: controls, separators of lines, and the marks that
/// override the direction of text.
pub fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A span as people say it, for evidence: `5 min`, `1 min 30 s`, `2 s`, `500 ms`.
pub(crate) fn span(span: core::time::Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{} ms", span.as_millis()),
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
