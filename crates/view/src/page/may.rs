//! What the system may do, and why not more: the first thing on the page, and enough by itself.

use super::{Sight, alerts, class, glyph, next, plain, prose, state, text};
use crate::Tone;
use crate::component::since;
use crate::number::counted;
use crate::standing::{counts, maintenance_effect, maintenance_end};
use failstop_client::status::{HaltSummary, Status};
use maud::{Markup, html};

/// Permission, kill switch, halts, health, and what was announced.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    let tone = Tone::of(&status.permission);
    // What a halt says already is said once.
    let said = |reason: &&String| !status.halts.iter().any(|halt| halt.evidence == **reason);
    let reasons: Vec<&String> = status.health.reasons.iter().filter(said).collect();
    html! {
        section.card.verdict.(class(tone)) aria-label="Permission" {
            div role="status" aria-atomic="true" {
                p.word { (glyph(tone)) " " (text(&status.permission.to_uppercase())) }
                p.means { (means(status)) }
                p.why { (why(status)) }
            }
            (alerts::in_a_line(sight))
            @if let Some(announced) = &status.announced {
                p.announced {
                    strong { "An end is announced: " (announced.kind.word()) }
                    ", asked for by " (text(&announced.by)) ", expected until " (text(&announced.until))
                    @if !announced.reason.is_empty() { ": " (text(&announced.reason)) }
                }
            }
            @if let Some(window) = &status.maintenance {
                p.announced {
                    strong { "Maintenance until " (text(&maintenance_end(window, sight.now))) }
                    " by " (text(&window.by)) ": " (text(&window.reason)) ". " (maintenance_effect(window))
                }
            }
            @if !status.halts.is_empty() {
                ul.halts { @for halt in &status.halts { (one(halt, sight)) } }
            }
            @if status.health.status != "healthy" {
                div.health {
                    p { "health " (state(&status.health.status)) " " (format!("{:.2}", status.health.overall_health)) }
                    @if !reasons.is_empty() { ul { @for reason in reasons { li { (prose(reason)) } } } }
                }
            }
            (act(sight))
        }
    }
}

/// The permission as a sentence.
fn means(status: &Status) -> Markup {
    let on_paper = status.mode != "live";
    match status.permission.as_str() {
        "active" if on_paper => plain("Orders are permitted, on paper only: the mode is dry."),
        "active" => plain("Orders are permitted and reach the venue."),
        "reduce-only" if on_paper => plain("Positions may only be reduced, on paper only: the mode is dry."),
        "reduce-only" => plain("Positions may only be reduced; nothing is opened."),
        "observe-only" => plain("No order is permitted. The bot may look on."),
        "shutdown" if status.kill_switch => plain("No order is permitted: the kill switch is engaged."),
        "shutdown" => plain("No order is permitted. Components that trade are stopped."),
        other => html! { "This page does not know the permission " (text(other)) ": take it for no permission." },
    }
}

/// Why, in one line.
fn why(status: &Status) -> Markup {
    let latched = status.halts.iter().filter(|halt| halt.latched).count() as u64;
    let all = status.halts.len() as u64;
    match (all, latched) {
        (0, _) if status.permission == "active" => plain("No halt stands."),
        (0, _) => plain("No halt stands; it rises when the start-up checks have passed."),
        (_, 0) if all == 1 => plain("1 halt stands and clears by itself."),
        (_, 0) => html! { (counted(all, "halt")) " stand and clear by themselves." },
        (1, _) => plain("1 halt stands and waits for an operator."),
        (_, _) => html! { (counted(all, "halt")) " stand, " (latched) " of them until an operator resumes." },
    }
}

fn one(halt: &HaltSummary, sight: &Sight<'_>) -> Markup {
    html! {
        li.halt.(class(Tone::of(&halt.cap))) data-key=(text(&halt.id)) {
            p.cause {
                (glyph(Tone::of(&halt.cap))) " "
                strong { (text(&halt.cause)) }
                @if let Some(component) = &halt.component { " · " (text(component)) }
                " "
                span.quiet {
                    (since(&halt.since, sight.now)) " · at most " (text(&halt.cap)) " · "
                    @if halt.latched { "latched" } @else { "clears by itself" }
                    " · " (text(&halt.id))
                }
            }
            @if !halt.evidence.is_empty() { p { (prose(&halt.evidence)) } }
            @if !halt.next.is_empty() { (next(&halt.next)) }
        }
    }
}

/// Where to act: here, or on the host.
fn act(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    html! {
        @if sight.controls { (controls(status)) }
        @else if status.kill_switch { div.stopped { (stopped(status)) } }
        @else {
            p.act {
                "This page only reads. To stop everything, on the host: "
                code { "failstop kill-switch engage --reason \"...\"" }
            }
        }
    }
}

/// The emergency stop, for who may give it: the name of the system, typed, is what arms it. Once the kill switch is engaged what
/// that came to stands in its place.
fn controls(status: &Status) -> Markup {
    html! {
        div #stop.controls.stopped[status.kill_switch] {
            @if status.kill_switch { (stopped(status)) } @else { (stop(status)) }
            // Known by a name of its own, so that it stays where the form goes.
            p #stop-outcome.outcome role="status" data-stopped[status.kill_switch] {}
        }
    }
}

fn stop(status: &Status) -> Markup {
    html! {
        details #arm {
            summary { "Emergency stop" }
            form data-action="api/control/emergency-stop" data-confirm=(text(&status.system)) autocomplete="off" {
                p #stop-help { "Revokes every permit, runs the emergency actions and stops the bot. Only an operator\u{2019}s release undoes it." }
                label { span { "Reason" } input name="reason" required maxlength="500" aria-describedby="stop-help"; }
                label { span { "Type " code { (text(&status.system)) } " to confirm" } input name="confirm" required autocapitalize="none" autocorrect="off" spellcheck="false"; }
                noscript { p { "Without its script this form does nothing: use " code { "failstop kill-switch engage" } " on the host." } }
                button.danger type="submit" { "Stop everything" }
            }
        }
    }
}

/// What an engaged kill switch leaves to people, as `failstop kill-switch engage` says it. How it is released its halt says.
fn stopped(status: &Status) -> Markup {
    let (open, doubt) = (status.books.orders_open, status.books.orders_in_doubt);
    let emergency = &status.emergency;
    html! {
        h3 { "After the stop" }
        ul.lines {
            li {
                "Orders: "
                @if open > 0 {
                    strong { (counted(open, "order")) @if open == 1 { " is" } @else { " are" } " open by the books" @if doubt > 0 { ", " (doubt) " of them in doubt" } "." } " "
                } @else { "none is open by the books. " }
                "What is open or held at the venue stays there" @if !emergency.configured.is_empty() { ", but for what the emergency actions did" } ": look there now."
            }
            li {
                "Emergency actions: "
                @match &emergency.run {
                    Some(run) => { a href="#stands" { (text(&run.cause)) ", " (counts(run)) } "." }
                    None if emergency.configured.is_empty() => "none is configured, so nothing was cancelled and nothing closed.",
                    None => "none has run.",
                }
            }
        }
    }
}
