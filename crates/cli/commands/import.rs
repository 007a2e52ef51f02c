//! `failstop import`: what a venue states, compared with the book by the engine.

use crate::args::Format;
use crate::args::capital::ImportArgs;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::statement::{self, FILE_MAX, Frame};
use failstop_client::books::Imported;
use failstop_engine::printable::printable;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads the file, has the engine compare each statement and take each outcome, prints what came of each.
pub fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let bytes = read(&args.file)?;
    let source = args.file.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned());
    let frame = Frame {
        source: source.clone(),
        account: args.account.clone(),
        complete: args.complete,
        as_of: args.as_of.clone(),
    };
    let stated = statement::read(&bytes, &frame).map_err(|error| Failure::Usage {
        what: format!("{}: {}", args.file.display(), printable(&error.to_string())),
        next: "correct the file; nothing of it was imported. Its forms are in `failstop import --help`".to_owned(),
    })?;
    if !stated.ignored.is_empty() {
        out::complain(&format!("note: columns that mean nothing here: {}", printable(&stated.ignored.join(", "))));
    }
    let engine = Engine::by(&args.place)?;
    let mut agreed = true;
    let mut lines = Lines { format: args.format, text: String::new() };
    for statement in stated.statements {
        let what = format!("account {}", statement.account);
        let outcome = match &args.reason {
            Some(reason) => engine.correct_books(statement, args.pool.clone(), reason.clone()),
            None => engine.import(statement),
        };
        agreed &= lines.add(&what, "agrees with the book", outcome)?;
    }
    for order in stated.orders {
        let what = format!("order {}", order.id);
        let reason = order.reason.unwrap_or_else(|| format!("imported from {source}"));
        let taken = engine.resolve_order(order.id, order.outcome, reason, Some(source.clone()));
        agreed &= lines.add(&what, order.outcome.name(), taken)?;
    }
    out::print_last(&lines.text)?;
    Ok(if agreed { Exit::Good } else { Exit::No })
}

struct Lines {
    format: Format,
    text: String,
}

impl Lines {
    /// What came of one thing; whether it was good. Anything but a refusal ends the import.
    fn add(&mut self, what: &str, good: &str, outcome: Result<Imported, Failure>) -> Result<bool, Failure> {
        let outcome = match outcome {
            Ok(imported) => Ok(imported),
            Err(Failure::Refused { reasons }) => Err(reasons),
            // What came before it stands in the journal, and is said.
            Err(other) => {
                out::print_last(&self.text)?;
                return Err(other);
            }
        };
        let line = match (self.format, &outcome) {
            (Format::Text, Ok(Imported { seq, corrected, .. })) if !corrected.is_empty() => {
                format!("{what}: corrected {} against suspense, {good} (record {seq})", corrected.join(", "))
            }
            (Format::Text, Ok(Imported { seq, already: false, .. })) => format!("{what}: {good} (record {seq})"),
            (Format::Text, Ok(Imported { seq, already: true, .. })) => format!("{what}: known already (record {seq})"),
            (Format::Text, Err(reasons)) => format!("{what}: refused: {}", reasons.join("; ")),
            (Format::Json, Ok(imported)) => {
                let Imported { seq, already, corrected } = imported;
                json!({
                    "subject": what, "good": true, "seq": seq, "already": already, "corrected": corrected, "reasons": [],
                })
                .to_string()
            }
            (Format::Json, Err(reasons)) => json!({
                "subject": what, "good": false, "seq": null, "already": false, "corrected": [], "reasons": reasons,
            })
            .to_string(),
        };
        let line = match self.format {
            Format::Text => printable(&line).into_owned(),
            Format::Json => line,
        };
        self.text.push_str(&line);
        self.text.push('\n');
        Ok(outcome.is_ok())
    }
}

/// The file, or standard input for `-`, bounded.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::Unreadable {
        path: file.to_owned(),
        source,
        next: "name a file of at most 16 MiB, or - for standard input",
    };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(FILE_MAX + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|opened| opened.take(FILE_MAX + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(read) if read as u64 > FILE_MAX => Err(unreadable(io::Error::from(io::ErrorKind::FileTooLarge))),
        Ok(_) => Ok(bytes),
        Err(source) => Err(unreadable(source)),
    }
}
