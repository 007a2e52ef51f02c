//! Which records follow from one request or one incident: those that carry its name, and those about the halts that have it.

use crate::failure::Failure;
use crate::render::event::Envelope;
use failstop_engine::access::TraceId;
use failstop_journal::{Jid, SEG_OPEN};
use serde_json::Value;
use std::collections::BTreeSet;

/// People copy at least so much of a name: alerts show so many digits.
const LEAST: usize = 8;

/// A whole name has so many.
const WHOLE: usize = 32;

/// Of so many halts the numbers are kept; a journal in which more have one name is damaged.
const HALTS_MAX: usize = 4_096;

/// A request or an incident, by its name or the beginning of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace {
    wanted: String,
    journal: Option<[u8; 16]>,
    halts: BTreeSet<u64>,
}

impl Trace {
    /// As it was written: 8 to 32 hexadecimal digits.
    pub fn parse(written: &str) -> Result<Self, Failure> {
        let digits = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || !(LEAST..=WHOLE).contains(&written.len()) {
            return Err(Failure::Usage {
                what: format!("--trace {written}: not the name of a request or an incident"),
                next: format!(
                    "write {LEAST} to {WHOLE} hexadecimal digits of it, as an alert or the header `failstop-trace` shows them"
                ),
            });
        }
        Ok(Self { wanted: written.to_ascii_lowercase(), journal: None, halts: BTreeSet::new() })
    }

    /// Whether a record of this type may say which halts have the name.
    pub fn learns_from(kind: &str) -> bool {
        matches!(kind, SEG_OPEN | "halt.raised" | "x.failstop.trace")
    }

    /// Takes what a record says of that.
    pub fn learn(&mut self, record: &Envelope) {
        let halt = match record.t.as_str() {
            SEG_OPEN => {
                let jid = record.b["jid"].as_str().and_then(|jid| jid.parse::<Jid>().ok());
                self.journal = jid.map(Jid::to_bytes).or(self.journal);
                return;
            }
            "halt.raised" => record.b["id"].as_u64().filter(|halt| self.is_own_of(*halt)),
            "x.failstop.trace" => {
                let number = || record.b["halt"].as_str()?.strip_prefix("h-")?.parse().ok();
                number().filter(|_| self.names(&record.b["trace_id"]))
            }
            _ => None,
        };
        if self.halts.len() < HALTS_MAX {
            self.halts.extend(halt);
        }
    }

    /// Whether a record follows from it.
    pub fn has(&self, record: &Envelope) -> bool {
        let named = ["trace_id", "trace", "run"].iter().any(|key| self.names(&record.b[*key]));
        let of_halt = || match record.t.as_str() {
            "halt.raised" | "halt.cleared" => record.b["id"].as_u64().is_some_and(|halt| self.halts.contains(&halt)),
            _ => false,
        };
        named || of_halt()
    }

    /// Whether a line of a bot's own log names it.
    pub fn is_in(&self, line: &[u8]) -> bool {
        line.windows(self.wanted.len()).any(|piece| piece.eq_ignore_ascii_case(self.wanted.as_bytes()))
    }

    fn is_own_of(&self, halt: u64) -> bool {
        let own = |journal| TraceId::of_incident(journal, &format!("h-{halt}")).to_string();
        self.journal.as_ref().is_some_and(|journal| own(journal).starts_with(&self.wanted))
    }

    fn names(&self, value: &Value) -> bool {
        value.as_str().is_some_and(|name| name.starts_with(&self.wanted))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use serde_json::json;

    fn record(kind: &str, body: Value) -> Envelope {
        Envelope { seq: 1, ts: String::new(), t: kind.to_owned(), b: body }
    }

    #[test]
    fn an_incident_is_found_by_the_beginning_of_its_name_and_so_is_a_request() {
        let own = TraceId::of_incident(&[1; 16], "h-31").to_string();
        let mut trace = Trace::parse(&own[..8].to_uppercase()).unwrap();
        for learned in [
            record(SEG_OPEN, json!({ "jid": "01".repeat(16) })),
            record("halt.raised", json!({ "id": 30 })),
            record("halt.raised", json!({ "id": 31 })),
        ] {
            trace.learn(&learned);
        }
        assert!(trace.has(&record("halt.raised", json!({ "id": 31 }))));
        assert!(trace.has(&record("halt.cleared", json!({ "id": 31 }))));
        assert!(!trace.has(&record("halt.cleared", json!({ "id": 30 }))));
        assert!(!trace.has(&record("x.other", json!({ "id": 31 }))));
        assert!(trace.has(&record("x.failstop.alert", json!({ "trace_id": own }))));

        let request = "4bf92f3577b34da6a3ce929d0e0e4736";
        let mut trace = Trace::parse(request).unwrap();
        trace.learn(&record("x.failstop.trace", json!({ "trace_id": request, "halt": "h-7" })));
        trace.learn(&record("x.failstop.trace", json!({ "trace_id": own, "halt": "h-8" })));
        assert!(trace.has(&record("halt.raised", json!({ "id": 7 }))));
        assert!(!trace.has(&record("halt.raised", json!({ "id": 8 }))));
        assert!(trace.has(&record("x.failstop.control", json!({ "trace_id": request }))));
        assert!(trace.is_in(b"order for 00-4BF92F3577B34DA6A3CE929D0E0E4736-01 sent") && !trace.is_in(b"order sent"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_to_write() {
        for bad in ["", "4bf92f3", "h-31", "4bf92f3x", &"a".repeat(33)] {
            let failure = Trace::parse(bad).unwrap_err();
            assert_eq!(failure.exit().status(), 2, "{bad}");
            assert!(failure.report().contains("8 to 32 hexadecimal digits"), "{}", failure.report());
        }
    }
}
