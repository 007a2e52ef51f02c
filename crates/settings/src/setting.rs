//! The types that keys have: how each is read, and what is said where it cannot be.

use crate::declare::{At, Covered, Key, Reading, Rule, Section, Setting, interpreted, shown};
use crate::document::{Node, Value, parse_value};
use crate::nearest::nearest;
use crate::problem::{Kind, Origin};
use crate::units::{Bytes, parse_duration, parse_size};
use std::path::PathBuf;
use std::time::Duration;

/// The longest name of a system, a component, a dependency.
pub const MAX_NAME: usize = 64;

/// How many items a list may have.
pub const MAX_ITEMS: usize = 256;

/// Reports a value of the wrong type. `instead` is a TOML value to write, where one can be guessed.
pub fn wrong_type(node: &Node, at: &At<'_>, reading: &mut Reading<'_>, instead: Option<String>) {
    let help = match instead {
        Some(value) => at.write(&node.origin, &value),
        None => format!("write {}", at.key.wanted),
    };
    let message = format!("{} must be {}; found {}", at.name(), first_phrase(at.key.wanted), node.found());
    reading.refuse(Kind::WrongType, &node.origin, message, help);
}

/// Reports a value of the right type that cannot be used.
pub fn bad_value(node: &Node, at: &At<'_>, reading: &mut Reading<'_>, text: &str, instead: Option<String>) {
    let help = match instead {
        Some(value) => at.write(&node.origin, &value),
        None => format!("write {}", at.key.wanted),
    };
    let message = format!("{} must be {}; found \"{}\"", at.name(), first_phrase(at.key.wanted), shown(text));
    reading.refuse(Kind::BadValue, &node.origin, message, help);
}

fn first_phrase(wanted: &str) -> &str {
    wanted.split_once(", like").map_or(wanted, |(first, _)| first)
}

/// The text of a text, a raw override, or nothing.
pub fn text_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        // `KEY="5m"` with the quotes kept by whoever set it means the same as without.
        Value::Raw(text) => match parse_value(text, &node.origin).map(|n| n.value) {
            Some(Value::Text(inner)) => Some(inner),
            _ => Some(text.clone()),
        },
        Value::Integer(_)
        | Value::Float(_)
        | Value::Bool(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_) => None,
    }
}

/// What a number or a flag that should have been text would be as text.
pub fn as_quoted(node: &Node) -> Option<String> {
    match &node.value {
        Value::Integer(number) => Some(format!("\"{number}\"")),
        Value::Float(number) => Some(format!("\"{number}\"")),
        Value::Bool(flag) => Some(format!("\"{flag}\"")),
        Value::Datetime(when) => Some(format!("\"{when}\"")),
        Value::Text(_) | Value::Raw(_) | Value::List(_) | Value::Table(_) => None,
    }
}

fn out_of_range(node: &Node, at: &At<'_>, reading: &mut Reading<'_>, text: &str, least: &str, most: &str) {
    let message = format!("{} is {}, which is out of range", at.name(), shown(text));
    reading.refuse(Kind::OutOfRange, &node.origin, message, format!("write a value from {least} to {most}"));
}

impl Setting for Duration {
    const WANTED: &'static str = "a duration, like \"500ms\", \"30s\", \"5m\" or \"25h\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            let guess = match &node.value {
                Value::Integer(number) if *number >= 0 => parse_duration(&number.to_string()).err().flatten(),
                Value::Float(number) => parse_duration(number).err().flatten(),
                _ => None,
            };
            wrong_type(node, at, reading, guess.map(|guess| format!("\"{guess}\"")));
            return None;
        };
        match parse_duration(&text) {
            Ok(duration) => {
                if let Rule::Within(least, most) = at.key.rule {
                    let bounds = (parse_duration(least).unwrap_or_default(), parse_duration(most).unwrap_or_default());
                    if duration < bounds.0 || duration > bounds.1 {
                        out_of_range(node, at, reading, &text, least, most);
                        return None;
                    }
                }
                Some(duration)
            }
            Err(guess) => {
                bad_value(node, at, reading, &text, guess.map(|guess| format!("\"{guess}\"")));
                None
            }
        }
    }
}

