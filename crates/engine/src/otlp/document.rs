//! What a collector is sent: OTLP's JSON. Pure.

use crate::masking;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// How urgent a line is, by OpenTelemetry's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Every step.
    Trace,
    /// Why.
    Debug,
    /// What happens.
    Info,
    /// What may go wrong.
    Warn,
    /// What went wrong.
    Error,
}

impl Severity {
    const fn named(self) -> (u8, &'static str) {
        match self {
            Self::Trace => (1, "TRACE"),
            Self::Debug => (5, "DEBUG"),
            Self::Info => (9, "INFO"),
            Self::Warn => (13, "WARN"),
            Self::Error => (17, "ERROR"),
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Truth(bool),
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was said.
    pub at: Timestamp,
    /// How urgent it is.
    pub severity: Severity,
    /// Its words.
    pub body: String,
    /// Further facts.
    pub attributes: Vec<(String, Value)>,
    /// What it follows from, 32 digits.
    pub trace: Option<String>,
}

impl Line {
    /// A line without further facts.
    pub const fn new(at: Timestamp, severity: Severity, body: String) -> Self {
        Self { at, severity, body, attributes: Vec::new(), trace: None }
    }
}

/// Something that is over: a control, an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it belongs to, 32 digits.
    pub trace: String,
    /// What it was.
    pub name: String,
    /// When it began.
    pub from: Timestamp,
    /// When it was over.
    pub until: Timestamp,
    /// Whether it was a failure.
    pub failed: bool,
    /// Further facts.
    pub attributes: Vec<(String, Value)>,
}

/// What waits for the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Line(Line),
    Span(Span),
}

/// The requests for these: path and body; none where there is nothing of a kind.
pub(super) fn requests(system: &str, items: &[Item]) -> Vec<(&'static str, Json)> {
    let (mut lines, mut spans) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Line(line) => lines.push(of_line(line)),
            Item::Span(span) => spans.push(of_span(span)),
        }
    }
    let resource = json!({ "attributes": [
        pair("service.name", &Value::Text("failstop".to_owned())),
        pair("service.instance.id", &Value::Text(system.to_owned())),
        pair("service.version", &Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
    ] });
    let scope = json!({ "name": "failstop" });
    let mut requests = Vec::new();
    if !lines.is_empty() {
        let all = json!({ "resource": &resource, "scopeLogs": [{ "scope": &scope, "logRecords": lines }] });
        requests.push(("/v1/logs", json!({ "resourceLogs": [all] })));
    }
    if !spans.is_empty() {
        let all = json!({ "resource": &resource, "scopeSpans": [{ "scope": &scope, "spans": spans }] });
        requests.push(("/v1/traces", json!({ "resourceSpans": [all] })));
    }
    requests
}

fn of_line(line: &Line) -> Json {
    let (number, word) = line.severity.named();
    let mut record = json!({
        "timeUnixNano": nanos(line.at),
        "severityNumber": number,
        "severityText": word,
        "body": { "stringValue": masking::text(&line.body) },
        "attributes": pairs(&line.attributes),
    });
    if let Some(trace) = line.trace.as_deref().filter(|trace| is_trace(trace)) {
        record["traceId"] = trace.into();
    }
    record
}

fn of_span(span: &Span) -> Json {
    // The same span has the same id whoever sends it, and however often.
    let named = format!("{}\n{}\n{}", span.trace, span.name, nanos(span.from));
    let id = crate::words::fnv1a(named.as_bytes()).max(1);
    json!({
        "traceId": span.trace,
        "spanId": format!("{id:016x}"),
        "name": span.name,
        // Within failstop.
        "kind": 1,
        "startTimeUnixNano": nanos(span.from),
        "endTimeUnixNano": nanos(span.until),
        "attributes": pairs(&span.attributes),
        "status": { "code": if span.failed { 2 } else { 1 } },
    })
}

fn pairs(attributes: &[(String, Value)]) -> Vec<Json> {
    attributes.iter().map(|(name, value)| pair(name, value)).collect()
}

fn pair(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": masking::text(text) }),
        // 64 bits are a text in this JSON.
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Truth(truth) => json!({ "boolValue": truth }),
    };
    json!({ "key": name, "value": value })
}

fn nanos(at: Timestamp) -> String {
    at.as_nanosecond().max(0).to_string()
}

fn is_trace(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.bytes().any(|byte| byte != b'0')
}
