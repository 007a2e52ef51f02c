//! A secret in memory: it can be used, and neither shown nor written.

use std::sync::Arc;

/// A token, a password, or a URL that holds one.
///
/// There is no `Display`, `Debug` or `Serialize` on purpose: whatever holds one cannot derive them by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the secret over.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the moment at which a request is built.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
