//! Translates between the bot socket's words and the core's.

use super::feed_clock::FeedClock;
use crate::masking;
use failstop_client::wire;
use failstop_core::{Mode, Permission, QueueState, Rights, Sign};
use jiff::Timestamp;

/// What a message means to the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// An introduction: answer with [`wire::Reply::Hello`].
    Hello(wire::Hello),
    /// A fact for the core.
    Sign(Sign),
    /// A figure for metrics and thresholds.
    Metric(wire::Metric),
    /// A record for the journal: answer with [`wire::Reply::Recorded`] when it is durable.
    Event(wire::Event),
    /// Something for the books: judged, and answered with [`wire::Reply::Booked`] when it is durable.
    Books(Box<wire::Message>),
    /// A snapshot is wanted: answer with [`wire::Reply::Booked`] when it is in the journal.
    Snapshot(wire::SnapshotRequest),
    /// Something for the gate: a price, an order, what became of one, a question to the limiter.
    Gate(Box<wire::Message>),
    /// A question: answer with [`wire::Reply::Permission`].
    Permission,
}

/// What `message` means, with `now` as the wall clock for the times of ticks.
///
/// # Errors
/// The refusal to answer with, when a tick's time cannot be read.
pub fn meaning(message: wire::Message, feeds: &mut FeedClock, now: Timestamp) -> Result<Meaning, wire::Reply> {
    Ok(match message {
        wire::Message::Hello(hello) => Meaning::Hello(hello),
        wire::Message::Heartbeat(heartbeat) => Meaning::Sign(Sign::Heartbeat(heartbeat.progress)),
        wire::Message::Tick(tick) => {
            let fresh = feeds
                .fresh(&tick.feed, tick.instrument.as_deref(), tick.time.as_ref(), now)
                .map_err(|bad| wire::Reply::Refused { code: wire::Code::BadField, error: bad.to_string() })?;
            Meaning::Sign(Sign::Tick { feed: tick.feed, fresh })
        }
        wire::Message::Metric(metric) => Meaning::Metric(metric),
        wire::Message::Part(part) => Meaning::Sign(Sign::Part {
            health: part_health(&part),
            critical: part.status == wire::PartStatus::Critical,
            name: part.name,
        }),
        wire::Message::Queue(queue) => Meaning::Sign(Sign::Queue {
            state: match queue.state {
                wire::QueueState::Idle => QueueState::Idle,
                wire::QueueState::Processing => QueueState::Processing,
                wire::QueueState::Stalled => QueueState::Stalled,
            },
            depth: queue.depth,
        }),
        wire::Message::Error(error) => Meaning::Sign(Sign::Error {
            severity: error.severity,
            fatal: error.fatal,
            message: masking::owned(error_text(&error)),
        }),
        wire::Message::Halt(halt) => Meaning::Sign(Sign::Halt {
            cap: match halt.cap {
                wire::HaltCap::ReduceOnly => Permission::ReduceOnly,
                wire::HaltCap::ObserveOnly => Permission::ObserveOnly,
                wire::HaltCap::Shutdown => Permission::Shutdown,
            },
            reason: masking::owned(halt.reason),
        }),
        wire::Message::Event(event) => Meaning::Event(event),
        books @ (wire::Message::Posting(_)
        | wire::Message::Fill(_)
        | wire::Message::Capital(_)
        | wire::Message::Position(_)
        | wire::Message::StrategyState(_)) => Meaning::Books(Box::new(books)),
        wire::Message::SnapshotRequest(request) => {
            Meaning::Snapshot(wire::SnapshotRequest { reason: masking::option(request.reason) })
        }
        gate @ (wire::Message::Price(_)
        | wire::Message::ApiUsage(_)
        | wire::Message::Order(_)
        | wire::Message::OrderResult(_)
        | wire::Message::Rate(_)) => Meaning::Gate(Box::new(gate)),
        wire::Message::Permission => Meaning::Permission,
    })
}

/// The core's permission in the bot socket's words.
pub const fn permission_on_wire(permission: Permission) -> wire::Permission {
    match permission {
        Permission::Shutdown => wire::Permission::Shutdown,
        Permission::ObserveOnly => wire::Permission::ObserveOnly,
        Permission::ReduceOnly => wire::Permission::ReduceOnly,
        Permission::Active => wire::Permission::Active,
    }
}

/// The core's mode in the bot socket's words.
pub const fn mode_on_wire(mode: Mode) -> wire::Mode {
    match mode {
        Mode::Dry => wire::Mode::Dry,
        Mode::Live => wire::Mode::Live,
    }
}

