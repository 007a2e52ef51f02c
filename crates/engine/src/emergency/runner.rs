//! The process that runs emergency actions: failstop's own file under another name, started by the engine or by
//! `failstop kill-switch`, with its [`Order`] on standard input. It says on standard output how it goes ([`Word`], a line each),
//! as far as anybody reads it.
//!
//! It takes no signal but SIGKILL, except in a drill: whoever started it may end, hang up or be stopped, and it goes on.

use super::execute::{Setting, attempt};
use super::given::{account, environment};
use super::lock::{Held, Lock, announced_by, held, make_folder};
use super::plan::{Action, Plan};
use super::remains::kill_of_run;
use super::run::{BEGINNINGS_MAX, Cause, Ended, Outcome, Run, key_of};
use super::saying::Saying;
use super::tail::Tail;
use super::waiting::{Next, Seen, Waiting};
use crate::clock;
use crate::config::{EMERGENCY_PAUSE, Inherited};
use crate::kill_switch::{LATCH_FILE, read_latch};
use crate::process::pidfd::kill_exactly;
use crate::process::procfs;
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What it is called, by its zeroth argument and in lists of processes.
pub const NAME: &str = "failstop-actions";

/// What `/proc` calls it, from the moment on at which it may begin to work.
pub(super) const COMM: &str = "failstop-actns";

/// The longest order, bytes.
const ORDER_MAX: u64 = 4 << 20;

/// Between two looks at a lock that another runner has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The programs that are found without a path.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a runner ends that came to its end. Any other status, and a signal, is the end of one that did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Every action is done.
    Done,
    /// Every action was tried, and some are not done.
    Failed,
    /// Nothing was begun (any more): its last word says why.
    Refused,
}

impl Came {
    /// The exit status that says so.
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 3,
        }
    }

    /// What an exit status says; `None` where it says nothing of these.
    pub fn of_status(status: i32) -> Option<Self> {
        [Self::Done, Self::Failed, Self::Refused].into_iter().find(|came| i32::from(came.status()) == status)
    }
}

/// What is to be run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The state directory, where it is known.
    pub state_dir: Option<PathBuf>,
    /// Why.
    pub cause: Cause,
    /// Which engagement or halt it is for.
    pub key: String,
    /// Nothing is begun any more once the latch is gone.
    pub only_while_latched: bool,
    /// Who wanted it.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// What is to be done.
    pub plan: Plan,
    /// The user whose word the plan is: only root's may name other users. `None` where others may write it, too: nobody can say
    /// whose it is, and root runs none of it.
    pub plan_of: Option<u32>,
    /// What the actions may inherit, by name.
    pub inherited: Vec<(String, String)>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Another runner works on this system; it is waited for, or with a drill nothing is done.
    Waits {
        /// That one.
        pid: i32,
    },
    /// How the run stands.
    Run(Run),
    /// Nothing is done (any more), and why.
    Refused(String),
}

impl Order {
    /// What this process's environment has of the variables that the actions inherit. A value that is no text is left out.
    pub fn inherited_by(plan: &Plan) -> Vec<(String, String)> {
        let wanted = Inherited::of(plan.actions.iter().flat_map(|action| action.inherit.iter().cloned()).collect());
        std::env::vars_os()
            .filter(|(name, _)| wanted.has(name))
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| !name.starts_with("FAILSTOP_"))
            .collect()
    }
}

/// Runs emergency actions if that is what this program was started for; the status to end with.
pub fn run_if_runner() -> Option<ExitCode> {
    if std::env::args_os().next()? != NAME {
        return None;
    }
    let mut saying = Saying::on_stdout();
    let mut text = Vec::new();
    let order = io::stdin()
        .take(ORDER_MAX)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice::<Order>(&text).map_err(|error| error.to_string()));
    let order = match order {
        Ok(order) => order,
        Err(why) => {
            saying.say(&Word::Refused(format!("what is to be run cannot be read: {why}")));
            saying.finish();
            return Some(Came::Refused.status().into());
        }
    };
    settle(order.cause);
    // By its end whoever waits for the lock has it: nothing of this run is.
    let came = perform(&order, &mut |word| saying.say(word));
    saying.finish();
    Some(came.status().into())
}

/// Somebody has enough of this drill.
static DRILL_ENDS: AtomicBool = AtomicBool::new(false);

extern "C" fn end_drill(_signal: libc::c_int) {
    DRILL_ENDS.store(true, Ordering::Relaxed);
}

