//! What stands beside the halts and needs somebody: what emergency actions came to, and a configuration file that is not in force.

use super::{Sight, class, glyph, next, nothing, prose, text};
use crate::component::{at, since};
use crate::standing::{counts, next_of_config, next_of_run, tone_of_run, tone_of_step};
use failstop_client::status::EmergencyRun;
use maud::{Markup, html};

/// Both; nothing where nothing stands.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    let emergency = &status.emergency;
    if emergency.run.is_none() && emergency.drill.is_none() && status.config.fault.is_none() {
        return nothing();
    }
    html! {
        section aria-labelledby="stands" {
            h2 #stands { "What needs a look" }
            @if let Some(run) = &emergency.run { (one(run, sight)) }
            (configuration(sight))
            @if let Some(run) = &emergency.drill { (one(run, sight)) }
        }
    }
}

fn one(run: &EmergencyRun, sight: &Sight<'_>) -> Markup {
    let tone = tone_of_run(run);
    html! {
        article.card.(class(tone)) data-key=(format!("emergency-{}", text(&run.cause))) aria-label=(format!("Emergency actions, {}", text(&run.cause))) {
            h3 { (glyph(tone)) " Emergency actions · " (text(&run.cause)) " · " (counts(run)) }
            p.quiet {
                "begun " (at(&run.begun, sight.now))
                @match &run.finished { Some(finished) => { ", over " (at(finished, sight.now)) } None => ", not over" }
                " · trace " (text(&run.trace))
            }
            ul.lines {
                @for step in &run.actions {
                    li data-key=(text(&step.name)) {
                        span.state.(class(tone_of_step(step))) { (glyph(tone_of_step(step))) " " (text(&step.state)) }
                        " " (text(&step.name)) ": " (prose(&step.detail))
                    }
                }
            }
            (next(next_of_run(run)))
        }
    }
}

fn configuration(sight: &Sight<'_>) -> Markup {
    let config = &sight.status.config;
    let Some(fault) = &config.fault else { return nothing() };
    html! {
        article.card.warn data-key="config" aria-label="Configuration" {
            h3 { (glyph(crate::Tone::Warning)) " What the configuration file says is not in force" }
            p { (prose(fault)) }
            @if let Some(at) = &config.fault_since { p.quiet { (since(at, sight.now)) } }
            @if !config.pending_restart.is_empty() {
                p { "waits for a restart: " @for (index, key) in config.pending_restart.iter().enumerate() { @if index > 0 { ", " } code { (text(key)) } } }
            }
            (next(next_of_config(config)))
        }
    }
}
