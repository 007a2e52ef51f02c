//! Lines that are JSON objects, as structured loggers write them: what they say, how urgent it is, and their further fields, in
//! the form that the journal daemon takes.

use serde_json::{Map, Value};

/// The most fields that are handed on; of a line with more, the whole line is the message.
const FIELDS_MAX: usize = 64;
/// The longest name of a field that the journal daemon takes.
const NAME_MAX: usize = 64;

/// Under what name loggers put their text.
const MESSAGES: [&str; 4] = ["message", "msg", "MESSAGE", "event"];
/// And how urgent it is.
const LEVELS: [&str; 6] = ["level", "severity", "levelname", "lvl", "log.level", "PRIORITY"];

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonLine {
    /// Its text, where it has one.
    pub message: Option<String>,
    /// 0 (emergency) to 7 (debug), where it says so in words or numbers that are known.
    pub priority: Option<u8>,
    /// Names as the journal daemon takes them, and values.
    pub fields: Vec<(String, String)>,
}

/// Reads a line; `None` where it is no JSON object, or has more fields than can be handed on.
pub(super) fn read(line: &[u8]) -> Option<JsonLine> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let mut object: Map<String, Value> = serde_json::from_slice(line).ok()?;
    if object.len() > FIELDS_MAX {
        return None;
    }
    let priority = LEVELS.iter().find_map(|key| priority(object.get(*key)?));
    let said = MESSAGES.iter().find(|key| object.get(**key).is_some_and(Value::is_string));
    let message = match said.and_then(|key| object.remove(*key)) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let fields = object.into_iter().filter_map(|(key, value)| Some((field_name(&key)?, text(value)))).collect();
    Some(JsonLine { message, priority, fields })
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Capital letters, digits and underscores, a letter first. A name of failstop's own or of the daemon's gets another in front: a
/// component must not speak as another.
fn field_name(key: &str) -> Option<String> {
    let capital = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = key.chars().map(capital).collect();
    let name = name.trim_start_matches('_');
    if name.is_empty() {
        return None;
    }
    let own = ["FAILSTOP_", "SYSLOG_", "OBJECT_", "COREDUMP_"].iter().any(|beginning| name.starts_with(beginning))
        || ["MESSAGE", "MESSAGE_ID", "PRIORITY", "COMPONENT", "ERRNO", "UNIT", "USER_UNIT"].contains(&name);
    let mut name =
        if own || name.starts_with(|c: char| c.is_ascii_digit()) { format!("BOT_{name}") } else { name.to_owned() };
    name.truncate(NAME_MAX);
    Some(name)
}

fn priority(level: &Value) -> Option<u8> {
    match level {
        Value::String(word) => priority_of_word(word),
        // pino and bunyan count so.
        Value::Number(number) => match number.as_u64()? {
            level @ 0..=7 => u8::try_from(level).ok(),
            8..=20 => Some(7),
            21..=30 => Some(6),
            31..=40 => Some(4),
            41..=50 => Some(3),
            _ => Some(2),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn priority_of_word(word: &str) -> Option<u8> {
    Some(match word.to_ascii_lowercase().as_str() {
        "trace" | "debug" | "verbose" | "silly" => 7,
        "info" | "information" | "informational" | "http" => 6,
        "notice" | "success" => 5,
        "warn" | "warning" => 4,
        "err" | "error" => 3,
        "crit" | "critical" | "fatal" | "panic" => 2,
        "alert" => 1,
        "emerg" | "emergency" => 0,
        digit => digit.parse().ok().filter(|level| *level <= 7)?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn loggers_of_many_kinds_are_understood() {
        for (line, message, priority) in [
            (r#"{"level":"info","message":"up"}"#, Some("up"), Some(6)),
            (r#"{"level":50,"time":1,"msg":"order failed"}"#, Some("order failed"), Some(3)),
            (r#" {"event":"tick","levelname":"WARNING"}"#, Some("tick"), Some(4)),
            (r#"{"severity":"CRITICAL","message":{"text":"x"}}"#, None, Some(2)),
            (r#"{"price":"1.5"}"#, None, None),
            (r#"{"level":"nonsense"}"#, None, None),
        ] {
            let read = read(line.as_bytes()).unwrap();
            assert_eq!((read.message.as_deref(), read.priority), (message, priority), "{line}");
        }
        for line in ["plain", "[1]", "{broken", "{\"a\":1} more", ""] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn fields_are_named_as_the_daemon_takes_them_and_never_as_ours() {
        let line = r#"{"orderId":7,"pair.name":"BTC/USD","_x":null,"1st":true,"COMPONENT":"other","priority":"x",
            "syslog_identifier":"sshd","nested":{"a":[1]},"é":"","":"lost"}"#;
        let mut fields = read(line.as_bytes()).unwrap().fields;
        fields.sort();
        let wanted = [
            ("BOT_1ST", "true"),
            ("BOT_COMPONENT", "other"),
            ("BOT_PRIORITY", "x"),
            ("BOT_SYSLOG_IDENTIFIER", "sshd"),
            ("NESTED", r#"{"a":[1]}"#),
            ("ORDERID", "7"),
            ("PAIR_NAME", "BTC/USD"),
            ("X", ""),
        ];
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(fields, wanted);
        let long = format!("{{\"{}\":1}}", "n".repeat(100));
        assert_eq!(read(long.as_bytes()).unwrap().fields[0].0.len(), NAME_MAX);
        let many: Vec<String> = (0..=FIELDS_MAX).map(|n| format!("\"f{n}\":1")).collect();
        assert_eq!(read(format!("{{{}}}", many.join(",")).as_bytes()), None, "not a part of it only");
    }
}
