//! `failstop verify-data` in words: each violation with its exact place, then the sum of it.

use super::Layout;
use super::duration::span;
use super::number::{counted, grouped, short_hash, size};
use super::style::Tone;
use failstop_engine::printable::printable;
use failstop_journal::verify::{Outcome, Report, Violation};
use std::fmt::Write as _;
use std::path::Path;

/// The report on the journal in `folder`.
pub fn text(report: &Report, folder: &Path, layout: Layout) -> String {
    let mut out = String::new();
    for violation in &report.violations {
        out.push_str(&one(violation, folder, layout));
    }
    if report.more_violations > 0 {
        let _ = writeln!(out, "and {} more", counted(report.more_violations, "violation"));
    }
    if let Some(torn) = &report.torn_tail {
        let _ = writeln!(
            out,
            "torn tail: {} byte {}: {}, never acknowledged; the next start moves them to torn/",
            printable(&folder.join(&torn.file).display().to_string()),
            number(torn.offset, layout),
            counted(torn.bytes, "byte")
        );
    }
    for warning in &report.warnings {
        let place = place(warning, folder, layout);
        let _ = writeln!(out, "{}: {place}: {}", Tone::Warning.paint("warning"), printable(&warning.detail));
    }
    for note in &report.notes {
        let _ = writeln!(out, "note: {}", printable(note));
    }
    out.push_str(&sum(report, layout));
    out
}

/// What was not read, and what a witness says.
fn beside(report: &Report, layout: Layout) -> String {
    let mut out = String::new();
    if let Some(since) = &report.since {
        let _ =
            writeln!(out, "since the checkpoint: seq {}, verified at {}", number(since.seq, layout), short(&since.at));
    }
    if let Some(scrub) = &report.scrub {
        let _ = write!(
            out,
            "read again: {} ({}) of what was verified before",
            counted(scrub.segments, "old segment"),
            size(scrub.bytes)
        );
        let _ = match (&scrub.round_ends, scrub.left_bytes) {
            (_, 0) => writeln!(out, "; every old byte has been seen since {}", short(&scrub.round_began)),
            (Some(ends), left) => {
                writeln!(out, "; {} left, at this rhythm until {}", size(left), short(ends))
            }
            (None, left) => {
                writeln!(out, "; {} left of the round that began {}", size(left), short(&scrub.round_began))
            }
        };
    }
    if let Some(deep) = &report.deep {
        let _ = write!(
            out,
            "replayed: {}, {} of the ledger; {} given byte for byte",
            counted(deep.records, "record"),
            number(deep.entries, layout),
            counted(deep.snapshots, "snapshot")
        );
        for (count, what) in [
            (deep.unnamed, "snapshot that no record names"),
            (deep.refused, "refusal"),
            (deep.in_doubt, "order in doubt"),
            (deep.discrepancies, "discrepancy that stands"),
        ] {
            if count > 0 {
                let _ = write!(out, "; {what}: {}", number(count, layout));
            }
        }
        out.push('\n');
    }
    if let Some(witness) = &report.witness {
        let _ = match witness.last_agreed {
            Some(last) => writeln!(
                out,
                "witness {}: agrees on {}, the last of them seq {}",
                printable(&witness.witness),
                counted(witness.agreed, "record"),
                number(last, layout)
            ),
            None => writeln!(out, "witness {}: remembers no record of this journal", printable(&witness.witness)),
        };
    }
    out
}

/// A time to the second.
fn short(at: &str) -> String {
    match at.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => at.to_owned(),
    }
}

fn one(violation: &Violation, folder: &Path, layout: Layout) -> String {
    let Violation { class, seq, detail, .. } = violation;
    let place = place(violation, folder, layout);
    let last = match seq.checked_sub(1) {
        None | Some(0) => "no record before it".to_owned(),
        Some(last) => format!("last verified record before it: seq {}", number(last, layout)),
    };
    let next = "next: keep a copy of this file; see docs/runbooks/integrity.md";
    let violated = Tone::Bad.paint("violated");
    match layout {
        Layout::People => {
            format!("{violated}: {place}\n  {class}: {}\n  {last}\n  {next}\n", printable(detail))
        }
        Layout::Lines => format!("{violated}: {place}: {class}: {}; {last}; {next}\n", printable(detail)),
    }
}

/// Of a segment within the journal's folder, of a snapshot within its own beside that.
fn place(violation: &Violation, folder: &Path, layout: Layout) -> String {
    let Violation { file, line, seq, offset, .. } = violation;
    let below = if file.contains('/') { folder.parent().unwrap_or(folder) } else { folder };
    format!(
        "{} line {}, seq {}, byte {}",
        printable(&below.join(file).display().to_string()),
        number(*line, layout),
        number(*seq, layout),
        number(*offset, layout)
    )
}

/// Grouped for people; plain for whoever cuts fields out of a line.
fn number(number: u64, layout: Layout) -> String {
    match layout {
        Layout::People => grouped(number),
        Layout::Lines => number.to_string(),
    }
}

