//! The gate: the decision over one order before it is sent, with every reason of a refusal.
//!
//! Pure like the core, and beside it: the permission comes in as a fact ([`Rights`]), since `Core` owns it. Money is counted in whole
//! units, never in binary fractions; whatever does not fit refuses. What is meant by each limit, with formulas and units, stands in
//! `docs/gate.md`.
//!
//! A host calls [`Gate::decide`] for an order, puts [`Decision::record`] into the journal and answers; it tells the gate everything
//! else by [`Gate::take`] and puts the records that come of it into the journal, too. After a restart it gives the records back by
//! [`Gate::replay`] and calls [`Gate::start`]: then positions, open orders, losses, rates, duplicates and overrides are as before.

mod ask;
mod book;
mod configure;
mod confirmation;
mod count;
mod fact;
mod holding;
mod index;
mod limit;
mod lines;
mod memory;
mod open;
mod order;
mod overrides;
mod policy;
mod price;
mod rates;
mod recent;
mod record;
mod refusal;
mod replay;
mod rule;
mod score;
mod seen;
mod setup;
mod shared;
mod take;
mod time;
mod users;
mod valuation;
mod window;

pub use ask::{HeldView, OpenView};
pub use confirmation::{AwaitingView, MAX_CONFIRMATIONS};
pub use count::GateCounts;
pub use fact::{Fact, FactError, Fill, GateTicket, GivenBack, MAX_OVERRIDE, Quoted, Taken, TradeCounted, What};
pub use limit::{COUNT_SCALE, Limit, LimitName, Limits, SHARE_ONE, SHARE_SCALE, Scope, TIMES_ONE, TIMES_SCALE, Unit};
pub use memory::{CLIENT_IDS, CLOSED_ORDERS, FILL_IDS, GateMemory};
pub use open::MAX_OPEN_ORDERS;
pub use order::{Kind, NAME_MAX, Order, Side};
pub use overrides::{MAX_OVERRIDES, OverrideView};
pub use policy::{
    ComponentRules, Contract, GatePolicy, InstrumentPolicy, MAX_ACCOUNTS, MAX_INSTRUMENTS, MAX_SOURCES, Margin,
    PolicyError, Quote, SharedRates,
};
pub use price::{FeedHealth, MARK_MAX_AGE, MAX_AHEAD, SourceState, SourceView};
pub use rates::Cost;
pub use recent::{CIRCLE_WITHIN, MAX_DUPLICATE_WINDOW, MAX_RECENT};
pub use record::{Allowed, Bucket, Filled, GateRecord, Mark, OrderText, Outcome, OverrideNote, PositionSeen};
pub use refusal::{Code, Decision, Refusal};
pub use score::{DailyResult, Score};
pub use shared::{RATE_COUNT, RATE_LIMITS, RateBound, RateBounds};
pub use take::{MARKS_OF_DAY, MAX_PENDING, SHARED_WORD_FOR};
pub use time::{GateTime, TradingDay};
pub use users::MAX_USERS;
pub use window::WINDOW_PARTS;

use crate::gate::confirmation::Waiting;
use crate::gate::limit::Scope as LimitScope;
use crate::gate::order::ShortText;
use crate::gate::overrides::Override;
use crate::gate::price::Feed;
use crate::gate::rule::{Counted, View, judge_rates};
use crate::gate::setup::Setup;
use crate::gate::take::{Pending, SharedWord};
use crate::gate::time::GateClock;
use crate::id::Slot;
use crate::permission::Rights;
use crate::time::Monotonic;
use std::collections::VecDeque;

/// The gate. See the module's first lines for the contract.
#[derive(Clone, Debug)]
pub struct Gate {
    setup: Setup,
    clock: GateClock,
    feeds: Vec<Feed>,
    memory: GateMemory,
    waiting: Waiting,
    /// Loosenings whose records are not durable yet.
    pending: Vec<Pending>,
    tickets: u64,
    /// What somebody outside said of the rates of orders to come.
    shared: VecDeque<SharedWord>,
    counts: GateCounts,
    /// Records of the journal that name what is not declared any more.
    left_out: u64,
    /// The last trading day that the journal began, whether or not it could be taken, and how many of those came since.
    left_out_of: (Option<TradingDay>, u64),
}

/// A question to the limiter about something that is no order.
#[derive(Clone, Copy, Debug)]
pub struct RateAsk<'a> {
    /// Who asks; [`Slot::SYSTEM`] where it is no component.
    pub component: Slot,
    /// What is to be used up.
    pub bucket: Bucket,
    /// On whose behalf.
    pub user: Option<&'a str>,
    /// How much of it.
    pub cost: u64,
}

impl Gate {
    /// A gate that has seen nothing and refuses everything until it is started.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] where the policy is impossible.
    pub fn new(policy: GatePolicy) -> Result<Self, PolicyError> {
        let setup = Setup::new(policy)?;
        let feeds = setup.policy.instruments.iter().map(Feed::of).collect();
        let memory = GateMemory::new(&setup);
        Ok(Self {
            setup,
            clock: GateClock::default(),
            feeds,
            memory,
            waiting: Waiting::default(),
            pending: Vec::new(),
            tickets: 0,
            shared: VecDeque::new(),
            counts: GateCounts::default(),
            left_out: 0,
            left_out_of: (None, 0),
        })
    }

    /// Starts it, after the journal was replayed: `wall` is the wall clock at `now`. From here on time follows `now` alone.
    pub fn start(&mut self, now: Monotonic, wall: GateTime) {
        self.clock.start(now, wall);
    }

