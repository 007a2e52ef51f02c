//! What happens around the targets: the watchdog's own sight, the other watchdog, its clocks.

use super::agenda::Who;
use super::fault::Fault;
use super::notice::{Cause, Opening, Severity};
use super::order::Order;
use super::peer::{self, PeerState};
use super::time::{Jump, Now, Wall, span};
use super::{Heart, SPREAD_MS, eyes};

impl Heart {
    pub(super) fn looked(&mut self, now: Now, ticket: u64, reached: usize) {
        let change = self.eyes.looked(now, ticket, reached);
        match change {
            eyes::Change::Same => {}
            eyes::Change::WentBlind => {
                self.hub.dirty = true;
                self.hub.note("own network: too few reference addresses answer: blind, nothing is counted");
            }
            eyes::Change::SeesAgain(since) => self.sees_again(now, since),
        }
        for index in 0..self.targets.len() {
            if let Some(target) = self.targets.get_mut(index)
                && target.is_parked()
            {
                target.unpark(now, &mut self.eyes, &mut self.hub);
                self.plan(now, Who::Target(index));
            }
        }
        self.plan(now, Who::Eyes);
    }

    fn sees_again(&mut self, now: Now, since: Wall) {
        self.deaf_until = Some(now.boot);
        let unknown: Vec<&str> = self
            .targets
            .iter()
            .filter(|target| target.was_missed())
            .map(|target| target.settings().name.as_str())
            .collect();
        let names = match unknown.as_slice() {
            [] => "every target was judged all the same".to_owned(),
            names if names.len() <= 20 => format!("not judged meanwhile: {}", names.join(", ")),
            names => {
                format!("{} targets were not judged meanwhile, {} among them", names.len(), names[..20].join(", "))
            }
        };
        let name = self.hub.name.clone();
        let lasted = span(now.wall.since(since));
        let key = self.hub.open(
            now,
            Opening {
                cause: Cause::OwnNetwork,
                severity: Severity::Warning,
                system: name.clone(),
                title: format!("{name} was blind for {lasted}"),
                message: format!(
                    "The watchdog's own network was down from {} to {} ({lasted}); {names}.",
                    since.text(),
                    now.wall.text()
                ),
                root_cause: Some("too few of its reference addresses answered".to_owned()),
                action: Some("see whether the network of the watchdog's host is what it should be".to_owned()),
                metadata: Vec::new(),
                head: None,
                maintenance: false,
            },
        );
        self.hub.resolve(now, &key, "It sees again; every target is being probed.".to_owned());
        for index in 0..self.targets.len() {
            self.targets[index].sees_again(now.boot.plus(SPREAD_MS * index as u64));
            self.plan(now, Who::Target(index));
        }
    }

    pub(super) fn peer_answered(&mut self, now: Now, ticket: u64, answer: Result<PeerState, Fault>, able: bool) {
        let Some(peer) = &mut self.peer else { return };
        if !peer.takes(now, ticket) {
            return;
        }
        let able = able && self.eyes.blind_since().is_none();
        let mut theirs = None;
        let change = match answer {
            Ok(state) => {
                let change = peer.answered(now, &state, able, &mut self.hub);
                theirs = Some(state);
                change
            }
            // A watchdog that cannot see must not take over.
            Err(_) if self.eyes.blind_since().is_some() => peer::Change::Same,
            Err(fault) => peer.failed(now, &fault, &mut self.hub),
        };
        match change {
            peer::Change::Same => {}
            peer::Change::TakesOver => {
                self.hub.acting = true;
                self.hub.dirty = true;
                self.hub.note("the other watchdog does not act: this one acts and tells");
                self.hub.out.retain(|order| !matches!(order, Order::Tell(_)));
                self.hub.incidents.forget_recorded();
                self.tell_unrecorded();
            }
            peer::Change::StepsBack => {
                self.hub.acting = false;
                self.hub.dirty = true;
                self.hub.note("the other watchdog is the one to act: this one stands by");
                self.targets.iter_mut().for_each(|target| target.kept.ladder.forbid());
            }
        }
        // After the change: what this one told of until now is the other's from here on.
        if let Some(state) = theirs {
            self.adopt(now, &state);
        }
        self.plan(now, Who::Peer);
    }

    /// Takes over the keys of the incidents that the acting peer tells of, so that both say the same, and has the own notifier let
    /// go of them. What the peer does not know stays here until its end.
    fn adopt(&mut self, now: Now, state: &PeerState) {
        if self.hub.acting || !state.acting {
            return;
        }
        let own: Vec<(String, String)> = self
            .hub
            .incidents
            .standing()
            .filter_map(|incident| {
                let prefix = format!("{}/{}", incident.system, incident.cause.word());
                let theirs = state.standing.get(&prefix)?;
                Some((incident.key.clone(), theirs.clone()))
            })
            .collect();
        for (own, theirs) in own {
            if let Some(over) = self.hub.incidents.rename(now, &own, &theirs) {
                self.hub.dirty = true;
                self.hub.out.extend(over.map(Order::Tell));
                self.targets.iter_mut().for_each(|target| target.rename(&own, &theirs));
                self.checkins.iter_mut().for_each(|checkin| checkin.rename(&own, &theirs));
            }
        }
        // At every answer anew until the notifier has let go.
        let told = self.hub.incidents.told_here().into_iter();
        let theirs = told.filter(|key| state.standing.values().any(|theirs| theirs == key));
        self.hub.out.extend(theirs.map(|key| Order::HandOver { key }));
    }

    pub(super) fn jumped(&mut self, now: Now, jump: Jump, before: Now) {
        let text = match jump {
            Jump::Suspended(ms) => format!("this machine slept, or this process stood still, for {}", span(ms)),
            Jump::Forward(ms) => format!("wall time was set forward by {}", span(ms)),
            Jump::Back(ms) => format!("wall time was set back by {}", span(ms)),
        };
        self.hub.note(format!("{text}: nothing counts for one interval, and everything is probed again"));
        self.hub.dirty = true;
        self.targets.iter_mut().for_each(|target| target.jumped(now));
        match jump {
            Jump::Suspended(_) | Jump::Forward(_) => {
                for (checkin, settings) in self.checkins.iter_mut().zip(&self.checkin_settings) {
                    checkin.gap(before, now, settings, &mut self.hub);
                }
            }
            // Deadlines of a calendar move away with the clock; none of them passed.
            Jump::Back(_) => {}
        }
        if let Jump::Suspended(_) = jump {
            self.deaf_until = Some(now.boot);
        }
        if let Some(peer) = &mut self.peer {
            peer.jumped(now);
        }
        self.plan_all(now);
    }
}
