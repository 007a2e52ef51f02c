//! A day of figures as lines: the mean within a band from least to most. Drawn here, so that they need no script.
//!
//! A drawing is of means; the figure above it is what the system says now, as everywhere else on the page. So the figures come with
//! every message, and the drawings once a minute.

use super::does::{money, reported};
use super::scale::{mark, said, scale};
use super::{Sight, text};
use crate::duration::age;
use failstop_client::history::{History, Series};
use failstop_client::status::Status;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use std::fmt::Write as _;

/// The drawing's height in its own units; it is as wide as there are columns.
const HEIGHT: f64 = 60.0;

/// The most columns: five minutes each over a day.
const COLUMNS: u32 = 288;

/// How many of the bots' own figures are drawn.
const OF_BOTS: usize = 8;

/// What the axis may span, minutes: the least of these that holds what there is, and whole hours from then on.
const SPANS: [i64; 3] = [10, 30, 60];

/// The figures that are drawn, in this order, with their titles.
const DRAWN: [(&str, &str); 12] = [
    ("bot.daily_pnl", "daily profit"),
    ("bot.total_pnl", "total profit"),
    ("bot.trades_executed", "trades"),
    ("bot.trades_succeeded", "trades that succeeded"),
    ("health", "health"),
    ("memory_bytes", "memory, all components"),
    ("cpu_percent", "processor, all components"),
    ("errors_per_minute", "errors a minute"),
    ("feed_age_seconds", "age of market data"),
    ("host_cpu_percent", "processor, host"),
    ("host_memory_used_bytes", "memory, host"),
    ("queue_depth", "queue"),
];

/// The charts; without a history a place for those that the reader has already, with their figures of now. Who has none reads that
/// they could not be had.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let Some(history) = sight.history else {
        return html! {
            section #charts data-same aria-labelledby="day" {
                h2 #day { "The last 24 hours" }
                p.quiet { "The charts could not be had just now." }
                div hidden { @for name in known(sight.status) { (now(&name, sight)) } }
            }
        };
    };
    let find = |name: &str| history.series.iter().find(|series| series.name == name);
    let told = DRAWN.iter().filter_map(|(name, title)| Some((find(name)?, (*title).to_owned())));
    let others = history
        .series
        .iter()
        .filter_map(|series| {
            let name = series.name.strip_prefix("bot.").or_else(|| series.name.strip_prefix("custom."));
            Some((series, name?))
        })
        .filter(|(series, _)| !DRAWN.iter().any(|(name, _)| *name == series.name))
        .take(OF_BOTS)
        .map(|(series, name)| (series, text(name).into_owned()));
    let frame = Frame::of(history, sight.now);
    html! {
        section #charts aria-labelledby="day" {
            h2 #day { @match &frame { Some(frame) => { "The last " (frame.words()) } None => "The last 24 hours" } }
            @if frame.is_none() { p.quiet { "Nothing yet: the first figures come within seconds of the start." } }
            @if let Some(frame) = frame {
                @if let Some(series) = find("permission") { (permission(series, &frame)) }
                div.charts { @for (series, title) in told.chain(others) { (chart(series, &title, &frame, sight)) } }
            }
        }
    }
}

/// The names of everything that has a figure now.
fn known(status: &Status) -> Vec<String> {
    let own = DRAWN.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("bot.")).map(str::to_owned);
    let bots = status.metrics.keys().map(|name| format!("bot.{name}"));
    let custom = status.custom.metrics.keys().map(|name| format!("custom.{name}"));
    own.chain(bots).chain(custom).collect()
}

/// What a figure is now, as the rest of the page has it.
fn now(name: &str, sight: &Sight<'_>) -> Markup {
    html! { strong data-now=(text(name)) { (said_now(name, sight).unwrap_or_else(|| html! { span.quiet { "not known" } })) } }
}

