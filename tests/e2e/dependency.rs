//! A program that probes a dependency runs in the running engine, and decides there whether trading may begin.

use crate::system::System;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn script(system: &System, text: &str) {
    let path = system.path("probe.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const VENUE: &str = concat!(
    "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n",
    "[[dependency]]\nname = \"venue\"\nexec = [\"./probe.sh\"]\ntimeout = \"2s\"\n",
);

fn environment_evidence(status: &serde_json::Value) -> Option<String> {
    let halts = status["halts"].as_array().unwrap();
    let halt = halts.iter().find(|halt| halt["cause"] == "environment")?;
    Some(halt["evidence"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_program_decides_whether_trading_may_begin_and_is_asked_again() {
    let mut system = System::new(VENUE);
    script(&system, "echo \"$PPID\" > probed-by; test -e venue-is-up");
    system.start();
    let status = system.wait_status("the environment's halt", |status| environment_evidence(status).is_some());
    assert_eq!(status["permission"], "observe-only");
    let evidence = environment_evidence(&status).unwrap();
    assert!(evidence.contains("venue") && evidence.contains("ended with status 1"), "{evidence}");
    // The engine itself started it: its death would have been the program's.
    let parent = fs::read_to_string(system.path("probed-by")).unwrap();
    assert_eq!(parent.trim().parse::<i32>().unwrap(), system.engine_pid());
    fs::write(system.path("venue-is-up"), "").unwrap();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_program_that_hangs_is_killed_with_what_it_left_in_the_background() {
    let mut system = System::new(VENUE);
    // The second time it ends at once.
    script(&system, "mkdir asked || exit 0\nsleep 1000 & setsid sleep 1000 & (sleep 1000 &)\nexec sleep 1000");
    system.start();
    let status = system.wait_status("the environment's halt", |status| environment_evidence(status).is_some());
    let evidence = environment_evidence(&status).unwrap();
    assert!(evidence.contains("no answer in time"), "{evidence}");
    let status = system.wait_active();
    let bot = i32::try_from(status["components"][0]["pid"].as_i64().unwrap()).unwrap();
    system.until("nothing left of the program", || (system.survivors() == [bot]).then_some(()));
    assert_eq!(system.stop(), 0);
}
