//! Figures that are held against levels: where each comes from, when it is looked at, and what follows. What a level means is decided
//! in the core ([`failstop_core::Gauge`]); here figures are gathered, and what is new is put into words.
//!
//! Figures are looked at when the engine measures anyway, where it does that often enough; what a report alone can make an emergency, with
//! the report.

mod counts;
mod row;
mod shown;

pub use counts::{ENDPOINTS_MAX, Requested};
pub use row::{DAILY_RESULT, Row, Source, rows};
pub use shown::{Hint, Shown, Standing, number_of};

use crate::config::Config;
use crate::metrics::custom::{Custom, Source as Reporter};
use core::time::Duration;
use counts::Counts;
use failstop_core::{Degree, Found, Gauge, Monotonic, News, Rule, Side, Slot, Trigger};
use row::EXECUTION;
use std::collections::BTreeMap;

/// What the rest of the engine knows of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outside {
    /// Whether there is a gate, which then knows better than what bots report.
    pub gate: bool,
    /// Orders that ended well, 0 to 1, with enough of them.
    pub success: Option<f64>,
    /// How long the venue took for the last order.
    pub execution: Option<Duration>,
    /// Whether there are known to be too few orders to say how many end well.
    pub too_few: bool,
    /// Whether it is known that no order says how long the venue takes.
    pub none_took: bool,
    /// What is lost of the opening equity, per cent, by account; `None` where of no account one is known.
    pub lost: Option<Worst>,
    /// The day's result in money by account, of those of which no opening equity is known; `None` where there are none.
    pub result: Option<Worst>,
}

/// The worst of some accounts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Of those of which it is known.
    pub known: Option<f64>,
    /// Whether it is known of all.
    pub of_all: bool,
}

impl Worst {
    /// The worst of these, by the side that is bad; `None` where there are none.
    pub fn of(accounts: impl IntoIterator<Item = Option<f64>>, side: Side) -> Option<Self> {
        accounts.into_iter().fold(None, |worst: Option<Self>, one| {
            let before = worst.and_then(|worst| worst.known);
            let known = before.into_iter().chain(one).reduce(|one, other| side.worse(one, other));
            Some(Self { known, of_all: one.is_some() && worst.is_none_or(|worst| worst.of_all) })
        })
    }

    /// As far as it says something beside what `stands`: of an account of which nothing is known nobody can say that it is better.
    fn beside(self, stands: Option<Degree>, rule: &Rule) -> Option<f64> {
        let least = stands.max(Some(Degree::Warning));
        self.known.filter(|value| self.of_all || rule.degree_of(*value) >= least)
    }
}

/// The largest log file, when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name, for people.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When.
    pub at: Monotonic,
}

/// Everything that figures are found in at one look.
struct Known<'a> {
    now: Monotonic,
    stale_after: Duration,
    outside: &'a Outside,
    custom: &'a Custom,
    log_file: Option<&'a LogFile>,
}

/// Which figures are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that are due: the urgent ones with every measurement, the others now and again.
    Due,
    /// Those that come of orders.
    OfOrders,
    /// Those that may end in shutdown by what was reported just now, and are all of it.
    Reported,
}

/// What people are to hear of one figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub name: String,
    /// The component that it is of.
    pub component: Option<String>,
    /// What is new.
    pub news: News,
    /// How it is, in words.
    pub what: String,
    /// The figure, in its unit, and the level that it is beyond, as facts of the alert.
    pub facts: Vec<(String, String)>,
    /// The key that sets its levels.
    pub key: String,
}

struct Judged {
    row: Row,
    gauge: Gauge,
    /// What each component that the figure may be of reported last: one that does well hides none that does not.
    last: BTreeMap<Slot, (f64, Monotonic)>,
    /// What is known beside the figure: which endpoint, of how many.
    detail: String,
    /// When it was reported, of what may be an emergency.
    reported: Option<Monotonic>,
    /// What was reported until then was an emergency already.
    heeded: Option<Monotonic>,
}

/// All figures.
pub struct Watcher {
    rows: Vec<Judged>,
    counts: Counts,
    log_file: Option<LogFile>,
    every: Duration,
    stale_after: Duration,
    due: Monotonic,
    /// What the health verdict was told.
    crossed: Vec<String>,
}

impl Watcher {
    /// Nothing is known yet.
    pub fn new(config: &Config, now: Monotonic) -> Self {
        Self {
            rows: rows(config).into_iter().map(Judged::new).collect(),
            counts: Counts::default(),
            log_file: None,
            every: config.thresholds.every,
            stale_after: config.thresholds.stale_after,
            due: now,
            crossed: Vec::new(),
        }
    }

