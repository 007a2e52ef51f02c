//! `failstop send`: the bot's side of the bot socket, for shells. One message, one answer.

use crate::args::{SendArgs, SendKind};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use failstop_client::wire;
use failstop_engine::printable::printable;
use serde_json::{Map, Value, json};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the engine may take to answer. An event is answered when it is durable, and a slow disk takes its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer: that of the bot socket's own lines.
const ANSWER_MAX_BYTES: u64 = 64 * 1024;

/// Pushed lines (permission changes) that may come before the answer.
const PUSHES_MAX: usize = 1_000;

/// The number that tells our answer from what is pushed.
pub(super) const ID: u64 = 1;

/// Sends the message, awaits its answer, prints what a script may want of it.
pub fn send(args: &SendArgs) -> Result<Exit, Failure> {
    let message = message(args.kind, &args.fields)?;
    let socket = socket(args.socket.as_deref())?;
    let answer = exchange(&socket, &message).map_err(|lost| no_answer(&socket, &lost.source))?;
    if answer["ok"].as_bool() != Some(true) {
        let reason = answer["error"].as_str().unwrap_or("the engine gave no reason");
        return Err(Failure::Refused { reasons: vec![printable(reason).into_owned()] });
    }
    match args.kind {
        SendKind::Permission => {
            let permission = answer["permission"].as_str().unwrap_or("unknown");
            out::print_last(&format!("{}\n", printable(permission)))?;
            Ok(if permission == "active" { Exit::Good } else { Exit::No })
        }
        SendKind::Event
        | SendKind::Posting
        | SendKind::Fill
        | SendKind::Capital
        | SendKind::Position
        | SendKind::StrategyState
        | SendKind::OrderResult
        | SendKind::SnapshotRequest => {
            if let Some(seq) = answer["seq"].as_u64() {
                out::print_last(&format!("{seq}\n"))?;
            }
            Ok(Exit::Good)
        }
        SendKind::Rate => {
            let allowed = answer["allow"].as_bool() == Some(true);
            let reasons = answer["reasons"].as_array().into_iter().flatten();
            let mut text: String = reasons
                .filter_map(|reason| reason["error"].as_str())
                .map(|error| format!("refused: {}\n", printable(error)))
                .collect();
            if allowed {
                text.push_str("allowed\n");
            }
            out::print_last(&text)?;
            Ok(if allowed { Exit::Good } else { Exit::No })
        }
        SendKind::Hello
        | SendKind::Heartbeat
        | SendKind::Tick
        | SendKind::Metric
        | SendKind::Part
        | SendKind::Queue
        | SendKind::Error
        | SendKind::Halt
        | SendKind::Price
        | SendKind::ApiUsage => Ok(Exit::Good),
    }
}

/// The bot socket does not answer.
pub(super) fn no_answer(socket: &Path, source: &io::Error) -> Failure {
    Failure::NoEngine {
        what: format!("no answer from the bot socket {}: {source}", socket.display()),
        next: "start the system with `failstop run`, or correct $FAILSTOP_SOCKET".to_owned(),
    }
}

pub(super) fn socket(flag: Option<&Path>) -> Result<PathBuf, Failure> {
    let set = |value: &std::ffi::OsString| !value.is_empty();
    match flag {
        Some(path) => Ok(path.to_owned()),
        None => std::env::var_os("FAILSTOP_SOCKET").filter(set).map(PathBuf::from).ok_or_else(|| Failure::Usage {
            what: "$FAILSTOP_SOCKET is not set: this does not run as a component of failstop".to_owned(),
            next: "run it from a component's command, or name the bot socket with --socket".to_owned(),
        }),
    }
}

/// No answer came.
#[derive(Debug)]
pub(super) struct Lost {
    /// Why.
    pub source: io::Error,
    /// Whether the engine may have the message.
    pub sent: bool,
}

/// One line out, lines in until ours is among them.
pub(super) fn exchange(socket: &Path, message: &[u8]) -> Result<Value, Lost> {
    let connect = || {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(stream)
    };
    let stream = connect().map_err(|source| Lost { source, sent: false })?;
    talk(stream, message).map_err(|source| Lost { source, sent: true })
}

