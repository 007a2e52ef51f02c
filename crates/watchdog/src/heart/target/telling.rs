//! What people are told about a target: down, degraded, its journal, and the end of each.

use super::Target;
use crate::heart::fault::Stage;
use crate::heart::hub::Hub;
use crate::heart::notice::{Cause, Opening, Severity};
use crate::heart::time::{Now, Wall, span};

impl Target {
    pub(super) fn degraded(&mut self, now: Now, degraded: Option<String>, hub: &mut Hub) {
        let (failures, window) = (self.settings.failures, self.settings.window);
        match (&self.kept.degraded_incident, degraded) {
            (None, Some(why)) if self.kept.degraded.is_bad(failures, window) && self.kept.maintenance.is_none() => {
                let name = &self.settings.name;
                let key = hub.open(
                    now,
                    Opening {
                        cause: Cause::TargetDegraded,
                        severity: Severity::Warning,
                        system: name.clone(),
                        title: format!("{name} is degraded"),
                        message: format!("{name} answers, and says of itself: {why}."),
                        root_cause: None,
                        action: Some("look at `failstop status` on its host before it gets worse".to_owned()),
                        metadata: self.facts(now),
                        head: self.kept.head.clone(),
                        maintenance: false,
                    },
                );
                self.kept.degraded_incident = Some(key);
            }
            // As many good answers as it took bad ones.
            (Some(key), None) if !self.kept.degraded.is_bad(1, failures) => {
                let key = key.clone();
                self.kept.degraded_incident = None;
                hub.resolve(now, &key, format!("{} is healthy again.", self.settings.name));
            }
            (None | Some(_), None | Some(_)) => {}
        }
    }

    pub(super) fn settle(&mut self, now: Now, hub: &mut Hub) {
        self.kept.settle_at = None;
        hub.dirty = true;
        // A restart that is not verified yet is not over; the answer that verifies it begins the wait anew.
        if self.kept.ladder.is_busy() {
            return;
        }
        self.kept.told_flapping = false;
        let Some(key) = self.kept.incident.take() else { return };
        let name = &self.settings.name;
        let since =
            self.kept.down_since.take().map(|at| format!(" It was down from {}.", at.text())).unwrap_or_default();
        let times = self.kept.flap.times(now.boot, self.settings.flap);
        let often = if times > 1 { format!(" It went down {times} times meanwhile.") } else { String::new() };
        hub.resolve(
            now,
            &key,
            format!("{name} answers again; the last good answer was at {}.{since}{often}", now.wall.text()),
        );
    }

    pub(super) fn fault_text(&self) -> String {
        self.kept.last_fault.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    pub(super) fn open_down(&mut self, now: Now, hub: &mut Hub, after: &str) {
        self.kept.down_since.get_or_insert(now.wall);
        let name = self.settings.name.clone();
        let restarts = match (&self.settings.ladder, self.forbidden(hub)) {
            (None, _) => "Restarts are not configured.".to_owned(),
            (Some(_), Some(why)) => format!("It is {}.", why.text()),
            (Some(_), None) => "A restart is being tried.".to_owned(),
        };
        let last = match self.kept.last_success {
            Some(at) => format!("the last good answer was at {}, {} ago", at.text(), span(now.wall.since(at))),
            None => "there never was a good answer".to_owned(),
        };
        let failures = self.kept.failures;
        let message = format!(
            "{name} ({}) {}: {}. {failures} failures in a row; {last}; now {}.{after} {restarts}",
            self.settings.place,
            if self.kept.last_fault.as_ref().is_some_and(|fault| fault.stage == Stage::Verdict) {
                "is not well"
            } else {
                "does not answer as it should"
            },
            self.fault_text(),
            now.wall.text(),
        );
        let key = hub.open(
            now,
            Opening {
                cause: Cause::TargetDown,
                severity: self.settings.severity,
                system: name.clone(),
                title: format!("{name} is down"),
                message,
                root_cause: Some(self.fault_text()),
                action: Some(self.action()),
                metadata: self.facts(now),
                head: self.kept.head.clone(),
                maintenance: false,
            },
        );
        self.kept.incident = Some(key);
        if let Some(degraded) = self.kept.degraded_incident.take() {
            hub.resolve(now, &degraded, format!("{name} is down now."));
        }
    }

    pub(super) fn action(&self) -> String {
        let host = "on its host: `failstop status`, `journalctl -u failstop`";
        match self.kept.last_fault.as_ref().map(|fault| fault.stage) {
            Some(Stage::Dns) => "check the name and the resolver; the bot itself may be well".to_owned(),
            Some(Stage::Tls) => "check the certificate of its address; the bot itself may be well".to_owned(),
            Some(Stage::Access) => {
                "see to the token: `token` of this target, and `failstop token list` on its host; the bot itself may \
                                    be well"
                    .to_owned()
            }
            Some(Stage::Head) => {
                "do not restart it: compare its journal with the witness (`failstop verify-data --witness …`)"
                    .to_owned()
            }
            Some(Stage::Verdict) => format!("{host}; it has made itself safe and says why"),
            Some(Stage::Connect | Stage::TimeOut | Stage::Status | Stage::Body | Stage::Stale) | None => {
                format!("{host}; check the positions at the venue: open orders stand there whatever became of the bot")
            }
        }
    }

    /// The facts that every alert about it carries.
    pub(super) fn facts(&self, now: Now) -> Vec<(String, String)> {
        let mut facts = vec![
            ("target".to_owned(), self.settings.name.clone()),
            ("address".to_owned(), self.settings.place.clone()),
            ("failures in a row".to_owned(), self.kept.failures.to_string()),
            ("last success".to_owned(), self.kept.last_success.map_or_else(|| "never".to_owned(), Wall::text)),
            ("now".to_owned(), now.wall.text()),
        ];
        facts.extend(self.kept.progress.epoch().map(|epoch| ("epoch".to_owned(), epoch.to_string())));
        facts.extend(self.kept.progress.seq().map(|seq| ("journal seq".to_owned(), seq.to_string())));
        if !self.kept.last_answer.is_empty() {
            facts.push(("last answer".to_owned(), self.kept.last_answer.clone()));
        }
        facts
    }

    /// What the witness found: an alarm stands until somebody releases it.
    pub fn witness_alarm(&mut self, now: Now, found: &str, last_agreed: Option<u64>, hub: &mut Hub) {
        self.kept.witness_alarm = true;
        self.kept.ladder.forbid();
        hub.dirty = true;
        let name = self.settings.name.clone();
        let agreed = last_agreed
            .map_or_else(|| "Nothing was agreed before.".to_owned(), |seq| format!("The last agreed record is {seq}."));
        if let Some(key) = self.kept.witness_incident.clone() {
            hub.note(format!("{name}: witness: {found}"));
            let _ = key;
            return;
        }
        let mut metadata = self.facts(now);
        metadata.extend(last_agreed.map(|seq| ("last agreed seq".to_owned(), seq.to_string())));
        let opening = Opening {
            cause: Cause::Witness,
            severity: Severity::Critical,
            system: name.clone(),
            title: format!("{name}: its journal is not what it was"),
            message: format!("{found} {agreed}"),
            root_cause: Some(found.to_owned()),
            action: Some(format!(
                "halt it, keep its disk, `failstop verify-data --witness …`; when it is explained: `failstop resume` there and `failstop-watchdog release {name}`"
            )),
            metadata,
            head: self.kept.head.clone(),
            maintenance: self.kept.maintenance.is_some(),
        };
        self.kept.witness_incident = Some(hub.open(now, opening));
    }
}
