//! Whichever of failstop's own processes dies, no process of a component outlives it, and the permit denies.

use crate::rounds;
use crate::system::{System, signal};
use failstop_client::permit::{Intent, PermitPage};
use std::time::{Duration, Instant};

/// One component ignores SIGTERM in a session of its own, one double-forks, one has a chain and a stopped child.
const STUBBORN: &str = r#"
[[component]]
name = "own-session"
command = ["BOT", "ignore-term", "child"]
orders = "asks"
[[component]]
name = "double-fork"
command = ["BOT", "double-fork"]
orders = "asks"
[[component]]
name = "chain"
command = ["BOT", "chain", "5", "stopped-child"]
orders = "none"
"#;

/// How many processes those are: 2 + 2 + 7.
const PROCESSES: usize = 11;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Engine,
    Guard,
}

impl Victim {
    /// Kills it, waits until nothing of the system's is alive, and until `failstop run` has ended. What was killed may still
    /// be on its way out then: the next start has to cope with that.
    fn kill(self, system: &mut System) {
        let victim = match self {
            Self::Engine => system.engine_pid(),
            Self::Guard => system.guard_pid(),
        };
        signal(victim, libc::SIGKILL);
        system.wait_no_survivors(Duration::from_secs(1));
        system.wait_end();
    }
}

fn kill_and_count(mut system: System, victim: Victim, rounds: u32) {
    let mut epoch = 0;
    for round in 0..rounds {
        system.start();
        let status = system.wait_active();
        assert!(status["epoch"].as_u64().unwrap() > epoch, "round {round}: the epoch rises");
        epoch = status["epoch"].as_u64().unwrap();
        let what = format!("all of them in round {round}");
        system.until(&what, || (system.survivors().len() >= PROCESSES).then_some(()));
        assert_eq!(system.survivors().len(), PROCESSES, "round {round}: all are there before");
        let permit = PermitPage::open(&system.path("run/permit")).unwrap();
        victim.kill(&mut system);
        assert!(!permit.check(0, Intent::Open).allows(), "round {round}: the permit denies");
    }
}

#[test]
fn engine_killed_as_root_with_a_cgroup() {
    kill_and_count(System::new(STUBBORN), Victim::Engine, rounds(5));
}

#[test]
fn guard_killed_as_root_with_a_cgroup() {
    kill_and_count(System::new(STUBBORN), Victim::Guard, rounds(5));
}

#[test]
fn engine_killed_without_a_cgroup() {
    kill_and_count(System::with_head("mode = \"dry\"\ncgroup = false", STUBBORN), Victim::Engine, rounds(5));
}

#[test]
fn guard_killed_without_a_cgroup() {
    kill_and_count(System::with_head("mode = \"dry\"\ncgroup = false", STUBBORN), Victim::Guard, rounds(5));
}

#[test]
fn engine_killed_as_an_ordinary_user() {
    kill_and_count(System::new(STUBBORN).run_as(65534), Victim::Engine, rounds(5));
}

#[test]
fn guard_killed_as_an_ordinary_user() {
    kill_and_count(System::new(STUBBORN).run_as(65534), Victim::Guard, rounds(5));
}

/// The engine or the guard dies within 3 ms of a spawn: the bot exits at once and is spawned again and again.
fn killed_while_spawning(victim: Victim, rounds: u32) {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"lock\", \"DIR/lock\", \"append\", \"DIR/starts\", \"double-fork\", \"kill\", \"9\"]\n",
        "orders = \"asks\"\nstart_limit = { starts = 1000, within = \"300s\" }\n",
        "backoff = { initial = \"10ms\", max = \"10ms\", reset_after = \"60s\" }\n",
    ));
    let starts = |system: &System| std::fs::read(system.path("starts")).unwrap_or_default().len();
    for round in 0..rounds {
        system.start();
        let before = starts(&system);
        let end = Instant::now() + crate::system::PATIENCE;
        while starts(&system) == before && Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(starts(&system) > before, "round {round}: it is spawned again and again");
        std::thread::sleep(Duration::from_micros(u64::from(round) * 373 % 3_000));
        victim.kill(&mut system);
    }
    assert!(!system.path("lock.shout").exists(), "two copies ran at a time");
}

#[test]
fn engine_killed_while_spawning() {
    killed_while_spawning(Victim::Engine, rounds(5));
}

#[test]
fn guard_killed_while_spawning() {
    killed_while_spawning(Victim::Guard, rounds(5));
}
