//! What the engine notes once an hour: the most memory, the most errors, and how far the bots' counters of their API have come.

use super::sums::{ApiDay, Peak};
use super::{DAYS_MAX, day_of};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Adds them up.
#[derive(Debug, Default)]
pub(super) struct Figures {
    memory: Option<Peak>,
    errors: Option<Peak>,
    days: BTreeMap<String, ApiDay>,
    /// The counters as they stood last.
    last: Option<(u64, u64)>,
}

impl Figures {
    /// Bots count anew in another life.
    pub fn another_life(&mut self) {
        self.last = None;
    }

    /// Takes a note; one of before the time that is asked about says where the counters stood.
    pub fn take(&mut self, body: &Value, at: Timestamp, counts: bool) {
        let number = |key: &str| body[key].as_u64();
        if counts {
            raise(&mut self.memory, number("memory_peak_bytes"), at);
            raise(&mut self.errors, number("errors_per_minute_peak"), at);
        }
        let (Some(requests), errors) = (number("api_requests"), number("api_errors").unwrap_or(0)) else { return };
        let (before, errors_before) = self.last.replace((requests, errors)).unwrap_or((0, 0));
        if counts {
            let day = self.days.entry(day_of(at)).or_default();
            day.requests += risen(before, requests);
            day.errors += risen(errors_before, errors);
            while self.days.len() > DAYS_MAX {
                self.days.pop_first();
            }
        }
    }

    pub fn sums(self) -> (Option<Peak>, Option<Peak>, BTreeMap<String, ApiDay>) {
        (self.memory, self.errors, self.days)
    }
}

/// A counter that fell was started anew: what it shows came since.
const fn risen(before: u64, now: u64) -> u64 {
    if now < before { now } else { now - before }
}

fn raise(peak: &mut Option<Peak>, value: Option<u64>, at: Timestamp) {
    if let Some(value) = value
        && peak.as_ref().is_none_or(|known| known.value < value)
    {
        *peak = Some(Peak { value, at: at.to_string() });
    }
}
