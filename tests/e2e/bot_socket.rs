//! What components may take of the bot socket, and what they are told where they want more.

use crate::system::System;

/// Opens connections until it holds many more than its share, and says how many were turned away.
const GREEDY: &str = r#"
import json, os, select, socket, sys, time
held = []
for _ in range(700):
    one = socket.socket(socket.AF_UNIX)
    one.connect(os.environ["FAILSTOP_SOCKET"])
    held.append(one)
away, kept = 0, 0
for one in held:
    one.settimeout(60)
    try:
        one.sendall(b'{"id":1,"type":"heartbeat"}\n')
        line = json.loads(one.makefile().readline())
    except OSError:
        line = json.loads(one.recv(4096) or b'{"code":"CLOSED"}')
    if line.get("ok"):
        kept += 1
    elif line.get("code") in ("TOO_MANY_CONNECTIONS", "CLOSED"):
        away += 1
with open(sys.argv[1] + ".new", "w") as out:
    out.write(f"{kept} {away}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(3600)
"#;

/// Connects once the greedy one has all that it can get.
const MODEST: &str = r#"
import os, socket, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
one = socket.socket(socket.AF_UNIX)
one.connect(os.environ["FAILSTOP_SOCKET"])
one.sendall(b'{"id":1,"type":"hello"}\n')
with open(sys.argv[2] + ".new", "w") as out:
    out.write(one.makefile().readline())
os.rename(sys.argv[2] + ".new", sys.argv[2])
time.sleep(3600)
"#;

/// Reports one feed and one part more than are watched, and keeps the answers that are no "ok".
const TALKATIVE: &str = r#"
import json, os, socket, sys, time
one = socket.socket(socket.AF_UNIX)
one.connect(os.environ["FAILSTOP_SOCKET"])
lines = one.makefile()
messages = [{"type": "tick", "feed": f"f{n}"} for n in range(65)]
messages += [{"type": "part", "name": f"p{n}", "status": "healthy"} for n in range(256)]
messages += [{"type": "part", "name": "executor", "status": "critical"}]
refused = []
for number, message in enumerate(messages):
    one.sendall(json.dumps({"id": number, **message}).encode() + b"\n")
    while True:
        answer = json.loads(lines.readline())
        if answer.get("id") == number:
            break
    if not answer["ok"]:
        refused.append(answer)
with open(sys.argv[1] + ".new", "w") as out:
    json.dump(refused, out)
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(3600)
"#;

#[test]
fn a_greedy_component_takes_nobody_elses_places() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"greedy\"\ncommand = [\"python3\", \"greedy.py\", \"DIR/taken\"]\norders = \"none\"\n",
        "[[component]]\nname = \"modest\"\ncommand = [\"python3\", \"modest.py\", \"DIR/taken\", \"DIR/served\"]\norders = \"asks\"\n",
    ));
    std::fs::write(system.path("greedy.py"), GREEDY).unwrap();
    std::fs::write(system.path("modest.py"), MODEST).unwrap();
    system.start();
    // Three shares of 1 024 places: the two components', and that of what is no component's.
    assert_eq!(system.wait_file("taken"), format!("341 {}", 700 - 341));
    let served: serde_json::Value = serde_json::from_str(&system.wait_file("served")).unwrap();
    assert_eq!((served["ok"].as_bool(), served["component"].as_str()), (Some(true), Some("modest")), "{served}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_is_reported_beyond_what_is_watched_is_refused_and_counts() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"talkative.py\", \"DIR/refused\"]\norders = \"asks\"\n",
    );
    std::fs::write(system.path("talkative.py"), TALKATIVE).unwrap();
    system.start();
    let refused: Vec<serde_json::Value> = serde_json::from_str(&system.wait_file("refused")).unwrap();
    let words: Vec<&str> = refused.iter().map(|answer| answer["error"].as_str().unwrap()).collect();
    assert!(
        words.len() == 2 && words[0].starts_with("feed f64 ") && words[1].starts_with("part executor "),
        "{words:?}"
    );
    let status = system.wait_status("health at 0", |status| status["health"]["overall_health"] == 0.0);
    let reasons = status["health"]["reasons"].to_string();
    assert!(
        reasons.contains("feed f64 of bot is not watched") && reasons.contains("part executor of bot is not watched"),
        "{reasons}"
    );
    assert_eq!(system.stop(), 0);
}
