//! The engine's side of the recorder: core records, bots' events and what goes into the books on their way to the disk, and who
//! waits for them.

use super::gate::GateWaiter;
use crate::books::{Books, Judgement};
use crate::clock;
use crate::command::{self, ReplyTo};
use crate::doors::bot::Answer;
use core::time::Duration;
use failstop_client::books::Imported;
use failstop_client::wire::{self, Booked};
use failstop_core::gate::GateRecord;
use failstop_core::{Monotonic, Record, Ticket};
use failstop_journal::ledger::{self, Unsound};
use failstop_journal::{AppendError, Entry, Handle, Importance, Wall, Written};
use std::borrow::Cow;
use std::collections::VecDeque;

/// What bots and operators say may fill the recorder's queue only so far: the rest is the engine's own.
const EVENTS_WAITING_MAX: usize = 4_096;

/// The same in bytes of payload.
const BYTES_WAITING_MAX: u64 = 12 << 20;

/// What the recorder thread tells the loop.
#[derive(Debug)]
pub enum Report {
    /// These records are durable.
    Durable {
        /// Which, with their sequence numbers.
        written: Vec<Written>,
        /// The last durable sequence number.
        seq: u64,
        /// Its hash.
        head: failstop_journal::Head,
    },
    /// Nothing more becomes durable.
    Failed {
        /// What failed.
        error: String,
        /// Whether last words are still taken: the disk is full, and the ballast was given back.
        last_words: bool,
    },
}

#[derive(Debug)]
enum Waiter {
    /// A record of the core's.
    Core(Ticket),
    /// A bot that wants to know the sequence number of its event.
    Bot(Answer),
    /// Whoever said what goes into the books.
    Books(Teller),
    /// Whoever waits for a record of the gate's.
    Gate(GateWaiter),
    /// Nobody: a note of the engine's.
    Nobody,
}

impl Waiter {
    /// Tells them that it was not recorded, and why. The core is told otherwise.
    fn refused(self, code: wire::Code, why: &str) {
        match self {
            Self::Bot(answer) => answer.refuse(code, why),
            Self::Books(teller) => teller.refused(code, why),
            Self::Gate(waiter) => waiter.refused(why),
            Self::Core(_) | Self::Nobody => {}
        }
    }
}

/// Who said what goes into the books, and waits for it to be durable.
#[derive(Debug)]
pub enum Teller {
    /// A bot.
    Bot(Answer),
    /// An operator.
    Operator(ReplyTo),
    /// An operator, after a correction of these differences.
    Corrected(ReplyTo, Vec<String>),
    /// The engine itself, for a snapshot that it made.
    Snapshot,
    /// The engine itself, for snapshots up to this one that may go.
    Retired(u64),
    /// The engine itself.
    Nobody,
}

impl Teller {
    /// Tells them where it stands.
    pub fn booked(self, seq: u64, already: bool) {
        match self {
            Self::Bot(answer) => answer.give(&wire::Reply::Booked(Booked { seq, already })),
            // Whoever asked may have gone; then nobody wants it.
            Self::Operator(reply) => {
                drop(reply.send(command::Answer::Imported(Imported { seq, already, corrected: Vec::new() })));
            }
            Self::Corrected(reply, corrected) => {
                drop(reply.send(command::Answer::Imported(Imported { seq, already, corrected })));
            }
            Self::Snapshot | Self::Retired(_) | Self::Nobody => {}
        }
    }

    /// Tells them that it was not recorded, and why.
    pub fn refused(self, code: wire::Code, why: &str) {
        match self {
            Self::Bot(answer) => answer.refuse(code, why),
            Self::Operator(reply) | Self::Corrected(reply, _) => {
                drop(reply.send(command::Answer::Refused(vec![why.to_owned()])));
            }
            Self::Snapshot | Self::Retired(_) | Self::Nobody => {}
        }
    }
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    waiter: Waiter,
    bytes: u64,
    since: Monotonic,
}

