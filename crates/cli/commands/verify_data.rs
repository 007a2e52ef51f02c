//! `failstop verify-data`: verifies the journal from its first record to its last. Writes nothing, needs no engine.

use crate::args::{Format, VerifyArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::verify as words;
use crate::{configuration, out, priority};
use failstop_engine::lost_journal;
use failstop_journal::verify::{Options, Outcome, Progress, Report, VerifyError, verify};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::path::Path;

/// Verifies it, prints the report; the exit status is the verdict.
pub fn verify_data(args: &VerifyArgs) -> Result<Exit, Failure> {
    // The configuration is read in earnest: a cron job that verifies the wrong place is worse than one that fails.
    let state = match &args.state {
        Some(state) => state.clone(),
        None => configuration::load(args.config.as_deref())?.state_dir().to_owned(),
    };
    if args.nice {
        priority::give_way()?;
    }
    let report = examine(args, &state);
    let exit = match report.result {
        Outcome::Intact => Exit::Good,
        Outcome::Violated => Exit::No,
        Outcome::Unverifiable => Exit::Unknown,
    };
    if args.quiet && exit == Exit::Good {
        return Ok(exit);
    }
    // A verdict stands whether or not anybody reads it.
    match args.format {
        Format::Json => match serde_json::to_string(&report) {
            Ok(json) => out::print_last(&format!("{json}\n"))?,
            Err(error) => return Err(Failure::Output(error.into())),
        },
        Format::Text if exit == Exit::Unknown => {
            let why = report.error.as_deref().unwrap_or("no reason is known");
            out::complain(&format!("error: could not verify {}: {why}", state.display()));
        }
        Format::Text => out::print_last(&words::text(&report, &state.join("journal"), out::layout()))?,
    }
    Ok(exit)
}

fn examine(args: &VerifyArgs, state: &Path) -> Report {
    let options = if args.nice { Options { threads: 1, ..Options::default() } } else { Options::default() };
    let bar = bar(args);
    let report = verify(state, &options, &|progress: Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} of {} segments", progress.segments, progress.segments_total));
    })
    .unwrap_or_else(|error| match (&error, lost_journal::evidence(state)) {
        (VerifyError::NoJournal { .. }, Some(evidence)) => Report::lost(evidence),
        (VerifyError::NoJournal { .. } | VerifyError::Unreadable { .. }, _) => Report::unverifiable(&error),
    });
    bar.finish_and_clear();
    report
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
