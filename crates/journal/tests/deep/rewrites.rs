//! Whoever has the engine's user id can rewrite everything so that every hash fits. Then the contents must still agree: record by
//! record with the rules, and snapshot by snapshot with replay.

use crate::keeper::{DAY, DECLARED, Files, NOW, check, forty, open, posting, put, scratch, write_forty};
use failstop_journal::ledger::{Entry, IDS_KEPT};
use failstop_journal::verify::Options;
use failstop_journal::verify::deep::{DeepOptions, deepen};
use failstop_journal::{Class, Head, Outcome, Report, Wall, verify};
use std::path::Path;
use std::process::{Command, Stdio};

fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
}

/// Replaces text in one record (by its number) and makes every hash, count and sum fit again. The text keeps its length.
fn rewrite(files: &Files, seq: u64, from: &str, to: &str) -> Files {
    assert_eq!(from.len(), to.len());
    let mut out = files.clone();
    let names: Vec<&String> = files.keys().filter(|name| name.starts_with("journal/j-")).collect();
    let mut head: Option<Head> = None;
    let mut number = 0;
    let mut sums = String::new();
    for name in names {
        let text = String::from_utf8(files[name].clone()).unwrap();
        let mut changed = String::new();
        for line in text.lines() {
            number += 1;
            let (mut body, _) = line.rsplit_once(",\"h\":\"").map(|(body, tail)| (body.to_owned(), tail)).unwrap();
            if number == seq {
                assert!(body.contains(from), "record {seq}: {body}");
                body = body.replacen(from, to, 1);
            }
            if let Some(at) = body.find("\"prev\":\"").filter(|_| body.contains("\"t\":\"seg.open\"")) {
                if let Some(head) = &head {
                    body.replace_range(at + 8..at + 72, head.as_str());
                } else {
                    head = Some(body[at + 8..at + 72].parse().unwrap());
                }
            }
            let next = head.unwrap().next(body.as_bytes());
            changed.push_str(&format!("{body},\"h\":\"{next}\"}}\n"));
            head = Some(next);
        }
        sums.push_str(&format!("{}  {}\n", sha256(changed.as_bytes()), &name[8..]));
        out.insert(name.clone(), changed.into_bytes());
    }
    // The last segment is sealed but has no successor: the list names those that have one, and the sealed end.
    let lines = String::from_utf8(files["journal/SHA256SUMS"].clone()).unwrap().lines().count();
    let kept: String = sums.lines().take(lines).map(|line| format!("{line}\n")).collect();
    out.insert("journal/SHA256SUMS".to_owned(), kept.into_bytes());
    out
}

fn write_all(state: &Path, files: &Files) {
    for (name, bytes) in files {
        put(state, name, bytes);
    }
}

fn kinds(files: &Files) -> Vec<(u64, String, String)> {
    let mut found = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("journal/j-")) {
        let first: u64 = name[10..26].parse().unwrap();
        for (index, line) in String::from_utf8(bytes.clone()).unwrap().lines().enumerate() {
            let kind = line.split("\"t\":\"").nth(1).unwrap().split('"').next().unwrap();
            found.push((first + index as u64, kind.to_owned(), line.to_owned()));
        }
    }
    found
}

#[test]
fn the_rewriting_itself_is_right() {
    let (dir, files) = forty();
    let same = rewrite(&files, 2, "dry", "dry");
    assert_eq!(same, files);
    // What replay does not look at may be changed by whoever can make the hashes fit: only a witness tells.
    write_all(dir.path(), &rewrite(&files, 40 - 1, "x.note", "x.nope"));
    let report = check(dir.path());
    assert_eq!(report.result, Outcome::Intact, "{:#?}", report.violations);
}

