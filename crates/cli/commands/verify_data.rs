//! `failstop verify-data`: verifies the journal, all of it or what came since a checkpoint, and the snapshots; with `--deep` by replay. Needs no engine, and writes nothing
//! but the checkpoint that it is asked for.

use crate::args::Format;
use crate::args::journal::VerifyArgs;
use crate::check_in::CheckIn;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::Layout;
use crate::render::verify as words;
use crate::{configuration, out, priority};
use failstop_engine::{lost_journal, outside};
use failstop_journal::Wall;
use failstop_journal::verify::deep::{self, DeepOptions};
use failstop_journal::verify::{
    Checkpoint, Memory, Options, Outcome, Progress, Report, VerifyError, verify, verify_since,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

/// How long a witness may take to answer.
const WITNESS_WITHIN: Duration = Duration::from_secs(30);

/// Verifies it, prints the report; the exit status is the verdict.
pub fn verify_data(args: &VerifyArgs) -> Result<Exit, Failure> {
    if args.nice {
        priority::give_way()?;
    }
    let Some(check_in) = args.check_in.as_deref().map(|url| CheckIn::new(url, args.ca_file.as_deref())).transpose()?
    else {
        return verified(args, &mut String::new());
    };
    check_in.start();
    let mut said = String::new();
    let outcome = verified(args, &mut said);
    match &outcome {
        Ok(exit) => check_in.end(*exit, &said),
        Err(failure) => check_in.end(failure.exit(), &anstream::adapter::strip_str(&failure.report()).to_string()),
    }
    outcome
}

/// `said` is what people would be told, whatever is printed.
fn verified(args: &VerifyArgs, said: &mut String) -> Result<Exit, Failure> {
    // The configuration is read in earnest: a cron job that verifies the wrong place is worse than one that fails.
    let state = match &args.place.state {
        Some(state) => state.clone(),
        None => configuration::load(args.place.config.as_deref())?.state_dir().to_owned(),
    };
    let report = examine(args, &state);
    let exit = match report.result {
        Outcome::Intact => Exit::Good,
        Outcome::Violated => Exit::No,
        Outcome::Unverifiable => Exit::Unknown,
    };
    let folder = state.join("journal");
    *said = match exit {
        Exit::Unknown => could_not(&report, &state),
        _ => anstream::adapter::strip_str(&words::text(&report, &folder, Layout::Lines)).to_string(),
    };
    if args.quiet && exit == Exit::Good {
        // What was asked for and not done is said even so.
        for note in &report.notes {
            out::complain(&format!("note: {note}"));
        }
        return Ok(exit);
    }
    // A verdict stands whether or not anybody reads it.
    match args.format {
        Format::Json => out::print_last(&out::json_line(&report)?)?,
        Format::Text if exit == Exit::Unknown => out::complain(&could_not(&report, &state)),
        Format::Text => out::print_last(&out::fitted(words::text(&report, &folder, out::layout())))?,
    }
    Ok(exit)
}

fn could_not(report: &Report, state: &Path) -> String {
    let why = report.error.as_deref().unwrap_or("no reason is known");
    format!("error: could not verify {}: {why}", state.display())
}

fn examine(args: &VerifyArgs, state: &Path) -> Report {
    // What a witness remembers now is durable now; what comes while the journal is read is not asked about.
    let memory = match args.witness.as_deref().map(|source| memory(source, args)).transpose() {
        Ok(memory) => memory,
        Err(why) => return Report::could_not(why),
    };
    let usual = if args.nice { 1 } else { Options::default().threads };
    let options = Options { threads: args.threads.map_or(usual, usize::from), ..Options::default() };
    let mut notes = Vec::new();
    let before = args.since_checkpoint.as_ref().and_then(|path| match Checkpoint::read(path) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) if error.is_missing() => {
            // The first run of a job that writes it.
            if args.checkpoint.as_ref() != Some(path) {
                notes.push(format!("{error}; everything was verified"));
            }
            None
        }
        Err(error) => {
            notes.push(format!("{error}; everything was verified"));
            None
        }
    });
    let bar = bar(args);
    let progress = |progress: Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} of {} segments", progress.segments, progress.segments_total));
    };
    let now = Wall::now();
    let outcome = match &before {
        Some(checkpoint) => verify_since(state, checkpoint, now, &options, &progress),
        None => verify(state, &options, &progress),
    };
    let compared = outcome.and_then(|mut report| {
        if let Some(memory) = &memory {
            memory.compare(state, &mut report)?;
        }
        bar.set_message("the contents");
        if args.deep {
            deep::deepen(state, &mut report, &DeepOptions { strict: args.strict, now })?;
        } else {
            deep::snapshots(state, &mut report)?;
        }
        Ok(report)
    });
    bar.finish_and_clear();
    let mut report = match compared {
        Ok(report) => report,
        Err(error) => {
            return match (&error, lost_journal::evidence(state)) {
                (VerifyError::NoJournal { .. }, Some(evidence)) => Report::lost(evidence),
                (VerifyError::NoJournal { .. } | VerifyError::Unreadable { .. }, _) => Report::unverifiable(&error),
            };
        }
    };
    notes.append(&mut report.notes);
    report.notes = notes;
    if let Some(path) = args.checkpoint.as_deref().filter(|_| report.result == Outcome::Intact) {
        let before = before.as_ref().filter(|_| report.since.is_some());
        if let Err(why) = write(path, state, &report, before, now) {
            report.notes.push(why);
        }
    }
    report
}

/// Writes the checkpoint that the next run goes on from; why not, in words.
fn write(path: &Path, state: &Path, report: &Report, before: Option<&Checkpoint>, now: Wall) -> Result<(), String> {
    match Checkpoint::of(state, report, before, now) {
        Ok(Some(checkpoint)) => checkpoint.write(path).map_err(|error| error.to_string()),
        Ok(None) => Ok(()),
        Err(error) => Err(format!("no checkpoint was written: {error}")),
    }
}

fn memory(source: &str, args: &VerifyArgs) -> Result<Memory, String> {
    outside::memory(source, args.ca_file.as_deref(), WITNESS_WITHIN)
        .map_err(|why| format!("what the witness remembers is not to be had: {why} (--witness)"))
}

/// On standard error, and only where somebody watches.
fn bar(args: &VerifyArgs) -> ProgressBar {
    if args.quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message("the journal");
    let template = "verifying {msg}  [{bar:30}]  {percent} %  {decimal_bytes_per_sec}  {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("#>-")),
        // A bar that looks otherwise is still a bar.
        Err(_) => bar,
    }
}
