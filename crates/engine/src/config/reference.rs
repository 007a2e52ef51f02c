//! The commented reference, generated from the declarations that validation uses.

use super::profile::ROWS;
use super::schema::{SECTIONS, SectionInfo, Shape, header};
use super::section::{Key, Preset, Rule};
use std::fmt::Write as _;

/// The widest line of a comment, characters.
const WIDTH: usize = 118;

/// The reference: a valid configuration in which every key stands with its default, its range and its meaning.
pub fn reference() -> String {
    let mut out = String::from(
        "# Every key of a failstop configuration, with its meaning, its range and its default.\n\
         # Generated from the program; do not edit. Keys without a default stand behind a `#`, with an example.\n\
         #\n\
         # Durations are 500ms, 30s, 5m, 25h; sizes 1800MiB, 10MB. Relative paths start at this file's folder.\n\
         # Built-in defaults < profile < this file < environment < flags. A key is overridden by the variable\n\
         # FAILSTOP__SECTION__KEY (FAILSTOP__COMPONENT__NAME__KEY) or by --set section.key=value\n\
         # (--set component.NAME.key=value). Unknown keys are refused.\n",
    );
    for section in SECTIONS {
        out.push('\n');
        write_section(&mut out, section);
    }
    out
}

fn write_section(out: &mut String, section: &SectionInfo) {
    comment(out, section.docs);
    // A dependency and a halt's override stand commented out as a whole: none is there by default.
    let lead = if section.name == "dependency" || section.shape == Shape::Named { "# " } else { "" };
    let name = header(section.name, section.shape).replace("CAUSE", "unhealthy");
    let _ = writeln!(out, "{lead}{name}");
    let mut tables = Vec::new();
    for key in (section.keys)() {
        if is_table_of_its_own(key) {
            tables.push(key);
            continue;
        }
        write_key(out, section.name, key, lead);
    }
    for key in tables {
        out.push('\n');
        comment(out, key.docs);
        let _ = writeln!(out, "# [{}.{}]", section.name, key.name);
        for inner in (key.nested)().unwrap_or(&[]) {
            write_key(out, &format!("{}.{}", section.name, key.name), inner, "# ");
        }
    }
}

/// An absent table without an example on one line, like `[alerts.telegram]`.
fn is_table_of_its_own(key: &Key) -> bool {
    key.preset == Preset::Absent("{}") && (key.nested)().is_some()
}

fn write_key(out: &mut String, schema: &str, key: &Key, lead: &str) {
    out.push('\n');
    comment(out, key.docs);
    let nested = (key.nested)().unwrap_or(&[]);
    for inner in nested {
        let docs: Vec<&str> = inner.docs.iter().map(|line| line.trim()).collect();
        let text = format!("  {}: {}{}", inner.name, docs.join(" "), facts(inner, &format!("{schema}.{}", key.name)));
        comment(out, &[text.as_str()]);
    }
    let facts = facts(key, schema);
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
fn facts(key: &Key, schema: &str) -> String {
    let mut facts = Vec::new();
    if matches!(key.preset, Preset::Required(_)) {
        facts.push("Required.".to_owned());
    }
    if let Rule::Within(least, most) = key.rule {
        facts.push(format!("From {least} to {most}."));
    }
    if let Some((_, production, development)) =
        ROWS.iter().find(|(name, _, _)| *name == format!("{schema}.{}", key.name))
    {
        facts.push(format!("Profile production: {production}; development: {development}."));
    }
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
