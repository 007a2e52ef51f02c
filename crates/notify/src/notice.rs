//! What a caller reports: one change of one incident, with everything that a person needs to act on it.

use crate::key::Key;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad it is. The order is that of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; nothing is at risk.
    Info,
    /// Something will be at risk if nobody acts.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// Every severity, the least urgent first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its name, as in the configuration and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happened to the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It began; or, for a key that is open, it is still there.
    Trigger,
    /// It is still there and something about it changed. For a key that is not known it is a [`Self::Trigger`].
    Update,
    /// It is over.
    Resolve,
}

/// What the incident is about, as far as that decides what may be kept from people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// A halt of the permission. Its cause cannot be switched off; critical, it is sent in maintenance too.
    Halt,
    /// Damage to journal, snapshot or strategy state. Cannot be switched off, is sent in maintenance too.
    Integrity,
    /// The kill switch. Cannot be switched off, is sent in maintenance too.
    KillSwitch,
    /// Anything else.
    #[default]
    Other,
}

impl Nature {
    /// Whether a route may switch it off.
    pub const fn can_be_switched_off(self) -> bool {
        match self {
            Self::Halt | Self::Integrity | Self::KillSwitch => false,
            Self::Other => true,
        }
    }

    /// Whether maintenance holds back an incident of this nature and severity.
    pub const fn waits_for_maintenance(self, severity: Severity) -> bool {
        match self {
            Self::Integrity | Self::KillSwitch => false,
            Self::Halt => !matches!(severity, Severity::Critical),
            Self::Other => true,
        }
    }
}

/// One change of one incident.
///
/// Texts are cut to the bounds given with each field, on a character boundary, and control characters other than line feeds
/// are replaced: an alert with too much in it is sent shortened, never refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which incident.
    pub key: Key,
    /// What happened to it.
    pub change: Change,
    /// How bad it is.
    pub severity: Severity,
    /// What may be kept from people and what may not.
    pub nature: Nature,
    /// The system that it is about.
    pub system: String,
    /// The cause, by the name that routes use: `heartbeat-lost`, `target-down`.
    pub cause: String,
    /// The component that it is about, if it is about one.
    pub component: Option<String>,
    /// `production`, `staging` or a name; see [`crate::Config`] for what goes where.
    pub environment: String,
    /// A rehearsal; marked as such in every message.
    pub drill: bool,
    /// Said while a maintenance window is open: new incidents of natures that can wait are recorded and not sent.
    pub maintenance: bool,
    /// One line, at most 200 characters.
    pub title: String,
    /// What happened, in a few lines; at most 4000 characters.
    pub message: String,
    /// Why, as far as it is known; at most 1000 characters.
    pub root_cause: Option<String>,
    /// What to do now; at most 1000 characters.
    pub recommended_action: Option<String>,
    /// Where it is written down what to do: a URL; at most 500 characters.
    pub runbook: Option<String>,
    /// Facts, in the order in which they are shown; at most 32 pairs, names of 64 and values of 500 characters.
    pub metadata: Vec<(String, String)>,
    /// Follows the incident across log, journal and alert.
    pub trace_id: Option<String>,
    /// The journal's head when it happened, for people without access to the host.
    pub head: Option<String>,
    /// When it happened, wall time; only shown.
    pub occurred_at: Timestamp,
}

impl Notice {
    /// A notice with what every notice has; the rest is empty, real, and `production`.
    pub fn new(key: Key, change: Change, severity: Severity, title: impl Into<String>, occurred_at: Timestamp) -> Self {
        Self {
            key,
            change,
            severity,
            nature: Nature::Other,
            system: String::new(),
            cause: String::new(),
            component: None,
            environment: PRODUCTION.to_owned(),
            drill: false,
            maintenance: false,
            title: title.into(),
            message: String::new(),
            root_cause: None,
            recommended_action: None,
            runbook: None,
            metadata: Vec::new(),
            trace_id: None,
            head: None,
            occurred_at,
        }
    }

    /// The same within the bounds of each field.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let whole = |text: &mut String, most: usize| *text = bounded(text, most, Lines::Kept);
        let line = |text: &mut String, most: usize| *text = bounded(text, most, Lines::Joined);
        line(&mut self.system, 64);
        line(&mut self.cause, 64);
        line(&mut self.environment, 64);
        line(&mut self.title, 200);
        whole(&mut self.message, 4_000);
        for (text, most) in [(&mut self.root_cause, 1_000), (&mut self.recommended_action, 1_000)] {
            if let Some(text) = text {
                whole(text, most);
            }
        }
        for (text, most) in
            [(&mut self.component, 64), (&mut self.runbook, 500), (&mut self.trace_id, 64), (&mut self.head, 200)]
        {
            if let Some(text) = text {
                line(text, most);
            }
        }
        self.metadata.truncate(METADATA_PAIRS_MAX);
        for (name, value) in &mut self.metadata {
            line(name, 64);
            line(value, 500);
        }
        self
    }
}

/// The environment whose alerts reach the ordinary channels.
pub const PRODUCTION: &str = "production";

/// The most facts that one notice carries.
pub const METADATA_PAIRS_MAX: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Kept,
    Joined,
}

/// At most `most` characters, without what could drive a terminal or break a header.
fn bounded(text: &str, most: usize, lines: Lines) -> String {
    let clean = |c: char| match c {
        '\n' if lines == Lines::Kept => '\n',
        '\n' | '\t' => ' ',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    };
    let mut out: String = text.chars().take(most).map(clean).collect();
    if text.chars().nth(most).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_cut_and_not_refused() {
        let key = Key::parse("demo/x/1").unwrap_or_else(|fault| panic!("{fault}"));
        let mut notice = Notice::new(key, Change::Trigger, Severity::Info, "é".repeat(300), Timestamp::UNIX_EPOCH);
        notice.message = "a\x1b[31m\r\nb\u{0}".into();
        notice.metadata = vec![("n\nm".into(), "v".repeat(600)); 50];
        let notice = notice.bounded();
        assert_eq!(notice.title.chars().count(), 200);
        assert!(notice.title.ends_with("é…"));
        assert_eq!(notice.message, "a\u{FFFD}[31m\u{FFFD}\nb\u{FFFD}");
        assert_eq!(notice.metadata.len(), METADATA_PAIRS_MAX);
        assert_eq!(notice.metadata[0].0, "n m");
        assert_eq!(notice.metadata[0].1.chars().count(), 500);
    }

    #[test]
    fn what_people_must_hear_of_is_a_closed_list() {
        for severity in Severity::ALL {
            assert!(!Nature::Integrity.waits_for_maintenance(severity));
            assert!(!Nature::KillSwitch.waits_for_maintenance(severity));
            assert!(Nature::Other.waits_for_maintenance(severity));
            assert_eq!(Nature::Halt.waits_for_maintenance(severity), severity != Severity::Critical);
        }
        assert!(!Nature::Halt.can_be_switched_off());
    }
}
