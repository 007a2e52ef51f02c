//! What a report, an acknowledgement or the end of a maintenance window changes.

use super::fact::Fact;
use super::incident::{Incident, Row, Said};
use super::lane::LaneId;
use super::time::Now;
use super::{Heart, LINE_MAX};
use crate::key::Key;
use crate::notice::{Change, Notice, Severity};
use crate::report::{Acknowledged, Reported};
use std::sync::Arc;

/// Beyond so many open incidents only critical ones are taken.
const OPEN_MAX_UNCRITICAL: usize = crate::OPEN_MAX / 4 * 3;

/// Open incidents and those that are over and wait for a lane, together.
const KEPT_MAX: usize = crate::OPEN_MAX * 2;

impl Heart {
    /// A caller reports a change.
    pub(crate) fn report(&mut self, now: Now, notice: Notice) -> Reported {
        let notice = Arc::new(notice.bounded());
        let severity = notice.severity;
        let reported = self.decide(now, notice);
        match reported {
            Reported::Opened | Reported::Sent | Reported::Resolved => {}
            Reported::HeldBack
            | Reported::Unrouted
            | Reported::Duplicate
            | Reported::Cooling
            | Reported::Unknown
            | Reported::Over
            | Reported::Full => self.counters.suppressed.count(severity),
        }
        reported
    }

    fn decide(&mut self, now: Now, notice: Arc<Notice>) -> Reported {
        let Some(incident) = self.incidents.get(&notice.key) else {
            return match notice.change {
                _ if self.over.contains(&notice.key) => Reported::Over,
                Change::Resolve => Reported::Unknown,
                Change::Trigger | Change::Update => self.open(now, notice),
            };
        };
        match notice.change {
            _ if incident.resolved.is_some() => Reported::Over,
            Change::Resolve => {
                let lanes = incident.lines.iter().filter(|(_, line)| line.told || !line.queue.is_empty());
                let lanes = lanes.filter(|(_, line)| !line.dead).map(|(lane, _)| lane.clone()).collect();
                self.say(now, Said::Resolve, notice, lanes);
                Reported::Resolved
            }
            Change::Trigger | Change::Update => self.again(now, notice),
        }
    }

    fn open(&mut self, now: Now, notice: Arc<Notice>) -> Reported {
        let open = self.incidents.values().filter(|incident| incident.resolved.is_none()).count();
        let most = match notice.severity {
            Severity::Critical => crate::OPEN_MAX,
            Severity::Warning | Severity::Info => OPEN_MAX_UNCRITICAL,
        };
        if open >= most {
            return Reported::Full;
        }
        self.make_room(now);
        let held_back = notice.maintenance && notice.nature.waits_for_maintenance(notice.severity);
        let lanes = if held_back { Vec::new() } else { self.lanes_for(&notice) };
        let nowhere = lanes.is_empty();
        self.said(now, Said::Trigger, notice, lanes, held_back);
        match (held_back, nowhere) {
            (true, _) => Reported::HeldBack,
            (false, true) => Reported::Unrouted,
            (false, false) => Reported::Opened,
        }
    }

    /// Incidents that are over may still wait for a lane that is down; there is an end to that too.
    fn make_room(&mut self, now: Now) {
        if self.incidents.len() < KEPT_MAX {
            return;
        }
        let over = self.incidents.values().filter_map(|incident| Some((incident.resolved?.0, incident)));
        let Some((_, oldest)) = over.min_by_key(|(over, _)| *over) else { return };
        let rows: Vec<(LaneId, u32)> =
            oldest.lines.iter().flat_map(|(lane, line)| line.queue.iter().map(|row| (lane.clone(), row.seq))).collect();
        let key = oldest.key.clone();
        for (lane, seq) in rows {
            self.counters.given_up = self.counters.given_up.saturating_add(1);
            let reason = format!("{KEPT_MAX} incidents are kept and this is the oldest that is over");
            self.record(now, Fact::GivenUp { key: key.clone(), lane, seq, reason });
        }
    }

    /// Something about an incident that is open.
    fn again(&mut self, now: Now, notice: Arc<Notice>) -> Reported {
        let Some(incident) = self.incidents.get(&notice.key) else { return Reported::Unknown };
        let held_back = notice.maintenance && notice.nature.waits_for_maintenance(notice.severity);
        if incident.held_back {
            if held_back {
                self.note(now, notice);
                return Reported::HeldBack;
            }
            let lanes = self.lanes_for(&notice);
            return self.say(now, Said::Trigger, notice, lanes);
        }
        let quiet = now.at.since(incident.last_said);
        let same = incident.said_title == notice.title && incident.said_message == notice.message;
        if notice.severity > incident.worst() {
            let lanes = self.with_those_told(incident, &notice);
            return self.say(now, Said::Update, notice, lanes);
        }
        // An update that cannot have come of maintenance is told though it is open; what could have is only noted.
        let told_already = same && incident.acknowledged.is_some();
        if same && (quiet < self.policy.duplicate_window || told_already) {
            return Reported::Duplicate;
        }
        if quiet < self.policy.cooldown.of(notice.severity) {
            self.note(now, notice);
            return Reported::Cooling;
        }
        if held_back {
            self.note(now, notice);
            return Reported::HeldBack;
        }
        let lanes = self.with_those_told(incident, &notice);
        self.say(now, Said::Update, notice, lanes)
    }

