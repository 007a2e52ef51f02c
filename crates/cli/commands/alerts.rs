//! `failstop alerts`: what people were told, taking an incident on, and trying the channels.

use crate::args::{AlertsAction, Format, PlaceArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::alerts as words;
use failstop_client::alerts::AlertList;
use failstop_engine::alerts::{OUTBOX, entry};
use failstop_engine::status::rfc3339;
use jiff::Timestamp;

/// Does what is asked.
pub fn alerts(action: AlertsAction) -> Result<Exit, Failure> {
    match action {
        AlertsAction::List { place, format } => list(&place, format),
        AlertsAction::Ack { id, place } => {
            Engine::by(&place)?.acknowledge_alert(id.clone())?;
            out::print_last(&format!("{id} is acknowledged: its reminders and its escalation end\n"))?;
            Ok(Exit::Good)
        }
        AlertsAction::Test { channel, place, format } => test(channel, &place, format),
    }
}

fn list(args: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    if args.remote.url.is_some() {
        return shown(&Engine::by(args)?.alerts()?, format);
    }
    let place = Place::find(args)?;
    let list = match Engine::of(&place) {
        Ok(engine) => engine.alerts()?,
        // What it left is on disk, and what it told is what one wants to know when it is gone.
        Err(Failure::NoEngine { what, next }) => match recorded(&place) {
            Some(list) => {
                out::complain(&format!("note: {what}; this is what its outbox has"));
                list?
            }
            None => return Err(Failure::NoEngine { what, next }),
        },
        Err(failure) => return Err(failure),
    };
    shown(&list, format)
}

fn shown(list: &AlertList, format: Format) -> Result<Exit, Failure> {
    out::print_last(&match format {
        Format::Text => words::list(list, Timestamp::now(), out::layout()),
        Format::Json => out::json_line(list)?,
    })?;
    Ok(Exit::Good)
}

/// What the outbox of a system has whose engine does not answer; `None` where it is not known where that is, or there is none.
fn recorded(place: &Place) -> Option<Result<AlertList, Failure>> {
    let outbox = place.state.as_ref()?.join(OUTBOX);
    if !outbox.exists() {
        return None;
    }
    let read = failstop_notify::read(&outbox);
    Some(match read {
        Ok(alerts) => {
            Ok(AlertList { alerts: alerts.iter().map(entry).collect(), timestamp: rfc3339(Timestamp::now()) })
        }
        Err(source) => Err(Failure::Unreadable {
            path: outbox,
            source,
            next: "run it as failstop's user or as root, with the version that wrote it",
        }),
    })
}

fn test(channel: Option<String>, place: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let tests = Engine::by(place)?.test_alerts(channel)?;
    out::print_last(&match format {
        Format::Text => words::tests(&tests),
        Format::Json => out::json_line(&tests)?,
    })?;
    let reached = !tests.tests.is_empty() && tests.tests.iter().all(|test| test.error.is_none());
    Ok(if reached { Exit::Good } else { Exit::No })
}
