//! The pages: one system (`document`), several (`fleet::document`), and an engine that does not answer.
//!
//! Made whole on this side, so that they are there without any script; the script of the page only exchanges what changed. The
//! order is that of somebody who was woken and looks at a phone: what the system may do and why, what waits for him, what is open
//! and what to do about it; then, as in `failstop status`, what runs, what it does, how that went over a day, what is over, what is
//! recorded.

mod alerts;
mod busy;
mod charts;
mod does;
mod figures;
pub mod fleet;
mod gate;
mod login;
mod may;
mod record;
mod runs;
mod scale;
mod stands;
mod waiting;

pub use busy::{busy, fleet_is_busy};
pub use figures::Figure;
pub use login::{POLICY as LOGIN_POLICY, logged_in, login};

use crate::Tone;
use crate::component::to_the_second;
use crate::duration::span;
use crate::printable::printable;
use failstop_client::alerts::AlertList;
use failstop_client::history::History;
use failstop_client::status::Status;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::borrow::Cow;

/// A file that the pages ask for, at a path of its own: the policy that is sent with them allows nothing within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its path.
    pub path: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// Every file that the pages ask for.
pub const ASSETS: [Asset; 3] = [
    Asset {
        path: "/dashboard/style.css",
        media: "text/css; charset=utf-8",
        text: include_str!("../../assets/style.css"),
    },
    Asset {
        path: "/dashboard/live.js",
        media: "text/javascript; charset=utf-8",
        text: include_str!("../../assets/live.js"),
    },
    Asset { path: "/dashboard/icon.svg", media: "image/svg+xml", text: include_str!("../../assets/icon.svg") },
];

/// What a browser may do on these pages: ask their own origin, and nothing else. No text within a page is ever run.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// How things stand.
    pub status: &'a Status,
    /// Incidents; `None` where they could not be had.
    pub alerts: Option<&'a AlertList>,
    /// A day of figures; `None` where they could not be had, or the reader has them already.
    pub history: Option<&'a History>,
    /// Figures that are held against levels; none where nobody judges any.
    pub figures: &'a [Figure<'a>],
    /// When it is made.
    pub now: Timestamp,
    /// Whether whoever reads it may act on this very page.
    pub controls: bool,
    /// Whether there is a page with several systems.
    pub fleet: bool,
}

/// The whole page.
pub fn document(sight: &Sight<'_>) -> String {
    let title = title(sight.status);
    whole(
        &title,
        true,
        &html! {
            (connection(&made(&sight.status.timestamp)))
            (live(sight))
            (footer(&sight.status.version, !sight.controls))
        },
    )
}

/// The part that changes, as the script exchanges it.
pub fn content(sight: &Sight<'_>) -> String {
    live(sight).into_string()
}

/// A page for an engine whose loop does not answer: what that means, and nothing that is not known.
pub fn silent(why: &str, now: Timestamp) -> String {
    let at = to_the_second(now);
    whole(
        "NO ANSWER · failstop",
        true,
        &html! {
            (connection(&at))
            div #live data-title="NO ANSWER · failstop" data-made=(at) {
                main #main {
                    section.card.verdict.bad aria-labelledby="word" {
                        p.word #word { (glyph(Tone::Bad)) " NO ANSWER" }
                        p.means { "The engine does not answer: " (text(why)) "." }
                        p { "While it does not, nobody renews the permit: within its lease no order is permitted any more." }
                        (next("`failstop status` on the host, then the runbook `docs/runbooks/engine-died.md`"))
                    }
                }
            }
            (footer("", false))
        },
    )
}

/// A page around `body`; `live`: with the script, and without one asked for anew by the browser itself.
fn whole(title: &str, live: bool, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" type="image/svg+xml" href="dashboard/icon.svg";
                link rel="stylesheet" href="dashboard/style.css";
                @if live {
                    noscript { meta http-equiv="refresh" content="5"; }
                    script src="dashboard/live.js" defer {}
                }
            }
            body {
                a.skip href="#main" { "Skip to the system" }
                (body)
            }
        }
    }
    .into_string()
}

fn title(status: &Status) -> String {
    format!("{} · {} · failstop", text(&status.permission.to_uppercase()), text(&status.system))
}

