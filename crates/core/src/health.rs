//! The health verdict: a pure function of what was seen. Unhealthy is what a rule says; the number is the lowest of
//! what is required.

use crate::component::{Component, Phase, Queue};
use crate::halt::{Cause, Halt, Scope, Trigger};
use crate::id::Slot;
use crate::input::QueueState;
use crate::ledger::Grievance;
use crate::left_out::LeftOut;
use crate::machine::Core;
use crate::policy::Policy;
use crate::record::{HealthStatus, Record};
use crate::time::Monotonic;
use crate::turn::{NAME_MAX_BYTES, TEXT_MAX_BYTES, Turn, clip, span};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// The most feeds that are judged; later names are refused and held against health.
pub const MAX_FEEDS: usize = 64;
/// The most parts that are kept over all components; later names are refused and held against health.
pub const MAX_PARTS: usize = 256;
/// The most figures beyond a critical threshold that are named.
pub const MAX_CROSSED: usize = 64;
/// The most errors counted within a minute; a threshold above this is judged as this.
pub const MAX_ERRORS_COUNTED: usize = 1024;
/// The span over which errors are counted.
const ERRORS_WITHIN: Duration = Duration::from_secs(60);
/// `health.changed` is written once a new verdict has lasted this long, but at once when it becomes critical. So the
/// short while of a restart says nothing, and a flapping part cannot flood the journal.
const RECORD_AFTER: Duration = Duration::from_secs(1);
/// Overall health at or below this many thousandths is degraded.
pub(crate) const DEGRADED_AT: u16 = 500;

/// A market-data feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Feed {
    /// The component that sent it last.
    pub owner: Option<usize>,
    /// When fresh data last arrived.
    pub last: Option<Monotonic>,
    /// From when its age counts: arrival, or readiness after failstop kept its component stopped.
    pub base: Monotonic,
}

/// Which rules say unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    pub market_data: bool,
    pub journal: bool,
    pub errors: bool,
    pub queue: bool,
}

impl Rules {
    pub fn any(self) -> bool {
        self.market_data || self.journal || self.errors || self.queue
    }
}

/// The verdict without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Verdict {
    pub rules: Rules,
    pub overall: u16,
}

impl Verdict {
    pub fn status(self) -> HealthStatus {
        if self.rules.any() {
            HealthStatus::Critical
        } else if self.overall <= DEGRADED_AT {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        }
    }
}

/// Something that was so old when it was told of: perhaps from before the machine was started, where our time does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Aged {
    /// When it was told of.
    pub told: Monotonic,
    /// How old it was then.
    pub age: Duration,
}

impl Aged {
    /// Its age now.
    pub fn age(self, now: Monotonic) -> Duration {
        now.since(self.told).saturating_add(self.age)
    }

    /// When it is as old as that; the time of its telling, where it was older then.
    pub fn reaches(self, age: Duration) -> Monotonic {
        self.told.plus(age.saturating_sub(self.age))
    }
}

/// What health is judged by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    pub feeds: BTreeMap<String, Feed>,
    /// Times of reported errors within the last minute, oldest first.
    pub errors: VecDeque<Monotonic>,
    /// Health of parts by component and name.
    pub parts: BTreeMap<(usize, String), u16>,
    /// What is reported beyond the most feeds and parts.
    pub left_out: LeftOut,
    /// Figures beyond a critical threshold, in words.
    pub crossed: Vec<String>,
    pub last_journal_write: Option<Monotonic>,
    /// From when the journal's silence counts.
    pub journal_base: Monotonic,
    pub last_snapshot: Option<Aged>,
    pub verdict: Verdict,
    /// Since when a rule says unhealthy, without a break.
    pub unhealthy_since: Option<Monotonic>,
    /// The status and rules that were recorded last; healthy at the start.
    pub recorded: (HealthStatus, Rules),
    /// Since when the verdict differs from that.
    pub differs_since: Option<Monotonic>,
    /// When the verdict is recomputed at the latest.
    pub recompute_at: Monotonic,
    /// When the clocks were seen to disagree, until that halt is cleared.
    pub clock_jumped: Option<Monotonic>,
}

impl Watch {
    pub fn new(policy: &Policy) -> Self {
        let feeds = policy.health.feeds.iter().take(MAX_FEEDS).map(|name| (name.clone(), Feed::default()));
        Self {
            feeds: feeds.collect(),
            errors: VecDeque::new(),
            parts: BTreeMap::new(),
            left_out: LeftOut::default(),
            crossed: Vec::new(),
            last_journal_write: None,
            journal_base: Monotonic::default(),
            last_snapshot: None,
            verdict: Verdict { rules: Rules::default(), overall: 1000 },
            unhealthy_since: None,
            recorded: (HealthStatus::Healthy, Rules::default()),
            differs_since: None,
            recompute_at: Monotonic::default(),
            clock_jumped: None,
        }
    }

