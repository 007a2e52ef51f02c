//! What the engine notes once an hour and at an orderly end: the most memory, the most errors, and how many requests to APIs there were.

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
}

impl Figures {
    /// Takes a note.
    pub fn take(&mut self, body: &Value, at: Timestamp) {
        let number = |key: &str| body[key].as_u64();
        raise(&mut self.memory, number("memory_peak_bytes"), at);
        raise(&mut self.errors, number("errors_per_minute_peak"), at);
        if let Some(requests) = number("api_requests_rose") {
            let day = self.days.entry(day_of(at)).or_default();
            day.requests = day.requests.saturating_add(requests);
            day.errors = day.errors.saturating_add(number("api_errors_rose").unwrap_or(0));
            while self.days.len() > DAYS_MAX {
                self.days.pop_first();
            }
        }
    }

    pub fn sums(self) -> (Option<Peak>, Option<Peak>, BTreeMap<String, ApiDay>) {
        (self.memory, self.errors, self.days)
    }
}

fn raise(peak: &mut Option<Peak>, value: Option<u64>, at: Timestamp) {
    if let Some(value) = value
        && peak.as_ref().is_none_or(|known| known.value < value)
    {
        *peak = Some(Peak { value, at: at.to_string() });
    }
}
