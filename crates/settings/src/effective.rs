//! The values that a configuration comes to, key by key: what is written, laid over, or holds where nothing is written. For whoever
//! compares two configurations, or shows one.

use crate::declare::{Covered, Key, Preset, Setting, interpreted};
use crate::document::{Node, Table, Value, parse_value};
use crate::problem::{Origin, cover_userinfo};
use crate::units::{Bytes, parse_duration, parse_size, write_duration};
use crate::vocabulary::{Shape, Vocabulary};
use std::fmt;
use std::time::Duration;

/// What is shown instead of a secret.
pub const COVERED: &str = "(secret)";

/// Who decided a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Nobody: it is the program's default.
    BuiltIn,
    /// The profile.
    Profile,
    /// Whoever wrote it: in the file, the environment or a flag.
    Written,
}

impl Basis {
    /// `default`, `profile`, `written`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BuiltIn => "default",
            Self::Profile => "profile",
            Self::Written => "written",
        }
    }
}

/// One value.
#[derive(Clone, PartialEq, Eq)]
pub struct Effective {
    /// Where it is: `health.every`, `component.bot.backoff.max`, `halts.unhealthy.latched`. The name of a section that may stand any
    /// number of times stands for the names of its elements, in order.
    pub key: String,
    /// The same in the vocabulary: `component.backoff.max`.
    pub schema: String,
    /// Who decided it.
    pub basis: Basis,
    /// As TOML writes it; durations in their shortest form.
    text: String,
    /// The same for people: secrets in it are covered.
    shown: String,
}

impl Effective {
    /// The value, for people: a secret is covered, wherever in it one stands, and so is the password of a URL.
    pub fn shown(&self) -> String {
        cover_userinfo(&self.shown)
    }

    /// Whether two have the same value, covered or not.
    pub fn is_the_same(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// The same with its value covered.
    #[must_use]
    pub fn covered(self) -> Self {
        Self { shown: COVERED.to_owned(), ..self }
    }
}

impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.shown())
    }
}

/// The values of a configuration that was read without a problem, in the order of the reference.
pub(crate) fn of(root: &Table, vocabulary: &'static Vocabulary, profile: Option<&'static str>) -> Vec<Effective> {
    let mut walk = Walk { vocabulary, profile, out: Vec::new() };
    for section in vocabulary.sections {
        let node = root.get(section.name).map(|entry| interpreted(&entry.node));
        let (name, keys) = (section.name, (section.keys)());
        match (section.shape, node.as_ref().map(|node| &node.value)) {
            (Shape::Single, Some(Value::Table(table))) => walk.table(name, name, table, keys),
            (Shape::Single, _) if section.always => walk.table(name, name, &Table::empty(Origin::Whole), keys),
            (Shape::Repeated, Some(Value::List(items))) => walk.repeated(name, items, keys),
            (Shape::Repeated, _) => walk.repeated(name, &[], keys),
            (Shape::Named { .. }, Some(Value::Table(words))) => {
                for entry in &words.entries {
                    if let Value::Table(table) = &entry.node.value {
                        walk.table(&format!("{name}.{}", entry.key), name, table, keys);
                    }
                }
            }
            (Shape::Single | Shape::Named { .. }, _) => {}
        }
    }
    walk.out
}

struct Walk {
    vocabulary: &'static Vocabulary,
    profile: Option<&'static str>,
    out: Vec<Effective>,
}

impl Walk {
    fn repeated(&mut self, section: &str, items: &[Node], keys: &'static [Key]) {
        let tables = || items.iter().filter_map(|item| table_in(&item.value));
        let names: Vec<String> = tables().enumerate().map(|(index, table)| name_of(table, index)).collect();
        let quoted: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let text = format!("[{}]", quoted.join(", "));
        let shown = text.clone();
        let (key, schema, basis) = (section.to_owned(), section.to_owned(), Basis::Written);
        self.out.push(Effective { key, schema, basis, text, shown });
        for (name, table) in names.iter().zip(tables()) {
            self.table(&format!("{section}.{name}"), section, table, keys);
        }
    }