/// A queue of who waits for what, in the order in which records were handed over.
#[derive(Debug)]
pub struct Ledger {
    handle: Handle,
    next: u64,
    waiting: VecDeque<Waiting>,
    /// Bytes of payload of all who wait.
    bytes_waiting: u64,
    durable: (Ticket, u64),
    /// Last words were handed over.
    last_words: bool,
    /// Records were handed over that the recorder has not been woken for.
    unwoken: bool,
    /// What the records say of money, states, orders and snapshots.
    pub books: Books,
    /// Who repeated what is under way: answered once it is durable.
    repeats: Vec<(ledger::Entry, Teller)>,
    /// Durable intents whose orders are not answered yet: as handed over, and in the journal.
    intents: VecDeque<(u64, u64)>,
    /// The last durable record: as handed over, and in the journal.
    last: (u64, u64),
}

/// What became durable with one report.
#[derive(Debug)]
pub struct Settled {
    /// The core's highest durable ticket.
    pub ticket: Ticket,
    /// The journal's sequence number of that record.
    pub seq: u64,
    /// The highest number of a durable record, as [`Ledger::note`] gave it.
    pub number: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// How long the oldest of them waited.
    pub waited: Duration,
    /// Whether a snapshot that the engine made is in the journal now.
    pub snapshot: bool,
    /// Snapshots up to this one may be removed.
    pub retired: Option<u64>,
    /// Whether the books may have changed.
    pub books: bool,
    /// Who of the gate's needs the loop for an answer, with the intent's number, or the record's.
    pub gate: Vec<(GateWaiter, u64)>,
    /// What was recorded although it breaks a rule.
    pub unsound: Vec<(u64, Unsound)>,
}

impl Ledger {
    /// Over this recorder, going on with these books.
    pub fn new(handle: Handle, books: Books, seq: u64) -> Self {
        Self {
            handle,
            next: 1,
            waiting: VecDeque::new(),
            bytes_waiting: 0,
            durable: (Ticket(0), 0),
            last_words: false,
            unwoken: false,
            books,
            repeats: Vec::new(),
            intents: VecDeque::new(),
            last: (0, seq),
        }
    }

    /// Hands a record of the core's over; the recorder begins with it after [`Ledger::flush`] at the latest.
    ///
    /// # Errors
    /// When the recorder takes nothing more: for the core that is a failed storage.
    pub fn record(&mut self, ticket: Ticket, record: &Record) -> Result<(), AppendError> {
        let (kind, payload) = encode(record);
        self.append(Cow::Owned(kind), payload, Waiter::Core(ticket), Importance::Ordinary).map_err(|lost| lost.0)
    }

    /// Hands over what the core still says once the disk is full: it goes into the room that the ballast gave back.
    ///
    /// # Errors
    /// When the recorder takes nothing more at all.
    pub fn last_word(&mut self, record: &Record) -> Result<(), AppendError> {
        let (kind, payload) = encode(record);
        self.append(Cow::Owned(kind), payload, Waiter::Nobody, Importance::LastWords).map_err(|lost| lost.0)?;
        self.last_words = true;
        Ok(())
    }

    /// Whether last words are in the journal or on their way into it.
    pub fn said_last_words(&self) -> bool {
        self.last_words
    }

