//! A checkpoint: up to where a journal was verified, so that the next verification need not read all of it again. A small text
//! with a sum of its own, replaced as a whole. It is trusted as far as whoever can write it is: a copy outside the engine's reach
//! proves more than the engine's own.

use super::report::{Outcome, Report};
use super::scan::pieces::line_before;
use super::{VerifyError, list};
use crate::chain::{Head, hex};
use crate::jid::Jid;
use crate::journal::{path_of, replace};
use crate::range::{next_line, seek};
use crate::segment::{segment_first, segment_name};
use crate::sha256;
use crate::storage::{Disk, Storage, StorageFile, read_small};
use crate::time::Wall;
use std::fmt;
use std::io;
use std::path::Path;

/// The folder of the engine's own checkpoint, within the state directory.
pub const CHECKPOINT_DIR: &str = "checkpoints";

/// The engine's own checkpoint, within the state directory.
pub const CHECKPOINT: &str = "checkpoints/trusted.ckpt";

/// The first line.
const FORMAT: &str = "failstop-checkpoint/1";

/// No checkpoint is longer; what follows its own lines may be signatures.
const TEXT_MAX: u64 = 64 << 10;

/// Up to where a journal was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The system's name.
    pub origin: String,
    /// The journal's identity.
    pub jid: Jid,
    /// The last record that counts as verified: it was proven to be durable.
    pub seq: u64,
    /// Its hash.
    pub head: Head,
    /// The first sequence number of its segment.
    pub first: u64,
    /// The byte of that segment behind it.
    pub offset: u64,
    /// When it was verified.
    pub at: Wall,
    /// The first sequence number of the next old segment to be read again.
    pub scrub_next: u64,
    /// When the present round over the old segments began.
    pub round_began: Wall,
}

/// Why a checkpoint is not used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It could not be read or written.
    #[error("{doing} the checkpoint {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is none, or was changed.
    #[error("the checkpoint {path} is refused: {why}")]
    Refused {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl CheckpointError {
    /// Whether there is none.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        let sum = hex(&sha256::digest(body.as_bytes()));
        writeln!(f, "{body}sha256 {}", String::from_utf8_lossy(&sum))
    }
}

impl Checkpoint {
    /// The checkpoint that a verification which found everything intact allows: at the last record that is proven to be
    /// durable, since a loss of power may take what is behind it. `None` where nothing is. `before` is the checkpoint from which
    /// it went on.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] where the record cannot be found again.
    pub fn of(state: &Path, report: &Report, before: Option<&Self>, now: Wall) -> Result<Option<Self>, VerifyError> {
        Self::of_storage(&Disk::new(state), report, before, now).map_err(|error| error.below(state))
    }

    pub(crate) fn of_storage<S: Storage>(
        storage: &S,
        report: &Report,
        before: Option<&Self>,
        now: Wall,
    ) -> Result<Option<Self>, VerifyError> {
        let (Outcome::Intact, Some(end)) = (report.result, report.end) else { return Ok(None) };
        let (Some(origin), Some(jid)) = (report.origin.clone(), report.jid) else { return Ok(None) };
        let firsts = list(storage)?;
        let Some(index) = firsts.partition_point(|first| *first <= end.durable).checked_sub(1) else { return Ok(None) };
        let first = firsts[index];
        let path = path_of(&segment_name(first));
        let unreadable = |source| VerifyError::Unreadable { path: path.clone(), source };
        let place = || -> io::Result<Option<(u64, Head)>> {
            let file = storage.open(&path)?;
            let length = file.len()?;
            let Some(start) = seek(&file, first, end.durable, length)? else { return Ok(None) };
            let offset = next_line(&file, start, length + 1)?.unwrap_or(length);
            let last = line_before(&file, offset)?.filter(|last| last.seq == end.durable);
            Ok(last.map(|last| (offset, last.head)))
        };
        let Some((offset, head)) = place().map_err(unreadable)? else { return Ok(None) };
        let (scrub_next, round_began) = match (before, &report.scrub) {
            // A full verification has seen everything just now.
            (None, _) | (Some(_), None) => (firsts[0], now),
            (Some(_), Some(scrub)) => (scrub.next.min(first), Wall::parse(&scrub.round_began).unwrap_or(now)),
        };
        Ok(Some(Self { origin, jid, seq: end.durable, head, first, offset, at: now, scrub_next, round_began }))
    }

    fn body(&self) -> String {
        let Self { origin, jid, seq, head, first, offset, at, scrub_next, round_began } = self;
        let segment = segment_name(*first);
        format!("{FORMAT}\n{origin}/{jid}\n{seq} {head}\n{segment} {offset}\n{at}\nscrub {scrub_next} {round_began}\n")
    }

