//! Lines good and bad.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::super::answer::Booked;
use super::super::books::Side;
use super::super::gate::{
    ApiUsage, Decision, Order, OrderKind, OrderOutcome, OrderResult, PaperFill, Price, Rate, RateDecision, Reason,
};
use super::super::message::{HaltCap, PartStatus};
use super::*;
use std::collections::BTreeMap;

fn good(line: &str) -> Message {
    match decode(line.as_bytes()) {
        Ok(decoded) => decoded.message,
        Err(rejected) => panic!("{line} was rejected: {rejected:?}"),
    }
}

fn code(line: impl AsRef<[u8]>) -> Code {
    match decode(line.as_ref()) {
        Ok(decoded) => panic!("{} was taken as {decoded:?}", String::from_utf8_lossy(line.as_ref())),
        Err(rejected) => {
            assert!(!rejected.error.is_empty());
            rejected.code
        }
    }
}

#[test]
fn every_type_in_its_shortest_form() {
    assert_eq!(good(r#"{"type":"hello"}"#), Message::Hello(Hello::default()));
    assert_eq!(good(r#"{"type":"heartbeat"}"#), Message::Heartbeat(Heartbeat { progress: None }));
    assert_eq!(good(r#"{"type":"heartbeat","progress":7}"#), Message::Heartbeat(Heartbeat { progress: Some(7) }));
    assert_eq!(
        good(r#"{"type":"tick","feed":"binance"}"#),
        Message::Tick(Tick { feed: "binance".into(), instrument: None, time: None })
    );
    assert_eq!(
        good(r#"{"type":"metric","name":"daily_pnl","value":"-12.5"}"#),
        Message::Metric(Metric { name: "daily_pnl".into(), value: -12.5, labels: BTreeMap::new() })
    );
    assert_eq!(
        good(r#"{"type":"part","name":"executor","status":"degraded"}"#),
        Message::Part(Part { name: "executor".into(), status: PartStatus::Degraded, health: None, detail: None })
    );
    assert_eq!(
        good(r#"{"type":"queue","state":"idle"}"#),
        Message::Queue(Queue { state: QueueState::Idle, depth: 0, oldest_ms: None })
    );
    assert_eq!(
        good(r#"{"type":"error","kind":"api","message":"timeout"}"#),
        Message::Error(Error { kind: "api".into(), message: "timeout".into(), part: None, severity: 3, fatal: false })
    );
    assert_eq!(
        good(r#"{"type":"halt","cap":"reduce-only","reason":"spread"}"#),
        Message::Halt(Halt { cap: HaltCap::ReduceOnly, reason: "spread".into() })
    );
    assert_eq!(
        good(r#"{"type":"event","name":"x.rebalanced"}"#),
        Message::Event(Event { kind: "x.rebalanced".into(), data: serde_json::Map::new() })
    );
    assert_eq!(good(r#"{"type":"permission?"}"#), Message::Permission);
    assert_eq!(good(r#"{"type":"permission"}"#), Message::Permission);
}

#[test]
fn what_is_encoded_is_decoded_again() {
    let mut data = serde_json::Map::new();
    data.insert("amount".into(), "0.10".into());
    data.insert("list".into(), serde_json::json!([1, null, {"a": true}]));
    let messages = [
        Message::Hello(Hello { client: "c".into(), version: "1".into() }),
        Message::Heartbeat(Heartbeat { progress: Some(u64::MAX) }),
        Message::Tick(Tick {
            feed: "f".into(),
            instrument: Some("BTC\"USDT".into()),
            time: Some(Time::UnixMs(1_742_943_000_123)),
        }),
        Message::Tick(Tick {
            feed: "f".into(),
            instrument: None,
            time: Some(Time::Text("2026-11-07T00:05:00Z".into())),
        }),
        Message::Metric(Metric { name: "m".into(), value: 0.1, labels: BTreeMap::from([("a".into(), "b".into())]) }),
        Message::Part(Part {
            name: "p".into(),
            status: PartStatus::Healthy,
            health: Some(0.7),
            detail: Some("d".into()),
        }),
        Message::Queue(Queue { state: QueueState::Processing, depth: 3, oldest_ms: Some(9) }),
        Message::Error(Error {
            kind: "k".into(),
            message: "m\nn".into(),
            part: Some("p".into()),
            severity: 5,
            fatal: true,
        }),
        Message::Halt(Halt { cap: HaltCap::ObserveOnly, reason: "r".into() }),
        Message::Event(Event { kind: "x.y".into(), data }),
        Message::Posting(Posting {
            reference: "dep-7".into(),
            legs: vec![Leg::inside("USDT", "kraken", "main", "100.50"), Leg::outside("USDT", "venue", "-100.50")],
            reason: Some("deposit".into()),
        }),
        Message::Fill(Fill {
            reference: "t-1".into(),
            client_id: Some("o-1".into()),
            account: "kraken".into(),
            instrument: "BTCUSDT".into(),
            side: Side::Sell,
            quantity: "0.001".into(),
            price: "64000".into(),
            legs: vec![Leg::outside("USDT", "pnl", "0")],
        }),
        Message::Capital(Capital {
            account: "kraken".into(),
            asset: "USDT".into(),
            total: "3".into(),
            free: "1".into(),
            locked: "2".into(),
        }),
        Message::Position(Position {
            account: "kraken".into(),
            instrument: "BTCUSDT".into(),
            quantity: "-0.001".into(),
            opening: true,
            entry: Some("64000.5".into()),
            leverage: None,
        }),
        Message::StrategyState(StrategyState {
            strategy: "grid".into(),
            instance: Some("BTCUSDT".into()),
            from: Some("idle".into()),
            to: "entering".into(),
            reason: None,
        }),
        Message::SnapshotRequest(SnapshotRequest { reason: Some("before the upgrade".into()) }),
        Message::Price(Price::bid_ask("binance", "BTCUSDT", "64000.10", "64000.20")),
        Message::Price(Price { time: Some(Time::UnixMs(1)), ..Price::last("kraken", "BTCUSDT", "64000") }),
        Message::ApiUsage(ApiUsage {
            endpoint: "orders".into(),
            used: 80,
            limit: 100,
            resets_at: Some(Time::Text("2026-11-07T00:06:00Z".into())),
        }),
        Message::Order(Order::market("e7-1", "main", "BTCUSDT", Side::Buy, "0.001")),
        Message::Order(Order {
            leverage: Some("2.5".into()),
            reduce_only: true,
            kind: Some(OrderKind::Exit),
            user: Some("u-1".into()),
            live: true,
            ..Order::market("e7-2", "main", "BTCUSDT", Side::Sell, "0.001").at("64000.10")
        }),
        Message::OrderResult(OrderResult::of("e7-1", OrderOutcome::NotSent)),
        Message::OrderResult(OrderResult {
            venue_id: Some("v-9".into()),
            latency_us: Some(1_500),
            reason: Some("r".into()),
            ..OrderResult::of("e7-1", OrderOutcome::Filled)
        }),
        Message::Rate(Rate { bucket: "copies".into(), user: Some("u-1".into()), cost: "2".into() }),
        Message::Permission,
    ];
    for message in messages {
        for id in [None, Some(Id::Number(-3)), Some(Id::Text("a-1".into()))] {
            let line = encode(id.as_ref(), &message);
            let text = line.strip_suffix(b"\n").unwrap();
            assert!(!text.contains(&b'\n'));
            assert_eq!(decode(text).unwrap(), Decoded { id, message: message.clone() });
            assert!(String::from_utf8_lossy(text).contains(&format!("\"type\":\"{}\"", message.kind())));
        }
    }
}

#[test]
fn what_is_null_or_absent_of_an_order_is_the_same() {
    let short = r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1"}"#;
    let nulls = short.replace("\"1\"}", "\"1\",\"price\":null,\"leverage\":null,\"kind\":null,\"user\":null}");
    assert_eq!(good(short), good(&nulls));
    assert_eq!(good(short), Message::Order(Order::market("c", "a", "B", Side::Buy, "1")));
    let Message::Rate(rate) = good(r#"{"type":"rate","bucket":"copies"}"#) else { panic!("no rate") };
    assert_eq!(rate.cost, "1");
}

#[test]
fn decisions_are_one_line_each() {
    let mut out = Vec::new();
    let refused = Decision { mode: super::super::answer::Mode::Live, ..Decision::refused("HALTED", "e") };
    Reply::Decision(Box::new(refused)).write_line(Some(&Id::Number(1)), &mut out);
    let allowed = Decision {
        allow: true,
        reasons: Vec::new(),
        permit_deadline: Some(9),
        intent_seq: Some(4),
        epoch: Some(7),
        paper_fill: Some(PaperFill { quantity: "1".into(), price: "2".into() }),
        ..Decision::refused("", "")
    };
    Reply::Decision(Box::new(allowed.clone())).write_line(Some(&Id::Number(2)), &mut out);
    let reasons = vec![Reason { code: "RATE_COPIES".into(), error: "e".into() }];
    let rate = RateDecision { allow: false, reasons, retry_after_ms: Some(5_200) };
    Reply::Rate(rate).write_line(Some(&Id::Number(3)), &mut out);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"id":1,"ok":true,"allow":false,"mode":"live","reasons":[{"code":"HALTED","error":"e"}],"permit_deadline":null,"intent_seq":null}"#,
            r#"{"id":2,"ok":true,"allow":true,"mode":"dry","reasons":[],"permit_deadline":9,"intent_seq":4,"epoch":7,"paper_fill":{"quantity":"1","price":"2"}}"#,
            r#"{"id":3,"ok":true,"allow":false,"reasons":[{"code":"RATE_COPIES","error":"e"}],"retry_after_ms":5200}"#,
        ]
    );
    assert_eq!(serde_json::from_str::<Decision>(lines[1]).unwrap(), allowed);
}

#[test]
fn an_error_names_the_field() {
    for (line, field) in [
        (r#"{"type":"posting","ref":7,"legs":[]}"#, "`ref`: invalid type: integer `7`"),
        (
            r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"b","amount":1.5}]}"#,
            "`amount`: invalid type: floating point `1.5`, expected in `amount` a decimal amount as a text",
        ),
        (
            r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"b","amount":"1e3"}]}"#,
            "`amount`: invalid value: string \"1e3\", expected in `amount` a decimal amount as a text",
        ),
        (r#"{"type":"posting","ref":"a"}"#, "missing field `legs`"),
        (r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"b"}]}"#, "missing field `amount`"),
        (r#"{"type":"capital","account":"k","asset":"A","total":3,"free":"1","locked":"2"}"#, "`total`: invalid type"),
        (r#"{"type":"position","account":"k","instrument":"B","quantity":0}"#, "`quantity`: invalid type"),
        (r#"{"type":"heartbeat","progress":"a:b"}"#, "`progress`: invalid type"),
    ] {
        let rejected = decode(line.as_bytes()).unwrap_err();
        assert_eq!(rejected.code, Code::BadField);
        assert!(rejected.error.starts_with(field), "{}", rejected.error);
    }
}

#[test]
fn unknown_fields_are_ignored_also_where_another_type_has_them() {
    assert_eq!(
        good(r#"{"v":2,"type":"heartbeat","depth":"deep","time":{"a":[1.5]},"message":7}"#),
        Message::Heartbeat(Heartbeat { progress: None })
    );
}

#[test]
fn the_id_survives_a_bad_field() {
    let rejected = decode(br#"{"type":"heartbeat","progress":"x","id":41}"#).unwrap_err();
    assert_eq!((rejected.id, rejected.code), (Some(Id::Number(41)), Code::BadField));
    let rejected = decode(br#"{"id":"q","type":"nonsense"}"#).unwrap_err();
    assert_eq!((rejected.id, rejected.code), (Some(Id::Text("q".into())), Code::UnknownType));
}

#[test]
fn bad_lines() {
    for line in [
        "",
        " ",
        "x",
        "[]",
        "7",
        "null",
        "\"heartbeat\"",
        "{",
        r#"{"type":"heartbeat""#,
        "{}{}",
        r#"{"type":"heartbeat"} x"#,
    ] {
        assert_eq!(code(line), Code::BadJson, "{line}");
    }
    assert_eq!(code(b"{\"type\":\"\xff\"}"), Code::BadUtf8);
    assert_eq!(code("{}"), Code::UnknownType);
    assert_eq!(code(r#"{"type":"orders"}"#), Code::UnknownType);
    assert_eq!(code(vec![b' '; MAX_LINE + 1]), Code::LineTooLong);
    for line in [
        r#"{"type":7}"#,
        r#"{"type":"heartbeat","id":1.5}"#,
        r#"{"type":"heartbeat","id":{}}"#,
        r#"{"type":"heartbeat","progress":-1}"#,
        r#"{"type":"heartbeat","progress":1.5}"#,
        r#"{"type":"tick"}"#,
        r#"{"type":"tick","feed":""}"#,
        r#"{"type":"tick","feed":"a\nb"}"#,
        r#"{"type":"tick","feed":"a","time":1.5}"#,
        r#"{"type":"metric","name":"a"}"#,
        r#"{"type":"metric","name":"a","value":"much"}"#,
        r#"{"type":"metric","name":"a","value":"inf"}"#,
        r#"{"type":"metric","name":"a","value":"NaN"}"#,
        r#"{"type":"metric","name":"a","value":null}"#,
        r#"{"type":"metric","name":"a","value":1,"labels":{"a":1}}"#,
        r#"{"type":"part","name":"a","status":"fine"}"#,
        r#"{"type":"part","name":"a","status":"healthy","health":1.01}"#,
        r#"{"type":"queue","state":"processing"}"#,
        r#"{"type":"queue","state":"processing","depth":-1}"#,
        r#"{"type":"error"}"#,
        r#"{"type":"error","kind":"a","severity":0}"#,
        r#"{"type":"error","kind":"a","severity":6}"#,
        r#"{"type":"error","kind":"a","severity":300}"#,
        r#"{"type":"halt","cap":"active","reason":"a"}"#,
        r#"{"type":"halt","cap":"shutdown"}"#,
        r#"{"type":"halt","cap":"shutdown","reason":" "}"#,
        r#"{"type":"event"}"#,
        r#"{"type":"event","name":"halt.cleared"}"#,
        r#"{"type":"event","name":"x."}"#,
        r#"{"type":"event","name":"x.a","data":[]}"#,
        r#"{"type":"event","name":"x.a","data":{"a":1.5}}"#,
        r#"{"type":"event","name":"x.a","data":{"a":[{"b":1e3}]}}"#,
        r#"{"type":"event","name":"x.a","data":{"a":18446744073709551616}}"#,
        r#"{"type":"posting","ref":"","legs":[{"asset":"A","account":"b","amount":"1"}]}"#,
        r#"{"type":"posting","ref":"a","legs":[]}"#,
        r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"b","amount":"+1"}]}"#,
        r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"","amount":"1"}]}"#,
        r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"b","pool":7,"amount":"1"}]}"#,
        r#"{"type":"fill","ref":"a","account":"k","instrument":"B","side":"hold","quantity":"1","price":"1"}"#,
        r#"{"type":"fill","ref":"a","account":"k","instrument":"B","side":"buy","quantity":"1","price":1}"#,
        r#"{"type":"capital","account":"k","asset":"A","total":"3","free":"1"}"#,
        r#"{"type":"position","account":"k","instrument":"B"}"#,
        r#"{"type":"strategy_state","strategy":"grid"}"#,
        r#"{"type":"strategy_state","strategy":"grid","to":"a\nb"}"#,
        r#"{"type":"price","source":"s","instrument":"B"}"#,
        r#"{"type":"price","source":"s","instrument":"B","bid":"1"}"#,
        r#"{"type":"price","source":"s","instrument":"B","ask":"1"}"#,
        r#"{"type":"price","source":"s","instrument":"B","bid":"1","ask":"2","last":"1"}"#,
        r#"{"type":"price","source":"s","instrument":"B","last":1}"#,
        r#"{"type":"price","source":"s","instrument":"B","last":"1e3"}"#,
        r#"{"type":"price","source":"","instrument":"B","last":"1"}"#,
        r#"{"type":"price","source":"s","instrument":"B","last":"1","time":"a\nb"}"#,
        r#"{"type":"api_usage","endpoint":"e","used":-1,"limit":1}"#,
        r#"{"type":"api_usage","endpoint":"e","used":1}"#,
        r#"{"type":"order"}"#,
        r#"{"type":"order","client_id":"","instrument":"B","account":"a","side":"buy","quantity":"1"}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"hold","quantity":"1"}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":1}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1","price":1}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1","leverage":"x"}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1","kind":"open"}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1","user":""}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1","live":"yes"}"#,
        r#"{"type":"order_result","client_id":"c"}"#,
        r#"{"type":"order_result","client_id":"c","outcome":"lost"}"#,
        r#"{"type":"order_result","client_id":"c","outcome":"filled","latency_us":-1}"#,
        r#"{"type":"order_result","client_id":"c","outcome":"filled","venue_id":""}"#,
        r#"{"type":"rate"}"#,
        r#"{"type":"rate","bucket":"copies","cost":1}"#,
        r#"{"type":"rate","bucket":"copies","user":""}"#,
    ] {
        assert_eq!(code(line), Code::BadField, "{line}");
    }
    let long = "n".repeat(MAX_NAME + 1);
    assert_eq!(code(format!(r#"{{"type":"tick","feed":"{long}"}}"#)), Code::BadField);
    assert_eq!(code(format!(r#"{{"type":"heartbeat","id":"{long}"}}"#)), Code::BadField);
    let leg = r#"{"asset":"A","account":"b","amount":"1"}"#;
    let legs = vec![leg; MAX_LEGS + 1].join(",");
    assert_eq!(code(format!(r#"{{"type":"posting","ref":"a","legs":[{legs}]}}"#)), Code::BadField);
    let why = "n".repeat(MAX_REASON + 1);
    assert_eq!(code(format!(r#"{{"type":"snapshot_request","reason":"{why}"}}"#)), Code::BadField);
    let large = "n".repeat(MAX_EVENT_DATA);
    assert_eq!(code(format!(r#"{{"type":"event","name":"x.a","data":{{"a":"{large}"}}}}"#)), Code::BadField);
}

#[test]
fn deep_nesting_is_refused_and_never_overflows_the_stack() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for levels in [1, MAX_DEPTH - 2] {
        good(&format!(r#"{{"type":"event","name":"x.a","data":{{"a":{}}}}}"#, deep(levels)));
    }
    for levels in [MAX_DEPTH, 127, 128, 10_000, 30_000] {
        let line = format!(r#"{{"type":"event","name":"x.a","data":{{"a":{}}}}}"#, deep(levels));
        assert_eq!(code(line), Code::BadField, "{levels} levels");
        let bare = deep(levels);
        assert_eq!(code(bare), Code::BadJson);
        // In a field that nobody reads it may stand as deep as the line is long.
        good(&format!(r#"{{"type":"heartbeat","junk":{}}}"#, deep(levels)));
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let seeds = [
        r#"{"type":"tick","feed":"a","id":1}"#,
        r#"{"type":"event","name":"x.a","data":{"a":[1,"b"]}}"#,
        r#"{"type":"posting","ref":"a","legs":[{"asset":"A","account":"b","pool":"c","amount":"-1.5"}]}"#,
        r#"{"type":"order","client_id":"c","instrument":"B","account":"a","side":"buy","quantity":"1","price":"2.5"}"#,
        r#"{"type":"price","source":"s","instrument":"B","bid":"1","ask":"2"}"#,
    ];
    for round in 0..40_000_usize {
        let mut line = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..=round % 4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % line.len() as u64).unwrap();
            line[at] = u8::try_from(state >> 56).unwrap();
        }
        let _ = decode(&line);
    }
}

#[test]
fn replies_are_one_line_each() {
    let mut out = Vec::new();
    Reply::Done.write_line(Some(&Id::Number(4)), &mut out);
    Reply::Done.write_line(Some(&Id::Text("a\"b".into())), &mut out);
    Reply::Recorded { seq: 9 }.write_line(Some(&Id::Number(5)), &mut out);
    Reply::Booked(Booked { seq: 9, already: false }).write_line(Some(&Id::Number(5)), &mut out);
    Reply::Booked(Booked { seq: 9, already: true }).write_line(Some(&Id::Number(6)), &mut out);
    Reply::Refused { code: Code::BadJson, error: "no\nway".into() }.write_line(None, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"id\":4,\"ok\":true}\n{\"id\":\"a\\\"b\",\"ok\":true}\n{\"id\":5,\"ok\":true,\"seq\":9}\n\
         {\"id\":5,\"ok\":true,\"seq\":9}\n{\"id\":6,\"ok\":true,\"seq\":9,\"already\":true}\n\
         {\"ok\":false,\"code\":\"BAD_JSON\",\"error\":\"no\\nway\"}\n"
    );
}

#[test]
fn what_can_be_read_of_nothing_but_its_id_is_answered_under_it() {
    for line in [r#"{"type":7,"id":"a"}"#, r#"{"id":"a","type":null}"#, r#"{"type":[{}],"id":"a","type":"hello"}"#] {
        assert_eq!(decode(line.as_bytes()).unwrap_err().id, Some(Id::Text("a".to_owned())), "{line}");
    }
    let long = format!(r#"{{"type":7,"id":"{}"}}"#, "a".repeat(MAX_NAME + 1));
    assert_eq!(decode(long.as_bytes()).unwrap_err().id, None);
}
