//! Emergency actions from the command line: run under the kill switch, rehearsed, and shown. Whatever the engine is doing: the
//! actions are run by a process of their own, which goes on if this command is interrupted.

use crate::args::PlaceArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::{Place, config_text};
use crate::render::table::{Cell, Table};
use failstop_client::status::{EmergencyRun, Status};
use failstop_engine::config::{Config, EmergencyKind, Overrides, Writer};
use failstop_engine::emergency::{
    Cause, Followed, Following, Order, Outcome, Plan, Run, Step, Word, key_of, runner_of, seconds, start,
};
use failstop_engine::kill_switch::{Caller, Latch, LatchError, Written, read_latch};
use failstop_engine::printable::printable;
use serde_json::json;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How much longer than the actions may take they are listened to: another run may have to end first.
const SLACK: Duration = Duration::from_secs(150);

/// Which actions there are, and on whose word.
struct Planned {
    plan: Plan,
    writer: Writer,
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
        Some(config) => match Config::load_with_writer(config, &Overrides::from_environment()) {
            // Whoever may write it decides what is run.
            Ok((_, Writer::Others)) if nix::unistd::geteuid().is_root() => {
                format!("{} may be written by others than its owner, and root runs nothing of it", config.display())
            }
            Ok((loaded, writer)) => return Ok(Planned { plan: Plan::of(&loaded), writer, note: None }),
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
        Ok((plan, writer)) => {
            let note = format!("{why}: these are the actions of the last start, of {}", plan.saved);
            Ok(Planned { plan, writer, note: Some(note) })
        }
        Err(error) => Err(format!("{why}, and what the last start wrote down cannot be used ({error})")),
    }
}

/// The actions of the kill switch: begun, and still to be told of. Nobody has to read anything for them to run.
pub struct Begun {
    /// Where they come from, if that is worth knowing.
    note: Option<String>,
    what: What,
}

enum What {
    /// Nobody can say which there are.
    NotKnown { why: String, meant: bool },
    /// There are none.
    Nothing,
    /// They were run for this engagement before.
    RanAlready(Run),
    /// They are run.
    Begun { order: Order, runner: io::Result<Following> },
}

/// Begins the actions of the kill switch, unless they were run for this engagement.
pub fn begin(place: &Place, latch: &Option<Result<Written, LatchError>>, reason: &str) -> Begun {
    let Planned { plan, writer, note } = match planned(place) {
        Ok(planned) => planned,
        Err(why) => {
            let meant = place.config.as_deref().and_then(config_text).is_some_and(|text| text.contains("[[emergency"));
            return Begun { note: None, what: What::NotKnown { why, meant } };
        }
    };
    let plan = plan.run_for(Cause::KillSwitch);
    if plan.actions.is_empty() {
        return Begun { note, what: What::Nothing };
    }
    let state = place.state.as_deref();
    let standing = state.map(read_latch);
    // What could not be written to the end may stand all the same, and then an engine runs them for it.
    let stands = match (latch, &standing) {
        (Some(Ok(_)), _) => true,
        (Some(Err(_)), Some(Latch::Engaged { .. } | Latch::Unreadable(LatchError::Malformed { .. }))) => true,
        (Some(Err(_)), Some(Latch::Clear | Latch::Unreadable(_)) | None) | (None, _) => false,
    };
    let key = standing.as_ref().and_then(key_of).filter(|_| stands);
    let only_while_latched = key.is_some();
    let (by, reason) = match standing.as_ref().and_then(Latch::who_and_why).filter(|_| only_while_latched) {
        Some(first) => first,
        None => (Caller::this().to_string(), reason.to_owned()),
    };
    let order = Order {
        state_dir: state.map(Path::to_owned),
        cause: Cause::KillSwitch,
        // Without a latch nothing says that it is the same engagement: everything is run.
        key: key.unwrap_or_else(|| format!("no latch, pid {} at {}", std::process::id(), jiff::Timestamp::now())),
        only_while_latched,
        by,
        reason,
        inherited: Order::inherited_by(&plan),
        plan,
        plan_of: writer.owner(),
    };
    if let Some(run) = ran_already(&order) {
        return Begun { note, what: What::RanAlready(run) };
    }
    let runner = start(&order);
    Begun { note, what: What::Begun { order, runner } }
}

