//! Keeps the file: what is known of the group's memory, and whether this host owes it something. Written off the thread that decides,
//! so that a disk that hangs holds up no order.

use super::memory::{Kept, Known, KnownFile};
use core::time::Duration;
use failstop_core::Monotonic;
use std::io;
use tokio::task::JoinHandle;

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
    writing: Option<(Kept, JoinHandle<io::Result<()>>)>,
    at: Option<Monotonic>,
    /// The last write failed.
    pub failed: bool,
    /// When something was owed last, or Redis did not decide.
    unsettled: Monotonic,
    /// Why it could not be read or written, the last time.
    pub fault: Option<String>,
}

impl Keeping {
    /// With what the file said.
    pub fn new(file: KnownFile, kept: Kept, fault: Option<String>) -> Self {
        let unsettled = Monotonic::from_nanos(0);
        Self { file, written: Some(kept), wanted: kept, writing: None, at: None, failed: false, unsettled, fault }
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
            self.writing = Some((wanted, tokio::task::spawn_blocking(move || file.write(wanted))));
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
        self.failed = ended.is_err();
        match ended {
            Ok(()) => (self.written, self.fault) = (Some(kept), None),
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
                drop(tokio::task::spawn_blocking(move || file.write(wanted)).await);
            }
        };
        // The same.
        drop(tokio::time::timeout(within, last).await);
    }
}
