//! How a section of the configuration is declared, once: keys with their type, default, range and meaning. Reading,
//! validating, the suggestions in messages and the reference are all made from that one table.

use crate::document::{Entry, Node, Table, Value, parse_value};
use crate::nearest::nearest;
use crate::problem::{Kind, Origin, Problem, cover_userinfo};
use crate::vocabulary::Vocabulary;
use std::path::Path;

/// What holds when a key is absent. The texts are TOML values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// This value.
    Default(&'static str),
    /// Refused; this is an example.
    Required(&'static str),
    /// Nothing; this is an example.
    Absent(&'static str),
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Any,
    /// Between these, both included, written as the key's own type writes them.
    Within(&'static str, &'static str),
}

/// From `least` to `most`, both included.
pub const fn within(least: &'static str, most: &'static str) -> Rule {
    Rule::Within(least, most)
}

/// What of a value is nobody's to see, wherever values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// Nothing.
    Nothing,
    /// What is written in place; a table that says where a secret is kept is shown.
    InPlace,
    /// All of it.
    Whole,
}

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it means.
    pub docs: &'static [&'static str],
    /// What holds where it is absent.
    pub preset: Preset,
    /// What its value must satisfy.
    pub rule: Rule,
    /// What to write, as a noun phrase with an example.
    pub wanted: &'static str,
    /// The keys of the table that the value is, if it is one.
    pub nested: fn() -> Option<&'static [Key]>,
    /// What of it is nobody's to see.
    pub covered: Covered,
    /// What is not done about it in this version, if anything.
    pub later: Option<&'static str>,
}

/// A type that a key may have.
pub trait Setting: Sized {
    /// What to write, as a noun phrase with an example.
    const WANTED: &'static str;
    /// What to say where a required key of this type is missing, beyond an example.
    const WHEN_MISSING: &'static str = "";
    /// What of it is nobody's to see; of each item, where it is a list.
    const COVERED: Covered = Covered::Nothing;

    /// Reads a value; reports what is wrong with it.
    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self>;

    /// What an absent key without a default gives.
    fn absent() -> Option<Self> {
        None
    }

    /// The keys of the table that the value is, if it is one.
    fn nested() -> Option<&'static [Key]> {
        None
    }
}

/// A table with declared keys; made by `section!`.
pub trait Section: Sized {
    /// What the section is for.
    const DOCS: &'static [&'static str];

    /// Its keys, in the order of the reference.
    fn keys() -> &'static [Key];

    /// Reads a table, reports everything that is wrong in it.
    fn read_table(table: &Table, label: &str, schema: &str, reading: &mut Reading<'_>) -> Option<Self>;
}

/// What values of one section must satisfy together.
pub trait Consistent {
    /// Reports contradictions. Called only when every key by itself is good.
    fn check(&self, _places: &Places<'_>, _reading: &mut Reading<'_>) {}
}

/// Which key is being read.
pub struct At<'a> {
    /// Its declaration.
    pub key: &'a Key,
    /// The section as people see it: `[permit]`, `component "bot"`.
    pub label: &'a str,
    /// The section in the schema: `permit`, `component.backoff`.
    pub schema: &'a str,
    /// Whether it is one item of the key's list.
    pub item: bool,
}

impl At<'_> {
    /// "`lease` in [permit]".
    pub fn name(&self) -> String {
        format!("`{}` in {}", self.key.name, self.label)
    }

    /// How to write `value` (a TOML value) for this key at the place where it was written wrongly.
    pub fn write(&self, origin: &Origin, value: &str) -> String {
        if self.item {
            return format!("write `{value}`");
        }
        format!("write `{}`", self.assignment(origin, value))
    }

    /// `key = value`, in the notation of the place where the key was written.
    pub fn assignment(&self, origin: &Origin, value: &str) -> String {
        match origin {
            Origin::Variable(name) => format!("{name}={}", value.trim_matches('"')),
            Origin::Flag(flag) if flag.contains('.') => format!("{flag}={}", value.trim_matches('"')),
            Origin::Flag(flag) => format!("{flag} {}", value.trim_matches('"')),
            Origin::File(_) | Origin::BuiltIn | Origin::Whole => format!("{} = {value}", self.key.name),
        }
    }
}

/// What is needed while reading, and what was found.
pub struct Reading<'a> {
    /// Relative paths start here.
    pub folder: &'a Path,
    /// Whether anybody on this machine may read the file.
    pub world_readable: bool,
    /// The profile in force, by name.
    pub profile: Option<&'static str>,
    /// What the configuration may say.
    pub vocabulary: &'static Vocabulary,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is valid and yet worth knowing.
    pub notices: Vec<Problem>,
}

