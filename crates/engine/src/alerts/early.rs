//! `failstop run` gave up before its loop began: people are told by a way that needs no journal and no core.

use super::delivery::Delivery;
use super::notice::clock_time;
use crate::app::{RunError, RunOptions};
use crate::clock;
use crate::config::Config;
use crate::process::lock::LockError;
use failstop_core::{Place, Subject};
use failstop_notify::{Change, Key, Notice};

/// Tells that this start failed, and waits a few seconds for the first attempts. A service manager that tries again and again
/// adds to the same incident; the start that succeeds ends it.
pub fn start_failed(options: &RunOptions, error: &RunError) {
    if !is_worth_telling(error) {
        return;
    }
    // Another reading of the file: what the failed start had read is gone with it. If it changed meanwhile, the new one counts.
    let Ok(config) = Config::load(&options.config, &options.overrides) else { return };
    let mut delivery = Delivery::open(&config, None);
    let at = clock::wall();
    match notice(&delivery, error, at) {
        Ok(notice) => delivery.report(notice),
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

/// Not for a configuration that cannot be read, which names no channel, and not for a second start beside an engine that
/// runs: whoever typed it reads the answer, and nothing stopped.
fn is_worth_telling(error: &RunError) -> bool {
    match error {
        RunError::Configuration(_) | RunError::Lock(LockError::AlreadyRunning { .. }) => false,
        RunError::StateDir { .. }
        | RunError::Component { .. }
        | RunError::Lock(_)
        | RunError::RuntimeDir(_)
        | RunError::Journal { .. }
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
        | RunError::Host { .. } => true,
    }
}
