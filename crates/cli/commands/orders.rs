//! `failstop orders`: open orders, those in doubt among them, and saying what became of one.

use crate::args::capital::{OrderOutcome, OrdersAction};
use crate::args::{Format, PlaceArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::orders as words;
use failstop_client::books::OrderList;
use failstop_engine::books;
use failstop_journal::ledger::Outcome;

/// Does what is asked.
pub fn orders(action: OrdersAction) -> Result<Exit, Failure> {
    match action {
        OrdersAction::List { place, format } => list(&place, format),
        OrdersAction::Confirm { id, place } => {
            let taken = Engine::by(&place)?.confirm_order(id.clone())?;
            out::print_last(&format!("order {id} is confirmed (record {}): the bot may send it again\n", taken.seq))?;
            Ok(Exit::Good)
        }
        OrdersAction::Resolve { id, outcome, reason, place } => {
            let outcome = found(outcome);
            let taken = Engine::by(&place)?.resolve_order(id.clone(), outcome, reason, None)?;
            let known = if taken.already { "was resolved before" } else { "is resolved" };
            out::print_last(&format!("order {id} {known}: {outcome} (record {})\n", taken.seq))?;
            Ok(Exit::Good)
        }
    }
}

fn found(outcome: OrderOutcome) -> Outcome {
    match outcome {
        OrderOutcome::Accepted => Outcome::Accepted,
        OrderOutcome::Filled => Outcome::Filled,
        OrderOutcome::Cancelled => Outcome::Cancelled,
        OrderOutcome::Rejected => Outcome::Rejected,
        OrderOutcome::Expired => Outcome::Expired,
        OrderOutcome::NotSent => Outcome::NotSent,
    }
}

fn list(args: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    if args.remote.url.is_some() {
        return shown(&Engine::by(args)?.orders()?, format);
    }
    let place = Place::find(args)?;
    let list = match Engine::of(&place) {
        Ok(engine) => engine.orders()?,
        // The journal is on disk, and what is open is what one wants to know when the engine is gone.
        Err(Failure::NoEngine { what, next }) => match &place.state {
            Some(state) if state.join("journal").exists() => {
                out::complain(&format!("note: {what}; this is what its journal has"));
                books::orders_in_the_journal(state).map_err(|source| Failure::Unreadable {
                    path: state.join("journal"),
                    source,
                    next: "run it as failstop's user or as root; `failstop verify-data` says what is wrong with the journal",
                })?
            }
            _ => return Err(Failure::NoEngine { what, next }),
        },
        Err(failure) => return Err(failure),
    };
    shown(&list, format)
}

fn shown(list: &OrderList, format: Format) -> Result<Exit, Failure> {
    out::print_last(&match format {
        Format::Text => words::list(list),
        Format::Json => out::json_line(list)?,
    })?;
    Ok(Exit::Good)
}
