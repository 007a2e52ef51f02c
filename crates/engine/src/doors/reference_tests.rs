//! Keeps `docs/reference` and the doors in step: every route is described and every description has its route, and what
//! is really answered and sent fits the committed schemas, with nothing undescribed in it.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::control::wire::{
    ALERT_ID_MAX_BYTES, AcknowledgeAlert, CompareConfig, ComponentOrder, ComponentVerb, ConfirmOrder, ControlOrder,
    CorrectBooks, EmergencyStop, End, EndOverride, Import, LimitName, MAINTENANCE_MAX_SECONDS, Maintenance, ModeWord,
    OVERRIDE_MAX_SECONDS, OverrideLimit, REASON_MAX_BYTES, ReleaseKillSwitch, ReloadConfig, ResetBreaker, ResolveOrder,
    Resume, Scope, SetMode, TakeSnapshot, TestAlerts,
};
use super::fake_loop::{Does, FakeLoop, exchange, get, post};
use super::{HttpDoors, Limits, Listeners, control, observe};
use crate::access::Holders;
use crate::status::tests::status;
use failstop_client::status::{Coverage, EndKind};
use failstop_journal::ledger::{Outcome, StatedBalance, StatedPosition, Statement};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn reference(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    std::fs::read_to_string(directory.join(name)).unwrap()
}

fn document(name: &str) -> Value {
    serde_json::from_str(&reference(name)).unwrap()
}

/// Checks values against the part of JSON Schema that our schemas use, and refuses any other keyword. Stricter than the
/// standard in one way: where `properties` stand without `additionalProperties`, an undescribed property is a fault.
struct Checker {
    documents: BTreeMap<&'static str, Value>,
}

impl Checker {
    fn new() -> Self {
        let names = [
            "status.schema.json",
            "health.schema.json",
            "alerts.schema.json",
            "beat.schema.json",
            "processes.schema.json",
            "history.schema.json",
            "thresholds.schema.json",
            "live.schema.json",
            "verify-data.schema.json",
            "openapi.json",
        ];
        Self { documents: names.into_iter().map(|name| (name, document(name))).collect() }
    }

    fn resolve(&self, base: &'static str, reference: &str) -> (&'static str, &Value) {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let name = match file {
            "" => base,
            file => self.documents.keys().find(|name| **name == file).unwrap_or_else(|| panic!("no {file}")),
        };
        (name, self.documents[name].pointer(pointer).unwrap_or_else(|| panic!("nothing at {reference} in {base}")))
    }

    fn check(&self, base: &'static str, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = schema.as_object().unwrap();
        for (keyword, rule) in schema {
            match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => {}
                "$ref" => {
                    let (base, target) = self.resolve(base, rule.as_str().unwrap());
                    self.check(base, target, value, at)?;
                }
                "oneOf" => {
                    let outcomes = rule.as_array().unwrap().iter().map(|one| self.check(base, one, value, at));
                    let (fit, faults): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
                    if fit.len() != 1 {
                        return Err(format!("{at}: {} of oneOf fit: {faults:?}", fit.len()));
                    }
                }
                "type" => {
                    let listed = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                    if !listed.iter().any(|word| is_type(word.as_str().unwrap(), value)) {
                        return Err(format!("{at}: {value} is not {rule}"));
                    }
                }
                "enum" => {
                    if !rule.as_array().unwrap().contains(value) {
                        return Err(format!("{at}: {value} is none of {rule}"));
                    }
                }
                "minimum" | "maximum" => {
                    let (bound, number) = (rule.as_f64().unwrap(), value.as_f64());
                    let good = number
                        .is_none_or(|number| if keyword == "minimum" { number >= bound } else { number <= bound });
                    if !good {
                        return Err(format!("{at}: {value} breaks {keyword} {bound}"));
                    }
                }
                "minLength" | "maxLength" => {
                    let (bound, length) =
                        (rule.as_u64().unwrap(), value.as_str().map(|text| text.chars().count() as u64));
                    if !length
                        .is_none_or(|length| if keyword == "minLength" { length >= bound } else { length <= bound })
                    {
                        return Err(format!("{at}: {value} breaks {keyword} {bound}"));
                    }
                }
                "pattern" => {
                    if let Some(text) = value.as_str()
                        && !fits_pattern(rule.as_str().unwrap(), text)
                    {
                        return Err(format!("{at}: {text} does not fit {rule}"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(base, rule, item, &format!("{at}[{index}]"))?;
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                            return Err(format!("{at}: {name} is missing"));
                        }
                    }
                }
                "properties" | "additionalProperties" => {}
                other => panic!("the checker does not know the keyword {other}"),
            }
        }
        let described = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        if described.is_some() || others.is_some() {
            for (name, inside) in value.as_object().into_iter().flatten() {
                let at = format!("{at}.{name}");
                match (described.and_then(|described| described.get(name)), others) {
                    (Some(schema), _) => self.check(base, schema, inside, &at)?,
                    (None, Some(schema)) if schema.is_object() => self.check(base, schema, inside, &at)?,
                    (None, _) => return Err(format!("{at} is not described")),
                }
            }
        }
        Ok(())
    }

