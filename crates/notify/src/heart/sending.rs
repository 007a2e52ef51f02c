//! Which message goes out next, and what the answer to it changes.

use super::fact::Fact;
use super::incident::{Incident, Line, Row, Said};
use super::lane::{Collapse, Lane, LaneId, Spec};
use super::time::{At, Now};
use super::{Heart, LATE, OWN_CAUSE, RETRY_FOR};
use crate::answer::Answer;
use crate::key::Key;
use crate::notice::{Change, Notice, Severity};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Attempts of one lane at a time. The second place is only for a message that was never tried, so that one stuck attempt
/// does not hold up the news.
const IN_FLIGHT_MAX: usize = 2;

/// The first pause after a failed attempt; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest pause between attempts of one message.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);

/// The longest silence that a service can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// A lane that has failed for so long is trouble that people are told of over the others.
const TROUBLE_AFTER: Duration = Duration::from_secs(10 * 60);

/// So many failures in a row at least make trouble.
const TROUBLE_FAILURES: u64 = 5;

/// What an order asks a channel to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// Said for the first time to this lane.
    Trigger,
    /// Something changed.
    Update,
    /// Still there.
    Reminder,
    /// Nobody took it on in time.
    Escalation,
    /// Somebody took it on.
    Acknowledge,
    /// It is over.
    Resolve,
    /// Nothing new; the service forgets what is not repeated.
    Refresh,
}

/// One attempt to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) lane: LaneId,
    pub(crate) key: Key,
    /// The number of the message within its incident; the same in every attempt.
    pub(crate) seq: u32,
    pub(crate) what: What,
    pub(crate) notice: Arc<Notice>,
    pub(crate) note: Option<String>,
    /// What the service calls its first message about the incident.
    pub(crate) receipt: Option<String>,
    /// How many messages this one stands for.
    pub(crate) covers: u32,
    /// How long it waited, if that is long enough to say.
    pub(crate) late: Option<Duration>,
    /// In its barest form.
    pub(crate) plain: bool,
    pub(crate) tries: u32,
    pub(crate) opened_at: Timestamp,
    pub(crate) resolved_at: Option<Timestamp>,
    pub(crate) acknowledged_by: Option<String>,
    pub(crate) severities: BTreeSet<Severity>,
}