    /// Reads one back.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], in words.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let (storage, name) = place(path)?;
        Self::read_from(&storage, &name).map_err(|error| error.at(path))
    }

    pub(crate) fn read_from<S: Storage>(storage: &S, path: &str) -> Result<Self, CheckpointError> {
        let text = read_small(storage, path, TEXT_MAX).map_err(|source| CheckpointError::Io {
            doing: "cannot read",
            path: path.to_owned(),
            source,
        })?;
        let refused = |why| CheckpointError::Refused { path: path.to_owned(), why };
        let text = std::str::from_utf8(&text).map_err(|_| refused("it is no text"))?;
        Self::parse(text).map_err(refused)
    }

    /// The checkpoint that a text is, or what is wrong with it. What follows its seven lines behind an empty one may be
    /// signatures, and is not looked at.
    ///
    /// # Errors
    ///
    /// In words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const CHANGED: &str = "it was changed or cut: its own sum does not fit";
        let mut lines = text.split_inclusive('\n');
        let mut line = || lines.next().and_then(|line| line.strip_suffix('\n'));
        if line() != Some(FORMAT) {
            return Err("its first line is not failstop-checkpoint/1");
        }
        let mut next = || line().ok_or(CHANGED);
        let (whose, position, place, at, scrub, sum) = (next()?, next()?, next()?, next()?, next()?, next()?);
        let rest = lines.next();
        let length = text.find("sha256 ").ok_or(CHANGED)?;
        let computed = hex(&sha256::digest(&text.as_bytes()[..length]));
        if sum.strip_prefix("sha256 ").map(str::as_bytes) != Some(&computed[..])
            || rest.is_some_and(|line| line != "\n")
        {
            return Err(CHANGED);
        }
        let read = || {
            let (origin, jid) = whose.rsplit_once('/')?;
            let (seq, head) = position.split_once(' ')?;
            let (segment, offset) = place.split_once(' ')?;
            let (scrub_next, round_began) = scrub.strip_prefix("scrub ")?.split_once(' ')?;
            Some(Self {
                origin: origin.to_owned(),
                jid: jid.parse().ok()?,
                seq: seq.parse().ok()?,
                head: head.parse().ok()?,
                first: segment_first(segment)?,
                offset: offset.parse().ok()?,
                at: Wall::parse(at)?,
                scrub_next: scrub_next.parse().ok()?,
                round_began: Wall::parse(round_began)?,
            })
        };
        let checkpoint = read().ok_or("one of its lines does not say what it should")?;
        if checkpoint.first > checkpoint.seq || checkpoint.scrub_next > checkpoint.first {
            return Err("its sequence numbers contradict one another");
        }
        Ok(checkpoint)
    }

    /// Writes it in place of an older one, durably: a crash leaves the old one or the new one.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let (storage, name) = place(path)?;
        self.write_to(&storage, "", &name).map_err(|error| error.at(path))
    }

    /// Writes the engine's own, in a state directory.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn write_in(&self, state: &Path) -> Result<(), CheckpointError> {
        let storage = Disk::new(state);
        let path = CHECKPOINT;
        let io = |doing| move |source| CheckpointError::Io { doing, path: path.to_owned(), source };
        storage.make_dir(CHECKPOINT_DIR).map_err(io("cannot make the folder of"))?;
        storage.sync_dir("").map_err(io("cannot make durable the folder of"))?;
        self.write_to(&storage, CHECKPOINT_DIR, path).map_err(|error| error.at(&state.join(path)))
    }

    pub(crate) fn write_to<S: Storage>(&self, storage: &S, dir: &str, path: &str) -> Result<(), CheckpointError> {
        replace(storage, dir, path, &format!("{path}.tmp"), self.to_string().as_bytes())
            .map_err(|source| CheckpointError::Io { doing: "cannot write", path: path.to_owned(), source })
    }
}

impl CheckpointError {
    /// The same, with the path as whoever gave it knows it.
    fn at(self, path: &Path) -> Self {
        let path = path.display().to_string();
        match self {
            Self::Io { doing, source, .. } => Self::Io { doing, path, source },
            Self::Refused { why, .. } => Self::Refused { path, why },
        }
    }
}

/// The folder of a file, and its name in it.
fn place(path: &Path) -> Result<(Disk, String), CheckpointError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name else {
        return Err(CheckpointError::Refused { path: path.display().to_string(), why: "it is no file's name" });
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Disk::new(folder), name.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn sample() -> Checkpoint {
        let jid = Jid::from_u128(7);
        Checkpoint {
            origin: "demo".to_owned(),
            jid,
            seq: 1_284_301,
            head: Head::genesis("demo", &jid),
            first: 1_284_001,
            offset: 81_234,
            at: Wall(1_800_000_000_123_456_789),
            scrub_next: 700_001,
            round_began: Wall(1_799_900_000_000_000_000),
        }
    }

    #[test]
    fn it_comes_back_as_it_went_and_no_changed_one_does() {
        let checkpoint = sample();
        let text = checkpoint.to_string();
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::parse(&format!("{text}\n- signed by somebody\n")), Ok(checkpoint));
        for at in 0..text.len() {
            assert!(Checkpoint::parse(&text[..at]).is_err(), "cut at {at}");
            for bit in 0..7 {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(Checkpoint::parse(&changed).is_err(), "byte {at}, bit {bit}: {changed}");
            }
        }
    }

    #[test]
    fn it_is_replaced_as_a_whole_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.ckpt");
        assert!(Checkpoint::read(&path).unwrap_err().is_missing());
        let mut checkpoint = sample();
        checkpoint.write(&path).unwrap();
        checkpoint.offset += 1;
        checkpoint.write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), checkpoint);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        checkpoint.write_in(dir.path()).unwrap();
        assert_eq!(Checkpoint::read(&dir.path().join(CHECKPOINT)).unwrap(), checkpoint);
        std::fs::write(&path, "failstop-checkpoint/1\n").unwrap();
        let refused = Checkpoint::read(&path).unwrap_err();
        assert!(refused.to_string().contains("x.ckpt is refused: it was changed or cut"), "{refused}");
    }
}