/// When a page is as of.
fn made(time: &str) -> String {
    time.parse().map_or_else(|_| text(time).into_owned(), to_the_second)
}

/// How fresh the page is. The script says here that it lost its engine; without a script it says when it was made.
fn connection(made: &str) -> Markup {
    html! {
        div #connection.connection {
            p #freshness { "as of " time datetime=(made) { (made) } noscript { " (this page is asked for anew every 5 s)" } }
            p #lost role="alert" hidden {}
        }
    }
}

fn live(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    html! {
        div #live data-title=(title(status)) data-made=(made(&status.timestamp)) {
            (head(sight))
            main #main {
                (may::section(sight))
                (waiting::section(sight))
                (alerts::open(sight))
                (stands::section(sight))
                (runs::section(sight))
                (does::section(sight))
                (gate::section(sight))
                (figures::section(sight))
                (charts::section(sight))
                (alerts::over(sight))
                (record::section(sight))
            }
        }
    }
}

fn head(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    html! {
        header.bar {
            h1 { (text(&status.system)) }
            @if sight.fleet { nav aria-label="Systems" { a href="fleet" { "all systems" } } }
            p.facts {
                @if !status.environment.is_empty() { span.tag { (text(&status.environment)) } }
                span.tag.(class(Tone::of(&status.mode))) { "mode " (text(&status.mode)) }
                span { "up " (span(status.uptime_seconds)) }
                span { "epoch " (status.epoch) }
            }
        }
    }
}

fn footer(version: &str, paths: bool) -> Markup {
    html! {
        footer {
            p {
                "failstop " (text(version)) " · times in UTC"
                @if paths {
                    " · for programs: "
                    a href="paths" { "paths" } ", " a href="api/status" { "status" } ", "
                    a href="api/metrics/history" { "history" } ", " a href="metrics" { "metrics" }
                }
            }
        }
    }
}

/// Words that somebody else chose. The template escapes them; what would move a cursor or turn the reading direction is written
/// out here.
fn text(words: &str) -> Cow<'_, str> {
    printable(words)
}

/// The same of a sentence: what stands between backticks is set as what is typed, as wherever else it is printed.
fn prose(words: &str) -> Markup {
    let words = text(words);
    let pieces: Vec<&str> = words.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        // One of them has no other: they mean something else.
        return html! { (words) };
    }
    html! { @for (index, piece) in pieces.into_iter().enumerate() { @if index % 2 == 1 { code { (piece) } } @else { (piece) } } }
}

/// What to do, where anything is said: a command, also one at a sentence's end, is to be copied whole; the rest is to be read.
fn next(words: &str) -> Markup {
    let (sentence, command) = match words.split_once(": failstop ") {
        Some((_, rest)) if goes_on(rest) => (words, ""),
        Some((sentence, _)) => words.split_at(sentence.len() + 2),
        None if words.starts_with("failstop ") && !goes_on(words) => ("", words),
        None => (words, ""),
    };
    html! {
        p.next { span.label { "next" } " " (prose(sentence)) @if !command.is_empty() { code { (text(command)) } } }
    }
}

/// Whether there is more in it than one command.
fn goes_on(words: &str) -> bool {
    ["`", ", ", "; ", ". ", ": "].iter().any(|mark| words.contains(mark))
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warning => "warn",
        Tone::Bad => "bad",
    }
}

/// A shape for each tone: colour is never alone in saying it.
fn glyph(tone: Tone) -> Markup {
    let shape = match tone {
        Tone::Plain => "○",
        Tone::Good => "●",
        Tone::Warning => "▲",
        Tone::Bad => "■",
    };
    html! { span.glyph aria-hidden="true" { (shape) } }
}

/// A state word in its tone, with its shape.
fn state(word: &str) -> Markup {
    let tone = Tone::of(word);
    html! { span.state.(class(tone)) { (glyph(tone)) " " (text(word)) } }
}

/// A name and a value in a list of facts.
fn fact(name: &str, value: &Markup) -> Markup {
    html! { div.fact { dt { (name) } dd { (value) } } }
}

/// Text as markup, escaped.
fn plain(words: impl AsRef<str>) -> Markup {
    html! { (words.as_ref()) }
}

/// Nothing.
fn nothing() -> Markup {
    PreEscaped(String::new())
}

#[cfg(test)]
mod tests;
