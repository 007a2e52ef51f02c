#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed setup fails the test")]

use super::{Format, HealthCheck, Meters, render};
use crate::limits::sampling::ProcessSample;
use crate::status::tests::status;
use failstop_core::{Cause, HealthStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn meters() -> Meters {
    let mut meters = Meters::counting(Some(std::sync::Arc::default()), std::sync::Arc::default());
    for micros in [1, 2, 30, 4000, 60_000] {
        meters.health_check(HealthCheck::Verdict(HealthStatus::Healthy), Duration::from_micros(micros));
        meters.journal_durable(2, 512, Duration::from_micros(micros * 100));
    }
    meters.health_check(HealthCheck::Error, Duration::ZERO);
    meters.halt_raised(Cause::HeartbeatLost);
    meters.bot_message(true);
    meters
}

fn text(format: Format) -> String {
    render(format, &status(), &meters(), Some(&ProcessSample::own().unwrap()))
}

/// One sample as a strict reader sees it.
#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// One family.
#[derive(Debug)]
struct Family {
    kind: String,
    samples: Vec<Sample>,
}

fn name_is_good(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Reads a line `name{label="value",…} number`, nothing more and nothing less.
fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(name_is_good(name), "bad name: {line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("bad label: {line}"));
            assert!(name_is_good(label) && !label.starts_with("__"), "bad label name {label}: {line}");
            let mut value = String::new();
            let mut characters = after.char_indices();
            let closing = loop {
                match characters.next() {
                    Some((_, '\\')) => match characters.next() {
                        Some((_, 'n')) => value.push('\n'),
                        Some((_, character @ ('\\' | '"'))) => value.push(character),
                        other => panic!("bad escape {other:?}: {line}"),
                    },
                    Some((index, '"')) => break index,
                    Some((_, character)) => value.push(character),
                    None => panic!("no closing quote: {line}"),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "label twice: {line}");
            rest = &after[closing + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("no closing brace: {line}"));
    }
    let number = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no space: {line}"));
    assert!(!number.contains(' '), "a time stamp or rubbish: {line}");
    let value = match number {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().unwrap_or_else(|_| panic!("not a number: {line}")),
    };
    Sample { name: name.to_owned(), labels, value }
}

/// A strict reader of either format: HELP, TYPE, samples; each family once and in one piece; every sample's name right
/// for its type; no sample twice; histograms cumulative and whole.
fn parse(format: Format, text: &str) -> BTreeMap<String, Family> {
    let body = match format {
        Format::Text => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").expect("ends in # EOF"),
    };
    assert!(body.ends_with('\n') && !body.contains("\n\n") && !body.contains("# EOF"));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = String::new();
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.') && help.len() > 10, "{line}");
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(helped, name, "HELP comes just before TYPE");
            assert!(name_is_good(name), "{line}");
            current = name.to_owned();
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(current.clone(), family).is_none(), "family twice: {line}");
        } else {
            let sample = sample(line);
            let family = families.get_mut(&current).expect("a sample before any TYPE");
            let suffix = sample.name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("stray: {line}"));
            match (format, family.kind.as_str()) {
                (Format::Text, "gauge") | (Format::OpenMetrics, "gauge") => assert_eq!(suffix, "", "{line}"),
                (Format::Text, "counter") => assert!(suffix.is_empty() && current.ends_with("_total"), "{line}"),
                (Format::OpenMetrics, "counter") => assert_eq!(suffix, "_total", "{line}"),
                (Format::OpenMetrics, "info") => assert_eq!(suffix, "_info", "{line}"),
                (_, "histogram") => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                other => panic!("{other:?}: {line}"),
            }
            if family.kind == "counter" {
                assert!(sample.value >= 0.0, "{line}");
            }
            let again = family.samples.iter().any(|old| old.name == sample.name && old.labels == sample.labels);
            assert!(!again, "sample twice: {line}");
            family.samples.push(sample);
        }
    }
    for (name, family) in families.iter().filter(|(_, family)| family.kind == "histogram") {
        histogram_is_whole(name, family);
    }
    families
}

