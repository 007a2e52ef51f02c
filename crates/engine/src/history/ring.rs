//! The memory of one figure: a ring of closed steps, and the step that is open. What the steps are is the same for every
//! figure, so it is kept once.

use failstop_core::Monotonic;
use std::time::Duration;

/// A step of a figure: least, mean, most; all not-a-number where there was nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point([f32; 3]);

impl Point {
    const NOTHING: Self = Self([f32::NAN; 3]);

    /// The least; `None` where there was nothing.
    pub fn min(self) -> Option<f32> {
        Self::known(self.0[0])
    }

    /// The mean.
    pub fn mean(self) -> Option<f32> {
        Self::known(self.0[1])
    }

    /// The most.
    pub fn max(self) -> Option<f32> {
        Self::known(self.0[2])
    }

    fn known(value: f32) -> Option<f32> {
        value.is_finite().then_some(value)
    }
}

/// The time axis: which step is open.
#[derive(Debug)]
pub(super) struct Steps {
    step: Duration,
    first: u64,
    open: u64,
}

impl Steps {
    /// The first step is open.
    pub fn new(step: Duration, now: Monotonic) -> Self {
        let open = number(step, now);
        Self { step, first: open, open }
    }

    /// How many steps are over since the last call. A clock that goes back keeps the open one open.
    pub fn pass(&mut self, now: Monotonic) -> u64 {
        let current = number(self.step, now).max(self.open);
        let over = current - self.open;
        self.open = current;
        over
    }

    /// How many steps there are to show, the open one included, of at most `most`; and when the first of them begins.
    pub fn reach(&self, most: usize) -> (usize, Monotonic) {
        let all = usize::try_from(self.open - self.first + 1).unwrap_or(usize::MAX);
        let points = all.min(most);
        let back = u64::try_from(points).unwrap_or(u64::MAX).saturating_sub(1);
        let nanos = u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX);
        (points, Monotonic::from_nanos((self.open - back).saturating_mul(nanos)))
    }
}

fn number(step: Duration, at: Monotonic) -> u64 {
    at.as_nanos() / u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// What the open step has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
}

impl Tally {
    fn point(self) -> Point {
        if self.count == 0 {
            return Point::NOTHING;
        }
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a line on a page")]
        let narrow = |value: f64| value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        Point([narrow(self.min), narrow(self.sum / f64::from(self.count)), narrow(self.max)])
    }
}

/// One figure.
#[derive(Debug)]
pub(super) struct Ring {
    points: Box<[Point]>,
    /// Where the next closed step goes.
    next: usize,
    open: Tally,
}

impl Ring {
    /// For `points` steps, of which the open one is the last; all memory that it ever takes.
    pub fn new(points: usize) -> Self {
        Self { points: vec![Point::NOTHING; points].into_boxed_slice(), next: 0, open: Tally::default() }
    }

    /// A value in the open step.
    pub fn note(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let open = &mut self.open;
        if open.count == 0 {
            *open = Tally { count: 1, sum: value, min: value, max: value };
            return;
        }
        open.count = open.count.saturating_add(1);
        open.sum += value;
        open.min = open.min.min(value);
        open.max = open.max.max(value);
    }

    /// The open step is over, and so many steps with it.
    pub fn close(&mut self, over: u64) {
        if over == 0 {
            return;
        }
        let closed = std::mem::take(&mut self.open).point();
        self.push(closed);
        let most = u64::try_from(self.points.len()).unwrap_or(u64::MAX);
        for _ in 1..over.min(most) {
            self.push(Point::NOTHING);
        }
    }

    fn push(&mut self, point: Point) {
        if let Some(place) = self.points.get_mut(self.next) {
            *place = point;
        }
        self.next = (self.next + 1) % self.points.len().max(1);
    }

    /// The last `count` steps, the open one last.
    pub fn last(&self, count: usize) -> Vec<Point> {
        let length = self.points.len();
        let closed = count.saturating_sub(1).min(length);
        let begin = self.next + length - closed;
        let mut points = Vec::with_capacity(count);
        points.extend((begin..begin + closed).filter_map(|at| self.points.get(at % length)).copied());
        points.push(self.open.point());
        points
    }
}