    /// The ages of what this component delivers count anew from now.
    pub fn ages_anew(&mut self, now: Monotonic, index: usize) {
        for feed in self.feeds.values_mut() {
            if feed.owner.is_none_or(|owner| owner == index) {
                feed.base = now;
            }
        }
    }

    /// All ages count anew from now.
    pub fn all_ages_anew(&mut self, now: Monotonic) {
        for feed in self.feeds.values_mut() {
            feed.base = now;
        }
        self.journal_base = now;
    }

    pub fn forget_parts(&mut self, index: usize) {
        self.left_out.forget(index);
        self.parts.retain(|(owner, _), _| *owner != index);
    }

    /// Whether a feed of this component is older than health allows.
    pub fn owns_stale_feed(&self, policy: &Policy, now: Monotonic, index: usize) -> bool {
        self.feeds
            .values()
            .any(|feed| feed.owner == Some(index) && now >= feed.base.plus(policy.health.market_data_max_age))
    }

    fn errors_within_a_minute(&self, now: Monotonic) -> usize {
        self.errors.len() - self.errors.partition_point(|at| now >= at.plus(ERRORS_WITHIN))
    }
}

impl Core {
    /// Whether a feed is judged: not while failstop itself keeps stopped whoever delivers it.
    fn is_judged(&self, feed: &Feed) -> bool {
        match feed.owner {
            Some(owner) => self.components.get(owner).is_some_and(|component| !component.kept_stopped),
            None => self.components.is_empty() || self.components.iter().any(|component| !component.kept_stopped),
        }
    }

    /// The first judged feed older than `max_age`, with its age.
    pub(crate) fn stale_feed(&self, now: Monotonic, max_age: Duration) -> Option<(&str, Duration)> {
        self.feeds_judged()
            .find(|(_, feed)| now >= feed.base.plus(max_age))
            .map(|(name, feed)| (name.as_str(), now.since(feed.base)))
    }

    pub(crate) fn feeds_judged(&self) -> impl Iterator<Item = (&String, &Feed)> {
        self.watch.feeds.iter().filter(|(_, feed)| self.is_judged(feed))
    }

    pub(crate) fn is_queue_stalled(&self, now: Monotonic, queue: &Queue) -> bool {
        match queue.state {
            QueueState::Stalled => true,
            QueueState::Idle | QueueState::Processing => {
                queue.depth > 0 && now >= queue.progress.plus(self.policy.health.queue_stalled_after)
            }
        }
    }

    fn error_limit(&self) -> usize {
        usize::try_from(self.policy.health.errors_per_minute).unwrap_or(MAX_ERRORS_COUNTED).min(MAX_ERRORS_COUNTED - 1)
    }

    /// The verdict at `now`: pure.
    pub(crate) fn judge(&self, now: Monotonic) -> Verdict {
        let rules = Rules {
            market_data: self.stale_feed(now, self.policy.health.market_data_max_age).is_some(),
            journal: self.life.epoch.is_some()
                && now >= self.watch.journal_base.plus(self.policy.health.journal_max_age),
            errors: self.watch.errors_within_a_minute(now) > self.error_limit(),
            queue: self
                .components
                .iter()
                .any(|component| component.queue.is_some_and(|queue| self.is_queue_stalled(now, &queue))),
        };
        let mut overall = 1000;
        for (index, policy) in self.policy.components.iter().enumerate() {
            if policy.essential {
                overall = overall.min(self.component_health(index));
            }
        }
        for ((index, _), health) in &self.watch.parts {
            if self.policy.components.get(*index).is_some_and(|policy| policy.essential) {
                overall = overall.min(*health);
            }
        }
        let overall = self.watch.left_out.cap(&self.policy).map_or(overall, |cap| overall.min(cap));
        let overall = if self.watch.crossed.is_empty() { overall } else { overall.min(DEGRADED_AT) };
        Verdict { rules, overall: if rules.any() { 0 } else { overall } }
    }

    /// A component's own number: 1 ready (or stopped on purpose, which the permission tells of), 0.5 on its way or held back by a
    /// halt of its own that waits for an operator, 0 failed.
    pub(crate) fn component_health(&self, index: usize) -> u16 {
        let held = if self.own_latch(index).is_some() { 500 } else { 1000 };
        held.min(self.health_of_phase(index))
    }

    /// The halt that holds this component alone back until an operator releases it.
    fn own_latch(&self, index: usize) -> Option<&Halt> {
        let policy = self.policy.components.get(index)?;
        self.recorded.halts.values().find(|halt| {
            halt.latched && halt.scope == Scope::Component && halt.component.as_ref() == Some(&policy.name)
        })
    }

