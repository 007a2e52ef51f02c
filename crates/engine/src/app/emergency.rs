//! The engine's side of emergency actions: it has them run where the core has shut everything down, takes what they came to into
//! the journal (whoever ran them), and tells people. It never waits for them, and nothing that tightens does.

mod told;

pub use told::Told;

use super::engine::Engine;
use super::latch::Identity as LatchIdentity;
use super::programs::input;
use crate::clock;
use crate::config::EmergencyWhen;
use crate::emergency::{Cause, FOLDER, Order, Plan, Run, Step, key_of, make_folder, runner, runner_of};
use crate::kill_switch::{durable, read_latch};
use crate::process::extinguish::kill_child_and_below;
use crate::process::spawn::{Command, Place};
use core::time::Duration;
use failstop_client::status::{EmergencyRun, EmergencyStep, EmergencySummary};
use failstop_core::{Cause as HaltCause, Monotonic, Permission, Scope};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// How often a runner is started anew in a row, where it died before it was through.
const STARTS_MAX: u32 = 5;

/// After a runner's end the next one is started no sooner: a kill switch that is engaged from outside may end one that has not begun
/// to work yet, and does that for two seconds at most.
const STARTS_APART: Duration = Duration::from_secs(1);

/// How much longer than its actions may take a runner may live: another one may have to end first.
const RUNNER_SLACK: Duration = Duration::from_secs(120);

/// For which halts the actions of a fail-safe shutdown were begun.
const COVERED: &str = "failsafe.json";

/// For which halts the actions of a fail-safe shutdown were begun. Another trigger while one of them stands begins nothing anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Covered {
    key: String,
    halts: BTreeSet<u64>,
    /// The kill switch was engaged while they stood: what it runs is not run for them besides.
    by_kill_switch: bool,
}

impl Covered {
    fn read(state_dir: &Path) -> Self {
        let text = std::fs::read(state_dir.join(FOLDER).join(COVERED)).unwrap_or_default();
        // What cannot be read covers nothing: the actions are run again.
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Takes the halts that shut everything down now; whether that is to be kept.
    fn take(&mut self, jid: &str, standing: &BTreeSet<u64>) -> bool {
        let Some(first) = standing.first() else { return false };
        let same = self.key.starts_with(jid) && !self.halts.is_disjoint(standing);
        if same && self.halts.is_superset(standing) {
            return false;
        }
        if !same {
            *self = Self { key: format!("{jid}/h-{first}"), ..Self::default() };
        }
        self.halts.extend(standing);
        true
    }
}

/// What is to be run now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    cause: Cause,
    key: String,
    by: String,
    reason: String,
    only_while_latched: bool,
}

#[derive(Debug)]
struct Running {
    pid: i32,
    due: Monotonic,
    killed: bool,
}

/// Emergency actions, as the engine sees them.
#[derive(Debug)]
pub struct Emergencies {
    plan: Plan,
    plan_owner: u32,
    runner: Option<Running>,
    /// The next runner is started no sooner.
    not_before: Option<Monotonic>,
    /// Runners that were started for this one in a row without getting through.
    tried: Option<(Wanted, u32)>,
    /// What was run to its end, by cause.
    settled: BTreeMap<Cause, String>,
    covered: Covered,
    /// Who engaged the kill switch and why, as the latch that was seen says.
    engaged: Option<(Option<LatchIdentity>, Wanted)>,
    told: Told,
    /// Something may have been written in the folder.
    look: bool,
    /// People may have an open incident about them.
    incident: bool,
    /// The last run of each cause, as it was read last.
    last: BTreeMap<Cause, Run>,
}

impl Emergencies {
    /// Makes the folder and writes down what there is to be run, for a day on which the configuration cannot be read. The second
    /// is what the operator should know.
    pub fn open(config: &crate::config::Config, told: Told) -> (Self, Option<String>) {
        let state = config.state_dir();
        let plan = Plan::of(config);
        let saved = make_folder(state).and_then(|_| plan.save(state, clock::rfc3339(clock::wall())));
        let note = saved.err().map(|error| {
            format!(
                "the emergency actions could not be written down ({error}): `failstop kill-switch engage` runs them only with a \
                 configuration that can be read"
            )
        });
        let emergencies = Self {
            plan,
            plan_owner: nix::unistd::geteuid().as_raw(),
            runner: None,
            not_before: None,
            tried: None,
            settled: BTreeMap::new(),
            covered: Covered::read(state),
            engaged: None,
            told,
            look: true,
            incident: true,
            last: BTreeMap::new(),
        };
        (emergencies, note)
    }

