//! A second implementation of the formats, in another language and by their documents, agrees on damaged and rewritten snapshots.

use crate::keeper::{Files, check, forty, put, scratch};
use crate::rewrites::resealed;
use failstop_journal::{Class, Outcome};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn corpus(files: &Files) -> Vec<(String, Files)> {
    let mut out = vec![("untouched".to_owned(), files.clone())];
    let mut add = |what: String, edit: &dyn Fn(&mut Files)| {
        let mut changed = files.clone();
        edit(&mut changed);
        out.push((what, changed));
    };
    let deep = format!("\"k\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let names: Vec<String> = files.keys().filter(|name| name.starts_with("snapshots/")).cloned().collect();
    for name in &names {
        let bytes = &files[name];
        let change = |files: &mut Files, edit: &dyn Fn(&mut Vec<u8>)| edit(files.get_mut(name).unwrap());
        add(format!("{name} removed"), &|files| drop(files.remove(name)));
        add(format!("{name} under another name"), &|files| {
            let bytes = files.remove(name).unwrap();
            files.insert("snapshots/s-0000000000000005.ndjson".to_owned(), bytes);
        });
        add(format!("{name} and an unfinished attempt"), &|files| {
            files.insert(format!("{name}.tmp"), b"half".to_vec());
        });
        for at in (0..bytes.len()).step_by(23) {
            add(format!("{name} byte {at} flipped"), &|files| change(files, &|bytes| bytes[at] ^= 1));
            add(format!("{name} cut at {at}"), &|files| change(files, &|bytes| bytes.truncate(at)));
        }
        for start in (0..bytes.len()).step_by(512) {
            add(format!("{name} zeros from {start}"), &|files| change(files, &|bytes| bytes[start..].fill(0)));
        }
        let count = bytes.split_inclusive(|byte| *byte == b'\n').count();
        for line in 0..count {
            let edit = |files: &mut Files, edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
                change(files, &|bytes| {
                    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
                    let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
                    edit(&mut lines);
                    *bytes = lines.concat();
                });
            };
            add(format!("{name} line {line} dropped"), &|files| edit(files, &|lines| drop(lines.remove(line))));
            add(format!("{name} line {line} doubled"), &|files| {
                edit(files, &|lines| lines.insert(line, lines[line].clone()));
            });
            if line + 2 < count {
                // With sums that fit, so that the form itself is judged.
                add(format!("{name} line {line} swapped and resealed"), &|files| {
                    edit(files, &|lines| lines.swap(line, line + 1));
                    change(files, &|bytes| *bytes = resealed(std::str::from_utf8(bytes).unwrap()));
                });
            }
        }
        for (from, to) in [
            ("\"negative\":false", "\"negative\": false"),
            ("\"amount\":\"", "\"amount\":\"1"),
            ("\"closing\":\"", "\"closing\":\"1"),
            ("\"accounts\":\"", "\"accounts\":\"1"),
            ("\"opening\":\"", "\"opening\":\"x"),
            ("\"k\":\"pool\"", "\"k\":\"pond\""),
            ("\"within\"", "\"without\""),
            ("failstop-snapshot/1", "failstop-snapshot/2"),
            ("\"origin\":\"demo\"", "\"origin\":\"demi\""),
            ("\"day\":\"2027-01-15\"", "\"day\":\"2027-01-14\""),
            ("\"day\":\"2027-01-1", "\"day\":\"2027-02-1"),
            ("\"h\":\"", "\"h\":\"0"),
            // Values of another kind than their field's.
            ("\"opening\":\"0.00\"", "\"opening\":0"),
            ("\"amount\":\"20.00\"", "\"amount\":null"),
            ("\"name\":\"USDT\"", "\"name\":[\"USDT\"]"),
            ("\"name\":\"USDT\",\"scale\":2", "\"name\":\"USDT\",\"scale\":\"2\""),
            ("\"account\":\"binance\"", "\"account\":{}"),
            ("\"k\":\"pool\"", "\"k\":[]"),
            ("\"prev\":null", "\"prev\":7"),
            ("\"seq\":11,", "\"seq\":\"11\","),
            ("\"day\":\"2027-01-14\"", "\"day\":7"),
            ("\"day\":\"2027-01-15\"", "\"day\":[]"),
            ("\"day\":\"2027-01-16\"", "\"day\":true"),
            ("\"origin\":\"demo\"", "\"origin\":[]"),
            ("\"k\":\"mode\"", deep.as_str()),
        ] {
            add(format!("{name}: {from} -> {to}, resealed"), &|files| {
                change(files, &|bytes| {
                    let mut text = std::str::from_utf8(bytes).unwrap().replacen(from, to, 1);
                    // A hash keeps its length.
                    if from == "\"h\":\"" {
                        let at = text.find(to).unwrap() + to.len() + 62;
                        text.remove(at);
                    }
                    *bytes = resealed(&text);
                });
            });
        }
    }
    out
}

