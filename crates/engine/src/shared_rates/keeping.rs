//! Keeps the file: what is known of the group's memory, and whether this host owes it something. Written off the thread that decides,
//! so that a disk that hangs holds up no order.

use super::memory::{Kept, Known, KnownFile};
use crate::beside::SHARED_RATES;
use core::time::Duration;
use failstop_core::Monotonic;
use std::io;
use tokio::sync::oneshot;

/// How often what is known is written down while it only grows, and how soon what failed is tried again.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// How long Redis must have decided with nothing owed before the file says so.
const SETTLED_FOR: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Keeping {
    file: KnownFile,
    /// What the file says; `None` where that is not known.
    written: Option<Kept>,
    /// What it is to say.
    wanted: Kept,
    writing: Option<(Kept, oneshot::Receiver<io::Result<()>>)>,
    at: Option<Monotonic>,
    /// The last write failed.
    pub failed: bool,
    /// When something was owed last, or Redis did not decide.
    unsettled: Monotonic,
    /// Why it could not be read or written, the last time.
    pub fault: Option<String>,
}

impl Keeping {
    /// With what the file said; `None` where it could not be read, so that it is written before it counts for anything.
    pub fn new(file: KnownFile, kept: Option<Kept>, fault: Option<String>) -> Self {
        let unsettled = Monotonic::from_nanos(0);
        Self {
            file,
            written: kept,
            wanted: kept.unwrap_or(Kept::UNREAD),
            writing: None,
            at: None,
            failed: false,
            unsettled,
            fault,
        }
    }

    /// What is known, and how it stands now. `owes`: something is owed, or may be in a moment; `settled`: nothing is, and Redis decides.
    pub fn note(&mut self, now: Monotonic, known: Known, owes: bool, settled: bool) {
        self.wanted.known = known;
        if owes || !settled {
            self.unsettled = now;
        }
        if owes {
            self.wanted.owes = true;
        } else if settled && self.unsettled.plus(SETTLED_FOR) <= now {
            self.wanted.owes = false;
        }
        if self.due().is_some_and(|due| due <= now) {
            let (file, wanted) = (self.file.clone(), self.wanted);
            let writing = SHARED_RATES.run((), move |()| file.write(wanted)).unwrap_or_else(|none| {
                let (done, failed) = oneshot::channel();
                let _ = done.send(Err(none.error));
                failed
            });
            self.writing = Some((wanted, writing));
            self.at = Some(now);
        }
    }

    /// Whether the file says for certain that something is owed: then the program may end at any moment.
    pub fn is_marked(&self) -> bool {
        self.written.is_some_and(|written| written.owes) && self.writing.as_ref().is_none_or(|(kept, _)| kept.owes)
    }