    /// Wakes the recorder, if there is anything for it to do. Before waiting for anything.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.unwoken) {
            self.handle.wake();
        }
    }

    /// Hands a note of the engine's own over (type `x.failstop.…`, which replay passes over). As
    /// [`Ledger::record`]; it is durable once
    /// [`Settled::number`] has reached the number that is returned.
    ///
    /// # Errors
    /// When the recorder takes nothing more.
    pub fn note(&mut self, kind: &'static str, payload: &serde_json::Value) -> Result<u64, AppendError> {
        let number = self.next;
        self.append(Cow::Borrowed(kind), payload.to_string(), Waiter::Nobody, Importance::Ordinary)
            .map_err(|lost| lost.0)?;
        Ok(number)
    }

    /// Hands a bot's event over, as [`Ledger::record`]; the bot is answered when it is durable, or at once with the reason
    /// why it never will be.
    pub fn event(&mut self, kind: String, payload: String, answer: Answer) {
        if self.has_room() {
            self.hand_over(Cow::Owned(kind), payload, Waiter::Bot(answer));
        } else {
            answer.refuse(wire::Code::NotDurable, TOO_MANY);
        }
    }

    /// Hands over what was judged to be new in the books; whoever said it is told when it is durable, or at once why it never
    /// will be. Whether there is [room](Ledger::has_room) was looked at before anybody was told of it. Returns whether it was taken.
    pub fn book(&mut self, entry: &ledger::Entry, teller: Teller) -> bool {
        self.hand_over(Cow::Borrowed(entry.kind()), entry.payload(), Waiter::Books(teller))
    }

    /// Hands over what somebody waits for, who is told at once where it is not taken; whether it was.
    fn hand_over(&mut self, kind: Cow<'static, str>, payload: String, waiter: Waiter) -> bool {
        match self.append(kind, payload, waiter, Importance::Ordinary).map_err(|lost| *lost) {
            Ok(()) => true,
            Err((AppendError::Refused(error), waiter)) => {
                waiter.refused(wire::Code::BadField, &error.to_string());
                false
            }
            Err((error, waiter)) => {
                waiter.refused(wire::Code::NotDurable, &error.to_string());
                false
            }
        }
    }

    /// As [`Ledger::book`], for what the engine says by itself and somebody else may have said meanwhile: only where it is new.
    pub fn book_if_new(&mut self, entry: &ledger::Entry) {
        if self.books.judge(entry, wall()) == Ok(Judgement::New) {
            self.book(entry, Teller::Nobody);
        }
    }

    /// Whether there is room for more that bots and operators say; looked at before anything is judged or told.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < EVENTS_WAITING_MAX && self.bytes_waiting < BYTES_WAITING_MAX
    }

    /// The number that the next record is handed over under.
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// Where in the journal a record that was handed over under this number will stand: exactly there, unless a new segment begins
    /// before it.
    pub const fn forecast(&self, number: u64) -> u64 {
        let (known, seq) = self.last;
        seq.saturating_add(number.saturating_sub(known))
    }

    /// Hands over the intent of an order, which was judged to be new; its number. `told`: an order waits to hear where it stands.
    ///
    /// # Errors
    /// When the recorder does not take it: the gate is ahead of the journal then, which is a failed storage.
    pub fn intent(&mut self, entry: &ledger::Entry, told: bool) -> Result<u64, AppendError> {
        let number = self.next;
        let kind = Cow::Borrowed(entry.kind());
        let waiter = if told { Waiter::Gate(GateWaiter::Intent) } else { Waiter::Books(Teller::Nobody) };
        self.append(kind, entry.payload(), waiter, Importance::Ordinary).map(|()| number).map_err(|lost| lost.0)
    }

    /// Hands a record of the gate's over; whoever waits is told when it is durable, or at once why it never will be.
    ///
    /// # Errors
    /// When the recorder does not take it: the gate is ahead of the journal then, which is a failed storage.
    pub fn gate(&mut self, record: &GateRecord, waiter: GateWaiter) -> Result<(), AppendError> {
        let (kind, payload) = crate::gate::encode(record);
        match self.append(Cow::Borrowed(kind), payload, Waiter::Gate(waiter), Importance::Ordinary) {
            Ok(()) => Ok(()),
            Err(lost) => {
                let (error, waiter) = *lost;
                waiter.refused(wire::Code::NotDurable, &error.to_string());
                Err(error)
            }
        }
    }

    /// Where the intent that was handed over under this number stands in the journal.
    fn intent_seq(&mut self, number: u64) -> Option<u64> {
        while self.intents.front().is_some_and(|(known, _)| *known < number) {
            self.intents.pop_front();
        }
        let found = self.intents.front().filter(|(known, _)| *known == number).map(|(_, seq)| *seq)?;
        self.intents.pop_front();
        Some(found)
    }

    /// Somebody repeats what is under way: told once that is durable.
    pub fn repeated(&mut self, entry: ledger::Entry, teller: Teller) {
        if self.repeats.len() >= EVENTS_WAITING_MAX {
            return teller.refused(wire::Code::NotDurable, TOO_MANY);
        }
        self.repeats.push((entry, teller));
    }

    /// Answers repetitions of what is durable by now.
    fn settle_repeats(&mut self) {
        if self.repeats.is_empty() {
            return;
        }
        for (entry, teller) in std::mem::take(&mut self.repeats) {
            match self.books.settled().judge(&entry) {
                Ok(ledger::Judged::Already { seq: Some(seq) }) => teller.booked(seq, true),
                Ok(ledger::Judged::Already { seq: None } | ledger::Judged::New) => self.repeats.push((entry, teller)),
                Err(violation) => teller.refused(wire::Code::Violation, &violation.to_string()),
            }
        }
    }

    /// Gives whoever would have waited back where it is not taken.
    fn append(
        &mut self,
        kind: Cow<'static, str>,
        payload: String,
        waiter: Waiter,
        importance: Importance,
    ) -> Result<(), Box<(AppendError, Waiter)>> {
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let folded = (!kind.starts_with("x.")).then(|| (kind.clone(), payload.clone()));
        if let Err(error) = self.handle.enqueue(Entry { ticket: self.next, kind, payload, importance }) {
            return Err(Box::new((error, waiter)));
        }
        if let Some((kind, payload)) = folded {
            self.books.handed_over(self.next, kind, payload, wall());
        }
        self.unwoken = true;
        self.waiting.push_back(Waiting { number: self.next, waiter, bytes, since: clock::now() });
        self.bytes_waiting = self.bytes_waiting.saturating_add(bytes);
        self.next += 1;
        Ok(())
    }

    /// Answers everybody who waited for these records.
    pub fn settle(&mut self, written: &[Written]) -> Settled {
        let now = clock::now();
        let (ticket, seq) = self.durable;
        let mut settled = Settled {
            ticket,
            seq,
            number: 0,
            bytes: 0,
            waited: Duration::ZERO,
            snapshot: false,
            retired: None,
            books: false,
            gate: Vec::new(),
            unsound: self.books.settle(written),
        };
        for written in written {
            settled.number = settled.number.max(written.ticket);
            self.last = (written.ticket, written.seq);
            // In order; what lies before it and was not written is lost, and its waiter is told so.
            while self.waiting.front().is_some_and(|waiting| waiting.number <= written.ticket) {
                let Some(Waiting { number, waiter, bytes, since }) = self.waiting.pop_front() else { break };
                settled.bytes = settled.bytes.saturating_add(bytes);
                self.bytes_waiting = self.bytes_waiting.saturating_sub(bytes);
                settled.waited = settled.waited.max(now.since(since));
                match waiter {
                    Waiter::Core(ticket) => self.durable = (ticket, written.seq),
                    Waiter::Bot(answer) if number == written.ticket => {
                        answer.give(&wire::Reply::Recorded { seq: written.seq });
                    }
                    Waiter::Books(teller) if number == written.ticket => {
                        settled.books = true;
                        settled.snapshot |= matches!(teller, Teller::Snapshot);
                        if let Teller::Retired(upto) = teller {
                            settled.retired = Some(upto);
                        }
                        teller.booked(written.seq, false);
                    }
                    lost @ (Waiter::Bot(_) | Waiter::Books(_)) => {
                        lost.refused(wire::Code::NotDurable, "it was not written");
                    }
                    Waiter::Gate(GateWaiter::Intent) => {
                        settled.books = true;
                        self.intents.push_back((number, written.seq));
                    }
                    Waiter::Gate(waiter) if number == written.ticket => {
                        let seq = match &waiter {
                            GateWaiter::Order(pending) => self.intent_seq(pending.intent).unwrap_or(written.seq),
                            GateWaiter::Nobody
                            | GateWaiter::Intent
                            | GateWaiter::Booked(_)
                            | GateWaiter::Rate(..)
                            | GateWaiter::Told(_)
                            | GateWaiter::Loosening(..) => written.seq,
                        };
                        settled.gate.extend(waiter.settle(written.seq).map(|waits| (waits, seq)));
                    }
                    Waiter::Gate(waiter) => waiter.refused("it was not written"),
                    Waiter::Nobody => {}
                }
            }
        }
        (settled.ticket, settled.seq) = self.durable;
        self.settle_repeats();
        settled
    }

    /// Tells everybody who still waits that their records never become durable.
    pub fn fail(&mut self, why: &str) {
        self.bytes_waiting = 0;
        for waiting in self.waiting.drain(..) {
            waiting.waiter.refused(wire::Code::NotDurable, why);
        }
        for (_, teller) in self.repeats.drain(..) {
            teller.refused(wire::Code::NotDurable, why);
        }
    }
}

