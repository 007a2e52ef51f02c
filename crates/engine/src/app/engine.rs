//! The engine: the one owner of everything that changes while `failstop run` runs, and the loop that drives it.
//!
//! An async wait gives one event; the synchronous [`Engine::apply`] turns it into facts for the core, and the core's orders
//! are carried out before anything else is waited for. No locks around state, no second decider.

use super::RunError;
use super::audit::Unproved;
use super::books::Watch;
use super::bots::Bots;
use super::components::Blueprint;
use super::concerns::Told;
use super::diagnosis::Diagnosis;
use super::emergency::Emergencies;
use super::ending::Ending;
use super::events::{Event, Sources};
use super::facts::Facts;
use super::figures::Hour;
use super::gate::Sharing;
use super::guard_watch::GuardWatch;
use super::hooks::Hooks;
use super::journal::{Ledger, Report};
use super::latch::Identity as LatchIdentity;
use super::log_files::LogFiles;
use super::notices::Refusals;
use super::open::{Opened, open};
use super::probes::Probes;
use super::programs::Programs;
use super::reload::Configuring;
use super::snapshots::Snapshots;
use super::start::Prepared;
use super::strays::Strays;
use super::thresholds::Hints;
use super::traces::Traces;
use super::verifier::Verifier;
use super::witness::Witness;
use crate::access::TraceId;
use crate::alerts::{Concern, Delivery};
use crate::announce::Announcer;
use crate::clock::{self, JumpDetector, Reading};
use crate::command::{self, Declinations, ReplyTo};
use crate::config::Config;
use crate::custom::Sources as CustomSources;
use crate::footprint::Footprint;
use crate::gate::Desk;
use crate::history::History;
use crate::kill_switch::LatchProbe;
use crate::limits::out_of_memory::KillCounts;
use crate::metrics::Meters;
use crate::notify_socket::{FdStore, NotifyStarts};
use crate::output::{self, Output};
use crate::permit::PermitWriter;
use crate::price_poller::PricePoller;
use crate::process::cgroup::SystemCgroup;
use crate::process::controllers::Controllers;
use crate::process::credentials::CredentialFolders;
use crate::process::guard::{EngineSide, GuardState};
use crate::process::mark::SystemMark;
use crate::process::register::Register;
use crate::process::signals::Signal;
use crate::process::spawn::Spawner;
use crate::process::tree::Trees;
use crate::process::watch_set::WatchSet;
use crate::runtime_dir::{EngineInfo, RuntimeDir};
use crate::status::words;
use crate::systemd::Systemd;
use crate::thresholds::Watcher;
use crate::words::permission_level;
use core::time::Duration;
use failstop_client::status::EndKind;
use failstop_core::{
    Breaker, Core, Effect, Epoch, ExitReason, Input, Instance, Monotonic, Order, Permission, Record, RequestId, Slot,
};
use failstop_journal::{Head, Recorder};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// An event that comes this much later than the loop's deadline says that the engine stood still: frozen, or starved of its
/// processor.
const STOOD_STILL: Duration = Duration::from_millis(100);

/// How long the last output may take to be written when the engine ends.
pub(super) const OUTPUT_WITHIN: Duration = Duration::from_secs(2);

/// A record that people are told of.
pub(super) struct ToSay {
    pub(super) record: Record,
    /// Whose log file also says so.
    pub(super) own_log: Option<(Slot, Instance)>,
    /// What it follows from.
    pub(super) trace: Option<TraceId>,
}

