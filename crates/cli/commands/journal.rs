//! `failstop journal`: what is done with a journal as a whole. No engine runs meanwhile.

use crate::args::journal::{JournalAction, RetireArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use failstop_engine::printable::printable;
use failstop_engine::retire::{self, Done, Request, RetireError};
use std::fmt::Write as _;

/// Does what is asked.
pub fn journal(action: &JournalAction) -> Result<Exit, Failure> {
    match action {
        JournalAction::Retire(args) => retire(args),
    }
}

fn retire(args: &RetireArgs) -> Result<Exit, Failure> {
    let place = Place::of(&args.place)?;
    let request = Request {
        state_dir: place.state_dir()?,
        name: place.name.as_deref(),
        confirm: &args.confirm,
        reason: &args.reason,
    };
    let done = retire::retire(&request).map_err(failure)?;
    let mut text = in_words(&done);
    for note in &place.notes {
        let _ = writeln!(text, "note       {}", printable(note));
    }
    // What was done stands, whether or not anybody reads it.
    out::print_last(&text)?;
    Ok(Exit::Good)
}

fn failure(error: RetireError) -> Failure {
    if error.is_refusal() {
        Failure::Refused { reasons: vec![error.to_string()] }
    } else {
        Failure::Undone(error.to_string())
    }
}

/// A label and what it is about, as everywhere.
fn line(text: &mut String, label: &str, what: &str) {
    let _ = writeln!(text, "{label:<10} {}", printable(what));
}

fn in_words(done: &Done) -> String {
    let retirement = &done.retirement;
    let old = &retirement.old;
    let mut text = String::new();
    let _ = writeln!(text, "journal of system {} retired", printable(&retirement.system));
    let head = old.head.map_or_else(|| "no record".to_owned(), |head| format!("seq {} {}", head.seq, head.hash));
    line(&mut text, "old", &format!("{}, head {head}", old.jid.as_deref().unwrap_or("without an id")));
    line(&mut text, "moved to", &done.folder.display().to_string());
    line(&mut text, "new", &format!("{}, which names that head", retirement.jid));
    if done.taken_up {
        let begun = format!("begun {} by {} ({}), now complete", retirement.at, retirement.by, retirement.reason);
        line(&mut text, "note", &begun);
    }
    for place in &old.unread.places {
        line(&mut text, "unread", place);
    }
    if old.unread.more > 0 {
        line(&mut text, "unread", &format!("and {} places more", old.unread.more));
    }
    if !old.unread.places.is_empty() {
        line(
            &mut text,
            "",
            "a halt that was recorded only there is not carried over: read the last alerts before you resume",
        );
    }
    if old.unread.torn_bytes > 0 {
        let torn =
            format!("{} bytes at its end that a crash tore and nobody was told were durable", old.unread.torn_bytes);
        line(&mut text, "unread", &torn);
    }
    if let Some(books) = &old.unread.books {
        line(&mut text, "books", &format!("could be followed only up to {books}"));
    }
    for halt in &old.halts {
        let about = halt.component.as_ref().map(|component| format!(" of {}", component.0)).unwrap_or_default();
        line(&mut text, "carried", &format!("halt h-{} {}{about}: {}", halt.id.0, halt.cause.name(), halt.evidence));
    }
    for (component, (by, reason)) in &old.held {
        line(&mut text, "carried", &format!("component {component} is kept stopped by {by}: {reason}"));
    }
    line(&mut text, "latched", &format!("halt h-{} new-journal", retirement.new_journal.0));
    let count = old.orders.len() as u64 + old.more_orders;
    if count > 0 {
        let more = if old.more_orders == 0 { String::new() } else { format!(" and {} more", old.more_orders) };
        let orders =
            format!("{count} without an end, ask the venue what became of them: {}{more}", old.orders.join(", "));
        line(&mut text, "orders", &orders);
    }
    if done.gave_up_reserve {
        line(
            &mut text,
            "disk",
            "it was full: the reserve was given up, and the next start makes it anew; free space first",
        );
    }
    line(&mut text, "not in it", "balances, positions, open orders, counted rates and losses: have them reported anew");
    let live = if old.live { ", then `failstop mode live --confirm NAME` where it is to trade live again" } else { "" };
    let next = format!(
        "start the engine, look, `failstop resume --reason \"...\" --confirm {}`{live}; a watchdog that remembers the old journal \
         wants `failstop-watchdog release {}`",
        retirement.system, retirement.system
    );
    line(&mut text, "next", &next.replace("NAME", &retirement.system));
    text
}
