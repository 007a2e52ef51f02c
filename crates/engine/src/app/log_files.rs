//! Looks at log files, for the figure of the largest. On a thread of its own: a file system that hangs keeps that thread for as long as it
//! likes, and holds up neither the loop, nor what else is done beside it, nor the end of the engine.

use crate::thresholds::LogFile;
use failstop_core::Monotonic;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, TryRecvError};

/// It calls into the kernel and makes one short text.
const STACK_BYTES: usize = 128 * 1024;

/// One look at a time.
#[derive(Debug, Default)]
pub struct LogFiles {
    looking: Option<Receiver<Option<LogFile>>>,
}

impl LogFiles {
    /// Begins a look, unless one is under way. Nobody waits for it where the engine ends meanwhile.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn begin(&mut self, look: impl FnOnce() -> Option<LogFile> + Send + 'static) -> io::Result<()> {
        if self.looking.is_some() {
            return Ok(());
        }
        let (found, looking) = mpsc::sync_channel(1);
        let look = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            let _ = found.send(look());
        };
        std::thread::Builder::new().name("log-files".to_owned()).stack_size(STACK_BYTES).spawn(look)?;
        self.looking = Some(looking);
        Ok(())
    }

    /// What the look found that is through since this was asked last; within it `None` where none of the files can be looked at.
    pub fn take(&mut self) -> Option<Option<LogFile>> {
        let found = match self.looking.as_ref()?.try_recv() {
            Ok(found) => found,
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => return None,
        };
        self.looking = None;
        Some(found)
    }
}

/// The largest of these files; `None` where none can be looked at.
pub fn largest(files: &[PathBuf], at: Monotonic) -> Option<LogFile> {
    let sizes = files.iter().filter_map(|file| Some((file, std::fs::metadata(file).ok()?.len())));
    let (file, bytes) = sizes.max_by_key(|(_, bytes)| *bytes)?;
    Some(LogFile { name: file.display().to_string(), bytes, at })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[track_caller]
    fn taken(log_files: &mut LogFiles) -> Option<LogFile> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = log_files.take() {
                return found;
            }
            assert!(Instant::now() < end, "it is never through");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_system_that_hangs_holds_up_nobody_and_has_one_look() {
        let mut log_files = LogFiles::default();
        let (release, hangs) = mpsc::channel::<()>();
        let found = LogFile { name: "a.log".to_owned(), bytes: 7, at: at(1) };
        let look = found.clone();
        log_files
            .begin(move || {
                let _ = hangs.recv();
                Some(look)
            })
            .unwrap();
        for _ in 0..1_000 {
            assert_eq!(log_files.take(), None);
            log_files.begin(|| panic!("one is under way")).unwrap();
        }
        release.send(()).unwrap();
        assert_eq!(taken(&mut log_files), Some(found));
        log_files.begin(|| None).unwrap();
        assert_eq!(taken(&mut log_files), None, "none of them could be looked at");
        assert_eq!(log_files.take(), None, "and nothing is taken twice");
    }

    #[test]
    fn the_largest_of_those_that_are_there_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.log", "b.log", "gone.log"].map(|name| folder.path().join(name));
        assert_eq!(largest(&files, at(1)), None);
        std::fs::write(&files[0], "a").unwrap();
        std::fs::write(&files[1], "bb").unwrap();
        let found = LogFile { name: files[1].display().to_string(), bytes: 2, at: at(1) };
        assert_eq!(largest(&files, at(1)), Some(found));
    }
}
