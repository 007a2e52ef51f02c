//! A whole configuration: the file, what lies over it, and its sections one by one, ending in a value or in everything that is
//! wrong with it.

use crate::declare::{Reading, Section, shown};
use crate::document::{self, Node, Table, Value};
use crate::effective::{self, Effective};
use crate::nearest::nearest;
use crate::overlay::Overlay;
use crate::problem::{ConfigErrors, Kind, Origin, Problem};
use crate::source::Source;
use crate::vocabulary::Vocabulary;
use std::path::{Path, PathBuf};

/// A configuration that was read, and what is worth knowing about it.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// What the program made of it.
    pub value: T,
    /// What is valid and yet worth knowing.
    pub notices: Vec<Problem>,
    /// Every value that is in force, in the order of the reference.
    pub values: Vec<Effective>,
}

/// Parses `source`, lays `overlay` over it, and has `sections` read it. `profile` finds the profile in force.
///
/// # Errors
/// Everything that is wrong, as far as it can be told at once.
pub fn read<T>(
    source: &Source,
    overlay: &Overlay,
    vocabulary: &'static Vocabulary,
    profile: impl FnOnce(&Table) -> Option<&'static str>,
    sections: impl FnOnce(&Table, &Path, &mut Reading<'_>) -> Option<T>,
) -> Result<Read<T>, ConfigErrors> {
    let located = |problems: Vec<Problem>| -> Vec<Problem> {
        problems.into_iter().map(|problem| problem.located(&source.file, Some(source))).collect()
    };
    let mut root = match document::parse(&source.text, vocabulary) {
        Ok(root) => root,
        Err(problems) => return Err(ConfigErrors::sorted(located(problems))),
    };
    let folder = folder_of(&source.file);
    let mut problems = Vec::new();
    overlay.apply(&mut root, vocabulary, &mut problems);
    let profile = profile(&root);
    let mut reading = Reading {
        folder: &folder,
        world_readable: source.world_readable,
        profile,
        vocabulary,
        problems,
        notices: Vec::new(),
    };
    refuse_unknown_sections(&root, &mut reading);
    let value = sections(&root, &folder, &mut reading);
    let (problems, notices) = (located(reading.problems), located(reading.notices));
    match value {
        Some(value) if problems.is_empty() => {
            Ok(Read { value, notices, values: effective::of(&root, vocabulary, profile) })
        }
        _ => Err(ConfigErrors::sorted(problems)),
    }
}

/// The folder that relative paths start from.
fn folder_of(file: &Path) -> PathBuf {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    // The working directory may be gone; then relative paths stay relative.
    std::path::absolute(&folder).unwrap_or(folder)
}

fn refuse_unknown_sections(root: &Table, reading: &mut Reading<'_>) {
    for entry in &root.entries {
        if reading.vocabulary.section(&entry.key).is_some() {
            continue;
        }
        let is_section = match &entry.node.value {
            Value::Table(_) => true,
            Value::List(items) => items.iter().any(|item| matches!(item.value, Value::Table(_))),
            _ => false,
        };
        let vocabulary = reading.vocabulary;
        let near = nearest(&entry.key, vocabulary.names())
            .and_then(|name| vocabulary.section(name))
            .map(crate::vocabulary::SectionInfo::header);
        let home = vocabulary.sections_with(&entry.key).next();
        let (kind, message) = if is_section {
            (Kind::UnknownSection, format!("unknown section `{}`", shown(&entry.key)))
        } else {
            (Kind::UnknownKey, format!("unknown key `{}` outside of any section", shown(&entry.key)))
        };
        let help = match (is_section, near, home) {
            (true, Some(near), _) => format!("did you mean {near}?"),
            (false, _, Some(home)) => format!("put it below {home}"),
            (false, Some(near), None) => format!("did you mean the section {near}?"),
            (true, None, _) | (false, None, None) => {
                let names: Vec<&str> = vocabulary.names().collect();
                format!("sections: {}", names.join(", "))
            }
        };
        reading.refuse(kind, &entry.key_origin, message, help);
    }
}

/// The table of a section that stands once; an absent one is empty.
pub fn table_of(root: &Table, name: &str, reading: &mut Reading<'_>) -> Option<Table> {
    let Some(entry) = root.get(name) else { return Some(Table::empty(Origin::Whole)) };
    match &entry.node.value {
        Value::Table(table) => Some(table.clone()),
        Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
            let message = format!("`{name}` is written as a list of sections, but there is only one");
            reading.refuse(Kind::WrongType, &entry.key_origin, message, format!("write [{name}] with single brackets"));
            None
        }
        _ => {
            let message = format!("`{name}` must be a section; found {}", entry.node.found());
            reading.refuse(
                Kind::WrongType,
                &entry.key_origin,
                message,
                format!("write [{name}] and its keys below it"),
            );
            None
        }
    }
}

/// A section that stands once, read; an absent one has its defaults.
pub fn single<S: Section>(root: &Table, name: &str, reading: &mut Reading<'_>) -> Option<S> {
    let table = table_of(root, name, reading)?;
    S::read_table(&table, &format!("[{name}]"), name, reading)
}

/// The elements of a section that may stand any number of times.
pub fn repeated<'t>(root: &'t Table, name: &str, reading: &mut Reading<'_>) -> Option<Vec<&'t Node>> {
    let Some(entry) = root.get(name) else { return Some(Vec::new()) };
    match &entry.node.value {
        Value::List(items) => Some(items.iter().collect()),
        Value::Table(table) => {
            let named = table.entries.iter().find(|inner| matches!(inner.node.value, Value::Table(_)));
            let help = match named {
                Some(inner) => format!("write [[{name}]] and below it name = \"{}\"", shown(&inner.key)),
                None => format!("write [[{name}]] with double brackets"),
            };
            let message = format!("`{name}` is written as a single section");
            reading.refuse(Kind::WrongType, &entry.key_origin, message, help);
            None
        }
        _ => {
            let message = format!("`{name}` must be sections; found {}", entry.node.found());
            reading.refuse(
                Kind::WrongType,
                &entry.key_origin,
                message,
                format!("write [[{name}]] and its keys below it"),
            );
            None
        }
    }
}

/// `component "bot"`, or `component 2` where it has no usable name.
pub fn label(section: &str, table: &Table, index: usize) -> String {
    match table.get("name").map(|entry| &entry.node.value) {
        Some(Value::Text(name)) if !name.is_empty() => format!("{section} \"{}\"", shown(name)),
        _ => format!("{section} {}", index + 1),
    }
}

/// Those of `nodes` that are sections; the others are reported.
pub fn tables<'t>(nodes: &[&'t Node], section: &str, reading: &mut Reading<'_>) -> Vec<Option<&'t Table>> {
    nodes
        .iter()
        .map(|node| match &node.value {
            Value::Table(table) => Some(table),
            _ => {
                let message = format!("each `{section}` must be a section; found {}", node.found());
                reading.refuse(Kind::WrongType, &node.origin, message, format!("write [[{section}]]"));
                None
            }
        })
        .collect()
}

/// Where the key of an element of a repeated section was written.
pub fn origin_in(root: &Table, section: &str, index: usize, key: &str) -> Origin {
    let Some(Value::List(items)) = root.get(section).map(|entry| &entry.node.value) else { return Origin::Whole };
    match items.get(index).map(|item| (&item.value, &item.origin)) {
        Some((Value::Table(table), origin)) => {
            table.get(key).map_or_else(|| origin.clone(), |entry| entry.node.origin.clone())
        }
        Some((_, origin)) => origin.clone(),
        None => Origin::Whole,
    }
}
