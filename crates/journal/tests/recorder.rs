//! The recorder thread: every ticket comes back once, with its number, durable or lost; and nothing blocks.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "../../../tests/sim/disk.rs"]
#[expect(dead_code, reason = "the disk is shared with the simulation of the engine, which uses the rest")]
mod disk;

use disk::{Faults, SimDisk};
use failstop_journal::{
    AppendError, Bounds, Entry, Importance, Progress, Record, Recorder, Settings, Verdict, Wall, Written, recover,
};
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const NOW: Wall = Wall(1_800_000_000_000_000_000);

enum Told {
    Durable(Vec<Written>, u64),
    Failed(bool, Vec<u64>),
}

fn settings() -> Settings {
    let mut settings = Settings::new("demo", "boot", "test");
    settings.ballast_bytes = 4096;
    settings
}

fn start(disk: &SimDisk, epoch: u64, bounds: Bounds) -> (Recorder, Receiver<Told>) {
    let journal = recover(disk.clone(), settings(), None).unwrap().start(epoch, NOW).unwrap();
    let (tell, told) = channel();
    let on_progress = move |progress: Progress<'_>| {
        let message = match progress {
            Progress::Durable { written, head } => Told::Durable(written.to_vec(), head.seq),
            Progress::Failed(failure) => Told::Failed(failure.error.is_no_space(), failure.lost.to_vec()),
        };
        drop(tell.send(message));
    };
    (Recorder::spawn(journal, bounds, || NOW, on_progress).unwrap(), told)
}

fn entry(ticket: u64, importance: Importance) -> Entry {
    Entry { ticket, kind: "x.note".into(), payload: format!("{{\"n\":{ticket}}}"), importance }
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(Duration::from_secs(60)).unwrap()
}

#[test]
fn what_is_enqueued_is_written_once_it_is_woken() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    // Some rest first, so that the thread sleeps.
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
    let handle = recorder.handle();
    handle.enqueue(entry(1, Importance::Ordinary)).unwrap();
    handle.enqueue(entry(2, Importance::Ordinary)).unwrap();
    handle.wake();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match next(&told) {
            Told::Durable(written, _) => seen.extend(written.into_iter().map(|written| written.ticket)),
            Told::Failed(..) => panic!("nothing fails here"),
        }
    }
    assert_eq!(seen, [1, 2]);
    recorder.seal_and_stop().unwrap();
}

#[test]
fn every_ticket_comes_back_once_with_its_number() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    for ticket in 0..500 {
        recorder.handle().append(entry(ticket, Importance::Ordinary)).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 500 {
        match next(&told) {
            Told::Durable(written, head) => {
                seen.extend(written);
                assert_eq!(seen.last().unwrap().seq, head);
            }
            Told::Failed(..) => panic!("nothing failed"),
        }
    }
    for (ticket, written) in (0..).zip(&seen) {
        assert_eq!((written.ticket, written.seq), (ticket, ticket + 2));
    }
    assert_eq!(recorder.handle().pending(), 0);
    let handle = recorder.handle().clone();
    let head = recorder.seal_and_stop().unwrap();
    assert_eq!(head.seq, 502, "sealed");
    assert!(matches!(handle.append(entry(9, Importance::LastWords)), Err(AppendError::Closed)));
    let recovered = recover(disk, settings(), None).unwrap();
    assert_eq!(recovered.verdict(), &Verdict::Clean);
    let mut payloads = Vec::new();
    recovered
        .replay(|record: Record<'_>| -> Result<(), io::Error> {
            if !record.is_own() {
                payloads.push((record.seq, record.payload.to_owned()));
            }
            Ok(())
        })
        .unwrap();
    let expected: Vec<_> = seen.iter().map(|w| (w.seq, format!("{{\"n\":{}}}", w.ticket))).collect();
    assert_eq!(payloads, expected);
}

#[test]
fn callers_that_answer_each_report_keep_their_order_and_lose_nothing() {
    const OUTSTANDING: u64 = 16;
    const TOTAL: u64 = 2_000;
    let disk = SimDisk::new(5);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    let (mut given, mut done) = (0, 0);
    while done < TOTAL {
        while given < (done + OUTSTANDING).min(TOTAL) {
            recorder.handle().append(entry(given, Importance::Ordinary)).unwrap();
            given += 1;
        }
        match next(&told) {
            Told::Durable(written, head) => {
                assert!(!written.is_empty());
                for (at, written) in (done..).zip(&written) {
                    // The first line opens the segment.
                    assert_eq!((written.ticket, written.seq), (at, at + 2));
                }
                done += written.len() as u64;
                assert_eq!(head, done + 1);
            }
            Told::Failed(..) => panic!("nothing fails"),
        }
    }
    for ticket in TOTAL..TOTAL + 40 {
        recorder.handle().append(entry(ticket, Importance::Ordinary)).unwrap();
    }
    assert_eq!(recorder.seal_and_stop().unwrap().seq, TOTAL + 40 + 2);
}

#[test]
fn a_seal_that_meets_a_batch_being_gathered_is_not_missed() {
    for round in 0..300 {
        let disk = SimDisk::new(round);
        let (recorder, told) = start(&disk, 1, Bounds::default());
        for ticket in 0..8 {
            recorder.handle().append(entry(ticket, Importance::Ordinary)).unwrap();
        }
        let mut done = 0;
        while done < 8 {
            if let Told::Durable(written, _) = next(&told) {
                done += written.len();
            }
        }
        let (tell, sealed) = channel();
        let sealing = std::thread::spawn(move || {
            // Fewer than before: the recorder looks for more of them.
            recorder.handle().append(entry(8, Importance::Ordinary)).unwrap();
            tell.send(recorder.seal_and_stop().unwrap().seq)
        });
        assert_eq!(sealed.recv_timeout(Duration::from_secs(60)), Ok(9 + 2), "round {round}");
        sealing.join().unwrap().unwrap();
    }
}

