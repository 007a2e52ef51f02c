//! What somebody who counts rates over several hosts must be told: what an order or a question costs, which limits bind, and what of
//! each this host used by itself.

use crate::gate::Gate;
use crate::gate::limit::{Limit, LimitName};
use crate::gate::order::{Kind, ShortText};
use crate::gate::overrides::{Of, Whose};
use crate::gate::rates::{Cost, RATES, Used};
use crate::gate::record::Bucket;
use crate::gate::refusal::Decision;
use crate::time::Monotonic;

/// How many rates there are.
pub const RATE_COUNT: usize = RATES.len();

/// The rates, in the order of every list of them.
pub const RATE_LIMITS: [LimitName; RATE_COUNT] = {
    let mut limits = [LimitName::OpeningsPerMinute; RATE_COUNT];
    let mut index = 0;
    while index < RATE_COUNT {
        limits[index] = RATES[index].0;
        index += 1;
    }
    limits
};

/// A rate of one holder, as this host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateBound {
    /// Its limit now, overrides included.
    pub limit: Limit,
    /// What this host counted of it by itself, in the limit's unit.
    pub used: u128,
}

/// The rates of everybody together and of one user, in the order of [`RATE_LIMITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateBounds {
    /// Of everybody together.
    pub system: [RateBound; RATE_COUNT],
    /// Of the user, where there is one.
    pub user: Option<[RateBound; RATE_COUNT]>,
}

impl Gate {
    /// The limits that bind now, and what this host used of them. A user whose name is none has none of his own; the gate refuses
    /// his orders anyway.
    pub fn rate_bounds(&self, now: Monotonic, user: Option<&str>) -> RateBounds {
        let view = self.view(self.clock.look(now));
        let bounds = |of: &Whose<'_>, used: Option<&Used>| {
            RATES.map(|(rate, _)| RateBound {
                limit: view.limit(rate, of),
                used: used.map_or(0, |used| used.of(rate, view.at)),
            })
        };
        let user = user.and_then(ShortText::of).map(|name| {
            let known = self.memory.users.find(&name).and_then(|id| self.memory.users.get(id));
            bounds(&Of::User(&name), known.map(|user| &user.used))
        });
        RateBounds { system: bounds(&Of::System, Some(&self.memory.system)), user }
    }
}

impl Decision {
    /// What the order that was decided or considered costs of each rate.
    pub fn cost(&self, kind: Kind) -> Cost {
        Cost::of_order(!self.reduces, self.volume, kind)
    }
}

impl Bucket {
    /// What so much of it costs of each rate.
    pub fn costs(self, cost: u64) -> Cost {
        let cost = u128::from(cost);
        match self {
            Self::Messages => Cost { messages: cost, ..Cost::default() },
            Self::Copies => Cost { copies: cost, ..Cost::default() },
            Self::Openings => Cost { openings: cost, ..Cost::default() },
            Self::Trades => Cost { trades: cost, ..Cost::default() },
        }
    }
}
