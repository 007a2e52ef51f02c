//! What verification says about every possible small damage: each bit of a sealed journal flipped, each file cut at each byte,
//! and a corpus of larger mutations on which an independent verifier agrees.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_journal::{Class, Disk, Importance, JOURNAL_DIR, Outcome, Report, SUMS, Settings, Wall, recover, verify};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NOW: Wall = Wall(1_800_000_000_000_000_000);

/// A journal's files, by name.
type Files = BTreeMap<String, Vec<u8>>;

fn write_journal(state: &Path, segments: usize, records: usize, seal: bool) {
    let mut settings = Settings::new("demo", "boot", "test");
    settings.ballast_bytes = 0;
    let mut journal = recover(Disk::new(state), settings, None).unwrap().start(1, NOW).unwrap();
    for segment in 0..segments {
        for record in 0..records {
            let payload = format!("{{\"segment\":{segment},\"record\":{record},\"amount\":\"1.50\"}}");
            // A segment a day.
            let now = Wall(NOW.0 + segment as u64 * 86_400_000_000_000);
            journal.stage(now, "x.note", &payload, Importance::Ordinary).unwrap();
            journal.commit().unwrap();
        }
    }
    if seal {
        journal.seal(NOW).unwrap();
    }
}

/// Thousands of small files that need not survive anything: in memory where there is such a place.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn small(records: usize, seal: bool) -> (tempfile::TempDir, Files) {
    let dir = scratch();
    write_journal(dir.path(), 3, records, seal);
    let files = read(dir.path());
    assert_eq!(files.len(), 4, "three segments and the list of sums");
    (dir, files)
}

fn read(state: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(state.join(JOURNAL_DIR)).unwrap() {
        let path = entry.unwrap().path();
        files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
    }
    files
}

fn put(state: &Path, name: &str, bytes: &[u8]) {
    let path = state.join(JOURNAL_DIR).join(name);
    // Sealed segments are read-only; a new file takes their place.
    drop(fs::remove_file(&path));
    fs::write(path, bytes).unwrap();
}

fn check(state: &Path) -> Report {
    verify(state, &failstop_journal::verify::Options { threads: 1, sums: true }, &|_| {}).unwrap()
}

/// The line of a byte: its number, where it begins, and in a segment its sequence number.
fn line_of(bytes: &[u8], at: usize) -> (u64, u64, u64) {
    let before = &bytes[..at];
    let line = before.iter().filter(|b| **b == b'\n').count() as u64 + 1;
    let offset = before.iter().rposition(|b| *b == b'\n').map_or(0, |feed| feed + 1) as u64;
    (line, offset, line - 1)
}

fn first_seq(name: &str) -> u64 {
    failstop_journal::segment_first(name).unwrap_or(0)
}

#[test]
fn a_clean_journal_is_never_accused() {
    for seal in [true, false] {
        let (dir, files) = small(2, seal);
        let report = check(dir.path());
        assert_eq!(report.result, Outcome::Intact, "{:?}", report.violations);
        assert_eq!(report.segments, 3);
        assert_eq!(report.bytes, files.iter().filter(|(n, _)| *n != SUMS).map(|(_, b)| b.len() as u64).sum::<u64>());
        assert_eq!(report.torn_tail, None);
    }
}

#[test]
fn every_flipped_bit_of_a_sealed_journal_is_found_with_its_place() {
    let (dir, files) = small(1, true);
    let mut flips = 0;
    let mut classes: BTreeMap<Class, u32> = BTreeMap::new();
    for (name, bytes) in &files {
        for at in 0..bytes.len() {
            let (line, offset, index) = line_of(bytes, at);
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                put(dir.path(), name, &changed);
                let report = check(dir.path());
                assert_eq!(report.result, Outcome::Violated, "{name} byte {at} bit {bit}");
                let found = &report.violations[0];
                let place = (found.file.as_str(), found.line, found.offset);
                assert_eq!(place, (name.as_str(), line, offset), "{name} byte {at} bit {bit}: {found}");
                if name != SUMS {
                    assert_eq!(found.seq, first_seq(name) + index, "{name} byte {at} bit {bit}: {found}");
                }
                assert_eq!(report.violations.len(), 1, "{name} byte {at} bit {bit}: {:?}", report.violations);
                *classes.entry(found.class).or_default() += 1;
                flips += 1;
            }
        }
        put(dir.path(), name, bytes);
    }
    println!("{flips} flips: {classes:?}");
    assert!(classes.contains_key(&Class::HashChanged) && classes.contains_key(&Class::Sums));
}

#[test]
fn every_cut_is_classed() {
    for seal in [true, false] {
        let (dir, files) = small(2, seal);
        let last = files.keys().rfind(|name| *name != SUMS).unwrap().clone();
        for (name, bytes) in files.iter().filter(|(name, _)| *name != SUMS) {
            for len in 0..bytes.len() {
                put(dir.path(), name, &bytes[..len]);
                let report = check(dir.path());
                let at_line = len == 0 || bytes[len - 1] == b'\n';
                let (line, offset, index) = line_of(bytes, len);
                if *name == last && !seal {
                    // An open tail: what is cut off leaves no proof behind.
                    assert_eq!(report.result, Outcome::Intact, "{name} cut at {len}: {:?}", report.violations);
                    let torn = report.torn_tail.map(|torn| (torn.file, torn.offset, torn.bytes));
                    let expected = (!at_line || len == 0).then(|| (name.clone(), offset, len as u64 - offset));
                    assert_eq!(torn, expected, "{name} cut at {len}");
                    continue;
                }
                assert_eq!(report.result, Outcome::Violated, "{name} cut at {len}");
                let found = &report.violations[0];
                assert_eq!(found.class, Class::Truncation, "{name} cut at {len}: {found}");
                let place = (found.file.as_str(), found.line, found.offset, found.seq);
                assert_eq!(place, (name.as_str(), line, offset, first_seq(name) + index), "{name} cut at {len}");
                assert_eq!(report.violations.len(), 1, "{name} cut at {len}: {:?}", report.violations);
                if *name != last {
                    assert!(found.detail.contains(&format!("{} bytes are missing", bytes.len() - len)), "{found}");
                }
            }
            put(dir.path(), name, bytes);
        }
    }
}

