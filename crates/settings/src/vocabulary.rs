//! What one program's configuration may say: its sections, its profiles, how its variables are called. One `static` a
//! program; everything that reads, explains or documents the configuration is made from it.

use crate::declare::{Key, Section};

/// How a section stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[name]`, once.
    Single,
    /// `[[name]]`, any number of times.
    Repeated,
    /// `[name.WORD]`, once for each word.
    Named {
        /// What stands for the word in messages: `CAUSE`.
        word: &'static str,
        /// A word that is valid, for the reference.
        example: &'static str,
    },
}

/// One section.
pub struct SectionInfo {
    /// Its name in the file.
    pub name: &'static str,
    /// How it stands there.
    pub shape: Shape,
    /// Whether it is there without being written: the reference comments out one that is not.
    pub always: bool,
    /// What it is for.
    pub docs: &'static [&'static str],
    /// Its keys, in the order of the reference.
    pub keys: fn() -> &'static [Key],
}

impl SectionInfo {
    /// The entry of a declared section that is there even where nobody writes it.
    pub const fn of<S: Section>(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, always: true, docs: S::DOCS, keys: S::keys }
    }

    /// The entry of one that is there only where it is written.
    pub const fn optional<S: Section>(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, always: false, docs: S::DOCS, keys: S::keys }
    }

    /// How its header is written.
    pub fn header(&self) -> String {
        let name = self.name;
        match self.shape {
            Shape::Single => format!("[{name}]"),
            Shape::Repeated => format!("[[{name}]]"),
            Shape::Named { word, .. } => format!("[{name}.{word}]"),
        }
    }
}

/// What a profile says about one key.
pub struct ProfileRow {
    /// `section.key`.
    pub key: &'static str,
    /// Each profile's name and its default, as TOML.
    pub values: &'static [(&'static str, &'static str)],
}

/// What one program's configuration may say.
pub struct Vocabulary {
    /// The file's usual name: `failstop.toml`.
    pub file: &'static str,
    /// What to do where there is no file, as a phrase: "write one with `failstop init`".
    pub no_file: &'static str,
    /// What environment variables that override a key begin with: `FAILSTOP__`.
    pub prefix: &'static str,
    /// Every section, in the order of the reference.
    pub sections: &'static [SectionInfo],
    /// Defaults that depend on the profile.
    pub profiles: &'static [ProfileRow],
    /// The key that other programs call so, if any.
    pub synonym: fn(&str) -> Option<&'static str>,
}

impl Vocabulary {
    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&'static SectionInfo> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// All names of sections.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.sections.iter().map(|section| section.name)
    }

    /// The sections that have a key of this name, as headers.
    pub fn sections_with<'a>(&'a self, key: &'a str) -> impl Iterator<Item = String> + 'a {
        self.sections
            .iter()
            .filter(move |section| (section.keys)().iter().any(|known| known.name == key))
            .map(SectionInfo::header)
    }

    /// What a profile says about a key (`section.key`), as TOML.
    pub fn profile_value(&self, profile: &str, key: &str) -> Option<&'static str> {
        let row = self.profiles.iter().find(|row| row.key == key)?;
        row.values.iter().find(|(name, _)| *name == profile).map(|(_, value)| *value)
    }
}
