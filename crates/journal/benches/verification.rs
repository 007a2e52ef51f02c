//! Verification of 256-byte records, by one thread and by two, of a journal of many segments and of one segment, against bare
//! chained SHA-256 on as many threads over as many bytes, and against `sha256sum` of the same files, in the same run. Prints our
//! figure, the reference's, the ratio, and the most memory that the verifying process had. Then an incremental run after a day's
//! growth. `FAILSTOP_BENCH_GB=10` takes so many gigabytes instead of half a one; `FAILSTOP_BENCH_DIR` says where.
//! `FAILSTOP_BENCH_SEGMENTS=700000` asks instead how much memory so many segments take.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use failstop_journal::verify::{Checkpoint, Options};
use failstop_journal::{
    Disk, Head, Importance, JOURNAL_DIR, Jid, Journal, Outcome, SUMS, Settings, Wall, recover, segment_name, verify,
    verify_since,
};
use sha2::{Digest, Sha256};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LINE: u64 = 256;

/// What a busy bot records in a day.
const DAY: u64 = 200_000;

/// 2026-11-07: a time that passes through no midnight during a bench.
const NOW: Wall = Wall(1_794_000_000_000_000_000);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verify, state, threads, sums] = arguments.as_slice()
        && verify == "--verify"
    {
        return child(Path::new(state), threads.parse().unwrap(), sums == "sums");
    }
    if let Ok(segments) = std::env::var("FAILSTOP_BENCH_SEGMENTS") {
        return very_many(segments.parse().unwrap());
    }
    let large: Option<u64> = std::env::var("FAILSTOP_BENCH_GB").ok().map(|text| text.parse().unwrap());
    let bytes = large.map_or(512 << 20, |gigabytes| gigabytes * 1_000_000_000);
    let rounds = if large.is_some() { 1 } else { 5 };
    let at = std::env::var("FAILSTOP_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    for (shape, roll) in [("many segments", 64 << 20), ("one segment", u64::MAX / 2)] {
        // One at a time: what was made is gone before the next is.
        let dir = tempfile::tempdir_in(&at).unwrap();
        let mut journal = open(dir.path(), roll, 1);
        fill(&mut journal, bytes / LINE);
        if roll < u64::MAX / 2 {
            journal.seal(NOW).unwrap();
        } else {
            drop(journal);
        }
        // What was just written would be on its way to the disk during the first figures.
        assert!(Command::new("sync").arg("-f").arg(dir.path()).status().unwrap().success());
        println!("verification of {bytes} bytes in {shape}, lines of {LINE} bytes:");
        measured(dir.path(), bytes, rounds);
        if roll < u64::MAX / 2 {
            incremental(dir.path(), roll);
        }
    }
}

