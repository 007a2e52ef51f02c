//! `failstop resume`: releases latched halts, with a reason.

use crate::args::ResumeArgs;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;

/// Releases them and says what the system may do now.
pub fn resume(args: ResumeArgs) -> Result<Exit, Failure> {
    let place = Place::find(&args.place)?;
    let engine = Engine::of(&place)?;
    engine.resume(&args.halts, args.reason, args.confirm)?;
    out::print_last(&after("resumed", &engine))?;
    Ok(Exit::Good)
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
