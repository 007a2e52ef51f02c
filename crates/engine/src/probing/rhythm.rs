//! When something is asked again, and what its answers add up to. Pure: time is given.

use core::time::Duration;
use failstop_core::Monotonic;

/// The rules of one rhythm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Between the beginnings of two tries.
    pub interval: Duration,
    /// The same after the first failed try in a row; it doubles with each further one ...
    pub failing_first: Duration,
    /// ... up to this.
    pub failing_max: Duration,
    /// So many failed tries in a row ...
    pub tries: u32,
    /// ... over at least this span, from the beginning of the first to the end of the last, mean that it does not answer.
    pub over: Duration,
}

/// The span over which a dependency must fail to count as down.
const DOWN_AFTER: Duration = Duration::from_secs(60);

/// The longest time between two tries of a dependency that has failed.
const FAILING_MAX: Duration = Duration::from_secs(30);

/// The shortest of these longest times, where many tries are wanted.
const FAILING_MIN: Duration = Duration::from_secs(1);

/// The time between the first failed try and the next one.
const FAILING_FIRST: Duration = Duration::from_secs(2);

impl Terms {
    /// A dependency's: so many failed tries over at least a minute, and so much faster once one has failed that this is found
    /// in about a minute.
    pub fn of_dependency(interval: Duration, tries: u32) -> Self {
        let failing_max = DOWN_AFTER / tries.saturating_sub(1).max(1);
        let failing_max = failing_max.clamp(FAILING_MIN, FAILING_MAX).min(interval);
        Self { interval, failing_first: FAILING_FIRST.min(failing_max), failing_max, tries, over: DOWN_AFTER }
    }

    /// So many failed tries in a row.
    pub const fn plain(interval: Duration, tries: u32) -> Self {
        Self { interval, failing_first: interval, failing_max: interval, tries, over: Duration::ZERO }
    }
}

/// After a try that this host had no room for, the next one comes after this.
const NO_ROOM: Duration = Duration::from_secs(1);

/// Where a rhythm stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rhythm {
    terms: Terms,
    state: State,
    /// Failed tries in a row, and when the first of them began.
    failed: u32,
    failing_since: Option<Monotonic>,
    /// What was last told: whether it answers.
    told: Option<bool>,
    /// The last try was not counted because the engine stood still: the next one counts, however late.
    excused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { due: Monotonic },
    Trying { begun: Monotonic, stood_still: bool },
}

/// What the end of a try adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It answered; whether that is news.
    Good {
        /// It is known to answer only now.
        news: bool,
    },
    /// It did not answer.
    Failed {
        /// These tries are enough to say that it does not answer, and that was not told yet.
        news: bool,
    },
    /// This try says nothing.
    Nothing,
}

impl Rhythm {
    /// The first try is due at `due`.
    pub const fn new(terms: Terms, due: Monotonic) -> Self {
        Self { terms, state: State::Idle { due }, failed: 0, failing_since: None, told: None, excused: false }
    }

    /// Other rules from here on. The next try comes no later than they want it; what the last ones came to stays.
    pub fn retime(&mut self, terms: Terms, now: Monotonic) {
        self.terms = terms;
        if let State::Idle { due } = &mut self.state {
            *due = (*due).min(now.plus(terms.interval));
        }
    }

    /// When the next try is due; `None` while one is under way.
    pub const fn due(&self) -> Option<Monotonic> {
        match self.state {
            State::Idle { due } => Some(due),
            State::Trying { .. } => None,
        }
    }

    /// When the try under way began, and whether the engine stood still since.
    pub const fn under_way(&self) -> Option<(Monotonic, bool)> {
        match self.state {
            State::Trying { begun, stood_still } => Some((begun, stood_still)),
            State::Idle { .. } => None,
        }
    }

    /// The try under way says nothing, whatever came of it; the next one comes at its time.
    pub fn void(&mut self, now: Monotonic) {
        if let State::Trying { begun, .. } = self.state {
            self.state = State::Idle { due: begun.plus(self.terms.interval).max(now) };
        }
    }

    /// A try begins.
    pub const fn begin(&mut self, now: Monotonic) {
        self.state = State::Trying { begun: now, stood_still: false };
    }

    /// Somebody waits for an answer: a try comes now, or the one under way is theirs.
    pub fn hurry(&mut self, now: Monotonic) {
        if let State::Idle { due } = &mut self.state {
            *due = (*due).min(now);
        }
    }

    /// The engine stood still: a failed try that was under way says nothing, once.
    pub const fn stood_still(&mut self) {
        if let State::Trying { stood_still, .. } = &mut self.state {
            *stood_still = true;
        }
    }

