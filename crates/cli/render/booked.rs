//! The books' records in words: what was booked, reported, refused, taken.

use failstop_journal::ledger::{Entry, Leg, Side};

/// What the record is about, and what happened; `None` for types that are not the books'.
pub fn describe(kind: &str, payload: &str) -> Option<(String, String)> {
    let entry = Entry::parse(kind, payload).ok().flatten()?;
    let (topic, words) = match entry {
        Entry::Asset(asset) => ("ledger", format!("asset {} counted with {} decimals", asset.name, asset.scale)),
        Entry::Account(account) => ("ledger", format!("account {}", account.name)),
        Entry::Pool(pool) => {
            let within = pool.within.map(|within| format!(" within {within}")).unwrap_or_default();
            ("ledger", format!("pool {}{within}", pool.name))
        }
        Entry::Instrument(instrument) => ("ledger", format!("instrument {}", instrument.name)),
        Entry::Posted(posted) => ("ledger", format!("posted {}: {}", posted.id, legs(&posted.legs))),
        Entry::Fill(fill) => {
            let side = match fill.side {
                Side::Buy => "bought",
                Side::Sell => "sold",
            };
            let (quantity, instrument, price) = (&fill.quantity, &fill.instrument, &fill.price);
            let what = format!("{side} {quantity} {instrument} at {price} in {}", fill.account);
            let legs = if fill.legs.is_empty() { String::new() } else { format!(": {}", legs(&fill.legs)) };
            ("ledger", format!("fill {}: {what}{legs}", fill.id))
        }
        Entry::Capital(capital) => {
            let (total, free, locked) = (&capital.total, &capital.free, &capital.locked);
            ("ledger", format!("{} holds {total} {} ({free} free, {locked} locked)", capital.account, capital.asset))
        }
        Entry::Position(position) => {
            let opened = if position.opening { " opened at" } else { "" };
            ("ledger", format!("{}: position{opened} {} {}", position.account, position.quantity, position.instrument))
        }
        Entry::Statement(statement) => {
            let count = statement.balances.len() + statement.positions.len();
            (
                "ledger",
                format!(
                    "statement {} of {} agrees ({count} lines, {})",
                    statement.id, statement.account, statement.source
                ),
            )
        }
        Entry::Refused(refused) => {
            let id = refused.id.map(|id| format!(" {id}")).unwrap_or_default();
            ("ledger", format!("REFUSED {}{id}: {}", refused.kind, refused.violation))
        }
        Entry::Strategy(strategy) => ("strategy", format!("{} has {} states", strategy.name, strategy.states.len())),
        Entry::Moved(moved) => {
            let instance = moved.instance.map(|instance| format!(" {instance}")).unwrap_or_default();
            ("strategy", format!("{}{instance} -> {}", moved.strategy, moved.to))
        }
        Entry::OrderIntent(intent) => {
            let part = |part: &Option<String>| part.as_ref().map(|part| format!(" {part}")).unwrap_or_default();
            ("order", format!("{} is about to leave:{}{}", intent.id, part(&intent.quantity), part(&intent.instrument)))
        }
        Entry::OrderOutcome(outcome) => ("order", format!("{}: {}", outcome.id, outcome.outcome)),
        Entry::OrderResolved(resolved) => (
            "order",
            format!("{} resolved by {}: {} ({})", resolved.id, resolved.who, resolved.outcome, resolved.reason),
        ),
        Entry::SnapshotTaken(taken) => {
            let day = taken.day.map(|day| format!(", closes {day}")).unwrap_or_default();
            ("snapshot", format!("{} taken at record {}{day}", taken.file, taken.seq))
        }
        Entry::SnapshotRetired(retired) => ("snapshot", format!("those up to record {} are retired", retired.upto)),
    };
    Some((topic.to_owned(), words))
}

/// `kraken/main +100 USDT, venue -100 USDT`.
fn legs(legs: &[Leg]) -> String {
    let words = legs.iter().map(|leg| {
        let place = leg.pool.as_ref().map_or_else(|| leg.account.clone(), |pool| format!("{}/{pool}", leg.account));
        let sign = if leg.amount.starts_with('-') { "" } else { "+" };
        format!("{place} {sign}{} {}", leg.amount, leg.asset)
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_have_their_sentences() {
        let say = |kind: &str, payload: &str| describe(kind, payload).map(|(topic, words)| format!("{topic}: {words}"));
        let posted = r#"{"id":"d-1","legs":[{"asset":"USDT","account":"kraken","pool":"main","amount":"100"},{"asset":"USDT","account":"venue","amount":"-100"}]}"#;
        assert_eq!(
            say("ledger.posted", posted).as_deref(),
            Some("ledger: posted d-1: kraken/main +100 USDT, venue -100 USDT")
        );
        let refused = r#"{"kind":"ledger.posted","id":"d-2","violation":{"check":"posting-sum","subject":"USDT","difference":"0.01","detail":"the legs sum to 0.01 and not to zero"}}"#;
        assert_eq!(
            say("ledger.violation", refused).as_deref(),
            Some("ledger: REFUSED ledger.posted d-2: posting-sum: USDT: the legs sum to 0.01 and not to zero")
        );
        assert_eq!(
            say("strategy.state", r#"{"strategy":"grid","to":"holding"}"#).as_deref(),
            Some("strategy: grid -> holding")
        );
        assert_eq!(say("heartbeat", "{}"), None);
        assert_eq!(say("ledger.posted", "{}"), None, "what is malformed is printed as it stands");
    }
}
