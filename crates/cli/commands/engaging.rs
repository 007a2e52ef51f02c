//! `failstop kill-switch engage`: by the files, which needs nobody, and by an order to the engine, which needs no right to its
//! files. Both at once, and neither waits for the other: each alone stops everything.

use super::emergency::{self, Ran, Told};
use super::kill_switch::without_configuration;
use crate::args::PlaceArgs;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::style::Tone;
use failstop_client::status::Status;
use failstop_engine::doors::control::wire::REASON_MAX_BYTES;
use failstop_engine::kill_switch::{self, Caller, EngineWord, Verdict};
use failstop_engine::printable::printable;
use failstop_engine::process::epoch::EPOCH_FILE;
use failstop_engine::process::lock::LOCK_FILE;
use failstop_engine::runtime_dir::{self, EngineState, Lookup};
use failstop_journal::JOURNAL_DIR;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long the engine's word is waited for where the files did everything: it only says so besides.
const WORD_WITHIN: Duration = Duration::from_secs(1);

/// The same where they did not: then it is what counts.
const WORD_THAT_COUNTS_WITHIN: Duration = Duration::from_secs(5);

/// How long an engine that took the order is watched ending its processes, and its emergency actions.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// How long an engine may take to begin them.
const BEGINS_WITHIN: Duration = Duration::from_secs(3);

/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of the order.
enum Given {
    Took { engine: Box<Engine>, after: Duration },
    Refused(String),
    Silent(String),
}

/// Gives the engine the order, beside what is done meanwhile.
fn give(place: &Place, reason: &str) -> Receiver<Given> {
    let (tell, told) = mpsc::channel();
    let (place, reason) = (place.clone(), reason[..reason.floor_char_boundary(REASON_MAX_BYTES)].to_owned());
    let begun = Instant::now();
    let order = move || {
        let given = match Engine::of(&place).and_then(|engine| engine.emergency_stop(reason).map(|()| engine)) {
            Ok(engine) => Given::Took { engine: Box::new(engine), after: begun.elapsed() },
            Err(Failure::Refused { reasons }) => Given::Refused(reasons.join("; ")),
            Err(failure) => Given::Silent(failure.to_string()),
        };
        // Whoever no longer listens has said so.
        let _ = tell.send(given);
    };
    // Where no thread can be started its sender is gone, which says so.
    drop(std::thread::Builder::new().name("order".to_owned()).spawn(order));
    told
}

