//! Which limits orders are judged by: each is set or waived, and somebody reading this should not have to guess which.

use super::{Finding, Subject};
use crate::config::{Bound, Config, LimitSection, SharedFallback, SharedRates};
use failstop_core::Orders;
use failstop_core::gate::Limit;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let Some(gate) = &config.gate else {
        let asks = config.components.iter().any(|component| component.orders == Orders::Asks);
        let so = if asks {
            ": a bot that asks about an order is refused, one that reads its permit is not judged"
        } else {
            ""
        };
        return vec![Finding::passed(format!("no [gate] is configured{so}"))];
    };
    let mut findings =
        vec![Finding::passed(words("the system", &gate.limits)), Finding::passed(words("each user", &gate.user))];
    let instruments = config.books.instruments.iter().filter(|instrument| sets_any(&instrument.limits));
    findings.extend(instruments.map(|one| Finding::passed(words(&format!("instrument {}", one.name), &one.limits))));
    let components = config.components.iter().filter(|component| sets_any(&component.gate));
    findings
        .extend(components.map(|one| Finding::passed(words(&format!("component {}", one.name.as_str()), &one.gate))));
    findings.extend(config.shared_rates.as_ref().map(shared));
    if !gate.durable_intents {
        findings.push(Finding::warning(
            "orders are answered before their intents are on the disk: a crash of the machine or of failstop may lose the last of \
             them, and what they count",
            "remove `durable_intents = false`, unless the time of one write to the disk matters",
        ));
    }
    findings.extend(unmaintained(config));
    findings
}

/// Where rates are shared, and what holds while they cannot be.
fn shared(shared: &SharedRates) -> Finding {
    let without = match (shared.fallback, shared.share_percent) {
        (SharedFallback::Local, Some(percent)) => format!("{percent} % of each limit are this host's"),
        (SharedFallback::Local, None) | (SharedFallback::Refuse, _) => "nothing is opened".to_owned(),
    };
    Finding::passed(format!("rates are shared in group \"{}\"; without its server {without}", shared.group))
}

fn sets_any(section: &impl LimitSection) -> bool {
    section.written().iter().any(|(_, bound)| bound.is_set())
}

/// `the system: position 100000, … set; confirm_above, … waived`.
fn words(whose: &str, section: &impl LimitSection) -> String {
    let written = section.written();
    let mut set: Vec<String> = written
        .iter()
        .filter(|(_, bound)| bound.is_set())
        .map(|(name, bound)| format!("{} {}", name.name(), bound.as_text()))
        .collect();
    let mut waived: Vec<&str> =
        written.iter().filter(|(_, bound)| **bound == Bound::Waived).map(|(name, _)| name.name()).collect();
    match section.span() {
        Some((name, Limit::Set(ms))) => set.push(format!("{} {ms}ms", name.name())),
        Some((name, Limit::Waived)) => waived.push(name.name()),
        None => {}
    }
    let or_none = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
    format!("{whose}: set {}; waived {}", or_none(set.join(", ")), or_none(waived.join(", ")))
}

/// Instruments whose liquidation could not be judged: every opening in them is refused.
fn unmaintained(config: &Config) -> Vec<Finding> {
    let judged = config.gate.as_ref().is_some_and(|gate| gate.limits.liquidation_buffer.is_set());
    config
        .books
        .instruments
        .iter()
        .filter(|one| one.margin != crate::config::MarginKind::Spot && one.maintenance.is_none())
        .filter(|one| judged || one.limits.liquidation_buffer.is_set())
        .map(|one| {
            Finding::warning(
                format!(
                    "instrument {} has no `maintenance`: every opening in it is refused (MISSING_MAINTENANCE)",
                    one.name
                ),
                "write the highest maintenance margin rate that you mean to reach; the venue publishes it",
            )
        })
        .collect()
}
