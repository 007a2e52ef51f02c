//! One connected socket and the lines that come over it.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the engine may send without a line's end before it is taken for something else, in bytes.
const MAX_LINE: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    input: Vec<u8>,
    /// Up to here there is no LF.
    scanned: usize,
    write_timeout: Duration,
}

/// A line that was not sent.
#[derive(Debug)]
pub(super) struct NotSent {
    pub(super) error: io::Error,
    /// None of it was taken, so that it may be said again elsewhere.
    pub(super) untouched: bool,
}

impl Link {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        Ok(Self { stream, input: Vec::new(), scanned: 0, write_timeout: Duration::ZERO })
    }

    /// Sends a whole line, or closes: half a line would garble the next.
    pub(super) fn send(&mut self, line: &[u8], timeout: Duration) -> Result<(), NotSent> {
        let timeout = timeout.max(Duration::from_millis(1));
        let mut sent = 0;
        let failed = |error, sent| NotSent { error, untouched: sent == 0 };
        if self.write_timeout != timeout {
            self.stream.set_write_timeout(Some(timeout)).map_err(|error| failed(error, 0))?;
            self.write_timeout = timeout;
        }
        while let Some(rest) = line.get(sent..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the pointer and length are those of a live slice, and send only reads it.
            let taken =
                unsafe { libc::send(self.stream.as_raw_fd(), rest.as_ptr().cast(), rest.len(), libc::MSG_NOSIGNAL) };
            match usize::try_from(taken) {
                Ok(taken) => sent += taken,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => {
                        let full = error.kind() == io::ErrorKind::WouldBlock;
                        let error = if full { io::ErrorKind::TimedOut.into() } else { error };
                        // A full socket is a full engine: another connection would not be served either.
                        return Err(NotSent { error, untouched: sent == 0 && !full });
                    }
                },
            }
        }
        Ok(())
    }

    /// The next line if it has arrived.
    pub(super) fn line_now(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if self.receive(libc::MSG_DONTWAIT)? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next line if it arrives before `end`.
    pub(super) fn line_before(&mut self, end: Instant) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.line_now();
            }
            self.stream.set_read_timeout(Some(left))?;
            self.receive(0)?;
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let found = self.input.get(self.scanned..)?.iter().position(|byte| *byte == b'\n');
        let Some(end) = found.map(|at| self.scanned + at) else {
            self.scanned = self.input.len();
            return None;
        };
        self.scanned = 0;
        let mut line: Vec<u8> = self.input.drain(..=end).collect();
        line.pop();
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    /// How many bytes arrived; 0 when none did in the time given. The end of the stream is an error.
    fn receive(&mut self, flags: libc::c_int) -> io::Result<usize> {
        if self.input.len() > MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of more than a megabyte came"));
        }
        let mut bytes = [0; 4096];
        loop {
            // SAFETY: the pointer and length are those of a live array, which recv fills.
            let received =
                unsafe { libc::recv(self.stream.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), flags) };
            match usize::try_from(received) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(received) => {
                    self.input.extend_from_slice(bytes.get(..received).unwrap_or_default());
                    return Ok(received);
                }
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                    error => return Err(error),
                },
            }
        }
    }
}