    fn note(&mut self, now: Now, notice: Arc<Notice>) {
        let same = self.incidents.get(&notice.key).is_some_and(|incident| *incident.latest == *notice);
        if !same {
            self.record(now, Fact::Noted { key: notice.key.clone(), notice });
        }
    }

    /// The lanes that know of it and want updates, and those that its present severity leads to.
    fn with_those_told(&self, incident: &Incident, notice: &Notice) -> Vec<LaneId> {
        let routed = self.lanes_for(notice);
        let wanted = |lane: &LaneId| match incident.lines.get(lane) {
            Some(line) => !line.dead && self.spec(lane).is_some_and(|spec| spec.wants.update),
            None => routed.contains(lane),
        };
        self.specs.iter().map(|spec| &spec.id).filter(|lane| wanted(lane)).cloned().collect()
    }

    pub(super) fn say(&mut self, now: Now, said: Said, notice: Arc<Notice>, lanes: Vec<LaneId>) -> Reported {
        let nowhere = lanes.is_empty();
        self.said(now, said, notice, lanes, false);
        if nowhere { Reported::Unrouted } else { Reported::Sent }
    }

    fn said(&mut self, now: Now, said: Said, notice: Arc<Notice>, lanes: Vec<LaneId>, held_back: bool) {
        let key = notice.key.clone();
        let seq = self.incidents.get(&key).map_or(1, |incident| incident.next_seq);
        self.record(now, Fact::Said { key: key.clone(), seq, said, notice, lanes, held_back });
        self.shorten(now, &key);
    }

    /// Combines what waits too long in a line: news between the first message, which may be on its way, and whatever must
    /// stay by itself (an acknowledgement, the end, what was tried already).
    fn shorten(&mut self, now: Now, key: &Key) {
        let Some(incident) = self.incidents.get(key) else { return };
        let is_news = |row: &Row| match incident.entries.get(&row.seq).map(|entry| entry.said) {
            Some(Said::Trigger | Said::Update | Said::Reminder | Said::Escalation) => row.tries == 0,
            Some(Said::Acknowledge | Said::Resolve) | None => false,
        };
        let mut merges = Vec::new();
        for (lane, line) in incident.lines.iter().filter(|(_, line)| line.queue.len() >= LINE_MAX) {
            let rows: Vec<&Row> = line.queue.iter().skip(1).collect();
            let run = rows.chunk_by(|a, b| is_news(a) && is_news(b)).find(|run| run.len() > 1);
            if let Some([first, .., last]) = run {
                merges.push((lane.clone(), first.seq, last.seq));
            }
        }
        for (lane, from, through) in merges {
            self.record(now, Fact::Merged { key: key.clone(), lane, from, through });
        }
    }

    /// Somebody takes an incident on.
    pub(crate) fn acknowledge(&mut self, now: Now, key: &Key, by: &str) -> Acknowledged {
        let Some(incident) = self.incidents.get(key).filter(|incident| incident.resolved.is_none()) else {
            return Acknowledged::Unknown;
        };
        if incident.acknowledged.is_some() {
            return Acknowledged::Already;
        }
        let wants = |lane: &LaneId| self.spec(lane).is_some_and(|spec| spec.wants.acknowledge);
        let lanes = incident.lines.iter().filter(|(lane, line)| !line.dead && wants(lane));
        let lanes = lanes.map(|(lane, _)| lane.clone()).collect();
        let by: String = by.chars().filter(|c| !c.is_control()).take(100).collect();
        let fact = Fact::Acknowledged { key: key.clone(), seq: incident.next_seq, by, lanes };
        self.record(now, fact);
        Acknowledged::Done
    }

    /// Somebody else tells of an incident from now on. Gives whether it was open.
    pub(crate) fn hand_over(&mut self, now: Now, key: &Key) -> bool {
        // What is over is told to its end by whoever told of it.
        let open = self.incidents.get(key).is_some_and(|incident| incident.resolved.is_none());
        if open {
            self.record(now, Fact::HandedOver { key: key.clone() });
        }
        open
    }

    /// The maintenance window of `system` is over: what it held back and still stands is told. Gives the number.
    pub(crate) fn maintenance_over(&mut self, now: Now, system: &str) -> usize {
        let waiting: Vec<Arc<Notice>> = self
            .incidents
            .values()
            .filter(|incident| incident.held_back && incident.resolved.is_none() && incident.latest.system == system)
            .map(|incident| Arc::clone(&incident.latest))
            .collect();
        let count = waiting.len();
        for notice in waiting {
            let notice = Arc::new(Notice { maintenance: false, ..Notice::clone(&notice) });
            let lanes = self.lanes_for(&notice);
            self.say(now, Said::Trigger, notice, lanes);
        }
        // What was told before the window and is still open may be reminded of again.
        let quiet = self.incidents.values().filter(|incident| incident.resolved.is_none());
        let quiet = quiet.filter(|incident| incident.latest.maintenance && incident.latest.system == system);
        let quiet: Vec<Notice> = quiet.map(|incident| Notice::clone(&incident.latest)).collect();
        for notice in quiet {
            self.note(now, Arc::new(Notice { maintenance: false, ..notice }));
        }
        count
    }
}