/// A slot's rights in the bot socket's words.
pub const fn rights_on_wire(rights: Rights) -> wire::RightsView {
    let granted = !rights.revoked;
    wire::RightsView { open: rights.open && granted, reduce: rights.reduce && granted, live: rights.live && granted }
}

/// A part's health in thousandths: the worse of the number that it reports and what its word stands for. A bot that contradicts
/// itself is not taken for the better of the two.
fn part_health(part: &wire::Part) -> u16 {
    let word = match part.status {
        wire::PartStatus::Healthy => 1000,
        wire::PartStatus::Degraded => 500,
        wire::PartStatus::Critical => 0,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1000 before")]
    let number = part.health.map(|health| (health.clamp(0.0, 1.0) * 1000.0).round() as u16);
    number.map_or(word, |number| number.min(word))
}

fn error_text(error: &wire::Error) -> String {
    let kind = &error.kind;
    match (&error.part, error.message.as_str()) {
        (None, "") => kind.clone(),
        (None, message) => format!("{kind}: {message}"),
        (Some(part), "") => format!("{kind} in {part}"),
        (Some(part), message) => format!("{kind} in {part}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn of(line: &str) -> Result<Meaning, wire::Reply> {
        let message = wire::decode(line.as_bytes()).unwrap().message;
        meaning(message, &mut FeedClock::default(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn signs() {
        for (line, sign) in [
            (r#"{"type":"heartbeat","progress":3}"#, Sign::Heartbeat(Some(3))),
            (r#"{"type":"tick","feed":"f"}"#, Sign::Tick { feed: "f".into(), fresh: true }),
            (r#"{"type":"tick","feed":"f","time":999999999}"#, Sign::Tick { feed: "f".into(), fresh: false }),
            (
                r#"{"type":"part","name":"p","status":"degraded"}"#,
                Sign::Part { name: "p".into(), health: 500, critical: false },
            ),
            (
                r#"{"type":"part","name":"p","status":"critical","health":0.2}"#,
                Sign::Part { name: "p".into(), health: 0, critical: true },
            ),
            (
                r#"{"type":"part","name":"p","status":"degraded","health":0.6}"#,
                Sign::Part { name: "p".into(), health: 500, critical: false },
            ),
            (
                r#"{"type":"part","name":"p","status":"degraded","health":0.3}"#,
                Sign::Part { name: "p".into(), health: 300, critical: false },
            ),
            (
                r#"{"type":"part","name":"p","status":"healthy","health":0.4}"#,
                Sign::Part { name: "p".into(), health: 400, critical: false },
            ),
            (r#"{"type":"queue","state":"stalled"}"#, Sign::Queue { state: QueueState::Stalled, depth: 0 }),
            (
                r#"{"type":"error","kind":"api","part":"executor","message":"no answer","severity":5}"#,
                Sign::Error { severity: 5, fatal: false, message: "api in executor: no answer".into() },
            ),
            (
                r#"{"type":"halt","cap":"reduce-only","reason":"r"}"#,
                Sign::Halt { cap: Permission::ReduceOnly, reason: "r".into() },
            ),
        ] {
            assert_eq!(of(line), Ok(Meaning::Sign(sign)), "{line}");
        }
    }

    #[test]
    fn what_a_bot_says_in_words_shows_the_last_characters_of_a_wallet_only() {
        let line =
            r#"{"type":"halt","cap":"reduce-only","reason":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed is empty"}"#;
        let reason = "…1BeAed is empty".to_owned();
        assert_eq!(of(line), Ok(Meaning::Sign(Sign::Halt { cap: Permission::ReduceOnly, reason })));
        let line = r#"{"type":"error","kind":"api","message":"from TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t","severity":1}"#;
        let message = "api: from …gjLj6t".to_owned();
        assert_eq!(of(line), Ok(Meaning::Sign(Sign::Error { severity: 1, fatal: false, message })));
    }

    #[test]
    fn a_bad_time_is_refused() {
        let refusal = of(r#"{"type":"tick","feed":"f","time":"noon"}"#).unwrap_err();
        assert!(matches!(refusal, wire::Reply::Refused { code: wire::Code::BadField, .. }));
    }

    #[test]
    fn revoked_rights_allow_nothing() {
        let rights = Rights { open: true, reduce: true, live: true, revoked: true };
        assert_eq!(rights_on_wire(rights), wire::RightsView::default());
    }
}
