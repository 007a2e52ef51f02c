//! What people are told: one change of one incident, and the numbering of incidents.

use super::time::{Now, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How bad it is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something will be at risk if nobody acts.
    Warning,
    /// Act now.
    Critical,
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It began.
    Trigger,
    /// Something about it changed.
    Update,
    /// It is over.
    Resolve,
}

/// Why an incident stands. The words are part of the incident's key and of alert routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A target does not answer, or not as it should.
    TargetDown,
    /// A target says of itself that it is degraded.
    TargetDegraded,
    /// A target was stopped on purpose and is still stopped after the time that it had announced.
    TargetStopped,
    /// The journal's head went back, forked, was rewritten, or the journal is another one.
    Witness,
    /// The restart ladder gave up.
    Held,
    /// A check-in did not come in time.
    CheckinMissed,
    /// A job said that it failed.
    CheckinFailed,
    /// The watchdog could not see for a while: its own network.
    OwnNetwork,
    /// The other watchdog does not answer.
    PeerDown,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 9] = [
        Self::TargetDown,
        Self::TargetDegraded,
        Self::TargetStopped,
        Self::Witness,
        Self::Held,
        Self::CheckinMissed,
        Self::CheckinFailed,
        Self::OwnNetwork,
        Self::PeerDown,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TargetDown => "target-down",
            Self::TargetDegraded => "target-degraded",
            Self::TargetStopped => "target-stopped",
            Self::Witness => "witness",
            Self::Held => "held",
            Self::CheckinMissed => "checkin-missed",
            Self::CheckinFailed => "checkin-failed",
            Self::OwnNetwork => "own-network",
            Self::PeerDown => "peer-down",
        }
    }

    /// Whether it is about the integrity of a journal: told in maintenance too, and never switched off.
    pub const fn is_integrity(self) -> bool {
        match self {
            Self::Witness => true,
            Self::TargetDown
            | Self::TargetDegraded
            | Self::TargetStopped
            | Self::Held
            | Self::CheckinMissed
            | Self::CheckinFailed
            | Self::OwnNetwork
            | Self::PeerDown => false,
        }
    }
}

/// One change of one incident, with what a person needs to act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `system/cause/number`, the same after a restart and on both watchdogs.
    pub key: String,
    /// What happened.
    pub change: Change,
    /// How bad it is.
    pub severity: Severity,
    /// Why it stands.
    pub cause: Cause,
    /// The target's, the check-in's or the watchdog's name.
    pub system: String,
    /// One line.
    pub title: String,
    /// A few lines.
    pub message: String,
    /// Why, as far as it is known.
    pub root_cause: Option<String>,
    /// What to do now.
    pub action: Option<String>,
    /// Facts, in order.
    pub metadata: Vec<(String, String)>,
    /// The journal's head as last seen.
    pub head: Option<String>,
    /// Whether the target is in maintenance.
    pub maintenance: bool,
    /// When.
    pub at: Wall,
}

/// An incident that stands, or of whose end people must still be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its key.
    pub key: String,
    /// Why it stands.
    pub cause: Cause,
    /// About whom.
    pub system: String,
    /// The worst severity that it had.
    pub severity: Severity,
    /// Since when.
    pub opened: Wall,
    /// Its title when it was opened.
    pub title: String,
    /// Its message when it was opened.
    pub message: String,
    /// What to do.
    pub action: Option<String>,
    /// Whether the notifier has its trigger on disk.
    #[serde(default)]
    pub trigger_recorded: bool,
    /// Its end, until the notifier has that on disk.
    #[serde(default)]
    pub ended: Option<Ended>,
}

/// The end of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Wall,
    /// What people are told.
    pub message: String,
}

/// What an incident is opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Why.
    pub cause: Cause,
    /// How bad.
    pub severity: Severity,
    /// About whom.
    pub system: String,
    /// One line.
    pub title: String,
    /// A few lines.
    pub message: String,
    /// Why, as far as it is known.
    pub root_cause: Option<String>,
    /// What to do.
    pub action: Option<String>,
    /// Facts.
    pub metadata: Vec<(String, String)>,
    /// The journal's head.
    pub head: Option<String>,
    /// Whether the target is in maintenance.
    pub maintenance: bool,
}

