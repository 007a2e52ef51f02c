//! One target: when it is probed, what its answers add up to, and what follows from that.
//!
//! ```text
//!                 answers good                       N of M bad, own eyes good
//! unknown ------------------------> up <-----------------------------------------> down
//!    ^  blind, internal error        |   good: at once; its incident ends once     |
//!    |                               |   it has held still for a while             |
//!    +------- maintenance: judged as ever, but nobody is told and nothing is done -+
//! ```

mod away;
mod climbing;
mod telling;

use crate::heart::eyes::{Eyes, Sight};
use crate::heart::fault::{Fault, Stage};
use crate::heart::flap::Flap;
use crate::heart::hub::Hub;
use crate::heart::ladder::{Ladder, Rung};
use crate::heart::maintenance::Maintenance;
use crate::heart::order::{Order, Shown, TargetIndex};
use crate::heart::progress::Progress;
use crate::heart::reading::{self, Reading, Verdict};
use crate::heart::register::Register;
use crate::heart::settings::{Judging, TargetSettings};
use crate::heart::time::{Boot, Now, Wall, span};
use serde::{Deserialize, Serialize};

/// While a restart is being verified, probe at least this often, milliseconds.
const VERIFY_EVERY_MS: u64 = 2_000;

/// A target without a live stream is asked for one again after so long, milliseconds.
const STREAM_AGAIN_MS: u64 = 60 * 60_000;

/// A live stream that ended is opened again no sooner than after so long, milliseconds.
const STREAM_RETRY_MS: u64 = 5_000;

/// What a probe brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// An HTTP answer, to a question with this nonce.
    Answer {
        /// Its status.
        status: u16,
        /// Its body, at most as long as the prober reads.
        body: Vec<u8>,
        /// What the question carried.
        nonce: String,
    },
    /// It answered; there is nothing to read.
    Reached,
    /// It failed.
    Failed(Fault),
    /// The prober itself failed: nobody knows.
    Internal(String),
}

/// How a target stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    /// It answers as it should.
    Up,
    /// It does not.
    Down,
    /// Nobody knows.
    Unknown,
    /// It is away on purpose.
    Maintenance,
}

impl Stands {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Maintenance => "maintenance",
        }
    }
}

/// What is remembered of a target over a restart of the watchdog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// `None`: not judged yet.
    pub up: Option<bool>,
    register: Register,
    degraded: Register,
    /// Failures in a row.
    pub failures: u32,
    /// The last good answer.
    pub last_success: Option<Wall>,
    /// What was wrong last.
    pub last_fault: Option<Fault>,
    /// The last answer for people.
    pub last_answer: String,
    /// The incident about its being down.
    pub incident: Option<String>,
    /// The incident about its being degraded.
    pub degraded_incident: Option<String>,
    /// The incident about its journal.
    pub witness_incident: Option<String>,
    /// The incident about the ladder.
    pub held_incident: Option<String>,
    /// The incident about its having been stopped.
    pub stopped_incident: Option<String>,
    /// It is up again; its incident ends then.
    settle_at: Option<Boot>,
    down_since: Option<Wall>,
    flap: Flap,
    told_flapping: bool,
    /// The maintenance that it is in.
    pub maintenance: Option<Maintenance>,
    /// Its ladder.
    pub ladder: Ladder,
    progress: Progress,
    /// The last head that it showed.
    pub head: Option<String>,
    kill_switch: bool,
    stopped_on_purpose: bool,
    /// How, where that came from its host.
    #[serde(default)]
    stopped_how: Option<String>,
    witness_alarm: bool,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    ticket: u64,
    began: Boot,
    /// A jump of the clocks happened while it was under way.
    spoilt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// None; it may be asked for from then on.
    None(Boot),
    /// Being opened.
    Opening,
    /// The last beat came then.
    Live(Boot),
    /// Open, but without beats.
    Silent,
}

/// One target.
#[derive(Debug)]
pub struct Target {
    index: TargetIndex,
    settings: TargetSettings,
    /// What outlives the process.
    pub kept: Remembered,
    probe_at: Boot,
    in_flight: Option<InFlight>,
    ticket: u64,
    /// A failure that waits for the eyes' word.
    parked: Option<(Fault, Boot)>,
    /// Bad answers do not count until then.
    frozen_until: Option<Boot>,
    /// The stream was lost: probe in quick succession until it is judged.
    confirming: bool,
    stream: Stream,
    unknown_why: Option<String>,
    /// The watchdog was blind when this was judged last.
    blind: bool,
    /// It was not judged for a while, since the watchdog was blind.
    missed: bool,
    /// The last health answer announced an end.
    announces: bool,
}

