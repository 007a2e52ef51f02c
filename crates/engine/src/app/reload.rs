//! Another configuration while the engine runs: what was read beside the loop is judged against what runs, all or nothing, and what
//! is taken comes into force in one turn of the loop. SIGHUP asks for that, and has components read theirs again.
//!
//! ```text
//!   file, SIGHUP, `config reload` --> keeper's thread: at rest, whole, valid? --no--> told, nothing changes
//!        --> every changed key live? --no--> "needs a restart", nothing changes
//!        --> core and gate: what tightens holds --> config.changed --> durable --> everything else, in one turn --> said
//! ```

use super::concerns::Told;
use super::engine::Engine;
use super::logging;
use super::readings::{Reading, Readings};
use super::sentence::{one_line, sentence};
use crate::alerts::Concern;
use crate::beside::LOOP;
use crate::clock;
use crate::command::{Answer, ReplyTo};
use crate::config::{Change, Decision, Overrides, decide, gate_policy};
use crate::doors::observe::{Judging, thresholds};
use crate::doors::telegram;
use crate::gate::Terms;
use crate::limits::kernel::{self, KernelLimits};
use crate::process::controllers::Controller;
use crate::reloading::{By, Candidate, Eyes, Found, History, Keeper, Looked, Word, Wrong, changed};
use crate::status::{rfc3339, words};
use crate::thresholds::Shown;
use failstop_client::configuration::{ConfigSummary, Difference, InForce, Setting};
use failstop_core::{CONFIG_CHANGES_MAX, ConfigChange, Configuration, Input, KeyChange};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How many findings may wait for the loop.
const LOOKED_WAITING: usize = 8;

/// The longest value that a record of a change gives, bytes.
const VALUE_MAX_BYTES: usize = 96;

/// The longest key that it gives.
const KEY_MAX_BYTES: usize = 128;

/// The longest account of what is wrong that status and alerts give, bytes.
const FAULT_MAX_BYTES: usize = 1_024;

/// The configuration that is in force, and the one that may come.
pub struct Configuring {
    /// `None` where no thread was to be had.
    keeper: Option<Keeper>,
    sha256: String,
    overrides: Overrides,
    since: jiff::Timestamp,
    /// What waits for its record.
    coming: Option<Coming>,
    /// What was read meanwhile.
    readings: Readings,
    fault: Option<Fault>,
    /// Readings that SIGHUP asked for and that are not judged yet.
    signals: u32,
    thresholds: watch::Sender<Judging>,
    /// Whom Telegram's door hears.
    hears: watch::Sender<Option<telegram::Settings>>,
    /// The last task that wrote limits into cgroups: the next one waits for it.
    kernel: Option<JoinHandle<()>>,
}

struct Coming {
    candidate: Box<Candidate>,
    changes: Vec<Change>,
    by: By,
    reply: Option<ReplyTo>,
}

/// Why what the file says is not in force.
struct Fault {
    what: String,
    since: jiff::Timestamp,
    restart: Vec<String>,
}

impl Configuring {
    /// Over the text that was in force at the start, read from `file` with `overrides` over it. What the keeper finds comes out of the
    /// receiver; why there is no keeper, as an error beside it.
    pub fn new(
        eyes: Eyes,
        history: History,
        sha256: String,
        (thresholds, hears): (watch::Sender<Judging>, watch::Sender<Option<telegram::Settings>>),
    ) -> (Self, mpsc::Receiver<Looked>, Option<io::Error>) {
        let (looked, receiver) = mpsc::channel(LOOKED_WAITING);
        let overrides = eyes.overrides.clone();
        let (keeper, error) = match Keeper::start(eyes, history, looked) {
            Ok(keeper) => (Some(keeper), None),
            Err(error) => (None, Some(error)),
        };
        let configuring = Self {
            keeper,
            sha256,
            overrides,
            since: clock::wall(),
            coming: None,
            readings: Readings::default(),
            fault: None,
            signals: 0,
            thresholds,
            hears,
            kernel: None,
        };
        (configuring, receiver, error)
    }

    /// Gives what doors show of figures.
    pub(super) fn show_figures(&self, shown: Shown) {
        self.thresholds.send_modify(|judging| judging.shown = shown);
    }