impl Begun {
    /// Says line by line how they end.
    pub fn tell(self) -> Ran {
        if let Some(note) = &self.note {
            line("actions", note);
        }
        match self.what {
            // That some were meant is bad news.
            What::NotKnown { why, meant } => {
                line("actions", &format!("{}: {why}", if meant { "not run" } else { "none are known" }));
                not_done(None);
                if meant { Ran::Badly } else { Ran::Well }
            }
            What::Nothing => {
                line("actions", "none are configured ([[emergency.action]])");
                not_done(None);
                Ran::Well
            }
            What::RanAlready(run) => {
                line("actions", &format!("were run for this engagement, begun {}", run.begun));
                for step in &run.steps {
                    line("action", &format!("{}: {}", step.name, step.text()));
                }
                not_done(Some(&run));
                if run.counts().1 == 0 { Ran::Well } else { Ran::Badly }
            }
            What::Begun { order, runner } => listen(&order, runner),
        }
    }
}

/// The actions are left alone, and why.
pub fn not_run(why: &str) -> Ran {
    line("actions", &format!("not run: {why}"));
    not_done(None);
    Ran::Badly
}

fn ran_already(order: &Order) -> Option<Run> {
    // One that cannot be read is run again, and the runner says so.
    let mut run = Run::read(order.state_dir.as_deref()?, order.cause).ok()?.filter(|run| run.key == order.key)?;
    run.take_on(&order.plan);
    run.is_finished().then_some(run)
}

