//! By which name an incident is followed through log, journal, alerts and answers.
//!
//! An incident that a control brought about has that request's name; the journal says so beside the halt, and a later life of the
//! engine reads it there. Every other one has a name that follows from the journal's id and its own number, so that nothing need
//! be kept of it and whoever reads the journal comes to the same.

use super::engine::Engine;
use crate::access::TraceId;
use failstop_core::{AlertId, HaltId, Record};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Says which request raised a halt.
const TRACE: &str = "x.failstop.trace";

/// Of so many halts that controls raised the names are kept: more than may stand at once.
const GIVEN_MAX: usize = 256;

/// Which halts were raised by which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<HaltId, TraceId>);

impl Given {
    /// Takes a record of the journal, if it is one of these.
    pub fn replay(&mut self, kind: &str, payload: &str) {
        #[derive(Deserialize)]
        struct Raised {
            trace_id: String,
            halt: String,
        }
        if kind != TRACE {
            return;
        }
        // One that somebody else wrote under this name names nothing of ours.
        let Ok(Raised { trace_id, halt }) = serde_json::from_str(payload) else { return };
        let halt = halt.strip_prefix("h-").and_then(|number| number.parse().ok());
        if let (Some(halt), Some(trace)) = (halt, TraceId::of_text(&trace_id)) {
            self.put(HaltId(halt), trace);
        }
    }

    fn put(&mut self, halt: HaltId, trace: TraceId) {
        self.0.insert(halt, trace);
        while self.0.len() > GIVEN_MAX {
            // Numbers only rise: the first is the oldest.
            self.0.pop_first();
        }
    }
}

/// The names, and the request that is being carried out.
#[derive(Debug)]
pub struct Traces {
    journal: [u8; 16],
    given: Given,
    following: Option<TraceId>,
    /// What it is and when it came.
    #[cfg(feature = "otlp")]
    named: Option<(&'static str, jiff::Timestamp)>,
}

impl Traces {
    /// Those of this journal.
    pub fn new(journal: [u8; 16], given: Given) -> Self {
        Self {
            journal,
            given,
            following: None,
            #[cfg(feature = "otlp")]
            named: None,
        }
    }

    /// What happens from here on in this turn of the loop follows from this request.
    pub fn follow(&mut self, trace: TraceId) {
        self.following = Some(trace);
    }

    /// The request was carried out, as far as that does not wait for anything.
    pub fn leave(&mut self) {
        #[cfg(feature = "otlp")]
        if let (Some(trace), Some((name, from))) = (self.following, self.named.take()) {
            crate::otlp::span(crate::otlp::Span {
                trace: trace.to_string(),
                name: format!("control {name}"),
                from,
                until: crate::clock::wall(),
                failed: false,
                attributes: Vec::new(),
            });
        }
        self.following = None;
    }

    /// What the request is, for a collector.
    #[cfg(feature = "otlp")]
    pub fn name(&mut self, control: &'static str) {
        self.named = Some((control, crate::clock::wall()));
    }

    /// A halt was raised; the request that did it, if one did.
    fn raised(&mut self, halt: HaltId) -> Option<TraceId> {
        let following = self.following?;
        self.given.put(halt, following);
        Some(following)
    }

    fn of_halt(&self, halt: HaltId) -> TraceId {
        let own = || TraceId::of_incident(&self.journal, &format!("h-{}", halt.0));
        self.given.0.get(&halt).copied().unwrap_or_else(own)
    }

    /// The name of an alert's incident: its halt's, where it is one.
    pub fn of_alert(&self, alert: &AlertId) -> TraceId {
        match alert.halt {
            Some(halt) => self.of_halt(halt),
            None => TraceId::of_incident(&self.journal, &alert.to_string()),
        }
    }

