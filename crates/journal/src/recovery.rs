//! Opening: what does the disk hold, what may be repaired, and where does the chain go on. The recovery table of
//! `docs/journal-format.md`; only a torn tail is ever cut, and only after a copy of it is durable.

use crate::jid::{Jid, NoRandomness};
use crate::journal::{Begin, Journal, JournalError, Left, Settings, before_first, path_of, write_all};
use crate::reader::{Record, replay_segment};
use crate::segment::{JOURNAL_DIR, PrevSegment, SUMS, TORN_DIR, Torn, segment_first, segment_name};
use crate::sha256::FileDigest;
use crate::storage::{Storage, StorageFile, read_small};
use crate::time::Wall;
use crate::verify::scan::SegmentScan;
use crate::verify::seams::torn_tail;
use crate::verify::{Class, Examined, Options, Position, Report, SUMS_MAX, VerifyError, Violation, examine};
use std::io;

/// Why a journal could not be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It could not be written.
    #[error("{doing} {path}: {source}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes for a new journal's identity.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The first record of this start could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The epoch does not rise.
    #[error(
        "epoch {epoch} is not above {last}, the journal's last: an older state directory was put back, or the epoch file is lost"
    )]
    Epoch {
        /// What was given.
        epoch: u64,
        /// What the journal has.
        last: u64,
    },
    /// The journal is another system's.
    #[error("the journal belongs to system {found:?}, not {expected:?}: correct `system.name` or `system.state_dir`")]
    Origin {
        /// What the configuration says.
        expected: String,
        /// What the journal says.
        found: String,
    },
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No journal was there.
    New,
    /// Sealed by a graceful stop.
    Clean,
    /// The last segment was not sealed; every byte of it is a valid record.
    Unclean,
    /// A crash tore the last write. The tail was kept and cut.
    TornTail(Torn),
    /// A crash interrupted the creation of a segment. What there was of it was set aside under this path.
    Interrupted(String),
    /// Records that had been durable are not what was written. Nothing was cut; needs an operator.
    Damaged(Violation),
}

/// A journal that was read and repaired where that is allowed; not yet open for appending.
pub struct Recovered<S: Storage> {
    storage: S,
    settings: Settings,
    verdict: Verdict,
    examined: Examined,
    begin: Begin,
    last_epoch: u64,
}

/// Reads a journal, judges it, and repairs a torn tail.
///
/// `durable` is the highest sequence number that this boot's permit page said to be durable, if it is known: what is below it
/// was acknowledged.
///
/// # Errors
///
/// [`OpenError`] where the storage cannot be read or written. Damage is no error but a [`Verdict`].
pub fn recover<S: Storage>(storage: S, settings: Settings, durable: Option<u64>) -> Result<Recovered<S>, OpenError> {
    for dir in [JOURNAL_DIR, TORN_DIR] {
        storage.make_dir(dir).map_err(|e| failed("create", dir, e))?;
    }
    for dir in ["", JOURNAL_DIR, TORN_DIR] {
        storage.sync_dir(dir).map_err(|e| failed("fsync of", dir, e))?;
    }
    settle_last(&storage)?;
    let examined = examine(&storage, &Options::default(), &|_| {})?;
    if let Some(found) = examined.report.origin.as_ref().filter(|found| **found != settings.origin) {
        return Err(OpenError::Origin { expected: settings.origin, found: found.clone() });
    }
    let recovery = Recovery { storage: &storage, settings: &settings, examined: &examined };
    let (verdict, begin, last_epoch) = recovery.run(durable)?;
    Ok(Recovered { storage, settings, verdict, examined, begin, last_epoch })
}

impl<S: Storage> Recovered<S> {
    /// What was found.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The whole verification behind the verdict, from before any repair.
    pub fn report(&self) -> &Report {
        &self.examined.report
    }

    /// The journal's identity.
    pub fn jid(&self) -> Jid {
        self.begin.jid
    }

    /// The record that the next one will be chained to.
    pub fn last(&self) -> Position {
        self.begin.position
    }

    /// The highest epoch in the journal; 0 in a new one.
    pub fn last_epoch(&self) -> u64 {
        self.last_epoch
    }