/// What is said once the storage failed.
pub const JOURNAL_GONE: &str = "the journal can no longer be written";

/// What is said to whom there is no [room](Ledger::has_room) for.
pub const TOO_MANY: &str = "too many records wait for the disk already; try again";

/// The wall clock as the journal counts it.
pub fn wall() -> Wall {
    Wall(u64::try_from(clock::wall().as_nanosecond()).unwrap_or_default())
}

/// A record's type and payload. The serde form is `{"t":TYPE,"b":PAYLOAD}`, whose parts the journal writes itself.
pub fn encode(record: &Record) -> (String, String) {
    #[expect(clippy::expect_used, reason = "a record is plain data: no map keys but strings, no failing Serialize")]
    let text = serde_json::to_string(record).expect("a record can be written as JSON");
    let kind = text.get(6..).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    let payload = text.get(6 + kind.len() + 6..text.len() - 1).unwrap_or_default().to_owned();
    (kind, payload)
}

/// A record back from its type and payload; `None` for types that only inform (`x.…`), and for those of the books and of the gate,
/// which are none of the core's.
///
/// # Errors
/// What is wrong: an unknown type was written by a later version, whose halts this one would not know.
pub fn decode(kind: &str, payload: &str) -> Result<Option<Record>, serde_json::Error> {
    if kind.starts_with("x.") || ledger::KINDS.contains(&kind) || crate::gate::is_gate(kind) {
        return Ok(None);
    }
    serde_json::from_str(&format!("{{\"t\":\"{kind}\",\"b\":{payload}}}")).map(Some)
}

