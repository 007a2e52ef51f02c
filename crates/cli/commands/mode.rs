//! `failstop mode`: paper or real orders.

use super::resume::after;
use crate::args::ModeChoice;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;

/// Sets it and says which mode is in effect now.
pub fn mode(choice: ModeChoice) -> Result<Exit, Failure> {
    let (mode, reason, confirm, place) = match choice {
        ModeChoice::Dry { reason, place } => ("dry", reason, None, place),
        ModeChoice::Live { confirm, reason, place } => ("live", reason, Some(confirm), place),
    };
    let engine = Engine::of(&Place::find(&place)?)?;
    engine.set_mode(mode, reason.as_deref(), confirm.as_deref())?;
    out::print_last(&after(&format!("mode {mode} is set"), &engine))?;
    Ok(Exit::Good)
}