/// The engine.
pub struct Engine {
    pub(super) config: Arc<Config>,
    pub(super) core: Core,
    pub(super) effects: Vec<Effect>,
    /// Facts that carrying out an order brought about; taken before anything else.
    pub(super) inbox: VecDeque<Input>,
    pub(super) epoch: Epoch,
    pub(super) mark: SystemMark,
    pub(super) permit: PermitWriter,
    pub(super) probe: LatchProbe,
    /// The engagement of the kill switch that the core knows of.
    pub(super) latch_seen: Option<LatchIdentity>,
    /// The page was found revoked, and whose latch says why is waited for until then.
    pub(super) revoked_until: Option<Monotonic>,
    pub(super) recorder: Option<Recorder>,
    pub(super) ledger: Ledger,
    pub(super) watch: Watch,
    pub(super) snapshots: Snapshots,
    /// The gate, where one is configured.
    pub(super) desk: Option<Desk>,
    /// The group that rates are shared with, where there is one.
    pub(super) sharing: Option<Sharing>,
    /// Pages that are asked for prices.
    pub(super) polls: PricePoller,
    /// Sources of metrics.
    pub(super) custom: CustomSources,
    /// What failstop itself costs.
    pub(super) footprint: Footprint,
    /// What people were told of the gate and is not over.
    pub(super) concerns: BTreeMap<Concern, Told>,
    pub(super) head: (u64, Head),
    pub(super) trees: Trees,
    pub(super) kill_again_at: Option<Monotonic>,
    /// When what a start leaves to be done is done.
    pub(super) tidy_at: Option<Monotonic>,
    pub(super) spawner: Spawner,
    pub(super) programs: Programs,
    pub(super) probes: Probes,
    pub(super) register: Register,
    pub(super) blueprints: Vec<Blueprint>,
    pub(super) credentials: CredentialFolders,
    pub(super) output: Output,
    pub(super) lost_output: output::Lost,
    pub(super) bots: Bots,
    /// Whether permission, mode or halts may have changed since the bots and the service manager were told.
    pub(super) maybe_changed: bool,
    pub(super) facts: Facts,
    pub(super) meters: Meters,
    pub(super) history: History,
    /// What the journal is told of figures next.
    pub(super) hour: Hour,
    /// Which processes that were left running the journal was told of.
    pub(super) strays: Strays,
    /// Figures and the levels that they are held against.
    pub(super) thresholds: Watcher,
    pub(super) hints: Hints,
    pub(super) log_files: LogFiles,
    /// When code that did not run for long is let go next.
    pub(super) code_let_go_at: Monotonic,
    /// Whether what only shows gives way.
    pub(super) breaker: Breaker,
    /// What the doors hear of it.
    pub(super) shed: watch::Sender<bool>,
    pub(super) diagnosis: Diagnosis,
    pub(super) verifier: Verifier,
    pub(super) witness: Witness,
    /// The way to people.
    pub(super) alerts: Delivery,
    /// Orders to resume that wait for checks.
    pub(super) resumes: Vec<(Order, String, String, RequestId)>,
    pub(super) engagements: command::Engagements,
    /// Controls that were refused and are not recorded as such yet.
    pub(super) declined: Declinations,
    pub(super) requests: BTreeMap<RequestId, ReplyTo>,
    pub(super) next_request: u64,
    pub(super) announcer: Announcer,
    /// Records to be said when everything urgent is done.
    pub(super) to_say: Vec<ToSay>,
    /// By which names incidents and requests are followed.
    pub(super) traces: Traces,
    pub(super) systemd: Systemd,
    pub(super) beat_at: Option<Monotonic>,
    /// When the service manager is asked for more time, while the engine stops.
    pub(super) extend_at: Option<Monotonic>,
    /// The configuration, as it may change.
    pub(super) configuring: Configuring,
    /// A SIGHUP came, and the service manager was not told yet that what follows from it is done.
    pub(super) reloading: bool,
    pub(super) jumps: JumpDetector,
    /// Those who proved nothing at the control listener lately.
    pub(super) unproved: Unproved,
    pub(super) sample_at: Monotonic,
    pub(super) notify_starts: NotifyStarts,
    pub(super) refusals: Refusals,
    pub(super) hooks: Hooks,
    /// What is done at the venue where everything is shut down.
    pub(super) emergencies: Emergencies,
    pub(super) watch_set: WatchSet,
    pub(super) store: FdStore,
    pub(super) side: EngineSide,
    pub(super) guard_watch: GuardWatch,
    pub(super) cgroup: Option<SystemCgroup>,
    pub(super) controllers: Controllers,
    pub(super) kill_counts: KillCounts,
    pub(super) info: EngineInfo,
    pub(super) runtime: RuntimeDir,
    pub(super) state_dir: std::path::PathBuf,
    pub(super) exit_on_failsafe: bool,
    pub(super) announced_ready: bool,
    pub(super) journal_id: [u8; 16],
    pub(super) exit: Option<ExitReason>,
    pub(super) storage_failed: bool,
    pub(super) ending: Ending,
    pub(super) lock: crate::process::lock::InstanceLock,
}

