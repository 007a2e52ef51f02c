//! Who hears of what, when, and how often: routes, duplicates, cooldowns, reminders, escalation. Values only; the heart
//! applies them.

use crate::notice::{Notice, PRODUCTION, Severity};
use std::time::Duration;

/// A value for each severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EachSeverity<T> {
    /// For critical ones.
    pub critical: T,
    /// For warnings.
    pub warning: T,
    /// For those that are good to know.
    pub info: T,
}

impl<T: Copy> EachSeverity<T> {
    /// The value for `severity`.
    pub const fn of(&self, severity: Severity) -> T {
        match severity {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}

/// Which notices go to which channels. The first route that matches decides; where none does, every channel is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Of these severities; empty: of any.
    pub severities: Vec<Severity>,
    /// Of these causes; empty: of any.
    pub causes: Vec<String>,
    /// Of these environments; empty: of any.
    pub environments: Vec<String>,
    /// To these channels, by name. Empty: nowhere, except for halts, integrity and the kill switch, which pass by it.
    pub channels: Vec<String>,
}

impl Route {
    /// Whether it decides about `notice`.
    pub(crate) fn matches(&self, notice: &Notice) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|item| item == value);
        (self.severities.is_empty() || self.severities.contains(&notice.severity))
            && any(&self.causes, &notice.cause)
            && any(&self.environments, &notice.environment)
            && (!self.channels.is_empty() || notice.nature.can_be_switched_off())
    }
}

/// Further channels for an incident that nobody acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// So long after the incident was first sent.
    pub after: Duration,
    /// From this severity on.
    pub severity: Severity,
    /// To these channels, by name; those that have it already are told again.
    pub channels: Vec<String>,
}

/// Which environments a channel serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environments {
    /// Every one: the console and the log file of the host itself.
    All,
    /// Production only.
    Production,
    /// Every one but production.
    NotProduction,
    /// These.
    Only(Vec<String>),
}

impl Environments {
    /// Whether notices of `environment` may reach the channel.
    pub(crate) fn contain(&self, environment: &str) -> bool {
        match self {
            Self::All => true,
            Self::Production => environment == PRODUCTION,
            Self::NotProduction => environment != PRODUCTION,
            Self::Only(names) => names.iter().any(|name| name == environment),
        }
    }
}

/// Who hears of what, when, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The same text about the same incident within this time is a duplicate.
    pub duplicate_window: Duration,
    /// The least time between two messages about one incident that got no worse. Never holds back a first notice, a worse
    /// severity, an acknowledgement, an escalation or the end.
    pub cooldown: EachSeverity<Duration>,
    /// How often an open incident that nobody acknowledged is told again. `None`: never.
    pub reminder: EachSeverity<Option<Duration>>,
    /// In order of their times.
    pub escalation: Vec<Escalation>,
    /// In order; the first that matches decides.
    pub routes: Vec<Route>,
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            duplicate_window: minutes(10),
            cooldown: EachSeverity { critical: minutes(30), warning: minutes(10), info: minutes(5) },
            reminder: EachSeverity { critical: Some(minutes(30)), warning: Some(minutes(240)), info: None },
            escalation: Vec::new(),
            routes: Vec::new(),
        }
    }
}