    /// Another configuration waits for its record: whatever alarms sooner in it holds.
    pub fn tighten(&mut self, config: &Config) {
        self.every = self.every.min(config.thresholds.every);
        for row in rows(config) {
            match self.rows.iter_mut().find(|judged| judged.row.name == row.name) {
                Some(judged) if judged.row.source == row.source => {
                    judged.row.rule = judged.row.rule.tightest(&row.rule)
                }
                Some(_) => {}
                None => self.rows.push(Judged::new(row)),
            }
        }
        self.due = Monotonic::default();
    }

    /// Another configuration is in force. What is known of a figure that is still the same stays.
    pub fn adopt(&mut self, config: &Config) {
        (self.every, self.stale_after) = (config.thresholds.every, config.thresholds.stale_after);
        let mut before = std::mem::take(&mut self.rows);
        for row in rows(config) {
            let same = |judged: &Judged| {
                judged.row.name == row.name && judged.row.source == row.source && judged.row.rule.side == row.rule.side
            };
            let judged = match before.iter().position(same) {
                Some(at) => Judged { row, ..before.swap_remove(at) },
                None => Judged::new(row),
            };
            self.rows.push(judged);
        }
        self.due = Monotonic::default();
    }

    /// A component reports a metric.
    pub fn heard(&mut self, now: Monotonic, who: Slot, name: &str, endpoint: Option<&str>, value: f64) {
        for judged in &mut self.rows {
            if value.is_finite() && judged.row.source.metric(who) == Some(name) {
                judged.last.insert(who, (value, now));
            }
        }
        self.counts.take(now, who, name, endpoint, value);
    }

    /// What components' counts of requests to APIs come to; `None`: nobody reports any.
    pub fn requested(&self) -> Option<Requested> {
        self.counts.requested()
    }

    /// Log files were looked at; `None`: none of them could be.
    pub fn logs_seen(&mut self, largest: Option<LogFile>) {
        self.log_file = largest;
    }

    /// Time had a gap: nothing lasted without a break.
    pub fn forget_spans(&mut self) {
        self.rows.iter_mut().for_each(|judged| judged.gauge.forget_spans());
    }

    /// Whether all figures are to be looked at, and not the urgent ones only.
    pub fn is_due(&self, now: Monotonic) -> bool {
        now >= self.due
    }

    /// When all figures are to be looked at.
    pub fn due(&self) -> Monotonic {
        self.due
    }

    /// Whether a report of this metric is to be looked at as it comes: [`Which::Reported`].
    pub fn is_judged_with(&self, metric: &str) -> bool {
        self.rows.iter().any(|judged| judged.row.source.is_judged_with(metric))
    }

    /// Looks at figures, and says what is new of them.
    pub fn look(&mut self, now: Monotonic, which: Which, outside: &Outside, custom: &Custom) -> Vec<Heard> {
        let whole = which == Which::Due && self.is_due(now);
        if whole {
            self.due = now.plus(self.every);
        }
        // It is looked at as often as figures are, and found at the look after that.
        let log_within = self.stale_after.max(self.every.saturating_mul(2));
        let log_file = self.log_file.as_ref().filter(|file| now.since(file.at) <= log_within);
        let known = Known { now, stale_after: self.stale_after, outside, custom, log_file };
        let mut heard = Vec::new();
        for judged in &mut self.rows {
            let source = &judged.row.source;
            let wanted = match which {
                Which::Due => whole || source.is_urgent(),
                Which::OfOrders => source.is_of_orders(),
                // A gate has the results of orders, and what a bot reports besides is no news of them.
                Which::Reported => !outside.gate && source.is_judged_with(DAILY_RESULT),
            };
            if !wanted {
                continue;
            }
            let nothing = match source {
                Source::Success => outside.too_few,
                Source::Execution => outside.none_took,
                Source::Loss => outside.gate && outside.lost.is_none(),
                Source::Result => outside.gate && outside.result.is_none(),
                Source::Metric { .. }
                | Source::LogFile
                | Source::Reconnects
                | Source::Errors
                | Source::Endpoint
                | Source::Failures => false,
            };
            // The gate tells of losses itself, account by account, and of their emergencies.
            let told_by_gate = match source {
                Source::Loss => true,
                Source::Result => outside.gate,
                Source::Metric { .. }
                | Source::LogFile
                | Source::Reconnects
                | Source::Errors
                | Source::Endpoint
                | Source::Failures
                | Source::Success
                | Source::Execution => false,
            };
            let news = if nothing {
                judged.gauge.end(now, &judged.row.rule)
            } else {
                let found = find(judged, &mut self.counts, &known);
                judged.gauge.look(now, found, &judged.row.rule)
            };
            if let (Some(news), false) = (news, told_by_gate) {
                let what = match news {
                    News::Begun(degree) | News::Worse(degree) | News::Eased(degree) => judged.in_words(degree),
                    News::Over => judged.good_in_words(),
                };
                let facts = judged.facts(news);
                let Row { name, component, key, .. } = judged.row.clone();
                heard.push(Heard { name, component, news, what, facts, key });
            }
        }
        heard
    }