/// So many sealed segments of three records each. A writer would list each sum before it opens the next segment; here the list is
/// written once.
fn very_many(segments: u64) {
    let at = std::env::var("FAILSTOP_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let dir = tempfile::tempdir_in(at).unwrap();
    let folder = dir.path().join(JOURNAL_DIR);
    std::fs::create_dir(&folder).unwrap();
    let jid = Jid::from_u128(7);
    let mut head = Head::genesis("bench", &jid);
    let mut before = String::new();
    let mut sums = std::io::BufWriter::new(std::fs::File::create(folder.join(SUMS)).unwrap());
    let mut bytes_in_all = 0;
    for segment in 0..segments {
        let first = segment * 3 + 1;
        let mut text = String::new();
        let mut add = |seq: u64, kind: &str, payload: &str| {
            let d = seq - 1;
            let body = format!(
                "{{\"seq\":{seq},\"d\":{d},\"ep\":1,\"ts\":\"2026-11-07T00:00:00.000000000Z\",\"t\":\"{kind}\",\"b\":{payload}"
            );
            head = head.next(body.as_bytes());
            text.push_str(&format!("{body},\"h\":\"{head}\"}}\n"));
            text.len()
        };
        let prev = if segment == 0 { Head::genesis("bench", &jid) } else { before_head(&before) };
        let left = before.split_once(' ').map(|(left, _)| left).unwrap_or_default();
        let number = segment + 1;
        add(
            first,
            "seg.open",
            &format!(
                "{{\"fmt\":\"failstop-journal/1\",\"origin\":\"bench\",\"jid\":\"{jid}\",\"seg\":{number},\"first\":{first},\"prev\":\"{prev}\"{left},\"boot\":\"b\",\"writer\":\"w\"}}"
            ),
        );
        let bytes = add(first + 1, "x.note", "{}");
        let bytes = add(
            first + 2,
            "seg.close",
            &format!("{{\"records\":3,\"bytes\":{bytes},\"first\":{first},\"d\":{}}}", first + 1),
        );
        let name = segment_name(first);
        std::fs::write(folder.join(&name), &text).unwrap();
        let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(sums, "{digest}  {name}").unwrap();
        before = format!(",\"prev_seg\":{{\"name\":\"{name}\",\"bytes\":{bytes},\"records\":3}} {head}");
        bytes_in_all += bytes;
    }
    sums.flush().unwrap();
    for threads in [1, 2] {
        let (span, kilobytes) = verified(dir.path(), threads, true);
        println!(
            "{segments} segments, {bytes_in_all} bytes, threads {threads}: {:.1} s, {:.1} MB",
            span.as_secs_f64(),
            kilobytes as f64 / 1000.0
        );
    }
}

fn before_head(before: &str) -> Head {
    before.rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn open(state: &Path, roll: u64, epoch: u64) -> Journal<Disk> {
    let mut settings = Settings::new("bench", "boot", "bench");
    (settings.ballast_bytes, settings.roll_bytes) = (0, roll);
    recover(Disk::new(state), settings, None).unwrap().start(epoch, NOW).unwrap()
}

fn fill(journal: &mut Journal<Disk>, records: u64) {
    for number in 0..records {
        // The envelope's numbers grow; the payload gives way so that each line has 256 bytes.
        let seq = journal.durable().seq + number % 1000 + 1;
        let digits = (seq + 1).to_string().len() + (seq / 1000 * 1000).to_string().len();
        let payload = format!("{{\"v\":\"{}\"}}", "x".repeat(100 - digits.min(80)));
        journal.stage(NOW, "x.tick", &payload, Importance::Ordinary).unwrap();
        if number % 1000 == 999 {
            journal.commit().unwrap();
        }
    }
    journal.commit().unwrap();
}

fn measured(state: &Path, bytes: u64, rounds: usize) {
    let mut ways = [(1, false), (1, true), (2, false), (2, true)].map(|way| (way, Vec::new(), 0));
    let (mut bare, mut sha256sum) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..rounds {
        for ((threads, sums), spans, memory) in &mut ways {
            let (span, kilobytes) = verified(state, *threads, *sums);
            spans.push(span);
            *memory = kilobytes.max(*memory);
        }
        // Of long runs a part says as much.
        for (threads, spans) in (1..).zip(&mut bare) {
            let part = bytes.min(2 << 30);
            let span = chained(part / LINE, threads);
            spans.push(span.mul_f64(bytes as f64 / part as f64));
        }
        sha256sum.push(summed(state));
    }
    let rate = |mut spans: Vec<Duration>| {
        spans.sort_unstable();
        bytes as f64 / spans[spans.len() / 2].as_secs_f64() / 1e9
    };
    let bare = bare.map(rate);
    let sha256sum = rate(sha256sum);
    println!("  `sha256sum` of the same files {sha256sum:.2} GB/s");
    for ((threads, sums), spans, memory) in ways {
        let ours = rate(spans);
        let what = if sums { "chain, seams and SHA256SUMS" } else { "chain and seams" };
        let limit = bare[threads - 1];
        println!(
            "  threads {threads}, {what:<28} {ours:.2} GB/s, chained SHA-256 on as many {limit:.2} GB/s, ratio {:.2}; {:.1} \
             times `sha256sum`; {:.1} MB",
            ours / limit,
            ours / sha256sum,
            memory as f64 / 1000.0
        );
    }
}

/// In a process of its own, whose memory is known afterwards.
fn verified(state: &Path, threads: usize, sums: bool) -> (Duration, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--verify", state.to_str().unwrap(), &threads.to_string(), if sums { "sums" } else { "chain" }])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    let (nanos, kilobytes) = said.trim().split_once(' ').unwrap();
    (Duration::from_nanos(nanos.parse().unwrap()), kilobytes.parse().unwrap())
}

fn child(state: &Path, threads: usize, sums: bool) {
    let began = Instant::now();
    let report = verify(state, &Options { threads, sums }, &|_| {}).unwrap();
    let span = began.elapsed();
    assert_eq!(report.result, Outcome::Intact, "{:?}", report.violations.first());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{} {}", span.as_nanos(), peak.trim().trim_end_matches(" kB"));
}

fn summed(state: &Path) -> Duration {
    let journal = state.join(JOURNAL_DIR);
    let mut files: Vec<_> = std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "ndjson"));
    let began = Instant::now();
    let status = Command::new("sha256sum").args(files).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    began.elapsed()
}

/// A day's growth, and the run that verifies it.
fn incremental(state: &Path, roll: u64) {
    let report = verify(state, &Options::default(), &|_| {}).unwrap();
    let checkpoint = Checkpoint::of(state, &report, None, NOW).unwrap().unwrap();
    let mut journal = open(state, roll, 2);
    fill(&mut journal, DAY);
    journal.seal(NOW).unwrap();
    let began = Instant::now();
    let report = verify_since(state, &checkpoint, NOW, &Options::default(), &|_| {}).unwrap();
    let span = began.elapsed();
    assert_eq!(report.result, Outcome::Intact, "{:?}", report.violations.first());
    let scrub = report.scrub.unwrap();
    println!(
        "  since a checkpoint a day before: {} records, {} old segments ({:.0} MB) read again, {:.3} s (reach: 1 s)",
        report.records,
        scrub.segments,
        scrub.bytes as f64 / 1e6,
        span.as_secs_f64()
    );
}

/// What any verifier must at least compute: each 256-byte record's hash after the one before it.
fn chained(records: u64, threads: u64) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let body = [b'x'; 183];
                let mut head = [b'0'; 64];
                for _ in 0..records / threads {
                    let mut hash = Sha256::new();
                    hash.update(head);
                    hash.update(body);
                    head[..32].copy_from_slice(&hash.finalize());
                }
                assert_ne!(head[0], 0xff, "the result is used");
            });
        }
    });
    began.elapsed()
}
