//! `failstop check`: tests the configuration and the host, for people, programs and CI.

use crate::args::{CheckArgs, CheckFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::style::Tone;
use crate::{configuration, out};
use failstop_engine::checks::{self, Caller, Format, Options, Outcome, Report, UnknownCheck, Verdict};
use failstop_engine::config::{Config, Overrides};

/// Makes the checks and prints what came out; the exit status is the verdict.
pub fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let path = configuration::path(args.config.config.as_deref())?;
    let config = match Config::load(&path, &Overrides::from_environment()) {
        Ok(config) => config,
        Err(errors) => {
            // For people the excerpts say more; a program reads its own format on standard output all the same.
            if args.format == CheckFormat::Text {
                return Err(Failure::Config { rendered: errors.to_string() });
            }
            print(args, &Report::of_bad_configuration(&errors))?;
            return Ok(Exit::Usage);
        }
    };
    let options =
        Options { caller: Caller::Command, offline: args.offline, only: args.only.clone(), skip: args.skip.clone() };
    let report = checks::run(&config, &options).map_err(|UnknownCheck { name, known }| Failure::Usage {
        what: format!("there is no check `{name}`"),
        next: format!("the checks are {known}"),
    })?;
    print(args, &report)?;
    Ok(match report.verdict(args.strict) {
        Verdict::Passed => Exit::Good,
        Verdict::Failed => Exit::No,
        Verdict::Undetermined => Exit::Unknown,
    })
}

fn print(args: &CheckArgs, report: &Report) -> Result<(), Failure> {
    let text = match args.format {
        CheckFormat::Text => checks::text(report, &paint),
        CheckFormat::Json => report.render(Format::Json, args.strict),
        CheckFormat::Junit => report.render(Format::Junit, args.strict),
        CheckFormat::Github => report.render(Format::Github, args.strict),
    };
    out::print_last(&text)
}

fn paint(outcome: Outcome, word: &str) -> String {
    let tone = match outcome {
        Outcome::Passed => Tone::Good,
        Outcome::Warning => Tone::Warning,
        Outcome::Failed => Tone::Bad,
        Outcome::Skipped => Tone::Plain,
    };
    tone.paint(word)
}
