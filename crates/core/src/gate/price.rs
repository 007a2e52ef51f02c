//! Prices: the median of the fresh sources, without those that are too far from it. Too few that are fresh, or too few that agree:
//! then there is only the last known price, and that opens nothing.

use crate::gate::fact::{FactError, What};
use crate::gate::policy::{GatePolicy, InstrumentPolicy, MAX_SOURCES};
use crate::gate::time::GateTime;
use core::cmp::Ordering;
use core::time::Duration;
use failstop_amount::compare_share;

/// How far a source's time may be ahead of ours.
pub const MAX_AHEAD: Duration = Duration::from_secs(60);

/// How old the last known price of what is merely held may be, when losses and total leverage are judged.
pub const MARK_MAX_AGE: Duration = Duration::from_secs(300);

/// What one source said last, and how it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Source {
    price: Option<u128>,
    /// When a price came whose time had moved on.
    moved: GateTime,
    time: Option<GateTime>,
    taken: u64,
    refused: u64,
}

/// The prices of one instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    sources: Vec<Source>,
    required: usize,
    /// The last price on which enough fresh sources agreed.
    last: Option<(u128, GateTime)>,
}

/// What can be said of a price now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Enough fresh sources agree.
    Fresh(u128),
    /// They do not; the last known price, where there is one.
    Stale { last: Option<u128>, why: Unfresh },
}

/// Why a price is not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfresh {
    /// Too few sources said something lately.
    Silent,
    /// Enough did, but too few agree.
    Apart,
}

impl Reference {
    /// The price, fresh or not.
    pub fn known(self) -> Option<u128> {
        match self {
            Self::Fresh(price) => Some(price),
            Self::Stale { last, .. } => last,
        }
    }
}

/// What one source is like, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// What it said last, in units of the instrument's price.
    pub price: Option<u128>,
    /// How old that is; `None` where it never said anything.
    pub age: Option<Duration>,
    /// How it stands.
    pub state: SourceState,
    /// How many prices were taken.
    pub taken: u64,
    /// How many were refused: crossed, malformed, from before, from the future.
    pub refused: u64,
}

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceState {
    /// It never said anything.
    Silent,
    /// What it said is too old.
    Stale,
    /// It is too far from the median of the fresh ones.
    Outlier,
    /// It is fresh and agrees.
    Good,
}

/// What the price of one instrument is like, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHealth {
    /// The instrument.
    pub instrument: String,
    /// The price, in its units; the last known one where it is not fresh.
    pub price: Option<u128>,
    /// Whether enough fresh sources agree on it.
    pub fresh: bool,
    /// How many must.
    pub required: usize,
    /// Each source.
    pub sources: Vec<SourceView>,
}

impl Feed {
    pub fn of(instrument: &InstrumentPolicy) -> Self {
        Self { sources: vec![Source::default(); instrument.sources.len()], required: instrument.required, last: None }
    }

    /// So many sources must agree from here on.
    pub fn require(&mut self, instrument: &InstrumentPolicy) {
        self.required = instrument.required;
    }

    #[cfg(test)]
    pub fn required(&self) -> usize {
        self.required
    }

    /// A source says a price.
    pub fn take(
        &mut self,
        at: GateTime,
        source: usize,
        price: Result<u128, FactError>,
        time: Option<GateTime>,
        policy: &GatePolicy,
    ) -> Result<(), FactError> {
        let source = self.sources.get_mut(source).ok_or(FactError::Unknown(What::Source))?;
        let timely = match (source.time, time) {
            (Some(before), Some(time)) if time < before => Err(FactError::TimeWentBack),
            (_, Some(time)) if time.since(at) > MAX_AHEAD => Err(FactError::TimeAhead),
            _ => Ok(()),
        };
        let price = match price.and_then(|price| timely.map(|()| price)) {
            Ok(price) => price,
            Err(error) => {
                source.refused = source.refused.saturating_add(1);
                return Err(error);
            }
        };
        // The same time again is the same moment again: a feed that repeats it forever grows old.
        if time.is_none() || time > source.time {
            source.moved = at;
        }
        source.time = time.or(source.time);
        source.price = Some(price);
        source.taken = source.taken.saturating_add(1);
        if let Reference::Fresh(price) = self.reference(at, policy) {
            self.last = Some((price, at));
        }
        Ok(())
    }