/// A process that outlives whoever started it and inherits every orphan of its own.
fn settle(cause: Cause) {
    let unused: libc::c_ulong = 0;
    let ignored: &[libc::c_int] = match cause {
        Cause::KillSwitch | Cause::Failsafe => &[libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGQUIT],
        // A drill ends when somebody has enough of it, with what it runs.
        Cause::Drill => &[],
    };
    let dies_with_its_command = match cause {
        Cause::KillSwitch | Cause::Failsafe => 0,
        // Nobody would see how it went.
        Cause::Drill => libc::c_ulong::from(libc::SIGTERM.unsigned_abs()),
    };
    let end: extern "C" fn(libc::c_int) = end_drill;
    // SAFETY: options that take a number or a literal, and dispositions of this process, which has one thread; the handler stores
    // into an atomic and no more.
    unsafe {
        if cause == Cause::Drill {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGQUIT] {
                libc::signal(signal, end as libc::sighandler_t);
            }
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, dies_with_its_command, unused, unused, unused);
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong, unused, unused, unused);
        libc::prctl(libc::PR_SET_NAME, c"failstop-actns".as_ptr());
        if cause != Cause::Drill {
            libc::setsid();
        }
        for signal in ignored.iter().chain(&[libc::SIGPIPE]) {
            libc::signal(*signal, libc::SIG_IGN);
        }
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        // What waits for ends by this signal needs it blocked; programs get their mask cleared.
        libc::sigprocmask(libc::SIG_SETMASK, &raw const child, std::ptr::null_mut());
        libc::umask(0o077);
    }
}

/// Runs everything that is still to be run.
fn perform(order: &Order, say: &mut dyn FnMut(&Word)) -> Came {
    let kept = order.state_dir.as_deref().map_or_else(
        || Err("the state directory is not known".to_owned()),
        |state| make_folder(state).map(|folder| (state, folder)).map_err(|error| error.to_string()),
    );
    let mut beside = None;
    let (_lock, kept) = match kept {
        Ok((state, folder)) => match lock(order, state, &folder, say) {
            Ok(Turn::Ours(lock)) => (Some(lock), Ok(state)),
            Ok(Turn::Theirs) => return Came::Refused,
            Ok(Turn::Beside(why)) => {
                beside = Some(why);
                (None, Ok(state))
            }
            Err(error) => (None, Err(error.to_string())),
        },
        Err(why) => (None, Err(why)),
    };
    let mut run = match begin(order, &kept) {
        Ok(run) => run,
        Err(why) => {
            say(&Word::Refused(why));
            return Came::Refused;
        }
    };
    run.not_kept = run.not_kept.or(beside);
    for at in 0..run.steps.len() {
        if run.steps.get(at).is_none_or(|step| step.ended.is_some()) {
            continue;
        }
        if order.only_while_latched && is_released(order) {
            say(&Word::Refused("the kill switch was released meanwhile; what was not begun is not run".to_owned()));
            return Came::Refused;
        }
        if is_to_stop(order) {
            // Begun by nobody: the whole rest is.
            interrupt(&mut run);
            break;
        }
        step(order, &mut run, at, &kept, say);
    }
    if !run.is_interrupted() {
        run.finished.get_or_insert_with(now);
    }
    keep(&mut run, &kept);
    say(&Word::Run(run.clone()));
    if run.counts().1 == 0 { Came::Done } else { Came::Failed }
}

/// Whose turn it is.
enum Turn {
    /// This one's.
    Ours(Lock),
    /// Another's; a drill waits for nobody.
    Theirs,
    /// This one's, although another has the lock, and why.
    Beside(String),
}