/// The second verifier, in the repository's examples.
fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/verify_journal.py")
}

/// It lists the snapshots before it reads the journal, so that it knows which records to look at.
#[test]
fn a_snapshot_that_was_taken_while_the_independent_verifier_looked_is_not_missed() {
    let (dir, files) = forty();
    let name = files.keys().rfind(|name| name.starts_with("snapshots/")).unwrap();
    let (path, hidden) = (dir.path().join(name), dir.path().join("hidden"));
    let run = |then: &str| {
        let mut python = Command::new("python3");
        let program = format!(
            "import os, sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True; import verify_journal as v\n\
             state, path, hidden = sys.argv[2:]\n\
             os.rename(path, hidden)\n\
             journal, snapshots = v.Journal(state), v.Snapshots(state)\n\
             journal.wanted = dict.fromkeys(snapshots.names)\n\
             journal.verify()\n\
             {then}\n\
             try: print('named', len(journal.taken), snapshots.verify(journal))\n\
             except v.Violation as found: print(found.place['file'], found)\n"
        );
        python.arg("-c").arg(program).arg(script().parent().unwrap()).args([dir.path(), &path, &hidden]);
        let output = python.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(run("os.rename(hidden, path)"), "named 3 None");
    assert_eq!(run("pass"), format!("{name} the journal names it, and it is not there"));
}

#[test]
fn an_independent_verifier_agrees_on_every_damaged_snapshot() {
    let dir = scratch();
    let (_keep, files) = forty();
    let mut cases: Vec<(String, PathBuf)> = Vec::new();
    for (what, files) in corpus(&files) {
        let state = dir.path().join(cases.len().to_string());
        fs::create_dir_all(state.join("journal")).unwrap();
        fs::create_dir_all(state.join("snapshots")).unwrap();
        for (name, bytes) in &files {
            put(&state, name, bytes);
        }
        cases.push((what, state));
    }
    let mut python = Command::new("python3");
    let mut python = python.arg(script()).arg("--batch").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let list: String = cases.iter().map(|(_, state)| format!("{}\n", state.display())).collect();
    let mut stdin = python.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(list.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    feeder.join().unwrap();
    let answers: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    let (mut violated, mut by_replay) = (0, 0);
    for ((what, state), theirs) in cases.iter().zip(&answers) {
        let ours = check(state);
        // What only replay tells is not theirs to say.
        let first = ours.violations.iter().find(|found| found.class != Class::SnapshotDiffers);
        by_replay += u32::from(ours.result == Outcome::Violated && first.is_none());
        let Some(found) = first else {
            assert_eq!(theirs["result"], "intact", "{what}: ours {:?}, theirs {theirs}", ours.violations);
            continue;
        };
        violated += 1;
        assert_eq!(theirs["result"], "violated", "{what}: ours {found}, theirs {theirs}");
        assert_eq!(theirs["seq"].as_u64(), Some(found.seq), "{what}: ours {found}, theirs {theirs}");
        assert_eq!(theirs["file"], found.file, "{what}: ours {found}, theirs {theirs}");
        // Which line of several that do not add up is to blame is a matter of taste; a sum or a form that is broken is not.
        if !what.ends_with("resealed") || what.contains("swapped") {
            let place = (theirs["line"].as_u64(), theirs["offset"].as_u64());
            assert_eq!(place, (Some(found.line), Some(found.offset)), "{what}: ours {found}, theirs {theirs}");
        }
    }
    println!("{} cases, {violated} violated, {by_replay} by replay alone", cases.len());
    assert!(violated > cases.len() / 2);
}
