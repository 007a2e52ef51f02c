//! `failstop report`, for people: what was allowed, then what ran, what was halted and told, what it did.

use super::number::{counted, grouped, size};
use super::table::{Cell, Table};
use crate::report::{OrderSums, Peak, Report, Span};
use failstop_engine::words::duration;
use std::time::Duration;

/// So many days of a trend are printed, the latest; JSON has all.
const DAYS: usize = 14;

/// The lines.
pub fn text(report: &Report) -> String {
    let system = report.system.as_deref().unwrap_or("(no name)");
    let runs = match (report.engine.runs, report.engine.epoch) {
        (Some(true), Some(epoch)) => format!("   epoch {epoch} runs"),
        (Some(true), None) => "   runs".to_owned(),
        (Some(false), _) => "   no engine runs".to_owned(),
        (None, _) => "   whether an engine runs is not known".to_owned(),
    };
    let mut out = format!(
        "{system}   {} to {}   {}{runs}\n\n",
        minute(&report.from),
        minute(&report.until),
        counted(report.records, "record")
    );
    let mut table = Table::with_first_column(12);
    // However short: that trading was shut down at all is what one looks for here.
    for (at, (name, span)) in report.permission.named().into_iter().filter(|(_, span)| span.seconds > 0.0).enumerate() {
        let first = if at == 0 { "permission" } else { "" };
        table.row([
            first.into(),
            Cell::state(name),
            Cell::from(people(span.seconds)).right(),
            Cell::from(share(span)).right(),
        ]);
    }
    out.push_str(&table.render());
    out.push('\n');

    let mut table = Table::with_first_column(12);
    let died = some(report.engine.died, "after it had died");
    table.row(["engine".into(), counted(report.engine.starts, "start").into(), died.into()]);
    for (name, sums) in &report.components {
        table.row([
            name.as_str().into(),
            counted(sums.starts, "start").into(),
            some(sums.ended_by_itself, "ended by itself").into(),
            some(sums.killed, "killed by failstop").into(),
            some(sums.out_of_memory, "for want of memory").into(),
        ]);
    }
    out.push_str(&table.render());

    section(
        &mut out,
        "halts",
        report.halts.iter().map(|(cause, sums)| {
            [cause.clone(), times(sums.times), people(sums.seconds), some(sums.standing, "still standing")]
        }),
    );
    section(
        &mut out,
        "alerts",
        report.alerts.iter().map(|(cause, sums)| {
            [
                cause.clone(),
                some(sums.critical, "critical"),
                [some(sums.warning, "warning"), some(sums.info, "info")].join(" ").trim().to_owned(),
                some(sums.over, "over"),
            ]
        }),
    );
    let all = report.orders.values().fold(OrderSums::default(), |all, day| OrderSums {
        ended: all.ended + day.ended,
        succeeded: all.succeeded + day.succeeded,
    });
    let days = report.orders.len();
    let total = (days > 1).then(|| ("all".to_owned(), all));
    let by_day = report.orders.iter().skip(days.saturating_sub(DAYS)).map(|(day, sums)| (day.clone(), *sums));
    section(
        &mut out,
        "orders",
        total.into_iter().chain(by_day).map(|(day, sums)| {
            let good = format!("{} succeeded", percent(sums.succeeded, sums.ended));
            [day, grouped(sums.ended), good, String::new()]
        }),
    );
    let days = report.api.len();
    section(
        &mut out,
        "api",
        report.api.iter().skip(days.saturating_sub(DAYS)).map(|(day, sums)| {
            [
                day.clone(),
                counted(sums.requests, "request"),
                format!("{} failed", percent(sums.errors, sums.requests)),
                String::new(),
            ]
        }),
    );
    let peak = |peak: &Peak, words: String| {
        [format!("{words} at most"), format!("noted {}", minute(&peak.at)), String::new(), String::new()]
    };
    section(&mut out, "memory", report.memory_peak.iter().map(|most| peak(most, size(most.value))));
    section(
        &mut out,
        "errors",
        report.errors_per_minute_peak.iter().map(|most| peak(most, format!("{} in a minute", grouped(most.value)))),
    );
    section(
        &mut out,
        "controls",
        report.controls.iter().map(|(name, count)| {
            let refused = report.controls_refused.get(name).copied().unwrap_or_default();
            let refused = if refused == *count { "refused".to_owned() } else { some(refused, "of them refused") };
            [name.clone(), times(*count), refused, String::new()]
        }),
    );
    out
}

