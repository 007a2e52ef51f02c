//! `failstop gate`: asks for one order, for bots that are shell scripts. The exit status is the decision.

use super::send::{exchange, no_answer, socket};
use crate::args::Format;
use crate::args::gate::GateArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use failstop_client::wire::{self, Decision};
use failstop_engine::printable::printable;
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::path::Path;

/// Asks, prints the answer, and ends by it.
pub fn gate(args: &GateArgs) -> Result<Exit, Failure> {
    let line = line(args)?;
    let socket = socket(args.socket.as_deref())?;
    let answer = match exchange(&socket, &line) {
        Ok(answer) => answer,
        Err(lost) if lost.sent => {
            let what = format!("no answer from the bot socket {}: {}", socket.display(), lost.source);
            return Err(unheard(&socket, &line, what));
        }
        Err(lost) => return Err(no_answer(&socket, &lost.source)),
    };
    if answer["ok"].as_bool() != Some(true) {
        let reason = answer["error"].as_str().unwrap_or("the engine gave no reason");
        return Err(Failure::Refused { reasons: vec![printable(reason).into_owned()] });
    }
    let decision: Decision = match serde_json::from_value(answer) {
        Ok(decision) => decision,
        Err(error) => {
            let what = format!(
                "the engine's answer cannot be read ({error}): this command and the engine are of different versions"
            );
            return Err(unheard(&socket, &line, what));
        }
    };
    let allowed = decision.allow;
    let decision = decision.still_good();
    let good = decision.allow;
    let printed = match args.format {
        Format::Json => out::json_line(&decision),
        Format::Text => Ok(text(&decision)),
    }
    .and_then(|text| out::print_last(&text));
    if allowed && !(good && printed.is_ok()) {
        // Nobody else will: whoever asked sends nothing. Where it cannot be said the order is in doubt, which stops what follows.
        drop(exchange(&socket, &not_sent(&line)));
    }
    printed?;
    Ok(if good { Exit::Good } else { Exit::No })
}

/// The question was asked and no answer was understood: the order may be recorded, and whoever asked will not send it. Says so, if it can.
fn unheard(socket: &Path, line: &[u8], what: String) -> Failure {
    let told = exchange(socket, &not_sent(line)).is_ok_and(|answer| answer["ok"].as_bool() == Some(true));
    let next = if told {
        "send nothing; failstop was told that this order was not sent. Ask again under another client id".to_owned()
    } else {
        let id = client_id(line);
        let id = printable(id.as_str().unwrap_or_default());
        format!(
            "send nothing. The order may be recorded: once failstop answers, say that it was not sent \
             (`failstop send order_result client_id={id} outcome=not-sent`); until then it is in doubt"
        )
    };
    Failure::NoEngine { what, next }
}

fn client_id(line: &[u8]) -> Value {
    serde_json::from_slice::<Value>(line).map(|order| order["client_id"].clone()).unwrap_or_default()
}

/// The line that says of the order of this one that it was not sent.
fn not_sent(line: &[u8]) -> Vec<u8> {
    let id = super::send::ID;
    let said = json!({ "type": "order_result", "id": id, "client_id": client_id(line), "outcome": "not-sent" });
    let mut line = said.to_string().into_bytes();
    line.push(b'\n');
    line
}

fn text(decision: &Decision) -> String {
    if decision.allow {
        let mode = if decision.is_live() { "live" } else { "dry" };
        let filled = decision
            .paper_fill
            .as_ref()
            .map(|fill| format!(", filled on paper: {} at {}", printable(&fill.quantity), printable(&fill.price)));
        let intent = decision.intent_seq.map(|seq| format!(", record {seq}")).unwrap_or_default();
        return format!("allowed: {mode}{}{intent}\n", filled.unwrap_or_default());
    }
    let reasons = decision.reasons.iter().map(|reason| format!("refused: {}\n", printable(&reason.error)));
    reasons.collect()
}

/// The question as a line for the socket, judged by the same rules as the engine will.
fn line(args: &GateArgs) -> Result<Vec<u8>, Failure> {
    let usage =
        |what: String| Failure::Usage { what, next: "see `failstop gate --help` for the keys of an order".to_owned() };
    let mut object = match &args.json {
        None => {
            let mut object = Map::new();
            for (key, text) in &args.fields {
                let value = match key.as_str() {
                    "reduce_only" | "live" => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                    _ => json!(text),
                };
                if object.insert(key.clone(), value).is_some() {
                    return Err(usage(format!("`{key}` is given twice")));
                }
            }
            object
        }
        Some(given) => {
            let text = match given.as_str() {
                "-" => from_stdin().map_err(|error| usage(format!("standard input: {error}")))?,
                text => text.to_owned(),
            };
            match serde_json::from_str(&text) {
                Ok(Value::Object(object)) => object,
                Ok(_) => return Err(usage("the order is no JSON object".to_owned())),
                Err(error) => return Err(usage(format!("the order is no JSON: {error}"))),
            }
        }
    };
    object.insert("type".to_owned(), json!("order"));
    object.insert("id".to_owned(), json!(super::send::ID));
    let mut line = Value::Object(object).to_string().into_bytes();
    wire::decode(&line).map_err(|rejected| usage(format!("order: {}", printable(&rejected.error))))?;
    line.push(b'\n');
    Ok(line)
}