    /// Tells the keeper what is in force.
    fn keep(&self, text: String, config: &crate::config::Config) -> Result<(), String> {
        let word = Word::InForce {
            text,
            overrides: self.overrides.clone(),
            history: config.hot.history,
            watching: config.hot.hot_reload,
        };
        self.say_first(word).map_err(|_| "the thread that keeps versions does not answer".to_owned())
    }

    fn say(&self, word: Word) -> Result<(), Box<Word>> {
        match &self.keeper {
            Some(keeper) => keeper.say(word),
            None => Err(Box::new(word)),
        }
    }

    fn say_first(&self, word: Word) -> Result<(), Box<Word>> {
        match &self.keeper {
            Some(keeper) => keeper.say_first(word),
            None => Err(Box::new(word)),
        }
    }
}

impl Engine {
    /// What was read at the start is in force: it is kept as a version, and changes are noticed from here on.
    pub(super) fn begin_to_configure(&mut self, text: String) {
        if let Err(why) = self.configuring.keep(text, &self.config) {
            self.say("config", &format!("changes of the file are not noticed, and no version is kept: {why}"));
        }
        // What an earlier life told of the file is over: this one was read whole.
        self.concern(Concern::Configuration, None);
    }

    /// The guard handed on a SIGHUP.
    pub(super) fn reload_on_signal(&mut self) {
        let asked = self.blueprints.iter().filter(|blueprint| blueprint.reload_signal.is_some()).count();
        let own = "failstop reads its own configuration";
        self.say("engine", &match asked {
            0 => format!("SIGHUP: {own}; no component has a `reload_signal`"),
            1 => format!("SIGHUP: {own}; the component that has a `reload_signal` is asked to reload, if it is ready"),
            many => format!("SIGHUP: {own}; the {many} components that have a `reload_signal` are asked to reload, as far as they are ready"),
        });
        let line = self.systemd.reloading();
        self.tell_systemd(line);
        self.reloading = true;
        self.read_configuration(By::Signal, Vec::new(), None);
        self.feed(Input::ReloadRequested);
        self.reload_may_be_over();
    }

    /// Tells the service manager that a reload is over, once neither a component nor the configuration is at it.
    pub(super) fn reload_may_be_over(&mut self) {
        let ours = self.configuring.signals > 0 || self.configuring.coming.is_some();
        if self.reloading && !ours && !self.core.components().iter().any(|component| component.reloading) {
            self.reloading = false;
            let line = self.systemd.ready(words::permission(self.core.permission()));
            self.tell_systemd(line);
        }
    }

    /// Has the file read now, with these assignments over it.
    pub(super) fn read_configuration(&mut self, by: By, set: Vec<String>, reply: Option<ReplyTo>) {
        let by_signal = by == By::Signal;
        let said = self.configuring.say(Word::Read { by, set, reply });
        self.will_be_read(by_signal, said);
    }

    fn will_be_read(&mut self, by_signal: bool, said: Result<(), Box<Word>>) {
        match said {
            Ok(()) => self.configuring.signals += u32::from(by_signal),
            Err(word) => {
                let why =
                    "the thread that reads the configuration takes nothing more now; try again, or restart failstop";
                if let Word::Read { reply: Some(reply), .. } = *word {
                    refuse(Some(reply), why);
                } else {
                    self.say("config", why);
                }
            }
        }
    }

    /// Says what would change, beside the loop.
    pub(super) fn compare_configuration(&self, reply: ReplyTo) {
        let running = Arc::clone(&self.config);
        if let Err(word) = self.configuring.say(Word::Compare { running, reply })
            && let Word::Compare { reply, .. } = *word
        {
            refuse(Some(reply), "the thread that reads the configuration takes nothing more now; try again");
        }
    }

    /// The keeper found something.
    pub(super) fn looked(&mut self, looked: Looked) {
        match looked {
            Looked::Note(text) => self.say("config", &text),
            Looked::Read { by, found, set, reply } => {
                if by == By::Signal {
                    self.configuring.signals = self.configuring.signals.saturating_sub(1);
                }
                let reading = Reading { by, found, set, reply };
                if self.configuring.coming.is_none() {
                    self.judge_reading(reading);
                } else if let Some((Reading { reply, .. }, why)) = self.configuring.readings.wait(reading) {
                    refuse(reply, why);
                }
            }
        }
        self.pump();
        self.reload_may_be_over();
    }

