//! The configuration as a tree in which every value knows where it came from: file, environment or flag.

use super::problem::{Kind, Origin, Problem};
use super::schema::{SECTIONS, Shape};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How many syntax errors are reported: those after the first few are mostly its echoes.
const MAX_SYNTAX_ERRORS: usize = 3;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Integer(i128),
    Float(String),
    Bool(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
    /// The text of an environment variable or flag: its type is what the key wants.
    Raw(String),
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// Keys and values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Where the table itself stands.
    pub(crate) origin: Origin,
}

/// One key of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_origin: Origin,
    pub(crate) node: Node,
}

impl Table {
    pub(crate) fn empty(origin: Origin) -> Self {
        Self { entries: Vec::new(), origin }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Sets or replaces a key.
    pub(crate) fn set(&mut self, key: &str, node: Node) {
        let key_origin = node.origin.clone();
        match self.get_mut(key) {
            Some(entry) => (entry.node, entry.key_origin) = (node, key_origin),
            None => self.entries.push(Entry { key: key.to_owned(), key_origin, node }),
        }
    }
}

impl Node {
    /// What kind of thing this is, with its article, for "expected …, found …".
    pub(crate) fn found(&self) -> &'static str {
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
pub(crate) fn parse(text: &str) -> Result<Table, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax_problems(text, &errors));
    }
    let span = document.span();
    let mut origin = |span: std::ops::Range<usize>| Origin::File(span);
    Ok(table(document.into_inner(), origin(span), &mut origin))
}

/// Parses one value, as in a default, an environment variable or a flag. `None` where it is not TOML.
pub(crate) fn parse_value(text: &str, origin: &Origin) -> Option<Node> {
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

fn syntax_problems(text: &str, errors: &[toml::de::Error]) -> Vec<Problem> {
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
        let help = syntax_help(&message, text.lines().nth(line).unwrap_or(""));
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
fn syntax_help(message: &str, line: &str) -> String {
    let line = line.trim();
    let (key, value) = line.split_once('=').map_or((line, ""), |(k, v)| (k.trim(), v.trim()));
    let bare_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let quotes = value.matches('"').count();
    if message.contains("duplicate key") && line.starts_with('[') {
        let name = line.trim_matches(['[', ']', ' ']);
        let repeated = SECTIONS.iter().any(|section| section.name == name && section.shape == Shape::Repeated);
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
