//! What is handed to a recorder that does not write, or takes nothing.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
use super::*;
use failstop_core::Mode;
use failstop_core::gate::{GateTime, Outcome};
use failstop_journal::ledger::{Book, OrderIntent, OrderOutcome};
use failstop_journal::{Bounds, Disk, Recorder, Settings, recover};
use std::collections::BTreeSet;
use std::sync::mpsc;

const NOW: Wall = Wall(1_800_000_000_000_000_000);

/// A recorder whose disk hangs until this is dropped.
struct Stuck {
    ledger: Ledger,
    _recorder: Recorder,
    _disk: mpsc::Sender<()>,
    _folder: tempfile::TempDir,
}

fn stuck(bounds: Bounds) -> Stuck {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new("demo", "boot", "test");
    settings.ballast_bytes = 4096;
    let journal = recover(Disk::new(folder.path()), settings, None).unwrap().start(1, NOW).unwrap();
    let seq = journal.durable().seq;
    let (disk, hangs) = mpsc::channel::<()>();
    let clock = move || {
        let _ = hangs.recv();
        NOW
    };
    let recorder = Recorder::spawn(journal, bounds, clock, |_| {}).unwrap();
    let ledger = Ledger::new(recorder.handle().clone(), Books::new(Book::new(), BTreeSet::new(), seq, 1), seq);
    Stuck { ledger, _recorder: recorder, _disk: disk, _folder: folder }
}

fn ended(name: &str) -> GateRecord {
    let (name, by) = (name.to_owned(), "root (0)".to_owned());
    GateRecord::OverrideEnded { at: GateTime::from_micros(1), name, by }
}

fn core_record() -> Record {
    Record::ModeSet { mode: Mode::Dry, by: "root (0)".to_owned(), reason: String::new() }
}

fn intent(id: &str) -> ledger::Entry {
    ledger::Entry::OrderIntent(OrderIntent {
        id: id.to_owned(),
        component: None,
        account: None,
        instrument: None,
        side: None,
        quantity: None,
        price: None,
        parent: None,
        valid_ms: None,
    })
}

fn not_sent(id: &str, reason: &str) -> ledger::Entry {
    ledger::Entry::OrderOutcome(OrderOutcome {
        id: id.to_owned(),
        outcome: ledger::Outcome::NotSent,
        venue_id: None,
        component: None,
        reason: Some(reason.to_owned()),
    })
}

#[test]
fn bots_leave_the_engine_its_part_of_the_queue() {
    let mut stuck = stuck(Bounds::default());
    let mut taken = 0;
    while stuck.ledger.has_room() {
        stuck.ledger.gate(&ended("o"), GateWaiter::Nobody).unwrap();
        taken += 1;
    }
    assert_eq!(taken, EVENTS_WAITING_MAX);
    for ticket in 1..=4_096 {
        stuck.ledger.record(Ticket(ticket), &core_record()).unwrap();
    }
}

#[test]
fn few_large_records_leave_it_as_well() {
    let mut stuck = stuck(Bounds::default());
    let large = ended(&"o".repeat(32_000));
    while stuck.ledger.has_room() {
        stuck.ledger.gate(&large, GateWaiter::Nobody).unwrap();
    }
    assert!(stuck.ledger.waiting.len() < 400, "{}", stuck.ledger.waiting.len());
    for ticket in 1..=4_096 {
        stuck.ledger.record(Ticket(ticket), &core_record()).unwrap();
    }
}

#[test]
fn room_comes_back_with_what_is_written() {
    let mut stuck = stuck(Bounds::default());
    let large = ended(&"o".repeat(32_000));
    while stuck.ledger.has_room() {
        stuck.ledger.gate(&large, GateWaiter::Nobody).unwrap();
    }
    stuck.ledger.settle(&[Written { ticket: 1, seq: 2, time: NOW }]);
    assert!(stuck.ledger.has_room());
}

#[test]
fn what_is_not_taken_is_said_to_whoever_handed_it_over() {
    let mut stuck = stuck(Bounds { entries: 0, bytes: 0 });
    let (reply, mut told) = tokio::sync::oneshot::channel();
    let refused = stuck.ledger.gate(&ended("o"), GateWaiter::Told(Teller::Operator(reply.into())));
    assert!(matches!(refused, Err(AppendError::QueueFull { .. })), "{refused:?}");
    assert!(matches!(told.try_recv(), Ok(command::Answer::Refused(_))));
    let refused = stuck.ledger.intent(&intent("o-1"), true);
    assert!(matches!(refused, Err(AppendError::QueueFull { .. })), "{refused:?}");
    assert_eq!(stuck.ledger.books.judge(&intent("o-1"), NOW), Ok(Judgement::New), "nobody knows of it");
}

#[test]
fn an_end_that_somebody_said_already_is_not_said_again() {
    let mut stuck = stuck(Bounds::default());
    let ledger = &mut stuck.ledger;
    for id in ["o-1", "o-2"] {
        assert_eq!(ledger.books.judge(&intent(id), NOW), Ok(Judgement::New));
        ledger.intent(&intent(id), true).unwrap();
    }
    let said = not_sent("o-1", "it took too long");
    assert_eq!(ledger.books.judge(&said, NOW), Ok(Judgement::New));
    ledger.book(&said, Teller::Nobody);
    let next = ledger.next_number();
    ledger.book_if_new(&not_sent("o-1", "the permission fell"));
    assert_eq!(ledger.next_number(), next, "twice is a rule of the books broken");
    ledger.book_if_new(&not_sent("o-2", "the permission fell"));
    assert_eq!(ledger.next_number(), next + 1);
    let outcome = Outcome::NotSent;
    let of_the_gate = GateRecord::Outcome { at: GateTime::from_micros(1), client_id: "o-2".to_owned(), outcome };
    ledger.gate(&of_the_gate, GateWaiter::Nobody).unwrap();
}