fn said_now(name: &str, sight: &Sight<'_>) -> Option<Markup> {
    let status = sight.status;
    let said = |value: Option<f64>, unit| value.map(|value| html! { (said(value, unit)) });
    let host = status.host.as_ref();
    match name {
        "health" => said(Some(status.health.overall_health), "ratio"),
        "memory_bytes" => said(status.resources.memory_bytes.map(whole), "bytes"),
        "cpu_percent" => said(status.resources.cpu_percent, "percent"),
        "errors_per_minute" => Some(html! { (status.health.errors_per_minute) }),
        "feed_age_seconds" => said(status.feeds.values().flatten().copied().reduce(f64::max), "seconds"),
        "queue_depth" => {
            status.queue.values().map(|queue| queue.depth).reduce(u64::saturating_add).map(|depth| html! { (depth) })
        }
        "host_cpu_percent" => said(host.and_then(|host| host.cpu_percent), "percent"),
        "host_memory_used_bytes" => {
            said(host.map(|host| whole(host.memory_total_bytes.saturating_sub(host.memory_available_bytes))), "bytes")
        }
        "bot.daily_pnl" => status.metrics.get("daily_pnl").copied().map(money),
        "bot.total_pnl" => status.metrics.get("total_pnl").copied().map(money),
        other => {
            if let Some(name) = other.strip_prefix("bot.") {
                return status.metrics.get(name).map(|value| reported(name, *value, sight));
            }
            let metric = status.custom.metrics.get(other.strip_prefix("custom.")?)?;
            metric.value.map(|value| super::does::in_unit(value, &metric.unit))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn whole(bytes: u64) -> f64 {
    bytes as f64
}

/// Where the entries of a history lie on the time axis.
struct Frame {
    /// Seconds from the left edge to the first entry.
    offset: f64,
    step: f64,
    /// What the axis spans: 24 hours at most.
    minutes: i64,
    /// Into how many columns it is divided.
    columns: u32,
    /// Where the axis begins, for its labels.
    left: Timestamp,
    now: Timestamp,
}

impl Frame {
    fn of(history: &History, now: Timestamp) -> Option<Self> {
        let first: Timestamp = history.first.as_ref()?.parse().ok()?;
        // As long as there is less than a day of them, the axis spans what there is.
        let known = now.duration_since(first).as_secs().max(0).saturating_add(59) / 60;
        let minutes = SPANS
            .into_iter()
            .find(|span| *span >= known)
            .unwrap_or_else(|| (known.saturating_add(59) / 60 * 60).min(24 * 60));
        let left = now.checked_sub(SignedDuration::from_mins(minutes)).ok()?;
        #[expect(clippy::cast_precision_loss, reason = "a step of at most minutes")]
        let step = (history.step_seconds as f64).max(1.0);
        let mut frame = Self { offset: first.duration_since(left).as_secs_f64(), step, minutes, columns: 1, left, now };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        let columns = (frame.seconds() / step) as u32;
        frame.columns = columns.clamp(1, COLUMNS);
        Some(frame)
    }

    /// `10 minutes`, `hour`, `24 hours`.
    fn words(&self) -> String {
        match self.minutes {
            60 => "hour".to_owned(),
            minutes if minutes < 60 => format!("{minutes} minutes"),
            minutes => format!("{} hours", minutes / 60),
        }
    }

    fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most the minutes of a day")]
        let minutes = self.minutes as f64;
        minutes * 60.0
    }

    fn width(&self) -> f64 {
        f64::from(self.columns)
    }

    /// The columns of a series: least, mean and most of what falls into each.
    fn columns(&self, series: &Series) -> Vec<Option<Column>> {
        let mut columns: Vec<Option<Column>> = (0..self.columns).map(|_| None).collect();
        let figures = series.min.iter().zip(&series.mean).zip(&series.max);
        for (index, ((min, mean), max)) in figures.enumerate() {
            let (Some(min), Some(mean), Some(max)) = (min, mean, max) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "an index of at most some thousand")]
            let begins = self.offset + self.step * index as f64;
            // An entry lies where its middle does. That of the last one, which is open still, may be yet to come.
            let middle = begins + self.step / 2.0;
            if middle < 0.0 || begins > self.seconds() {
                continue;
            }
            let place = middle / self.seconds() * self.width();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, as just seen")]
            let place = (place as usize).min(columns.len().saturating_sub(1));
            if let Some(column) = columns.get_mut(place) {
                column.get_or_insert_default().add(f64::from(*min), f64::from(*mean), f64::from(*max));
            }
        }
        columns
    }
}

#[derive(Clone, Copy, Debug)]
struct Column {
    min: f64,
    max: f64,
    sum: f64,
    count: u32,
}

impl Default for Column {
    fn default() -> Self {
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0 }
    }
}