    /// What can be said of the price now.
    pub fn reference(&self, at: GateTime, policy: &GatePolicy) -> Reference {
        let mut fresh = [0u128; MAX_SOURCES];
        let mut count = 0;
        for source in &self.sources {
            if let (Some(price), Some(place)) = (source.fresh(at, policy), fresh.get_mut(count)) {
                *place = price;
                count += 1;
            }
        }
        let fresh = fresh.get_mut(..count).unwrap_or_default();
        let stale = |why| Reference::Stale { last: self.last.map(|(price, _)| price), why };
        if count < self.required {
            return stale(Unfresh::Silent);
        }
        fresh.sort_unstable();
        let Some(middle) = median(fresh) else { return stale(Unfresh::Silent) };
        // Sorted, those that agree stand together.
        let begin = fresh.partition_point(|price| *price < middle && !agrees(*price, middle, policy));
        let end = fresh.partition_point(|price| *price <= middle || agrees(*price, middle, policy));
        let agreeing = fresh.get(begin..end).unwrap_or_default();
        match median(agreeing) {
            Some(price) if agreeing.len() >= self.required => Reference::Fresh(price),
            Some(_) | None => stale(Unfresh::Apart),
        }
    }

    /// The last price on which enough sources agreed, if it is not too old for what is merely held.
    pub fn mark(&self, at: GateTime) -> Option<u128> {
        self.last.filter(|(_, seen)| at.since(*seen) <= MARK_MAX_AGE).map(|(price, _)| price)
    }

    /// The last known price, however old.
    pub fn last(&self) -> Option<u128> {
        self.last.map(|(price, _)| price)
    }

    pub fn health(&self, at: GateTime, instrument: &InstrumentPolicy, policy: &GatePolicy) -> FeedHealth {
        let mut fresh: Vec<u128> = self.sources.iter().filter_map(|source| source.fresh(at, policy)).collect();
        fresh.sort_unstable();
        let middle = median(&fresh);
        let view = |(source, name): (&Source, &String)| {
            let state = match (source.price, source.fresh(at, policy), middle) {
                (None, _, _) => SourceState::Silent,
                (Some(_), None, _) => SourceState::Stale,
                (Some(_), Some(price), Some(middle)) if !agrees(price, middle, policy) => SourceState::Outlier,
                (Some(_), Some(_), _) => SourceState::Good,
            };
            SourceView {
                name: name.clone(),
                price: source.price,
                age: source.price.map(|_| at.since(source.moved)),
                state,
                taken: source.taken,
                refused: source.refused,
            }
        };
        let reference = self.reference(at, policy);
        FeedHealth {
            instrument: instrument.name.clone(),
            price: reference.known(),
            fresh: matches!(reference, Reference::Fresh(_)),
            required: self.required,
            sources: self.sources.iter().zip(&instrument.sources).map(view).collect(),
        }
    }
}

impl Source {
    fn fresh(&self, at: GateTime, policy: &GatePolicy) -> Option<u128> {
        self.price.filter(|_| at.since(self.moved) <= policy.price_max_age)
    }
}

/// The middle one of sorted prices; of two in the middle their mean, rounded up.
fn median(sorted: &[u128]) -> Option<u128> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(middle(lower, upper))
}

/// The mean of two prices, rounded up.
pub(crate) fn middle(lower: u128, upper: u128) -> u128 {
    lower + (upper - lower).div_ceil(2)
}

fn agrees(price: u128, middle: u128, policy: &GatePolicy) -> bool {
    let apart = price.abs_diff(middle);
    compare_share(apart, middle, policy.price_deviation, crate::gate::limit::SHARE_ONE) != Ordering::Greater
}