    fn must_fit(&self, base: &'static str, schema: &Value, value: &Value) {
        self.check(base, schema, value, "").unwrap_or_else(|fault| panic!("{base}: {fault}\n{value:#}"));
    }
}

fn is_type(word: &str, value: &Value) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

/// The few patterns that our schemas use.
fn fits_pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "^h-[0-9]+$" => text.strip_prefix("h-").is_some_and(|digits| digits.parse::<u64>().is_ok()),
        "^[A-Za-z0-9_-]+$" => text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        time if time.starts_with(r"^\d{4}-") => text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        other => panic!("the checker does not know the pattern {other}"),
    }
}

/// `(method, path)` of every operation with this tag.
fn described(tag: &str) -> BTreeSet<(String, String)> {
    let openapi = document("openapi.json");
    let mut found = BTreeSet::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["tags"].as_array().unwrap().contains(&json!(tag)) {
                found.insert((method.clone(), path.clone()));
            }
        }
    }
    found
}

fn served(gets: &[observe::Route], posts: &[control::Route]) -> BTreeSet<(String, String)> {
    let gets = gets.iter().map(|route| ("get".to_owned(), route.path.to_owned()));
    gets.chain(posts.iter().map(|route| ("post".to_owned(), route.path.to_owned()))).collect()
}

#[test]
fn every_route_is_described_and_every_description_has_its_route() {
    let with = |mut paths: BTreeSet<(String, String)>, more: &[(&str, &str)]| {
        paths.extend(more.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())));
        paths
    };
    let (beat, journal) = (("get", super::beat::PATH), ("get", super::range::PATH));
    assert_eq!(described("observe"), with(served(observe::ROUTES, &[]), &[beat, ("get", "/ws")]));
    let only: Vec<(&str, &str)> = observe::pages::ON_CONTROL_ONLY.iter().map(|route| ("get", route.path)).collect();
    let on_control = with(served(observe::pages::ON_CONTROL, control::ROUTES), &[beat, journal]);
    let on_control = with(with(on_control, &only), &[("get", super::control::access::PATH)]);
    assert_eq!(described("control"), on_control);
    let (ends, _): (Vec<_>, Vec<_>) = control::ROUTES.iter().copied().partition(control::Route::is_watchdogs);
    assert_eq!(described("watchdog"), with(served(observe::pages::ON_CONTROL, &ends), &[beat, journal]));
    // Over TLS people ask the same, except for streams of beats.
    let remote: BTreeSet<_> = on_control.iter().filter(|(_, path)| path != super::beat::PATH).cloned().collect();
    assert_eq!(described("remote"), remote);
    let of_browsers = [("get", "/login"), ("post", "/login"), ("post", "/logout")];
    assert_eq!(described("browser"), with(BTreeSet::new(), &of_browsers));
    let openapi = document("openapi.json");
    for route in control::ROUTES {
        let roles: BTreeMap<&str, &str> =
            route.controls().map(|control| (control.row().name, control.row().least.name())).collect();
        assert_eq!(openapi["paths"][route.path]["post"]["x-failstop-roles"], json!(roles), "{}", route.path);
    }
    let page = reference("http.md");
    for control in crate::access::Control::ALL {
        let row = format!("| {} | {} |", control.row().name, control.row().least);
        assert!(page.contains(&row), "{row} is not in http.md");
    }
    for (_, path) in described("observe").union(&described("control")) {
        assert!(
            page.contains(&format!("| `{path}` |"))
                || (only.iter().any(|(_, one)| path == one) && page.contains(&format!("`{path}`")))
                || path == super::control::access::PATH && page.contains("`/api/access`")
                || observe::pages::ON_CONTROL.iter().any(|route| route.path == path),
            "{path} is not in http.md"
        );
    }
}