/// A named change to a journal's files.
fn mutations(files: &Files) -> Vec<(String, Files)> {
    let mut out = Vec::new();
    let segments: Vec<&String> = files.keys().filter(|name| *name != SUMS).collect();
    let mut add = |what: String, change: &dyn Fn(&mut Files)| {
        let mut changed = files.clone();
        change(&mut changed);
        out.push((what, changed));
    };
    add("nothing".into(), &|_| {});
    for name in files.keys() {
        add(format!("{name} removed"), &|files| {
            files.remove(name);
        });
        for step in [7usize, 61] {
            for at in (0..files[name].len()).step_by(step) {
                add(format!("{name} byte {at} flipped"), &|files| files.get_mut(name).unwrap()[at] ^= 0x04);
                add(format!("{name} byte {at} a line feed"), &|files| files.get_mut(name).unwrap()[at] = b'\n');
            }
        }
        for len in (0..files[name].len()).step_by(53) {
            add(format!("{name} cut at {len}"), &|files| files.get_mut(name).unwrap().truncate(len));
            add(format!("{name} zeros from {len}"), &|files| files.get_mut(name).unwrap()[len..].fill(0));
        }
        for start in (0..files[name].len()).step_by(512) {
            add(format!("{name} sector at {start} zeroed"), &|files| {
                let bytes = files.get_mut(name).unwrap();
                let end = (start + 512).min(bytes.len());
                bytes[start..end].fill(0);
            });
        }
        add(format!("{name} with bytes after it"), &|files| {
            files.get_mut(name).unwrap().extend_from_slice(b"more\n");
        });
        add(format!("{name} with half a line after it"), &|files| {
            files.get_mut(name).unwrap().extend_from_slice(b"{\"seq\":9");
        });
    }
    for name in &segments {
        let lines = files[*name].split_inclusive(|b| *b == b'\n').count();
        for line in 0..lines {
            let edit = |files: &mut Files, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
                let bytes = files.get_mut(*name).unwrap();
                let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                change(&mut lines);
                *bytes = lines.concat();
            };
            add(format!("{name} line {line} removed"), &|files| {
                edit(files, &|lines| {
                    lines.remove(line);
                });
            });
            add(format!("{name} line {line} twice"), &|files| {
                edit(files, &|lines| lines.insert(line, lines[line].clone()));
            });
            if line + 1 < lines {
                add(format!("{name} line {line} swapped"), &|files| edit(files, &|lines| lines.swap(line, line + 1)));
            }
            add(format!("{name} line {line} from another segment"), &|files| {
                let other = segments.iter().find(|other| *other != name).unwrap();
                let foreign = files[*other].split_inclusive(|b| *b == b'\n').next().unwrap().to_vec();
                edit(files, &|lines| lines[line] = foreign.clone());
            });
            add(format!("{name} line {line} too long"), &|files| {
                edit(files, &|lines| lines[line] = [vec![b'x'; 70_000], b"\n".to_vec()].concat());
            });
        }
    }
    out
}

#[test]
fn an_independent_verifier_agrees_on_every_mutation() {
    let dir = scratch();
    let mut cases: Vec<(String, PathBuf)> = Vec::new();
    for (kind, seal) in [("sealed", true), ("open", false)] {
        let (_keep, files) = small(4, seal);
        for (what, files) in mutations(&files) {
            let state = dir.path().join(cases.len().to_string());
            fs::create_dir_all(state.join(JOURNAL_DIR)).unwrap();
            for (name, bytes) in &files {
                put(&state, name, bytes);
            }
            cases.push((format!("{kind}: {what}"), state));
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/verify_journal.py");
    let mut python = Command::new("python3")
        .arg(script)
        .arg("--batch")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let list: String = cases.iter().map(|(_, state)| format!("{}\n", state.display())).collect();
    let mut stdin = python.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(list.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    feeder.join().unwrap();
    let answers: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    let mut violated = 0;
    for ((what, state), theirs) in cases.iter().zip(&answers) {
        let ours = check(state);
        let name = if ours.result == Outcome::Intact { "intact" } else { "violated" };
        assert_eq!(theirs["result"], name, "{what}: ours {:?}, theirs {theirs}", ours.violations);
        if let Some(found) = ours.violations.first() {
            violated += 1;
            let place = (theirs["file"].as_str().unwrap(), theirs["line"].as_u64(), theirs["offset"].as_u64());
            let expected = (found.file.as_str(), Some(found.line), Some(found.offset));
            assert_eq!(place, expected, "{what}: ours {found}, theirs {theirs}");
            if found.file != SUMS {
                assert_eq!(theirs["seq"].as_u64(), Some(found.seq), "{what}: ours {found}, theirs {theirs}");
            }
        } else {
            assert_eq!(theirs["records"].as_u64(), Some(ours.records), "{what}");
            let torn = ours.torn_tail.map(|torn| serde_json::to_value(torn).unwrap()).unwrap_or_default();
            assert_eq!(theirs["torn_tail"], torn, "{what}");
        }
    }
    println!("{} cases, {violated} violated", cases.len());
    assert!(violated > cases.len() / 2);
}