    /// Where what is written is watched.
    pub fn folder(state_dir: &Path) -> PathBuf {
        state_dir.join(FOLDER)
    }

    /// Something may have been written in the folder.
    pub fn look_again(&mut self) {
        self.look = true;
    }

    /// Whether a runner of this engine's works: the end waits for it.
    pub fn is_running(&self) -> bool {
        self.runner.is_some()
    }

    /// What the status says.
    pub fn summary(&self) -> EmergencySummary {
        let real = [Cause::KillSwitch, Cause::Failsafe].into_iter().filter_map(|cause| self.last.get(&cause));
        EmergencySummary {
            configured: self.plan.actions.iter().map(|action| action.name.clone()).collect(),
            run: real.max_by_key(|run| run.begun.as_str()).map(summary_of),
            drill: self.last.get(&Cause::Drill).map(summary_of),
        }
    }

    /// How long the end of failstop may have to wait for them.
    pub fn may_take(&self, now: Monotonic) -> Duration {
        self.runner.as_ref().map_or(Duration::ZERO, |runner| runner.due.since(now))
    }

    /// When a runner that does not end is killed, or the next one may be started.
    pub fn due(&self) -> Option<Monotonic> {
        let overdue = self.runner.as_ref().filter(|runner| !runner.killed).map(|runner| runner.due);
        overdue.or(self.not_before)
    }

    /// Takes what the reaper took; whether it was the runner.
    pub fn ended(&mut self, pid: i32) -> bool {
        let was = self.runner.take_if(|runner| runner.pid == pid).is_some();
        if was {
            self.look = true;
            self.not_before = Some(clock::now().plus(STARTS_APART));
        }
        was
    }
}

impl Engine {
    /// What follows from shutting everything down, after every event. Cheap where nothing is to be done.
    pub(super) fn attend_emergencies(&mut self) {
        if std::mem::take(&mut self.emergencies.look) {
            self.take_in_runs();
        }
        let now = clock::now();
        // Both are deadlines of the loop's, whatever stands meanwhile.
        if let Some(runner) = self.emergencies.runner.as_mut().filter(|runner| !runner.killed && now >= runner.due) {
            runner.killed = true;
            kill_child_and_below(runner.pid);
        }
        self.emergencies.not_before = self.emergencies.not_before.filter(|at| now < *at);
        if self.core.permission() != Permission::Shutdown {
            if std::mem::take(&mut self.emergencies.incident) {
                self.alerts.emergency_over("nothing is shut down any more", clock::wall());
            }
            return;
        }
        self.emergencies.incident = true;
        if self.emergencies.runner.is_some() || self.emergencies.not_before.is_some() {
            return;
        }
        let wanted = self.wanted();
        let unsettled = |wanted: &Wanted| self.emergencies.settled.get(&wanted.cause) != Some(&wanted.key);
        if let Some(wanted) = wanted.into_iter().flatten().find(unsettled) {
            self.run_actions(wanted);
        }
    }

    /// What is to be run, the kill switch's before everything else.
    fn wanted(&mut self) -> [Option<Wanted>; 2] {
        let standing: BTreeSet<u64> = self
            .core
            .halts()
            .filter(|(halt, _)| {
                halt.cap == Permission::Shutdown && halt.scope == Scope::System && halt.cause != HaltCause::KillSwitch
            })
            .map(|(halt, _)| halt.id.0)
            .collect();
        let switch = self.core.kill_switch();
        let covered = &mut self.emergencies.covered;
        let taken = covered.take(&self.mark.jid, &standing);
        let by_switch = switch && !standing.is_empty() && !std::mem::replace(&mut covered.by_kill_switch, true);
        if taken || by_switch {
            self.keep_covered();
        }
        let failsafe = self.core.halts().find(|(halt, _)| standing.contains(&halt.id.0)).map(|(halt, _)| {
            let name = halt.cause.name();
            let by = format!("failstop (h-{} {name})", halt.id.0);
            let (reason, key) = (format!("{name}: {}", halt.evidence), self.emergencies.covered.key.clone());
            Wanted { cause: Cause::Failsafe, key, by, reason, only_while_latched: false }
        });
        [switch.then(|| self.engaged()), failsafe]
    }

