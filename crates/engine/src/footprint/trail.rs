//! What a counter came to over the last while, in memory that does not grow.

use core::time::Duration;
use failstop_core::Monotonic;
use std::collections::VecDeque;

/// Marks of a counter, evenly over a span.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    span: Duration,
    every: Duration,
    marks: VecDeque<(Monotonic, u64)>,
    last: Option<(Monotonic, u64)>,
}

impl Trail {
    /// Over `span`, with `steps` marks in it.
    pub(super) fn new(span: Duration, steps: u32) -> Self {
        Self { span, every: span / steps.max(1), marks: VecDeque::new(), last: None }
    }

    /// The counter stands so now. It never falls; one that does began anew.
    pub(super) fn note(&mut self, now: Monotonic, counter: u64) {
        if self.last.is_some_and(|(_, before)| counter < before) {
            self.marks.clear();
        }
        self.last = Some((now, counter));
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= self.every) {
            self.marks.push_back((now, counter));
        }
        // The oldest mark that is kept is the youngest that is as old as the span.
        while self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= self.span) {
            self.marks.pop_front();
        }
    }

    /// Over how long the counter is known, at most the span and one step, and by how much it rose; `None` before that is any time.
    pub(super) fn past(&self) -> Option<(Duration, u64)> {
        let ((now, counter), (since, before)) = (self.last?, *self.marks.front()?);
        let span = now.since(since);
        (span > Duration::ZERO).then(|| (span, counter.saturating_sub(before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000 * (seconds + 5))
    }

    #[test]
    fn it_knows_the_last_span_and_no_more_however_often_it_is_told() {
        let mut trail = Trail::new(Duration::from_secs(600), 10);
        assert_eq!(trail.past(), None);
        trail.note(at(0), 100);
        assert_eq!(trail.past(), None, "a counter alone is no rise");
        for second in 1..=600 {
            trail.note(at(second), 100 + second);
        }
        assert_eq!(trail.past(), Some((Duration::from_secs(600), 600)));
        for second in 601..5_000 {
            trail.note(at(second), 700);
            let (span, _) = trail.past().unwrap_or_default();
            assert!((600..=660).contains(&span.as_secs()) && trail.marks.len() <= 12, "{second} {span:?}");
        }
        assert_eq!(trail.past().map(|(_, rise)| rise), Some(0), "what is long past counts for nothing");
    }

    #[test]
    fn what_is_told_seldom_is_known_as_well() {
        let mut trail = Trail::new(Duration::from_secs(600), 10);
        for (second, counter) in [(0, 0), (1_000, 50), (2_000, 90)] {
            trail.note(at(second), counter);
        }
        assert_eq!(trail.past(), Some((Duration::from_secs(1_000), 40)));
        trail.note(at(2_001), 5);
        assert_eq!(trail.past(), None, "it began anew");
    }
}
