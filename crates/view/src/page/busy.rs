//! What a person is shown while the host is too busy for pictures: what the system may do, why, and the way to stop it.

use super::{Sight, connection, footer, head, made, may, next, prose, stands, title, waiting, whole};
use crate::component::to_the_second;
use jiff::Timestamp;
use maud::{Markup, html};

/// The page of a system whose host is too busy for the rest of it. `why`: what gives way, and what does not.
pub fn busy(sight: &Sight<'_>, why: &str) -> String {
    let status = sight.status;
    let (title, at) = (title(status), made(&status.timestamp));
    whole(
        &title,
        true,
        &html! {
            (connection(&at))
            div #live data-title=(title) data-made=(at) {
                (head(sight))
                main #main { (may::section(sight)) (waiting::section(sight)) (stands::section(sight)) (gives_way(why)) }
            }
            (footer(&status.version, !sight.controls))
        },
    )
}

/// The page of several systems, in place of which this is shown.
pub fn fleet_is_busy(why: &str, now: Timestamp) -> String {
    let (title, at) = ("host too busy · failstop", to_the_second(now));
    whole(
        title,
        true,
        &html! {
            (connection(&at))
            div #live data-title=(title) data-made=(at) {
                header.bar { h1 { "Systems" } nav aria-label="Systems" { a href="./" { "this system" } } }
                main #main { (gives_way(why)) }
            }
            (footer("", false))
        },
    )
}

fn gives_way(why: &str) -> Markup {
    html! {
        section.card aria-labelledby="busy" {
            h2 #busy { "The rest of this page gives way" }
            p { (prose(why)) }
            (next("failstop breaker status"))
        }
    }
}
