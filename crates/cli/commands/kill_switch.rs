//! `failstop kill-switch`: engage it in whatever state the engine and the configuration are, release it through a
//! running engine, or say what it is.

use super::emergency::{self, Ran};
use super::resume::{self, after};
use crate::args::{Format, KillSwitchAction, PlaceArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::style::Tone;
use failstop_engine::kill_switch::{self, Caller, Latch, Verdict};
use failstop_engine::printable::printable;
use failstop_engine::process::epoch::EPOCH_FILE;
use failstop_engine::process::lock::LOCK_FILE;
use failstop_engine::runtime_dir::{self, Lookup};
use failstop_journal::JOURNAL_DIR;
use serde_json::json;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// The cause of the kill switch's halt, as the status names it.
const CAUSE: &str = "kill-switch";

/// Does what is asked.
pub fn kill_switch(action: KillSwitchAction) -> Result<Exit, Failure> {
    match action {
        KillSwitchAction::Engage { reason, place } if place.remote.url.is_some() => engage_afar(reason, &place),
        KillSwitchAction::Status { place, format } if place.remote.url.is_some() => status_afar(&place, format),
        KillSwitchAction::Engage { reason, place } => engage(&reason, &place),
        KillSwitchAction::Release { reason, confirm, place } => release(reason, confirm, &place),
        KillSwitchAction::Drill { place } => emergency::drill(&place),
        KillSwitchAction::Status { place, format } => status(&place, format),
    }
}

/// Of another host's system through its engine: the latch and the processes are there.
fn engage_afar(reason: String, args: &PlaceArgs) -> Result<Exit, Failure> {
    let engine = Engine::by(args)?;
    engine.emergency_stop(reason)?;
    out::print_last(&after(&format!("kill switch {}", Tone::Bad.paint("engaged")), &engine))?;
    Ok(Exit::Good)
}

/// And what its engine says of it.
fn status_afar(args: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let status = Engine::by(args)?.status()?;
    let halt = status.halts.iter().find(|halt| halt.cause == CAUSE);
    let told = emergency::Told::by(&status);
    let text = match format {
        Format::Text => match (status.kill_switch, halt) {
            (false, _) => format!("kill switch of system {}: off\n", printable(&status.system)),
            (true, halt) => {
                let since = halt.map(|halt| format!(" since {}: {}", halt.since, halt.evidence)).unwrap_or_default();
                let system = printable(&status.system);
                let next = format!("next: failstop kill-switch release --reason \"...\" --confirm {system}");
                format!("kill switch of system {system}: {}{}\n{next}\n", Tone::Bad.paint("engaged"), printable(&since))
            }
        },
        Format::Json => {
            let (reason, time) = (halt.map(|halt| &halt.evidence), halt.map(|halt| &halt.since));
            let (by, again, error) = (None::<String>, [(); 0], None::<String>);
            let engaged = status.kill_switch;
            let object = json!({
                "engaged": engaged, "by": by, "reason": reason, "time": time, "again": again, "error": error,
                "emergency": told.json(),
            });
            format!("{object}\n")
        }
    };
    let text = match format {
        Format::Text => text + &told.text(),
        Format::Json => text,
    };
    out::print_last(&text)?;
    Ok(if status.kill_switch { Exit::No } else { Exit::Good })
}

fn engage(reason: &str, args: &PlaceArgs) -> Result<Exit, Failure> {
    let mut place = Place::find(args)?;
    make_room(&mut place, args);
    let found = runtime_dir::find(&Lookup {
        system: place.name.as_deref(),
        runtime_dir: place.runtime.as_deref(),
        state_dir: place.state.as_deref(),
    });
    // Looked at before the latch is written there.
    let strange = args.state.as_deref().filter(|state| !has_run(state));
    if let Some(runtime) = args.runtime.as_deref().filter(|runtime| !runtime.exists()) {
        place.notes.push(format!("--runtime {} does not exist", runtime.display()));
    }
    let report = kill_switch::engage(place.state.as_deref(), &found.dirs, &Caller::this(), reason);
    place.notes.extend(found.ignored.iter().map(ToString::to_string));
    let (exit, headline) = match report.verdict() {
        Verdict::Done if strange.is_some() => (
            Exit::No,
            format!(
                "kill switch of {}: engaged, but no system has ever run there; is it the right directory?",
                place.describe()
            ),
        ),
        Verdict::Done => (Exit::Good, format!("kill switch of {} {}", place.describe(), Tone::Bad.paint("engaged"))),
        Verdict::Incomplete => (Exit::No, format!("kill switch of {}: not everything could be done", place.describe())),
        Verdict::Nothing => (Exit::Unknown, format!("kill switch of {}: nothing could be done", place.describe())),
    };
    let mut text = format!("{headline}\n");
    for line in report.lines() {
        text.push_str(&format!("{}\n", printable(&line)));
    }
    for note in &place.notes {
        text.push_str(&format!("note       {}\n", printable(note)));
    }
    // What was done stands, whether or not anybody reads it, and what is still to be done is begun before anything is printed.
    let begun = emergency::begin(&place, &report.latch, reason);
    let printed = out::print_last(&text);
    let ran = begun.tell();
    printed?;
    Ok(match ran {
        Ran::Well => exit,
        Ran::Badly => worse(exit),
    })
}

/// What is left of good news where an emergency action failed.
fn worse(exit: Exit) -> Exit {
    match exit {
        Exit::Good => Exit::No,
        Exit::No | Exit::Usage | Exit::Critical | Exit::Unknown => exit,
    }
}

/// Whether a directory looks like a state directory in which an engine was started.
fn has_run(state: &Path) -> bool {
    [LOCK_FILE, EPOCH_FILE, JOURNAL_DIR].iter().any(|name| state.join(name).exists())
}

/// Before a system's first start there is no state directory that could hold the latch. One that the configuration names
/// is made; one that was typed is not, since a typing mistake would look like an engaged kill switch.
fn make_room(place: &mut Place, args: &PlaceArgs) {
    let (Some(config), Some(state), None) = (&place.config, &place.state, &args.state) else { return };
    if state.exists() || DirBuilder::new().recursive(true).mode(0o700).create(state).is_err() {
        // What is wrong with it shows when the latch is written.
        return;
    }
    place.notes.push(format!("{} is made: this system was never started", state.display()));
    // Made by root for a system of somebody else, it must not keep that user's engine out.
    if let Ok(owner) = std::fs::metadata(config).map(|metadata| (metadata.uid(), metadata.gid()))
        && nix::unistd::geteuid().is_root()
        && owner.0 != 0
        && let Err(error) = std::os::unix::fs::chown(state, Some(owner.0), Some(owner.1))
    {
        place.notes.push(format!("{} could not be given to user {}: {error}", state.display(), owner.0));
    }
}

fn release(reason: String, confirm: String, args: &PlaceArgs) -> Result<Exit, Failure> {
    let engine = Engine::by(args)?;
    resume::saying_why_it_takes(|| engine.release_kill_switch(reason, confirm))?;
    out::print_last(&after("kill switch released", &engine))?;
    Ok(Exit::Good)
}

/// As the disk tells it, which is what counts: no engine is asked.
fn status(args: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let place = Place::find(args)?;
    let state = place.state_dir()?;
    let latch = kill_switch::read_latch(state);
    let runs = emergency::Runs::read(state, &latch);
    let text = match (format, &latch) {
        (Format::Text, Latch::Clear) => format!("kill switch of {}: off\n", place.describe()),
        (Format::Text, Latch::Engaged { first, again }) => {
            let mut text = format!(
                "kill switch of {}: {} since {} by {}: {}\n",
                place.describe(),
                Tone::Bad.paint("engaged"),
                printable(&first.time),
                printable(&first.by),
                printable(&first.reason)
            );
            for later in again {
                text.push_str(&format!(
                    "again      {} by {}: {}\n",
                    printable(&later.time),
                    printable(&later.by),
                    printable(&later.reason)
                ));
            }
            text.push_str("next: failstop kill-switch release --reason \"...\" --confirm ");
            text.push_str(place.name.as_deref().unwrap_or("NAME-OF-SYSTEM"));
            text.push('\n');
            text
        }
        (Format::Text, Latch::Unreadable(error)) => {
            format!("kill switch of {}: {}: {error}\n", place.describe(), Tone::Bad.paint("engaged"))
        }
        (Format::Json, latch) => {
            let (engaged, first, again, error) = match latch {
                Latch::Clear => (false, None, [].as_slice(), None),
                Latch::Engaged { first, again } => (true, Some(first), again.as_slice(), None),
                Latch::Unreadable(error) => (true, None, [].as_slice(), Some(error.to_string())),
            };
            let again: Vec<_> =
                again.iter().map(|e| json!({ "by": e.by, "reason": e.reason, "time": e.time })).collect();
            let object = json!({
                "engaged": engaged,
                "by": first.map(|e| &e.by),
                "reason": first.map(|e| &e.reason),
                "time": first.map(|e| &e.time),
                "again": again,
                "error": error,
                "emergency": runs.json(),
            });
            format!("{object}\n")
        }
    };
    let text = match format {
        Format::Text => text + &runs.text(),
        Format::Json => text,
    };
    out::print_last(&text)?;
    Ok(if latch.is_engaged() { Exit::No } else { Exit::Good })
}
