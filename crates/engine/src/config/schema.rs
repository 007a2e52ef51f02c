//! The JSON Schema of a configuration, for editors that complete and check TOML by one. Made from the same declarations as everything
//! else; what goes beyond a key's type (names that must exist, values that contradict one another) is `failstop config check`'s.

use super::change::class_of;
use super::vocabulary::VOCABULARY;
use failstop_settings::declare::{Preset, Rule};
use failstop_settings::document::{Value as Toml, parse_value};
use failstop_settings::{Key, Origin, Secret, SectionInfo, Setting, Shape};
use serde_json::{Map, Value, json};

/// The schema.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for section in VOCABULARY.sections {
        properties.insert(section.name.to_owned(), section_schema(section));
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "failstop.toml",
        "description": "The configuration of a failstop system.",
        "type": "object",
        "properties": properties,
        "required": ["system", "component"],
        "additionalProperties": false,
    })
}

fn section_schema(section: &SectionInfo) -> Value {
    let keys = (section.keys)();
    let mut table = table(section.name, keys);
    let docs = words(section.docs);
    match section.shape {
        Shape::Single => {
            describe(&mut table, docs);
            table
        }
        Shape::Repeated => json!({ "type": "array", "description": docs, "items": table }),
        Shape::Named { .. } => json!({ "type": "object", "description": docs, "additionalProperties": table }),
    }
}

fn table(schema: &str, keys: &'static [Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        properties.insert(key.name.to_owned(), key_schema(&format!("{schema}.{}", key.name), key));
    }
    let required: Vec<&str> =
        keys.iter().filter(|key| matches!(key.preset, Preset::Required(_))).map(|key| key.name).collect();
    let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Some(table), false) = (table.as_object_mut(), required.is_empty()) {
        table.insert("required".to_owned(), json!(required));
    }
    table
}

fn key_schema(schema: &str, key: &Key) -> Value {
    let (Preset::Default(sample) | Preset::Required(sample) | Preset::Absent(sample)) = key.preset;
    let sample = parse_value(sample, &Origin::BuiltIn).map(|node| node.value);
    let nested = (key.nested)();
    let mut found = match (nested, &sample) {
        (Some(nested), _) if key.wanted == <Secret as Setting>::WANTED => {
            json!({ "oneOf": [{ "type": "string" }, table(schema, nested)] })
        }
        (Some(nested), Some(Toml::List(_))) => json!({ "type": "array", "items": table(schema, nested) }),
        (Some(nested), _) => table(schema, nested),
        (None, Some(sample)) => plain(key, sample),
        (None, None) => json!({}),
    };
    let mut docs = words(key.docs);
    if let Rule::Within(least, most) = key.rule {
        docs.push_str(&format!(" From {least} to {most}."));
    }
    if let (None, Some(class)) = (nested, class_of(schema)) {
        docs.push_str(&format!(" {}", class.note()));
    }
    describe(&mut found, docs);
    if let (Preset::Default(_), Some(sample), None, Some(found)) = (key.preset, sample, nested, found.as_object_mut()) {
        found.insert("default".to_owned(), as_json(&sample));
    }
    found
}

/// A value without keys of its own, by an example of it.
fn plain(key: &Key, sample: &Toml) -> Value {
    match sample {
        Toml::Bool(_) => json!({ "type": "boolean" }),
        Toml::Integer(_) => {
            let mut found = json!({ "type": "integer" });
            if let (Rule::Within(least, most), Some(found)) = (key.rule, found.as_object_mut()) {
                for (word, bound) in [("minimum", least), ("maximum", most)] {
                    found.extend(bound.parse::<i64>().ok().map(|bound| (word.to_owned(), json!(bound))));
                }
            }
            found
        }
        Toml::Text(_) | Toml::Float(_) | Toml::Raw(_) if key.wanted.starts_with("a number") => {
            json!({ "type": ["string", "number"] })
        }
        Toml::Text(_) | Toml::Raw(_) => match choices(key.wanted) {
            Some(words) => json!({ "type": "string", "enum": words }),
            None => json!({ "type": "string" }),
        },
        Toml::Float(_) => json!({ "type": "number" }),
        Toml::Datetime(_) => json!({}),
        Toml::List(_) => json!({ "type": "array" }),
        Toml::Table(_) => json!({ "type": "object" }),
    }
}

/// The words of a closed list: `"asks", "direct" or "none"`.
fn choices(wanted: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = wanted.split('"').collect();
    // Words stand at the odd places, and nothing but what separates them at the even ones.
    let separates = |part: &&str| matches!(part.trim(), "" | "," | "or");
    let closed = parts.len() >= 5 && parts.iter().step_by(2).all(separates);
    closed.then(|| parts.into_iter().skip(1).step_by(2).collect())
}

fn describe(schema: &mut Value, docs: String) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), Value::String(docs));
    }
}

