//! Durable appends through the recorder against the bare loop of write and fdatasync in the same run, with one record
//! outstanding and with 64; and against SQLite with as many rows a transaction, where there is a Python to drive it. Prints our
//! figure, the references' and the ratios. `FAILSTOP_BENCH_DIR` chooses the disk.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use failstop_journal::{Bounds, Disk, Entry, Importance, Journal, Progress, Recorder, Settings, Wall, recover};
use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const PAYLOAD: &str = r#"{"component":"bot","order":"o-1184","side":"buy","symbol":"BTCUSDT","quantity":"0.01500000"}"#;

fn main() {
    let at = std::env::var("FAILSTOP_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let dir = tempfile::tempdir_in(at).unwrap();
    let line = record_bytes(dir.path());
    println!("durable appends, records of {line} bytes, in {}", dir.path().display());
    for (outstanding, batches) in [(1usize, 3_000usize), (64, 1_500)] {
        let mut ours = Vec::new();
        let mut bare = Vec::new();
        let mut sqlite = Vec::new();
        let mut commits = 0;
        for round in 0..ROUNDS {
            bare.push(bare_loop(&dir.path().join(format!("bare-{outstanding}-{round}")), line * outstanding, batches));
            let state = dir.path().join(format!("state-{outstanding}-{round}"));
            let (took, committed) = through_recorder(&state, outstanding, batches);
            ours.push(took);
            commits += committed;
            let database = dir.path().join(format!("sqlite-{outstanding}-{round}"));
            sqlite.extend(through_sqlite(&database, line, outstanding, batches));
        }
        let (ours, bare) = (median(ours), median(bare));
        let each = |span: Duration| span.as_secs_f64() * 1e6 / batches as f64;
        let rate = |span: Duration| (batches * outstanding) as f64 / span.as_secs_f64() / 1e6;
        println!(
            "{outstanding:>3} outstanding: ours {:.1} us a batch ({:.3} M/s), bare write + fdatasync {:.1} us ({:.3} M/s), ratio {:.2}",
            each(ours),
            rate(ours),
            each(bare),
            rate(bare),
            ours.as_secs_f64() / bare.as_secs_f64()
        );
        println!("    {:.1} records a commit", (ROUNDS * batches * outstanding) as f64 / commits as f64);
        if sqlite.len() == ROUNDS {
            let sqlite = median(sqlite);
            println!(
                "    SQLite {:.1} us a transaction ({:.3} M/s), {:.2} times ours",
                each(sqlite),
                rate(sqlite),
                sqlite.as_secs_f64() / ours.as_secs_f64()
            );
        } else {
            println!("    SQLite not measured: no python3 with sqlite3");
        }
    }
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans[spans.len() / 2]
}

fn open(state: &Path) -> Journal<Disk> {
    std::fs::create_dir_all(state).unwrap();
    let mut settings = Settings::new("bench", "boot", "bench");
    settings.ballast_bytes = 0;
    recover(Disk::new(state), settings, None).unwrap().start(1, Wall::now()).unwrap()
}

fn record_bytes(dir: &Path) -> usize {
    let mut journal = open(&dir.join("size"));
    for _ in 0..1000 {
        journal.stage(Wall::now(), "x.order", PAYLOAD, Importance::Ordinary).unwrap();
    }
    journal.staged_bytes() / 1000
}

fn bare_loop(path: &Path, bytes: usize, batches: usize) -> Duration {
    let mut file = OpenOptions::new().append(true).create_new(true).open(path).unwrap();
    let block = vec![b'x'; bytes];
    let began = Instant::now();
    for _ in 0..batches {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
    }
    began.elapsed()
}

/// A table of texts in SQLite with its write-ahead log and `synchronous = FULL`, which is as durable. Python's own time for
/// handing a row over is in it, for 64 at once a small part.
fn through_sqlite(path: &Path, bytes: usize, outstanding: usize, batches: usize) -> Option<Duration> {
    let numbers = [bytes, outstanding, batches].map(|number| number.to_string());
    let output =
        Command::new("python3").arg("-c").arg(include_str!("sqlite.py")).arg(path).args(numbers).output().ok()?;
    let seconds = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    output.status.success().then(|| Duration::from_secs_f64(seconds))
}

/// As the engine does it: hand over, sleep until told, hand over the next.
fn through_recorder(state: &Path, outstanding: usize, batches: usize) -> (Duration, u64) {
    let durable = Arc::new(AtomicU64::new(0));
    let caller = thread::current();
    let commits = Arc::new(AtomicU64::new(0));
    let (told, counted) = (Arc::clone(&durable), Arc::clone(&commits));
    let on_progress = move |progress: Progress<'_>| match progress {
        Progress::Durable { written, .. } => {
            counted.fetch_add(1, Ordering::Relaxed);
            told.fetch_add(written.len() as u64, Ordering::Release);
            caller.unpark();
        }
        Progress::Failed(failure) => panic!("{}", failure.error),
    };
    let recorder = Recorder::spawn(open(state), Bounds::default(), Wall::now, on_progress).unwrap();
    let began = Instant::now();
    let mut given = 0u64;
    let total = (batches * outstanding) as u64;
    while durable.load(Ordering::Acquire) < total {
        let free = outstanding as u64 - (given - durable.load(Ordering::Acquire));
        for _ in 0..free.min(total - given) {
            let entry = Entry {
                ticket: given,
                kind: Cow::Borrowed("x.order"),
                payload: PAYLOAD.to_owned(),
                importance: Importance::Ordinary,
            };
            recorder.handle().append(entry).unwrap();
            given += 1;
        }
        thread::park();
    }
    let took = began.elapsed();
    recorder.seal_and_stop().unwrap();
    (took, commits.load(Ordering::Relaxed))
}
