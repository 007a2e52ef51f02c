//! Up and down, check-ins, commands, the doors.

use crate::fake::Fake;
use crate::running::*;

fn target(fake: &Fake, more: &str) -> String {
    format!(
        "[[target]]\nname = \"demo\"\nurl = \"{}\"\ninterval = \"200ms\"\ntimeout = \"2s\"\nsettle = \"300ms\"\n{more}\n",
        fake.url("/health")
    )
}

#[test]
fn down_is_told_with_the_last_success_and_up_again_too() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let running = Running::watchdog(&folder, free_port(), &target(&fake, ""));
    running.until_state("demo", "up");
    fake.set(|it| it.healthy = false);
    let alert = until_told(&folder, "demo/target-down/1", &running);
    assert_eq!(alert["data"]["severity"], "critical");
    let facts = &alert["data"]["metadata"];
    assert_eq!(facts["failures in a row"], "3");
    assert!(facts["last success"].as_str().is_some_and(|at| at.starts_with("20")), "{facts}");
    assert_eq!(facts["watchdog"], "wd1");
    assert!(facts["last answer"].as_str().is_some_and(|answer| answer.contains("critical")));
    fake.set(|it| it.healthy = true);
    until("its end", || {
        told(&folder).into_iter().find(|(kind, key)| kind.contains("resolve") && key == "demo/target-down/1")
    });
    assert_eq!(told(&folder).len(), 2, "{:?}", told(&folder));
}

#[test]
fn a_cached_answer_is_caught_by_its_nonce() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let running = Running::watchdog(&folder, free_port(), &target(&fake, "nonce = \"require\""));
    running.until_state("demo", "up");
    fake.set(|it| it.echo_nonce = false);
    let alert = until_told(&folder, "demo/target-down/1", &running);
    assert!(alert["data"]["message"].as_str().is_some_and(|text| text.contains("does not echo")), "{alert}");
}

/// Polling comes once in an hour: only the stream can have noticed.
#[test]
fn a_hang_is_noticed_by_the_stream() {
    let (fake, folder) = (Fake::start(), Folder::new());
    fake.set(|it| it.stream = true);
    let rest = target(&fake, "").replace("200ms\"\ntimeout", "1h\"\ntimeout");
    let running = Running::watchdog(&folder, free_port(), &rest);
    until("beats", || running.target("demo")["stream"].as_bool().filter(|streams| *streams));
    fake.set(|it| it.answers = false);
    let alert = until_told(&folder, "demo/target-down/1", &running);
    assert!(alert["data"]["message"].as_str().is_some_and(|text| text.contains("time-out")), "{alert}");
}

#[test]
fn check_ins_come_by_url_and_want_their_token() {
    let folder = Folder::new();
    let secret = folder.key();
    let rest = format!(
        "[[checkin]]\nname = \"nightly\"\nperiod = \"1s\"\ngrace = \"500ms\"\n\
         [[checkin]]\nname = \"guarded\"\nperiod = \"24h\"\ntoken = {{ file = \"{}\" }}\n",
        secret.display()
    );
    let running = Running::watchdog(&folder, free_port(), &rest);
    assert_eq!(running.get("/ping/nightly/start?rid=a").0, 200);
    assert_eq!(running.get("/ping/nightly?rid=a"), (200, "OK\n".to_owned()));
    assert_eq!(running.get("/ping/nobody").0, 404);
    assert_eq!(running.get("/ping/guarded").0, 403);
    assert_eq!(running.get(&format!("/ping/guarded?token=wd1:{}", "5a".repeat(32))).0, 200);
    until_told(&folder, "nightly/checkin-missed/1", &running);
    assert_eq!(running.get("/ping/nightly/0").0, 200);
    until("its end", || told(&folder).into_iter().find(|(kind, _)| kind.contains("resolve")));
    assert_eq!(running.get("/ping/guarded/7?token=x").0, 403);
}

#[test]
fn the_doors_say_what_they_promise() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let running = Running::watchdog(&folder, free_port(), &target(&fake, ""));
    running.until_state("demo", "up");
    let status = running.status();
    for key in ["name", "targets", "checkins", "channels"] {
        assert!(!status[key].is_null(), "{key}: {status}");
    }
    for key in ["name", "state", "consecutive_failures", "last_success", "last_error", "incident"] {
        assert!(status["targets"][0].get(key).is_some(), "{key}: {status}");
    }
    let (code, health) = running.get("/health");
    assert_eq!(code, 200, "{health}");
    assert!(running.get("/").1.contains("<td class=\"up\">up"));
    let metrics = running.get("/metrics").1;
    assert!(metrics.contains("failstop_watchdog_target_up{target=\"demo\"} 1\n"), "{metrics}");
    assert_eq!(running.get("/nothing").0, 404);
}

#[test]
fn commands_reach_the_running_watchdog() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let path = folder.path();
    let none = ended(&["--config", "watchdog.toml", "status"], path);
    assert_eq!(none.status.code(), Some(2), "no configuration yet");
    let mut running = Running::watchdog(&folder, free_port(), &target(&fake, ""));
    running.until_state("demo", "up");
    let code = |arguments: &[&str]| ended(arguments, path).status.code();
    assert_eq!(code(&["status"]), Some(0));
    assert_eq!(code(&["silence", "demo", "--for", "1h", "--reason", "x"]), Some(0));
    assert_eq!(code(&["status"]), Some(1));
    assert_eq!(running.target("demo")["state"], "maintenance");
    assert_eq!(code(&["resume", "demo"]), Some(0));
    assert_eq!(code(&["resume", "demo"]), Some(1));
    assert_eq!(code(&["release", "demo"]), Some(1), "there is nothing to release");
    assert_eq!(code(&["release", "nobody"]), Some(1));
    assert_eq!(code(&["silence", "demo", "--for", "soon", "--reason", "x"]), Some(2));
    assert_eq!(code(&["test-alert"]), Some(0));
    assert_eq!(code(&["check"]), Some(0));
    fake.set(|it| it.healthy = false);
    running.until_state("demo", "down");
    until_told(&folder, "demo/target-down/1", &running);
    assert_eq!(code(&["status"]), Some(2));
    assert_eq!(code(&["ack", "demo/target-down/1"]), Some(0));
    assert_eq!(code(&["ack", "demo/target-down/9"]), Some(1));
    let second = ended(&[], path);
    assert_eq!(second.status.code(), Some(3), "one watchdog a state directory");
    assert!(String::from_utf8_lossy(&second.stderr).contains("next: "));
    running.kill();
    assert_eq!(code(&["status"]), Some(3));
}
