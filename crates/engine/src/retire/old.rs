//! What a journal that is to be retired says: what stands and is to be carried over, and what of it cannot be read. Writes nothing.

use super::begin::JOURNAL_RETIRED;
use crate::app::decode;
use failstop_core::{ComponentName, Halt, Record};
use failstop_journal::ledger::Book;
use failstop_journal::verify::{Options, VerifyError, verify};
use failstop_journal::{Position, SEG_OPEN, read_records};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The most places of damage that are named one by one.
const PLACES_MAX: usize = 8;
/// The most open orders that are named one by one.
const ORDERS_MAX: usize = 32;
/// The most bytes of what is said of one of them.
const WORDS_MAX_BYTES: usize = 300;

/// An old journal, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Old {
    /// Its id.
    pub jid: Option<String>,
    /// The system's name, as it has it.
    pub system: Option<String>,
    /// The number of its last record, and that one's hash.
    pub head: Option<Position>,
    /// How many records its hashes vouch for.
    pub records: u64,
    /// The highest epoch among them.
    pub epoch: Option<u64>,
    /// What could not be read.
    pub unread: Unread,
    /// The latched halts that stand.
    pub halts: Vec<Halt>,
    /// The highest number that a halt in it has.
    pub last_halt: u64,
    /// Components that an operator keeps stopped, with who and why.
    pub held: BTreeMap<String, (String, String)>,
    /// Ids of orders whose end is not recorded, at most 32.
    pub orders: Vec<String>,
    /// How many more.
    pub more_orders: u64,
    /// Whether the ceremony for `live` stood.
    pub live: bool,
}

impl Old {
    /// No halt of it has a higher number than this. One that cannot be read had its record, so its number is no higher than the last
    /// record's.
    pub(super) fn highest_halt(&self) -> u64 {
        let unread = if self.unread.places.is_empty() { 0 } else { self.head.map_or(0, |head| head.seq) };
        self.last_halt.max(unread)
    }
}

/// What of a journal cannot be read, and is therefore not carried over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Places of damage, at most 8, in the journal's order.
    pub places: Vec<String>,
    /// How many more.
    pub more: u64,
    /// A tail that a crash tore: bytes that were never acknowledged.
    pub torn_bytes: u64,
    /// The books could not be followed from this record on.
    pub books: Option<String>,
}

/// A journal as it was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What it says.
    pub old: Old,
    /// Whether an engine has written to it.
    pub was_run: bool,
    /// The folder of the journal that it follows, below the state directory, where a retirement began it.
    pub follows: Option<String>,
}

/// Why nothing can be said of it.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It may not be opened.
    Io(io::Error),
    /// A later version wrote it: what stands by its records is not known here.
    Later {
        /// Which record.
        seq: u64,
        /// Its type.
        kind: String,
    },
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the journal of a state directory.
pub(super) fn read(state: &Path) -> Result<Found, Unreadable> {
    let Found { mut old, mut was_run, mut follows } = Found::default();
    let mut standing: BTreeMap<_, Halt> = BTreeMap::new();
    let mut held: BTreeMap<ComponentName, (String, String)> = BTreeMap::new();
    let (mut book, mut sound) = (Book::new(), true);
    read_records::<Unreadable>(state, 0, |record| {
        old.records += 1;
        old.head = Some(Position { seq: record.seq, hash: record.head });
        old.epoch = old.epoch.max(Some(record.epoch));
        if record.kind == SEG_OPEN {
            let said: serde_json::Value = serde_json::from_str(record.payload).unwrap_or_default();
            let text = |key: &str| said[key].as_str().map(str::to_owned);
            old.jid = old.jid.take().or_else(|| text("jid"));
            old.system = old.system.take().or_else(|| text("origin"));
        }
        if record.kind == JOURNAL_RETIRED {
            let said: serde_json::Value = serde_json::from_str(record.payload).unwrap_or_default();
            follows = said["folder"].as_str().map(str::to_owned);
        }
        if record.is_own() {
            return Ok(());
        }
        if sound && let Err(wrong) = book.replay(&record) {
            // Orders that it opened before are still worth naming.
            sound = false;
            old.unread.books = Some(cut(&format!("record {}: {wrong}", record.seq)));
        }
        if matches!(crate::gate::decode(record.kind, record.payload), Ok(Some(_))) {
            return Ok(());
        }
        match decode(record.kind, record.payload) {
            Ok(Some(Record::EngineStarted { .. })) => was_run = true,
            Ok(Some(Record::HaltRaised(halt))) => {
                old.last_halt = old.last_halt.max(halt.id.0);
                standing.insert(halt.id, halt);
            }
            Ok(Some(Record::HaltCleared { id, .. })) => drop(standing.remove(&id)),
            Ok(Some(Record::ComponentHeld { component, held: true, by, reason })) => {
                held.insert(component, (by, reason));
            }
            Ok(Some(Record::ComponentHeld { component, held: false, .. })) => drop(held.remove(&component)),
            Ok(Some(Record::ModeSet { mode, .. })) => old.live = mode == failstop_core::Mode::Live,
            Ok(_) => {}
            Err(_) => return Err(Unreadable::Later { seq: record.seq, kind: record.kind.to_owned() }),
        }
        Ok(())
    })?;
    old.halts = standing.into_values().filter(|halt| halt.latched).collect();
    old.held = held.into_iter().map(|(component, why)| (component.0, why)).collect();
    let mut orders = book.orders().map(|order| cut(&order.intent.id));
    old.orders = orders.by_ref().take(ORDERS_MAX).collect();
    old.more_orders = orders.count() as u64;
    damage(state, &mut old)?;
    Ok(Found { old, was_run, follows })
}

/// What is wrong with it, and where.
fn damage(state: &Path, old: &mut Old) -> Result<(), Unreadable> {
    let report = match verify(state, &Options::default(), &|_| {}) {
        Ok(report) => report,
        // An empty folder, which holds nothing to carry over.
        Err(VerifyError::NoJournal { .. }) => {
            old.unread.places.push("it holds no record".to_owned());
            return Ok(());
        }
        Err(VerifyError::Unreadable { source, .. }) => return Err(source.into()),
    };
    let count = report.violations.len() as u64 + report.more_violations;
    old.unread.places.extend(report.violations.iter().take(PLACES_MAX).map(|place| cut(&place.to_string())));
    old.unread.more = count - old.unread.places.len() as u64;
    old.unread.torn_bytes = report.torn_tail.map_or(0, |torn| torn.bytes);
    old.jid = old.jid.take().or_else(|| report.jid.map(|jid| jid.to_string()));
    old.system = old.system.take().or(report.origin);
    Ok(())
}

fn cut(text: &str) -> String {
    super::cut(text, WORDS_MAX_BYTES)
}
