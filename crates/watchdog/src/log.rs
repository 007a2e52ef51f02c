//! What the watchdog writes of itself: one line an event on standard error, with its time; JSON where that is wanted. A closed
//! standard error loses the line and nothing else.

use crate::heart::time::Wall;
use std::io::Write as _;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes lines.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// How.
    pub format: Format,
}

impl Log {
    /// One line.
    pub fn line(self, at: Wall, level: &str, text: &str) {
        let at = at.text();
        let text = text.replace('\n', " | ");
        let line = match self.format {
            Format::Text => format!("{at} {level} {text}\n"),
            Format::Json => {
                let mut line = serde_json::json!({ "timestamp": at, "level": level, "message": text }).to_string();
                line.push('\n');
                line
            }
        };
        // Nobody is left to tell where standard error is closed.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    /// Something ordinary.
    pub fn info(self, at: Wall, text: &str) {
        self.line(at, "info", text);
    }

    /// Something that does not work.
    pub fn warn(self, at: Wall, text: &str) {
        self.line(at, "warn", text);
    }
}