fn listen(order: &Order, runner: io::Result<Following>) -> Ran {
    let names: Vec<&str> = order.plan.actions.iter().map(|action| action.name.as_str()).collect();
    line("actions", &format!("running {}", names.join(", ")));
    let following = match runner {
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
    let said = match last {
        Some(Word::Run(run)) => Some(run),
        Some(Word::Refused(_) | Word::Waits { .. }) | None => None,
    };
    // What was not listened to in time is on the disk.
    let run = match said {
        Some(run) if run.is_finished() => Some(run),
        said => match ran_already(order) {
            Some(run) => {
                shown.take(&Word::Run(run.clone()));
                Some(run)
            }
            None => said,
        },
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

/// What nobody did, after everything that somebody did.
fn not_done(run: Option<&Run>) {
    let has = |kind| run.is_some_and(|run| run.has_done(kind));
    not_done_but(has(EmergencyKind::CancelAll), has(EmergencyKind::ClosePositions));
}

/// The same, by whether an action says that it cancelled the orders, and closed the positions.
fn not_done_but(cancelled: bool, closed: bool) {
    let text = match (cancelled, closed) {
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
            let (loaded, writer) = Config::load_with_writer(config, &Overrides::from_environment())
                .map_err(|errors| Failure::Config { rendered: errors.to_string() })?;
            Planned { plan: Plan::of(&loaded), writer, note: None }
        }
        None => planned(&place).map_err(|what| Failure::Usage { what, next: "give --config FILE".to_owned() })?,
    };
    let Planned { plan, writer, note } = planned;
    let plan = plan.run_for(Cause::Drill);
    if plan.actions.is_empty() {
        let reason = format!("{} has no emergency actions: write an [[emergency.action]]", place.describe());
        return Err(Failure::Refused { reasons: vec![reason] });
    }
    out::print_last(&format!("drill of {}: nothing is revoked, stopped or latched\n", place.describe()))?;
    if let Some(note) = note {
        line("note", &note);
    }
    let order = Order {
        // Where there is none yet, that a latch comes is seen all the same.
        state_dir: Some(state.to_owned()),
        cause: Cause::Drill,
        key: format!("drill by pid {} at {}", std::process::id(), jiff::Timestamp::now()),
        only_while_latched: false,
        by: Caller::this().to_string(),
        reason: "drill".to_owned(),
        inherited: Order::inherited_by(&plan),
        plan,
        plan_of: writer.owner(),
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

    /// For programs: what the status says of each, and all that the disk has of it.
    pub fn json(&self) -> serde_json::Value {
        let whole = |run: &Option<Run>| {
            run.as_ref().map(|run| {
                let mut whole = json!(run.summary());
                if let (Some(whole), serde_json::Value::Object(more)) = (whole.as_object_mut(), json!(run)) {
                    whole.extend(more);
                }
                whole
            })
        };
        json!({
            "run": whole(&self.run), "failsafe": whole(&self.failsafe), "drill": whole(&self.drill),
            "running": self.running, "faults": self.faults,
        })
    }

    /// For people: a fact a line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(pid) = self.running {
            fact(&mut text, "actions", &format!("run now (pid {pid})"));
        }
        let summary = |run: &Option<Run>| run.as_ref().map(Run::summary);
        let told = Told { run: summary(&self.run), failsafe: summary(&self.failsafe), drill: summary(&self.drill) };
        text.push_str(&told.text());
        for fault in &self.faults {
            fact(&mut text, "note", fault);
        }
        text
    }
}

/// The same as a status tells it, of another host: its disk has more.
pub struct Told {
    run: Option<EmergencyRun>,
    failsafe: Option<EmergencyRun>,
    drill: Option<EmergencyRun>,
}

impl Told {
    /// By this status.
    pub fn by(status: &Status) -> Self {
        let last = |cause: Cause| status.emergency.run.clone().filter(|run| run.cause == cause.word());
        Self {
            run: last(Cause::KillSwitch).filter(|_| status.kill_switch),
            failsafe: last(Cause::Failsafe),
            drill: status.emergency.drill.clone(),
        }
    }

    /// Whether the actions of the engagement are over; `None` where none was begun.
    pub fn is_finished(&self) -> Option<bool> {
        self.run.as_ref().map(|run| run.finished.is_some())
    }

    /// Says how the actions of the engagement ended, and what nobody did.
    pub fn tell(&self, status: &Status) -> Ran {
        let Some(run) = &self.run else {
            line(
                "actions",
                if status.emergency.configured.is_empty() {
                    "none are configured ([[emergency.action]])"
                } else {
                    "the engine has begun none; `failstop kill-switch status` shows if it does"
                },
            );
            not_done(None);
            return Ran::Well;
        };
        line("actions", &format!("run by the engine, begun {}", run.begun));
        for action in &run.actions {
            line("action", &format!("{}: {}", action.name, action.detail));
        }
        if run.finished.is_none() {
            line("actions", "not over; `failstop kill-switch status` shows how they end");
        }
        let has =
            |kind: EmergencyKind| run.actions.iter().any(|action| action.kind == kind.word() && action.state == "done");
        not_done_but(has(EmergencyKind::CancelAll), has(EmergencyKind::ClosePositions));
        if run.finished.is_some() && run.failed == 0 { Ran::Well } else { Ran::Badly }
    }

    /// The engine does not say.
    pub fn not_known() -> Ran {
        line("actions", "what the engine does of them is not known; `failstop kill-switch status` shows it");
        not_done(None);
        Ran::Badly
    }

    /// For programs, in the shape that it has on the host itself. Whether any runs just now is not known.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "run": self.run, "failsafe": self.failsafe, "drill": self.drill, "running": null, "faults": [],
        })
    }

    /// For people: a fact a line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for action in self.run.iter().flat_map(|run| &run.actions) {
            fact(&mut text, "action", &format!("{}: {}", action.name, action.detail));
        }
        for (what, run) in [("failsafe", &self.failsafe), ("drill", &self.drill)] {
            let Some(EmergencyRun { begun, finished, done, failed, .. }) = run else { continue };
            let when = finished.as_ref().unwrap_or(begun);
            let over = if finished.is_some() { "" } else { ", not over" };
            fact(&mut text, what, &format!("last at {when}: {done} done, {failed} not{over}"));
        }
        text
    }
}

fn fact(text: &mut String, what: &str, words: &str) {
    text.push_str(&format!("{what:<10} {}\n", printable(words)));
}
