//! The families of metrics that the configuration's sources say, and of what failstop itself costs.

use super::exposition::{Exposition, Kind, whole};
use failstop_client::status::{CustomSummary, FootprintSummary};

pub(super) fn custom(text: &mut Exposition, custom: &CustomSummary) {
    let mut family = text.family(
        "failstop_custom_metric",
        Kind::Gauge,
        "A metric of the configuration's own sources, in its own unit; absent while it is not known.",
    );
    for (name, metric) in &custom.metrics {
        if let Some(value) = metric.value {
            family.sample(&[("metric", name), ("source", &metric.source)], value);
        }
    }
    let mut family = text.family(
        "failstop_custom_metric_age_seconds",
        Kind::Gauge,
        "Seconds since such a metric was last said; absent before the first time.",
    );
    for (name, metric) in &custom.metrics {
        if let Some(age) = metric.age_seconds {
            family.sample(&[("metric", name), ("source", &metric.source)], age);
        }
    }
    let mut family = text.family(
        "failstop_custom_source_up",
        Kind::Gauge,
        "Whether a source of metrics answered the last time; absent before the first.",
    );
    for source in &custom.sources {
        if let Some(up) = source.up {
            family.sample(&[("source", &source.name)], if up { 1.0 } else { 0.0 });
        }
    }
    let mut family =
        text.family("failstop_custom_source_tries", Kind::Counter, "Tries of sources of metrics, by outcome.");
    for source in &custom.sources {
        for (outcome, count) in [("taken", source.taken), ("failed", source.failed)] {
            family.sample(&[("source", &source.name), ("outcome", outcome)], whole(count));
        }
    }
    text.family(
        "failstop_bot_metrics_refused",
        Kind::Counter,
        "Reports of bots' metrics that were refused: too many names, or the name of a source's.",
    )
    .sample(&[], whole(custom.refused));
}

pub(super) fn footprint(text: &mut Exposition, footprint: Option<&FootprintSummary>) {
    let Some(footprint) = footprint else { return };
    if let Some(bytes) = footprint.memory_bytes {
        text.family("failstop_footprint_memory_bytes", Kind::Gauge, "Memory of engine and guard together.")
            .sample(&[], whole(bytes));
    }
    text.family("failstop_footprint_cpu_seconds", Kind::Counter, "Processor time of engine and guard together.")
        .sample(&[], footprint.cpu_seconds);
    if let Some(bytes) = footprint.written_bytes {
        text.family("failstop_footprint_written_bytes", Kind::Counter, "Bytes that the engine had written to disks.")
            .sample(&[], whole(bytes));
    }
    text.family("failstop_footprint_sent_bytes", Kind::Counter, "Bytes that the engine's HTTP doors sent.")
        .sample(&[], whole(footprint.sent_bytes));
    let mut family =
        text.family("failstop_footprint_cap", Kind::Gauge, "What failstop itself may use; absent where it may any.");
    let per_day = footprint.written_in_a_day_max_bytes;
    let caps = [
        ("memory_bytes", Some(whole(footprint.memory_max_bytes))),
        ("cpu_ratio", Some(f64::from(footprint.cpu_max_percent) / 100.0)),
        ("written_bytes_a_day", per_day.map(whole)),
        ("sent_bytes_a_second", footprint.sent_per_second_max_bytes.map(whole)),
    ];
    for (of, cap) in caps {
        if let Some(cap) = cap {
            family.sample(&[("of", of)], cap);
        }
    }
    text.family("failstop_footprint_over", Kind::Gauge, "Whether failstop itself uses more than it may, 0 or 1.")
        .sample(&[], if footprint.over.is_some() { 1.0 } else { 0.0 });
}
