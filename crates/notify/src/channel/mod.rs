//! The ways to people. One file each: its configuration, what it writes, what the service's answers mean.

/// What a channel is.
#[derive(Clone)]
#[non_exhaustive]
pub enum Kind {
    /// The program's own standard output.
    Console,
}

impl Kind {
    /// Its word in the configuration.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Console => "console",
        }
    }
}