#[test]
fn one_unit_in_any_amount_of_any_record_is_found_at_that_record() {
    let (dir, files) = forty();
    let mut tried = 0;
    for (seq, kind, line) in kinds(&files) {
        if kind != "ledger.posted" {
            continue;
        }
        for (leg, text) in line.split("\"amount\":\"").skip(1).enumerate() {
            let amount = text.split('"').next().unwrap();
            let digits = amount.trim_start_matches('-');
            for at in 0..digits.len() {
                let digit = digits.as_bytes()[at];
                if digit == b'.' {
                    continue;
                }
                let other = if digit == b'9' { '8' } else { char::from(digit + 1) };
                let mut changed = digits.to_owned();
                changed.replace_range(at..=at, &other.to_string());
                let sign = &amount[..amount.len() - digits.len()];
                let from = format!("\"amount\":\"{amount}\"");
                let to = format!("\"amount\":\"{sign}{changed}\"");
                write_all(dir.path(), &rewrite(&files, seq, &from, &to));
                let report = check(dir.path());
                let first = report.violations.iter().find(|found| found.class == Class::Ledger);
                let found =
                    first.unwrap_or_else(|| panic!("record {seq} leg {leg} digit {at}: {:#?}", report.violations));
                assert_eq!(found.seq, seq, "{found}");
                assert!(found.detail.contains("posting-sum") && found.detail.contains("difference"), "{found}");
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn every_rule_that_a_rewritten_record_breaks_is_named_at_that_record() {
    let (dir, files) = forty();
    let find = |kind: &str, text: &str| {
        kinds(&files).into_iter().find(|(_, known, line)| known == kind && line.contains(text)).unwrap().0
    };
    for (kind, from, to, class, check_name) in [
        ("ledger.posted", "\"id\":\"p01\"", "\"id\":\"p00\"", Class::Ledger, "id-reused"),
        ("ledger.posted", "\"account\":\"venue\"", "\"account\":\"venuf\"", Class::Ledger, "undeclared"),
        ("ledger.fill", "\"quantity\":\"1.5\"", "\"quantity\":\"2.5\"", Class::Ledger, "order-fills"),
        ("ledger.fill", "\"quantity\":\"1.5\"", "\"quantity\":\"1e5\"", Class::Ledger, "amount"),
        ("strategy.state", "\"to\":\"in\"", "\"to\":\"on\"", Class::Ledger, "strategy-state"),
        ("order.outcome", "\"id\":\"o0\"", "\"id\":\"o9\"", Class::Ledger, "order"),
        ("ledger.asset", "\"scale\":2", "\"scale\":9", Class::Ledger, "posting-sum"),
        ("ledger.posted", "\"legs\"", "\"lags\"", Class::Payload, "legs"),
    ] {
        let seq = find(kind, from);
        write_all(dir.path(), &rewrite(&files, seq, from, to));
        let report = check(dir.path());
        if kind == "ledger.asset" {
            // Its own record breaks no rule; everything after it does not fit the snapshots.
            assert!(report.violations.iter().all(|found| found.class != Class::Payload), "{:#?}", report.violations);
            assert_eq!(report.result, Outcome::Violated);
            continue;
        }
        let found = report.violations.iter().find(|found| found.class == class).unwrap();
        assert_eq!(found.seq, seq, "{to}: {found}");
        assert!(found.detail.contains(check_name), "{to}: {found}");
    }
}

/// Makes a snapshot's own sums fit; the journal still names the old one.
pub fn resealed(text: &str) -> Vec<u8> {
    let (before, _) = text.trim_end().rsplit_once('\n').unwrap();
    let before = format!("{before}\n");
    let lines = before.lines().count() - 1;
    format!("{before}{{\"end\":true,\"lines\":{lines},\"sha256\":\"{}\"}}\n", sha256(before.as_bytes())).into_bytes()
}

/// Changes an amount everywhere in a snapshot so that it agrees with itself.
#[test]
fn a_snapshot_that_agrees_with_itself_but_not_with_replay_is_told_by_how_much() {
    let (dir, files) = forty();
    let name = files.keys().filter(|name| name.starts_with("snapshots/")).nth(1).unwrap().clone();
    let text = String::from_utf8(files[&name].clone()).unwrap();
    // 3 x 1.25 were lost: 116.25 are left, of which 16.25 in grid.
    let richer = text
        .replace("\"closing\":\"116.25\"", "\"closing\":\"116.26\"")
        .replace("\"closing\":\"-116.25\"", "\"closing\":\"-116.26\"")
        .replace("\"closing\":\"16.25\"", "\"closing\":\"16.26\"")
        .replace("\"amount\":\"16.25\"", "\"amount\":\"16.26\"")
        .replace(
            "\"accounts\":\"116.25\",\"pools\":\"116.25\",\"outside\":\"-116.25\"",
            "\"accounts\":\"116.26\",\"pools\":\"116.26\",\"outside\":\"-116.26\"",
        );
    assert_ne!(richer, text);
    put(dir.path(), &name, &resealed(&richer));
    let report = check(dir.path());
    let found = |class| report.violations.iter().find(|found| found.class == class && found.file == name);
    let differs = found(Class::SnapshotDiffers).unwrap();
    assert!(differs.detail.contains("difference 0.01"), "{differs}");
    let unbound = found(Class::SnapshotUnbound).unwrap();
    assert!(unbound.detail.contains("the file was rewritten"), "{unbound}");
    // The one after it names it by the sum that it had.
    let next = files.keys().filter(|name| name.starts_with("snapshots/")).nth(2).unwrap();
    assert!(
        report.violations.iter().all(|found| found.file == name || found.file == *next),
        "{:#?}",
        report.violations
    );
}

#[test]
fn an_opening_that_is_not_the_closing_before_is_told_so() {
    let (dir, files) = forty();
    let name = files.keys().filter(|name| name.starts_with("snapshots/")).nth(1).unwrap().clone();
    let text = String::from_utf8(files[&name].clone()).unwrap();
    let changed = text.replacen("\"opening\":\"120.00\"", "\"opening\":\"120.01\"", 1);
    assert_ne!(changed, text);
    put(dir.path(), &name, &resealed(&changed));
    let report = check(dir.path());
    let differs = report.violations.iter().find(|found| found.class == Class::SnapshotDiffers).unwrap();
    assert!(differs.detail.contains("opening:") && differs.detail.contains("difference 0.01"), "{differs}");
    assert_eq!(differs.file, name);
}

#[test]
fn a_header_that_names_another_record_day_or_journal_is_unbound() {
    let (dir, files) = forty();
    let name = files.keys().filter(|name| name.starts_with("snapshots/")).nth(1).unwrap().clone();
    let text = String::from_utf8(files[&name].clone()).unwrap();
    let h = text.split("\"h\":\"").nth(1).unwrap()[..64].to_owned();
    let prev = text.split("\"sha256\":\"").nth(1).unwrap()[..64].to_owned();
    let flipped = |hex: &str| format!("{}{}", &hex[..63], if hex.ends_with('0') { '1' } else { '0' });
    for (from, to) in [
        (h.clone(), flipped(&h)),
        (prev.clone(), flipped(&prev)),
        ("2027-01-15".to_owned(), "2027-01-14".to_owned()),
        ("2027-01-15".to_owned(), "2027-01-25".to_owned()),
        ("\"origin\":\"demo\"".to_owned(), "\"origin\":\"demi\"".to_owned()),
    ] {
        put(dir.path(), &name, &resealed(&text.replacen(&from, &to, 1)));
        let report = check(dir.path());
        let found = report.violations.iter().find(|found| found.file == name).unwrap();
        assert_eq!((found.class, found.line), (Class::SnapshotUnbound, 1), "{to}: {found}");
    }
}

#[test]
fn a_journal_that_lost_its_end_does_not_have_the_record_of_its_snapshot() {
    let (dir, files) = forty();
    // The last segment and its line are gone; the snapshots are there.
    let last = files.keys().rfind(|name| name.starts_with("journal/j-")).unwrap();
    std::fs::remove_file(dir.path().join(last)).unwrap();
    let sums = String::from_utf8(files["journal/SHA256SUMS"].clone()).unwrap();
    let kept: String =
        sums.lines().filter(|line| !line.ends_with(&last[8..])).map(|line| format!("{line}\n")).collect();
    put(dir.path(), "journal/SHA256SUMS", kept.as_bytes());
    let report = check(dir.path());
    let found = report.violations.iter().find(|found| found.class == Class::SnapshotUnbound).unwrap();
    assert!(found.detail.contains("the journal ends with"), "{found}");
}

#[test]
fn retired_snapshots_may_be_gone_and_others_may_not() {
    let dir = scratch();
    write_forty(dir.path());
    let mut keeper = open(dir.path(), NOW + 3 * DAY);
    keeper.retire(2).unwrap();
    keeper.write("ledger.posted", &posting("later", "main", "1.00")).unwrap();
    keeper.snapshot(None).unwrap();
    keeper.retire(2).unwrap();
    let left: Vec<u64> = keeper.named.iter().copied().collect();
    drop(keeper);
    assert_eq!(left.len(), 2);
    let report = check(dir.path());
    assert_eq!(report.result, Outcome::Intact, "{:#?}", report.violations);
    assert_eq!(report.deep.unwrap().snapshots, 2, "the older one opens from one that is gone, and replay knows it");
    std::fs::remove_file(dir.path().join(format!("snapshots/s-{:016}.ndjson", left[0]))).unwrap();
    let report = check(dir.path());
    assert_eq!(report.violations.len(), 1, "{:#?}", report.violations);
    assert_eq!((report.violations[0].class, report.violations[0].seq), (Class::SnapshotMissing, left[0]));
}

#[test]
fn an_id_that_comes_again_after_the_fold_forgot_it_is_found() {
    let dir = scratch();
    let mut keeper = open(dir.path(), NOW);
    for (kind, payload) in DECLARED {
        keeper.write(kind, payload).unwrap();
    }
    let mut stage = |id: &str| {
        let payload = posting(id, "main", "0.01");
        let at = keeper.journal.stage(
            Wall(NOW + 9_000_000_000),
            "ledger.posted",
            &payload,
            failstop_journal::Importance::Ordinary,
        );
        at.unwrap()
    };
    let first = stage("twice");
    for number in 0..IDS_KEPT + 10 {
        stage(&number.to_string());
    }
    let second = stage("twice");
    keeper.journal.commit().unwrap();
    drop(keeper);
    let report = check(dir.path());
    assert_eq!(report.violations.len(), 1, "{:#?}", report.violations);
    let found = &report.violations[0];
    assert_eq!((found.class, found.seq), (Class::Ledger, second));
    assert!(
        found.detail.contains(&format!("id-reused: ledger.posted was booked by record {first} already")),
        "{found}"
    );
}

fn lenient(state: &Path, now: u64) -> Report {
    let mut report = verify(state, &Options { threads: 1, sums: true }, &|_| {}).unwrap();
    deepen(state, &mut report, &DeepOptions { strict: false, now: Wall(now) }).unwrap();
    report
}

#[test]
fn a_time_that_cannot_be_is_a_warning_and_with_strict_a_violation() {
    let dir = scratch();
    let mut keeper = open(dir.path(), NOW);
    let back = keeper.journal.stage(Wall(NOW - 5_000_000_000), "x.note", "{}", failstop_journal::Importance::Ordinary);
    let back = back.unwrap();
    keeper.journal.commit().unwrap();
    let future = keeper.journal.stage(Wall(NOW + 9 * DAY), "x.note", "{}", failstop_journal::Importance::Ordinary);
    keeper.journal.commit().unwrap();
    // A day has passed, so a segment was sealed and another opened in between.
    let future = future.unwrap() - 1;
    drop(keeper);
    let report = lenient(dir.path(), NOW + DAY);
    assert_eq!(report.result, Outcome::Intact, "{:#?}", report.violations);
    let seqs: Vec<u64> = report.warnings.iter().map(|warning| warning.seq).collect();
    assert_eq!(seqs.len(), 2, "{:#?}", report.warnings);
    assert!(seqs.contains(&back) && seqs.iter().any(|seq| *seq <= future + 1 && *seq > back), "{:#?}", report.warnings);
    let report = check(dir.path());
    assert!(report.violations.iter().all(|found| found.class == Class::Time) && !report.violations.is_empty());
}

#[test]
fn records_that_the_engine_writes_beside_the_ledger_are_read() {
    // The refusal of a posting is a record, and no violation of the journal.
    let dir = scratch();
    let mut keeper = open(dir.path(), NOW);
    for (kind, payload) in DECLARED {
        keeper.write(kind, payload).unwrap();
    }
    let wrong = posting("wrong", "main", "-5.00");
    let entry = Entry::parse("ledger.posted", &wrong).unwrap().unwrap();
    let refusal = failstop_journal::ledger::Book::refusal(&entry, Some("bot"), keeper.book.judge(&entry).unwrap_err());
    keeper.write(refusal.kind(), &refusal.payload()).unwrap();
    keeper.write("order.intent", r#"{"id":"o"}"#).unwrap();
    keeper.write("engine.started", r#"{"epoch":2,"mode_ceiling":"dry"}"#).unwrap();
    drop(keeper);
    let report = check(dir.path());
    assert_eq!(report.result, Outcome::Intact, "{:#?}", report.violations);
    let deep = report.deep.unwrap();
    assert_eq!((deep.refused, deep.in_doubt), (1, 1));
}