fn from_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(wire::MAX_LINE).unwrap_or(u64::MAX);
    std::io::stdin().lock().take(most).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn of(json: Option<&str>, fields: &[(&str, &str)]) -> Result<Value, Failure> {
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let args = GateArgs { json: json.map(str::to_owned), fields, format: Format::Text, socket: None };
        line(&args).map(|line| serde_json::from_slice(&line).unwrap())
    }

    const SHORT: [(&str, &str); 5] =
        [("client_id", "c"), ("instrument", "B"), ("account", "m"), ("side", "buy"), ("quantity", "0.10")];

    #[test]
    fn an_order_is_the_same_by_keys_and_as_json() {
        let keys = of(None, &[&SHORT[..], &[("price", "1.50"), ("reduce_only", "true")]].concat()).unwrap();
        let json = r#"{"client_id":"c","instrument":"B","account":"m","side":"buy","quantity":"0.10","price":"1.50","reduce_only":true}"#;
        assert_eq!(keys, of(Some(json), &[]).unwrap());
        assert_eq!((&keys["quantity"], &keys["type"]), (&json!("0.10"), &json!("order")));
    }

    #[test]
    fn what_the_engine_would_refuse_is_usage() {
        let more = |key, value| [&SHORT[..], &[(key, value)]].concat();
        for fields in
            [SHORT[1..].to_vec(), more("side", "sell"), more("price", "1e3"), more("kind", "open"), more("live", "yes")]
        {
            let exit = of(None, &fields).map_or_else(|failure| failure.exit(), |_| Exit::Good);
            assert_eq!(exit, Exit::Usage, "{fields:?}");
        }
        for json in ["", "[]", "{", "{}", r#"{"client_id":"c","quantity":1}"#] {
            let exit = of(Some(json), &[]).map_or_else(|failure| failure.exit(), |_| Exit::Good);
            assert_eq!(exit, Exit::Usage, "{json}");
        }
    }

    /// A system that reads an order and answers so, and then the next connection's line, which it hands back.
    fn asked(answer: Option<Value>) -> (Result<Exit, Failure>, Option<Value>) {
        use std::io::{BufRead as _, BufReader, Write as _};
        use std::os::unix::net::UnixStream;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let system = std::thread::spawn(move || {
            let read = |stream: &UnixStream| {
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).unwrap();
                (!line.is_empty()).then(|| serde_json::from_str::<Value>(&line).unwrap())
            };
            let (mut stream, _) = listener.accept().unwrap();
            assert_eq!(read(&stream).unwrap()["type"], "order");
            if let Some(answer) = answer {
                stream.write_all(format!("{answer}\n").as_bytes()).unwrap();
            }
            drop(stream);
            let (mut stream, _) = listener.accept().unwrap();
            let said = read(&stream)?;
            stream.write_all(b"{\"id\":1,\"ok\":true,\"seq\":7}\n").unwrap();
            Some(said)
        });
        let fields = SHORT.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let ended = gate(&GateArgs { json: None, fields, format: Format::Json, socket: Some(path.clone()) });
        // Whoever comes next and says nothing.
        drop(UnixStream::connect(path));
        (ended, system.join().unwrap())
    }

    fn answer(allow: bool, deadline: u64) -> Option<Value> {
        Some(json!({ "id": 1, "ok": true, "allow": allow, "mode": "live", "reasons": [], "permit_deadline": deadline }))
    }

    #[test]
    fn a_permit_that_has_run_out_is_none_and_the_order_is_said_not_to_be_sent() {
        let not_sent = json!({ "type": "order_result", "id": 1, "client_id": "c", "outcome": "not-sent" });
        let (ended, said) = asked(answer(true, 1));
        assert_eq!((ended.unwrap(), said), (Exit::No, Some(not_sent.clone())));
        let (ended, said) = asked(answer(true, u64::MAX));
        assert_eq!((ended.unwrap(), said), (Exit::Good, None));
        let (ended, said) = asked(answer(false, 1));
        assert_eq!((ended.unwrap(), said), (Exit::No, None));
        for unheard in [None, Some(json!({ "id": 1, "ok": true, "allow": 7 }))] {
            let (ended, said) = asked(unheard);
            let Err(Failure::NoEngine { next, .. }) = ended else { panic!("no answer, no engine") };
            assert!(next.contains("was told that this order was not sent"), "{next}");
            assert_eq!(said, Some(not_sent.clone()));
        }
    }

    #[test]
    fn an_answer_is_one_line_a_fact() {
        let allowed = Decision {
            allow: true,
            reasons: Vec::new(),
            permit_deadline: Some(1),
            intent_seq: Some(7),
            paper_fill: Some(wire::PaperFill { quantity: "1".into(), price: "2.50".into() }),
            ..Decision::refused("", "")
        };
        assert_eq!(text(&allowed), "allowed: dry, filled on paper: 1 at 2.50, record 7\n");
        assert_eq!(
            text(&Decision::refused("HALTED", "HALTED: a halt\nstands")),
            "refused: HALTED: a halt?stands\n".replace('?', &printable("\n"))
        );
    }
}
