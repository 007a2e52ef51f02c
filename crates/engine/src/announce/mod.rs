//! What `failstop run` tells the person at its terminal: one line an event, calm and exact, made from the journal's own
//! records, so that the terminal never says what the journal does not.

mod line;

use failstop_core::Record;
use jiff::Timestamp;
use std::io::Write;

pub use line::{Line, line};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned text for people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Writes lines to standard output. A closed or blocked terminal never stops the engine: a line that cannot be written is
/// dropped, since the journal has it.
#[derive(Debug)]
pub struct Announcer {
    format: Format,
}

impl Announcer {
    /// An announcer in this format.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Says what `record` means to people, if it means anything to them.
    pub fn record(&self, at: Timestamp, record: &Record) {
        if let Some(line) = line(record) {
            self.write(at, &line);
        }
    }

    /// Says something that is not in the journal (a warning of start-up, an address).
    pub fn say(&self, at: Timestamp, topic: &str, text: &str) {
        self.write(at, &Line { topic: topic.to_owned(), text: text.to_owned() });
    }

    /// Prints the summary of start-up: text only, as it comes.
    pub fn summary(&self, text: &str) {
        if self.format == Format::Text {
            self.put(text);
        }
    }

    fn write(&self, at: Timestamp, line: &Line) {
        let text = match self.format {
            Format::Text => {
                let at = at.strftime("%H:%M:%SZ");
                format!("{at}  {:<11} {}\n", line.topic, line.text)
            }
            Format::Json => {
                let object = serde_json::json!({
                    "timestamp": at.to_string(),
                    "topic": line.topic,
                    "message": line.text,
                });
                format!("{object}\n")
            }
        };
        self.put(&text);
    }

    fn put(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A reader that went away must not end the engine; what it missed stands in the journal.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}