impl Target {
    /// A target as it was remembered; its first probe is due at `first`.
    pub fn new(index: TargetIndex, settings: TargetSettings, kept: Remembered, first: Boot) -> Self {
        Self {
            index,
            settings,
            kept,
            probe_at: first,
            in_flight: None,
            ticket: 0,
            parked: None,
            frozen_until: None,
            confirming: false,
            stream: Stream::None(first),
            unknown_why: None,
            blind: false,
            missed: false,
            announces: false,
        }
    }

    /// What it is told.
    pub fn settings(&self) -> &TargetSettings {
        &self.settings
    }

    /// How it stands.
    pub fn stands(&self) -> Stands {
        if self.kept.maintenance.is_some() {
            return Stands::Maintenance;
        }
        match self.kept.up {
            Some(false) => Stands::Down,
            Some(true) if !self.blind => Stands::Up,
            Some(true) | None => Stands::Unknown,
        }
    }

    /// Why nobody knows, where nobody does.
    pub fn unknown_why(&self) -> Option<&str> {
        self.unknown_why.as_deref()
    }

    /// Whether it was not judged at any time while the watchdog was blind, until it [sees again](Target::sees_again).
    pub fn was_missed(&self) -> bool {
        self.missed || self.unknown_why.is_some() || self.is_parked()
    }

    /// Whether a failure waits for the eyes' word.
    pub fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Whether the live stream is open and beats come.
    pub fn streams(&self) -> bool {
        matches!(self.stream, Stream::Live(_))
    }

    /// How late the next probe is, milliseconds.
    pub fn overdue_ms(&self, now: Now) -> u64 {
        if self.in_flight.is_some() || self.parked.is_some() { 0 } else { now.boot.since(self.probe_at) }
    }

    /// When it wants to be ticked.
    pub fn next(&self) -> Option<Boot> {
        let probe = (self.in_flight.is_none() && self.parked.is_none()).then_some(self.probe_at);
        let beat = match (self.stream, self.settings.stream) {
            (Stream::Live(last), Some(stream)) => Some(last.plus(stream.beat_max_age_ms)),
            (Stream::Live(_) | Stream::None(_) | Stream::Opening | Stream::Silent, _) => None,
        };
        let maintenance = self.kept.maintenance.as_ref().map(|maintenance| maintenance.until);
        [probe, beat, self.kept.settle_at, maintenance, self.kept.ladder.next()].into_iter().flatten().min()
    }

    /// Deadlines may have passed.
    pub fn tick(&mut self, now: Now, eyes: &mut Eyes, hub: &mut Hub) {
        if self.kept.maintenance.as_ref().is_some_and(|maintenance| maintenance.until <= now.boot) {
            self.end_maintenance(now, "its time is over", hub);
        }
        if let (Stream::Live(last), Some(stream)) = (self.stream, self.settings.stream)
            && last.plus(stream.beat_max_age_ms) <= now.boot
        {
            self.stream = Stream::Silent;
            self.confirm_now(now, hub, "its live stream has no beat");
        }
        if self.kept.settle_at.is_some_and(|at| at <= now.boot) {
            self.settle(now, hub);
        }
        if self.kept.ladder.next().is_some_and(|at| at <= now.boot) {
            self.with_ladder(now, hub, |ladder, now, place, out| ladder.tick(now, place, out));
        }
        if self.in_flight.is_none() && self.parked.is_none() && self.probe_at <= now.boot {
            self.probe(now, eyes, hub);
        }
    }

    fn probe(&mut self, now: Now, eyes: &mut Eyes, hub: &mut Hub) {
        let looks = self.kept.ladder.looks_since().is_some();
        if self.confirming || looks {
            // Beside the probe and not after it: people must not wait for the one and then for the other.
            eyes.glance(now, &mut hub.out);
        }
        self.ticket += 1;
        self.in_flight = Some(InFlight { ticket: self.ticket, began: now.boot, spoilt: false });
        let timeout_ms = match self.settings.stream {
            Some(stream) if self.confirming || looks => stream.confirm_timeout_ms.min(self.settings.timeout_ms),
            Some(_) | None => self.settings.timeout_ms,
        };
        // Counted from the plan and not from now, so that lateness does not add up.
        self.probe_at = self.probe_at.plus(self.settings.interval_ms).max(now.boot);
        hub.out.push_back(Order::Probe { target: self.index, ticket: self.ticket, timeout_ms });
    }

