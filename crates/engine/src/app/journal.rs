//! The engine's side of the recorder: core records, bots' events and what goes into the books on their way to the disk, and who
//! waits for them.

use crate::books::Books;
use crate::clock;
use crate::command;
use crate::doors::bot::Answer;
use core::time::Duration;
use failstop_client::books::Imported;
use failstop_client::wire::{self, Booked};
use failstop_core::{Monotonic, Record, Ticket};
use failstop_journal::ledger::{self, Unsound};
use failstop_journal::{AppendError, Entry, Handle, Importance, Wall, Written};
use std::borrow::Cow;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Bots' events may fill the recorder's queue only so far: the rest is the engine's own.
const EVENTS_WAITING_MAX: usize = 4_096;

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
    /// Nobody: a note of the engine's.
    Nobody,
}

/// Who said what goes into the books, and waits for it to be durable.
#[derive(Debug)]
pub enum Teller {
    /// A bot.
    Bot(Answer),
    /// An operator.
    Operator(oneshot::Sender<command::Answer>),
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
            Self::Operator(reply) => drop(reply.send(command::Answer::Imported(Imported { seq, already }))),
            Self::Snapshot | Self::Retired(_) | Self::Nobody => {}
        }
    }

    /// Tells them that it was not recorded, and why.
    pub fn refused(self, code: wire::Code, why: &str) {
        match self {
            Self::Bot(answer) => answer.refuse(code, why),
            Self::Operator(reply) => drop(reply.send(command::Answer::Refused(vec![why.to_owned()]))),
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
    durable: (Ticket, u64),
    /// Last words were handed over.
    last_words: bool,
    /// Records were handed over that the recorder has not been woken for.
    unwoken: bool,
    /// What the records say of money, states, orders and snapshots.
    pub books: Books,
    /// Who repeated what is under way: answered once it is durable.
    repeats: Vec<(ledger::Entry, Teller)>,
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
    /// What was recorded although it breaks a rule.
    pub unsound: Vec<(u64, Unsound)>,
}

impl Ledger {
    /// Over this recorder, going on with these books.
    pub fn new(handle: Handle, books: Books) -> Self {
        Self {
            handle,
            next: 1,
            waiting: VecDeque::new(),
            durable: (Ticket(0), 0),
            last_words: false,
            unwoken: false,
            books,
            repeats: Vec::new(),
        }
    }

    /// Hands a record of the core's over; the recorder begins with it after [`Ledger::flush`] at the latest.
    ///
    /// # Errors
    /// When the recorder takes nothing more: for the core that is a failed storage.
    pub fn record(&mut self, ticket: Ticket, record: &Record) -> Result<(), AppendError> {
        let (kind, payload) = encode(record);
        self.append(Cow::Owned(kind), payload, Waiter::Core(ticket), Importance::Ordinary)
    }

    /// Hands over what the core still says once the disk is full: it goes into the room that the ballast gave back.
    ///
    /// # Errors
    /// When the recorder takes nothing more at all.
    pub fn last_word(&mut self, record: &Record) -> Result<(), AppendError> {
        let (kind, payload) = encode(record);
        self.append(Cow::Owned(kind), payload, Waiter::Nobody, Importance::LastWords)?;
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
        self.append(Cow::Borrowed(kind), payload.to_string(), Waiter::Nobody, Importance::Ordinary)?;
        Ok(number)
    }

    /// Hands a bot's event over, as [`Ledger::record`]; the bot is answered when it is durable, or at once with the reason
    /// why it never will be.
    pub fn event(&mut self, kind: String, payload: String, answer: Answer) {
        if self.waiting.len() >= EVENTS_WAITING_MAX {
            answer.refuse(wire::Code::NotDurable, too_many());
            return;
        }
        let number = self.next;
        match self.append(Cow::Owned(kind), payload, Waiter::Nobody, Importance::Ordinary) {
            Ok(()) => {
                if let Some(waiting) = self.waiting.back_mut().filter(|waiting| waiting.number == number) {
                    waiting.waiter = Waiter::Bot(answer);
                }
            }
            Err(AppendError::Refused(error)) => answer.refuse(wire::Code::BadField, error.to_string()),
            Err(error) => answer.refuse(wire::Code::NotDurable, error.to_string()),
        }
    }

    /// Hands over what was judged to be new in the books; whoever said it is told when it is durable, or at once why it never
    /// will be.
    pub fn book(&mut self, entry: &ledger::Entry, teller: Teller) {
        let of_the_engine = matches!(teller, Teller::Snapshot | Teller::Retired(_) | Teller::Nobody);
        if self.waiting.len() >= EVENTS_WAITING_MAX && !of_the_engine {
            return teller.refused(wire::Code::NotDurable, &too_many());
        }
        let number = self.next;
        match self.append(Cow::Borrowed(entry.kind()), entry.payload(), Waiter::Nobody, Importance::Ordinary) {
            Ok(()) => {
                if let Some(waiting) = self.waiting.back_mut().filter(|waiting| waiting.number == number) {
                    waiting.waiter = Waiter::Books(teller);
                }
            }
            Err(AppendError::Refused(error)) => teller.refused(wire::Code::BadField, &error.to_string()),
            Err(error) => teller.refused(wire::Code::NotDurable, &error.to_string()),
        }
    }

    /// Somebody repeats what is under way: told once that is durable.
    pub fn repeated(&mut self, entry: ledger::Entry, teller: Teller) {
        if self.repeats.len() >= EVENTS_WAITING_MAX {
            return teller.refused(wire::Code::NotDurable, &too_many());
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

    fn append(
        &mut self,
        kind: Cow<'static, str>,
        payload: String,
        waiter: Waiter,
        importance: Importance,
    ) -> Result<(), AppendError> {
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let folded = (!kind.starts_with("x.")).then(|| (kind.clone(), payload.clone()));
        self.handle.enqueue(Entry { ticket: self.next, kind, payload, importance })?;
        if let Some((kind, payload)) = folded {
            self.books.handed_over(self.next, kind, payload, wall());
        }
        self.unwoken = true;
        self.waiting.push_back(Waiting { number: self.next, waiter, bytes, since: clock::now() });
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
            unsound: self.books.settle(written),
        };
        for written in written {
            settled.number = settled.number.max(written.ticket);
            // In order; what lies before it and was not written is lost, and its waiter is told so.
            while self.waiting.front().is_some_and(|waiting| waiting.number <= written.ticket) {
                let Some(Waiting { number, waiter, bytes, since }) = self.waiting.pop_front() else { break };
                settled.bytes = settled.bytes.saturating_add(bytes);
                settled.waited = settled.waited.max(now.since(since));
                match waiter {
                    Waiter::Core(ticket) => self.durable = (ticket, written.seq),
                    Waiter::Bot(answer) if number == written.ticket => {
                        answer.give(&wire::Reply::Recorded { seq: written.seq });
                    }
                    Waiter::Bot(answer) => answer.refuse(wire::Code::NotDurable, "it was not written"),
                    Waiter::Books(teller) if number == written.ticket => {
                        settled.books = true;
                        settled.snapshot |= matches!(teller, Teller::Snapshot);
                        if let Teller::Retired(upto) = teller {
                            settled.retired = Some(upto);
                        }
                        teller.booked(written.seq, false);
                    }
                    Waiter::Books(teller) => teller.refused(wire::Code::NotDurable, "it was not written"),
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
        for waiting in self.waiting.drain(..) {
            match waiting.waiter {
                Waiter::Bot(answer) => answer.refuse(wire::Code::NotDurable, why),
                Waiter::Books(teller) => teller.refused(wire::Code::NotDurable, why),
                Waiter::Core(_) | Waiter::Nobody => {}
            }
        }
        for (_, teller) in self.repeats.drain(..) {
            teller.refused(wire::Code::NotDurable, why);
        }
    }
}

fn too_many() -> String {
    format!("{EVENTS_WAITING_MAX} records wait for the disk already; try again")
}

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

/// A record back from its type and payload; `None` for types that only inform (`x.…`), and for those of the books, which are none
/// of the core's.
///
/// # Errors
/// What is wrong: an unknown type was written by a later version, whose halts this one would not know.
pub fn decode(kind: &str, payload: &str) -> Result<Option<Record>, serde_json::Error> {
    if kind.starts_with("x.") || ledger::KINDS.contains(&kind) {
        return Ok(None);
    }
    serde_json::from_str(&format!("{{\"t\":\"{kind}\",\"b\":{payload}}}")).map(Some)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::{Cause, ComponentName, Halt, HaltId, Mode, Permission, Scope};

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
