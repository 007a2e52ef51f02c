//! Carries out what the core orders, at once and in the order given. What comes of it goes back to the core as facts.

use super::credentials;
use super::engine::{Engine, ToSay};
use super::latch::{self, Released};
use super::sandbox;
use crate::kill_switch::{remove_halt_latches, write_halt_latch};
use crate::permit::Refused;
use crate::process::register::Recorded;
use crate::process::spawn::{Place, SpawnError, Step};
use crate::process::tree::TreeId;
use core::time::Duration;
use failstop_core::{AfterExit, Cause, ComponentName, Effect, Input, Instance, Page, Record, Slot, Ticket};
use failstop_journal::AppendError;
use std::os::fd::AsFd;

/// How long after a start the cgroups of the last one are removed and those of the next one made: long enough for most
/// programs to be past their first instructions, which this would compete with for the processors.
const TIDY_AFTER: Duration = Duration::from_millis(20);

impl Engine {
    /// Carries out one order.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Publish(page) => self.publish(&page),
            Effect::Record { ticket, record } => self.record(ticket, record),
            Effect::LastWord { record, again } => self.last_word(record, again),
            Effect::Latch(halt) => {
                self.ledger.flush();
                if let Err(error) = write_halt_latch(&self.state_dir, &halt) {
                    self.say("halt", &format!("{error}: after a restart nothing may remember it"));
                }
            }
            Effect::RemoveLatches => {
                self.ledger.flush();
                if let Err(error) = remove_halt_latches(&self.state_dir) {
                    self.say("halt", &error.to_string());
                }
            }
            Effect::WriteKillSwitchLatch { by, reason } => self.write_kill_switch(by, reason),
            Effect::RemoveKillSwitchLatch => self.release_kill_switch(),
            Effect::Spawn { slot, instance } => self.spawn(slot, instance),
            Effect::Stop { slot, instance } => self.stop(TreeId { slot, instance }),
            Effect::Reload { slot, instance } => self.reload(TreeId { slot, instance }),
            Effect::RunHook { slot, instance, hook, reason, pid } => {
                self.run_hook(TreeId { slot, instance }, hook, &reason, pid);
            }
            Effect::KillHook { slot, instance } => self.kill_hook(TreeId { slot, instance }),
            Effect::KillTree { slot, instance } => self.kill(TreeId { slot, instance }),
            Effect::Ask { slot, instance, ask } => self.push_ask(TreeId { slot, instance }, &ask),
            Effect::Answer { request, outcome } => self.answer(request, outcome),
            Effect::Alert(alert) => self.tell(&alert),
            Effect::TryDependency { index } => self.probes.hurry_dependency(index, crate::clock::now()),
            Effect::Configured => self.configured(),
            Effect::Exit(reason) => self.exit = Some(reason),
        }
    }

    fn publish(&mut self, page: &Page) {
        match self.permit.publish(page, crate::clock::now()) {
            Ok(()) => {}
            Err(Refused::LatchEngaged) => self.kill_switch_seen(),
            Err(Refused::Revoked) => self.revoked_by_somebody(),
            Err(refused @ Refused::Foreign { .. }) => {
                self.say("permit", &refused.to_string());
                self.revoked_by_somebody();
            }
        }
    }

    fn record(&mut self, ticket: Ticket, record: Record) {
        if let Record::EngineStopped { .. } = &record {
            // Nothing of this life stands behind that one.
            self.note_figures_so_far(crate::clock::now());
        }
        if let Err(error) = self.ledger.record(ticket, &record) {
            self.storage_failure(&error.to_string(), matches!(error, AppendError::OnlyLastWords));
        }
        self.recorded_or_said(record);
    }

    /// What is said once the disk is full. It is in force whether or not it can be written.
    fn last_word(&mut self, record: Record, again: bool) {
        if let Err(error) = self.ledger.last_word(&record) {
            self.storage_failure(&error.to_string(), false);
        }
        if !again {
            self.recorded_or_said(record);
        }
    }

    /// What else follows from a record, wherever it went.
    fn recorded_or_said(&mut self, record: Record) {
        self.maybe_changed = true;
        let own_log = match &record {
            Record::HaltRaised(halt) => {
                self.meters.halt_raised(halt.cause);
                self.trace_halt(halt.id);
                if let (Cause::ComponentFailed, Some(component)) = (halt.cause, halt.component.clone()) {
                    self.drop_stored_of(&component);
                }
                None
            }
            Record::PermitLapsed { times } => {
                self.facts.permit_lapses += u64::from(*times);
                None
            }
            Record::Maintenance { on, span_ms, reason, by } => {
                self.maintenance_recorded(*on, by, reason, *span_ms);
                None
            }
            Record::ComponentExited { component, instance, next, .. } => {
                self.facts.says(&component.0, None);
                match next {
                    // What it left to be kept is its successor's.
                    AfterExit::RestartNow
                    | AfterExit::RestartAfterMs(_)
                    | AfterExit::AfterMaintenanceMs(_)
                    | AfterExit::NotAllowed
                    | AfterExit::Dependency
                    | AfterExit::Asking => {}
                    AfterExit::Stay | AfterExit::StartLimit => self.drop_stored_of(component),
                }
                self.own_log(component, *instance)
            }
            Record::ComponentHeld { component, held, .. } => {
                self.facts.held(component, *held);
                if *held {
                    self.drop_stored_of(component);
                }
                None
            }
            Record::ComponentStarted { component, instance, .. }
            | Record::ComponentStartFailed { component, instance, .. }
            | Record::ComponentKilled { component, instance, .. } => self.own_log(component, *instance),
            Record::EngineStarted { .. }
            | Record::EngineStopped { .. }
            | Record::HaltCleared { .. }
            | Record::PermissionChanged { .. }
            | Record::ModeSet { .. }
            | Record::ComponentReady { .. }
            | Record::ComponentHook { .. }
            | Record::ComponentReloading { .. }
            | Record::ComponentReloaded { .. }
            | Record::ComponentMainChanged { .. }
            | Record::ComponentStopping { .. }
            | Record::LimitWarned { .. }
            | Record::LimitPassed { .. }
            | Record::HealthChanged { .. }
            | Record::Heartbeat { .. }
            | Record::CheckFinished { .. }
            | Record::ConfigChanged(_)
            | Record::OperatorOrder { .. }
            | Record::OperatorRefused { .. } => None,
        };
        let trace = self.traces.of_record(&record);
        self.to_say.push(ToSay { record, own_log, trace });
    }

    fn drop_stored_of(&mut self, component: &ComponentName) {
        let slot = self.blueprints.iter().find(|blueprint| blueprint.name == component.0).map(|one| one.slot);
        if let Some(slot) = slot {
            self.drop_stored(slot);
        }
    }

    /// Whose log file also says so.
    fn own_log(&self, component: &ComponentName, instance: Instance) -> Option<(Slot, Instance)> {
        let blueprint = self.blueprints.iter().find(|blueprint| blueprint.name == component.0)?;
        Some((blueprint.slot, instance))
    }

    /// Says a record to people, and in the log file of the component whose start or end it is.
    pub(super) fn say_record(&mut self, ToSay { record, own_log, trace }: &ToSay) {
        if let (Some((slot, instance)), Some(line)) = (own_log, crate::announce::line(record, &self.mark.name)) {
            self.output.note(*slot, *instance, &line.text);
        }
        self.announcer.record(&self.output, crate::clock::wall(), record, *trace);
    }

    fn spawn(&mut self, slot: Slot, instance: Instance) {
        // Before and after: whoever engages the kill switch in between finds the process, or we do.
        if self.is_engaged_from_outside() {
            self.engaged_from_outside();
            self.not_started(slot, instance, "the kill switch is engaged".to_owned());
            return;
        }
        // What hung up with the last start's end is known by now, and not dropped yet perhaps.
        self.drop_hung_up();
        let started = self.start(slot, instance);
        self.output.capture();
        match started {
            Ok(pid) => self.bring(Input::Spawned { slot, instance, pid }),
            Err(error) => self.not_started(slot, instance, error),
        }
        if self.is_engaged_from_outside() {
            self.trees.begin_kill(TreeId { slot, instance });
            self.engaged_from_outside();
        }
        // What led here is made durable now, beside the new process's first instructions and not in their way.
        self.ledger.flush();
    }

    fn not_started(&mut self, slot: Slot, instance: Instance, error: String) {
        if self.trees.is_free(slot) {
            self.take_credentials_away(slot);
        }
        self.bring(Input::SpawnFailed { slot, instance, error });
        self.bring(Input::TreeGone { slot, instance });
    }

    fn start(&mut self, slot: Slot, instance: Instance) -> Result<u32, String> {
        let blueprint = slot
            .index()
            .and_then(|index| self.blueprints.get(index))
            .ok_or_else(|| "no component has this slot".to_owned())?;
        let mut command = blueprint.command(&self.mark, instance, &self.config.folder)?;
        command.credentials = credentials::give(&self.credentials, blueprint)?;
        command.sandbox = sandbox::of(blueprint, &command, &self.runtime, &self.credentials)?;
        let stdout = self.output.pipe(slot).map_err(|error| error.to_string())?;
        let stderr = self.output.pipe(slot).map_err(|error| error.to_string())?;
        self.notify_starts.begin(slot, instance);
        let tree = TreeId { slot, instance };
        let component_cgroup = self.trees.component_cgroup(slot).map(|cgroup| cgroup.path().to_owned());
        let cgroup = self.trees.prepare(tree).map_err(|error| error.to_string())?;
        let given: Vec<_> = self.store.of(slot).collect();
        let place =
            Place { stdin: None, stdout: stdout.as_fd(), stderr: stderr.as_fd(), cgroup, given: &given, beside: None };
        self.kill_counts.begin(slot, component_cgroup.as_deref());
        let child = match self.spawner.spawn(&command, &place) {
            // It may be made here and not be mounted there: some hosts forbid the one alone. Once, and for good.
            Err(SpawnError::Step { step: Step::Credentials, .. }) => {
                self.credentials.without_mounts();
                command.credentials = credentials::give(&self.credentials, blueprint)?;
                command.sandbox = sandbox::of(blueprint, &command, &self.runtime, &self.credentials)?;
                self.spawner.spawn(&command, &place)
            }
            other => other,
        };
        let child = child.map_err(|error| error.to_string())?;
        let recorded = Recorded { id: child.id, component: blueprint.name.clone(), instance: instance.0 };
        let pid = u32::try_from(child.id.pid).unwrap_or_default();
        if let Err(error) = self.register.started(recorded) {
            self.say("engine", &format!("the register of processes cannot be written: {error}"));
        }
        self.trees.planted(tree, child).map_err(|error| error.to_string())?;
        self.heed_namespace(tree);
        self.tidy_at.get_or_insert(crate::clock::now().plus(TIDY_AFTER));
        Ok(pid)
    }

    fn stop(&mut self, tree: TreeId) {
        self.push_stop(tree.slot, "it was asked to stop");
        let signal = tree
            .slot
            .index()
            .and_then(|index| self.blueprints.get(index))
            .map_or(libc::SIGTERM, |blueprint| blueprint.stop_signal);
        if let Err(error) = self.trees.signal(tree, signal) {
            let name = self.name_of(tree.slot).unwrap_or_default().to_owned();
            self.say(&name, &format!("cannot be asked to stop: {error}; it is killed when its grace is over"));
        }
    }

    /// A component is asked to read its configuration again: its main process alone, since a helper that knows nothing of the
    /// signal would end by it.
    fn reload(&self, tree: TreeId) {
        let signal = tree
            .slot
            .index()
            .and_then(|index| self.blueprints.get(index))
            .and_then(|blueprint| blueprint.reload_signal);
        let Some(signal) = signal else { return };
        if let Err(error) = self.trees.signal_main(tree, signal) {
            let name = self.name_of(tree.slot).unwrap_or_default().to_owned();
            self.say(&name, &format!("cannot be asked to reload: {error}"));
        }
    }

    fn kill(&mut self, tree: TreeId) {
        if self.trees.is_free(tree.slot) {
            // Nothing of it is there any more.
            self.bring(Input::TreeGone { slot: tree.slot, instance: tree.instance });
            return;
        }
        self.trees.begin_kill(tree);
        for gone in self.trees.poll() {
            self.take_credentials_away(gone.slot);
            self.bring(Input::TreeGone { slot: gone.slot, instance: gone.instance });
        }
        self.arm_kill_retry();
    }

    fn release_kill_switch(&mut self) {
        self.ledger.flush();
        match latch::release(&self.state_dir, self.latch_seen.as_ref()) {
            Ok(Released::Gone) => {
                self.latch_seen = None;
                self.facts.unlatched = None;
                self.emergency_released();
                match self.permit.replace() {
                    Ok(()) => {
                        self.trees.forget_prepared();
                        self.announce_page();
                    }
                    // No page, no trading: the operator's next try makes a new one.
                    Err(error) => self.say("permit", &error.to_string()),
                }
                self.bring(Input::KillSwitchLatchRemoved);
            }
            Ok(Released::EngagedAgain { latch, anew }) => {
                if anew {
                    self.leave_what_loosens();
                    self.emergency_released();
                }
                self.latch_seen = latch::identity(&latch);
                let (by, reason) = latch.who_and_why().unwrap_or_default();
                self.bring(Input::KillSwitchSeen { by, reason });
            }
            Err(error) => {
                self.say("halt", &error.to_string());
                self.bring(Input::KillSwitchSeen { by: "failstop".to_owned(), reason: error.to_string() });
            }
        }
    }
}
