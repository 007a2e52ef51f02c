//! How the gate stands, for status, pages and metrics.

use super::desk::Desk;
use crate::price_poller::PollHealth;
use crate::shared_rates::{LineState, SharedHealth};
use failstop_amount::{Amount, Scale};
use failstop_client::gate::{
    AccountResult, ApiUsageEntry, AwaitingEntry, GateStatus, LimitUse, OrdersFared, OverrideEntry, PollEntry,
    PriceFeed, PriceSource, SharedRatesEntry,
};
use failstop_core::Monotonic;
use failstop_core::gate::{
    Code, FeedHealth, GatePolicy, GateTime, Limit, LimitName, Limits, Scope, Score, Side, SourceState, TradingDay,
};
use std::collections::BTreeMap;

/// How many limits of users are shown, those first that come nearest: there may be thousands of users.
const USERS_SHOWN: usize = 50;

/// How the gate stands at `now`; `paper`: by the paper book.
pub fn status(desk: &Desk, now: Monotonic, paper: bool) -> GateStatus {
    let (gate, counts, policy) = (&desk.gate, desk.gate.counts(), desk.gate.policy());
    let refusals = Code::ALL.into_iter().map(|code| (code.code().to_owned(), counts.of(code)));
    GateStatus {
        money: desk.terms.money.clone(),
        trading_day: gate.recorded().day().map(date),
        paper,
        open_orders: u64::try_from(gate.open_orders()).unwrap_or(u64::MAX),
        allowed: counts.allowed(),
        refused: counts.refused(),
        rates_allowed: counts.rates_allowed(),
        rates_refused: counts.rates_refused(),
        refusals: refusals.filter(|(_, count)| *count > 0).collect(),
        left_out: gate.left_out(),
        results: results(desk, now, paper),
        limits: limits(desk, now, paper),
        waived: waived(policy),
        overrides: overrides(desk, now),
        awaiting: awaiting(desk, now),
        feeds: gate.feeds(now).iter().map(|feed| price_feed(policy, feed)).collect(),
        orders: OrdersFared {
            outcomes: desk.performance.counts().map(|(name, count)| (name.to_owned(), count)).collect(),
            success_rate: desk.performance.judged(now).success,
            latency_seconds: desk.performance.median_latency(now).map(|latency| latency.as_secs_f64()),
        },
        api_usage: desk
            .usages
            .iter()
            .map(|(endpoint, usage)| ApiUsageEntry {
                endpoint: endpoint.to_owned(),
                used: usage.used,
                limit: usage.limit,
            })
            .collect(),
        shared_rates: None,
        polls: Vec::new(),
    }
}

/// How rates are shared.
pub fn shared_rates(group: &str, health: &SharedHealth) -> SharedRatesEntry {
    let counts = health.counts;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let seconds = |micros: i64| micros as f64 / 1_000_000.0;
    let off = health.is_clock_off().then(|| "its clock and this host's are more than a minute apart".to_owned());
    SharedRatesEntry {
        group: group.to_owned(),
        state: match health.line {
            LineState::Good => "good",
            LineState::Settling => "settling",
            LineState::Doubted => "doubted",
            LineState::Apart => "apart",
        }
        .to_owned(),
        fault: health.fault.clone().or_else(|| health.file_fault.clone()).or(off),
        owed: u64::try_from(health.owed).unwrap_or(u64::MAX),
        answer_seconds: health.took.map(|took| took.as_secs_f64()),
        clock_ahead_seconds: health.clock_ahead_us.map(seconds),
        asked: counts.asked,
        fitted: counts.fitted,
        refused: counts.refused,
        timed_out: counts.timed_out,
        gone: counts.gone,
        forgotten: counts.forgotten,
        left_out: counts.left_out,
        spilled: counts.spilled,
    }
}

/// How a page fares that is asked for prices.
pub fn poll(health: &PollHealth) -> PollEntry {
    PollEntry {
        source: health.source.clone(),
        instrument: health.instrument.clone(),
        taken: health.taken,
        failed: health.failed,
        failed_in_a_row: health.failed_in_a_row,
        fault: health.fault.clone(),
    }
}

/// Every limit of everybody, of instruments and of components, and those of the users that come nearest to one.
fn limits(desk: &Desk, now: Monotonic, paper: bool) -> Vec<LimitUse> {
    let scores = desk.gate.scores(now, paper);
    let (mut users, others): (Vec<&Score>, Vec<&Score>) = scores.iter().partition(|score| score.scope == Scope::User);
    users.sort_by_key(|score| core::cmp::Reverse(score.thousandths));
    users.truncate(USERS_SHOWN);
    others.into_iter().chain(users).map(|score| limit_use(desk.gate.policy(), score)).collect()
}