/// Runs the engine until it ends; the exit status.
///
/// # Errors
/// What it could not be without at its start, or a loop that cannot wait any more.
pub async fn live(prepared: Prepared) -> Result<u8, RunError> {
    let Opened { mut engine, mut sources, doors, door_task } = open(prepared)?;
    let ended = engine.drive(&mut sources).await;
    door_task.abort();
    // Whoever asks from here on is told at once that the engine is stopping.
    sources.commands.close();
    // These remove their files, so they go while the lock is still held: a next engine may be waiting to make its own.
    drop(std::mem::take(&mut sources.notify));
    // Aborted, as ordered above; its end is what is waited for.
    let _ = door_task.await;
    Ok(engine.close(doors, ended))
}

/// How the loop ended.
pub(super) enum Ended {
    /// As the core ordered.
    Ordered(ExitReason),
    /// The guard is dead: nothing may outlive this process.
    GuardGone,
    /// Somebody removed the lock's file: another engine may run on the same state by now.
    LockGone,
    /// Waiting failed.
    Broken(std::io::Error),
}

impl Engine {
    async fn drive(&mut self, sources: &mut Sources) -> Ended {
        loop {
            self.ledger.flush();
            // What is being done at the venue is not cut off by a stop: it has its own bound.
            if let Some(reason) = self.exit.filter(|_| !self.emergencies.is_pending()) {
                return Ended::Ordered(reason);
            }
            let deadline = self.deadline();
            let event = sources.next(deadline).await;
            if let Some(late) = deadline.map(|due| clock::now().since(due)).filter(|late| *late >= STOOD_STILL) {
                self.stood_still(late);
            }
            match event {
                Ok(Event::GuardGone) if self.side.guard() == GuardState::Gone => return Ended::GuardGone,
                Ok(Event::Due | Event::Latch) if !self.lock.still_named() => return Ended::LockGone,
                Ok(event) => self.apply(event),
                Err(error) => return Ended::Broken(error),
            }
        }
    }

