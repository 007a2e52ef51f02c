//! The engine's side of the recorder: core records and bots' events on their way to the disk, and who waits for them.

use crate::clock;
use crate::doors::bot::Answer;
use core::time::Duration;
use failstop_client::wire;
use failstop_core::{Monotonic, Record, Ticket};
use failstop_journal::{AppendError, Entry, Handle, Importance, Written};
use std::borrow::Cow;
use std::collections::VecDeque;

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
    /// A bot that wants to know the sequence number.
    Bot(Answer),
    /// Nobody: a note of the engine's.
    Nobody,
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
}

impl Ledger {
    /// Over this recorder.
    pub fn new(handle: Handle) -> Self {
        Self { handle, next: 1, waiting: VecDeque::new(), durable: (Ticket(0), 0), last_words: false, unwoken: false }
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
            let why = format!("{EVENTS_WAITING_MAX} records wait for the disk already; try again");
            answer.refuse(wire::Code::NotDurable, why);
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

    fn append(
        &mut self,
        kind: Cow<'static, str>,
        payload: String,
        waiter: Waiter,
        importance: Importance,
    ) -> Result<(), AppendError> {
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        self.handle.enqueue(Entry { ticket: self.next, kind, payload, importance })?;
        self.unwoken = true;
        self.waiting.push_back(Waiting { number: self.next, waiter, bytes, since: clock::now() });
        self.next += 1;
        Ok(())
    }

    /// Answers everybody who waited for these records.
    pub fn settle(&mut self, written: &[Written]) -> Settled {
        let now = clock::now();
        let (ticket, seq) = self.durable;
        let mut settled = Settled { ticket, seq, number: 0, bytes: 0, waited: Duration::ZERO };
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
                    Waiter::Nobody => {}
                }
            }
        }
        (settled.ticket, settled.seq) = self.durable;
        settled
    }

    /// Tells everybody who still waits that their records never become durable.
    pub fn fail(&mut self, why: &str) {
        for waiting in self.waiting.drain(..) {
            if let Waiter::Bot(answer) = waiting.waiter {
                answer.refuse(wire::Code::NotDurable, why);
            }
        }
    }
}

/// A record's type and payload. The serde form is `{"t":TYPE,"b":PAYLOAD}`, whose parts the journal writes itself.
pub fn encode(record: &Record) -> (String, String) {
    #[expect(clippy::expect_used, reason = "a record is plain data: no map keys but strings, no failing Serialize")]
    let text = serde_json::to_string(record).expect("a record can be written as JSON");
    let kind = text.get(6..).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    let payload = text.get(6 + kind.len() + 6..text.len() - 1).unwrap_or_default().to_owned();
    (kind, payload)
}

/// A record back from its type and payload; `None` for types that only inform (`x.…`).
///
/// # Errors
/// What is wrong: an unknown type was written by a later version, whose halts this one would not know.
pub fn decode(kind: &str, payload: &str) -> Result<Option<Record>, serde_json::Error> {
    if kind.starts_with("x.") {
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
    }
}