fn sum(report: &Report, layout: Layout) -> String {
    let records = if report.records == 1 { "record" } else { "records" };
    let what = format!(
        "{} {records} ({}, {}, {})",
        number(report.records, layout),
        counted(report.segments, "segment"),
        size(report.bytes),
        span(report.seconds)
    );
    match report.result {
        Outcome::Intact => {
            let head = report.head.as_ref().map(|head| {
                let hash = head.hash.to_string();
                format!("; head seq {}, {}", number(head.seq, layout), short_hash(&hash))
            });
            let beside = beside(report, layout);
            format!("{beside}{}: {what}{}\n", Tone::Good.paint("intact"), head.unwrap_or_default())
        }
        Outcome::Violated => {
            let count = report.violations.len() as u64 + report.more_violations;
            format!("{} in {what}\n", counted(count, "violation"))
        }
        Outcome::Unverifiable => {
            let why = report.error.as_deref().unwrap_or("no reason is known");
            format!("could not verify: {}\n", printable(why))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;

    fn report(result: &str) -> Report {
        serde_json::from_value(serde_json::json!({
            "result": result, "records": 18_441, "bytes": 4_200_000, "segments": 3,
            "head": {"seq": 18_441, "hash": "9f".repeat(32)},
            "violations": [], "more_violations": 0, "torn_tail": null, "origin": "demo", "jid": null, "seconds": 0.041
        }))
        .unwrap()
    }

    fn say(report: &Report, layout: Layout) -> String {
        anstream::adapter::strip_str(&text(report, Path::new("state/journal"), layout)).to_string()
    }

    #[test]
    fn intact_says_how_much_and_which_head() {
        let said = say(&report("intact"), Layout::People);
        assert_eq!(said, "intact: 18 441 records (3 segments, 4.2 MB, 41 ms); head seq 18 441, 9f9f9f9f\n");
    }

    #[test]
    fn a_violation_says_where_what_and_what_next() {
        let mut report = report("violated");
        report.violations = vec![
            serde_json::from_value(serde_json::json!({
                "class": "body-changed", "file": "j-0000000000001001.ndjson", "line": 8_112, "seq": 1_292_112,
                "offset": 5_120_334, "detail": "the body of this record was changed"
            }))
            .unwrap(),
        ];
        report.more_violations = 2;
        insta::assert_snapshot!(say(&report, Layout::People), @r#"
        violated: state/journal/j-0000000000001001.ndjson line 8 112, seq 1 292 112, byte 5 120 334
          body-changed: the body of this record was changed
          last verified record before it: seq 1 292 111
          next: keep a copy of this file; see docs/runbooks/integrity.md
        and 2 violations more
        3 violations in 18 441 records (3 segments, 4.2 MB, 41 ms)
        "#);
        insta::assert_snapshot!(say(&report, Layout::Lines), @r#"
        violated: state/journal/j-0000000000001001.ndjson line 8112, seq 1292112, byte 5120334: body-changed: the body of this record was changed; last verified record before it: seq 1292111; next: keep a copy of this file; see docs/runbooks/integrity.md
        and 2 violations more
        3 violations in 18441 records (3 segments, 4.2 MB, 41 ms)
        "#);
    }

    #[test]
    fn a_snapshot_stands_in_its_own_folder_and_replay_says_what_it_found() {
        let mut report = report("violated");
        report.violations = vec![
            serde_json::from_value(serde_json::json!({
                "class": "snapshot-differs", "file": "snapshots/s-0000000000000011.ndjson", "line": 3, "seq": 11,
                "offset": 260, "detail": "flows: account binance USDT: stands 1.01, but replay gives 1.00; difference 0.01"
            }))
            .unwrap(),
        ];
        report.warnings = vec![
            serde_json::from_value(serde_json::json!({
                "class": "time", "file": "j-0000000000000001.ndjson", "line": 7, "seq": 7, "offset": 1_200,
                "detail": "its time goes back 5 s behind that of record 6, and no record says why"
            }))
            .unwrap(),
        ];
        insta::assert_snapshot!(say(&report, Layout::Lines), @r#"
        violated: state/snapshots/s-0000000000000011.ndjson line 3, seq 11, byte 260: snapshot-differs: flows: account binance USDT: stands 1.01, but replay gives 1.00; difference 0.01; last verified record before it: seq 10; next: keep a copy of this file; see docs/runbooks/integrity.md
        warning: state/journal/j-0000000000000001.ndjson line 7, seq 7, byte 1200: its time goes back 5 s behind that of record 6, and no record says why
        1 violation in 18441 records (3 segments, 4.2 MB, 41 ms)
        "#);
        let mut report = self::report("intact");
        report.deep = serde_json::from_value(serde_json::json!({
            "records": 18_441, "entries": 900, "snapshots": 1, "unnamed": 0, "refused": 2, "in_doubt": 0, "discrepancies": 0
        }))
        .unwrap();
        insta::assert_snapshot!(say(&report, Layout::Lines), @r#"
        replayed: 18 441 records, 900 of the ledger; 1 snapshot given byte for byte; refusal: 2
        intact: 18441 records (3 segments, 4.2 MB, 41 ms); head seq 18441, 9f9f9f9f
        "#);
    }

    #[test]
    fn a_torn_tail_is_said_and_is_no_violation() {
        let mut report = report("intact");
        report.torn_tail = serde_json::from_value(serde_json::json!({
            "file": "j-0000000000000001.ndjson", "offset": 1_000, "bytes": 1
        }))
        .unwrap();
        insta::assert_snapshot!(say(&report, Layout::Lines), @r#"
        torn tail: state/journal/j-0000000000000001.ndjson byte 1000: 1 byte, never acknowledged; the next start moves them to torn/
        intact: 18441 records (3 segments, 4.2 MB, 41 ms); head seq 18441, 9f9f9f9f
        "#);
    }
}
