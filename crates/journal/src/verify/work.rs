//! Who scans what: workers take segments in order, and a large one in pieces where there are too few segments to keep them all
//! busy. What they find is put together in the segments' order as it comes, so that never more than a few scans are held,
//! however many segments there are.

use super::report::Report;
use super::scan::pieces::{self, Piece};
use super::scan::{self, Middle, NoVisit, SegmentScan};
use super::seams::{Ends, Join};
use super::sums::Sums;
use super::{Progress, VerifyError};
use crate::journal::path_of;
use crate::segment::segment_name;
use crate::sha256::FileDigest;
use crate::storage::{Storage, StorageFile};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How often the last segment is read again because a running engine appended meanwhile.
const GROWTH_TRIES: u32 = 8;

/// How many scans a worker may be ahead of the one that is put together next.
const AHEAD: usize = 4;

/// A segment larger than this may be scanned in pieces of this size.
pub(super) const PIECE: u64 = 16 << 20;

/// The segments to scan, shared by the workers.
pub(super) struct Work<'a, S> {
    pub storage: &'a S,
    /// Their first sequence numbers, in order.
    pub firsts: &'a [u64],
    pub sums: &'a Sums,
    /// Whether every segment's sum is computed, listed or not.
    pub digest_all: bool,
    /// Whether the sums of listed segments are.
    pub digest: bool,
    /// Where in the first segment to begin.
    pub middle: Option<Middle>,
    /// Whether the last of them is the journal's last, which an engine may be appending to.
    pub open_end: bool,
    pub piece: u64,
}

/// Something for a worker to do.
enum Task {
    Segment(usize),
    /// A piece of the large segment, by its index.
    Piece(u64),
    /// So many bytes of the large segment from here on, into its sum.
    Digest(u64, FileDigest),
}

/// A segment that is scanned in pieces.
struct Large {
    index: usize,
    limit: u64,
    /// How many pieces it has, were handed out, and are done.
    count: u64,
    next: u64,
    done: u64,
    pieces: Vec<Piece>,
    /// The sum as far as it is, while nobody works on it; and how far that is.
    digest: Option<FileDigest>,
    digested: u64,
    /// Whether the sum is wanted.
    summed: bool,
}

impl Large {
    fn is_done(&self) -> bool {
        self.done == self.count && (!self.summed || self.digested == self.limit)
    }
}

struct State<'a> {
    /// The next segment to be handed out.
    next: usize,
    large: Option<Large>,
    /// Scans that wait for those before them.
    ready: BTreeMap<usize, (SegmentScan, Option<(u64, u64)>)>,
    /// How many are put together.
    joined: usize,
    join: Join<'a>,
    error: Option<VerifyError>,
    progress: Progress,
    /// Bytes of segments that nobody has taken yet.
    waiting_bytes: u64,
}

/// The workers' meeting place.
struct Hall<'a> {
    state: Mutex<State<'a>>,
    news: Condvar,
}

