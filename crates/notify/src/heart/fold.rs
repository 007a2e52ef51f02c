//! What each fact changes. The same function serves the present and the past, so that both agree.

use super::fact::{Fact, Record};
use super::incident::{Entry, Incident, Row, Said};
use super::lane::LaneId;
use super::{Heart, OVER_MAX};
use crate::key::Key;
use crate::report::Acknowledgement;
use jiff::Timestamp;
use std::sync::Arc;

impl Heart {
    pub(super) fn fold(&mut self, record: &Record) {
        let Record { at, wall, fact } = record;
        match fact {
            Fact::Said { key, seq, said, notice, lanes, held_back } => {
                let incident = self
                    .incidents
                    .entry(key.clone())
                    .or_insert_with(|| Incident::new(key.clone(), *at, *wall, Arc::clone(notice)));
                incident.latest = Arc::clone(notice);
                incident.severities.insert(notice.severity);
                if *said != Said::Resolve {
                    incident.held_back = *held_back;
                }
                incident.last_said = *at;
                incident.said_title.clone_from(&notice.title);
                incident.said_message.clone_from(&notice.message);
                if !lanes.is_empty() {
                    incident.first_said.get_or_insert(*at);
                }
                match said {
                    Said::Escalation => incident.escalated += 1,
                    Said::Reminder => incident.reminders += 1,
                    Said::Resolve => incident.resolved = Some((*at, *wall)),
                    Said::Trigger | Said::Update | Said::Acknowledge => {}
                }
                let entry = Entry { said: *said, notice: Arc::clone(notice), note: None };
                self.enqueue(key, *seq, entry, lanes, record);
                self.settle(key);
            }
            Fact::Noted { key, notice } => {
                if let Some(incident) = self.incidents.get_mut(key) {
                    incident.latest = Arc::clone(notice);
                    incident.severities.insert(notice.severity);
                }
            }
            Fact::Acknowledged { key, seq, by, lanes } => {
                let Some(incident) = self.incidents.get_mut(key) else { return };
                incident.acknowledged = Some(Acknowledgement { by: by.clone(), at: *wall });
                let entry = Entry { said: Said::Acknowledge, notice: Arc::clone(&incident.latest), note: None };
                self.enqueue(key, *seq, entry, lanes, record);
            }
            Fact::Rerouted { key, seq, lane, note } => {
                let Some(incident) = self.incidents.get_mut(key) else { return };
                // The note belongs to this lane alone, so its message is another one than that of the others.
                let Some(mut entry) = incident.entries.get(seq).cloned() else { return };
                entry.note = Some(note.clone());
                let seq = incident.next_seq;
                self.enqueue(key, seq, entry, std::slice::from_ref(lane), record);
            }
            Fact::Merged { key, lane, from, through } => self.merge(key, lane, *from, *through),
            Fact::Tried { key, lane, seq, plain } => {
                if let Some(row) = self.row_mut(key, lane, *seq) {
                    row.tries = row.tries.saturating_add(1);
                    row.plain |= plain;
                }
            }
            Fact::Delivered { key, lane, through, receipt } => {
                self.has_worked(lane, *wall);
                let Some(incident) = self.incidents.get_mut(key) else { return };
                let Some(line) = incident.lines.get_mut(lane) else { return };
                let resolves = |seq: u32| incident.entries.get(&seq).is_some_and(|entry| entry.said == Said::Resolve);
                line.finished |= line.queue.iter().any(|row| row.seq <= *through && resolves(row.seq));
                line.queue.retain(|row| row.seq > *through);
                line.told = true;
                if line.receipt.is_none() {
                    line.receipt.clone_from(receipt);
                }
                self.settle(key);
            }
            Fact::GivenUp { key, lane, seq, .. } => {
                let Some(incident) = self.incidents.get_mut(key) else { return };
                let Some(line) = incident.lines.get_mut(lane) else { return };
                line.queue.retain(|row| row.seq != *seq);
                if !line.told {
                    line.dead = true;
                    line.queue.clear();
                }
                self.settle(key);
            }
            Fact::Moved { lane, from, to } => drop(self.moved.insert((lane.clone(), from.clone()), to.clone())),
            Fact::Worked { lane, at } => self.has_worked(lane, *at),
            Fact::HandedOver { key } => {
                self.lanes.values_mut().for_each(|lane| {
                    lane.pending.remove(key);
                });
                // Not among those that are over: its key may be reported again.
                self.incidents.remove(key);
            }
            Fact::Incident(incident) => {
                let key = incident.key.clone();
                for (lane, line) in &incident.lines {
                    if !line.queue.is_empty()
                        && let Some(lane) = self.lanes.get_mut(lane)
                    {
                        lane.pending.insert(key.clone());
                    }
                }
                self.incidents.insert(key.clone(), (**incident).clone());
                self.settle(&key);
            }
            Fact::Over { keys } => {
                self.over.extend(keys.iter().cloned());
                self.bound_over();
            }
        }
    }