fn words(docs: &[&str]) -> String {
    docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn as_json(value: &Toml) -> Value {
    match value {
        Toml::Text(text) | Toml::Raw(text) | Toml::Datetime(text) => json!(text),
        Toml::Integer(number) => i64::try_from(*number).map_or(Value::Null, |number| json!(number)),
        Toml::Float(text) => text.parse::<f64>().map_or(Value::Null, |number| json!(number)),
        Toml::Bool(flag) => json!(flag),
        Toml::List(items) => items.iter().map(|item| as_json(&item.value)).collect(),
        Toml::Table(table) => table
            .entries
            .iter()
            .map(|entry| (entry.key.clone(), as_json(&entry.node.value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::path::Path;

    #[test]
    fn the_schema_is_current() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/failstop.schema.json");
        let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("FAILSTOP_BLESS").is_some() {
            std::fs::write(&committed, &text).unwrap();
        }
        let known = std::fs::read_to_string(&committed).unwrap_or_default();
        assert!(text == known, "docs/reference/failstop.schema.json is stale; FAILSTOP_BLESS=1 writes it");
    }

    /// What of a value does not fit the parts of the standard that the schema uses.
    fn fault(schema: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some(one_of) = schema.get("oneOf").and_then(Value::as_array) {
            let fits = one_of.iter().filter(|one| fault(one, value, at).is_none()).count();
            return (fits != 1).then(|| format!("{at}: {fits} of oneOf"));
        }
        let is = |word: &str| match word {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            other => panic!("{other}"),
        };
        let fits = match schema.get("type") {
            Some(Value::String(word)) => is(word),
            Some(Value::Array(words)) => words.iter().any(|word| is(word.as_str().unwrap())),
            _ => true,
        };
        if !fits {
            return Some(format!("{at}: {value} is not {}", schema["type"]));
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array)
            && !words.contains(value)
        {
            return Some(format!("{at}: {value} is none of {words:?}"));
        }
        for (word, beyond) in [("minimum", -1_i8), ("maximum", 1)] {
            if let (Some(bound), Some(number)) = (schema.get(word).and_then(Value::as_i64), value.as_i64())
                && number.cmp(&bound) as i8 == beyond
            {
                return Some(format!("{at}: {number} breaks {word} {bound}"));
            }
        }
        let items = value.as_array().into_iter().flatten().enumerate();
        let of_items = schema
            .get("items")
            .and_then(|one| items.clone().find_map(|(index, item)| fault(one, item, &format!("{at}[{index}]"))));
        let of_keys = value.as_object().into_iter().flatten().find_map(|(key, inner)| {
            match (schema.get("properties").and_then(|all| all.get(key)), schema.get("additionalProperties")) {
                (Some(one), _) => fault(one, inner, &format!("{at}.{key}")),
                (None, Some(Value::Bool(false))) => Some(format!("{at}.{key} is not described")),
                (None, Some(one @ Value::Object(_))) => fault(one, inner, &format!("{at}.{key}")),
                (None, _) => None,
            }
        });
        let missing = schema.get("required").and_then(Value::as_array).into_iter().flatten().find_map(|name| {
            let name = name.as_str()?;
            value.get(name).is_none().then(|| format!("{at} lacks {name}"))
        });
        of_items.or(of_keys).or(missing)
    }

    fn judged(text: &str) -> Option<String> {
        let value: toml_edit::DocumentMut = text.parse().unwrap();
        fn item(found: &toml_edit::Item) -> Value {
            match found {
                toml_edit::Item::None => Value::Null,
                toml_edit::Item::Value(inner) => plain(inner),
                toml_edit::Item::Table(table) => {
                    table.iter().map(|(key, one)| (key.to_owned(), item(one))).collect::<Map<_, _>>().into()
                }
                toml_edit::Item::ArrayOfTables(tables) => tables
                    .iter()
                    .map(|table| {
                        Value::from(table.iter().map(|(key, one)| (key.to_owned(), item(one))).collect::<Map<_, _>>())
                    })
                    .collect(),
            }
        }
        fn plain(value: &toml_edit::Value) -> Value {
            match value {
                toml_edit::Value::String(text) => json!(text.value()),
                toml_edit::Value::Integer(number) => json!(number.value()),
                toml_edit::Value::Float(number) => json!(number.value()),
                toml_edit::Value::Boolean(flag) => json!(flag.value()),
                toml_edit::Value::Datetime(when) => json!(when.value().to_string()),
                toml_edit::Value::Array(items) => items.iter().map(plain).collect(),
                toml_edit::Value::InlineTable(table) => {
                    table.iter().map(|(key, one)| (key.to_owned(), plain(one))).collect::<Map<_, _>>().into()
                }
            }
        }
        fault(&json_schema(), &item(value.as_item()), "failstop.toml")
    }

    #[test]
    fn what_is_a_configuration_fits_and_what_an_editor_can_tell_does_not() {
        // The whole reference, with every key that has a value.
        assert_eq!(judged(&super::super::reference()), None);
        let least =
            "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n";
        assert_eq!(judged(least), None);
        let with = |more: &str| judged(&format!("{least}{more}")).unwrap_or_default();
        assert!(with("[health]\nerrors = 5\n").contains("health.errors is not described"));
        assert!(with("[health]\nerrors_per_minute = \"5\"\n").contains("is not \"integer\""));
        assert!(with("[limits]\ncpu_max_percent = 200\n").contains("breaks maximum 100"));
        assert!(with("[log]\nlevel = \"loud\"\n").contains("is none of"));
        assert_eq!(with("[halts.unhealthy]\nlatched = true\n"), "");
        assert!(judged("[system]\nname = \"demo\"\n").unwrap().contains("lacks component"));
        let gate = "[gate]\nmoney = \"USDT\"\nlimits = { position = 5, account_risk = 0.1, leverage = \"waived\" }\n";
        assert_eq!(with(gate), "");
    }

    #[test]
    fn words_of_closed_lists_are_told_from_examples() {
        assert_eq!(choices("\"asks\", \"direct\" or \"none\""), Some(vec!["asks", "direct", "none"]));
        assert_eq!(choices("a duration, like \"30s\" or \"5m\""), None);
        assert_eq!(choices("\"daily\""), None, "one word is an example as likely");
    }
}