    /// When [`Self::note`] is to be called next.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let settled = self.wanted.owes.then(|| self.unsettled.plus(SETTLED_FOR));
        [self.due(), settled].into_iter().flatten().min()
    }

    /// When the file is to be written.
    fn due(&self) -> Option<Monotonic> {
        if self.writing.is_some() || self.written == Some(self.wanted) {
            return None;
        }
        let now = Monotonic::from_nanos(0);
        let urgent = self
            .written
            .is_none_or(|written| written.known.born != self.wanted.known.born || (self.wanted.owes && !written.owes));
        Some(self.at.filter(|_| self.failed || !urgent).map_or(now, |at| at.plus(WRITE_EVERY)))
    }

    /// Until what is being written is; for ever where nothing is.
    pub async fn ended(&mut self) -> io::Result<()> {
        match &mut self.writing {
            Some((_, writing)) => writing.await.unwrap_or_else(|gone| Err(io::Error::other(gone))),
            None => core::future::pending().await,
        }
    }

    /// What [`Self::ended`] gave.
    pub fn wrote(&mut self, ended: io::Result<()>) {
        let Some((kept, _)) = self.writing.take() else { return };
        let failed_before = core::mem::replace(&mut self.failed, ended.is_err());
        match ended {
            Ok(()) => {
                self.written = Some(kept);
                // What it said at the beginning stays true until the group knows.
                if failed_before || !kept.owes {
                    self.fault = None;
                }
            }
            Err(error) => {
                self.written = None;
                self.fault = Some(format!("{} cannot be written: {error}", self.file.0.display()));
            }
        }
    }

    /// The last words: what is known and owed at the end. The disk has this long.
    pub async fn close(mut self, known: Known, owes: bool, settled: bool, within: Duration) {
        let last = async {
            if self.writing.is_some() {
                let ended = self.ended().await;
                self.wrote(ended);
            }
            self.wanted = Kept { known, owes: !settled && (owes || self.wanted.owes) };
            if self.written != Some(self.wanted) {
                let (file, wanted) = (self.file.clone(), self.wanted);
                // Whoever reads it finds what was written before, and is no worse off than after a crash.
                drop(SHARED_RATES.wait(move || file.write(wanted)).await);
            }
        };
        // The same.
        drop(tokio::time::timeout(within, last).await);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    /// Longer than a disk takes.
    const LONG: Duration = Duration::from_secs(60);
    const BORN: u64 = 1_800_000_000_000_000;

    struct Bed {
        folder: tempfile::TempDir,
        keeping: Keeping,
        runtime: tokio::runtime::Runtime,
    }

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    fn known(seq: u64) -> Known {
        Known { born: BORN, seq }
    }

    impl Bed {
        /// What the file says is known up to 1. Nothing was written in this life.
        fn new(owes: bool) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = KnownFile(folder.path().join("in").join("known.json"));
            std::fs::create_dir(folder.path().join("in")).unwrap();
            let kept = Kept { known: known(1), owes };
            file.write(kept).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            Self { folder, keeping: Keeping::new(file, Some(kept), None), runtime }
        }

        fn note(&mut self, now: Monotonic, seq: u64, owes: bool, settled: bool) {
            let keeping = &mut self.keeping;
            self.runtime.block_on(async { keeping.note(now, known(seq), owes, settled) });
        }

        /// What is being written is.
        #[track_caller]
        fn end(&mut self) {
            let keeping = &mut self.keeping;
            let ended = self.runtime.block_on(async { tokio::time::timeout(LONG, keeping.ended()).await });
            self.keeping.wrote(ended.unwrap());
        }

        fn is_writing(&self) -> bool {
            self.keeping.writing.is_some()
        }

        #[track_caller]
        fn says(&self) -> (u64, bool) {
            let kept = self.keeping.file.read().0.unwrap();
            (kept.known.seq, kept.owes)
        }

        fn close(self, owes: bool, settled: bool) -> (u64, bool) {
            let Self { folder, keeping, runtime } = self;
            let file = keeping.file.clone();
            runtime.block_on(keeping.close(known(9), owes, settled, LONG));
            let kept = file.read().0.unwrap();
            drop(folder);
            (kept.known.seq, kept.owes)
        }
    }

    #[test]
    fn what_grows_is_written_once_a_second_with_nobody_asking() {
        let mut bed = Bed::new(false);
        bed.note(at(0), 2, false, true);
        assert!(bed.is_writing(), "nothing was written for long");
        bed.note(at(1), 3, false, true);
        assert_eq!(bed.keeping.next_deadline(), None, "one write at a time");
        bed.end();
        assert_eq!((bed.says(), bed.keeping.next_deadline()), ((2, false), Some(at(1_000))));
        bed.note(at(999), 4, false, true);
        assert!(!bed.is_writing());
        bed.note(at(1_000), 4, false, true);
        bed.end();
        assert_eq!((bed.says(), bed.keeping.next_deadline()), ((4, false), None));
    }

    #[test]
    fn the_mark_comes_at_once_and_goes_two_seconds_after_the_last_that_was_owed() {
        let mut bed = Bed::new(false);
        bed.note(at(0), 2, false, true);
        bed.end();
        bed.note(at(1), 2, true, false);
        assert!(bed.is_writing() && !bed.keeping.is_marked(), "the disk does not have it yet");
        bed.end();
        assert!(bed.keeping.is_marked());
        // Nothing is owed, and nobody knows whether the group was told all.
        bed.note(at(5_000), 2, false, false);
        for millis in [5_001, 6_999] {
            bed.note(at(millis), 2, false, true);
            assert!(!bed.is_writing() && bed.keeping.is_marked());
            assert_eq!(bed.keeping.next_deadline(), Some(at(7_000)));
        }
        bed.note(at(7_000), 2, false, true);
        assert!(bed.is_writing() && !bed.keeping.is_marked(), "it may be gone already");
        bed.end();
        assert_eq!((bed.says(), bed.keeping.next_deadline()), ((2, false), None));
    }

    #[test]
    fn a_write_that_failed_marks_nothing_and_is_tried_again_a_second_later() {
        let mut bed = Bed::new(true);
        assert!(bed.keeping.is_marked());
        let (there, away) = (bed.folder.path().join("in"), bed.folder.path().join("away"));
        std::fs::rename(&there, &away).unwrap();
        bed.note(at(0), 2, true, false);
        assert!(bed.keeping.is_marked(), "whichever the disk has, it is marked");
        bed.end();
        assert!(!bed.keeping.is_marked() && bed.keeping.failed);
        assert!(bed.keeping.fault.as_ref().is_some_and(|fault| fault.contains("known.json cannot be written")));
        assert_eq!(bed.keeping.next_deadline(), Some(at(1_000)));
        std::fs::rename(&away, &there).unwrap();
        bed.note(at(999), 2, true, false);
        assert!(!bed.is_writing());
        bed.note(at(1_000), 2, true, false);
        bed.end();
        assert!(bed.keeping.is_marked() && !bed.keeping.failed);
        assert_eq!((bed.says(), &bed.keeping.fault), ((2, true), &None));
    }

    #[test]
    fn the_last_words_say_what_is_owed() {
        assert_eq!(Bed::new(false).close(true, false), (9, true));
        assert_eq!(Bed::new(false).close(false, true), (9, false));
        assert_eq!(Bed::new(true).close(false, true), (9, false));
        // What the last life owed was not told yet.
        assert_eq!(Bed::new(true).close(false, false), (9, true));
        // What is being written comes first, whichever it is.
        let mut bed = Bed::new(false);
        bed.note(at(0), 2, true, false);
        assert_eq!(bed.close(true, false), (9, true));
    }
}
