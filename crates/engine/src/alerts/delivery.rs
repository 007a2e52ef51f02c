//! The engine's way to the notifier. Opening it never keeps the engine from starting, and nothing on it waits: trading safety
//! comes first, and people are told beside it.

use super::channels::{self, ReadyChannels};
use super::notice::{Sender, notice};
use super::{OUTBOX, entry, reconcile, summary};
use crate::config::Config;
use failstop_client::alerts::{AlertEntry, AlertTest};
use failstop_client::status::AlertsSummary;
use failstop_core::Alert;
use failstop_notify::{
    Acknowledged, Change, Handle, Key, Notice, OpenError, Programs, Refused, Reply, Running, Tested,
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
    /// Reports that the notifier could not take; made good by [`Delivery::reconcile`].
    refused: u64,
    behind: bool,
    /// Triggers that were handed over and are perhaps not listed yet; at most [`failstop_notify::OPEN_MAX`].
    on_their_way: BTreeSet<Key>,
    /// What runs the programs of exec channels.
    programs: Option<Unshown<Arc<dyn Programs>>>,
    /// Channels that the notifier could not be given yet.
    owed: Option<Unshown<failstop_notify::Config>>,
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
            on_their_way: BTreeSet::new(),
            programs: runs.clone().map(Unshown),
            owed: None,
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

    /// Hands an alert over.
    pub fn tell(&mut self, alert: &Alert, at: jiff::Timestamp, head: &str) {
        match notice(alert, &self.sender, at, head) {
            Ok(notice) => self.report(notice),
            Err(fault) => tracing::error!(%fault, id = %alert.id, "an alert has no key and is not sent"),
        }
    }

    pub(super) fn report(&mut self, notice: Notice) {
        let Way::Open { handle, .. } = &self.way else { return };
        let trigger = (notice.change == Change::Trigger).then(|| notice.key.clone());
        match handle.report(notice) {
            // Whether it was new or a duplicate is the notifier's to know.
            Ok(_) => {
                if self.on_their_way.len() < failstop_notify::OPEN_MAX {
                    self.on_their_way.extend(trigger);
                }
            }
            Err(refused) => {
                tracing::warn!(%refused, "an alert is told later");
                self.refused = self.refused.saturating_add(1);
                self.behind = true;
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

    /// Gives the notifier the channels that it could not be given before. Called within the loop's runtime.
    pub fn catch_up(&mut self) {
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
    pub fn reconcile(&mut self, standing: &[Alert], at: jiff::Timestamp, head: &str) {
        let Way::Open { handle, .. } = &self.way else { return };
        self.behind = false;
        let on_their_way = std::mem::take(&mut self.on_their_way);
        let notices = reconcile::notices(standing, &handle.list(), &self.sender, at, head);
        let is_new = |notice: &Notice| notice.change != Change::Trigger || !on_their_way.contains(&notice.key);
        for notice in notices.into_iter().filter(is_new) {
            self.report(notice);
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

    /// Every incident of this cause that is open.
    pub(super) fn open_incidents(&self, cause: &str) -> Vec<Key> {
        let Way::Open { handle, .. } = &self.way else { return Vec::new() };
        let known = handle.list();
        let open = known.iter().filter(|alert| alert.resolved_at.is_none() && alert.cause == cause);
        open.map(|alert| alert.key.clone()).collect()
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::super::notice::tests::alert;
    use super::*;
    use crate::config::Overrides;
    use failstop_core::{AlertChange, Cause, ClearedBy};
    use std::path::Path;

    /// A delivery to `alerts.jsonl` in `folder`.
    fn open(folder: &Path) -> Delivery {
        let text = concat!(
            "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"true\"]\norders = \"none\"\n",
            "[alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"alerts.jsonl\"\n",
        );
        std::fs::write(folder.join("failstop.toml"), text).unwrap();
        std::fs::create_dir_all(folder.join("state")).unwrap();
        let config = Config::load(&folder.join("failstop.toml"), &Overrides::default()).unwrap();
        let delivery = Delivery::open(&config, None);
        assert_eq!(delivery.faults(), [] as [String; 0]);
        delivery
    }

    /// What was delivered: what happened to which incident.
    fn delivered(folder: &Path) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(folder.join("alerts.jsonl")).unwrap_or_default();
        let line = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let data = &value["data"];
            (value["type"].as_str().unwrap().to_owned(), data["key"].as_str().unwrap().to_owned())
        };
        text.lines().map(line).collect()
    }

    fn at() -> jiff::Timestamp {
        "2026-11-03T20:51:07Z".parse().unwrap()
    }

    #[test]
    fn what_was_told_is_not_told_again_after_a_restart_and_its_end_is() {
        let folder = tempfile::tempdir().unwrap();
        let stands = alert(Cause::Hung, 31);
        let mut delivery = open(folder.path());
        delivery.tell(&stands, at(), "seq 9");
        delivery.reconcile(std::slice::from_ref(&stands), at(), "seq 9");
        delivery.close();
        let trigger = ("incident.trigger".to_owned(), "demo/hung/bot/7-31".to_owned());
        assert_eq!(delivered(folder.path()), std::slice::from_ref(&trigger));

        let mut delivery = open(folder.path());
        assert_eq!(delivery.list()[0].id, "demo/hung/bot/7-31");
        delivery.reconcile(std::slice::from_ref(&stands), at(), "seq 10");
        let mut over = stands.clone();
        over.change = AlertChange::Resolve(ClearedBy::Itself);
        delivery.tell(&over, at(), "seq 11");
        delivery.close();
        let resolve = ("incident.resolve".to_owned(), trigger.1.clone());
        assert_eq!(delivered(folder.path()), [trigger, resolve]);

        // What is over is over, whoever asks.
        let mut delivery = open(folder.path());
        delivery.reconcile(&[], at(), "seq 12");
        delivery.close();
        assert_eq!(delivered(folder.path()).len(), 2);
    }

    #[test]
    fn an_incident_that_an_earlier_engine_left_open_ends_where_nothing_of_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = open(folder.path());
        delivery.tell(&alert(Cause::Hung, 31), at(), "seq 9");
        delivery.close();
        let mut delivery = open(folder.path());
        delivery.reconcile(&[], at(), "seq 10");
        delivery.close();
        let kinds: Vec<String> = delivered(folder.path()).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["incident.trigger", "incident.resolve"]);
    }

    #[test]
    fn a_name_that_nothing_has_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = open(folder.path());
        let refused = delivery.acknowledge("h-31", "ana").err().unwrap();
        assert!(refused.contains("failstop alerts list"), "{refused}");
        let refused = delivery.test(Some("telegram")).err().unwrap();
        assert_eq!(refused, "there is no channel telegram; there is: log_file");
        delivery.tell(&alert(Cause::Hung, 31), at(), "seq 9");
        delivery.close();
        let delivery = open(folder.path());
        let done = delivery.acknowledge("h-31", "ana (1000)").unwrap().wait().unwrap();
        assert_eq!(done, Acknowledged::Done);
        delivery.close();
    }

    #[test]
    fn an_incident_has_several_names() {
        for id in ["demo/hung/bot/7-31", "hung/bot/7-31", "7-31", "h-31"] {
            assert!(is_named("demo/hung/bot/7-31", "demo", id), "{id}");
        }
        for id in ["", "demo", "hung", "31", "h-3", "h-", "7-3", "/hung/bot/7-31", "demo/hung/bot/7-310"] {
            assert!(!is_named("demo/hung/bot/7-31", "demo", id), "{id}");
        }
        assert!(is_named("demo/engine-died/8", "demo", "8"));
        assert!(!is_named("demo/engine-died/8", "demo", "h-8"));
    }

    #[test]
    fn every_order_to_be_confirmed_is_told_and_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = open(folder.path());
        delivery.confirmation("o-1", Some("order o-1 waits"), at());
        delivery.confirmation("o-2", Some("order o-2 waits"), at());
        delivery.confirmation("o-3", None, at());
        delivery.close();
        let told = delivered(folder.path());
        let kinds = |told: &[(String, String)]| told.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&told), ["incident.trigger", "incident.trigger"]);
        assert_ne!(told[0].1, told[1].1, "each has an incident of its own");
        let mut delivery = open(folder.path());
        delivery.confirmation("o-1", None, at());
        delivery.close();
        assert_eq!(delivered(folder.path())[2], ("incident.resolve".to_owned(), told[0].1.clone()));
        // A new life knows of none that waits.
        let mut delivery = open(folder.path());
        delivery.confirmations_over(at());
        delivery.close();
        assert_eq!(delivered(folder.path())[3..], [("incident.resolve".to_owned(), told[1].1.clone())]);
    }
}
