//! As much of JSON Schema as the published descriptions use, so that requests are judged by them and not by our reading of them.

use serde_json::Value;

/// Everything that `value` does against `schema`; `root` resolves references. What `schema` does not name is a fault too.
pub(super) fn faults(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = against(root, schema, value, path);
    for name in value.as_object().into_iter().flat_map(serde_json::Map::keys) {
        if is_closed(root, schema) && !knows(root, schema, name) {
            found.push(format!("{path}.{name} is not in the description"));
        }
    }
    found
}

fn target<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => schema,
    }
}

/// Whether `schema` names the properties of an object at all.
fn is_closed(root: &Value, schema: &Value) -> bool {
    let schema = target(root, schema);
    let parts = schema["allOf"].as_array();
    schema["properties"].is_object() || parts.is_some_and(|parts| parts.iter().any(|part| is_closed(root, part)))
}

fn knows(root: &Value, schema: &Value, name: &str) -> bool {
    let schema = target(root, schema);
    let here = schema["properties"].get(name).is_some() || schema["additionalProperties"].is_object();
    here || schema["allOf"].as_array().is_some_and(|parts| parts.iter().any(|part| knows(root, part, name)))
}

fn against(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return match target(root, schema) {
            Value::Null => vec![format!("{path}: {reference} is not in the description")],
            target => against(root, target, value, path),
        };
    }
    let mut found = Vec::new();
    if let Some(all) = schema["allOf"].as_array() {
        found.extend(all.iter().flat_map(|one| against(root, one, value, path)));
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(any) = schema[choice].as_array()
            && !any.iter().any(|one| faults(root, one, value, path).is_empty())
        {
            found.push(format!("{path}: none of {choice} fits {value}"));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
        found.push(format!("{path}: {value} is not {types:?}"));
    }
    if let Some(list) = schema["enum"].as_array()
        && !list.contains(value)
    {
        found.push(format!("{path}: {value} is not among {list:?}"));
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
            found.push(format!("{path}: {length} characters are too many"));
        }
        if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            found.push(format!("{path}: {text} is no time"));
        }
    }
    if let Some(items) = value.as_array() {
        if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) {
            found.push(format!("{path}: {} items are too many", items.len()));
        }
        for (at, item) in items.iter().enumerate() {
            found.extend(faults(root, &schema["items"], item, &format!("{path}[{at}]")));
        }
    }
    if let Some(map) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                found.push(format!("{path}.{name} is missing"));
            }
        }
        for (name, item) in map {
            let path = format!("{path}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, more @ Value::Object(_)) => found.extend(faults(root, more, item, &path)),
                (Value::Null, _) => {}
                (known, _) => found.extend(faults(root, known, item, &path)),
            }
        }
    }
    found
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}
