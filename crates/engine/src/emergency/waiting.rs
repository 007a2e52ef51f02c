//! How long a runner waits for another one that holds the lock, and what it does when that was in vain. Time is an input.

use super::lock::Held;
use crate::config::MAX_EMERGENCY_TIME;
use crate::process::procfs::ProcessId;
use std::time::{Duration, Instant};

/// How much longer than its actions may take the holder is waited for before it is ended.
const SLACK: Duration = Duration::from_secs(60);

/// How long the holder may be stopped (SIGSTOP) before it is ended: it holds everybody up.
const STOPPED_FOR: Duration = Duration::from_secs(1);

/// How long a holder that is ended may take to be gone: another user's cannot be ended at all.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What is seen of the holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Who it is.
    pub(super) held: Held,
    /// Whether it is stopped.
    pub(super) is_stopped: bool,
    /// How long it may take, where it says so.
    pub(super) longest: Option<Duration>,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait.
    Wait,
    /// End it: what it ran dies with it, and what it had begun is begun again.
    End(ProcessId),
    /// Work beside it, for this reason: doing something twice is less bad than not doing it.
    WorkBeside(String),
}

/// A wait for the lock.
#[derive(Debug)]
pub(super) struct Waiting {
    /// How long the waiter's own actions may take: so long something is waited for that cannot be seen.
    own: Duration,
    holder: Held,
    since: Instant,
    stopped_since: Option<Instant>,
    ended_since: Option<Instant>,
}

impl Waiting {
    /// Begins now.
    pub(super) fn new(own: Duration, now: Instant) -> Self {
        Self { own, holder: Held::No, since: now, stopped_since: None, ended_since: None }
    }

    /// What is to be done after this look.
    pub(super) fn next(&mut self, seen: Seen, now: Instant) -> Next {
        if seen.held != self.holder {
            // Each has its own time.
            *self = Self { holder: seen.held, ..Self::new(self.own, now) };
        }
        self.stopped_since = seen.is_stopped.then(|| self.stopped_since.unwrap_or(now));
        let waited = now.saturating_duration_since(self.since);
        match self.holder {
            Held::No => Next::Wait,
            Held::By(runner) => {
                let longest = seen.longest.unwrap_or(MAX_EMERGENCY_TIME).min(MAX_EMERGENCY_TIME);
                let stopped = self.stopped_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                if waited < longest.saturating_add(SLACK) && stopped < STOPPED_FOR {
                    return Next::Wait;
                }
                let ended_since = *self.ended_since.get_or_insert(now);
                if now.saturating_duration_since(ended_since) < GONE_WITHIN {
                    return Next::End(runner);
                }
                Next::WorkBeside(format!("pid {} holds the lock on them and cannot be ended", runner.pid))
            }
            Held::Unseen if waited < self.own.saturating_add(SLACK) => Next::Wait,
            Held::Unseen => Next::WorkBeside(
                "a process that cannot be seen from here, or is none of failstop's, holds the lock on them".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Duration = Duration::from_secs(5);

    fn by(pid: i32, longest: Option<u64>) -> Seen {
        let held = Held::By(ProcessId { pid, start_time: 1 });
        Seen { held, is_stopped: false, longest: longest.map(Duration::from_secs) }
    }

    fn at(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    fn is_end(next: &Next, pid: i32) -> bool {
        matches!(next, Next::End(id) if id.pid == pid)
    }

    #[test]
    fn one_that_works_has_the_time_of_its_own_actions_and_not_of_those_that_wait() {
        let begin = Instant::now();
        let mut waiting = Waiting::new(OWN, begin);
        let holder = by(7, Some(600));
        assert_eq!(waiting.next(holder, begin), Next::Wait);
        assert_eq!(waiting.next(holder, at(begin, 659)), Next::Wait);
        assert!(is_end(&waiting.next(holder, at(begin, 660)), 7));
        // One that does not say has the most that any may take, and no claim is above that.
        for claim in [None, Some(1_000_000)] {
            let mut waiting = Waiting::new(OWN, begin);
            let holder = by(7, claim);
            assert_eq!(waiting.next(holder, begin), Next::Wait);
            assert_eq!(waiting.next(holder, at(begin, 3_659)), Next::Wait);
            assert!(is_end(&waiting.next(holder, at(begin, 3_660)), 7));
        }
    }

    #[test]
    fn the_next_one_that_holds_it_has_a_time_of_its_own() {
        let begin = Instant::now();
        let mut waiting = Waiting::new(OWN, begin);
        assert_eq!(waiting.next(by(7, Some(10)), begin), Next::Wait);
        assert_eq!(waiting.next(by(7, Some(10)), at(begin, 69)), Next::Wait);
        assert_eq!(waiting.next(by(8, Some(10)), at(begin, 70)), Next::Wait);
        assert_eq!(waiting.next(by(8, Some(10)), at(begin, 139)), Next::Wait);
        assert!(is_end(&waiting.next(by(8, Some(10)), at(begin, 140)), 8));
    }

    #[test]
    fn one_that_is_stopped_holds_nobody_up() {
        let begin = Instant::now();
        let mut waiting = Waiting::new(OWN, begin);
        let stopped = Seen { is_stopped: true, ..by(7, Some(600)) };
        assert_eq!(waiting.next(stopped, begin), Next::Wait);
        assert_eq!(waiting.next(by(7, Some(600)), at(begin, 1)), Next::Wait, "it went on");
        assert_eq!(waiting.next(stopped, at(begin, 2)), Next::Wait);
        assert!(is_end(&waiting.next(stopped, at(begin, 3)), 7));
    }

    #[test]
    fn one_that_cannot_be_seen_or_ended_is_waited_for_with_a_bound() {
        let begin = Instant::now();
        let beside = |next: &Next, says: &str| matches!(next, Next::WorkBeside(why) if why.contains(says));
        let mut waiting = Waiting::new(OWN, begin);
        let unseen = Seen { held: Held::Unseen, is_stopped: false, longest: None };
        assert_eq!(waiting.next(unseen, begin), Next::Wait);
        assert_eq!(waiting.next(unseen, at(begin, 64)), Next::Wait);
        assert!(beside(&waiting.next(unseen, at(begin, 65)), "cannot be seen"));
        let mut waiting = Waiting::new(OWN, begin);
        assert_eq!(waiting.next(by(7, Some(10)), begin), Next::Wait);
        assert!(is_end(&waiting.next(by(7, Some(10)), at(begin, 70)), 7));
        assert!(is_end(&waiting.next(by(7, Some(10)), at(begin, 79)), 7));
        assert!(beside(&waiting.next(by(7, Some(10)), at(begin, 80)), "pid 7"));
    }
}