fn results(desk: &Desk, now: Monotonic, paper: bool) -> Vec<AccountResult> {
    let money = |units: i128| desk.gate.money(units).to_string();
    desk.gate
        .daily_results(now, paper)
        .into_iter()
        .map(|result| AccountResult {
            account: result.account,
            result: result.result.map(money),
            opening_equity: result.opening.map(money),
            lost: result.lost.map(share),
            reached: result.reached,
        })
        .collect()
}

/// Millionths as a share of one.
fn share(millionths: u128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let share = millionths as f64 / 1_000_000.0;
    share
}

fn limit_use(policy: &GatePolicy, score: &Score) -> LimitUse {
    let shown = |units: u128| shown(score.limit, units, policy);
    LimitUse {
        limit: score.limit.name().to_owned(),
        scope: score.scope.name().to_owned(),
        of: score.of.clone(),
        used: score.used.map(shown),
        value: shown(score.value),
        score: f64::from(score.thousandths) / 1_000.0,
        rate: score.limit.rate_code().is_some(),
    }
}

/// A limit's value in its own unit, as the configuration would have it.
fn shown(limit: LimitName, units: u128, policy: &GatePolicy) -> String {
    let scale = limit.scale(policy.money, Scale::WHOLE);
    i128::try_from(units).map_or_else(|_| units.to_string(), |units| Amount::from_units(units, scale).to_string())
}

fn waived(policy: &GatePolicy) -> BTreeMap<String, u64> {
    let count = |limits: &Limits, scope: Scope| {
        let waived =
            LimitName::ALL.into_iter().filter(|name| name.applies(scope) && limits.get(*name) == Limit::Waived);
        u64::try_from(waived.count()).unwrap_or(u64::MAX)
    };
    [(Scope::System, count(&policy.system, Scope::System)), (Scope::User, count(&policy.user, Scope::User))]
        .into_iter()
        .map(|(scope, count)| (scope.name().to_owned(), count))
        .collect()
}

fn overrides(desk: &Desk, now: Monotonic) -> Vec<OverrideEntry> {
    desk.gate
        .overrides(now)
        .into_iter()
        .map(|over| OverrideEntry {
            name: over.name,
            limit: over.limit.name().to_owned(),
            scope: over.scope.name().to_owned(),
            value: over.text,
            until: time(over.until),
        })
        .collect()
}

fn awaiting(desk: &Desk, now: Monotonic) -> Vec<AwaitingEntry> {
    desk.gate
        .awaiting(now)
        .map(|waiting| AwaitingEntry {
            client_id: waiting.order.client_id.clone(),
            component: waiting.order.component.clone(),
            user: waiting.order.user.clone(),
            account: waiting.order.account.clone(),
            instrument: waiting.order.instrument.clone(),
            side: match waiting.order.side {
                Side::Buy => "buy".to_owned(),
                Side::Sell => "sell".to_owned(),
            },
            quantity: waiting.order.quantity.clone(),
            price: waiting.order.price.clone(),
            worth: desk.gate.money(i128::try_from(waiting.notional).unwrap_or(i128::MAX)).to_string(),
            until: time(waiting.until),
        })
        .collect()
}

fn price_feed(policy: &GatePolicy, feed: &FeedHealth) -> PriceFeed {
    let instrument = policy.instruments.iter().find(|instrument| instrument.name == feed.instrument);
    let scale = instrument.map_or(Scale::WHOLE, |instrument| instrument.price);
    let price = |units: u128| Amount::from_units(i128::try_from(units).unwrap_or(i128::MAX), scale).to_string();
    PriceFeed {
        instrument: feed.instrument.clone(),
        price: feed.price.map(price),
        fresh: feed.fresh,
        required: u64::try_from(feed.required).unwrap_or(u64::MAX),
        sources: feed
            .sources
            .iter()
            .map(|source| PriceSource {
                name: source.name.clone(),
                state: match source.state {
                    SourceState::Silent => "silent",
                    SourceState::Stale => "stale",
                    SourceState::Outlier => "outlier",
                    SourceState::Good => "good",
                }
                .to_owned(),
                price: source.price.map(price),
                age_seconds: source.age.map(|age| age.as_secs_f64()),
                taken: source.taken,
                refused: source.refused,
            })
            .collect(),
    }
}

/// A moment of the gate for people.
fn time(at: GateTime) -> String {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), crate::clock::rfc3339)
}

/// A trading day as the date on which it begins.
fn date(day: TradingDay) -> String {
    let begins = GateTime::from_micros(u64::from(day.0).saturating_mul(86_400_000_000));
    let text = time(begins);
    text.split('T').next().unwrap_or_default().to_owned()
}
