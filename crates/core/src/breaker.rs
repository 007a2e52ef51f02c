//! The circuit breaker of what only shows: while the host is too busy, pictures, history and idle verification give way, so that what
//! keeps trading safe has the processors and the memory that are left. It never touches the permission.
//!
//! Pure: the host measures, gives time, and obeys [`Breaker::is_shed`].

use crate::time::Monotonic;
use core::time::Duration;

/// When it trips, and how it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Whether it trips at all.
    pub enabled: bool,
    /// Whether it comes back by itself.
    pub recovery: bool,
    /// Trips above this use of the host's processors, thousandths.
    pub cpu: u32,
    /// Trips above this use of the host's memory, thousandths.
    pub memory: u32,
    /// From the trip, or a failed try, to the next try.
    pub retry_every: Duration,
    /// After so many failed tries it stays shed until it is [reset](Breaker::reset). At least 1.
    pub tries: u32,
}

/// How much of the host is in use, thousandths; `None` while it is not known. Means since the sample before, not peaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostLoad {
    /// Of the processors.
    pub cpu: Option<u32>,
    /// Of the memory.
    pub memory: Option<u32>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything is shown.
    Closed,
    /// What only shows is shed.
    Shed {
        /// Since when.
        since: Monotonic,
        /// Tries that failed.
        failed: u32,
        /// The next try; `None`: only a reset brings it back.
        next: Option<Monotonic>,
        /// What was too much at the last look.
        load: HostLoad,
    },
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerNews {
    /// It tripped.
    Tripped,
    /// A try failed, and there will be another.
    StillBusy,
    /// The last try failed, or none is wanted: it stays until it is reset.
    StaysShed,
    /// It came back by itself.
    Recovered,
}

/// The breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: BreakerState,
}

