//! `[metrics]`: metrics beside those that bots report, from programs and from Prometheus endpoints.

use super::probe::Header;
use super::variables::{ComponentVariables, Variables};
use failstop_settings::document::{Node, Value};
use failstop_settings::setting::{text_of, wrong_type};
use failstop_settings::{
    Argv, At, Choice, Consistent, Kind, Name, Places, Reading, Setting, Url, interpreted, section, shown, within,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// The most sources of metrics, programs and endpoints together.
pub const MAX_METRIC_SOURCES: usize = 64;

/// The most metrics that they have together.
pub const MAX_DECLARED_METRICS: usize = 256;

/// The longest name of a metric, bytes.
pub const METRIC_NAME_MAX: usize = 128;

section! {
    /// Metrics beside those that bots report: from programs, and from Prometheus endpoints (docs/guide/metrics.md).
    pub struct Metrics {
        /// Programs that print metrics: each a [[metrics.command]].
        command: Vec<MetricCommand>, default [];
        /// Prometheus endpoints: each a [[metrics.prometheus]].
        prometheus: Vec<MetricPage>, default [];
    }
}

section! {
    /// A program that prints a metric, or several.
    pub struct MetricCommand {
        /// Its name; the metric's own where it prints one number.
        name: Name, required "log_file_size";
        /// The program and its arguments: no shell. It runs in this file's folder, prints at most 32 KiB and ends with status 0.
        command: Argv, required ["stat", "--format=%s", "logs/bot.log"];
        /// What is taken of the lines that it prints, as `name value` or in the Prometheus text format. Absent: it prints one number.
        take: Vec<Take>, default [];
        /// The unit of that number, for people.
        unit: Option<String>, absent "bytes";
        /// Between the beginnings of two runs. While it fails, up to a minute, where this is shorter.
        interval: Duration, default "60s", within("1s", "24h");
        /// After this long a run is killed, with everything below it.
        timeout: Duration, default "10s", within("100ms", "10m");
        /// How old what it said may be before it says nothing any more. Absent: three intervals and a time-out.
        stale_after: Option<Duration>, absent "5m", within("1s", "168h");
        /// Variables added to its environment, which is that of components: no secret of failstop's own is in it.
        env: Variables as ComponentVariables, default {};
        /// The user that it runs as, by name or number. Absent: failstop's own. Another one needs root.
        user: Option<String>, absent "bot";
    }
}

section! {
    /// An endpoint that answers in the Prometheus text format.
    pub struct MetricPage {
        /// Its name.
        name: Name, required "node";
        /// What is asked. Redirects are not followed, and a page is at most 1 MiB.
        url: Url, required "http://127.0.0.1:9100/metrics";
        /// What is taken of the page.
        take: Vec<Take>, required [{ metric = "node_load1" }];
        /// What is sent with it, such as a key.
        headers: Vec<Header>, default [];
        /// Authorities that are trusted for it beside the usual ones, PEM.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// Between the beginnings of two tries. While it fails, up to a minute, where this is shorter.
        interval: Duration, default "30s", within("1s", "24h");
        /// How long a try may take.
        timeout: Duration, default "5s", within("100ms", "60s");
        /// How old what it said may be before it says nothing any more. Absent: three intervals and a time-out.
        stale_after: Option<Duration>, absent "5m", within("1s", "168h");
    }
}

section! {
    /// What is taken of a page, or of what a program prints: one metric.
    pub struct Take {
        /// Its name there.
        metric: String, required "node_load1";
        /// Only the series with these labels.
        labels: Labels as MetricLabels, default {};
        /// What several series come to: "sum", "max", "min" or "last" (the one that stands last).
        fold: Fold, default "sum";
        /// What it is called here. Absent: as there.
        name: Option<String>, absent "load";
        /// Its unit, for people.
        unit: Option<String>, absent "seconds";
    }
}

/// Labels by name, and the value that each must have.
pub type Labels = BTreeMap<String, String>;

/// How [`Labels`] are read.
pub(crate) struct MetricLabels(Labels);

impl From<MetricLabels> for Labels {
    fn from(read: MetricLabels) -> Self {
        read.0
    }
}

impl Setting for MetricLabels {
    const WANTED: &'static str = "a table of texts, like { venue = \"kraken\" }";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let Value::Table(table) = &given.value else {
            wrong_type(&given, at, reading, None);
            return None;
        };
        let mut labels = Labels::new();
        let mut good = true;
        for entry in &table.entries {
            if let Some(text) = text_of(&entry.node) {
                labels.insert(entry.key.clone(), text);
            } else {
                let message =
                    format!("{}: {} must be a text; found {}", at.name(), shown(&entry.key), entry.node.found());
                reading.refuse(Kind::WrongType, &entry.node.origin, message, format!("write {}", Self::WANTED));
                good = false;
            }
        }
        good.then_some(Self(labels))
    }
}

/// What several series of one metric come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// All together.
    Sum,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The one that stands last.
    Last,
}