impl Column {
    fn add(&mut self, min: f64, mean: f64, max: f64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sum += mean;
        self.count += 1;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// One figure.
fn chart(series: &Series, title: &str, frame: &Frame, sight: &Sight<'_>) -> Markup {
    let columns = frame.columns(series);
    let known = columns.iter().flatten();
    let low = known.clone().map(|column| column.min).fold(f64::INFINITY, f64::min);
    let high = known.map(|column| column.max).fold(f64::NEG_INFINITY, f64::max);
    let caption = html! { figcaption { span { (title) } (now(&series.name, sight)) } };
    if !(low.is_finite() && high.is_finite()) {
        return html! { figure.chart data-key=(text(&series.name)) { (caption) p.quiet { "nothing yet" } } };
    }
    let (floor, ceiling) = scale(low, high, &series.unit);
    let (say, mark) = (|value: f64| said(value, &series.unit), |value: f64| mark(value, &series.unit));
    // What it is now is said beside it, and sooner than this is drawn again.
    let label = format!("{title} over the last {}: lowest {}, highest {}", frame.words(), say(low), say(high));
    let width = frame.width();
    html! {
        figure.chart data-key=(text(&series.name)) {
            (caption)
            div.plot {
                span.high aria-hidden="true" { (mark(ceiling)) }
                span.low aria-hidden="true" { (mark(floor)) }
                svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
                    path.band d=(band(&columns, floor, ceiling)) {}
                    @if floor < 0.0 && ceiling > 0.0 {
                        line.zero x1="0" x2=(width) y1=(level(0.0, floor, ceiling)) y2=(level(0.0, floor, ceiling)) {}
                    }
                    path.mean d=(line(&columns, floor, ceiling)) {}
                }
            }
            (axis(frame))
        }
    }
}

/// The least permission of every column, as a height and a colour: four levels, one above the other.
fn permission(series: &Series, frame: &Frame) -> Markup {
    let words = ["shutdown", "observe-only", "reduce-only", "active"];
    let classes = ["bad", "warn", "warn", "good"];
    let columns = frame.columns(series);
    let level_of = |column: &Column| -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "one of four levels, kept within them"
        )]
        let level = column.min.clamp(0.0, 3.0) as usize;
        level
    };
    let known = columns.iter().flatten().count();
    let active = columns.iter().flatten().filter(|column| level_of(column) == 3).count();
    let each = match age(frame.seconds() / frame.width()) {
        one if one == "1 min" => "minute".to_owned(),
        several => several,
    };
    let label =
        format!("permission over the last {}: active in {active} of {known} known spans of {each}", frame.words());
    let mut spans: Vec<(usize, usize, usize)> = Vec::new();
    for (index, level) in
        columns.iter().enumerate().filter_map(|(index, column)| Some((index, level_of(column.as_ref()?))))
    {
        match spans.last_mut() {
            Some((start, length, same)) if *same == level && *start + *length == index => *length += 1,
            _ => spans.push((index, 1, level)),
        }
    }
    html! {
        figure.chart.permission {
            figcaption { span { "permission" } span.quiet { "the lowest of every " (each) "; full height is " (words[3]) } }
            div.plot {
                svg viewBox={ "0 0 " (frame.width()) " 24" } preserveAspectRatio="none" role="img" aria-label=(label) {
                    @for (start, length, level) in spans {
                        rect.(classes[level]) x=(start) width=(length) y=(18 - 6 * level) height=(6 + 6 * level) {}
                    }
                }
            }
            (axis(frame))
        }
    }
}

fn axis(frame: &Frame) -> Markup {
    // Cut, as every other time on the page.
    let minute = |at: Timestamp| at.to_string().get(11..16).unwrap_or_default().to_owned();
    let half = SignedDuration::from_secs(frame.minutes * 30);
    let middle = frame.now.checked_sub(half).unwrap_or(frame.now);
    html! {
        div.axis aria-hidden="true" { span { (minute(frame.left)) } span.middle { (minute(middle)) } span { (minute(frame.now)) "Z" } }
    }
}

fn level(value: f64, floor: f64, ceiling: f64) -> String {
    format!("{:.1}", HEIGHT - 2.0 - (HEIGHT - 4.0) * (value - floor) / (ceiling - floor))
}

