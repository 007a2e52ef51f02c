//! The live stream, and being away on purpose: maintenance, announced restarts and stops.

use super::{STREAM_AGAIN_MS, STREAM_RETRY_MS, Stream, Target};
use crate::heart::hub::Hub;
use crate::heart::maintenance::{ANNOUNCED_MS, Kind, MAINTENANCE_MAX_MS, Maintenance};
use crate::heart::notice::{Cause, Opening, Severity};
use crate::heart::order::Shown;
use crate::heart::reading::{self, Beat};
use crate::heart::time::{Now, span};

impl Target {
    /// The stream is open.
    pub fn stream_opened(&mut self, now: Now) {
        self.stream = Stream::Live(now.boot);
    }

    /// The stream ended, or was not to be had. `offered`: whether the target has one at all.
    pub fn stream_ended(&mut self, now: Now, offered: bool, why: &str, hub: &mut Hub) {
        let was = std::mem::replace(
            &mut self.stream,
            Stream::None(now.boot.plus(if offered { STREAM_RETRY_MS } else { STREAM_AGAIN_MS })),
        );
        match was {
            Stream::Live(_) | Stream::Silent => self.confirm_now(now, hub, &format!("its live stream ended ({why})")),
            Stream::None(_) | Stream::Opening => {}
        }
    }

    /// A beat of the stream.
    pub fn beat(&mut self, now: Now, beat: &Beat, hub: &mut Hub) {
        self.stream = Stream::Live(now.boot);
        let earlier = self.kept.progress.epoch();
        if let Err(fault) = self.kept.progress.beat(now, beat.epoch, beat.seq) {
            self.confirm_now(now, hub, &fault.to_string());
            return;
        }
        self.kill_switch(beat.kill_switch, hub);
        // The journal's id is only in the health answer; the witness fills it in from what it remembers.
        self.shown(Shown { jid: String::new(), seq: beat.seq, head: beat.head.clone(), asked: None }, hub);
        if earlier.is_some_and(|earlier| beat.epoch > earlier) {
            self.back_with_a_new_epoch(now, hub);
        }
        match &beat.announced {
            // The ladder's own signal: nobody stopped it on purpose.
            Some(announced) if self.kept.ladder.is_its_doing(announced, beat.epoch) => {}
            Some(announced) => {
                let owner = "the engine".to_owned();
                let kind = Kind::from(announced.kind);
                let for_ms = announced
                    .until
                    .as_deref()
                    .and_then(reading::wall)
                    .map_or(ANNOUNCED_MS, |until| until.since(now.wall).min(MAINTENANCE_MAX_MS));
                if self.kept.maintenance.as_ref().is_none_or(|maintenance| maintenance.kind != kind) {
                    let reason = match announced.kind {
                        reading::AnnouncedKind::Restart => "it announced a restart",
                        reading::AnnouncedKind::Stop => "it announced that it stops",
                    };
                    self.silence(now, kind, owner, reason.to_owned(), for_ms, hub);
                }
            }
            None if beat.status == "critical" && self.kept.up == Some(true) && !self.confirming => {
                self.confirm_now(now, hub, "it says that it is critical");
            }
            None => {}
        }
    }

    pub(super) fn back_with_a_new_epoch(&mut self, now: Now, hub: &mut Hub) {
        let announced = self.kept.maintenance.as_ref().is_some_and(|maintenance| match maintenance.kind {
            Kind::Restart | Kind::Stop => true,
            Kind::Silenced => false,
        });
        if announced {
            self.kept.stopped_on_purpose = false;
            self.end_maintenance(now, "it is back", hub);
        }
    }

    /// Begins a maintenance, or replaces the one there is.
    pub fn silence(&mut self, now: Now, kind: Kind, owner: String, reason: String, for_ms: u64, hub: &mut Hub) {
        hub.dirty = true;
        hub.note(format!("{}: maintenance for {}: {reason} ({owner})", self.settings.name, span(for_ms)));
        let was_down = match &self.kept.maintenance {
            Some(earlier) => earlier.was_down,
            None => self.kept.up == Some(false),
        };
        if kind == Kind::Stop {
            self.kept.stopped_on_purpose = true;
        }
        self.kept.ladder.forbid();
        let (until, until_wall) = (now.boot.plus(for_ms), now.wall.plus(for_ms));
        self.kept.maintenance = Some(Maintenance { kind, owner, reason, until, until_wall, was_down });
    }

    /// Ends a maintenance: the state is compared with that before. `false` where there was none.
    pub fn end_maintenance(&mut self, now: Now, why: &str, hub: &mut Hub) -> bool {
        let Some(maintenance) = self.kept.maintenance.take() else { return false };
        hub.dirty = true;
        hub.note(format!("{}: maintenance is over: {why}", self.settings.name));
        self.probe_at = self.probe_at.min(now.boot);
        let down = self.kept.register.is_bad(self.settings.failures, self.settings.window);
        if !down || maintenance.was_down && self.kept.incident.is_some() {
            return true;
        }
        match maintenance.kind {
            Kind::Stop if self.kept.stopped_on_purpose => {
                if self.kept.stopped_incident.is_none() {
                    let name = self.settings.name.clone();
                    let opening = Opening {
                        cause: Cause::TargetStopped,
                        severity: Severity::Warning,
                        system: name.clone(),
                        title: format!("{name} is still stopped"),
                        message: format!(
                            "{name} was stopped on purpose and has not been started again. It is not restarted from here."
                        ),
                        root_cause: None,
                        action: Some(format!(
                            "start it, or `failstop-watchdog silence {name} --for DURATION --reason TEXT`"
                        )),
                        metadata: self.facts(now),
                        head: self.kept.head.clone(),
                        maintenance: false,
                    };
                    self.kept.stopped_incident = Some(hub.open(now, opening));
                }
            }
            Kind::Stop | Kind::Restart | Kind::Silenced => {
                self.kept.up = Some(false);
                let before = if maintenance.was_down { "down" } else { "up" };
                let after = format!(" Its maintenance ({}) is over; it was {before} before.", maintenance.reason);
                if self.kept.incident.is_none() {
                    self.open_down(now, hub, &after);
                }
                self.climb(now, hub);
            }
        }
        true
    }
}
