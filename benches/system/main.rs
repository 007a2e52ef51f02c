//! Whole-system figures: the built `failstop` with a real component, beside a bare loop measured in the same run.
//!
//! Prints our figure, the reference's figure and the ratio; asserts nothing about speed. `FAILSTOP_BENCH_ONLY` is `restart`, `orders`,
//! `doors` or `rest` where one kind of figures is enough; those at rest are taken in each place of `FAILSTOP_BENCH_PLACES`.

#![expect(clippy::unwrap_used, reason = "a failed setup ends the bench")]

mod bare;
mod doors;
mod footprint;
mod orders;
mod place;
mod run;
mod strain;

use failstop_client::permit::{Intent, PermitPage};
use run::{Run, monotonic};
use std::path::Path;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [_, bare::REST, seconds] => return bare::rest(seconds.parse().unwrap()),
        [_, orders::BOT, folder, part] => return orders::bot(Path::new(folder), part),
        [_, doors::BARE, bytes] => return doors::bare(bytes.parse().unwrap()),
        _ => {}
    }
    let only = std::env::var("FAILSTOP_BENCH_ONLY").ok();
    let wanted = |kind: &str| only.as_deref().is_none_or(|only| only == kind);
    assert!(
        ["restart", "orders", "doors", "rest"].into_iter().any(wanted),
        "FAILSTOP_BENCH_ONLY is {only:?}: it may be restart, orders, doors or rest"
    );
    if wanted("restart") {
        crash_to_first_instruction();
        hang_to_new_instance();
        kill_switch();
    }
    if wanted("orders") {
        orders::round_trips();
        orders::under_strain();
    }
    if wanted("doors") {
        doors::doors();
    }
    if wanted("rest") {
        footprint::at_rest();
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// SIGKILL of the component to the first instruction of its successor, everything recorded.
fn crash_to_first_instruction() {
    const ROUNDS: usize = 20;
    // Longer than `reset_after`, so that each restart is a first one, which is immediate.
    const REST: Duration = Duration::from_millis(1_100);
    let mut loop_of_its_own = bare::Bare::start();
    let run = Run::start(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"STAMP\", \"DIR/stamps\"]\norders = \"asks\"\n",
        "start_limit = { starts = 1000, within = \"300s\" }\n",
        "backoff = { initial = \"10ms\", max = \"10ms\", reset_after = \"1s\" }\n",
    ));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // Both in each round, since the machine's speed changes while this runs; each first in every other one, since who comes
    // second finds warmer caches.
    for round in 0..ROUNDS {
        run.stamp(round);
        let pid = run.component_pid();
        std::thread::sleep(REST);
        let bare_first = round.is_multiple_of(2);
        if bare_first {
            bare.push(loop_of_its_own.restart(round));
        }
        let killed = monotonic();
        run::signal(pid, libc::SIGKILL);
        ours.push((run.stamp(round + 1) - killed) as f64 / 1e6);
        if !bare_first {
            bare.push(loop_of_its_own.restart(round));
        }
    }
    let (ours, bare) = (median(ours), median(bare));
    println!(
        "crash -> new first instruction  ours {ours:.3} ms   bare posix_spawn + pidfd loop {bare:.3} ms   ratio {:.2}",
        ours / bare
    );
}

/// SIGSTOP of the component to the first instruction of its successor, less the heartbeat deadline.
fn hang_to_new_instance() {
    const ROUNDS: usize = 5;
    let run = Run::start(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"STAMP\", \"DIR/stamps\", \"20\"]\norders = \"asks\"\n",
        "liveness = { heartbeat = \"1s\" }\nstart_limit = { starts = 1000, within = \"300s\" }\n",
        "backoff = { initial = \"10ms\", max = \"10ms\", reset_after = \"1s\" }\n",
    ));
    let mut ours = Vec::new();
    for round in 0..ROUNDS {
        run.stamp(round);
        let pid = run.component_pid();
        std::thread::sleep(Duration::from_millis(200));
        let stopped = monotonic();
        run::signal(pid, libc::SIGSTOP);
        ours.push((run.stamp(round + 1) - stopped) as f64 / 1e6);
    }
    println!(
        "hang -> new instance            ours {:.1} ms after the freeze, with a beat deadline of 1 000 ms",
        median(ours)
    );
}

/// Start of the kill-switch process to the permit's denial and to the end of the last component process.
fn kill_switch() {
    const ROUNDS: usize = 10;
    let (mut denies, mut gone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let run = Run::start(concat!(
            "[[component]]\nname = \"bot\"\ncommand = [\"STAMP\", \"DIR/stamps\"]\norders = \"asks\"\n",
            "[[component]]\nname = \"other\"\ncommand = [\"STAMP\", \"DIR/others\"]\norders = \"asks\"\n",
        ));
        run.stamp(0);
        run.wait_active();
        let permit = PermitPage::open(&run.path("run/permit")).unwrap();
        let pids = run.component_pids();
        let started = monotonic();
        let mut engage = run.command("kill-switch engage");
        let mut engage = engage.args(["--reason", "bench"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        while permit.check(0, Intent::Open).allows() {
            std::hint::spin_loop();
        }
        denies.push((monotonic() - started) as f64 / 1e6);
        while pids.iter().any(|pid| run::exists(*pid)) {
            std::thread::yield_now();
        }
        gone.push((monotonic() - started) as f64 / 1e6);
        engage.wait().unwrap();
    }
    println!("kill switch -> permit denies    ours {:.2} ms (reach 5 ms)", median(denies));
    println!("kill switch -> last process gone ours {:.2} ms (reach 20 ms)", median(gone));
}
