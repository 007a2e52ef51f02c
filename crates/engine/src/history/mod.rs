//! A day of figures, in memory that does not grow: the last hour every five seconds, the last day every minute, of each step
//! the least, the mean and the most.
//!
//! Owned by the loop, which notes what it knows anyway at a wake that happens anyway; nothing here wakes anybody. It is lost
//! with the process: what must be kept is the journal's, and longer histories are Prometheus's.

mod figure;
mod ring;

pub use figure::Own;
pub use ring::Point;

use failstop_client::history::{History as Answer, Series};
use failstop_core::Monotonic;
use ring::{Ring, Steps};
use std::time::Duration;

/// How many of the figures that bots and sources of the configuration add are kept; of further ones only how many there are. The
/// engine's are kept always.
pub const ADDED_FIGURES: usize = 24;

/// What the names of bots' figures begin with.
const BOT: &str = "bot.";

/// What the names of sources' figures begin with.
const SOURCE: &str = "custom.";

/// Between two looks at the engine's own figures.
const EVERY: Duration = Duration::from_secs(5);

/// A figure's newest value counts as its value now for so many steps of the hour: a minute.
const STEPS_OF_NOW: usize = 12;

/// So many minutes up to now are not what a figure is held against.
const MINUTES_OF_NOW: usize = 5;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The last hour, every five seconds.
    Hour,
    /// The last day, every minute.
    Day,
}

impl Span {
    /// `1h`, `24h`.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "1h" => Some(Self::Hour),
            "24h" => Some(Self::Day),
            _ => None,
        }
    }
}

/// The figures.
#[derive(Debug)]
pub struct History {
    hour: Steps,
    day: Steps,
    own: Vec<Kept>,
    /// By whole name: `bot.daily_pnl`, `custom.queue`.
    added: Vec<(String, Kept)>,
    next: Monotonic,
}

#[derive(Debug)]
struct Kept {
    hour: Ring,
    day: Ring,
    last: Option<f64>,
}

impl Kept {
    fn note(&mut self, value: f64) {
        self.last = Some(value);
        self.hour.note(value);
        self.day.note(value);
    }
}

impl Kept {
    fn new() -> Self {
        Self { hour: Ring::new(Span::Hour.points()), day: Ring::new(Span::Day.points()), last: None }
    }
}

impl Span {
    const fn step(self) -> Duration {
        match self {
            Self::Hour => Duration::from_secs(5),
            Self::Day => Duration::from_secs(60),
        }
    }

    const fn points(self) -> usize {
        match self {
            Self::Hour => 720,
            Self::Day => 1440,
        }
    }
}

impl History {
    /// Nothing yet.
    pub fn new(now: Monotonic) -> Self {
        Self {
            hour: Steps::new(Span::Hour.step(), now),
            day: Steps::new(Span::Day.step(), now),
            own: Own::ALL.iter().map(|_| Kept::new()).collect(),
            added: Vec::new(),
            next: now,
        }
    }

    /// Whether it is time to look at the engine's own figures again.
    pub fn is_due(&self, now: Monotonic) -> bool {
        now >= self.next
    }

    /// One of the engine's own figures. What is no number is left out.
    pub fn note(&mut self, now: Monotonic, figure: Own, value: f64) {
        self.pass(now);
        if let Some(kept) = self.own.get_mut(figure.index()) {
            kept.note(value);
        }
    }

    /// One of the engine's own figures, where it is another than before: what lasts for less than the time between two looks is
    /// seen as well, and what does not change weighs no more for being told often.
    pub fn note_change(&mut self, now: Monotonic, figure: Own, value: f64) {
        if self.own.get(figure.index()).is_some_and(|kept| kept.last != Some(value)) {
            self.note(now, figure, value);
        }
    }

    /// All of them that are known, at a look that was due.
    pub fn look(&mut self, now: Monotonic, figures: impl IntoIterator<Item = (Own, f64)>) {
        self.next = now.plus(EVERY);
        for (figure, value) in figures {
            self.note(now, figure, value);
        }
    }

    /// A figure that a bot reports.
    pub fn note_of_bot(&mut self, now: Monotonic, name: &str, value: f64) {
        self.note_added(now, BOT, name, value);
    }

    /// A figure that a source of the configuration says.
    pub fn note_of_source(&mut self, now: Monotonic, name: &str, value: f64) {
        self.note_added(now, SOURCE, name, value);
    }

    fn note_added(&mut self, now: Monotonic, whose: &str, name: &str, value: f64) {
        self.pass(now);
        let at = match self.added.iter().position(|(known, _)| known.strip_prefix(whose) == Some(name)) {
            Some(at) => at,
            None if self.added.len() < ADDED_FIGURES => {
                self.added.push((format!("{whose}{name}"), Kept::new()));
                self.added.len() - 1
            }
            None => return,
        };
        if let Some((_, kept)) = self.added.get_mut(at) {
            kept.note(value);
        }
    }