fn waited_for(told: &Receiver<Given>, within: Duration) -> Given {
    match told.recv_timeout(within) {
        Ok(given) => given,
        Err(RecvTimeoutError::Timeout) => Given::Silent(format!("no answer within {} s", within.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Given::Silent("no thread could be started to ask it".to_owned()),
    }
}

/// What an engine that took the order says of it once everything has ended, or once that has taken too long.
fn followed(engine: &Engine) -> Option<Status> {
    let begun = Instant::now();
    loop {
        let status = engine.status().ok()?;
        if status.kill_switch && left(&status).is_empty() || begun.elapsed() >= ENDS_WITHIN {
            return Some(status);
        }
        std::thread::sleep(PAUSE);
    }
}

/// The components of which processes are left.
fn left(status: &Status) -> Vec<String> {
    let lives = status.components.iter().filter(|one| one.pid.is_some() || one.state == "stopping");
    lives.map(|component| component.name.clone()).collect()
}

/// Engages it on this host.
pub fn engage(reason: &str, args: &PlaceArgs) -> Result<Exit, Failure> {
    let mut place = Place::find(args).map_err(without_configuration)?;
    let given = give(&place, reason);
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
    let mut report = kill_switch::engage(place.state.as_deref(), &found.dirs, &Caller::this(), reason);
    place.notes.extend(found.ignored.iter().map(ToString::to_string));
    // What was done stands, whether or not anybody reads it, and what is still to be done is begun before anything is printed. An
    // engine that takes the order runs the actions itself; by a latch nobody runs them twice.
    let begun = report.is_latched().then(|| emergency::begin(&place, &report.latch, reason));
    let by_files = report.verdict() == Verdict::Done;
    let given = waited_for(&given, if by_files { WORD_WITHIN } else { WORD_THAT_COUNTS_WITHIN });
    let mut engine = None;
    report.word = Some(match given {
        Given::Took { engine: took, after } => {
            let status = if by_files { None } else { followed(&took) };
            // What it says while its kill switch is off is nothing about this engagement.
            let (status, off): (Option<Status>, _) = match status {
                Some(status) if !status.kill_switch => (None, Some(status)),
                status @ (Some(_) | None) => (status, None),
            };
            if let Some(off) = off {
                let (permission, mode) = (&off.permission, &off.mode);
                place.notes.push(format!(
                    "the engine says that its kill switch is off (permission {permission}, mode {mode}), as after a release: \
                     look with `failstop kill-switch status`"
                ));
            }
            engine = Some(took);
            EngineWord::Took {
                after,
                unlatched: status.as_ref().and_then(|status| status.kill_switch_unlatched.clone()),
                left: status.as_ref().map(left),
            }
        }
        Given::Refused(why) => EngineWord::Refused(why),
        Given::Silent(why) => EngineWord::Silent(why),
    });
    // Whether an engine runs, or may. One that is known to be gone places no order.
    let may_run = matches!(report.word, Some(EngineWord::Refused(_)))
        || report.unseen.is_some()
        || matches!(report.engine, Some(EngineState::Running | EngineState::Frozen));
    let (exit, headline) = match report.verdict() {
        Verdict::Done if strange.is_some() => (
            Exit::No,
            format!(
                "kill switch of {}: engaged, but no system has ever run there; is it the right directory?",
                place.describe()
            ),
        ),
        Verdict::Done if !by_files => (
            Exit::Good,
            format!("kill switch of {} {} with its engine's help", place.describe(), Tone::Bad.paint("engaged")),
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
    let ran = match (begun, engine) {
        (Some(begun), _) => {
            let printed = out::print_last(&text);
            let ran = begun.tell();
            printed?;
            ran
        }
        (None, Some(engine)) => {
            out::print_last(&text)?;
            by_the_engine(&engine)
        }
        // Nobody was stopped: orders that were cancelled would be placed again.
        (None, None) if may_run && report.verdict() == Verdict::Nothing => {
            out::print_last(&text)?;
            emergency::not_run("nothing was engaged")
        }
        (None, None) => {
            let begun = emergency::begin(&place, &report.latch, reason);
            let printed = out::print_last(&text);
            let ran = begun.tell();
            printed?;
            ran
        }
    };
    Ok(match ran {
        Ran::Well => exit,
        Ran::Badly => worse(exit),
    })
}

/// Says how the emergency actions end that an engine runs.
fn by_the_engine(engine: &Engine) -> Ran {
    let begun = Instant::now();
    loop {
        let Ok(status) = engine.status() else {
            return Told::not_known();
        };
        let told = Told::by(&status);
        let over = match told.is_finished() {
            _ if status.emergency.configured.is_empty() => true,
            Some(finished) => finished || begun.elapsed() >= ENDS_WITHIN,
            None => begun.elapsed() >= BEGINS_WITHIN,
        };
        if over {
            return told.tell(&status);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Of another host's system through its engine: the latch and the processes are there.
pub fn engage_afar(reason: String, args: &PlaceArgs) -> Result<Exit, Failure> {
    let engine = Engine::by(args)?;
    let begun = Instant::now();
    match engine.emergency_stop(reason) {
        Ok(()) => {}
        // Nothing was engaged, which is another answer than that something did not stop.
        Err(refused @ Failure::Refused { .. }) => {
            out::complain(&refused.report());
            out::complain("  nothing was engaged there by this");
            return Ok(Exit::Unknown);
        }
        Err(failure) => return Err(failure),
    }
    let after = begun.elapsed().as_secs_f64() * 1_000.0;
    let Some(status) = followed(&engine) else {
        let text = format!(
            "kill switch {}\nengine     took the order after {after:.1} ms, and says nothing more: whether everything has ended is not known\n",
            Tone::Bad.paint("engaged")
        );
        out::print_last(&text)?;
        Told::not_known();
        return Ok(Exit::No);
    };
    let left = left(&status);
    let system = printable(&status.system);
    let mut text = if status.kill_switch {
        format!("kill switch of system {system} {}\n", Tone::Bad.paint("engaged"))
    } else {
        format!("kill switch of system {system}: ordered, and not engaged as its engine says, as after a release\n")
    };
    let mut fact = |what: &str, words: String| text.push_str(&format!("{what:<10} {}\n", printable(&words)));
    match &status.kill_switch_unlatched {
        None if status.kill_switch => fact("latch", "engaged by the engine".to_owned()),
        None => fact("latch", "off, as the engine says".to_owned()),
        Some(why) => fact("latch", format!("not on the disk: {why}")),
    }
    match left.as_slice() {
        [] => fact("processes", "none left, as the engine says".to_owned()),
        left => fact("processes", format!("not ended yet, as the engine says: {}", left.join(", "))),
    }
    let (permission, mode) = (&status.permission, &status.mode);
    fact("engine", format!("took the order after {after:.1} ms; permission {permission}, mode {mode}"));
    for halt in status.halts.iter().filter(|halt| halt.cause != super::kill_switch::CAUSE) {
        fact("halted", format!("besides: {} {} ({})", halt.id, halt.cause, halt.cap));
    }
    out::print_last(&text)?;
    let engaged = status.kill_switch && status.kill_switch_unlatched.is_none();
    let exit = if engaged && left.is_empty() { Exit::Good } else { Exit::No };
    Ok(match by_the_engine(&engine) {
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
