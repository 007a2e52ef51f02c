//! What guard and engine use at rest, with ten components.

use crate::run::Run;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// Proportional set size and processor time over a minute.
pub fn at_rest() {
    let mut configuration = String::new();
    for index in 0..10 {
        writeln!(
            configuration,
            "[[component]]\nname = \"c{index}\"\ncommand = [\"STAMP\", \"DIR/stamps\"]\norders = \"none\"\n"
        )
        .unwrap();
    }
    let run = Run::start(&configuration);
    let own = run.own_pids();
    // Past start-up's work, so that it is rest that is measured.
    std::thread::sleep(Duration::from_secs(5));
    let before: u64 = own.iter().map(|pid| processor_ns(*pid)).sum();
    std::thread::sleep(Duration::from_secs(60));
    let after: u64 = own.iter().map(|pid| processor_ns(*pid)).sum();
    let pss: u64 = own.iter().map(|pid| pss_kib(*pid)).sum();
    let millis = (after - before) / 1_000_000;
    println!(
        "at rest, 10 components          ours {:.1} MB PSS, {millis} ms CPU a minute (reach 12 MB, 60 ms)",
        pss as f64 / 1e3 * 1.024
    );
}

fn pss_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of every thread, nanoseconds. Not from `stat`, which counts in ticks of 10 ms: whoever wakes with the tick is
/// charged for all of it.
fn processor_ns(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| {
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            text.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        })
        .sum()
}
