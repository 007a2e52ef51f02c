//! `failstop maintenance`: a time in which failstop leaves the system alone.

use super::resume::after;
use crate::args::access::MaintenanceAction;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use failstop_view::duration::duration;

/// Begins or ends it.
pub fn maintenance(action: MaintenanceAction) -> Result<Exit, Failure> {
    let (done, engine) = match action {
        MaintenanceAction::On { span, reason, keep_trading, place } => {
            let engine = Engine::by(&place)?;
            engine.maintenance_on(span, reason, keep_trading)?;
            (format!("maintenance is on for {} at most", duration(span)), engine)
        }
        MaintenanceAction::Off { reason, place } => {
            let engine = Engine::by(&place)?;
            engine.maintenance_off(reason.unwrap_or_default())?;
            ("maintenance is off".to_owned(), engine)
        }
    };
    out::print_last(&after(&done, &engine))?;
    Ok(Exit::Good)
}

#[cfg(test)]
mod tests {
    use crate::args::gate::FOR_MAX;
    use failstop_engine::doors::control::wire::{MAINTENANCE_MAX_SECONDS, OVERRIDE_MAX_SECONDS};

    #[test]
    fn what_may_be_typed_is_what_the_engine_takes() {
        assert_eq!([MAINTENANCE_MAX_SECONDS, OVERRIDE_MAX_SECONDS], [FOR_MAX.as_secs(); 2]);
    }
}