#[cfg(test)]
mod room;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::{Cause, ComponentName, Halt, HaltId, Mode, Permission, Scope};
    use failstop_journal::ledger::{Book, SnapshotTaken};
    use failstop_journal::{Bounds, Disk, Head, Jid, Recorder, Settings, recover};
    use std::collections::BTreeSet;
    use tokio::sync::oneshot;

    #[test]
    fn whether_the_recorder_took_it_is_said() {
        let sha256 = Head::genesis("demo", &Jid::from_u128(1));
        let taken = SnapshotTaken { seq: 1, sha256, file: "s-0000000000000001.ndjson".to_owned(), day: None };
        let entry = ledger::Entry::SnapshotTaken(taken);
        for entries in [0, 2] {
            let state = tempfile::tempdir().unwrap();
            let mut settings = Settings::new("demo", "boot", "a test");
            settings.ballast_bytes = 0;
            let journal = recover(Disk::new(state.path()), settings, None).unwrap().start(1, Wall::now()).unwrap();
            let bounds = Bounds { entries, ..Bounds::default() };
            let recorder = Recorder::spawn(journal, bounds, Wall::now, |_| {}).unwrap();
            let books = Books::new(Book::new(), BTreeSet::new(), 0, 1);
            let mut ledger = Ledger::new(recorder.handle().clone(), books, 0);
            let (reply, mut answer) = oneshot::channel();
            assert_eq!(ledger.book(&entry, Teller::Snapshot), entries > 0);
            assert_eq!(ledger.book(&entry, Teller::Operator(reply.into())), entries > 0);
            // Whoever said what is taken is told once it is durable.
            let refused = answer.try_recv().is_ok_and(|answer| matches!(answer, command::Answer::Refused(_)));
            assert_eq!(refused, entries == 0);
            recorder.seal_and_stop().unwrap();
        }
    }

    #[test]
    fn records_come_back_as_they_went() {
        let records = [
            Record::ModeSet { mode: Mode::Live, by: "root \"(0)\"".to_owned(), reason: "go\nnow".to_owned() },
            Record::PermissionChanged { from: Permission::ObserveOnly, to: Permission::Active },
            Record::HaltRaised(Halt {
                id: HaltId(3),
                cause: Cause::Hung,
                component: Some(ComponentName("bot".to_owned())),
                scope: Scope::System,
                cap: Permission::ObserveOnly,
                latched: true,
                trigger: None,
                evidence: "no beat".to_owned(),
            }),
        ];
        for record in records {
            let (kind, payload) = encode(&record);
            assert!(failstop_journal::is_kind(&kind), "{kind}");
            failstop_journal::check_payload(&payload).unwrap();
            assert_eq!(decode(&kind, &payload).unwrap(), Some(record));
        }
    }

    #[test]
    fn notes_are_passed_over_and_unknown_types_are_not() {
        assert!(decode("x.failstop.leftover", "{}").unwrap().is_none());
        assert!(decode("posting", "{}").is_err());
        for kind in ledger::KINDS {
            assert!(decode(kind, "{}").unwrap().is_none(), "{kind} is the books'");
        }
        assert!(decode("ledger.later", "{}").is_err(), "the list is closed");
    }
}
