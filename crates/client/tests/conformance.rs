//! The Rust client against the recorded dialogues of the bot socket (`tests/conformance`): a thread plays the engine's side.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_client::permit::host::boottime_ns;
use failstop_client::session::{Notice, Session, SessionError};
use failstop_client::wire::{Booked, Code, HaltCap, Push, decode};
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far above what anything here takes, so that a slow machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance")
}

/// `$(x*9)` is nine times an x.
fn fill(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        let (inside, after) = after.split_once(')').unwrap();
        let (one, times) = inside.split_once('*').unwrap();
        out.push_str(before);
        out.push_str(&one.repeat(times.parse().unwrap()));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Plays the engine's side to its end.
fn play(listener: &UnixListener, steps: &[Value]) {
    let mut far: Option<BufReader<UnixStream>> = None;
    let mut ids = [Value::Null, Value::Null];
    for step in steps {
        for expected in step["client"].as_array().into_iter().flatten() {
            let far = far.get_or_insert_with(|| BufReader::new(listener.accept().unwrap().0));
            let mut line = String::new();
            assert!(far.read_line(&mut line).unwrap() > 0, "the client closed instead of saying {expected}");
            let heard: Value = serde_json::from_str(&line).unwrap();
            let mut expected = expected.clone();
            if expected["id"] == "*" {
                assert!(heard["id"].is_i64(), "{heard}");
                ids = [heard["id"].clone(), std::mem::take(&mut ids[0])];
                expected["id"] = heard["id"].clone();
            }
            assert_eq!(heard, expected);
        }
        for said in step["server"].as_array().into_iter().flatten() {
            let text = match said {
                Value::String(text) => text.clone(),
                said => {
                    let mut said = said.clone();
                    match said.get("id").and_then(Value::as_str) {
                        Some("*") => said["id"] = ids[0].clone(),
                        Some("-") => said["id"] = ids[1].clone(),
                        Some(_) | None => {}
                    }
                    if said["permit_deadline"] == "$FUTURE" {
                        let in_a_minute = boottime_ns().unwrap() / 1_000 + 60_000_000;
                        said["permit_deadline"] = in_a_minute.into();
                    }
                    said.to_string()
                }
            };
            writeln!(far.as_mut().unwrap().get_mut(), "{text}").unwrap();
        }
        if step["then"] == "close" {
            far = None;
        }
    }
    if let Some(mut far) = far {
        let mut line = String::new();
        assert_eq!(far.read_line(&mut line).unwrap(), 0, "one line too many: {line}");
    }
}

/// Without what is absent or empty, as the dialogues write results.
fn shortened(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| (name, shortened(field)));
            Value::Object(fields.filter(|(_, field)| !is_empty(field)).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(shortened).collect()),
        value => value,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn text(given: &Value, name: &str) -> String {
    given[name].as_str().unwrap().to_owned()
}

fn of<T: serde::de::DeserializeOwned>(given: &Value) -> T {
    serde_json::from_value(given.clone()).unwrap()
}

fn booked(answer: Booked) -> Value {
    json!({"seq": answer.seq, "already": answer.already})
}

/// What a call came to.
fn call(session: &mut Session, name: &str, given: &Value) -> Result<Value, SessionError> {
    match name {
        "hello" => session
            .hello(&text(given, "client"), &text(given, "version"))
            .map(|answer| serde_json::to_value(answer).unwrap()),
        "event" => {
            let data: Map<String, Value> = given["data"].as_object().unwrap().clone();
            session.event(&text(given, "name"), data).map(|seq| json!({"seq": seq}))
        }
        "halt" => {
            let cap: HaltCap = serde_json::from_value(given["cap"].clone()).unwrap();
            session.halt(cap, &text(given, "reason")).map(|()| json!({}))
        }
        "posting" => session.posting(of(given)).map(booked),
        "fill" => session.fill(of(given)).map(booked),
        "capital" => session.capital(of(given)).map(booked),
        "position" => session.position(of(given)).map(booked),
        "strategy_state" => session.strategy_state(of(given)).map(booked),
        "snapshot" => session.snapshot(given["reason"].as_str()).map(booked),
        "order" => {
            let decision = session.order(of(given));
            let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.as_str()).collect();
            Ok(json!({
                "allow": decision.allow, "live": decision.is_live(), "codes": codes, "intent_seq": decision.intent_seq,
                "paper_fill": decision.paper_fill, "may_be_recorded": decision.may_be_recorded(),
            }))
        }
        "order_result" => session.order_result(of(given)).map(booked),
        "rate" => {
            let cost = given["cost"].as_str().unwrap().parse().unwrap();
            let decision = session.rate(given["bucket"].as_str().unwrap(), given["user"].as_str(), cost);
            let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.as_str()).collect();
            Ok(json!({"allow": decision.allow, "codes": codes, "retry_after_ms": decision.retry_after_ms}))
        }
        "permission" => session.permission().map(|answer| serde_json::to_value(answer).unwrap()),
        one_way => {
            let sent = match (one_way, given.as_object().unwrap().len()) {
                ("heartbeat", _) => session.heartbeat(given["progress"].as_u64()),
                ("metric", 2) => session.metric(&text(given, "name"), given["value"].as_f64().unwrap()),
                // The engine is the one to refuse this.
                ("tick", 1) => session.tick(&text(given, "feed"), None, None),
                _ => {
                    let mut line = given.clone();
                    line["type"] = one_way.into();
                    session.tell(&decode(line.to_string().as_bytes()).unwrap().message)
                }
            };
            sent.map(|()| json!("sent"))
        }
    }
}

