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

#[test]
fn a_drill_goes_all_the_way_and_a_channel_that_takes_nothing_fails_it() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let mut running = Running::watchdog(&folder, free_port(), &target(&fake, ""));
    running.until_state("demo", "up");
    let drill = ended(&["drill"], folder.path());
    let said = String::from_utf8_lossy(&drill.stdout).into_owned();
    assert_eq!(drill.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&drill.stderr));
    assert!(said.contains("ok      log_file: took the alert and its end"), "{said}");
    let lines = alerts(&folder);
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["incident.trigger", "incident.resolve"], "{lines:?}");
    assert!(
        lines.iter().all(|line| line["data"]["drill"] == true && line["data"]["severity"] == "critical"),
        "{lines:?}"
    );
    assert_eq!(running.status()["open_incidents"], 0);

    // A channel whose file cannot be written, and a watchdog that dies while its answer is waited for.
    std::fs::remove_file(folder.path().join("alerts.log")).unwrap_or_else(|error| panic!("{error}"));
    std::fs::create_dir(folder.path().join("alerts.log")).unwrap_or_else(|error| panic!("{error}"));
    let mut asking = watchdog(&["drill"], folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    until("it stands open", || (running.status()["open_incidents"] == 1).then_some(()));
    running.kill();
    assert_eq!(asking.wait().ok().and_then(|status| status.code()), Some(3), "the watchdog died in the middle");
    // The next life ends it, and people are told so once they can be.
    std::fs::remove_dir(folder.path().join("alerts.log")).unwrap_or_else(|error| panic!("{error}"));
    let again = Running::start(&folder, &["--config", "watchdog.toml"], running.port, "watchdog.err");
    until(&format!("its end: {}", again.said()), || (again.status()["open_incidents"] == 0).then_some(()));
}

#[test]
fn check_says_what_a_responder_may_do_and_asks_nothing_of_it_that_a_watchdog_has() {
    let folder = Folder::new();
    let actuate = |start: &str| {
        let text = format!(
            "[actuate]\nname = \"bot-host\"\nkeys = [\"{}\"]\n\
             [[unit]]\nname = \"demo\"\nengine = \"/run/failstop/demo\"\nstart = [\"{start}\", \"start\"]\n",
            folder.key().display()
        );
        folder.write("actuate.toml", &text);
        let checked = ended(&["check", "--config", "actuate.toml"], folder.path());
        (checked.status.code(), String::from_utf8_lossy(&checked.stdout).into_owned())
    };
    let (code, said) = actuate("sh");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("unit     demo: its engine is in /run/failstop/demo") && said.contains("started by `sh start`"),
        "{said}"
    );
    for nonsense in ["[peer]", "references", "reaches a person", "channels"] {
        assert!(!said.contains(nonsense), "{said}");
    }
    let (code, said) = actuate("/no/such/program");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("failed   unit \"demo\": `start`: there is no program /no/such/program"), "{said}");
}
