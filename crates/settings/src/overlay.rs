//! What comes on top of the file: environment variables `PREFIX__SECTION__KEY`, then flags.

use crate::declare::shown;
use crate::document::{Node, Table, Value};
use crate::nearest::nearest;
use crate::problem::{Kind, Origin, Problem};
use crate::vocabulary::{Shape, Vocabulary};
use std::ffi::OsString;
use std::sync::Arc;

/// What comes on top of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Environment variables; only those that begin with the vocabulary's prefix are looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// `--set KEY=VALUE`, in the order given; KEY is `section.key` or `component.NAME.key`.
    pub set: Vec<String>,
    /// Flags of their own: the flag as written, the key that it sets, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Overlay {
    /// Lays the overrides over the file's values.
    pub fn apply(&self, root: &mut Table, vocabulary: &Vocabulary, problems: &mut Vec<Problem>) {
        let mut environment = self.environment.clone();
        environment.sort();
        for (name, value) in &environment {
            self::variable(root, name, value, vocabulary, problems);
        }
        for assignment in &self.set {
            set(root, assignment, vocabulary, problems);
        }
        for (flag, path, value) in &self.flags {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            put(root, &path, value, &Origin::Flag(Arc::from(*flag)), vocabulary, problems);
        }
    }
}

/// The variables of this process's environment that begin with `prefix`.
pub fn environment(prefix: &str) -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(prefix.as_bytes())).collect()
}

fn variable(root: &mut Table, name: &OsString, value: &OsString, vocabulary: &Vocabulary, problems: &mut Vec<Problem>) {
    let Some(shown_name) = name.to_str() else {
        // A name that is not UTF-8 and begins with our prefix was meant for us and names nothing.
        if name.as_encoded_bytes().starts_with(vocabulary.prefix.as_bytes()) {
            let origin = Origin::Variable(Arc::from(name.to_string_lossy().as_ref()));
            let message = "the name of this variable is not UTF-8".to_owned();
            problems.push(Problem::new(Kind::BadOverride, origin, message, "unset it".to_owned()));
        }
        return;
    };
    let Some(rest) = shown_name.strip_prefix(vocabulary.prefix) else { return };
    let origin = Origin::Variable(Arc::from(shown_name));
    let Some(value) = value.to_str() else {
        let message = format!("the value of {} is not UTF-8", shown(shown_name));
        problems.push(Problem::new(Kind::BadOverride, origin, message, "set it to UTF-8 text, or unset it".to_owned()));
        return;
    };
    let lower = rest.to_ascii_lowercase();
    let (section, below) = lower.split_once("__").unwrap_or((lower.as_str(), ""));
    let mut path = vec![section.to_owned()];
    match vocabulary.section(section).map(|known| known.shape) {
        Some(Shape::Repeated) => match longest_name(root, section, below) {
            Ok(Some((name, key))) => {
                path.push(name);
                // Variables of a component keep their case, and whatever underscores they have.
                let as_written = rest.get(rest.len() - key.len()..).unwrap_or(&key);
                match as_written.get(..5).zip(as_written.get(5..)) {
                    Some((env, variable)) if env.eq_ignore_ascii_case("env__") => {
                        path.extend(["env".to_owned(), variable.to_owned()]);
                    }
                    _ => path.extend(key.split("__").map(str::to_owned)),
                }
            }
            // `put` says that there is no such element, and which there are.
            Ok(None) => path.extend(below.split("__").map(str::to_owned)),
            Err(names) => {
                let message = format!("{} could mean each of {names}", shown(shown_name));
                let help = format!("rename one of them, or use --set {section}.NAME.KEY=VALUE");
                problems.push(Problem::new(Kind::BadOverride, origin, message, help));
                return;
            }
        },
        Some(Shape::Named { .. }) => {
            let mut parts = below.split("__");
            path.push(parts.next().unwrap_or("").replace('_', "-"));
            path.extend(parts.map(str::to_owned));
        }
        Some(Shape::Single) | None => path.extend(below.split("__").map(str::to_owned)),
    }
    put(root, &path, value, &origin, vocabulary, problems);
}

