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
        (true, Some(epoch)) => format!("   epoch {epoch} runs"),
        (true, None) => "   runs".to_owned(),
        (false, _) => "   no engine runs".to_owned(),
    };
    let mut out = format!(
        "{system}   {} to {}   {}{runs}\n\n",
        minute(&report.from),
        minute(&report.until),
        counted(report.records, "record")
    );
    let mut table = Table::with_first_column(12);
    for (at, (name, span)) in report.permission.named().into_iter().filter(|(_, span)| span.seconds >= 1.0).enumerate()
    {
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
        report.controls.iter().map(|(name, count)| [name.clone(), times(*count), String::new(), String::new()]),
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
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn share(span: Span) -> String {
    format!("{:.1} %", span.share * 100.0)
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
