//! The engine's side of emergency actions: it has them run where the core has shut everything down, takes what they came to into
//! the journal (whoever ran them), and tells people. It never waits for them, and nothing that tightens does.

mod covered;
mod told;

pub use told::Told;

use covered::{COVERED, Covered};

use super::engagement::Unlatched;
use super::engine::Engine;
use super::latch::Identity as LatchIdentity;
use super::programs::input;
use crate::clock;
use crate::config::{EmergencyWhen, MAX_EMERGENCY_TIME, Orders};
use crate::emergency::{
    Came, Cause, FOLDER, Held, Order, Plan, Run, Word, held, key_of, last_word, make_folder, runner, runner_of,
};
use crate::kill_switch::{durable, read_latch};
use crate::process::extinguish::kill_child_and_below;
use crate::process::reaper::Reaped;
use crate::process::spawn::{Command, Place};
use core::time::Duration;
use failstop_client::status::EmergencySummary;
use failstop_core::{Cause as HaltCause, Exit, Monotonic, Permission, Scope, Slot};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// How often a runner is started in a row, where it died before it was through or could not be started.
const STARTS_MAX: u32 = 5;

/// After a runner's end the next one is started no sooner: a kill switch that is engaged from outside may end one that has not begun
/// to work yet, and does that for two seconds at most.
const STARTS_APART: Duration = Duration::from_secs(1);

/// How much longer than its actions may take a runner may live, from when nobody else has the lock.
const RUNNER_SLACK: Duration = Duration::from_secs(120);

/// How much longer besides a runner may wait for others to end.
const WAITS_MAX: Duration = MAX_EMERGENCY_TIME.saturating_add(RUNNER_SLACK);

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
    /// How long it may live from when nobody else has the lock.
    takes: Duration,
    due: Monotonic,
    /// `due` gets no later than this, whoever has the lock.
    latest: Monotonic,
    killed: bool,
    wanted: Wanted,
    /// What it says; `None` where there was no memory for it.
    words: Option<File>,
}

/// The actions of a fail-safe shutdown wait for the end of what places orders: an order of its last moment would stand.
#[derive(Debug)]
struct WaitForBot {
    /// The shutdown that this is about.
    key: String,
    /// They begin then all the same; `None` once that was.
    until: Option<Monotonic>,
}

/// Emergency actions, as the engine sees them.
#[derive(Debug)]
pub struct Emergencies {
    plan: Plan,
    plan_of: u32,
    runner: Option<Running>,
    /// One that ended, and how: what follows from it is still to be done.
    over: Option<(Running, Exit)>,
    /// The next runner is started no sooner.
    not_before: Option<Monotonic>,
    /// How often in a row one was to run this without getting through, and why the last did not.
    tried: Option<(Wanted, u32, String)>,
    /// The actions of a fail-safe shutdown wait for the end of the bot.
    bot: Option<WaitForBot>,
    /// Something is still to be run, or runs: the end of the engine waits for it.
    pending: bool,
    /// What was run to its end, by cause.
    settled: BTreeMap<Cause, String>,
    covered: Covered,
    /// Who engaged the kill switch and why, as the latch that was seen says.
    engaged: Option<(Option<LatchIdentity>, Wanted)>,
    told: Told,
    /// Something may have been written in the folder.
    look: bool,
    /// Nothing was looked at yet since the start.
    first: bool,
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
            plan_of: nix::unistd::geteuid().as_raw(),
            runner: None,
            over: None,
            not_before: None,
            tried: None,
            bot: None,
            pending: false,
            settled: BTreeMap::new(),
            covered: Covered::read(state),
            engaged: None,
            told,
            look: true,
            first: true,
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

    /// Whether something is still to be run, or runs: the end waits for it. Everything about it is bounded.
    pub fn is_pending(&self) -> bool {
        self.pending
    }

    /// What the status says.
    pub fn summary(&self) -> EmergencySummary {
        let real = [Cause::KillSwitch, Cause::Failsafe].into_iter().filter_map(|cause| self.last.get(&cause));
        EmergencySummary {
            configured: self.plan.actions.iter().map(|action| action.name.clone()).collect(),
            run: real.max_by_key(|run| run.begun.as_str()).map(Run::summary),
            drill: self.last.get(&Cause::Drill).map(Run::summary),
        }
    }

