//! What is recorded: the journal's head, the snapshot, the last verification.

use super::{Sight, fact, plain, prose, state, text};
use crate::component::at;
use crate::duration::age;
use crate::number::{grouped, short_hash, size};
use maud::{Markup, html};

/// Journal, verification, snapshot, host.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let status = sight.status;
    let health = &status.health;
    html! {
        section aria-labelledby="record" {
            h2 #record { "Record" }
            dl.card.facts {
                (fact("journal", &html! {
                    (grouped(status.journal.seq)) " records, durable, head " code title=(text(&status.journal.head)) { (short_hash(&status.journal.head)) }
                }))
                @if let Some(seconds) = health.journal_write_age_seconds { (fact("last written", &html! { (age(seconds)) " ago" })) }
                (fact("verified", &match &status.verified {
                    None => plain("not yet in this epoch, but for the check at the start"),
                    Some(verified) => html! {
                        (state(&verified.result)) " "
                        (at(&verified.at, sight.now))
                        @if let Some(seq) = verified.seq { ", up to record " (grouped(seq)) }
                        @if let Some(detail) = &verified.detail { ": " (prose(detail)) }
                    },
                }))
                (fact("snapshot", &match (&status.books.snapshot, health.snapshot_age_seconds) {
                    (Some(snapshot), Some(seconds)) => html! {
                        (age(seconds)) " ago, at record " (grouped(snapshot.seq))
                        @if let Some(day) = &snapshot.day { ", closes " (text(day)) }
                    },
                    (_, _) => plain("none yet"),
                }))
                @if let Some(hash) = status.config.sha256.get(..12) {
                    (fact("configuration", &html! {
                        code title=(text(&status.config.sha256)) { (text(hash)) }
                        ", in force since " (at(&status.config.since, sight.now))
                        @if !status.config.hot_reload { "; changes wait for " code { "failstop config reload" } }
                    }))
                }
                (fact("permit", &html! { (grouped(status.permit_lapses)) " lapses in this epoch" }))
                @if let Some(host) = &status.host {
                    @if let Some(percent) = host.cpu_percent { (fact("processor", &html! { (format!("{percent:.0} % of the host in use")) })) }
                    // Each says which it is, since of the one what is used is looked at, and of the other what is left.
                    (fact("memory", &html! {
                        (size(host.memory_total_bytes.saturating_sub(host.memory_available_bytes))) " used of " (size(host.memory_total_bytes))
                    }))
                    (fact("disk", &html! { (size(host.disk_available_bytes)) " free of " (size(host.disk_total_bytes)) }))
                }
            }
        }
    }
}
