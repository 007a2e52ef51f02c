//! How urgent a state word is.

/// What a state word asks of whoever reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing: like any other word.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Bad,
}

impl Tone {
    /// The tone of a permission, a health verdict, a component's state, a mode, a severity or a check's outcome, by its word.
    pub fn of(word: &str) -> Self {
        match word {
            "active" | "healthy" | "good" | "ready" | "up" | "intact" | "pass" => Self::Good,
            "reduce-only" | "observe-only" | "degraded" | "starting" | "stopping" | "backoff" | "live" | "warning"
            | "unverifiable" | "WARN" => Self::Warning,
            "shutdown" | "critical" | "emergency" | "failed" | "engaged" | "down" | "violated" | "FAIL" => Self::Bad,
            _ => Self::Plain,
        }
    }
}
