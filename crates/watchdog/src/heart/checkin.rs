//! Check-ins: signs of life that jobs push. A deadline is an absolute time. One that fell into a time at which the watchdog
//! itself could not have heard the sign (it was off, the machine slept, its network was down) is `unknown`; one that passed
//! before that fires.

use super::hub::Hub;
use super::notice::{Cause, Opening, Severity};
use super::schedule::Schedule;
use super::settings::CheckInSettings;
use super::time::{Boot, Now, Wall, span};
use serde::{Deserialize, Serialize};

/// Runs whose start was said and whose end was not: at most so many are remembered.
const RUNS_MAX: usize = 16;

/// The longest log text that is kept, bytes.
const LOG_MAX: usize = 2000;

/// What a job says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A run begins.
    Start,
    /// It ended well.
    Success,
    /// It ended badly.
    Fail,
    /// It ended with this exit status: 0 is well.
    Exit(u8),
    /// A text for the next alert; no sign of life.
    Log,
}

/// How a check-in stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing came yet, and nothing is late.
    #[default]
    New,
    /// In time.
    Up,
    /// Late, or it said that it failed.
    Down,
    /// It may have come while the watchdog could not hear it.
    Unknown,
}

impl State {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// When the next sign is due, by the clock that its schedule follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Due {
    /// A period: the clock that no step moves.
    Boot(Boot),
    /// A calendar: wall time.
    Wall(Wall),
    /// Never again: the calendar has no further day.
    Never,
}

/// What is remembered of a check-in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckIn {
    state: State,
    due: Option<Due>,
    last: Option<Wall>,
    last_duration_ms: Option<u64>,
    /// Runs that began, by run id.
    runs: Vec<(String, Boot)>,
    log: String,
    incident: Option<String>,
    /// The deadline that fired already.
    fired: bool,
}

impl CheckIn {
    /// How it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The last sign of life.
    pub fn last(&self) -> Option<Wall> {
        self.last
    }

    /// How long the last run took, milliseconds, where its start was said.
    pub fn last_duration_ms(&self) -> Option<u64> {
        self.last_duration_ms
    }

    /// The incident that stands.
    pub fn incident(&self) -> Option<&str> {
        self.incident.as_deref()
    }

    /// Gives the incident another key.
    pub fn rename(&mut self, own: &str, theirs: &str) {
        if self.incident.as_deref() == Some(own) {
            self.incident = Some(theirs.to_owned());
        }
    }

    /// Begins to wait, where it does not yet.
    pub fn arm(&mut self, now: Now, settings: &CheckInSettings) {
        if self.due.is_none() {
            self.rearm(now, settings);
        }
    }

    fn rearm(&mut self, now: Now, settings: &CheckInSettings) {
        self.fired = false;
        self.due = Some(match &settings.schedule {
            Schedule::Period(ms) => Due::Boot(now.boot.plus(*ms)),
            Schedule::Calendar(cron, zone) => cron.next(now.wall, zone).map_or(Due::Never, Due::Wall),
        });
    }

    /// The deadline as wall time, for people.
    pub fn deadline(&self, now: Now, settings: &CheckInSettings) -> Option<Wall> {
        let ms = self.deadline_boot(now, settings)?.0 - now.boot.0;
        Some(Wall(now.wall.0.saturating_add(ms)))
    }

    /// The deadline on the clock of deadlines, as wall time stands now.
    fn deadline_boot(&self, now: Now, settings: &CheckInSettings) -> Option<Boot> {
        match self.due? {
            Due::Boot(at) => Some(at.plus(settings.grace_ms)),
            Due::Wall(at) => {
                let at = at.plus(settings.grace_ms);
                Some(Boot(now.boot.0.saturating_add(at.0.saturating_sub(now.wall.0))))
            }
            Due::Never => None,
        }
    }

    /// When it wants to be ticked.
    pub fn next(&self, now: Now, settings: &CheckInSettings) -> Option<Boot> {
        let deadline = self.deadline_boot(now, settings).filter(|_| !self.fired);
        let run = settings.runtime_max_ms.and_then(|most| self.runs.iter().map(|(_, at)| at.plus(most)).min());
        deadline.into_iter().chain(run.filter(|_| self.incident.is_none())).min()
    }

