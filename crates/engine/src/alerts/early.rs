//! `failstop run` gave up before its loop began: people are told by a way that needs no journal and no core.

use super::delivery::Delivery;
use super::notice::clock_time;
use crate::app::{RunError, RunOptions};
use crate::clock;
use crate::config::Config;
use crate::process::holder::{self, Held};
use crate::process::leftovers::LeftoverError;
use crate::process::lock::{LOCK_FILE, LockError};
use failstop_core::{Place, Subject};
use failstop_notify::{Change, Key, Notice};
use std::io;
use std::path::Path;

/// Tells that this start failed, and waits a few seconds for the first attempts. A service manager that tries again and again
/// adds to the same incident; the start that succeeds ends it.
pub fn start_failed(options: &RunOptions, error: &RunError) {
    match silence(error) {
        None => {}
        Some(Silence::Answered) => return,
        Some(Silence::Engine(why)) => {
            eprintln!("note: people are not told of this: {why}");
            return;
        }
    }
    // Another reading of the file: what the failed start had read is gone with it. If it changed meanwhile, the new one counts.
    let Ok(config) = Config::load(&options.config, &options.overrides) else { return };
    let mut delivery = Delivery::open(&config, None);
    let at = clock::wall();
    match notice(&delivery, error, at) {
        Ok(notice) => drop(delivery.report(notice)),
        Err(fault) => eprintln!("error: nobody is told of this: {fault}"),
    }
    for fault in delivery.faults() {
        eprintln!("warning: {fault}");
    }
    delivery.close();
}

fn notice(delivery: &Delivery, error: &RunError, at: jiff::Timestamp) -> Result<Notice, failstop_notify::KeyFault> {
    let sender = delivery.sender();
    let cause = Subject::StartFailed.name();
    let number = u64::try_from(at.as_second()).unwrap_or_default();
    let key = match delivery.open_incident(cause) {
        Some(key) => key,
        None => Key::of(&sender.system, cause, None, number)?,
    };
    let words = failstop_core::start_failed(&Place { system: &sender.system, at: &clock_time(at) }, &error.to_string());
    let severity = super::notice::severity(Subject::StartFailed.row().severity);
    let mut notice = Notice::new(key, Change::Trigger, severity, words.title, at);
    notice.system.clone_from(&sender.system);
    notice.environment.clone_from(&sender.environment);
    cause.clone_into(&mut notice.cause);
    notice.message = words.message;
    notice.root_cause = words.root_cause;
    notice.recommended_action = words.recommended_action;
    notice.runbook = Some(words.runbook);
    Ok(notice)
}

/// Why nobody is told.
enum Silence {
    /// Whoever typed the command reads the answer, and nothing stopped.
    Answered,
    /// An engine runs, or may: that nothing runs would not be true, or a guess.
    Engine(String),
}

/// Not for a configuration that cannot be read, which names no channel; not for a second start beside an engine that runs; nor
/// where another user's engine may run in the state directory that refused this start.
fn silence(error: &RunError) -> Option<Silence> {
    match error {
        RunError::Configuration(_)
        | RunError::Lock(LockError::AlreadyRunning { .. })
        | RunError::Twin(_)
        | RunError::Leftovers(LeftoverError::Twin(_)) => Some(Silence::Answered),
        RunError::StateDir { path, source } if source.kind() == io::ErrorKind::PermissionDenied => engine_in(path),
        RunError::Lock(LockError::Io { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
            engine_in(path.parent()?)
        }
        RunError::StateDir { .. }
        | RunError::Component { .. }
        | RunError::Declaration { .. }
        | RunError::Lock(_)
        | RunError::RuntimeDir(_)
        | RunError::Journal { .. }
        | RunError::HalfRetired { .. }
        | RunError::HaltLatches(_)
        | RunError::Epoch(_)
        | RunError::Leftovers(_)
        | RunError::Permit(_)
        | RunError::Guard(_)
        | RunError::Spawn(_)
        | RunError::Output(_)
        | RunError::NotifySocket(_)
        | RunError::BotSocket(_)
        | RunError::Control(_)
        | RunError::Doors(_)
        | RunError::Probes(_)
        | RunError::Shared(_)
        | RunError::Host { .. } => None,
    }
}

fn engine_in(state_dir: &Path) -> Option<Silence> {
    let told = match holder::ask(state_dir) {
        // The lock's own file can be seen, so the kernel can be asked whether it is held. One that is not, left by a start as
        // another user, is a failed start like any other.
        Held::Closed(closed) if closed.path.ends_with(LOCK_FILE) => {
            holder::seems_held(&closed.path).then(|| format!("an engine runs, and {closed}"))
        }
        Held::Closed(closed) => {
            Some(format!("whether an engine runs cannot be seen, since {closed}; {}", closed.next()))
        }
        Held::By { .. } | Held::Unseen { .. } => Some("an engine runs".to_owned()),
        Held::Free | Held::Unknown(_) => None,
    };
    told.map(Silence::Engine)
}