fn talk(mut stream: UnixStream, message: &[u8]) -> io::Result<Value> {
    stream.write_all(message)?;
    let mut reader = BufReader::new(stream);
    for _ in 0..PUSHES_MAX {
        let mut line = Vec::new();
        let timed_out = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                io::Error::new(io::ErrorKind::TimedOut, "it does not answer (is it stopped, or the disk slow?)")
            }
            _ => error,
        };
        (&mut reader).take(ANSWER_MAX_BYTES).read_until(b'\n', &mut line).map_err(timed_out)?;
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without an answer"));
        }
        let answer: Value = serde_json::from_slice(&line)?;
        // Errors of lines that could not be parsed come without a number.
        if answer["id"].as_u64() == Some(ID) || answer["ok"].as_bool() == Some(false) {
            return Ok(answer);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it says much and does not answer"))
}

/// The message as a line for the socket, judged by the same rules as the engine will.
fn message(kind: SendKind, fields: &[(String, String)]) -> Result<Vec<u8>, Failure> {
    let usage =
        |what: String| Failure::Usage { what, next: "see `failstop send --help` for the keys of each type".to_owned() };
    let mut object = Map::new();
    let mut data = Map::new();
    for (key, text) in fields {
        let target =
            if kind == SendKind::Event && !matches!(key.as_str(), "name" | "data") { &mut data } else { &mut object };
        if target.insert(key.clone(), value(kind, key, text)).is_some() {
            return Err(usage(format!("`{key}` is given twice")));
        }
    }
    match kind {
        SendKind::Event if !data.is_empty() && object.contains_key("data") => {
            return Err(usage("`data` and further keys are given together".to_owned()));
        }
        SendKind::Event => {
            object.entry("data").or_insert(Value::Object(data));
        }
        SendKind::Hello => {
            object.entry("client").or_insert_with(|| json!("failstop send"));
            object.entry("version").or_insert_with(|| json!(env!("CARGO_PKG_VERSION")));
        }
        SendKind::Heartbeat
        | SendKind::Tick
        | SendKind::Metric
        | SendKind::Part
        | SendKind::Queue
        | SendKind::Error
        | SendKind::Halt
        | SendKind::Posting
        | SendKind::Fill
        | SendKind::Capital
        | SendKind::Position
        | SendKind::StrategyState
        | SendKind::SnapshotRequest
        | SendKind::Price
        | SendKind::ApiUsage
        | SendKind::OrderResult
        | SendKind::Rate
        | SendKind::Permission => {}
    }
    if object.contains_key("type") || object.contains_key("id") {
        return Err(usage("`type` and `id` are not among the keys: the type is the word before them".to_owned()));
    }
    object.insert("type".to_owned(), json!(name(kind)));
    object.insert("id".to_owned(), json!(ID));
    let mut line = Value::Object(object).to_string().into_bytes();
    wire::decode(&line).map_err(|rejected| usage(format!("{}: {}", name(kind), printable(&rejected.error))))?;
    line.push(b'\n');
    Ok(line)
}

fn name(kind: SendKind) -> &'static str {
    match kind {
        SendKind::Hello => "hello",
        SendKind::Heartbeat => "heartbeat",
        SendKind::Tick => "tick",
        SendKind::Metric => "metric",
        SendKind::Part => "part",
        SendKind::Queue => "queue",
        SendKind::Error => "error",
        SendKind::Halt => "halt",
        SendKind::Event => "event",
        SendKind::Posting => "posting",
        SendKind::Fill => "fill",
        SendKind::Capital => "capital",
        SendKind::Position => "position",
        SendKind::StrategyState => "strategy_state",
        SendKind::SnapshotRequest => "snapshot_request",
        SendKind::Price => "price",
        SendKind::ApiUsage => "api_usage",
        SendKind::OrderResult => "order_result",
        SendKind::Rate => "rate",
        SendKind::Permission => "permission?",
    }
}