/// Every incident that stands, and the numbers given so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incidents {
    /// The last number given, by `system/cause`. Never used twice: services would take the second for the first.
    numbers: BTreeMap<String, u64>,
    /// By key.
    standing: BTreeMap<String, Incident>,
}

impl Incidents {
    /// Opens an incident: the key, and the notice that people get.
    pub fn open(&mut self, now: Now, opening: Opening) -> (String, Notice) {
        let prefix = format!("{}/{}", opening.system, opening.cause.word());
        let number = self.numbers.entry(prefix.clone()).or_insert(0);
        *number += 1;
        let key = format!("{prefix}/{number}");
        self.standing.insert(
            key.clone(),
            Incident {
                key: key.clone(),
                cause: opening.cause,
                system: opening.system.clone(),
                severity: opening.severity,
                opened: now.wall,
                title: opening.title.clone(),
                message: opening.message.clone(),
                action: opening.action.clone(),
                trigger_recorded: false,
                ended: None,
            },
        );
        let notice = Notice {
            key: key.clone(),
            change: Change::Trigger,
            severity: opening.severity,
            cause: opening.cause,
            system: opening.system,
            title: opening.title,
            message: opening.message,
            root_cause: opening.root_cause,
            action: opening.action,
            metadata: opening.metadata,
            head: opening.head,
            maintenance: opening.maintenance,
            at: now.wall,
        };
        (key, notice)
    }

    /// Tells more of an incident that stands, and raises its severity where this one is worse.
    pub fn update(
        &mut self,
        now: Now,
        key: &str,
        severity: Severity,
        title: String,
        message: String,
    ) -> Option<Notice> {
        let incident = self.standing.get_mut(key).filter(|incident| incident.ended.is_none())?;
        incident.severity = incident.severity.max(severity);
        let mut notice = repeated(incident, Change::Update, now.wall, message);
        notice.title = title;
        Some(notice)
    }

    /// Ends an incident.
    pub fn resolve(&mut self, now: Now, key: &str, message: String) -> Option<Notice> {
        let incident = self.standing.get_mut(key).filter(|incident| incident.ended.is_none())?;
        incident.ended = Some(Ended { at: now.wall, message: message.clone() });
        Some(repeated(incident, Change::Resolve, now.wall, message))
    }

    /// The notifier has this change on disk. An ended incident is forgotten once its end is.
    pub fn recorded(&mut self, key: &str, change: Change) {
        let Some(incident) = self.standing.get_mut(key) else { return };
        match change {
            Change::Trigger => incident.trigger_recorded = true,
            Change::Update => {}
            Change::Resolve => {
                if incident.ended.is_some() {
                    self.standing.remove(key);
                }
            }
        }
    }

    /// What the notifier may not have: triggers and ends that it never said to have on disk, in order. For the start, and for
    /// the take-over from a peer.
    pub fn unrecorded(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for incident in self.standing.values() {
            if !incident.trigger_recorded {
                notices.push(repeated(incident, Change::Trigger, incident.opened, incident.message.clone()));
            }
            if let Some(ended) = &incident.ended {
                notices.push(repeated(incident, Change::Resolve, ended.at, ended.message.clone()));
            }
        }
        notices
    }

    /// The notifier has let go of it.
    pub fn handed_over(&mut self, key: &str) {
        if let Some(incident) = self.standing.get_mut(key) {
            incident.trigger_recorded = false;
        }
    }

    /// Whether the notifier has it.
    pub fn is_told_here(&self, key: &str) -> bool {
        self.standing.get(key).is_some_and(|incident| incident.trigger_recorded)
    }

    /// Standing incidents that the notifier has: those that it must let go of once another one tells.
    pub fn told_here(&self) -> Vec<String> {
        self.standing().filter(|incident| incident.trigger_recorded).map(|incident| incident.key.clone()).collect()
    }

    /// Makes the next [`Incidents::unrecorded`] name every standing incident: another notifier tells from now on.
    pub fn forget_recorded(&mut self) {
        self.standing.values_mut().for_each(|incident| incident.trigger_recorded = false);
    }

    /// An incident that stands.
    pub fn get(&self, key: &str) -> Option<&Incident> {
        self.standing.get(key).filter(|incident| incident.ended.is_none())
    }