    /// Decides over one order; every reason of a refusal is in `out`. An allowed order counts from here on, whether it is sent or
    /// not: say [`Outcome::NotSent`] where it is not.
    pub fn decide(&mut self, now: Monotonic, order: &Order<'_>, may: Rights, out: &mut Decision) {
        out.begin();
        let Some(at) = self.clock.at(now) else {
            out.refuse(Code::Starting, LimitScope::System);
            self.counts.order(out);
            return;
        };
        out.at = at;
        let word = self.take_shared(at, order.client_id);
        let counted = self.view(at).judge(order, may, word.as_ref().map(SharedWord::refused), out);
        match counted {
            Some(Counted { placed, reference, volume }) if out.allows() => {
                self.memory.allow(&self.setup, at, &placed, out.reduces, reference, volume);
                self.forget_confirmation(&placed.client);
            }
            Some(counted) => self.await_confirmation(at, order, counted.volume, out),
            None => {}
        }
        self.counts.order(out);
    }

    /// The same answer, with nothing counted and nothing remembered: for whoever wants to know what would happen.
    pub fn consider(&self, now: Monotonic, order: &Order<'_>, may: Rights, out: &mut Decision) {
        out.begin();
        match self.clock.peek(now) {
            Some(at) => {
                out.at = at;
                let word = self.shared.iter().find(|word| word.is_for(at, order.client_id));
                self.view(at).judge(order, may, word.map(SharedWord::refused), out);
            }
            None => out.refuse(Code::Starting, LimitScope::System),
        }
    }

    /// A cancel. It always passes, in any permission, started or not; the gate only counts it.
    pub fn cancel(&mut self) {
        self.counts.cancel();
    }

    /// Asks the limiter about something that is no order. What was allowed is counted, and gives a record.
    pub fn rate(&mut self, now: Monotonic, ask: &RateAsk<'_>, out: &mut Decision) -> Option<GateRecord> {
        out.begin();
        let record = self.rate_record(now, ask, out);
        self.counts.rate(out);
        record
    }

    fn rate_record(&mut self, now: Monotonic, ask: &RateAsk<'_>, out: &mut Decision) -> Option<GateRecord> {
        let Some(at) = self.clock.at(now) else {
            out.refuse(Code::Starting, LimitScope::System);
            return None;
        };
        out.at = at;
        let Ok(component) = self.setup.slot(ask.component) else {
            out.refuse(Code::UnknownComponent, LimitScope::Component);
            return None;
        };
        let user = match ask.user.map(ShortText::of) {
            Some(None) => {
                out.refuse(Code::InvalidUser, LimitScope::User);
                return None;
            }
            Some(user) => user,
            None => None,
        };
        let cost = ask.bucket.costs(ask.cost);
        judge_rates(&self.view(at), component, user.as_ref(), &cost, out);
        if !out.allows() || ask.cost == 0 {
            return None;
        }
        self.memory.counted(at, component, user, &cost);
        let named = component.and_then(|index| self.setup.policy.components.get(usize::from(index)));
        Some(GateRecord::Counted {
            at,
            bucket: ask.bucket,
            component: named.map(|component| component.name.0.clone()),
            user: ask.user.map(str::to_owned),
            cost: ask.cost,
        })
    }

    fn view(&self, at: GateTime) -> View<'_> {
        View { setup: &self.setup, memory: &self.memory, feeds: &self.feeds, at }
    }

    /// What the journal would bring back if every record that was given out were durable.
    pub fn recorded(&self) -> &GateMemory {
        &self.memory
    }

    /// How often was decided what.
    pub fn counts(&self) -> &GateCounts {
        &self.counts
    }

    /// How many records of the journal named what is not declared any more, or did not fit what is. Above zero the host should say
    /// so: something that was held or open is not counted.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many of them are of the journal's last trading day, and which that is: so much of what is used of its limits is unknown.
    pub fn left_out_of_the_day(&self) -> (Option<TradingDay>, u64) {
        self.left_out_of
    }

    /// The policy.
    pub fn policy(&self) -> &GatePolicy {
        &self.setup.policy
    }

    /// The component's name in a slot, for records.
    pub fn component_name(&self, slot: Slot) -> Option<&str> {
        self.setup.policy.components.get(slot.index()?).map(|component| component.name.0.as_str())
    }

    /// How the prices of every instrument stand.
    pub fn feeds(&self, now: Monotonic) -> Vec<FeedHealth> {
        let at = self.clock.look(now);
        let feeds = self.feeds.iter().zip(&self.setup.policy.instruments);
        feeds.map(|(feed, instrument)| feed.health(at, instrument, &self.setup.policy)).collect()
    }

    /// The overrides that stand.
    pub fn overrides(&self, now: Monotonic) -> Vec<OverrideView> {
        let text = |over: &Override| self.limit_text(over);
        self.memory.overrides.views(self.clock.look(now), text)
    }

    /// The orders that wait for somebody's confirmation.
    pub fn awaiting(&self, now: Monotonic) -> impl Iterator<Item = &AwaitingView> {
        self.waiting.iter(self.clock.look(now))
    }

    /// How many orders are open.
    pub fn open_orders(&self) -> usize {
        self.memory.open.len()
    }

    fn await_confirmation(&mut self, at: GateTime, order: &Order<'_>, notional: u128, out: &Decision) {
        // One that would be refused anyway is not worth anybody's time.
        if out.refusals.iter().all(|refusal| refusal.code == Code::ConfirmationRequired) {
            let until = at.plus(self.setup.policy.confirm_within);
            let text = OrderText::of(order, self.component_name(order.component));
            self.waiting.add(text, notional, until);
        }
    }
}
