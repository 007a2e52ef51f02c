//! Verification of a journal: every line, every seam between segments, and the list of sums, with the place and the likely
//! cause of each damage. Reads only, also beside a running engine. For `verify-data`, the start-up check, and recovery.
//!
//! Workers take segments, or pieces of large ones; each record is hashed after the hash text of the one before it, so that they
//! can be judged alone, and [`seams`] puts them together. [`verify_since`] reads only what is new, and some of what is old.
//! However large the journal, what is held in memory is bounded: a buffer a worker, a few scans, and 60 bytes a segment.

mod blame;
mod checkpoint;
pub mod deep;
mod outside;
mod report;
pub(crate) mod scan;
pub(crate) mod seams;
mod since;
pub(crate) mod sums;
mod work;

pub use checkpoint::{CHECKPOINT, CHECKPOINT_DIR, Checkpoint, CheckpointError};
pub use outside::{Agreement, Alarm, MEMORY_MAX_BYTES, Memory, MemoryError, Point};
pub use report::{Class, End, Outcome, Position, Report, Scrub, Since, TornTail, Violation, Witnessed};
pub use since::{SCRUB_MIN_BYTES, SCRUB_RUNS, verify_since};

use crate::segment::{JOURNAL_DIR, SUMS, firsts, segment_name};
use crate::storage::{Disk, Storage};
use seams::{Ends, Join, Part};
use std::io;
use std::path::Path;
use std::time::Instant;
use sums::Sums;
use work::{PIECE, Work};

/// The most violations that a report lists; the rest is counted.
pub const VIOLATIONS_MAX: usize = 10_000;

/// The longest list of sums that is read: some 700 000 segments.
pub(crate) const SUMS_MAX: u64 = 64 << 20;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Workers; at least 1.
    pub threads: usize,
    /// Whether the sums of the sealed segments are computed too. That is a second hash of every byte, so about half the speed;
    /// it finds damage to the list of sums itself, and a sealed segment that somebody rewrote, chain and all, but not its sum.
    pub sums: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get), sums: true }
    }
}

/// How far a verification is. Segments are at most 64 MiB unless configured larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes to read.
    pub bytes_total: u64,
    /// Segments read.
    pub segments: usize,
    /// Segments to read.
    pub segments_total: usize,
}

/// Why a journal could not be verified. Says nothing about whether it is intact.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no journal.
    #[error("no journal at {path}: give the state directory, the one that holds `journal`")]
    NoJournal {
        /// Where it was looked for.
        path: String,
    },
    /// A file or folder could not be read at all.
    #[error("cannot read {path}: {source}; run as the engine's user or as root")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Verifies the journal of a state directory. Writes nothing.
///
/// # Errors
///
/// [`VerifyError`] where it cannot be found out. What is found to be wrong stands in the report.
pub fn verify(state: &Path, options: &Options, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, VerifyError> {
    let report = examine(&Disk::new(state), options, progress).map_err(|error| error.below(state))?.report;
    if report.segments == 0 && report.violations.is_empty() {
        return Err(VerifyError::NoJournal { path: JOURNAL_DIR.to_owned() }.below(state));
    }
    Ok(report)
}

impl VerifyError {
    /// The same, its path as whoever gave the state directory knows it.
    fn below(self, state: &Path) -> Self {
        let below = |path: String| state.join(path).display().to_string();
        match self {
            Self::NoJournal { path } => Self::NoJournal { path: below(path) },
            Self::Unreadable { path, source } => Self::Unreadable { path: below(path), source },
        }
    }
}

/// A report with what recovery needs beside it.
pub(crate) struct Examined {
    pub report: Report,
    pub ends: Ends,
    pub sums: Sums,
    /// The first sequence numbers of all segments, in order.
    pub firsts: Vec<u64>,
}

/// Verifies the journal of any storage.
pub(crate) fn examine<S: Storage>(
    storage: &S,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Examined, VerifyError> {
    examine_in_pieces(storage, options, PIECE, progress)
}

fn examine_in_pieces<S: Storage>(
    storage: &S,
    options: &Options,
    piece: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Examined, VerifyError> {
    let began = Instant::now();
    let (firsts, sums) = contents(storage)?;
    let work = Work {
        storage,
        firsts: &firsts,
        sums: &sums,
        digest_all: sums.misses_some() || !sums.is_legible(),
        digest: options.sums,
        middle: None,
        open_end: true,
        piece,
    };
    let (mut report, ends) =
        work.run(Join::new(&sums, Part::Whole, None), &firsts, options.threads.max(1), progress)?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(Examined { report, ends, sums, firsts })
}

/// The segments that there are, and the list of sums.
fn contents<S: Storage>(storage: &S) -> Result<(Vec<u64>, Sums), VerifyError> {
    let firsts = list(storage)?;
    // The list of sums is read after the folder: then every segment but the last must be in it, since an engine adds a
    // segment's line before it creates the next one. And each file's length is asked after that: then what is in the list has
    // its full length.
    let path = format!("{JOURNAL_DIR}/{SUMS}");
    let mut sums = match storage.open(&path).and_then(|file| Sums::read(&file)) {
        Ok(sums) => sums,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Sums::default(),
        Err(source) => return Err(VerifyError::Unreadable { path, source }),
    };
    let mut absent = Vec::new();
    for entry in sums.in_order() {
        let there = firsts.binary_search(&entry.first).is_ok() || absent.last() == Some(&entry.first);
        if !there && storage.open(&format!("{JOURNAL_DIR}/{}", segment_name(entry.first))).is_err() {
            absent.push(entry.first);
        }
    }
    sums.miss(absent);
    Ok((firsts, sums))
}

fn list<S: Storage>(storage: &S) -> Result<Vec<u64>, VerifyError> {
    firsts(storage).map_err(|source| {
        let path = JOURNAL_DIR.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            VerifyError::NoJournal { path }
        } else {
            VerifyError::Unreadable { path, source }
        }
    })
}