impl Reading<'_> {
    /// Reports something wrong.
    pub fn refuse(&mut self, kind: Kind, origin: &Origin, message: String, help: impl Into<String>) {
        self.problems.push(Problem::new(kind, origin.clone(), message, help.into()));
    }

    /// Reports something worth knowing.
    pub fn notice(&mut self, kind: Kind, origin: &Origin, message: String, help: impl Into<String>) {
        self.notices.push(Problem::new(kind, origin.clone(), message, help.into()));
    }
}

/// Where the keys of a section were written, for messages about several of them together.
pub struct Places<'a> {
    /// The section's table.
    pub table: &'a Table,
    /// The section as people see it.
    pub label: &'a str,
}

impl Places<'_> {
    /// The first of `keys` that somebody wrote; the section itself where none was.
    pub fn first_of(&self, keys: &[&str]) -> Origin {
        keys.iter()
            .find_map(|key| self.table.get(key))
            .map_or_else(|| self.table.origin.clone(), |entry| entry.node.origin.clone())
    }
}

/// Reads one table key by key; `finish` refuses what nobody asked for.
pub struct TableReader<'t> {
    table: &'t Table,
    label: &'t str,
    schema: &'t str,
    keys: &'static [Key],
}

impl<'t> TableReader<'t> {
    /// Begins with a table that is known as `label` to people and as `schema` to profiles.
    pub fn new(table: &'t Table, label: &'t str, schema: &'t str, keys: &'static [Key]) -> Self {
        Self { table, label, schema, keys }
    }

    /// Reads the key at `index` of the section's table of keys.
    pub fn take<T: Setting>(&self, index: usize, reading: &mut Reading<'_>) -> Option<T> {
        let key = self.keys.get(index)?;
        let at = At { key, label: self.label, schema: self.schema, item: false };
        if let Some(entry) = self.table.get(key.name) {
            if let Some(later) = key.later {
                let message = format!("{}: {later}", at.name());
                reading.notice(Kind::BadValue, &entry.key_origin, message, "it is read and kept, nothing more");
            }
            return T::read(&entry.node, &at, reading);
        }
        let path = format!("{}.{}", self.schema, key.name);
        let preset =
            reading.profile.and_then(|name| reading.vocabulary.profile_value(name, &path)).map(Preset::Default);
        match preset.unwrap_or(key.preset) {
            Preset::Default(text) => match parse_value(text, &Origin::BuiltIn) {
                Some(node) => T::read(&node, &at, reading),
                None => {
                    // A test reads every default; this cannot be reached by a user.
                    reading.refuse(
                        Kind::BadValue,
                        &Origin::BuiltIn,
                        format!("the built-in default of {path} is not TOML: {text}"),
                        "this is a defect of failstop; please report it",
                    );
                    None
                }
            },
            Preset::Required(example) => {
                let help = match (T::WHEN_MISSING, &self.table.origin) {
                    ("", Origin::Whole) => format!("write for example:\n{}\n{} = {example}", self.label, key.name),
                    ("", _) => format!("write for example: {} = {example}", key.name),
                    (explained, _) => explained.to_owned(),
                };
                let message = format!("{} needs the key `{}`", self.label, key.name);
                reading.refuse(Kind::Missing, &self.table.origin, message, help);
                None
            }
            Preset::Absent(_) => T::absent(),
        }
    }

    /// Refuses unknown keys.
    pub fn finish(&self, reading: &mut Reading<'_>) {
        for entry in &self.table.entries {
            if !self.keys.iter().any(|key| key.name == entry.key) {
                unknown_key(entry, self.label, self.keys, reading);
            }
        }
    }
}

fn unknown_key(entry: &Entry, label: &str, keys: &'static [Key], reading: &mut Reading<'_>) {
    let word = &entry.key;
    let message = format!("unknown key `{}` in {label}", shown(word));
    let help = if let Some(known) = nearest(word, keys.iter().map(|key| key.name)) {
        match &entry.key_origin {
            Origin::Variable(name) => {
                let start = name.len().saturating_sub(word.len());
                format!("did you mean {}{}?", name.get(..start).unwrap_or(""), known.to_ascii_uppercase())
            }
            _ => format!("did you mean `{known}`?"),
        }
    } else if let Some(known) =
        (reading.vocabulary.synonym)(word).filter(|known| keys.iter().any(|key| key.name == *known))
    {
        format!("write `{known}`")
    } else if let Some(section) = reading.vocabulary.sections_with(word).find(|section| *section != label) {
        format!("`{word}` belongs to {section}")
    } else {
        let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        format!("known here: {}", names.join(", "))
    };
    reading.refuse(Kind::UnknownKey, &entry.key_origin, message, help);
}

