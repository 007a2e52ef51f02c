//! Times that cannot be: one that goes back within a boot although no record tells of a step of the clock, and one that lies in the
//! future. Times inform and never order, so this is a warning; whoever moves records about would have to move them too.

use crate::reader::Record;
use crate::time::Wall;
use serde::Deserialize;

/// How far a time may go back without a word, in nanoseconds: clocks are slewed, and several processes stamp.
pub const STEP_TOLERATED: u64 = 1_000_000_000;

/// How far a time may lie in the future, in nanoseconds: whoever verifies has another clock.
pub const FUTURE_TOLERATED: u64 = 60_000_000_000;

/// So many records after a step the engine has noticed it.
const NOTICED_WITHIN: u32 = 64;

/// Looks at the time of each record, in order.
#[derive(Clone, Debug)]
pub struct Times<P> {
    now: Wall,
    boot: Option<String>,
    /// The latest time of this boot.
    latest: Option<(Wall, u64)>,
    step: Option<Step<P>>,
    future: bool,
}

#[derive(Clone, Debug)]
struct Step<P> {
    place: P,
    seq: u64,
    detail: String,
    left: u32,
}

/// A time that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd<P> {
    /// Where.
    pub place: P,
    /// The record.
    pub seq: u64,
    /// In words.
    pub detail: String,
}

#[derive(Deserialize)]
struct Boot {
    boot: String,
}

#[derive(Deserialize)]
struct Raised {
    cause: String,
}

impl<P: Clone> Times<P> {
    /// At this time.
    pub fn new(now: Wall) -> Self {
        Self { now, boot: None, latest: None, step: None, future: false }
    }

    /// Takes the next record; what is odd comes once nothing can explain it any more.
    pub fn record(&mut self, place: &P, record: &Record<'_>) -> Vec<Odd<P>> {
        let mut found = Vec::new();
        if record.kind == crate::SEG_OPEN {
            let boot = serde_json::from_str::<Boot>(record.payload).ok().map(|open| open.boot);
            if boot != self.boot {
                found.extend(self.end());
                (self.boot, self.latest) = (boot, None);
            }
        }
        if record.kind == "halt.raised"
            && serde_json::from_str::<Raised>(record.payload).is_ok_and(|raised| raised.cause == "clock")
        {
            // The engine noticed it and held everything.
            self.step = None;
            self.latest = None;
        }
        let Some(time) = Wall::parse(record.time) else {
            let detail = format!("{:?} is no time of the calendar", record.time);
            found.push(Odd { place: place.clone(), seq: record.seq, detail });
            return found;
        };
        if time.0 > self.now.0.saturating_add(FUTURE_TOLERATED) {
            if !self.future {
                let detail = format!("its time {time} lies in the future: it is {} now", self.now);
                found.push(Odd { place: place.clone(), seq: record.seq, detail });
            }
            self.future = true;
        } else {
            self.future = false;
        }
        match self.latest {
            Some((latest, seq)) if time.0.saturating_add(STEP_TOLERATED) < latest.0 => {
                let seconds = (latest.0 - time.0) / 1_000_000_000;
                let detail =
                    format!("its time goes back {seconds} s behind that of record {seq}, and no record says why");
                found.extend(self.end());
                let step = Step { place: place.clone(), seq: record.seq, detail, left: NOTICED_WITHIN };
                self.step = Some(step);
                self.latest = Some((time, record.seq));
            }
            Some((latest, _)) if time <= latest => {}
            Some(_) | None => self.latest = Some((time, record.seq)),
        }
        match &mut self.step {
            Some(step) if step.left == 0 => found.extend(self.end()),
            Some(step) => step.left -= 1,
            None => {}
        }
        found
    }

    /// What nothing explained by the end.
    pub fn end(&mut self) -> Option<Odd<P>> {
        let Step { place, seq, detail, left: _ } = self.step.take()?;
        Some(Odd { place, seq, detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Head;
    use crate::jid::Jid;

    const NOW: u64 = 1_800_000_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    fn odd(records: &[(&str, &str, u64)]) -> Vec<u64> {
        let mut times = Times::new(Wall(NOW + 1_000 * SECOND));
        let mut found = Vec::new();
        for (index, (kind, payload, second)) in records.iter().enumerate() {
            let time = Wall(NOW + second * SECOND).to_string();
            let record = Record {
                seq: index as u64 + 1,
                durable: 0,
                epoch: 1,
                time: &time,
                kind,
                payload,
                head: Head::genesis("x", &Jid::from_u128(1)),
                line: "",
            };
            found.extend(times.record(&(), &record).into_iter().map(|odd| odd.seq));
        }
        found.extend(times.end().map(|odd| odd.seq));
        found
    }

    #[test]
    fn a_time_that_goes_back_is_odd_unless_something_explains_it() {
        let open = |boot| (crate::SEG_OPEN, boot);
        let (one, other) = (open(r#"{"boot":"1"}"#), open(r#"{"boot":"2"}"#));
        let clock = r#"{"id":1,"cause":"clock"}"#;
        assert_eq!(odd(&[(one.0, one.1, 100), ("a", "{}", 99), ("a", "{}", 100)]), [0u64; 0]);
        assert_eq!(odd(&[(one.0, one.1, 100), ("a", "{}", 98), ("a", "{}", 99), ("a", "{}", 101)]), [2]);
        // Another boot, another clock; the same boot goes on over segments.
        assert_eq!(odd(&[(one.0, one.1, 100), (other.0, other.1, 50)]), [0u64; 0]);
        assert_eq!(odd(&[(one.0, one.1, 100), (one.0, one.1, 50)]), [2]);
        // The engine noticed.
        assert_eq!(odd(&[(one.0, one.1, 100), ("a", "{}", 50), ("halt.raised", clock, 50)]), [0u64; 0]);
        assert_eq!(odd(&[(one.0, one.1, 100), ("halt.raised", clock, 50), ("a", "{}", 50)]), [0u64; 0]);
        let other_cause = r#"{"id":1,"cause":"hung"}"#;
        assert_eq!(odd(&[(one.0, one.1, 100), ("a", "{}", 50), ("halt.raised", other_cause, 50)]), [2]);
        // Too late to be about this.
        let mut late = vec![(one.0, one.1, 100), ("a", "{}", 50)];
        late.extend(std::iter::repeat_n(("a", "{}", 60), 80));
        late.push(("halt.raised", clock, 60));
        assert_eq!(odd(&late), [2]);
    }

    #[test]
    fn a_time_in_the_future_is_odd_once_in_a_row() {
        assert_eq!(odd(&[("a", "{}", 1_059), ("a", "{}", 1_061), ("a", "{}", 1_062)]), [2]);
    }
}
