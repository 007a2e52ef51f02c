//! What is decided while nobody says what all hosts together have used: nothing, or by a share of each limit that is this host's own.
//! Never everything.

use super::question::{Refused, holders};
use core::fmt;
use failstop_core::gate::{Cost, Limit, RATE_LIMITS, RateBounds, SHARE_ONE};

/// What is decided without word from Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing is opened.
    Refuse,
    /// What this host counted itself, with the question, may come to this share of each limit, in millionths.
    Local {
        /// Above zero and at most 1 000 000. The shares of all hosts together should be at most that.
        share: u32,
    },
}

impl Fallback {
    /// The decision over something that costs so much: which rates are used up, or `None`: none is made.
    pub(super) fn judge(self, cost: &Cost, bounds: &RateBounds) -> Option<Vec<Refused>> {
        let Self::Local { share } = self else { return None };
        let mut refused = Vec::new();
        for (scope, bounds) in holders(bounds) {
            for (rate, bound) in RATE_LIMITS.into_iter().zip(bounds) {
                let cost = cost.of(rate);
                if let Limit::Set(limit) = bound.limit
                    && cost > 0
                    && bound.used.saturating_add(cost) > share_of(limit, share)
                {
                    refused.push((rate, scope));
                }
            }
        }
        Some(refused)
    }
}

/// A share of a limit, rounded down.
fn share_of(limit: u128, share: u32) -> u128 {
    let share = u128::from(share).min(SHARE_ONE);
    // In two parts, since the limit may be near the end of numbers.
    (limit / SHARE_ONE) * share + (limit % SHARE_ONE) * share / SHARE_ONE
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Local { share } => write!(f, "local, {}.{:04} % of each limit", share / 10_000, share % 10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::gate::{LimitName, RATE_COUNT, RateBound, Scope};

    #[test]
    fn a_share_is_what_a_host_may_use_alone_and_never_more() {
        let judge = |fallback: Fallback, used, limit, cost| {
            let waived = [RateBound { limit: Limit::Waived, used }; RATE_COUNT];
            let mut system = waived;
            system[0].limit = limit;
            let cost = Cost { openings: cost, ..Cost::default() };
            fallback.judge(&cost, &RateBounds { system, user: Some(waived) })
        };
        let refused = vec![(LimitName::OpeningsPerMinute, Scope::System)];
        let half = Fallback::Local { share: 500_000 };
        assert_eq!(judge(half, 1, Limit::Set(5), 1), Some(vec![]));
        assert_eq!(judge(half, 2, Limit::Set(5), 1), Some(refused.clone()), "half of five is two");
        assert_eq!(judge(half, 0, Limit::Set(1), 1), Some(refused), "half of one is nothing");
        assert_eq!(judge(half, 9, Limit::Set(1), 0), Some(vec![]), "what costs nothing needs nothing");
        assert_eq!(judge(half, 9, Limit::Waived, 1), Some(vec![]));
        assert_eq!(judge(Fallback::Refuse, 0, Limit::Waived, 0), None);
    }

    #[test]
    fn shares_of_the_largest_limits_are_exact() {
        assert_eq!(share_of(u128::MAX, 1_000_000), u128::MAX);
        assert_eq!(share_of(u128::MAX, 500_000), u128::MAX / 2);
        assert_eq!(share_of(1_999_999, 500_000), 999_999);
        assert_eq!(share_of(10, 2_000_000), 10, "no share is more than the whole");
    }
}
