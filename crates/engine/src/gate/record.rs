//! The gate's records as the journal has them.

use failstop_core::gate::GateRecord;

/// What the types of the gate's records begin with.
const PREFIX: &str = "gate.";

/// Whether a record of this type is the gate's.
pub fn is_gate(kind: &str) -> bool {
    kind.starts_with(PREFIX)
}

/// A record's type and payload. The serde form is `{"t":TYPE,"b":PAYLOAD}`, whose parts the journal writes itself.
pub fn encode(record: &GateRecord) -> (&'static str, String) {
    let kind = kind(record);
    #[expect(clippy::expect_used, reason = "a record is plain data: no map keys but strings, no failing Serialize")]
    let text = serde_json::to_string(record).expect("a record can be written as JSON");
    let payload = text.get(6 + kind.len() + 6..text.len() - 1).unwrap_or_default().to_owned();
    (kind, payload)
}

/// A record back from its type and payload; `None` where the type is not the gate's.
///
/// # Errors
/// What is wrong: a later version wrote it.
pub fn decode(kind: &str, payload: &str) -> Result<Option<GateRecord>, serde_json::Error> {
    if !is_gate(kind) {
        return Ok(None);
    }
    serde_json::from_str(&format!("{{\"t\":\"{kind}\",\"b\":{payload}}}")).map(Some)
}

const fn kind(record: &GateRecord) -> &'static str {
    match record {
        GateRecord::Allowed(_) => "gate.allowed",
        GateRecord::Outcome { .. } => "gate.outcome",
        GateRecord::Fill(_) => "gate.fill",
        GateRecord::Position(_) => "gate.position",
        GateRecord::PositionUnknown { .. } => "gate.position_unknown",
        GateRecord::Equity { .. } => "gate.equity",
        GateRecord::Result { .. } => "gate.result",
        GateRecord::Settled { .. } => "gate.settled",
        GateRecord::Day { .. } => "gate.day",
        GateRecord::Override(_) => "gate.override",
        GateRecord::OverrideEnded { .. } => "gate.override_ended",
        GateRecord::Confirmed { .. } => "gate.confirmed",
        GateRecord::Counted { .. } => "gate.counted",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::gate::{
        Bucket, GateTime, Kind, MARKS_OF_DAY, Mark, NAME_MAX, OrderText, Outcome, Side, TradingDay,
    };

    #[test]
    fn records_come_back_as_they_went() {
        let at = GateTime::from_micros(1_800_000_000_000_001);
        let order = OrderText {
            client_id: "e7-1".to_owned(),
            component: Some("bot".to_owned()),
            user: None,
            account: "main".to_owned(),
            instrument: "BTC/USDT".to_owned(),
            kind: Kind::Entry,
            side: Side::Buy,
            quantity: "0.10".to_owned(),
            price: Some("64000".to_owned()),
            leverage: None,
        };
        let allowed = failstop_core::gate::Allowed {
            at,
            order: order.clone(),
            reduces: false,
            paper: true,
            reference: Some("64000.00".to_owned()),
            volume: "6400.00".to_owned(),
        };
        for record in [
            GateRecord::Allowed(Box::new(allowed)),
            GateRecord::Outcome { at, client_id: "a\"b".to_owned(), outcome: Outcome::NotSent },
            GateRecord::Equity { at, account: "main".to_owned(), equity: "-1.50".to_owned(), paper: true },
            GateRecord::Result { at, account: "main".to_owned(), amount: "1".to_owned(), paper: false },
            GateRecord::Settled { at, instrument: "B".to_owned(), mark: "2".to_owned() },
            GateRecord::PositionUnknown { at, account: "main".to_owned(), instrument: "B".to_owned() },
            GateRecord::Day {
                at,
                day: TradingDay(20_000),
                marks: vec![Mark { instrument: "B".to_owned(), mark: "2".to_owned() }],
            },
            GateRecord::OverrideEnded { at, name: "o".to_owned(), by: "root (0)".to_owned() },
            GateRecord::Confirmed { at, order: Box::new(order), by: "root (0)".to_owned(), until: at },
            GateRecord::Counted { at, bucket: Bucket::Copies, component: None, user: Some("u".to_owned()), cost: 2 },
        ] {
            let (kind, payload) = encode(&record);
            assert!(failstop_journal::is_kind(kind), "{kind}");
            failstop_journal::check_payload(&payload).unwrap();
            assert_eq!(decode(kind, &payload).unwrap(), Some(record));
        }
        assert!(decode("halt.raised", "{}").unwrap().is_none());
        assert!(decode("gate.later", "{}").is_err(), "the list is closed");
    }

    #[test]
    fn no_record_of_a_day_is_larger_than_the_journal_takes() {
        // What is longest in JSON.
        let mark = Mark { instrument: "\"".repeat(NAME_MAX), mark: u128::MAX.to_string() };
        let marks = vec![mark; MARKS_OF_DAY];
        let day = GateRecord::Day { at: GateTime::from_micros(u64::MAX), day: TradingDay(u32::MAX), marks };
        failstop_journal::check_payload(&encode(&day).1).unwrap();
    }
}