#[test]
fn every_reference_within_the_documents_leads_somewhere() {
    fn walk(checker: &Checker, base: &'static str, value: &Value, count: &mut usize) {
        match value {
            Value::Object(map) => {
                for (key, inside) in map {
                    if key == "$ref" {
                        checker.resolve(base, inside.as_str().unwrap());
                        *count += 1;
                    }
                    walk(checker, base, inside, count);
                }
            }
            Value::Array(list) => list.iter().for_each(|inside| walk(checker, base, inside, count)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let checker = Checker::new();
    let mut count = 0;
    for (base, document) in &checker.documents {
        walk(&checker, base, document, &mut count);
    }
    assert!(count > 50, "{count}");
}

/// Figures that are known, unknown, and bad.
fn failstop_figures() -> Vec<crate::thresholds::Standing> {
    let figure = "[[thresholds.figure]]\nname = \"waiting\"\ncomponent = \"bot\"\nunit = \"orders\"\nwarning = 10\n";
    let config = crate::config::tests::with(figure);
    let now = failstop_core::Monotonic::from_nanos(1_000_000_000);
    let mut watcher = crate::thresholds::Watcher::new(&config, now);
    let mut custom = crate::metrics::custom::Custom::default();
    custom.report("websocket_latency", 2_000.0, now);
    custom.report("nonce_rate", 2_000.0, now);
    watcher.look(now, crate::thresholds::Which::Due, &crate::thresholds::Outside::default(), &custom);
    watcher.standings(now, jiff::Timestamp::UNIX_EPOCH, true)
}

/// A site with a threshold of each kind.
fn site() -> observe::Site {
    let of = |component: Option<&str>, effect| observe::Threshold {
        key: "limits.memory_warn".to_owned(),
        component: component.map(str::to_owned),
        figure: "memory_bytes",
        above: 5e8,
        unit: "bytes",
        for_seconds: 0.0,
        effect,
    };
    let thresholds = vec![of(None, "warning"), of(Some("bot"), "restart")];
    let figures = failstop_figures();
    let hint = crate::thresholds::Hint {
        figure: "bot.queue".to_owned(),
        value: 900.0,
        median: 110.0,
        deviations: 8.5,
        since: "2026-11-27T00:00:00.000Z".to_owned(),
    };
    let shown = crate::thresholds::Shown { figures: figures.into(), hints: [hint].into() };
    observe::Site::default().judging(tokio::sync::watch::channel(observe::Judging { thresholds, shown }).1)
}

/// Statuses with everything, with nothing, and with a coverage.
fn statuses() -> Vec<failstop_client::status::Status> {
    let full = status();
    let mut bare = status();
    bare.halts.clear();
    bare.components.clear();
    bare.parts.clear();
    bare.host = None;
    bare.announced = None;
    bare.observe = None;
    bare.feeds.clear();
    bare.gate = None;
    bare.health.status = "critical".to_owned();
    let mut covered = status();
    covered.coverage = vec![Coverage {
        component: "bot".to_owned(),
        enforced: vec!["permit".to_owned()],
        monitored: vec![],
        not_covered: vec!["open orders at the venue".to_owned()],
    }];
    vec![full, bare, covered]
}

#[test]
fn what_is_answered_fits_its_description() {
    let checker = Checker::new();
    let openapi = &checker.documents["openapi.json"];
    let mut answers = 0;
    for does in statuses().into_iter().map(|status| Does::Answers(Box::new(status))).chain([Does::Hangs]) {
        let fake = FakeLoop::start(does);
        let limits = Limits { answer: Duration::from_millis(50), ..Limits::OBSERVE };
        let listener = observe::ObserveListener::bind_with((Ipv4Addr::LOCALHOST, 0).into(), limits).unwrap();
        let address = listener.address();
        let _doors =
            HttpDoors::open(Listeners { observe: Some(listener.showing(site())), ..Listeners::default() }, fake.link())
                .unwrap();
        let nonces = ["/health?nonce=n-1", "/health?nonce=n%201"].map(|target| (target, "/health"));
        let ranges =
            ["1h", "24h", "7d"].map(|range| (format!("/api/metrics/history?range={range}"), "/api/metrics/history"));
        let ranges = ranges.iter().map(|(target, path)| (target.as_str(), *path));
        for (target, path) in observe::ROUTES
            .iter()
            .map(|route| (route.path, route.path))
            .chain(nonces)
            .chain(ranges)
            .chain([("/ws", "/ws")])
        {
            let reply = exchange(TcpStream::connect(address).unwrap(), &get(target));
            let responses = &openapi["paths"][path]["get"]["responses"];
            let response = &responses[reply.code.to_string()];
            assert!(response.is_object(), "{} answers {}, which is not described", path, reply.code);
            let media = reply.header("content-type").unwrap().split(';').next().unwrap();
            if path == "/metrics" && reply.code != 200 {
                assert_eq!(media, "application/json");
            }
            let content = &response["content"][media];
            assert!(content.is_object(), "{} answers {media}, which is not described", path);
            if media == "application/json" {
                checker.must_fit("openapi.json", &content["schema"], &reply.json());
                answers += 1;
            }
        }
    }
    assert!(answers > 20, "{answers}");
}

#[test]
fn what_is_sent_and_refused_fits_its_description() {
    let checker = Checker::new();
    let openapi = &checker.documents["openapi.json"];
    let statement = || Statement {
        id: "s-1".to_owned(),
        account: "kraken".to_owned(),
        balances: vec![StatedBalance { asset: "USDT".to_owned(), total: "1.50".to_owned() }],
        positions: vec![StatedPosition { instrument: "BTC/USDT".to_owned(), quantity: "-1".to_owned() }],
        complete: true,
        source: "kraken.csv".to_owned(),
        as_of: Some("noon".to_owned()),
    };
    let reason = || "r".to_owned();
    let confirm = || "demo".to_owned();
    let component =
        |verb| ControlOrder::Component { name: "bot".to_owned(), verb, order: ComponentOrder { reason: reason() } };
    let orders = [
        ControlOrder::Resume(Resume { halts: vec!["h-1".into()], reason: reason(), confirm: confirm() }),
        ControlOrder::Mode(SetMode { mode: ModeWord::Live, reason: reason(), confirm: confirm() }),
        ControlOrder::EmergencyStop(EmergencyStop { reason: reason() }),
        ControlOrder::ReleaseKillSwitch(ReleaseKillSwitch { reason: reason(), confirm: confirm() }),
        ControlOrder::Maintenance(Maintenance { on: true, for_seconds: Some(1), reason: reason(), keep_trading: true }),
        component(ComponentVerb::Start),
        component(ComponentVerb::Stop),
        component(ComponentVerb::Restart),
        component(ComponentVerb::Reload),
        ControlOrder::AcknowledgeAlert(AcknowledgeAlert { id: "h-31".to_owned() }),
        ControlOrder::TestAlerts(TestAlerts { channel: Some("telegram".to_owned()) }),
        ControlOrder::TakeSnapshot(TakeSnapshot { reason: reason() }),
        ControlOrder::ResolveOrder(ResolveOrder {
            id: "o-1".to_owned(),
            outcome: Outcome::NotSent,
            reason: reason(),
            source: Some("orders.csv".to_owned()),
        }),
        ControlOrder::ConfirmOrder(ConfirmOrder { id: "e7-1".to_owned() }),
        ControlOrder::OverrideLimit(OverrideLimit {
            limit: LimitName::Position,
            scope: Scope::Component,
            of: Some("bot".to_owned()),
            value: "5000".to_owned(),
            for_seconds: 60,
            reason: reason(),
        }),
        ControlOrder::EndOverride(EndOverride { name: "position".to_owned() }),
        ControlOrder::ResetBreaker(ResetBreaker {}),
        ControlOrder::Import(Box::new(Import { statement: statement() })),
        ControlOrder::CorrectBooks(Box::new(CorrectBooks {
            statement: statement(),
            pool: Some("main".to_owned()),
            reason: reason(),
        })),
        ControlOrder::CompareConfig(CompareConfig {}),
        ControlOrder::ReloadConfig(ReloadConfig { set: vec!["health.every=20s".to_owned()] }),
        ControlOrder::End { kind: EndKind::Stop, end: End { expected_epoch: Some(7), reason: reason() } },
        ControlOrder::End { kind: EndKind::Restart, end: End { expected_epoch: Some(7), reason: reason() } },
    ];
    let mut paths = BTreeSet::new();
    for refusals in [None, Some(vec!["one".to_owned(), "two".to_owned()])] {
        let does = refusals.map_or_else(|| Does::Answers(Box::new(status())), Does::Refuses);
        let fake = FakeLoop::start(does);
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let settings = control::ControlSettings {
            system: "demo".to_owned(),
            components: vec!["bot".to_owned()],
            component_processes: Arc::new(|_| false),
            holders: Holders::of_the_engine(),
            token_file: None,
            limits: Limits::CONTROL,
        };
        let listener = control::ControlListener::bind(&socket, settings).unwrap();
        let _doors =
            HttpDoors::open(Listeners { control: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
        for order in &orders {
            let path = order.path().replace("/bot/", "/{name}/");
            let operation = &openapi["paths"][&path]["post"];
            let body: Value = serde_json::from_slice(&order.body().unwrap()).unwrap();
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            checker.must_fit("openapi.json", schema, &body);
            let (_, schema) = checker.resolve("openapi.json", schema["$ref"].as_str().unwrap());
            let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(&schema["properties"]), names(&body), "{path}: described and sent");
            for request in [post(&order.path(), &body.to_string()), post(&order.path(), "[1]")] {
                let reply = exchange(UnixStream::connect(&socket).unwrap(), &request);
                let schema = &operation["responses"][reply.code.to_string()]["content"]["application/json"]["schema"];
                assert!(schema.is_object(), "{path} answers {}, which is not described", reply.code);
                checker.must_fit("openapi.json", schema, &reply.json());
            }
            paths.insert(path);
        }
    }
    assert_eq!(paths.len(), control::ROUTES.len());
    let schemas = &openapi["components"]["schemas"];
    assert_eq!(schemas["Maintenance"]["properties"]["for_seconds"]["maximum"], MAINTENANCE_MAX_SECONDS);
    assert_eq!(schemas["OverrideLimit"]["properties"]["for_seconds"]["maximum"], OVERRIDE_MAX_SECONDS);
    assert_eq!(schemas["OverrideLimit"]["properties"]["limit"]["enum"], json!(LimitName::ALL.map(LimitName::name)));
    assert_eq!(schemas["Resume"]["properties"]["reason"]["maxLength"], REASON_MAX_BYTES);
    assert_eq!(schemas["AcknowledgeAlert"]["properties"]["id"]["maxLength"], ALERT_ID_MAX_BYTES);
}

#[test]
fn a_beat_fits_its_description() {
    let checker = Checker::new();
    let schema = &checker.documents["beat.schema.json"];
    for status in statuses() {
        let announced = status.announced.clone().filter(|_| status.coverage.is_empty());
        let beat = super::fake_loop::beat(&failstop_client::status::Status { announced, ..status }, 7);
        checker.must_fit("beat.schema.json", schema, &serde_json::to_value(beat).unwrap());
    }
    let fields: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), schema["required"].as_array().unwrap().len());
}

#[test]
fn what_the_control_socket_alone_answers_fits_its_description() {
    let checker = Checker::new();
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let settings = control::ControlSettings {
        system: "demo".to_owned(),
        components: vec!["bot".to_owned()],
        component_processes: Arc::new(|_| false),
        holders: Holders::of_the_engine(),
        token_file: None,
        limits: Limits::CONTROL,
    };
    let listener = control::ControlListener::bind(&socket, settings).unwrap();
    let _doors = HttpDoors::open(Listeners { control: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    let answered = |path: &str| {
        let reply = exchange(UnixStream::connect(&socket).unwrap(), &get(path));
        let responses = &checker.documents["openapi.json"]["paths"][path]["get"]["responses"];
        let schema = &responses[reply.code.to_string()]["content"]["application/json"]["schema"];
        checker.must_fit("openapi.json", schema, &reply.json());
        reply
    };
    for path in observe::pages::ON_CONTROL_ONLY.iter().map(|route| route.path).chain([super::control::access::PATH]) {
        assert_eq!(answered(path).code, 200, "{path}");
    }
    let reply = answered("/api/processes");
    assert_eq!(reply.json()["failstop"][0]["pid"], std::process::id(), "{}", reply.json());
}

#[test]
fn what_is_sent_to_watchers_fits_its_schema() {
    let checker = Checker::new();
    let fake = FakeLoop::start(Does::Answers(Box::new(status())));
    let listener = observe::ObserveListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let _doors = HttpDoors::open(Listeners { observe: Some(listener), ..Listeners::default() }, fake.link()).unwrap();
    let schema = &checker.documents["live.schema.json"];
    for (path, page) in [("ws", false), ("ws?view=page", true), ("ws?view=other", false)] {
        let (mut socket, _) = tungstenite::connect(format!("ws://{address}/{path}")).unwrap();
        let message: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
        assert_eq!((&message["type"], message.get("page").is_some()), (&json!("metrics_update"), page), "{path}");
        checker.must_fit("live.schema.json", schema, &message);
    }
    checker.must_fit("live.schema.json", schema, &json!({"type": "ping", "timestamp": "2026-11-03T21:05:00.000Z"}));
}

#[test]
fn the_checker_finds_faults() {
    let checker = Checker::new();
    let schema = &checker.documents["status.schema.json"];
    let good = serde_json::to_value(status()).unwrap();
    let break_it = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        checker.check("status.schema.json", schema, &bad, "").unwrap_err()
    };
    assert_eq!(checker.check("status.schema.json", schema, &good, ""), Ok(()));
    assert!(break_it(&|bad| bad["permission"] = json!("maybe")).contains(".permission"));
    assert!(break_it(&|bad| bad["halts"][0]["cause"] = json!(5)).contains(".halts[0].cause"));
    assert!(break_it(&|bad| bad["halts"][0]["since"] = json!("yesterday")).contains(".since"));
    assert!(break_it(&|bad| bad["health"]["overall_health"] = json!(1.5)).contains("maximum"));
    assert!(break_it(&|bad| bad["queue"]["bot"]["depth"] = json!(-1)).contains("minimum"));
    assert!(break_it(&|bad| bad["new"] = json!(1)).contains(".new is not described"));
    assert!(break_it(&|bad| drop(bad.as_object_mut().unwrap().remove("journal"))).contains("missing"));
}

#[test]
fn the_schema_names_every_cause() {
    let schema = document("status.schema.json");
    let causes = schema["$defs"]["halt"]["properties"]["cause"]["enum"].clone();
    assert_eq!(causes, json!(failstop_core::Cause::ALL.map(failstop_core::Cause::name)));
}

#[test]
fn what_verify_data_prints_fits_its_schema() {
    use failstop_journal::verify::{Checkpoint, Memory, Options, Report, verify, verify_since};
    use failstop_journal::{Disk, Importance, Settings, Wall, recover};
    let checker = Checker::new();
    let fits = |report: &Report| {
        let schema = &checker.documents["verify-data.schema.json"];
        let value = serde_json::to_value(report).unwrap();
        checker.must_fit("verify-data.schema.json", schema, &value);
        value
    };
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::new("demo", "boot", "test");
    (settings.ballast_bytes, settings.roll_bytes) = (0, 2_000);
    let mut journal = recover(Disk::new(dir.path()), settings, None).unwrap().start(1, Wall::now()).unwrap();
    for _ in 0..20 {
        journal.stage(Wall::now(), "x.note", "{}", Importance::Ordinary).unwrap();
        journal.commit().unwrap();
    }
    let whole = verify(dir.path(), &Options::default(), &|_| {}).unwrap();
    assert_eq!(fits(&whole)["since"], Value::Null);
    let then = Wall(Wall::now().0 - 1_000_000_000);
    let checkpoint = Checkpoint::of(dir.path(), &whole, None, then).unwrap().unwrap();
    let mut new = verify_since(dir.path(), &checkpoint, Wall::now(), &Options::default(), &|_| {}).unwrap();
    let memory = json!({"format": "failstop-witness/1", "witness": "wd1", "origin": "demo", "jid": whole.jid,
        "points": [{"seq": 3, "head": "0".repeat(64), "at": "then"}], "alarm": null});
    Memory::parse(memory.to_string().as_bytes()).unwrap().compare(dir.path(), &mut new).unwrap();
    let value = fits(&new);
    assert_eq!((&value["result"], &value["violations"][0]["class"]), (&json!("violated"), &json!("rewrite")));
    assert!(value["scrub"]["round_ends"].is_string() && value["since"]["seq"].is_u64(), "{value}");
    let torn = dir.path().join("journal").join(failstop_journal::segment_name(whole.end.unwrap().first));
    let mut bytes = std::fs::read(&torn).unwrap();
    bytes.truncate(bytes.len() - 9);
    std::fs::write(&torn, bytes).unwrap();
    assert!(fits(&verify(dir.path(), &Options::default(), &|_| {}).unwrap())["torn_tail"].is_object());
    assert_eq!(fits(&Report::could_not("no disk".to_owned()))["error"], "no disk");
    fits(&Report::lost("gone".to_owned()));
}