impl Setting for Bytes {
    const WANTED: &'static str = "a size, like \"1800MiB\" or \"10MB\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            let guess = match &node.value {
                Value::Integer(number) if *number >= 0 => parse_size(&number.to_string()).err().flatten(),
                Value::Float(number) => parse_size(number).err().flatten(),
                _ => None,
            };
            wrong_type(node, at, reading, guess.map(|guess| format!("\"{guess}\"")));
            return None;
        };
        match parse_size(&text) {
            Ok(bytes) => {
                if let Rule::Within(least, most) = at.key.rule {
                    let bounds = (parse_size(least).unwrap_or(Bytes(0)), parse_size(most).unwrap_or(Bytes(u64::MAX)));
                    if bytes < bounds.0 || bytes > bounds.1 {
                        out_of_range(node, at, reading, &text, least, most);
                        return None;
                    }
                }
                Some(bytes)
            }
            Err(guess) => {
                bad_value(node, at, reading, &text, guess.map(|guess| format!("\"{guess}\"")));
                None
            }
        }
    }
}

impl Setting for u32 {
    const WANTED: &'static str = "a whole number";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let number = match &given.value {
            Value::Integer(number) => *number,
            Value::Text(text) => {
                let plain = text.trim().parse::<u32>().ok().map(|number| number.to_string());
                wrong_type(&given, at, reading, plain);
                return None;
            }
            Value::Float(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Raw(_) => {
                wrong_type(&given, at, reading, None);
                return None;
            }
        };
        let (least, most) = match at.key.rule {
            Rule::Within(least, most) => (least, most),
            Rule::Any => ("0", "4294967295"),
        };
        let bounds: (i128, i128) = (least.parse().unwrap_or(0), most.parse().unwrap_or(i128::from(u32::MAX)));
        match u32::try_from(number) {
            Ok(small) if number >= bounds.0 && number <= bounds.1 => Some(small),
            _ => {
                out_of_range(node, at, reading, &number.to_string(), least, most);
                None
            }
        }
    }
}

impl Setting for bool {
    const WANTED: &'static str = "true or false";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        if let Value::Bool(flag) = given.value {
            return Some(flag);
        }
        let instead = match &given.value {
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some("true"),
                "false" | "no" | "off" | "0" => Some("false"),
                _ => None,
            },
            Value::Integer(1) => Some("true"),
            Value::Integer(0) => Some("false"),
            _ => None,
        };
        wrong_type(&given, at, reading, instead.map(str::to_owned));
        None
    }
}

impl Setting for String {
    const WANTED: &'static str = "a text in quotes";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            wrong_type(node, at, reading, as_quoted(node));
            return None;
        };
        if text.is_empty() {
            reading.refuse(
                Kind::BadValue,
                &node.origin,
                format!("{} is empty", at.name()),
                "write a value, or remove the key",
            );
            return None;
        }
        if text.contains('\0') {
            reading.refuse(
                Kind::BadValue,
                &node.origin,
                format!("{} contains a zero byte", at.name()),
                "remove \\u0000",
            );
            return None;
        }
        Some(text)
    }
}

impl Setting for PathBuf {
    const WANTED: &'static str = "a path in quotes";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        if text == "~" || text.starts_with("~/") {
            let message = format!("{} starts with `~`, which only a shell expands", at.name());
            reading.refuse(
                Kind::BadValue,
                &node.origin,
                message,
                "write the whole path, or one relative to this file's folder",
            );
            return None;
        }
        if let Some(name) = text.strip_prefix('$') {
            let name = name.split('/').next().unwrap_or(name).trim_matches(['{', '}']);
            let message = format!("{} starts with `${name}`, which is not expanded here", at.name());
            let prefix = reading.vocabulary.prefix;
            let help =
                format!("write the whole path, or set this key by an environment variable ({prefix}SECTION__KEY)");
            reading.refuse(Kind::BadValue, &node.origin, message, help);
            return None;
        }
        Some(tidy(&reading.folder.join(text)))
    }
}

