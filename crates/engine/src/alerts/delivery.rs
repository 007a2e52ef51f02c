//! The engine's way to the notifier. Opening it never keeps the engine from starting, and nothing on it waits: trading safety
//! comes first, and people are told beside it.

use super::channels::{self, ReadyChannels};
use super::notice::{Sender, covered, notice};
use super::under_way::UnderWay;
use super::{OUTBOX, entry, reconcile, summary};
use crate::access::TraceId;
use crate::config::Config;
use failstop_client::alerts::{AlertEntry, AlertTest};
use failstop_client::status::AlertsSummary;
use failstop_core::Alert;
use failstop_notify::{
    Acknowledged, Change, Handle, Key, KeyFault, Nature, Notice, OpenError, Programs, Refused, Reply, Running,
    Severity, Tested,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What the notifier may take to end beyond its own limit.
const CLOSE_SLACK: Duration = Duration::from_secs(2);

/// The way to people.
#[derive(Debug)]
pub struct Delivery {
    sender: Sender,
    /// Without it incidents are recorded and shown on this host, and leave it by no channel.
    enabled: bool,
    way: Way,
    /// Channels that cannot be used as configured, and why.
    faults: BTreeMap<String, String>,
    /// Reports that the notifier could not take; told by [`Delivery::catch_up`], and made good by [`Delivery::reconcile`].
    refused: u64,
    behind: bool,
    /// What the notifier took and perhaps does not list yet, and what it could not take.
    under_way: UnderWay,
    /// What runs the programs of exec channels.
    programs: Option<Unshown<Arc<dyn Programs>>>,
    /// Channels that the notifier could not be given yet.
    owed: Option<Unshown<failstop_notify::Config>>,
    /// What was told of incidents that have no halt, for the journal: as much as one turn of the loop tells.
    unnoted: Vec<OwnNotice>,
}

/// What was told of an incident that has no halt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnNotice {
    /// Of which.
    pub key: String,
    /// `trigger`, `update` or `resolve`.
    pub change: &'static str,
    /// How bad it is.
    pub severity: &'static str,
    /// The name that it is followed by.
    pub trace_id: String,
}

/// Something of which nothing is to be shown.
struct Unshown<T>(T);

impl<T> std::fmt::Debug for Unshown<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

#[derive(Debug)]
enum Way {
    /// Nobody can be told.
    Broken(String),
    /// The notifier works on its thread.
    Open { handle: Handle, running: Running },
}

/// What the notices of the engine's own incidents have in common, by what they are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub cause: &'static str,
    pub severity: Severity,
    pub nature: Nature,
    pub runbook: &'static str,
}

/// An acknowledgement on its way to the disk.
pub type Acknowledging = Reply<Acknowledged>;

/// A test on its way.
#[derive(Debug)]
pub struct Testing(Reply<Vec<Tested>>);

impl Testing {
    /// What became of it, by destination.
    ///
    /// # Errors
    /// The notifier ended first.
    pub async fn outcome(self) -> Result<Vec<AlertTest>, Refused> {
        Ok(self.0.answer().await?.into_iter().map(entry::tested).collect())
    }
}

impl Delivery {
    /// Opens the outbox and starts the notifier's thread. Whatever goes wrong is shown by [`Delivery::summary`].
    /// `programs` runs those of exec channels; `None` where nothing else in this process waits for children.
    pub fn open(config: &Config, programs: Option<Arc<dyn Programs>>) -> Self {
        let sender =
            Sender { system: config.name().to_owned(), environment: config.system.environment.as_str().to_owned() };
        let enabled = config.alerts.enabled;
        let runs = programs.clone();
        let closed = |way, faults| Self {
            sender: sender.clone(),
            enabled,
            way,
            faults,
            refused: 0,
            behind: false,
            under_way: UnderWay::default(),
            programs: runs.clone().map(Unshown),
            owed: None,
            unnoted: Vec::new(),
        };
        let (mut wanted, unusable) = channels::of(config, programs);
        let mut faults: BTreeMap<String, String> =
            unusable.into_iter().map(|fault| (fault.channel, fault.fault)).collect();
        let folder = config.state_dir().join(OUTBOX);
        // Each round leaves out one channel at least, so it ends.
        loop {
            match failstop_notify::open(wanted.clone(), &folder) {
                Ok((handle, driver)) => {
                    let way = match driver.spawn() {
                        Ok(running) => Way::Open { handle, running },
                        Err(error) => Way::Broken(format!("the notifier's thread cannot be started: {error}")),
                    };
                    return closed(way, faults);
                }
                Err(OpenError::Channel { channel, fault }) => {
                    let before = wanted.channels.len();
                    wanted.channels.retain(|other| other.name != channel);
                    if wanted.channels.len() == before {
                        return closed(Way::Broken(format!("{channel}: {fault}")), faults);
                    }
                    faults.insert(channel, fault);
                }
                Err(error) => return closed(Way::Broken(error.to_string()), faults),
            }
        }
    }

