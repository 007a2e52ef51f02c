//! What time alone brings: reminders, escalation, repetition for services that forget; and when to look again.

use super::Heart;
use super::incident::{Incident, Said};
use super::lane::{LaneId, Spec};
use super::sending::Order;
use super::time::{At, Now};
use crate::key::Key;
use std::sync::Arc;
use std::time::Duration;

/// A lane that could not repeat tries again after so long.
const REFRESH_AGAIN: Duration = Duration::from_secs(15);

impl Heart {
    /// Time passed.
    pub(crate) fn tick(&mut self, now: Now) {
        let keys: Vec<Key> = self.incidents.keys().cloned().collect();
        for key in keys {
            if let Some(due) = self.escalation_due(&key)
                && due <= now.at
            {
                self.escalate(now, &key);
            } else if let Some(due) = self.reminder_due(&key)
                && due <= now.at
            {
                self.remind(now, &key);
            }
        }
    }

    fn waits_for_somebody(incident: &Incident) -> bool {
        let latest = &incident.latest;
        let maintained = latest.maintenance && latest.nature.waits_for_maintenance(latest.severity);
        incident.resolved.is_none() && incident.acknowledged.is_none() && !incident.held_back && !maintained
    }

    fn escalation_due(&self, key: &Key) -> Option<At> {
        let incident = self.incidents.get(key).filter(|incident| Self::waits_for_somebody(incident))?;
        let step = self.policy.escalation.get(incident.escalated)?;
        (incident.worst() >= step.severity).then(|| incident.first_said.map(|first| first.after(step.after)))?
    }

    fn escalate(&mut self, now: Now, key: &Key) {
        let Some(incident) = self.incidents.get(key) else { return };
        let Some(step) = self.policy.escalation.get(incident.escalated) else { return };
        let alive = |lane: &LaneId| incident.lines.get(lane).is_none_or(|line| !line.dead);
        let lanes = self.lanes_of(&step.channels, &incident.latest).into_iter().filter(alive).collect();
        let notice = Arc::clone(&incident.latest);
        self.say(now, Said::Escalation, notice, lanes);
    }

    fn reminder_due(&self, key: &Key) -> Option<At> {
        let incident = self.incidents.get(key).filter(|incident| Self::waits_for_somebody(incident))?;
        let every = self.policy.reminder.of(incident.worst())?;
        let every = every.max(self.policy.cooldown.of(incident.worst()));
        let can = self.remindable(incident).next().is_some();
        can.then(|| incident.last_said.after(every))
    }

    /// Lanes that know of it, want reminders, and have nothing else of it before them.
    fn remindable<'a>(&'a self, incident: &'a Incident) -> impl Iterator<Item = &'a LaneId> {
        incident.lines.iter().filter_map(|(lane, line)| {
            let wants = self.spec(lane).is_some_and(|spec| spec.wants.reminder);
            (wants && line.told && !line.dead && line.queue.is_empty()).then_some(lane)
        })
    }

    fn remind(&mut self, now: Now, key: &Key) {
        let Some(incident) = self.incidents.get(key) else { return };
        let lanes: Vec<LaneId> = self.remindable(incident).cloned().collect();
        let notice = Arc::clone(&incident.latest);
        self.say(now, Said::Reminder, notice, lanes);
    }

    /// A repetition was accepted, or not.
    pub(super) fn refreshed(&mut self, now: Now, order: &Order, failed: bool) {
        let every = self.spec(&order.lane).and_then(|spec| spec.refresh).unwrap_or(REFRESH_AGAIN);
        let next = if failed { every.min(REFRESH_AGAIN) } else { every };
        if let Some(line) = self.line_mut(&order.key, &order.lane) {
            line.refresh_at = Some(now.at.after(next));
        }
        if !failed {
            self.end_trouble(now, &order.lane);
        }
    }

    /// When something will be due next, if nothing else happens. Due already counts as now.
    pub(crate) fn next_due(&self, now: At) -> Option<At> {
        let keys = self.incidents.keys();
        let people = keys.flat_map(|key| [self.escalation_due(key), self.reminder_due(key)]).flatten().min();
        let lanes = self.specs.iter().filter_map(|spec| self.lane_due(spec, now)).min();
        people.into_iter().chain(lanes).min()
    }

    fn lane_due(&self, spec: &Spec, now: At) -> Option<At> {
        let lane = self.lanes.get(&spec.id)?;
        let spaced = lane.last_start.map(|start| start.after(spec.spacing));
        let free_at = [lane.paused_until, spaced].into_iter().flatten().max().unwrap_or(now);
        let of_line = |incident: &Incident, untried: bool| {
            let line = incident.lines.get(&spec.id).filter(|line| !line.in_flight)?;
            match line.queue.front() {
                Some(row) if untried && row.tries > 0 => None,
                Some(row) => Some(row.not_before),
                None if untried || incident.resolved.is_some() => None,
                None => line.refresh_at,
            }
        };
        // With an attempt on its way only news may start; what else is due waits for the answer.
        let untried = lane.in_flight > 0;
        if lane.in_flight > 1 {
            return None;
        }
        let pending = lane.pending.iter().filter_map(|key| self.incidents.get(key));
        let queued = pending.filter_map(|incident| of_line(incident, untried)).min();
        let refresh = spec.refresh.and_then(|_| self.incidents.values().filter_map(|i| of_line(i, untried)).min());
        queued.into_iter().chain(refresh).min().map(|due| due.max(free_at))
    }
}
