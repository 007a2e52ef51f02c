//! What each channel sends, judged by the published description of its service and by the table of facts.

use super::schema::faults;
use super::{carriers, contract, kinds, run, telegram, to};
use crate::channel::tests::loopback::{Reply, Request, Server};
use crate::heart::What;
use crate::message::Message;
use crate::message::tests::message;
use crate::notice::{Notice, Severity};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const TELEGRAM: &str = include_str!("../../../tests/contracts/telegram-bot-api.subset.json");
const SLACK: &str = include_str!("../../../tests/contracts/slack-web-api-chat.subset.openapi2.json");
const DISCORD: &str = include_str!("../../../tests/contracts/discord-execute-webhook.subset.openapi.json");
const ALERTMANAGER: &str = include_str!("../../../tests/contracts/alertmanager-v2.openapi.yaml");
const FACTS: &str = include_str!("../../../tests/contracts/channel-facts.json");

const WHATS: [What; 7] =
    [What::Trigger, What::Update, What::Reminder, What::Escalation, What::Acknowledge, What::Resolve, What::Refresh];

/// Messages of every sort: ordinary, enormous, full of what services take for markup, bare.
fn messages(what: What) -> Vec<Message> {
    let texts = [
        ("short".to_owned(), false),
        ("<b>&amp;</b> *_`~| @everyone <!channel> \u{202e}\n\n".repeat(90), false),
        ("𝕏é漢".repeat(1_300), false),
        ("x".repeat(4_000), true),
        (String::new(), false),
    ];
    let made = texts.into_iter().map(|(text, plain)| {
        let mut message = message(what);
        let mut notice = Notice::clone(&message.order.notice);
        notice.title = if text.is_empty() { "t".into() } else { text.clone() };
        notice.root_cause = Some(text.clone());
        notice.metadata = (0..40).map(|at| (format!("{text}{at}"), text.clone())).collect();
        notice.message = text;
        message.order.notice = Arc::new(notice.bounded());
        message.order.plain = plain;
        Message::new(message.order, message.now)
    });
    made.collect()
}

fn answer_of(request: &Request) -> Reply {
    let body = match request.path.as_str() {
        path if path.contains("sendMessage") => json!({ "ok": true, "result": { "message_id": 7 } }),
        path if path.contains("/api/chat.") => json!({ "ok": true, "channel": "C1", "ts": "15.0002" }),
        path if path.contains("/services/") => return Reply::Http(200, Vec::new(), "ok".into()),
        path if path.contains("/enqueue") => return Reply::json(202, &json!({ "status": "success" })),
        path if path.contains("/notes") => json!({ "note": { "id": "N1" } }),
        path if path.starts_with("/incidents?") => json!({ "incidents": [{ "id": "PI1" }] }),
        path if path.contains("/incidents") => json!({ "incident": { "id": "PI1" } }),
        path if path.contains("Messages") => return Reply::json(201, &json!({ "sid": "SM1", "status": "queued" })),
        path if path.contains("/api/v2/alerts") => return Reply::status(200),
        _ => json!({ "id": "m1" }),
    };
    Reply::json(200, &body)
}

/// Everything that the channel of that name asks for.
fn asked(name: &str) -> Vec<Request> {
    let server = Server::start(answer_of);
    let kind = kinds(&server.url()).into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
    let kind = kind.unwrap_or_else(|| panic!("{name}"));
    run(async {
        let carriers = carriers();
        let destination = to(&kind, Duration::from_secs(60));
        for what in WHATS {
            for receipt in [None, Some("C1:15.0002"), Some("7")] {
                for mut message in messages(what) {
                    message.order.receipt = receipt.map(str::to_owned);
                    let answer = kind.send(&carriers, message, &destination).await;
                    assert_eq!(answer.class(), "ok", "{name} {what:?}: {answer:?}");
                }
            }
        }
    });
    server.requests()
}

fn clean(found: &[String], request: &Request) {
    assert_eq!(found, &[] as &[String], "{}", request.echo());
}

