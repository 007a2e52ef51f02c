//! Emergency actions from the command line: run under the kill switch, rehearsed, and shown. Whatever the engine is doing: the
//! actions are run by a process of their own, which goes on if this command is interrupted.

use crate::args::PlaceArgs;
use crate::configuration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::{Place, config_text};
use crate::render::table::{Cell, Table};
use failstop_engine::config::{Config, EmergencyKind, EmergencyWhen, Overrides};
use failstop_engine::emergency::{
    Cause, Followed, Order, Outcome, Plan, Run, Step, Word, key_of, runner_of, seconds, start,
};
use failstop_engine::kill_switch::{Caller, Latch, LatchError, Written, read_latch};
use failstop_engine::printable::printable;
use serde_json::json;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How much longer than the actions may take they are listened to: another run may have to end first.
const SLACK: Duration = Duration::from_secs(150);

/// Which actions there are, and on whose word.
struct Planned {
    plan: Plan,
    owner: u32,
    /// What people should know of where it comes from.
    note: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Every action that there is was done.
    Well,
    /// Some were not, or nobody knows.
    Badly,
}

/// The actions of the configuration or, where it cannot be used, those of the last start.
fn planned(place: &Place) -> Result<Planned, String> {
    let state = place.state.as_deref();
    let why = match &place.config {
        Some(config) => match Config::load(config, &Overrides::from_environment()) {
            Ok(loaded) => {
                // Whoever may write it decides what is run.
                let owner = std::fs::metadata(config).map_or(u32::MAX, |metadata| metadata.uid());
                return Ok(Planned { plan: Plan::of(&loaded), owner, note: None });
            }
            Err(errors) => {
                let all = errors.to_string();
                let first = all.lines().next().unwrap_or("it is refused").trim_start_matches("error: ").to_owned();
                format!("{} cannot be used ({first})", config.display())
            }
        },
        None => "no configuration was read".to_owned(),
    };
    let Some(state) = state else { return Err(format!("{why}, and the state directory is not known")) };
    match Plan::saved(state) {
        Ok((plan, owner)) => {
            let note = format!("{why}: these are the actions of the last start, of {}", plan.saved);
            Ok(Planned { plan, owner, note: Some(note) })
        }
        Err(error) => Err(format!("{why}, and what the last start wrote down cannot be used ({error})")),
    }
}

/// Runs the actions of the kill switch, unless they were run for this engagement, and says line by line how they end.
pub fn run(place: &Place, latch: &Option<Result<Written, LatchError>>, reason: &str) -> Ran {
    let Planned { plan, owner, note } = match planned(place) {
        Ok(planned) => planned,
        Err(why) => return not_known(place, &why),
    };
    let plan = plan.for_when(EmergencyWhen::KillSwitch);
    if let Some(note) = note {
        line("actions", &note);
    }
    if plan.actions.is_empty() {
        line("actions", "none are configured ([[emergency.action]])");
        not_done(None);
        return Ran::Well;
    }
    let state = place.state.as_deref();
    let standing = state.map(read_latch);
    let key = standing.as_ref().and_then(key_of).filter(|_| matches!(latch, Some(Ok(_))));
    let only_while_latched = key.is_some();
    let (by, reason) = match standing.as_ref().and_then(Latch::who_and_why).filter(|_| only_while_latched) {
        Some(first) => first,
        None => (Caller::this().to_string(), reason.to_owned()),
    };
    let order = Order {
        state_dir: state.map(Path::to_owned),
        cause: Cause::KillSwitch,
        // Without a latch nothing says that it is the same engagement: everything is run.
        key: key.unwrap_or_else(|| format!("no latch, pid {}", std::process::id())),
        only_while_latched,
        by,
        reason,
        inherited: Order::inherited_by(&plan),
        plan,
        plan_owner: owner,
    };
    if let Some(run) = ran_already(&order) {
        line("actions", &format!("were run for this engagement, begun {}", run.begun));
        for step in &run.steps {
            line("action", &format!("{}: {}", step.name, step.text()));
        }
        not_done(Some(&run));
        return if run.counts().1 == 0 { Ran::Well } else { Ran::Badly };
    }
    listen(&order)
}

fn ran_already(order: &Order) -> Option<Run> {
    // One that cannot be read is run again, and the runner says so.
    let mut run = Run::read(order.state_dir.as_deref()?, order.cause).ok()?.filter(|run| run.key == order.key)?;
    run.take_on(&order.plan);
    run.is_finished().then_some(run)
}

