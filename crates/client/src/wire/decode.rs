//! Reads one line into a [`Message`], or says exactly why not. Never panics, whatever the line.

use super::answer::{Code, Reply, append};
use super::books::{Capital, Fill, Leg, MAX_LEGS, MAX_REASON, Position, Posting, SnapshotRequest, StrategyState};
use super::message::{Error, Event, Halt, Heartbeat, Hello, Id, Message, Metric, Part, Queue, QueueState, Tick, Time};
use super::{MAX_DEPTH, MAX_EVENT_DATA, MAX_LABELS, MAX_LINE, MAX_NAME};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A line that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Its `id`, if an answer is wanted.
    pub id: Option<Id>,
    /// What it says.
    pub message: Message,
}

/// A line that was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its `id`, as far as it could be read.
    pub id: Option<Id>,
    /// Which kind of mistake.
    pub code: Code,
    /// What is wrong and what to write instead.
    pub error: String,
}

impl Rejected {
    /// The refusal as an answer.
    pub fn into_reply(self) -> (Option<Id>, Reply) {
        (self.id, Reply::Refused { code: self.code, error: self.error })
    }
}

/// Reads one line, without its LF.
///
/// # Errors
/// When it is too long, not UTF-8, not one JSON object, of an unknown type, or has a field that is missing, of the wrong
/// type or out of range.
pub fn decode(line: &[u8]) -> Result<Decoded, Rejected> {
    let reject = |id, code, error| Rejected { id, code, error };
    if line.len() > MAX_LINE {
        return Err(reject(None, Code::LineTooLong, format!("a line may have {MAX_LINE} bytes at most")));
    }
    let text = std::str::from_utf8(line).map_err(|error| {
        reject(None, Code::BadUtf8, format!("the line is not UTF-8 after byte {}", error.valid_up_to()))
    })?;
    // A derived reader would also take a list of the fields in order.
    if !text.trim_start_matches([' ', '\t', '\r']).starts_with('{') {
        return Err(reject(
            None,
            Code::BadJson,
            "a line holds one JSON object, and this one does not start with {".to_owned(),
        ));
    }
    let header: Header<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        // An object, but `id` or `type` is not what it must be.
        serde_json::error::Category::Data => {
            let id = serde_json::from_str(text).ok().and_then(|IdAlone { id }| id).filter(is_short);
            reject(id, Code::BadField, format!("{error}: `id` is a whole number or a text, `type` is a text"))
        }
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            reject(None, Code::BadJson, format!("a line holds one JSON object: {error}"))
        }
    })?;
    if header.id.as_ref().is_some_and(|id| !is_short(id)) {
        return Err(reject(None, Code::BadField, format!("`id` may have {MAX_NAME} bytes at most")));
    }
    let id = header.id;
    match message(&header.kind, text) {
        Ok(message) => Ok(Decoded { id, message }),
        Err((code, error)) => Err(reject(id, code, error)),
    }
}

/// Writes a message as one line, LF included. The inverse of [`decode`].
pub fn encode(id: Option<&Id>, message: &Message) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        #[serde(flatten)]
        message: &'a Message,
    }
    let mut out = Vec::with_capacity(96);
    append(&mut out, &Line { id, message });
    out.push(b'\n');
    out
}

type Refusal = (Code, String);

fn is_short(id: &Id) -> bool {
    match id {
        Id::Text(id) => id.len() <= MAX_NAME,
        Id::Number(_) => true,
    }
}

/// A line of which nothing else can be read is answered under its `id` all the same.
#[derive(serde::Deserialize)]
struct IdAlone {
    #[serde(default)]
    id: Option<Id>,
}

#[derive(serde::Deserialize)]
struct Header<'a> {
    #[serde(default)]
    id: Option<Id>,
    #[serde(borrow, default, rename = "type")]
    kind: Kind<'a>,
}

