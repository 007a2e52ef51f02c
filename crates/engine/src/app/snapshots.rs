//! Snapshots while the engine runs: one a day at midnight UTC and those that somebody wants. The loop copies the book; a thread
//! beside it writes the file; the journal names it afterwards, and only then does it count.

use super::engine::Engine;
use super::journal::{JOURNAL_GONE, Teller, wall};
use crate::beside::LOOP;
use crate::books::{Judgement, NotMade, Request, make, retire_files, snapshot_entry};
use crate::clock;
use crate::command::{Answer as DoorAnswer, ReplyTo};
use crate::doors::bot::Answer;
use crate::process::tree::TreeId;
use core::time::Duration;
use failstop_client::wire::{self, Booked, Code};
use failstop_core::{Cause, Input, Monotonic};
use failstop_journal::Jid;
use failstop_journal::ledger::{Entry, SnapshotRetired, SnapshotTaken};
use failstop_journal::snapshot::retirable;
use failstop_journal::verify::Position;
use jiff::{Timestamp, ToSpan as _};
use tokio::sync::mpsc;

/// A snapshot that could not be made is tried again after this.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Bots get one at most this often, all together; an operator is not held up.
const FOR_BOTS_EVERY: Duration = Duration::from_secs(60);

/// How many may wait for the next one.
const WAITING_MAX: usize = 64;

/// Who waits for a snapshot.
#[derive(Debug)]
enum Wants {
    Bot(Answer),
    Operator(ReplyTo),
}

impl Wants {
    fn refuse(self, code: Code, why: &str) {
        match self {
            Self::Bot(answer) => answer.refuse(code, why),
            Self::Operator(reply) => drop(reply.send(DoorAnswer::Refused(vec![why.to_owned()]))),
        }
    }
}

/// What the loop knows of snapshots.
#[derive(Debug)]
pub struct Snapshots {
    results: mpsc::Sender<Result<SnapshotTaken, NotMade>>,
    /// When the next day is over.
    midnight: Monotonic,
    /// The last day that is over: its number from 1970 on, and its name.
    day: (i64, String),
    /// The one that is due could not be made, and is tried again then.
    retry_at: Option<Monotonic>,
    /// One is being made for these, and is not in the journal yet.
    making: Option<Vec<Wants>>,
    /// These want the next one.
    waiting: Vec<Wants>,
    /// When a bot last got one.
    for_a_bot: Option<Monotonic>,
    /// A start is held up until the one that is due is in the journal; with what the integrity checks said, once they have.
    gate: Option<Option<Result<(), String>>>,
    /// Why the last attempt failed.
    problem: Option<String>,
    /// Why none is made in this process: what it would be of could not be proved.
    barred: Option<String>,
}

impl Snapshots {
    /// Results go to `results`. `barred` says why none can be made, if so.
    pub fn new(results: mpsc::Sender<Result<SnapshotTaken, NotMade>>, now: Monotonic, barred: Option<String>) -> Self {
        let wall = clock::wall();
        Self {
            results,
            midnight: next_midnight(now, wall),
            day: (day_number(wall), last_day(wall)),
            retry_at: None,
            making: None,
            waiting: Vec::new(),
            for_a_bot: None,
            gate: Some(None),
            problem: None,
            barred,
        }
    }

    /// None is made from here on.
    pub fn bar(&mut self, why: &str) {
        self.barred.get_or_insert_with(|| why.to_owned());
    }

    /// When something is due next: never past once [`Self::pass_to`] was told the time.
    pub fn deadline(&self) -> Monotonic {
        self.retry_at.map_or(self.midnight, |at| at.min(self.midnight))
    }

    /// It is now `now`: a day may be over, and what was to be tried again may be tried.
    fn pass_to(&mut self, now: Monotonic) {
        if now >= self.midnight {
            self.look_at_clock(now);
        }
        self.retry_at.take_if(|at| now >= *at);
    }

    /// Whether the last day that is over is not closed yet, given the last one that was.
    fn is_due(&self, closed: Option<&str>) -> bool {
        closed.is_none_or(|closed| closed < self.day.1.as_str())
    }

    /// An attempt failed; who waited for it. One that is not due is not tried again unless somebody asks anew.
    fn failed(&mut self, now: Monotonic, due: bool) -> Vec<Wants> {
        self.retry_at = due.then(|| now.plus(TRIED_AGAIN_AFTER));
        self.making.take().unwrap_or_default()
    }