    /// Hands every record whose hash fits the chain to `each`, in order, the journal's own `seg.` records included.
    ///
    /// # Errors
    ///
    /// The first error of `each`, or of reading.
    pub fn replay<E: From<io::Error>>(&self, mut each: impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        for first in &self.examined.firsts {
            let name = segment_name(*first);
            match self.storage.open(&path_of(&name)) {
                Ok(file) => replay_segment(&file, &name, *first, &mut each)?,
                // Set aside by the recovery itself.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Opens a new segment, durably, and with it the journal for appending.
    ///
    /// # Errors
    ///
    /// [`OpenError::Epoch`] unless `epoch` is above [`Self::last_epoch`]; otherwise what the storage said.
    pub fn start(self, epoch: u64, now: Wall) -> Result<Journal<S>, OpenError> {
        if epoch <= self.last_epoch {
            return Err(OpenError::Epoch { epoch, last: self.last_epoch });
        }
        Ok(Journal::start(self.storage, self.settings, self.begin, epoch, now)?)
    }
}

/// What is in the page cache is not yet what is on the disk: first what can be made durable is, then the cache is dropped, so
/// that what is read next is what the disk has.
fn settle_last<S: Storage>(storage: &S) -> Result<(), OpenError> {
    let names = storage.list(JOURNAL_DIR).map_err(|e| failed("list", JOURNAL_DIR, e))?;
    let Some((_, name)) = names.into_iter().filter_map(|name| Some((segment_first(&name)?, name))).max() else {
        return Ok(());
    };
    let path = path_of(&name);
    let mut file = storage.open(&path).map_err(|e| failed("open", &path, e))?;
    file.sync_data().map_err(|e| failed("fdatasync of", &path, e))?;
    file.drop_cache().map_err(|e| failed("drop the cache of", &path, e))
}

fn failed(doing: &'static str, path: &str, source: io::Error) -> OpenError {
    let path = if path.is_empty() { "the state directory".to_owned() } else { path.to_owned() };
    OpenError::Storage { doing, path, source }
}

struct Recovery<'a, S> {
    storage: &'a S,
    settings: &'a Settings,
    examined: &'a Examined,
}

impl<S: Storage> Recovery<'_, S> {
    fn run(&self, durable: Option<u64>) -> Result<(Verdict, Begin, u64), OpenError> {
        let ends = &self.examined.ends;
        let report = &self.examined.report;
        let last_epoch = ends.epoch;
        let damage = report.violations.first().cloned().or_else(|| self.acknowledged_lost(durable));
        if let Some(damage) = damage {
            return Ok((Verdict::Damaged(damage.clone()), self.after_damage(damage)?, last_epoch));
        }
        let Some(last) = &ends.last else {
            return Ok((Verdict::New, self.fresh()?, last_epoch));
        };
        let in_sums = self.examined.sums.names(last.first);
        match torn_tail(last, in_sums) {
            Some(_) if last.verified.is_none() => {
                let kept = self.set_aside(&last.name)?;
                let begin = match &ends.before {
                    Some(before) => self.continuing(before, before.bytes, None)?,
                    None => self.fresh()?,
                };
                Ok((Verdict::Interrupted(kept), begin, last_epoch))
            }
            Some((offset, bytes)) => {
                let torn = self.cut(&last.name, offset, bytes)?;
                Ok((Verdict::TornTail(torn.clone()), self.continuing(last, offset, Some(torn))?, last_epoch))
            }
            None => {
                let verdict = if last.closed { Verdict::Clean } else { Verdict::Unclean };
                Ok((verdict, self.continuing(last, last.bytes, None)?, last_epoch))
            }
        }
    }

    fn acknowledged_lost(&self, durable: Option<u64>) -> Option<Violation> {
        let durable = durable?;
        let have = self.examined.report.head.map_or(0, |head| head.seq);
        (have < durable).then(|| {
            let last = self.examined.ends.last.as_ref();
            Violation {
                class: Class::AcknowledgedLost,
                file: last.map_or_else(|| JOURNAL_DIR.to_owned(), |last| last.name.clone()),
                line: last.map_or(0, |last| last.damage.as_ref().map_or(last.lines + 1, |damage| damage.line)),
                seq: have + 1,
                offset: last.map_or(0, |last| last.damage.as_ref().map_or(last.bytes, |damage| damage.offset)),
                detail: format!("records {} to {durable} were acknowledged and are not there", have + 1),
            }
        })
    }

    fn fresh(&self) -> Result<Begin, OpenError> {
        let jid = Jid::random()?;
        let position = before_first(&self.settings.origin, &jid);
        let sums = self.list_of_sums()?;
        Ok(Begin { jid, position, left: None, segment: 0, sums, torn: None, damage: None })
    }

    /// Goes on after an intact segment of this many bytes.
    fn continuing(&self, last: &SegmentScan, bytes: u64, torn: Option<Torn>) -> Result<Begin, OpenError> {
        let (Some(jid), Some(verified)) = (self.examined.report.jid, last.verified) else { return self.fresh() };
        let digest = if self.examined.sums.names(last.first) { None } else { Some(self.digest(&last.name, bytes)?) };
        let records = match &last.damage {
            Some(damage) => damage.records_before,
            None => last.records,
        };
        let prev = PrevSegment { name: last.name.clone(), bytes, records };
        Ok(Begin {
            jid,
            position: Position { seq: verified.seq, hash: verified.head },
            left: Some(Left { prev, digest }),
            segment: self.segment(),
            sums: self.list_of_sums()?,
            torn,
            damage: None,
        })
    }

    /// Goes on after damage, which stays as it is: chained to the last well-formed line, so that the halt can be recorded.
    fn after_damage(&self, damage: Violation) -> Result<Begin, OpenError> {
        let ends = &self.examined.ends;
        let jid = match self.examined.report.jid {
            Some(jid) => jid,
            None => Jid::random()?,
        };
        let mut position = before_first(&self.settings.origin, &jid);
        if let Some((first, last, fitting)) = ends.lined {
            // A number that nothing vouches for may be damaged itself; the hash text is only chained to.
            let seq = match fitting {
                Some(fitting) if fitting.head == last.head => fitting.seq,
                Some(fitting) => fitting.seq + 1,
                None => first,
            };
            position = Position { seq, hash: last.head };
        }
        // The new segment's name must be above every name that is or was there.
        let highest = self.examined.firsts.last().copied().max(self.examined.sums.last()).unwrap_or(0);
        position.seq = position.seq.max(highest);
        let left = ends.last.as_ref().map(|scan| Left {
            prev: PrevSegment { name: scan.name.clone(), bytes: scan.bytes, records: scan.records },
            digest: None,
        });
        let segment = self.segment();
        let sums = self.list_of_sums()?;
        Ok(Begin { jid, position, left, segment, sums, torn: None, damage: Some(damage) })
    }

    /// The number of the last segment.
    fn segment(&self) -> u64 {
        match self.examined.ends.segment {
            0 => self.examined.firsts.len() as u64,
            number => number,
        }
    }

    /// The list of sums as it is on the disk, for the writer, which adds to it.
    fn list_of_sums(&self) -> Result<Vec<u8>, OpenError> {
        let path = path_of(SUMS);
        if !self.examined.sums.is_present() {
            return Ok(Vec::new());
        }
        read_small(self.storage, &path, SUMS_MAX).map_err(|e| failed("read", &path, e))
    }

    /// Moves what there is of a segment out of the way.
    fn set_aside(&self, name: &str) -> Result<String, OpenError> {
        let taken = self.storage.list(TORN_DIR).map_err(|e| failed("list", TORN_DIR, e))?;
        let count = taken.iter().filter(|other| other.starts_with(name)).count();
        let mut number = count + 1;
        while taken.contains(&format!("{name}.{number}.partial")) {
            number += 1;
        }
        let kept = format!("{TORN_DIR}/{name}.{number}.partial");
        let path = path_of(name);
        self.storage.rename(&path, &kept).map_err(|e| failed("set aside", &path, e))?;
        for dir in [TORN_DIR, JOURNAL_DIR] {
            self.storage.sync_dir(dir).map_err(|e| failed("fsync of", dir, e))?;
        }
        Ok(kept)
    }

    /// Keeps a torn tail and cuts it off.
    fn cut(&self, name: &str, offset: u64, bytes: u64) -> Result<Torn, OpenError> {
        let path = path_of(name);
        let copy = format!("{TORN_DIR}/{name}.{offset}.torn");
        let mut file = self.storage.open_write(&path).map_err(|e| failed("open", &path, e))?;
        match self.storage.remove(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace", &copy, error)),
            Ok(()) | Err(_) => {}
        }
        let mut kept = self.storage.create(&copy).map_err(|e| failed("create", &copy, e))?;
        each_piece(&file, offset, offset + bytes, |piece| write_all(&mut kept, piece))
            .and_then(|()| kept.sync_data())
            .map_err(|e| failed("copy a torn tail to", &copy, e))?;
        self.storage.sync_dir(TORN_DIR).map_err(|e| failed("fsync of", TORN_DIR, e))?;
        file.truncate(offset).and_then(|()| file.sync_data()).map_err(|e| failed("cut a torn tail from", &path, e))?;
        Ok(Torn { file: name.to_owned(), offset, bytes, copy })
    }

    fn digest(&self, name: &str, bytes: u64) -> Result<[u8; 32], OpenError> {
        let path = path_of(name);
        let file = self.storage.open(&path).map_err(|e| failed("open", &path, e))?;
        let mut digest = FileDigest::default();
        let update = |piece: &[u8]| {
            digest.update(piece);
            Ok(())
        };
        each_piece(&file, 0, bytes, update).map_err(|e| failed("read", &path, e))?;
        Ok(digest.finish())
    }
}

/// Reads a range of a file in bounded pieces.
fn each_piece<F: StorageFile>(
    file: &F,
    from: u64,
    to: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0u8; 256 << 10];
    let mut at = from;
    while at < to {
        let want = usize::try_from(to - at).unwrap_or(buffer.len()).min(buffer.len());
        match file.read_at(&mut buffer[..want], at)? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            n => {
                each(&buffer[..n])?;
                at += n as u64;
            }
        }
    }
    Ok(())
}
