//! `failstop resume`: releases latched halts, with a reason.

use crate::args::ResumeArgs;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A release that takes longer is explained.
const SAID_AFTER: Duration = Duration::from_secs(4);

/// Releases them and says what the system may do now.
pub fn resume(args: ResumeArgs) -> Result<Exit, Failure> {
    let engine = Engine::by(&args.place)?;
    saying_why_it_takes(|| engine.resume(&args.halts, args.reason, args.confirm))?;
    out::print_last(&after("resumed", &engine))?;
    Ok(Exit::Good)
}

/// Carries out a release. Where that takes longer than records take, says what it waits for.
pub fn saying_why_it_takes<T>(release: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    let teller = std::thread::spawn(move || {
        if is_done.recv_timeout(SAID_AFTER) == Err(RecvTimeoutError::Timeout) {
            out::complain(
                "waiting for the engine: checks may run; with [witness] a release takes effect only when the watchdog has \
                 acknowledged it",
            );
        }
    });
    let outcome = release();
    drop(done);
    // It says a line, or nothing.
    let _ = teller.join();
    outcome
}

/// What was done, and what the system may do now as far as the engine says so.
pub fn after(done: &str, engine: &Engine) -> String {
    match engine.status() {
        Ok(status) => {
            let mut text = format!("{done}; permission {}, mode {}\n", status.permission, status.mode);
            for halt in &status.halts {
                text.push_str(&format!("still halted: {} {} ({})\n", halt.id, halt.cause, halt.cap));
            }
            text
        }
        // Done is done: that the second question went unanswered changes nothing about it.
        Err(_) => format!("{done}\n"),
    }
}