fn message(kind: &Kind<'_>, text: &str) -> Result<Message, Refusal> {
    match kind.0.as_ref() {
        "hello" => fields::<Hello>(text, "`client` (text) and `version` (text)")
            .and_then(|hello| {
                short(&hello.client, "client").and_then(|()| short(&hello.version, "version")).map(|()| hello)
            })
            .map(Message::Hello),
        "heartbeat" => fields::<Heartbeat>(text, "`progress` (whole number, optional)").map(Message::Heartbeat),
        "tick" => fields(
            text,
            "`feed` (text), `instrument` (text, optional) and `time` (RFC 3339, or whole milliseconds \
             since 1970, optional)",
        )
        .and_then(tick),
        "metric" => fields(
            text,
            "`name` (text), `value` (number, or decimal in a string) and `labels` (object of texts, \
             optional)",
        )
        .and_then(metric),
        "part" => fields(
            text,
            "`name` (text), `status` (healthy, degraded or critical), `health` (0 to 1, optional) and \
             `detail` (text, optional)",
        )
        .and_then(part),
        "queue" => fields(
            text,
            "`state` (idle, processing or stalled), `depth` (whole number) and `oldest_ms` (whole \
             number, optional)",
        )
        .and_then(|queue| self::queue(queue, text)),
        "error" => fields(
            text,
            "`kind` (text), `message` (text), `severity` (1 to 5, absent 3), `part` (text, optional) \
             and `fatal` (true or false, absent false)",
        )
        .and_then(error),
        "halt" => fields(text, "`cap` (reduce-only, observe-only or shutdown) and `reason` (text)").and_then(halt),
        "posting" => fields(
            text,
            "`ref` (text), `legs` (list of objects with `asset`, `account`, `pool` where the account is a configured one, and \
             `amount`) and `reason` (text, optional)",
        )
        .and_then(posting),
        "fill" => fields(
            text,
            "`ref` (text), `account` (text), `instrument` (text), `side` (buy or sell), `quantity` and `price` (decimals in \
             texts), `client_id` (text, optional) and `legs` (as of a posting, optional)",
        )
        .and_then(fill),
        "capital" => fields(
            text,
            "`account` (text), `asset` (text), and `total`, `free` and `locked` (decimals in texts)",
        )
        .and_then(capital),
        "position" => fields(
            text,
            "`account` (text), `instrument` (text), `quantity` (decimal in a text), `opening` (true or false, absent false), and \
             `entry` and `leverage` (decimals in texts, optional)",
        )
        .and_then(position),
        "strategy_state" => fields(
            text,
            "`strategy` (text), `to` (text), `from` (text, optional), `instance` (text, optional) and `reason` (text, optional)",
        )
        .and_then(strategy_state),
        "snapshot_request" => fields(text, "`reason` (text, optional)").and_then(snapshot_request),
        "price" => fields(
            text,
            "`source` (text), `instrument` (text), `bid` and `ask` or `last` (decimals in texts) and `time` (RFC 3339, or whole \
             milliseconds since 1970, optional)",
        )
        .and_then(gate::price),
        "api_usage" => fields(
            text,
            "`endpoint` (text), `used` and `limit` (whole numbers) and `resets_at` (RFC 3339, or whole milliseconds since 1970, \
             optional)",
        )
        .and_then(gate::api_usage),
        "order" => fields(
            text,
            "`client_id` (text), `instrument` (text), `account` (text), `side` (buy or sell), `quantity` (decimal in a text), \
             `price` and `leverage` (decimals in texts, optional), `kind` (entry, exit or copy, optional), `user` (text, optional), \
             `reduce_only` and `live` (true or false, absent false)",
        )
        .and_then(gate::order),
        "order_result" => fields(
            text,
            "`client_id` (text), `outcome` (accepted, filled, cancelled, rejected, expired, not-sent or unknown), `venue_id` \
             (text, optional), `latency_us` (whole number, optional) and `reason` (text, optional)",
        )
        .and_then(gate::order_result),
        "rate" => fields(
            text,
            "`bucket` (messages, copies, openings or trades), `user` (text, optional) and `cost` (decimal in a text, absent \"1\")",
        )
        .and_then(gate::rate),
        "event" => fields(text, "`name` (text that starts with x.) and `data` (object)").and_then(event),
        "permission?" | "permission" => Ok(Message::Permission),
        "" => Err((Code::UnknownType, format!("`type` is missing: one of {TYPES}"))),
        unknown => {
            let shown: String = unknown.chars().take(40).collect();
            Err((Code::UnknownType, format!("`type` is `{shown}`, but has to be one of {TYPES}")))
        }
    }
}

const TYPES: &str = "hello, heartbeat, tick, metric, part, queue, error, halt, event, posting, fill, capital, position, \
                     strategy_state, snapshot_request, price, api_usage, order, order_result, rate, permission?";

fn fields<T: DeserializeOwned>(text: &str, takes: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        let error_text = error.to_string();
        // What is missing or twice there is named by the reader; of a value it only says where.
        let named = ["missing field", "duplicate field"].iter().any(|start| error_text.starts_with(start));
        match last_key(text.get(..error.column()).unwrap_or(text)).filter(|_| !named) {
            Some(key) if key.len() <= MAX_NAME => bad(format!("`{key}`: {error_text}; takes {takes}")),
            Some(_) | None => bad(format!("{error_text}; takes {takes}")),
        }
    })
}

