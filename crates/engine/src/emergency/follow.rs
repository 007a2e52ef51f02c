//! Starts a runner from a command, and listens to it; or reads what one said that the engine started. The command may end, be interrupted or lose its terminal: the runner goes on; but a
//! drill ends with its command.

use super::run::Cause;
use super::runner::{NAME, Order, Word};
use std::fs::File;
use std::io::{self, PipeReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest line that is understood, bytes.
const LINE_MAX: usize = 4 << 20;

/// The last word in what a runner said into this file.
///
/// # Errors
/// Those of reading.
pub fn last_word(file: &mut File) -> io::Result<Option<Word>> {
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(end.saturating_sub(LINE_MAX as u64)))?;
    let mut text = Vec::new();
    file.take(LINE_MAX as u64).read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok()))
}

/// A runner that was started.
#[derive(Debug)]
pub struct Following {
    child: Child,
    words: PipeReader,
}

/// What came of listening.
#[derive(Debug, PartialEq, Eq)]
pub enum Followed {
    /// The runner is gone; the last word that it said of its run, or why it did nothing.
    Ended(Option<Word>),
    /// It goes on by itself: time was up.
    Running {
        /// The runner.
        pid: u32,
        /// How it stood.
        last: Option<Word>,
    },
}

/// Starts a runner with this order. Its process has a session of its own and none of the caller's environment.
///
/// # Errors
/// It could not be started, or not be told what to do.
pub fn start(order: &Order) -> io::Result<Following> {
    let text = serde_json::to_vec(order)?;
    let (words, writer) = io::pipe()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(writer).stderr(Stdio::null());
    if order.cause != Cause::Drill {
        // Its own group: what a terminal sends to the command's is not for it, even before it has a session of its own.
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    drop(command);
    // It reads to the end before it does anything, so this never waits for long.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text)?;
    }
    Ok(Following { child, words })
}

impl Following {
    /// Listens until it is gone, at most this long. `on` hears every word as it comes.
    pub fn follow(mut self, within: Duration, on: &mut dyn FnMut(&Word)) -> Followed {
        let begun = Instant::now();
        let mut line = Vec::new();
        let mut last = None;
        let mut buffer = [0_u8; 16 * 1024];
        loop {
            let left = within.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Followed::Running { pid: self.child.id(), last };
            }
            let mut watched = libc::pollfd { fd: self.words.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let span = i32::try_from(left.as_millis().max(1)).unwrap_or(i32::MAX);
            // SAFETY: one valid entry.
            if unsafe { libc::poll(&raw mut watched, 1, span) } <= 0 {
                continue;
            }
            match self.words.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => line.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                let rest = line.split_off(end + 1);
                if let Ok(word) = serde_json::from_slice::<Word>(&line) {
                    on(&word);
                    last = Some(word);
                }
                line = rest;
            }
            line.truncate(LINE_MAX);
        }
        // Its end of the pipe is closed, so it is as good as gone.
        let _ = self.child.wait();
        Followed::Ended(last)
    }
}
