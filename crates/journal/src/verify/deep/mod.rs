//! `verify-data --deep`: parses every payload, folds the ledger, compares snapshots with replay, finds ids that were booked twice, and
//! times that cannot be. Adds to the report of a verification, by the same places.
//!
//! Reads the journal again and writes nothing. What it holds is bounded whatever the journal's length: the book's named bounds, one
//! snapshot, a few of their closing balances, and a filter over ids.

mod files;
mod ids;
mod pass;
mod times;
mod walk;

pub use times::{FUTURE_TOLERATED, STEP_TOLERATED, Times};

use super::{Options, Outcome, Report, VerifyError, Violation};
use crate::segment::JOURNAL_DIR;
use crate::storage::{Disk, Storage};
use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The most warnings that a report lists.
pub const WARNINGS_MAX: usize = 100;

/// How to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeepOptions {
    /// Whether what is a warning otherwise is a violation.
    pub strict: bool,
    /// The time: nothing is recorded after it.
    pub now: Wall,
}

/// What replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deep {
    /// Records that were replayed.
    pub records: u64,
    /// Those of the ledger, of strategies, orders and snapshots among them.
    pub entries: u64,
    /// Snapshots that replay gave byte for byte.
    pub snapshots: u64,
    /// Sound snapshots that the journal does not name: what a crash leaves between the file and its record.
    pub unnamed: u64,
    /// Refusals (`ledger.violation`): the book is as it was before them.
    pub refused: u64,
    /// Orders in doubt at the end.
    pub in_doubt: u64,
    /// Statements and reports at the end that did not agree since.
    pub discrepancies: u64,
}

/// Replays a journal that was verified, and adds to its report. Where that found damage, what is behind the damage is not replayed.
///
/// # Errors
///
/// [`VerifyError`] where something could not be read at all.
pub fn deepen(state: &Path, report: &mut Report, options: &DeepOptions) -> Result<(), VerifyError> {
    deepen_on(&Disk::new(state), report, options).map_err(|error| error.below(state))
}

/// Verifies and replays a journal on any storage: what a simulation asks between two crashes.
///
/// # Errors
///
/// As [`super::verify`].
pub fn verify_deep<S: Storage>(storage: &S, verify: &Options, options: &DeepOptions) -> Result<Report, VerifyError> {
    let mut report = super::examine(storage, verify, &|_| {})?.report;
    deepen_on(storage, &mut report, options)?;
    Ok(report)
}

fn deepen_on<S: Storage>(storage: &S, report: &mut Report, options: &DeepOptions) -> Result<(), VerifyError> {
    // The folder of snapshots is read first: whatever is in it is of a record that is in the journal by then.
    let files = files::Files::read(storage, report)?;
    let upto = replayable(report);
    let mut pass = pass::Pass::new(storage, files, report, options);
    let stopped = walk::walk(storage, upto, |place, record| pass.record(place, record));
    stopped.map_err(|source| VerifyError::Unreadable { path: JOURNAL_DIR.to_owned(), source })?;
    pass.end(upto)?.add_to(report, options);
    Ok(())
}

/// Verifies the snapshots alone: their own sums and form, that they name one another, and that the journal has the record that each is
/// of. What needs replay is [`deepen`]'s.
///
/// # Errors
///
/// [`VerifyError`] where something could not be read at all.
pub fn snapshots(state: &Path, report: &mut Report) -> Result<(), VerifyError> {
    let storage = Disk::new(state);
    let upto = replayable(report);
    let files = files::Files::read(&storage, report).map_err(|error| error.below(state))?;
    let mut found = Findings::default();
    files.against_records(state, upto, &mut found);
    found.violations.splice(0..0, files.found);
    found.add_to(report, &DeepOptions { strict: false, now: Wall(0) });
    Ok(())
}

/// The first record that damage takes from replay, where there is damage. The list of sums is none of replay's concern.
fn replayable(report: &Report) -> Option<u64> {
    use super::Class;
    let of_records = |violation: &&Violation| violation.class != Class::Sums;
    report.violations.iter().filter(of_records).map(|violation| violation.seq).min()
}

/// What a pass found.
#[derive(Debug, Default)]
struct Findings {
    violations: Vec<Violation>,
    more: u64,
    warnings: Vec<Violation>,
    deep: Option<Deep>,
}

impl Findings {
    fn add(&mut self, violation: Violation) {
        if self.violations.len() < super::VIOLATIONS_MAX {
            self.violations.push(violation);
        } else {
            self.more += 1;
        }
    }

    fn add_to(mut self, report: &mut Report, options: &DeepOptions) {
        let warnings = std::mem::take(&mut self.warnings);
        if options.strict {
            for warning in warnings {
                self.add(warning);
            }
        } else {
            report.warnings.extend(warnings.into_iter().take(WARNINGS_MAX));
        }
        let room = super::VIOLATIONS_MAX.saturating_sub(report.violations.len());
        report.more_violations += self.more + self.violations.len().saturating_sub(room) as u64;
        report.violations.extend(self.violations.into_iter().take(room));
        if !report.violations.is_empty() {
            report.result = Outcome::Violated;
        }
        report.deep = self.deep;
    }
}