    /// What is run for this: under the kill switch everything of its, and for a fail-safe shutdown then only what is not its.
    fn plan_for(&self, cause: Cause) -> Plan {
        let mut plan = self.emergencies.plan.for_when(cause.when());
        if cause == Cause::Failsafe && self.emergencies.covered.by_kill_switch {
            plan.actions.retain(|action| !action.when.contains(&EmergencyWhen::KillSwitch));
        }
        plan
    }

    fn keep_covered(&mut self) {
        let kept = serde_json::to_vec(&self.emergencies.covered)
            .map_err(std::io::Error::from)
            .and_then(|text| durable::replace_private(&Emergencies::folder(&self.state_dir).join(COVERED), &text));
        if let Err(error) = kept {
            self.say(
                "emergency",
                &format!(
                    "for which halts actions are run cannot be kept ({error}): after a restart they may run again"
                ),
            );
        }
    }

    fn engaged(&mut self) -> Wanted {
        let seen = self.latch_seen.clone();
        if let Some((identity, wanted)) = &self.emergencies.engaged
            && *identity == seen
        {
            return wanted.clone();
        }
        let latch = read_latch(&self.state_dir);
        let (by, reason) = latch.who_and_why().unwrap_or_else(|| {
            ("unknown".to_owned(), "the permit page was revoked by another process, without a latch".to_owned())
        });
        let key = key_of(&latch);
        let only_while_latched = key.is_some();
        let key = key.unwrap_or_else(|| format!("no latch, epoch {}", self.epoch.0));
        let wanted = Wanted { cause: Cause::KillSwitch, key, by, reason, only_while_latched };
        self.emergencies.engaged = Some((seen, wanted.clone()));
        wanted
    }

    /// Starts a runner, unless what it would run was run already.
    fn run_actions(&mut self, wanted: Wanted) {
        let plan = self.plan_for(wanted.cause);
        let done = match Run::read(&self.state_dir, wanted.cause) {
            Ok(Some(mut run)) if run.key == wanted.key => {
                run.take_on(&plan);
                run.is_finished()
            }
            Ok(_) => plan.actions.is_empty(),
            Err(_) => false,
        };
        let times = match &self.emergencies.tried {
            Some((before, times)) if *before == wanted => *times,
            Some(_) | None => 0,
        };
        if done || times >= STARTS_MAX {
            if !done {
                let text = format!("emergency actions are given up: whoever ran them died {times} times");
                self.say("emergency", &text);
                self.alerts.emergency_not_run(&text, clock::wall());
            }
            self.emergencies.settled.insert(wanted.cause, wanted.key);
            return;
        }
        self.emergencies.tried = Some((wanted.clone(), times.saturating_add(1)));
        let longest = plan.longest();
        let names: Vec<&str> = plan.actions.iter().map(|action| action.name.as_str()).collect();
        let text = format!("{}: running {}", wanted.cause.word(), names.join(", "));
        let order = Order {
            state_dir: Some(std::path::absolute(&self.state_dir).unwrap_or_else(|_| self.state_dir.clone())),
            cause: wanted.cause,
            key: wanted.key.clone(),
            only_while_latched: wanted.only_while_latched,
            by: wanted.by,
            reason: wanted.reason,
            inherited: Order::inherited_by(&plan),
            plan,
            plan_owner: self.emergencies.plan_owner,
        };
        match self.start_runner(&order) {
            Ok(pid) => {
                let due = clock::now().plus(longest.saturating_add(RUNNER_SLACK));
                self.emergencies.runner = Some(Running { pid, due, killed: false });
                self.say("emergency", &text);
            }
            Err(why) => {
                let text = format!("emergency actions could not be started: {why}");
                self.say("emergency", &text);
                self.alerts.emergency_not_run(&text, clock::wall());
                // The next engagement, the next start and `failstop kill-switch engage` try again.
                self.emergencies.settled.insert(wanted.cause, wanted.key);
            }
        }
    }

