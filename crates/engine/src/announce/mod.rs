//! What `failstop run` tells the person at its terminal: one line an event, calm and exact, made from the journal's own
//! records, so that the terminal never says what the journal does not.

mod line;

use crate::access::TraceId;
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
    ///
    /// Programs are told what it follows from as well.
    pub fn record(&self, output: &Output, at: Timestamp, record: &Record, trace: Option<TraceId>) {
        if let Some(line) = line(record, &self.system) {
            output.say(&self.format(at, &line, trace));
            #[cfg(feature = "otlp")]
            collect(at, line, trace);
        }
    }

    /// Says something that is not in the journal (a warning of start-up, an address).
    pub fn say(&self, output: &Output, at: Timestamp, topic: &str, text: &str) {
        let line = Line { topic: topic.to_owned(), text: text.to_owned() };
        output.say(&self.format(at, &line, None));
        #[cfg(feature = "otlp")]
        collect(at, line, None);
    }

    /// Prints the summary of start-up: for people only, as it comes.
    pub fn summary(&self, output: &Output, text: &str) {
        if self.format == Format::Text {
            output.say(text.trim_end());
        }
    }

    fn format(&self, at: Timestamp, line: &Line, trace: Option<TraceId>) -> String {
        match self.format {
            // Evidence and reasons are somebody else's words: they must not look like a line of ours, or drive the terminal.
            Format::Text => format!("{}  {:<11}  {}", at.strftime("%H:%M:%SZ"), line.topic, printable(&line.text)),
            Format::Json => {
                let mut said = serde_json::json!({
                    "timestamp": crate::clock::rfc3339(at),
                    "topic": line.topic,
                    "message": line.text,
                });
                if let Some(trace) = trace {
                    said["trace_id"] = trace.to_string().into();
                }
                said.to_string()
            }
        }
    }
}

/// The same for a collector.
#[cfg(feature = "otlp")]
fn collect(at: Timestamp, line: Line, trace: Option<TraceId>) {
    use crate::otlp;
    let mut said = otlp::Line::new(at, otlp::Severity::Info, line.text);
    said.attributes.push(("failstop.topic".to_owned(), otlp::Value::Text(line.topic)));
    said.trace = trace.map(|trace| trace.to_string());
    otlp::line(said);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_what_a_line_follows_from_and_people_are_not() {
        let line = Line { topic: "halt".to_owned(), text: "hung".to_owned() };
        let trace = TraceId::of_incident(&[1; 16], "h-31");
        let of = |format, trace| Announcer::new(format, "demo").format(Timestamp::UNIX_EPOCH, &line, trace);
        assert_eq!(of(Format::Text, Some(trace)), of(Format::Text, None));
        let said: serde_json::Value = serde_json::from_str(&of(Format::Json, Some(trace))).unwrap_or_default();
        assert_eq!(said["trace_id"], trace.to_string());
        assert!(!of(Format::Json, None).contains("trace_id"));
    }
}