    /// Every incident that stands.
    pub fn standing(&self) -> impl Iterator<Item = &Incident> {
        self.standing.values().filter(|incident| incident.ended.is_none())
    }

    /// The numbers given so far.
    pub fn numbers(&self) -> &BTreeMap<String, u64> {
        &self.numbers
    }

    /// Takes over the numbers of the other watchdog, so that both give the same key to the same incident.
    pub fn adopt_numbers(&mut self, theirs: &BTreeMap<String, u64>) -> bool {
        let mut changed = false;
        for (prefix, number) in theirs {
            let own = self.numbers.entry(prefix.clone()).or_insert(0);
            if *own < *number {
                *own = *number;
                changed = true;
            }
        }
        changed
    }

    /// Gives an incident that stands here the key that the other watchdog gave it. `None` where there is nothing to rename; else
    /// the end by its own key that people must be told of, where they heard of it from here.
    pub fn rename(&mut self, now: Now, own: &str, theirs: &str) -> Option<Option<Notice>> {
        if own == theirs || self.standing.contains_key(theirs) {
            return None;
        }
        let mut incident = self.standing.remove(own)?;
        let mut over = None;
        if incident.trigger_recorded {
            let message = format!("It goes on as {theirs}: the other watchdog tells of it.");
            let ended = Some(Ended { at: now.wall, message: message.clone() });
            over = Some(repeated(&incident, Change::Resolve, now.wall, message));
            self.standing.insert(own.to_owned(), Incident { ended, ..incident.clone() });
        }
        incident.key = theirs.to_owned();
        incident.trigger_recorded = false;
        self.standing.insert(theirs.to_owned(), incident);
        Some(over)
    }
}

fn repeated(incident: &Incident, change: Change, at: Wall, message: String) -> Notice {
    Notice {
        key: incident.key.clone(),
        change,
        severity: incident.severity,
        cause: incident.cause,
        system: incident.system.clone(),
        title: match change {
            Change::Trigger | Change::Update => incident.title.clone(),
            Change::Resolve => format!("recovered: {}", incident.title),
        },
        message,
        root_cause: None,
        action: match change {
            Change::Trigger | Change::Update => incident.action.clone(),
            Change::Resolve => None,
        },
        metadata: vec![("since".to_owned(), incident.opened.text())],
        head: None,
        maintenance: false,
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heart::time::Boot;

    const NOW: Now = Now { boot: Boot(0), wall: Wall(1_794_274_387_000) };

    fn opening() -> Opening {
        Opening {
            cause: Cause::TargetDown,
            severity: Severity::Critical,
            system: "demo".to_owned(),
            title: "demo is down".to_owned(),
            message: "refused".to_owned(),
            root_cause: None,
            action: None,
            metadata: Vec::new(),
            head: None,
            maintenance: false,
        }
    }

    #[test]
    fn a_number_is_given_once_even_over_a_restart() {
        let mut incidents = Incidents::default();
        let (first, _) = incidents.open(NOW, opening());
        assert_eq!(first, "demo/target-down/1");
        assert!(incidents.resolve(NOW, &first, "back".to_owned()).is_some());
        assert!(incidents.resolve(NOW, &first, "back".to_owned()).is_none(), "it ends once");
        incidents.recorded(&first, Change::Resolve);
        let text = serde_json::to_string(&incidents).unwrap_or_default();
        let mut again: Incidents = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(again.open(NOW, opening()).0, "demo/target-down/2");
    }

    #[test]
    fn what_the_notifier_never_confirmed_is_told_again_in_order() {
        let mut incidents = Incidents::default();
        let (key, _) = incidents.open(NOW, opening());
        let _ = incidents.resolve(NOW, &key, "back".to_owned());
        let changes: Vec<Change> = incidents.unrecorded().iter().map(|notice| notice.change).collect();
        assert_eq!(changes, [Change::Trigger, Change::Resolve]);
        incidents.recorded(&key, Change::Trigger);
        assert_eq!(incidents.unrecorded().len(), 1);
        incidents.recorded(&key, Change::Resolve);
        assert!(incidents.unrecorded().is_empty());
    }

    #[test]
    fn every_cause_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        assert_eq!(words.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_string(&cause).unwrap_or_default(), format!("\"{}\"", cause.word()));
        }
    }
}
