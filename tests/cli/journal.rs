//! `failstop events` and `failstop verify-data`, on files.

use crate::folder::{Folder, Ran, contents};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

/// A line as the journal has it, but for its hash.
pub fn line(seq: u64, kind: &str, body: &str) -> String {
    let ts = format!("2026-11-07T00:{:02}:{:02}.000000000Z", seq / 60 % 60, seq % 60);
    let hash = "0".repeat(64);
    format!("{{\"seq\":{seq},\"d\":0,\"ep\":1,\"ts\":\"{ts}\",\"t\":\"{kind}\",\"b\":{body},\"h\":\"{hash}\"}}\n")
}

fn three_records() -> (Folder, String, String) {
    let folder = Folder::with_system();
    let first = line(1, "permission.changed", r#"{"from":"observe-only","to":"active"}"#);
    let second = line(2, "x.note", r#"{"a":1}"#) + &line(3, "x.note.more", "{}");
    folder.write("state/journal/j-0000000000000001.ndjson", &first);
    folder.write("state/journal/j-0000000000000002.ndjson", &second);
    (folder, first, second)
}

#[test]
fn events_are_the_journals_own_lines_or_sentences() {
    let (folder, first, second) = three_records();
    assert_eq!(folder.run(&["events", "--format", "json"]).ends(0).quiet().out, first + &second);
    let text = folder.run(&["events", "--state", "state"]).ends(0).quiet().out;
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("2026-11-07T00:00:01.000Z        1  permission   observe-only -> active\n"), "{text}");
}

#[test]
fn events_are_chosen_by_type_and_time() {
    let (folder, first, second) = three_records();
    let json = |arguments: &[&str]| {
        let mut all = vec!["events", "--format", "json"];
        all.extend(arguments);
        folder.run(&all).ends(0).quiet().out
    };
    assert_eq!(json(&["--type", "permission"]), first);
    assert_eq!(json(&["--type", "x.note"]), second);
    assert_eq!(json(&["--type", "x.note.*", "--type", "permission.changed"]).lines().count(), 3);
    let none = folder.run(&["events", "--type", "nothing"]).ends(0);
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "note: of 3 records none is of type nothing\n"));
    assert_eq!(json(&["--since", "2026-11-07T00:00:02Z"]), second);
    assert_eq!(json(&["--since", "2026-11-06"]), first.clone() + &second);
    folder.run(&["events", "--since", "soon"]).ends(2);
}

#[test]
fn a_journal_is_retired_by_whom_it_belongs_to_and_under_its_systems_name() {
    let folder = Folder::with_system();
    let retire =
        |more: &[&str]| folder.run(&[&["journal", "retire", "--reason", "bit rot", "--confirm"], more].concat());
    let none = retire(&[&folder.name]).ends(1);
    assert!(none.err.contains("nothing to retire") && !folder.path("state/LOCK").exists(), "{}", none.err);
    let (folder, ..) = three_records();
    let wrong = folder.run(&["journal", "retire", "--reason", "bit rot", "--confirm", "other"]).ends(1);
    assert!(wrong.err.contains(&folder.name), "{}", wrong.err);
    if nix::unistd::geteuid().is_root() {
        let state = folder.path("state");
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_failstop"));
        command.args(["journal", "retire", "--reason", "x", "--confirm", &folder.name, "--state"]).arg(state);
        let output = command.current_dir("/").uid(4_711).gid(4_711).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(3) && said.contains("or as root"), "{said}");
    }
    // None of its lines is vouched for by its hash: nothing is known, and that is said.
    let done = folder.run(&["journal", "retire", "--reason", "bit rot", "--confirm", &folder.name]).ends(0);
    assert!(done.out.contains("without an id, head no record") && done.out.contains("unread "), "{}", done.out);
    assert!(folder.path("state/retired/unknown/journal/j-0000000000000002.ndjson").exists());
    folder.run(&["verify-data"]).ends(0);
}

