//! A journal of forty records in three segments, changed in every small way that there is: each time the class is what happened
//! and the place is where, and an independent verifier agrees file by file. `FAILSTOP_EXHAUSTIVE=1` takes every bit of every byte;
//! otherwise one bit of each byte, and the independent verifier sees a part of them.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_journal::verify::Options;
use failstop_journal::{
    Class, Disk, Importance, JOURNAL_DIR, Outcome, Report, SUMS, Settings, Wall, recover, segment_first, verify,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const NOW: Wall = Wall(1_800_000_000_000_000_000);
const DAY: u64 = 86_400_000_000_000;

type Files = BTreeMap<String, Vec<u8>>;

fn exhaustive() -> bool {
    std::env::var_os("FAILSTOP_EXHAUSTIVE").is_some()
}

/// A state directory and what is in its journal.
struct Stage {
    dir: tempfile::TempDir,
    files: Files,
}

impl Stage {
    /// Forty records, the journal's own included: thirteen or fourteen a segment. Where it is not sealed, the last `batch` of them
    /// were one write.
    fn new(sealed: bool, batch: usize) -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let mut settings = Settings::new("demo", "boot", "test");
        settings.ballast_bytes = 0;
        let mut journal = recover(Disk::new(dir.path()), settings, None).unwrap().start(1, NOW).unwrap();
        // Three times seg.open, two or three times seg.close.
        let own = if sealed { 6 } else { 5 };
        for number in 0..40 - own {
            let at = Wall(NOW.0 + number as u64 / 12 * DAY);
            let payload = format!("{{\"n\":{number},\"asset\":\"USDT\",\"amount\":\"{}.50\"}}", number * 7);
            journal.stage(at, "x.note", &payload, Importance::Ordinary).unwrap();
            if number + batch < 40 - own {
                journal.commit().unwrap();
            }
        }
        journal.commit().unwrap();
        if sealed {
            journal.seal(Wall(NOW.0 + 3 * DAY)).unwrap();
        }
        let mut files = Files::new();
        for entry in fs::read_dir(dir.path().join(JOURNAL_DIR)).unwrap() {
            let path = entry.unwrap().path();
            files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
        let stage = Self { dir, files };
        let segments: Vec<_> = stage.segments().collect();
        assert_eq!(segments.len(), 3);
        let lines: usize = segments.iter().map(|name| stage.lines(name).len()).sum();
        assert_eq!(lines, 40);
        stage
    }

    fn segments(&self) -> impl Iterator<Item = &String> {
        self.files.keys().filter(|name| *name != SUMS)
    }

    fn last(&self) -> &String {
        self.segments().last().unwrap()
    }

    fn lines(&self, name: &str) -> Vec<&[u8]> {
        self.files[name].split_inclusive(|byte| *byte == b'\n').collect()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.dir.path().join(JOURNAL_DIR).join(name);
        // Sealed segments are read-only; a new file takes their place.
        drop(fs::remove_file(&path));
        fs::write(path, bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir.path().join(JOURNAL_DIR).join(name)).unwrap();
    }

    fn mend(&self, name: &str) {
        self.put(name, &self.files[name]);
    }

    fn verified(&self) -> Report {
        verify(self.dir.path(), &Options { threads: 1, sums: true }, &|_| {}).unwrap()
    }

    /// Where a byte stands: line, the byte at which that begins, sequence number.
    fn place(&self, name: &str, at: usize) -> (u64, u64, u64) {
        let before = &self.files[name][..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let offset = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1) as u64;
        (line + 1, offset, segment_first(name).unwrap_or(0) + line)
    }
}

/// The independent verifier, one question after the other.
struct Python {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    asked: u64,
}

impl Python {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/verify_journal.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg("--batch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, questions, answers, asked: 0 }
    }

    /// The same verdict, and where it is "violated" the same place.
    #[track_caller]
    fn agrees(&mut self, stage: &Stage, ours: &Report, what: &str) {
        self.asked += 1;
        writeln!(self.questions, "{}", stage.dir.path().display()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let name = if ours.result == Outcome::Intact { "intact" } else { "violated" };
        assert_eq!(theirs["result"], name, "{what}: ours {:?}, theirs {theirs}", ours.violations);
        if let Some(found) = ours.violations.first() {
            let place = (theirs["file"].as_str().unwrap(), theirs["line"].as_u64(), theirs["offset"].as_u64());
            assert_eq!(place, (found.file.as_str(), Some(found.line), Some(found.offset)), "{what}: {found}, {theirs}");
        } else {
            let torn = ours.torn_tail.as_ref().map(|torn| serde_json::to_value(torn).unwrap()).unwrap_or_default();
            assert_eq!(theirs["torn_tail"], torn, "{what}");
            assert_eq!(theirs["records"].as_u64(), Some(ours.records), "{what}");
        }
    }

    fn end(mut self, least: u64) {
        assert!(self.asked >= least, "asked only {} times", self.asked);
        drop(self.questions);
        self.child.wait().unwrap();
    }
}

/// One violation, of this class, at this place.
#[track_caller]
fn one(report: &Report, what: &str, classes: &[Class], place: (&str, u64, u64, u64)) {
    assert_eq!(report.violations.len(), 1, "{what}: {:?}", report.violations);
    let found = &report.violations[0];
    assert!(classes.contains(&found.class), "{what}: {found}");
    let (file, line, offset, seq) = place;
    assert_eq!(
        (found.file.as_str(), found.line, found.offset, found.seq),
        (file, line, offset, seq),
        "{what}: {found}"
    );
}

#[test]
fn every_flipped_bit_is_found_where_it_is() {
    let stage = Stage::new(true, 1);
    let mut python = Python::start();
    let (mut flips, mut classes) = (0u64, BTreeMap::<Class, u64>::new());
    for (name, bytes) in &stage.files {
        for at in 0..bytes.len() {
            let (line, offset, seq) = stage.place(name, at);
            for bit in 0..8 {
                if !exhaustive() && bit != at % 8 {
                    continue;
                }
                let what = format!("{name} byte {at} bit {bit}");
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                stage.put(name, &changed);
                let report = stage.verified();
                assert_eq!(report.result, Outcome::Violated, "{what}");
                assert_eq!(report.violations.len(), 1, "{what}: {:?}", report.violations);
                let found = &report.violations[0];
                assert_eq!(
                    (found.file.as_str(), found.line, found.offset),
                    (name.as_str(), line, offset),
                    "{what}: {found}"
                );
                if name != SUMS {
                    assert_eq!(found.seq, seq, "{what}: {found}");
                    // A flip of a bit never looks like anything but a change of that record.
                    let of_a_record = [Class::BodyChanged, Class::HashChanged];
                    let text = &stage.lines(name)[usize::try_from(line).unwrap() - 1];
                    let in_hash =
                        at as u64 >= offset + text.len() as u64 - 67 && at as u64 - offset < text.len() as u64 - 3;
                    let cut = changed[at] == b'\n' || bytes[at] == b'\n';
                    assert!(of_a_record.contains(&found.class) || cut, "{what}: {found}");
                    if in_hash && !cut {
                        assert_eq!(found.class, Class::HashChanged, "{what}: {found}");
                    } else if !cut {
                        assert_eq!(found.class, Class::BodyChanged, "{what}: {found}");
                    }
                }
                *classes.entry(found.class).or_default() += 1;
                flips += 1;
                if exhaustive() || at % 11 == 0 {
                    python.agrees(&stage, &report, &what);
                }
            }
        }
        stage.mend(name);
    }
    println!("{flips} flips: {classes:?}; {} seen by the independent verifier", python.asked);
    python.end(500);
}

#[test]
fn every_cut_is_a_truncation_or_a_torn_tail() {
    let mut python = Python::start();
    for sealed in [true, false] {
        let stage = Stage::new(sealed, 1);
        let last = stage.last().clone();
        for (name, bytes) in stage.files.iter().filter(|(name, _)| *name != SUMS) {
            for len in 0..bytes.len() {
                let what = format!("{name} cut at {len}, sealed {sealed}");
                stage.put(name, &bytes[..len]);
                let report = stage.verified();
                let (line, offset, seq) = stage.place(name, len);
                let whole = len > 0 && bytes[len - 1] == b'\n';
                if *name == last && !sealed {
                    assert_eq!(report.result, Outcome::Intact, "{what}: {:?}", report.violations);
                    let torn = report.torn_tail.as_ref().map(|torn| (torn.file.clone(), torn.offset, torn.bytes));
                    assert_eq!(torn, (!whole).then(|| (name.clone(), offset, len as u64 - offset)), "{what}");
                } else {
                    one(&report, &what, &[Class::Truncation], (name, line, offset, seq));
                    let missing = format!("{} bytes are missing", bytes.len() - len);
                    assert!(
                        *name == last || report.violations[0].detail.contains(&missing),
                        "{what}: {}",
                        report.violations[0]
                    );
                }
                if exhaustive() || len % 7 == 0 {
                    python.agrees(&stage, &report, &what);
                }
            }
            stage.mend(name);
        }
    }
    python.end(500);
}

#[test]
fn every_line_dropped_doubled_or_swapped_is_named_as_such() {
    let mut python = Python::start();
    for sealed in [true, false] {
        let stage = Stage::new(sealed, 1);
        let last = stage.last().clone();
        for name in stage.segments() {
            let lines = stage.lines(name);
            let open_end = *name == last && !sealed;
            let at = |index: usize| {
                let offset: usize = lines[..index].iter().map(|line| line.len()).sum();
                (name.as_str(), index as u64 + 1, offset as u64, segment_first(name).unwrap() + index as u64)
            };
            let check = |lines: Vec<&[u8]>| {
                stage.put(name, &lines.concat());
                stage.verified()
            };
            for index in 0..lines.len() {
                let (first, end) = (index == 0, index + 1 == lines.len());
                let what = format!("{name} line {} dropped, sealed {sealed}", index + 1);
                let mut dropped = lines.clone();
                dropped.remove(index);
                let report = check(dropped);
                python.agrees(&stage, &report, &what);
                if end && open_end {
                    // Whoever was told of it is gone: nothing is left that says so.
                    assert_eq!(report.result, Outcome::Intact, "{what}");
                } else if end {
                    one(&report, &what, &[Class::Truncation], at(index));
                } else if first {
                    one(&report, &what, &[Class::Gap], at(0));
                } else {
                    one(&report, &what, &[Class::Gap], at(index));
                }

                let what = format!("{name} line {} doubled, sealed {sealed}", index + 1);
                let mut doubled = lines.clone();
                doubled.insert(index, lines[index]);
                let report = check(doubled);
                python.agrees(&stage, &report, &what);
                let class = if end && !open_end { Class::ForeignBytes } else { Class::Duplicate };
                let (file, line, offset, seq) = at(index);
                if open_end && index + 2 >= lines.len() {
                    // At an open end, where no later record says that what follows had been durable: what a crash may leave.
                    assert_eq!(report.result, Outcome::Intact, "{what}: {:?}", report.violations);
                    let rest: usize = lines[index..].iter().map(|line| line.len()).sum();
                    assert_eq!(report.torn_tail.as_ref().map(|torn| torn.bytes), Some(rest as u64), "{what}");
                } else {
                    let place = (file, line + 1, offset + lines[index].len() as u64, seq + 1);
                    one(&report, &what, &[class], place);
                }

                if end {
                    continue;
                }
                let what = format!("{name} lines {} and {} swapped, sealed {sealed}", index + 1, index + 2);
                let mut swapped = lines.clone();
                swapped.swap(index, index + 1);
                let report = check(swapped);
                python.agrees(&stage, &report, &what);
                assert!(report.result == Outcome::Violated || open_end && index + 2 == lines.len(), "{what}");
                if let Some(found) = report.violations.first() {
                    let (file, line, offset, seq) = at(index);
                    assert_eq!(
                        (found.file.as_str(), found.line, found.offset, found.seq),
                        (file, line, offset, seq),
                        "{what}: {found}"
                    );
                    let wanted = [Class::Reorder, Class::Gap];
                    assert!(wanted.contains(&found.class), "{what}: {found}");
                    if index + 2 < lines.len() {
                        assert_eq!(found.class, Class::Reorder, "{what}: {found}");
                    }
                }
            }
            stage.mend(name);
        }
    }
    python.end(3 * 40 * 2 - 6);
}

#[test]
fn every_file_removed_or_renamed_is_missed() {
    let mut python = Python::start();
    for sealed in [true, false] {
        let stage = Stage::new(sealed, 1);
        let names: Vec<String> = stage.segments().cloned().collect();
        let last = stage.last().clone();
        for name in stage.files.keys() {
            let what = format!("{name} removed, sealed {sealed}");
            stage.remove(name);
            let report = stage.verified();
            python.agrees(&stage, &report, &what);
            let first = segment_first(name).unwrap_or(0);
            if name == SUMS {
                one(&report, &what, &[Class::Sums], (SUMS, 0, 0, 1));
            } else if *name == last && !sealed {
                // An open end: nothing in the journal says that it was there.
                assert_eq!(report.result, Outcome::Intact, "{what}: {:?}", report.violations);
            } else {
                one(&report, &what, &[Class::MissingSegment], (name, 0, 0, first));
            }
            stage.mend(name);
        }
        for name in &names {
            let first = segment_first(name).unwrap();
            for to in [first + 1, 999] {
                let renamed = failstop_journal::segment_name(to);
                if names.contains(&renamed) {
                    continue;
                }
                let what = format!("{name} renamed to {renamed}, sealed {sealed}");
                stage.remove(name);
                stage.put(&renamed, &stage.files[name]);
                let report = stage.verified();
                assert_eq!(report.result, Outcome::Violated, "{what}");
                let found = &report.violations[0];
                assert!(found.file == *name || found.file == renamed, "{what}: {found}");
                python.agrees(&stage, &report, &what);
                stage.remove(&renamed);
                stage.mend(name);
            }
            // Under another kind of name it is not there.
            let what = format!("{name} renamed to its backup, sealed {sealed}");
            stage.remove(name);
            stage.put(&format!("{name}.bak"), &stage.files[name]);
            let report = stage.verified();
            python.agrees(&stage, &report, &what);
            assert_eq!(report.result == Outcome::Intact, *name == last && !sealed, "{what}");
            stage.remove(&format!("{name}.bak"));
            stage.mend(name);
        }
        // Two files that change places.
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            let (a, b) = (&names[a], &names[b]);
            stage.put(a, &stage.files[b]);
            stage.put(b, &stage.files[a]);
            let report = stage.verified();
            assert_eq!((report.result, &report.violations[0].file), (Outcome::Violated, a), "{a} and {b}");
            python.agrees(&stage, &report, "two files that changed places");
            stage.mend(a);
            stage.mend(b);
        }
    }
    python.end(30);
}

#[test]
fn every_subset_of_the_unsynced_tails_sectors_may_be_lost_and_is_never_an_accusation() {
    // The last eight records were one write that no fdatasync followed.
    let stage = Stage::new(false, 8);
    let last = stage.last().clone();
    let bytes = &stage.files[&last];
    let lines = stage.lines(&last);
    let tail: usize = lines[lines.len() - 8..].iter().map(|line| line.len()).sum();
    let synced = bytes.len() - tail;
    let durable = 40 - 8;
    let sectors: Vec<(usize, usize)> = (synced / 512..bytes.len().div_ceil(512))
        .map(|sector| ((sector * 512).max(synced), ((sector + 1) * 512).min(bytes.len())))
        .collect();
    assert!((3..=8).contains(&sectors.len()), "{sectors:?}");
    let mut python = Python::start();
    let mut torn = 0;
    for subset in 0..1u32 << sectors.len() {
        for fill in [0u8, 0xa5] {
            for length in sectors.iter().map(|(_, end)| *end).chain([synced]) {
                let mut changed = bytes[..length].to_vec();
                for (index, (from, to)) in sectors.iter().enumerate() {
                    if subset & 1 << index != 0 && *from < length {
                        changed[*from..(*to).min(length)].fill(fill);
                    }
                }
                let what = format!("sectors {subset:b} filled with {fill:02x}, cut at {length}");
                stage.put(&last, &changed);
                let report = stage.verified();
                assert_eq!(report.result, Outcome::Intact, "{what}: {:?}", report.violations);
                assert!(report.records >= durable, "{what}: {} of {durable} durable records", report.records);
                torn += u32::from(report.torn_tail.is_some());
                if subset % 5 == 0 || exhaustive() {
                    python.agrees(&stage, &report, &what);
                }
            }
        }
    }
    assert!(torn > 20);
    python.end(20);
    // What stood before that write was durable: the same done to it is damage, wherever a later record says so.
    let before = lines[lines.len() - 8].len() + 40;
    let mut changed = bytes.clone();
    changed[synced - before..synced - 1].fill(0);
    stage.put(&last, &changed);
    let report = stage.verified();
    assert_eq!(report.result, Outcome::Violated);
}