    fn table(&mut self, path: &str, schema: &str, table: &Table, keys: &'static [Key]) {
        for key in keys {
            let (path, schema) = (format!("{path}.{}", key.name), format!("{schema}.{}", key.name));
            let (basis, node) = match table.get(key.name) {
                Some(entry) => (Basis::Written, interpreted(&entry.node)),
                None => match self.preset(key, &schema) {
                    Some(preset) => preset,
                    None => continue,
                },
            };
            match ((key.nested)(), &node.value) {
                (Some(nested), Value::Table(inner)) => self.table(&path, &schema, inner, nested),
                (Some(_) | None, _) => {
                    let (text, shown) = (written(&node, key, Secrets::Written), written(&node, key, Secrets::Covered));
                    self.out.push(Effective { key: path, schema, basis, text, shown });
                }
            }
        }
    }

    /// What holds where nothing is written.
    fn preset(&self, key: &Key, schema: &str) -> Option<(Basis, Node)> {
        let of_profile = self.profile.and_then(|name| self.vocabulary.profile_value(name, schema));
        let (basis, text) = match (of_profile, key.preset) {
            (Some(text), _) => (Basis::Profile, text),
            (None, Preset::Default(text)) => (Basis::BuiltIn, text),
            (None, Preset::Required(_) | Preset::Absent(_)) => return None,
        };
        // A test reads every default.
        Some((basis, parse_value(text, &Origin::BuiltIn)?))
    }
}

fn table_in(value: &Value) -> Option<&Table> {
    match value {
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

/// How an element of a repeated section is called; by its place where it has no name.
fn name_of(table: &Table, index: usize) -> String {
    match table.get("name").map(|entry| interpreted(&entry.node).value) {
        Some(Value::Text(name)) => name,
        _ => (index + 1).to_string(),
    }
}

/// A value as TOML writes it, in one way: the same duration or size is the same text.
fn written(node: &Node, key: &Key, secrets: Secrets) -> String {
    if let Value::Text(text) = &node.value {
        if key.wanted == <Duration as Setting>::WANTED
            && let Ok(span) = parse_duration(text)
        {
            return quoted(&write_duration(span));
        }
        if key.wanted == <Bytes as Setting>::WANTED
            && let Ok(size) = parse_size(text)
        {
            return quoted(&write_size(text, size));
        }
    }
    let mut out = String::new();
    write_node(&mut out, node, Some(key), secrets);
    out
}

/// What becomes of secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    /// They are written, to be compared.
    Written,
    /// [`COVERED`] stands in their place.
    Covered,
}

/// Whether this value of a key is nobody's to see. A list is looked at item by item.
fn is_secret(node: &Node, key: &Key) -> bool {
    match (key.covered, &node.value) {
        (Covered::Nothing, _) | (Covered::InPlace, Value::Table(_) | Value::List(_)) => false,
        (Covered::InPlace | Covered::Whole, _) => true,
    }
}

/// A size as it was written, but for zeros in front.
fn write_size(text: &str, size: Bytes) -> String {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    match parse_size(&format!("1{unit}")) {
        Ok(one) if one.get() > 0 => format!("{}{unit}", size.get() / one.get()),
        Ok(_) | Err(_) => text.to_owned(),
    }
}

/// A value of `key`, where one is declared for it.
fn write_node(out: &mut String, node: &Node, key: Option<&Key>, secrets: Secrets) {
    if secrets == Secrets::Covered && key.is_some_and(|key| is_secret(node, key)) {
        return out.push_str(COVERED);
    }
    match &node.value {
        Value::Text(text) | Value::Raw(text) => out.push_str(&quoted(text)),
        Value::Integer(number) => out.push_str(&number.to_string()),
        Value::Float(text) | Value::Datetime(text) => out.push_str(text),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_node(out, item, key, secrets);
            }
            out.push(']');
        }
        Value::Table(table) => {
            let keys = key.and_then(|key| (key.nested)()).unwrap_or(&[]);
            let mut entries: Vec<_> = table.entries.iter().collect();
            entries.sort_by(|one, other| one.key.cmp(&other.key));
            out.push('{');
            for (index, entry) in entries.into_iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { " " });
                out.push_str(&bare_or_quoted(&entry.key));
                out.push_str(" = ");
                write_node(out, &entry.node, keys.iter().find(|key| key.name == entry.key), secrets);
            }
            out.push_str(if table.entries.is_empty() { "}" } else { " }" });
        }
    }
}

fn bare_or_quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { key.to_owned() } else { quoted(key) }
}

