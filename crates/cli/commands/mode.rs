//! `failstop mode`: paper or real orders.

use super::resume::after;
use crate::args::access::ModeChoice;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

/// Sets it and says which mode is in effect now.
pub fn mode(choice: ModeChoice) -> Result<Exit, Failure> {
    let (mode, engine) = match choice {
        ModeChoice::Dry { reason, place } => {
            let engine = Engine::by(&place)?;
            engine.mode_dry(reason)?;
            ("dry", engine)
        }
        ModeChoice::Live { confirm, reason, place } => {
            let engine = Engine::by(&place)?;
            engine.mode_live(reason, confirm)?;
            ("live", engine)
        }
    };
    out::print_last(&after(&format!("mode {mode} is set"), &engine))?;
    Ok(Exit::Good)
}