    /// What was told is forgotten: the same tries count anew.
    pub const fn judge_afresh(&mut self) {
        self.failed = 0;
        self.failing_since = None;
        self.told = None;
    }

    /// The try under way could not be made: this host had no room for it.
    pub fn not_made(&mut self, now: Monotonic) -> Ended {
        self.state = State::Idle { due: now.plus(NO_ROOM.min(self.terms.interval)) };
        Ended::Nothing
    }

    /// The try under way ended; `late` says that its time-out itself came late.
    pub fn ended(&mut self, now: Monotonic, good: bool, late: bool) -> Ended {
        let State::Trying { begun, stood_still } = self.state else { return Ended::Nothing };
        if good {
            self.state = State::Idle { due: begun.plus(self.terms.interval).max(now) };
            self.failed = 0;
            self.failing_since = None;
            self.excused = false;
            return Ended::Good { news: self.told.replace(true) != Some(true) };
        }
        if (stood_still || late) && !self.excused {
            self.excused = true;
            self.state = State::Idle { due: now };
            return Ended::Nothing;
        }
        self.excused = false;
        let pause = self.terms.failing_first.saturating_mul(1 << self.failed.min(16)).min(self.terms.failing_max);
        self.failed = self.failed.saturating_add(1);
        let since = *self.failing_since.get_or_insert(begun);
        let enough = self.failed >= self.terms.tries && now.since(since) >= self.terms.over;
        let news = enough && self.told != Some(false);
        if news {
            self.told = Some(false);
        }
        // One try comes when it may be the last that is wanted.
        let decisive = since.plus(self.terms.over);
        let due = begun.plus(pause).max(now);
        let due = if self.told != Some(false) && now < decisive { due.min(decisive) } else { due };
        self.state = State::Idle { due };
        Ended::Failed { news }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000_000 + seconds * 1_000_000_000)
    }

    /// One try that begins when it is due and takes `took` seconds; when it ended, and what it added up to.
    fn one(rhythm: &mut Rhythm, good: bool, took: u64) -> (Monotonic, Ended) {
        let begun = rhythm.due().unwrap();
        rhythm.begin(begun);
        let end = begun.plus(SECOND * u32::try_from(took).unwrap());
        (end, rhythm.ended(end, good, false))
    }

    #[test]
    fn a_dependency_is_down_after_three_failed_tries_over_a_minute_and_that_is_found_in_about_one() {
        let mut rhythm = Rhythm::new(Terms::of_dependency(300 * SECOND, 3), at(0));
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: true });
        assert_eq!(rhythm.due(), Some(at(300)));
        assert_eq!(one(&mut rhythm, false, 10).1, Ended::Failed { news: false });
        assert_eq!(rhythm.due(), Some(at(310)), "faster once one has failed: at once, where it took so long");
        let down = loop {
            match one(&mut rhythm, false, 10) {
                (end, Ended::Failed { news: true }) => break end,
                (end, ended) => assert!(ended == Ended::Failed { news: false } && end < at(370), "{ended:?}"),
            }
        };
        assert_eq!(down, at(370), "a minute from the first one's beginning, and one time-out");
        assert_eq!(one(&mut rhythm, false, 10).1, Ended::Failed { news: false }, "told once");
        let end = rhythm.due().unwrap();
        assert_eq!(one(&mut rhythm, false, 0), (end, Ended::Failed { news: false }));
        assert_eq!(rhythm.due(), Some(end.plus(30 * SECOND)), "and fast until it is back");
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: true });
        assert_eq!(rhythm.due(), Some(end.plus(330 * SECOND)));
    }

    #[test]
    fn pauses_grow_from_two_seconds_to_half_a_minute() {
        let mut rhythm = Rhythm::new(Terms::of_dependency(300 * SECOND, 3), at(0));
        let mut begins = Vec::new();
        for _ in 0..8 {
            begins.push(rhythm.due().unwrap().since(at(0)).as_secs());
            one(&mut rhythm, false, 0);
        }
        assert_eq!(begins, [0, 2, 6, 14, 30, 60, 90, 120]);
    }

    #[test]
    fn failed_tries_in_less_than_a_minute_are_no_outage_and_a_good_one_begins_anew() {
        let mut rhythm = Rhythm::new(Terms::of_dependency(SECOND, 3), at(0));
        for second in 0..60 {
            assert_eq!(one(&mut rhythm, false, 0), (at(second), Ended::Failed { news: false }));
        }
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: true });
        for _ in 0..60 {
            assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: false });
        }
        assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: true });
    }

    #[test]
    fn however_many_tries_are_wanted_they_fall_into_a_minute() {
        for (tries, seconds) in [(1, 30), (2, 30), (3, 30), (5, 15), (61, 1), (100, 1)] {
            let terms = Terms::of_dependency(300 * SECOND, tries);
            assert_eq!(terms.failing_max, SECOND * seconds, "{tries}");
        }
        assert_eq!(Terms::of_dependency(5 * SECOND, 3).failing_max, 5 * SECOND, "never slower than usual");
        assert_eq!(Terms::of_dependency(SECOND, 3).failing_first, SECOND);
    }

    #[test]
    fn tries_never_overlap_and_one_that_took_long_is_followed_at_once() {
        let mut rhythm = Rhythm::new(Terms::plain(SECOND, 3), at(0));
        rhythm.begin(at(0));
        assert_eq!(rhythm.due(), None);
        rhythm.hurry(at(1));
        assert_eq!(rhythm.due(), None, "the one under way is the answer");
        assert_eq!(rhythm.ended(at(10), false, false), Ended::Failed { news: false });
        assert_eq!(rhythm.due(), Some(at(10)));
        assert_eq!(rhythm.ended(at(11), false, false), Ended::Nothing, "none is under way");
    }

    #[test]
    fn a_try_during_which_the_engine_stood_still_is_excused_once_and_a_good_one_counts() {
        let mut rhythm = Rhythm::new(Terms::plain(30 * SECOND, 1), at(0));
        rhythm.begin(at(0));
        rhythm.stood_still();
        assert_eq!(rhythm.ended(at(60), false, false), Ended::Nothing);
        assert_eq!(rhythm.due(), Some(at(60)), "tried again at once");
        rhythm.begin(at(60));
        rhythm.stood_still();
        assert_eq!(rhythm.ended(at(120), false, true), Ended::Failed { news: true }, "a host that is always late");
        rhythm.begin(at(150));
        rhythm.stood_still();
        assert_eq!(rhythm.ended(at(151), true, true), Ended::Good { news: true });
        rhythm.begin(at(180));
        assert_eq!(rhythm.ended(at(300), false, true), Ended::Nothing, "its own time-out came late");
    }

    #[test]
    fn a_try_that_could_not_be_made_says_nothing() {
        let mut rhythm = Rhythm::new(Terms::plain(30 * SECOND, 1), at(0));
        rhythm.begin(at(0));
        assert_eq!(rhythm.not_made(at(0)), Ended::Nothing);
        assert_eq!(rhythm.due(), Some(at(1)));
        assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: true });
        rhythm.judge_afresh();
        assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: true }, "judged afresh");
    }

    #[test]
    fn other_terms_hold_from_the_next_try_on_which_comes_no_later_than_they_want_it() {
        let mut rhythm = Rhythm::new(Terms::plain(300 * SECOND, 3), at(0));
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: true });
        assert_eq!(rhythm.due(), Some(at(300)));
        rhythm.retime(Terms::plain(10 * SECOND, 3), at(7));
        assert_eq!(rhythm.due(), Some(at(17)));
        rhythm.retime(Terms::plain(60 * SECOND, 3), at(8));
        assert_eq!(rhythm.due(), Some(at(17)), "not put off");
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: false }, "it is known to answer");
        assert_eq!(rhythm.due(), Some(at(77)));
        rhythm.begin(at(77));
        rhythm.retime(Terms::plain(20 * SECOND, 3), at(78));
        assert_eq!(rhythm.due(), None, "the one under way goes on");
        assert_eq!(rhythm.ended(at(79), true, false), Ended::Good { news: false });
        assert_eq!(rhythm.due(), Some(at(97)));
    }

    #[test]
    fn failed_tries_count_under_other_terms_and_what_was_told_stays_told() {
        let mut rhythm = Rhythm::new(Terms::plain(30 * SECOND, 5), at(0));
        for _ in 0..2 {
            assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: false });
        }
        rhythm.retime(Terms::plain(10 * SECOND, 3), at(31));
        assert_eq!(rhythm.due(), Some(at(41)));
        assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: true }, "the third, of three now");
        rhythm.retime(Terms::plain(10 * SECOND, 2), at(42));
        assert_eq!(one(&mut rhythm, false, 0).1, Ended::Failed { news: false }, "told once");
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: true });
    }

    #[test]
    fn whoever_waits_for_an_answer_has_a_try_now() {
        let mut rhythm = Rhythm::new(Terms::of_dependency(300 * SECOND, 3), at(0));
        assert_eq!(one(&mut rhythm, true, 0).1, Ended::Good { news: true });
        rhythm.hurry(at(7));
        assert_eq!(rhythm.due(), Some(at(7)));
        rhythm.hurry(at(9));
        assert_eq!(rhythm.due(), Some(at(7)));
    }
}
