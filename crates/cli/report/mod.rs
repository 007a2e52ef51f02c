//! What a time came to, as the journal tells it: how long what was allowed, what was halted, what ended, what people were told, how
//! orders and the venue's API fared. Pure: records in, sums out, in memory that does not grow with the journal.

mod figures;
mod permitted;
mod sums;

pub use sums::{OrderSums, Peak, Report, Span};

use crate::render::event::Envelope;
use figures::Figures;
use jiff::Timestamp;
use permitted::{Permission, Permitted};
use serde_json::Value;
use std::collections::BTreeMap;
use sums::{AlertSums, ComponentSums, EngineSums, HaltSums};

/// So many components, causes or controls are told apart; further ones are summed up as [`FURTHER`].
const APART_MAX: usize = 128;

/// The name under which they are.
const FURTHER: &str = "(further)";

/// The control that engages the kill switch by an engine's doors.
const EMERGENCY_STOP: &str = "emergency stop";

/// What engages it without one.
const ENGAGED: &str = "kill-switch engage";

/// So many halts are followed at one time; more cannot stand.
const STANDING_MAX: usize = 1_024;

/// So many days are told apart, the latest.
const DAYS_MAX: usize = 400;

/// Sums up records in the order of the journal.
#[derive(Debug)]
pub struct Summing {
    from: Timestamp,
    permitted: Permitted,
    figures: Figures,
    records: u64,
    last: Option<Timestamp>,
    journal: Option<String>,
    engine: EngineSums,
    components: BTreeMap<String, ComponentSums>,
    halts: BTreeMap<String, HaltSums>,
    standing: BTreeMap<u64, (String, Timestamp)>,
    alerts: BTreeMap<String, AlertSums>,
    controls: BTreeMap<String, u64>,
    controls_refused: BTreeMap<String, u64>,
    stop_ordered_by: Option<String>,
    orders: BTreeMap<String, OrderSums>,
}

impl Summing {
    /// From this time on. Records of before may be given too: they say how things stood then.
    pub fn new(from: Timestamp) -> Self {
        Self {
            from,
            permitted: Permitted::new(from),
            figures: Figures::default(),
            records: 0,
            last: None,
            journal: None,
            engine: EngineSums::default(),
            components: BTreeMap::new(),
            halts: BTreeMap::new(),
            standing: BTreeMap::new(),
            alerts: BTreeMap::new(),
            controls: BTreeMap::new(),
            controls_refused: BTreeMap::new(),
            stop_ordered_by: None,
            orders: BTreeMap::new(),
        }
    }

    /// Whether a record of this type says anything here. Whatever comes shows that an engine ran.
    pub fn reads(kind: &str) -> bool {
        matches!(
            kind,
            "seg.open"
                | "engine.started"
                | "engine.stopped"
                | "heartbeat"
                | "permission.changed"
                | "halt.raised"
                | "halt.cleared"
                | "component.started"
                | "component.exited"
                | "order.outcome"
                | "order.resolved"
                | "x.failstop.alert"
                | "x.failstop.control"
                | "x.failstop.control_declined"
                | "x.failstop.figures"
        )
    }

    /// A record of any type was written at that time.
    pub fn seen(&mut self, kind: &str, at: Timestamp) {
        if self.last.is_none() && at > self.from {
            self.from = at;
            self.permitted.begins(at);
        }
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        self.records += u64::from(at >= self.from);
        if !matches!(kind, "seg.open" | "engine.started") {
            self.permitted.alive(at);
        }
    }

    /// Takes a record of a type that [is read](Self::reads), written at that time.
    pub fn take(&mut self, record: &Envelope, at: Timestamp) {
        let counts = at >= self.from;
        match record.t.as_str() {
            "seg.open" => self.journal = record.b["jid"].as_str().map(str::to_owned).or(self.journal.take()),
            "x.failstop.alert" if counts => self.alert(&record.b),
            "x.failstop.control" => self.control(&record.b, counts),
            "x.failstop.control_declined" if counts => {
                let name = apart(&self.controls_refused, record.b["control"].as_str().unwrap_or_default());
                *self.controls_refused.entry(name).or_default() += 1;
            }
            "x.failstop.figures" if counts => self.figures.take(&record.b, at),
            "order.outcome" | "order.resolved" if counts => self.order(&record.b, at),
            "engine.started" => {
                let died = self.permitted.starts(at);
                self.engine.starts += u64::from(counts);
                self.engine.died += u64::from(counts && died);
                self.engine.epoch = record.b["epoch"].as_u64();
            }
            "engine.stopped" => self.permitted.stops(at),
            "heartbeat" => {
                if let Some(permission) = Permission::of(&record.b["permission"]) {
                    self.permitted.is(permission, at);
                }
            }
            "permission.changed" => {
                let [from, to] = ["from", "to"].map(|key| Permission::of(&record.b[key]));
                if let (Some(from), Some(to)) = (from, to) {
                    self.permitted.changes(from, to, at);
                }
            }
            "halt.raised" => self.raised(&record.b, at, counts),
            "halt.cleared" => self.cleared(&record.b, at, counts),
            "component.started" if counts => self.component(&record.b).starts += 1,
            "component.exited" if counts => {
                let is = |key: &str| record.b[key] == true;
                let sums = self.component(&record.b);
                sums.ended_by_itself += u64::from(!is("requested") && !is("killed"));
                sums.killed += u64::from(is("killed") && !is("requested"));
                sums.out_of_memory += u64::from(!record.b["out_of_memory"].is_null());
            }
            _ => {}
        }
    }

