//! Verification of 256-byte records by one thread and by two against bare chained SHA-256 on one over the same bytes in the same run. Prints our
//! figure, the reference's and the ratio.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use failstop_journal::{Disk, Importance, Outcome, Settings, Wall, recover, verify};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const RECORDS: usize = 2_000_000;

fn main() {
    let at = std::env::var("FAILSTOP_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let dir = tempfile::tempdir_in(at).unwrap();
    let mut settings = Settings::new("bench", "boot", "bench");
    settings.ballast_bytes = 0;
    let mut journal = recover(Disk::new(dir.path()), settings, None).unwrap().start(1, Wall::now()).unwrap();
    let now = Wall::now();
    for number in 0..RECORDS {
        // The envelope's numbers grow; the payload gives way so that each line has 256 bytes.
        let digits =
            (number + 2).to_string().len() + if number < 1000 { 1 } else { (number / 1000 * 1000).to_string().len() };
        let payload = format!("{{\"v\":\"{}\"}}", "x".repeat(100 - digits.min(80)));
        journal.stage(now, "x.tick", &payload, Importance::Ordinary).unwrap();
        if number % 1000 == 999 {
            journal.commit().unwrap();
        }
    }
    journal.seal(now).unwrap();
    let mut ways = [(1, false), (1, true), (2, false), (2, true)].map(|way| (way, Vec::new()));
    let mut bare = Vec::new();
    let (mut bytes, mut records) = (0, 0);
    for _ in 0..ROUNDS {
        for ((threads, sums), spans) in &mut ways {
            let began = Instant::now();
            let options = verify::Options { threads: *threads, sums: *sums };
            let report = verify(dir.path(), &options, &|_| {}).unwrap();
            spans.push(began.elapsed());
            assert_eq!(report.result, Outcome::Intact, "{:?}", report.violations.first());
            (bytes, records) = (report.bytes, report.records);
        }
        bare.push(chained(records));
    }
    let rate = |mut spans: Vec<Duration>| {
        spans.sort_unstable();
        bytes as f64 / spans[spans.len() / 2].as_secs_f64() / 1e9
    };
    let bare = rate(bare);
    println!("verification, {records} records of {} bytes on average:", bytes / records);
    for ((threads, sums), spans) in ways {
        let ours = rate(spans);
        let what = if sums { "chain, seams and SHA256SUMS" } else { "chain and seams" };
        println!(
            "  threads {threads}, {what:<28} {ours:.2} GB/s, bare chained SHA-256 on one {bare:.2} GB/s, ratio {:.2}",
            ours / bare
        );
    }
}

/// What any verifier must at least compute: each 256-byte record's hash after the one before it.
fn chained(records: u64) -> Duration {
    let body = [b'x'; 183];
    let mut head = [b'0'; 64];
    let began = Instant::now();
    for _ in 0..records {
        let mut hash = Sha256::new();
        hash.update(head);
        hash.update(body);
        head[..32].copy_from_slice(&hash.finalize());
    }
    assert_ne!(head[0], 0xff, "the result is used");
    began.elapsed()
}
