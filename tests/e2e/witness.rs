//! An engine that asks its witness: at its start, and before a release takes effect. The witness is a real watchdog.

use crate::stage::{SECOND, WATCHDOG, Watched};
use crate::system::{PATIENCE, has_halt, signal};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// The stage with `[witness]` in the engine's configuration from its second life on: the watchdog knows the journal by then.
fn with_a_witness() -> Watched {
    let mut watched = Watched::start(SECOND);
    watched.until_proved();
    assert_eq!(watched.system.stop(), 0);
    let (config, url) = (watched.said("failstop.toml"), url(&watched));
    let witness = format!("[witness]\nurl = \"{url}\"\ntimeout = \"1s\"\ntwo_key_wait = \"10s\"\n");
    watched.write("failstop.toml", &format!("{config}{witness}"));
    watched.system.start();
    watched.system.wait_active();
    watched
}

fn url(watched: &Watched) -> String {
    format!("http://127.0.0.1:{}/witness/{}", watched.port, watched.system.name)
}

fn seq_of(watched: &Watched, kind: &str, wanted: impl Fn(&Value) -> bool) -> Option<u64> {
    let records = watched.system.records();
    let found = records.iter().rfind(|record| record["t"] == kind && wanted(&record["b"]));
    found.and_then(|record| record["seq"].as_u64())
}

#[test]
fn a_release_takes_effect_when_the_watchdog_remembers_its_order() {
    let watched = with_a_witness();
    let name = watched.system.name.clone();
    let release = ["--reason", "venue is back", "--confirm", name.as_str()];
    assert_eq!(watched.system.run("kill-switch engage", &["--reason", "odd fills"]).status.code(), Some(0));
    watched.system.wait_status("shutdown", |status| status["permission"] == "shutdown");
    let released = watched.system.run("kill-switch release", &release);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    watched.system.wait_active();
    let order =
        seq_of(&watched, "operator.order", |body| body["order"].as_str().unwrap().contains("waiting for the witness"));
    let cleared = seq_of(&watched, "halt.cleared", |body| body["cause"] == "kill-switch");
    assert!(order.is_some() && order < cleared, "{order:?} {cleared:?}");
    assert!(watched.proved() >= order, "{:?} {order:?}", watched.proved());

    // A watchdog that stands still acknowledges nothing: the release is refused in words, and nothing is released.
    assert_eq!(watched.system.run("kill-switch engage", &["--reason", "again"]).status.code(), Some(0));
    signal(watched.pid(WATCHDOG), libc::SIGSTOP);
    let refused = watched.system.run("kill-switch release", &release);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("did not acknowledge") && said.contains("waiting for the engine"), "{said}");
    assert!(has_halt(&watched.system.wait_answer(), "kill-switch"));
    signal(watched.pid(WATCHDOG), libc::SIGCONT);
    // It looks at what it missed first; then the order is given again.
    watched.until("a release", || watched.system.run("kill-switch release", &release).status.code() == Some(0));
    watched.system.wait_active();
}

#[test]
fn a_start_waits_for_a_witness_that_does_not_answer_and_goes_on_by_itself() {
    let mut watched = with_a_witness();
    assert_eq!(watched.system.stop(), 0);
    watched.kill(WATCHDOG);
    watched.system.start();
    let status = watched.system.wait_status("the environment halt", |status| has_halt(status, "environment"));
    assert_eq!(status["permission"], "observe-only", "{status}");
    watched.run(&["--config", "watchdog.toml"], WATCHDOG);
    watched.system.wait_active();
}

#[test]
fn a_state_that_went_back_halts_at_its_start_and_verify_data_says_so() {
    let mut watched = with_a_witness();
    let (state, old) = (watched.system.path("state"), watched.system.path("old"));
    assert!(Command::new("cp").arg("-a").arg(&state).arg(&old).status().unwrap().success());
    for _ in 0..2 {
        assert_eq!(watched.system.stop(), 0);
        watched.system.start();
        watched.system.wait_active();
    }
    watched.until_proved();
    assert_eq!(watched.system.stop(), 0);
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&old, &state).unwrap();
    fs::remove_dir_all(watched.system.path("run")).unwrap();

    let url = url(&watched);
    assert_eq!(watched.system.run("verify-data", &[]).status.code(), Some(0), "its chain is whole");
    let verified = watched.system.run("verify-data", &["--witness", &url, "--format", "json"]);
    assert_eq!(verified.status.code(), Some(1), "{}", String::from_utf8_lossy(&verified.stderr));
    let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["violations"][0]["class"], "rollback", "{report}");
    assert!(
        report["violations"][0]["detail"].as_str().unwrap().contains("the last record on which both agree"),
        "{report}"
    );

    watched.system.start();
    let status = watched.system.wait_status("the halt", |status| has_halt(status, "witness"));
    assert_eq!(status["permission"], "shutdown");
    watched.system.wait_no_survivors(PATIENCE);
    // The resume is refused while the watchdog remembers otherwise.
    let name = watched.system.name.clone();
    let resumed = watched.system.run("resume", &["--reason", "restored", "--confirm", &name]);
    assert_eq!(resumed.status.code(), Some(1), "{}", String::from_utf8_lossy(&resumed.stdout));
}
