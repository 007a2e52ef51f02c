//! What the witness remembers, for `GET /witness/ORIGIN`, `witness export` and `failstop verify-data --witness`. The form is
//! described in `docs/witness-format.md`.

use super::judge::{Alarm, Point};
use super::store::{FORMAT, Store};
use serde::{Deserialize, Serialize};

/// One origin as the witness remembers it. Fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Always `failstop-witness/1`.
    pub format: String,
    /// The watchdog's name.
    pub witness: String,
    /// The system's name.
    pub origin: String,
    /// The journal's id, 32 hexadecimal digits; `null` before the first contact.
    pub jid: Option<String>,
    /// The last record that was agreed on; `null` before the first contact.
    pub seq: Option<u64>,
    /// Its hash, 64 hexadecimal digits.
    pub head: Option<String>,
    /// When it was agreed on, RFC 3339.
    pub at: Option<String>,
    /// Whether it was recomputed from the lines since the record before; otherwise it was only shown.
    pub proved: bool,
    /// Records that were agreed on, oldest first: dense near the end, sparse far back.
    pub points: Vec<ExportedPoint>,
    /// The highest head that was shown since the last of them, where it is not agreed on yet: the journal must have it too.
    #[serde(default)]
    pub shown: Option<ExportedPoint>,
    /// What is wrong, if anything.
    pub alarm: Option<ExportedAlarm>,
    /// The last hash of the witness's own store.
    pub store_head: String,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedPoint {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash.
    pub head: String,
    /// When it was agreed on, RFC 3339.
    pub at: String,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedAlarm {
    /// In a sentence.
    pub found: String,
    /// The last record on which both agree.
    pub last_agreed: Option<u64>,
    /// When, RFC 3339.
    pub at: String,
}

impl Export {
    /// What a store remembers.
    pub fn of(witness: &str, store: &Store) -> Self {
        let memory = store.memory();
        let last = memory.last();
        let point = |point: &Point| ExportedPoint { seq: point.seq, head: point.head.clone(), at: point.at.text() };
        let alarm = |alarm: &Alarm| ExportedAlarm {
            found: alarm.found.clone(),
            last_agreed: alarm.last_agreed,
            at: alarm.at.text(),
        };
        Self {
            format: FORMAT.to_owned(),
            witness: witness.to_owned(),
            origin: store.origin().to_owned(),
            jid: memory.jid.clone(),
            seq: last.map(|point| point.seq),
            head: last.map(|point| point.head.clone()),
            at: last.map(|point| point.at.text()),
            proved: memory.proved,
            points: memory.points.iter().map(point).collect(),
            shown: memory.shown.as_ref().map(point),
            alarm: memory.alarm.as_ref().map(alarm),
            store_head: store.head().to_string(),
        }
    }
}
