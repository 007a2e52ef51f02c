//! `failstop export`, read back by a program that is not ours: DuckDB.

use crate::folder::{Folder, contents};
use failstop_journal::{Disk, Importance, Settings, Wall, recover};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const DAY: u64 = 86_400_000_000_000;
const NOW: u64 = 1_794_009_600_000_000_000;

/// A journal of three days, with payloads that a naive writer would break on.
fn journal(folder: &Folder, a_day: usize) -> u64 {
    let mut settings = Settings::new(folder.name.as_str(), "boot", "test");
    settings.ballast_bytes = 0;
    let mut journal = recover(Disk::new(folder.path("state")), settings, None).unwrap().start(1, Wall(NOW)).unwrap();
    for day in 0..3 {
        for number in 0..a_day {
            let kind = if number % 3 == 0 { "halt.raised" } else { "x.note" };
            let payload = json!({"n": number, "text": format!("a \"quoted\", line\nand é {day}"), "amount": "1.50"});
            let at = Wall(NOW + day * DAY + number as u64);
            journal.stage(at, kind, &payload.to_string(), Importance::Ordinary).unwrap();
        }
        journal.commit().unwrap();
    }
    journal.durable().seq
}

/// What DuckDB says: a JSON list of rows.
fn ask(sql: &str) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3");
    let script = "import duckdb, json, sys\nprint(json.dumps(duckdb.sql(sys.argv[1]).fetchall(), default=str))";
    let output = Command::new(&python).args(["-c", script, sql]).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask setup`", python.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_record_comes_back_from_parquet_and_csv_as_it_stands_in_the_journal() {
    let folder = Folder::with_system();
    // More than a batch.
    let last = journal(&folder, 12_000);
    let lines = folder.run(&["events", "--format", "json"]).ends(0).out;
    let expected = folder.write("expected.ndjson", &lines);
    for (name, reader) in [("all.parquet", "read_parquet"), ("all.csv", "read_csv")] {
        let ran = folder.run(&["export", "--output", name]).ends(0);
        assert!(ran.out.is_empty() && ran.err.contains("records"), "{}", ran.err);
        let file = folder.path(name);
        let all_text = if reader == "read_csv" { ", all_varchar = true" } else { "" };
        let ours = format!("{reader}('{}'{all_text})", file.display());
        let theirs = format!(
            "read_json('{}', format = 'newline_delimited', columns = {{seq: 'BIGINT', d: 'BIGINT', ep: 'BIGINT', ts: \
             'VARCHAR', t: 'VARCHAR', b: 'JSON', h: 'VARCHAR'}})",
            expected.display()
        );
        // In Parquet a time is a time.
        let same_time = if reader == "read_csv" {
            "o.ts = t.ts"
        } else {
            "epoch_ns(o.ts) = epoch_ns(t.ts[1:19]::timestamp) + t.ts[21:29]::bigint"
        };
        let sql = format!(
            "select count(*), count(*) filter (o.seq::bigint = t.seq and o.d::bigint = t.d and o.epoch::bigint = t.ep and \
             {same_time} and o.type = t.t and o.payload = t.b::varchar and o.h = t.h) from {ours} o join {theirs} t on \
             o.seq::bigint = t.seq"
        );
        assert_eq!(ask(&sql), json!([[last, last]]), "{name}");
    }
    let types = ask(&format!(
        "select column_name, column_type from (describe from '{}')",
        folder.path("all.parquet").display()
    ));
    assert_eq!(types[0], json!(["seq", "BIGINT"]), "{types}");
    assert!(types[3][1].as_str().unwrap().starts_with("TIMESTAMP"), "{types}");
    let nanos = ask(&format!("select epoch_ns(ts) from '{}' where seq = 2", folder.path("all.parquet").display()));
    assert_eq!(nanos[0][0].as_u64(), Some(NOW), "{nanos}");
}

#[test]
fn a_slice_is_what_was_asked_for() {
    let folder = Folder::with_system();
    journal(&folder, 300);
    let count = |arguments: &[&str]| {
        let mut all = vec!["export", "--output", "slice.parquet"];
        all.extend(arguments);
        folder.run(&all).ends(0);
        ask(&format!("select count(*), count(distinct type) from '{}'", folder.path("slice.parquet").display()))
    };
    assert_eq!(count(&["--type", "halt"]), json!([[300, 1]]));
    assert_eq!(
        count(&["--since", "2026-11-08", "--until", "2026-11-09", "--type", "x.note", "--type", "halt.*"]),
        json!([[300, 2]])
    );
    assert_eq!(count(&["--since", "2030-01-01"]), json!([[0, 0]]));
    let csv = folder
        .run(&["export", "--output", "-", "--format", "csv", "--until", "2026-11-08T00:00:00.000000005Z"])
        .ends(0);
    assert!(csv.out.starts_with("seq,d,epoch,ts,type,payload,h\n"), "{}", &csv.out[..80]);
    folder.run(&["export", "--output", "slice.xls"]).ends(2);
    folder.run(&["export", "--output", "-", "--format", "parquet"]).ends(2);
    folder.run(&["export", "--output", "slice.csv", "--since", "soon"]).ends(2);
    folder.run(&["export", "--output", "nowhere/slice.csv"]).ends(3);
}

#[test]
fn a_file_is_replaced_whole_and_a_damaged_slice_says_so() {
    let folder = Folder::with_system();
    journal(&folder, 100);
    folder.write("slice.csv", "what was there\n");
    let segments = std::fs::read_dir(folder.path("state/journal")).unwrap();
    let first = segments.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some()).min().unwrap();
    let mut bytes = contents(&first);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&first).unwrap();
    std::fs::write(&first, bytes).unwrap();
    let ran = folder.run(&["export", "--output", "slice.csv"]).ends(1);
    assert!(ran.err.contains("are left out") && ran.err.contains("verify-data"), "{}", ran.err);
    assert!(contents(&folder.path("slice.csv")).starts_with(b"seq,d,epoch"));
    // Nothing is left of an export that could not be made.
    folder.write("slice.csv", "what was there\n");
    folder.run(&["export", "--output", "slice.csv", "--state", "nowhere"]).ends(3);
    assert_eq!(contents(&folder.path("slice.csv")), b"what was there\n");
    let left = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.map(|name| name.into_string().unwrap()).all(|name| !name.ends_with(".tmp")));
}

#[test]
fn a_journal_that_begins_too_late_or_cannot_be_read_is_told_as_that() {
    let folder = Folder::with_system();
    journal(&folder, 100);
    folder.write("slice.csv", "what was there\n");
    // Whoever runs this, root too, cannot list a file.
    let (segments, aside) = (folder.path("state/journal"), folder.path("state/aside"));
    std::fs::rename(&segments, &aside).unwrap();
    folder.write("state/journal", "");
    for output in ["slice.csv", "-"] {
        let ran = folder.run(&["export", "--output", output, "--format", "csv"]).ends(3);
        assert!(
            ran.err.contains("cannot read") && ran.err.contains("state/journal: ") && !ran.err.contains("slice.csv"),
            "{}",
            ran.err
        );
    }
    assert_eq!(contents(&folder.path("slice.csv")), b"what was there\n");
    std::fs::remove_file(&segments).unwrap();
    std::fs::rename(&aside, &segments).unwrap();
    // Three days, a segment each: without the first the slice has a hole at its beginning.
    let mut segments: Vec<_> =
        std::fs::read_dir(folder.path("state/journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    segments.sort();
    assert_eq!(segments.len(), 3, "{segments:?}");
    std::fs::remove_file(&segments[0]).unwrap();
    let ran = folder.run(&["export", "--output", "slice.csv"]).ends(1);
    assert!(ran.err.contains("error: records 1 to ") && ran.err.contains("are left out"), "{}", ran.err);
    // What is asked for begins after it, and is all there.
    folder.run(&["export", "--output", "slice.csv", "--since", "2026-11-09"]).ends(0);
}
