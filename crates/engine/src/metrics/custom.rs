//! Metrics that users add: what bots report, what programs print, what Prometheus endpoints show. One store, bounded, read by name
//! ([`Custom::current`]).
//!
//! A name has one source. Those of the configuration are declared and always have their names; whatever else comes is a bot's, and is
//! refused under a declared name: a bot must not speak for what watches it.

use core::time::Duration;
use failstop_core::Monotonic;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most metrics that bots may report under names of their own; what comes after is refused and counted.
pub const BOT_METRICS_MAX: usize = 256;

/// Who says what a metric is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A bot, over the bot socket.
    Bot,
    /// A source of the configuration, by its name.
    Configured(Arc<str>),
}

/// A metric that a source of the configuration has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The metric's name.
    pub name: String,
    /// Its source's name.
    pub source: Arc<str>,
    /// In which unit it is, for people; empty where nobody says.
    pub unit: String,
    /// After this long a reading says nothing any more.
    pub stale_after: Duration,
}

/// One metric and what it was last.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Who says it.
    pub source: Source,
    /// In which unit it is, for people; empty where nobody says.
    pub unit: String,
    /// After this long a reading says nothing any more; `None`: it holds until the next one.
    pub stale_after: Option<Duration>,
    /// The last reading, a finite number, and when it was taken; `None` before the first.
    pub last: Option<(f64, Monotonic)>,
}

impl Metric {
    /// The reading that holds at `now` and when it was taken; `None` where there is none, or it is stale.
    pub fn current(&self, now: Monotonic) -> Option<(f64, Monotonic)> {
        self.last.filter(|(_, at)| self.stale_after.is_none_or(|most| now.since(*at) <= most))
    }
}

/// All of them, by name.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    metrics: BTreeMap<String, Metric>,
    of_bots: usize,
    refused: u64,
}

impl Custom {
    /// The reading of a metric that holds at `now`, and when it was taken. `None` where nobody ever said it, its source has not
    /// said it for too long, or there is no such metric: no value is no good value.
    pub fn current(&self, name: &str, now: Monotonic) -> Option<(f64, Monotonic)> {
        self.metrics.get(name)?.current(now)
    }

    /// What is known of a metric, whether or not its reading holds.
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// A bot reports a metric; whether that was taken. It is not where another source has the name, where [`BOT_METRICS_MAX`] names are
    /// known already, or where the value is no finite number.
    pub fn report(&mut self, name: &str, value: f64, now: Monotonic) -> bool {
        let taken = self.reported(name, value, now);
        if !taken {
            self.refused = self.refused.saturating_add(1);
        }
        taken
    }

    fn reported(&mut self, name: &str, value: f64, now: Monotonic) -> bool {
        if !value.is_finite() {
            return false;
        }
        match self.metrics.get_mut(name) {
            Some(metric) if metric.source == Source::Bot => metric.last = Some((value, now)),
            Some(_) => return false,
            None if self.of_bots >= BOT_METRICS_MAX => return false,
            None => {
                let last = Some((value, now));
                let metric = Metric { source: Source::Bot, unit: String::new(), stale_after: None, last };
                self.metrics.insert(name.to_owned(), metric);
                self.of_bots += 1;
            }
        }
        true
    }

    /// These are the metrics of the configuration's sources from here on, and no others. What the same source said of the same metric
    /// stays; what a bot said under a name that is declared now is forgotten.
    pub fn declare(&mut self, declared: impl IntoIterator<Item = Declared>) {
        let mut before = std::mem::take(&mut self.metrics);
        let mut metrics = BTreeMap::new();
        for Declared { name, source, unit, stale_after } in declared {
            let source = Source::Configured(source);
            let known = before.remove(&name).filter(|metric| metric.source == source);
            let last = known.and_then(|metric| metric.last);
            metrics.insert(name, Metric { source, unit, stale_after: Some(stale_after), last });
        }
        before.retain(|_, metric| metric.source == Source::Bot);
        self.of_bots = before.len();
        metrics.append(&mut before);
        self.metrics = metrics;
    }

    /// A source of the configuration says what one of its metrics is. Nothing is taken that is not declared so, or is no finite number.
    pub fn take(&mut self, source: &str, name: &str, value: f64, now: Monotonic) {
        let Some(metric) = self.metrics.get_mut(name) else { return };
        let theirs = matches!(&metric.source, Source::Configured(one) if **one == *source);
        if theirs && value.is_finite() {
            metric.last = Some((value, now));
        }
    }

    /// All that bots report, with what each was last.
    pub fn of_bots(&self) -> impl Iterator<Item = (&str, f64)> {
        self.metrics
            .iter()
            .filter(|(_, metric)| metric.source == Source::Bot)
            .filter_map(|(name, metric)| Some((name.as_str(), metric.last?.0)))
    }

