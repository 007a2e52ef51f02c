//! What a bot says of its health on a page of its own: one number for the whole, and its parts. Reads failstop's own shape and
//! those that are common; what it cannot read is a page that answers, and no more.

use super::fault::Page;
use failstop_client::wire;
use failstop_core::breaks_a_line;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most parts that are read from one page.
const PARTS_MAX: usize = 64;

/// How deeply parts may hold parts.
const DEPTH_MAX: u32 = 4;

/// What a bot says of its health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BotHealth {
    /// The whole, in thousandths.
    pub overall: u16,
    /// Parts by name, in thousandths.
    pub parts: BTreeMap<String, u16>,
    /// Parts beyond the most that are read, or whose name cannot be used.
    pub left_out: usize,
}

const HEALTHY: u16 = 1000;
const DEGRADED: u16 = 500;
const CRITICAL: u16 = 0;

/// Reads a page.
///
/// # Errors
/// It says nothing about health: why, in words.
pub fn read_health(page: &Page) -> Result<BotHealth, String> {
    // What is no JSON, or nested too deeply to be read, says no more than its status.
    let value: Value = serde_json::from_slice(&page.body).unwrap_or(Value::Null);
    let mut health = BotHealth { overall: HEALTHY, ..BotHealth::default() };
    let said = match &value {
        Value::Object(map) => {
            for key in ["components", "checks", "details", "parts", "entries"] {
                if let Some(Value::Object(parts)) = map.get(key) {
                    collect(parts, "", 1, &mut health);
                }
            }
            of_itself(map)
        }
        Value::String(word) => word_health(word),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Null => None,
    };
    health.overall = match (said, page.status) {
        (Some(said), 200..=299) => said,
        (None, 200..=299) => HEALTHY,
        // How a page says that it is unwell, whether or not it says so in words.
        (said, 503) => said.unwrap_or(CRITICAL).min(DEGRADED),
        (_, status) => return Err(format!("answers with status {status}")),
    };
    Ok(health)
}

/// What an object says of itself: the worse of its number and its word.
fn of_itself(map: &Map<String, Value>) -> Option<u16> {
    let number = ["overall_health", "health", "score"].iter().find_map(|key| map.get(*key).and_then(number));
    [number, said_by(map)].into_iter().flatten().min()
}

