//! Writes the Prometheus text format (0.0.4) and OpenMetrics (1.0.0), which differ in names of counters and infos, in
//! escaping of help texts, and in the last line.

use super::histogram::Histogram;
use std::fmt::Write as _;

/// Which text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format for an `Accept` header: OpenMetrics where it is named with a quality above 0, otherwise text.
    pub fn accepted(accept: &str) -> Self {
        let wants = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/openmetrics-text"));
            let refused = parts.any(|parameter| {
                parameter.strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
            });
            named && !refused
        });
        if wants { Self::OpenMetrics } else { Self::Text }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only rises. The name is given without `_total`.
    Counter,
    /// Buckets, sum and count.
    Histogram,
    /// Labels with the value 1. The name is given without `_info`.
    Info,
}

/// The text being written. Families are written one after the other, never interleaved.
#[derive(Debug)]
pub struct Exposition {
    out: String,
    format: Format,
}

impl Exposition {
    /// An empty text.
    pub fn new(format: Format) -> Self {
        Self { out: String::with_capacity(16 * 1024), format }
    }

    /// Begins a family. `help` is one sentence.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        let (suffix, word) = match (kind, self.format) {
            (Kind::Gauge, _) => ("", "gauge"),
            (Kind::Histogram, _) => ("", "histogram"),
            (Kind::Counter, Format::Text) => ("_total", "counter"),
            (Kind::Counter, Format::OpenMetrics) => ("", "counter"),
            (Kind::Info, Format::Text) => ("_info", "gauge"),
            (Kind::Info, Format::OpenMetrics) => ("", "info"),
        };
        self.put(format_args!("# HELP {name}{suffix} "));
        let quote = self.format == Format::OpenMetrics;
        escape(&mut self.out, help, quote);
        self.put(format_args!("\n# TYPE {name}{suffix} {word}\n"));
        Family { text: self, name, kind }
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

/// A family that was begun.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut Exposition,
    name: &'static str,
    kind: Kind,
}

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let suffix = match self.kind {
            Kind::Gauge | Kind::Histogram => "",
            Kind::Counter => "_total",
            Kind::Info => "_info",
        };
        self.line(suffix, labels, None, value);
    }

    /// One histogram: its buckets (cumulative, with `+Inf`), sum in seconds and count.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            let le = match bound {
                Some(bound) => decimal(bound),
                None => "+Inf".to_owned(),
            };
            self.line("_bucket", labels, Some(&le), whole(count));
        }
        self.line("_sum", labels, None, histogram.sum_seconds());
        self.line("_count", labels, None, whole(histogram.count()));
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], le: Option<&str>, value: f64) {
        let name = self.name;
        self.text.put(format_args!("{name}{suffix}"));
        let mut open = '{';
        for (label, value) in labels.iter().copied().chain(le.map(|le| ("le", le))) {
            self.text.put(format_args!("{open}{label}=\""));
            escape(&mut self.text.out, value, true);
            self.text.out.push('"');
            open = ',';
        }
        if open == ',' {
            self.text.out.push('}');
        }
        self.text.out.push(' ');
        if value.is_nan() {
            self.text.out.push_str("NaN");
        } else if value.is_infinite() {
            self.text.out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            self.text.put(format_args!("{value}"));
        }
        self.text.out.push('\n');
    }
}

/// A whole number as a sample. Above 2^53 the last digits are lost, as in Prometheus itself.
#[expect(clippy::cast_precision_loss, reason = "Prometheus samples are binary64 whatever we write")]
pub fn whole(value: u64) -> f64 {
    value as f64
}

/// A bucket bound in the canonical form, with a decimal point.
fn decimal(bound: f64) -> String {
    format!("{bound:?}")
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}
