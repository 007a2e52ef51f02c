//! The commented reference, generated from the declarations that validation uses.

use crate::declare::{Key, Preset, Rule};
use crate::vocabulary::{SectionInfo, Shape, Vocabulary};
use std::fmt::Write as _;

/// The widest line of a comment, characters.
const WIDTH: usize = 118;

/// The reference: a valid configuration in which every key stands with its default, its range and its meaning. `preamble`
/// is the comment that it begins with, ready to print; `note` says something more of a key (`section.key`), where there is
/// something.
pub fn reference(vocabulary: &Vocabulary, preamble: &str, note: Note<'_>) -> String {
    let mut out = preamble.to_owned();
    for section in vocabulary.sections {
        out.push('\n');
        write_section(&mut out, section, vocabulary, note);
    }
    out
}

/// What is said more of a key.
pub type Note<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

fn write_section(out: &mut String, section: &SectionInfo, vocabulary: &Vocabulary, note: Note<'_>) {
    comment(out, section.docs);
    let lead = if section.always { "" } else { "# " };
    let mut name = section.header();
    if let Shape::Named { word, example } = section.shape {
        name = name.replace(word, example);
    }
    let _ = writeln!(out, "{lead}{name}");
    let mut tables = Vec::new();
    for key in (section.keys)() {
        if is_table_of_its_own(key) {
            tables.push(key);
            continue;
        }
        write_key(out, section.name, key, lead, vocabulary, note);
    }
    for key in tables {
        out.push('\n');
        comment(out, key.docs);
        let _ = writeln!(out, "# [{}.{}]", section.name, key.name);
        for inner in (key.nested)().unwrap_or(&[]) {
            write_key(out, &format!("{}.{}", section.name, key.name), inner, "# ", vocabulary, note);
        }
    }
}

/// An absent table without an example on one line, like `[alerts.telegram]`.
fn is_table_of_its_own(key: &Key) -> bool {
    key.preset == Preset::Absent("{}") && (key.nested)().is_some()
}

fn write_key(out: &mut String, schema: &str, key: &Key, lead: &str, vocabulary: &Vocabulary, note: Note<'_>) {
    out.push('\n');
    comment(out, key.docs);
    let nested = (key.nested)().unwrap_or(&[]);
    for inner in nested {
        let docs: Vec<&str> = inner.docs.iter().map(|line| line.trim()).collect();
        // Where the table stands with its defaults they are seen there.
        let default = match (key.preset, inner.preset) {
            (Preset::Default("{}"), _)
            | (_, Preset::Default("{}" | "[]") | Preset::Required(_) | Preset::Absent(_)) => String::new(),
            (_, Preset::Default(value)) => format!(" Default: {value}."),
        };
        let text = format!(
            "  {}: {}{default}{}",
            inner.name,
            docs.join(" "),
            facts(inner, &format!("{schema}.{}", key.name), vocabulary, note)
        );
        comment(out, &[text.as_str()]);
    }
    let facts = if nested.is_empty() {
        facts(key, schema, vocabulary, note)
    } else {
        facts(key, schema, vocabulary, &|_| None)
    };
    if !facts.is_empty() {
        comment(out, &[facts.trim()]);
    }
    match key.preset {
        Preset::Default("{}") if !nested.is_empty() => {
            let inner: Vec<String> = nested
                .iter()
                .filter_map(|inner| match inner.preset {
                    Preset::Default(value) => Some(format!("{} = {value}", inner.name)),
                    Preset::Required(_) | Preset::Absent(_) => None,
                })
                .collect();
            let _ = writeln!(out, "{lead}{} = {{ {} }}", key.name, inner.join(", "));
        }
        Preset::Default(value) | Preset::Required(value) => {
            let _ = writeln!(out, "{lead}{} = {value}", key.name);
        }
        Preset::Absent(value) => {
            let _ = writeln!(out, "# {} = {value}", key.name);
        }
    }
}

/// Range, required, profiles, and what is not done yet.
fn facts(key: &Key, schema: &str, vocabulary: &Vocabulary, note: Note<'_>) -> String {
    let mut facts = Vec::new();
    if matches!(key.preset, Preset::Required(_)) {
        facts.push("Required.".to_owned());
    }
    if let Rule::Within(least, most) = key.rule {
        facts.push(format!("From {least} to {most}."));
    }
    let path = format!("{schema}.{}", key.name);
    if let Some(row) = vocabulary.profiles.iter().find(|row| row.key == path) {
        let values: Vec<String> = row.values.iter().map(|(profile, value)| format!("{profile}: {value}")).collect();
        facts.push(format!("Profile {}.", values.join("; ")));
    }
    facts.extend(note(&path).map(str::to_owned));
    if let Some(later) = key.later {
        facts.push(format!("Note: {later}."));
    }
    if facts.is_empty() { String::new() } else { format!(" {}", facts.join(" ")) }
}

/// Writes text as comment lines, wrapped.
fn comment(out: &mut String, docs: &[&str]) {
    let indent: String = docs.first().map_or("", |line| line).chars().skip(1).take_while(|c| *c == ' ').collect();
    let text = docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let mut line = format!("#{indent}");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = format!("#{indent}{}", if indent.is_empty() { "" } else { "  " });
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}
