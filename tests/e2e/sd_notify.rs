//! Programs that speak sd_notify through other people's libraries need no change.

use crate::system::{System, has_halt, signal};
use std::path::{Path, PathBuf};

/// The Python that has the package `sdnotify`: `cargo xtask setup` makes it.
fn python() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3");
    assert!(path.exists(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}

fn ready_beats_hangs_is_replaced(program: &str) {
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = {program}\norders = \"asks\"\nreadiness = {{ notify = true }}\n\
         liveness = {{ watchdog = \"2s\" }}\n"
    ));
    system.start();
    let status = system.wait_active();
    assert_eq!(status["components"][0]["status_text"], "trading");
    // It lives past several deadlines, so its beats are heard.
    let from = system.next_seq();
    system.wait_status("past two deadlines", |status| {
        status["components"][0]["uptime_seconds"].as_f64().is_some_and(|up| up > 5.0)
    });
    assert!(
        system
            .records()
            .iter()
            .all(|record| record["seq"].as_u64().unwrap() < from || record["t"] != "component.killed")
    );
    let first = system.pid_of("bot").unwrap();
    signal(first, libc::SIGSTOP);
    let status = system.wait_status("hung and replaced", |status| {
        has_halt(status, "hung") && status["components"][0]["ready"] == true
    });
    assert_ne!(status["components"][0]["pid"], first);
    assert_eq!(system.stop(), 0);
}

#[test]
fn the_python_package_sdnotify() {
    let script = r#"
import sdnotify, time
notifier = sdnotify.SystemdNotifier()
notifier.notify("READY=1\nSTATUS=trading")
while True:
    notifier.notify("WATCHDOG=1")
    time.sleep(0.3)
"#;
    let python = python();
    ready_beats_hangs_is_replaced(&format!("[\"{}\", \"-c\", '''{script}''']", python.display()));
}

#[test]
fn systemd_notify_from_a_shell() {
    let script = "systemd-notify --ready --status=trading; while :; do systemd-notify WATCHDOG=1; sleep 0.3; done";
    ready_beats_hangs_is_replaced(&format!("[\"/bin/sh\", \"-c\", \"{script}\"]"));
}
