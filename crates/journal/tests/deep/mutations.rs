//! Snapshots damaged in every small way.

use crate::keeper::{Files, check, forty, put, read};
use failstop_journal::{Class, Outcome};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Whether everything is to be tried: `cargo xtask test --long`.
fn long() -> bool {
    std::env::var("FAILSTOP_MUTATIONS").is_ok_and(|how| how == "all")
}

fn snapshots(files: &Files) -> impl Iterator<Item = (&String, &Vec<u8>)> {
    files.iter().filter(|(name, _)| name.starts_with("snapshots/"))
}

fn seq_of(name: &str) -> u64 {
    name[12..28].parse().unwrap()
}

/// The line of a byte and where it begins.
fn line_of(bytes: &[u8], at: usize) -> (u64, u64) {
    let before = &bytes[..at];
    let line = before.iter().filter(|b| **b == b'\n').count() as u64 + 1;
    (line, before.iter().rposition(|b| *b == b'\n').map_or(0, |feed| feed + 1) as u64)
}

/// Each of these must be among what is found; nothing may be found elsewhere than in these files.
#[track_caller]
fn finds(state: &Path, expected: &[(Class, &str)], what: &str) {
    let report = check(state);
    assert_eq!(report.result, Outcome::Violated, "{what}");
    let found: Vec<(Class, &str)> = report.violations.iter().map(|found| (found.class, found.file.as_str())).collect();
    for one in expected {
        assert!(found.contains(one), "{what}: {one:?} is not in {:#?}", report.violations);
    }
    for (_, file) in &found {
        assert!(expected.iter().any(|(_, known)| known == file), "{what}: {:#?}", report.violations);
    }
    for violation in report.violations.iter().filter(|found| found.file.starts_with("snapshots/")) {
        assert_eq!(violation.seq, seq_of(&violation.file), "{what}: {violation}");
    }
}

#[test]
fn a_clean_journal_with_snapshots_is_never_accused() {
    let (dir, files) = forty();
    let report = check(dir.path());
    assert_eq!(report.result, Outcome::Intact, "{:#?}", report.violations);
    let deep = report.deep.unwrap();
    assert_eq!((report.records, deep.records, deep.snapshots, deep.unnamed), (40, 40, 3, 0));
    // Between the file and its record an engine may die: the file is there, whole, and nobody names it.
    let (name, bytes) = snapshots(&files).next().unwrap();
    let _ = (name, bytes);
    fs::remove_dir_all(dir.path()).unwrap();
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_found_with_its_place() {
    let (dir, files) = forty();
    let mut classes: BTreeMap<Class, u32> = BTreeMap::new();
    for (index, (name, bytes)) in snapshots(&files).enumerate() {
        for at in 0..bytes.len() {
            let bits = if long() {
                0..8
            } else {
                let bit = (at + index) % 8;
                bit..bit + 1
            };
            for bit in bits {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                put(dir.path(), name, &changed);
                let report = check(dir.path());
                let what = format!("{name} byte {at} bit {bit}");
                assert_eq!(report.violations.len(), 1, "{what}: {:#?}", report.violations);
                let found = &report.violations[0];
                assert_eq!(
                    (found.class, &found.file, found.seq),
                    (Class::SnapshotDamaged, name, seq_of(name)),
                    "{what}"
                );
                // The sum says that a byte before the trailer changed, not which.
                let (line, offset) = line_of(bytes, at);
                assert!(found.line >= line && found.offset >= offset, "{what}: {found}");
                assert!(found.offset <= bytes.len() as u64, "{what}: {found}");
                *classes.entry(found.class).or_default() += 1;
            }
        }
        put(dir.path(), name, bytes);
    }
    println!("{classes:?}");
}

#[test]
fn every_cut_of_a_snapshot_is_found() {
    let (dir, files) = forty();
    for (name, bytes) in snapshots(&files) {
        for end in (0..bytes.len()).step_by(if long() { 1 } else { 3 }) {
            put(dir.path(), name, &bytes[..end]);
            finds(dir.path(), &[(Class::SnapshotDamaged, name)], &format!("{name} cut at {end}"));
        }
        put(dir.path(), name, bytes);
    }
}

#[test]
fn every_line_that_is_dropped_doubled_or_swapped_is_found() {
    let (dir, files) = forty();
    for (name, bytes) in snapshots(&files) {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for at in 0..lines.len() {
            let mut dropped = lines.clone();
            dropped.remove(at);
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at]);
            let mut mutations = vec![(dropped, "dropped"), (doubled, "doubled")];
            if at > 0 {
                let mut swapped = lines.clone();
                swapped.swap(at - 1, at);
                mutations.push((swapped, "swapped"));
            }
            for (changed, what) in mutations {
                put(dir.path(), name, &changed.concat());
                finds(dir.path(), &[(Class::SnapshotDamaged, name)], &format!("{name} line {at} {what}"));
            }
        }
        put(dir.path(), name, bytes);
    }
}