    fn judge_reading(&mut self, Reading { by, found, set, reply }: Reading) {
        // What somebody wanted laid over the file is nothing that is wrong with the file.
        let more = !set.is_empty();
        let candidate = match found {
            Found::Valid(candidate) => candidate,
            Found::Invalid(wrong) if more => return refuse(reply, &wrong.in_full),
            Found::Invalid(Wrong { in_full, published }) => {
                refuse(reply, &in_full);
                return self.is_not_in_force(&published, Vec::new());
            }
        };
        if candidate.known != self.configuring.overrides {
            // It was read before the keeper heard of what was laid over the file since. It hears of that first.
            let by_signal = by == By::Signal;
            let said = self.configuring.say_first(Word::Read { by, set, reply });
            return self.will_be_read(by_signal, said);
        }
        match decide(&self.config, &candidate.config) {
            Decision::Nothing => self.take_notation(*candidate, &by, reply),
            Decision::Take(changes) => self.take_configuration(candidate, changes, by, more, reply),
            Decision::Restart(keys) => self.needs_restart(keys, more, reply),
        }
    }

    /// Nothing of a change is taken, since of these keys the new values need a restart.
    fn needs_restart(&mut self, keys: Vec<Change>, more: bool, reply: Option<ReplyTo>) {
        let named: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let why = format!(
            "error: needs a restart, so nothing of the change is taken: {}\n  next: put these back, or restart failstop",
            named.join("; ")
        );
        refuse(reply, &why);
        if !more {
            self.is_not_in_force(&why, keys.into_iter().map(|change| change.key).collect());
        }
    }

    /// No key has another value.
    fn take_notation(&mut self, candidate: Candidate, by: &By, reply: Option<ReplyTo>) {
        let Candidate { config, text, sha256, overrides, channels, sources: _, known: _ } = candidate;
        if *by != By::Itself {
            // Whoever asks may have put other secrets where the channels' are kept.
            self.alerts.reconfigure(channels);
        }
        if sha256 != self.configuring.sha256 || overrides != self.configuring.overrides {
            self.config = config;
            (self.configuring.sha256, self.configuring.overrides) = (sha256.clone(), overrides);
            self.in_force(text);
            self.say("config", "the file changed, and no key has another value");
        }
        self.fault_over();
        answer(reply, Answer::Config(Box::new(Difference { sha256, changes: Vec::new() })));
    }

