//! Secrets: named by where they are kept, never shown, refused inline where others can read the file.

use crate::declare::{At, Consistent, Covered, Key, Places, Reading, Section, Setting, interpreted};
use crate::document::{Node, Value};
use crate::problem::{Kind, Origin};
use crate::section;
use crate::target::exactly_one;
use std::fmt;
use std::path::PathBuf;

section! {
    /// Where a secret is kept. Exactly one of env, file and credential.
    pub struct SecretKeys {
        /// The name of an environment variable.
        env: Option<String>, absent "TELEGRAM_BOT_TOKEN";
        /// A file that only its owner may read; a line break at its end is dropped.
        file: Option<PathBuf>, absent "secrets/telegram";
        /// The name of a systemd credential (LoadCredential=).
        credential: Option<String>, absent "telegram";
    }
}

impl Consistent for SecretKeys {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways =
            [("env", self.env.is_some()), ("file", self.file.is_some()), ("credential", self.credential.is_some())];
        exactly_one(&ways, "{ env = \"TELEGRAM_BOT_TOKEN\" }", places, reading);
    }
}

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(PathBuf),
    /// In `$CREDENTIALS_DIRECTORY/NAME`.
    Credential(String),
    /// In the configuration file itself, which only its owner and group may read.
    Inline(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "Variable({name:?})"),
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Credential(name) => write!(f, "Credential({name:?})"),
            Self::Inline(_) => f.write_str("Inline(covered)"),
        }
    }
}

impl Setting for Secret {
    const WANTED: &'static str =
        "where the secret is kept, like { env = \"TELEGRAM_BOT_TOKEN\" } or { file = \"secrets/telegram\" }";
    const COVERED: Covered = Covered::InPlace;

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if let (Value::Raw(text), Origin::Variable(name)) = (&node.value, &node.origin)
            && !text.trim_start().starts_with('{')
        {
            return Some(Self::Variable(name.to_string()));
        }
        if let (Value::Raw(text), Origin::Flag(_)) = (&node.value, &node.origin)
            && !text.trim_start().starts_with('{')
        {
            let message = format!("{}: a secret on the command line can be read by every user", at.name());
            let help = format!(
                "keep it in a file: write `{0} = {{ file = \"secrets/{0}\" }}` in the configuration",
                at.key.name
            );
            reading.refuse(Kind::ExposedSecret, &node.origin, message, help);
            return None;
        }
        let given = interpreted(node);
        match &given.value {
            Value::Table(_) => {
                let keys: SecretKeys = crate::setting::read_nested(&given, at, reading)?;
                keys.env.map(Self::Variable).or(keys.file.map(Self::File)).or(keys.credential.map(Self::Credential))
            }
            Value::Text(text) if text.is_empty() => {
                reading.refuse(
                    Kind::BadValue,
                    &node.origin,
                    format!("{} is empty", at.name()),
                    format!("write {}", Self::WANTED),
                );
                None
            }
            Value::Text(text) if reading.world_readable => {
                let _ = text;
                let message = format!("{} holds a secret in a file that every user may read", at.name());
                let variable = format!("{}_{}", at.schema.rsplit('.').next().unwrap_or(""), at.key.name).to_uppercase();
                let help = format!(
                    "write `{} = {{ env = \"{variable}\" }}` or `{{ file = \"...\" }}`, and replace the secret: it was exposed",
                    at.key.name
                );
                reading.refuse(Kind::ExposedSecret, &node.origin, message, help);
                None
            }
            Value::Text(text) => Some(Self::Inline(text.clone())),
            _ => {
                let message = format!("{} must be {}; found {}", at.name(), "the place of a secret", node.found());
                reading.refuse(Kind::WrongType, &node.origin, message, format!("write {}", Self::WANTED));
                None
            }
        }
    }

    fn nested() -> Option<&'static [Key]> {
        Some(SecretKeys::keys())
    }
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// The variable is not set, empty, or not UTF-8.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// There is no directory of credentials.
    #[error("CREDENTIALS_DIRECTORY is not set, so the credential {0} is not there")]
    NoCredentials(String),
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is empty, too large, or not text.
    #[error("{0} holds no usable text")]
    Unusable(PathBuf),
}

/// The largest secret that is read, bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

impl Secret {
    /// The file that it is in, if it is in one.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::Credential(name) => {
                std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| PathBuf::from(dir).join(name))
            }
            Self::Variable(_) | Self::Inline(_) => None,
        }
    }

    /// The environment variable that it is in, if it is in one.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable(name) => Some(name),
            Self::File(_) | Self::Credential(_) | Self::Inline(_) => None,
        }
    }

    /// The secret itself.
    ///
    /// # Errors
    /// It is not where the configuration says.
    pub fn reveal(&self) -> Result<String, SecretFault> {
        match self {
            Self::Inline(text) => Ok(text.clone()),
            Self::Variable(name) => match std::env::var(name) {
                Ok(text) if !text.is_empty() => Ok(text),
                _ => Err(SecretFault::Unset(name.clone())),
            },
            Self::Credential(name) if self.path().is_none() => Err(SecretFault::NoCredentials(name.clone())),
            Self::File(_) | Self::Credential(_) => {
                use std::io::Read as _;
                let path = self.path().unwrap_or_default();
                let mut text = String::new();
                let read = std::fs::File::open(&path)
                    .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text));
                match read {
                    Ok(_) if text.len() as u64 > MAX_SECRET_BYTES => Err(SecretFault::Unusable(path)),
                    Ok(_) => {
                        let text = text.trim_end_matches(['\n', '\r']).to_owned();
                        if text.is_empty() { Err(SecretFault::Unusable(path)) } else { Ok(text) }
                    }
                    Err(error) => Err(SecretFault::Unreadable { path, error }),
                }
            }
        }
    }
}