    /// A job says something.
    pub fn signal(
        &mut self,
        now: Now,
        settings: &CheckInSettings,
        signal: &Signal,
        run: &str,
        text: &str,
        hub: &mut Hub,
    ) {
        hub.dirty = true;
        if !text.is_empty() {
            let end = (0..=LOG_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text[..end].clone_into(&mut self.log);
        }
        match signal {
            Signal::Log => {}
            Signal::Start => {
                self.runs.retain(|(id, _)| id != run);
                if self.runs.len() == RUNS_MAX {
                    self.runs.remove(0);
                }
                self.runs.push((run.to_owned(), now.boot));
            }
            Signal::Success | Signal::Exit(0) => {
                self.ended(now, settings, run);
                self.state = State::Up;
                if let Some(key) = self.incident.take() {
                    hub.resolve(now, &key, format!("{} checked in at {}.", settings.name, now.wall.text()));
                }
            }
            Signal::Fail => self.failed(now, settings, run, "it said that it failed".to_owned(), hub),
            Signal::Exit(status) => self.failed(now, settings, run, format!("it ended with status {status}"), hub),
        }
    }

    fn ended(&mut self, now: Now, settings: &CheckInSettings, run: &str) {
        if let Some(index) = self.runs.iter().position(|(id, _)| id == run) {
            let (_, began) = self.runs.remove(index);
            self.last_duration_ms = Some(now.boot.since(began));
        } else {
            self.last_duration_ms = None;
        }
        self.last = Some(now.wall);
        self.rearm(now, settings);
    }

    fn failed(&mut self, now: Now, settings: &CheckInSettings, run: &str, why: String, hub: &mut Hub) {
        self.ended(now, settings, run);
        self.state = State::Down;
        self.bad(now, settings, Cause::CheckinFailed, format!("{} failed", settings.name), why, hub);
    }

    /// A deadline may have passed. `deaf_until`: the last instant at which the watchdog could not hear, if there was one.
    pub fn tick(&mut self, now: Now, settings: &CheckInSettings, deaf_until: Option<Boot>, hub: &mut Hub) {
        if let Some(most) = settings.runtime_max_ms
            && self.incident.is_none()
            && let Some((_, began)) = self.runs.iter().find(|(_, at)| at.plus(most) <= now.boot)
        {
            let why = format!(
                "a run began {} ago and has not ended; {} are allowed",
                span(now.boot.since(*began)),
                span(most)
            );
            self.state = State::Down;
            self.bad(now, settings, Cause::CheckinMissed, format!("{} does not end", settings.name), why, hub);
        }
        let Some(deadline) = self.deadline_boot(now, settings).filter(|at| *at <= now.boot && !self.fired) else {
            return;
        };
        let due = Boot(deadline.0.saturating_sub_unsigned(settings.grace_ms));
        if deaf_until.is_some_and(|until| until >= due) {
            self.cannot_know(now, settings, hub);
            return;
        }
        self.miss(now, settings, hub);
    }

    /// The watchdog could not hear between these two instants, on the deadlines' clock: it was off, it slept, or wall time was
    /// moved. A deadline from before fires; one within is unknown.
    pub fn gap(&mut self, from: Now, now: Now, settings: &CheckInSettings, hub: &mut Hub) {
        if self.fired {
            return;
        }
        let passed = |at: Due, boot: Boot, wall: Wall| match at {
            Due::Boot(at) => at.plus(settings.grace_ms) <= boot,
            Due::Wall(at) => at.plus(settings.grace_ms) <= wall,
            Due::Never => false,
        };
        let Some(due) = self.due else { return };
        if passed(due, from.boot, from.wall) {
            self.miss(now, settings, hub);
        } else if passed(due, now.boot, now.wall) {
            self.cannot_know(now, settings, hub);
        }
    }

    fn cannot_know(&mut self, now: Now, settings: &CheckInSettings, hub: &mut Hub) {
        hub.note(format!("{}: its deadline passed while this watchdog could not hear it: unknown", settings.name));
        hub.dirty = true;
        self.runs.clear();
        if self.incident.is_none() {
            self.state = State::Unknown;
        }
        self.rearm(now, settings);
    }

    fn miss(&mut self, now: Now, settings: &CheckInSettings, hub: &mut Hub) {
        self.fired = true;
        self.state = State::Down;
        let last = self.last.map_or_else(|| "it never came".to_owned(), |at| format!("the last was at {}", at.text()));
        let why = format!("no sign of it in time, {} of grace included; {last}", span(settings.grace_ms));
        self.bad(now, settings, Cause::CheckinMissed, format!("{} did not check in", settings.name), why, hub);
    }

    fn bad(&mut self, now: Now, settings: &CheckInSettings, cause: Cause, title: String, why: String, hub: &mut Hub) {
        hub.dirty = true;
        let log = if self.log.is_empty() { String::new() } else { format!("\nIts last words: {}", self.log) };
        let message = format!("{title}: {why}.{log}");
        if let Some(key) = &self.incident {
            hub.update(now, key, settings.severity, title, message);
            return;
        }
        let mut metadata = vec![("now".to_owned(), now.wall.text())];
        metadata.extend(self.last.map(|at| ("last sign".to_owned(), at.text())));
        self.incident = Some(hub.open(
            now,
            Opening {
                cause,
                severity: settings.severity.max(Severity::Warning),
                system: settings.name.clone(),
                title,
                message,
                root_cause: None,
                action: Some(format!("see whether the job `{}` runs, and read its log on its host", settings.name)),
                metadata,
                head: None,
                maintenance: false,
            },
        ));
    }

    /// Moves every time by so much: another boot's clock.
    pub fn shift(&mut self, by_ms: i64) {
        let move_it = |at: &mut Boot| at.0 = at.0.saturating_add(by_ms);
        self.runs.iter_mut().for_each(|(_, at)| move_it(at));
        if let Some(Due::Boot(at)) = &mut self.due {
            move_it(at);
        }
    }
}
