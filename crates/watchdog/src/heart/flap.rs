//! Whether a target flaps: comes and goes so often that one incident must cover it all.

use super::time::Boot;
use serde::{Deserialize, Serialize};

/// The most changes that are remembered.
const CHANGES_MAX: usize = 64;

/// When a target is said to flap, and how long it must hold still before its incident ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlapSettings {
    /// So many times down within [`FlapSettings::within_ms`] is flapping. At least 2.
    pub times_down: usize,
    /// The time looked back on, milliseconds.
    pub within_ms: u64,
    /// A target that flapped must be up for so long before its incident ends, milliseconds.
    pub stable_ms: u64,
}

impl Default for FlapSettings {
    fn default() -> Self {
        Self { times_down: 2, within_ms: 30 * 60_000, stable_ms: 10 * 60_000 }
    }
}

/// The times at which a target went down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flap {
    downs: Vec<Boot>,
}

impl Flap {
    /// The target went down.
    pub fn went_down(&mut self, now: Boot, settings: FlapSettings) {
        self.downs.retain(|at| now.since(*at) <= settings.within_ms);
        if self.downs.len() == CHANGES_MAX {
            self.downs.remove(0);
        }
        self.downs.push(now);
    }

    /// How often it went down lately.
    pub fn times(&self, now: Boot, settings: FlapSettings) -> usize {
        self.downs.iter().filter(|at| now.since(**at) <= settings.within_ms).count()
    }

    /// Whether it flaps.
    pub fn is_flapping(&self, now: Boot, settings: FlapSettings) -> bool {
        self.times(now, settings) >= settings.times_down
    }

    /// Moves every time by so much: another boot's clock.
    pub fn shift(&mut self, by_ms: i64) {
        self.downs.iter_mut().for_each(|at| at.0 = at.0.saturating_add(by_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_falls_are_forgotten_and_the_memory_is_bounded() {
        let settings = FlapSettings::default();
        let mut flap = Flap::default();
        flap.went_down(Boot(0), settings);
        assert!(!flap.is_flapping(Boot(0), settings));
        flap.went_down(Boot(60_000), settings);
        assert!(flap.is_flapping(Boot(60_000), settings));
        assert!(!flap.is_flapping(Boot(60_000 + 30 * 60_000), settings));
        for n in 0..1000 {
            flap.went_down(Boot(100_000 + n), settings);
        }
        assert_eq!(flap.downs.len(), CHANGES_MAX);
    }
}
