//! What a runner says on its standard output. Nobody has to take it: what does not fit is dropped, and nothing is held up by it.

use super::runner::Word;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

/// How long the last word is offered to whoever listens. By then everything is done.
const LAST_WITHIN: Duration = Duration::from_secs(2);

/// Where words go.
#[derive(Debug)]
pub(super) struct Saying {
    out: Option<File>,
    /// What is left of a line that was begun.
    begun: Vec<u8>,
    /// The last line that found no room.
    unsaid: Option<Vec<u8>>,
}

impl Saying {
    /// On standard output, which does not block from now on.
    pub(super) fn on_stdout() -> Self {
        Self::into(io::stdout().as_fd().try_clone_to_owned().ok().map(File::from))
    }

    fn into(out: Option<File>) -> Self {
        // Where it cannot be had to, nothing is said: being held up would be worse.
        let out = out.filter(|out| set_nonblocking(out).is_ok());
        Self { out, begun: Vec::new(), unsaid: None }
    }

    /// Says a word, where there is room for it. The next one says again what it said: how everything stands.
    pub(super) fn say(&mut self, word: &Word) {
        let Ok(mut line) = serde_json::to_vec(word) else { return };
        line.push(b'\n');
        if self.go_on() {
            self.begun = line;
            self.unsaid = None;
            self.go_on();
        } else {
            self.unsaid = Some(line);
        }
    }

    /// Writes what is left of a begun line, as far as there is room; whether nothing is left.
    fn go_on(&mut self) -> bool {
        let Some(out) = &mut self.out else { return false };
        while !self.begun.is_empty() {
            match out.write(&self.begun) {
                Ok(length) if length > 0 => drop(self.begun.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // Whoever read it is gone.
                Ok(_) | Err(_) => {
                    self.out = None;
                    return false;
                }
            }
        }
        true
    }

    /// Gives whoever listens a moment for the last word, which says how it went.
    pub(super) fn finish(mut self) {
        let begun = Instant::now();
        loop {
            if self.go_on() {
                match self.unsaid.take() {
                    Some(line) => self.begun = line,
                    None => return,
                }
                continue;
            }
            let Some(out) = &self.out else { return };
            let left = LAST_WITHIN.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            let mut watched = libc::pollfd { fd: out.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
            let span = i32::try_from(left.as_millis().max(1)).unwrap_or(i32::MAX);
            // SAFETY: one valid entry.
            unsafe { libc::poll(&raw mut watched, 1, span) };
        }
    }
}

fn set_nonblocking(out: &File) -> io::Result<()> {
    // SAFETY: flags of an open descriptor.
    let flags = unsafe { libc::fcntl(out.as_raw_fd(), libc::F_GETFL) };
    // SAFETY: as above.
    if flags < 0 || unsafe { libc::fcntl(out.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    fn word(number: i32) -> Word {
        // Long enough that a pipe ends in the middle of one.
        Word::Refused(format!("{number} {}", "x".repeat(10_000)))
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_whoever_takes_it_late_has_whole_lines_and_the_last_one() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut saying = Saying::into(Some(File::from(OwnedFd::from(writer))));
        for number in 0..1_000 {
            saying.say(&word(number));
        }
        let late = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        saying.finish();
        let text = late.join().unwrap();
        let words: Vec<Word> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(words.len() < 1_000);
        assert_eq!((words.first(), words.last()), (Some(&word(0)), Some(&word(999))));
    }

    #[test]
    fn a_reader_that_is_gone_ends_it() {
        let (reader, writer) = io::pipe().unwrap();
        let mut saying = Saying::into(Some(File::from(OwnedFd::from(writer))));
        drop(reader);
        saying.say(&word(1));
        assert!(saying.out.is_none());
        saying.finish();
    }
}