    fn has_worked(&mut self, lane: &LaneId, at: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.last_ok = Some(at);
        }
    }

    fn enqueue(&mut self, key: &Key, seq: u32, entry: Entry, lanes: &[LaneId], record: &Record) {
        let Some(incident) = self.incidents.get_mut(key) else { return };
        incident.next_seq = incident.next_seq.max(seq.saturating_add(1));
        let mut wanted = false;
        for lane in lanes {
            let line = incident.lines.entry(lane.clone()).or_default();
            if line.dead {
                continue;
            }
            let row = Row { seq, queued: record.at, covers: 1, tries: 0, plain: false, not_before: record.at };
            line.queue.push_back(row);
            wanted = true;
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.pending.insert(key.clone());
            }
        }
        if wanted {
            incident.entries.insert(seq, entry);
        }
    }

    fn merge(&mut self, key: &Key, lane: &LaneId, from: u32, through: u32) {
        let Some(incident) = self.incidents.get_mut(key) else { return };
        let Some(line) = incident.lines.get_mut(lane) else { return };
        let inside = |row: &Row| (from..=through).contains(&row.seq);
        let (mut covers, mut tries, mut queued) = (0_u32, 0_u32, None);
        for row in line.queue.iter().filter(|row| inside(row)) {
            covers = covers.saturating_add(row.covers);
            tries = tries.max(row.tries);
            queued.get_or_insert(row.queued);
        }
        line.queue.retain(|row| !inside(row) || row.seq == through);
        if let Some(row) = line.queue.iter_mut().find(|row| row.seq == through) {
            row.covers = covers;
            row.tries = tries;
            row.queued = queued.unwrap_or(row.queued);
        }
        incident.prune();
    }

    pub(super) fn row_mut(&mut self, key: &Key, lane: &LaneId, seq: u32) -> Option<&mut Row> {
        let line = self.incidents.get_mut(key)?.lines.get_mut(lane)?;
        line.queue.iter_mut().find(|row| row.seq == seq)
    }

    /// Drops what nobody waits for; moves an incident that is over and settled to the past.
    fn settle(&mut self, key: &Key) {
        let Some(incident) = self.incidents.get_mut(key) else { return };
        incident.prune();
        for (id, lane) in &mut self.lanes {
            if incident.lines.get(id).is_none_or(|line| line.queue.is_empty()) {
                lane.pending.remove(key);
            }
        }
        if incident.resolved.is_none() || !incident.is_settled() {
            return;
        }
        if let Some(incident) = self.incidents.remove(key) {
            self.over.push_back(key.clone());
            self.past.push_back(incident);
        }
        while self.past.len() > crate::LISTED_MAX {
            self.past.pop_front();
        }
        self.bound_over();
    }

    fn bound_over(&mut self) {
        while self.over.len() > OVER_MAX {
            self.over.pop_front();
        }
    }

    /// The fewest facts from which the same state follows.
    pub(crate) fn snapshot(&self) -> Vec<Fact> {
        let listed = |key: &Key| self.past.iter().any(|incident| incident.key == *key);
        let keys: Vec<Key> = self.over.iter().filter(|key| !listed(key)).cloned().collect();
        let over = (!keys.is_empty()).then_some(Fact::Over { keys });
        let moved = self.moved.iter().map(|((lane, from), to)| Fact::Moved {
            lane: lane.clone(),
            from: from.clone(),
            to: to.clone(),
        });
        let worked = self.lanes.iter().filter_map(|(lane, of)| {
            let at = of.last_ok?;
            Some(Fact::Worked { lane: lane.clone(), at })
        });
        let incidents = self.past.iter().chain(self.incidents.values());
        over.into_iter()
            .chain(moved)
            .chain(worked)
            .chain(incidents.map(|i| Fact::Incident(Box::new(i.clone()))))
            .collect()
    }
}
