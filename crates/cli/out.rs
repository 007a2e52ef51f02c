//! Standard output and standard error. Colour where the terminal wants it; a reader that has gone away (`| head`) is
//! not an error and never a panic.

use crate::failure::Failure;
use crate::render::Layout;
use crate::render::wrap::wrap;
use serde::Serialize;
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

/// A report for programs: one line.
pub fn json_line(report: &impl Serialize) -> Result<String, Failure> {
    match serde_json::to_string(report) {
        Ok(json) => Ok(json + "\n"),
        Err(error) => Err(Failure::Output(error.into())),
    }
}

/// Writes a line to standard error. Where that fails there is nobody left to tell.
pub fn complain(text: &str) {
    let mut stream = anstream::AutoStream::auto(io::stderr().lock());
    let _ = writeln!(stream, "{text}");
}

/// Clears the terminal and goes to its upper left corner. Not a matter of colour, so NO_COLOR does not forbid it.
pub fn clear_screen() {
    let _ = io::stdout().write_all(b"\x1b[H\x1b[2J");
}

/// How a report on standard output is laid out.
pub fn layout() -> Layout {
    if io::stdout().is_terminal() { Layout::People } else { Layout::Lines }
}

/// How many columns the terminal has that standard output is; `None` where it is none, or does not say.
fn width() -> Option<usize> {
    let (columns, _) = ratatui::crossterm::terminal::size().ok().filter(|_| io::stdout().is_terminal())?;
    (columns > 0).then_some(columns.into())
}

/// A report within the terminal's width, where that is known.
pub fn fitted(text: String) -> String {
    match width() {
        Some(width) => wrap(&text, width),
        None => text,
    }
}

/// Standard output for many lines: buffered, handed over when asked to, bytes as they are.
pub struct Stream {
    inner: io::BufWriter<io::StdoutLock<'static>>,
}

impl Stream {
    /// Locks standard output.
    pub fn new() -> Self {
        Self { inner: io::BufWriter::with_capacity(1 << 16, io::stdout().lock()) }
    }

    /// Writes `line` and a line feed.
    pub fn line(&mut self, line: &[u8]) -> Result<Reader, Failure> {
        judge(self.inner.write_all(line).and_then(|()| self.inner.write_all(b"\n")))
    }

    /// Hands everything to the reader.
    pub fn flush(&mut self) -> Result<Reader, Failure> {
        judge(self.inner.flush())
    }
}

/// A closed pipe is an answer, everything else an error.
pub fn judge(outcome: io::Result<()>) -> Result<Reader, Failure> {
    match outcome {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::Output(error)),
    }
}