    /// Forgets the added figures that there are no more, so that others have their places. `of_bot` and `of_source` say of a name, as it was
    /// noted, whether there still is such a figure.
    pub fn retain(&mut self, of_bot: impl Fn(&str) -> bool, of_source: impl Fn(&str) -> bool) {
        self.added.retain(|(known, _)| match (known.strip_prefix(BOT), known.strip_prefix(SOURCE)) {
            (Some(name), _) => of_bot(name),
            (None, Some(name)) => of_source(name),
            (None, None) => false,
        });
    }

    /// Closes the steps that are over, for every figure together.
    fn pass(&mut self, now: Monotonic) {
        let Self { hour, day, own, added, .. } = self;
        let over = (hour.pass(now), day.pass(now));
        if over == (0, 0) {
            return;
        }
        for kept in own.iter_mut().chain(added.iter_mut().map(|(_, kept)| kept)) {
            kept.hour.close(over.0);
            kept.day.close(over.1);
        }
    }

    /// Every figure that is known now, with its means of the last day a minute each, in any order; the last few minutes are not among
    /// them. The name is that of [`Answer`]. Copies, so only for whoever asked for it.
    pub fn for_each_past(&self, mut each: impl FnMut(&str, f64, &mut Vec<f64>)) {
        let mut past = Vec::with_capacity(Span::Day.points());
        let mut of = |name: &str, kept: &Kept| {
            let now = kept.hour.last(STEPS_OF_NOW).into_iter().rev().find_map(Point::mean);
            let Some(now) = now else { return };
            let mut points = kept.day.last(Span::Day.points());
            points.truncate(points.len().saturating_sub(MINUTES_OF_NOW));
            past.clear();
            past.extend(points.into_iter().filter_map(Point::mean).map(f64::from));
            each(name, f64::from(now), &mut past);
        };
        for (figure, kept) in Own::ALL.iter().zip(&self.own) {
            of(figure.name(), kept);
        }
        for (name, kept) in &self.added {
            of(name, kept);
        }
    }

    /// Everything of a span up to now, as little as has to be copied while the loop waits. `reported`: how many figures are
    /// added in all.
    pub fn extract(&self, span: Span, now: Monotonic, wall: jiff::Timestamp, reported: usize) -> Extract {
        let steps = match span {
            Span::Hour => &self.hour,
            Span::Day => &self.day,
        };
        let (points, begins) = steps.reach(span.points());
        let of = |kept: &Kept| match span {
            Span::Hour => kept.hour.last(points),
            Span::Day => kept.day.last(points),
        };
        let own =
            Own::ALL.iter().zip(&self.own).map(|(figure, kept)| (figure.name().to_owned(), figure.unit(), of(kept)));
        let added = self.added.iter().map(|(name, kept)| (name.clone(), "", of(kept)));
        Extract {
            span,
            made: wall,
            first: wall.saturating_sub(now.since(begins)).unwrap_or(wall),
            points,
            series: own.chain(added).collect(),
            // While there is a place, whatever has none has not been said yet.
            left_out: if self.added.len() < ADDED_FIGURES { 0 } else { reported.saturating_sub(self.added.len()) },
        }
    }
}

/// What was copied out of a history.
#[derive(Debug)]
pub struct Extract {
    span: Span,
    made: jiff::Timestamp,
    first: jiff::Timestamp,
    points: usize,
    series: Vec<(String, &'static str, Vec<Point>)>,
    left_out: usize,
}

impl Extract {
    /// The answer for programs. Figures of which there is nothing within the span are left out.
    pub fn answer(self) -> Answer {
        let counted = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let series: Vec<Series> = self
            .series
            .into_iter()
            .filter(|(_, _, points)| points.iter().any(|point| point.min().is_some()))
            .map(|(name, unit, points)| Series {
                name,
                unit: unit.to_owned(),
                min: points.iter().map(|point| point.min()).collect(),
                mean: points.iter().map(|point| point.mean()).collect(),
                max: points.iter().map(|point| point.max()).collect(),
            })
            .collect();
        Answer {
            timestamp: crate::status::rfc3339(self.made),
            step_seconds: self.span.step().as_secs(),
            first: (!series.is_empty()).then(|| crate::status::rfc3339(self.first)),
            points: if series.is_empty() { 0 } else { counted(self.points) },
            series,
            left_out: counted(self.left_out),
        }
    }
}

#[cfg(test)]
mod tests;