    /// How long the end of failstop may have to wait for them.
    pub fn may_take(&self, now: Monotonic) -> Duration {
        self.runner.as_ref().map_or(Duration::ZERO, |runner| runner.due.since(now))
    }

    /// When a runner that does not end is killed, or the next one may be started, or the end of the bot is waited for no longer.
    pub fn due(&self) -> Option<Monotonic> {
        let overdue = self.runner.as_ref().filter(|runner| !runner.killed).map(|runner| runner.due);
        let waited = self.bot.as_ref().and_then(|bot| bot.until);
        overdue.or(self.not_before).into_iter().chain(waited).min()
    }

    /// Takes what the reaper took; whether it was the runner.
    pub fn ended(&mut self, reaped: Reaped) -> bool {
        let Some(runner) = self.runner.take_if(|runner| runner.pid == reaped.pid) else { return false };
        self.over = Some((runner, reaped.exit));
        self.look = true;
        self.not_before = Some(clock::now().plus(STARTS_APART));
        true
    }
}

impl Running {
    /// Its time begins once nobody else has the lock.
    fn look_at_lock(&mut self, held: Held, now: Monotonic) {
        match held {
            Held::By(holder) if holder.pid == self.pid => {}
            Held::No => {}
            Held::By(_) | Held::Unseen => self.due = now.plus(self.takes).min(self.latest),
        }
    }
}

impl Engine {
    /// What follows from shutting everything down, after every event. Cheap where nothing is to be done.
    pub(super) fn attend_emergencies(&mut self) {
        let now = clock::now();
        let look = std::mem::take(&mut self.emergencies.look);
        if look {
            self.take_in_runs();
        }
        // While no engine ran the latch may have been taken away by hand.
        if std::mem::take(&mut self.emergencies.first) && !read_latch(&self.state_dir).is_engaged() {
            self.forget_engagement();
        }
        if let Some(runner) = self.emergencies.runner.as_mut().filter(|runner| look || now >= runner.due) {
            runner.look_at_lock(held(&self.state_dir), now);
        }
        if let Some((runner, exit)) = self.emergencies.over.take() {
            self.runner_ended(runner, exit);
        }
        // Both are deadlines of the loop's, whatever stands meanwhile.
        if let Some(runner) = self.emergencies.runner.as_mut().filter(|runner| !runner.killed && now >= runner.due) {
            runner.killed = true;
            kill_child_and_below(runner.pid);
        }
        self.emergencies.not_before = self.emergencies.not_before.filter(|at| now < *at);
        if let Some(bot) = self.emergencies.bot.as_mut().filter(|bot| bot.until.is_some_and(|until| now >= until)) {
            bot.until = None;
        }
        if self.core.permission() != Permission::Shutdown {
            self.emergencies.bot = None;
            self.emergencies.pending = self.emergencies.runner.is_some();
            if std::mem::take(&mut self.emergencies.incident) {
                self.alerts.emergency_over("nothing is shut down any more", clock::wall());
            }
            return;
        }
        self.emergencies.incident = true;
        // What needs no runner is settled at once, and the next one is looked at.
        while let Some(wanted) = self.next_wanted() {
            self.emergencies.pending = true;
            if self.emergencies.runner.is_some() || self.emergencies.not_before.is_some() {
                return;
            }
            if wanted.cause == Cause::Failsafe && self.waits_for_bot(&wanted.key, now) {
                return;
            }
            self.run_actions(wanted);
        }
        self.emergencies.pending = self.emergencies.runner.is_some();
    }

    /// Whether something that places orders still lives and has time to end. The kill switch kills it; a fail-safe shutdown lets it
    /// end in its grace.
    fn waits_for_bot(&mut self, key: &str, now: Monotonic) -> bool {
        let living: Vec<&str> = self
            .config
            .components
            .iter()
            .enumerate()
            .filter(|(index, component)| {
                let is_here = Slot::component(*index).is_some_and(|slot| !self.trees.is_free(slot));
                is_here && component.orders != Orders::None
            })
            .map(|(_, component)| component.name.as_str())
            .collect();
        if living.is_empty() || self.plan_for(Cause::Failsafe).actions.is_empty() {
            self.emergencies.bot = None;
            return false;
        }
        match &self.emergencies.bot {
            Some(bot) if bot.key == key && bot.until.is_some() => true,
            Some(bot) if bot.key == key => {
                let text =
                    format!("{} did not end in time: the emergency actions begin all the same", living.join(", "));
                self.say("emergency", &text);
                false
            }
            Some(_) | None => {
                let until = Some(now.plus(self.config.shutdown_within()));
                self.emergencies.bot = Some(WaitForBot { key: key.to_owned(), until });
                true
            }
        }
    }