#[test]
fn telegram_gets_what_its_description_says() {
    let description = contract(TELEGRAM);
    let of_type = |name: &str, value: &Value| match name {
        "Integer" => value.is_i64(),
        "String" => value.is_string(),
        "Boolean" => value.is_boolean(),
        "Float" => value.is_number(),
        _ => false,
    };
    // Fields of an object against its list of fields.
    fn object(
        description: &Value,
        fields: &Value,
        value: &Value,
        of_type: &dyn Fn(&str, &Value) -> bool,
    ) -> Vec<String> {
        let fields = fields.as_array().cloned().unwrap_or_default();
        let mut found = Vec::new();
        for field in &fields {
            let name = field["name"].as_str().unwrap_or_default();
            let Some(value) = value.get(name) else {
                if field["required"] == true {
                    found.push(format!("{name} is missing"));
                }
                continue;
            };
            let types: Vec<&str> = field["types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let fits = |kind: &str| match kind.strip_prefix("Array of ") {
                Some(kind) => value.as_array().is_some_and(|items| {
                    items.iter().all(|item| {
                        object(description, &description["types"][kind]["fields"], item, of_type).is_empty()
                    })
                }),
                None if description["types"][kind].is_object() => {
                    object(description, &description["types"][kind]["fields"], value, of_type).is_empty()
                }
                None => of_type(kind, value),
            };
            if !types.iter().any(|kind| fits(kind)) {
                found.push(format!("{name}: {value} is not {types:?}"));
            }
        }
        for name in value.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !fields.iter().any(|field| field["name"] == name.as_str()) {
                found.push(format!("{name} is not in the description"));
            }
        }
        found
    }
    let most = contract(FACTS)["telegram"]["limits"]["text_chars_after_entity_parsing"].as_u64().unwrap_or_default();
    for request in asked("telegram") {
        assert_eq!(request.path, "/bot1:token/sendMessage");
        let body = request.json();
        clean(&object(&description, &description["methods"]["sendMessage"]["fields"], &body, &of_type), &request);
        let text = body["text"].as_str().unwrap_or_default();
        let length = text.encode_utf16().count() as u64;
        assert!((1..=most).contains(&length), "{length}");
        assert!(body.get("parse_mode").is_none());
        for entity in body["entities"].as_array().into_iter().flatten() {
            let end = entity["offset"].as_u64().unwrap_or(0) + entity["length"].as_u64().unwrap_or(0);
            assert!(end <= length, "an entity ends after the text");
        }
    }
}

#[test]
fn telegram_follows_a_chat_that_moved() {
    let request = telegram("http://x").request(&message(What::Trigger), "-100777");
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap_or_default()["chat_id"], -100_777);
    let request = telegram("http://x").request(&message(What::Trigger), "@channel");
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap_or_default()["chat_id"], "@channel");
}

