//! What `failstop run` tells the person at its terminal: one line an event, calm and exact, made from the journal's own
//! records, so that the terminal never says what the journal does not.

mod line;

use crate::output::Output;
use crate::printable::printable;
use failstop_core::Record;
use jiff::Timestamp;

pub use line::{Line, line};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned text for people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Writes lines through the output threads, so that a blocked terminal never holds the engine up; what a reader misses stands
/// in the journal.
#[derive(Debug)]
pub struct Announcer {
    format: Format,
    /// The system's name, for the commands that lines suggest.
    system: String,
}

impl Announcer {
    /// An announcer of `system` in this format.
    pub fn new(format: Format, system: &str) -> Self {
        Self { format, system: system.to_owned() }
    }

    /// Says what `record` means to people, if it means anything to them.
    pub fn record(&self, output: &Output, at: Timestamp, record: &Record) {
        if let Some(line) = line(record, &self.system) {
            output.say(&self.format(at, &line));
        }
    }

    /// Says something that is not in the journal (a warning of start-up, an address).
    pub fn say(&self, output: &Output, at: Timestamp, topic: &str, text: &str) {
        output.say(&self.format(at, &Line { topic: topic.to_owned(), text: text.to_owned() }));
    }

    /// Prints the summary of start-up: for people only, as it comes.
    pub fn summary(&self, output: &Output, text: &str) {
        if self.format == Format::Text {
            output.say(text.trim_end());
        }
    }

    fn format(&self, at: Timestamp, line: &Line) -> String {
        match self.format {
            // Evidence and reasons are somebody else's words: they must not look like a line of ours, or drive the terminal.
            Format::Text => format!("{}  {:<11} {}", at.strftime("%H:%M:%SZ"), line.topic, printable(&line.text)),
            Format::Json => serde_json::json!({
                "timestamp": crate::clock::rfc3339(at),
                "topic": line.topic,
                "message": line.text,
            })
            .to_string(),
        }
    }
}