    /// Every changed key is live.
    fn take_configuration(
        &mut self,
        candidate: Box<Candidate>,
        changes: Vec<Change>,
        by: By,
        more: bool,
        reply: Option<ReplyTo>,
    ) {
        if self.storage_failed {
            return refuse(
                reply,
                "the journal cannot be written, so no change can be recorded; repair the storage first",
            );
        }
        let policy = candidate.config.policy();
        // The file was seen to make a gate when it was read.
        let gate = gate_policy(&candidate.config).ok().flatten();
        let fits = self.core.policy().may_become(&policy)
            && match (&self.desk, &gate) {
                (Some(desk), Some(gate)) => desk.gate.policy().may_become(gate),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
        if !fits {
            return self.needs_restart(changes, more, reply);
        }
        if let (Some(desk), Some(gate)) = (&mut self.desk, &gate) {
            // Before the core is told: what the gate does not go by is not recorded as in force.
            if !desk.gate.tighten(gate) {
                return self.needs_restart(changes, more, reply);
            }
            if let Some(terms) = Terms::of(&candidate.config) {
                desk.terms.tighten(&terms);
            }
        }
        self.thresholds.tighten(&candidate.config);
        let change = record_of(&candidate.sha256, &by, &changes);
        self.configuring.coming = Some(Coming { candidate, changes, by, reply });
        // Taken after whatever is being carried out now.
        self.bring(Input::Configure(Box::new(Configuration { policy, change })));
    }

    /// The record of the change is durable and the core goes by it: everything else does, from here on.
    pub(super) fn configured(&mut self) {
        let Some(Coming { candidate, changes, by, reply }) = self.configuring.coming.take() else { return };
        let Candidate { config, text, sha256, overrides, channels, sources, known: _ } = *candidate;
        let now = clock::now();
        if let (Some(desk), Ok(Some(policy)), Some(terms)) = (&mut self.desk, gate_policy(&config), Terms::of(&config))
        {
            let adopted = desk.gate.adopt(policy);
            desk.terms = terms;
            desk.results_due = Some(now);
            if !adopted {
                // It took the tighter of both before; nobody may believe that a wider limit of the new ones holds.
                self.say(
                    "config",
                    "the gate does not take its new limits and keeps the tighter ones: restart failstop",
                );
            }
        }
        self.config = config;
        self.programs.withhold_secrets(&self.config);
        self.diagnosis.adopt(Arc::clone(&self.config));
        self.verifier.set_every(self.config.journal.verify_every, now);
        self.ending.adopt(&self.config);
        self.probes.adopt(&self.config, now);
        self.facts.adopt(&self.config);
        self.adopt_breaker(now);
        self.footprint.adopt(self.config.footprint.caps());
        self.adopt_measuring(sources, now);
        self.sample_at = self.sample_at.min(now.plus(self.config.limits.sample_every));
        logging::adopt(&self.config.log);
        self.thresholds.adopt(&self.config);
        self.configuring.thresholds.send_modify(|judging| judging.thresholds = thresholds(&self.config));
        self.show_thresholds();
        self.hear_as_configured();
        self.hold_in_kernel();
        self.alerts.reconfigure(channels);
        (self.configuring.sha256, self.configuring.overrides) = (sha256.clone(), overrides);
        self.in_force(text);
        self.fault_over();
        self.say("config", &format!("in force: {}, by {}", keys_in_words(changes.len()), by.words()));
        let changes = changes.iter().map(changed).collect();
        answer(reply, Answer::Config(Box::new(Difference { sha256, changes })));
        self.maybe_changed = true;
        while self.configuring.coming.is_none()
            && let Some(next) = self.configuring.readings.next()
        {
            self.judge_reading(next);
        }
    }

    /// The journal failed: what waits for its record never comes into force.
    pub(super) fn configuration_never_comes(&mut self) {
        let coming = self.configuring.coming.take().and_then(|coming| coming.reply);
        let waiting: Vec<Reading> = std::iter::from_fn(|| self.configuring.readings.next()).collect();
        for reply in std::iter::once(coming).chain(waiting.into_iter().map(|reading| reading.reply)) {
            refuse(reply, "the journal can no longer be written: what tightens is in force, nothing else of it");
        }
    }

    /// Telegram's door goes by it, where it is another: what it is doing for somebody goes on.
    fn hear_as_configured(&self) {
        let wanted = telegram::Settings::of(&self.config);
        self.configuring.hears.send_if_modified(|current| {
            let other = *current != wanted;
            *current = wanted;
            other
        });
    }

    fn in_force(&mut self, text: String) {
        self.configuring.since = clock::wall();
        if let Err(why) = self.configuring.keep(text, &self.config) {
            self.say("config", &why);
        }
    }

    /// What the file says is not in force, and why: many read that who may not read the file.
    fn is_not_in_force(&mut self, why: &str, restart: Vec<String>) {
        let what = clipped(&sentence(why), FAULT_MAX_BYTES);
        if self.configuring.fault.as_ref().is_some_and(|fault| fault.what == what) {
            return;
        }
        self.say("config", &format!("the file is not in force: {what}"));
        // One incident, whatever is wrong by turns: people hear of what it is now.
        self.concerns.insert(Concern::Configuration, Told::Now);
        self.alerts.concern(Concern::Configuration, Some(&what), clock::wall());
        self.note("x.failstop.config", &serde_json::json!({ "refused": what }));
        self.configuring.fault = Some(Fault { what, since: clock::wall(), restart });
    }

    fn fault_over(&mut self) {
        if self.configuring.fault.take().is_some() {
            self.say("config", "what the file says is in force again");
        }
        self.concern(Concern::Configuration, None);
    }

    /// Has the kernel hold the limits as they are now, beside the loop: to lower one may take the kernel a while.
    fn hold_in_kernel(&mut self) {
        let Some(system) = &self.cgroup else { return };
        let slots = self.blueprints.iter().map(|blueprint| blueprint.slot);
        let of_slot =
            |slot: failstop_core::Slot| Some((slot.index()?, self.trees.component_cgroup(slot)?.path().to_owned()));
        let cgroups: Vec<(usize, PathBuf)> = slots.filter_map(of_slot).collect();
        let (config, system) = (Arc::clone(&self.config), system.path().to_owned());
        let usable: BTreeSet<Controller> = self.controllers.usable.clone();
        let before = self.configuring.kernel.take();
        self.configuring.kernel = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let held = LOOP.wait(move || {
                let cgroups = cgroups.iter().map(|(index, path)| (*index, path.as_path()));
                kernel::hold(&config, &system, cgroups, &usable, KernelLimits::write_anew)
            });
            match held.await {
                Ok(faults) => {
                    for fault in faults {
                        tracing::warn!(%fault, "the kernel does not hold a limit as it is configured now");
                    }
                }
                Err(error) => tracing::warn!(%error, "the kernel holds the limits that were configured before"),
            }
        }));
    }

    /// For status and metrics.
    pub(super) fn config_summary(&self) -> ConfigSummary {
        let fault = self.configuring.fault.as_ref();
        ConfigSummary {
            sha256: self.configuring.sha256.clone(),
            since: rfc3339(self.configuring.since),
            since_unix: self.configuring.since.as_second(),
            hot_reload: self.config.hot.hot_reload,
            fault: fault.map(|fault| fault.what.clone()),
            fault_since: fault.map(|fault| rfc3339(fault.since)),
            pending_restart: fault.map(|fault| fault.restart.clone()).unwrap_or_default(),
        }
    }

    /// Every value that is in force.
    pub(super) fn config_in_force(&self) -> InForce {
        let setting = |value: &crate::config::Effective| Setting {
            key: value.key.clone(),
            value: value.shown(),
            class: crate::config::class_of(&value.schema).unwrap_or(crate::config::Class::Restart).word().to_owned(),
        };
        InForce {
            file: self.config.file.display().to_string(),
            sha256: self.configuring.sha256.clone(),
            since: rfc3339(self.configuring.since),
            values: self.config.values.iter().map(setting).collect(),
        }
    }
}

