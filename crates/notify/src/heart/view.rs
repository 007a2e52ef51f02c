//! What the heart shows of itself, and how it takes up a new list of lanes.

use super::Heart;
use super::fact::Fact;
use super::incident::Incident;
use super::lane::{Lane, LaneId, Spec};
use super::time::{At, Now};
use crate::key::Key;
use crate::policy::Policy;
use crate::report::{Alert, ChannelStatus, Counters};
use std::time::Duration;

impl Heart {
    /// After replay, or with another configuration: what waits for a lane that is no more moves to the next one, and
    /// everything else may be tried at once.
    pub(crate) fn adopt(&mut self, now: Now, policy: Policy, specs: Vec<Spec>) {
        self.policy = policy;
        let mut former = std::mem::take(&mut self.lanes);
        self.lanes = specs.iter().map(|s| (s.id.clone(), former.remove(&s.id).unwrap_or_default())).collect();
        self.specs = specs;
        let mut orphans: Vec<(Key, LaneId, u32)> = Vec::new();
        for (key, incident) in &mut self.incidents {
            for (id, line) in &mut incident.lines {
                let Some(lane) = self.lanes.get_mut(id) else {
                    line.in_flight = false;
                    orphans.extend(line.queue.iter().map(|row| (key.clone(), id.clone(), row.seq)));
                    continue;
                };
                if !line.queue.is_empty() {
                    lane.pending.insert(key.clone());
                }
                let forgets = self.specs.iter().any(|spec| spec.id == *id && spec.refresh.is_some());
                if forgets && line.told && incident.resolved.is_none() {
                    line.refresh_at.get_or_insert(now.at);
                }
            }
        }
        const REASON: &str = "it is no longer configured";
        for (key, lane, seq) in orphans {
            self.reroute(now, &key, &lane, REASON);
            self.record(now, Fact::GivenUp { key, lane, seq, reason: REASON.to_owned() });
        }
    }

    /// Open incidents and the last that are over, the newest first.
    pub(crate) fn alerts(&self) -> Vec<Alert> {
        let mut incidents: Vec<&Incident> = self.incidents.values().chain(&self.past).collect();
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.opened));
        let mut over = 0;
        incidents.retain(|incident| {
            over += usize::from(incident.resolved.is_some());
            incident.resolved.is_none() || over <= crate::LISTED_MAX
        });
        incidents.into_iter().map(|incident| self.alert(incident)).collect()
    }

    fn alert(&self, incident: &Incident) -> Alert {
        let notice = &incident.latest;
        let names = |wanted: &dyn Fn(&super::incident::Line) -> bool| {
            let mut names: Vec<String> = Vec::new();
            for (lane, line) in &incident.lines {
                let name = self.spec(lane).map_or(lane.0.as_str(), |spec| spec.channel.as_str());
                if wanted(line) && !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            names
        };
        Alert {
            key: incident.key.clone(),
            severity: incident.worst(),
            nature: notice.nature,
            system: notice.system.clone(),
            cause: notice.cause.clone(),
            component: notice.component.clone(),
            environment: notice.environment.clone(),
            drill: notice.drill,
            title: notice.title.clone(),
            message: notice.message.clone(),
            root_cause: notice.root_cause.clone(),
            recommended_action: notice.recommended_action.clone(),
            runbook: notice.runbook.clone(),
            metadata: notice.metadata.clone(),
            trace_id: notice.trace_id.clone(),
            opened_at: incident.opened_at,
            resolved_at: incident.resolved.map(|(_, wall)| wall),
            acknowledged: incident.acknowledged.clone(),
            held_back: incident.held_back,
            delivered_to: names(&|line| line.told),
            waiting_for: names(&|line| !line.queue.is_empty()),
        }
    }

    /// How each lane fares, in the order of the configuration.
    pub(crate) fn channels(&self, now: At) -> Vec<ChannelStatus> {
        let one = |spec: &Spec| {
            let lane = self.lanes.get(&spec.id);
            let (queued, oldest) = lane.map_or((0, None), |lane| self.waiting(&spec.id, lane));
            ChannelStatus {
                channel: spec.channel.clone(),
                destination: spec.destination.clone(),
                last_ok: lane.and_then(|lane| lane.last_ok),
                last_error: lane.and_then(|lane| lane.last_error.as_ref()).map(|(_, reason)| reason.clone()),
                last_error_at: lane.and_then(|lane| lane.last_error.as_ref()).map(|(wall, _)| *wall),
                failures_in_a_row: lane.map_or(0, |lane| lane.failures),
                queued,
                oldest_queued_ms: oldest.map(|oldest| now.0.saturating_sub(oldest.0)),
                paused_ms: lane
                    .and_then(|lane| lane.paused_until)
                    .map(|until| until.0.saturating_sub(now.0))
                    .filter(|left| *left > 0),
            }
        };
        self.specs.iter().map(one).collect()
    }

    fn waiting(&self, id: &LaneId, lane: &Lane) -> (usize, Option<At>) {
        let lines = lane.pending.iter().filter_map(|key| self.incidents.get(key)?.lines.get(id));
        let mut count = 0;
        let mut oldest: Option<At> = None;
        for row in lines.flat_map(|line| &line.queue) {
            count += 1;
            oldest = Some(oldest.map_or(row.queued, |oldest| oldest.min(row.queued)));
        }
        (count, oldest)
    }

    /// Incidents that are open.
    pub(crate) fn open_count(&self) -> usize {
        self.incidents.values().filter(|incident| incident.resolved.is_none()).count()
    }

    /// Counters since the start.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a message that was never tried waits for a lane that may be tried within `soon`.
    pub(crate) fn has_untried(&self, at: At, soon: Duration) -> bool {
        let speaks = |lane: &Lane| lane.paused_until.is_none_or(|until| until <= at.after(soon));
        let untried = |id: &LaneId, lane: &Lane| {
            let mut rows = lane.pending.iter().filter_map(|key| self.incidents.get(key)?.lines.get(id)?.queue.front());
            rows.any(|row| row.tries == 0)
        };
        self.lanes.iter().any(|(id, lane)| speaks(lane) && untried(id, lane))
    }
}
