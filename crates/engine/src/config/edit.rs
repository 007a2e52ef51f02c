//! Changes one key in the text of a configuration and leaves everything else as it is: comments, order, spaces.

use super::vocabulary::VOCABULARY;
use failstop_settings::{Shape, nearest};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, TomlError, Value};

/// Why a key cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The text is not TOML.
    #[error("the file is not valid TOML: {0}")]
    NotToml(#[from] TomlError),
    /// The key names nothing.
    #[error("there is no key `{key}`: {why}")]
    NoSuchKey {
        /// As it was given.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The text with `key` (`health.every`, `component.bot.stop_grace`) set to `value`: TOML where it is TOML, else a text. Whether the
/// result is a configuration is the caller's to see.
///
/// # Errors
/// [`EditError`].
pub fn set_key(text: &str, key: &str, value: &str) -> Result<String, EditError> {
    let no_key = |why: String| EditError::NoSuchKey { key: key.to_owned(), why };
    let mut document: DocumentMut = text.parse()?;
    let (section, below) = key.split_once('.').ok_or_else(|| no_key("write section.key".to_owned()))?;
    let Some(info) = VOCABULARY.section(section) else {
        return Err(no_key(match nearest(section, VOCABULARY.names()) {
            Some(known) => format!("did you mean `{known}.{below}`?"),
            None => format!("sections: {}", VOCABULARY.names().collect::<Vec<_>>().join(", ")),
        }));
    };
    let root = document.as_table_mut();
    let (table, path): (&mut dyn TableLike, &str) = match info.shape {
        Shape::Single => {
            (section_of(root, section).ok_or_else(|| no_key(format!("`{section}` is no section")))?, below)
        }
        Shape::Named { .. } => {
            let (word, path) = below.split_once('.').ok_or_else(|| no_key(format!("write {section}.WORD.key")))?;
            let named = section_of(root, section).ok_or_else(|| no_key(format!("`{section}` is no section")))?;
            (table_in(named, word).ok_or_else(|| no_key(format!("`{section}.{word}` is no section")))?, path)
        }
        Shape::Repeated => element_of(root, section, below).map_err(no_key)?,
    };
    let parts: Vec<&str> = path.split('.').collect();
    let Some((last, between)) = parts.split_last().filter(|(last, _)| !last.is_empty()) else {
        return Err(no_key("write the key behind the section".to_owned()));
    };
    let mut table = table;
    for part in between {
        table = table_in(table, part).ok_or_else(|| no_key(format!("`{part}` is no table")))?;
    }
    put(table, last, read_value(value));
    Ok(document.to_string())
}

/// TOML where it is TOML, else a text.
fn read_value(text: &str) -> Value {
    text.trim().parse().unwrap_or_else(|_| Value::from(text))
}

/// Puts a value in the place of another, with the spaces and the comment that stood around it.
fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(Item::Value(known)) = table.get_mut(key) {
        *value.decor_mut() = known.decor().clone();
        *known = value;
        return;
    }
    table.insert(key, Item::Value(value));
}

/// The table of a section that stands once; made at the end of the file where it is not there.
fn section_of<'a>(root: &'a mut Table, section: &str) -> Option<&'a mut dyn TableLike> {
    if !root.contains_key(section) {
        root.insert(section, Item::Table(Table::new()));
    }
    root.get_mut(section)?.as_table_like_mut()
}

/// A table within a table; made where it is not there.
fn table_in<'a>(table: &'a mut dyn TableLike, key: &str) -> Option<&'a mut dyn TableLike> {
    if !table.contains_key(key) {
        table.insert(key, Item::Value(Value::InlineTable(InlineTable::new())));
    }
    table.get_mut(key)?.as_table_like_mut()
}

