//! What guard and engine use at rest, with ten components, in each place.

use crate::bare;
use crate::place::{Place, Site};
use crate::run::Run;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// How long rest is watched, seconds; a minute where it is not set. A shorter one shows that the bench works, and its figure is
/// no figure.
const REST: &str = "FAILSTOP_BENCH_REST_SECONDS";

/// Proportional set size and processor time over a minute, place by place: one after the other, since processes of one program
/// that run side by side share their pages.
pub fn at_rest() {
    let watched = watched();
    println!(
        "at rest, a bare loop that wakes twice a second and looks at eight files: {} ms CPU a minute",
        bare::at_rest(watched)
    );
    for place in Place::wanted() {
        match place.make() {
            Ok(site) => at_rest_in(place, site),
            Err(why) => println!("at rest, 10 components, {:<10} passed over: {why}", place.name()),
        }
    }
}

/// Seconds.
fn watched() -> u64 {
    std::env::var(REST).map_or(60, |text| text.parse().unwrap()).max(1)
}

fn at_rest_in(place: Place, site: Site) {
    let watched = watched();
    let mut configuration = String::new();
    for index in 0..10 {
        writeln!(
            configuration,
            "[[component]]\nname = \"c{index}\"\ncommand = [\"STAMP\", \"DIR/stamps\"]\norders = \"none\"\n"
        )
        .unwrap();
    }
    let run = Run::start_in(site, &configuration);
    let own = run.own_pids();
    // Past start-up's work, so that it is rest that is measured.
    std::thread::sleep(Duration::from_secs(5));
    let before: u64 = own.iter().map(|pid| processor_ns(*pid)).sum();
    std::thread::sleep(Duration::from_secs(watched));
    let after: u64 = own.iter().map(|pid| processor_ns(*pid)).sum();
    let pss: u64 = own.iter().map(|pid| pss_kib(*pid)).sum();
    let millis = (after - before) * 60 / watched / 1_000_000;
    let threads: usize = own.iter().map(|pid| fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()).sum();
    println!(
        "at rest, 10 components, {:<10} ours {:.1} MB PSS, {millis} ms CPU a minute, {threads} threads (reach 12 MB, 60 ms)",
        place.name(),
        megabytes(pss)
    );
    let inits = run.inits();
    if !inits.is_empty() {
        let more: u64 = inits.iter().map(|pid| pss_kib(*pid)).sum();
        println!("  and {} first processes of namespaces, {:.1} MB more", inits.len(), megabytes(more));
    }
}

/// Megabytes.
pub fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1e3 * 1.024
}

/// Proportional set size, KiB.
pub fn pss_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of every thread, nanoseconds. Not from `stat`, which counts in ticks of 10 ms: whoever wakes with the tick is
/// charged for all of it.
pub fn processor_ns(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| {
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            text.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        })
        .sum()
}
