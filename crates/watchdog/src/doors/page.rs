//! The status page: one page of plain HTML, no script, no outside assets, read on a phone too. It reloads itself.

use crate::heart::view::View;
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:1rem auto;max-width:60rem;padding:0 1rem;\
background:#fff;color:#1a1a1a}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;\
vertical-align:top;border-bottom:1px solid #8884}td.up{color:#0a6b2e}td.down{color:#b00020;font-weight:700}td.unknown,\
td.maintenance,td.new{color:#8a5a00}p.bad{color:#b00020}@media(prefers-color-scheme:dark){body{background:#111;color:#e6e6e6}\
td.up{color:#5bd68a}td.down,p.bad{color:#ff7a8a}td.unknown,td.maintenance,td.new{color:#f0b866}}";

/// The page.
pub fn render(view: &View, reasons: &[String]) -> String {
    let name = escaped(&view.name);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\"><title>{name}</title><style>{STYLE}</style></head><body><h1>{name}</h1>"
    );
    let role = if view.acting { "acts and tells" } else { "stands by for the other watchdog" };
    // Writing to a String cannot fail.
    let _ = write!(out, "<p>{} &middot; {role} &middot; since {}</p>", view.now, view.started);
    if let Some(since) = &view.blind_since {
        let _ = write!(out, "<p class=\"bad\">Its own network is down since {since}: nothing is judged.</p>");
    }
    for reason in reasons {
        let _ = write!(out, "<p class=\"bad\">{}</p>", escaped(reason));
    }
    out.push_str("<h2>Targets</h2><table><tr><th>name<th>state<th>last good answer<th>what is wrong</tr>");
    for target in &view.targets {
        let mut wrong = Vec::new();
        if target.state != "up" {
            wrong.extend(target.unknown.clone().or_else(|| target.last_error.clone()));
        }
        wrong.extend(
            target.maintenance.as_ref().map(|one| format!("{} ({}, until {})", one.reason, one.owner, one.until)),
        );
        wrong.extend(target.ladder.as_ref().and_then(|ladder| ladder.why.clone()));
        wrong.extend(target.incidents.iter().cloned());
        let _ = write!(
            out,
            "<tr><td>{}<td class=\"{}\">{}<td>{}<td>{}</tr>",
            escaped(&target.name),
            target.state,
            target.state,
            target.last_success.as_deref().unwrap_or("never"),
            escaped(&wrong.join("; "))
        );
    }
    out.push_str("</table>");
    if !view.checkins.is_empty() {
        out.push_str("<h2>Check-ins</h2><table><tr><th>name<th>state<th>last<th>late after</tr>");
        for checkin in &view.checkins {
            let _ = write!(
                out,
                "<tr><td>{}<td class=\"{}\">{}<td>{}<td>{}</tr>",
                escaped(&checkin.name),
                checkin.state,
                checkin.state,
                checkin.last.as_deref().unwrap_or("never"),
                checkin.deadline.as_deref().unwrap_or("")
            );
        }
        out.push_str("</table>");
    }
    out.push_str("</body></html>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
