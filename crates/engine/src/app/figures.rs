//! What the journal keeps of figures: once an hour the most memory, the most errors, and how far the bots' counters of their API have
//! come. For `failstop report`, which knows nothing but the journal once the engine is gone.

use super::engine::Engine;
use core::time::Duration;
use failstop_core::Monotonic;
use serde_json::{Map, Value};

/// The record's type.
const FIGURES: &str = "x.failstop.figures";

/// Between two records.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Whole numbers above this are not told apart by what bots report them in.
const COUNTED_MAX: f64 = 9_007_199_254_740_992.0;

/// The hour that is under way. Pure: time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    since: Monotonic,
    memory: Option<u64>,
    errors: Option<u32>,
}

impl Hour {
    /// It begins.
    pub const fn new(now: Monotonic) -> Self {
        Self { since: now, memory: None, errors: None }
    }

    /// Takes a sample; the hour that is over, if it is.
    fn take(&mut self, now: Monotonic, memory: Option<u64>, errors: u32) -> Option<Self> {
        self.memory = self.memory.max(memory);
        self.errors = self.errors.max(Some(errors));
        let over = now.since(self.since) >= EVERY;
        over.then(|| std::mem::replace(self, Self::new(now)))
    }

    /// Its record. `requests` and `errors`: the bots' counters as they stand.
    fn record(self, now: Monotonic, requests: Option<u64>, errors: Option<u64>) -> Value {
        let pairs = [
            ("seconds", Some(now.since(self.since).as_secs())),
            ("memory_peak_bytes", self.memory),
            ("errors_per_minute_peak", self.errors.map(u64::from)),
            ("api_requests", requests),
            ("api_errors", errors),
        ];
        let known = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Value::Object(known.collect::<Map<String, Value>>())
    }
}

/// A counter as bots report it: `None` for what counts nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within what is told apart, and not negative"
)]
fn counted(value: f64) -> Option<u64> {
    (0.0..=COUNTED_MAX).contains(&value).then_some(value as u64)
}

impl Engine {
    /// Takes what was sampled just now.
    pub(super) fn note_figures_of_the_hour(&mut self, now: Monotonic) {
        let components = self.core.components();
        let running = components.iter().filter(|component| component.pid.is_some()).map(|one| one.name.0.as_str());
        let (memory, _) = self.facts.in_use(running);
        let errors = self.core.health(now).errors_per_minute;
        if let Some(hour) = self.hour.take(now, memory, errors)
            && !self.storage_failed
        {
            let of_bots = |name: &str| self.facts.custom.current(name, now).and_then(|(value, _)| counted(value));
            let record = hour.record(now, of_bots("api_requests"), of_bots("api_errors"));
            self.note(FIGURES, &record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Monotonic {
        Monotonic::from_nanos(minutes * 60 * 1_000_000_000)
    }

    #[test]
    fn an_hour_is_told_once_with_its_most() {
        let mut hour = Hour::new(at(0));
        assert_eq!(hour.take(at(1), None, 0), None);
        assert_eq!(hour.take(at(2), Some(500), 3), None);
        assert_eq!(hour.take(at(59), Some(400), 1), None);
        let over = hour.take(at(60), Some(450), 0);
        assert_eq!(over, Some(Hour { since: at(0), memory: Some(500), errors: Some(3) }));
        let record = over.map(|over| over.record(at(60), Some(7), None));
        let wanted = serde_json::json!({ "seconds": 3600, "memory_peak_bytes": 500, "errors_per_minute_peak": 3, "api_requests": 7 });
        assert_eq!(record, Some(wanted));
        assert_eq!(hour, Hour::new(at(60)), "another begins");
        assert_eq!(hour.take(at(61), Some(1), 0), None);
    }

    #[test]
    fn what_is_no_count_is_left_out() {
        assert_eq!((counted(0.0), counted(12.25), counted(COUNTED_MAX)), (Some(0), Some(12), Some(1 << 53)));
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(counted(none), None, "{none}");
        }
    }
}