    /// Probes at once and in quick succession until the target is judged.
    fn confirm_now(&mut self, now: Now, hub: &mut Hub, why: &str) {
        if self.kept.up == Some(false) {
            return;
        }
        hub.note(format!("{}: {why}: probing at once", self.settings.name));
        if !self.confirming {
            // A poll that is under way may take its whole time-out to fail; its late answer then says nothing new.
            self.in_flight = None;
        }
        self.confirming = true;
        self.probe_at = now.boot;
    }

    /// A probe is over. A late answer to an earlier question changes nothing.
    pub fn probed(&mut self, now: Now, ticket: u64, probed: Probed, eyes: &mut Eyes, hub: &mut Hub) {
        let Some(flight) = self.in_flight.filter(|flight| flight.ticket == ticket) else { return };
        self.in_flight = None;
        let spoilt = flight.spoilt;
        match probed {
            Probed::Internal(why) => {
                self.unknown_why = Some(why.clone());
                hub.note(format!("{}: not known: {why}", self.settings.name));
            }
            Probed::Reached => self.good(now, None, hub),
            Probed::Answer { status, body, nonce } => self.answered(now, flight.began, status, &body, &nonce, hub),
            Probed::Failed(_) if spoilt => self.unknown("the clocks jumped while it was asked", hub),
            Probed::Failed(fault) if fault.stage.may_be_own_network() => {
                self.parked = Some((fault, flight.began));
                self.unpark(now, eyes, hub);
            }
            Probed::Failed(fault) => self.bad(now, flight.began, fault, hub),
        }
        self.hurry(now);
    }

    /// The eyes may have a word on the failure that waits for it.
    pub fn unpark(&mut self, now: Now, eyes: &mut Eyes, hub: &mut Hub) {
        let Some((fault, began)) = self.parked.take() else { return };
        match eyes.sight(now, began, &mut hub.out) {
            Sight::Good => {
                self.blind = false;
                self.bad(now, began, fault, hub);
                self.hurry(now);
            }
            Sight::Blind => {
                (self.blind, self.missed) = (true, true);
                self.unknown("this watchdog's own network is down", hub);
            }
            Sight::Wait => self.parked = Some((fault, began)),
        }
    }

    fn unknown(&mut self, why: &str, hub: &mut Hub) {
        if self.unknown_why.as_deref() != Some(why) {
            hub.note(format!("{}: not known: {why}", self.settings.name));
        }
        self.unknown_why = Some(why.to_owned());
    }

