//! The kill switch works in every state of the engine, latches on disk, and is released only with a reason.

use crate::rounds;
use crate::system::{PATIENCE, System, signal};
use failstop_client::permit::{Intent, PermitPage};
use std::time::Duration;

const BOTS: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ignore-term\", \"child\", \"double-fork\"]\norders = \"asks\"\n";

fn engage(system: &System) -> std::process::Output {
    let output = system.run("kill-switch engage", &["--reason", "test"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn running_engine() {
    let mut system = System::new(BOTS);
    system.start();
    system.wait_active();
    let permit = PermitPage::open(&system.path("run/permit")).unwrap();
    engage(&system);
    assert!(!permit.check(0, Intent::Open).allows());
    system.wait_no_survivors(PATIENCE);
    let status = system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    assert_eq!(status["kill_switch"], true);
    // Idempotent.
    engage(&system);
    // Latched over a restart.
    assert_eq!(system.stop(), 5);
    system.start();
    assert_eq!(system.wait_answer()["kill_switch"], true);
    assert!(system.survivors().is_empty());
    // Released with a reason and the name, on the running engine only.
    let name = system.name.clone();
    let wrong = system.run("kill-switch release", &["--reason", "over", "--confirm", "other"]);
    assert_ne!(wrong.status.code(), Some(0));
    let released = system.run("kill-switch release", &["--reason", "over", "--confirm", &name]);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    system.wait_active();
    assert!(!system.path("state/kill-switch").exists());
    assert_eq!(system.stop(), 0);
}

#[test]
fn engine_never_started_and_configuration_broken() {
    let mut system = System::new(BOTS);
    engage(&system);
    assert!(system.path("state/kill-switch").exists());
    system.start();
    assert_eq!(system.wait_answer()["kill_switch"], true);
    assert!(system.survivors().is_empty());
    assert_eq!(system.stop(), 5);
    let text = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    std::fs::write(system.path("failstop.toml"), format!("{text}\nnonsense = = 3\n")).unwrap();
    let state = system.path("state");
    let runtime = system.path("run");
    let output = system.run(
        "kill-switch engage",
        &["--reason", "test", "--state", state.to_str().unwrap(), "--runtime", runtime.to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn engine_dead() {
    let mut system = System::new(BOTS);
    system.start();
    system.wait_active();
    let engine = system.engine_pid();
    signal(engine, libc::SIGKILL);
    system.wait_end();
    engage(&system);
    assert!(system.survivors().is_empty());
}

#[test]
fn frozen_engine_also_when_it_wakes_at_the_worst_moment() {
    for round in 0..rounds(10) {
        let mut system = System::new(BOTS);
        system.start();
        system.wait_active();
        let engine = system.engine_pid();
        signal(engine, libc::SIGSTOP);
        let pause = Duration::from_micros(u64::from(round) * 211 % 20_000);
        let waker = std::thread::spawn(move || {
            std::thread::sleep(pause);
            signal(engine, libc::SIGCONT);
        });
        engage(&system);
        assert!(system.path("state/kill-switch").exists());
        waker.join().unwrap();
        system.wait_no_survivors(PATIENCE);
        system.wait_status("shutdown", |status| status["kill_switch"] == true);
        assert!(system.survivors().is_empty(), "round {round}");
        assert_eq!(system.stop(), 5);
    }
}

#[test]
fn what_the_kill_switch_ended_while_the_engine_was_frozen_did_not_end_by_itself() {
    let several = "[[component]]\nname = \"scanner\"\ncommand = [\"BOT\"]\norders = \"none\"\n";
    let mut system = System::new(&format!("{several}{}", BOTS));
    system.start();
    system.wait_active();
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    engage(&system);
    assert!(system.survivors().is_empty());
    signal(engine, libc::SIGCONT);
    for component in ["scanner", "bot"] {
        let exited = system.wait_record(1, "component.exited", |body| body["component"] == component);
        assert_eq!((&exited["b"]["requested"], &exited["b"]["failure"]), (&true.into(), &false.into()), "{exited}");
    }
    let blamed = system.records().into_iter().filter(|record| record["t"] == "halt.raised");
    let blamed: Vec<_> = blamed.filter(|record| record["b"]["cause"] == "component-down").collect();
    // Until each is ready at its start it is down as well.
    assert!(blamed.iter().all(|halt| !halt["b"]["evidence"].as_str().unwrap().contains("exited")), "{blamed:?}");
    assert_eq!(system.stop(), 5);
}

/// Nothing readable is left of what the engine wrote down, the configuration is broken, and the engine is frozen.
#[test]
fn frozen_engine_that_has_left_no_word() {
    let mut system = System::new(BOTS);
    system.start();
    system.wait_active();
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    let words = std::fs::read(system.path("run/engine.json")).unwrap();
    for dir in ["run", "state"] {
        std::fs::write(system.path(dir).join("engine.json"), "{").unwrap();
    }
    let sound = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    std::fs::write(system.path("failstop.toml"), format!("{sound}\nnonsense = = 3\n")).unwrap();
    let said = String::from_utf8(engage(&system).stdout).unwrap();
    assert!(said.contains("is frozen; it obeys the latch when it wakes"), "{said}");
    assert!(system.survivors().is_empty(), "{said}");
    std::fs::write(system.path("failstop.toml"), sound).unwrap();
    std::fs::write(system.path("run/engine.json"), words).unwrap();
    signal(engine, libc::SIGCONT);
    system.wait_status("shutdown", |status| status["kill_switch"] == true);
    assert_eq!(system.stop(), 5);
}
