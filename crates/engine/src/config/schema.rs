//! The list of all sections: what the reference is made from, and where a misplaced key belongs.

use super::alerts::Alerts;
use super::component::Component;
use super::dependency::DependencyKeys;
use super::halts::HaltKeys;
use super::health::{Failsafe, Health};
use super::observe::Observe;
use super::runtime::{Journal, Limits, Log, Output, Permit, Startup};
use super::section::{Key, Section};
use super::system::System;

/// How a section stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `[name]`, once.
    Single,
    /// `[[name]]`, any number of times.
    Repeated,
    /// `[name.WORD]`, once for each word.
    Named,
}

/// One section.
pub(crate) struct SectionInfo {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) docs: &'static [&'static str],
    pub(crate) keys: fn() -> &'static [Key],
}

const fn info<S: Section>(name: &'static str, shape: Shape) -> SectionInfo {
    SectionInfo { name, shape, docs: S::DOCS, keys: S::keys }
}

/// All of them, in the order of the reference.
pub(crate) static SECTIONS: &[SectionInfo] = &[
    info::<System>("system", Shape::Single),
    info::<Observe>("observe", Shape::Single),
    info::<Component>("component", Shape::Repeated),
    info::<DependencyKeys>("dependency", Shape::Repeated),
    info::<Health>("health", Shape::Single),
    info::<Failsafe>("failsafe", Shape::Single),
    info::<HaltKeys>("halts", Shape::Named),
    info::<Limits>("limits", Shape::Single),
    info::<Startup>("startup", Shape::Single),
    info::<Journal>("journal", Shape::Single),
    info::<Permit>("permit", Shape::Single),
    info::<Output>("output", Shape::Single),
    info::<Log>("log", Shape::Single),
    info::<Alerts>("alerts", Shape::Single),
];

/// How the header of a section is written.
pub(crate) fn header(name: &str, shape: Shape) -> String {
    match shape {
        Shape::Single => format!("[{name}]"),
        Shape::Repeated => format!("[[{name}]]"),
        Shape::Named => format!("[{name}.CAUSE]"),
    }
}

/// The sections that have a key of this name, as headers.
pub(crate) fn sections_with(key: &str) -> impl Iterator<Item = String> {
    SECTIONS
        .iter()
        .filter(move |section| (section.keys)().iter().any(|known| known.name == key))
        .map(|section| header(section.name, section.shape))
}
