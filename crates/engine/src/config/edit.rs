//! Changes one key in the text of a configuration and leaves everything else as it is: comments, order, spaces. What is new stands as
//! the guide writes it: `[thresholds.daily_pnl]` as a table of its own, a component's `backoff` in one line.

use super::vocabulary::VOCABULARY;
use failstop_settings::{Shape, nearest};
use toml_edit::{DocumentMut, InlineTable, Item, RawString, Table, TableLike, TomlError, Value};

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
    let (place, path) = match info.shape {
        Shape::Single => {
            (section_of(root, section).ok_or_else(|| no_key(format!("`{section}` is no section")))?, below)
        }
        Shape::Named { .. } => {
            let (word, path) = below.split_once('.').ok_or_else(|| no_key(format!("write {section}.WORD.key")))?;
            let named = section_of(root, section).ok_or_else(|| no_key(format!("`{section}` is no section")))?;
            (named.table_in(word).ok_or_else(|| no_key(format!("`{section}.{word}` is no section")))?, path)
        }
        Shape::Repeated => element_of(root, section, below).map_err(no_key)?,
    };
    let parts: Vec<&str> = path.split('.').collect();
    let Some((last, between)) = parts.split_last().filter(|(last, _)| !last.is_empty()) else {
        return Err(no_key("write the key behind the section".to_owned()));
    };
    let mut place = place;
    for part in between {
        place = place.table_in(part).ok_or_else(|| no_key(format!("`{part}` is no table")))?;
    }
    place.put(last, read_value(value));
    Ok(document.to_string())
}

/// TOML where it is TOML, else a text.
fn read_value(text: &str) -> Value {
    text.trim().parse().unwrap_or_else(|_| Value::from(text))
}

/// How a table stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Under a header of its own; one that is made in it gets one, too.
    Apart,
    /// Under `[[component]]`: a header of its own would look like a section of the file.
    InElement,
    /// Between braces.
    InLine,
}

/// A table of the text.
struct Place<'a> {
    table: &'a mut dyn TableLike,
    stands: Stands,
}

impl<'a> Place<'a> {
    /// Puts a value in the place of another, with the spaces and the comment that stood around it.
    fn put(self, key: &str, mut value: Value) {
        let Self { table, stands } = self;
        if let Some(Item::Value(known)) = table.get_mut(key) {
            *value.decor_mut() = known.decor().clone();
            *known = value;
            return;
        }
        // The last value between braces has the space before the closing one.
        if stands == Stands::InLine
            && let Some(last) = table.iter_mut().last().and_then(|(_, item)| item.as_value_mut())
        {
            let space = last.decor().suffix().and_then(RawString::as_str).unwrap_or_default().to_owned();
            last.decor_mut().set_suffix("");
            *value.decor_mut() = toml_edit::Decor::new(" ", space);
        }
        table.insert(key, Item::Value(value));
    }

    /// A table within it; made where it is not there.
    fn table_in(self, key: &str) -> Option<Place<'a>> {
        let Self { table, stands } = self;
        if !table.contains_key(key) {
            match stands {
                Stands::Apart => {
                    table.insert(key, Item::Table(quiet()));
                }
                Stands::InElement | Stands::InLine => {
                    Place { table: &mut *table, stands }.put(key, Value::InlineTable(InlineTable::new()));
                }
            }
        }
        let item = table.get_mut(key)?;
        let stands = if item.is_value() { Stands::InLine } else { stands };
        Some(Place { table: item.as_table_like_mut()?, stands })
    }
}

/// A table whose header is not written where it holds nothing but tables.
fn quiet() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

/// The table of a section that stands once; made at the end of the file where it is not there.
fn section_of<'a>(root: &'a mut Table, section: &str) -> Option<Place<'a>> {
    if !root.contains_key(section) {
        root.insert(section, Item::Table(quiet()));
    }
    let item = root.get_mut(section)?;
    let stands = if item.is_value() { Stands::InLine } else { Stands::Apart };
    Some(Place { table: item.as_table_like_mut()?, stands })
}

/// The element of a repeated section that `below` begins with the name of, and what follows. The longest name counts, since names
/// may have points in them.
fn element_of<'a, 'k>(root: &'a mut Table, section: &str, below: &'k str) -> Result<(Place<'a>, &'k str), String> {
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
    let place: Option<Place<'_>> = match item {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().find(|table| is_it(&**table)).map(|table| Place { table, stands: Stands::InElement })
        }
        Item::Value(Value::Array(values)) => values
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .find(|table| is_it(&**table))
            .map(|table| Place { table, stands: Stands::InLine }),
        Item::None | Item::Value(_) | Item::Table(_) => None,
    };
    Ok((place.ok_or_else(gone)?, path))
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
        assert!(set("component.bot.backoff.max", "2m").contains("{ initial = \"1s\", max = \"2m\" } # slow"));
        assert!(set("limits.memory_max", "off").ends_with("[limits]\nmemory_max = \"off\"\n"));
        let halts = set("halts.unhealthy.clear_after", "2m");
        assert!(halts.ends_with("\n[halts.unhealthy]\nclear_after = \"2m\"\n"), "{halts}");
        assert!(!halts.contains("[halts]"), "{halts}");
        for text in [set("health.every", "20s"), halts] {
            assert!(text.parse::<DocumentMut>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_set_bit_by_bit_reads_as_if_somebody_had_written_it() {
        let all = |text: &str, keys: &[(&str, &str)]| {
            keys.iter().fold(text.to_owned(), |text, (key, value)| set_key(&text, key, value).unwrap())
        };
        let of = |name: &str| {
            [("critical", "-49"), ("warning", "-20"), ("clear_for", "6m")]
                .map(|(key, value)| (format!("thresholds.{name}.{key}"), value))
        };
        let (pnl, latency) = (of("daily_pnl"), of("websocket_latency"));
        let keys: Vec<(&str, &str)> = pnl.iter().chain(&latency).map(|(key, value)| (key.as_str(), *value)).collect();
        assert_eq!(
            all("[system]\nname = \"demo\"\n", &keys),
            "[system]\nname = \"demo\"\n\
             \n[thresholds.daily_pnl]\ncritical = -49\nwarning = -20\nclear_for = \"6m\"\n\
             \n[thresholds.websocket_latency]\ncritical = -49\nwarning = -20\nclear_for = \"6m\"\n"
        );
        let before = "[thresholds]\ndaily_pnl = {critical = -1}  # mine\nqueue_depth = { critical = 9 }\n";
        assert_eq!(
            all(
                before,
                &[
                    ("thresholds.daily_pnl.warning", "0"),
                    ("thresholds.queue_depth.warning", "3"),
                    ("thresholds.queue_depth.for", "1s")
                ]
            ),
            "[thresholds]\ndaily_pnl = {critical = -1, warning = 0}  # mine\nqueue_depth = { critical = 9, warning = 3, for = \"1s\" }\n"
        );
        let other = all(TEXT, &[("component.other.backoff.max", "2m"), ("component.other.backoff.initial", "1s")]);
        assert!(other.contains("backoff = { max = \"2m\", initial = \"1s\" }\n"), "{other}");
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