    /// Whose alerts these are.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// What the operator should know before anything is to be told: one line a fault.
    pub fn faults(&self) -> Vec<String> {
        let broken = match &self.way {
            Way::Broken(why) => Some(format!("nobody can be told of anything: {why}")),
            Way::Open { .. } => None,
        };
        let faults = self.faults.iter().map(|(channel, fault)| format!("alerts do not reach {channel}: {fault}"));
        broken.into_iter().chain(faults).collect()
    }

    /// Hands an alert over, whose incident is followed as `trace`.
    pub fn tell(&mut self, alert: &Alert, at: jiff::Timestamp, head: &str, trace: TraceId) {
        match notice(alert, &self.sender, at, head, trace) {
            Ok(notice) => self.send(notice),
            Err(fault) => tracing::error!(%fault, id = %alert.id, "an alert has no key and is not sent"),
        }
    }

    /// A notice with the marks that all of this system carry; `title` without the system's name.
    pub(super) fn notice(&self, kind: Kind, key: Key, change: Change, title: &str, at: jiff::Timestamp) -> Notice {
        let title = format!("{}: {title}", self.sender.system);
        let mut notice = Notice::new(key, change, kind.severity, title, at);
        notice.nature = kind.nature;
        notice.system.clone_from(&self.sender.system);
        notice.environment.clone_from(&self.sender.environment);
        kind.cause.clone_into(&mut notice.cause);
        notice.runbook = Some(kind.runbook.to_owned());
        notice
    }

    /// Tells of an incident that has no halt, and keeps for the journal that it was told. Gives the name that it is followed by.
    pub(super) fn report(&mut self, mut notice: Notice) -> String {
        let (is_open, known) = match &self.way {
            Way::Broken(_) => (false, None),
            Way::Open { handle, .. } => {
                let listed = handle.list();
                let open = listed.iter().find(|alert| alert.key == notice.key && alert.resolved_at.is_none());
                let known = open.and_then(|alert| alert.trace_id.clone());
                (self.under_way.open(&notice.cause, &listed).contains(&notice.key), known)
            }
        };
        // An incident that is known keeps its name. What has no halt and no number in the journal is followed by its key.
        let own = || TraceId::of_incident(&[0; 16], notice.key.as_str()).to_string();
        let trace_id = notice.trace_id.take().or(known).unwrap_or_else(own);
        notice.trace_id = Some(trace_id.clone());
        let change = match notice.change {
            Change::Trigger if !is_open => "trigger",
            Change::Trigger | Change::Update => "update",
            Change::Resolve => "resolve",
        };
        let (key, severity) = (notice.key.to_string(), notice.severity.name());
        tracing::info!(alert = %key, change, severity, %trace_id, "people are told");
        self.unnoted.push(OwnNotice { key, change, severity, trace_id: trace_id.clone() });
        self.send(notice);
        trace_id
    }

    /// What was told of incidents without a halt since this was last asked, for the journal.
    pub fn take_unnoted(&mut self) -> Vec<OwnNotice> {
        std::mem::take(&mut self.unnoted)
    }

    fn send(&mut self, notice: Notice) {
        if let Err(refused) = self.hand_over(notice) {
            tracing::warn!(%refused, "an alert is told later");
            self.refused = self.refused.saturating_add(1);
        }
    }

