//! `failstop status`: what the system may do, why, and what it does. The exit status is the verdict.

use crate::args::access::RemoteArgs;
use crate::args::gate::Section;
use crate::args::{Format, StateArgs, StatusArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, Reader};
use crate::place::Place;
use crate::render::{Layout, gate as gate_words, nagios, status as words};
use crate::watch;
use failstop_client::status::Status;
use jiff::Timestamp;
use std::time::Duration;

/// How often `--watch` asks.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Prints it, once or until interrupted.
pub fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    if args.watch {
        // The picture is that of the whole.
        let whole = args.section.is_none() && args.format == Format::Text;
        let picture = whole && out::layout() == Layout::People && watch::is_possible();
        if picture {
            let args = args.clone();
            return watch::watch(move || ask(&args));
        }
        return watch_lines(args);
    }
    match ask(args) {
        Ok(status) => {
            out::print_last(&render(args, &status)?)?;
            Ok(nagios::verdict(&status))
        }
        // A plugin speaks on standard output, and its only other word is unknown.
        Err(failure) if args.nagios => {
            out::print_last(&nagios::unknown(&failure.to_string()))?;
            Ok(Exit::Unknown)
        }
        // Two means critical here, so whatever keeps one from finding out is a three.
        Err(failure) => {
            out::complain(&failure.report());
            Ok(Exit::Unknown)
        }
    }
}

/// Asks anew each time, so that a restart of the engine is followed.
fn ask(args: &StatusArgs) -> Result<Status, Failure> {
    let engine = match (&args.socket, &args.url) {
        (Some(socket), _) => Engine::at_socket(socket)?,
        (None, Some(url)) => {
            let (token_file, ca) = (args.token_file.clone(), args.ca.clone());
            Engine::at_url(url, &RemoteArgs { url: None, token_file, ca })?
        }
        (None, None) => Engine::of(&Place::of(&StateArgs { config: args.config.clone(), state: None })?)?,
    };
    engine.status()
}

fn render(args: &StatusArgs, status: &Status) -> Result<String, Failure> {
    if args.nagios {
        return Ok(nagios::line(status));
    }
    if let Some(section) = args.section {
        return part(section, args.format, status);
    }
    match args.format {
        Format::Text => Ok(out::fitted(words::text(status, Timestamp::now(), out::layout()))),
        Format::Json => out::json_line(status),
    }
}

/// One part of it alone: how the gate stands.
fn part(section: Section, format: Format, status: &Status) -> Result<String, Failure> {
    let gate = status.gate.as_ref().ok_or_else(gate_words::not_configured)?;
    match (section, format) {
        (Section::Risk, Format::Text) => Ok(gate_words::risk(gate)),
        (Section::Rates, Format::Text) => Ok(gate_words::rates(gate)),
        (Section::Feeds, Format::Text) => Ok(gate_words::feeds(gate)),
        (Section::Risk, Format::Json) => out::json_line(&gate.risk()),
        (Section::Rates, Format::Json) => out::json_line(&gate.rates()),
        (Section::Feeds, Format::Json) => out::json_line(&gate.feeds()),
    }
}

/// In a pipe one report follows another; on a terminal that can do no better the next takes its place.
fn watch_lines(args: &StatusArgs) -> Result<Exit, Failure> {
    let redraw = args.format == Format::Text && out::layout() == Layout::People;
    loop {
        let (text, last) = match ask(args) {
            Ok(status) => (render(args, &status)?, nagios::verdict(&status)),
            // Nothing to watch is only then an end when it cannot change: a mistake of usage.
            Err(failure) if failure.exit() == Exit::Usage => {
                out::complain(&failure.report());
                return Ok(Exit::Unknown);
            }
            Err(failure) if args.format == Format::Json => {
                out::complain(&failure.report());
                (String::new(), Exit::Unknown)
            }
            Err(failure) => (format!("{}\n", failure.report()), Exit::Unknown),
        };
        if redraw {
            out::clear_screen();
        }
        if out::print(&text)? == Reader::Gone {
            return Ok(last);
        }
        std::thread::sleep(WATCH_EVERY);
    }
}
