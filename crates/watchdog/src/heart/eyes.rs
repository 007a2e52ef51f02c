//! Whether the watchdog itself can see: k of n reference addresses answer. A target is judged down for want of an answer only
//! on the word of a look around that began after the probe did.

use super::order::Order;
use super::time::{Boot, Now, Wall};
use std::collections::VecDeque;

/// How many reference addresses there are and how many must answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EyesSettings {
    /// Reference addresses, the peer among them. 0: there is nothing to compare with, and the watchdog trusts its eyes.
    pub references: usize,
    /// So many must answer.
    pub need: usize,
    /// An address that does not answer within this is out of reach, milliseconds.
    pub timeout_ms: u64,
    /// While blind, look again this often, milliseconds.
    pub again_ms: u64,
}

/// What the watchdog knows of its own sight.
#[derive(Clone, Debug)]
pub struct Eyes {
    settings: EyesSettings,
    ticket: u64,
    looking: Option<Looking>,
    /// The last look that is over: when it began and whether enough answered.
    last: Option<(Boot, bool)>,
    blind_since: Option<Wall>,
    again_at: Option<Boot>,
}

#[derive(Clone, Copy, Debug)]
struct Looking {
    ticket: u64,
    since: Boot,
}

/// What the eyes say about a probe that began at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// They were good after it began: what the probe saw is the target's.
    Good,
    /// They were not: what the probe saw says nothing.
    Blind,
    /// A look is under way.
    Wait,
}

/// What a look around changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// The watchdog went blind.
    WentBlind,
    /// It sees again, after having been blind since then.
    SeesAgain(Wall),
}

impl Eyes {
    /// Eyes that have not looked yet.
    pub fn new(settings: EyesSettings) -> Self {
        Self { settings, ticket: 0, looking: None, last: None, blind_since: None, again_at: None }
    }

    /// Whether it is blind now, since when.
    pub fn blind_since(&self) -> Option<Wall> {
        self.blind_since
    }

    /// Judges a probe that began at `began`; orders a look where none tells.
    pub fn sight(&mut self, now: Now, began: Boot, out: &mut VecDeque<Order>) -> Sight {
        if self.settings.references == 0 {
            return Sight::Good;
        }
        if let Some((at, good)) = self.last
            && at >= began
        {
            return if good { Sight::Good } else { Sight::Blind };
        }
        self.look(now, out);
        Sight::Wait
    }

    /// Looks around now, where a probe that begins now will want to know.
    pub fn glance(&mut self, now: Now, out: &mut VecDeque<Order>) {
        if self.settings.references > 0 {
            self.look(now, out);
        }
    }

    fn look(&mut self, now: Now, out: &mut VecDeque<Order>) {
        if self.looking.is_none() {
            self.ticket += 1;
            self.looking = Some(Looking { ticket: self.ticket, since: now.boot });
            let EyesSettings { need, timeout_ms, .. } = self.settings;
            out.push_back(Order::LookAround { ticket: self.ticket, need, timeout_ms });
        }
    }

    /// A look is over: so many references answered. A look that is not waited for changes nothing.
    pub fn looked(&mut self, now: Now, ticket: u64, reached: usize) -> Change {
        let Some(looking) = self.looking.filter(|looking| looking.ticket == ticket) else { return Change::Same };
        self.looking = None;
        let good = reached >= self.settings.need;
        self.last = Some((looking.since, good));
        if good {
            self.again_at = None;
            return match self.blind_since.take() {
                Some(since) => Change::SeesAgain(since),
                None => Change::Same,
            };
        }
        self.again_at = Some(now.boot.plus(self.settings.again_ms));
        if self.blind_since.is_some() {
            return Change::Same;
        }
        self.blind_since = Some(now.wall);
        Change::WentBlind
    }

    /// When the eyes want to look by themselves: only while blind.
    pub fn next(&self) -> Option<Boot> {
        self.again_at.filter(|_| self.looking.is_none())
    }

    /// Looks again where it is time.
    pub fn tick(&mut self, now: Now, out: &mut VecDeque<Order>) {
        if self.next().is_some_and(|at| at <= now.boot) {
            self.again_at = None;
            self.look(now, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Now {
        Now { boot: Boot(ms), wall: Wall(1_000_000 + ms) }
    }

    const TWO_OF_THREE: EyesSettings = EyesSettings { references: 3, need: 2, timeout_ms: 1000, again_ms: 5000 };

    #[test]
    fn without_references_the_eyes_are_trusted() {
        let mut out = VecDeque::new();
        assert_eq!(Eyes::new(EyesSettings::default()).sight(at(5), Boot(0), &mut out), Sight::Good);
        assert!(out.is_empty());
    }

    #[test]
    fn a_look_that_began_before_the_probe_does_not_count() {
        let mut eyes = Eyes::new(TWO_OF_THREE);
        let mut out = VecDeque::new();
        assert_eq!(eyes.sight(at(10), Boot(5), &mut out), Sight::Wait);
        assert_eq!(eyes.sight(at(11), Boot(8), &mut out), Sight::Wait, "one look serves both");
        assert_eq!(out.drain(..).collect::<Vec<_>>(), [Order::LookAround { ticket: 1, need: 2, timeout_ms: 1000 }]);
        assert_eq!(eyes.looked(at(20), 1, 2), Change::Same);
        assert_eq!(eyes.sight(at(21), Boot(8), &mut out), Sight::Good);
        assert_eq!(eyes.sight(at(22), Boot(15), &mut out), Sight::Wait, "that probe began after the look");
    }

    #[test]
    fn blind_and_seeing_again_are_each_said_once() {
        let mut eyes = Eyes::new(TWO_OF_THREE);
        let mut out = VecDeque::new();
        let _ = eyes.sight(at(10), Boot(5), &mut out);
        assert_eq!(eyes.looked(at(1010), 1, 1), Change::WentBlind);
        assert_eq!(eyes.sight(at(1011), Boot(5), &mut out), Sight::Blind);
        assert_eq!(eyes.next(), Some(Boot(6010)));
        eyes.tick(at(6010), &mut out);
        assert_eq!(eyes.looked(at(7010), 2, 0), Change::Same);
        eyes.tick(at(12_010), &mut out);
        assert_eq!(eyes.looked(at(12_020), 99, 3), Change::Same, "not the look that is waited for");
        assert_eq!(eyes.looked(at(12_020), 3, 3), Change::SeesAgain(Wall(1_001_010)));
        assert_eq!(eyes.next(), None);
    }
}