    /// Tells the notifier, or keeps what is to be told later.
    fn hand_over(&mut self, notice: Notice) -> Result<(), Refused> {
        let Way::Open { handle, .. } = &self.way else { return Ok(()) };
        let notice = covered(notice);
        match handle.report(notice.clone()) {
            // Whether it was new or a duplicate is the notifier's to know.
            Ok(_) => {
                self.under_way.taken(&notice, &handle.list());
                Ok(())
            }
            Err(refused) => {
                self.under_way.refused(notice);
                self.behind = true;
                Err(refused)
            }
        }
    }

    /// Other channels, rates and routes from here on. Messages for channels that are gone move to the next one; nothing that is open
    /// or on its way is lost.
    pub fn reconfigure(&mut self, ready: ReadyChannels) {
        let ReadyChannels { enabled, mut wanted, faults } = ready;
        if let Some(Unshown(programs)) = &self.programs {
            wanted.programs = Arc::clone(programs);
        }
        (self.enabled, self.faults, self.owed) = (enabled, faults, Some(Unshown(wanted)));
        self.catch_up();
    }

    /// Tells the notifier what it could not take before, and gives it the channels that it could not be given. Called within the loop's
    /// runtime.
    pub fn catch_up(&mut self) {
        for notice in self.under_way.take_refused() {
            // What it still cannot take waits on.
            let _ = self.hand_over(notice);
        }
        let Way::Open { handle, .. } = &self.way else { return };
        let Some(Unshown(wanted)) = self.owed.take() else { return };
        match handle.reconfigure(wanted.clone()) {
            Ok(reply) => {
                tokio::spawn(async move {
                    // They were tried before; only what has changed on the host since is left to go wrong.
                    if let Ok(Err(error)) = reply.answer().await {
                        tracing::error!(%error, "the alert channels of before stay in use");
                    }
                });
            }
            Err(refused) => {
                tracing::warn!(%refused, "the alert channels are changed later");
                self.owed = Some(Unshown(wanted));
            }
        }
    }

    /// Whether something could not be handed over and [`Delivery::reconcile`] is to be called again.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Brings the outbox in line with what stands.
    pub fn reconcile(
        &mut self,
        standing: &[Alert],
        at: jiff::Timestamp,
        head: &str,
        trace: &dyn Fn(&Alert) -> TraceId,
    ) {
        let Way::Open { handle, .. } = &self.way else { return };
        self.behind = false;
        for notice in reconcile::notices(standing, &handle.list(), &self.sender, at, head, trace) {
            if notice.change != Change::Trigger || !self.under_way.expects(&notice.key) {
                self.send(notice);
            }
        }
    }

    /// The maintenance window is over: what it held back and still stands is told now.
    pub fn maintenance_over(&self) {
        if let Way::Open { handle, .. } = &self.way
            && let Err(refused) = handle.maintenance_over(&self.sender.system)
        {
            tracing::warn!(%refused, "alerts that the maintenance window held back wait for their next reminder");
        }
    }

    /// How alerts fare.
    pub fn summary(&self) -> AlertsSummary {
        match &self.way {
            Way::Broken(problem) => summary::broken(problem, &self.faults),
            Way::Open { handle, .. } => {
                let working = summary::working(&handle.status(), &handle.list(), &self.faults, self.refused);
                if self.enabled { working } else { summary::off(working) }
            }
        }
    }

    /// Open incidents and the last ones that are over, the newest first.
    pub fn list(&self) -> Vec<AlertEntry> {
        match &self.way {
            Way::Broken(_) => Vec::new(),
            Way::Open { handle, .. } => handle.list().iter().map(entry::entry).collect(),
        }
    }