    fn next_wanted(&mut self) -> Option<Wanted> {
        let wanted = self.wanted();
        let unsettled = |wanted: &Wanted| self.emergencies.settled.get(&wanted.cause) != Some(&wanted.key);
        wanted.into_iter().flatten().find(unsettled)
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
        let mut plan = self.emergencies.plan.run_for(cause);
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
        let (by, reason) = latch.who_and_why().unwrap_or_else(|| match &self.facts.unlatched {
            Some(Unlatched { by, reason, error: _ }) => (by.clone(), reason.clone()),
            None => {
                ("unknown".to_owned(), "the permit page was revoked by another process, without a latch".to_owned())
            }
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
            Ok(_) | Err(_) => plan.actions.is_empty(),
        };
        let (times, why) = match &self.emergencies.tried {
            Some((before, times, why)) if *before == wanted => (*times, why.as_str()),
            Some(_) | None => (0, ""),
        };
        if done || times >= STARTS_MAX {
            if !done {
                let text = format!("emergency actions are given up after {times} runners: {why}");
                self.say("emergency", &text);
                self.alerts.emergency_not_run(&text, clock::wall());
            }
            // The next engagement, the next start and `failstop kill-switch engage` try again.
            self.settle(wanted);
            return;
        }
        let again = times.saturating_add(1);
        self.emergencies.tried = Some((wanted.clone(), again, "whoever ran them died".to_owned()));
        let longest = plan.longest();
        let names: Vec<&str> = plan.actions.iter().map(|action| action.name.as_str()).collect();
        let text = format!("{}: running {}", wanted.cause.word(), names.join(", "));
        let order = Order {
            state_dir: Some(std::path::absolute(&self.state_dir).unwrap_or_else(|_| self.state_dir.clone())),
            cause: wanted.cause,
            key: wanted.key.clone(),
            only_while_latched: wanted.only_while_latched,
            by: wanted.by.clone(),
            reason: wanted.reason.clone(),
            inherited: Order::inherited_by(&plan),
            plan,
            plan_of: Some(self.emergencies.plan_of),
        };
        // What is kept on the disk is not all that it does: a full disk keeps nothing.
        let words = memfd_create(c"failstop-actions", MFdFlags::MFD_CLOEXEC).ok().map(File::from);
        match self.start_runner(&order, words.as_ref()) {
            Ok(pid) => {
                let takes = longest.saturating_add(RUNNER_SLACK);
                let due = clock::now().plus(takes);
                let latest = due.plus(WAITS_MAX);
                self.emergencies.runner = Some(Running { pid, takes, due, latest, killed: false, wanted, words });
                self.say("emergency", &text);
            }
            Err(why) => {
                let why = format!("no process could be started for them: {why}");
                self.say("emergency", &format!("{}: {why}", wanted.cause.word()));
                self.emergencies.tried = Some((wanted, again, why));
                self.emergencies.not_before = Some(clock::now().plus(STARTS_APART));
            }
        }
    }

    fn settle(&mut self, wanted: Wanted) {
        self.emergencies.settled.insert(wanted.cause, wanted.key);
        self.emergencies.tried = None;
    }

    fn start_runner(&mut self, order: &Order, words: Option<&File>) -> Result<i32, String> {
        let text = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        let stdin = input(&text).map_err(|error| format!("there is no memory for its order: {error}"))?;
        let null = File::options().write(true).open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
        let mut command = Command::new("/proc/self/exe".into(), vec![runner::NAME.into()], "/".into());
        command.limits.extend(self.programs.open_files().map(|(soft, hard)| (libc::RLIMIT_NOFILE, soft, hard)));
        let place = Place {
            stdin: stdin.as_ref().map(|file| file.as_fd()),
            stdout: words.unwrap_or(&null).as_fd(),
            stderr: null.as_fd(),
            cgroup: None,
            given: &[],
            beside: None,
        };
        let child = self.spawner.spawn(&command, &place).map_err(|error| error.to_string())?;
        self.trees.other_started(child.id.pid);
        Ok(child.id.pid)
    }

    /// What follows from the end of a runner. One that came to its end is not started again, whether or not the disk has it.
    fn runner_ended(&mut self, runner: Running, exit: Exit) {
        let Running { wanted, words, .. } = runner;
        let word = words.and_then(|mut words| last_word(&mut words).ok()).flatten();
        if let Some(Word::Run(run)) = &word {
            self.take_in(run);
        }
        let came = match exit {
            Exit::Status(status) => Came::of_status(status),
            Exit::Signal(_) | Exit::Unknown => None,
        };
        // It died in the middle: the next one goes on.
        let Some(came) = came else { return };
        let unsaid = match (came, word) {
            (Came::Refused, Some(Word::Refused(why))) => Some(why),
            (Came::Done | Came::Failed, Some(Word::Run(run))) if run.is_finished() => None,
            (Came::Done, _) => Some("whoever ran them says that all are done, and no more".to_owned()),
            (Came::Failed | Came::Refused, _) => Some("whoever ran them failed and did not say in what".to_owned()),
        };
        let on_disk = Run::read(&self.state_dir, wanted.cause);
        let is_told = on_disk.is_ok_and(|run| run.is_some_and(|run| run.key == wanted.key && run.is_finished()));
        if let Some(why) = unsaid.filter(|_| !is_told) {
            let text = format!("emergency actions for {}: {why}", wanted.cause.word());
            self.say("emergency", &text);
            if came != Came::Done {
                self.alerts.emergency_not_run(&text, clock::wall());
            }
        }
        self.settle(wanted);
    }

    /// Takes into the journal what was run, by whomever, and tells people how it ended.
    pub(super) fn take_in_runs(&mut self) {
        for cause in Cause::ALL {
            // One that cannot be read is written anew by the next run, and by then everything in it is run again.
            match Run::read(&self.state_dir, cause) {
                Ok(Some(run)) => self.take_in(&run),
                // What could not be kept is known all the same.
                Ok(None) | Err(_) => {
                    if self.emergencies.last.get(&cause).is_some_and(|run| run.not_kept.is_none()) {
                        self.emergencies.last.remove(&cause);
                    }
                }
            }
        }
    }

    fn take_in(&mut self, run: &Run) {
        let is_older = |last: &Run| last.not_kept.is_some() && last.begun > run.begun;
        if !self.emergencies.last.get(&run.cause).is_some_and(is_older) {
            self.emergencies.last.insert(run.cause, run.clone());
        }
        let (news, ends) = self.emergencies.told.news(run);
        // A journal that failed takes nothing more, and the next engine's has it; people must know now.
        if !self.storage_failed {
            for (kind, what) in news {
                self.note(kind, &what);
            }
        }
        if !ends {
            return;
        }
        let word = run.cause.word();
        let (done, failed) = run.counts();
        for step in &run.steps {
            self.say("emergency", &format!("{word}: {}: {}", step.name, step.text()));
        }
        self.say("emergency", &format!("{word}: {done} done, {failed} failed"));
        match run.cause {
            Cause::KillSwitch | Cause::Failsafe => self.alerts.emergency(run, clock::wall()),
            // Whoever rehearses reads how it went.
            Cause::Drill => {}
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
        self.forget_engagement();
        self.emergencies.last.remove(&Cause::KillSwitch);
        self.emergencies.settled.remove(&Cause::KillSwitch);
        self.emergencies.engaged = None;
        self.alerts.emergency_over("the kill switch was released", clock::wall());
    }

    /// Of two latches without words nobody can say which is which: what was run for one that is gone is not for the next.
    fn forget_engagement(&mut self) {
        if let Err(error) = Run::forget(&self.state_dir, Cause::KillSwitch) {
            self.say("emergency", &format!("what was run for the last engagement cannot be forgotten: {error}"));
        }
    }
}