#[test]
fn events_follow_one_request_or_incident() {
    let folder = Folder::with_system();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let halt = |id: u64| {
        format!(
            r#"{{"id":{id},"cause":"hung","scope":"system","cap":"observe-only","latched":true,"evidence":"seen"}}"#
        )
    };
    let lines = [
        line(1, "seg.open", r#"{"jid":"01010101010101010101010101010101"}"#),
        line(2, "x.failstop.control", &format!(r#"{{"control":"resume","trace_id":"{trace}"}}"#)),
        line(3, "halt.raised", &halt(7)),
        line(4, "x.failstop.trace", &format!(r#"{{"trace_id":"{trace}","halt":"h-7"}}"#)),
        line(5, "halt.raised", &halt(31)),
        line(6, "halt.cleared", r#"{"id":7,"cause":"hung","by":"itself"}"#),
    ];
    folder.write("state/journal/j-0000000000000001.ndjson", &lines.concat());
    let found = |arguments: &[&str]| {
        let mut all = vec!["events", "--format", "json"];
        all.extend(arguments);
        folder.run(&all).ends(0).quiet().out
    };
    let of_it = [&lines[1], &lines[2], &lines[3], &lines[5]].map(String::as_str).concat();
    assert_eq!(found(&["--trace", trace]), of_it);
    assert_eq!(found(&["--trace", "4BF92F35"]), of_it);
    assert_eq!(found(&["--trace", "4bf92f35", "--type", "halt.cleared"]), lines[5]);
    // What was raised before the time that is printed is known all the same.
    assert_eq!(found(&["--trace", trace, "--since", "2026-11-07T00:00:06Z"]), lines[5]);
    // SHA-256 over "failstop-incident", a line feed, the journal's id and "h-31": an incident's own name.
    assert_eq!(found(&["--trace", "e306524c9431b834f8abd103e25179fe"]), lines[4]);
    let none = folder.run(&["events", "--trace", "00000000"]).ends(0);
    assert_eq!(
        (none.out.as_str(), none.err.as_str()),
        ("", "note: of 6 records none follows from that request or incident\n")
    );
    let bad = folder.run(&["events", "--trace", "h-31"]).ends(2);
    assert!(bad.err.contains("8 to 32 hexadecimal digits"), "{}", bad.err);
}

#[test]
fn logs_are_chosen_by_a_name_in_them() {
    let folder = Folder::with_system();
    folder.write(
        "state/logs/bot.log",
        "order 1 sent\norder 2 sent traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
    );
    let found = folder.run(&["logs", "bot", "--trace", "4bf92f35"]).ends(0).quiet().out;
    assert_eq!(found, "order 2 sent traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n");
    let none = folder.run(&["logs", "bot", "--trace", "00000000"]).ends(0);
    assert!(
        none.out.is_empty() && none.err.starts_with("note: of ") && none.err.contains("none names"),
        "{}",
        none.err
    );
    folder.run(&["logs", "--trace", "x"]).ends(2);
}

#[test]
fn events_without_a_journal_are_three() {
    let folder = Folder::with_system();
    let ran = folder.run(&["events"]).ends(3);
    assert!(ran.err.contains("state/journal: No such file") && ran.err.contains("next: "), "{}", ran.err);
}

#[test]
fn damage_is_told_and_passed_over() {
    let (folder, first, _) = three_records();
    folder.write("state/journal/j-0000000000000002.ndjson", &format!("garbage\n{}", line(3, "x.c", "{}")));
    let ran = folder.run(&["events", "--format", "json"]).ends(0);
    assert_eq!(ran.out, first + &line(3, "x.c", "{}"));
    assert!(ran.err.contains("verify-data"), "{}", ran.err);
}

#[test]
fn follow_prints_what_comes_and_ends_with_its_reader() {
    let (folder, first, second) = three_records();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("failstop"));
    command.args(["events", "--follow", "--format", "json", "--state", "state"]).current_dir(folder.path(""));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut read = String::new();
    for _ in 0..3 {
        reader.read_line(&mut read).unwrap();
    }
    assert_eq!(read, first + &second);
    let path = folder.path("state/journal/j-0000000000000002.ndjson");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    let fourth = line(4, "x.d", "{}");
    let (half, rest) = fourth.split_at(20);
    file.write_all(half.as_bytes()).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    folder.write("state/journal/j-0000000000000005.ndjson", &line(5, "x.e", "{}"));
    read.clear();
    for _ in 0..2 {
        reader.read_line(&mut read).unwrap();
    }
    assert_eq!(read, fourth + &line(5, "x.e", "{}"));
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0), "a closed pipe ends it without another record");
}

#[test]
fn what_cannot_be_verified_is_three() {
    let folder = Folder::with_system();
    let ran = folder.run(&["verify-data"]).ends(3);
    assert!(ran.err.starts_with("error: could not verify "), "{}", ran.err);
    let ran = folder.run(&["verify-data", "--state", "nowhere"]).ends(3);
    assert!(ran.err.contains("no journal at nowhere/journal"), "{}", ran.err);
    let ran = folder.run(&["verify-data", "--state", "nowhere", "--format", "json"]).ends(3);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["result"], "unverifiable");
    folder.write("broken.toml", "[system");
    folder.run(&["verify-data", "--config", "broken.toml"]).ends(2);
}

#[test]
fn a_changed_record_is_found_with_its_place() {
    let (folder, _, _) = three_records();
    let before = contents(&folder.path("state/journal/j-0000000000000001.ndjson"));
    let ran = folder.run(&["verify-data", "--format", "json"]).ends(1);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["result"], "violated");
    let first = &json["violations"][0];
    assert_eq!((first["line"].as_u64(), first["offset"].as_u64()), (Some(1), Some(0)), "{json}");
    let text = folder.run(&["verify-data", "--quiet"]).ends(1).out;
    assert!(text.starts_with("violated: ") && text.contains("j-0000000000000001.ndjson line 1, seq "), "{text}");
    assert_eq!(contents(&folder.path("state/journal/j-0000000000000001.ndjson")), before);
}

#[test]
fn intact_is_silent_when_quiet() {
    let folder = Folder::with_system();
    std::fs::create_dir_all(folder.path("state/journal")).unwrap();
    let mut command = folder.command();
    command.args(["verify-data", "--quiet", "--nice"]);
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.out, "", "{}", ran.err);
}
