//! The rungs of the restart ladder as steps, and what may prove each.

use serde::{Deserialize, Serialize};

/// A step that the shell carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Ask the engine, signed, to stop gracefully and start again.
    Ask,
    /// Have the process ended by a signal: SIGTERM, grace, SIGKILL.
    Signal,
    /// Fence it from outside, by what does not depend on it.
    Fence,
    /// Start it.
    Start,
}

impl Step {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Signal => "signal",
            Self::Fence => "fence",
            Self::Start => "start",
        }
    }

    /// Its rung.
    pub const fn rung(self) -> u8 {
        match self {
            Self::Ask => 1,
            Self::Signal => 2,
            Self::Fence => 4,
            Self::Start => 5,
        }
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is proved: what proves it, for people.
    Proved(String),
    /// It is not, and the next rung may be tried.
    Failed(String),
    /// Whoever was asked refuses, because the world is not what the watchdog thinks: another epoch, an old process that still
    /// lives. Nothing more is done in this try.
    Refused(String),
    /// Whoever was asked knows, from its host, that it was stopped on purpose: nothing is started until a person does. How, for
    /// people.
    StoppedOnPurpose(String),
}