impl Heart {
    /// The next attempt to make, which counts as begun. Nothing while facts are unsaved: what is not on disk is not sent.
    pub(crate) fn poll(&mut self, now: Now) -> Option<Order> {
        if !self.unsaved.is_empty() {
            return None;
        }
        for at in 0..self.specs.len() {
            let (Some(spec), Some(lane)) = (self.specs.get(at), self.specs.get(at).and_then(|s| self.lanes.get(&s.id)))
            else {
                continue;
            };
            let Some(room) = room(spec, lane, now.at) else { continue };
            let Some(key) = self.most_urgent(spec, lane, room, now.at) else { continue };
            if let Some(merge) = self.incidents.get(&key).and_then(|incident| merge_late(incident, spec, now.at)) {
                self.record(now, merge);
                return None;
            }
            let id = spec.id.clone();
            let Some(order) = self.order(&key, &id, now) else {
                // A row without its message cannot come of our own facts, only of damaged ones.
                self.drop_row(now, &key, &id);
                return None;
            };
            if let Some(line) = self.line_mut(&key, &id) {
                line.in_flight = true;
            }
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.in_flight += 1;
                lane.last_start = Some(now.at);
                lane.begun = lane.begun.wrapping_add(1);
            }
            return Some(order);
        }
        None
    }

    /// In turns: news first and the worst of it, then what waits longest.
    fn most_urgent(&self, spec: &Spec, lane: &Lane, room: Room, at: At) -> Option<Key> {
        let news_first = lane.begun.is_multiple_of(2);
        let ready = lane.pending.iter().filter_map(|key| {
            let incident = self.incidents.get(key)?;
            let line = incident.lines.get(&spec.id)?;
            let row = line.queue.front()?;
            let may = match room {
                Room::Any => true,
                Room::Untried => row.tries == 0,
            };
            let is_ready = may && !line.in_flight && row.not_before <= at;
            let urgency = if news_first {
                (row.tries > 0, Reverse(incident.worst()), row.queued)
            } else {
                (false, Reverse(Severity::Critical), row.queued)
            };
            is_ready.then_some((urgency, key))
        });
        let queued = ready.min_by_key(|(urgency, _)| *urgency).map(|(_, key)| key.clone());
        queued.or_else(|| {
            spec.refresh?;
            let due = |line: &Line| !line.in_flight && line.refresh_at.is_some_and(|due| due <= at);
            let stands = |incident: &&Incident| {
                incident.resolved.is_none()
                    && incident.lines.get(&spec.id).is_some_and(|line| due(line) && line.queue.is_empty())
            };
            self.incidents.values().find(stands).map(|incident| incident.key.clone())
        })
    }

    fn drop_row(&mut self, now: Now, key: &Key, lane: &LaneId) {
        let row = self.line_mut(key, lane).and_then(|line| line.queue.front().map(|row| row.seq));
        if let Some(seq) = row {
            let reason = "its text was lost with a damaged line of the outbox".to_owned();
            self.record(now, Fact::GivenUp { key: key.clone(), lane: lane.clone(), seq, reason });
        }
    }

    fn order(&self, key: &Key, id: &LaneId, now: Now) -> Option<Order> {
        let incident = self.incidents.get(key)?;
        let line = incident.lines.get(id)?;
        let order = Order {
            lane: id.clone(),
            key: key.clone(),
            seq: incident.next_seq,
            what: What::Refresh,
            notice: Arc::clone(&incident.latest),
            note: None,
            receipt: line.receipt.clone(),
            covers: 1,
            late: None,
            plain: false,
            tries: 0,
            opened_at: incident.opened_at,
            resolved_at: incident.resolved.map(|(_, wall)| wall),
            acknowledged_by: incident.acknowledged.as_ref().map(|acknowledged| acknowledged.by.clone()),
            severities: incident.severities.clone(),
        };
        let Some(row) = line.queue.front() else { return Some(order) };
        let entry = incident.entries.get(&row.seq)?;
        let what = match entry.said {
            Said::Resolve => What::Resolve,
            // Whatever it was for others: what a lane hears first is a beginning.
            _ if !line.told => What::Trigger,
            Said::Trigger => What::Trigger,
            Said::Update => What::Update,
            Said::Reminder => What::Reminder,
            Said::Escalation => What::Escalation,
            Said::Acknowledge => What::Acknowledge,
        };
        let waited = now.at.since(row.queued);
        Some(Order {
            seq: row.seq,
            what,
            notice: Arc::clone(&entry.notice),
            note: entry.note.clone(),
            covers: row.covers,
            late: (waited >= LATE).then_some(waited),
            plain: row.plain,
            tries: row.tries,
            ..order
        })
    }

    /// An attempt ended. `random` is any number; it spreads the next attempts.
    pub(crate) fn answered(&mut self, now: Now, order: &Order, answer: Answer, random: u32) {
        let failed = self.close_attempt(now, order, &answer);
        if order.what == What::Refresh {
            self.refreshed(now, order, failed);
            return;
        }
        let (key, lane, seq) = (order.key.clone(), order.lane.clone(), order.seq);
        match answer {
            Answer::Ok { receipt } => {
                self.counters.sent.count(order.notice.severity);
                self.record(now, Fact::Delivered { key: key.clone(), lane: lane.clone(), through: seq, receipt });
                if let Some(every) = self.spec(&lane).and_then(|spec| spec.refresh)
                    && let Some(line) = self.line_mut(&key, &lane)
                {
                    line.refresh_at = Some(now.at.after(every));
                }
                self.end_trouble(now, &lane);
            }
            Answer::Retry { reason } | Answer::Ambiguous { reason } => {
                self.again_later(now, order, random, &reason);
            }
            Answer::RetryAfter { after, reason } => {
                if let Some(state) = self.lanes.get_mut(&lane) {
                    state.paused_until = Some(now.at.after(after.min(PAUSE_MAX)));
                }
                self.again_later(now, order, random, &reason);
            }
            Answer::FixPayload { .. } if !order.plain => {
                self.record(now, Fact::Tried { key, lane, seq, plain: true });
            }
            Answer::FixPayload { reason } | Answer::Permanent { reason } => {
                self.give_up(now, order, &reason);
            }
            Answer::Migrate { from, to } => {
                self.record(now, Fact::Moved { lane: lane.clone(), from, to });
                self.record(now, Fact::Tried { key, lane, seq, plain: false });
            }
        }
    }

    /// A test of a lane was taken by its service.
    pub(crate) fn worked(&mut self, now: Now, lane: &LaneId) {
        self.record(now, Fact::Worked { lane: lane.clone(), at: now.wall });
    }

    /// Accounts for the end of an attempt; gives whether it failed.
    fn close_attempt(&mut self, now: Now, order: &Order, answer: &Answer) -> bool {
        if let Some(line) = self.line_mut(&order.key, &order.lane) {
            line.in_flight = false;
        }
        let Some(lane) = self.lanes.get_mut(&order.lane) else { return true };
        lane.in_flight = lane.in_flight.saturating_sub(1);
        let reason = match answer {
            Answer::Ok { .. } => {
                let worked = lane.failures > 0;
                lane.last_ok = Some(now.wall);
                lane.failures = 0;
                lane.failing_since = None;
                if worked {
                    self.hurry(&order.lane, now.at);
                }
                return false;
            }
            Answer::Migrate { .. } => "the destination has moved; it is followed".to_owned(),
            Answer::Retry { reason }
            | Answer::RetryAfter { reason, .. }
            | Answer::Permanent { reason }
            | Answer::FixPayload { reason }
            | Answer::Ambiguous { reason } => reason.clone(),
        };
        lane.failures = lane.failures.saturating_add(1);
        lane.failing_since.get_or_insert(now.at);
        lane.last_error = Some((now.wall, reason));
        self.counters.failed_attempts = self.counters.failed_attempts.saturating_add(1);
        true
    }

    /// The lane works again: what waits out a pause after a failure does not need to.
    fn hurry(&mut self, lane: &LaneId, at: At) {
        let Some(state) = self.lanes.get(lane) else { return };
        for key in &state.pending {
            let line = self.incidents.get_mut(key).and_then(|incident| incident.lines.get_mut(lane));
            for row in line.into_iter().flat_map(|line| line.queue.iter_mut()) {
                row.not_before = row.not_before.min(at);
            }
        }
    }

    fn again_later(&mut self, now: Now, order: &Order, random: u32, reason: &str) {
        let (key, lane, seq) = (&order.key, &order.lane, order.seq);
        let waited = self.row_mut(key, lane, seq).map(|row| now.at.since(row.queued));
        if waited.is_some_and(|waited| waited >= RETRY_FOR) {
            let reason = format!("{reason}; tried for {} hours", RETRY_FOR.as_secs() / 3_600);
            self.give_up(now, order, &reason);
            return;
        }
        self.record(now, Fact::Tried { key: key.clone(), lane: lane.clone(), seq, plain: false });
        if let Some(row) = self.row_mut(key, lane, seq) {
            row.not_before = now.at.after(backoff(row.tries, random));
        }
        let state = self.lanes.get(lane);
        let trouble = state.is_some_and(|lane| {
            lane.failures >= TROUBLE_FAILURES
                && lane.failing_since.is_some_and(|since| now.at.since(since) >= TROUBLE_AFTER)
        });
        if trouble {
            self.tell_trouble(now, lane, "takes no messages", reason);
        }
    }

    /// A lane will never take a message: the next channel gets it, and people are told why.
    fn give_up(&mut self, now: Now, order: &Order, reason: &str) {
        self.counters.given_up = self.counters.given_up.saturating_add(1);
        let (key, lane) = (order.key.clone(), order.lane.clone());
        self.reroute(now, &key, &lane, reason);
        self.record(now, Fact::GivenUp { key, lane: lane.clone(), seq: order.seq, reason: reason.to_owned() });
        self.tell_trouble(now, &lane, "refuses messages", reason);
    }

    /// Gives everything that waits in a line which never heard of the incident to the next lane.
    pub(super) fn reroute(&mut self, now: Now, key: &Key, lane: &LaneId, reason: &str) {
        let Some(incident) = self.incidents.get(key) else { return };
        let Some(line) = incident.lines.get(lane).filter(|line| !line.told) else { return };
        let taken = |other: &LaneId| other == lane || incident.lines.contains_key(other);
        let Some(next) = self.next_lane(lane, &incident.latest, taken) else { return };
        let note = format!("{lane} refused this ({reason}), so it comes here");
        let waiting: Vec<u32> = line.queue.iter().map(|row| row.seq).collect();
        for seq in waiting {
            let fact = Fact::Rerouted { key: key.clone(), seq, lane: next.clone(), note: note.clone() };
            self.record(now, fact);
        }
    }

    fn tell_trouble(&mut self, now: Now, lane: &LaneId, does: &str, reason: &str) {
        let Some(spec) = self.spec(lane).cloned() else { return };
        let about = |incident: &&Incident| {
            incident.latest.cause == OWN_CAUSE && incident.latest.component.as_deref() == Some(lane.0.as_str())
        };
        let open = self.incidents.values().filter(about).any(|incident| incident.resolved.is_none());
        let just_over = self.past.iter().rev().find(about).and_then(|incident| incident.resolved);
        if open || just_over.is_some_and(|(over, _)| now.at.since(over) < TROUBLE_AFTER) {
            return;
        }
        let Some(key) = self.own_key(OWN_CAUSE, Some(&lane.0), now) else { return };
        let title = format!("alert channel {lane} {does}");
        let mut notice = Notice::new(key, Change::Trigger, Severity::Warning, title, now.wall);
        notice.system.clone_from(&self.name);
        OWN_CAUSE.clone_into(&mut notice.cause);
        notice.component = Some(lane.0.clone());
        notice.environment = Self::environment_of(&spec);
        notice.message = format!("The last answer: {reason}. What it refused for good went to the next channel.");
        notice.recommended_action =
            Some(format!("correct the channel, then: failstop alerts test --channel {}", spec.channel));
        self.report(now, notice);
    }

    /// The key of an incident of our own: made of names that may hold anything, so of what a key can hold of them.
    fn own_key(&self, cause: &str, component: Option<&str>, now: Now) -> Option<Key> {
        let clean = |text: &str, most| -> String {
            text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(most).collect()
        };
        let component = component.map(|component| clean(component, 120));
        Key::of(&clean(&self.name, 64), cause, component.as_deref(), now.at.0).ok()
    }

    /// Says that something was found wrong with the outbox.
    pub(crate) fn tell_damage(&mut self, now: Now, damage: &str) {
        let Some(key) = self.own_key("alert-outbox", None, now) else { return };
        let title = "the outbox of alerts was damaged";
        let mut notice = Notice::new(key, Change::Trigger, Severity::Warning, title, now.wall);
        notice.system.clone_from(&self.name);
        "alert-outbox".clone_into(&mut notice.cause);
        notice.message = damage.to_owned();
        notice.recommended_action = Some("check the disk, then compare the open alerts with what stands".to_owned());
        self.report(now, notice);
    }

    pub(super) fn end_trouble(&mut self, now: Now, lane: &LaneId) {
        let about = |incident: &&Incident| {
            incident.resolved.is_none()
                && incident.latest.cause == OWN_CAUSE
                && incident.latest.component.as_deref() == Some(lane.0.as_str())
        };
        let Some(incident) = self.incidents.values().find(about) else { return };
        let mut notice = Notice::clone(&incident.latest);
        notice.change = Change::Resolve;
        notice.title = format!("alert channel {lane} works again");
        notice.message = String::new();
        notice.recommended_action = None;
        notice.occurred_at = now.wall;
        self.report(now, notice);
    }

    pub(super) fn line_mut(&mut self, key: &Key, lane: &LaneId) -> Option<&mut Line> {
        self.incidents.get_mut(key)?.lines.get_mut(lane)
    }
}

