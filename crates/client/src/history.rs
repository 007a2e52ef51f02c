//! The answer of `GET /api/metrics/history`. Fields are only ever added.

use serde::{Deserialize, Serialize};

/// Figures over time, by column: entry `i` of every list is about the `step_seconds` that begin at `first` plus `i` steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// When this answer was made: RFC 3339, UTC. The last entry's time is not over then.
    pub timestamp: String,
    /// Seconds between two entries.
    pub step_seconds: u64,
    /// When the first entry's time begins: RFC 3339, UTC; `null` where there is none. The engine's start at the earliest.
    pub first: Option<String>,
    /// How many entries each list has.
    pub points: u64,
    /// The figures.
    pub series: Vec<Series>,
    /// How many figures that bots and configured sources say are not kept, since there are too many.
    pub left_out: u64,
}

/// One figure over time. `null` where there was none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name: failstop's own, or `bot.` and the name under which a bot reports it.
    pub name: String,
    /// Its unit: `bytes`, `percent`, `seconds`, `ratio`, `count`, `level`; empty where the bot alone knows.
    pub unit: String,
    /// The least within each step.
    pub min: Vec<Option<f32>>,
    /// The mean.
    pub mean: Vec<Option<f32>>,
    /// The most.
    pub max: Vec<Option<f32>>,
}
