//! The gate's metrics: totals, never one a user.

use super::exposition::{Exposition, Kind, whole};
use super::meters::Meters;
use failstop_client::gate::GateStatus;

/// Everything that is known of the gate.
pub(super) fn gate(text: &mut Exposition, gate: &GateStatus, meters: &Meters) {
    let mut family =
        text.family("failstop_gate_orders", Kind::Counter, "Orders that the gate decided over, by its decision.");
    family.sample(&[("decision", "allowed")], whole(gate.allowed));
    family.sample(&[("decision", "refused")], whole(gate.refused));
    let mut family = text.family(
        "failstop_gate_refusals",
        Kind::Counter,
        "Answers of the gate that gave this reason; one may give several.",
    );
    for (code, count) in &gate.refusals {
        family.sample(&[("code", code)], whole(*count));
    }
    text.family(
        "failstop_gate_decision_seconds",
        Kind::Histogram,
        "From an order's arrival to its answer, with the wait for the disk where intents are durable.",
    )
    .histogram(&[], &meters.gate_decision);
    let mut family = text.family("failstop_gate_rates", Kind::Counter, "Questions to the limiter, by its decision.");
    family.sample(&[("decision", "allowed")], whole(gate.rates_allowed));
    family.sample(&[("decision", "refused")], whole(gate.rates_refused));
    text.family(
        "failstop_gate_open_orders",
        Kind::Gauge,
        "Orders that were allowed and of which something may become.",
    )
    .sample(&[], whole(gate.open_orders));
    text.family("failstop_gate_overrides", Kind::Gauge, "Overrides of limits that stand.")
        .sample(&[], whole(count(gate.overrides.len())));
    text.family("failstop_gate_awaiting_confirmation", Kind::Gauge, "Orders that wait for somebody's confirmation.")
        .sample(&[], whole(count(gate.awaiting.len())));
    limits(text, gate);
    feeds(text, gate);
    outside(text, gate);
    orders(text, gate, meters);
}

/// Rates that are shared, and pages that are asked for prices.
fn outside(text: &mut Exposition, gate: &GateStatus) {
    if let Some(shared) = &gate.shared_rates {
        text.family(
            "failstop_shared_rates_up",
            Kind::Gauge,
            "1 while the group's server decides, 0 while the fallback does.",
        )
        .sample(&[], if shared.state == "good" { 1.0 } else { 0.0 });
        text.family("failstop_shared_rates_owed", Kind::Gauge, "What is to be told the group's server yet.")
            .sample(&[], whole(shared.owed));
        let mut family = text.family(
            "failstop_shared_rates_questions",
            Kind::Counter,
            "Questions to the group, by who decided and how.",
        );
        for (outcome, count) in [
            ("fitted", shared.fitted),
            ("refused", shared.refused),
            ("timed_out", shared.timed_out),
            ("gone", shared.gone),
            ("forgotten", shared.forgotten),
        ] {
            family.sample(&[("outcome", outcome)], whole(count));
        }
    }
    if !gate.polls.is_empty() {
        let mut family =
            text.family("failstop_price_polls", Kind::Counter, "Pages that were asked for prices, by what came of it.");
        for poll in &gate.polls {
            let labels = |outcome| {
                [("instrument", poll.instrument.as_str()), ("outcome", outcome), ("source", poll.source.as_str())]
            };
            family.sample(&labels("failed"), whole(poll.failed));
            family.sample(&labels("taken"), whole(poll.taken));
        }
    }
}

fn limits(text: &mut Exposition, gate: &GateStatus) {
    let mut family = text.family(
        "failstop_gate_limit_score",
        Kind::Gauge,
        "How near a limit is, from 0 (far) to 1 (reached, or unknown): the nearest of its scope. Users are left out.",
    );
    let mut nearest = std::collections::BTreeMap::new();
    for limit in gate.limits.iter().filter(|limit| limit.scope != "user") {
        let known: &mut f64 = nearest.entry((limit.limit.as_str(), limit.scope.as_str())).or_insert(0.0);
        *known = known.max(limit.score);
    }
    for ((limit, scope), score) in nearest {
        family.sample(&[("limit", limit), ("scope", scope)], score);
    }
    let mut family = text.family(
        "failstop_gate_daily_loss_ratio",
        Kind::Gauge,
        "What is lost in the trading day, as a share of the account's opening equity; absent where it cannot be said.",
    );
    for result in &gate.results {
        if let Some(lost) = result.lost {
            family.sample(&[("account", &result.account)], lost);
        }
    }
}

fn feeds(text: &mut Exposition, gate: &GateStatus) {
    let mut family = text.family(
        "failstop_gate_price_fresh",
        Kind::Gauge,
        "Whether enough fresh sources agree on an instrument's price.",
    );
    for feed in &gate.feeds {
        family.sample(&[("instrument", &feed.instrument)], if feed.fresh { 1.0 } else { 0.0 });
    }
    let mut family = text.family(
        "failstop_gate_price_age_seconds",
        Kind::Gauge,
        "Seconds since a source's price moved in time; absent before the first.",
    );
    for feed in &gate.feeds {
        for source in &feed.sources {
            if let Some(age) = source.age_seconds {
                family.sample(&[("instrument", &feed.instrument), ("source", &source.name)], age);
            }
        }
    }
    let mut family = text.family("failstop_gate_prices", Kind::Counter, "Prices that sources said, by outcome.");
    for feed in &gate.feeds {
        for source in &feed.sources {
            for (outcome, count) in [("taken", source.taken), ("refused", source.refused)] {
                let labels =
                    [("instrument", feed.instrument.as_str()), ("source", source.name.as_str()), ("outcome", outcome)];
                family.sample(&labels, whole(count));
            }
        }
    }
}

fn orders(text: &mut Exposition, gate: &GateStatus, meters: &Meters) {
    let mut family = text.family("failstop_order_results", Kind::Counter, "What bots said became of orders.");
    for (outcome, count) in &gate.orders.outcomes {
        family.sample(&[("outcome", outcome)], whole(*count));
    }
    let mut family = text.family(
        "failstop_order_success_ratio",
        Kind::Gauge,
        "The share of the orders of the last 24 hours that ended well; absent with fewer than 20.",
    );
    if let Some(rate) = gate.orders.success_rate {
        family.sample(&[], rate);
    }
    text.family(
        "failstop_order_latency_seconds",
        Kind::Histogram,
        "How long the venue took for an order, as the bot says.",
    )
    .histogram(&[], &meters.order_latency);
    let mut family = text.family(
        "failstop_api_usage_ratio",
        Kind::Gauge,
        "How much of one of the venue's request budgets is used, as the bot says.",
    );
    for usage in &gate.api_usage {
        #[expect(clippy::cast_precision_loss, reason = "a figure")]
        let ratio = usage.used as f64 / usage.limit.max(1) as f64;
        family.sample(&[("endpoint", &usage.endpoint)], ratio);
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
