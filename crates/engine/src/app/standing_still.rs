//! An engine that stood still, frozen or starved of its processor, tells so once it goes on: nobody was guarded meanwhile.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;
use core::time::Duration;
use failstop_core::{Monotonic, Orders};

/// A standstill of so long is told to people. A shorter one is counted (`permit.lapsed`), and is `overload` where it comes again.
const TOLD_FROM: Duration = Duration::from_secs(60);

/// It is over when it did not come again for so long.
const OVER_AFTER: Duration = Duration::from_secs(10 * 60);

/// What people are told of a standstill, if it is one for them. `direct` are the components that ask nobody.
fn words(late: Duration, direct: &[&str]) -> Option<String> {
    if late < TOLD_FROM {
        return None;
    }
    let seconds = late.as_secs();
    Some(match direct {
        [] => {
            format!("failstop stood still for {seconds} s: no permit was valid meanwhile, and nobody was looked after")
        }
        direct => format!(
            "failstop stood still for {seconds} s: no permit was valid meanwhile, but {} asks nobody and was not stopped",
            direct.join(", ")
        ),
    })
}

impl Engine {
    /// The loop goes on so much later than it was to.
    pub(super) fn stood_still(&mut self, late: Duration) {
        self.probes.stood_still();
        self.polls.stood_still();
        self.custom.stood_still();
        let direct: Vec<&str> = self
            .config
            .components
            .iter()
            .filter(|component| component.orders == Orders::Direct)
            .map(|component| component.name.as_str())
            .collect();
        if let Some(words) = words(late, &direct) {
            self.facts.on_time_at = Some(clock::now().plus(OVER_AFTER));
            self.concern(Concern::StoodStill, Some(words));
        }
    }

    /// Whether people may hear that it is over.
    pub(super) fn look_whether_on_time(&mut self, now: Monotonic) {
        if self.facts.on_time_at.is_none_or(|at| now >= at) {
            self.facts.on_time_at = None;
            self.concern(Concern::StoodStill, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_told_and_whoever_asks_nobody_is_named() {
        assert_eq!(words(Duration::from_millis(59_999), &["grid"]), None);
        let told = words(TOLD_FROM, &[]);
        assert!(told.is_some_and(|told| told.contains("stood still for 60 s") && !told.contains("asks nobody")));
        let told = words(Duration::from_secs(3_601), &["grid", "maker"]);
        assert!(told.is_some_and(|told| told.contains("3601 s") && told.contains("grid, maker asks nobody")));
    }
}