/// Drops `.` components, so that paths in messages read well. `..` stays: it may cross a symbolic link.
fn tidy(path: &std::path::Path) -> PathBuf {
    path.components().collect()
}

/// A name: letters, digits, `-` and `_`, 1 to 64 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The nearest valid name, for a suggestion; `None` where nothing of the text can stay.
pub fn valid_name(text: &str) -> Option<String> {
    let mut name: String = text
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name = name.trim_matches('-').to_owned();
    (!name.is_empty()).then_some(name)
}

impl Setting for Name {
    const WANTED: &'static str = "a name of letters, digits, '-' and '_', at most 64 of them, like \"demo\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            wrong_type(node, at, reading, as_quoted(node));
            return None;
        };
        let good = (1..=MAX_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if good {
            return Some(Self(text));
        }
        bad_value(node, at, reading, &text, valid_name(&text).map(|name| format!("\"{name}\"")));
        None
    }
}

/// A closed list of words.
pub trait Choice: Sized + Copy + 'static {
    /// The words, with what each means for the program.
    const WORDS: &'static [(&'static str, Self)];
    /// As [`Setting::WANTED`].
    const WANTED: &'static str;
    /// As [`Setting::WHEN_MISSING`].
    const WHEN_MISSING: &'static str = "";
}

impl<T: Choice> Setting for T {
    const WANTED: &'static str = <T as Choice>::WANTED;
    const WHEN_MISSING: &'static str = <T as Choice>::WHEN_MISSING;

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            wrong_type(node, at, reading, None);
            return None;
        };
        let word = T::WORDS.iter().find(|(word, _)| *word == text);
        if let Some((_, value)) = word {
            return Some(*value);
        }
        let near = nearest(&text, T::WORDS.iter().map(|(word, _)| *word));
        let help = match near {
            Some(word) => at.write(&node.origin, &format!("\"{word}\"")),
            None if !T::WHEN_MISSING.is_empty() => T::WHEN_MISSING.to_owned(),
            None => format!("write {}", at.key.wanted),
        };
        let words: Vec<String> = T::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let message = format!("{} cannot be \"{}\"; it is one of {}", at.name(), shown(&text), words.join(", "));
        reading.refuse(Kind::BadValue, &node.origin, message, help);
        None
    }
}

impl<T: Setting> Setting for Option<T> {
    const WANTED: &'static str = T::WANTED;
    const COVERED: Covered = T::COVERED;

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        T::read(node, at, reading).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn nested() -> Option<&'static [Key]> {
        T::nested()
    }
}

impl<T: Setting> Setting for Vec<T> {
    const WANTED: &'static str = "a list in square brackets";
    const COVERED: Covered = T::COVERED;

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let items: Vec<Node> = match interpreted(node) {
            Node { value: Value::List(items), .. } => items,
            // In a variable or a flag, `a,b` is how people write a list.
            Node { value: Value::Text(text), origin } if matches!(node.value, Value::Raw(_)) => text
                .split(',')
                .filter(|item| !item.trim().is_empty())
                .map(|item| Node { value: Value::Text(item.trim().to_owned()), origin: origin.clone() })
                .collect(),
            other => {
                let instead = match &other.value {
                    Value::Text(text) => Some(format!("[\"{}\"]", shown(text))),
                    _ => None,
                };
                wrong_type(&other, at, reading, instead);
                return None;
            }
        };
        if items.len() > MAX_ITEMS {
            reading.refuse(
                Kind::OutOfRange,
                &node.origin,
                format!("{} has {} items", at.name(), items.len()),
                format!("write at most {MAX_ITEMS}"),
            );
            return None;
        }
        let at = At { key: at.key, label: at.label, schema: at.schema, item: true };
        let read: Vec<Option<T>> = items.iter().map(|item| T::read(item, &at, reading)).collect();
        read.into_iter().collect()
    }

    fn nested() -> Option<&'static [Key]> {
        T::nested()
    }
}