    fn health_of_phase(&self, index: usize) -> u16 {
        let (Some(component), Some(policy)) = (self.components.get(index), self.policy.components.get(index)) else {
            return 0;
        };
        match component.phase {
            Phase::Ready => 1000,
            Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::Killing { .. }
            | Phase::Leaving { .. }
            | Phase::Waiting { .. } => 500,
            Phase::Down if component.spent || self.has_failed(policy) => 0,
            Phase::Down => 1000,
        }
    }

    /// Judges, records a changed verdict, raises `unhealthy` and notes how long it has lasted.
    pub(crate) fn settle_health(&mut self, turn: &mut Turn<'_>) {
        while self.watch.errors.front().is_some_and(|at| turn.now >= at.plus(ERRORS_WITHIN)) {
            self.watch.errors.pop_front();
        }
        let verdict = self.judge(turn.now);
        self.watch.verdict = verdict;
        self.watch.recompute_at = turn.now.plus(self.policy.health.every);
        if verdict.rules.any() {
            self.watch.unhealthy_since.get_or_insert(turn.now);
            if !self.stands(Cause::Unhealthy, None, None) {
                let evidence = self.reasons(turn.now).join("; ");
                self.raise(turn, Grievance::of(Cause::Unhealthy, evidence));
            }
        } else {
            self.watch.unhealthy_since = None;
        }
        self.record_verdict(turn);
    }

    fn record_verdict(&mut self, turn: &mut Turn<'_>) {
        let verdict = self.watch.verdict;
        let status = verdict.status();
        // `engine.stopped` is the last word: what stands still is neither well nor ill.
        if self.life.stopped.is_some() || self.watch.recorded == (status, verdict.rules) {
            self.watch.differs_since = None;
            return;
        }
        let since = *self.watch.differs_since.get_or_insert(turn.now);
        if status == HealthStatus::Critical || turn.now >= since.plus(RECORD_AFTER) {
            self.watch.recorded = (status, verdict.rules);
            self.watch.differs_since = None;
            let reasons = self.reasons(turn.now);
            self.record(turn, Record::HealthChanged { status, overall: verdict.overall, reasons });
        }
    }

    /// When a held-back `health.changed` is due.
    pub(crate) fn verdict_record_due(&self) -> Option<Monotonic> {
        self.watch.differs_since.map(|since| since.plus(RECORD_AFTER))
    }

    /// Every reason that keeps the verdict from healthy, for people.
    pub(crate) fn reasons(&self, now: Monotonic) -> Vec<String> {
        let mut reasons = Vec::new();
        let policy = &self.policy.health;
        for (name, feed) in self.feeds_judged() {
            if now >= feed.base.plus(policy.market_data_max_age) {
                let age = span(now.since(feed.base));
                reasons.push(format!(
                    "market data of feed {name} is {age} old (limit {})",
                    span(policy.market_data_max_age)
                ));
            }
        }
        if self.life.epoch.is_some() && now >= self.watch.journal_base.plus(policy.journal_max_age) {
            reasons.push(format!("the journal was last written {} ago", span(now.since(self.watch.journal_base))));
        }
        let errors = self.watch.errors_within_a_minute(now);
        if errors > self.error_limit() {
            reasons.push(format!("{errors} errors within a minute (limit {})", policy.errors_per_minute));
        }
        for (index, (component, component_policy)) in self.components.iter().zip(&self.policy.components).enumerate() {
            let name = &component_policy.name.0;
            if component.queue.is_some_and(|queue| self.is_queue_stalled(now, &queue)) {
                reasons.push(format!("the execution queue of {name} is stalled"));
            }
            if component_policy.essential && self.component_health(index) <= DEGRADED_AT {
                reasons.push(match self.own_latch(index) {
                    Some(halt) => format!(
                        "component {name} is held back by {} (h-{}) until somebody resumes it",
                        halt.cause.name(),
                        halt.id.0
                    ),
                    None if self.waits_for_window(component) => {
                        format!("component {name} is not started again before maintenance ends")
                    }
                    None => format!("component {name} is {}", describe(component)),
                });
            }
        }
        for ((index, part), health) in &self.watch.parts {
            let Some(component) = self.policy.components.get(*index) else { continue };
            if component.essential && *health <= DEGRADED_AT {
                let percent = health / 10;
                reasons.push(format!("part {part} of {} reports {percent} % health", component.name.0));
            }
        }
        reasons.extend(self.watch.left_out.reasons(&self.policy));
        reasons.extend(self.watch.crossed.iter().cloned());
        reasons
    }