/// Waits for the lock, with a bound.
fn lock(order: &Order, state: &Path, folder: &Path, say: &mut dyn FnMut(&Word)) -> io::Result<Turn> {
    let longest = order.plan.longest();
    let mut waiting: Option<Waiting> = None;
    loop {
        if let Some(lock) = Lock::try_take(folder)? {
            // Without room for it whoever waits takes the most that there is.
            let _ = lock.announce(longest);
            return Ok(Turn::Ours(lock));
        }
        let held = held(state);
        let other = match held {
            Held::By(other) => Some(other),
            Held::No | Held::Unseen => None,
        };
        if waiting.is_none() {
            say(&Word::Waits { pid: other.map_or(0, |other| other.pid) });
        }
        if order.cause == Cause::Drill {
            return Ok(Turn::Theirs);
        }
        let seen = Seen {
            held,
            is_stopped: other.is_some_and(|other| procfs::stat(other.pid).is_ok_and(|stat| stat.state == 'T')),
            longest: other.and_then(|other| announced_by(other, state)),
        };
        let now = Instant::now();
        match waiting.get_or_insert_with(|| Waiting::new(longest, now)).next(seen, now) {
            Next::Wait => {}
            Next::End(other) => {
                // One that cannot be ended is waited for with a bound.
                let _ = kill_exactly(other);
            }
            Next::WorkBeside(why) => return Ok(Turn::Beside(why)),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The run to go on with, or a new one.
fn begin(order: &Order, kept: &Result<&Path, String>) -> Result<Run, String> {
    if order.only_while_latched && is_released(order) {
        return Err("the kill switch was released meanwhile: nothing is run".to_owned());
    }
    let id = new_id().map_err(|error| format!("there is no randomness for a name: {error}"))?;
    let who = (order.by.clone(), order.reason.clone());
    let fresh = Run::new(id, order.key.clone(), order.cause, &order.plan, who, now());
    match kept {
        Ok(state) => match Run::read(state, order.cause) {
            Ok(Some(mut earlier)) if earlier.key == order.key => {
                earlier.take_on(&order.plan);
                Ok(earlier)
            }
            Ok(_) => Ok(fresh),
            // Nobody knows what was done: everything is done again.
            Err(error) => Ok(Run { not_kept: Some(error.to_string()), ..fresh }),
        },
        Err(why) => Ok(Run { not_kept: Some(why.clone()), ..fresh }),
    }
}

fn is_released(order: &Order) -> bool {
    order.state_dir.as_deref().is_some_and(|state| key_of(&read_latch(state)).is_none())
}

/// Whether what is not begun is not to begin, and what runs is to end: a drill holds up nothing real.
fn is_to_stop(order: &Order) -> bool {
    let latch = order.state_dir.as_ref().map(|state| state.join(LATCH_FILE));
    let is_engaged = || latch.is_some_and(|latch| std::fs::symlink_metadata(latch).is_ok());
    order.cause == Cause::Drill && (DRILL_ENDS.load(Ordering::Relaxed) || is_engaged())
}

/// Everything that has not ended was not done.
fn interrupt(run: &mut Run) {
    for step in run.steps.iter_mut().filter(|step| step.ended.is_none()) {
        let (outcome, said) = (Outcome::Interrupted, Vec::new());
        step.ended = Some(Ended { at: now(), took_ms: 0, tries: 0, outcome, said, said_bytes: 0, left: 0 });
    }
}

/// Runs one action of the run to its end.
fn step(order: &Order, run: &mut Run, at: usize, kept: &Result<&Path, String>, say: &mut dyn FnMut(&Word)) {
    let Some(name) = run.steps.get(at).map(|step| step.name.clone()) else { return };
    let Some(action) = order.plan.actions.iter().find(|action| action.name == name) else {
        let why = "the configuration does not have it any more".to_owned();
        return end(run, at, Outcome::NotStarted { why }, (0, 0), (&Tail::default(), &[], 0), kept, say);
    };
    let beginnings = run.steps.get(at).map_or(0, |step| step.beginnings);
    if beginnings >= BEGINNINGS_MAX {
        return end(run, at, Outcome::GivenUp { beginnings }, (0, 0), (&Tail::default(), &[], 0), kept, say);
    }
    if beginnings > 0 {
        // Whoever ran it died; what that left must not work beside this one.
        kill_of_run(&run.id);
    }
    if let Some(step) = run.steps.get_mut(at) {
        step.beginnings = beginnings.saturating_add(1);
        step.begun = Some(now());
    }
    // Before it begins: whoever comes after a death knows that it may have been done.
    keep(run, kept);
    say(&Word::Run(run.clone()));
    let begun = Instant::now();
    let (tried, tries, secrets) = try_it(order, run, at, action);
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    end(run, at, tried.outcome, (took, tries), (&tried.tail, &secrets, tried.left), kept, say);
}

fn end(
    run: &mut Run,
    at: usize,
    outcome: Outcome,
    (took_ms, tries): (u64, u32),
    (tail, secrets, left): (&Tail, &[String], usize),
    kept: &Result<&Path, String>,
    say: &mut dyn FnMut(&Word),
) {
    if let Some(step) = run.steps.get_mut(at) {
        let (said, said_bytes) = (tail.lines(secrets), tail.total());
        step.ended = Some(Ended { at: now(), took_ms, tries, outcome, said, said_bytes, left });
    }
    keep(run, kept);
    say(&Word::Run(run.clone()));
}

/// Tries an action until it is done or its tries are used up.
fn try_it(order: &Order, run: &Run, at: usize, action: &Action) -> (super::execute::Tried, u32, Vec<String>) {
    let not_begun = |outcome| super::execute::Tried { outcome, tail: Tail::default(), left: 0 };
    let not_started = |why| not_begun(Outcome::NotStarted { why });
    let account = match account(order, action) {
        Ok(account) => account,
        Err(why) => return (not_started(why), 0, Vec::new()),
    };
    let (environment, secrets) = match environment(order, run, at, action, account.as_ref()) {
        Ok(both) => both,
        Err(why) => return (not_started(why), 0, Vec::new()),
    };
    let stop = || is_to_stop(order);
    let mut tries = 0;
    loop {
        if stop() {
            return (not_begun(Outcome::Interrupted), tries, secrets);
        }
        tries += 1;
        let mut environment = environment.clone();
        environment.push(("FAILSTOP_TRY".into(), tries.to_string().into()));
        let setting = Setting { action, folder: &order.plan.folder, environment, account: account.as_ref() };
        let tried = attempt(&setting, &stop);
        if tried.outcome.is_done() || tried.outcome == Outcome::Interrupted || tries >= action.tries {
            return (tried, tries, secrets);
        }
        std::thread::sleep(EMERGENCY_PAUSE);
    }
}

/// What cannot be kept is run all the same, and says so.
fn keep(run: &mut Run, kept: &Result<&Path, String>) {
    if let Ok(state) = kept
        && let Err(error) = run.keep(state)
    {
        run.not_kept = Some(error.to_string());
    }
}

fn now() -> String {
    clock::rfc3339(clock::wall())
}

fn new_id() -> io::Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