    /// The next moment at which something is due whatever happens.
    fn deadline(&self) -> Option<Monotonic> {
        [
            self.core.next_deadline(),
            self.kill_again_at,
            self.tidy_at,
            self.revoked_until,
            self.diagnosis.retry_at(),
            self.verifier.due(),
            self.witness.due(),
            self.programs.next_deadline(),
            self.probes.next_deadline(),
            self.beat_at,
            self.extend_at,
            self.emergencies.due(),
            Some(self.sample_at),
            Some(self.thresholds.due()),
            Some(self.snapshots.deadline()),
            self.gate_due(),
            self.polls.next_deadline(),
            self.custom.next_deadline(),
            self.sharing.as_ref().and_then(Sharing::due),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes one event. Everything that follows from it is done when this returns.
    fn apply(&mut self, event: Event) {
        match event {
            Event::Due => self.due(),
            Event::Recorder(report) => self.recorded(report),
            Event::Signals => self.signals(),
            Event::GuardGone => {}
            Event::Latch => {
                self.emergencies.look_again();
                self.look_at_latch();
            }
            Event::ClockChanged => self.look_at_clocks(),
            Event::Notice(received) => self.notice(received),
            Event::Watched => self.watched(),
            Event::Bot(event) => self.bot(event),
            Event::Command(request) => {
                self.command(request);
                self.traces.leave();
            }
            Event::Checked(findings) => self.checked(findings),
            Event::Verified(verified) => self.verified(verified),
            Event::Witness(word) => self.witness_said(word),
            Event::Program(request) => {
                self.run_program(request);
            }
            Event::Tried(tried) => self.tried(tried),
            Event::Group(word) => self.group_said(word),
            Event::Polled(tried) => self.polled(tried),
            Event::Measured(tried) => self.measured(tried),
            Event::Snapshot(made) => self.snapshot_made(made),
            Event::Configuration(looked) => self.looked(looked),
        }
        self.after();
    }

    /// Tells the core one fact and carries out what it orders, and what follows from that.
    pub(super) fn feed(&mut self, input: Input) {
        self.inbox.push_back(input);
        self.pump();
    }

    /// Takes every fact that waits, and those that follow.
    pub(super) fn pump(&mut self) {
        while let Some(input) = self.inbox.pop_front() {
            let mut effects = std::mem::take(&mut self.effects);
            tracing::trace!(?input);
            self.core.step(clock::now(), input, &mut effects);
            for effect in effects.drain(..) {
                tracing::debug!(?effect);
                self.carry_out(effect);
            }
            self.effects = effects;
        }
    }

    /// A fact that carrying out an order brought about.
    pub(super) fn bring(&mut self, input: Input) {
        self.inbox.push_back(input);
    }

    fn due(&mut self) {
        let now = clock::now();
        self.look_at_clocks();
        if self.revoked_until.is_some_and(|until| now >= until) {
            self.kill_switch_seen();
            self.pump();
        }
        if self.kill_again_at.is_some_and(|at| now >= at) {
            self.poll_trees();
        }
        self.programs.end_overdue(now);
        self.begin_tries(now);
        self.polls.begin_due(now);
        self.begin_to_measure(now);
        self.answer_without_word(now);
        if self.tidy_at.is_some_and(|at| now >= at) {
            self.tidy_at = None;
            self.trees.tidy();
        }
        self.diagnosis.retry(now);
        self.begin_to_verify(now);
        if self.beat_at.is_some_and(|at| now >= at) {
            let line = self.systemd.beat();
            self.tell_systemd(line);
            self.beat_at = self.systemd.beat_every().map(|every| now.plus(every));
        }
        if self.extend_at.is_some_and(|at| now >= at) {
            self.ask_for_time();
        }
        if now >= self.sample_at {
            self.sample(now);
        } else if self.thresholds.is_due(now) {
            self.look_at_thresholds(now);
        }
        self.look_for_history(now);
        self.feed(Input::Wake);
    }

    /// What comes after every event, and is not urgent.
    fn after(&mut self) {
        let now = clock::now();
        self.attend_emergencies();
        self.look_at_snapshots(now);
        self.look_at_gate(now);
        self.note_declined();
        self.ledger.flush();
        self.attend_witness();
        if std::mem::take(&mut self.maybe_changed) {
            self.attend_components();
            self.push_permission();
            self.beat_if_changed();
            self.note_permission();
            let line = self.systemd.status(words::permission(self.core.permission()));
            self.tell_systemd(line);
        }
        self.reload_may_be_over();
        self.note_own_notices();
        for to_say in std::mem::take(&mut self.to_say) {
            self.say_record(&to_say);
        }
        if self.exit_on_failsafe && self.core.permission() == Permission::Shutdown && self.is_quiet() {
            self.exit_on_failsafe = false;
            self.end(EndKind::Stop, "failstop", "--exit-on-failsafe");
        }
    }

    /// A lost line harms only the service manager's view.
    pub(super) fn tell_systemd(&self, line: Option<String>) {
        if let Some(line) = line {
            let _ = self.side.notify(&line);
        }
    }

    /// Asks the service manager for more time to stop, now and again until the end.
    pub(super) fn ask_for_time(&mut self) {
        let line = self.systemd.extend();
        self.tell_systemd(line);
        self.extend_at = self.systemd.extend_every().map(|every| clock::now().plus(every));
    }

    /// Whether no component process is left.
    pub(super) fn is_quiet(&self) -> bool {
        self.blueprints.iter().all(|blueprint| self.trees.is_free(blueprint.slot))
    }

    fn recorded(&mut self, report: Report) {
        match report {
            Report::Durable { written, seq, head } => {
                let records = u64::try_from(written.len()).unwrap_or(u64::MAX);
                self.head = (seq, head);
                let settled = self.ledger.settle(&written);
                self.ending.settle(settled.number, self.epoch.0, seq, &head);
                self.meters.journal_durable(records, settled.bytes, settled.waited);
                self.witness.durable(settled.ticket, settled.seq);
                self.feed(Input::Durable(settled.ticket));
                self.books_settled(settled.books, settled.unsound);
                self.gate_settled(settled.gate);
                if settled.snapshot {
                    self.snapshot_recorded();
                }
                if let Some(upto) = settled.retired {
                    self.snapshots_retired(upto);
                }
                self.maybe_changed = true;
                self.note_diagnostics();
                if !self.announced_ready && self.permit_granted() {
                    self.announced_ready = true;
                    let line = self.systemd.ready(words::permission(self.core.permission()));
                    self.tell_systemd(line);
                }
            }
            Report::Failed { error, last_words } => {
                self.storage_failure(&error, last_words);
                self.pump();
            }
        }
    }

    /// The journal cannot be written any more: no permit from here on in this process. The core is told next, and again where
    /// the room for last words is gone, too.
    pub(super) fn storage_failure(&mut self, error: &str, last_words: bool) {
        self.bring(Input::StorageFailed { evidence: error.to_owned(), last_words });
        if self.storage_failed {
            return;
        }
        self.storage_failed = true;
        self.ask_for_time();
        self.permit.revoke();
        self.say("journal", &format!("cannot be written: {error}; trading is shut down"));
        self.configuration_never_comes();
        self.ledger.fail(error);
        self.ending.fail(self.epoch.0, self.head.0, &self.head.1);
    }

    fn permit_granted(&self) -> bool {
        self.core.page().is_some()
    }

    /// What readers of the permit page may display.
    fn note_diagnostics(&mut self) {
        self.permit.note(&failstop_client::permit::Diagnostics {
            durable_seq: self.head.0,
            head: self.head.1.to_raw(),
            permission: permission_level(self.core.permission()),
            mode: match self.core.mode() {
                failstop_core::Mode::Dry => 0,
                failstop_core::Mode::Live => 1,
            },
            halts: u16::try_from(self.core.halts().count()).unwrap_or(u16::MAX),
            updated_us: clock::now().as_micros(),
            journal_id: self.journal_id,
        });
    }

    fn signals(&mut self) {
        loop {
            match self.side.signals.next() {
                Ok(Some(Signal::Child)) => self.reap(),
                Ok(Some(signal @ (Signal::Terminate | Signal::Interrupt))) => {
                    let name = if signal == Signal::Terminate { "SIGTERM" } else { "SIGINT" };
                    self.end(EndKind::Stop, "a signal", name);
                }
                Ok(Some(Signal::Hangup)) => {
                    self.reload_on_signal();
                }
                Ok(None) => return,
                Err(error) => {
                    self.say("engine", &format!("signals cannot be read: {error}"));
                    return;
                }
            }
        }
    }

    /// The guard maps the page that is there now.
    pub(super) fn announce_page(&mut self) {
        if let Err(error) = self.side.announce_permit(&self.runtime.permit()) {
            self.guard_watch.page_untold = true;
            self.say("engine", &error.to_string());
        }
    }

    fn look_at_clocks(&mut self) {
        self.snapshots.look_at_clock(clock::now());
        let Some(jump) = self.jumps.feed(Reading::take()) else { return };
        let (by, evidence) = (jump.by(), jump.to_string());
        self.probes.stood_still();
        self.probes.hurry_liveness(clock::now());
        self.thresholds.forget_spans();
        self.feed(Input::ClockJumped { by, evidence });
    }

    /// A note in the journal that only informs. It is not worth a halt when it cannot be written: the next record says so.
    pub(super) fn note(&mut self, kind: &'static str, what: &serde_json::Value) {
        if let Err(error) = self.ledger.note(kind, what) {
            self.say("journal", &format!("{kind} could not be recorded: {error}"));
        }
    }

    /// A component's name.
    pub(super) fn name_of(&self, slot: Slot) -> Option<&str> {
        self.blueprints.get(slot.index()?).map(|blueprint| blueprint.name.as_str())
    }

    /// One line for the person at the terminal.
    pub(super) fn say(&self, topic: &str, text: &str) {
        self.announcer.say(&self.output, clock::wall(), topic, text);
    }
}
