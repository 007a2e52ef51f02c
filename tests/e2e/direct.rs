//! A component that asks nobody runs only while the permission is `active` and the mode `live`.

use crate::system::{PATIENCE, System, has_halt, signal};
use std::time::Duration;

const DIRECT: &str = concat!(
    "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"append\", \"DIR/starts\", \"beat\", \"100\"]\norders = \"direct\"\n",
    "liveness = { heartbeat = \"1s\" }\n",
);

fn state_of(status: &serde_json::Value) -> &str {
    status["components"][0]["state"].as_str().unwrap()
}

#[test]
fn in_dry_it_is_never_started() {
    let mut system = System::new(DIRECT);
    system.start();
    let status = system.wait_status("active", |status| status["permission"] == "active");
    assert_eq!(state_of(&status), "stopped");
    // The ceiling of the configuration binds the operator too.
    let name = system.name.clone();
    assert_eq!(system.run("mode live", &["--confirm", &name]).status.code(), Some(1));
    assert!(!system.path("starts").exists());
    assert_eq!(system.stop(), 0);
}

#[test]
fn it_runs_in_live_and_is_stopped_by_dry_and_by_a_halt_and_not_restarted_when_it_hangs() {
    let mut system = System::with_head("mode = \"live\"", DIRECT);
    system.start();
    // An empty state directory with `live` configured may be a lost latch.
    system.wait_status("new-journal", |status| has_halt(status, "new-journal"));
    let name = system.name.clone();
    let resumed = system.run("resume", &["--reason", "first start", "--confirm", &name]);
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(!system.path("starts").exists(), "the mode is dry until the ceremony");
    let live = system.run("mode live", &["--confirm", &name]);
    assert_eq!(live.status.code(), Some(0), "{}", String::from_utf8_lossy(&live.stderr));
    system.wait_status("running", |status| state_of(status) == "ready" && status["mode"] == "live");

    assert_eq!(system.run("mode dry", &[]).status.code(), Some(0));
    system.wait_status("stopped by dry", |status| state_of(status) == "stopped");
    system.wait_no_survivors(PATIENCE);
    assert_eq!(system.run("mode live", &["--confirm", &name]).status.code(), Some(0));
    system.wait_status("running again", |status| state_of(status) == "ready");

    let bot = system.pid_of("bot").unwrap();
    signal(bot, libc::SIGSTOP);
    let status = system.wait_status("halted and stopped", |status| {
        has_halt(status, "heartbeat-lost") && state_of(status) == "stopped"
    });
    assert_eq!(status["permission"], "observe-only");
    system.wait_no_survivors(Duration::from_secs(5));
    assert_eq!(std::fs::read_to_string(system.path("starts")).unwrap().lines().count(), 2);
    assert_eq!(system.stop(), 0);
}
