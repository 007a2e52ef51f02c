//! What a service's answer means for the message. Every channel maps every answer to one of these, and never prints one raw.

use std::time::Duration;

/// What came of an attempt. Reasons are short, for people, and go through the mask before anybody sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The service has it. The receipt is what it calls the message, where later ones need to know.
    Ok {
        /// The service's own name for message or thread.
        receipt: Option<String>,
    },
    /// The service does not have it; try again.
    Retry {
        /// Why.
        reason: String,
    },
    /// The service does not have it and said when to try again.
    RetryAfter {
        /// Not before that.
        after: Duration,
        /// Why.
        reason: String,
    },
    /// The service will never take it, nor others, until somebody changes something.
    Permanent {
        /// Why, and what to do.
        reason: String,
    },
    /// The service does not like this very message; a barer one may do.
    FixPayload {
        /// Why.
        reason: String,
    },
    /// The destination has another name now.
    Migrate {
        /// What it was called in this attempt.
        from: String,
        /// The new name.
        to: String,
    },
    /// Nobody knows whether the service has it: the answer was lost. Try again with the same key.
    Ambiguous {
        /// What happened.
        reason: String,
    },
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::Ok { receipt: None }
    }

    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into() }
    }

    pub(crate) fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into() }
    }

    pub(crate) fn fix_payload(reason: impl Into<String>) -> Self {
        Self::FixPayload { reason: reason.into() }
    }

    /// Its class, as contracts name it.
    #[cfg(test)]
    pub(crate) const fn class(&self) -> &'static str {
        match self {
            Self::Ok { .. } => "ok",
            Self::Retry { .. } => "retry",
            Self::RetryAfter { .. } => "retry_after",
            Self::Permanent { .. } => "permanent",
            Self::FixPayload { .. } => "fix_payload",
            Self::Migrate { .. } => "migrate",
            Self::Ambiguous { .. } => "ambiguous",
        }
    }
}