#[track_caller]
fn assert_outcome(outcome: Result<Value, SessionError>, step: &Value) {
    let expected = &step["result"];
    let told = match outcome {
        Ok(value) => shortened(value),
        Err(SessionError::Refused { code, .. }) => {
            // Of codes that it does not know this client tells only that they are others.
            let wanted: Code = serde_json::from_value(expected["refused"].clone()).unwrap();
            assert_eq!(code, wanted, "{step}");
            return;
        }
        Err(SessionError::Lost { .. }) => json!({"failed": "lost"}),
        Err(SessionError::TimedOut { .. }) => json!({"failed": "timed-out"}),
        Err(SessionError::Unreadable { .. }) => json!({"failed": "unreadable"}),
        Err(error @ (SessionError::NotUnderFailstop | SessionError::Connect { .. })) => panic!("{step}: {error}"),
    };
    assert_eq!(told, shortened(expected.clone()), "{step}");
}

#[track_caller]
fn assert_notices(session: &mut Session, expected: &[Value]) {
    for expected in expected {
        match session.wait_notice(PATIENCE).unwrap().unwrap() {
            Notice::Push(Push::Unknown) => assert!(expected["event"].is_string(), "{expected}"),
            Notice::Push(push) => {
                assert_eq!(&shortened(serde_json::to_value(push).unwrap()), &shortened(expected.clone()))
            }
            Notice::Refused { code, .. } => assert_eq!(serde_json::to_value(code).unwrap(), expected["refused"]),
        }
    }
    assert_eq!(session.notice(), None);
}

#[test]
fn the_client_speaks_as_recorded() {
    let mut played = 0;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for file in files {
        let dialogue: Value = serde_json::from_str(&fill(&std::fs::read_to_string(&file).unwrap())).unwrap();
        if !dialogue["clients"].is_null() || !dialogue["rust"].is_null() {
            continue;
        }
        println!("{}", file.display());
        played += 1;
        let steps = dialogue["steps"].as_array().unwrap();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bot.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::scope(|scope| {
            let far = scope.spawn(|| play(&listener, steps));
            let mut session = Session::connect(&path).unwrap();
            for step in steps {
                if step["call"] == "notices" {
                    assert_notices(&mut session, step["result"].as_array().unwrap());
                    continue;
                }
                session.set_timeout(step["timeout_ms"].as_u64().map_or(PATIENCE, Duration::from_millis));
                assert_outcome(call(&mut session, step["call"].as_str().unwrap(), &step["with"]), step);
            }
            drop(session);
            far.join().unwrap();
        });
    }
    assert!(played >= 19, "{played} dialogues were played");
}

#[test]
fn the_reference_has_every_message() {
    let page = std::fs::read_to_string(folder().join("../../docs/reference/bot-socket.md")).unwrap();
    let unknown = decode(br#"{"type":"nonsense"}"#).unwrap_err().error;
    let (_, types) = unknown.split_once("one of ").unwrap();
    let types: Vec<&str> = types.split(", ").collect();
    assert!(types.len() >= 10, "{unknown}");
    for kind in types {
        assert!(page.contains(&format!("\n| `{kind}` |")), "`{kind}` has no row");
    }
}
