//! Which of the core's decisions a person must hear of, when, and how urgently. For whoever is on call.
//!
//! Pure, like everything here: an alert comes out of the step that learned its cause, after the page that closes the gate.
//! Its key is the same over restarts, so whoever delivers it can tell a new incident from one that is known.

mod emit;
mod limit_words;
mod words;

pub(crate) use emit::Told;
pub use words::{Place, Words, gone, start_failed};

use crate::halt::{Cause, Halt, Scope};
use crate::id::{ComponentName, Epoch, HaltId};
use crate::input::Unclean;
use crate::limits::Crossing;
use crate::permission::Permission;
use crate::record::ClearedBy;
use core::fmt;
use core::time::Duration;

/// A condition that should have passed by itself and has stood for this long needs a person after all.
pub const PROLONGED: Duration = Duration::from_secs(5 * 60);

/// `unhealthy` is told after this long: the blip is over by then, and the fail-safe shutdown (after 5 minutes) is not there
/// yet.
pub const UNHEALTHY_FOR: Duration = Duration::from_secs(2 * 60);

/// How urgent an alert is. Ordered by urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something will be at risk if nobody acts.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// `info`, `warning` or `critical`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// When a standing halt is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// Never: somebody ordered it, or it is routine.
    Never,
    /// In the step that raised it.
    AtOnce,
    /// When it has stood for this long.
    AfterStanding(Duration),
    /// At once where it was found at the start or is latched; otherwise when it has stood for this long.
    AtStartOrAfter(Duration),
    /// At once where nothing starts the component again; otherwise when it has stood for this long although the component
    /// may run.
    DownForGoodOr(Duration),
}

/// One row of the alert policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// When it is told.
    pub when: When,
    /// How urgent it is as shipped; [`severity`] has the rule for configured exceptions.
    pub severity: Severity,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A halt.
    Halt(Cause),
    /// The last engine did not end as it should: killed, crashed, or the machine went down under it.
    EngineDied,
    /// `failstop run` gave up before its loop began.
    StartFailed,
    /// A resource limit is near or was crossed.
    Limit,
}

impl Subject {
    /// The subjects that are no halts.
    pub const OTHERS: [Self; 3] = [Self::EngineDied, Self::StartFailed, Self::Limit];

    /// Its name: the cause's, where it is a halt. Also the name of its runbook.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Halt(cause) => cause.name(),
            Self::EngineDied => "engine-died",
            Self::StartFailed => "start-failed",
            Self::Limit => "limit",
        }
    }

    /// Its row of the policy.
    pub const fn row(self) -> AlertRow {
        match self {
            Self::Halt(cause) => row(cause),
            Self::EngineDied | Self::Limit => AlertRow { when: When::AtOnce, severity: Severity::Warning },
            Self::StartFailed => AlertRow { when: When::AtOnce, severity: Severity::Critical },
        }
    }
}

/// The alert policy of each cause.
///
/// Critical: trading stands still until somebody acts. Warning: it comes back by itself, or concerns one slot; and it did not
/// come back as soon as it should.
pub const fn row(cause: Cause) -> AlertRow {
    let (when, severity) = match cause {
        Cause::KillSwitch
        | Cause::Failsafe
        | Cause::Integrity
        | Cause::Storage
        | Cause::Witness
        | Cause::NewJournal
        | Cause::OrdersInDoubt
        | Cause::HeartbeatLost
        | Cause::NoProgress
        | Cause::Hung
        | Cause::ComponentFailed
        | Cause::DailyLoss => (When::AtOnce, Severity::Critical),
        // Three lapses within a minute are the repetition that is worth a message; a single one never is.
        Cause::Overload => (When::AtOnce, Severity::Warning),
        Cause::BotRequest => (When::AtOnce, Severity::Warning),
        Cause::Unhealthy => (When::AfterStanding(UNHEALTHY_FOR), Severity::Warning),
        Cause::Environment => (When::AtStartOrAfter(PROLONGED), Severity::Warning),
        Cause::ComponentDown => (When::DownForGoodOr(PROLONGED), Severity::Warning),
        Cause::Starting | Cause::Reclaiming | Cause::Clock => (When::AfterStanding(PROLONGED), Severity::Warning),
        // An operator ordered it and knows.
        Cause::Maintenance => (When::Never, Severity::Info),
    };
    AlertRow { when, severity }
}

/// How urgent a halt is: as its row says, but a halt that the configuration latched waits for a person and is critical, one
/// that it unlatched is not (a daily loss stays one), and what stops one slot only is a warning.
pub fn severity(halt: &Halt) -> Severity {
    let shipped = row(halt.cause).severity;
    match (shipped, halt.scope) {
        (Severity::Critical, Scope::Component) => Severity::Warning,
        (Severity::Critical, Scope::System) if !halt.latched && halt.cause != Cause::DailyLoss => Severity::Warning,
        (Severity::Warning, Scope::System) if halt.latched => Severity::Critical,
        (Severity::Critical | Severity::Warning | Severity::Info, Scope::System)
        | (Severity::Warning | Severity::Info, Scope::Component) => shipped,
    }
}

/// Names an incident: the same over restarts, and never used again for another one. A halt's number alone would be: numbers
/// whose record was lost in a crash are given again, epochs are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId {
    /// What it is about.
    pub subject: Subject,
    /// The component that it is about, if it is about one.
    pub component: Option<ComponentName>,
    /// The epoch in which it began.
    pub epoch: Epoch,
    /// The halt, where it is one.
    pub halt: Option<HaltId>,
    /// Which of its kind in that epoch, where there may be several.
    pub number: Option<u32>,
}

/// `hung/bot/7-31`, `storage/7-31`, `engine-died/8`, `limit/bot/8-n2`. The host puts the system's name before it.
impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subject.name())?;
        if let Some(component) = &self.component {
            write!(f, "/{}", component.0)?;
        }
        write!(f, "/{}", self.epoch.0)?;
        if let Some(halt) = self.halt {
            write!(f, "-{}", halt.0)?;
        }
        match self.number {
            Some(number) => write!(f, "-n{number}"),
            None => Ok(()),
        }
    }
}

/// What happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlertChange {
    /// It began.
    Trigger,
    /// Its component runs again; the halt still waits for a person.
    Recovered,
    /// It is over.
    Resolve(ClearedBy),
}

/// One message for people, before it has words. See [`Alert::words`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alert {
    /// Which incident.
    pub id: AlertId,
    /// What happened to it.
    pub change: AlertChange,
    /// How urgent it is.
    pub severity: Severity,
    /// The halt, where it is one.
    pub halt: Option<Halt>,
    /// The limit, where it is about one.
    pub crossing: Option<Crossing>,
    /// How the last engine ended, where that is what it is about.
    pub unclean: Unclean,
    /// How long it has stood.
    pub stood: Duration,
    /// What the system may do now.
    pub permission: Permission,
    /// How many other halts stand.
    pub others: usize,
    /// Whether a maintenance window is open: what can wait may be held back until its end.
    pub maintenance: bool,
}
