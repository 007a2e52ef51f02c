//! What failstop itself costs, in the loop: measured with every sample, judged there, shown everywhere.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::footprint::measure;
use crate::history::History;
use failstop_client::status::FootprintSummary;
use failstop_core::{BreakerNews, Monotonic};

impl Engine {
    /// Measures, and tells people where a cap is exceeded.
    pub(super) fn look_at_footprint(&mut self, now: Monotonic) {
        let Some(own) = self.facts.own() else { return };
        let reading = measure(own, self.facts.guard_pid());
        self.footprint.note(now, reading);
        let over = self.footprint.over();
        // A trip empties the windows: what is not judged yet is not over.
        self.concern_where(self.footprint.is_known(), Concern::Footprint, over);
    }

    /// What only shows was shed, or is back.
    pub(super) fn shed_or_back(&mut self, now: Monotonic, news: BreakerNews) {
        match news {
            BreakerNews::Tripped { .. } | BreakerNews::StaysShed | BreakerNews::Recovered => {
                self.footprint.begin_anew()
            }
            BreakerNews::StillBusy => {}
        }
        let shed = matches!(news, BreakerNews::Tripped { .. } | BreakerNews::StaysShed);
        if shed && self.footprint.memory_is_over() {
            // Nothing else of failstop's own is kept only to be shown.
            self.history = History::new(now);
            self.say(
                "breaker",
                "failstop's own memory is beyond [footprint] memory_max: the figures over time begin anew",
            );
        }
    }

    /// For the status; `None` before the first sample.
    pub(super) fn footprint_summary(&self) -> Option<FootprintSummary> {
        let (reading, caps) = (self.footprint.last()?, self.footprint.caps());
        Some(FootprintSummary {
            memory_bytes: reading.memory,
            memory_is: reading.meter.word().to_owned(),
            memory_max_bytes: caps.memory,
            cpu_seconds: reading.cpu.as_secs_f64(),
            cpu_percent: self.footprint.cpu_percent().filter(|percent| percent.is_finite()),
            cpu_max_percent: caps.cpu_percent,
            threads: reading.threads,
            open_files: reading.open_files,
            written_bytes: reading.written,
            written_in_a_day_bytes: self.footprint.written_in_a_day(),
            written_in_a_day_max_bytes: caps.written_per_day,
            sent_bytes: reading.sent,
            sent_per_second_bytes: self.footprint.sent_per_second(),
            sent_per_second_max_bytes: caps.sent_per_second,
            over: self.footprint.over(),
        })
    }
}
