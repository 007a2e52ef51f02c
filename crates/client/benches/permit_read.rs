//! What a permit check costs against a bare `clock_gettime(CLOCK_BOOTTIME)`, both in one run.
//!
//! Rounds alternate, and the lowest median of each is printed, so that a busy machine blurs both alike.
#![expect(clippy::unwrap_used, reason = "a failed setup ends the measurement")]

use failstop_client::permit::layout::{
    ABI, AT_ABI, AT_BOOT_ID, AT_CLOCK, AT_EPOCH, AT_MAGIC, AT_SIZE, AT_TIME_NAMESPACE, CLOCK_BOOTTIME, MAGIC, OPEN,
    PAGE_SIZE, REDUCE, Word, slot_offset,
};
use failstop_client::permit::{Permit, Verdict, host};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 101;
const CALLS: u32 = 50_000;

fn main() {
    let path = std::env::temp_dir().join(format!("failstop-bench-permit-{}", std::process::id()));
    std::fs::write(&path, page()).unwrap();
    let mut permit = Permit::open(&path, 1).unwrap();
    assert_eq!(permit.may_open(), Verdict::Paper);

    let (mut clock, mut check) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        clock.push(nanos_each(|| {
            let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: `time` is a valid place for a timespec.
            black_box(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) });
            black_box(time.tv_nsec);
        }));
        check.push(nanos_each(|| {
            let _ = black_box(black_box(&mut permit).may_open());
        }));
    }
    std::fs::remove_file(&path).unwrap();
    let (clock, check) = (median(clock), median(check));
    println!(
        "clock_gettime {clock:.1} ns   permit check {check:.1} ns   ratio {:.2} (reach: at most 1.25)",
        check / clock
    );
}

fn page() -> Vec<u8> {
    let mut page = vec![0; PAGE_SIZE];
    let far_us = host::boottime_ns().unwrap() / 1_000 + 3_600_000_000;
    for (at, value) in [
        (AT_MAGIC, MAGIC),
        (AT_EPOCH, 1),
        (AT_TIME_NAMESPACE, host::time_namespace().unwrap()),
        (AT_CLOCK, CLOCK_BOOTTIME),
        (slot_offset(1).unwrap(), Word::pack(OPEN | REDUCE, 1, far_us).bits()),
    ] {
        page[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    page[AT_ABI..AT_ABI + 4].copy_from_slice(&ABI.to_le_bytes());
    page[AT_SIZE..AT_SIZE + 4].copy_from_slice(&4096_u32.to_le_bytes());
    page[AT_BOOT_ID..AT_BOOT_ID + 16].copy_from_slice(&host::boot_id().unwrap());
    page
}

fn nanos_each(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
