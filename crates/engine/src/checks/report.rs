//! What came out of the checks.

use crate::config::ConfigErrors;
use failstop_client::status::Coverage;
use failstop_core::CheckClass;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be, and no reason not to run.
    Warning,
    /// A reason not to run.
    Failed,
    /// Not made; the reason says why.
    Skipped,
}

impl Outcome {
    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What a failure means at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The halt `integrity`.
    Integrity,
    /// The halt `environment`, retried.
    Environment,
    /// The halt `witness` where it remembers otherwise; `environment`, retried, where it cannot be asked.
    Witness,
    /// The halt `failsafe` with the trigger `capital`; `integrity` where it could not be found out.
    Capital,
    /// Nothing but a warning.
    Advisory,
}

impl Class {
    /// As the core knows it; advisory checks it does not.
    pub const fn core(self) -> Option<CheckClass> {
        match self {
            Self::Integrity => Some(CheckClass::Integrity),
            Self::Environment => Some(CheckClass::Environment),
            Self::Witness | Self::Capital | Self::Advisory => None,
        }
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it came out.
    pub outcome: Outcome,
    /// What was seen. One sentence without a full stop.
    pub reason: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
    /// It failed because it could not be found out.
    pub undetermined: bool,
}

impl Finding {
    pub(crate) fn passed(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Passed, reason: reason.into(), remedy: String::new(), undetermined: false }
    }

    pub(crate) fn warning(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, reason: reason.into(), remedy: remedy.into(), undetermined: false }
    }

    pub(crate) fn failed(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, reason: reason.into(), remedy: remedy.into(), undetermined: false }
    }

    /// Could not be found out, which is no "yes".
    pub(crate) fn undetermined(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, reason: reason.into(), remedy: remedy.into(), undetermined: true }
    }

    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, reason: reason.into(), remedy: String::new(), undetermined: false }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The check's name. Several lines may have the same: one for each thing that it found.
    pub name: &'static str,
    /// What a failure means at start.
    pub class: Class,
    /// How it came out.
    pub outcome: Outcome,
    /// What was seen.
    pub reason: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
    /// It failed because it could not be found out.
    pub undetermined: bool,
    /// File, line and column, where it is about a place in a file.
    pub place: Option<(String, usize, usize)>,
}

impl CheckResult {
    pub(crate) fn of(name: &'static str, class: Class, finding: Finding) -> Self {
        let Finding { outcome, reason, remedy, undetermined } = finding;
        Self { name, class, outcome, reason, remedy, undetermined, place: None }
    }
}

/// What the command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing failed: exit status 0.
    Passed,
    /// Something failed: exit status 1.
    Failed,
    /// Nothing failed, but something could not be found out: exit status 3.
    Undetermined,
}

/// What came out of the checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The system's name; empty where the configuration could not be read.
    pub system: String,
    /// In the order in which they were made.
    pub results: Vec<CheckResult>,
    /// What is enforced, monitored and not covered, a line a component.
    pub coverage: Vec<Coverage>,
    /// Facts about this host that weaken what is promised.
    pub host_notes: Vec<String>,
    /// What is not watched until somebody speaks of it, and what the configuration switches off.
    pub not_watched: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// The report on a configuration that cannot be used: one failed result a problem. The exit status is 2.
    pub fn of_bad_configuration(errors: &ConfigErrors) -> Self {
        let results = errors
            .problems
            .iter()
            .map(|problem| CheckResult {
                name: "configuration",
                class: Class::Advisory,
                outcome: Outcome::Failed,
                reason: problem.message.clone(),
                remedy: problem.help.clone(),
                undetermined: false,
                place: problem.place.as_ref().map(|place| (place.file.display().to_string(), place.line, place.column)),
            })
            .collect();
        Self {
            system: String::new(),
            results,
            coverage: Vec::new(),
            host_notes: Vec::new(),
            not_watched: Vec::new(),
            seconds: 0.0,
        }
    }

    /// How many came out so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }

    /// The answer; with `strict`, warnings fail too.
    pub fn verdict(&self, strict: bool) -> Verdict {
        let failed = |result: &&CheckResult| result.outcome == Outcome::Failed;
        if self.results.iter().filter(failed).any(|result| !result.undetermined)
            || (strict && self.count(Outcome::Warning) > 0)
        {
            Verdict::Failed
        } else if self.results.iter().any(|result| result.undetermined) {
            Verdict::Undetermined
        } else {
            Verdict::Passed
        }
    }

    /// What the core is told of a class at start.
    ///
    /// # Errors
    /// The evidence of the first failure.
    pub fn of_class(&self, class: CheckClass) -> Result<(), String> {
        let is_of = |result: &CheckResult| {
            let unknown = result.class == Class::Capital && result.undetermined;
            result.class.core() == Some(class) || unknown && class == CheckClass::Integrity
        };
        let first = self.results.iter().find(|result| result.outcome == Outcome::Failed && is_of(result));
        match first {
            None => Ok(()),
            Some(result) => Err(format!("check {}: {}", result.name, result.reason)),
        }
    }
}