/// Rows under one name; nothing where there are none.
fn section(out: &mut String, name: &str, rows: impl Iterator<Item = [String; 4]>) {
    let mut table = Table::with_first_column(12);
    let mut any = false;
    for [one, two, three, four] in rows {
        let first = if any { "" } else { name };
        any = true;
        table.row([first.into(), one.into(), Cell::from(two).right(), Cell::from(three).right(), four.into()]);
    }
    if any {
        out.push('\n');
        out.push_str(&table.render());
    }
}

/// `3 critical`; nothing of none.
fn some(count: u64, words: &str) -> String {
    if count > 0 { format!("{} {words}", grouped(count)) } else { String::new() }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", grouped(more)),
    }
}

fn people(seconds: f64) -> String {
    let span = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    // What took any time took at least a millisecond.
    duration(if span.is_zero() { span } else { span.max(Duration::from_millis(1)) })
}

/// Neither nothing nor all of a time is said of what was not.
fn share(span: Span) -> String {
    match span.share * 100.0 {
        percent if percent > 0.0 && percent < 0.05 => "< 0.1 %".to_owned(),
        percent if (99.95..100.0).contains(&percent) => "> 99.9 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people, to a hundredth of a per cent")]
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "none".to_owned() } else { format!("{:.2} %", part as f64 * 100.0 / whole as f64) }
}

/// `2026-11-07 09:00Z`, of a time that programs wrote.
fn minute(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock}Z"),
        (_, _) => rfc3339.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_that_held_for_less_than_a_second_has_its_row() {
        let at = |millis: i64| jiff::Timestamp::from_millisecond(1_793_000_000_000 + millis).unwrap_or_default();
        let mut summing = crate::report::Summing::new(at(0));
        let changed = |from: &str, to: &str| serde_json::json!({ "from": from, "to": to });
        for (when, kind, body) in [
            (0, "engine.started", serde_json::json!({ "epoch": 1 })),
            (0, "permission.changed", changed("observe-only", "active")),
            (600_000, "permission.changed", changed("active", "shutdown")),
            (600_400, "permission.changed", changed("shutdown", "active")),
        ] {
            let record = crate::render::event::Envelope { seq: 1, ts: String::new(), t: kind.to_owned(), b: body };
            summing.seen(kind, at(when));
            summing.take(&record, at(when));
        }
        let said = anstream::adapter::strip_str(&text(&summing.report(at(1_200_000), Some(true)))).to_string();
        let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(rows.contains(&vec!["shutdown", "400", "ms", "<", "0.1", "%"]), "{said}");
        assert!(rows.contains(&vec!["permission", "active", "19", "min", "59", "s", ">", "99.9", "%"]), "{said}");
    }

    #[test]
    fn a_share_is_never_said_to_be_all_or_nothing_where_it_is_not() {
        let say = |share| super::share(Span { seconds: 1.0, share });
        for (of, said) in [
            (0.0, "0.0 %"),
            (0.000_000_1, "< 0.1 %"),
            (0.000_6, "0.1 %"),
            (0.995, "99.5 %"),
            (0.999_4, "99.9 %"),
            (0.999_99, "> 99.9 %"),
            (1.0, "100.0 %"),
        ] {
            assert_eq!(say(of), said);
        }
        assert_eq!(
            (people(0.0), people(0.000_2), people(0.4)),
            ("0 ms".to_owned(), "1 ms".to_owned(), "400 ms".to_owned())
        );
    }
}
