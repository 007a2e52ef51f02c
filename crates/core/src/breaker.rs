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

impl BreakerPolicy {
    /// The try after so many failed ones; `None`: only a reset brings it back.
    fn next_try(&self, now: Monotonic, failed: u32) -> Option<Monotonic> {
        (self.recovery && failed < self.tries).then(|| now.plus(self.retry_every))
    }
}

/// How much of the host is in use, thousandths; `None` while it is not known. Means since the sample before, not peaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostLoad {
    /// Of the processors.
    pub cpu: Option<u32>,
    /// Of the memory.
    pub memory: Option<u32>,
    /// Of what failstop itself may use, the nearest of its caps. Unlike the others, what is not known stands in the way of nothing.
    pub own: Option<u32>,
}

/// Above so many thousandths of one of failstop's own caps it trips.
const OWN: u32 = 1_000;

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
    Tripped {
        /// Whether it stays so until it is reset: no try is wanted.
        stays: bool,
    },
    /// A try failed, and there will be another.
    StillBusy,
    /// The last try failed: it stays until it is reset.
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
                let too_much =
                    above(load.cpu, self.policy.cpu) || above(load.memory, self.policy.memory) || above(load.own, OWN);
                if !self.policy.enabled || !too_much {
                    return None;
                }
                let next = self.policy.next_try(now, 0);
                self.state = BreakerState::Shed { since: now, failed: 0, next, load };
                Some(BreakerNews::Tripped { stays: next.is_none() })
            }
            BreakerState::Shed { since, failed, next, load: _ } => {
                if next.is_none_or(|next| now < next) {
                    return None;
                }
                // Well below where it trips, so that it does not swing.
                let below = |used: u32, trip: u32| u64::from(used) * 5 < u64::from(trip) * 4;
                let host = load.cpu.is_some_and(|used| below(used, self.policy.cpu))
                    && load.memory.is_some_and(|used| below(used, self.policy.memory));
                if host && load.own.is_none_or(|used| below(used, OWN)) {
                    self.state = BreakerState::Closed;
                    return Some(BreakerNews::Recovered);
                }
                let failed = failed.saturating_add(1);
                let next = self.policy.next_try(now, failed);
                self.state = BreakerState::Shed { since, failed, next, load };
                Some(if next.is_some() { BreakerNews::StillBusy } else { BreakerNews::StaysShed })
            }
        }
    }

    /// The configuration changed. A try that was announced stays where it was, and goes by the new policy; one that the new policy does
    /// not want falls away, and one that only the new policy wants comes after its time. A breaker that may not trip any more shows
    /// everything.
    pub fn adopt(&mut self, now: Monotonic, policy: BreakerPolicy) {
        self.policy = policy;
        match &mut self.state {
            BreakerState::Closed => {}
            BreakerState::Shed { .. } if !self.policy.enabled => self.state = BreakerState::Closed,
            BreakerState::Shed { failed, next, .. } => {
                let wanted = self.policy.next_try(now, *failed);
                *next = wanted.map(|wanted| next.unwrap_or(wanted));
            }
        }
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
        HostLoad { cpu: Some(cpu), memory: Some(memory), own: None }
    }

    #[test]
    fn it_trips_above_either_and_at_neither() {
        for (used, trips) in [
            (load(900, 850), false),
            (load(901, 0), true),
            (load(0, 851), true),
            (HostLoad { memory: Some(851), ..HostLoad::default() }, true),
            (HostLoad { own: Some(1_000), ..load(0, 0) }, false),
            (HostLoad { own: Some(1_001), ..load(0, 0) }, true),
            (HostLoad { own: Some(u32::MAX), ..HostLoad::default() }, true),
            (HostLoad::default(), false),
        ] {
            let mut breaker = Breaker::new(policy());
            assert_eq!(breaker.look(at(0), used), trips.then_some(BreakerNews::Tripped { stays: false }), "{used:?}");
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
        assert_eq!(breaker.look(at(181), load(901, 0)), Some(BreakerNews::Tripped { stays: false }), "and trips again");
    }

    #[test]
    fn what_failstop_itself_uses_counts_like_the_host_but_where_it_is_not_known() {
        let own = |used: u32| HostLoad { own: Some(used), ..load(10, 10) };
        let mut breaker = Breaker::new(policy());
        assert_eq!(breaker.look(at(0), own(1_001)), Some(BreakerNews::Tripped { stays: false }));
        assert_eq!(breaker.look(at(60), own(800)), Some(BreakerNews::StillBusy), "below four fifths, not at them");
        assert_eq!(breaker.look(at(120), own(799)), Some(BreakerNews::Recovered));
        breaker.look(at(200), own(u32::MAX));
        assert_eq!(breaker.look(at(260), own(u32::MAX)), Some(BreakerNews::StillBusy));
        assert_eq!(breaker.look(at(320), load(10, 10)), Some(BreakerNews::Recovered), "not known");
    }

    #[test]
    fn after_three_failed_tries_it_waits_for_a_person() {
        let mut breaker = Breaker::new(policy());
        breaker.look(at(0), load(950, 100));
        for (seconds, news) in
            [(60, BreakerNews::StillBusy), (120, BreakerNews::StillBusy), (180, BreakerNews::StaysShed)]
        {
            assert_eq!(
                breaker.look(at(seconds), HostLoad { memory: Some(1), ..HostLoad::default() }),
                Some(news),
                "{seconds}"
            );
        }
        assert_eq!(breaker.look(at(10_000), load(0, 0)), None, "whatever the host does then");
        assert!(breaker.is_shed() && breaker.due().is_none());
        assert!(breaker.reset());
        assert!(!breaker.is_shed() && !breaker.reset());
        assert_eq!(
            breaker.look(at(10_001), load(950, 0)),
            Some(BreakerNews::Tripped { stays: false }),
            "the tries begin anew"
        );
        assert_eq!(breaker.due(), Some(at(10_061)));
    }

    #[test]
    fn another_policy_holds_from_the_next_try_on_and_off_is_off_at_once() {
        let mut breaker = Breaker::new(policy());
        breaker.look(at(0), load(950, 0));
        breaker.adopt(at(30), BreakerPolicy { cpu: 500, tries: 1, ..policy() });
        assert_eq!(breaker.due(), Some(at(60)), "the try that was announced");
        assert_eq!(breaker.look(at(60), load(450, 0)), Some(BreakerNews::StaysShed));
        breaker.adopt(at(60), BreakerPolicy { enabled: false, ..policy() });
        assert!(!breaker.is_shed());
        assert_eq!(breaker.look(at(61), load(1_000, 0)), None);
    }

    #[test]
    fn whether_and_how_often_it_tries_may_change_while_it_is_shed() {
        let by_hand = BreakerPolicy { recovery: false, ..policy() };
        let mut breaker = Breaker::new(policy());
        breaker.look(at(0), load(950, 0));
        assert_eq!(breaker.look(at(60), load(950, 0)), Some(BreakerNews::StillBusy));
        // No more tries are wanted, and then some are again.
        breaker.adopt(at(70), by_hand.clone());
        assert_eq!((breaker.due(), breaker.look(at(120), load(0, 0))), (None, None));
        breaker.adopt(at(130), policy());
        assert_eq!(breaker.due(), Some(at(190)), "after the time of one");
        // So many failed already; then one more is wanted.
        breaker.adopt(at(140), BreakerPolicy { tries: 1, ..policy() });
        assert_eq!((breaker.due(), breaker.look(at(190), load(0, 0))), (None, None));
        breaker.adopt(at(200), BreakerPolicy { tries: 2, ..policy() });
        assert_eq!(breaker.look(at(260), load(950, 0)), Some(BreakerNews::StaysShed));
        breaker.adopt(at(270), policy());
        let BreakerState::Shed { since, failed, next, .. } = breaker.state() else { panic!("{breaker:?}") };
        assert_eq!((since, failed, next), (at(0), 2, Some(at(330))), "what was tried still counts");
        assert_eq!(breaker.look(at(330), load(0, 0)), Some(BreakerNews::Recovered));
        // What tripped while it was to come back by itself stays where that is wanted no more.
        breaker.look(at(400), load(950, 0));
        breaker.adopt(at(401), by_hand);
        assert!(breaker.is_shed() && breaker.due().is_none());
    }

    #[test]
    fn it_may_be_off_and_need_not_come_back_by_itself() {
        let mut off = Breaker::new(BreakerPolicy { enabled: false, ..policy() });
        assert_eq!(off.look(at(0), load(1_000, 1_000)), None);
        let mut by_hand = Breaker::new(BreakerPolicy { recovery: false, ..policy() });
        assert_eq!(by_hand.look(at(0), load(1_000, 0)), Some(BreakerNews::Tripped { stays: true }));
        assert_eq!((by_hand.due(), by_hand.look(at(600), load(0, 0))), (None, None));
    }
}
