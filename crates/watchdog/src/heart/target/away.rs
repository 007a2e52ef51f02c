//! The live stream, and being away on purpose: maintenance, announced restarts and stops.

use super::{STREAM_AGAIN_MS, STREAM_RETRY_MS, Stream, Target};
use crate::heart::fault::Stage;
use crate::heart::hub::Hub;
use crate::heart::maintenance::{ANNOUNCED_MS, Kind, MAINTENANCE_MAX_MS, Maintenance, WINDOW_MOVED_MS};
use crate::heart::notice::{Cause, Opening, Severity};
use crate::heart::order::Shown;
use crate::heart::reading::{self, Announced, AnnouncedKind, Beat, Window};
use crate::heart::time::{Now, Wall, span};

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
        let shown = Shown { jid: beat.jid.clone(), seq: beat.seq, head: beat.head.clone(), asked: None };
        self.shown(shown, hub);
        if earlier.is_some_and(|earlier| beat.epoch > earlier) {
            self.back_with_a_new_epoch(now, hub);
        }
        self.window(now, beat.maintenance.as_ref(), reading::wall(&beat.at), hub);
        match &beat.announced {
            Some(announced) => self.announced(now, announced, Some(beat.epoch), reading::wall(&beat.at), hub),
            None if beat.status == "critical" && self.kept.up == Some(true) && !self.confirming => {
                self.confirm_now(now, hub, "it says that it is critical");
            }
            None => {}
        }
    }

    /// It says, in a beat or in an answer that was made at `made` by its own clock, that it ends on purpose.
    pub(super) fn announced(
        &mut self,
        now: Now,
        announced: &Announced,
        epoch: Option<u64>,
        made: Option<Wall>,
        hub: &mut Hub,
    ) {
        // Nobody ended it on purpose: the ladder did.
        if self.kept.ladder.is_its_doing(announced, epoch) {
            return;
        }
        let kind = Kind::from(announced.kind);
        match announced.kind {
            AnnouncedKind::Stop => self.stopped_on_purpose(hub),
            // A stop wins: what announced one does not come back, whatever else it says.
            AnnouncedKind::Restart if self.kept.stopped_on_purpose => return,
            AnnouncedKind::Restart => {}
        }
        // By its own clock, which may be minutes off this one.
        let for_ms = announced
            .until
            .as_deref()
            .and_then(reading::wall)
            .map_or(ANNOUNCED_MS, |until| until.since(made.unwrap_or(now.wall)).min(MAINTENANCE_MAX_MS));
        let standing = self.kept.maintenance.as_ref().map(|maintenance| maintenance.kind);
        // What an operator said about how long people are left in peace stands.
        let said = standing.is_some_and(|standing| match standing {
            Kind::Silenced | Kind::Window => true,
            Kind::Restart | Kind::Stop => standing == kind,
        });
        if for_ms == 0 || said {
            return;
        }
        let what = match announced.kind {
            AnnouncedKind::Restart => "it announced a restart",
            AnnouncedKind::Stop => "it announced that it stops",
        };
        let reason = match &announced.by {
            Some(by) => format!("{what}, asked for by {}", reading::for_people(by.as_bytes())),
            None => what.to_owned(),
        };
        self.silence(now, kind, "the engine".to_owned(), reason, for_ms, hub);
    }

    /// It says, in a beat or in an answer that was made at `made` by its own clock, whether its engine has a maintenance window. As
    /// long as it has one its operators want nothing restarted and nobody woken, here as there; if it falls silent meanwhile, until
    /// the end that it named.
    pub(super) fn window(&mut self, now: Now, window: Option<&Window>, made: Option<Wall>, hub: &mut Hub) {
        let standing = self.kept.maintenance.as_ref();
        let Some(window) = window else {
            if standing.is_some_and(|standing| standing.kind == Kind::Window) {
                self.end_maintenance(now, "its engine's window is over", hub);
            }
            return;
        };
        // By its own clock, which may be minutes off this one. An end that is none is nothing to wait for.
        let for_ms = reading::wall(&window.until)
            .map_or(0, |until| until.since(made.unwrap_or(now.wall)).min(MAINTENANCE_MAX_MS));
        let owner = reading::for_people(window.by.as_bytes());
        let reason = reading::for_people(window.reason.as_bytes());
        let known = standing.is_some_and(|standing| match standing.kind {
            Kind::Silenced | Kind::Restart | Kind::Stop => true,
            Kind::Window => {
                let until = now.boot.plus(for_ms);
                let apart = until.since(standing.until).max(standing.until.since(until));
                standing.owner == owner && standing.reason == reason && apart < WINDOW_MOVED_MS
            }
        });
        if for_ms > 0 && !known {
            self.silence(now, Kind::Window, owner, reason, for_ms, hub);
        }
    }

    /// It ends, or ended, because somebody wanted it to: until it is started again it is not restarted from here.
    pub(super) fn stopped_on_purpose(&mut self, hub: &mut Hub) {
        if !self.kept.stopped_on_purpose {
            self.kept.stopped_on_purpose = true;
            hub.dirty = true;
            hub.note(format!("{}: it is stopped on purpose: not restarted from here", self.settings.name));
        }
        self.kept.ladder.forbid();
    }

    pub(super) fn back_with_a_new_epoch(&mut self, now: Now, hub: &mut Hub) {
        self.started_again(hub);
        // A new life is judged by its own answers.
        self.kept.register.clear();
        let announced = self.kept.maintenance.as_ref().is_some_and(|maintenance| match maintenance.kind {
            Kind::Restart | Kind::Stop => true,
            Kind::Silenced | Kind::Window => false,
        });
        if announced {
            self.end_maintenance(now, "it is back", hub);
        }
    }

    /// Somebody started again what had been stopped on purpose.
    pub(super) fn started_again(&mut self, hub: &mut Hub) {
        hub.dirty |= std::mem::take(&mut self.kept.stopped_on_purpose);
        self.kept.stopped_how = None;
    }

    /// People are told, once, that what was stopped on purpose is still stopped.
    pub(super) fn still_stopped(&mut self, now: Now, hub: &mut Hub) {
        if self.kept.stopped_incident.is_some() || self.kept.incident.is_some() {
            return;
        }
        let name = self.settings.name.clone();
        let how = self.kept.stopped_how.as_ref().map(|how| format!(" ({how})")).unwrap_or_default();
        let opening = Opening {
            cause: Cause::TargetStopped,
            severity: Severity::Warning,
            system: name.clone(),
            title: format!("{name} is still stopped"),
            message: format!(
                "{name} was stopped on purpose{how} and has not been started again. It is not restarted from here."
            ),
            root_cause: None,
            action: Some(format!("start it, or `failstop-watchdog silence {name} --for DURATION --reason TEXT`")),
            metadata: self.facts(now),
            head: self.kept.head.clone(),
            maintenance: false,
        };
        self.kept.stopped_incident = Some(hub.open(now, opening));
    }

    /// Begins a maintenance, or replaces the one there is.
    pub fn silence(&mut self, now: Now, kind: Kind, owner: String, reason: String, for_ms: u64, hub: &mut Hub) {
        hub.dirty = true;
        hub.note(format!("{}: maintenance for {}: {reason} ({owner})", self.settings.name, span(for_ms)));
        let was_down = match &self.kept.maintenance {
            Some(earlier) => earlier.was_down,
            None => self.kept.up == Some(false),
        };
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
        // The witness's matter apart: what shows another history answers, and is not merely stopped.
        let answers = self.kept.last_fault.as_ref().is_some_and(|fault| fault.stage == Stage::Head);
        if self.kept.stopped_on_purpose && !answers {
            self.still_stopped(now, hub);
            return true;
        }
        self.kept.up = Some(false);
        let before = if maintenance.was_down { "down" } else { "up" };
        let after = format!(" Its maintenance ({}) is over; it was {before} before.", maintenance.reason);
        if self.kept.incident.is_none() {
            self.open_down(now, hub, &after);
        }
        // Nothing is under way in a maintenance that a look could be for.
        self.climb(now, now.boot, hub);
        true
    }
}