    /// A day is over, or the wall clock was set and midnight is elsewhere.
    pub fn look_at_clock(&mut self, now: Monotonic) {
        let wall = clock::wall();
        self.midnight = next_midnight(now, wall);
        // Looked at with each wake-up, and another one once a day.
        let number = day_number(wall);
        if self.day.0 != number {
            self.day = (number, last_day(wall));
        }
    }
}

/// Seconds.
const DAY: i64 = 86_400;

/// The days that were over before `wall`, from 1970 on, in UTC.
fn day_number(wall: Timestamp) -> i64 {
    wall.as_second().div_euclid(DAY)
}

/// When the day of `wall` is over, given that it is now `now`.
fn next_midnight(now: Monotonic, wall: Timestamp) -> Monotonic {
    let left = DAY - wall.as_second().rem_euclid(DAY);
    now.plus(Duration::from_secs(u64::try_from(left).unwrap_or_default()))
}

/// The last day that is over: the one before today, in UTC.
fn last_day(wall: Timestamp) -> String {
    let yesterday = wall.checked_sub(24.hours()).unwrap_or(wall);
    yesterday.strftime("%Y-%m-%d").to_string()
}

impl Engine {
    /// A start goes on once the snapshot that is due is in the journal: what the integrity checks said is told to the core then.
    /// Returns whether it may be told now.
    pub(super) fn may_pass(&mut self, integrity: &Result<(), String>) -> bool {
        match &mut self.snapshots.gate {
            Some(held) => {
                *held = Some(integrity.clone());
                false
            }
            None => true,
        }
    }

    /// What an earlier engine left is told to the core; the rest of a start follows.
    pub(super) fn open_snapshots(&mut self) {
        if let Some(named) = self.ledger.books.settled().last_snapshot() {
            let age = Duration::from_nanos(wall().0.saturating_sub(named.time.0));
            self.feed(Input::SnapshotTaken { age });
        }
    }

    /// Makes the snapshot that is due, or wanted, if nothing stands against it. Called after everything that may have changed that.
    pub(super) fn look_at_snapshots(&mut self, now: Monotonic) {
        self.snapshots.pass_to(now);
        // The first record of this epoch first: what is made before it would be of the last one.
        if self.snapshots.making.is_some() || self.storage_failed || !self.books_opened() {
            return;
        }
        if let Some(why) = self.snapshots.barred.clone() {
            self.open_gate(None);
            for wants in std::mem::take(&mut self.snapshots.waiting) {
                wants.refuse(Code::NotNow, &format!("no snapshot can be made: {why}"));
            }
            return;
        }
        let due = self.snapshot_is_due();
        if due && self.snapshots.retry_at.is_none() {
            let day = self.snapshots.day.1.clone();
            self.make_snapshot(Some(day));
        } else if !due {
            self.open_gate(None);
            if !self.snapshots.waiting.is_empty() {
                self.make_snapshot(None);
            }
        } else if !self.snapshots.waiting.is_empty() {
            // What is due comes first, and is not to be had just now.
            let why = self.snapshots.problem.clone().unwrap_or_else(|| "the daily one is due".to_owned());
            for wants in std::mem::take(&mut self.snapshots.waiting) {
                wants.refuse(Code::NotNow, &format!("no snapshot can be made: {why}"));
            }
        }
    }

    fn snapshot_is_due(&self) -> bool {
        self.snapshots.is_due(self.ledger.books.settled().last_day())
    }

    fn make_snapshot(&mut self, day: Option<String>) {
        let request = Request {
            state_dir: self.state_dir.clone(),
            book: self.ledger.books.settled().clone(),
            at: Position { seq: self.head.0, hash: self.head.1 },
            origin: self.mark.name.clone(),
            jid: Jid::from_u128(u128::from_be_bytes(self.journal_id)),
            day,
        };
        self.snapshots.making = Some(std::mem::take(&mut self.snapshots.waiting));
        let results = self.snapshots.results.clone();
        let making = LOOP.run((), move |()| {
            // The loop is gone when this fails, and nobody waits any more.
            let _ = results.blocking_send(make(&request));
        });
        if let Err(none) = making {
            self.snapshot_failed(&format!("there is no thread to make it: {}", none.error), false);
        }
    }

