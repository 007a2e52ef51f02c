//! The judging heart. Pure: time and facts come in, orders come out; no clock, no I/O, no randomness. What the watchdog decides
//! is decided here, and can be replayed in a test.
//!
//! Contract: [`Heart::handle`] and the operator's methods take one thing in; then the caller drains [`Heart::turn`], writes
//! [`Heart::stored`] to disk where the turn says so, and only then carries the turn's orders out. [`Heart::next`] is when it
//! wants to be called again with nothing new.

mod agenda;
mod around;
pub mod checkin;
pub mod eyes;
pub mod fault;
pub mod flap;
pub mod hub;
mod input;
pub mod ladder;
pub mod maintenance;
pub mod notice;
mod operator;
pub mod order;
pub mod peer;
pub mod progress;
pub mod reading;
pub mod register;
mod rung;
pub mod schedule;
pub mod settings;
pub mod steps;
pub mod stored;
pub mod target;
pub mod time;
pub mod view;

pub use input::{Input, Save, Turn};

use agenda::{Agenda, Who};
use checkin::CheckIn;
use eyes::Eyes;
use hub::Hub;
use notice::{Incidents, Notice};
use order::{CheckInIndex, Order, TargetIndex};
use peer::{Peer, PeerState};
use settings::Settings;
use std::collections::{BTreeSet, VecDeque};
use stored::{Stored, Was};
use target::{Remembered, Target};
use time::{Boot, Now, Wall};

/// After a start, and after a blindness, the probes of so many targets are spread out by at most so much each, milliseconds.
const SPREAD_MS: u64 = 10;

/// The heart.
#[derive(Debug)]
pub struct Heart {
    hub: Hub,
    eyes: Eyes,
    peer: Option<Peer>,
    targets: Vec<Target>,
    checkin_settings: Vec<settings::CheckInSettings>,
    checkins: Vec<CheckIn>,
    outside_every_ms: Option<u64>,
    outside_at: Option<Boot>,
    /// The last instant at which a push could not have been heard.
    deaf_until: Option<Boot>,
    agenda: Agenda,
    started: Wall,
}

impl Heart {
    /// A heart that watches what `settings` say and remembers what `stored` holds. `was`: when the watchdog's last life was
    /// surely alive, on this boot's clock.
    pub fn new(settings: Settings, stored: Stored, was: Option<Was>, now: Now) -> Self {
        let Stored { incidents, mut targets, mut checkins, peer_incident, acting, .. } = stored;
        let peer = settings.peer.clone().map(|peer| Peer::new(peer, now, peer_incident.clone()));
        let acting = match &peer {
            None => true,
            Some(peer) => peer.acts_at_first() || acting,
        };
        let hub =
            Hub { out: VecDeque::new(), incidents, acting, dirty: true, stale: false, name: settings.name.clone() };
        let count = settings.targets.len() as u64;
        let built = settings.targets.into_iter().enumerate().map(|(index, target)| {
            let kept: Remembered = targets.remove(&target.name).unwrap_or_default();
            let step = SPREAD_MS.min(target.interval_ms / count.max(1));
            let first = now.boot.plus(step * index as u64);
            Target::new(index, target, kept, first)
        });
        let built: Vec<Target> = built.collect();
        let kept_checkins =
            settings.checkins.iter().map(|checkin| checkins.remove(&checkin.name).unwrap_or_default()).collect();
        let mut heart = Self {
            hub,
            eyes: Eyes::new(settings.eyes),
            peer,
            targets: built,
            checkin_settings: settings.checkins,
            checkins: kept_checkins,
            outside_every_ms: settings.outside_every_ms,
            outside_at: settings.outside_every_ms.map(|_| now.boot),
            deaf_until: was.map(|_| now.boot),
            agenda: Agenda::default(),
            started: now.wall,
        };
        heart.resume(now, was);
        heart
    }

    /// What a start owes to the life before: the deadlines that passed meanwhile, incidents of what is watched no more, and
    /// whatever the notifier may not have.
    fn resume(&mut self, now: Now, was: Option<Was>) {
        for target in &mut self.targets {
            target.resumed(now, &mut self.hub);
        }
        for (checkin, settings) in self.checkins.iter_mut().zip(&self.checkin_settings) {
            if let Some(was) = was {
                checkin.gap(was.alive, now, settings, &mut self.hub);
            }
            checkin.arm(now, settings);
        }
        // What follows repeats; the orders of the lines above are among it.
        self.hub.out.retain(|order| !matches!(order, Order::Tell(_)));
        let watched: BTreeSet<String> = self.keys();
        let orphans: Vec<String> = self
            .hub
            .incidents
            .standing()
            .map(|incident| incident.key.clone())
            .filter(|key| !watched.contains(key))
            .collect();
        for key in orphans {
            self.hub.resolve(now, &key, "It is watched no more.".to_owned());
        }
        self.hub.out.retain(|order| !matches!(order, Order::Tell(_)));
        self.tell_unrecorded();
        self.plan_all(now);
    }

