//! What a decision of the gate costs in the process, with every rule on, against a bare `clock_gettime(CLOCK_BOOTTIME)` in the same
//! run. `cargo bench -p failstop-core --bench gate`. The reach is 1 µs.
//!
//! Rounds alternate, so that a busy machine blurs all rows alike. The mean is the median round's, of calls in a row; p50 and p99
//! are of calls measured one by one, less what measuring nothing takes.
//!
//! `--bench gate -- --stream FILE` writes the orders of the last row there, and its figures into `.ours` beside it, for the peer
//! (`cargo xtask bench nautilus`).
#![expect(clippy::disallowed_types, reason = "a measurement needs a clock")]
#![expect(clippy::unwrap_used, reason = "a failed setup ends the measurement")]

mod bed;
mod stream;

use bed::{Bed, Size};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

const ROUNDS: usize = 31;
/// Calls in a row.
const CALLS: u32 = 5_000;
/// Calls measured one by one in a round.
const SINGLE: usize = 300;

/// The first is what the reach is of.
const SIZES: [(&str, Size); 3] = [
    ("20 instruments, 1 position", Size { instruments: 20, held: 1, open: 0, users: 1 }),
    ("20 instruments, 10 positions", Size { instruments: 20, held: 10, open: 0, users: 1 }),
    (
        "128 instruments, 10 positions, 1 000 open orders of 100 users",
        Size { instruments: 128, held: 10, open: 1_000, users: 100 },
    ),
];

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let file = arguments.find(|word| word == "--stream").and_then(|_| arguments.next()).map(PathBuf::from);
    if let Some(file) = file {
        stream::write(&file);
        return;
    }
    let clock = median((0..ROUNDS).map(|_| in_a_row(read_clock)).collect());
    println!("{:<58}{clock:>8.0} ns", "clock_gettime");
    for (name, size) in SIZES {
        println!("{name}");
        let mut bed = Bed::new(size);
        let mut rows = [
            Row::of("allowed, asked about (every rule on)"),
            Row::of("allowed, counted and remembered"),
            Row::of("refused by one rule (DUPLICATE)"),
            Row::of("refused by every limit"),
        ];
        for _ in 0..ROUNDS {
            rows[0].means.push(in_a_row(|| assert!(bed.consider())));
            rows[2].means.push(in_a_row(|| assert_eq!(bed.repeat(), 1)));
            rows[3].means.push(in_a_row(|| assert!(bed.break_all() > 15)));
            for _ in 0..SINGLE {
                rows[0].singles.push(single(|| assert!(bed.consider())));
                rows[2].singles.push(single(|| assert_eq!(bed.repeat(), 1)));
                rows[3].singles.push(single(|| assert!(bed.break_all() > 15)));
                rows[1].singles.push(bed.place());
            }
            let placed = &rows[1].singles[rows[1].singles.len() - SINGLE..];
            let mean = placed.iter().sum::<f64>() / SINGLE as f64;
            rows[1].means.push(mean);
        }
        for row in rows {
            row.print(clock);
        }
    }
    stream::print(clock);
}

/// One row of the table, in nanoseconds.
struct Row {
    what: &'static str,
    means: Vec<f64>,
    singles: Vec<f64>,
}

impl Row {
    fn of(what: &'static str) -> Self {
        Self { what, means: Vec::new(), singles: Vec::new() }
    }

    /// The median round's mean, and p50 and p99 of single calls.
    fn figures(&self) -> (f64, f64, f64) {
        let mut singles = self.singles.clone();
        singles.sort_by(f64::total_cmp);
        (median(self.means.clone()), percentile(&singles, 50), percentile(&singles, 99))
    }

    fn print(&self, clock: f64) {
        let (mean, p50, p99) = self.figures();
        let ratio = mean / clock;
        println!("  {:<56}{mean:>8.0} ns   ratio {ratio:>5.1}   p50 {p50:>5.0}   p99 {p99:>6.0}", self.what);
    }
}

fn read_clock() {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for a timespec.
    black_box(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) });
    black_box(time.tv_nsec);
}

fn in_a_row(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// One call by itself, less what measuring nothing takes.
fn single(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    let begin = Instant::now();
    call();
    let end = Instant::now();
    let (took, nothing) = (end - begin, begin - start);
    took.saturating_sub(nothing).as_secs_f64() * 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

/// Of sorted values.
fn percentile(values: &[f64], percent: usize) -> f64 {
    values[(values.len() * percent / 100).min(values.len() - 1)]
}