/// A program and its arguments: at least the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv(Vec<String>);

impl Argv {
    /// Program first.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The program, as configured.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

impl Setting for Argv {
    const WANTED: &'static str = "a list of the program and its arguments, like [\"python3\", \"bot.py\"]";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let items = match &given.value {
            Value::List(items) => items,
            Value::Text(line) => {
                wrong_type(&given, at, reading, Some(as_argv(line)));
                return None;
            }
            _ => {
                wrong_type(&given, at, reading, None);
                return None;
            }
        };
        if items.is_empty() {
            let message = format!("{} is empty", at.name());
            reading.refuse(Kind::BadValue, &given.origin, message, format!("write {}", Self::WANTED));
            return None;
        }
        let mut argv = Vec::new();
        let mut good = true;
        for (index, item) in items.iter().enumerate() {
            match &item.value {
                Value::Text(text) if text.contains('\0') => {
                    let message = format!("{} contains a zero byte", at.name());
                    reading.refuse(Kind::BadValue, &item.origin, message, "remove \\u0000");
                    good = false;
                }
                Value::Text(text) if index == 0 && text.trim().is_empty() => {
                    let message = format!("the program of {} is empty", at.name());
                    reading.refuse(Kind::BadValue, &item.origin, message, format!("write {}", Self::WANTED));
                    good = false;
                }
                Value::Text(text) => argv.push(text.clone()),
                _ => {
                    let help = as_quoted(item).map_or_else(
                        || "write each argument as a text in quotes".to_owned(),
                        |text| format!("write it as text: {text}"),
                    );
                    let message = format!("{}: item {} must be a text; found {}", at.name(), index + 1, item.found());
                    reading.refuse(Kind::WrongType, &item.origin, message, help);
                    good = false;
                }
            }
        }
        good.then_some(Self(argv))
    }
}

/// A shell line as a list, for a suggestion. A line with shell syntax goes to a shell.
fn as_argv(line: &str) -> String {
    let line = shown(line);
    if line.contains(['|', '&', ';', '<', '>', '$', '`', '*', '\'', '"', '\\']) {
        return format!("[\"sh\", \"-c\", '''{line}''']");
    }
    let words: Vec<String> = line.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(", "))
}

/// Reads a nested section.
pub fn read_nested<S: Section>(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<S> {
    let given = interpreted(node);
    let Value::Table(table) = &given.value else {
        let names: Vec<&str> = S::keys().iter().map(|key| key.name).collect();
        let message = format!("{} must be a table; found {}", at.name(), given.found());
        let help = format!("write {} with keys of: {}", at.assignment(&node.origin, "{ ... }"), names.join(", "));
        reading.refuse(Kind::WrongType, &given.origin, message, help);
        return None;
    };
    let mut table = table.clone();
    if table.origin == Origin::BuiltIn {
        table.origin = given.origin.clone();
    }
    let label = match at.label.strip_suffix(']') {
        Some(section) => format!("{section}.{}]", at.key.name),
        None => format!("`{}` of {}", at.key.name, at.label),
    };
    S::read_table(&table, &label, &format!("{}.{}", at.schema, at.key.name), reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_line_becomes_a_list() {
        assert_eq!(as_argv("python3 bot.py -v"), "[\"python3\", \"bot.py\", \"-v\"]");
        assert_eq!(as_argv("a | b"), "[\"sh\", \"-c\", '''a | b''']");
    }

    #[test]
    fn a_bad_name_has_a_good_neighbour() {
        assert_eq!(valid_name("my bot"), Some("my-bot".into()));
        assert_eq!(valid_name("böt!"), Some("b-t".into()));
        assert_eq!(valid_name("..."), None);
    }
}
