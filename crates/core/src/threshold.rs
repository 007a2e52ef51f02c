//! One figure and the levels that it is held against: when people hear of it, once and not again and again, and when it is over.
//!
//! ```text
//!   good --beyond a level for `hold`--> warning, critical or emergency --not beyond it for `clear_for`--> good
//! ```
//!
//! Pure: the host looks, gives time, and obeys [`News`]. What is not known (missing, too old, no number) is no alarm, and it ends
//! none either: a figure that is not heard of any more is not good.

use crate::time::Monotonic;
use core::time::Duration;

/// Which way is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Above the level.
    Above,
    /// Below it.
    Below,
}

impl Side {
    /// `above`, `below`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }

    /// Whether a value is beyond a level. At the level it is not.
    fn is_beyond(self, value: f64, level: f64) -> bool {
        match self {
            Self::Above => value > level,
            Self::Below => value < level,
        }
    }

    /// The worse of two values.
    pub const fn worse(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Above => one.max(other),
            Self::Below => one.min(other),
        }
    }

    /// The one of two levels that is reached first.
    const fn first(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Above => one.min(other),
            Self::Below => one.max(other),
        }
    }
}

/// How bad a figure is. Ordered: the later the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Degree {
    /// People are told.
    Warning,
    /// They are told that it is urgent, and health is degraded.
    Critical,
    /// Everything is shut down, where thresholds may end in that.
    Emergency,
}

impl Degree {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Warning, Self::Critical, Self::Emergency];

    /// `warning`, `critical`, `emergency`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Emergency => "emergency",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Warning => 0,
            Self::Critical => 1,
            Self::Emergency => 2,
        }
    }
}

/// What a figure is held against. Levels are finite; `None` is not judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Which way is bad.
    pub side: Side,
    /// By [`Degree`], the least first: each as far as, or further than, the one before it.
    pub levels: [Option<f64>; 3],
    /// For how long without a break it must be beyond a level of warning or critical, as far as the looks show. An emergency never
    /// waits.
    pub hold: Duration,
    /// For how long without a break it must not be beyond a level before that is over.
    pub clear_for: Duration,
    /// So long after a level was over it is not told again. A worse one is.
    pub cooldown: Duration,
}

impl Rule {
    /// The level of a degree.
    pub fn level(&self, degree: Degree) -> Option<f64> {
        self.levels[degree.index()]
    }

    /// The worst degree whose level the value is beyond, whatever was before.
    pub fn degree_of(&self, value: f64) -> Option<Degree> {
        let beyond = |degree: &Degree| self.level(*degree).is_some_and(|level| self.side.is_beyond(value, level));
        Degree::ALL.into_iter().rev().find(beyond)
    }

    /// This rule with everything in which `new` alarms sooner, or for longer: what is in force while `new` waits for its record.
    #[must_use]
    pub fn tightest(&self, new: &Self) -> Self {
        if self.side != new.side {
            return *self;
        }
        let level = |degree: Degree| match (self.level(degree), new.level(degree)) {
            (Some(old), Some(new)) => Some(self.side.first(old, new)),
            (one, other) => one.or(other),
        };
        Self {
            side: self.side,
            levels: Degree::ALL.map(level),
            hold: self.hold.min(new.hold),
            clear_for: self.clear_for.max(new.clear_for),
            cooldown: self.cooldown.min(new.cooldown),
        }
    }
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The figure.
    pub value: f64,
    /// The least degree that it can be judged by: with few samples only the gross is told from chance.
    pub from: Degree,
}

impl Found {
    /// A figure that can be judged by every level.
    pub const fn whole(value: f64) -> Self {
        Self { value, from: Degree::Warning }
    }
}

/// What people hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It began.
    Begun(Degree),
    /// It is worse than they were told.
    Worse(Degree),
    /// It is less bad than they were told, and not over.
    Eased(Degree),
    /// It is over.
    Over,
}

/// One level of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stage {
    beyond_since: Option<Monotonic>,
    good_since: Option<Monotonic>,
    standing: bool,
    ended: Option<Monotonic>,
}

/// How one figure stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauge {
    value: Option<f64>,
    stages: [Stage; 3],
    told: Option<Degree>,
    since: Option<Monotonic>,
}