impl Choice for Fold {
    const WORDS: &'static [(&'static str, Self)] =
        &[("sum", Self::Sum), ("max", Self::Max), ("min", Self::Min), ("last", Self::Last)];
    const WANTED: &'static str = "\"sum\", \"max\", \"min\" or \"last\"";
}

impl Consistent for MetricCommand {}

impl Consistent for MetricPage {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.take.is_empty() {
            let message = format!("nothing is taken of what {} shows: `take` is empty", places.label);
            let help = "write for example `take = [{ metric = \"node_load1\" }]`";
            reading.refuse(Kind::BadValue, &places.first_of(&["take"]), message, help);
        }
    }
}

impl Consistent for Take {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        for (key, name) in [("metric", Some(&self.metric)), ("name", self.name.as_ref())] {
            let Some(name) = name else { continue };
            if name.len() > METRIC_NAME_MAX || name.chars().any(char::is_control) {
                let message = format!("`{key}` of {} is no name of a metric", places.label);
                let help = format!("write at most {METRIC_NAME_MAX} bytes without control characters");
                reading.refuse(Kind::BadValue, &places.first_of(&[key]), message, help);
            }
        }
    }
}

impl Take {
    /// What it is called here.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.metric)
    }
}

impl MetricCommand {
    /// How old what it said may be.
    pub fn stale_after(&self) -> Duration {
        self.stale_after.unwrap_or_else(|| patience(self.interval, self.timeout))
    }
}

impl MetricPage {
    /// How old what it said may be.
    pub fn stale_after(&self) -> Duration {
        self.stale_after.unwrap_or_else(|| patience(self.interval, self.timeout))
    }
}

fn patience(interval: Duration, timeout: Duration) -> Duration {
    interval.saturating_mul(3).saturating_add(timeout)
}

impl Consistent for Metrics {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let at = || places.first_of(&["command", "prometheus"]);
        let sources: Vec<&str> = self.sources().collect();
        if sources.len() > MAX_METRIC_SOURCES {
            let message = format!("{} has {} sources", places.label, sources.len());
            let help = format!("write at most {MAX_METRIC_SOURCES}; one program may print many metrics");
            reading.refuse(Kind::OutOfRange, &at(), message, help);
        }
        if let Some(twice) = twice(sources.into_iter()) {
            let message = format!("two sources of {} have the name \"{}\"", places.label, shown(twice));
            let help = format!("write another name, for example \"{}-2\"", shown(twice));
            reading.refuse(Kind::Duplicate, &at(), message, help);
        }
        let metrics: Vec<&str> = self.declared().collect();
        if metrics.len() > MAX_DECLARED_METRICS {
            let message = format!("{} has {} metrics", places.label, metrics.len());
            let help = format!("take at most {MAX_DECLARED_METRICS}; a Prometheus keeps as many as you like");
            reading.refuse(Kind::OutOfRange, &at(), message, help);
        }
        if let Some(twice) = twice(metrics.into_iter()) {
            let message = format!("{} has two metrics that are called \"{}\"", places.label, shown(twice));
            reading.refuse(Kind::Duplicate, &at(), message, "give one of them another `name`");
        }
    }
}

impl Metrics {
    fn sources(&self) -> impl Iterator<Item = &str> {
        let commands = self.command.iter().map(|command| command.name.as_str());
        commands.chain(self.prometheus.iter().map(|page| page.name.as_str()))
    }

    /// The names of all metrics that there are to be.
    pub fn declared(&self) -> impl Iterator<Item = &str> {
        let of_commands = self.command.iter().flat_map(|command| {
            let alone = command.take.is_empty().then(|| command.name.as_str());
            alone.into_iter().chain(command.take.iter().map(Take::called))
        });
        of_commands.chain(self.prometheus.iter().flat_map(|page| page.take.iter().map(Take::called)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.command.is_empty() && self.prometheus.is_empty()
    }
}

/// The first that comes a second time.
fn twice<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    #[test]
    fn every_metric_is_declared_by_the_name_that_it_has_here() {
        let config = with(concat!(
            "[[metrics.command]]\nname = \"log_file_size\"\ncommand = [\"stat\", \"x\"]\n",
            "[[metrics.command]]\nname = \"lines\"\ncommand = [\"./lines\"]\n",
            "take = [{ metric = \"a\" }, { metric = \"b\", labels = { venue = \"kraken\" }, fold = \"max\", name = \"b_of_kraken\" }]\n",
            "[[metrics.prometheus]]\nname = \"node\"\nurl = \"http://127.0.0.1:9100/metrics\"\n",
            "take = [{ metric = \"node_load1\" }]\n",
        ));
        let names: Vec<&str> = config.metrics.declared().collect();
        assert_eq!(names, ["log_file_size", "a", "b_of_kraken", "node_load1"]);
        let of_kraken = &config.metrics.command[1].take[1];
        assert_eq!((of_kraken.fold, of_kraken.labels.get("venue").map(String::as_str)), (Fold::Max, Some("kraken")));
        assert_eq!(config.metrics.command[0].stale_after(), Duration::from_secs(190));
        assert!(!config.metrics.is_empty() && with("").metrics.is_empty());
    }
}