fn histogram_is_whole(name: &str, family: &Family) {
    let buckets: Vec<(f64, f64)> = family
        .samples
        .iter()
        .filter(|sample| sample.name.ends_with("_bucket"))
        .map(|sample| {
            let le = &sample.labels["le"];
            (if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() }, sample.value)
        })
        .collect();
    assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{name}: {buckets:?}");
    let last = buckets.last().unwrap();
    assert_eq!(last.0, f64::INFINITY);
    let count = family.samples.iter().find(|sample| sample.name.ends_with("_count")).unwrap().value;
    assert_eq!(last.1, count, "{name}");
    assert!(family.samples.iter().any(|sample| sample.name.ends_with("_sum")));
}

fn value(families: &BTreeMap<String, Family>, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    families[family].samples.iter().find(|sample| sample.labels == labels).map(|sample| sample.value)
}

#[test]
fn both_formats_stand_before_a_strict_reader() {
    for format in [Format::Text, Format::OpenMetrics] {
        let families = parse(format, &text(format));
        assert!(families.len() > 30, "{}", families.len());
        for name in families.keys() {
            assert!(name.starts_with("failstop_") || name.starts_with("process_"), "{name}");
            for unit in ["_ms", "_milliseconds", "_mb", "_percent", "_kb", "_minutes"] {
                assert!(!name.contains(unit), "not a base unit: {name}");
            }
        }
    }
}

#[test]
fn the_reader_is_strict() {
    for bad in ["a{b=\"c\" 1", "a{b=\"c\"}1", "A 1", "a 1 2", "a{b=\"\\x\"} 1", "a{b=\"c\",b=\"c\"} 1", "a one", "a"] {
        assert!(std::panic::catch_unwind(|| sample(bad)).is_err(), "taken: {bad}");
    }
}

#[test]
fn the_values_are_those_of_the_status() {
    let families = parse(Format::Text, &text(Format::Text));
    assert_eq!(value(&families, "failstop_permission", &[]), Some(1.0));
    assert_eq!(value(&families, "failstop_emergency_stop", &[]), Some(0.0));
    assert_eq!(value(&families, "failstop_halts", &[("cause", "heartbeat-lost")]), Some(1.0));
    assert_eq!(value(&families, "failstop_halts", &[("cause", "kill-switch")]), Some(0.0));
    assert_eq!(value(&families, "failstop_halts_raised_total", &[("cause", "heartbeat-lost")]), Some(1.0));
    assert_eq!(value(&families, "failstop_component_status", &[("component", "bot")]), Some(0.0));
    let websocket = [("component", "bot"), ("part", "websocket")];
    assert_eq!(value(&families, "failstop_component_status", &websocket), Some(-1.0));
    assert_eq!(value(&families, "failstop_component_memory_bytes", &[("component", "bot")]), Some(1000.0));
    assert_eq!(value(&families, "failstop_component_memory_bytes", &[("component", "scanner")]), None);
    assert_eq!(value(&families, "failstop_component_cpu_seconds_total", &[("component", "bot")]), Some(1.5));
    assert_eq!(value(&families, "failstop_dependency_up", &[("dependency", "kraken")]), Some(0.0));
    assert_eq!(value(&families, "failstop_dependency_up", &[("dependency", "redis")]), None);
    assert_eq!(value(&families, "failstop_health_checks_total", &[("status", "healthy")]), Some(5.0));
    assert_eq!(value(&families, "failstop_health_checks_total", &[("status", "error")]), Some(1.0));
    assert_eq!(value(&families, "failstop_bot_metric", &[("metric", "daily_pnl")]), Some(-12.5));
    let log_size = [("metric", "log_file_size"), ("source", "log_file_size")];
    let load = [("metric", "load"), ("source", "node")];
    assert_eq!(value(&families, "failstop_custom_metric", &log_size), Some(1234.0));
    assert_eq!(value(&families, "failstop_custom_metric", &load), None, "stale");
    assert_eq!(value(&families, "failstop_custom_metric_age_seconds", &load), Some(600.0));
    assert_eq!(value(&families, "failstop_custom_source_up", &[("source", "node")]), Some(0.0));
    let failed = [("source", "node"), ("outcome", "failed")];
    assert_eq!(value(&families, "failstop_custom_source_tries_total", &failed), Some(3.0));
    assert_eq!(value(&families, "failstop_bot_metrics_refused_total", &[]), Some(2.0));
    assert_eq!(value(&families, "failstop_footprint_memory_bytes", &[]), Some(9e6));
    assert_eq!(value(&families, "failstop_footprint_cap", &[("of", "cpu_ratio")]), Some(0.25));
    assert_eq!(value(&families, "failstop_footprint_cap", &[("of", "written_bytes_a_day")]), None);
    assert_eq!(value(&families, "failstop_footprint_over", &[]), Some(0.0));
    assert_eq!(value(&families, "failstop_host_cpu_ratio", &[]), Some(0.125));
    assert_eq!(value(&families, "failstop_journal_seq", &[]), Some(18_441.0));
    // 100 µs, 200 µs, 3 ms, 400 ms and 6 s.
    let bucket = |le| {
        let samples = &families["failstop_journal_durable_seconds"].samples;
        samples.iter().find(|sample| sample.labels.get("le").is_some_and(|bound| bound == le)).unwrap().value
    };
    assert_eq!(
        (bucket("0.0001"), bucket("0.00025"), bucket("0.005"), bucket("2.5"), bucket("+Inf")),
        (1.0, 2.0, 3.0, 4.0, 5.0)
    );
}

