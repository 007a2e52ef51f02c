//! `failstop logs`: prints what components wrote, and what they write.

use super::events::{Growth, since};
use crate::args::journal::LogsArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log_tail::{LogTail, Next};
use crate::out::{self, Reader, Stream};
use crate::place::Place;
use crate::render::bot_line::BotLine;
use crate::traces::Trace;
use failstop_engine::output::log_path;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// How many lines of each component are printed where nobody says.
const LINES: usize = 100;

/// Prints them.
pub fn logs(args: &LogsArgs) -> Result<Exit, Failure> {
    let place = Place::of(&args.place)?;
    let state = place.state_dir()?;
    let since = args.since.as_deref().map(|text| since(text, Timestamp::now())).transpose()?;
    let trace = args.trace.as_deref().map(Trace::parse).transpose()?;
    let all = since.is_some() || trace.is_some();
    let lines = args.lines.or(if all { None } else { Some(LINES) });
    let folder = state.join("logs");
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Unreadable {
            path,
            source,
            next: "name the state directory of a system that has run, with \"files\" in `output.to`; read it as its user or as root",
        }
    };
    // Watched before it is read, so that nothing slips in between.
    let growth = if args.follow { Some(Growth::watch(&folder).map_err(unreadable(&folder))?) } else { None };
    let known = components(&folder).map_err(unreadable(&folder))?;
    let names = if args.components.is_empty() { known.clone() } else { args.components.clone() };
    for name in args.components.iter().filter(|name| !known.contains(name)) {
        let what = format!("no output of component \"{name}\" is kept in {}", folder.display());
        let there = if known.is_empty() { "no component's".to_owned() } else { known.join(", ") };
        if !args.follow {
            return Err(Failure::Usage { what, next: format!("there is output of: {there}") });
        }
        out::complain(&format!("note: {what} yet; there is output of: {there}"));
    }
    let mut printer = Printer { alone: args.components.len() == 1, width: width(&names), trace, ..Printer::default() };
    let mut tails = BTreeMap::new();
    let mut stream = Stream::new();
    for name in names {
        let path = log_path(state, &name);
        let mut tail = LogTail::open(path.clone());
        let skip = |tail: &mut LogTail| {
            if let Some(since) = since {
                tail.skip_before(since.as_millisecond())?;
            }
            if let Some(lines) = lines { tail.skip_to_last(lines) } else { Ok(()) }
        };
        skip(&mut tail).map_err(unreadable(&path))?;
        tails.insert(name, tail);
    }
    loop {
        for (name, tail) in &mut tails {
            if printer.print_all(name, tail, &mut stream)? == Reader::Gone {
                return Ok(Exit::Good);
            }
        }
        let Some(growth) = &growth else {
            printer.say_if_nothing_was_wanted();
            return Ok(Exit::Good);
        };
        if growth.wait()? == Reader::Gone {
            return Ok(Exit::Good);
        }
        if args.components.is_empty() {
            for name in components(&folder).map_err(unreadable(&folder))? {
                let path = log_path(state, &name);
                tails.entry(name).or_insert_with(|| LogTail::open(path));
            }
            printer.width = printer.width.max(tails.keys().map(|name| name.chars().count()).max().unwrap_or(0));
        }
    }
}

fn width(names: &[String]) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0)
}

/// Every component of which there is a log.
fn components(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".log")).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

#[derive(Default)]
struct Printer {
    /// One component was asked for: its lines are printed as they are.
    alone: bool,
    width: usize,
    /// Only lines that have it in them.
    trace: Option<Trace>,
    /// How many lines there were, and how many were printed.
    seen: (u64, u64),
    line: BotLine,
}

impl Printer {
    /// A typing mistake, or a bot that does not log what it is given, must not look like "nothing happened".
    fn say_if_nothing_was_wanted(&self) {
        if let (Some(_), (all @ 1.., 0)) = (&self.trace, self.seen) {
            out::complain(&format!(
                "note: of {all} lines none names that request or incident; bots' lines do where they log the `traceparent` that \
                 they were given"
            ));
        }
    }

    /// Prints what is there now.
    fn print_all(&mut self, name: &str, tail: &mut LogTail, stream: &mut Stream) -> Result<Reader, Failure> {
        loop {
            let next = tail.next().map_err(|source| Failure::Unreadable {
                path: format!("the log of component {name}").into(),
                source,
                next: "read it as the user that runs failstop, or as root",
            })?;
            let line = match next {
                Next::Line(line) => {
                    self.seen.0 += 1;
                    if self.trace.as_ref().is_some_and(|trace| !trace.is_in(&line)) {
                        continue;
                    }
                    self.seen.1 += 1;
                    line
                }
                Next::Missed => {
                    b"-- failstop logs: lines are missing here: they were rotated away before they were read".to_vec()
                }
                Next::End => return stream.flush(),
            };
            let width = self.width;
            let mut text = if self.alone { Vec::new() } else { format!("{name:<width$} | ").into_bytes() };
            self.line.write(&line, &mut text);
            if stream.line(&text)? == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
    }
}