#[test]
fn slack_gets_what_its_description_says() {
    let description = contract(SLACK);
    for request in asked("slack_chat_postMessage") {
        let path = request.path.trim_start_matches("/api").to_owned();
        let parameters = description["paths"][&path]["post"]["parameters"].as_array().cloned().unwrap_or_default();
        assert!(!parameters.is_empty(), "{path}");
        assert_eq!(request.header("authorization"), "Bearer xoxb-1");
        let body = request.json();
        for (name, value) in body.as_object().into_iter().flatten() {
            let parameter = parameters.iter().find(|parameter| parameter["name"] == name.as_str());
            let wanted = parameter.and_then(|parameter| parameter["type"].as_str());
            let fits = match wanted {
                Some("string") => value.is_string(),
                Some("boolean") => value.is_boolean(),
                _ => false,
            };
            assert!(fits, "{name}: {value} is not {wanted:?}");
        }
        // The token is in a header, where Slack takes it too.
        for parameter in parameters.iter().filter(|p| p["required"] == true && p["name"] != "token") {
            assert!(body.get(parameter["name"].as_str().unwrap_or_default()).is_some(), "{parameter}");
        }
        let text = body["text"].as_str().unwrap_or_default();
        let most = contract(FACTS)["slack_chat_postMessage"]["limits"]["text_recommended_chars"].as_u64();
        assert!((text.chars().count() as u64) <= most.unwrap_or_default());
        escaped(text);
    }
    for request in asked("slack_incoming_webhook") {
        let body = request.json();
        assert!(body["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(body.to_string().chars().count() < 5_000, "{}", body.to_string().chars().count());
        escaped(body["text"].as_str().unwrap_or_default());
        escaped(body["attachments"][0]["text"].as_str().unwrap_or_default());
    }
}

/// Nothing that Slack would take for a mention, a link or an entity of its own.
fn escaped(text: &str) {
    assert!(!text.contains(['<', '>']), "{text}");
    for (at, _) in text.match_indices('&') {
        let rest = &text[at..];
        assert!(["&amp;", "&lt;", "&gt;"].iter().any(|entity| rest.starts_with(entity)), "{rest}");
    }
}

#[test]
fn pagerduty_gets_what_the_facts_say() {
    let facts = contract(FACTS)["pagerduty_events_v2"].clone();
    let most = |name: &str| facts["limits"][name].as_u64().unwrap_or_default();
    let mut actions = std::collections::BTreeSet::new();
    for request in asked("pagerduty_events_v2") {
        assert_eq!(request.path, "/v2/enqueue");
        assert!((request.body.len() as u64) <= most("body_bytes"));
        let body = request.json();
        let action = body["event_action"].as_str().unwrap_or_default().to_owned();
        let required = facts["required"][&action].as_array().cloned().unwrap_or_default();
        assert!(!required.is_empty(), "{action}");
        for path in required.iter().filter_map(Value::as_str) {
            let pointer = format!("/{}", path.replace('.', "/"));
            assert!(body.pointer(&pointer).is_some_and(Value::is_string), "{path}: {body}");
        }
        assert_eq!(body["dedup_key"], "demo/hung/bot/7");
        let length =
            |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map_or(0, |text| text.chars().count() as u64);
        assert!(length("/dedup_key") <= most("dedup_key_chars"));
        assert!(length("/payload/summary") <= most("summary_chars"));
        assert_eq!(length("/routing_key"), most("routing_key_chars"));
        if action == "trigger" {
            assert!(facts["severity"].as_array().is_some_and(|list| list.contains(&body["payload"]["severity"])));
        }
        actions.insert(action);
    }
    assert_eq!(actions.into_iter().collect::<Vec<_>>(), ["acknowledge", "resolve", "trigger"]);
}

#[test]
fn pagerduty_by_an_api_key_opens_notes_and_closes() {
    let requests = asked("pagerduty_rest");
    for request in &requests {
        assert_eq!(request.header("authorization"), "Token token=k");
        assert_eq!(request.header("accept"), "application/vnd.pagerduty+json;version=2");
        assert_eq!(request.header("from"), "ops@example.com");
    }
    let has = |method: &str, path: &str| requests.iter().any(|r| r.method == method && r.path.starts_with(path));
    assert!(
        has("POST", "/incidents/7/notes")
            && has("PUT", "/incidents/7")
            && has("GET", "/incidents?incident_key=demo%2Fhung%2Fbot%2F7&")
    );
    let opened = requests.iter().find(|r| r.method == "POST" && r.path == "/incidents").map(Request::json);
    let incident = opened.unwrap_or_default()["incident"].clone();
    assert_eq!(incident["incident_key"], "demo/hung/bot/7");
    assert_eq!(incident["service"], json!({ "id": "P1", "type": "service_reference" }));
}

#[test]
fn alertmanager_gets_what_its_description_says() {
    let description = crate::channel::tests::yaml(ALERTMANAGER);
    let schema = &description["definitions"]["postableAlerts"];
    assert!(schema.is_object());
    let mut ended = 0;
    for request in asked("alertmanager_v2") {
        assert_eq!(request.path, "/api/v2/alerts");
        let body = request.json();
        clean(&faults(&description, schema, &body, "alerts"), &request);
        for alert in body.as_array().into_iter().flatten() {
            assert!(alert["labels"]["alertname"].is_string());
            ended += usize::from(alert.get("endsAt").is_some());
        }
    }
    assert_eq!(ended, 3 * 5);
}

#[test]
fn alertmanager_ends_what_changed_its_severity() {
    let am = match kinds("http://x").into_iter().find(|(name, _)| *name == "alertmanager_v2") {
        Some((_, crate::Kind::Alertmanager(am))) => am,
        _ => panic!("no alertmanager"),
    };
    let mut order = message(What::Update).order;
    order.severities.insert(Severity::Warning);
    let request = am.request(&Message::new(order.clone(), order.opened_at), "http://x/");
    let alerts: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let told: Vec<_> = alerts
        .as_array()
        .into_iter()
        .flatten()
        .map(|alert| (alert["labels"]["severity"].as_str().unwrap_or_default(), alert.get("endsAt").is_some()))
        .collect();
    assert_eq!(told, [("warning", true), ("critical", false)]);
    order.what = What::Resolve;
    let request = am.request(&Message::new(order.clone(), order.opened_at), "http://x/");
    let alerts: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    assert!(
        alerts.as_array().is_some_and(|list| list.len() == 2 && list.iter().all(|alert| alert.get("endsAt").is_some()))
    );
}

#[test]
fn discord_gets_what_its_description_says() {
    let description = contract(DISCORD);
    let schema = &description["components"]["schemas"]["IncomingWebhookRequestPartial"];
    for request in asked("discord_webhook") {
        assert_eq!(request.path, "/api/webhooks/1/x?thread_id=5&wait=true");
        let body = request.json();
        clean(&faults(&description, schema, &body, "message"), &request);
        let length = |text: &Value| text.as_str().map_or(0, |text| text.encode_utf16().count());
        assert!((1..=2_000).contains(&length(&body["content"])));
        assert!(length(&body["embeds"][0]["description"]) <= 4_096);
        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    }
}

#[test]
fn ntfy_and_twilio_get_what_the_facts_say() {
    let facts = contract(FACTS);
    for request in asked("ntfy") {
        let body = request.json();
        let title = body["title"].as_str().unwrap_or_default();
        assert!((title.len() as u64) <= facts["ntfy"]["limits"]["title_bytes_from_v2_28"].as_u64().unwrap_or_default());
        assert!(body["message"].as_str().is_some_and(|text| text.len() <= 4_096));
        assert!(body["priority"].as_u64().is_some_and(|priority| (1..=5).contains(&priority)));
        assert_eq!((body["topic"].as_str(), request.header("authorization")), (Some("topic"), "Bearer tk"));
    }
    for request in asked("twilio_sms") {
        assert_eq!(request.path, "/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(request.header("authorization"), "Basic QUMxOnQ=");
        let form = String::from_utf8_lossy(&request.body).into_owned();
        assert!(form.starts_with("To=%2B15005550009&From=%2B15005550006&Body="));
        let text = form.split_once("Body=").map_or("", |(_, text)| text);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
    }
}
