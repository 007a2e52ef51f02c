//! Why a command could not do its work, in words that say what to do next, and the exit status that follows.

use crate::exit::Exit;
use std::io;
use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration was refused; the text is complete, with places and suggestions.
    #[error("{rendered}")]
    Config {
        /// The configuration's own report.
        rendered: String,
    },
    /// There is no configuration where one was looked for.
    #[error("no configuration at {}: {source}", path.display())]
    NoConfig {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration does not say what the command needs, or says it in a way that cannot be read.
    #[error("{} does not give {what}", path.display())]
    PlaceUnknown {
        /// The configuration.
        path: PathBuf,
        /// What is missing, as in "the system's name".
        what: &'static str,
    },
    /// A value on the command line is not what it must be.
    #[error("{what}")]
    Usage {
        /// What, and where.
        what: String,
        /// What to write instead.
        next: String,
    },
    /// No engine answers.
    #[error("{what}")]
    NoEngine {
        /// Where it was looked for, and what happened.
        what: String,
        /// What to do next.
        next: String,
    },
    /// The engine refused.
    #[error("refused")]
    Refused {
        /// Every reason; each says what to do next.
        reasons: Vec<String>,
    },
    /// What was looked for does not exist, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do next.
        next: &'static str,
    },
    /// A file that was to be written is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration file is left as it was.
    #[error("{what}")]
    NotRewritten {
        /// Why.
        what: String,
        /// What to do next.
        next: String,
    },
    /// Standard output cannot be written (and not because its reader has gone).
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// It could not be done; the text says why, what became of it, and what to do next.
    #[error("{0}")]
    Undone(String),
    /// The operating system refused something that a command stands on.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried, as in "watch the journal".
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Failure {
    /// The exit status, the same for every command.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config { .. } | Self::NoConfig { .. } | Self::PlaceUnknown { .. } | Self::Usage { .. } => Exit::Usage,
            Self::Refused { .. } | Self::Exists { .. } | Self::NotRewritten { .. } => Exit::No,
            Self::NoEngine { .. }
            | Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::Output(_)
            | Self::Undone(_)
            | Self::System { .. } => Exit::Unknown,
        }
    }

    /// The whole text for standard error: what, where, why, and what to do next; without a final line feed.
    pub fn report(&self) -> String {
        match self {
            // Rendered with its own "error:" lines, one for each thing that is wrong.
            Self::Config { rendered } => rendered.trim_end().to_owned(),
            Self::NoConfig { .. } => format!(
                "error: {self}\n  next: name it with --config or $FAILSTOP_CONFIG, or write one with `failstop init`"
            ),
            Self::PlaceUnknown { .. } => {
                format!("error: {self}\n  next: correct it, or name the directories with --state and --runtime")
            }
            Self::Usage { next, .. } => format!("error: {self}\n  next: {next}"),
            Self::NoEngine { next, .. } | Self::NotRewritten { next, .. } => format!("error: {self}\n  next: {next}"),
            Self::Refused { reasons } => match reasons.as_slice() {
                [] => "error: refused, without a reason given".to_owned(),
                [only] => format!("error: refused: {only}"),
                many => {
                    let lines: Vec<String> = many.iter().map(|reason| format!("  {reason}")).collect();
                    format!("error: refused, for {} reasons:\n{}", many.len(), lines.join("\n"))
                }
            },
            Self::Unreadable { next, .. } => format!("error: {self}\n  next: {next}"),
            Self::Exists { .. } => {
                format!("error: {self}\n  next: name another file with --output, or move this one away")
            }
            Self::Unwritable { .. } => format!("error: {self}\n  next: choose a folder that you may write to"),
            Self::Output(_) | Self::Undone(_) | Self::System { .. } => format!("error: {self}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_gives_every_reason() {
        let refused =
            |reasons: &[&str]| Failure::Refused { reasons: reasons.iter().map(ToString::to_string).collect() };
        assert_eq!(refused(&["h-3 holds"]).report(), "error: refused: h-3 holds");
        assert_eq!(refused(&["a", "b"]).report(), "error: refused, for 2 reasons:\n  a\n  b");
        assert_eq!(refused(&["a"]).exit().status(), 1);
    }
}