/// A text as shown in a message: short, without what could drive a terminal, and without the password of a URL.
pub fn shown(text: &str) -> String {
    let covered = cover_userinfo(text);
    let mut out: String = covered.chars().take(60).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if covered.chars().nth(60).is_some() {
        out.push_str("...");
    }
    out
}

/// The value of a raw text in the type that a key wants: TOML where it is TOML, else the text itself.
pub fn interpreted(node: &Node) -> Node {
    match &node.value {
        Value::Raw(text) => parse_value(text, &node.origin)
            .unwrap_or_else(|| Node { value: Value::Text(text.clone()), origin: node.origin.clone() }),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Bool(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_) => node.clone(),
    }
}

/// A field's name as the file writes it: `final` for `r#final`.
pub const fn written(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', rest @ ..] => match core::str::from_utf8(rest) {
            Ok(name) => name,
            Err(_) => field,
        },
        _ => field,
    }
}

/// Declares a section: a struct whose fields are its keys.
///
/// `name: Type, default VALUE;` or `required EXAMPLE` or `absent EXAMPLE`; then optionally `, RULE` and
/// `=> "what is not done about it yet"`. Doc comments become both the field's docs and the reference's text. A field of a
/// type that has no [`Setting`] of its own is written `name: Type as Reader`, where `Reader: Setting + Into<Type>`.
#[macro_export]
macro_rules! section {
    (@preset default $value:tt) => {
        $crate::declare::Preset::Default(stringify!($value))
    };
    (@preset required $value:tt) => {
        $crate::declare::Preset::Required(stringify!($value))
    };
    (@preset absent $value:tt) => {
        $crate::declare::Preset::Absent(stringify!($value))
    };
    (@rule) => {
        $crate::declare::Rule::Any
    };
    (@rule $rule:expr) => {
        $rule
    };
    (@later) => {
        None
    };
    (@later $later:literal) => {
        Some($later)
    };
    (@reader $ty:ty) => {
        $ty
    };
    (@reader $ty:ty, $reader:ty) => {
        $reader
    };
    (
        $(#[doc = $docs:literal])*
        $vis:vis struct $section:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $ty:ty $(as $reader:ty)?, $how:ident $value:tt $(, $rule:expr)? $(=> $later:literal)?;
            )*
        }
    ) => {
        $(#[doc = $docs])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $section {
            $(
                $(#[doc = $doc])*
                pub $field: $ty,
            )*
        }

        impl $crate::declare::Section for $section {
            const DOCS: &'static [&'static str] = &[$($docs),*];

            fn keys() -> &'static [$crate::declare::Key] {
                static KEYS: &[$crate::declare::Key] = &[$(
                    $crate::declare::Key {
                        name: $crate::declare::written(stringify!($field)),
                        docs: &[$($doc),*],
                        preset: $crate::section!(@preset $how $value),
                        rule: $crate::section!(@rule $($rule)?),
                        wanted: <$crate::section!(@reader $ty $(, $reader)?) as $crate::declare::Setting>::WANTED,
                        nested: <$crate::section!(@reader $ty $(, $reader)?) as $crate::declare::Setting>::nested,
                        covered: <$crate::section!(@reader $ty $(, $reader)?) as $crate::declare::Setting>::COVERED,
                        later: $crate::section!(@later $($later)?),
                    }
                ),*];
                KEYS
            }

            fn read_table(
                table: &$crate::document::Table,
                label: &str,
                schema: &str,
                reading: &mut $crate::declare::Reading<'_>,
            ) -> Option<Self> {
                let before = reading.problems.len();
                let keys = <Self as $crate::declare::Section>::keys();
                let reader = $crate::declare::TableReader::new(table, label, schema, keys);
                let mut index = 0..keys.len();
                $(
                    let $field: Option<$ty> = index
                        .next()
                        .and_then(|index| reader.take::<$crate::section!(@reader $ty $(, $reader)?)>(index, reading))
                        .map(Into::into);
                )*
                reader.finish(reading);
                let section = Self { $( $field: $field?, )* };
                if reading.problems.len() == before {
                    let places = $crate::declare::Places { table, label };
                    $crate::declare::Consistent::check(&section, &places, reading);
                }
                Some(section)
            }
        }

        impl $crate::declare::Setting for $section {
            const WANTED: &'static str = "a table, like { key = value }";

            fn read(
                node: &$crate::document::Node,
                at: &$crate::declare::At<'_>,
                reading: &mut $crate::declare::Reading<'_>,
            ) -> Option<Self> {
                $crate::setting::read_nested(node, at, reading)
            }

            fn nested() -> Option<&'static [$crate::declare::Key]> {
                Some(<Self as $crate::declare::Section>::keys())
            }
        }
    };
}