#[derive(Clone, Copy)]
enum Room {
    Any,
    Untried,
}

/// What may start on a lane now.
fn room(spec: &Spec, lane: &Lane, at: At) -> Option<Room> {
    let silent = lane.paused_until.is_some_and(|until| at < until);
    let spaced = lane.last_start.is_some_and(|start| at < start.after(spec.spacing));
    if silent || spaced {
        return None;
    }
    match lane.in_flight {
        0 => Some(Room::Any),
        n if n < IN_FLIGHT_MAX => Some(Room::Untried),
        _ => None,
    }
}

/// The waiting messages that become one because they are late.
fn merge_late(incident: &Incident, spec: &Spec, at: At) -> Option<Fact> {
    let line = incident.lines.get(&spec.id)?;
    let first = line.queue.front()?;
    let late = at.since(first.queued) >= LATE;
    if !late || line.queue.len() < 2 {
        return None;
    }
    let said = |row: &Row| incident.entries.get(&row.seq).map(|entry| entry.said);
    let last = match spec.collapse {
        Collapse::Whole => line.queue.back()?,
        Collapse::Middle if first.tries > 0 => return None,
        Collapse::Middle => line
            .queue
            .iter()
            .take_while(|row| match said(row) {
                Some(Said::Trigger | Said::Update | Said::Reminder | Said::Escalation) => true,
                Some(Said::Acknowledge | Said::Resolve) | None => false,
            })
            .last()?,
    };
    (last.seq > first.seq).then(|| Fact::Merged {
        key: incident.key.clone(),
        lane: spec.id.clone(),
        from: first.seq,
        through: last.seq,
    })
}

/// The pause after so many failed attempts: doubling, bounded, and between half and the whole of that by chance.
pub(super) fn backoff(tries: u32, random: u32) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX).max(1));
    let whole = doubled.min(BACKOFF_MAX);
    whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
