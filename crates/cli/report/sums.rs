//! The answer of `failstop report --format json`. Fields are only ever added.

use serde::Serialize;
use std::collections::BTreeMap;

/// Seconds, and which share of the whole time they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Span {
    /// Seconds.
    pub seconds: f64,
    /// Of the whole time, 0 to 1.
    pub share: f64,
}

/// A time, summed up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The system's name, where it is known.
    pub system: Option<String>,
    /// The journal's id.
    pub journal: Option<String>,
    /// When the time begins: RFC 3339, UTC.
    pub from: String,
    /// When it ends.
    pub until: String,
    /// Records that were written in it.
    pub records: u64,
    /// When the last record of the journal was written.
    pub last_record: Option<String>,
    /// Lines of the journal that could not be read.
    pub unreadable: u64,
    /// How long what was allowed.
    pub permission: PermissionSums,
    /// The engine's lives.
    pub engine: EngineSums,
    /// Components, by name.
    pub components: BTreeMap<String, ComponentSums>,
    /// Halts, by cause.
    pub halts: BTreeMap<String, HaltSums>,
    /// What people were told, by cause.
    pub alerts: BTreeMap<String, AlertSums>,
    /// Orders of which something became, by day.
    pub orders: BTreeMap<String, OrderSums>,
    /// The venue's API as bots report it (`api_requests`, `api_errors`), by day.
    pub api: BTreeMap<String, ApiDay>,
    /// The most errors that bots reported within one minute, by the hour.
    pub errors_per_minute_peak: Option<Peak>,
    /// The most memory of all components and the engine, bytes, by the hour.
    pub memory_peak: Option<Peak>,
    /// Controls that were given, by name.
    pub controls: BTreeMap<String, u64>,
    /// Those of them that were refused, and how often.
    pub controls_refused: BTreeMap<String, u64>,
}

/// How long what was allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PermissionSums {
    /// Everything.
    pub active: Span,
    /// What makes positions smaller.
    pub reduce_only: Span,
    /// Looking.
    pub observe_only: Span,
    /// Nothing.
    pub shutdown: Span,
    /// No engine ran.
    pub down: Span,
    /// The journal does not say.
    pub unknown: Span,
}

impl PermissionSums {
    /// Each with its name, the most that is allowed first.
    pub fn named(&self) -> [(&'static str, Span); 6] {
        [
            ("active", self.active),
            ("reduce-only", self.reduce_only),
            ("observe-only", self.observe_only),
            ("shutdown", self.shutdown),
            ("down", self.down),
            ("unknown", self.unknown),
        ]
    }
}

/// The engine's lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngineSums {
    /// How often it was started.
    pub starts: u64,
    /// How many of those found that the life before had not ended as it should.
    pub died: u64,
    /// The last epoch.
    pub epoch: Option<u64>,
    /// Whether it runs now; `null` where nobody asked, or it cannot be known.
    pub runs: Option<bool>,
}

/// A component's lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComponentSums {
    /// How often it was started.
    pub starts: u64,
    /// How often it ended without anybody asking for it.
    pub ended_by_itself: u64,
    /// How often failstop had to kill it.
    pub killed: u64,
    /// How often it was killed for want of memory, proven or probable or unknown.
    pub out_of_memory: u64,
}

/// The halts of one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HaltSums {
    /// How often one was raised.
    pub times: u64,
    /// How many stand at the end.
    pub standing: u64,
    /// How long they stood, seconds, all together.
    pub seconds: f64,
}

/// What people were told of one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertSums {
    /// Critical incidents that began.
    pub critical: u64,
    /// Warnings that began.
    pub warning: u64,
    /// The rest.
    pub info: u64,
    /// Incidents that were over.
    pub over: u64,
}

/// Orders of which something became.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderSums {
    /// All.
    pub ended: u64,
    /// Those that were filled, or ended after the venue had taken them.
    pub succeeded: u64,
}

/// The venue's API on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApiDay {
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
}

/// The most of something, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// How much.
    pub value: u64,
    /// When it was noted: RFC 3339, UTC.
    pub at: String,
}
