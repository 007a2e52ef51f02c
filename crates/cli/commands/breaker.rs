//! `failstop breaker`: whether what only shows gives way to a busy host.

use crate::args::Format;
use crate::args::access::BreakerAction;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::render::status::breaker as words;
use failstop_engine::printable::printable;

/// Does what is asked.
pub fn breaker(action: BreakerAction) -> Result<Exit, Failure> {
    match action {
        BreakerAction::Status { place, format } => {
            let breaker = Engine::by(&place)?.status()?.breaker;
            out::print_last(&match format {
                Format::Text => format!("{}\n", printable(&words(&breaker))),
                Format::Json => out::json_line(&breaker)?,
            })?;
            Ok(if breaker.is_shed() { Exit::No } else { Exit::Good })
        }
        BreakerAction::Reset { place } => {
            Engine::by(&place)?.reset_breaker()?;
            out::print_last("everything is shown again; a host that is still too busy trips it again\n")?;
            Ok(Exit::Good)
        }
    }
}
