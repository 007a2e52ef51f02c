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
    /// How long the venue took for the last order that said so, in microseconds, and when that was.
    latency: Option<(u64, Monotonic)>,
    /// Since when results are heard.
    since: Option<Monotonic>,
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
    /// Whether results were heard for as long as they count.
    whole_day: bool,
}

impl Judged {
    /// Whether it can be said how many succeed, or that there are too few to say: not soon after a start, which forgets the earlier
    /// ones.
    pub const fn knows_success(self) -> bool {
        self.whole_day || self.success.is_some()
    }

    /// Whether it can be said how long the venue takes, or that no order said so.
    pub const fn knows_latency(self) -> bool {
        self.whole_day || self.latency.is_some()
    }
}

impl Performance {
    /// Results are heard from now on.
    pub fn begin(&mut self, now: Monotonic) {
        self.since = Some(now);
    }

    /// What became of an order. An order succeeds once: where it is filled, or ends after it was accepted; `accepted` alone is no end.
    pub fn take(&mut self, result: &OrderResult, now: Monotonic) {
        for ((outcome, _), count) in OUTCOMES.iter().zip(&mut self.counts) {
            if *outcome == result.outcome {
                *count = count.saturating_add(1);
            }
        }
        self.latency = result.latency_us.map(|took| (took, now)).or(self.latency);
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
        while self.results.front().is_some_and(|oldest| !counts(oldest.at, now)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.results.pop_front() {
            self.good -= usize::from(oldest.good);
        }
    }

    /// How they fare now.
    pub fn judged(&self, now: Monotonic) -> Judged {
        // They are forgotten when the next one comes, which may be long.
        let old = self.results.iter().take_while(|result| !counts(result.at, now));
        let (old, good) = old.fold((0, 0), |(old, good), result| (old + 1, good + usize::from(result.good)));
        let (results, good) = (self.results.len() - old, self.good - good);
        #[expect(clippy::cast_precision_loss, reason = "a share of at most 16 384")]
        let success = (results >= MIN_RESULTS).then(|| good as f64 / results as f64);
        let latency = self.latency.filter(|(_, at)| counts(*at, now)).map(|(took, _)| Duration::from_micros(took));
        Judged { success, latency, whole_day: self.since.is_some_and(|since| !counts(since, now)) }
    }

    /// How many results each outcome had since the start, by its name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        OUTCOMES.iter().zip(self.counts).map(|((_, name), count)| (*name, count))
    }

    /// How long the venue takes, the slower half of the last hundred that said so beginning here.
    pub fn median_latency(&self, now: Monotonic) -> Option<Duration> {
        let recent = self.results.iter().rev().take_while(|result| counts(result.at, now));
        let mut known: Vec<u64> = recent.filter_map(|result| result.latency_us).take(100).collect();
        known.sort_unstable();
        known.get(known.len() / 2).copied().map(Duration::from_micros)
    }
}

/// Whether what was heard then counts now.
fn counts(at: Monotonic, now: Monotonic) -> bool {
    now.since(at) <= COUNTS_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: u64) -> Monotonic {
        Monotonic::from_nanos(at * 1_000_000_000)
    }

    fn said(performance: &mut Performance, outcome: OrderOutcome, at: u64) {
        let at = second(at);
        performance.take(&OrderResult { latency_us: Some(at.as_micros()), ..OrderResult::of("c", outcome) }, at);
    }

    #[test]
    fn nothing_is_judged_before_there_are_enough() {
        let mut performance = Performance::default();
        for at in 0..19 {
            said(&mut performance, OrderOutcome::Rejected, at);
            said(&mut performance, OrderOutcome::Accepted, at);
        }
        assert_eq!(performance.judged(second(19)).success, None);
        said(&mut performance, OrderOutcome::Filled, 19);
        assert_eq!(performance.judged(second(19)).success, Some(0.05));
        assert_eq!(performance.counts().find(|(name, _)| *name == "rejected"), Some(("rejected", 19)));
        assert_eq!(performance.judged(second(19)).latency, Some(Duration::from_secs(19)));
        assert_eq!(performance.median_latency(second(19)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_older_than_a_day_is_judged_no_more_where_nothing_came_since() {
        let mut performance = Performance::default();
        performance.begin(second(0));
        for at in 0..20 {
            said(&mut performance, OrderOutcome::Rejected, at);
        }
        let judged = performance.judged(second(86_400));
        assert_eq!((judged.success, judged.latency), (Some(0.0), Some(Duration::from_secs(19))));
        let judged = performance.judged(second(86_401));
        assert_eq!((judged.success, judged.knows_success()), (None, true), "19 are too few");
        assert_eq!(performance.median_latency(second(86_410)), Some(Duration::from_secs(15)));
        let judged = performance.judged(second(86_420));
        assert_eq!((judged.latency, performance.median_latency(second(86_420))), (None, None));
        assert!(judged.knows_latency());
        said(&mut performance, OrderOutcome::Accepted, 86_425);
        assert_eq!(performance.judged(second(86_426)).latency, Some(Duration::from_secs(86_425)));
    }

    #[test]
    fn what_an_earlier_life_heard_is_not_known_for_a_day() {
        let mut performance = Performance::default();
        performance.begin(second(0));
        let known = |at: u64| {
            let judged = performance.judged(second(at));
            (judged.knows_success(), judged.knows_latency())
        };
        assert_eq!((known(0), known(86_400), known(86_401)), ((false, false), (false, false), (true, true)));
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
        assert_eq!(performance.judged(second(86_440)).success, Some(1.0));
    }
}
