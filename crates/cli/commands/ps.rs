//! `failstop ps`: every process of the system under its component, with what it uses.

use crate::args::{Format, PsArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::render::processes;

/// Shows it.
pub fn ps(args: &PsArgs) -> Result<Exit, Failure> {
    let list = Engine::by(&args.place)?.processes()?;
    out::print_last(&match args.format {
        Format::Text => processes::text(&list),
        Format::Json => out::json_line(&list)?,
    })?;
    Ok(Exit::Good)
}
