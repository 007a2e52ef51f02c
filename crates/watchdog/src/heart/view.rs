//! How everything stands, for `/status`, the page, the metrics and the commands.

use super::Heart;
use super::ladder::Rung;
use super::time::{Now, Wall, span};
use serde::Serialize;

/// The answer of `/status`. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct View {
    /// The watchdog's name.
    pub name: String,
    /// Now, RFC 3339.
    pub now: String,
    /// Since when it runs.
    pub started: String,
    /// Whether it acts and tells, or stands by for its peer.
    pub acting: bool,
    /// Since when it is blind, if it is.
    pub blind_since: Option<String>,
    /// The other watchdog, where there is one.
    pub peer: Option<PeerView>,
    /// Targets.
    pub targets: Vec<TargetView>,
    /// Check-ins.
    pub checkins: Vec<CheckInView>,
}

/// The other watchdog.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct PeerView {
    /// Whether it is alive and able; `null` until that was judged.
    pub alive: Option<bool>,
    /// When it answered last.
    pub last_seen: Option<String>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// `up`, `down`, `unknown` or `maintenance`.
    pub state: String,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// When it answered well last.
    pub last_success: Option<String>,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// The stage of what was wrong last.
    pub last_error_stage: Option<String>,
    /// Why nobody knows, where nobody does.
    pub unknown: Option<String>,
    /// The key of the incident that stands.
    pub incident: Option<String>,
    /// Every standing incident's key.
    pub incidents: Vec<String>,
    /// Whether beats of a live stream come.
    pub stream: bool,
    /// Where the restart ladder stands; absent where there is none.
    pub ladder: Option<LadderView>,
    /// The maintenance that it is in.
    pub maintenance: Option<MaintenanceView>,
    /// The last journal head that it showed.
    pub head: Option<String>,
}

/// A restart ladder.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct LadderView {
    /// `resting`, `pausing`, the step's word, `returning`, `looking`, `waiting`, `verifying` or `held`.
    pub state: String,
    /// Why it is held.
    pub why: Option<String>,
    /// Tries that count against the budget of an hour.
    pub tries: usize,
    /// Tries that count against the budget of a day.
    pub tries_today: usize,
}

/// A maintenance.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct MaintenanceView {
    /// Who said so.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Its end.
    pub until: String,
}

/// One check-in.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct CheckInView {
    /// Its name.
    pub name: String,
    /// `new`, `up`, `down` or `unknown`.
    pub state: String,
    /// The last sign of life.
    pub last: Option<String>,
    /// How long the last run took, seconds.
    pub last_duration_seconds: Option<f64>,
    /// When it is late, grace included.
    pub deadline: Option<String>,
    /// The key of the incident that stands.
    pub incident: Option<String>,
}

impl Heart {
    /// How everything stands.
    pub fn view(&self, now: Now) -> View {
        let targets = self.targets.iter().map(|target| {
            let kept = &target.kept;
            let settings = target.settings();
            let incidents = [
                &kept.incident,
                &kept.witness_incident,
                &kept.held_incident,
                &kept.stopped_incident,
                &kept.degraded_incident,
            ];
            let incidents: Vec<String> = incidents.into_iter().flatten().cloned().collect();
            TargetView {
                name: settings.name.clone(),
                address: settings.place.clone(),
                state: target.stands().word().to_owned(),
                consecutive_failures: kept.failures,
                last_success: kept.last_success.map(Wall::text),
                last_error: kept.last_fault.as_ref().map(ToString::to_string),
                last_error_stage: kept.last_fault.as_ref().map(|fault| fault.stage.word().to_owned()),
                unknown: target.unknown_why().map(str::to_owned),
                incident: incidents.first().cloned(),
                incidents,
                stream: target.streams(),
                ladder: settings.ladder.as_ref().map(|ladder| {
                    let (tries, tries_today) = kept.ladder.spent(now.boot, ladder);
                    let (state, why) = match kept.ladder.rung() {
                        Rung::Resting => ("resting".to_owned(), None),
                        Rung::Pausing { until } => (format!("pausing for {}", span(until.since(now.boot))), None),
                        Rung::Stepping { step, .. } => (step.word().to_owned(), None),
                        Rung::Returning { .. } => ("returning".to_owned(), None),
                        Rung::Looking { .. } => ("looking".to_owned(), None),
                        Rung::Waiting { .. } => ("waiting".to_owned(), None),
                        Rung::Verifying { .. } => ("verifying".to_owned(), None),
                        Rung::Held { why, .. } => ("held".to_owned(), Some(why.clone())),
                    };
                    LadderView { state, why, tries, tries_today }
                }),
                maintenance: kept.maintenance.as_ref().map(|maintenance| MaintenanceView {
                    owner: maintenance.owner.clone(),
                    reason: maintenance.reason.clone(),
                    until: maintenance.until_wall.text(),
                }),
                head: kept.head.clone(),
            }
        });
        let checkins = self.checkin_settings.iter().zip(&self.checkins).map(|(settings, checkin)| CheckInView {
            name: settings.name.clone(),
            state: checkin.state().word().to_owned(),
            last: checkin.last().map(Wall::text),
            last_duration_seconds: checkin
                .last_duration_ms()
                .map(|ms| std::time::Duration::from_millis(ms).as_secs_f64()),
            deadline: checkin.deadline(now, settings).map(Wall::text),
            incident: checkin.incident().map(str::to_owned),
        });
        View {
            name: self.hub.name.clone(),
            now: now.wall.text(),
            started: self.started.text(),
            acting: self.hub.acting,
            blind_since: self.eyes.blind_since().map(Wall::text),
            peer: self
                .peer
                .as_ref()
                .map(|peer| PeerView { alive: peer.alive(), last_seen: peer.last_seen().map(Wall::text) }),
            targets: targets.collect(),
            checkins: checkins.collect(),
        }
    }

    /// How late the latest probe is, milliseconds.
    pub fn overdue_ms(&self, now: Now) -> u64 {
        self.targets.iter().map(|target| target.overdue_ms(now)).max().unwrap_or(0)
    }
}