impl Breaker {
    /// Closed.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: BreakerState::Closed }
    }

    /// How it stands.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether what only shows is to give way.
    pub fn is_shed(&self) -> bool {
        self.state != BreakerState::Closed
    }

    /// When the host is to be measured for a try.
    pub fn due(&self) -> Option<Monotonic> {
        match self.state {
            BreakerState::Closed => None,
            BreakerState::Shed { next, .. } => next,
        }
    }

    /// Looks at a measurement. One that says nothing of processors or memory trips nothing, and is no good try either.
    pub fn look(&mut self, now: Monotonic, load: HostLoad) -> Option<BreakerNews> {
        match self.state {
            BreakerState::Closed => {
                let above = |used: Option<u32>, trip: u32| used.is_some_and(|used| used > trip);
                if !self.policy.enabled || !(above(load.cpu, self.policy.cpu) || above(load.memory, self.policy.memory))
                {
                    return None;
                }
                let next = self.policy.recovery.then(|| now.plus(self.policy.retry_every));
                self.state = BreakerState::Shed { since: now, failed: 0, next, load };
                Some(if next.is_some() { BreakerNews::Tripped } else { BreakerNews::StaysShed })
            }
            BreakerState::Shed { since, failed, next, load: _ } => {
                if next.is_none_or(|next| now < next) {
                    return None;
                }
                // Well below where it trips, so that it does not swing.
                let below = |used: Option<u32>, trip: u32| used.is_some_and(|used| used * 5 < trip * 4);
                if below(load.cpu, self.policy.cpu) && below(load.memory, self.policy.memory) {
                    self.state = BreakerState::Closed;
                    return Some(BreakerNews::Recovered);
                }
                let failed = failed.saturating_add(1);
                let next = (failed < self.policy.tries).then(|| now.plus(self.policy.retry_every));
                self.state = BreakerState::Shed { since, failed, next, load };
                Some(if next.is_some() { BreakerNews::StillBusy } else { BreakerNews::StaysShed })
            }
        }
    }

    /// The configuration changed. What is shed stays so until the next look, or its next try, which goes by the new policy; one that may
    /// not trip any more shows everything.
    pub fn adopt(&mut self, policy: BreakerPolicy) {
        if !policy.enabled {
            self.state = BreakerState::Closed;
        }
        self.policy = policy;
    }

    /// An operator wants everything shown again; whether it was shed. A host that is still too busy trips it again.
    pub fn reset(&mut self) -> bool {
        let was = self.is_shed();
        self.state = BreakerState::Closed;
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn policy() -> BreakerPolicy {
        BreakerPolicy { enabled: true, recovery: true, cpu: 900, memory: 850, retry_every: MINUTE, tries: 3 }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(7_000_000_000).plus(SECOND * u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    fn load(cpu: u32, memory: u32) -> HostLoad {
        HostLoad { cpu: Some(cpu), memory: Some(memory) }
    }

    #[test]
    fn it_trips_above_either_and_at_neither() {
        for (used, trips) in [
            (load(900, 850), false),
            (load(901, 0), true),
            (load(0, 851), true),
            (HostLoad { cpu: None, memory: Some(851) }, true),
            (HostLoad::default(), false),
        ] {
            let mut breaker = Breaker::new(policy());
            assert_eq!(breaker.look(at(0), used), trips.then_some(BreakerNews::Tripped), "{used:?}");
            assert_eq!((breaker.is_shed(), breaker.due()), (trips, trips.then(|| at(60))), "{used:?}");
        }
    }

    #[test]
    fn the_first_good_try_brings_it_back_and_only_when_one_is_due() {
        let mut breaker = Breaker::new(policy());
        breaker.look(at(0), load(950, 100));
        assert_eq!(breaker.look(at(59), load(10, 10)), None, "no try is due");
        assert_eq!(breaker.look(at(60), load(720, 10)), Some(BreakerNews::StillBusy), "below 72 %, not at it");
        assert_eq!(breaker.look(at(120), load(719, 680)), Some(BreakerNews::StillBusy), "nor at 68 % of the memory");
        let BreakerState::Shed { since, failed, next, load: last } = breaker.state() else { panic!("{breaker:?}") };
        assert_eq!((since, failed, next, last), (at(0), 2, Some(at(180)), load(719, 680)));
        assert_eq!(breaker.look(at(180), load(719, 679)), Some(BreakerNews::Recovered));
        assert!(!breaker.is_shed() && breaker.due().is_none());
        assert_eq!(breaker.look(at(181), load(901, 0)), Some(BreakerNews::Tripped), "and trips again");
    }

    #[test]
    fn after_three_failed_tries_it_waits_for_a_person() {
        let mut breaker = Breaker::new(policy());
        breaker.look(at(0), load(950, 100));
        for (seconds, news) in
            [(60, BreakerNews::StillBusy), (120, BreakerNews::StillBusy), (180, BreakerNews::StaysShed)]
        {
            assert_eq!(breaker.look(at(seconds), HostLoad { cpu: None, memory: Some(1) }), Some(news), "{seconds}");
        }
        assert_eq!(breaker.look(at(10_000), load(0, 0)), None, "whatever the host does then");
        assert!(breaker.is_shed() && breaker.due().is_none());
        assert!(breaker.reset());
        assert!(!breaker.is_shed() && !breaker.reset());
        assert_eq!(breaker.look(at(10_001), load(950, 0)), Some(BreakerNews::Tripped), "the tries begin anew");
        assert_eq!(breaker.due(), Some(at(10_061)));
    }

    #[test]
    fn another_policy_holds_from_the_next_try_on_and_off_is_off_at_once() {
        let mut breaker = Breaker::new(policy());
        breaker.look(at(0), load(950, 0));
        breaker.adopt(BreakerPolicy { cpu: 500, tries: 1, ..policy() });
        assert_eq!(breaker.due(), Some(at(60)), "the try that was announced");
        assert_eq!(breaker.look(at(60), load(450, 0)), Some(BreakerNews::StaysShed));
        breaker.adopt(BreakerPolicy { enabled: false, ..policy() });
        assert!(!breaker.is_shed());
        assert_eq!(breaker.look(at(61), load(1_000, 0)), None);
    }

    #[test]
    fn it_may_be_off_and_need_not_come_back_by_itself() {
        let mut off = Breaker::new(BreakerPolicy { enabled: false, ..policy() });
        assert_eq!(off.look(at(0), load(1_000, 1_000)), None);
        let mut by_hand = Breaker::new(BreakerPolicy { recovery: false, ..policy() });
        assert_eq!(by_hand.look(at(0), load(1_000, 0)), Some(BreakerNews::StaysShed));
        assert_eq!((by_hand.due(), by_hand.look(at(600), load(0, 0))), (None, None));
    }
}