fn listen(order: &Order) -> Ran {
    let names: Vec<&str> = order.plan.actions.iter().map(|action| action.name.as_str()).collect();
    line("actions", &format!("running {}", names.join(", ")));
    let following = match start(order) {
        Ok(following) => following,
        Err(error) => {
            line("actions", &format!("not run: no process could be started for them: {error}"));
            not_done(None);
            return Ran::Badly;
        }
    };
    let mut shown = Shown::default();
    let followed = following.follow(order.plan.longest() + SLACK, &mut |word| shown.take(word));
    let last = match followed {
        Followed::Ended(last) => last,
        Followed::Running { pid, last } => {
            line("actions", &format!("still run (pid {pid}); `failstop kill-switch status` shows how they end"));
            last
        }
    };
    let run = match last {
        Some(Word::Run(run)) => Some(run),
        Some(Word::Refused(_) | Word::Waits { .. }) | None => None,
    };
    not_done(run.as_ref());
    match run {
        Some(run) if run.is_finished() && run.counts().1 == 0 => Ran::Well,
        Some(run) => {
            if !run.is_finished() {
                line("actions", "whoever ran them died; engage again, and what is left is run");
            }
            Ran::Badly
        }
        None => {
            line("actions", "not run");
            Ran::Badly
        }
    }
}

/// Nobody can say which actions there are. That some were meant is bad news.
fn not_known(place: &Place, why: &str) -> Ran {
    let meant = place.config.as_deref().and_then(config_text).is_some_and(|text| text.contains("[[emergency"));
    let known = if meant { "not run" } else { "none are known" };
    line("actions", &format!("{known}: {why}"));
    not_done(None);
    if meant { Ran::Badly } else { Ran::Well }
}

/// What nobody did, after everything that somebody did.
fn not_done(run: Option<&Run>) {
    let has = |kind| run.is_some_and(|run| run.has_done(kind));
    let text = match (has(EmergencyKind::CancelAll), has(EmergencyKind::ClosePositions)) {
        (true, true) => "what the actions say they did was not verified; look at the venue now",
        (true, false) => "positions at the venue stay as they are; look there now",
        (false, true) => "open orders at the venue stay as they are; look there now",
        (false, false) => "open orders and positions at the venue stay as they are; look there now",
    };
    line("not done", text);
}

/// Prints a line. A reader that is gone changes nothing about what is done.
fn line(what: &str, text: &str) {
    let _ = out::print_last(&format!("{what:<10} {}\n", printable(text)));
}

/// What was said of a run so far.
#[derive(Default)]
struct Shown {
    ended: Vec<String>,
}

impl Shown {
    fn take(&mut self, word: &Word) {
        match word {
            Word::Waits { pid } => line("actions", &format!("run already (pid {pid}); waiting for their end")),
            Word::Refused(why) => line("actions", why),
            Word::Run(run) => {
                for step in run.steps.iter().filter(|step| step.ended.is_some()) {
                    if !self.ended.contains(&step.name) {
                        self.ended.push(step.name.clone());
                        show(step);
                    }
                }
                if run.is_finished()
                    && let Some(why) = &run.not_kept
                {
                    line("", &format!("what was done could not be kept ({why}): it may be done again"));
                }
            }
        }
    }
}

fn show(step: &Step) {
    line("action", &format!("{}: {}", step.name, step.text()));
    if let Some(ended) = step.ended.as_ref().filter(|ended| !ended.outcome.is_done()) {
        for said in &ended.said {
            line("", &format!("> {said}"));
        }
    }
}

/// `failstop kill-switch drill`.
pub fn drill(args: &PlaceArgs) -> Result<Exit, Failure> {
    let place = Place::find(args)?;
    let state = place.state_dir()?;
    if read_latch_where_there_is_a_state(state).is_engaged() {
        let reason = format!(
            "the kill switch of {} is engaged, and a drill would be taken for the real thing; see `failstop kill-switch status`",
            place.describe()
        );
        return Err(Failure::Refused { reasons: vec![reason] });
    }
    let planned = match &place.config {
        // What is rehearsed is what is configured.
        Some(config) => {
            let loaded = configuration::load(Some(config))?;
            let owner = std::fs::metadata(config).map_or(u32::MAX, |metadata| metadata.uid());
            Planned { plan: Plan::of(&loaded), owner, note: None }
        }
        None => planned(&place).map_err(|what| Failure::Usage { what, next: "give --config FILE".to_owned() })?,
    };
    let Planned { plan, owner, note } = planned;
    if plan.actions.is_empty() {
        let reason = format!("{} has no emergency actions: write an [[emergency.action]]", place.describe());
        return Err(Failure::Refused { reasons: vec![reason] });
    }
    out::print_last(&format!("drill of {}: nothing is revoked, stopped or latched\n", place.describe()))?;
    if let Some(note) = note {
        line("note", &note);
    }
    let order = Order {
        state_dir: state.is_dir().then(|| state.to_owned()),
        cause: Cause::Drill,
        key: format!("drill by pid {} at {}", std::process::id(), jiff::Timestamp::now()),
        only_while_latched: false,
        by: Caller::this().to_string(),
        reason: "drill".to_owned(),
        inherited: Order::inherited_by(&plan),
        plan,
        plan_owner: owner,
    };
    let following = match start(&order) {
        Ok(following) => following,
        Err(error) => {
            line("drill", &format!("nothing could be run: no process could be started: {error}"));
            return Ok(Exit::Unknown);
        }
    };
    let followed = following.follow(order.plan.longest() + SLACK, &mut |_| {});
    let (Followed::Ended(last) | Followed::Running { last, .. }) = followed;
    match last {
        Some(Word::Run(run)) => {
            out::print_last(&table(&run))?;
            Ok(if run.is_finished() && run.counts().1 == 0 { Exit::Good } else { Exit::No })
        }
        Some(Word::Waits { pid }) => {
            let reason = format!("emergency actions of this system run already (pid {pid}); wait for their end");
            Err(Failure::Refused { reasons: vec![reason] })
        }
        Some(Word::Refused(why)) => {
            line("drill", &why);
            Ok(Exit::Unknown)
        }
        None => {
            line("drill", "nothing could be run: whoever was to run it died");
            Ok(Exit::Unknown)
        }
    }
}

