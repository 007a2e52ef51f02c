//! The configuration as a tree in which every value knows where it came from: file, environment or flag.

use crate::problem::{Kind, Origin, Problem};
use crate::vocabulary::{Shape, Vocabulary};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How many syntax errors are reported: those after the first few are mostly its echoes.
const MAX_SYNTAX_ERRORS: usize = 3;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number; one that does not fit is saturated.
    Integer(i128),
    /// A decimal number, as written.
    Float(String),
    /// True or false.
    Bool(bool),
    /// A date or a time, as written.
    Datetime(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values.
    Table(Table),
    /// The text of an environment variable or flag: its type is what the key wants.
    Raw(String),
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Keys and values.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// Where the table itself stands.
    pub origin: Origin,
}

/// One key of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub key_origin: Origin,
    /// Its value.
    pub node: Node,
}

impl Table {
    /// Without keys.
    pub fn empty(origin: Origin) -> Self {
        Self { entries: Vec::new(), origin }
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of a key, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Sets or replaces a key.
    pub fn set(&mut self, key: &str, node: Node) {
        let key_origin = node.origin.clone();
        match self.get_mut(key) {
            Some(entry) => (entry.node, entry.key_origin) = (node, key_origin),
            None => self.entries.push(Entry { key: key.to_owned(), key_origin, node }),
        }
    }
}

impl Node {
    /// What kind of thing this is, with its article, for "expected …, found …".
    pub fn found(&self) -> &'static str {
        match &self.value {
            Value::Text(_) | Value::Raw(_) => "text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a decimal number",
            Value::Bool(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Parses a whole file.
///
/// # Errors
/// The first few places where it is not TOML.
pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Table, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax_problems(text, &errors, vocabulary));
    }
    let span = document.span();
    let mut origin = |span: std::ops::Range<usize>| Origin::File(span);
    Ok(table(document.into_inner(), origin(span), &mut origin))
}

/// Parses one value, as in a default, an environment variable or a flag. `None` where it is not TOML.
pub fn parse_value(text: &str, origin: &Origin) -> Option<Node> {
    let parsed = DeValue::parse(text).ok()?;
    Some(node(parsed, &mut |_| origin.clone()))
}

fn table(from: DeTable<'_>, own: Origin, origin: &mut dyn FnMut(std::ops::Range<usize>) -> Origin) -> Table {
    let mut entries = Vec::new();
    for (key, value) in from {
        let key_origin = origin(key.span());
        entries.push(Entry { key: key.into_inner().into_owned(), key_origin, node: node(value, origin) });
    }
    Table { entries, origin: own }
}

fn node(from: Spanned<DeValue<'_>>, origin: &mut dyn FnMut(std::ops::Range<usize>) -> Origin) -> Node {
    let own = origin(from.span());
    let value = match from.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            // What does not fit is out of every range that a key has, so it may saturate.
            let negative = number.as_str().starts_with('-');
            let saturated = if negative { i128::MIN } else { i128::MAX };
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(saturated))
        }
        DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Value::Bool(flag),
        DeValue::Datetime(when) => Value::Datetime(when.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(item, origin)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, own.clone(), origin)),
    };
    Node { value, origin: own }
}

fn syntax_problems(text: &str, errors: &[toml::de::Error], vocabulary: &Vocabulary) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count();
        if lines.contains(&line) || problems.len() == MAX_SYNTAX_ERRORS {
            continue;
        }
        lines.push(line);
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let help = syntax_help(&message, text.lines().nth(line).unwrap_or(""), vocabulary);
        let message = match message.split_once(", expected") {
            _ if text.lines().nth(line).is_some_and(|line| line.trim_end().ends_with('=')) => "the value is missing",
            Some(("string values must be quoted", _)) => "a text must stand in quotes",
            _ => &message,
        };
        problems.push(Problem::new(Kind::Syntax, Origin::File(span), format!("not valid TOML: {message}"), help));
    }
    problems
}

/// What to write instead, as far as the line shows it.
fn syntax_help(message: &str, line: &str, vocabulary: &Vocabulary) -> String {
    let line = line.trim();
    let (key, value) = line.split_once('=').map_or((line, ""), |(k, v)| (k.trim(), v.trim()));
    let bare_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let quotes = value.matches('"').count();
    if message.contains("duplicate key") && line.starts_with('[') {
        let name = line.trim_matches(['[', ']', ' ']);
        let repeated = vocabulary.section(name).is_some_and(|section| section.shape == Shape::Repeated);
        if repeated {
            format!("write [[{name}]] with double brackets, here and above")
        } else {
            format!("[{name}] was begun before: put all its keys below the first one")
        }
    } else if message.contains("duplicate key") {
        "this key was set before: keep one of the two".to_owned()
    } else if line.starts_with('[') && !line.contains(']') {
        let name = line.trim_matches(['[', ' ']);
        if line.starts_with("[[") { format!("write `[[{name}]]`") } else { format!("write `[{name}]`") }
    } else if !line.contains('=') && line.contains(':') {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        format!("TOML uses `=`: write `{} = {}`", key.trim(), quoted(value.trim()))
    } else if bare_key && value.is_empty() && line.contains('=') {
        format!("write a value behind the `=`, for example `{key} = \"...\"`")
    } else if bare_key && quotes == 1 {
        "close the quotes".to_owned()
    } else if bare_key && quotes == 0 && !value.starts_with(['[', '{', '\'']) {
        format!("write `{key} = {}`", quoted(value.split('#').next().unwrap_or(value).trim()))
    } else if bare_key && value.starts_with('[') && !value.contains(']') {
        "close the list with `]`, and put a comma between its items".to_owned()
    } else {
        "texts stand in quotes, lists in [ ], tables in { }; see https://toml.io".to_owned()
    }
}

/// A value in the form TOML wants it.
fn quoted(value: &str) -> String {
    match value {
        "True" | "TRUE" | "yes" => "true".to_owned(),
        "False" | "FALSE" | "no" => "false".to_owned(),
        value if value.parse::<i64>().is_ok() || value == "true" || value == "false" => value.to_owned(),
        value => format!("\"{}\"", value.trim_matches('"').trim_matches('\'')),
    }
}