/// The element of a repeated section whose name begins `below` (case, `-` and `_` alike), and what follows it.
fn longest_name(root: &Table, section: &str, below: &str) -> Result<Option<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for name in names_in(root, section) {
        let variable_form = name.to_ascii_lowercase().replace('-', "_");
        if let Some(key) = below.strip_prefix(&variable_form).and_then(|rest| rest.strip_prefix("__")) {
            found.push((name, key.to_owned()));
        }
    }
    let longest = found.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    found.retain(|(name, _)| name.len() == longest);
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(found.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(" and ")),
    }
}

/// The names of the elements of a repeated section.
fn names_in(root: &Table, section: &str) -> Vec<String> {
    let Some(Value::List(items)) = root.get(section).map(|entry| &entry.node.value) else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| match &item.value {
            Value::Table(table) => match table.get("name").map(|entry| &entry.node.value) {
                Some(Value::Text(name)) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn set(root: &mut Table, assignment: &str, vocabulary: &Vocabulary, problems: &mut Vec<Problem>) {
    let Some((key, value)) = assignment.split_once('=') else {
        let origin = Origin::Flag(Arc::from("--set"));
        let message = format!("--set needs KEY=VALUE; found \"{}\"", shown(assignment));
        let help = "write for example --set permit.lease=2s or --set component.bot.restart=never".to_owned();
        problems.push(Problem::new(Kind::BadOverride, origin, message, help));
        return;
    };
    let key = key.trim();
    let path: Vec<String> = key.split('.').map(str::to_owned).collect();
    let origin = Origin::Flag(Arc::from(format!("--set {}", shown(key))));
    put(root, &path, value.trim(), &origin, vocabulary, problems);
}

/// Puts a raw value at a path, making tables on the way.
fn put(
    root: &mut Table,
    path: &[String],
    raw: &str,
    origin: &Origin,
    vocabulary: &Vocabulary,
    problems: &mut Vec<Problem>,
) {
    let Some((section, below)) = path.split_first() else { return };
    let mut refuse = |message: String, help: String| {
        problems.push(Problem::new(Kind::BadOverride, origin.clone(), message, help));
    };
    let Some(info) = vocabulary.section(section) else {
        let help = match nearest(section, vocabulary.names()) {
            Some(known) => format!("did you mean the section `{known}`?"),
            None => format!("sections: {}", vocabulary.names().collect::<Vec<_>>().join(", ")),
        };
        return refuse(format!("there is no section `{}`", shown(section)), help);
    };
    let (target, below) = match info.shape {
        Shape::Single | Shape::Named { .. } => (table_at(root, section, origin), below),
        Shape::Repeated => {
            let Some((name, below)) = below.split_first() else {
                return refuse(
                    format!("this names no {section}"),
                    format!("write the {section}'s name and a key behind it"),
                );
            };
            let names = names_in(root, section);
            let known = names.iter().any(|known| known == name);
            if !known {
                let help = match nearest(name, names.iter().map(String::as_str)) {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None if names.is_empty() => format!("the file has no [[{section}]]"),
                    None => format!("the file has: {}", names.join(", ")),
                };
                return refuse(format!("there is no {section} \"{}\"", shown(name)), help);
            }
            (element(root, section, name), below)
        }
    };
    let Some((last, between)) = below.split_last().filter(|(last, _)| !last.is_empty()) else {
        return refuse(format!("this names no key of [{section}]"), "write the key behind the section".to_owned());
    };
    let mut target = target;
    for step in between {
        target = target.and_then(|table| table_at(table, step, origin));
    }
    // Where the file has something else than a table on the way, reading the file reports that.
    if let Some(table) = target {
        table.set(last, Node { value: Value::Raw(raw.to_owned()), origin: origin.clone() });
    }
}

fn table_at<'t>(parent: &'t mut Table, key: &str, origin: &Origin) -> Option<&'t mut Table> {
    if parent.get(key).is_none() {
        let inner = Value::Table(Table::empty(origin.clone()));
        parent.set(key, Node { value: inner, origin: origin.clone() });
    }
    match &mut parent.get_mut(key)?.node.value {
        Value::Table(table) => Some(table),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Bool(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Raw(_) => None,
    }
}

fn element<'t>(root: &'t mut Table, section: &str, name: &str) -> Option<&'t mut Table> {
    let Value::List(items) = &mut root.get_mut(section)?.node.value else { return None };
    items.iter_mut().find_map(|item| match &mut item.value {
        Value::Table(table) => {
            let is = matches!(table.get("name").map(|e| &e.node.value), Some(Value::Text(text)) if text == name);
            is.then_some(table)
        }
        _ => None,
    })
}