/// The last key of an object in the beginning of a JSON text, as it is written there.
fn last_key(text: &str) -> Option<&str> {
    let (mut key, mut string) = (None, None);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let begin = at + 1;
                at = begin;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += 1 + usize::from(bytes.get(at) == Some(&b'\\'));
                }
                string = text.get(begin..at.min(bytes.len()));
            }
            b':' => key = string.take().or(key),
            _ => {}
        }
        at += 1;
    }
    key
}

fn bad(error: String) -> Refusal {
    (Code::BadField, error)
}

fn short(name: &str, field: &str) -> Result<(), Refusal> {
    if name.len() <= MAX_NAME { Ok(()) } else { Err(bad(format!("`{field}` may have {MAX_NAME} bytes at most"))) }
}

fn named(name: &str, field: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(bad(format!("`{field}` may not be empty")));
    }
    if name.chars().any(char::is_control) {
        return Err(bad(format!("`{field}` may not hold control characters")));
    }
    short(name, field)
}

fn tick(tick: Tick) -> Result<Message, Refusal> {
    named(&tick.feed, "feed")?;
    if let Some(instrument) = &tick.instrument {
        named(instrument, "instrument")?;
    }
    if let Some(Time::Text(time)) = &tick.time {
        named(time, "time")?;
    }
    Ok(Message::Tick(tick))
}

fn metric(metric: Metric) -> Result<Message, Refusal> {
    named(&metric.name, "name")?;
    if metric.labels.len() > MAX_LABELS {
        return Err(bad(format!("`labels` may have {MAX_LABELS} entries at most")));
    }
    for (name, value) in &metric.labels {
        named(name, "labels")?;
        short(value, "labels")?;
    }
    Ok(Message::Metric(metric))
}

fn part(part: Part) -> Result<Message, Refusal> {
    named(&part.name, "name")?;
    match part.health {
        Some(health) if !(0.0..=1.0).contains(&health) => Err(bad("`health` is a number from 0 to 1".to_owned())),
        _ => Ok(Message::Part(part)),
    }
}

fn queue(queue: Queue, text: &str) -> Result<Message, Refusal> {
    #[derive(serde::Deserialize)]
    struct Depth {
        depth: Option<serde::de::IgnoredAny>,
    }
    // Whether a queue that works also moves is judged by its depth, so that it may not be left out.
    if queue.state == QueueState::Processing
        && queue.depth == 0
        && serde_json::from_str::<Depth>(text).is_ok_and(|given| given.depth.is_none())
    {
        return Err(bad("`depth` is missing: a processing queue says how many entries wait".to_owned()));
    }
    Ok(Message::Queue(queue))
}

fn error(error: Error) -> Result<Message, Refusal> {
    named(&error.kind, "kind")?;
    if let Some(part) = &error.part {
        named(part, "part")?;
    }
    if !(1..=5).contains(&error.severity) {
        return Err(bad(format!("`severity` is {}, but has to be 1 to 5", error.severity)));
    }
    Ok(Message::Error(error))
}

fn halt(halt: Halt) -> Result<Message, Refusal> {
    if halt.reason.trim().is_empty() {
        return Err(bad("`reason` may not be empty: whoever resumes needs it".to_owned()));
    }
    Ok(Message::Halt(halt))
}

fn posting(posting: Posting) -> Result<Message, Refusal> {
    named(&posting.reference, "ref")?;
    if posting.legs.is_empty() {
        return Err(bad("`legs` is empty: a posting says what comes in where, and from where".to_owned()));
    }
    legs(&posting.legs)?;
    reason(posting.reason.as_deref())?;
    Ok(Message::Posting(posting))
}

fn fill(fill: Fill) -> Result<Message, Refusal> {
    named(&fill.reference, "ref")?;
    named(&fill.account, "account")?;
    named(&fill.instrument, "instrument")?;
    if let Some(order) = &fill.client_id {
        named(order, "client_id")?;
    }
    legs(&fill.legs)?;
    Ok(Message::Fill(fill))
}

fn legs(legs: &[Leg]) -> Result<(), Refusal> {
    if legs.len() > MAX_LEGS {
        return Err(bad(format!("`legs` may have {MAX_LEGS} entries at most")));
    }
    legs.iter().try_for_each(|leg| {
        named(&leg.asset, "asset")?;
        named(&leg.account, "account")?;
        leg.pool.as_ref().map_or(Ok(()), |pool| named(pool, "pool"))
    })
}

fn capital(capital: Capital) -> Result<Message, Refusal> {
    named(&capital.account, "account")?;
    named(&capital.asset, "asset")?;
    Ok(Message::Capital(capital))
}

fn position(position: Position) -> Result<Message, Refusal> {
    named(&position.account, "account")?;
    named(&position.instrument, "instrument")?;
    Ok(Message::Position(position))
}

