//! What the journal keeps of figures: once an hour, and at an orderly end, the most memory, the most errors, and how many requests to
//! APIs the bots counted. For `failstop report`, which knows nothing but the journal once the engine is gone.

use super::engine::Engine;
use crate::thresholds::Requested;
use core::time::Duration;
use failstop_core::Monotonic;
use serde_json::{Map, Value};

/// The record's type.
const FIGURES: &str = "x.failstop.figures";

/// Between two records.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// The hour that is under way. Pure: time is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hour {
    since: Monotonic,
    memory: Option<u64>,
    errors: Option<u32>,
    /// What the counts of requests had come to, and how many of them failed, when it began.
    counted: (u64, u64),
}

impl Hour {
    /// The first of a life, in which nothing is counted yet.
    pub const fn new(now: Monotonic) -> Self {
        Self { since: now, memory: None, errors: None, counted: (0, 0) }
    }

    /// Takes a sample.
    fn take(&mut self, memory: Option<u64>, errors: u32) {
        self.memory = self.memory.max(memory);
        self.errors = self.errors.max(Some(errors));
    }

    fn is_over(&self, now: Monotonic) -> bool {
        now.since(self.since) >= EVERY
    }

    /// Ends it, whether or not it is over, and begins another; its record.
    fn end(&mut self, now: Monotonic, requested: Option<Requested>) -> Value {
        let counted = requested.map_or(self.counted, |all| (whole(all.requests), whole(all.errors)));
        let ended = std::mem::replace(self, Self { counted, ..Self::new(now) });
        // Who says nothing of requests made none that anybody knows of.
        let heard = requested.is_some_and(|all| all.heard >= ended.since);
        let rose = |now: u64, then: u64| heard.then(|| now.saturating_sub(then));
        let pairs = [
            ("seconds", Some(now.since(ended.since).as_secs())),
            ("memory_peak_bytes", ended.memory),
            ("errors_per_minute_peak", ended.errors.map(u64::from)),
            ("api_requests_rose", rose(counted.0, ended.counted.0)),
            ("api_errors_rose", rose(counted.1, ended.counted.1)),
        ];
        let known = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Value::Object(known.collect::<Map<String, Value>>())
    }
}

/// Of counts that hold halves, what is whole: the rest is told with the next record.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of what rose is not negative, and what is more than any number is the largest"
)]
const fn whole(count: f64) -> u64 {
    count as u64
}

impl Engine {
    /// Takes what was sampled just now.
    pub(super) fn note_figures_of_the_hour(&mut self, now: Monotonic) {
        let components = self.core.components();
        let running = components.iter().filter(|component| component.pid.is_some()).map(|one| one.name.0.as_str());
        let (memory, _) = self.facts.in_use(running);
        let errors = self.core.health(now).errors_per_minute;
        self.hour.take(memory, errors);
        if self.hour.is_over(now) {
            self.note_figures_so_far(now);
        }
    }

    /// Notes what there is of the hour.
    pub(super) fn note_figures_so_far(&mut self, now: Monotonic) {
        if !self.storage_failed {
            let record = self.hour.end(now, self.thresholds.requested());
            self.note(FIGURES, &record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(minutes: u64) -> Monotonic {
        Monotonic::from_nanos(minutes * 60 * 1_000_000_000)
    }

    const fn requested(requests: f64, errors: f64, minutes: u64) -> Option<Requested> {
        Some(Requested { requests, errors, heard: Monotonic::from_nanos(minutes * 60 * 1_000_000_000) })
    }

    #[test]
    fn an_hour_is_told_once_with_its_most() {
        let mut hour = Hour::new(at(0));
        for (memory, errors) in [(None, 0), (Some(500), 3), (Some(400), 1)] {
            hour.take(memory, errors);
        }
        assert!(!hour.is_over(at(59)) && hour.is_over(at(60)));
        let wanted = json!({ "seconds": 3600, "memory_peak_bytes": 500, "errors_per_minute_peak": 3 });
        assert_eq!(hour.end(at(60), None), wanted);
        assert_eq!(hour, Hour::new(at(60)), "another begins");
        hour.take(Some(1), 0);
        assert_eq!(hour.end(at(61), None)["seconds"], 60, "and may end early");
    }

    #[test]
    fn requests_are_those_of_the_hour_and_unknown_where_nobody_spoke_of_any() {
        let mut hour = Hour::new(at(0));
        let mut rose = |minutes, requested| {
            let record = hour.end(at(minutes), requested);
            (record["api_requests_rose"].as_u64(), record["api_errors_rose"].as_u64())
        };
        assert_eq!(rose(60, requested(1_000.5, 2.0, 59)), (Some(1_000), Some(2)));
        assert_eq!(rose(120, requested(1_007.0, 2.0, 110)), (Some(7), Some(0)), "with the half of before");
        assert_eq!(rose(180, requested(1_007.0, 2.0, 110)), (None, None), "not heard of since");
        assert_eq!(rose(240, requested(1_008.0, 3.0, 181)), (Some(1), Some(1)));
    }
}
