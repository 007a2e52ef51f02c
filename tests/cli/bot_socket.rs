//! `failstop send`, against a stand-in that records the line and answers what it is told to.

use crate::folder::{Folder, Ran};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

/// Listens on `bot.sock` for one connection, reads one line, writes `answer`, and gives back what it read.
fn engine(folder: &Folder, answer: &str) -> JoinHandle<Value> {
    let listener = UnixListener::bind(folder.path("bot.sock")).unwrap();
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        (&stream).write_all(answer.as_bytes()).unwrap();
        serde_json::from_str(&line).unwrap()
    })
}

fn send(folder: &Folder, arguments: &[&str]) -> Ran {
    let mut command = folder.command();
    command.arg("send").args(arguments).env("FAILSTOP_SOCKET", folder.path("bot.sock"));
    Ran::of(command.output().unwrap())
}

#[test]
fn a_heartbeat_is_sent_and_answered() {
    let folder = Folder::new();
    let engine = engine(&folder, "{\"event\":\"permission\",\"permission\":\"active\"}\n{\"id\":1,\"ok\":true}\n");
    let ran = send(&folder, &["heartbeat", "progress=42"]).ends(0).quiet();
    assert_eq!(ran.out, "");
    assert_eq!(engine.join().unwrap(), json!({"type": "heartbeat", "id": 1, "progress": 42}));
}

#[test]
fn an_event_prints_its_sequence_number() {
    let folder = Folder::new();
    let engine = engine(&folder, "{\"id\":1,\"ok\":true,\"seq\":77}\n");
    let ran = send(&folder, &["event", "name=x.rebalance", "side=buy"]).ends(0).quiet();
    assert_eq!(ran.out, "77\n");
    let line = engine.join().unwrap();
    assert_eq!(line, json!({"type": "event", "id": 1, "name": "x.rebalance", "data": {"side": "buy"}}));
}

#[test]
fn the_permission_is_printed_and_is_the_exit_status() {
    for (permission, status) in [("active", 0), ("reduce-only", 1), ("shutdown", 1)] {
        let folder = Folder::new();
        let engine = engine(&folder, &format!("{{\"id\":1,\"ok\":true,\"permission\":\"{permission}\"}}\n"));
        let ran = send(&folder, &["permission"]).ends(status).quiet();
        assert_eq!(ran.out, format!("{permission}\n"));
        engine.join().unwrap();
    }
}

#[test]
fn a_refusal_is_said() {
    let folder = Folder::new();
    let engine = engine(&folder, "{\"ok\":false,\"code\":\"NOT_A_COMPONENT\",\"error\":\"not one of\\u001b mine\"}\n");
    let ran = send(&folder, &["tick", "feed=binance"]).ends(1);
    assert_eq!(ran.err, "error: refused: not one of\\u{1b} mine\n");
    engine.join().unwrap();
}

#[test]
fn no_engine_is_three_and_no_socket_is_usage() {
    let folder = Folder::new();
    let ran = send(&folder, &["heartbeat"]).ends(3);
    assert!(ran.err.contains("no answer from the bot socket"), "{}", ran.err);
    let ran = folder.run(&["send", "heartbeat"]).ends(2);
    assert!(ran.err.contains("$FAILSTOP_SOCKET is not set"), "{}", ran.err);
    // An engine that goes away in the middle.
    let engine = engine(&folder, "");
    send(&folder, &["heartbeat"]).ends(3);
    engine.join().unwrap();
}
