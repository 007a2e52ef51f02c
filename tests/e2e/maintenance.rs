//! A maintenance window as bots and people hear of it: that it begins and until when, what is true meanwhile, and that it is over.

use crate::python_bot;
use crate::receiver::{Answers, Receiver};
use crate::remote::{Answer, text};
use crate::system::{System, has_halt, signal};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

/// Says what it is told of maintenance, once it has said who it is.
const BOT: &str = r#"
import json
one = socket.socket(socket.AF_UNIX)
one.connect(os.environ["FAILSTOP_SOCKET"])
one.sendall(b'{"id":1,"type":"hello","client":"bot","version":"1"}\n')
for line in one.makefile():
    if json.loads(line).get("event") == "maintenance" or json.loads(line).get("id") == 1:
        say(line.strip())
"#;

fn maintenance(system: &System, body: &Value) {
    let mut stream = UnixStream::connect(system.path("run/control.sock")).unwrap();
    stream.write_all(text("POST", "/api/control/maintenance", &body.to_string(), None).as_bytes()).unwrap();
    let answer = Answer::read(stream);
    assert_eq!(answer.code, 200, "{}", answer.json());
}

#[test]
fn bots_are_told_that_maintenance_begins_until_when_and_that_it_is_over() {
    let mut system = python_bot::system("", BOT);
    system.start();
    python_bot::wait_said(&system, 1);
    let asked = Timestamp::now();
    maintenance(&system, &json!({ "on": true, "for_seconds": 600, "reason": "a new disk" }));
    let said = python_bot::wait_said(&system, 2);
    let begins: Value = serde_json::from_str(&said[1]).unwrap();
    assert_eq!((&begins["event"], &begins["reason"]), (&json!("maintenance"), &json!("a new disk")), "{begins}");
    let until: Timestamp = begins["until"].as_str().unwrap().parse().unwrap();
    let (least, most) = (SignedDuration::from_mins(9), SignedDuration::from_mins(11));
    assert!((least..=most).contains(&until.duration_since(asked)), "{begins}, asked for at {asked}");
    maintenance(&system, &json!({ "on": false, "reason": "it is in" }));
    let said = python_bot::wait_said(&system, 3);
    assert_eq!(
        serde_json::from_str::<Value>(&said[2]).unwrap(),
        json!({ "event": "maintenance", "reason": "it is in" })
    );
    assert_eq!(system.stop(), 0);
}

/// A system whose people are told by `receiver`.
fn told_by(receiver: &Receiver) -> System {
    let system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n\
         [alerts]\nchannels = [\"webhook\"]\n[alerts.webhook]\nurl = { file = \"hook-url\" }\n\
         secret = { file = \"hook-secret\" }\ntimeout = \"2s\"\n",
    );
    for (name, text) in
        [("hook-url", receiver.url().as_str()), ("hook-secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    {
        fs::write(system.path(name), text).unwrap();
        fs::set_permissions(system.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    system
}

#[track_caller]
fn said(system: &System, command: &str, arguments: &[&str], status: i32) -> String {
    let output = system.run(command, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(status), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn a_window_that_lets_trading_go_on_is_seen_everywhere_and_people_are_told() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = told_by(&receiver);
    system.start();
    system.wait_active();
    let on = ["--for", "10m", "--reason", "a new disk", "--keep-trading"];
    said(&system, "maintenance on", &on, 0);
    let told = receiver.wait_taken("maintenance", "trigger");
    assert!(
        told.text("title").contains("maintenance until ") && told.text("message").contains("a new disk"),
        "{told:#?}"
    );
    assert!(told.text("message").contains("Trading goes on."), "{told:#?}");

    let status = system.wait_status("the window", |status| !status["maintenance"].is_null());
    assert_eq!(status["permission"], "active");
    let window = &status["maintenance"];
    assert_eq!((&window["reason"], &window["keep_trading"]), (&json!("a new disk"), &json!(true)), "{window}");
    let health: Value = serde_json::from_str(&system.get("/health").1).unwrap();
    assert_eq!(health["maintenance"]["by"], window["by"], "{health}");
    assert!(system.get("/metrics").1.contains("failstop_maintenance 1\n"));
    assert!(said(&system, "status", &[], 1).contains("maintenance until "), "a warning, and said");
    assert!(said(&system, "status", &["--nagios"], 1).starts_with("FAILSTOP WARNING - "));

    // What fails meanwhile is not said to be restarting.
    signal(system.pid_of("bot").unwrap(), 9);
    system.wait_record(1, "component.exited", |body| body["next"]["after_maintenance_ms"].is_u64());
    let status = system.wait_status("kept down", |status| {
        status["components"][0]["state"] == "backoff" && has_halt(status, "component-down")
    });
    let halt = status["halts"].as_array().unwrap().iter().find(|halt| halt["cause"] == "component-down").unwrap();
    assert!(halt["next"].as_str().unwrap().starts_with("failstop start bot, or failstop maintenance off"), "{halt}");
    assert!(status["health"]["reasons"].to_string().contains("before maintenance ends"), "{}", status["health"]);
    assert!(said(&system, "status", &[], 1).contains("not restarted during maintenance, until "));
    assert!(!system.log().contains("restarting now"), "{}", system.log());

    said(&system, "maintenance off", &[], 0);
    system.wait_status("started again", |status| status["components"][0]["ready"] == true);
    let over = receiver.wait_taken("maintenance", "resolve");
    assert!(over.text("title").ends_with("maintenance is over"), "{over:#?}");
    assert!(!system.log().contains("released by root (0): \n") && system.log().contains("off by "), "{}", system.log());
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_window_goes_on_over_a_restart_and_people_hear_of_its_other_end() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = told_by(&receiver);
    system.start();
    system.wait_active();
    said(&system, "maintenance on", &["--for", "10m", "--reason", "a new disk"], 0);
    receiver.wait_taken("maintenance", "trigger");
    assert_eq!(system.stop(), 0);
    system.start();
    let status = system.wait_status("the window", |status| has_halt(status, "maintenance"));
    assert_eq!(status["maintenance"]["keep_trading"], false, "{status:#}");
    let open = |system: &System| said(system, "alerts list", &["--format", "json"], 0);
    system.until("the same incident, with what is true now", || {
        let list: Value = serde_json::from_str(&open(&system)).unwrap();
        let alerts = list["alerts"].as_array().unwrap().clone();
        let of_window: Vec<&Value> = alerts.iter().filter(|alert| alert["cause"] == "maintenance").collect();
        assert_eq!(of_window.len(), 1, "{list:#}");
        assert!(of_window[0]["resolved_at"].is_null(), "the start did not end it: {list:#}");
        of_window[0]["title"].as_str().unwrap().contains("goes on after a start").then_some(())
    });
    said(&system, "maintenance off", &["--reason", "it is in"], 0);
    let over = receiver.wait_taken("maintenance", "resolve");
    assert!(over.text("message").contains("it is in"), "{over:#?}");
    assert_eq!(system.stop(), 0);
}
