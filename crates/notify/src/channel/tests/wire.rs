//! Every answer of the table of facts, played by a server and taken as it comes.

use super::loopback::{Reply, Request, Server};
use super::{carriers, contract, kinds, run, to};
use crate::answer::Answer;
use crate::channel::Kind;
use crate::heart::What;
use crate::message::tests::message;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const FACTS: &str = include_str!("../../../tests/contracts/channel-facts.json");

fn kind(name: &str, server: &Server) -> Kind {
    let found = kinds(&server.url()).into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name}")).1
}

fn played(name: &str, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Answer {
    let server = Server::start(reply);
    let kind = kind(name, &server);
    let answer = run(kind.send(&carriers(), message(What::Trigger), &to(&kind, Duration::from_secs(60))));
    assert!(!server.requests().is_empty(), "nothing was asked");
    answer
}

/// The reply that a row of the table describes.
fn reply(row: &Value) -> Reply {
    if row["network_error"] == true {
        return Reply::Close;
    }
    let status = row["http"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let headers = row["headers"].as_object().into_iter().flatten();
    let headers = headers
        .filter(|(name, _)| name.as_str() == "Retry-After")
        .map(|(_, value)| ("retry-after", value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let body = match (&row["body"], row["body_text"].as_str()) {
        (Value::Null, Some(text)) => text.to_owned(),
        (Value::Null, None) => String::new(),
        (body, _) => body.to_string(),
    };
    Reply::Http(status, headers, body)
}

#[test]
fn every_answer_of_the_table_has_its_class() {
    let facts = contract(FACTS);
    let mut seen = 0;
    for (name, _) in kinds("") {
        let Some(rows) = facts[name]["responses"].as_array() else { continue };
        for row in rows.clone() {
            let expected = row["class"].as_str().unwrap_or_default().to_owned();
            let shown = row.to_string();
            let answer = played(name, move |_| reply(&row));
            let class = answer.class();
            // A lost answer is tried again like any other; a limit without a time of its own gets one of ours.
            let same = class == expected || expected == "retry" && matches!(class, "ambiguous" | "retry_after");
            assert!(same, "{name}: {shown}: {answer:?}");
            seen += 1;
        }
        let success = facts[name]["success"].clone();
        if success["http"].is_u64() && name != "alertmanager_v2" {
            let answer = played(name, move |_| reply(&success));
            assert_eq!(answer.class(), "ok", "{name}: {answer:?}");
        }
    }
    assert!(seen >= 35, "{seen}");
}

#[test]
fn slack_says_no_with_a_status_of_200() {
    let facts = contract(FACTS)["slack_chat_postMessage"].clone();
    let lists = [
        ("retry_after_errors", "retry_after"),
        ("fix_payload_errors", "fix_payload"),
        ("permanent_errors", "permanent"),
        ("ambiguous_errors", "ambiguous"),
    ];
    for (list, class) in lists {
        for error in facts[list].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let body = json!({ "ok": false, "error": error });
            let answer = played("slack_chat_postMessage", move |_| Reply::json(200, &body));
            assert_eq!(answer.class(), class, "{error}: {answer:?}");
        }
    }
    for error in facts["retry_errors"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let body = json!({ "ok": false, "error": error });
        let answer = played("slack_chat_postMessage", move |_| Reply::json(200, &body));
        assert!(matches!(answer.class(), "retry" | "ambiguous"), "{error}");
    }
    // A word that nobody knows is for people to look at.
    let answer = played("slack_chat_postMessage", |_| Reply::json(200, &json!({ "ok": false, "error": "new_thing" })));
    assert_eq!(answer.class(), "permanent");
}

#[test]
fn the_times_that_services_name_are_taken() {
    let after = |answer: &Answer| match answer {
        Answer::RetryAfter { after, .. } => after.as_millis(),
        _ => panic!("{answer:?}"),
    };
    let telegram = json!({ "ok": false, "error_code": 429, "parameters": { "retry_after": 5 } });
    assert_eq!(after(&played("telegram", move |_| Reply::json(429, &telegram))), 5_000);
    let slack = |_: &Request| Reply::Http(429, vec![("retry-after", "30".into())], "{\"retry_after\":1}".into());
    assert_eq!(after(&played("slack_incoming_webhook", slack)), 30_000);
    let discord = |_: &Request| Reply::json(429, &json!({ "retry_after": 0.376, "message": "limited" }));
    assert_eq!(after(&played("discord_webhook", discord)), 376);
    let bare = |_: &Request| Reply::status(429);
    assert_eq!(after(&played("pagerduty_events_v2", bare)), 60_000);
}

#[test]
fn no_service_is_taken_for_another() {
    // A portal of a hotel answers everything with a page; a proxy says 204.
    for (name, _) in kinds("") {
        let portal = |_: &Request| Reply::Http(200, Vec::new(), "<html>Please log in</html>".into());
        let class = played(name, portal).class();
        let takes_any = matches!(name, "webhook" | "alertmanager_v2");
        assert_eq!(class, if takes_any { "ok" } else { "ambiguous" }, "{name}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let other = Arc::new(Server::start(|_| Reply::status(200)));
    for (name, _) in kinds("") {
        for status in [301, 302, 303, 307, 308] {
            let location = format!("{}/elsewhere", other.url());
            let answer =
                played(name, move |_| Reply::Http(status, vec![("location", location.clone())], String::new()));
            assert_eq!(answer.class(), "permanent", "{name} {status}");
        }
    }
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn a_slack_incident_is_one_message_with_a_thread() {
    let server = Server::start(|_| Reply::json(200, &json!({ "ok": true, "channel": "C1", "ts": "15.0002" })));
    let kind = kind("slack_chat_postMessage", &server);
    let to = to(&kind, Duration::from_secs(60));
    let first = run(kind.send(&carriers(), message(What::Trigger), &to));
    let Answer::Ok { receipt } = first else { panic!("{first:?}") };
    let mut end = message(What::Resolve);
    end.order.receipt = receipt;
    assert_eq!(run(kind.send(&carriers(), end, &to)).class(), "ok");
    let told: Vec<_> = server.requests().iter().map(|r| (r.path.clone(), r.json()["thread_ts"].clone())).collect();
    assert_eq!(
        told,
        [
            ("/api/chat.postMessage".to_owned(), Value::Null),
            ("/api/chat.update".to_owned(), Value::Null),
            ("/api/chat.postMessage".to_owned(), json!("15.0002")),
        ]
    );
}

#[test]
fn pagerduty_finds_what_an_attempt_with_a_lost_answer_opened() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => Reply::json(200, &json!({ "incidents": [{ "id": "PI9" }] })),
        _ => Reply::json(
            400,
            &json!({ "error": { "code": 2002, "message": "Arguments Caused Error",
                "errors": ["Open incident with matching dedup key already exists on this service"] } }),
        ),
    });
    let kind = kind("pagerduty_rest", &server);
    let answer = run(kind.send(&carriers(), message(What::Trigger), &to(&kind, Duration::from_secs(60))));
    assert_eq!(answer, Answer::Ok { receipt: Some("PI9".into()) });
}