    /// What a record follows from, where that has a name.
    pub(super) fn of_record(&self, record: &Record) -> Option<TraceId> {
        match record {
            Record::HaltRaised(halt) => Some(self.of_halt(halt.id)),
            Record::HaltCleared { id, .. } => Some(self.of_halt(*id)),
            Record::EngineStarted { .. }
            | Record::EngineStopped { .. }
            | Record::PermissionChanged { .. }
            | Record::ModeSet { .. }
            | Record::ComponentStarted { .. }
            | Record::ComponentStartFailed { .. }
            | Record::ComponentReady { .. }
            | Record::ComponentReloading { .. }
            | Record::ComponentReloaded { .. }
            | Record::ComponentMainChanged { .. }
            | Record::ComponentStopping { .. }
            | Record::ComponentKilled { .. }
            | Record::ComponentHook { .. }
            | Record::ComponentExited { .. }
            | Record::ComponentHeld { .. }
            | Record::LimitWarned { .. }
            | Record::LimitPassed { .. }
            | Record::HealthChanged { .. }
            | Record::Heartbeat { .. }
            | Record::PermitLapsed { .. }
            | Record::CheckFinished { .. }
            | Record::Maintenance { .. }
            | Record::ConfigChanged(_)
            | Record::OperatorOrder { .. }
            | Record::OperatorRefused { .. } => self.following,
        }
    }
}

impl Engine {
    /// A halt was recorded: where a request raised it, the journal says which.
    pub(super) fn trace_halt(&mut self, halt: HaltId) {
        if let Some(trace) = self.traces.raised(halt)
            && !self.storage_failed
        {
            let what = serde_json::json!({ "trace_id": trace.to_string(), "halt": format!("h-{}", halt.0) });
            self.note(TRACE, &what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::{Cause, ClearedBy, Epoch, Permission, Subject};

    fn request(digit: char) -> TraceId {
        let text = digit.to_string().repeat(32);
        TraceId::of_text(&text).unwrap_or_else(|| panic!("{text} names nothing"))
    }

    fn alert(halt: Option<u64>, number: Option<u32>) -> AlertId {
        AlertId {
            subject: Subject::Halt(Cause::Hung),
            component: None,
            epoch: Epoch(7),
            halt: halt.map(HaltId),
            number,
        }
    }

    #[test]
    fn an_incident_has_the_name_of_the_request_that_brought_it_about_and_otherwise_its_own() {
        let mut traces = Traces::new([7; 16], Given::default());
        assert_eq!(traces.raised(HaltId(1)), None);
        let own = traces.of_halt(HaltId(1));
        traces.follow(request('a'));
        assert_eq!(traces.raised(HaltId(2)), Some(request('a')));
        let changed = Record::PermissionChanged { from: Permission::Active, to: Permission::Shutdown };
        assert_eq!(traces.of_record(&changed), Some(request('a')));
        traces.leave();
        assert_eq!(traces.of_record(&changed), None);
        assert_eq!(traces.of_alert(&alert(Some(2), None)), request('a'));
        assert_eq!(traces.of_alert(&alert(Some(1), None)), own);
        let cleared = Record::HaltCleared { id: HaltId(2), cause: Cause::KillSwitch, by: ClearedBy::Itself };
        assert_eq!(traces.of_record(&cleared), Some(request('a')));
        assert_ne!(traces.of_alert(&alert(None, Some(1))), traces.of_alert(&alert(None, Some(2))));
        assert_ne!(own, Traces::new([8; 16], Given::default()).of_halt(HaltId(1)), "another journal's");
    }

    #[test]
    fn a_later_life_reads_the_names_in_the_journal() {
        let mut given = Given::default();
        let payload = |trace: &str, halt: &str| serde_json::json!({ "trace_id": trace, "halt": halt }).to_string();
        given.replay(TRACE, &payload(&"a".repeat(32), "h-2"));
        for (kind, payload) in [
            ("x.failstop.control", payload(&"b".repeat(32), "h-3")),
            (TRACE, payload("b", "h-3")),
            (TRACE, payload(&"b".repeat(32), "3")),
            (TRACE, "{}".to_owned()),
        ] {
            given.replay(kind, &payload);
        }
        let traces = Traces::new([7; 16], given);
        assert_eq!(traces.of_halt(HaltId(2)), request('a'));
        assert_ne!(traces.of_halt(HaltId(3)), request('b'));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes() {
        let mut traces = Traces::new([7; 16], Given::default());
        traces.follow(request('a'));
        for number in 0..300 {
            traces.raised(HaltId(number));
        }
        assert_eq!(traces.given.0.len(), GIVEN_MAX);
        assert_eq!(traces.of_halt(HaltId(299)), request('a'));
    }
}