#[test]
fn every_sector_of_a_snapshot_that_is_zeroed_is_found() {
    let (dir, files) = forty();
    for (name, bytes) in snapshots(&files) {
        let sectors = bytes.len().div_ceil(512);
        for subset in 1..1u32 << sectors.min(10) {
            let mut changed = bytes.clone();
            for sector in (0..sectors).filter(|sector| subset >> sector & 1 == 1) {
                let end = (512 * sector + 512).min(bytes.len());
                changed[512 * sector..end].fill(0);
            }
            put(dir.path(), name, &changed);
            finds(dir.path(), &[(Class::SnapshotDamaged, name)], &format!("{name} sectors {subset:b}"));
        }
        put(dir.path(), name, bytes);
    }
}

#[test]
fn every_snapshot_that_is_removed_renamed_or_replaced_is_found() {
    let (dir, files) = forty();
    let all: Vec<(String, Vec<u8>)> = snapshots(&files).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    for (name, bytes) in &all {
        fs::remove_file(dir.path().join(name)).unwrap();
        finds(dir.path(), &[(Class::SnapshotMissing, name)], &format!("{name} removed"));
        let other = "snapshots/s-0000000000000005.ndjson";
        put(dir.path(), other, bytes);
        let expected = [(Class::SnapshotMissing, name.as_str()), (Class::SnapshotDamaged, other)];
        finds(dir.path(), &expected, &format!("{name} renamed"));
        fs::remove_file(dir.path().join(other)).unwrap();
        // Under a name that is none it is as good as gone.
        put(dir.path(), &format!("{name}.bak"), bytes);
        finds(dir.path(), &[(Class::SnapshotMissing, name)], &format!("{name} renamed to no snapshot"));
        fs::remove_file(dir.path().join(format!("{name}.bak"))).unwrap();
        for (another, others) in all.iter().filter(|(another, _)| another != name) {
            put(dir.path(), name, others);
            finds(dir.path(), &[(Class::SnapshotDamaged, name)], &format!("{name} replaced by {another}"));
        }
        put(dir.path(), name, bytes);
    }
    assert_eq!(check(dir.path()).result, Outcome::Intact);
}

#[test]
fn damage_to_the_journal_is_told_once_and_not_again_by_replay() {
    let (dir, files) = forty();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with("ndjson") && name.starts_with("journal/")) {
        for at in (0..bytes.len()).step_by(if long() { 1 } else { 11 }) {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            put(dir.path(), name, &changed);
            let report = check(dir.path());
            assert_eq!(report.violations.len(), 1, "{name} byte {at}: {:#?}", report.violations);
            assert_eq!(format!("journal/{}", report.violations[0].file), *name);
        }
        put(dir.path(), name, bytes);
    }
    let after = read(dir.path());
    assert_eq!(after, files, "verification writes nothing");
}