#[test]
fn what_waits_is_written_before_the_seal() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    for ticket in 0..100 {
        recorder.handle().append(entry(ticket, Importance::Ordinary)).unwrap();
    }
    recorder.seal_and_stop().unwrap();
    let written: usize =
        told.iter().map(|told| if let Told::Durable(written, _) = told { written.len() } else { 0 }).sum();
    assert_eq!(written, 100);
}

#[test]
fn a_refused_record_is_refused_at_once_and_harms_nobody() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds { entries: 4, bytes: 100 });
    let bad = [("seg.open", "{}"), ("Upper", "{}"), ("", "{}"), ("x.a", "[]"), ("x.a", "{\"a\":0.1}")];
    for (kind, payload) in bad {
        let entry = Entry { ticket: 0, kind: kind.into(), payload: payload.into(), importance: Importance::Ordinary };
        assert!(matches!(recorder.handle().append(entry), Err(AppendError::Refused(_))), "{kind} {payload}");
    }
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    let entry_big = Entry { ticket: 0, kind: "x.a".into(), payload: big, importance: Importance::Ordinary };
    assert!(matches!(recorder.handle().append(entry_big), Err(AppendError::QueueFull { .. })));
    recorder.handle().append(entry(7, Importance::Ordinary)).unwrap();
    assert!(
        matches!(next(&told), Told::Durable(written, 2) if matches!(written[..], [Written { ticket: 7, seq: 2, .. }]))
    );
    recorder.seal_and_stop().unwrap();
}

#[test]
fn after_a_failed_fdatasync_nothing_is_acknowledged_or_written() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    recorder.handle().append(entry(0, Importance::Ordinary)).unwrap();
    assert!(matches!(next(&told), Told::Durable(_, 2)));
    disk.set_faults(Faults { fail_sync: Some(disk.syncs()), ..Faults::default() });
    recorder.handle().append(entry(1, Importance::LastWords)).unwrap();
    assert!(matches!(next(&told), Told::Failed(false, lost) if lost == [1]));
    let operations = disk.operations();
    let refused = recorder.handle().append(entry(2, Importance::LastWords));
    assert!(matches!(refused, Err(AppendError::Closed)));
    assert!(recorder.seal_and_stop().is_err());
    assert_eq!(disk.operations(), operations, "the disk was left alone");
    assert!(told.try_recv().is_err(), "and nothing more was told");
    disk.process_restart();
    let recovered = recover(disk, settings(), Some(2)).unwrap();
    assert!(!matches!(recovered.verdict(), Verdict::Damaged(_)));
}

#[test]
fn a_full_disk_loses_the_batch_and_writes_the_halt() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    let used: usize = disk.paths().iter().map(|path| disk.read(path).unwrap().len()).sum();
    disk.set_faults(Faults { space: Some(used as u64 + 4096 + 100), ..Faults::default() });
    recorder.handle().append(entry(1, Importance::Ordinary)).unwrap();
    assert!(matches!(next(&told), Told::Failed(true, lost) if lost == [1]));
    assert!(matches!(recorder.handle().append(entry(2, Importance::Ordinary)), Err(AppendError::OnlyLastWords)));
    recorder.handle().append(entry(3, Importance::LastWords)).unwrap();
    assert!(
        matches!(next(&told), Told::Durable(written, 2) if matches!(written[..], [Written { ticket: 3, seq: 2, .. }]))
    );
    recorder.seal_and_stop().unwrap();
    assert_eq!(recover(disk, settings(), Some(3)).unwrap().verdict(), &Verdict::Clean);
}

#[test]
fn last_words_in_the_batch_that_did_not_fit_are_written_alone() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    let used: usize = disk.paths().iter().map(|path| disk.read(path).unwrap().len()).sum();
    disk.set_faults(Faults { space: Some(used as u64 + 4096 + 100), ..Faults::default() });
    recorder.handle().append(entry(1, Importance::LastWords)).unwrap();
    assert!(matches!(next(&told), Told::Failed(true, lost) if lost.is_empty()));
    assert!(
        matches!(next(&told), Told::Durable(written, 2) if matches!(written[..], [Written { ticket: 1, seq: 2, .. }]))
    );
    recorder.seal_and_stop().unwrap();
}

#[test]
fn a_failed_fdatasync_of_a_last_word_ends_them() {
    let disk = SimDisk::new(3);
    let (recorder, told) = start(&disk, 1, Bounds::default());
    let used: usize = disk.paths().iter().map(|path| disk.read(path).unwrap().len()).sum();
    // The partial write is taken back with one sync; the first last word's own is the next.
    let fail_sync = Some(disk.syncs() + 1);
    disk.set_faults(Faults { space: Some(used as u64 + 4096 + 100), fail_sync, ..Faults::default() });
    let handle = recorder.handle();
    for ticket in 1..4 {
        handle.enqueue(entry(ticket, Importance::LastWords)).unwrap();
    }
    handle.wake();
    assert!(matches!(next(&told), Told::Failed(true, lost) if lost.is_empty()));
    assert!(matches!(next(&told), Told::Failed(false, lost) if lost == [1, 2, 3]));
    assert_eq!(handle.pending(), 0);
    assert!(matches!(handle.append(entry(4, Importance::LastWords)), Err(AppendError::Closed)));
    let operations = disk.operations();
    assert!(recorder.seal_and_stop().is_err());
    assert_eq!(disk.operations(), operations, "the disk was left alone");
}