/// A TOML basic string, on one line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::{Consistent, Overlay, Secret, SectionInfo, Source, read, repeated, section, within};

    section! {
        /// One.
        pub struct One {
            /// A span.
            every: Duration, default "60s", within("1s", "1h");
            /// A size.
            most: Bytes, default "10MB";
            /// A secret.
            token: Option<Secret>, absent { env = "TOKEN" };
            /// A table.
            pace: Pace, default {};
            /// A list.
            names: Vec<String>, default [];
            /// A list of tables.
            heads: Vec<Head>, default [];
        }
    }
    section! {
        /// A pace.
        pub struct Pace {
            /// So many.
            tries: u32, default 3;
        }
    }
    section! {
        /// A line.
        pub struct Head {
            /// Its name.
            name: String, required "a";
            /// Its value.
            value: Secret, required { env = "KEY" };
        }
    }
    section! {
        /// Many.
        pub struct Many {
            /// Its name.
            name: crate::Name, required "a";
            /// So many.
            count: u32, default 1;
        }
    }
    impl Consistent for One {}
    impl Consistent for Pace {}
    impl Consistent for Head {}
    impl Consistent for Many {}

    static VOCABULARY: Vocabulary = Vocabulary {
        file: "t.toml",
        no_file: "",
        prefix: "T__",
        sections: &[SectionInfo::of::<One>("one", Shape::Single), SectionInfo::of::<Many>("many", Shape::Repeated)],
        profiles: &[],
        synonym: |_| None,
    };

    fn values(text: &str, set: &[&str]) -> Vec<String> {
        let source = Source { file: "t.toml".into(), text: text.to_owned(), world_readable: false };
        let overlay = Overlay { set: set.iter().map(|&one| one.to_owned()).collect(), ..Overlay::default() };
        let read = read(
            &source,
            &overlay,
            &VOCABULARY,
            |_| None,
            |root, _, reading| {
                crate::single::<One>(root, "one", reading)?;
                repeated(root, "many", reading).map(|_| ())
            },
        );
        read.unwrap().values.iter().map(|value| format!("{value:?}")).collect()
    }

    #[test]
    fn every_key_has_the_value_that_is_in_force() {
        assert_eq!(
            values("", &[]),
            [
                "one.every = \"1m\"",
                "one.most = \"10MB\"",
                "one.pace.tries = 3",
                "one.names = []",
                "one.heads = []",
                "many = []"
            ]
        );
        let text = "[one]\nevery = \"90s\"\nmost = \"010MB\"\npace = { tries = 5 }\nnames = [\"a\", \"b\\n\"]\n\
                    token = \"t0p\"\n[[many]]\nname = \"x\"\n[[many]]\nname = \"y\"\ncount = 7\n";
        assert_eq!(
            values(text, &["one.every=2m", "many.x.count=4"]),
            [
                "one.every = \"2m\"",
                "one.most = \"10MB\"",
                "one.token = (secret)",
                "one.pace.tries = 5",
                "one.names = [\"a\", \"b\\u000A\"]",
                "one.heads = []",
                "many = [\"x\", \"y\"]",
                "many.x.name = \"x\"",
                "many.x.count = 4",
                "many.y.name = \"y\"",
                "many.y.count = 7"
            ]
        );
        assert_eq!(values("[one]\ntoken = { env = \"T\" }\n", &[])[2], "one.token.env = \"T\"", "a place is no secret");
    }

    #[test]
    fn a_secret_within_a_list_is_covered_and_what_stands_beside_it_is_not() {
        let heads = |text: &str, set: &[&str]| values(text, set).remove(4);
        let text = "[one]\nheads = [{ name = \"x\", value = \"geheim\" }, { name = \"y\", value = { env = \"Y\" } }]\n";
        let shown = "one.heads = [{ name = \"x\", value = (secret) }, { name = \"y\", value = { env = \"Y\" } }]";
        assert_eq!(heads(text, &[]), shown);
        assert_eq!(
            heads("", &["one.heads=[{ name = \"x\", value = \"geheim\" }]"]),
            "one.heads = [{ name = \"x\", value = (secret) }]",
            "laid over the file, too"
        );
    }

    #[test]
    fn a_secret_that_changes_is_another_and_is_not_shown() {
        let of = |token: &str| {
            let (text, shown, basis) = (quoted(token), String::new(), Basis::Written);
            Effective { key: "k".into(), schema: "k".into(), basis, text, shown }.covered()
        };
        assert!(!of("a").is_the_same(&of("b")) && of("a").is_the_same(&of("a")));
        assert!(!format!("{:?}", of("geheim")).contains("geheim"));
    }
}
