//! One target: when it is probed, what its answers add up to, and what follows from that.
//!
//! ```text
//!                 answers good                       N of M bad, own eyes good
//! unknown ------------------------> up <-----------------------------------------> down
//!    ^  blind, internal error        |   good: at once; its incident ends once     |
//!    |                               |   it has held still for a while             |
//!    +------- maintenance: judged as ever, but nobody is told and nothing is done -+
//! ```

use super::eyes::{Eyes, Sight};
use super::fault::{Fault, Stage};
use super::flap::Flap;
use super::hub::Hub;
use super::ladder::{Forbidden, Ladder, Place, Rung, Told};
use super::maintenance::{ANNOUNCED_MS, Kind, Maintenance};
use super::notice::{Cause, Opening};
use super::order::{Order, Shown, TargetIndex};
use super::progress::Progress;
use super::reading::{self, Beat, Reading, Verdict};
use super::register::Register;
use super::settings::{Judging, TargetSettings};
use super::steps::Outcome;
use super::time::{Boot, Now, Wall, span};
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
    pub fn tick(&mut self, now: Now, hub: &mut Hub) {
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
            self.probe(now, hub);
        }
    }

    fn probe(&mut self, now: Now, hub: &mut Hub) {
        self.ticket += 1;
        self.in_flight = Some(InFlight { ticket: self.ticket, began: now.boot, spoilt: false });
        let timeout_ms = match self.settings.stream {
            Some(stream) if self.confirming => stream.confirm_timeout_ms.min(self.settings.timeout_ms),
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
            Probed::Failed(fault) => self.bad(now, fault, hub),
        }
        self.hurry(now);
    }

    /// The eyes may have a word on the failure that waits for it.
    pub fn unpark(&mut self, now: Now, eyes: &mut Eyes, hub: &mut Hub) {
        let Some((fault, began)) = self.parked.take() else { return };
        match eyes.sight(now, began, &mut hub.out) {
            Sight::Good => {
                self.blind = false;
                self.bad(now, fault, hub);
                self.hurry(now);
            }
            Sight::Blind => {
                self.blind = true;
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
            Rung::Verifying { .. } | Rung::Stepping { .. } | Rung::Waiting { .. } => {
                Some(now.boot.plus(VERIFY_EVERY_MS))
            }
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
                    self.bad(now, fault, hub);
                }
            },
            Judging::Reached => self.good(now, None, hub),
            Judging::Health => {
                let Reading { facts, verdict, shown } = reading::health(status, body);
                self.kept.last_answer = shown;
                let earlier_epoch = self.kept.progress.epoch();
                let fresh = self.kept.progress.answer(now, &facts, nonce, &self.settings.progress);
                if let Some(engaged) = facts.kill_switch
                    && self.kept.kill_switch != engaged
                {
                    self.kept.kill_switch = engaged;
                    hub.dirty = true;
                }
                if fresh.is_ok() {
                    if let Some(shown) = facts.shown {
                        self.shown(Shown { asked: Some(asked), ..shown }, hub);
                    }
                    if facts.epoch.is_some_and(|epoch| earlier_epoch.is_some_and(|earlier| epoch > earlier)) {
                        self.back_with_a_new_epoch(now, hub);
                    }
                }
                match (fresh, verdict) {
                    // A journal or an epoch that went back outweighs whatever else is said; a verdict outweighs its own lack of
                    // freshness: an engine that cannot tell more still tells that it is not well.
                    (Err(fault), _) if fault.stage == Stage::Head => self.bad(now, fault, hub),
                    (_, Err(fault)) | (Err(fault), Ok(_)) => self.bad(now, fault, hub),
                    (Ok(()), Ok(Verdict::Good)) => self.good(now, None, hub),
                    (Ok(()), Ok(Verdict::Degraded(why))) if self.settings.degraded_is_failure => {
                        self.bad(now, Fault::new(Stage::Verdict, why), hub);
                    }
                    (Ok(()), Ok(Verdict::Degraded(why))) => self.good(now, Some(why), hub),
                }
            }
        }
    }

    fn shown(&mut self, shown: Shown, hub: &mut Hub) {
        if self.kept.head.as_deref() != Some(shown.head.as_str()) {
            self.kept.head = Some(shown.head.clone());
            hub.out.push_back(Order::Compare { target: self.index, shown });
        }
    }

    fn good(&mut self, now: Now, degraded: Option<String>, hub: &mut Hub) {
        self.kept.register.push(false);
        self.kept.degraded.push(degraded.is_some());
        self.kept.failures = 0;
        self.kept.last_success = Some(now.wall);
        self.unknown_why = None;
        self.blind = false;
        self.confirming = false;
        if self.kept.stopped_on_purpose {
            self.kept.stopped_on_purpose = false;
            hub.dirty = true;
        }
        if let Some(key) = self.kept.stopped_incident.take() {
            hub.resolve(now, &key, format!("{} runs again.", self.settings.name));
        }
        if self.kept.up != Some(true) {
            self.kept.up = Some(true);
            hub.dirty = true;
            hub.note(format!("{} is up", self.settings.name));
        }
        if self.kept.incident.is_some() && self.kept.settle_at.is_none() {
            let flapping = self.kept.flap.is_flapping(now.boot, self.settings.flap);
            let still = if flapping { self.settings.flap.stable_ms } else { self.settings.settle_ms };
            self.kept.settle_at = Some(now.boot.plus(still));
            hub.dirty = true;
        }
        if let Some(settings) = &self.settings.ladder {
            let told = self.kept.ladder.good(now, self.kept.progress.epoch(), settings);
            self.tell_ladder(now, told, hub);
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

    fn degraded(&mut self, now: Now, degraded: Option<String>, hub: &mut Hub) {
        let (failures, window) = (self.settings.failures, self.settings.window);
        match (&self.kept.degraded_incident, degraded) {
            (None, Some(why)) if self.kept.degraded.is_bad(failures, window) && self.kept.maintenance.is_none() => {
                let name = &self.settings.name;
                let key = hub.open(
                    now,
                    Opening {
                        cause: Cause::TargetDegraded,
                        severity: super::notice::Severity::Warning,
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

    fn settle(&mut self, now: Now, hub: &mut Hub) {
        self.kept.settle_at = None;
        self.kept.told_flapping = false;
        hub.dirty = true;
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

    fn bad(&mut self, now: Now, fault: Fault, hub: &mut Hub) {
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
        if self.kept.maintenance.is_some() || self.kept.stopped_on_purpose {
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
        self.climb(now, hub);
    }

    fn fault_text(&self) -> String {
        self.kept.last_fault.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn open_down(&mut self, now: Now, hub: &mut Hub, after: &str) {
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

    fn action(&self) -> String {
        let host = "on its host: `failstop status`, `journalctl -u failstop`";
        match self.kept.last_fault.as_ref().map(|fault| fault.stage) {
            Some(Stage::Dns) => "check the name and the resolver; the bot itself may be well".to_owned(),
            Some(Stage::Tls) => "check the certificate of its address; the bot itself may be well".to_owned(),
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
    fn facts(&self, now: Now) -> Vec<(String, String)> {
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

    /// Why it must not be restarted, where it must not.
    fn forbidden(&self, hub: &Hub) -> Option<Forbidden> {
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

    fn climb(&mut self, now: Now, hub: &mut Hub) {
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
    fn with_ladder(
        &mut self,
        now: Now,
        hub: &mut Hub,
        call: impl FnOnce(&mut Ladder, Now, &Place<'_>, &mut std::collections::VecDeque<Order>) -> Told,
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
        let place = Place { target: self.index, settings, epoch, reason: &reason };
        let told = call(&mut self.kept.ladder, now, &place, &mut hub.out);
        self.tell_ladder(now, told, hub);
    }

    fn tell_ladder(&mut self, now: Now, told: Told, hub: &mut Hub) {
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
            Told::Held(why) => {
                hub.dirty = true;
                let opening = Opening {
                    cause: Cause::Held,
                    severity: super::notice::Severity::Critical,
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
        // The journal's id is only in the health answer; the witness fills it in from what it remembers.
        self.shown(Shown { jid: String::new(), seq: beat.seq, head: beat.head.clone(), asked: None }, hub);
        if earlier.is_some_and(|earlier| beat.epoch > earlier) {
            self.back_with_a_new_epoch(now, hub);
        }
        match &beat.announced {
            Some(announced) => {
                let owner = "the engine".to_owned();
                let kind = Kind::from(announced.kind);
                let for_ms =
                    announced.until.as_deref().and_then(reading::wall).map_or(ANNOUNCED_MS, |until| {
                        until.since(now.wall).min(super::maintenance::MAINTENANCE_MAX_MS)
                    });
                if self.kept.maintenance.as_ref().is_none_or(|maintenance| maintenance.kind != kind) {
                    let reason = match announced.kind {
                        reading::AnnouncedKind::Restart => "it announced a restart",
                        reading::AnnouncedKind::Stop => "it announced that it stops",
                    };
                    self.silence(now, kind, owner, reason.to_owned(), for_ms, hub);
                }
            }
            None if beat.status == "critical" && self.kept.up == Some(true) => {
                if !self.confirming {
                    self.confirm_now(now, hub, "it says that it is critical");
                }
            }
            None => {}
        }
    }

    fn back_with_a_new_epoch(&mut self, now: Now, hub: &mut Hub) {
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
                        severity: super::notice::Severity::Warning,
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
            severity: super::notice::Severity::Critical,
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

    /// An operator releases it: the ladder's budget is whole, and what its journal and its epoch are now is accepted. `false`
    /// where there was nothing to release.
    pub fn release(&mut self, now: Now, by: &str, hub: &mut Hub) -> bool {
        let ladder = self.kept.ladder.release();
        let alarm = std::mem::take(&mut self.kept.witness_alarm);
        let stopped = std::mem::take(&mut self.kept.stopped_on_purpose);
        if alarm || self.kept.last_fault.as_ref().is_some_and(|fault| fault.stage == Stage::Head) {
            self.kept.progress.forget();
        }
        hub.dirty = true;
        for key in [&mut self.kept.witness_incident, &mut self.kept.held_incident].into_iter().filter_map(Option::take)
        {
            hub.resolve(now, &key, format!("Released by {by}."));
        }
        self.probe_at = self.probe_at.min(now.boot);
        ladder || alarm || stopped
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
        self.blind = false;
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