    /// The emergencies that are new. `stands`: whether everything is shut down for one already. What was reported until then is told no
    /// second time: a bot that is shut down cannot say that it is better, and a resume must not be undone by what was said before it.
    pub fn emergencies(&mut self, now: Monotonic, stands: impl Fn(Trigger) -> bool) -> Vec<(Trigger, String)> {
        let mut new = Vec::new();
        for judged in &mut self.rows {
            let Some(trigger) = judged.row.trigger else { continue };
            if stands(trigger) {
                judged.heeded = Some(now);
                if judged.row.source == Source::Errors {
                    self.counts.forget_requests();
                }
                continue;
            }
            let beyond = judged.gauge.value().and_then(|value| judged.row.rule.degree_of(value));
            let news = judged.reported.is_some_and(|at| judged.heeded.is_none_or(|heeded| at > heeded));
            if beyond == Some(Degree::Emergency) && news {
                judged.heeded = Some(now);
                new.push((trigger, judged.in_words(Degree::Emergency)));
            }
        }
        new
    }

    /// What degrades health, in words, where they are others than were asked for last.
    pub fn crossed(&mut self) -> Option<Vec<String>> {
        let critical = self.rows.iter().filter(|judged| judged.gauge.degree() >= Some(Degree::Critical));
        let words: Vec<String> =
            critical.map(|judged| judged.in_words(judged.gauge.degree().unwrap_or(Degree::Critical))).collect();
        if words == self.crossed {
            return None;
        }
        self.crossed.clone_from(&words);
        Some(words)
    }

    /// Of these figures, on which an earlier life or an earlier configuration told people something: those that are over, with why.
    pub fn over<'a>(&self, now: Monotonic, names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, String)> {
        names
            .filter_map(|name| match self.rows.iter().find(|judged| judged.row.name == name) {
                None => Some((name, format!("{name} is not held against any level any more"))),
                Some(judged) if judged.gauge.told().is_none() && judged.gauge.is_well(now, &judged.row.rule) => {
                    Some((name, judged.good_in_words()))
                }
                Some(_) => None,
            })
            .collect()
    }

    /// What a figure is held against.
    pub fn rule(&self, name: &str) -> Option<Rule> {
        self.rows.iter().find(|judged| judged.row.name == name).map(|judged| judged.row.rule)
    }

    /// How all stand.
    pub fn standings(&self, now: Monotonic, wall: jiff::Timestamp, allowed: bool) -> Vec<Standing> {
        let of = |judged: &Judged| {
            let Judged { row, gauge, .. } = judged;
            let level = match (gauge.degree(), gauge.value()) {
                (Some(degree), _) => degree.word(),
                (None, Some(_)) => "good",
                (None, None) => "unknown",
            };
            let since = gauge.since().and_then(|at| wall.saturating_sub(now.since(at)).ok());
            Standing {
                name: row.name.clone(),
                key: row.key.clone(),
                component: row.component.clone(),
                unit: row.unit.clone(),
                direction: row.rule.side.word(),
                warning: row.rule.level(Degree::Warning),
                critical: row.rule.level(Degree::Critical),
                emergency: row.rule.level(Degree::Emergency).filter(|_| allowed),
                for_seconds: row.rule.hold.as_secs_f64(),
                clear_seconds: row.rule.clear_for.as_secs_f64(),
                cooldown_seconds: row.rule.cooldown.as_secs_f64(),
                value: gauge.value(),
                level,
                since: since.map(crate::status::rfc3339),
                source: row.basis.word(),
            }
        };
        self.rows.iter().map(of).collect()
    }
}

impl Judged {
    fn new(row: Row) -> Self {
        Self {
            row,
            gauge: Gauge::default(),
            last: BTreeMap::new(),
            detail: String::new(),
            reported: None,
            heeded: None,
        }
    }

    /// The worst that a component reported last, of what is fresh. It was reported when the last emergency among them was, or where there is
    /// none, when it was itself.
    fn worst(&self, fresh: impl Fn((f64, Monotonic)) -> Option<f64>) -> Option<(f64, Monotonic)> {
        let rule = &self.row.rule;
        let of_now = || self.last.values().copied().filter(|last| fresh(*last).is_some());
        let (value, at) =
            of_now().reduce(|one, other| if rule.side.worse(one.0, other.0) == one.0 { one } else { other })?;
        let emergencies = of_now().filter(|(value, _)| rule.degree_of(*value) == Some(Degree::Emergency));
        Some((value, emergencies.map(|(_, at)| at).max().unwrap_or(at)))
    }

