//! `credentials` of a component: secrets that it is given as files, by name.

use failstop_settings::document::{Node, Value};
use failstop_settings::setting::wrong_type;
use failstop_settings::{At, Kind, MAX_NAME, Reading, Secret, Setting, interpreted, shown};
use std::collections::BTreeMap;

/// The most credentials of one component.
pub const MAX_CREDENTIALS: usize = 64;

/// Names and where each secret is kept.
pub type Credentials = BTreeMap<String, Secret>;

/// How [`Credentials`] are read.
pub(crate) struct ComponentCredentials(Credentials);

impl From<ComponentCredentials> for Credentials {
    fn from(read: ComponentCredentials) -> Self {
        read.0
    }
}

impl Setting for ComponentCredentials {
    const WANTED: &'static str =
        "a table of names and where each secret is kept, like { api_key = { file = \"secrets/api_key\" } }";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let Value::Table(table) = &given.value else {
            wrong_type(&given, at, reading, None);
            return None;
        };
        if table.entries.len() > MAX_CREDENTIALS {
            let message = format!("{} has {} entries", at.name(), table.entries.len());
            reading.refuse(Kind::OutOfRange, &given.origin, message, format!("write at most {MAX_CREDENTIALS}"));
            return None;
        }
        let mut credentials = Credentials::new();
        let mut good = true;
        for entry in &table.entries {
            let name = &entry.key;
            if !is_file_name(name) {
                let message = format!("{}: \"{}\" cannot be the name of a credential", at.name(), shown(name));
                let help =
                    format!("use letters, digits, '-', '_' and '.', a letter or digit first, at most {MAX_NAME}");
                reading.refuse(Kind::BadValue, &entry.key_origin, message, help);
                good = false;
                continue;
            }
            // A secret in the file itself would be in every backup and every editor's history of it.
            if !matches!(interpreted(&entry.node).value, Value::Table(_)) {
                let message =
                    format!("{}: {name} must say where the secret is kept; found {}", at.name(), entry.node.found());
                let help = format!(
                    "write `{name} = {{ file = \"secrets/{name}\" }}`, `{{ env = \"NAME\" }}` or `{{ credential = \"NAME\" }}`"
                );
                reading.refuse(Kind::WrongType, &entry.node.origin, message, help);
                good = false;
                continue;
            }
            match Secret::read(&entry.node, at, reading) {
                Some(secret) => drop(credentials.insert(name.clone(), secret)),
                None => good = false,
            }
        }
        good.then_some(Self(credentials))
    }
}

fn is_file_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
