//! `config set`, and values that are typed: what is refused before anything is written, and what is meant by a number or a time.

use crate::engine::{engine, status};
use crate::folder::Folder;
use serde_json::{Value, json};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

/// The bound of every wait: far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

type Posted = Receiver<(String, String, Value)>;

/// A system whose engine takes every configuration.
fn taking() -> (Folder, Posted) {
    let folder = Folder::with_system();
    let posted = engine(&folder, status("active", "healthy"), (200, json!({"sha256": "ab", "changes": []})));
    (folder, posted)
}

fn text_of(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path("failstop.toml")).unwrap()
}

#[track_caller]
fn nothing_posted(posted: &Posted) {
    assert!(matches!(posted.try_recv(), Err(TryRecvError::Empty)), "the engine was asked to take it");
}

#[test]
fn a_key_that_needs_a_restart_is_refused_before_it_is_written() {
    let (folder, posted) = taking();
    let before = text_of(&folder);
    let ran = folder.run(&["config", "set", "system.mode", "live"]).ends(1);
    assert!(
        ran.err.contains("needs a restart, so failstop.toml is left as it is: system.mode \"dry\" -> \"live\""),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("next: with --at-restart"), "{}", ran.err);
    assert_eq!((text_of(&folder), ran.out.as_str()), (before, ""));
    nothing_posted(&posted);
}

#[test]
fn it_is_written_where_that_is_meant_and_waits() {
    let (folder, posted) = taking();
    let ran = folder.run(&["config", "set", "system.mode", "live", "--at-restart"]).ends(0).quiet();
    assert!(ran.out.starts_with("failstop.toml is written: system.mode \"dry\" -> \"live\"\n"), "{}", ran.out);
    assert!(ran.out.contains("until then no other change of the file is taken"), "{}", ran.out);
    assert!(text_of(&folder).contains("mode = \"live\""));
    nothing_posted(&posted);
    // Where no engine runs there is nothing to wait for.
    let alone = Folder::with_system();
    alone.run(&["config", "set", "system.mode", "live"]).ends(0);
    assert!(text_of(&alone).contains("mode = \"live\""));
}

#[test]
fn a_live_key_is_written_and_taken() {
    let (folder, posted) = taking();
    folder.run(&["config", "set", "health.errors_per_minute", "7"]).ends(0).quiet();
    assert!(text_of(&folder).ends_with("\n[health]\nerrors_per_minute = 7\n"), "{}", text_of(&folder));
    let (method, path, _) = posted.recv_timeout(PATIENCE).unwrap();
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/control/config/reload"));
    // Also with the flag: what is live waits for nothing.
    folder.run(&["config", "set", "health.errors_per_minute", "8", "--at-restart"]).ends(0).quiet();
    posted.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_value_may_be_negative() {
    let (folder, _posted) = taking();
    folder.run(&["config", "set", "thresholds.daily_pnl.critical", "-49"]).ends(0).quiet();
    assert!(text_of(&folder).ends_with("\n[thresholds.daily_pnl]\ncritical = -49\n"), "{}", text_of(&folder));
    // A flag is still one.
    let ran = folder.run(&["config", "set", "log.level", "--no-persit", "debug"]).ends(2);
    assert!(ran.err.contains("--no-persist"), "{}", ran.err);
}

#[test]
fn a_time_may_be_in_days_and_one_that_is_too_long_says_how_long_it_may_be() {
    let folder = Folder::with_system();
    let posted = engine(&folder, status("active", "healthy"), (200, json!({"seq": 7})));
    let reason = ["--reason", "new disk"];
    folder.run(&[["limits", "override", "position", "-5", "--for", "2d"].as_slice(), &reason].concat()).ends(0).quiet();
    let (_, path, body) = posted.recv_timeout(PATIENCE).unwrap();
    assert_eq!(path, "/api/control/limits/override");
    assert_eq!((&body["value"], &body["for_seconds"]), (&json!("-5"), &json!(172_800)));
    for command in [["maintenance", "on"].as_slice(), &["limits", "override", "position", "5"]] {
        for span in ["8d", "169h"] {
            let ran = folder.run(&[command, &["--for", span], &reason].concat()).ends(2);
            assert!(ran.err.contains("at most 168h, which is 7d"), "{command:?} {span}: {}", ran.err);
        }
    }
    nothing_posted(&posted);
}
