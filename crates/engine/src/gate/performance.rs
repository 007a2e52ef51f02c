//! How orders fare, from what bots say became of them: how many succeed, how long the venue takes, what comes of it. Over a sliding
//! day, since one bad hour of yesterday says nothing about now, and only with enough of them.

use failstop_client::wire::{OrderOutcome, OrderResult};
use failstop_core::Monotonic;
use std::collections::VecDeque;
use std::time::Duration;

/// With fewer orders than this nothing is judged.
pub const MIN_RESULTS: usize = 20;

/// How long a result counts.
const COUNTS_FOR: Duration = Duration::from_secs(86_400);

/// The most results that are remembered.
const RESULTS_MAX: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    at: Monotonic,
    good: bool,
    latency_us: Option<u64>,
}

/// How orders fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    results: VecDeque<Ended>,
    good: usize,
    /// Results by outcome, in the order of [`OUTCOMES`], since the start.
    counts: [u64; OUTCOMES.len()],
    latency: Option<u64>,
}

/// Every outcome, with its name in metrics.
pub const OUTCOMES: [(OrderOutcome, &str); 7] = [
    (OrderOutcome::Accepted, "accepted"),
    (OrderOutcome::Filled, "filled"),
    (OrderOutcome::Cancelled, "cancelled"),
    (OrderOutcome::Rejected, "rejected"),
    (OrderOutcome::Expired, "expired"),
    (OrderOutcome::NotSent, "not-sent"),
    (OrderOutcome::Unknown, "unknown"),
];

/// What is judged of how orders fare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// How many orders succeeded of those that count, 0 to 1; `None` with fewer than [`MIN_RESULTS`].
    pub success: Option<f64>,
    /// How long the venue took for the last order that said so.
    pub latency: Option<Duration>,
}

impl Performance {
    /// What became of an order. An order succeeds once: where it is filled, or ends after it was accepted; `accepted` alone is no end.
    pub fn take(&mut self, result: &OrderResult, now: Monotonic) {
        for ((outcome, _), count) in OUTCOMES.iter().zip(&mut self.counts) {
            if *outcome == result.outcome {
                *count = count.saturating_add(1);
            }
        }
        self.latency = result.latency_us.or(self.latency);
        let good = match result.outcome {
            OrderOutcome::Filled | OrderOutcome::Cancelled | OrderOutcome::Expired => true,
            OrderOutcome::Rejected | OrderOutcome::NotSent | OrderOutcome::Unknown => false,
            OrderOutcome::Accepted => return,
        };
        if self.results.len() >= RESULTS_MAX {
            self.forget_oldest();
        }
        self.results.push_back(Ended { at: now, good, latency_us: result.latency_us });
        self.good += usize::from(good);
        while self.results.front().is_some_and(|oldest| now.since(oldest.at) > COUNTS_FOR) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.results.pop_front() {
            self.good -= usize::from(oldest.good);
        }
    }

    /// How they fare now.
    pub fn judged(&self) -> Judged {
        #[expect(clippy::cast_precision_loss, reason = "a share of at most 16 384")]
        let success = (self.results.len() >= MIN_RESULTS).then(|| self.good as f64 / self.results.len() as f64);
        Judged { success, latency: self.latency.map(Duration::from_micros) }
    }

    /// How many results each outcome had since the start, by its name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        OUTCOMES.iter().zip(self.counts).map(|((_, name), count)| (*name, count))
    }

    /// How long the venue takes, the slower half of the last hundred that said so beginning here.
    pub fn median_latency(&self) -> Option<Duration> {
        let mut known: Vec<u64> = self.results.iter().rev().filter_map(|result| result.latency_us).take(100).collect();
        known.sort_unstable();
        known.get(known.len() / 2).copied().map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(performance: &mut Performance, outcome: OrderOutcome, at: u64) {
        let at = Monotonic::from_nanos(at * 1_000_000_000);
        performance.take(&OrderResult { latency_us: Some(at.as_micros()), ..OrderResult::of("c", outcome) }, at);
    }

    #[test]
    fn nothing_is_judged_before_there_are_enough() {
        let mut performance = Performance::default();
        for at in 0..19 {
            said(&mut performance, OrderOutcome::Rejected, at);
            said(&mut performance, OrderOutcome::Accepted, at);
        }
        assert_eq!(performance.judged().success, None);
        said(&mut performance, OrderOutcome::Filled, 19);
        assert_eq!(performance.judged().success, Some(0.05));
        assert_eq!(performance.counts().find(|(name, _)| *name == "rejected"), Some(("rejected", 19)));
        assert_eq!(performance.judged().latency, Some(Duration::from_secs(19)));
        assert_eq!(performance.median_latency(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten() {
        let mut performance = Performance::default();
        for at in 0..20 {
            said(&mut performance, OrderOutcome::Rejected, at);
        }
        for at in 0..20 {
            said(&mut performance, OrderOutcome::Filled, 86_420 + at);
        }
        assert_eq!(performance.judged().success, Some(1.0));
    }
}