/// The element of a repeated section that `below` begins with the name of, and what follows. The longest name counts, since names
/// may have points in them.
fn element_of<'a, 'k>(
    root: &'a mut Table,
    section: &str,
    below: &'k str,
) -> Result<(&'a mut dyn TableLike, &'k str), String> {
    let names = names_of(root, section);
    let fits = |name: &&String| below.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'));
    let Some(name) = names.iter().filter(fits).max_by_key(|name| name.len()) else {
        return Err(match names.is_empty() {
            true => format!("the file has no [[{section}]]"),
            false => format!("write {section}.NAME.key; the file has: {}", names.join(", ")),
        });
    };
    let path = below.get(name.len() + 1..).unwrap_or_default();
    let is_it = |table: &dyn TableLike| table.get("name").and_then(Item::as_str) == Some(name.as_str());
    let gone = || format!("the file has no {section} \"{name}\"");
    let item = root.get_mut(section).ok_or_else(gone)?;
    let table: Option<&mut dyn TableLike> = match item {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().find(|table| is_it(&**table)).map(|table| -> &mut dyn TableLike { table })
        }
        Item::Value(Value::Array(values)) => values
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .find(|table| is_it(&**table))
            .map(|table| -> &mut dyn TableLike { table }),
        Item::None | Item::Value(_) | Item::Table(_) => None,
    };
    Ok((table.ok_or_else(gone)?, path))
}

fn names_of(root: &Table, section: &str) -> Vec<String> {
    let name = |table: &dyn TableLike| table.get("name").and_then(Item::as_str).map(str::to_owned);
    match root.get(section) {
        Some(Item::ArrayOfTables(tables)) => tables.iter().filter_map(|table| name(table)).collect(),
        Some(Item::Value(Value::Array(values))) => {
            values.iter().filter_map(Value::as_inline_table).filter_map(|table| name(table)).collect()
        }
        Some(Item::None | Item::Value(_) | Item::Table(_)) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    const TEXT: &str = "# mine\n[system]\nname = \"demo\"   # the name\n\n[health] # judged by\n  # how many\n  errors_per_minute = 10 # per minute\n\
                        \n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\nbackoff = { initial = \"1s\" } # slow\n\
                        \n[[component]]\nname = \"other\"\ncommand = [\"./other\"]\norders = \"none\"\n";

    #[track_caller]
    fn set(key: &str, value: &str) -> String {
        set_key(TEXT, key, value).unwrap()
    }

    #[test]
    fn one_value_changes_and_nothing_else() {
        assert_eq!(set("health.errors_per_minute", "7"), TEXT.replace("= 10 #", "= 7 #"));
        assert_eq!(set("component.bot.backoff.initial", "3s"), TEXT.replace("\"1s\"", "\"3s\""));
        assert_eq!(set("system.name", "other"), TEXT.replace("\"demo\" ", "\"other\" "));
        assert_eq!(set("component.other.orders", "\"asks\""), TEXT.replace("\"none\"", "\"asks\""));
    }

    #[test]
    fn what_is_not_there_is_added_where_it_belongs() {
        assert!(set("health.every", "20s").contains("errors_per_minute = 10 # per minute\nevery = \"20s\"\n"));
        assert!(set("component.other.stop_grace", "20s").ends_with("orders = \"none\"\nstop_grace = \"20s\"\n"));
        assert!(set("component.other.backoff.max", "2m").contains("backoff = { max = \"2m\" }"));
        assert!(
            set("component.bot.backoff.max", "2m").contains("{ initial = \"1s\" , max = \"2m\" }")
                || set("component.bot.backoff.max", "2m").contains("{ initial = \"1s\", max = \"2m\" }")
        );
        assert!(set("limits.memory_max", "off").ends_with("[limits]\nmemory_max = \"off\"\n"));
        let halts = set("halts.unhealthy.clear_after", "2m");
        assert!(halts.contains("unhealthy = { clear_after = \"2m\" }"), "{halts}");
        for text in [set("health.every", "20s"), halts] {
            assert!(text.parse::<DocumentMut>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_key_that_names_nothing_is_refused_with_what_to_write() {
        let refused = |key: &str| set_key(TEXT, key, "1").unwrap_err().to_string();
        assert!(refused("helth.every").contains("did you mean `health.every`?"), "{}", refused("helth.every"));
        assert!(refused("component.nobody.nice").contains("the file has: bot, other"));
        assert!(refused("dependency.x.interval").contains("the file has no [[dependency]]"));
        assert!(refused("health").contains("section.key"));
        assert!(refused("system.name.x").contains("`name` is no table"));
        assert!(matches!(set_key("[a", "health.every", "1"), Err(EditError::NotToml(_))));
    }
}
