//! A histogram of durations with fixed bounds: no allocation, one addition an observation.

use std::time::Duration;

/// How many finite bounds.
const BOUNDS: usize = 14;

/// The bounds in nanoseconds, each 1, 2.5 or 5 times a power of ten.
pub type Bounds = [u64; BOUNDS];

/// For what is measured in microseconds: 1 µs to 25 ms. Verdicts.
pub const MICROSECONDS: Bounds = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 25_000_000,
];

/// For what is measured in disk writes: 25 µs to 2.5 s.
pub const DISK: Bounds = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
];

/// A histogram of durations.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static Bounds,
    counts: [u64; BOUNDS + 1],
    sum_ns: u128,
}

impl Histogram {
    /// An empty histogram. `bounds` rise.
    pub const fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, counts: [0; BOUNDS + 1], sum_ns: 0 }
    }

    /// Counts one duration.
    pub fn observe(&mut self, took: Duration) {
        let nanos = took.as_nanos();
        let index = self.bounds.partition_point(|bound| u128::from(*bound) < nanos);
        if let Some(count) = self.counts.get_mut(index) {
            *count = count.saturating_add(1);
        }
        self.sum_ns = self.sum_ns.saturating_add(nanos);
    }

    /// Bounds in seconds (`None` is infinity), each with how many observations were at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let bounds = self.bounds.iter().map(|bound| Some(Duration::from_nanos(*bound).as_secs_f64()));
        bounds.chain(std::iter::once(None)).zip(self.counts.iter()).scan(0u64, |total, (bound, count)| {
            *total = total.saturating_add(*count);
            Some((bound, *total))
        })
    }

    /// How many observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The sum of all observations, seconds.
    #[expect(clippy::cast_precision_loss, reason = "a metric; Prometheus samples are binary64")]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }
}