/// A line through the means; it breaks where there is nothing.
fn line(columns: &[Option<Column>], floor: f64, ceiling: f64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (index, column) in columns.iter().enumerate() {
        if let Some(column) = column {
            let verb = if drawing { 'L' } else { 'M' };
            // Writing to a `String` cannot fail.
            let _ = write!(path, "{verb}{index}.5 {}", level(column.mean(), floor, ceiling));
            if !drawing {
                // One point alone is to be seen as well.
                path.push_str("h.4");
            }
        }
        drawing = column.is_some();
    }
    path
}

/// The band from least to most, a piece for each stretch without a gap.
fn band(columns: &[Option<Column>], floor: f64, ceiling: f64) -> String {
    let mut path = String::new();
    let mut begins = 0;
    for stretch in columns.chunk_by(|one, next| one.is_some() == next.is_some()) {
        let known: Vec<(usize, &Column)> =
            stretch.iter().enumerate().filter_map(|(at, column)| Some((begins + at, column.as_ref()?))).collect();
        begins += stretch.len();
        for (order, (at, column)) in known.iter().enumerate() {
            let verb = if order == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{verb}{at}.5 {}", level(column.max, floor, ceiling));
        }
        for (at, column) in known.iter().rev() {
            let _ = write!(path, "L{at}.5 {}", level(column.min, floor, ceiling));
        }
        if !known.is_empty() {
            path.push('Z');
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::super::tests::{sight_of, status_of};
    use super::*;

    fn history(points: usize) -> History {
        let values: Vec<Option<f32>> = (0..points).map(|at| (at % 7 != 3).then_some(at as f32)).collect();
        let series = |name: &str, unit: &str| Series {
            name: name.to_owned(),
            unit: unit.to_owned(),
            min: values.iter().map(|value| value.map(|value| value - 1.0)).collect(),
            mean: values.clone(),
            max: values.iter().map(|value| value.map(|value| value + 1.0)).collect(),
        };
        History {
            timestamp: "2026-11-03T21:05:00Z".to_owned(),
            step_seconds: 60,
            first: Some("2026-11-03T20:05:00Z".to_owned()),
            points: points as u64,
            series: vec![series("health", "ratio"), series("bot.<b>", "")],
            left_out: 0,
        }
    }

    fn now() -> Timestamp {
        "2026-11-03T21:05:00Z".parse().unwrap_or_default()
    }

    #[test]
    fn every_entry_lies_in_the_column_of_its_time() {
        let history = history(60);
        let frame = Frame::of(&history, now()).unwrap_or_else(|| unreachable!("it has a first entry"));
        let columns = frame.columns(&history.series[0]);
        assert_eq!((frame.minutes, columns.len()), (60, 60), "an hour");
        let known: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].is_some()).collect();
        assert_eq!(known, (0..60).filter(|at| at % 7 != 3).collect::<Vec<_>>(), "a minute a column");
        let last = columns[58].unwrap_or_default();
        assert_eq!((last.min, last.max), (57.0, 59.0));

        let day = Frame::of(&History { first: Some("2026-11-02T12:00:00Z".to_owned()), ..history.clone() }, now());
        let day = day.unwrap_or_else(|| unreachable!("it has a first entry"));
        assert_eq!((day.minutes, day.columns), (24 * 60, 288));
        let long = History { first: Some("2026-11-02T21:05:00Z".to_owned()), ..self::history(1440) };
        let day = Frame::of(&long, now()).unwrap_or_else(|| unreachable!("it has a first entry"));
        let columns = day.columns(&long.series[0]);
        let last = columns[287].unwrap_or_default();
        assert_eq!((last.count, last.min, last.max), (4, 1434.0, 1440.0), "five minutes a column");
    }

    #[test]
    fn what_the_step_that_is_open_has_seen_is_drawn_from_its_first_second_on() {
        for (since, points) in [(0, 1), (10, 1), (59, 1), (61, 2), (1_439 * 60 + 1, 1_440)] {
            let first = now().checked_sub(SignedDuration::from_secs(since)).unwrap_or_default();
            let history = History { first: Some(first.to_string()), ..self::history(points) };
            let frame = Frame::of(&history, now()).unwrap_or_else(|| unreachable!("it has a first entry"));
            let columns = frame.columns(&history.series[0]);
            let last = columns.last().copied().flatten().unwrap_or_default();
            assert_eq!(f64::from(history.series[0].max[points - 1].unwrap_or_default()), last.max, "{since} s");
        }
        // What begins later than now, by a clock that went back, has no place.
        let history = History { first: Some("2026-11-03T21:05:01Z".to_owned()), ..self::history(1) };
        let frame = Frame::of(&history, now()).unwrap_or_else(|| unreachable!("it has a first entry"));
        assert!(frame.columns(&history.series[0]).iter().all(Option::is_none));
    }

    #[test]
    fn the_axis_spans_what_there_is() {
        for (seconds, wanted) in [
            (0, "10 minutes"),
            (420, "10 minutes"),
            (601, "30 minutes"),
            (1_801, "hour"),
            (3_600, "hour"),
            (3_601, "2 hours"),
            (200_000, "24 hours"),
        ] {
            let first = now().checked_sub(SignedDuration::from_secs(seconds)).unwrap_or_default();
            let frame = Frame::of(&History { first: Some(first.to_string()), ..history(1) }, now());
            assert_eq!(frame.unwrap_or_else(|| unreachable!("it has a first entry")).words(), wanted, "{seconds} s");
        }
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let column = |value: f64| {
            let mut column = Column::default();
            column.add(value, value, value);
            Some(column)
        };
        let columns = [column(0.0), column(1.0), None, column(1.0)];
        assert_eq!(line(&columns, 0.0, 1.0), "M0.5 58.0h.4L1.5 2.0M3.5 2.0h.4");
        assert_eq!(band(&columns, 0.0, 1.0), "M0.5 58.0L1.5 2.0L1.5 2.0L0.5 58.0ZM3.5 2.0L3.5 2.0Z");
    }

    #[test]
    fn a_history_of_any_length_makes_charts_and_names_are_escaped() {
        let status: Status = serde_json::from_value(status_of("demo")).unwrap_or_else(|error| unreachable!("{error}"));
        let drawn = |history: Option<&History>| section(&Sight { history, ..sight_of(&status) }).into_string();
        for points in [0, 1, 60, 1440] {
            let page = drawn(Some(&history(points)));
            assert!(!page.contains("NaN") && !page.contains("inf"), "{points}: {page}");
            assert!(!page.contains("<b>"), "{page}");
        }
        assert!(drawn(Some(&History::default())).contains("Nothing yet"));
        let none = drawn(None);
        assert!(none.contains("data-same") && none.contains("The charts could not be had just now."), "{none}");
    }

    #[test]
    fn the_figure_above_a_drawing_is_what_the_page_says_elsewhere_and_never_a_mean() {
        let mut status: Status =
            serde_json::from_value(status_of("demo")).unwrap_or_else(|error| unreachable!("{error}"));
        for (name, value) in [("daily_pnl", 2.58), ("trades_executed", 6.0), ("latency", 741.0)] {
            status.metrics.insert(name.to_owned(), value);
        }
        status.queue.clear();
        let figures = [Figure { name: "latency", value: None, unit: "ms", level: "good" }];
        let means = |name: &str| Series {
            name: name.to_owned(),
            mean: vec![Some(0.31)],
            min: vec![Some(0.0)],
            max: vec![Some(6.0)],
            ..Series::default()
        };
        let names = ["bot.daily_pnl", "bot.trades_executed", "bot.latency", "queue_depth", "bot.gone"];
        let history = History { series: names.map(means).into(), ..history(1) };
        let sight = Sight { history: Some(&history), figures: &figures, ..sight_of(&status) };
        let whole = section(&sight).into_string();
        // A message without the drawings has the same figures.
        let part = section(&Sight { history: None, ..sight }).into_string();
        for page in [&whole, &part] {
            for shown in [
                "data-now=\"bot.daily_pnl\"><span class=\"money good\">+2.58</span></strong>",
                "data-now=\"bot.trades_executed\">6</strong>",
                "data-now=\"bot.latency\">741 ms</strong>",
                "data-now=\"queue_depth\"><span class=\"quiet\">not known</span></strong>",
            ] {
                assert!(page.contains(shown), "{shown}: {page}");
            }
            assert!(!page.contains("0.31"), "{page}");
        }
        assert!(whole.contains("data-now=\"bot.gone\"><span class=\"quiet\">not known"), "{whole}");
    }
}
