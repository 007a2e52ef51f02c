//! What nobody watches: sources of what would halt the system that nobody configured and nobody spoke of yet, and rules that the
//! configuration switches off. A source is judged once it is configured or first heard of; until then silence is neither healthy nor stale, and
//! whoever relies on it has to be told.

use super::{HostFacts, View};
use crate::config::Config;
use crate::thresholds::DAILY_RESULT;
use failstop_core::LimitAction;

/// The count by which errors of APIs are judged.
const REQUESTS: &str = "api_requests";

/// What the configuration says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Feeds of market data are named.
    feeds: bool,
    /// There is a gate, which knows results.
    gate: bool,
    /// Something is held.
    capital: bool,
    /// What is switched off.
    off: Vec<String>,
}

/// Who was heard of.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    feed: bool,
    queue: bool,
    requests: bool,
    result: bool,
}

impl Configured {
    /// What this configuration says.
    pub fn of(config: &Config) -> Self {
        let mut off = Vec::new();
        let mut put = |is: bool, what: &str| {
            if is {
                off.push(what.to_owned());
            }
        };
        let limits = &config.limits;
        put(
            !config.failsafe.emergency_shutdown,
            "memory, API errors and the day's loss as reasons to shut down ([failsafe] emergency_shutdown = false)",
        );
        put(limits.memory_max.bytes().is_none(), "memory of all together ([limits] memory_max = \"off\")");
        put(limits.action == LimitAction::Warn, "what all together use, but by a warning ([limits] action = \"warn\")");
        Self {
            feeds: !config.health.feeds.is_empty(),
            gate: config.gate.is_some(),
            capital: !config.books.assets.is_empty(),
            off,
        }
    }

    /// Before anybody spoke: what is not watched until somebody does, and what is not watched at all.
    pub fn before_anybody_speaks(&self) -> Vec<String> {
        self.given(Heard::default())
    }

    fn given(&self, heard: Heard) -> Vec<String> {
        [
            (self.feeds || heard.feed, "stale market data (no component sends `tick`)"),
            (heard.queue, "a stalled queue (no component sends `queue`)"),
            (heard.requests, "API errors (no component reports `api_requests`)"),
            (self.gate || heard.result, "the day's loss (no [gate], and nobody reports `daily_pnl`)"),
            (self.capital, "capital (no [[asset]])"),
        ]
        .into_iter()
        .filter(|(watched, _)| !watched)
        .map(|(_, what)| what.to_owned())
        .chain(self.off.iter().cloned())
        .collect()
    }
}

/// What is not watched now.
pub(super) fn now(view: &View, facts: &HostFacts) -> Vec<String> {
    facts.configured.given(Heard {
        feed: !view.feeds.is_empty(),
        queue: view.components.iter().any(|component| component.queue.is_some()),
        requests: facts.metrics.contains_key(REQUESTS),
        result: facts.metrics.contains_key(DAILY_RESULT) || facts.custom.metrics.contains_key(DAILY_RESULT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{profiled, with};
    use crate::status::tests::{facts, view};

    #[test]
    fn what_nobody_speaks_of_is_not_watched_until_somebody_does() {
        let configured = Configured::of(&with(""));
        assert_eq!(configured.before_anybody_speaks().len(), 5, "{configured:?}");
        let (mut view, mut facts) = (view(), facts());
        (facts.configured, view.feeds) = (configured, Vec::new());
        facts.metrics.clear();
        view.components.iter_mut().for_each(|component| component.queue = None);
        assert_eq!(now(&view, &facts), facts.configured.before_anybody_speaks());
        facts.metrics.insert(REQUESTS.to_owned(), 0.0);
        facts.metrics.insert(DAILY_RESULT.to_owned(), 0.0);
        let left = now(&view, &facts);
        assert!(
            matches!(left.as_slice(), [market, queue, capital]
            if market.starts_with("stale market data") && queue.starts_with("a stalled queue") && capital.starts_with("capital")),
            "{left:?}"
        );
    }

    #[test]
    fn what_is_configured_is_watched_from_the_beginning() {
        let configured = Configured::of(&with("[health]\nfeeds = [\"kraken\"]\n"));
        assert!(!configured.before_anybody_speaks().iter().any(|what| what.contains("market data")), "{configured:?}");
    }

    #[test]
    fn what_is_switched_off_is_said() {
        let off = "[failsafe]\nemergency_shutdown = false\n[limits]\nmemory_max = \"off\"\naction = \"warn\"\n";
        let said = Configured::of(&with(off)).before_anybody_speaks();
        for key in ["emergency_shutdown = false", "memory_max = \"off\"", "action = \"warn\""] {
            assert!(said.iter().any(|what| what.contains(key)), "{key}: {said:?}");
        }
        let development = Configured::of(&profiled("development"));
        assert!(development.before_anybody_speaks().iter().any(|what| what.contains("emergency_shutdown")));
    }
}