fn strategy_state(state: StrategyState) -> Result<Message, Refusal> {
    named(&state.strategy, "strategy")?;
    named(&state.to, "to")?;
    for (name, field) in [(&state.from, "from"), (&state.instance, "instance")] {
        if let Some(name) = name {
            named(name, field)?;
        }
    }
    reason(state.reason.as_deref())?;
    Ok(Message::StrategyState(state))
}

fn snapshot_request(request: SnapshotRequest) -> Result<Message, Refusal> {
    reason(request.reason.as_deref())?;
    Ok(Message::SnapshotRequest(request))
}

fn reason(reason: Option<&str>) -> Result<(), Refusal> {
    match reason {
        Some(reason) if reason.len() > MAX_REASON => Err(bad(format!("`reason` may have {MAX_REASON} bytes at most"))),
        Some(_) | None => Ok(()),
    }
}

fn event(event: Event) -> Result<Message, Refusal> {
    named(&event.kind, "name")?;
    let own = event.kind.strip_prefix("x.").is_some_and(|rest| !rest.is_empty());
    if !own {
        return Err(bad(format!("`name` is `{}`, but a bot's own records start with `x.`", event.kind)));
    }
    event.data.values().try_for_each(|value| recordable(value, 2))?;
    let mut counted = Counter(0);
    if serde_json::to_writer(&mut counted, &event.data).is_err() || counted.0 > MAX_EVENT_DATA {
        return Err(bad(format!("`data` may have {MAX_EVENT_DATA} bytes at most")));
    }
    Ok(Message::Event(event))
}

/// The journal holds no numbers with a fraction: two readers would not agree on them to the last digit.
fn recordable(value: &Value, depth: usize) -> Result<(), Refusal> {
    if depth > MAX_DEPTH {
        return Err(bad(format!("`data` may be nested {MAX_DEPTH} levels deep at most")));
    }
    match value {
        Value::Number(number) if number.is_f64() => Err(bad(format!(
            "`data` holds the number {number}: the journal takes whole numbers within 64 bits only, so send amounts as \
             decimal strings (\"{number}\")"
        ))),
        Value::Array(values) => values.iter().try_for_each(|value| recordable(value, depth + 1)),
        Value::Object(values) => values.values().try_for_each(|value| recordable(value, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text borrowed from the line where it has no escapes.
#[derive(Default)]
struct Kind<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Kind<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Kind<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Kind(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Kind(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The gate's messages, beyond their form.
mod gate {
    use super::super::gate::{ApiUsage, Order, OrderResult, Price, Rate};
    use super::super::message::{Message, Time};
    use super::{Refusal, bad, named, reason};

    pub(super) fn price(price: Price) -> Result<Message, Refusal> {
        named(&price.source, "source")?;
        named(&price.instrument, "instrument")?;
        time(price.time.as_ref(), "time")?;
        match (&price.bid, &price.ask, &price.last) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => Ok(Message::Price(price)),
            (Some(_), None, _) => Err(bad("`ask` is missing: a bid goes with an ask".to_owned())),
            (None, Some(_), _) => Err(bad("`bid` is missing: an ask goes with a bid".to_owned())),
            (Some(_), Some(_), Some(_)) => Err(bad(
                "`last` stands beside `bid` and `ask`: say one or the other, each from its own source".to_owned(),
            )),
            (None, None, None) => {
                Err(bad("`bid` and `ask`, or `last`, are missing: a price says one of them".to_owned()))
            }
        }
    }

    pub(super) fn api_usage(usage: ApiUsage) -> Result<Message, Refusal> {
        named(&usage.endpoint, "endpoint")?;
        time(usage.resets_at.as_ref(), "resets_at")?;
        Ok(Message::ApiUsage(usage))
    }

    pub(super) fn order(order: Order) -> Result<Message, Refusal> {
        named(&order.client_id, "client_id")?;
        named(&order.instrument, "instrument")?;
        named(&order.account, "account")?;
        if let Some(user) = &order.user {
            named(user, "user")?;
        }
        Ok(Message::Order(order))
    }

    pub(super) fn order_result(result: OrderResult) -> Result<Message, Refusal> {
        named(&result.client_id, "client_id")?;
        if let Some(venue_id) = &result.venue_id {
            named(venue_id, "venue_id")?;
        }
        reason(result.reason.as_deref())?;
        Ok(Message::OrderResult(result))
    }

    pub(super) fn rate(rate: Rate) -> Result<Message, Refusal> {
        named(&rate.bucket, "bucket")?;
        if let Some(user) = &rate.user {
            named(user, "user")?;
        }
        Ok(Message::Rate(rate))
    }

    fn time(time: Option<&Time>, field: &str) -> Result<(), Refusal> {
        match time {
            Some(Time::Text(text)) => named(text, field),
            Some(Time::UnixMs(_)) | None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