    /// A snapshot is on the disk, or is not.
    pub(super) fn snapshot_made(&mut self, made: Result<SnapshotTaken, NotMade>) {
        match made {
            Ok(taken) => {
                let entry = Entry::SnapshotTaken(taken);
                match self.ledger.books.judge(&entry, wall()) {
                    Ok(Judgement::New) => {
                        if !self.ledger.book(&entry, Teller::Snapshot) {
                            self.snapshot_failed("the journal does not take the record that names it", false);
                        }
                    }
                    Ok(Judgement::Known(_) | Judgement::Underway) => {
                        self.snapshot_failed("the journal names one of the same record", false);
                    }
                    Err(violation) => self.snapshot_failed(&violation.to_string(), false),
                }
            }
            Err(error) => {
                let damaged = matches!(error, NotMade::Previous { .. });
                self.snapshot_failed(&error.to_string(), damaged);
            }
        }
    }

    fn snapshot_failed(&mut self, why: &str, damaged: bool) {
        let due = self.snapshot_is_due();
        for wants in self.snapshots.failed(clock::now(), due) {
            wants.refuse(Code::NotNow, &format!("no snapshot was made: {why}"));
        }
        if self.snapshots.problem.as_deref() != Some(why) {
            self.say("snapshot", &format!("not made: {why}"));
            self.note("x.failstop.snapshot_failed", &serde_json::json!({ "error": why }));
        }
        self.snapshots.problem = Some(why.to_owned());
        if damaged {
            // The start's own check says so too; a start that is held up ends in that halt.
            self.feed(Input::Raise { cause: Cause::Integrity, slot: None, evidence: why.to_owned() });
            self.open_gate(Some(why));
        } else if self.snapshots.gate.is_some() {
            let evidence = format!("the snapshot that is due cannot be made: {why}");
            self.feed(Input::Raise { cause: Cause::Environment, slot: None, evidence });
        }
    }

    /// A snapshot that was made is in the journal: it counts from now on.
    pub(super) fn snapshot_recorded(&mut self) {
        let making = self.snapshots.making.take().unwrap_or_default();
        if let Some(named) = self.ledger.books.settled().last_snapshot() {
            let (entry, seq) = (snapshot_entry(named), named.at);
            for wants in making {
                match wants {
                    Wants::Bot(answer) => answer.give(&wire::Reply::Booked(Booked { seq, already: false })),
                    Wants::Operator(reply) => drop(reply.send(DoorAnswer::Snapshot(Box::new(entry.clone())))),
                }
            }
            self.say("snapshot", &format!("{} taken at record {}", entry.file, entry.seq));
        }
        if self.snapshots.problem.take().is_some() {
            self.feed(Input::Passed { cause: Cause::Environment, slot: None });
        }
        self.feed(Input::SnapshotTaken { age: Duration::ZERO });
        self.open_gate(None);
        self.retire_snapshots();
    }

    /// Old ones may go: the journal says so first, and the files are removed once that is durable.
    fn retire_snapshots(&mut self) {
        let keep = usize::try_from(self.config.snapshots.keep).unwrap_or(usize::MAX);
        if let Some(upto) = retirable(self.ledger.books.named(), keep) {
            let entry = Entry::SnapshotRetired(SnapshotRetired { upto });
            if self.ledger.books.judge(&entry, wall()) == Ok(Judgement::New) {
                self.ledger.book(&entry, Teller::Retired(upto));
            }
        }
    }

    /// The journal says that these may be gone.
    pub(super) fn snapshots_retired(&self, upto: u64) {
        let state_dir = self.state_dir.clone();
        let later = |error: &dyn core::fmt::Display| tracing::warn!(%error, "old snapshots are removed the next time");
        let retiring = LOOP.run((), move |()| {
            if let Err(error) = retire_files(&state_dir, upto) {
                later(&error);
            }
        });
        if let Err(none) = retiring {
            later(&none.error);
        }
    }

    /// The start goes on: with what its checks said, or with what is wrong with the snapshots.
    fn open_gate(&mut self, wrong: Option<&str>) {
        let Some(held) = self.snapshots.gate.take() else { return };
        if let Some(outcome) = held {
            let outcome = match wrong {
                None => outcome,
                Some(wrong) => outcome.and(Err(wrong.to_owned())),
            };
            self.feed(Input::Checked { class: failstop_core::CheckClass::Integrity, outcome });
        }
    }

