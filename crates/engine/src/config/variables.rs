//! `env` of a component: variables added to its environment.

use failstop_settings::document::{Node, Value};
use failstop_settings::setting::{as_quoted, text_of, wrong_type};
use failstop_settings::{At, Covered, Kind, Reading, Setting, interpreted, shown};
use std::collections::BTreeMap;

/// Names and values of environment variables.
pub type Variables = BTreeMap<String, String>;

/// How [`Variables`] are read.
pub(crate) struct ComponentVariables(Variables);

impl From<ComponentVariables> for Variables {
    fn from(read: ComponentVariables) -> Self {
        read.0
    }
}

impl Setting for ComponentVariables {
    const WANTED: &'static str = "a table of texts, like { LOG_LEVEL = \"info\" }";
    // They are how programs are given keys.
    const COVERED: Covered = Covered::Whole;

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let Value::Table(table) = &given.value else {
            wrong_type(&given, at, reading, None);
            return None;
        };
        let before = reading.problems.len();
        let mut variables = Variables::new();
        for entry in &table.entries {
            let name = &entry.key;
            if let Err(fault) = usable(name) {
                let message = format!("{}: \"{}\" {fault}", at.name(), shown(name));
                reading.refuse(Kind::BadValue, &entry.key_origin, message, fault.remedy());
                continue;
            }
            match text_of(&entry.node) {
                Some(text) if text.contains('\0') => {
                    let message = format!("{}: the value of {} contains a zero byte", at.name(), shown(name));
                    reading.refuse(Kind::BadValue, &entry.node.origin, message, "remove \\u0000");
                }
                Some(text) => drop(variables.insert(name.clone(), text)),
                None => {
                    let help = as_quoted(&entry.node).map_or_else(
                        || "write a text in quotes".to_owned(),
                        |text| format!("write `{} = {text}`", shown(name)),
                    );
                    let message =
                        format!("{}: {} must be a text; found {}", at.name(), shown(name), entry.node.found());
                    reading.refuse(Kind::WrongType, &entry.node.origin, message, help);
                }
            }
        }
        (reading.problems.len() == before).then_some(Self(variables))
    }
}

/// Why a component cannot be given a variable of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// No shell and no library would find it.
    #[error("cannot be the name of a variable")]
    NotAName,
    /// It would take the place of what leftovers, the kill switch and the bot's client go by.
    #[error("is set by failstop itself")]
    Reserved,
}

impl NameFault {
    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotAName => "use letters, digits and '_'",
            Self::Reserved => "remove it",
        }
    }
}

/// Whether a component may be given a variable of this name.
pub(crate) fn usable(name: &str) -> Result<(), NameFault> {
    if name.is_empty() || name.contains(|c: char| c == '=' || c.is_control() || c.is_whitespace()) {
        return Err(NameFault::NotAName);
    }
    if RESERVED.contains(&name) || name.starts_with("FAILSTOP_") {
        return Err(NameFault::Reserved);
    }
    Ok(())
}

/// Variables that failstop sets for every component.
const RESERVED: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
