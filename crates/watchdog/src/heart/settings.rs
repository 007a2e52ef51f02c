//! What the heart is told about what it watches. The configuration's defaults are applied before.

use super::eyes::EyesSettings;
use super::flap::FlapSettings;
use super::ladder::LadderSettings;
use super::notice::Severity;
use super::progress::ProgressSettings;
use super::schedule::Schedule;

/// Everything.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The watchdog's name.
    pub name: String,
    /// Targets, in the configuration's order.
    pub targets: Vec<TargetSettings>,
    /// Check-ins, in the configuration's order.
    pub checkins: Vec<CheckInSettings>,
    /// Its own sight.
    pub eyes: EyesSettings,
    /// The other watchdog.
    pub peer: Option<PeerSettings>,
    /// How often the outside dead man's switch is pinged, milliseconds; `None`: there is none.
    pub outside_every_ms: Option<u64>,
}

/// How a target's answer is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judging {
    /// By the health body.
    Health,
    /// By status, and by text in the body.
    Plain {
        /// The text.
        contains: Option<String>,
    },
    /// That it answers, or that the command ends with 0.
    Reached,
}

/// One target.
#[derive(Clone, Debug)]
pub struct TargetSettings {
    /// Its name: also the name of the system in incident keys.
    pub name: String,
    /// Where it is, for people, without secrets.
    pub place: String,
    /// How it is judged.
    pub judging: Judging,
    /// † time between probes, milliseconds.
    pub interval_ms: u64,
    /// † time for an answer, milliseconds.
    pub timeout_ms: u64,
    /// † failures …
    pub failures: u32,
    /// … among so many last answers.
    pub window: u32,
    /// An incident ends when the target has been up for so long, milliseconds.
    pub settle_ms: u64,
    /// Whether `degraded` counts as a failure.
    pub degraded_is_failure: bool,
    /// The severity of its being down.
    pub severity: Severity,
    /// Freshness.
    pub progress: ProgressSettings,
    /// Flapping.
    pub flap: FlapSettings,
    /// The live stream, where it may have one.
    pub stream: Option<StreamSettings>,
    /// Restarting, where it is wanted.
    pub ladder: Option<LadderSettings>,
}

/// The live stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Without a beat for so long, the target is probed at once, milliseconds.
    pub beat_max_age_ms: u64,
    /// Time for an answer of these probes, milliseconds.
    pub confirm_timeout_ms: u64,
    /// Time between them, milliseconds.
    pub confirm_gap_ms: u64,
}

/// One check-in.
#[derive(Clone, Debug)]
pub struct CheckInSettings {
    /// Its name.
    pub name: String,
    /// When it is expected.
    pub schedule: Schedule,
    /// How late it may be, milliseconds.
    pub grace_ms: u64,
    /// How long a run may take after its start signal, milliseconds; `None`: not judged.
    pub runtime_max_ms: Option<u64>,
    /// The severity of its being late.
    pub severity: Severity,
}

/// The other watchdog.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Its name for people.
    pub place: String,
    /// Whether this one acts while both are alive. Exactly one of two may.
    pub primary: bool,
    /// Time between questions, milliseconds.
    pub interval_ms: u64,
    /// Failures in a row until it is dead.
    pub failures: u32,
}