/// As the journal has it.
fn record_of(sha256: &str, by: &By, changes: &[Change]) -> ConfigChange {
    let value = |value: &Option<String>| value.as_ref().map(|value| clipped(&one_line(value), VALUE_MAX_BYTES));
    let key = |change: &Change| KeyChange {
        key: clipped(&one_line(&change.key), KEY_MAX_BYTES),
        from: value(&change.from),
        to: value(&change.to),
    };
    ConfigChange {
        sha256: sha256.to_owned(),
        by: clipped(&one_line(&by.words()), KEY_MAX_BYTES),
        keys: changes.iter().take(CONFIG_CHANGES_MAX).map(key).collect(),
        more: changes.len().saturating_sub(CONFIG_CHANGES_MAX) as u64,
    }
}

fn keys_in_words(count: usize) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}

/// Cut on a character's boundary.
fn clipped(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default())
}

fn answer(reply: Option<ReplyTo>, answer: Answer) {
    // Whoever asked may have gone; then nobody wants it.
    if let Some(reply) = reply {
        let _ = reply.send(answer);
    }
}

fn refuse(reply: Option<ReplyTo>, why: &str) {
    answer(reply, Answer::Refused(vec![why.trim_start_matches("error: ").to_owned()]));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::config::Class;

    #[test]
    fn a_record_fits_its_line_whatever_the_values_are() {
        let change = |number: usize| Change {
            key: format!("component.{}{number}.stop_grace", "c".repeat(500)),
            class: Class::Live,
            from: Some("\"\u{1}\\ä".repeat(500)),
            to: Some("\"\\".repeat(500)),
        };
        let changes: Vec<Change> = (0..500).map(change).collect();
        let record = record_of(&"ab".repeat(32), &By::User("u".repeat(10_000)), &changes);
        assert_eq!((record.keys.len(), record.more), (CONFIG_CHANGES_MAX, 500 - CONFIG_CHANGES_MAX as u64));
        let (_, payload) = super::super::journal::encode(&failstop_core::Record::ConfigChanged(record));
        failstop_journal::check_payload(&payload).unwrap();
    }

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(clipped("äääää", 8), "ää...");
        assert_eq!(clipped("short", 8), "short");
    }
}
