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
