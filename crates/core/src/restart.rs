//! When a component is started again: restart policy, delays with jitter, start limit.

use crate::component::{MAX_STARTS_KEPT, Next};
use crate::dependency::SpentLimit;
use crate::hindrance::Hindrance;
use crate::machine::Core;
use crate::policy::{ComponentPolicy, RestartPolicy};
use crate::record::AfterExit;
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;

/// An end of a component.
pub(crate) struct End<'a> {
    /// Whether somebody wanted it.
    pub requested: bool,
    /// Whether it counts as a failure, as recorded.
    pub failure: bool,
    /// Whether its program ran at all.
    pub ran: bool,
    /// What was seen, for people.
    pub evidence: &'a str,
}

/// An exit this soon after readiness, while a needed dependency does not answer, is the dependency's fault.
const BLAMED_ON_DEPENDENCY: Duration = Duration::from_secs(10);

impl Core {
    /// Decides what follows an exit, and counts it.
    pub(crate) fn decide_after_exit(&mut self, turn: &mut Turn<'_>, index: usize, end: &End<'_>) -> (Next, AfterExit) {
        let soon = self.ends_early(turn.now, index);
        let blamed = soon && self.is_excused(index);
        let hindrance = self.hindrance(index);
        let jitter_key = self.jitter_key(index);
        let window = self.maintenance().map(|window| window.until.since(turn.now));
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return (Next::Spent, AfterExit::Stay);
        };
        if end.requested {
            // Somebody wanted this end: its start counts towards nothing.
            component.starts.pop_back();
            component.after_failure = false;
            let after = match hindrance {
                None => AfterExit::RestartNow,
                Some(Hindrance::NotAllowed) => AfterExit::NotAllowed,
                Some(Hindrance::DependencyDown) => AfterExit::Dependency,
                Some(Hindrance::EngineStarting | Hindrance::EngineStopping | Hindrance::Held | Hindrance::Failed) => {
                    AfterExit::Stay
                }
            };
            return (Next::Down, after);
        }
        let again = match policy.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => end.failure,
            RestartPolicy::Never => false,
        };
        if !again {
            return (Next::Spent, AfterExit::Stay);
        }
        component.after_failure = true;
        if component.ready_since.is_some_and(|since| turn.now.since(since) >= policy.backoff_reset_after) {
            component.in_a_row = 0;
        }
        let in_a_row = component.in_a_row;
        component.in_a_row = in_a_row.saturating_add(1);
        let mut spent = None;
        if blamed {
            component.starts.pop_back();
        } else {
            while component.starts.front().is_some_and(|at| turn.now.since(*at) >= policy.start_limit_within) {
                component.starts.pop_front();
            }
            let limit = usize::try_from(policy.start_limit).unwrap_or(MAX_STARTS_KEPT).clamp(1, MAX_STARTS_KEPT);
            if component.starts.len() >= limit {
                let evidence = limit_spent(policy, end.evidence);
                spent = Some(SpentLimit { evidence, delay: delay(policy, in_a_row, jitter_key) });
            }
        }
        // One that never ran says nothing about what it would have needed.
        if !blamed && soon && end.ran {
            let started = component.started.unwrap_or(turn.now);
            let asked = self.ended_early(turn, index, started, spent.clone());
            if let (Some(until), Some(_)) = (asked, &spent) {
                return (Next::At(until), AfterExit::Asking);
            }
        }
        if spent.is_some() {
            return (Next::Down, AfterExit::StartLimit);
        }
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return (Next::Spent, AfterExit::Stay);
        };
        let hangs = std::mem::take(&mut component.hangs);
        // While a needed dependency is down even the first restart waits. One that hangs is replaced at once.
        let doublings = match (blamed, hangs) {
            (true, _) => Some(in_a_row),
            (false, true) => None,
            (false, false) => in_a_row.checked_sub(1),
        };
        let delay = doublings.map_or(Duration::ZERO, |doublings| delay(policy, doublings, jitter_key));
        let due = turn.now.plus(delay);
        let after = match hindrance {
            Some(Hindrance::NotAllowed) => AfterExit::NotAllowed,
            Some(Hindrance::DependencyDown) => AfterExit::Dependency,
            Some(Hindrance::EngineStarting | Hindrance::EngineStopping | Hindrance::Held | Hindrance::Failed) => {
                AfterExit::Stay
            }
            None => match window {
                Some(left) => AfterExit::AfterMaintenanceMs(milliseconds(left.max(delay))),
                None if delay.is_zero() => AfterExit::RestartNow,
                None => AfterExit::RestartAfterMs(milliseconds(delay)),
            },
        };
        (Next::At(due), after)
    }

    /// Whether an exit now comes before readiness or soon after it: as one does whose dependency is down.
    fn ends_early(&self, now: Monotonic, index: usize) -> bool {
        let ready_since = self.components.get(index).and_then(|component| component.ready_since);
        ready_since.is_none_or(|since| now.since(since) <= BLAMED_ON_DEPENDENCY)
    }

    fn jitter_key(&self, index: usize) -> u64 {
        let count = self.components.get(index).map_or(0, |component| component.instance.0);
        let slot = u64::try_from(index).unwrap_or(0);
        splitmix(splitmix(splitmix(self.policy.jitter_seed ^ self.recorded.epoch.0) ^ slot) ^ count)
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The evidence of a spent start limit.
pub(crate) fn limit_spent(policy: &ComponentPolicy, evidence: &str) -> String {
    format!("{} starts within {}, then {evidence}", policy.start_limit, crate::turn::span(policy.start_limit_within))
}

/// `backoff_initial` doubled `doublings` times, within 20 % by the jitter key, never above `backoff_max`.
pub(crate) fn delay(policy: &ComponentPolicy, doublings: u32, jitter_key: u64) -> Duration {
    let factor = 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX);
    let base = policy.backoff_initial.saturating_mul(factor).min(policy.backoff_max);
    let thousandths = 800 + u128::from(jitter_key % 401);
    let nanos = base.as_nanos() * thousandths / 1000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(policy.backoff_max)
}

/// The finaliser of SplitMix64: spreads a counter over all bits.
pub(crate) fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