/// A system that was never started has no latch, and no directory for one.
fn read_latch_where_there_is_a_state(state: &Path) -> Latch {
    match std::fs::symlink_metadata(state) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Latch::Clear,
        Ok(_) | Err(_) => read_latch(state),
    }
}

fn table(run: &Run) -> String {
    let mut table = Table::default();
    table.row(["action", "kind", "outcome", "took", "tries", "how"].map(Cell::from));
    for step in &run.steps {
        let (outcome, took, tries, how) = match &step.ended {
            Some(ended) => {
                (word(&ended.outcome), seconds(ended.took_ms), ended.tries.to_string(), ended.outcome.text())
            }
            None => ("not run", String::new(), String::new(), step.text()),
        };
        table.row([
            Cell::from(step.name.as_str()),
            Cell::from(step.kind.word()),
            Cell::state(outcome),
            Cell::from(took).right(),
            Cell::from(tries).right(),
            Cell::from(how),
        ]);
    }
    let mut text = table.render();
    for step in &run.steps {
        let said = step.ended.iter().filter(|ended| !ended.outcome.is_done()).flat_map(|ended| &ended.said);
        for said in said {
            text.push_str(&format!("{}: > {}\n", printable(&step.name), printable(said)));
        }
    }
    let (done, failed) = run.counts();
    text.push_str(&format!("{done} done, {failed} not; trace {}\n", run.id));
    if let Some(why) = &run.not_kept {
        text.push_str(&format!("note: what was done could not be kept: {}\n", printable(why)));
    }
    text
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::Failed { .. } | Outcome::Signal { .. } | Outcome::GivenUp { .. } => "failed",
        Outcome::TimedOut { .. } => "timed out",
        Outcome::NotStarted { .. } => "not started",
        Outcome::Interrupted => "interrupted",
    }
}

/// The runs that `kill-switch status` shows.
pub struct Runs {
    /// That of the engagement which stands.
    run: Option<Run>,
    /// The last one of a fail-safe shutdown.
    failsafe: Option<Run>,
    drill: Option<Run>,
    running: Option<i32>,
    /// What cannot be read.
    faults: Vec<String>,
}

impl Runs {
    /// As the disk tells them.
    pub fn read(state: &Path, latch: &Latch) -> Self {
        let mut faults = Vec::new();
        let mut of = |cause| match Run::read(state, cause) {
            Ok(run) => run,
            Err(error) => {
                faults.push(error.to_string());
                None
            }
        };
        let key = key_of(latch);
        let run = of(Cause::KillSwitch).filter(|run| key.as_ref() == Some(&run.key));
        let (failsafe, drill) = (of(Cause::Failsafe), of(Cause::Drill));
        let running = runner_of(state).map(|runner| runner.pid);
        Self { run, failsafe, drill, running, faults }
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "run": self.run, "failsafe": self.failsafe, "drill": self.drill, "running": self.running, "faults": self.faults,
        })
    }

    /// For people: a fact a line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, words: &str| text.push_str(&format!("{what:<10} {}\n", printable(words)));
        if let Some(pid) = self.running {
            line("actions", &format!("run now (pid {pid})"));
        }
        for step in self.run.iter().flat_map(|run| &run.steps) {
            line("action", &format!("{}: {}", step.name, step.text()));
        }
        for (what, run) in [("failsafe", &self.failsafe), ("drill", &self.drill)] {
            let Some(run) = run else { continue };
            let (done, failed) = run.counts();
            let when = run.finished.as_deref().unwrap_or(&run.begun);
            let over = if run.is_finished() { "" } else { ", not over" };
            line(what, &format!("last at {when}: {done} done, {failed} not{over}"));
        }
        for fault in &self.faults {
            line("note", fault);
        }
        text
    }
}
