#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use serde_json::Value as Json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing_subscriber::layer::SubscriberExt as _;

const GENEROUS: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What a collector was sent: path, headers, body.
type Taken = (String, String, Json);

/// A collector that answers these statuses one after the other, the last one for ever; what it was sent comes out.
fn collector(statuses: Vec<u16>) -> (String, mpsc::Receiver<Taken>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, taken) = mpsc::channel();
    std::thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap() == 0 {
                    break;
                }
            }
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next().map(str::to_owned));
            let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) else { continue };
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = *statuses.get(number).or(statuses.last()).unwrap();
            number += 1;
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            if sender.send((path, head, serde_json::from_slice(&body).unwrap())).is_err() {
                return;
            }
        }
    });
    (address, taken)
}

/// A way of its own: the process's is nobody's in tests.
fn way_to(address: &str, queue: usize) -> Way {
    let (sender, items) = mpsc::sync_channel(queue);
    let way = Way { queue: sender, dropped: Arc::default() };
    let settings = Settings::new(address, "authorization=Bearer canary, x-tenant=demo", "demo").unwrap().hurried();
    sending::start(settings, items, Arc::clone(&way.dropped)).unwrap();
    way
}

fn span() -> Span {
    let at = |text: &str| text.parse().unwrap();
    Span {
        trace: TRACE.to_owned(),
        name: "incident hung".to_owned(),
        from: at("2026-11-07T20:51:07Z"),
        until: at("2026-11-07T20:52:07Z"),
        failed: true,
        attributes: vec![("component".to_owned(), Value::Text("bot".to_owned()))],
    }
}

#[test]
fn a_collector_gets_lines_with_their_trace_and_spans_and_no_whole_address() {
    let (address, taken) = collector(vec![200]);
    let way = way_to(&address, 16);
    let subscriber = tracing_subscriber::registry().with(Ears { way: way.clone() });
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(trace_id = %TRACE, count = 3_u64, ok = true, "paid 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    });
    way.offer(Item::Span(span()));
    let mut paths = Vec::new();
    for _ in 0..2 {
        let (path, head, body) = taken.recv_timeout(GENEROUS).unwrap();
        assert!(
            head.to_lowercase().contains("authorization: bearer canary") && head.contains("x-tenant: demo"),
            "{head}"
        );
        if path == "/v1/logs" {
            let record = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
            assert_eq!((&record["traceId"], &record["severityText"]), (&TRACE.into(), &"WARN".into()));
            assert_eq!(record["body"]["stringValue"], "paid …1BeAed");
            let attributes = record["attributes"].to_string();
            assert!(attributes.contains(r#"{"key":"count","value":{"intValue":"3"}}"#), "{attributes}");
            assert!(attributes.contains(r#"{"key":"ok","value":{"boolValue":true}}"#), "{attributes}");
            assert!(record["timeUnixNano"].as_str().unwrap().len() >= 19);
        } else {
            let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
            assert_eq!(
                (&span["traceId"], &span["name"], &span["status"]["code"]),
                (&TRACE.into(), &"incident hung".into(), &2.into())
            );
            assert_eq!(span["startTimeUnixNano"], "1794084667000000000");
            assert_eq!(span["spanId"].as_str().map(str::len), Some(16));
        }
        paths.push(path);
    }
    paths.sort();
    assert_eq!(paths, ["/v1/logs", "/v1/traces"]);
    assert_eq!(way.dropped.load(Ordering::Relaxed), 0);
}

#[test]
fn what_may_pass_is_tried_again_and_what_does_not_is_dropped_and_counted() {
    let (address, taken) = collector(vec![503, 200, 400]);
    let way = way_to(&address, 16);
    way.offer(Item::Span(span()));
    let first = taken.recv_timeout(GENEROUS).unwrap();
    assert_eq!(taken.recv_timeout(GENEROUS).unwrap().2, first.2, "the same once more");
    way.offer(Item::Span(span()));
    taken.recv_timeout(GENEROUS).unwrap();
    let end = Instant::now() + GENEROUS;
    while way.dropped.load(Ordering::Relaxed) != 1 {
        assert!(Instant::now() < end, "{:?}", way.dropped);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(taken.try_recv().is_err(), "what is refused is not tried again");
}

#[test]
fn a_collector_that_never_answers_holds_nobody_up() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let way = way_to(&format!("http://{}", silent.local_addr().unwrap()), 4);
    // Far more than there is room for, all of it handed over at once: none of it waits.
    for _ in 0..1_000 {
        way.offer(Item::Span(span()));
    }
    assert!(way.dropped.load(Ordering::Relaxed) >= 1_000 - 4 - 512, "{:?}", way.dropped);
}

#[test]
fn what_cannot_be_an_endpoint_is_told_without_its_secrets() {
    for (endpoint, headers) in [
        ("collector:4318", ""),
        ("ftp://h/", ""),
        ("", ""),
        ("http://h:4318", "canary"),
        ("http://h:4318", "a b=canary"),
    ] {
        let fault = Settings::new(endpoint, headers, "demo").err().unwrap().to_string();
        assert!(fault.contains("write ") && !fault.contains("canary"), "{fault}");
    }
    assert!(Settings::new("https://collector.example.com/otlp/", "", "demo").is_ok());
}