    fn keys(&self) -> BTreeSet<String> {
        let targets = self.targets.iter().flat_map(|target| {
            let kept = &target.kept;
            [
                &kept.incident,
                &kept.degraded_incident,
                &kept.witness_incident,
                &kept.held_incident,
                &kept.stopped_incident,
            ]
            .into_iter()
            .flatten()
            .cloned()
        });
        let checkins = self.checkins.iter().filter_map(|checkin| checkin.incident().map(str::to_owned));
        let peer = self.peer.as_ref().and_then(|peer| peer.incident().map(str::to_owned));
        targets.chain(checkins).chain(peer).collect()
    }

    fn tell_unrecorded(&mut self) {
        for notice in self.unrecorded() {
            self.hub.out.push_back(Order::Tell(notice));
        }
    }

    /// Takes a fact in.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Tick => {}
            Input::Probed { target, ticket, probed } => {
                if let Some(of) = self.targets.get_mut(target) {
                    of.probed(now, ticket, probed, &mut self.eyes, &mut self.hub);
                }
                self.plan(now, Who::Target(target));
                self.plan(now, Who::Eyes);
            }
            Input::StreamOpened { target } => self.of_target(now, target, |of, now, _| of.stream_opened(now)),
            Input::StreamEnded { target, offered, why } => {
                self.of_target(now, target, |of, now, hub| of.stream_ended(now, offered, &why, hub));
            }
            Input::Beat { target, beat } => self.of_target(now, target, |of, now, hub| of.beat(now, &beat, hub)),
            Input::Looked { ticket, reached } => self.looked(now, ticket, reached),
            Input::PeerAnswered { ticket, answer, able } => self.peer_answered(now, ticket, answer, able),
            Input::Stepped { target, ticket, outcome } => {
                self.of_target(now, target, |of, now, hub| of.stepped(now, ticket, outcome, hub));
            }
            Input::Signal { checkin, signal, run, text } => {
                if let (Some(of), Some(settings)) = (self.checkins.get_mut(checkin), self.checkin_settings.get(checkin))
                {
                    of.signal(now, settings, &signal, &run, &text, &mut self.hub);
                }
                self.plan(now, Who::CheckIn(checkin));
            }
            Input::WitnessAlarm { target, found, last_agreed } => {
                self.of_target(now, target, |of, now, hub| of.witness_alarm(now, &found, last_agreed, hub));
            }
            Input::Jumped { jump, before } => self.jumped(now, jump, before),
            Input::HandedOver { key } => {
                self.hub.incidents.handed_over(&key);
                self.hub.dirty = true;
            }
            Input::Recorded { key, change } => {
                self.hub.incidents.recorded(&key, change);
                self.hub.dirty = true;
            }
        }
        self.tick(now);
    }

    fn of_target(&mut self, now: Now, target: TargetIndex, call: impl FnOnce(&mut Target, Now, &mut Hub)) {
        if let Some(of) = self.targets.get_mut(target) {
            call(of, now, &mut self.hub);
            self.plan(now, Who::Target(target));
        }
    }

    fn tick(&mut self, now: Now) {
        // Each is ticked at most once a turn: a deadline that comes due by being ticked waits for the next turn.
        for who in self.agenda.due(now.boot) {
            match who {
                Who::Target(index) => {
                    if let Some(target) = self.targets.get_mut(index) {
                        target.tick(now, &mut self.eyes, &mut self.hub);
                    }
                }
                Who::CheckIn(index) => self.tick_checkin(now, index),
                Who::Eyes => self.eyes.tick(now, &mut self.hub.out),
                Who::Peer => {
                    if let Some(peer) = &mut self.peer {
                        peer.tick(now, &mut self.hub);
                    }
                }
                Who::Outside => {
                    self.hub.out.push_back(Order::PingOutside);
                    self.outside_at = self.outside_every_ms.map(|every| now.boot.plus(every));
                }
            }
            self.plan(now, who);
        }
        // Whoever is probed may have had the watchdog look around.
        self.plan(now, Who::Eyes);
    }

    fn tick_checkin(&mut self, now: Now, index: CheckInIndex) {
        if let (Some(of), Some(settings)) = (self.checkins.get_mut(index), self.checkin_settings.get(index)) {
            let deaf = if self.eyes.blind_since().is_some() { Some(now.boot) } else { self.deaf_until };
            of.tick(now, settings, deaf, &mut self.hub);
        }
    }

    /// What must be done now. Empties itself.
    pub fn turn(&mut self) -> Turn {
        let (dirty, stale) = (std::mem::take(&mut self.hub.dirty), std::mem::take(&mut self.hub.stale));
        let save = match (dirty, stale) {
            (true, _) => Save::First,
            (false, true) => Save::Soon,
            (false, false) => Save::Not,
        };
        Turn { save, orders: std::mem::take(&mut self.hub.out) }
    }

    /// When it wants to be called with [`Input::Tick`].
    pub fn next(&self) -> Option<Boot> {
        self.agenda.first()
    }

    fn plan(&mut self, now: Now, who: Who) {
        let next = match who {
            Who::Target(index) => self.targets.get(index).and_then(Target::next),
            Who::CheckIn(index) => self
                .checkins
                .get(index)
                .zip(self.checkin_settings.get(index))
                .and_then(|(of, settings)| of.next(now, settings)),
            Who::Eyes => self.eyes.next(),
            Who::Peer => self.peer.as_ref().and_then(Peer::next),
            Who::Outside => self.outside_at,
        };
        self.agenda.set(who, next);
    }

    fn plan_all(&mut self, now: Now) {
        (0..self.targets.len()).for_each(|index| self.plan(now, Who::Target(index)));
        (0..self.checkins.len()).for_each(|index| self.plan(now, Who::CheckIn(index)));
        [Who::Eyes, Who::Peer, Who::Outside].into_iter().for_each(|who| self.plan(now, who));
    }

    /// The ticket of the step that a target's ladder waits for; `None` where it waits for none.
    pub fn stands_on(&self, target: TargetIndex) -> Option<u64> {
        self.targets.get(target).and_then(|target| target.kept.ladder.awaits())
    }

    /// Whether this watchdog acts and tells.
    pub fn is_acting(&self) -> bool {
        self.hub.acting
    }

    /// The index of the check-in with this name.
    pub fn checkin_named(&self, name: &str) -> Option<CheckInIndex> {
        self.checkin_settings.iter().position(|checkin| checkin.name == name)
    }

    /// What the peer is told. `able`: whether the watchdog is in a condition to act and to tell.
    pub fn for_peer(&self, able: bool) -> PeerState {
        let standing = self
            .hub
            .incidents
            .standing()
            .map(|incident| (format!("{}/{}", incident.system, incident.cause.word()), incident.key.clone()));
        PeerState {
            name: self.hub.name.clone(),
            able: able && self.eyes.blind_since().is_none(),
            acting: self.hub.acting,
            numbers: self.hub.incidents.numbers().clone(),
            standing: standing.collect(),
        }
    }

    /// Notices that the notifier never confirmed: to be told again after it refused some. While the peer tells: the ends of what
    /// people heard of from here.
    pub fn unrecorded(&self) -> Vec<Notice> {
        let mut notices = self.hub.incidents.unrecorded();
        if !self.hub.acting {
            let told = |key: &str| self.hub.incidents.is_told_here(key);
            notices.retain(|notice| notice.change == notice::Change::Resolve && told(&notice.key));
        }
        notices
    }

    /// Everything that must outlive this process.
    pub fn stored(&self, saved: stored::Clock) -> Stored {
        Stored {
            version: stored::VERSION,
            saved,
            acting: self.hub.acting,
            incidents: self.hub.incidents.clone(),
            targets: self.targets.iter().map(|target| (target.settings().name.clone(), target.kept.clone())).collect(),
            checkins: self
                .checkin_settings
                .iter()
                .zip(&self.checkins)
                .map(|(settings, checkin)| (settings.name.clone(), checkin.clone()))
                .collect(),
            peer_incident: self.peer.as_ref().and_then(|peer| peer.incident().map(str::to_owned)),
        }
    }

    /// The incidents, for those who look.
    pub fn incidents(&self) -> &Incidents {
        &self.hub.incidents
    }
}

#[cfg(test)]
mod tests;
