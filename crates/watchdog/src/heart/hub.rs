//! What targets, check-ins and the peer share: the orders of this turn, the incidents, and who acts.

use super::notice::{Change, Incidents, Notice, Opening, Severity};
use super::order::Order;
use super::time::Now;
use std::collections::VecDeque;

/// Shared by everything that is judged.
#[derive(Debug)]
pub struct Hub {
    /// This turn's orders.
    pub out: VecDeque<Order>,
    /// Every incident.
    pub incidents: Incidents,
    /// Whether this watchdog acts and tells, or leaves both to its peer.
    pub acting: bool,
    /// Whether something changed that must be on disk before this turn's orders are carried out.
    pub dirty: bool,
    /// Whether something changed that a restart would find again by looking, and that need not be on disk at once.
    pub stale: bool,
    /// The watchdog's name.
    pub name: String,
}

impl Hub {
    /// Opens an incident and tells people.
    pub fn open(&mut self, now: Now, mut opening: Opening) -> String {
        opening.metadata.push(("watchdog".to_owned(), self.name.clone()));
        let (key, notice) = self.incidents.open(now, opening);
        self.tell(notice);
        key
    }

    /// Tells more of an incident.
    pub fn update(&mut self, now: Now, key: &str, severity: Severity, title: String, message: String) {
        if let Some(notice) = self.incidents.update(now, key, severity, title, message) {
            self.tell(notice);
        }
    }

    /// Ends an incident.
    pub fn resolve(&mut self, now: Now, key: &str, message: String) {
        if let Some(notice) = self.incidents.resolve(now, key, message) {
            self.tell(notice);
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.dirty = true;
        if self.acting {
            self.out.push_back(Order::Tell(notice));
        } else if notice.change == Change::Resolve {
            if self.incidents.is_told_here(&notice.key) {
                // People heard of it from here, and the peer does not know it by this key: nobody else will say that it is over.
                self.out.push_back(Order::Tell(notice));
            } else {
                // The peer tells of it; here there is nobody to confirm it.
                self.incidents.recorded(&notice.key, Change::Resolve);
            }
        }
    }

    /// Writes a line to the log.
    pub fn note(&mut self, text: impl Into<String>) {
        self.out.push_back(Order::Note(text.into()));
    }
}