    /// `api_error_rate is 0.31 % of 2400 requests, above the critical level of 0.1 %`.
    fn in_words(&self, degree: Degree) -> String {
        let level = self.row.rule.level(degree).unwrap_or_default();
        let side = self.row.rule.side.word();
        format!("{}, {side} the {} level of {}", self.is(), degree.word(), self.amount(level))
    }

    fn facts(&self, news: News) -> Vec<(String, String)> {
        let level = match news {
            News::Begun(degree) | News::Worse(degree) | News::Eased(degree) => {
                self.row.rule.level(degree).map(|level| (degree.word().to_owned(), self.amount(level)))
            }
            News::Over => None,
        };
        let value = self.gauge.value().map(|value| ("value".to_owned(), self.amount(value)));
        [("figure".to_owned(), self.row.name.clone())].into_iter().chain(value).chain(level).collect()
    }

    fn good_in_words(&self) -> String {
        format!("{}, and has been good for a while", self.is())
    }

    fn is(&self) -> String {
        let of = self.row.component.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        match self.gauge.value() {
            Some(value) => format!("{}{of} is {}{}", self.row.name, self.amount(value), self.detail),
            None => format!("{}{of} is not known now", self.row.name),
        }
    }

    fn amount(&self, value: f64) -> String {
        match self.row.unit.as_str() {
            "" => number(value),
            unit => format!("{} {unit}", number(value)),
        }
    }
}

/// A number for people: at most four decimals, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "for people and levels; sizes are whole up to 9 PB")]
fn whole(bytes: u64) -> f64 {
    bytes as f64
}

/// What the figure is now; `None` where it is not known.
fn find(judged: &mut Judged, counts: &mut Counts, known: &Known<'_>) -> Option<Found> {
    let Known { now, stale_after, outside, custom, log_file } = *known;
    judged.detail.clear();
    let fresh = |(value, at): (f64, Monotonic)| (now.since(at) <= stale_after).then_some(value);
    // What configured sources bring has a time of its own after which it says nothing.
    let worst = judged.worst(fresh);
    let metric = |name: &str| match &custom.get(name)?.source {
        Reporter::Bot => worst,
        Reporter::Configured(_) => custom.current(name, now),
    };
    let value_of = |name: &str| metric(name).map(|(value, _)| value);
    let found = match &judged.row.source {
        Source::Metric { name, component: None } => value_of(name),
        Source::Metric { component: Some(_), .. } => worst.map(|(value, _)| value),
        Source::LogFile => log_file.map(|file| {
            judged.detail = format!(" ({})", file.name);
            whole(file.bytes)
        }),
        Source::Reconnects => counts.reconnects(now, stale_after),
        Source::Errors => {
            let (share, enough) = counts.errors(now, stale_after)?;
            judged.reported = counts.requests_heard();
            judged.detail = format!(" of {} requests within 5 min", number(share.of));
            let from = if enough { Degree::Warning } else { Degree::Emergency };
            return Some(Found { value: share.percent, from });
        }
        Source::Endpoint => counts.worst_endpoint(now, stale_after).map(|(endpoint, share)| {
            judged.detail = format!(" of {} requests to {endpoint} within 5 min", number(share.of));
            share.percent
        }),
        Source::Failures => counts.failures_in_a_row(now, stale_after).map(|(endpoint, row)| {
            if !endpoint.is_empty() {
                judged.detail = format!(" at {endpoint}");
            }
            row
        }),
        Source::Success if outside.gate => outside.success.map(|success| success * 100.0),
        Source::Success => counts.trades(now, stale_after).map(|share| {
            judged.detail = format!(" of {} trades within 24 h", number(share.of));
            share.percent
        }),
        Source::Loss => outside.lost.and_then(|lost| lost.beside(judged.gauge.degree(), &judged.row.rule)),
        Source::Result if outside.gate => {
            judged.reported = None;
            judged.detail = " in an account of which no opening equity is known".to_owned();
            outside.result.and_then(|result| result.beside(judged.gauge.degree(), &judged.row.rule))
        }
        Source::Result => {
            let found = metric(DAILY_RESULT);
            judged.reported = found.map(|(_, at)| at);
            found.map(|(value, _)| value)
        }
        Source::Execution if outside.gate => outside.execution.map(|took| took.as_secs_f64()),
        Source::Execution => value_of(EXECUTION),
    };
    found.map(Found::whole)
}

#[cfg(test)]
mod tests;
