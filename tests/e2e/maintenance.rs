//! A maintenance window as bots hear of it: that it begins and until when, and that it is over.

use crate::python_bot;
use crate::remote::{Answer, text};
use crate::system::System;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::io::Write as _;
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