/// What an object says of itself, in a word.
fn said_by(map: &Map<String, Value>) -> Option<u16> {
    ["status", "state", "health", "healthy", "ok", "alive", "up"].iter().find_map(|key| match map.get(*key)? {
        Value::Bool(true) => Some(HEALTHY),
        Value::Bool(false) => Some(CRITICAL),
        Value::String(word) => word_health(word),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// The words of common pages; what is no word of health says nothing.
fn word_health(word: &str) -> Option<u16> {
    let word = word.trim().to_ascii_lowercase();
    Some(match word.as_str() {
        "healthy" | "ok" | "up" | "pass" | "passing" | "passed" | "good" | "green" | "alive" | "running" | "ready"
        | "pong" | "success" | "online" | "connected" => HEALTHY,
        "degraded" | "warn" | "warning" | "yellow" | "unknown" | "starting" | "partial" | "out_of_service" => DEGRADED,
        "critical" | "unhealthy" | "down" | "fail" | "failed" | "failing" | "error" | "red" | "dead" | "stopped"
        | "offline" | "disconnected" => CRITICAL,
        _ => return None,
    })
}

/// A number from 0 to 1.
fn number(value: &Value) -> Option<u16> {
    let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000, as just checked")]
    Some((number * 1000.0).round() as u16)
}

/// Takes the parts of a map: words, numbers, truth values, or objects that say one of them and may hold parts themselves.
fn collect(parts: &Map<String, Value>, above: &str, depth: u32, health: &mut BotHealth) {
    for (name, value) in parts {
        let name = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let said = match value {
            Value::String(word) => word_health(word),
            Value::Bool(true) => Some(HEALTHY),
            Value::Bool(false) => Some(CRITICAL),
            Value::Number(_) => number(value),
            Value::Object(map) => {
                if depth < DEPTH_MAX {
                    for key in ["components", "parts"] {
                        if let Some(Value::Object(inner)) = map.get(key) {
                            collect(inner, &name, depth + 1, health);
                        }
                    }
                }
                of_itself(map)
            }
            Value::Null | Value::Array(_) => None,
        };
        let Some(said) = said else { continue };
        if health.parts.len() >= PARTS_MAX || !is_name(&name) {
            health.left_out += 1;
        } else {
            health.parts.insert(name, said);
        }
    }
}

/// The same bounds as for a part's name on the bot socket, and fit to be shown.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= wire::MAX_NAME && !name.contains(breaks_a_line)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn read(status: u16, body: &str) -> Result<BotHealth, String> {
        read_health(&Page { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn common_pages() {
        for (status, body, overall) in [
            (200, "", 1000),
            (200, "OK", 1000),
            (204, "", 1000),
            (200, r#"{"status":"ok"}"#, 1000),
            (200, r#"{"status":"UP"}"#, 1000),
            (200, r#"{"status":"pong"}"#, 1000),
            (200, r#"{"healthy":true}"#, 1000),
            (200, r#"{"healthy":false}"#, 0),
            (200, r#""healthy""#, 1000),
            (200, r#"{"status":"degraded","overall_health":0.4}"#, 400),
            (200, r#"{"status":"healthy","overall_health":0.7}"#, 700),
            (200, r#"{"status":"critical","overall_health":1}"#, 0),
            (200, r#"{"status":"a word of its own"}"#, 1000),
            (200, r#"{"overall_health":7}"#, 1000),
            (503, r#"{"status":"critical"}"#, 0),
            (503, "Service Unavailable", 0),
            (503, r#"{"status":"ok"}"#, 500),
            (200, "[1,2]", 1000),
        ] {
            assert_eq!(read(status, body).map(|health| health.overall), Ok(overall), "{status} {body}");
        }
        assert_eq!(read(404, "{}"), Err("answers with status 404".to_owned()));
        assert_eq!(read(302, ""), Err("answers with status 302".to_owned()));
    }

    #[test]
    fn parts_in_words_numbers_and_objects() {
        let body = r#"{"status":"degraded","components":{
            "exchange":"down","db":{"status":"UP"},"queue":0.25,"flag":true,"note":"whatever","list":[1],
            "bot/executor":{"status":"degraded","health":0.9},
            "venue":{"status":"up","components":{"ws":{"healthy":false}}}}}"#;
        let health = read(200, body).unwrap();
        let parts: Vec<(&str, u16)> = health.parts.iter().map(|(name, health)| (name.as_str(), *health)).collect();
        let wanted = [
            ("bot/executor", 500),
            ("db", 1000),
            ("exchange", 0),
            ("flag", 1000),
            ("queue", 250),
            ("venue", 1000),
            ("venue.ws", 0),
        ];
        assert_eq!((parts.as_slice(), health.overall, health.left_out), (&wanted[..], 500, 0));
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let many: Vec<String> = (0..PARTS_MAX + 3).map(|n| format!(r#""p{n}":"ok""#)).collect();
        let health = read(200, &format!(r#"{{"components":{{{}}}}}"#, many.join(","))).unwrap();
        assert_eq!((health.parts.len(), health.left_out), (PARTS_MAX, 3));
        let long = "n".repeat(wire::MAX_NAME + 1);
        let body = format!(r#"{{"components":{{"{long}":"ok","":"ok","a\nb":"ok","fine":"ok"}}}}"#);
        let health = read(200, &body).unwrap();
        assert_eq!((health.parts.keys().collect::<Vec<_>>(), health.left_out), (vec![&"fine".to_owned()], 3));
        let deep = format!("{}{}", r#"{"components":{"a":"#.repeat(10), "}}".repeat(10));
        assert!(read(200, &deep.replace("\":}", "\":\"ok\"}")).unwrap().parts.len() <= 10);
        let deeper = "[".repeat(10_000);
        assert_eq!(read(200, &deeper).unwrap().overall, HEALTHY, "no more than its status");
    }
}
