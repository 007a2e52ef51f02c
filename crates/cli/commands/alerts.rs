//! `failstop alerts`: what people were told, taking an incident on, and trying the channels.

use crate::args::{AlertsAction, Format, PlaceArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::alerts as words;
use jiff::Timestamp;
use serde::Serialize;

/// Does what is asked.
pub fn alerts(action: AlertsAction) -> Result<Exit, Failure> {
    match action {
        AlertsAction::List { place, format } => list(&place, format),
        AlertsAction::Ack { id, place } => {
            Engine::of(&Place::find(&place)?)?.acknowledge_alert(id.clone())?;
            out::print_last(&format!("{id} is acknowledged: its reminders and its escalation end\n"))?;
            Ok(Exit::Good)
        }
        AlertsAction::Test { channel, place, format } => test(channel, &place, format),
    }
}

fn list(place: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let list = Engine::of(&Place::find(place)?)?.alerts()?;
    out::print_last(&match format {
        Format::Text => words::list(&list, Timestamp::now(), out::layout()),
        Format::Json => json(&list)?,
    })?;
    Ok(Exit::Good)
}

fn test(channel: Option<String>, place: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let tests = Engine::of(&Place::find(place)?)?.test_alerts(channel)?;
    out::print_last(&match format {
        Format::Text => words::tests(&tests),
        Format::Json => json(&tests)?,
    })?;
    let reached = !tests.tests.is_empty() && tests.tests.iter().all(|test| test.error.is_none());
    Ok(if reached { Exit::Good } else { Exit::No })
}

fn json(what: &impl Serialize) -> Result<String, Failure> {
    match serde_json::to_string(what) {
        Ok(json) => Ok(format!("{json}\n")),
        Err(error) => Err(Failure::Output(error.into())),
    }
}
