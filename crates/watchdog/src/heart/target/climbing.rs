//! Restarting: when the ladder may be climbed, and what it says on the way.

use super::Target;
use crate::heart::fault::Stage;
use crate::heart::hub::Hub;
use crate::heart::ladder::{Forbidden, Ladder, Place, Told};
use crate::heart::notice::{Cause, Opening, Severity};
use crate::heart::order::Order;
use crate::heart::steps::Outcome;
use crate::heart::time::{Boot, Now};
use std::collections::VecDeque;

impl Target {
    /// Why it must not be restarted, where it must not.
    pub(super) fn forbidden(&self, hub: &Hub) -> Option<Forbidden> {
        let mended = self.kept.last_fault.as_ref().is_some_and(|fault| fault.stage.may_be_mended_by_restart());
        [
            (self.kept.kill_switch, Forbidden::KillSwitch),
            (self.kept.stopped_on_purpose, Forbidden::StoppedOnPurpose),
            (self.kept.witness_alarm, Forbidden::Witness),
            (self.kept.maintenance.is_some(), Forbidden::Maintenance),
            (self.kept.up != Some(false) || self.blind, Forbidden::Unknown),
            (!mended, Forbidden::NotMended),
            (!hub.acting, Forbidden::PeerActs),
        ]
        .into_iter()
        .find_map(|(holds, why)| holds.then_some(why))
    }

    /// It was found down by a look that began at `began`.
    pub(super) fn climb(&mut self, now: Now, began: Boot, hub: &mut Hub) {
        self.still_down(now, began, hub);
        if self.settings.ladder.is_none() || self.kept.ladder.is_busy() {
            return;
        }
        if let Some(why) = self.forbidden(hub) {
            hub.note(format!("{}: {}", self.settings.name, why.text()));
            return;
        }
        self.with_ladder(now, hub, |ladder, now, place, out| ladder.down(now, place, out));
    }

    /// A step of the ladder is over.
    pub fn stepped(&mut self, now: Now, ticket: u64, outcome: Outcome, hub: &mut Hub) {
        self.with_ladder(now, hub, |ladder, now, place, out| ladder.stepped(now, ticket, outcome, place, out));
        self.hurry(now);
    }

    /// Lets the ladder go on where that is allowed; where it is not any more, ends what is under way.
    pub(super) fn with_ladder(
        &mut self,
        now: Now,
        hub: &mut Hub,
        call: impl FnOnce(&mut Ladder, Now, &Place<'_>, &mut VecDeque<Order>) -> Told,
    ) {
        let Some(settings) = &self.settings.ladder else { return };
        // While a restart is verified, faults of any stage may pass by; only what forbids acting at all ends it.
        let ended = match self.forbidden(hub) {
            Some(Forbidden::NotMended | Forbidden::Unknown) | None => None,
            Some(
                why @ (Forbidden::KillSwitch
                | Forbidden::StoppedOnPurpose
                | Forbidden::Witness
                | Forbidden::Maintenance
                | Forbidden::PeerActs),
            ) => Some(why),
        };
        if let Some(why) = ended {
            hub.note(format!("{}: {}", self.settings.name, why.text()));
            self.kept.ladder.forbid();
            hub.dirty = true;
            return;
        }
        let reason = format!("{}: {}", hub.name, self.fault_text());
        let epoch = self.kept.progress.epoch();
        let look_ms = self.settings.timeout_ms;
        let place = Place { target: self.index, settings, epoch, reason: &reason, look_ms };
        let told = call(&mut self.kept.ladder, now, &place, &mut hub.out);
        self.tell_ladder(now, told, hub);
        if self.kept.ladder.looks_since() == Some(now.boot) {
            // What is under way began too early to count, and may take its whole time-out.
            self.in_flight = None;
            self.parked = None;
            self.probe_at = now.boot;
        }
    }

    /// A look that began at `began` found it down, by a fault that a restart may mend: a ladder that waits for such a look goes on.
    fn still_down(&mut self, now: Now, began: Boot, hub: &mut Hub) {
        if self.kept.ladder.looks_since().is_some() && self.forbidden(hub).is_none() {
            self.with_ladder(now, hub, |ladder, now, place, out| ladder.still_down(now, began, place, out));
        }
    }

    pub(super) fn tell_ladder(&mut self, now: Now, told: Told, hub: &mut Hub) {
        let name = self.settings.name.clone();
        match told {
            Told::Nothing => {}
            Told::Went(text) => {
                hub.dirty = true;
                hub.note(format!("{name}: {text}"));
                if let (Some(key), true) = (&self.kept.incident, text.starts_with("the try failed")) {
                    let key = key.clone();
                    hub.update(
                        now,
                        &key,
                        self.settings.severity,
                        format!("{name}: a restart failed"),
                        format!("{name}: {text}."),
                    );
                }
            }
            Told::Restarted(trail) => {
                hub.dirty = true;
                hub.note(format!("{name}: restarted: {trail}"));
                if let Some(key) = self.kept.incident.clone() {
                    let message = format!(
                        "{name} was restarted ({trail}) and answers with epoch {} and progress.",
                        self.kept.progress.epoch().unwrap_or(0)
                    );
                    hub.update(now, &key, self.settings.severity, format!("{name} was restarted"), message);
                }
            }
            Told::StoppedOnPurpose(how) => {
                self.stopped_on_purpose(hub);
                hub.note(format!("{name}: {how}"));
                self.kept.stopped_how = Some(how.clone());
                self.kept.settle_at = None;
                self.kept.down_since = None;
                self.kept.told_flapping = false;
                if let Some(key) = self.kept.incident.take() {
                    hub.resolve(now, &key, format!("{name} did not fail: it was stopped on purpose ({how})."));
                }
                self.still_stopped(now, hub);
            }
            Told::Held(why) => {
                hub.dirty = true;
                let opening = Opening {
                    cause: Cause::Held,
                    severity: Severity::Critical,
                    system: name.clone(),
                    title: format!("{name} is held: it will not be restarted any more"),
                    message: format!(
                        "{name} is down and the watchdog gave up: {why}. It stays down until somebody acts."
                    ),
                    root_cause: Some(self.fault_text()),
                    action: Some(format!(
                        "find out why it does not stay up, start it by hand, then `failstop-watchdog release {name}`"
                    )),
                    metadata: self.facts(now),
                    head: self.kept.head.clone(),
                    maintenance: false,
                };
                if self.kept.held_incident.is_none() {
                    self.kept.held_incident = Some(hub.open(now, opening));
                }
            }
        }
    }

    /// An operator releases it: the ladder's budget is whole, and what its journal and its epoch are now is accepted. `false`
    /// where there was nothing to release.
    pub fn release(&mut self, now: Now, by: &str, hub: &mut Hub) -> bool {
        let ladder = self.kept.ladder.release();
        let alarm = std::mem::take(&mut self.kept.witness_alarm);
        let stopped = self.kept.stopped_on_purpose;
        self.started_again(hub);
        if alarm || self.kept.last_fault.as_ref().is_some_and(|fault| fault.stage == Stage::Head) {
            self.kept.progress.forget();
            // What it shows now is a first contact for the witness, even if it does not change any more.
            self.kept.head = None;
        }
        hub.dirty = true;
        for key in [&mut self.kept.witness_incident, &mut self.kept.held_incident].into_iter().filter_map(Option::take)
        {
            hub.resolve(now, &key, format!("Released by {by}."));
        }
        self.probe_at = self.probe_at.min(now.boot);
        ladder || alarm || stopped
    }
}