    /// All that sources of the configuration have: name, source, and what is known.
    pub fn configured(&self) -> impl Iterator<Item = (&str, &str, &Metric)> {
        self.metrics.iter().filter_map(|(name, metric)| match &metric.source {
            Source::Configured(source) => Some((name.as_str(), &**source, metric)),
            Source::Bot => None,
        })
    }

    /// How many metrics there are.
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// How many reports of bots were refused.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(5_000_000_000 + seconds * 1_000_000_000)
    }

    fn declared(name: &str, source: &str) -> Declared {
        Declared {
            name: name.to_owned(),
            source: source.into(),
            unit: "bytes".to_owned(),
            stale_after: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_bots_reading_holds_until_the_next_and_a_sources_until_it_is_stale() {
        let mut custom = Custom::default();
        custom.declare([declared("queue", "disk")]);
        assert_eq!(custom.current("queue", at(0)), None, "nobody said it yet");
        assert!(custom.report("daily_pnl", -3.5, at(0)));
        custom.take("disk", "queue", 7.0, at(1));
        assert_eq!(custom.current("daily_pnl", at(1_000_000)), Some((-3.5, at(0))));
        assert_eq!(custom.current("queue", at(61)), Some((7.0, at(1))), "as old as it may be");
        let later = at(61).plus(Duration::from_nanos(1));
        assert_eq!(custom.current("queue", later), None, "and no older");
        assert_eq!(custom.get("queue").and_then(|metric| metric.last), Some((7.0, at(1))));
        custom.take("disk", "queue", 8.0, at(70));
        assert_eq!(custom.current("queue", at(70)), Some((8.0, at(70))));
        assert_eq!(custom.current("nothing", at(0)), None);
    }

    #[test]
    fn nobody_speaks_for_another() {
        let mut custom = Custom::default();
        custom.declare([declared("queue", "disk")]);
        assert!(!custom.report("queue", 1.0, at(0)), "a bot");
        custom.take("node", "queue", 1.0, at(0));
        custom.take("disk", "other", 1.0, at(0));
        assert_eq!(custom.current("queue", at(0)), None);
        assert_eq!((custom.len(), custom.refused()), (1, 1));
    }

    #[test]
    fn what_is_no_number_is_no_reading() {
        let mut custom = Custom::default();
        custom.declare([declared("queue", "disk")]);
        custom.take("disk", "queue", 4.0, at(0));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            custom.take("disk", "queue", value, at(1));
            assert!(!custom.report("pnl", value, at(1)));
        }
        assert_eq!(custom.current("queue", at(1)), Some((4.0, at(0))));
        assert_eq!((custom.len(), custom.refused()), (1, 3));
    }

    #[test]
    fn bots_have_so_many_names_and_no_more() {
        let mut custom = Custom::default();
        custom.declare([declared("queue", "disk")]);
        for number in 0..BOT_METRICS_MAX {
            assert!(custom.report(&format!("m{number}"), 1.0, at(0)), "{number}");
        }
        assert!(!custom.report("one_more", 1.0, at(0)));
        assert!(custom.report("m7", 2.0, at(1)), "what is known goes on");
        assert_eq!(
            (custom.len(), custom.of_bots().count(), custom.refused()),
            (BOT_METRICS_MAX + 1, BOT_METRICS_MAX, 1)
        );
    }

    #[test]
    fn another_declaration_keeps_what_is_the_same_and_forgets_the_rest() {
        let mut custom = Custom::default();
        custom.declare([declared("kept", "disk"), declared("moved", "disk"), declared("gone", "disk")]);
        for name in ["kept", "moved", "gone"] {
            custom.take("disk", name, 1.0, at(0));
        }
        assert!(custom.report("of_bot", 2.0, at(0)) && custom.report("soon_declared", 3.0, at(0)));
        custom.declare([declared("kept", "disk"), declared("moved", "node"), declared("soon_declared", "node")]);
        let names: Vec<(&str, &str)> = custom.configured().map(|(name, source, _)| (name, source)).collect();
        assert_eq!(names, [("kept", "disk"), ("moved", "node"), ("soon_declared", "node")]);
        assert_eq!(custom.current("kept", at(1)), Some((1.0, at(0))));
        assert_eq!((custom.current("moved", at(1)), custom.current("soon_declared", at(1))), (None, None));
        assert_eq!(custom.of_bots().collect::<Vec<_>>(), [("of_bot", 2.0)]);
        for number in 1..BOT_METRICS_MAX {
            assert!(custom.report(&format!("m{number}"), 1.0, at(1)), "{number}");
        }
        assert!(!custom.report("one_more", 1.0, at(1)), "the bound counts what is there");
    }
}