/// Names and labels that dashboards and rules are written against from the beginning.
#[test]
fn the_names_that_are_promised_are_there() {
    let mut status = status();
    for (breaker, tripped) in [("closed", 0.0), ("shed", 1.0), ("stays-shed", 1.0)] {
        status.breaker.state = breaker.to_owned();
        let families =
            parse(Format::Text, &render(Format::Text, &status, &meters(), ProcessSample::own().ok().as_ref()));
        assert_eq!(value(&families, "failstop_circuit_breaker_tripped", &[]), Some(tripped), "{breaker}");
        for (family, label) in [
            ("failstop_health_checks_total", Some("status")),
            ("failstop_health_check_duration_seconds", None),
            ("failstop_alerts_sent_total", Some("severity")),
            ("failstop_alerts_suppressed_total", None),
            ("failstop_component_status", Some("component")),
            ("failstop_component_health", Some("component")),
            ("failstop_component_memory_bytes", Some("component")),
            ("failstop_component_cpu_seconds_total", Some("component")),
            ("failstop_dependency_up", Some("dependency")),
            ("failstop_circuit_breaker_tripped", None),
            ("failstop_emergency_stop", None),
            ("failstop_permission", None),
            ("failstop_host_cpu_ratio", None),
            ("failstop_host_memory_total_bytes", None),
            ("failstop_host_disk_total_bytes", None),
            ("process_cpu_seconds_total", None),
            ("process_resident_memory_bytes", None),
        ] {
            let family = families.get(family).unwrap_or_else(|| panic!("no {family}"));
            let sample = family.samples.first().unwrap_or_else(|| panic!("nothing of {family:?}"));
            assert!(label.is_none_or(|label| sample.labels.contains_key(label)), "{sample:?}");
        }
    }
}

#[test]
fn labels_may_hold_anything() {
    let mut status = status();
    let strange = "a\"b\\c\nd{}= ,é";
    status.components[0].name = strange.to_owned();
    for format in [Format::Text, Format::OpenMetrics] {
        let families = parse(format, &render(format, &status, &meters(), None));
        assert!(value(&families, "failstop_component_health", &[("component", strange)]).is_some());
    }
}

#[test]
fn openmetrics_is_chosen_only_where_it_is_asked_for() {
    for (accept, format) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/plain;version=0.0.4", Format::Text),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::OpenMetrics),
        ("application/openmetrics-text; version=1.0.0; q=0", Format::Text),
        ("text/html, Application/OpenMetrics-Text", Format::OpenMetrics),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
}

#[test]
fn the_reference_names_every_metric_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let written: BTreeSet<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(['`', '{']).next())
        .filter(|name| name.starts_with("failstop_") || name.starts_with("process_"))
        .collect();
    let text = text(Format::Text);
    let rendered: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(written, rendered);
}