    fn start_runner(&mut self, order: &Order) -> Result<i32, String> {
        let text = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        let stdin = input(&text).map_err(|error| format!("there is no memory for its order: {error}"))?;
        let null = File::options().write(true).open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
        let mut command = Command::new("/proc/self/exe".into(), vec![runner::NAME.into()], "/".into());
        command.limits.extend(self.programs.open_files().map(|(soft, hard)| (libc::RLIMIT_NOFILE, soft, hard)));
        let place = Place {
            stdin: stdin.as_ref().map(|file| file.as_fd()),
            stdout: null.as_fd(),
            stderr: null.as_fd(),
            cgroup: None,
            given: &[],
            beside: None,
        };
        let child = self.spawner.spawn(&command, &place).map_err(|error| error.to_string())?;
        self.trees.other_started(child.id.pid);
        Ok(child.id.pid)
    }

    /// Takes into the journal what was run, by whomever, and tells people how it ended.
    pub(super) fn take_in_runs(&mut self) {
        if self.storage_failed {
            return;
        }
        for cause in Cause::ALL {
            // One that cannot be read is written anew by the next run, and by then everything in it is run again.
            let Ok(Some(run)) = Run::read(&self.state_dir, cause) else {
                self.emergencies.last.remove(&cause);
                continue;
            };
            self.emergencies.last.insert(cause, run.clone());
            let (news, ends) = self.emergencies.told.news(&run);
            for (kind, what) in news {
                self.note(kind, &what);
            }
            if !ends {
                continue;
            }
            let (done, failed) = run.counts();
            for step in &run.steps {
                self.say("emergency", &format!("{}: {}: {}", cause.word(), step.name, step.text()));
            }
            self.say("emergency", &format!("{}: {done} done, {failed} failed", cause.word()));
            match cause {
                Cause::KillSwitch | Cause::Failsafe => self.alerts.emergency(&run, clock::wall()),
                // Whoever rehearses reads how it went.
                Cause::Drill => {}
            }
        }
    }

    /// Why a release would come too early, if it would.
    pub(super) fn emergency_stands(&self) -> Option<String> {
        let runner = runner_of(&self.state_dir)?;
        Some(format!(
            "emergency actions still run (pid {}); wait for their end (`failstop kill-switch status` shows it), then release again",
            runner.pid
        ))
    }

    /// The kill switch is released: the next engagement has everything run anew.
    pub(super) fn emergency_released(&mut self) {
        self.take_in_runs();
        if let Err(error) = Run::forget(&self.state_dir, Cause::KillSwitch) {
            self.say("emergency", &format!("what was run for the last engagement cannot be forgotten: {error}"));
        }
        self.emergencies.settled.remove(&Cause::KillSwitch);
        self.emergencies.engaged = None;
        self.alerts.emergency_over("the kill switch was released", clock::wall());
    }
}

fn summary_of(run: &Run) -> EmergencyRun {
    let (done, failed) = run.counts();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let step = |step: &Step| EmergencyStep {
        name: step.name.clone(),
        kind: step.kind.word().to_owned(),
        state: step.state().to_owned(),
        detail: step.text(),
    };
    EmergencyRun {
        trace: run.id.clone(),
        cause: run.cause.word().to_owned(),
        begun: run.begun.clone(),
        finished: run.finished.clone(),
        done: count(done),
        failed: count(failed),
        actions: run.steps.iter().map(step).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_trigger_of_the_same_shutdown_begins_nothing_anew() {
        let mut covered = Covered::default();
        let set = |halts: &[u64]| halts.iter().copied().collect::<BTreeSet<u64>>();
        assert!(!covered.take("j", &set(&[])));
        assert!(covered.take("j", &set(&[3])));
        assert_eq!(covered.key, "j/h-3");
        assert!(!covered.take("j", &set(&[3])), "nothing is new");
        assert!(covered.take("j", &set(&[3, 5])));
        assert!(!covered.take("j", &set(&[5])), "the first was released");
        assert_eq!(covered.key, "j/h-3");
        // Everything was released in between.
        covered.by_kill_switch = true;
        assert!(covered.take("j", &set(&[9])));
        assert_eq!(covered.key, "j/h-9");
        assert!(!covered.by_kill_switch, "it was engaged for another shutdown");
        // Another journal counts its halts from the beginning.
        assert!(covered.take("k", &set(&[9])));
        assert_eq!(covered.key, "k/h-9");
    }
}
