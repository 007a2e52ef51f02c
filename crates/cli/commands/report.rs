//! `failstop report`: sums up a time from the journal's files, and asks an engine that runs for the hour that is under way.

use super::events::{begins_before, since};
use crate::args::Format;
use crate::args::journal::ReportArgs;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::journal_tail::{JournalTail, Next};
use crate::out;
use crate::place::Place;
use crate::render::event::Envelope;
use crate::render::report as words;
use crate::report::{Peak, Report, Summing};
use failstop_client::status::Status;
use failstop_engine::process::holder::{self, Held};
use failstop_journal::glance;
use jiff::Timestamp;
use std::path::Path;

/// Prints it.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let place = Place::of(&args.place)?;
    let state = place.state_dir()?;
    let now = Timestamp::now();
    let from = since(&args.since, now)?;
    if from >= now {
        return Err(Failure::Usage {
            what: format!("--since {}: that is not over yet", args.since),
            next: "write a time that has passed".to_owned(),
        });
    }
    // Asked before the journal is read: what it says is in it then.
    let (status, runs) = if args.offline { (None, None) } else { ask(&place, state) };
    let (summing, unreadable) = read(state, from)?;
    let mut report = summing.report(now, runs);
    report.unreadable = unreadable;
    report.system = status.as_ref().map(|status| status.system.clone()).or_else(|| place.name.clone());
    if let Some(status) = &status {
        add_present(&mut report, status, now);
    }
    match args.format {
        Format::Text => out::print_last(&words::text(&report))?,
        Format::Json => out::print_last(&out::json_line(&report)?)?,
    }
    if unreadable == 0 {
        return Ok(Exit::Good);
    }
    let lines = if unreadable == 1 {
        "1 line of the journal is no record".to_owned()
    } else {
        format!("{unreadable} lines of the journal are no records")
    };
    out::complain(&format!("error: {lines}: see `failstop verify-data`"));
    Ok(Exit::No)
}

/// What the engine says, and whether one runs, where that is known. Why nothing is said although one may run goes to standard error.
fn ask(place: &Place, state: &Path) -> (Option<Status>, Option<bool>) {
    let failure = match Engine::of(place).and_then(|engine| engine.status()) {
        Ok(status) => return (Some(status), Some(true)),
        Err(failure) => failure,
    };
    match holder::ask(state) {
        Held::Free => (None, Some(false)),
        // One that answers nothing may do anything since its last record.
        Held::By { .. } | Held::Unseen { .. } | Held::Closed(_) | Held::Unknown(_) => {
            let text = failure.report();
            out::complain(&format!(
                "warning: what an engine says is not in this: {}",
                text.trim_start_matches("error: ")
            ));
            (None, None)
        }
    }
}

/// Reads the journal from the last segment that begins before then; and how many lines could not be read.
fn read(state: &Path, from: Timestamp) -> Result<(Summing, u64), Failure> {
    let folder = state.join("journal");
    let unreadable = |next: &'static str| {
        let path = folder.clone();
        move |source| Failure::Unreadable { path, source, next }
    };
    let none = unreadable("name the state directory of a system that has run; read it as its user or as root");
    let mut tail = JournalTail::open(state).map_err(none)?;
    tail.start_at_last(|segment| begins_before(segment, from)).map_err(unreadable("see `failstop verify-data`"))?;
    let mut summing = Summing::new(from);
    let (mut raw, mut bad) = (Vec::new(), 0);
    loop {
        match tail.next(&mut raw).map_err(unreadable("see `failstop verify-data`"))? {
            Next::Line => {}
            Next::Oversized(..) => {
                bad += 1;
                continue;
            }
            Next::End => return Ok((summing, bad)),
        }
        bad += u64::from(!take(&mut summing, &raw));
    }
}

/// Takes a line; whether it is a record. Most are passed over by their beginnings.
fn take(summing: &mut Summing, raw: &[u8]) -> bool {
    if let Some(seen) = glance(raw)
        && let Ok(at) = seen.time.parse::<Timestamp>()
        && !Summing::reads(seen.kind)
    {
        summing.seen(seen.kind, at);
        return true;
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(raw) else { return false };
    let Ok(at) = envelope.ts.parse::<Timestamp>() else { return false };
    summing.seen(&envelope.t, at);
    if Summing::reads(&envelope.t) {
        summing.take(&envelope, at);
    }
    true
}

/// What a running engine adds: the notes of the journal end with the last hour that is over.
fn add_present(report: &mut Report, status: &Status, now: Timestamp) {
    let raise = |peak: &mut Option<Peak>, value: Option<u64>| {
        if let Some(value) = value
            && peak.as_ref().is_none_or(|known| known.value < value)
        {
            *peak = Some(Peak { value, at: now.to_string() });
        }
    };
    raise(&mut report.memory_peak, status.resources.memory_bytes);
    raise(&mut report.errors_per_minute_peak, Some(u64::from(status.health.errors_per_minute)));
}