    pub(crate) fn errors_per_minute(&self, now: Monotonic) -> u32 {
        u32::try_from(self.watch.errors_within_a_minute(now)).unwrap_or(u32::MAX)
    }

    /// When passing time alone may change the verdict next.
    pub(crate) fn verdict_due(&self, now: Monotonic, add: &mut impl FnMut(Monotonic)) {
        let policy = &self.policy.health;
        for (_, feed) in self.feeds_judged() {
            let at = feed.base.plus(policy.market_data_max_age);
            if now < at {
                add(at);
            }
        }
        let at = self.watch.journal_base.plus(policy.journal_max_age);
        if now < at {
            add(at);
        }
        if self.watch.verdict.rules.errors
            && let Some(first) = self.watch.errors.front()
        {
            add(first.plus(ERRORS_WITHIN));
        }
        for component in &self.components {
            if let Some(queue) = component.queue
                && queue.depth > 0
            {
                let at = queue.progress.plus(policy.queue_stalled_after);
                if now < at {
                    add(at);
                }
            }
        }
        add(self.watch.recompute_at);
    }

    pub(crate) fn crossed(&mut self, crossed: Vec<String>) {
        self.watch.crossed = crossed.into_iter().take(MAX_CROSSED).map(|words| clip(words, TEXT_MAX_BYTES)).collect();
        self.dirty = true;
    }

    pub(crate) fn ticked(&mut self, turn: &Turn<'_>, index: usize, name: String, fresh: bool) {
        let name = clip(name, NAME_MAX_BYTES);
        if let Some(feed) = self.watch.feeds.get_mut(&name) {
            if fresh {
                if feed.owner != Some(index) {
                    feed.owner = Some(index);
                    self.dirty = true;
                }
                feed.last = Some(turn.now);
                feed.base = turn.now;
                if self.watch.verdict.rules.market_data {
                    self.dirty = true;
                }
            }
        } else if self.watch.feeds.len() < MAX_FEEDS {
            let last = fresh.then_some(turn.now);
            self.watch.feeds.insert(name, Feed { owner: Some(index), last, base: turn.now });
            self.dirty = true;
        } else {
            self.dirty |= self.watch.left_out.feed(index, name);
        }
    }

    pub(crate) fn queue_reported(&mut self, turn: &Turn<'_>, index: usize, state: QueueState, depth: u64) {
        let Some(component) = self.components.get_mut(index) else { return };
        let before = component.queue;
        let moved = depth == 0 || before.is_none_or(|queue| queue.depth == 0 || depth < queue.depth);
        let progress = match before {
            Some(queue) if !moved => queue.progress,
            Some(_) | None => turn.now,
        };
        component.queue = Some(Queue { state, depth, progress });
        self.dirty = true;
    }

    pub(crate) fn error_reported(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        severity: u8,
        fatal: bool,
        message: String,
    ) {
        if self.watch.errors.len() >= MAX_ERRORS_COUNTED {
            self.watch.errors.pop_front();
        }
        self.watch.errors.push_back(turn.now);
        self.dirty = true;
        if fatal || severity >= 5 {
            let name = Slot::component(index).and_then(|slot| self.name_of(slot)).map_or("", |name| name.0.as_str());
            let evidence = clip(format!("component {name} reports an unrecoverable error: {message}"), TEXT_MAX_BYTES);
            if let Some(component) = self.components.get_mut(index) {
                component.fatal = Some(component.instance);
            }
            self.trip(turn, Trigger::BotFatal, evidence);
        }
    }

    pub(crate) fn part_reported(&mut self, index: usize, name: String, health: u16, critical: bool) {
        let key = (index, clip(name, NAME_MAX_BYTES));
        let health = if critical { 0 } else { health.min(1000) };
        let known = self.watch.parts.contains_key(&key);
        if known || self.watch.parts.len() < MAX_PARTS {
            self.watch.parts.insert(key, health);
            self.dirty = true;
        } else {
            self.dirty |= self.watch.left_out.part(index, key.1, health);
        }
    }

    pub(crate) fn part_gone(&mut self, index: usize, name: String) {
        let key = (index, clip(name, NAME_MAX_BYTES));
        let kept = self.watch.parts.remove(&key).is_some();
        self.dirty |= kept || self.watch.left_out.part_gone(index, &key.1);
    }
}

fn describe(component: &Component) -> &'static str {
    match component.phase {
        Phase::Ready => "ready",
        Phase::Starting { .. } => "not ready yet",
        Phase::Stopping { .. } | Phase::Leaving { .. } => "stopping",
        Phase::Killing { .. } => "being killed",
        Phase::Waiting { .. } => "waiting for its next start",
        Phase::Down => "down",
    }
}