    /// A bot asks for a snapshot; whether it is taken.
    pub(super) fn snapshot_for_bot(&mut self, tree: TreeId, reason: Option<String>, answer: Answer) -> bool {
        let now = clock::now();
        if let Some(last) = self.snapshots.for_a_bot
            && now.since(last) < FOR_BOTS_EVERY
        {
            let left = FOR_BOTS_EVERY.saturating_sub(now.since(last)).as_secs() + 1;
            answer.refuse(Code::NotNow, format!("bots get a snapshot once a minute; ask again in {left} s"));
            return false;
        }
        let who = self.name_of(tree.slot).unwrap_or_default().to_owned();
        let wanted = self.want_snapshot(&who, reason.as_deref().unwrap_or_default(), Wants::Bot(answer));
        if wanted {
            self.snapshots.for_a_bot = Some(now);
        }
        wanted
    }

    /// An operator asks for a snapshot.
    pub(super) fn snapshot_for_operator(&mut self, who: &str, reason: &str, reply: ReplyTo) {
        self.want_snapshot(who, reason, Wants::Operator(reply));
    }

    fn want_snapshot(&mut self, who: &str, reason: &str, wants: Wants) -> bool {
        if self.storage_failed {
            wants.refuse(Code::NotDurable, JOURNAL_GONE);
            return false;
        }
        if self.snapshots.waiting.len() >= WAITING_MAX {
            wants.refuse(Code::NotNow, "too many wait for a snapshot already");
            return false;
        }
        self.note("x.failstop.snapshot_wanted", &serde_json::json!({ "by": who, "reason": reason }));
        self.snapshots.waiting.push(wants);
        true
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_day_is_over_at_midnight_and_the_last_one_is_closed() {
        let now = Monotonic::from_nanos(1_000_000_000);
        for (wall, seconds, day) in [
            ("2026-11-07T00:00:00Z", 86_400, "2026-11-06"),
            ("2026-11-07T23:59:59.9Z", 1, "2026-11-06"),
            ("2027-01-01T12:00:00Z", 43_200, "2026-12-31"),
            ("2028-03-01T00:00:01Z", 86_399, "2028-02-29"),
        ] {
            let wall: Timestamp = wall.parse().unwrap();
            assert_eq!(next_midnight(now, wall), now.plus(Duration::from_secs(seconds)), "{wall}");
            assert_eq!(last_day(wall), day);
        }
    }

    #[test]
    fn after_a_failure_the_next_deadline_comes_and_never_stays_past() {
        let after = |seconds| Monotonic::from_nanos(1_000_000_000).plus(Duration::from_secs(seconds));
        for (due, retried_at) in [(true, after(60)), (false, after(7_200))] {
            let mut snapshots = Snapshots::new(mpsc::channel(1).0, after(0), None);
            snapshots.midnight = after(7_200);
            snapshots.making = Some(Vec::new());
            assert!(snapshots.failed(after(0), due).is_empty() && snapshots.making.is_none());
            snapshots.problem = Some("the disk is full".to_owned());
            assert_eq!(snapshots.deadline(), retried_at, "due {due}");
            snapshots.pass_to(after(59));
            assert_eq!(snapshots.retry_at.is_some(), due);
            // Whatever is or is not tried then, the loop sleeps until something else is due.
            snapshots.pass_to(after(60));
            assert_eq!((snapshots.deadline(), snapshots.retry_at), (after(7_200), None), "due {due}");
            snapshots.pass_to(after(7_200));
            assert!(snapshots.deadline() > after(7_200), "due {due}");
        }
    }

    #[test]
    fn one_is_due_until_the_last_day_that_is_over_is_closed() {
        let mut snapshots = Snapshots::new(mpsc::channel(1).0, Monotonic::from_nanos(0), None);
        snapshots.day.1 = "2026-11-06".to_owned();
        assert!(snapshots.is_due(None) && snapshots.is_due(Some("2026-11-05")));
        assert!(!snapshots.is_due(Some("2026-11-06")) && !snapshots.is_due(Some("2026-11-07")));
    }
}
