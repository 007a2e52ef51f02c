//! Several systems on one page: each a card that says whether it may trade and why, and leads to its own page.

use super::{class, footer, glyph, prose, state, text, whole};
use crate::Tone;
use crate::component::{at, to_the_second};
use crate::duration::span;
use crate::number::counted;
use jiff::Timestamp;
use maud::{Markup, html};

/// One system of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// As the configuration calls it.
    pub name: String,
    /// Its observe address, which the reader may follow.
    pub url: String,
    /// What it answered, or why not.
    pub answer: Result<Answer, String>,
}

/// What of a system's health a fleet's page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Its own name for itself.
    pub system: String,
    /// `production`, `staging` or a name.
    pub environment: String,
    /// Its permission.
    pub permission: String,
    /// `dry` or `live`.
    pub mode: String,
    /// `healthy`, `degraded` or `critical`.
    pub health: String,
    /// Whether its kill switch is engaged.
    pub kill_switch: bool,
    /// The causes of its halts.
    pub halts: Vec<String>,
    /// Seconds since its start.
    pub uptime_seconds: f64,
    /// When it answered so: RFC 3339, UTC.
    pub timestamp: String,
}

/// The whole page. `members`: in the configuration's order; those that need somebody are shown first.
pub fn document(members: &[Member], now: Timestamp) -> String {
    let at = to_the_second(now);
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by_key(|member| urgency(member));
    let act = sorted.iter().filter(|member| urgency(member) < 2).count() as u64;
    let title =
        if act == 0 { "all as it should be · failstop".to_owned() } else { format!("{act} to look at · failstop") };
    whole(
        &title,
        true,
        &html! {
            (super::connection(&at))
            div #live data-title=(title) data-made=(at) {
                header.bar {
                    h1 { "Systems" }
                    nav aria-label="Systems" { a href="./" { "this system" } }
                    p.facts {
                        span role="status" {
                            (counted(members.len() as u64, "system")) ", "
                            @if act == 0 { "none needs anybody" } @else { (act) " to look at" }
                        }
                    }
                }
                main #main { div.cards.fleet { @for member in sorted { (card(member, now)) } } }
            }
            (footer("", false))
        },
    )
}

/// 0: somebody must act; 1: somebody should look; 2: as it should be.
fn urgency(member: &Member) -> u8 {
    let Ok(answer) = &member.answer else { return 0 };
    let tones = [Tone::of(&answer.permission), Tone::of(&answer.health)];
    if answer.kill_switch || tones.contains(&Tone::Bad) {
        0
    } else if tones.iter().all(|tone| *tone == Tone::Good) && answer.halts.is_empty() {
        2
    } else {
        1
    }
}

fn card(member: &Member, now: Timestamp) -> Markup {
    let tone = match &member.answer {
        Ok(answer) => Tone::of(&answer.permission),
        Err(_) => Tone::Bad,
    };
    html! {
        article.card.verdict.(class(tone)) data-key=(text(&member.name)) {
            h2 { a href=(text(&member.url)) rel="noreferrer" { (text(&member.name)) } }
            @match &member.answer {
                Err(why) => {
                    p.word { (glyph(Tone::Bad)) " NO ANSWER" }
                    p { (prose(why)) }
                }
                Ok(answer) => {
                    p.word { (glyph(tone)) " " (text(&answer.permission.to_uppercase())) }
                    p.facts {
                        @if answer.system != member.name { span { "calls itself " (text(&answer.system)) } }
                        @if !answer.environment.is_empty() { span.tag { (text(&answer.environment)) } }
                        span.tag.(class(Tone::of(&answer.mode))) { "mode " (text(&answer.mode)) }
                        span { (state(&answer.health)) }
                        span { "up " (span(answer.uptime_seconds)) }
                    }
                    @if answer.kill_switch { p { strong { "The kill switch is engaged." } } }
                    @if !answer.halts.is_empty() { p { "halts: " (text(&answer.halts.join(", "))) } }
                    p.quiet { "as of " (at(&answer.timestamp, now)) }
                }
            }
        }
    }
}