impl<'a> Hall<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Storage> Work<'_, S> {
    /// Scans everything and puts it together; `all` are the first sequence numbers of the whole journal.
    pub fn run<'a>(
        &self,
        join: Join<'a>,
        all: &[u64],
        threads: usize,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Report, Ends), VerifyError> {
        let count = self.firsts.len();
        let mut bytes_total = 0;
        for index in 0..count {
            bytes_total += self.open(index).and_then(|file| self.length(index, &file)).unwrap_or(0);
        }
        bytes_total = bytes_total.saturating_sub(self.middle.as_ref().map_or(0, |middle| middle.offset));
        let hall = Hall {
            state: Mutex::new(State {
                next: 0,
                large: None,
                ready: BTreeMap::new(),
                joined: 0,
                join,
                error: None,
                progress: Progress { bytes: 0, bytes_total, segments: 0, segments_total: count },
                waiting_bytes: bytes_total,
            }),
            news: Condvar::new(),
        };
        let worker = || {
            while let Some(task) = self.take(&hall, threads) {
                self.carry_out(&hall, task, progress);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(worker);
            }
            worker();
        });
        let state = hall.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.error {
            Some(error) => Err(error),
            None => Ok(state.join.finish(all)),
        }
    }

    /// The next task; waits for one. `None`: everything is done, or nothing more can be.
    fn take(&self, hall: &Hall<'_>, threads: usize) -> Option<Task> {
        let mut state = hall.lock();
        loop {
            if state.error.is_some() || state.joined == self.firsts.len() {
                return None;
            }
            if let Some(large) = &mut state.large {
                // The sum first: it is made by one at a time.
                if large.digested < large.limit
                    && let Some(digest) = large.digest.take()
                {
                    return Some(Task::Digest(large.digested, digest));
                }
                if large.next < large.count {
                    large.next += 1;
                    return Some(Task::Piece(large.next - 1));
                }
            }
            let index = state.next;
            if index < self.firsts.len() && index < state.joined + AHEAD * threads {
                let bytes = self.open(index).and_then(|file| self.length(index, &file)).unwrap_or(0);
                let others = state.waiting_bytes.saturating_sub(bytes);
                let too_few = others / (threads as u64) < bytes && threads > 1;
                let cut = bytes > 2 * self.piece && too_few && !(index == 0 && self.middle.is_some());
                if !cut {
                    (state.next, state.waiting_bytes) = (index + 1, others);
                    return Some(Task::Segment(index));
                }
                if state.large.is_none() {
                    (state.next, state.waiting_bytes) = (index + 1, others);
                    state.large = Some(self.begin_large(index, bytes));
                    hall.news.notify_all();
                    continue;
                }
            }
            state = hall.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn begin_large(&self, index: usize, limit: u64) -> Large {
        let count = limit.div_ceil(self.piece);
        let summed = self.summed(index);
        Large {
            index,
            limit,
            count,
            next: 0,
            done: 0,
            pieces: vec![Piece::default(); usize::try_from(count).unwrap_or_default()],
            digest: summed.then(FileDigest::default),
            digested: 0,
            summed,
        }
    }

    fn carry_out(&self, hall: &Hall<'_>, task: Task, progress: &(dyn Fn(Progress) + Sync)) {
        let outcome = match task {
            Task::Segment(index) => self.scan(index).map(|scan| {
                let mut state = hall.lock();
                let read = self.middle.as_ref().filter(|_| index == 0).map(|middle| {
                    (scan.bytes.saturating_sub(middle.offset), scan.records.saturating_sub(middle.records))
                });
                state.progress.bytes += read.map_or(scan.bytes, |(bytes, _)| bytes);
                self.done(&mut state, index, scan, read);
                state.progress
            }),
            Task::Piece(index) => self.piece(hall, index),
            Task::Digest(from, digest) => self.digest(hall, from, digest),
        };
        match outcome {
            Ok(now) => {
                hall.news.notify_all();
                progress(now);
            }
            Err(error) => {
                hall.lock().error.get_or_insert(error);
                hall.news.notify_all();
            }
        }
    }

    /// Puts a scan with those before it, as far as they are there.
    fn done(&self, state: &mut State<'_>, index: usize, scan: SegmentScan, read: Option<(u64, u64)>) {
        state.progress.segments += 1;
        state.ready.insert(index, (scan, read));
        while let Some((scan, read)) = state.ready.remove(&state.joined) {
            let last = self.open_end && state.joined + 1 == self.firsts.len();
            state.join.segment(scan, last, read);
            state.joined += 1;
        }
    }

    /// Which segment is in pieces, and up to where.
    fn large(hall: &Hall<'_>) -> (usize, u64) {
        hall.lock().large.as_ref().map_or((0, 0), |large| (large.index, large.limit))
    }

    fn piece(&self, hall: &Hall<'_>, number: u64) -> Result<Progress, VerifyError> {
        let (index, limit) = Self::large(hall);
        let piece = pieces::piece(&self.open(index)?, number, self.piece, limit);
        let mut state = hall.lock();
        state.progress.bytes += self.piece.min(limit - number * self.piece);
        if let Some(large) = &mut state.large {
            if let Some(place) = usize::try_from(number).ok().and_then(|number| large.pieces.get_mut(number)) {
                *place = piece;
            }
            large.done += 1;
        }
        self.end_large(hall, state)
    }

    fn digest(&self, hall: &Hall<'_>, from: u64, mut digest: FileDigest) -> Result<Progress, VerifyError> {
        let (index, limit) = Self::large(hall);
        let to = limit.min(from + self.piece);
        let file = self.open(index)?;
        let mut buffer = vec![0; 256 << 10];
        let mut at = from;
        while at < to {
            let room = usize::try_from(to - at).unwrap_or(buffer.len()).min(buffer.len());
            // What cannot be read is the scan's to say.
            match file.read_at(&mut buffer[..room], at) {
                Ok(0) | Err(_) => break,
                Ok(got) => {
                    digest.update(&buffer[..got]);
                    at += got as u64;
                }
            }
        }
        let mut state = hall.lock();
        if let Some(large) = &mut state.large {
            large.digested = to;
            large.summed &= at == to;
            large.digest = large.summed.then_some(digest);
        }
        self.end_large(hall, state)
    }

    /// Puts the pieces together where all are done.
    fn end_large(&self, hall: &Hall<'_>, mut state: MutexGuard<'_, State<'_>>) -> Result<Progress, VerifyError> {
        let Some(large) = state.large.take_if(|large| large.is_done()) else { return Ok(state.progress) };
        drop(state);
        // Nobody else comes here for it, and the next large one may begin meanwhile.
        let index = large.index;
        let file = self.open(index)?;
        let (name, first) = (segment_name(self.firsts[index]), self.firsts[index]);
        let mut scan = pieces::join(&file, &name, first, large.limit, &large.pieces);
        scan.digest = large.digest.filter(|_| large.summed).map(FileDigest::finish);
        let scan = self.grown(index, &file, scan)?;
        let mut state = hall.lock();
        self.done(&mut state, index, scan, None);
        Ok(state.progress)
    }

    fn open(&self, index: usize) -> Result<S::File, VerifyError> {
        let path = path_of(&segment_name(self.firsts[index]));
        self.storage.open(&path).map_err(|source| VerifyError::Unreadable { path, source })
    }

    fn length(&self, index: usize, file: &S::File) -> Result<u64, VerifyError> {
        let path = || path_of(&segment_name(self.firsts[index]));
        file.len().map_err(|source| VerifyError::Unreadable { path: path(), source })
    }

    /// Whether a segment's sum is computed.
    fn summed(&self, index: usize) -> bool {
        // The last segment's sum also tells whether its end is missing.
        let last = self.open_end && index + 1 == self.firsts.len();
        self.digest_all || self.sums.names(self.firsts[index]) && (self.digest || last)
    }

    fn scan(&self, index: usize) -> Result<SegmentScan, VerifyError> {
        let first = self.firsts[index];
        let name = segment_name(first);
        let file = self.open(index)?;
        let limit = self.length(index, &file)?;
        let scan = match self.middle.clone().filter(|_| index == 0) {
            Some(middle) => scan::scan_from(&file, &name, first, middle, limit, &mut NoVisit),
            None => scan::scan(&file, &name, first, limit, self.summed(index), &mut NoVisit),
        };
        self.grown(index, &file, scan)
    }

    /// The scan of a segment that has grown meanwhile: a running engine may have been in the middle of a write.
    fn grown(&self, index: usize, file: &S::File, mut scan: SegmentScan) -> Result<SegmentScan, VerifyError> {
        if !self.open_end || index + 1 != self.firsts.len() {
            return Ok(scan);
        }
        for _ in 0..GROWTH_TRIES {
            let limit = self.length(index, file)?;
            if scan.damage.is_none() || limit == scan.bytes {
                break;
            }
            scan = match scan.before_damage().filter(|_| scan.digest.is_none()) {
                Some(middle) => scan::scan_from(file, &scan.name, scan.first, middle, limit, &mut NoVisit),
                None => {
                    let digest = scan.digest.is_some();
                    scan::scan(file, &scan.name, scan.first, limit, digest, &mut NoVisit)
                }
            };
        }
        Ok(scan)
    }
}