/// What a key's text is in JSON: a number, a truth value or an object where the message has one there, else text. What
/// does not fit stays text, and is refused with the words of the rule that it breaks.
fn value(kind: SendKind, key: &str, text: &str) -> Value {
    let parsed = match (kind, key) {
        (SendKind::Heartbeat, "progress")
        | (SendKind::Queue, "depth" | "oldest_ms")
        | (SendKind::Error, "severity" | "fatal")
        | (SendKind::Part, "health")
        | (SendKind::Metric, "labels")
        | (SendKind::Posting | SendKind::Fill, "legs")
        | (SendKind::Position, "opening")
        | (SendKind::ApiUsage, "used" | "limit")
        | (SendKind::OrderResult, "latency_us")
        | (SendKind::Event, "data") => serde_json::from_str(text).ok(),
        // Milliseconds since 1970, or a time in words.
        (SendKind::Tick | SendKind::Price, "time") | (SendKind::ApiUsage, "resets_at") => {
            text.parse::<u64>().ok().map(Value::from)
        }
        // A metric's value, and every amount, travels as text, so that no digit is lost on the way.
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: SendKind, fields: &[(&str, &str)]) -> Result<Value, Failure> {
        let fields: Vec<_> = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        message(kind, &fields).map(|line| serde_json::from_slice(&line).unwrap_or_default())
    }

    #[test]
    fn values_become_what_the_message_has_there() {
        let beat = of(SendKind::Heartbeat, &[("progress", "42")]).unwrap_or_default();
        assert_eq!(beat, json!({"type": "heartbeat", "id": 1, "progress": 42}));
        let error = of(SendKind::Error, &[("kind", "k"), ("message", "5"), ("severity", "5"), ("fatal", "true")]);
        let expected = json!({"type": "error", "id": 1, "kind": "k", "message": "5", "severity": 5, "fatal": true});
        assert_eq!(error.unwrap_or_default(), expected);
        let metric = of(SendKind::Metric, &[("name", "pnl"), ("value", "0.10")]).unwrap_or_default();
        assert_eq!(metric, json!({"type": "metric", "id": 1, "name": "pnl", "value": "0.10"}));
        let event = of(SendKind::Event, &[("name", "x.a"), ("side", "buy"), ("size", "0.5")]).unwrap_or_default();
        let expected = json!({"type": "event", "id": 1, "name": "x.a", "data": {"side": "buy", "size": "0.5"}});
        assert_eq!(event, expected);
    }

    #[test]
    fn no_digit_of_an_amount_changes_on_the_way() {
        let legs = r#"[{"asset":"A","account":"k","pool":"p","amount":"0.10"},{"asset":"A","account":"venue","amount":"-0.10"}]"#;
        let posting = of(SendKind::Posting, &[("ref", "7"), ("legs", legs)]).unwrap_or_default();
        assert_eq!((&posting["ref"], &posting["legs"][0]["amount"]), (&json!("7"), &json!("0.10")));
        let capital = [("account", "k"), ("asset", "A"), ("total", "1.10"), ("free", "1"), ("locked", "0.1")];
        assert_eq!(of(SendKind::Capital, &capital).unwrap_or_default()["total"], json!("1.10"));
        let position = [("account", "k"), ("instrument", "B"), ("quantity", "0"), ("opening", "true")];
        assert_eq!(of(SendKind::Position, &position).unwrap_or_default()["opening"], json!(true));
    }

    #[test]
    fn what_the_engine_would_refuse_is_usage() {
        let cases: [(SendKind, &[(&str, &str)]); 11] = [
            (SendKind::Posting, &[("ref", "a"), ("legs", "[]")]),
            (SendKind::Capital, &[("account", "k"), ("asset", "A"), ("total", "1e3"), ("free", "1"), ("locked", "0")]),
            (SendKind::Heartbeat, &[("progress", "many")]),
            (SendKind::Heartbeat, &[("type", "halt")]),
            (SendKind::Tick, &[]),
            (SendKind::Part, &[("name", "x"), ("status", "healthy"), ("health", "2")]),
            (SendKind::Event, &[("name", "x.a"), ("data", "[1]")]),
            (SendKind::Event, &[("name", "x.a"), ("data", "{}"), ("side", "buy")]),
            (SendKind::Event, &[("name", "order.intent")]),
            (SendKind::Halt, &[("cap", "active"), ("reason", "no")]),
            (SendKind::Tick, &[("feed", "a"), ("feed", "b")]),
        ];
        for (kind, fields) in cases {
            let exit = of(kind, fields).map_or_else(|failure| failure.exit(), |_| Exit::Good);
            assert_eq!(exit, Exit::Usage, "{fields:?}");
        }
    }
}
