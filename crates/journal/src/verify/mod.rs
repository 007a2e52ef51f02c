//! Verification of a journal: every line, every seam between segments, and the list of sums, with the place and the likely
//! cause of each damage. Reads only, also beside a running engine. For `verify-data`, the start-up check, and recovery.
//!
//! Workers take whole segments; each record is hashed after the hash text of the one before it, so that segments can be judged
//! alone, and [`seams`] puts them together.

mod blame;
pub mod deep;
mod report;
pub(crate) mod scan;
pub(crate) mod seams;

pub use report::{Class, Outcome, Position, Report, TornTail, Violation};

use crate::segment::{JOURNAL_DIR, SUMS, read_sums, segment_first};
use crate::storage::{Disk, Storage, StorageFile, read_small};
use scan::{NoVisit, SegmentScan};
use seams::Sums;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The most violations that a report lists; the rest is counted.
pub const VIOLATIONS_MAX: usize = 10_000;

/// The longest list of sums that is read: some 700 000 segments.
pub(crate) const SUMS_MAX: u64 = 64 << 20;

/// How often the last segment is read again because a running engine appended meanwhile.
const GROWTH_TRIES: u32 = 8;

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
    pub scans: Vec<SegmentScan>,
    pub sums: Vec<u8>,
    /// The segments that the list of sums names.
    pub sums_names: BTreeSet<String>,
}

/// Verifies the journal of any storage.
pub(crate) fn examine<S: Storage>(
    storage: &S,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Examined, VerifyError> {
    let began = Instant::now();
    let mut segments = list(storage)?;
    segments.sort_unstable();
    // The list of sums is read after the folder: then every segment but the last must be in it, since an engine adds a
    // segment's line before it creates the next one. And each file's length is asked after that: then what is in the list has
    // its full length.
    let path = format!("{JOURNAL_DIR}/{SUMS}");
    let raw = match read_small(storage, &path, SUMS_MAX) {
        Ok(raw) => Some(raw),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(VerifyError::Unreadable { path, source }),
    };
    let lines = raw.as_deref().map(read_sums).unwrap_or_default();
    let listed: BTreeSet<&str> = segments.iter().map(|(_, name)| name.as_str()).collect();
    let named: BTreeSet<String> = lines.iter().filter_map(|sum| Some(sum.entry.as_ref()?.1.clone())).collect();
    let mut absent = BTreeSet::new();
    for name in &named {
        if !listed.contains(name.as_str()) && storage.open(&format!("{JOURNAL_DIR}/{name}")).is_err() {
            absent.insert(name.clone());
        }
    }
    let odd_sums = !absent.is_empty() || lines.iter().any(|sum| sum.entry.is_none());
    let work = Work { storage, segments: &segments, named: &named, digest_all: odd_sums, sums: options.sums };
    let scans = work.run(options.threads.max(1), progress)?;
    let sums = Sums::new(raw.as_deref(), lines, absent);
    let mut report = seams::join(&scans, &sums);
    report.seconds = began.elapsed().as_secs_f64();
    Ok(Examined { report, scans, sums: raw.unwrap_or_default(), sums_names: named })
}

fn list<S: Storage>(storage: &S) -> Result<Vec<(u64, String)>, VerifyError> {
    let names = storage.list(JOURNAL_DIR).map_err(|source| {
        let path = JOURNAL_DIR.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            VerifyError::NoJournal { path }
        } else {
            VerifyError::Unreadable { path, source }
        }
    })?;
    Ok(names.into_iter().filter_map(|name| Some((segment_first(&name)?, name))).collect())
}

/// The segments to scan, shared by the workers.
struct Work<'a, S> {
    storage: &'a S,
    segments: &'a [(u64, String)],
    named: &'a BTreeSet<String>,
    digest_all: bool,
    sums: bool,
}

/// What the workers put together.
struct Done {
    scans: Vec<Option<SegmentScan>>,
    error: Option<VerifyError>,
    progress: Progress,
}

impl<S: Storage> Work<'_, S> {
    fn run(&self, threads: usize, progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<SegmentScan>, VerifyError> {
        let count = self.segments.len();
        let mut bytes_total = 0;
        for (_, name) in self.segments {
            bytes_total += self.open(name).and_then(|file| self.length(name, &file)).unwrap_or(0);
        }
        let start = Progress { bytes: 0, bytes_total, segments: 0, segments_total: count };
        let done = Mutex::new(Done { scans: (0..count).map(|_| None).collect(), error: None, progress: start });
        let next = AtomicUsize::new(0);
        let worker = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let outcome = self.scan(index);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                match outcome {
                    Ok(scan) => {
                        done.progress.bytes += scan.bytes;
                        done.progress.segments += 1;
                        done.scans[index] = Some(scan);
                        let now = done.progress;
                        drop(done);
                        progress(now);
                    }
                    Err(error) => {
                        done.error.get_or_insert(error);
                        next.store(count, Ordering::Relaxed);
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(count) {
                scope.spawn(worker);
            }
            worker();
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        match done.error {
            Some(error) => Err(error),
            None => Ok(done.scans.into_iter().flatten().collect()),
        }
    }

    fn open(&self, name: &str) -> Result<S::File, VerifyError> {
        let path = format!("{JOURNAL_DIR}/{name}");
        self.storage.open(&path).map_err(|source| VerifyError::Unreadable { path, source })
    }

    fn length(&self, name: &str, file: &S::File) -> Result<u64, VerifyError> {
        file.len().map_err(|source| VerifyError::Unreadable { path: format!("{JOURNAL_DIR}/{name}"), source })
    }

    fn scan(&self, index: usize) -> Result<SegmentScan, VerifyError> {
        let (first, name) = &self.segments[index];
        let last = index + 1 == self.segments.len();
        // The last segment's sum also tells whether its end is missing.
        let digest = self.digest_all || self.named.contains(name) && (self.sums || last);
        let file = self.open(name)?;
        let mut limit = self.length(name, &file)?;
        let mut scan = scan::scan(&file, name, *first, limit, digest, &mut NoVisit);
        // A running engine may have been in the middle of a write.
        for _ in 0..GROWTH_TRIES {
            let now = self.length(name, &file)?;
            if !last || scan.damage.is_none() || now == limit {
                break;
            }
            limit = now;
            scan = scan::scan(&file, name, *first, limit, digest, &mut NoVisit);
        }
        Ok(scan)
    }
}
