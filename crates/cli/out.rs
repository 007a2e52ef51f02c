//! Standard output and standard error. Colour where the terminal wants it; a reader that has gone away (`| head`) is
//! not an error and never a panic.

use crate::failure::Failure;
use crate::render::Layout;
use std::io::{self, IsTerminal, Write};

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reader {
    /// As far as one can tell.
    There,
    /// The pipe is closed: what follows would be written for nobody.
    Gone,
}

/// Writes `text` to standard output and flushes it.
pub fn print(text: &str) -> Result<Reader, Failure> {
    let mut stream = anstream::AutoStream::auto(io::stdout().lock());
    judge(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
}

/// As [`print`], for a text that is the command's last word whether or not anybody reads it: a verdict's exit status
/// stays what it is when the pipe is closed.
pub fn print_last(text: &str) -> Result<(), Failure> {
    print(text).map(|_reader| ())
}

/// Writes a line to standard error. Where that fails there is nobody left to tell.
pub fn complain(text: &str) {
    let mut stream = anstream::AutoStream::auto(io::stderr().lock());
    let _ = writeln!(stream, "{text}");
}

/// How a report on standard output is laid out.
pub fn layout() -> Layout {
    if io::stdout().is_terminal() { Layout::People } else { Layout::Lines }
}

/// Standard output for many lines: buffered, and flushed when asked to.
pub struct Stream {
    inner: io::BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
}

impl Stream {
    /// Locks standard output.
    pub fn new() -> Self {
        Self { inner: io::BufWriter::with_capacity(1 << 16, anstream::AutoStream::auto(io::stdout().lock())) }
    }

    /// Writes `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<Reader, Failure> {
        judge(self.inner.write_all(bytes))
    }

    /// Hands everything to the reader.
    pub fn flush(&mut self) -> Result<Reader, Failure> {
        judge(self.inner.flush())
    }
}

/// A closed pipe is an answer, everything else an error.
fn judge(outcome: io::Result<()>) -> Result<Reader, Failure> {
    match outcome {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::Output(error)),
    }
}
