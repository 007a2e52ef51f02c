//! Verification of what came since a checkpoint, and of some old segments each time: an incremental run alone cannot see old
//! bit-rot. Old segments are taken in turn; the checkpoint remembers how far that is.

use super::checkpoint::Checkpoint;
use super::report::{Class, Outcome, Report, Scrub, Since, Violation};
use super::scan::pieces::line_before;
use super::scan::{Last, Middle, SegmentScan};
use super::seams::{Identity, Join, Part};
use super::sums::Sums;
use super::work::{PIECE, Work};
use super::{Options, Progress, VIOLATIONS_MAX, VerifyError, contents, examine};
use crate::journal::path_of;
use crate::reader::read_opening;
use crate::record::{Frame, LINE_MAX, SEG_CLOSE};
use crate::segment::{JOURNAL_DIR, SegOpen, segment_name};
use crate::storage::{Disk, Storage, StorageFile};
use crate::time::Wall;
use std::path::Path;
use std::time::Instant;

/// At least so many bytes of old segments are read again by each run, where there are so many.
pub const SCRUB_MIN_BYTES: u64 = 64 << 20;

/// After so many runs every old byte has been read again: a week of hourly ones.
pub const SCRUB_RUNS: u64 = 168;

/// Verifies what came since a checkpoint, and some of what was before it. Where the journal does not have what the checkpoint
/// says, all of it is verified, and that is a violation; a checkpoint of another journal is not used, which the report says.
/// Writes nothing: [`Checkpoint::of`] makes the next one. `now` is when that is.
///
/// # Errors
///
/// As [`super::verify`].
pub fn verify_since(
    state: &Path,
    checkpoint: &Checkpoint,
    now: Wall,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, VerifyError> {
    let report = examine_since(&Disk::new(state), checkpoint, now, options, SCRUB_MIN_BYTES, progress)
        .map_err(|error| error.below(state))?;
    if report.segments == 0 && report.violations.is_empty() {
        return Err(VerifyError::NoJournal { path: JOURNAL_DIR.to_owned() }.below(state));
    }
    Ok(report)
}

pub(crate) fn examine_since<S: Storage>(
    storage: &S,
    checkpoint: &Checkpoint,
    now: Wall,
    options: &Options,
    scrub_min: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, VerifyError> {
    let began = Instant::now();
    let (firsts, sums) = contents(storage)?;
    let at = firsts.binary_search(&checkpoint.first).ok();
    let found = match at {
        Some(index) => middle(storage, checkpoint)?.map(|middle| (index, middle)),
        None => None,
    };
    let Some((index, middle)) = found else {
        return contradicted(storage, checkpoint, options, progress);
    };
    let identity = Identity::of(&middle.open);
    let run = Run { storage, firsts: &firsts, sums: &sums, options, checkpoint, identity, scrub_min };
    let lengths = run.lengths(index);
    let turns = run.turns(&lengths);
    let (from, to) = turns.first().copied().unwrap_or((0, 0));
    let read = lengths[from..to].iter().sum();
    let left = lengths[to..].iter().sum();
    let scrubbed = if from < to.min(index) { Some(run.scrub(from..to.min(index), progress)?) } else { None };
    // Last in a round comes what the checkpoint's own segment has before it.
    let round_is_over = to > index;
    let mut report = run.end(index, Some(middle).filter(|_| !round_is_over), progress)?;
    let round_began = if from == 0 { now } else { checkpoint.round_began };
    report.scrub = Some(Scrub {
        segments: (to - from) as u64,
        bytes: read,
        left_bytes: left,
        round_began: round_began.to_string(),
        round_ends: run.round_ends(turns.len().saturating_sub(1) as u64, now).map(|at| at.to_string()),
        next: if round_is_over { firsts[0] } else { firsts[to] },
    });
    if let Some(scrubbed) = scrubbed {
        put_before(&mut report, scrubbed);
    }
    report.since = Some(Since { seq: checkpoint.seq, at: checkpoint.at.to_string() });
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Puts what was found in old segments before what was found behind the checkpoint: in the journal's order, and together no more
/// than a report tells of.
fn put_before(report: &mut Report, scrubbed: Report) {
    report.segments += scrubbed.segments;
    report.bytes += scrubbed.bytes;
    report.records += scrubbed.records;
    report.more_violations += scrubbed.more_violations;
    if scrubbed.result == Outcome::Violated {
        report.result = Outcome::Violated;
        let new = std::mem::replace(&mut report.violations, scrubbed.violations);
        report.violations.extend(new);
        report.more_violations += report.violations.len().saturating_sub(VIOLATIONS_MAX) as u64;
        report.violations.truncate(VIOLATIONS_MAX);
    }
}

/// Verifies everything, because the checkpoint's record is not where it says.
fn contradicted<S: Storage>(
    storage: &S,
    checkpoint: &Checkpoint,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, VerifyError> {
    let mut report = examine(storage, options, progress)?.report;
    let Checkpoint { origin, jid, seq, head, first, at, .. } = checkpoint;
    if report.origin.as_ref().is_some_and(|known| known != origin) || report.jid.is_some_and(|known| known != *jid) {
        report.notes.push(format!(
            "the checkpoint is refused: it is of journal {jid} of system {origin}, which is not here; everything was verified"
        ));
        return Ok(report);
    }
    report.notes.push("the journal does not have what the checkpoint says; everything was verified".to_owned());
    let have = report.head.map_or(0, |head| head.seq);
    let (class, detail) = if have < *seq {
        let detail =
            format!("the journal ends with record {have}, but record {seq} was verified at {at}: rolled back or cut");
        (Class::Rollback, detail)
    } else {
        let detail = format!("record {seq} is not the one that was verified at {at}, whose hash was {head}");
        (Class::Rewrite, detail)
    };
    // Where the chain itself is broken, that says more than that it no longer fits the checkpoint.
    if report.result == Outcome::Intact {
        report.result = Outcome::Violated;
        let file = segment_name(*first);
        report.violations.push(Violation { class, file, line: 0, seq: *seq, offset: checkpoint.offset, detail });
    }
    Ok(report)
}

/// The place in the journal that a checkpoint says, where it is there.
fn middle<S: Storage>(storage: &S, checkpoint: &Checkpoint) -> Result<Option<Middle>, VerifyError> {
    let path = path_of(&segment_name(checkpoint.first));
    let unreadable = |source| VerifyError::Unreadable { path: path.clone(), source };
    let file = storage.open(&path).map_err(unreadable)?;
    let Some((open, begin)) = opening(&file, checkpoint.first) else { return Ok(None) };
    if open.jid != checkpoint.jid
        || open.origin != checkpoint.origin
        || file.len().map_err(unreadable)? < checkpoint.offset
    {
        return Ok(None);
    }
    let last = line_before(&file, checkpoint.offset).map_err(unreadable)?;
    let Some(last) = last.filter(|last| (last.seq, last.head) == (checkpoint.seq, checkpoint.head)) else {
        return Ok(None);
    };
    let closed = last.seq > checkpoint.first && is_close(&file, checkpoint.offset);
    let records = checkpoint.seq + 1 - checkpoint.first;
    Ok(Some(Middle { offset: checkpoint.offset, records, last, closed, open, begin }))
}

/// A segment's first line, where its own hash vouches for it.
pub(super) fn opening<F: StorageFile>(file: &F, first: u64) -> Option<(SegOpen, Last)> {
    let line = read_line(file, 0)?;
    let open = read_opening(&line).filter(|open| open.first == first)?;
    let frame = Frame::read(&line)?;
    let head = frame.head(&line)?;
    Some((open, Last { seq: frame.seq, head, epoch: frame.epoch, durable: frame.durable }))
}

/// Whether the line that ends here seals the segment.
fn is_close<F: StorageFile>(file: &F, end: u64) -> bool {
    // Such a line is short.
    let from = end.saturating_sub(1024);
    let mut block = vec![0; usize::try_from(end - from).unwrap_or_default()];
    if !fill(file, &mut block, from) {
        return false;
    }
    let Some(text) = block.strip_suffix(b"\n") else { return false };
    let start = memchr::memrchr(b'\n', text).map_or(0, |feed| feed + 1);
    Frame::read(&block[start..])
        .and_then(|frame| Some(frame.fields(&block[start..])?.kind == SEG_CLOSE))
        .unwrap_or(false)
}

fn fill<F: StorageFile>(file: &F, block: &mut [u8], from: u64) -> bool {
    let mut got = 0;
    while got < block.len() {
        match file.read_at(&mut block[got..], from + got as u64) {
            Ok(0) | Err(_) => return false,
            Ok(more) => got += more,
        }
    }
    true
}

fn read_line<F: StorageFile>(file: &F, from: u64) -> Option<Vec<u8>> {
    let mut line = vec![0; LINE_MAX];
    let mut got = 0;
    loop {
        match file.read_at(&mut line[got..], from + got as u64) {
            Ok(0) | Err(_) => break,
            Ok(more) => got += more,
        }
    }
    let feed = memchr::memchr(b'\n', &line[..got])?;
    line.truncate(feed + 1);
    Some(line)
}

/// One incremental verification.
struct Run<'a, S> {
    storage: &'a S,
    firsts: &'a [u64],
    sums: &'a Sums,
    options: &'a Options,
    checkpoint: &'a Checkpoint,
    identity: Identity,
    /// The least that is read again.
    scrub_min: u64,
}

impl<S: Storage> Run<'_, S> {
    /// How long the segments before this one are, and what this one has before the checkpoint. What cannot be asked counts as
    /// nothing here; the scan says so.
    fn lengths(&self, before: usize) -> Vec<u64> {
        let length = |first: &u64| self.storage.open(&path_of(&segment_name(*first))).and_then(|file| file.len());
        let lengths = self.firsts[..before].iter().map(|first| length(first).unwrap_or(0));
        lengths.chain([self.checkpoint.offset]).collect()
    }

    /// Which old segments are read again by this run, and by those after it until the round is over.
    fn turns(&self, lengths: &[u64]) -> Vec<(usize, usize)> {
        let next = self.firsts.partition_point(|first| *first < self.checkpoint.scrub_next);
        let mut to = if next >= lengths.len() { 0 } else { next };
        let wanted = self.scrub_min.max(lengths.iter().sum::<u64>().div_ceil(SCRUB_RUNS));
        let mut turns = Vec::new();
        while to < lengths.len() {
            let from = to;
            let mut bytes = 0;
            while to < lengths.len() && (bytes < wanted || to == from) {
                bytes += lengths[to];
                to += 1;
            }
            turns.push((from, to));
        }
        turns
    }

    fn work<'w>(&'w self, which: std::ops::Range<usize>, middle: Option<Middle>, open_end: bool) -> Work<'w, S> {
        Work {
            storage: self.storage,
            firsts: &self.firsts[which],
            sums: self.sums,
            digest_all: false,
            digest: self.options.sums,
            middle,
            open_end,
            piece: PIECE,
        }
    }

    /// Verifies these old segments, and that the one behind them goes on where they end.
    fn scrub(
        &self,
        which: std::ops::Range<usize>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, VerifyError> {
        let next = self.firsts[which.end];
        let path = path_of(&segment_name(next));
        let file = self.storage.open(&path).map_err(|source| VerifyError::Unreadable { path, source })?;
        let followed_by = opening(&file, next).map(|(open, begin)| {
            let bytes = file.len().unwrap_or(0);
            SegmentScan::opened(&segment_name(next), next, bytes, open, begin)
        });
        let identity = Identity { segment: 0, ..self.identity.clone() };
        let join = Join::new(self.sums, Part::Middle, Some(identity)).before(followed_by);
        let work = self.work(which, None, false);
        Ok(work.run(join, self.firsts, self.options.threads.max(1), progress)?.0)
    }

    /// Verifies everything behind the checkpoint.
    fn end(
        &self,
        index: usize,
        middle: Option<Middle>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, VerifyError> {
        let identity = Identity { segment: self.identity.segment.saturating_sub(1), ..self.identity.clone() };
        let join = Join::new(self.sums, Part::End, Some(identity));
        let work = self.work(index..self.firsts.len(), middle, true);
        Ok(work.run(join, self.firsts, self.options.threads.max(1), progress)?.0)
    }

    /// When the round will be over after so many more runs, if they come as far apart as the last two did.
    fn round_ends(&self, runs: u64, now: Wall) -> Option<Wall> {
        let rhythm = now.0.checked_sub(self.checkpoint.at.0).filter(|span| *span > 0)?;
        Some(Wall(now.0.checked_add(rhythm.checked_mul(runs)?)?))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::chain::Head;
    use crate::journal::{Importance, Journal, Settings};
    use crate::recovery::recover;
    use std::fs;
    use std::path::PathBuf;

    const HOUR: u64 = 3_600_000_000_000;
    const NOW: u64 = 1_800_000_000_000_000_000;

    /// One thread that writes, and its journal.
    struct Stage {
        dir: tempfile::TempDir,
        journal: Option<Journal<Disk>>,
        epoch: u64,
    }

    impl Stage {
        fn new(segments: usize) -> Self {
            let mut stage = Self { dir: tempfile::tempdir().unwrap(), journal: None, epoch: 0 };
            stage.start();
            while stage.segments().len() <= segments {
                stage.write(5);
            }
            stage
        }

        fn settings() -> Settings {
            let mut settings = Settings::new("demo", "boot", "test");
            (settings.ballast_bytes, settings.roll_bytes) = (0, 4_000);
            settings
        }

        fn start(&mut self) {
            self.epoch += 1;
            let recovered = recover(Disk::new(self.dir.path()), Self::settings(), None).unwrap();
            self.journal = Some(recovered.start(self.epoch, Wall(NOW)).unwrap());
        }

        fn write(&mut self, records: usize) {
            let journal = self.journal.as_mut().unwrap();
            for number in 0..records {
                journal.stage(Wall(NOW), "x.note", &format!("{{\"n\":{number}}}"), Importance::Ordinary).unwrap();
                journal.commit().unwrap();
            }
        }

        fn segments(&self) -> Vec<PathBuf> {
            let mut paths: Vec<PathBuf> = fs::read_dir(self.dir.path().join(JOURNAL_DIR))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|end| end == "ndjson"))
                .collect();
            paths.sort();
            paths
        }

        fn flip(&self, segment: usize, at: usize) {
            let path = &self.segments()[segment];
            let mut bytes = fs::read(path).unwrap();
            bytes[at] ^= 4;
            drop(fs::remove_file(path));
            fs::write(path, bytes).unwrap();
        }

        fn checkpoint(&self, now: u64) -> Checkpoint {
            let report = super::super::verify(self.dir.path(), &Options::default(), &|_| {}).unwrap();
            Checkpoint::of(self.dir.path(), &report, None, Wall(now)).unwrap().unwrap()
        }

        fn since(&self, checkpoint: &Checkpoint, now: u64, scrub_min: u64) -> Report {
            let options = Options { threads: 2, ..Options::default() };
            examine_since(&Disk::new(self.dir.path()), checkpoint, Wall(now), &options, scrub_min, &|_| {}).unwrap()
        }
    }

    #[test]
    fn only_what_is_new_is_read_wherever_the_checkpoint_stands() {
        let mut stage = Stage::new(3);
        let mut checkpoint = stage.checkpoint(NOW);
        let mut read_in_all = 0;
        for round in 1..40 {
            stage.write(round % 4);
            if round % 13 == 0 {
                stage.journal.take().unwrap().seal(Wall(NOW)).unwrap();
                stage.start();
            }
            let report = stage.since(&checkpoint, NOW + round as u64 * HOUR, 0);
            assert_eq!(report.result, Outcome::Intact, "round {round}: {:?}", report.violations);
            let whole = super::super::verify(stage.dir.path(), &Options::default(), &|_| {}).unwrap();
            assert_eq!(report.head, whole.head, "round {round}");
            assert!(report.records < whole.records);
            read_in_all += report.records;
            let next = Checkpoint::of(stage.dir.path(), &report, Some(&checkpoint), Wall(NOW + round as u64 * HOUR));
            let next = next.unwrap().unwrap();
            assert!(
                next.seq >= checkpoint.seq && next.seq >= whole.head.unwrap().seq - 1,
                "all is durable but the last"
            );
            assert_eq!(Checkpoint::parse(&next.to_string()), Ok(next.clone()));
            checkpoint = next;
        }
        assert!(read_in_all > 0);
    }

    #[test]
    fn every_old_byte_is_seen_again_within_a_round() {
        let stage = Stage::new(12);
        let last = stage.segments().len() - 1;
        let clean = stage.checkpoint(NOW);
        // Twelve old segments, and the checkpoint's own.
        assert_eq!(last, 12);
        for damaged in 0..last {
            stage.flip(damaged, 300);
            let mut checkpoint = clean.clone();
            let mut runs = 0;
            let found = loop {
                runs += 1;
                let now = NOW + runs * HOUR;
                // Two segments at a time.
                let report = stage.since(&checkpoint, now, 6_000);
                if let Some(found) = report.violations.first() {
                    break found.clone();
                }
                let scrub = report.scrub.clone().unwrap();
                assert!(scrub.segments > 0 && (scrub.left_bytes == 0) == (runs == 7), "{scrub:?} in run {runs}");
                if scrub.left_bytes > 0 {
                    let runs_left = 7 - runs;
                    assert_eq!(scrub.round_ends, Some(Wall(now + runs_left * HOUR).to_string()), "{scrub:?}");
                }
                checkpoint = Checkpoint::of(stage.dir.path(), &report, Some(&checkpoint), Wall(now)).unwrap().unwrap();
                assert!(runs < 8, "a round is over and the damage was not seen");
            };
            assert_eq!(stage.segments()[damaged].file_name().unwrap().to_str().unwrap(), found.file);
            assert_eq!(runs as usize, damaged / 2 + 1);
            stage.flip(damaged, 300);
        }
        // A sound round ends and the next begins.
        let mut checkpoint = clean;
        for run in 1..=15 {
            let now = NOW + run * HOUR;
            let report = stage.since(&checkpoint, now, 6_000);
            assert_eq!(report.result, Outcome::Intact, "{:?}", report.violations);
            let began = NOW + (run - 1) / 7 * 7 * HOUR + HOUR;
            assert_eq!(report.scrub.as_ref().unwrap().round_began, Wall(began).to_string(), "run {run}");
            checkpoint = Checkpoint::of(stage.dir.path(), &report, Some(&checkpoint), Wall(now)).unwrap().unwrap();
        }
    }

    #[test]
    fn damage_behind_the_checkpoint_and_at_its_seams_is_found_at_once() {
        let mut stage = Stage::new(4);
        let checkpoint = stage.checkpoint(NOW);
        while stage.segments().len() < 8 {
            stage.write(3);
        }
        let whole = |stage: &Stage| super::super::verify(stage.dir.path(), &Options::default(), &|_| {}).unwrap();
        for segment in 5..7 {
            stage.flip(segment, 700);
            let found = stage.since(&checkpoint, NOW + 1, 0);
            assert_eq!(found.violations, whole(&stage).violations);
            assert!(!found.violations.is_empty());
            stage.flip(segment, 700);
        }
        for gone in [0, 2, 5, 6] {
            let path = stage.segments()[gone].clone();
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            let found = stage.since(&checkpoint, NOW + 1, 0);
            let first = found.violations.first().unwrap_or_else(|| panic!("segment {gone} is gone"));
            assert_eq!(first.class, Class::MissingSegment, "segment {gone}: {:?}", found.violations);
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(stage.since(&checkpoint, NOW + 1, 0).result, Outcome::Intact);
    }

    #[test]
    fn a_journal_that_lost_what_was_verified_is_violated_and_another_one_is_no_journal_of_the_checkpoint() {
        let stage = Stage::new(3);
        let checkpoint = stage.checkpoint(NOW);
        // Whole records are cut off: the chain alone does not show it.
        let last = stage.segments().pop().unwrap();
        let bytes = fs::read(&last).unwrap();
        let cut =
            bytes.len() - bytes.split_inclusive(|byte| *byte == b'\n').rev().take(2).map(<[u8]>::len).sum::<usize>();
        fs::write(&last, &bytes[..cut]).unwrap();
        let whole = super::super::verify(stage.dir.path(), &Options::default(), &|_| {}).unwrap();
        assert_eq!(whole.result, Outcome::Intact);
        let found = stage.since(&checkpoint, NOW + 1, 0);
        assert_eq!(found.violations[0].class, Class::Rollback, "{:?}", found.violations);
        fs::write(&last, &bytes).unwrap();

        let mut rewritten = checkpoint.clone();
        rewritten.head = Head::genesis("x", &rewritten.jid);
        let found = stage.since(&rewritten, NOW + 1, 0);
        assert_eq!(found.violations[0].class, Class::Rewrite, "{:?}", found.violations);

        let other = Stage::new(3);
        let found = other.since(&checkpoint, NOW + 1, 0);
        assert_eq!((found.result, found.since), (Outcome::Intact, None));
        assert!(found.notes[0].contains("the checkpoint is refused"), "{:?}", found.notes);
    }

    #[test]
    fn two_lists_of_violations_are_together_no_longer_than_one_may_be() {
        let found = |seq: u64, count: usize| {
            let file = segment_name(1);
            let one = Violation { class: Class::Gap, file, line: 1, seq, offset: 0, detail: String::new() };
            let result = Outcome::Violated;
            Report { result, violations: vec![one; count], more_violations: 2, ..Report::without_a_verdict() }
        };
        let mut report = found(9, VIOLATIONS_MAX);
        put_before(&mut report, found(1, 3));
        assert_eq!((report.violations.len(), report.more_violations), (VIOLATIONS_MAX, 2 + 2 + 3));
        let seqs: Vec<u64> = report.violations.iter().map(|found| found.seq).take(4).collect();
        assert_eq!(seqs, [1, 1, 1, 9]);
    }
}
