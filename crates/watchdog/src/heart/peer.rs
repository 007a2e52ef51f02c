//! Two watchdogs without duplicates: the primary acts and tells; the standby judges everything too, and takes over while the
//! primary is dead, or has stepped back because it is not able to act and the standby is. While they hear one another, neither begins
//! to act before the other says that it does not, so there may be none for the time of a question, and never two. Both number incidents alike, so that a service sees one incident whoever tells of it.

use super::fault::Fault;
use super::hub::Hub;
use super::notice::{Cause, Opening, Severity};
use super::order::Order;
use super::settings::PeerSettings;
use super::time::{Boot, Now, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a watchdog tells its peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerState {
    /// Its name.
    pub name: String,
    /// Whether it is in a condition to act and to tell.
    pub able: bool,
    /// Whether it acts now.
    pub acting: bool,
    /// The numbers that it gave, by `system/cause`.
    pub numbers: BTreeMap<String, u64>,
    /// Its standing incidents: the key, by `system/cause`.
    pub standing: BTreeMap<String, String>,
}

/// The other watchdog, as seen from here.
#[derive(Debug)]
pub struct Peer {
    settings: PeerSettings,
    ticket: u64,
    waiting: bool,
    ask_at: Boot,
    /// Times in a row that it did not answer.
    silences: u32,
    /// Times in a row that it did not answer, or said that it is not able.
    failures: u32,
    /// Times in a row that it was able while this one was not.
    outdone: u32,
    /// `None` until it was judged once.
    alive: Option<bool>,
    last_seen: Option<Wall>,
    last_fault: Option<String>,
    incident: Option<String>,
    name: String,
}

/// What an answer of the peer, or its lack, changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// This one acts from now on.
    TakesOver,
    /// The other one acts from now on.
    StepsBack,
}

impl Peer {
    /// A peer that was not asked yet. `incident` is what stood about it before a restart.
    pub fn new(settings: PeerSettings, now: Now, incident: Option<String>) -> Self {
        Self {
            settings,
            ticket: 0,
            waiting: false,
            ask_at: now.boot,
            silences: 0,
            failures: 0,
            outdone: 0,
            alive: None,
            last_seen: None,
            last_fault: None,
            incident,
            name: String::new(),
        }
    }

    /// Whether this watchdog acts at first: the primary does, the standby waits until it has judged the other.
    pub fn acts_at_first(&self) -> bool {
        self.settings.primary
    }

    /// Whether the other is alive and able; `None` until that was judged.
    pub fn alive(&self) -> Option<bool> {
        self.alive
    }

    /// When it answered last.
    pub fn last_seen(&self) -> Option<Wall> {
        self.last_seen
    }

    /// The incident about it, to be kept.
    pub fn incident(&self) -> Option<&str> {
        self.incident.as_deref()
    }

    /// When it wants to be ticked.
    pub fn next(&self) -> Option<Boot> {
        (!self.waiting).then_some(self.ask_at)
    }

    /// Asks it, where it is time.
    pub fn tick(&mut self, now: Now, hub: &mut Hub) {
        if self.next().is_some_and(|at| at <= now.boot) {
            self.ticket += 1;
            self.waiting = true;
            hub.out.push_back(Order::AskPeer { ticket: self.ticket });
        }
    }

    /// Time jumped: what is under way proves nothing.
    pub fn jumped(&mut self, now: Now) {
        self.ticket += 1;
        self.waiting = false;
        self.ask_at = now.boot;
        (self.silences, self.failures, self.outdone) = (0, 0, 0);
    }

    /// Whether this answer is the one that is waited for.
    pub fn takes(&mut self, now: Now, ticket: u64) -> bool {
        if !self.waiting || ticket != self.ticket {
            return false;
        }
        self.waiting = false;
        self.ask_at = now.boot.plus(self.settings.interval_ms);
        true
    }

    /// It answered. `able`: whether this one is in a condition to act and to tell.
    pub fn answered(&mut self, now: Now, state: &PeerState, able: bool, hub: &mut Hub) -> Change {
        self.last_seen = Some(now.wall);
        self.silences = 0;
        state.name.clone_into(&mut self.name);
        if hub.incidents.adopt_numbers(&state.numbers) {
            hub.dirty = true;
        }
        if state.able {
            self.failures = 0;
            self.last_fault = None;
            self.alive = Some(true);
            if let Some(key) = self.incident.take() {
                hub.resolve(now, &key, format!("The watchdog {} answers again.", self.settings.place));
            }
        } else {
            self.not_well("it says that it is not able to act".to_owned());
            if self.alive == Some(false) {
                self.tell(now, "is not able to act", "see why: its `/health` and its log", hub);
            }
        }
        self.outdone = if state.able && !able { self.outdone.saturating_add(1) } else { 0 };
        let acts = match (self.settings.primary, hub.acting) {
            (true, true) => self.outdone < self.settings.failures,
            // Of two that are not able the primary acts.
            (true, false) => !state.acting && (able || !state.able),
            (false, _) => !state.acting && !state.able && able,
        };
        match (hub.acting, acts) {
            (false, true) => Change::TakesOver,
            (true, false) => Change::StepsBack,
            (true, true) | (false, false) => Change::Same,
        }
    }

    /// It did not answer, and the watchdog's own eyes are good.
    pub fn failed(&mut self, now: Now, fault: &Fault, hub: &mut Hub) -> Change {
        self.outdone = 0;
        self.silences = self.silences.saturating_add(1);
        self.not_well(fault.to_string());
        if self.silences < self.settings.failures {
            return Change::Same;
        }
        self.tell(now, "does not answer", "start the other watchdog again", hub);
        // Able or not: there is no other.
        if hub.acting { Change::Same } else { Change::TakesOver }
    }

    fn not_well(&mut self, why: String) {
        self.failures = self.failures.saturating_add(1);
        self.last_fault = Some(why);
        if self.failures >= self.settings.failures {
            self.alive = Some(false);
        }
    }

    /// Whoever acts tells of it; a standby that takes over does so with everything else.
    fn tell(&mut self, now: Now, what: &str, action: &str, hub: &mut Hub) {
        let why = self.last_fault.clone().unwrap_or_default();
        let title = format!("the other watchdog ({}) {what}", self.settings.place);
        if let Some(key) = &self.incident {
            let key = key.clone();
            if hub.incidents.get(&key).is_some_and(|incident| incident.title != title) {
                hub.update(now, &key, Severity::Warning, title, format!("{why}."));
            }
            return;
        }
        self.incident = Some(hub.open(
            now,
            Opening {
                cause: Cause::PeerDown,
                severity: Severity::Warning,
                system: hub.name.clone(),
                title,
                message: format!("{why}. Whichever of the two is able acts and tells; nobody watches it meanwhile."),
                root_cause: None,
                action: Some(action.to_owned()),
                metadata: self.last_seen.map(|at| ("last seen".to_owned(), at.text())).into_iter().collect(),
                head: None,
                maintenance: false,
            },
        ));
    }
}