impl Gauge {
    /// The figure at the last look; `None` where it was not known.
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// The worst degree that stands, whether people were told of it yet or not.
    pub fn degree(&self) -> Option<Degree> {
        Degree::ALL.into_iter().rev().find(|degree| self.stages[degree.index()].standing)
    }

    /// Since when that is as it is; `None` where it never was otherwise.
    pub fn since(&self) -> Option<Monotonic> {
        self.since
    }

    /// What people were told of and is not over.
    pub fn told(&self) -> Option<Degree> {
        self.told
    }

    /// Whether the figure is known to have been good for as long as that takes.
    pub fn is_well(&self, now: Monotonic, rule: &Rule) -> bool {
        let well = |degree: Degree| {
            let stage = &self.stages[degree.index()];
            rule.level(degree).is_none()
                || !stage.standing && stage.good_since.is_some_and(|at| now.since(at) >= rule.clear_for)
        };
        Degree::ALL.into_iter().all(well)
    }

    /// A gap in time: nothing was without a break.
    pub fn forget_spans(&mut self) {
        for stage in &mut self.stages {
            (stage.beyond_since, stage.good_since) = (None, None);
        }
    }

    /// Takes what a look found; `None` where the figure is not known.
    pub fn look(&mut self, now: Monotonic, found: Option<Found>, rule: &Rule) -> Option<News> {
        let found = found.filter(|found| found.value.is_finite());
        let before = self.degree();
        self.value = found.map(|found| found.value);
        for degree in Degree::ALL {
            let stage = &mut self.stages[degree.index()];
            match rule.level(degree) {
                Some(level) => {
                    let judged = found.filter(|found| degree >= found.from);
                    let hold = if degree == Degree::Emergency { Duration::ZERO } else { rule.hold };
                    stage.look(now, judged.map(|found| rule.side.is_beyond(found.value, level)), hold, rule.clear_for);
                }
                // Not judged any more.
                None => {
                    let ended = if stage.standing { Some(now) } else { stage.ended };
                    *stage = Stage { ended, ..Stage::default() };
                }
            }
        }
        if self.degree() != before {
            self.since = Some(now);
        }
        self.tell(now, rule.cooldown)
    }

    /// There is known to be nothing that could be bad: whatever stood is over.
    pub fn end(&mut self, now: Monotonic, rule: &Rule) -> Option<News> {
        let before = self.degree();
        self.value = None;
        for stage in &mut self.stages {
            let ended = if stage.standing { Some(now) } else { stage.ended };
            let good_since = stage.good_since.or(Some(now));
            *stage = Stage { beyond_since: None, good_since, standing: false, ended };
        }
        if before.is_some() {
            self.since = Some(now);
        }
        self.tell(now, rule.cooldown)
    }

    /// What is new for people.
    fn tell(&mut self, now: Monotonic, cooldown: Duration) -> Option<News> {
        let may_be_told = |degree: &Degree| {
            let stage = &self.stages[degree.index()];
            let rests = stage.ended.is_some_and(|at| now.since(at) < cooldown);
            stage.standing && (self.told.is_some_and(|told| told >= *degree) || !rests)
        };
        let told = Degree::ALL.into_iter().rev().find(may_be_told);
        let news = match (self.told, told) {
            (None, Some(degree)) => Some(News::Begun(degree)),
            (Some(before), Some(degree)) if degree > before => Some(News::Worse(degree)),
            (Some(before), Some(degree)) if degree < before => Some(News::Eased(degree)),
            (Some(_), None) => Some(News::Over),
            (None, None) | (Some(_), Some(_)) => None,
        };
        self.told = told;
        news
    }
}

impl Stage {
    fn look(&mut self, now: Monotonic, beyond: Option<bool>, hold: Duration, clear_for: Duration) {
        match beyond {
            // What is not known breaks either span, and ends nothing.
            None => (self.beyond_since, self.good_since) = (None, None),
            Some(true) => {
                self.good_since = None;
                let since = *self.beyond_since.get_or_insert(now);
                self.standing |= now.since(since) >= hold;
            }
            Some(false) => {
                self.beyond_since = None;
                let since = *self.good_since.get_or_insert(now);
                if self.standing && now.since(since) >= clear_for {
                    (self.standing, self.ended) = (false, Some(now));
                }
            }
        }
    }
}
