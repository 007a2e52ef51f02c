//! When the file is read, and what it is then: a whole valid configuration, or what is wrong with it. Time is given.
//!
//! A change is let come to rest first: nothing has happened for [`REST`], and two readings [`REST`] apart are the same. So a file
//! that is being written is not read half. What was judged once is not judged again until it is another.

use crate::alerts::{ReadyChannels, ready_channels};
use crate::config::{Config, ConfigErrors, Overrides, Source, read_source};
use crate::custom::Ready;
use core::time::Duration;
use failstop_core::Monotonic;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// For so long nothing may have happened to a file before it is read.
pub const REST: Duration = Duration::from_millis(100);

/// A file that has not come to rest for so long is one that something is wrong with.
pub const RESTLESS: Duration = Duration::from_secs(10);

/// The file is looked at so often whether or not anything was seen († 30 s).
pub const CHECK_EVERY: Duration = Duration::from_secs(30);

/// The most assignments that may lie over the file at a time.
pub const SET_MAX: usize = 256;

/// A configuration that is valid as a whole.
#[derive(Debug)]
pub struct Candidate {
    /// It.
    pub config: Arc<Config>,
    /// The file's text.
    pub text: String,
    /// The text's SHA-256, lower-case hexadecimal digits.
    pub sha256: String,
    /// What lay over the file.
    pub overrides: Overrides,
    /// What of that was known to be in force when it was read.
    pub known: Overrides,
    /// The alert channels that it means, with their secrets read.
    pub channels: ReadyChannels,
    /// Its sources of metrics, with the authorities read that they trust.
    pub sources: Ready,
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// A valid configuration.
    Valid(Box<Candidate>),
    /// None.
    Invalid(Wrong),
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// With the lines that it is about, for whoever asks: they may hold secrets.
    pub in_full: String,
    /// With their places alone, for alerts, status and the journal.
    pub published: String,
}

impl Wrong {
    /// What says nothing of the file's text.
    fn plain(text: String) -> Self {
        Self { in_full: text.clone(), published: text }
    }
}

impl From<ConfigErrors> for Wrong {
    fn from(errors: ConfigErrors) -> Self {
        Self { in_full: errors.to_string(), published: errors.published() }
    }
}

/// What a file looked like.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sight {
    /// A text with this SHA-256.
    Text(String),
    /// Nothing that could be read, and why.
    Nothing(String),
}

/// A change that has not come to rest.
#[derive(Clone, Debug)]
struct Unrest {
    since: Monotonic,
    due: Monotonic,
    before: Option<Sight>,
}

/// Reads one file.
#[derive(Debug)]
pub struct Eyes {
    file: PathBuf,
    /// What lies over the file.
    pub overrides: Overrides,
    judged: Option<Sight>,
    unrest: Option<Unrest>,
}

impl Eyes {
    /// Over a file whose text with this SHA-256 is in force.
    pub fn new(file: &Path, overrides: Overrides, sha256: &str) -> Self {
        Self { file: file.to_owned(), overrides, judged: Some(Sight::Text(sha256.to_owned())), unrest: None }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Something happened to it.
    pub fn noticed(&mut self, now: Monotonic) {
        let due = now.plus(REST);
        match &mut self.unrest {
            // However often something happens: one that never rests is told of.
            Some(unrest) => (unrest.due, unrest.before) = (due.min(unrest.since.plus(RESTLESS)), None),
            None => self.unrest = Some(Unrest { since: now, due, before: None }),
        }
    }

    /// When [`Eyes::look`] is due.
    pub fn due(&self) -> Option<Monotonic> {
        self.unrest.as_ref().map(|unrest| unrest.due)
    }

    /// Looks at it although nothing was seen to happen.
    pub fn check(&mut self, now: Monotonic) {
        if self.unrest.is_none() && self.judged.as_ref() != Some(&self.read().0) {
            self.noticed(now);
        }
    }

    /// Judges it, where it has come to rest and is another than the last one that was judged.
    pub fn look(&mut self, now: Monotonic) -> Option<Found> {
        let unrest = self.unrest.as_ref().filter(|unrest| now >= unrest.due)?;
        let (since, before) = (unrest.since, unrest.before.clone());
        let (sight, source) = self.read();
        if before.as_ref() != Some(&sight) {
            let restless = now.since(since) >= RESTLESS;
            let since = if restless { now } else { since };
            self.unrest = Some(Unrest { since, due: now.plus(REST), before: Some(sight) });
            return restless.then(|| {
                self.judged = None;
                let path = self.file.display();
                Found::Invalid(Wrong::plain(format!(
                    "error: {path} has been changing for {} s without a rest\n  next: see what writes it; it is read once it rests",
                    RESTLESS.as_secs()
                )))
            });
        }
        self.unrest = None;
        if self.judged.as_ref() == Some(&sight) {
            return None;
        }
        self.judged = Some(sight);
        Some(self.judge(source, &self.overrides))
    }

    /// Judges it as it is now, whatever was judged before, with `more` laid over it: somebody asks.
    pub fn ask(&mut self, more: &[String]) -> Found {
        let (sight, source) = self.read();
        // A reading with more over it says nothing of the file alone.
        if more.is_empty() {
            self.judged = Some(sight);
            self.unrest = None;
        }
        let mut overrides = self.overrides.clone();
        lay_over(&mut overrides.set, more);
        if overrides.set.len() > SET_MAX.max(self.overrides.set.len()) {
            return Found::Invalid(Wrong::plain(format!(
                "error: {} values would be laid over the file, and at most {SET_MAX} may be\n  \
                 next: write some of them into the file, and restart failstop to be rid of those that lie over it",
                overrides.set.len()
            )));
        }
        self.judge(source, &overrides)
    }

    /// Judges it as it is now; what is known of it stays as it was.
    pub fn peek(&self) -> Found {
        self.judge(self.read().1, &self.overrides)
    }

    fn read(&self) -> (Sight, Result<Source, Wrong>) {
        match read_source(&self.file) {
            Ok(source) => (Sight::Text(digest(&source.text)), Ok(source)),
            Err(problem) => {
                let wrong = Wrong::from(ConfigErrors::one(problem.located(&self.file, None)));
                (Sight::Nothing(wrong.in_full.clone()), Err(wrong))
            }
        }
    }

    fn judge(&self, source: Result<Source, Wrong>, overrides: &Overrides) -> Found {
        let source = match source {
            Ok(source) => source,
            Err(wrong) => return Found::Invalid(wrong),
        };
        let config = match Config::of(&source, overrides) {
            Ok(config) => config,
            Err(errors) => return Found::Invalid(errors.into()),
        };
        match ready_channels(&config) {
            Ok(channels) => Found::Valid(Box::new(Candidate {
                sha256: digest(&source.text),
                sources: Ready::of(&config),
                config: Arc::new(config),
                text: source.text,
                overrides: overrides.clone(),
                known: self.overrides.clone(),
                channels,
            })),
            Err(why) => Found::Invalid(Wrong::plain(format!("error: {why}"))),
        }
    }
}

/// Adds assignments `KEY=VALUE`. An earlier one of the same key has no say any more.
fn lay_over(set: &mut Vec<String>, more: &[String]) {
    fn key(assignment: &str) -> &str {
        assignment.split_once('=').map_or(assignment, |(key, _)| key).trim()
    }
    for assignment in more {
        set.retain(|earlier| key(earlier) != key(assignment));
        set.push(assignment.clone());
    }
}

/// The SHA-256 of a text, lower-case hexadecimal digits.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a text does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests;