    fn control(&mut self, body: &Value, counts: bool) {
        let control = body["control"].as_str().unwrap_or_default();
        if control == EMERGENCY_STOP {
            self.stop_ordered_by = body["by"].as_str().map(str::to_owned);
        }
        if counts {
            self.controlled(control);
        }
    }

    fn controlled(&mut self, control: &str) {
        let name = apart(&self.controls, control);
        *self.controls.entry(name).or_default() += 1;
    }

    /// The kill switch stands. Unless an engine was asked for that, somebody engaged it on the host, which is no control of a door.
    fn stopped(&mut self, halt: &Value, counts: bool) {
        let by = self.stop_ordered_by.take();
        let of_order = by.is_some_and(|by| {
            let said = halt["evidence"].as_str().and_then(|evidence| evidence.strip_prefix("engaged by "));
            said.is_some_and(|said| said.starts_with(&by))
        });
        if counts && !of_order {
            self.controlled(ENGAGED);
        }
    }

    fn raised(&mut self, halt: &Value, at: Timestamp, counts: bool) {
        let (Some(id), Some(cause)) = (halt["id"].as_u64(), halt["cause"].as_str()) else { return };
        let cause = apart(&self.halts, cause);
        if cause == "kill-switch" {
            self.stopped(halt, counts);
        }
        if counts {
            self.halts.entry(cause.clone()).or_default().times += 1;
        }
        if self.standing.len() < STANDING_MAX {
            self.standing.insert(id, (cause, at));
        }
    }

    fn cleared(&mut self, halt: &Value, at: Timestamp, counts: bool) {
        let (Some(id), Some(cause)) = (halt["id"].as_u64(), halt["cause"].as_str()) else { return };
        // One that was raised before the journal is read from has stood since then at least.
        let (cause, raised) = self.standing.remove(&id).unwrap_or_else(|| (apart(&self.halts, cause), self.from));
        if cause == "kill-switch" {
            self.stop_ordered_by = None;
        }
        if counts {
            self.halts.entry(cause).or_default().seconds += seconds(raised.max(self.from), at);
        }
    }

    fn component(&mut self, body: &Value) -> &mut ComponentSums {
        let name = apart(&self.components, body["component"].as_str().unwrap_or_default());
        self.components.entry(name).or_default()
    }

    fn alert(&mut self, body: &Value) {
        // `SYSTEM/CAUSE/…`
        let cause = body["alert"].as_str().and_then(|key| key.split('/').nth(1)).unwrap_or_default();
        let name = apart(&self.alerts, cause);
        let sums = self.alerts.entry(name).or_default();
        match (body["change"].as_str(), body["severity"].as_str()) {
            (Some("trigger"), Some("critical")) => sums.critical += 1,
            (Some("trigger"), Some("warning")) => sums.warning += 1,
            (Some("trigger"), _) => sums.info += 1,
            (Some("resolve"), _) => sums.over += 1,
            (_, _) => {}
        }
    }

    fn order(&mut self, body: &Value, at: Timestamp) {
        let good = match body["outcome"].as_str() {
            Some("filled" | "cancelled" | "expired") => true,
            Some("rejected" | "not-sent") => false,
            // Nothing has become of it yet.
            Some(_) | None => return,
        };
        let sums = self.orders.entry(day_of(at)).or_default();
        sums.ended += 1;
        sums.succeeded += u64::from(good);
        while self.orders.len() > DAYS_MAX {
            self.orders.pop_first();
        }
    }

    /// Everything up to `until`. `runs`: whether an engine runs then, which is `None` where that is not known; where none does, the
    /// journal's last record is when it ended.
    pub fn report(mut self, until: Timestamp, runs: Option<bool>) -> Report {
        for (cause, raised) in self.standing.into_values() {
            let sums = self.halts.entry(cause).or_default();
            sums.standing += 1;
            sums.seconds += seconds(raised.max(self.from), until);
        }
        self.engine.runs = runs;
        let permission = self.permitted.sums(until, runs);
        let (memory_peak, errors_peak, api) = self.figures.sums();
        Report {
            system: None,
            journal: self.journal,
            from: self.from.to_string(),
            until: until.to_string(),
            records: self.records,
            last_record: self.last.map(|last| last.to_string()),
            unreadable: 0,
            permission,
            engine: self.engine,
            components: self.components,
            halts: self.halts,
            alerts: self.alerts,
            orders: self.orders,
            api,
            errors_per_minute_peak: errors_peak,
            memory_peak,
            controls: self.controls,
            controls_refused: self.controls_refused,
        }
    }
}

/// The name itself, or that of all further ones where too many are known.
fn apart<T>(known: &BTreeMap<String, T>, name: &str) -> String {
    let further = known.len() >= APART_MAX && !known.contains_key(name);
    if further { FURTHER.to_owned() } else { name.to_owned() }
}

/// `2026-11-07`, in UTC.
fn day_of(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// From one time to another; none where the clock went back.
fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests;