    /// Brings the next probe forward where something hangs on it.
    fn hurry(&mut self, now: Now) {
        let soonest = match self.settings.stream {
            Some(stream) if self.confirming && self.kept.up != Some(false) => {
                Some(now.boot.plus(stream.confirm_gap_ms))
            }
            Some(_) | None => None,
        };
        let verifying = match self.kept.ladder.rung() {
            Rung::Verifying { .. }
            | Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. } => Some(now.boot.plus(VERIFY_EVERY_MS)),
            Rung::Resting | Rung::Pausing { .. } | Rung::Held { .. } => None,
        };
        for at in [soonest, verifying].into_iter().flatten() {
            self.probe_at = self.probe_at.min(at);
        }
    }

    fn answered(&mut self, now: Now, asked: Boot, status: u16, body: &[u8], nonce: &str, hub: &mut Hub) {
        self.blind = false;
        match &self.settings.judging {
            Judging::Plain { contains } => match reading::plain(status, body, contains.as_deref()) {
                Ok(()) => self.good(now, None, hub),
                Err(fault) => {
                    self.kept.last_answer = reading::for_people(body);
                    self.bad(now, asked, fault, hub);
                }
            },
            Judging::Reached => self.good(now, None, hub),
            Judging::Health => {
                let Reading { facts, verdict, shown } = reading::health(status, body);
                self.kept.last_answer = shown;
                let earlier_epoch = self.kept.progress.epoch();
                let of_now = self.kept.progress.answer(now, &facts, nonce, &self.settings.progress);
                // An epoch that went back is when the witness is needed most.
                let went_back = of_now.as_ref().is_err_and(|fault| fault.stage == Stage::Head);
                if let Some(shown) = facts.shown.filter(|_| of_now.is_ok() || went_back) {
                    self.shown(Shown { asked: Some(asked), ..shown }, hub);
                }
                self.kill_switch(facts.kill_switch.filter(|engaged| *engaged || of_now.is_ok()), hub);
                self.announces = false;
                if of_now.is_ok() {
                    if facts.epoch.is_some_and(|epoch| earlier_epoch.is_some_and(|earlier| epoch > earlier)) {
                        self.back_with_a_new_epoch(now, hub);
                    }
                    self.window(now, facts.maintenance.as_ref(), facts.made, hub);
                    if let Some(announced) = &facts.announced {
                        self.announces = true;
                        self.announced(now, announced, facts.epoch, facts.made, hub);
                    }
                }
                let fresh = of_now.and_then(|()| self.kept.progress.moves(now, &self.settings.progress));
                match (fresh, verdict) {
                    // A journal or an epoch that went back outweighs whatever else is said; a verdict outweighs its own lack of
                    // freshness: an engine that cannot tell more still tells that it is not well.
                    (Err(fault), _) if fault.stage == Stage::Head => self.bad(now, asked, fault, hub),
                    (_, Err(fault)) | (Err(fault), Ok(_)) => self.bad(now, asked, fault, hub),
                    (Ok(()), Ok(Verdict::Good)) => self.good(now, None, hub),
                    (Ok(()), Ok(Verdict::Degraded(why))) if self.settings.degraded_is_failure => {
                        self.bad(now, asked, Fault::new(Stage::Verdict, why), hub);
                    }
                    (Ok(()), Ok(Verdict::Degraded(why))) => self.good(now, Some(why), hub),
                }
            }
        }
    }

    /// What was said of the kill switch, where anything was. That it is engaged is believed of any answer, that it is not only
    /// of one of now.
    fn kill_switch(&mut self, engaged: Option<bool>, hub: &mut Hub) {
        if let Some(engaged) = engaged
            && self.kept.kill_switch != engaged
        {
            self.kept.kill_switch = engaged;
            hub.dirty = true;
        }
    }

    fn shown(&mut self, shown: Shown, hub: &mut Hub) {
        if self.kept.head.as_deref() != Some(shown.head.as_str()) {
            self.kept.head = Some(shown.head.clone());
            hub.out.push_back(Order::Compare { target: self.index, shown });
        }
    }

    fn good(&mut self, now: Now, degraded: Option<String>, hub: &mut Hub) {
        // The signal that ends a frozen engine also wakes it, and one that was asked answers until it ends.
        if self.kept.ladder.are_last_words(self.kept.progress.epoch(), self.announces) {
            return;
        }
        self.kept.register.push(false);
        self.kept.degraded.push(degraded.is_some());
        self.kept.failures = 0;
        self.kept.last_success = Some(now.wall);
        self.unknown_why = None;
        self.blind = false;
        self.confirming = false;
        // What says its epoch says by a higher one that it was started again; an engine that stops answers until it has.
        if self.kept.stopped_on_purpose && self.kept.progress.epoch().is_none() && !self.announces {
            self.started_again(hub);
        }
        if !self.kept.stopped_on_purpose
            && let Some(key) = self.kept.stopped_incident.take()
        {
            hub.resolve(now, &key, format!("{} runs again.", self.settings.name));
        }
        if self.kept.up != Some(true) {
            self.kept.up = Some(true);
            hub.stale = true;
            hub.note(format!("{} is up", self.settings.name));
        }
        if let Some(settings) = &self.settings.ladder {
            let told = self.kept.ladder.good(now, self.kept.progress.epoch(), settings);
            self.tell_ladder(now, told, hub);
        }
        // A restart that is not verified yet is not over.
        if self.kept.incident.is_some() && self.kept.settle_at.is_none() && !self.kept.ladder.is_busy() {
            let flapping = self.kept.flap.is_flapping(now.boot, self.settings.flap);
            let still = if flapping { self.settings.flap.stable_ms } else { self.settings.settle_ms };
            self.kept.settle_at = Some(now.boot.plus(still));
            hub.dirty = true;
        }
        self.degraded(now, degraded, hub);
        if self.settings.stream.is_some()
            && let Stream::None(from) = self.stream
            && from <= now.boot
        {
            self.stream = Stream::Opening;
            hub.out.push_back(Order::OpenStream { target: self.index });
        }
    }

    fn bad(&mut self, now: Now, began: Boot, fault: Fault, hub: &mut Hub) {
        if let Some(until) = self.frozen_until {
            if now.boot < until {
                self.unknown("the clocks jumped: not counted for one interval", hub);
                return;
            }
            self.frozen_until = None;
        }
        self.unknown_why = None;
        self.kept.register.push(true);
        self.kept.failures = self.kept.failures.saturating_add(1);
        self.kept.settle_at = None;
        self.kept.last_fault = Some(fault);
        if !self.kept.register.is_bad(self.settings.failures, self.settings.window) {
            return;
        }
        self.confirming = false;
        if self.kept.up != Some(false) {
            self.kept.up = Some(false);
            self.kept.flap.went_down(now.boot, self.settings.flap);
            hub.dirty = true;
            hub.note(format!("{} is down: {}", self.settings.name, self.fault_text()));
        }
        // What shows another history is not merely stopped: it answers.
        let answers = self.kept.last_fault.as_ref().is_some_and(|fault| fault.stage == Stage::Head);
        if self.kept.maintenance.is_some() {
            return;
        }
        if self.kept.stopped_on_purpose && !answers {
            self.still_stopped(now, hub);
            return;
        }
        if self.kept.incident.is_none() {
            self.open_down(now, hub, "");
        } else if self.kept.flap.is_flapping(now.boot, self.settings.flap) && !self.kept.told_flapping {
            self.kept.told_flapping = true;
            let times = self.kept.flap.times(now.boot, self.settings.flap);
            let key = self.kept.incident.clone().unwrap_or_default();
            let name = &self.settings.name;
            let message = format!(
                "{name} comes and goes: down {times} times within {}. This incident stands until it has been up for {} without a break. Now: {}.",
                span(self.settings.flap.within_ms),
                span(self.settings.flap.stable_ms),
                self.fault_text()
            );
            hub.update(now, &key, self.settings.severity, format!("{name} flaps"), message);
        }
        self.climb(now, began, hub);
    }

    /// The clocks jumped: what is under way says nothing, nothing bad counts for one interval, and the target is probed again.
    pub fn jumped(&mut self, now: Now) {
        if let Some(flight) = &mut self.in_flight {
            flight.spoilt = true;
        }
        self.parked = None;
        self.frozen_until = Some(now.boot.plus(self.settings.interval_ms));
        self.confirming = false;
        self.probe_at = now.boot;
        self.kept.progress.rearm();
        if let Stream::Live(last) = &mut self.stream {
            *last = now.boot;
        }
        // A target that was up before must hold still as long as before.
        if let Some(at) = &mut self.kept.settle_at {
            *at = (*at).max(now.boot.plus(self.settings.settle_ms));
        }
    }

    /// The watchdog sees again: probe at `first`.
    pub fn sees_again(&mut self, first: Boot) {
        (self.blind, self.missed) = (false, false);
        self.parked = None;
        self.unknown_why = None;
        self.probe_at = self.probe_at.min(first);
    }

    /// The watchdog starts with what it remembers of the target.
    pub fn resumed(&mut self, now: Now, hub: &mut Hub) {
        if let Some(settings) = &self.settings.ladder {
            let told = self.kept.ladder.resumed(now, settings);
            self.tell_ladder(now, told, hub);
        } else {
            self.kept.ladder.forbid();
        }
        self.kept.progress.rearm();
    }

    /// Gives an incident another key.
    pub fn rename(&mut self, own: &str, theirs: &str) {
        let kept = &mut self.kept;
        for slot in [
            &mut kept.incident,
            &mut kept.degraded_incident,
            &mut kept.witness_incident,
            &mut kept.held_incident,
            &mut kept.stopped_incident,
        ] {
            if slot.as_deref() == Some(own) {
                *slot = Some(theirs.to_owned());
            }
        }
    }
}

impl Remembered {
    /// Moves every time by so much: another boot's clock.
    pub fn shift(&mut self, by_ms: i64) {
        let move_it = |at: &mut Boot| at.0 = at.0.saturating_add(by_ms);
        self.settle_at.iter_mut().for_each(move_it);
        if let Some(maintenance) = &mut self.maintenance {
            move_it(&mut maintenance.until);
        }
        self.flap.shift(by_ms);
        self.ladder.shift(by_ms);
    }
}