    /// Somebody takes an incident on: `id` as `failstop alerts list` shows it, without the system's name, or a halt's `h-31`.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn acknowledge(&self, id: &str, by: &str) -> Result<Acknowledging, String> {
        let handle = self.handle()?;
        let known = handle.list();
        let open = known.iter().filter(|alert| alert.resolved_at.is_none());
        let named: Vec<&Key> =
            open.map(|alert| &alert.key).filter(|key| is_named(key.as_str(), &self.sender.system, id)).collect();
        match named.as_slice() {
            [key] => handle.acknowledge((*key).clone(), by).map_err(|refused| format!("{refused}; try again")),
            [] => Err(format!("no open alert is named {id}; `failstop alerts list` shows them")),
            [..] => {
                let keys: Vec<&str> = named.iter().map(|key| key.as_str()).collect();
                Err(format!("{id} names {} open alerts: write one of {}", keys.len(), keys.join(", ")))
            }
        }
    }

    /// Sends a marked test message to one channel or all.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn test(&self, channel: Option<&str>) -> Result<Testing, String> {
        let handle = self.handle()?;
        if let Some(channel) = channel {
            if let Some(fault) = self.faults.get(channel) {
                return Err(format!("{channel} cannot be used: {fault}"));
            }
            let status = handle.status();
            if !status.channels.iter().any(|known| known.channel == channel) {
                let mut names: Vec<&str> = status.channels.iter().map(|known| known.channel.as_str()).collect();
                names.dedup();
                return Err(format!("there is no channel {channel}; there is: {}", names.join(", ")));
            }
        }
        handle.test(channel).map(Testing).map_err(|refused| format!("{refused}; try again"))
    }

    fn handle(&self) -> Result<&Handle, String> {
        match &self.way {
            Way::Broken(why) => Err(format!("nobody can be told of anything: {why}")),
            Way::Open { handle, .. } => Ok(handle),
        }
    }

    /// The incident of this cause that is open, if one is.
    pub(super) fn open_incident(&self, cause: &str) -> Option<Key> {
        self.open_incidents(cause).into_iter().next()
    }

    /// Every incident of this cause that is open, as far as it was told.
    pub(super) fn open_incidents(&self, cause: &str) -> BTreeSet<Key> {
        match &self.way {
            Way::Broken(_) => BTreeSet::new(),
            Way::Open { handle, .. } => self.under_way.open(cause, &handle.list()),
        }
    }

    /// The first key of this cause and of what it is about, from `number` on, whose incident is open, or never was: one that is over is not opened again. And
    /// whether it is open.
    ///
    /// # Errors
    /// [`KeyFault`], for names that the configuration refuses.
    pub(super) fn key_from(&self, cause: &str, about: Option<&str>, number: u64) -> Result<(Key, bool), KeyFault> {
        let open = self.open_incidents(cause);
        let is_known = |key: &Key| match &self.way {
            Way::Broken(_) => false,
            Way::Open { handle, .. } => self.under_way.is_known(key, &handle.list()),
        };
        let mut number = number;
        // As many are known as there is memory for, so it ends.
        loop {
            let key = Key::of(&self.sender.system, cause, about, number)?;
            match (open.contains(&key), is_known(&key)) {
                (true, _) => return Ok((key, true)),
                (false, false) => return Ok((key, false)),
                (false, true) => number = number.wrapping_add(1),
            }
        }
    }

    /// Ends the notifier after first attempts at what waits: at most [`failstop_notify::DRAIN_MAX`], and [`CLOSE_SLACK`] for
    /// what it does beside. What is not delivered by then is in the outbox for the next start; a notifier that is stuck (in
    /// a terminal that nobody reads, on a disk that hangs) is left behind.
    pub fn close(self) {
        let Way::Open { handle, running } = self.way else { return };
        drop(handle);
        let (ended, end) = mpsc::sync_channel(1);
        let waiter = std::thread::Builder::new().name("alerts-end".to_owned()).spawn(move || {
            running.stop();
            // Nobody waits any more when it took too long.
            let _ = ended.send(());
        });
        if waiter.is_ok() && end.recv_timeout(failstop_notify::DRAIN_MAX + CLOSE_SLACK).is_err() {
            tracing::warn!("the notifier did not end in time; the next start delivers what waits");
        }
    }
}

/// Whether `id` names the incident `key`: whole, without the system, or by its last part (`7-31`, `h-31`).
fn is_named(key: &str, system: &str, id: &str) -> bool {
    let within = key.strip_prefix(system).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key);
    let last = within.rsplit('/').next().unwrap_or(within);
    let halt = last.split_once('-').map(|(_, halt)| halt);
    id == key || id == within || id == last || id.strip_prefix("h-").is_some_and(|number| Some(number) == halt)
}

#[cfg(test)]
mod tests;
